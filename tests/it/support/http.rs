//! HTTP servers on loopback, one request per connection, on threads of the test's process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

/// Serves each connection on a thread of its own until the process ends.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(client));
        }
    });
    address
}

/// The base URL of an OpenAI-compatible server at that address.
pub fn url(address: SocketAddr) -> String {
    format!("http://{address}/v1")
}

/// A chat-completions server: `answer` is given the request's head and JSON and returns status and JSON.
pub fn chat_server(answer: impl Fn(&str, Value) -> (u16, Value) + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut client| {
        let Some((head, body)) = read_message(&mut client) else { return };
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        let (status, json) = answer(&head, serde_json::from_slice(&body).unwrap());
        let _ = client.write_all(message(status, "", &json.to_string()).as_bytes());
    })
}

/// A completion with this text.
pub fn completion(text: &str) -> Value {
    json!({ "model": "m", "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }] })
}

/// The text of a request's first message.
pub fn prompt(request: &Value) -> &str {
    request["messages"][0]["content"].as_str().unwrap()
}

/// A response with a JSON body; `headers` are further lines, each with its end.
pub fn message(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The value of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name));
    head.lines().find_map(value).map(|(_, value)| value.trim())
}

/// Head and body of a request or a response; `None` if the peer has gone.
pub fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).ok()?;
    let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let rest = length.saturating_sub(body.len());
    (stream.take(rest as u64).read_to_end(&mut body).ok()? == rest).then_some((head, body))
}
