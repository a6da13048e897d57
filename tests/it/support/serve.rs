//! `trimtab serve` as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

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
        Self::of("harbor", words)
    }

    /// The same with another model.
    pub fn of(model: &str, words: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--model", model, "--port", "0", "--json"])
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
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
