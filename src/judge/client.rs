//! Chat completions over HTTP from any OpenAI-compatible server: patient with a server that is busy, short with one that says no.
//!
//! Requests are sent again by the policy of [`crate::http::retry`], and all requests of a client wait with one that the server
//! told to wait. `async-openai` is not used: it retries the response's head only, so that a body that breaks off is an error; its
//! waits cannot be set; and its types keep less of the reply.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url, redirect};
use serde_json::Value;
use tokio::sync::watch;

use super::budget::Usage;
use super::reply::{self, Reply};
use crate::http::retry::{Patience, innermost, passes, retry_after};
use crate::{At, Error, Result, http};

/// No completion is longer; what is, is something else.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A key to a paid service. It is shown nowhere: not by `Debug`, not in a file, not in an error.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// A key, unless the text is empty.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    fn header(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_| Error::usage("the judge's key holds characters that no key has"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A server and how to talk to it.
#[derive(Debug)]
pub struct ChatClient {
    http: reqwest::Client,
    url: Url,
    key: Option<Key>,
    patience: Patience,
    /// Nothing is sent before.
    open_at: Mutex<Instant>,
    given_up: watch::Sender<bool>,
    spelling: Mutex<Spelling>,
}

/// How this server wants its requests, as far as it has complained.
#[derive(Debug, Default)]
struct Spelling {
    /// `max_tokens` is called `max_completion_tokens`.
    completion_tokens: bool,
    /// Parameters that it does not take.
    without: Vec<Parameter>,
    /// Log-probabilities that it gives at most.
    top: Option<u64>,
}

/// A parameter of a request that some servers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    MaxTokens,
    Seed,
    Temperature,
    TopLogprobs,
}

impl Parameter {
    const ALL: [Self; 4] = [Self::MaxTokens, Self::Seed, Self::Temperature, Self::TopLogprobs];

    fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::Seed => "seed",
            Self::Temperature => "temperature",
            Self::TopLogprobs => "top_logprobs",
        }
    }
}

/// What a server refuses in a request, and what it takes instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Disliked {
    parameter: Parameter,
    /// The most that it takes, of log-probabilities.
    most: Option<u64>,
}

/// Why one try came to nothing.
enum Trouble {
    /// It may pass; the server may have said when.
    Passing { why: String, wait: Option<Duration> },
    /// It will not.
    Lasting(Error),
    /// It will not, unless the request is spelled otherwise.
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
            let spelled = self.spelled(request);
            let body = spelled.to_string();
            let (why, wait) = match self.try_once(&body).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Lasting(e)) => return Err(e),
                Err(Trouble::Spelling(disliked, e)) => {
                    if !self.spell(disliked, &spelled, note) {
                        return Err(e);
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
            note(&format!("{}: {why}; again in {:.1} s", self.url.host_str().unwrap_or_default(), pause.as_secs_f64()));
            if let Some(wait) = wait {
                self.close_for(wait);
            }
            self.pause_until(Instant::now() + pause).await;
        }
    }

    /// The request as this server takes it.
    fn spelled(&self, request: &Value) -> Value {
        let spelling = self.spelling.lock().expect("never poisoned: no panic while it is locked");
        let mut request = request.clone();
        let Some(fields) = request.as_object_mut() else { return request };
        if spelling.completion_tokens
            && let Some(tokens) = fields.remove("max_tokens")
        {
            fields.insert("max_completion_tokens".into(), tokens);
        }
        for parameter in &spelling.without {
            fields.remove(parameter.name());
        }
        if let (Some(most), Some(top)) = (spelling.top, fields.get_mut("top_logprobs")) {
            *top = top.as_u64().map_or(most, |top| top.min(most)).into();
        }
        request
    }

    /// Takes a complaint to heart; says so once. False if the request was spelled so already.
    fn spell(&self, Disliked { parameter, most }: Disliked, sent: &Value, note: &(dyn Fn(&str) + Sync)) -> bool {
        let name = parameter.name();
        let Some(value) = sent.get(name) else { return false };
        let mut spelling = self.spelling.lock().expect("never poisoned: no panic while it is locked");
        let (news, instead) = match (parameter, most) {
            (Parameter::MaxTokens, _) => (
                !std::mem::replace(&mut spelling.completion_tokens, true),
                "`max_completion_tokens` instead".to_owned(),
            ),
            (Parameter::TopLogprobs, Some(most)) => {
                // A number that is no smaller mends nothing.
                if value.as_u64().is_none_or(|asked| asked <= most) {
                    return false;
                }
                (spelling.top.replace(most) != Some(most), format!("{most} of them"))
            }
            (Parameter::TopLogprobs, None) => return false,
            (Parameter::Seed | Parameter::Temperature, _) => {
                let news = !spelling.without.contains(&parameter);
                if news {
                    spelling.without.push(parameter);
                }
                (news, "the request goes without".to_owned())
            }
        };
        if news {
            let host = self.url.host_str().unwrap_or_default();
            note(&format!("{host} does not take `{name}: {value}`; {instead}"));
        }
        true
    }

    /// [`Self::complete`] for a single question of a program that is not asynchronous.
    ///
    /// # Errors
    /// As there.
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
        let said = || self.clean(&message(json.as_ref(), bytes));
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

    /// A server may repeat the key in its message.
    fn clean(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| text.replace(&key.0, "(the key)"))
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

