//! Chat completions over HTTP from any OpenAI-compatible server. A busy server is asked again, a refusal is an error.
//!
//! Requests are sent again by the policy of [`crate::http::retry`], and all requests of a client wait with one that the server
//! told to wait. `async-openai` is not used: it retries the response's head only, so that a body that breaks off is an error; its
//! waits cannot be set; and its types keep less of the reply.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{StatusCode, Url, redirect};
use serde_json::Value;
use tokio::sync::watch;

use super::budget::Usage;
use super::endpoint::{Key, endpoint, is_local, wants_key};
use super::reply::{self, Reply};
use super::spelling::{Disliked, Learned, Spelling, disliked};
use crate::http::retry::{Patience, innermost, passes, retry_after};
use crate::{At, Error, Result, http};

/// Larger bodies are refused: no completion is that long.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A server and how to talk to it.
#[derive(Debug)]
pub struct ChatClient {
    http: reqwest::Client,
    url: Url,
    key: Option<Key>,
    patience: Patience,
    /// No request is sent before this moment.
    open_at: Mutex<Instant>,
    given_up: watch::Sender<bool>,
    spelling: Mutex<Spelling>,
}

enum Trouble {
    /// A failure that may pass; the server may have said when to ask again.
    Passing { why: String, wait: Option<Duration> },
    /// A failure that asking again does not mend.
    Lasting(Error),
    /// A field that the server does not take in this form; another spelling may do.
    Spelling(Disliked, Error),
}

impl ChatClient {
    /// A client of `<base>/chat/completions`. Nothing is sent yet.
    ///
    /// # Errors
    /// A base URL that is none, or that holds a password.
    pub fn new(base: &str, key: Option<Key>, patience: Patience) -> Result<Self> {
        let url = endpoint(base)?;
        // A redirect could carry the key elsewhere.
        let mut http =
            http::client(url.scheme() != "http")?.timeout(patience.timeout).redirect(redirect::Policy::none());
        if is_local(&url) {
            http = http.no_proxy();
        }
        let http = http.build().doing("cannot set up HTTP")?;
        let (open_at, given_up) = (Mutex::new(Instant::now()), watch::Sender::new(false));
        Ok(Self { http, url, key, patience, open_at, given_up, spelling: Mutex::default() })
    }

    /// Whether a key is missing. Only of OpenAI itself is it known that it wants one.
    pub fn lacks_key(&self) -> bool {
        self.key.is_none() && wants_key(&self.url)
    }

    /// Whether requests are still worth trying again. If not, those that wait for their next try end now, and those that are under
    /// way may still be answered.
    pub fn persist(&self, persist: bool) {
        self.given_up.send_replace(!persist);
    }

