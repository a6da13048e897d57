//! A server's bad days: a proxy that stands before any HTTP server on loopback and spoils what passes through it.
//!
//! One connection carries one request. Plain sockets, because half a body and a cut line are nothing that an HTTP library would
//! send.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{self, message, read_message};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is passed on, and the answer back.
    None,
    /// This status, with a wait in milliseconds to be told as `Retry-After`; the server behind never sees the request.
    Status(u16, Option<u64>),
    /// Silence, for so many milliseconds, and then the end.
    Silence(u64),
    /// The line is cut before the server sees the request.
    Cut,
    /// The server answers, and the line is cut in the middle of its body.
    HalfBody,
    /// A page where JSON should be.
    Garbage,
    /// The answer has no logprobs.
    NoLogprobs,
    /// Another model answers.
    WrongModel,
    /// The text is refused by a filter.
    Filtered,
    /// The answer comes after so many milliseconds, in small pieces.
    Slow(u64),
}

/// What the proxy saw.
#[derive(Debug, Clone)]
pub struct Passed {
    pub at: Instant,
    pub fault: Fault,
    pub body: String,
}

/// The proxy, for as long as it lives in the test's process.
pub struct FaultProxy {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl FaultProxy {
    /// Stands before the server at `upstream`; `plan` says what happens to the n-th request, from 0.
    pub fn before(upstream: SocketAddr, plan: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Self {
        let passed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&passed);
        let address = http::listen(move |client| {
            serve(client, upstream, |body| {
                let mut log = log.lock().unwrap();
                let fault = plan(log.len());
                log.push(Passed { at: Instant::now(), fault, body: body.to_owned() });
                fault
            });
        });
        Self { address, passed }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        http::url(self.address)
    }

    /// What was asked so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }
}

/// A peer that has gone is no concern of the proxy's.
fn serve(mut client: TcpStream, upstream: SocketAddr, plan: impl FnOnce(&str) -> Fault) {
    let Some((head, body)) = read_message(&mut client) else { return };
    let text = String::from_utf8_lossy(&body).into_owned();
    let fault = plan(&text);
    let whole = match fault {
        Fault::Cut => return,
        Fault::Silence(ms) => return thread::sleep(Duration::from_millis(ms)),
        Fault::Status(status, wait) => {
            let wait = wait.map_or_else(String::new, |ms| format!("retry-after: {}\r\n", ms as f64 / 1e3));
            message(status, &wait, &json!({ "error": { "message": "spoilt" } }).to_string())
        }
        Fault::Filtered => message(400, "", r#"{"error":{"code":"content_filter","message":"violent"}}"#),
        Fault::Garbage => message(200, "", "<html><body>Be right back</body></html>"),
        _ => {
            let Some((mut head, mut body)) = forward(upstream, &head, &body) else { return };
            if let Fault::NoLogprobs | Fault::WrongModel = fault {
                let mut json: Value = serde_json::from_slice(&body).unwrap();
                match fault {
                    Fault::NoLogprobs => json["choices"][0]["logprobs"] = Value::Null,
                    _ => json["model"] = json!("another-model"),
                }
                body = json.to_string().into_bytes();
                head = message(200, "", "").replace("content-length: 0", &format!("content-length: {}", body.len()));
            }
            match fault {
                Fault::HalfBody => body.truncate(body.len() / 2),
                Fault::Slow(ms) => {
                    for piece in [head.as_bytes(), &body].concat().chunks(64) {
                        if client.write_all(piece).is_err() {
                            return;
                        }
                        thread::sleep(Duration::from_millis(ms / 10));
                    }
                    return;
                }
                _ => {}
            }
            head + &String::from_utf8(body).unwrap()
        }
    };
    let _ = client.write_all(whole.as_bytes());
}

fn forward(upstream: SocketAddr, head: &str, body: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut server = TcpStream::connect(upstream).ok()?;
    let mut lines: Vec<&str> =
        head.trim_end().lines().filter(|l| !l.to_lowercase().starts_with("connection:")).collect();
    lines.push("connection: close");
    server.write_all((lines.join("\r\n") + "\r\n\r\n").as_bytes()).ok()?;
    server.write_all(body).ok()?;
    read_message(&mut server)
}
