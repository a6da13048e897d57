//! `trimtab serve` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::place::{PROGRAM, cache};

/// A server on a free port of this machine; it ends with the value.
pub struct Server {
    pub child: Child,
    /// Where its routes begin: `http://127.0.0.1:PORT/v1`.
    pub url: String,
}

impl Server {
    /// Starts `trimtab serve --model harbor` with further words.
    pub fn start(words: &[&str]) -> Self {
        Self::of(&["serve", "--model", "harbor"], words)
    }

    /// Starts `trimtab` with a verb that serves, and further words.
    pub fn of(verb: &[&str], words: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(verb)
            .args(["--port", "0", "--json"])
            .args(words)
            .env("TRIMTAB_CACHE", cache())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: told["url"].as_str().unwrap().to_owned() }
    }

    /// Status and body of a request made by hand; `HTTP/1.0`, so that the body ends with the connection.
    pub fn raw(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = self.connect(method, path, body);
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    pub fn connect(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let host = self.url.trim_start_matches("http://").trim_end_matches("/v1");
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
        // A server that has heard enough hangs up before the end.
        let _ = stream.write_all(body);
        stream
    }

    /// Everything that answers these lines of a request without a body.
    pub fn head(&self, lines: &[&str]) -> String {
        let host = self.url.trim_start_matches("http://").trim_end_matches("/v1");
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{}\r\n\r\n", lines.join("\r\n")).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