    /// Sends the request until there is an answer. `note` gets the reason of each try that failed.
    ///
    /// # Errors
    /// The server's refusal, or its last failure when patience is at an end.
    pub async fn complete(&self, request: &Value, note: &(dyn Fn(&str) + Sync)) -> Result<(Reply, Usage)> {
        let mut tried = 0;
        loop {
            self.wait_until_open().await;
            if *self.given_up.borrow() {
                return Err(Error::new(format!("{}: given up", self.url)));
            }
            let spelled = self.spelling().spelled(request);
            let body = spelled.to_string();
            let (why, wait) = match self.try_once(&body).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Lasting(e)) => return Err(e),
                Err(Trouble::Spelling(disliked, e)) => {
                    match self.spelling().learn(disliked, &spelled) {
                        Learned::Nothing => return Err(e),
                        Learned::Known => {}
                        Learned::News(what) => note(&format!("{} {what}", self.host())),
                    }
                    continue;
                }
                Err(Trouble::Passing { why, wait }) => (why, wait),
            };
            tried += 1;
            let pause = match self.patience.wait(tried, wait, &body) {
                Ok(pause) => pause,
                Err(given_up) => {
                    let error = Error::new(format!("{}: {given_up}, at last {why}", self.url));
                    return Err(error.hint("what was answered is kept; the same command goes on from there"));
                }
            };
            note(&format!("{}: {why}; again in {:.1} s", self.host(), pause.as_secs_f64()));
            if let Some(wait) = wait {
                self.close_for(wait);
            }
            self.pause_until(Instant::now() + pause).await;
        }
    }

    fn spelling(&self) -> MutexGuard<'_, Spelling> {
        self.spelling.lock().expect("never poisoned: no panic while it is locked")
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// [`Self::complete`] for a single question of a program that is not asynchronous.
    pub fn ask(&self, request: &Value, note: &(dyn Fn(&str) + Sync)) -> Result<(Reply, Usage)> {
        runtime()?.block_on(self.complete(request, note))
    }

    async fn try_once(&self, body: &str) -> Result<(Reply, Usage), Trouble> {
        let passing = |e: reqwest::Error| Trouble::Passing { why: words(&e), wait: None };
        let mut request =
            self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body.to_owned());
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.header().map_err(Trouble::Lasting)?);
        }
        let mut response = request.send().await.map_err(passing)?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(passing)? {
            if bytes.len() + piece.len() > BODY_BYTES_MAX {
                return Err(Trouble::Lasting(Error::new(format!("{}: the answer has no end", self.url))));
            }
            bytes.extend_from_slice(&piece);
        }
        self.read(status, wait, &bytes)
    }

    fn read(&self, status: StatusCode, wait: Option<Duration>, bytes: &[u8]) -> Result<(Reply, Usage), Trouble> {
        let json = reply::json(bytes);
        let said = || {
            let message = message(json.as_ref(), bytes);
            self.key.as_ref().map_or(message.clone(), |key| key.hidden(&message))
        };
        if content_filter(json.as_ref()) {
            return Ok((Reply::refusal(said()), Usage::default()));
        }
        if status.is_success() {
            // Some gateways pass a failure on with status 200.
            let code = json.as_ref().and_then(reply::failure).and_then(|code| StatusCode::from_u16(code).ok());
            if let Some(status) = code {
                return Err(self.refused(status, wait, json.as_ref(), said()));
            }
            let no_completion =
                || Trouble::Passing { why: format!("an answer that is no completion: {}", said()), wait };
            return json.as_ref().and_then(Reply::read).ok_or_else(no_completion);
        }
        Err(self.refused(status, wait, json.as_ref(), said()))
    }

    fn refused(&self, status: StatusCode, wait: Option<Duration>, json: Option<&Value>, said: String) -> Trouble {
        let out_of_money = json.is_some_and(|j| j["error"]["code"] == "insufficient_quota");
        if passes(status) && !out_of_money {
            return Trouble::Passing { why: format!("{status}: {said}"), wait };
        }
        let hint = if out_of_money { Some("the account has no credit left") } else { hint(status, &said) };
        let error = Error::new(format!("{}: {status}: {said}", self.url));
        let error = match hint {
            Some(hint) => error.hint(hint),
            None => error,
        };
        match json.and_then(|json| disliked(status, json, &said)) {
            Some(disliked) => Trouble::Spelling(disliked, error),
            None => Trouble::Lasting(error),
        }
    }

    fn close_for(&self, pause: Duration) {
        let mut open_at = self.open_at.lock().expect("never poisoned: no panic while it is locked");
        *open_at = (*open_at).max(Instant::now() + pause);
    }

    async fn wait_until_open(&self) {
        loop {
            let open_at = *self.open_at.lock().expect("never poisoned: no panic while it is locked");
            if open_at <= Instant::now() || *self.given_up.borrow() {
                return;
            }
            self.pause_until(open_at).await;
        }
    }

    async fn pause_until(&self, then: Instant) {
        let mut given_up = self.given_up.subscribe();
        tokio::select! {
            () = tokio::time::sleep_until(then.into()) => {}
            _ = given_up.wait_for(|given_up| *given_up) => {}
        }
    }
}

/// A runtime for the requests of one judge, on the thread that waits for them.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|e| Error::new(format!("cannot start the runtime for HTTP: {e}")))
}

/// What went wrong on the way, without the URL: the innermost cause says most.
fn words(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        return "a timeout".into();
    }
    let what = if e.is_connect() { "no connection" } else { "a cut connection" };
    format!("{what} ({})", innermost(e))
}

/// The server's own words, wherever it puts them.
fn message(json: Option<&Value>, bytes: &[u8]) -> String {
    let places = ["/error/message", "/choices/0/error/message", "/message", "/detail", "/error", "/choices/0/error"];
    let found = json.and_then(|json| places.iter().find_map(|place| json.pointer(place)?.as_str()));
    let text = found.map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), str::to_owned);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None if line.is_empty() => "no further words".into(),
        None => line,
    }
}

