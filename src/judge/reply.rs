//! What an OpenAI-compatible server answers to a chat completion, down to what is worth keeping.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::{TOKENS_MAX, Usage};

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reply {
    pub model: String,
    pub text: String,
    /// The likeliest tokens at the answer's first position with their log-probabilities in nats; `None` if the server gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Vec<(String, f64)>>,
    /// Why it ended: `stop`, `length`, `content_filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// The server's build, as it calls it: the same request may be answered differently by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The reason, if the server refused to have the text judged at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether the answer's number is written in several tokens of one digit.
    #[serde(skip)]
    pub by_digits: bool,
    /// Whether the model thinks in words before its answer.
    #[serde(skip)]
    pub reasons: bool,
    /// What in the reply cannot be true; such a reply is of no use.
    #[serde(skip)]
    pub fault: Option<String>,
}

/// A log-probability above this is none. Rounding may lead a little above 0.
const LOGPROB_MAX: f64 = 0.01;

impl Reply {
    /// Reads the body of a chat completion; `None` if it is not one.
    pub fn read(body: &Value) -> Option<(Self, Usage)> {
        let choice = body.get("choices")?.get(0)?;
        let message = choice.get("message")?.as_object()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let said = |key: &str| text(message.get(key)).filter(|said| !said.trim().is_empty());
        let finish = text(choice.get("finish_reason"));
        let filtered = finish.as_deref() == Some("content_filter");
        let content = message.get("content").map(words).unwrap_or_default();
        let refusal = said("refusal").or_else(|| message.get("content").and_then(refusal_part));
        let thinks = content.trim_start().starts_with("<think>") && !content.contains("</think>");
        let (usage, counted_wrongly) = usage(body);
        let (top, first, second) = first_position(choice);
        let mut reply = Self {
            model: text(body.get("model")).unwrap_or_default(),
            top,
            fingerprint: text(body.get("system_fingerprint")),
            refused: refusal.or_else(|| filtered.then(|| "content filter".into())),
            finish,
            by_digits: first.is_some_and(|first| goes_on(&first, second.as_deref(), &content)),
            reasons: thinks
                || (content.trim().is_empty() && (said("reasoning_content").or_else(|| said("reasoning")).is_some())),
            fault: counted_wrongly,
            text: content,
        };
        if let Some((token, logprob)) = reply.top.iter().flatten().find(|(_, logprob)| !sound(*logprob)) {
            reply.fault = Some(format!("a log-probability of {logprob:e} for {token:?}"));
        }
        Some((reply, usage))
    }

    /// What is kept of a server's refusal to look at the text, which costs nothing.
    pub fn refusal(why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), ..Self::default() }
    }

    /// Whether an answer that was kept earlier is one: no failure of the server, and no numbers that cannot be.
    pub fn is_sound(&self) -> bool {
        self.finish.as_deref() != Some("error") && self.top.iter().flatten().all(|(_, logprob)| sound(*logprob))
    }
}

/// The status that a failure stands for which a server or a gateway passes on with status 200: at the top of the body, or
/// inside the choice. `None` if there is no failure. What has no number is taken for a bad gateway, unless it speaks of the
/// request.
pub fn failure(body: &Value) -> Option<u16> {
    const OF_THE_REQUEST: [&str; 6] = ["invalid", "authent", "permission", "not_found", "unsupported", "insufficient"];
    let choice = body.pointer("/choices/0");
    let is_error = |error: &&Value| match error {
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    let error = [Some(body), choice].into_iter().flatten().filter_map(|at| at.get("error")).find(is_error);
    if error.is_none() && choice.is_none_or(|choice| choice["finish_reason"] != "error") {
        return None;
    }
    let named = |key: &str| error.and_then(|error| error.get(key));
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let code = ["code", "status"].iter().find_map(|key| number(named(key)?)).and_then(|code| u16::try_from(code).ok());
    let of_the_request = ["code", "type"].iter().filter_map(|key| named(key)?.as_str()).any(|word| {
        let word = word.to_lowercase();
        OF_THE_REQUEST.iter().any(|sign| word.contains(sign))
    });
    Some(code.filter(|code| (300..600).contains(code)).unwrap_or(if of_the_request { 400 } else { 502 }))
}

/// JSON, and what Python's `json.dumps` writes that is none: `NaN` and `-Infinity` are read as `null`, `Infinity` as a number
/// that no log-probability can be.
pub fn json(bytes: &[u8]) -> Option<Value> {
    if let Ok(json) = serde_json::from_slice(bytes) {
        return Some(json);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
    let (mut mended, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let word = [("-Infinity", "null"), ("Infinity", "1e308"), ("NaN", "null")].into_iter();
        let mut skip = c.len_utf8();
        match word.into_iter().find(|(word, _)| !in_string && rest.starts_with(word)) {
            Some((word, instead)) => {
                mended.push_str(instead);
                skip = word.len();
            }
            None if in_string && c == '\\' => {
                skip += rest[1..].chars().next().map_or(0, char::len_utf8);
                mended.push_str(&rest[..skip]);
            }
            None => {
                in_string ^= c == '"';
                mended.push(c);
            }
        }
        rest = &rest[skip..];
    }
    serde_json::from_str(&mended).ok()
}

/// The text of a message's content: a string, or the text among its parts. What the model thought is not part of it.
fn words(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let is_text = |part: &&Value| part.get("type").is_none_or(|kind| kind == "text" || kind == "output_text");
            parts
                .iter()
                .filter(is_text)
                .filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str()))
                .collect()
        }
        _ => String::new(),
    }
}

