//! Hostile peers: a judge that answers anything, and clients of `serve` that ask anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab::At;

use super::rng::Rng;
use super::{Siege, Tally};

/// An answer as a sound judge would give it, but for one thing.
fn answer(rng: &mut Rng, patient: bool) -> (String, Vec<u8>) {
    let top = |logprob: Value| json!([{ "token": "70", "logprob": logprob, "bytes": null, "top_logprobs": [{ "token": "70", "logprob": logprob, "bytes": null }] }]);
    let mut reply = json!({
        "id": "x", "object": "chat.completion", "created": 0, "model": "judge",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "70" }, "logprobs": { "content": top(json!(-0.1)) } }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101 },
    });
    let absurd = [
        json!(1e308),
        json!(-1e308),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(-1),
        json!(null),
        json!("x"),
        json!([]),
        json!("9".repeat(500)),
    ];
    // What is tried again takes its time by design.
    let kind = rng.below(if patient { 12 } else { 7 });
    let mut head = "200 OK".to_owned();
    let mut more = String::new();
    match kind {
        0 => reply["choices"][0]["logprobs"]["content"] = top(rng.pick(&absurd).clone()),
        1 => reply["usage"]["prompt_tokens"] = rng.pick(&absurd).clone(),
        2 => reply["usage"] = rng.pick(&absurd).clone(),
        3 => reply["choices"][0]["message"]["content"] = json!("\u{1b}[2J\u{1b}]0;owned\u{7} 50"),
        4 => reply["choices"] = rng.pick(&[json!([]), json!(null), json!({}), json!([null]), json!([[[]]])]).clone(),
        8 => return ("garbage".into(), b"\x00\xff\xfe not HTTP at all\r\n\r\n".to_vec()),
        5 => return ("a body that nests".into(), http("200 OK", "", "[".repeat(200_000).as_bytes())),
        6 => return ("a huge body".into(), http("200 OK", "", &vec![b' '; 64 << 20])),
        7 => return ("a length that lies".into(), b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{".to_vec()),
        9 => {
            head = "429 Too Many Requests".into();
            more = format!(
                "retry-after: {}\r\n",
                rng.pick(&["99999999999999999999", "-1", "x", "Wed, 21 Oct 2999 07:28:00 GMT", "0"])
            );
        }
        10 => {
            head = "302 Found".into();
            more = "location: /v1/chat/completions\r\n".into();
        }
        _ => reply = json!({ "error": { "message": "\u{1b}[31mred ".repeat(1000), "code": null } }),
    }
    (
        format!("answer {kind}: {head} {more}{}", reply.to_string().chars().take(160).collect::<String>()),
        http(&head, &more, reply.to_string().as_bytes()),
    )
}

fn http(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Has answers judged by a hostile server.
pub fn judge(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    let mut place = siege.place()?;
    place.limits.time *= 4;
    let listener = TcpListener::bind("127.0.0.1:0").doing("a server on loopback")?;
    let address = listener.local_addr().doing("its address")?;
    let now: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let served = now.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let bytes = served.lock().ok().and_then(|now| now.clone());
            std::thread::spawn(move || reply(client, bytes));
        }
    });
    // A silent judge is waited for by design, so there is time for its tries.
    let words = format!(
        "eval trait --model model --trait evil --judge openai --judge-url http://{address}/v1 --judge-model judge --judge-timeout 1 \
         --judge-price 1,1 --budget 20,0.01usd --questions 1 --rollouts 1 --max-new-tokens 2 --out o"
    );
    while siege.goes_on() {
        let (what, bytes) = match siege.rng.below(16) {
            0 if siege.patient => ("silence".to_owned(), None),
            _ => {
                let (what, bytes) = answer(&mut siege.rng, siege.patient);
                (what, Some(bytes))
            }
        };
        if let Ok(mut now) = now.lock() {
            *now = bytes;
        }
        place.remove("o");
        let ended = place.run(&words);
        tally.tried += 1;
        let absurd = ended.stdout.contains("e308") || ended.stdout.contains("NaN");
        if let Some(fault) = ended.fault().or_else(|| absurd.then(|| "an absurd number is a result".to_owned())) {
            tally.violation(format!("{what}: {fault}"), &format!("trimtab {words}"));
        }
    }
    Ok(())
}

