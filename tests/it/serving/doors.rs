//! Who comes in, who goes, and how the server ends.

use super::*;

#[test]
fn who_hangs_up_ends_only_their_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let want = server.ask(&request(ADVICE, json!({ "max_tokens": 400 })));
    // A steered model babbles on to the end of its positions.
    let long =
        json!({ "max_tokens": 400, "stream": true, "n": 8, "steering": [{ "vector": "one", "coef": 20, "layer": 3 }] });
    let mut leaving = server.connect("POST", "/v1/chat/completions", request(ADVICE, long).to_string().as_bytes());
    let staying = std::thread::spawn({
        let (client, staying) = (server.client(), request(ADVICE, json!({ "max_tokens": 400 })));
        move || block(client.create::<Value>(&staying)).unwrap()
    });
    leaving.read_exact(&mut [0; 200]).unwrap();
    drop(leaving);
    assert_eq!(staying.join().unwrap()["choices"], want["choices"]);
    let began = Instant::now();
    while server.raw("GET", "/health", b"").1["open_requests"] != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "somebody who is gone is still served");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interrupted_or_idle_server_ends_well() {
    assert_eq!(Server::start(&["--idle-exit", "0"]).wait().code(), Some(0));
    #[cfg(unix)]
    {
        let mut server = Server::start(&[]);
        let asked = server.connect("POST", "/v1/chat/completions", request(ADVICE, json!({})).to_string().as_bytes());
        std::thread::sleep(Duration::from_millis(100));
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let mut reply = String::new();
        BufReader::new(asked).read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.0 200"), "an answer that was begun is given: {reply}");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn web_pages_and_strange_names_are_refused() {
    let server = Server::start(&["--allow-origin", "http://localhost:3000"]);
    let get = |more: &str| server.head(&["GET /v1/models HTTP/1.1", "connection: close", more]);
    assert!(get("host: localhost:1").starts_with("HTTP/1.1 200"));
    let rebound = get("host: evil.example");
    assert!(rebound.starts_with("HTTP/1.1 403") && rebound.contains("host_not_allowed"), "{rebound}");
    let page = get("host: localhost:1\r\norigin: http://evil.example");
    assert!(page.starts_with("HTTP/1.1 403") && page.contains("--allow-origin http://evil.example"), "{page}");
    assert!(!page.contains("access-control-allow-origin"));
    let allowed = get("host: localhost:1\r\norigin: http://localhost:3000");
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    assert!(allowed.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{allowed}");
    let preflight = |origin: &str| {
        server.head(&[
            "OPTIONS /v1/chat/completions HTTP/1.1",
            "host: localhost:1",
            "connection: close",
            &format!("origin: {origin}"),
            "access-control-request-method: POST",
            "access-control-request-headers: content-type, x-stainless-lang",
        ])
    };
    let allowed = preflight("http://localhost:3000");
    assert!(allowed.starts_with("HTTP/1.1 204"), "{allowed}");
    assert!(allowed.contains("access-control-allow-headers: content-type, x-stainless-lang\r\n"), "{allowed}");
    assert!(preflight("http://localhost:3001").starts_with("HTTP/1.1 403"));
    let form = server.head(&["POST /v1/chat/completions HTTP/1.0", "content-type: text/plain"]);
    assert!(form.starts_with("HTTP/1.0 415") && form.contains("invalid_request_error"), "{form}");
}

#[test]
fn a_key_keeps_others_out() {
    let mut server = Server::start(&["--api-key", "secret-1", "--host", "0.0.0.0"]);
    server.url = server.url.replace("0.0.0.0", "127.0.0.1");
    let get = |path: &str, more: &str| server.head(&[&format!("GET {path} HTTP/1.0"), more]);
    for more in ["accept: */*", "authorization: Bearer secret-2", "authorization: Bearer "] {
        let refused = get("/v1/models", more);
        assert!(refused.starts_with("HTTP/1.0 401") && refused.contains("invalid_api_key"), "{refused}");
    }
    assert!(get("/v1/models", "authorization: Bearer secret-1").starts_with("HTTP/1.0 200"));
    assert!(get("/health", "accept: */*").starts_with("HTTP/1.0 200"));
    let open = Command::new(PROGRAM)
        .args(["serve", "--model", "harbor", "--port", "0", "--host", "0.0.0.0"])
        .env("TRIMTAB_CACHE", cache())
        .output()
        .unwrap();
    assert_eq!(open.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&open.stderr).contains("--api-key"));
}

#[cfg(unix)]
#[test]
fn half_a_head_does_not_keep_an_interrupted_server() {
    let mut server = Server::start(&[]);
    let host = server.url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut half = TcpStream::connect(host).unwrap();
    half.write_all(b"POST /").unwrap();
    let _silent = TcpStream::connect(host).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(server.wait().code(), Some(0));
}