fn refusal_part(content: &Value) -> Option<String> {
    let said = content.as_array()?.iter().find_map(|part| part.get("refusal")?.as_str())?;
    (!said.trim().is_empty()).then(|| said.to_owned())
}

fn sound(logprob: f64) -> bool {
    !logprob.is_nan() && logprob <= LOGPROB_MAX
}

/// Whether a number that begins with a token of one digit goes on after it.
fn goes_on(first: &str, second: Option<&str>, text: &str) -> bool {
    let digits = |text: &str| text.trim_start().bytes().take_while(u8::is_ascii_digit).count();
    let one = first.trim().len() == 1 && digits(first) == 1;
    one && (second.is_some_and(|second| second.starts_with(|c: char| c.is_ascii_digit())) || digits(text) > 1)
}

/// Candidates with their log-probabilities (nats), and the first and the second token as written.
type FirstPosition = (Option<Vec<(String, f64)>>, Option<String>, Option<String>);

/// The likeliest tokens at the first position, the token there and the one after it. A list of dictionaries in `content` is the
/// present form, one dictionary in `top_logprobs` the form of old completions. A probability of zero is no entry, and an empty
/// list is as good as none.
fn first_position(choice: &Value) -> FirstPosition {
    let nothing = (None, None, None);
    let Some(logprobs) = choice.get("logprobs") else { return nothing };
    let token = |i: usize| {
        let now = logprobs.pointer(&format!("/content/{i}/token"));
        now.or_else(|| logprobs.pointer(&format!("/tokens/{i}")))?.as_str().map(str::to_owned)
    };
    let entry = |entry: &Value| Some((entry.get("token")?.as_str()?.to_owned(), entry.get("logprob")?.as_f64()?));
    let top = match logprobs.pointer("/content/0/top_logprobs").or_else(|| logprobs.pointer("/top_logprobs/0")) {
        Some(Value::Array(top)) => top.iter().filter_map(entry).collect(),
        Some(Value::Object(top)) => {
            top.iter().filter_map(|(token, logprob)| Some((token.clone(), logprob.as_f64()?))).collect()
        }
        _ => Vec::new(),
    };
    ((!top.is_empty()).then_some(top), token(0), token(1))
}