fn reply(mut client: TcpStream, bytes: Option<Vec<u8>>) {
    let _ = client.set_read_timeout(Some(Duration::from_millis(200)));
    let mut piece = [0; 1 << 16];
    while client.read(&mut piece).is_ok_and(|n| n > 0) {}
    match bytes {
        Some(bytes) => drop(client.write_all(&bytes)),
        None => std::thread::sleep(Duration::from_secs(3)),
    }
}

/// What a client sends, and how many such connections it holds open meanwhile.
fn request(rng: &mut Rng, host: &str) -> (&'static str, Vec<u8>, usize) {
    let post = |more: &str, body: &[u8]| {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let chat = |content: Value, more: Value| {
        let mut body =
            json!({ "model": "model", "max_tokens": 2, "messages": [{ "role": "user", "content": content }] });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body.to_string().into_bytes()
    };
    let absurd = [json!(1e308), json!(-1), json!(u64::MAX), json!(null), json!("x"), json!([[]]), json!({})];
    match rng.below(12) {
        0 => ("half a head", b"POST /v1/chat/comple".to_vec(), 50),
        1 => ("silence", Vec::new(), 200),
        2 => ("bytes that are no HTTP", (0..4096).map(|_| rng.number() as u8).collect(), 1),
        3 => ("a long head", format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes(), 1),
        4 => ("a length that lies", format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 18446744073709551615\r\n\r\n{{").into_bytes(), 20),
        5 => ("a huge body", post("", &chat(json!("word ".repeat(1 << 20)), json!({}))), 1),
        6 => ("a body that nests", post("", "[".repeat(200_000).as_bytes()), 1),
        7 => ("absurd numbers", post("", &chat(json!("Hi"), json!({ "max_tokens": rng.pick(&absurd), "temperature": rng.pick(&absurd), "n": rng.pick(&absurd) }))), 2),
        8 => ("absurd messages", post("", &chat(rng.pick(&absurd).clone(), json!({ "messages": rng.pick(&absurd) }))), 2),
        9 => ("another host", b"POST /v1/chat/completions HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 2\r\n\r\n{}".to_vec(), 1),
        10 => ("an endless chunked body", [b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" as &[u8], "fffff\r\n".as_bytes(), &vec![b'x'; 1 << 19]].concat(), 10),
        _ => ("many answers that the client does not read", post("", &chat(json!("Hi"), json!({ "n": 16, "stream": true, "max_tokens": 200 }))), 3),
    }
}

/// Besieges `serve`: after every attack a plain question must be answered, and at the end the server must go when it is asked to.
pub fn client(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    let place = siege.place()?;
    let words = "serve --model model --port 0 --json";
    let mut server = place.start(&[], words, "serve").at(&place.path)?;
    let began = Instant::now();
    let told = loop {
        let text = std::fs::read_to_string(place.file("serve.stdout")).unwrap_or_default();
        if let Some(told) = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok()) {
            break told;
        }
        if began.elapsed() > place.limits.time {
            let _ = server.kill();
            tally.violation("does not begin".to_owned(), words);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let url = told["url"].as_str().unwrap_or_default();
    let host = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let Ok(address) = host.parse::<SocketAddr>() else {
        tally.skipped(format!("`{url}` is no address"));
        let _ = server.kill();
        return Ok(());
    };
    let mut held: Vec<TcpStream> = Vec::new();
    while siege.goes_on() {
        let (what, bytes, count) = request(&mut siege.rng, &host);
        for _ in 0..count {
            let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else { continue };
            let _ = stream.set_write_timeout(Some(Duration::from_secs(2)));
            let _ = stream.write_all(&bytes);
            held.push(stream);
        }
        tally.tried += 1;
        if held.len() > 400 {
            held.drain(..200);
        }
        let gone = server.try_wait().ok().flatten();
        let patience = place.limits.time;
        let fault = match gone {
            Some(status) => Some(format!("the server ends: {status}")),
            None => (!answers(address, &host, patience)).then(|| "another client is not answered any more".to_owned()),
        };
        if let Some(fault) = fault {
            tally.violation(format!("{what}, {count} times: {fault}"), words);
            break;
        }
    }
    // Asked to go while half requests are open.
    let asked = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
    if asked.is_ok() {
        let ended = place.end(server, "serve");
        tally.tried += 1;
        if let Some(fault) = ended.fault() {
            tally.violation(format!("asked to end while {} connections are open: {fault}", held.len()), words);
        }
    }
    Ok(())
}

fn answers(address: SocketAddr, host: &str, patience: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < patience {
        let ask = || {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            stream
                .write_all(format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())
                .ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).ok()?;
            line.contains(" 200 ").then_some(())
        };
        if ask().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}