const ENDPOINT: &str = "/chat/completions";

/// `<base>/chat/completions`; a base that already ends so is taken as it is.
pub(super) fn endpoint(base: &str) -> Result<Url> {
    let example = "a base URL looks like https://api.openai.com/v1 or http://localhost:8000/v1";
    let usage = |why: String| Error::usage(format!("--judge-url {base}: {why}")).hint(example);
    let mut url = Url::parse(base.trim()).map_err(|e| usage(e.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(usage("neither http nor https".into()));
    }
    if url.query().is_some_and(|query| query.starts_with("api-version=")) {
        return Err(Error::usage("--judge-url ends in `?api-version=...`, which has no place there").hint(
            "Azure's address that needs no version is https://NAME.openai.azure.com/openai/v1, with the deployment as --judge-model",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        // Without repeating it: this text may be a secret.
        return Err(Error::usage("--judge-url holds a user name, a password or a query")
            .hint("settings are written into the run's folder; give the key as TRIMTAB_JUDGE_KEY"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(ENDPOINT) {
        url.set_path(&(path + ENDPOINT));
    }
    Ok(url)
}

/// Whether this server is known to refuse requests without a key.
pub(super) fn wants_key(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "openai.com" || host.ends_with(".openai.com"))
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
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

/// Which parameter of the request a server does not take, if that is its complaint.
fn disliked(status: StatusCode, json: &Value, said: &str) -> Option<Disliked> {
    const COMPLAINTS: [&str; 9] = [
        "unsupported",
        "not support",
        "unrecognized",
        "unknown",
        "not permitted",
        "not allowed",
        "unexpected",
        "instead",
        "deprecated",
    ];
    if !["400", "422"].contains(&status.as_str()) {
        return None;
    }
    let lower = said.to_lowercase();
    let named = |name: &str| lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
    let param = json.pointer("/error/param").and_then(Value::as_str);
    let fits =
        |parameter: &&Parameter| param.map_or_else(|| named(parameter.name()), |param| param == parameter.name());
    let parameter = *Parameter::ALL.iter().find(fits)?;
    if parameter == Parameter::TopLogprobs {
        let numbers = lower.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        let most = numbers.filter(|most| (1..20).contains(most)).max()?;
        return Some(Disliked { parameter, most: Some(most) });
    }
    let code = json.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
    let complains = code.starts_with("unsupported") || COMPLAINTS.iter().any(|sign| lower.contains(sign));
    complains.then_some(Disliked { parameter, most: None })
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
    fn a_base_url_leads_to_the_endpoint() {
        for base in ["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            assert_eq!(endpoint(base).unwrap().as_str(), "http://h:1/v1/chat/completions");
        }
        for base in ["h/v1", "ftp://h/v1", "", "http://"] {
            assert!(endpoint(base).unwrap_err().help().unwrap().contains("/v1"), "{base}");
        }
        let error = endpoint("https://me:sesame@h/v1").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sesame"));
        let local = |url: &str| is_local(&Url::parse(url).unwrap());
        assert_eq!(
            ["http://127.0.0.1:1", "http://[::1]/", "http://localhost/", "http://10.0.0.1/"].map(local),
            [true, true, true, false]
        );
    }

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

    #[test]
    fn a_request_is_spelled_as_the_server_takes_it_and_that_is_said_once() {
        let client = ChatClient::new("http://localhost/v1", None, Patience::default()).unwrap();
        let request = serde_json::json!({ "max_tokens": 1, "temperature": 0, "seed": 0, "top_logprobs": 20 });
        let notes = Mutex::new(Vec::new());
        let note = |why: &str| notes.lock().unwrap().push(why.to_owned());
        for (parameter, most) in
            [(Parameter::MaxTokens, None), (Parameter::Temperature, None), (Parameter::TopLogprobs, Some(5))]
        {
            let disliked = Disliked { parameter, most };
            // Two requests were under way; a third that is spelled well already has another trouble.
            assert!(client.spell(disliked, &request, &note) && client.spell(disliked, &request, &note));
            assert!(!client.spell(disliked, &client.spelled(&request), &note));
        }
        let want = serde_json::json!({ "max_completion_tokens": 1, "seed": 0, "top_logprobs": 5 });
        assert_eq!((client.spelled(&request), notes.lock().unwrap().len()), (want, 3));
    }

    #[test]
    fn an_azure_url_gets_a_hint_that_fits() {
        let error = endpoint("https://h/openai/deployments/d?api-version=2024-10-21").unwrap_err();
        assert!(error.help().unwrap().contains("/openai/v1"), "{error:?}");
        assert!(endpoint("https://h/v1?key=sesame").unwrap_err().help().unwrap().contains("TRIMTAB_JUDGE_KEY"));
    }
}