/// Whether the server did not want to see this text, which says something about the text and nothing about the request.
fn content_filter(json: Option<&Value>) -> bool {
    let code = json.and_then(|json| json.pointer("/error/code")?.as_str());
    matches!(code, Some("content_filter" | "content_policy_violation"))
}

fn hint(status: StatusCode, said: &str) -> Option<&'static str> {
    let lower = said.to_lowercase();
    match status.as_u16() {
        401 | 403 => Some("set TRIMTAB_JUDGE_KEY (or OPENAI_API_KEY) to a key that this server takes"),
        404 if lower.contains("deployment") => Some(
            "--judge-model names the deployment; if another model's name comes back, allow it with --judge-answers-as",
        ),
        404 | 405 => Some("check --judge-model and --judge-url, which usually ends in /v1"),
        400 | 422 if lower.contains("logprob") => {
            Some("the server gives no log-probabilities, or not 20 of them; take another one, or `--judge-mode sample`")
        }
        400 | 422 if ["max_tokens", "max_completion_tokens", "temperature"].iter().any(|name| lower.contains(name)) => {
            Some("a model that reasons before it answers spends the few tokens of a judge on that; take another one")
        }
        300..=399 => Some("the server sends us elsewhere; name that place with --judge-url"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_nowhere() {
        let key = Key::new(" sk-secret\n").unwrap();
        assert!(Key::new("  ").is_none() && !format!("{key:?} {:?}", key.header().unwrap()).contains("secret"));
        let client = ChatClient::new("http://localhost/v1", Some(key), Patience::default()).unwrap();
        let body = br#"{"error":{"message":"bad key sk-secret"}}"#;
        let Err(Trouble::Lasting(error)) = client.read(StatusCode::UNAUTHORIZED, None, body) else { panic!("refused") };
        assert!(error.to_string().ends_with("401 Unauthorized: bad key (the key)"), "{error}");
        assert!(error.help().unwrap().contains("TRIMTAB_JUDGE_KEY") && !format!("{client:?}").contains("secret"));
    }

    #[test]
    fn what_passes_is_told_from_what_lasts() {
        let client = ChatClient::new("http://localhost/v1", None, Patience::default()).unwrap();
        let read =
            |status: u16, body: &str| match client.read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()) {
                Ok((reply, _)) => format!("refusal {}", reply.refused.unwrap_or_default()),
                Err(Trouble::Passing { why, .. }) => format!("passing {why}"),
                Err(Trouble::Lasting(e)) => format!("lasting {e}"),
                Err(Trouble::Spelling(disliked, _)) => format!("spelling {disliked:?}"),
            };
        let check = |status, body: &str, want: &str| {
            let got = read(status, body);
            assert!(got.starts_with(want), "{status} {body}: {got}");
        };
        check(429, r#"{"error":{"message":"slow down"}}"#, "passing 429 Too Many Requests: slow down");
        check(429, r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#, "lasting");
        check(503, "<html>busy</html>", "passing 503 Service Unavailable: <html>busy</html>");
        check(200, "<html>", "passing an answer that is no completion: <html>");
        check(200, r#"{"error":{"code":502,"message":"upstream"}}"#, "passing 502 Bad Gateway: upstream");
        check(200, r#"{"error":{"code":401,"message":"who"}}"#, "lasting");
        check(400, r#"{"error":{"code":"content_filter","message":"violent"}}"#, "refusal violent");
        check(400, r#"{"detail":"top_logprobs too large"}"#, "lasting");
        check(302, "", "lasting");
        let choice =
            r#"{"choices":[{"message":{"content":""},"finish_reason":"error","error":{"code":502,"message":"up"}}]}"#;
        check(200, choice, "passing 502 Bad Gateway: up");
        check(200, r#"{"error":{"message":"who","type":"authentication_error"}}"#, "lasting");
        let unsupported =
            r#"{"error":{"message":"Unsupported value","param":"temperature","code":"unsupported_value"}}"#;
        check(400, unsupported, "spelling Disliked { parameter: Temperature");
        check(422, r#"{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}"#, "spelling");
        check(
            400,
            r#"{"detail":"top_logprobs must be between 0 and 5, not 20"}"#,
            "spelling Disliked { parameter: TopLogprobs, most: Some(5)",
        );
        check(400, r#"{"detail":"max_tokens must be at least 16"}"#, "lasting");
    }
}
