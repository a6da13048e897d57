//! What an OpenAI-compatible server answers to a chat completion, down to what is worth keeping.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::Tokens;

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reply {
    /// The model that answered, in the server's words.
    pub model: String,
    /// What it said.
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
}

impl Reply {
    /// Reads the body of a chat completion; `None` if it is not one.
    pub fn read(body: &Value) -> Option<(Self, Tokens)> {
        let choice = body.get("choices")?.get(0)?;
        let message = choice.get("message")?.as_object()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let finish = text(choice.get("finish_reason"));
        let filtered = finish.as_deref() == Some("content_filter");
        let reply = Self {
            model: text(body.get("model")).unwrap_or_default(),
            text: text(message.get("content")).unwrap_or_default(),
            top: first_position(choice),
            fingerprint: text(body.get("system_fingerprint")),
            refused: text(message.get("refusal")).or_else(|| filtered.then(|| "content filter".into())),
            finish,
        };
        Some((reply, usage(body)))
    }

    /// What is kept of a server's refusal to look at the text, which costs nothing.
    pub fn refusal(why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), ..Self::default() }
    }
}

/// An empty list is as good as none.
fn first_position(choice: &Value) -> Option<Vec<(String, f64)>> {
    let top = choice.get("logprobs")?.get("content")?.get(0)?.get("top_logprobs")?.as_array()?;
    let entry = |entry: &Value| Some((entry.get("token")?.as_str()?.to_owned(), entry.get("logprob")?.as_f64()?));
    let top: Vec<_> = top.iter().map(entry).collect::<Option<_>>()?;
    (!top.is_empty()).then_some(top)
}

fn usage(body: &Value) -> Tokens {
    let number = |key: &str| body.get("usage").and_then(|u| u.get(key)).and_then(Value::as_u64).unwrap_or_default();
    Tokens { input: number("prompt_tokens"), output: number("completion_tokens") }
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
            ("85", "m-2025", Tokens { input: 7, output: 1 })
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
}