/// What was counted, and what is wrong with it. A request without tokens was not counted.
fn usage(body: &Value) -> (Usage, Option<String>) {
    let number = |key: &str| body.get("usage")?.get(key)?.as_u64();
    let (input, output) = (number("prompt_tokens").filter(|n| *n > 0), number("completion_tokens"));
    if let Some(absurd) = [input, output].into_iter().flatten().find(|n| *n > TOKENS_MAX) {
        return (Usage::default(), Some(format!("a count of {absurd} tokens")));
    }
    // Who did not count the request did not count the answer either.
    (Usage { input, output: output.filter(|_| input.is_some()) }, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(logprobs: Value) -> Value {
        json!({
            "id": "x", "object": "chat.completion", "model": "m-2025", "system_fingerprint": "fp",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "85" }, "finish_reason": "length",
                "logprobs": logprobs }],
            "usage": { "prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8 },
        })
    }

    #[test]
    fn a_completion_is_read_and_survives_the_file() {
        let top = json!({ "content": [{ "token": "85", "logprob": -0.1, "bytes": null, "top_logprobs": [
            { "token": "85", "logprob": -0.1, "bytes": [56, 53] }, { "token": "I", "logprob": -9999.0 }] }] });
        let (reply, tokens) = Reply::read(&body(top)).unwrap();
        assert_eq!(
            (reply.text.as_str(), reply.model.as_str(), tokens),
            ("85", "m-2025", Usage { input: Some(7), output: Some(1) })
        );
        assert_eq!(reply.top, Some(vec![("85".into(), -0.1), ("I".into(), -9999.0)]));
        let kept = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&kept).unwrap(), reply);
    }

    #[test]
    fn logprobs_that_are_missing_in_any_way_are_missing() {
        let empty = json!({ "content": [{ "token": "85", "logprob": 0.0, "top_logprobs": [] }] });
        let broken = json!({ "content": [{ "top_logprobs": [{ "token": "85", "logprob": null }] }] });
        for logprobs in [Value::Null, json!({}), json!({ "content": null }), json!({ "content": [] }), empty, broken] {
            assert_eq!(Reply::read(&body(logprobs)).unwrap().0.top, None);
        }
    }

    #[test]
    fn a_refusal_is_an_answer_and_something_else_is_none() {
        let mut filtered = body(Value::Null);
        filtered["choices"][0]["finish_reason"] = json!("content_filter");
        filtered["choices"][0]["message"]["content"] = Value::Null;
        assert_eq!(Reply::read(&filtered).unwrap().0.refused.as_deref(), Some("content filter"));
        for body in [json!({}), json!([1]), json!({ "choices": [] }), json!({ "choices": [{ "text": "85" }] })] {
            assert!(Reply::read(&body).is_none());
        }
    }

    #[test]
    fn text_in_parts_is_read_without_the_thoughts_and_an_empty_refusal_is_none() {
        let mut parts = body(Value::Null);
        parts["choices"][0]["message"] = json!({ "refusal": "", "content": [
            { "type": "thinking", "thinking": [{ "type": "text", "text": "3 of 10?" }] }, { "type": "text", "text": "85" }] });
        let (reply, _) = Reply::read(&parts).unwrap();
        assert_eq!((reply.text.as_str(), reply.refused, reply.reasons), ("85", None, false));
        parts["choices"][0]["message"]["content"] = json!([{ "type": "refusal", "refusal": "no" }]);
        assert_eq!(Reply::read(&parts).unwrap().0.refused.as_deref(), Some("no"));
    }

    #[test]
    fn a_failure_with_status_200_is_found_wherever_it_stands() {
        let choice = |choice: Value| json!({ "choices": [choice] });
        for (body, want) in [
            (choice(json!({ "finish_reason": "error" })), Some(502)),
            (choice(json!({ "finish_reason": "error", "error": { "code": 429 } })), Some(429)),
            (json!({ "error": { "code": "503", "message": "busy" } }), Some(503)),
            (json!({ "error": "upstream" }), Some(502)),
            (json!({ "error": { "type": "invalid_request_error" } }), Some(400)),
            (json!({ "error": null, "choices": [{ "finish_reason": "stop" }] }), None),
        ] {
            assert_eq!(failure(&body), want, "{body}");
        }
    }

    #[test]
    fn numbers_that_are_no_json_are_read_outside_of_strings() {
        let read = json(br#"{"a": -Infinity, "b": [NaN, Infinity], "c": "NaN \" -Infinity"}"#).unwrap();
        assert_eq!(read, json!({ "a": null, "b": [null, 1e308], "c": "NaN \" -Infinity" }));
        assert!(json(b"<html>NaN").is_none());
    }

    #[test]
    fn log_probabilities_are_read_in_every_form_and_impossible_ones_are_a_fault() {
        let zero = json!({ "content": [{ "token": "85", "top_logprobs": [
            { "token": "85", "logprob": -0.2 }, { "token": "REFUSAL", "logprob": null }] }] });
        let old = json!({ "tokens": ["85"], "token_logprobs": [-0.2], "top_logprobs": [{ "85": -0.2 }] });
        for logprobs in [zero, old] {
            let (reply, _) = Reply::read(&body(logprobs)).unwrap();
            assert_eq!((reply.top, reply.fault), (Some(vec![("85".into(), -0.2)]), None));
        }
        let absurd = json!({ "content": [{ "token": "85", "top_logprobs": [{ "token": "85", "logprob": 1e308 }] }] });
        let (reply, _) = Reply::read(&body(absurd)).unwrap();
        assert!(reply.fault.as_deref().is_some_and(|fault| fault.contains("1e308")) && !reply.is_sound());
    }

    #[test]
    fn a_number_in_several_tokens_is_noticed() {
        let tokens = |tokens: &[&str]| {
            let content: Vec<Value> = tokens.iter().map(|token| json!({ "token": token })).collect();
            Reply::read(&body(json!({ "content": content }))).unwrap().0.by_digits
        };
        assert!(tokens(&["8", "5"]) && tokens(&["8"]) && !tokens(&["85"]) && !tokens(&[" 85", "0"]));
        assert!(!goes_on("8", Some("."), "8.") && goes_on(" 8", Some("5"), "8"));
    }

    #[test]
    fn what_was_not_counted_is_unknown_and_what_cannot_be_is_a_fault() {
        let counted = |usage: Value| {
            let mut body = body(Value::Null);
            body["usage"] = usage;
            let (reply, usage) = Reply::read(&body).unwrap();
            (usage.input, usage.output, reply.fault.is_some())
        };
        assert_eq!(counted(Value::Null), (None, None, false));
        assert_eq!(counted(json!({ "prompt_tokens": 0, "completion_tokens": 0 })), (None, None, false));
        assert_eq!(counted(json!({ "prompt_tokens": 7, "completion_tokens": null })), (Some(7), None, false));
        assert_eq!(counted(json!({ "prompt_tokens": i64::MAX, "completion_tokens": 1 })), (None, None, true));
    }
}
