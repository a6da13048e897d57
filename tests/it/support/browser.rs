//! A real browser without a screen: Chromium, driven through chromedriver by the WebDriver protocol (w3.org/TR/webdriver2).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trimtab::http;

/// One window; driver and browser end with the value.
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    threads: Runtime,
    session: String,
}

impl Browser {
    /// Starts one; nothing if there is no chromedriver or no Chromium here, which is said.
    pub fn start() -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else {
            eprintln!("skipped: there is no chromedriver here (Debian: chromium and chromium-driver)");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_matches('.').to_owned()));
        // It goes on writing, and must not be stopped by a closed or full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let http = http::client(false).unwrap().no_proxy().build().unwrap();
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut browser = Self { driver, http, threads, session: format!("http://127.0.0.1:{}", port.unwrap()) };
        let options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"] });
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": logs });
        match browser.ask("POST", "/session", Some(json!({ "capabilities": { "alwaysMatch": wanted } }))) {
            Ok(session) => {
                browser.session += &format!("/session/{}", session["sessionId"].as_str().unwrap());
                Some(browser)
            }
            Err(e) => {
                eprintln!("skipped: no browser can be started here: {e}");
                None
            }
        }
    }

    /// A command of the protocol; its value, or what went wrong.
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let request = request.timeout(Duration::from_secs(120));
        let answer = self.threads.block_on(async { request.send().await?.bytes().await });
        let answer: Value = serde_json::from_slice(&answer.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }

    #[track_caller]
    fn told(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.ask(method, path, body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.told("POST", "/url", Some(json!({ "url": url })));
    }

    /// What a script returns.
    #[track_caller]
    pub fn script(&self, script: &str) -> Value {
        self.told("POST", "/execute/sync", Some(json!({ "script": script, "args": [] })))
    }

    /// What a script gives to its last argument, a function.
    #[track_caller]
    pub fn later(&self, script: &str) -> Value {
        self.told("POST", "/execute/async", Some(json!({ "script": script, "args": [] })))
    }

    /// Waits until an expression holds.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        let began = Instant::now();
        while !self.script(&format!("return Boolean({expression});")).as_bool().unwrap() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not come to this: {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.told("POST", "/element", Some(json!({ "using": "css selector", "value": selector })));
        // The protocol's name for a reference.
        found["element-6066-11e4-a52e-4f735466cecf"].as_str().unwrap().to_owned()
    }

    /// Clicks as a hand would: the element must be seen.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.told("POST", &format!("/element/{}/click", self.element(selector)), Some(json!({})));
    }

    /// Types into an element. `\u{e007}` is the enter key, `\u{e014}` the right arrow.
    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        self.told("POST", &format!("/element/{}/value", self.element(selector)), Some(json!({ "text": text })));
    }

    /// Moves the pointer onto an element.
    #[track_caller]
    pub fn hover(&self, selector: &str) {
        let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": self.element(selector) });
        let step = json!({ "type": "pointerMove", "duration": 0, "origin": origin, "x": 0, "y": 0 });
        let pointer =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": [step] });
        self.told("POST", "/actions", Some(json!({ "actions": [pointer] })));
    }

    /// Sets the window's size in pixels, and whether the system prefers dark.
    #[track_caller]
    pub fn look(&self, width: u32, height: u32, dark: bool) {
        let mobile = width < 600;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        for (command, params) in [
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", json!({ "features": [scheme] })),
        ] {
            self.told("POST", "/goog/cdp/execute", Some(json!({ "cmd": command, "params": params })));
        }
    }

    /// Writes a picture of the window.
    #[track_caller]
    pub fn picture(&self, path: &Path) {
        let text = self.told("GET", "/screenshot", None);
        std::fs::write(path, base64(text.as_str().unwrap())).unwrap();
    }

    /// What the browser has written since the last time: `browser` is the console, `performance` what was loaded.
    #[track_caller]
    pub fn log(&self, kind: &str) -> Vec<Value> {
        self.told("POST", "/se/log", Some(json!({ "type": kind }))).as_array().unwrap().clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.ask("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The bytes of a base64 text (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|&c| c != b'=').map(|c| u32::from(value(c))).collect();
    let group = |four: &[u32]| {
        let bits = four.iter().enumerate().fold(0, |bits, (i, digit)| bits | digit << (18 - 6 * i));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
