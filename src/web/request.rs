//! A request's body as a question to the model. Fields without an effect here are ignored, as OpenAI's servers ignore many; fields
//! that ask for what this server does not do, and values without a meaning, are refused by name.

use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::api_error::ApiError;
use crate::Error;
use crate::language_model::{Prompt, Sampling};
use crate::session::{ActiveSteering, SteeringRequest, VectorSet};
use crate::steering::Op;
use crate::text::{Tokenizer, chat_of_row};

/// Answers to one request.
const CHOICES_MAX: usize = 128;
/// Texts in `stop`.
const STOPS_MAX: usize = 4;
/// Vectors in `steering`.
const STEERING_MAX: usize = 16;
/// Bytes of a token in ordinary text, generously.
const TOKEN_BYTES: usize = 8;
/// By so many tokens the beginning of a text may differ from the same part of the whole.
const CUT_TOKENS: usize = 64;
/// Stands at the end of a message that the model goes on with, until the template has written it.
const GOES_ON: &str = "\u{e000}the model goes on here\u{e000}";

/// Fields of OpenAI, vLLM, SGLang and llama.cpp that ask for what this server does not do, each with a value that changes
/// nothing there. Null, false, 0 and what is empty change nothing in any of them.
const NOT_DONE: &[(&str, Option<&str>)] = &[
    ("frequency_penalty", None),
    ("presence_penalty", None),
    ("logit_bias", None),
    ("tools", None),
    ("tool_choice", Some("auto")),
    ("functions", None),
    ("function_call", Some("auto")),
    ("audio", None),
    ("modalities", Some("text")),
    ("prediction", None),
    ("web_search_options", None),
    ("response_format", Some("text")),
    ("structured_outputs", None),
    ("grammar", None),
    ("json_schema", None),
    ("regex", None),
    ("ebnf", None),
    ("min_p", None),
    ("top_n_sigma", Some("-1")),
    ("typical_p", Some("1")),
    ("tfs_z", Some("1")),
    ("mirostat", None),
    ("dynatemp_range", None),
    ("xtc_probability", None),
    ("dry_multiplier", None),
    ("best_of", Some("1")),
    ("use_beam_search", None),
    ("length_penalty", Some("1")),
    ("early_stopping", None),
    ("min_tokens", None),
    ("stop_token_ids", None),
    ("ignore_eos", None),
    ("include_stop_str_in_output", None),
    ("skip_special_tokens", Some("true")),
    ("bad_words", None),
    ("allowed_token_ids", None),
    ("logits_processors", None),
    ("prompt_logprobs", None),
    ("n_probs", None),
    ("return_token_ids", None),
    ("return_tokens_as_token_ids", None),
    ("echo", None),
    ("truncate_prompt_tokens", None),
    ("add_special_tokens", None),
    ("documents", None),
    ("chat_template", None),
    ("chat_template_kwargs", None),
    ("mm_processor_kwargs", None),
];

/// The model that is served, and its limits.
#[derive(Debug)]
pub struct Served {
    /// What the model is called: on the hub, if it is from there.
    pub name: String,
    /// The same without its owner.
    pub short: String,
    /// The hash that identifies its weights.
    pub fingerprint: String,
    /// Its tokenizer and template.
    pub tokenizer: Tokenizer,
    /// The vectors that may be asked for.
    pub vectors: VectorSet,
    /// Tokens that a prompt may have.
    pub positions_max: usize,
    /// Longest answer if a request names none.
    pub new_tokens: usize,
    /// Seed under which everything is drawn.
    pub seed: u64,
}

impl Served {
    /// Whether a name is this model's.
    pub fn check(&self, name: &str) -> Result<(), ApiError> {
        if name == self.name || name == self.short {
            return Ok(());
        }
        let what = format!("the model `{name}` does not exist; this server has `{}`", self.name);
        Err(ApiError::new(StatusCode::NOT_FOUND, what).code("model_not_found"))
    }
}

/// A request that can be answered.
#[derive(Debug, Clone)]
pub struct Question {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// How it is steered.
    pub steering: Vec<ActiveSteering>,
    /// Everything about drawing; one rollout each, since every choice is an ask of its own.
    pub sampling: Sampling,
    /// The seed that the client gave.
    pub seed: Option<i64>,
    /// How many answers.
    pub choices: usize,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Log-probabilities are wanted, with so many of the likeliest tokens.
    pub logprobs: Option<usize>,
    /// The answer is wanted piece by piece.
    pub stream: bool,
    /// And the count of tokens at its end.
    pub stream_usage: bool,
}

impl Question {
    /// Reads a request's body.
    pub fn read(body: &[u8], served: &Served) -> Result<Self, ApiError> {
        let map = serde_json::from_slice::<Map<String, Value>>(body)
            .map_err(|e| ApiError::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {e}")))?;
        let mut fields = Fields { map, place: String::new() };
        fields.refuse_what_is_not_done()?;
        if let Some(name) = fields.take::<String>("model")? {
            served.check(&name)?;
        }
        let prompt = fields.prompt(served)?;
        let sampling = fields.sampling(served)?;
        let choices = fields.within("n", 1..=CHOICES_MAX)?.unwrap_or(1);
        let stream = fields.take("stream")?.unwrap_or(false);
        let options: Map<String, Value> = fields.take("stream_options")?.unwrap_or_default();
        let stream_usage = Fields { map: options, place: "stream_options.".into() }.take("include_usage")?;
        Ok(Self {
            prompt,
            sampling,
            choices,
            stream,
            steering: fields.steering(&served.vectors)?,
            seed: fields.take("seed")?,
            stop: fields.stop()?,
            logprobs: fields.logprobs()?,
            stream_usage: stream_usage.unwrap_or(false),
        })
    }

    /// What the model is given.
    pub fn prompt(&self) -> Prompt {
        Prompt::Ids(self.prompt.clone())
    }
}

/// Whether a field of [`NOT_DONE`] asks for nothing; `off` is the value that does so besides what is empty.
fn changes_nothing(value: &Value, off: Option<&str>) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => off == Some("true"),
        Value::Number(n) => n.as_f64() == Some(0.0) || off.is_some_and(|off| n.as_f64() == off.parse().ok()),
        Value::String(word) => word.is_empty() || (off == Some("auto") && word == "none") || off == Some(word),
        Value::Array(list) => list.iter().all(|one| off.is_some() && one.as_str() == off),
        Value::Object(map) => map.is_empty() || (off.is_some() && map.get("type").and_then(Value::as_str) == off),
    }
}

/// The tokens of a prompt, unless there are too many. A long text's beginning tells it, before time goes into the rest.
fn tokens(text: &str, served: &Served) -> Result<Vec<u32>, ApiError> {
    let most = served.positions_max;
    let encode = |text: &str| served.tokenizer.encode(text).map_err(|e| ApiError::of("messages", &e));
    let too_long = |tokens: String| {
        let what = format!("the messages are {tokens} tokens, the model reads {most}");
        ApiError::field("messages", what).code("context_length_exceeded")
    };
    let mut bytes = most.saturating_add(CUT_TOKENS).saturating_mul(TOKEN_BYTES);
    while bytes < text.len() {
        if encode(&text[..text.floor_char_boundary(bytes)])?.len() > most.saturating_add(CUT_TOKENS) {
            return Err(too_long(format!("more than {most}")));
        }
        bytes = bytes.saturating_mul(4);
    }
    let ids = encode(text)?;
    if ids.len() > most { Err(too_long(ids.len().to_string())) } else { Ok(ids) }
}

/// The fields of an object, taken out one by one.
struct Fields {
    map: Map<String, Value>,
    /// What stands before a field's name in messages.
    place: String,
}

impl Fields {
    /// A field; null is as good as absent.
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.map.remove(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let place = format!("{}{name}", self.place);
        serde_json::from_value(value).map(Some).map_err(|e| ApiError::field(&place, format!("`{place}`: {e}")))
    }

    /// A field within a range.
    fn within<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, ApiError>
    where
        T: DeserializeOwned + PartialOrd + std::fmt::Display,
    {
        let value: Option<T> = self.take(name)?;
        match value {
            Some(x) if !range.contains(&x) => {
                let what = format!("`{name}` is {x}, outside {} to {}", range.start(), range.end());
                Err(ApiError::field(name, what))
            }
            value => Ok(value),
        }
    }

    /// A field that counts something: at least 1.
    fn count(&mut self, name: &str) -> Result<Option<usize>, ApiError> {
        match self.take::<i64>(name)? {
            Some(n) if n < 1 => Err(ApiError::field(name, format!("`{name}` is {n}; the least is 1"))),
            n => Ok(n.map(|n| usize::try_from(n).unwrap_or(usize::MAX))),
        }
    }

    /// Refuses fields whose request would silently be ignored.
    fn refuse_what_is_not_done(&self) -> Result<(), ApiError> {
        let not_done = |name: &str, value: &Value| match NOT_DONE.iter().find(|(known, _)| *known == name) {
            Some((_, off)) => !changes_nothing(value, *off),
            None => name.starts_with("guided_") && !changes_nothing(value, None),
        };
        match self.map.iter().find(|(name, value)| not_done(name, value)) {
            Some((name, _)) => {
                Err(ApiError::field(name, format!("`{name}` is not supported here")).code("unsupported_parameter"))
            }
            None => Ok(()),
        }
    }

    /// `messages`, as the template and the tokenizer have them.
    fn prompt(&mut self, served: &Served) -> Result<Vec<u32>, ApiError> {
        let goes_on = self.take("continue_final_message")?.unwrap_or(false);
        let generation_prompt = self.take("add_generation_prompt")?.unwrap_or(!goes_on);
        if goes_on && generation_prompt {
            let what = "`continue_final_message` and `add_generation_prompt` exclude each other";
            return Err(ApiError::field("continue_final_message", what));
        }
        let turns = self.map.remove("messages").unwrap_or_default();
        if turns.is_null() {
            return Err(ApiError::field("messages", "`messages` is missing"));
        }
        let called = |turn: &Value| turn.get("tool_calls").is_some_and(|calls| !changes_nothing(calls, None));
        if let Some(i) = turns.as_array().and_then(|turns| turns.iter().position(called)) {
            let place = format!("messages[{i}].tool_calls");
            let what = format!("`{place}` is not supported here");
            return Err(ApiError::field(place, what).code("unsupported_parameter"));
        }
        let wrong = |e: Error| ApiError::of("messages", &e);
        let (mut messages, _) = chat_of_row(Map::from_iter([("messages".to_owned(), turns)])).map_err(wrong)?;
        if let Some(last) = messages.last_mut().filter(|_| goes_on) {
            last.content += GOES_ON;
        }
        let mut text = served.tokenizer.chat_text(&messages, generation_prompt).map_err(wrong)?;
        if goes_on {
            let end = text.rfind(GOES_ON);
            text.truncate(end.ok_or_else(|| {
                ApiError::field("continue_final_message", "the chat template does not write the final message")
            })?);
        }
        tokens(&text, served)
    }

    fn sampling(&mut self, served: &Served) -> Result<Sampling, ApiError> {
        let longest = self.count("max_tokens")?;
        let longest = self.count("max_completion_tokens")?.or(longest);
        let top_k = match self.take::<i64>("top_k")? {
            // vLLM's and llama.cpp's words for all tokens.
            Some(-1 | 0) | None => None,
            Some(k) => {
                let what = || ApiError::field("top_k", format!("`top_k` is {k}; 1 or more, or -1 for all tokens"));
                Some(usize::try_from(k).map_err(|_| what())?)
            }
        };
        // OpenAI's defaults: the model's own distribution, uncut. The last two are vLLM's additions.
        Ok(Sampling {
            temperature: self.within("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            top_p: self.within("top_p", f32::MIN_POSITIVE..=1.0)?.unwrap_or(1.0),
            top_k,
            repetition_penalty: self.within("repetition_penalty", 0.01..=100.0)?.unwrap_or(1.0),
            max_new_tokens: longest.unwrap_or(served.new_tokens),
            rollouts: 1,
            seed: served.seed,
        })
    }

    fn stop(&mut self) -> Result<Vec<String>, ApiError> {
        let stop = match self.map.remove("stop") {
            Some(Value::String(text)) => vec![text],
            Some(other) => {
                self.map.insert("stop".into(), other);
                self.take::<Vec<String>>("stop")?.unwrap_or_default()
            }
            None => Vec::new(),
        };
        if stop.len() > STOPS_MAX || stop.iter().any(String::is_empty) {
            return Err(ApiError::field("stop", format!("`stop`: a text or at most {STOPS_MAX} of them, none empty")));
        }
        Ok(stop)
    }

    fn logprobs(&mut self) -> Result<Option<usize>, ApiError> {
        let wanted = self.take("logprobs")?.unwrap_or(false);
        match (wanted, self.within("top_logprobs", 0..=20)?) {
            (true, top) => Ok(Some(top.unwrap_or(0))),
            (false, None | Some(0)) => Ok(None),
            (false, Some(_)) => Err(ApiError::field("top_logprobs", "`top_logprobs` needs `logprobs`: true")),
        }
    }

    /// Our own field: `[{"vector": "evil", "coef": -1.5, "layer": 20, "positions": "response"}]`.
    fn steering(&mut self, vectors: &VectorSet) -> Result<Vec<ActiveSteering>, ApiError> {
        let requests: Vec<Map<String, Value>> = self.take("steering")?.unwrap_or_default();
        if requests.len() > STEERING_MAX {
            return Err(ApiError::field("steering", format!("`steering`: at most {STEERING_MAX} vectors at once")));
        }
        let place = |(i, map)| Fields { map, place: format!("steering[{i}].") }.steering_request(vectors);
        requests.into_iter().enumerate().map(place).collect()
    }

    /// One object of `steering`.
    fn steering_request(mut self, vectors: &VectorSet) -> Result<ActiveSteering, ApiError> {
        let place = self.place.clone();
        let missing = |name: &str| ApiError::field(format!("{place}{name}"), format!("`{place}{name}` is missing"));
        let vector: String = self.take("vector")?.ok_or_else(|| missing("vector"))?;
        vectors.get(&vector).map_err(|e| ApiError::of(format!("{place}vector"), &e))?;
        let op = self.take("op")?.unwrap_or(Op::Add);
        let coef = self.take("coef")?.or((op == Op::Ablate).then_some(1.0)).ok_or_else(|| missing("coef"))?;
        let layers = self.map.remove("layer").ok_or_else(|| missing("layer"))?;
        let layers = serde_json::from_value(layers).map_err(|_| {
            let what = format!("`{place}layer`: a layer's number, a list of them, or \"all\"");
            ApiError::field(format!("{place}layer"), what)
        })?;
        let positions = self.take("positions")?.unwrap_or_default();
        if let Some(name) = self.map.keys().next() {
            // Only this server has the field, so an unknown name is a mistake.
            let what = format!("`{place}{name}` is not known; there are vector, coef, layer, positions, op");
            return Err(ApiError::field(format!("{place}{name}"), what));
        }
        let request = SteeringRequest { vector, op, coef, layers, positions };
        vectors.resolve(&request).map_err(|e| ApiError::of(place.trim_end_matches('.'), &e))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::fakes::tiny_tokenizer;

    fn served() -> Served {
        Served {
            name: "tiny".into(),
            short: "tiny".into(),
            fingerprint: "0".into(),
            tokenizer: tiny_tokenizer(),
            vectors: VectorSet::new(BTreeMap::new(), 3),
            positions_max: 200,
            new_tokens: 16,
            seed: 0,
        }
    }

    fn read(more: Value) -> Result<Question, ApiError> {
        let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        Question::read(body.to_string().as_bytes(), &served())
    }

    /// What a refusal says.
    fn refusal(more: Value) -> Value {
        read(more).unwrap_err().json()["error"].clone()
    }

    #[test]
    fn what_asks_for_nothing_is_passed_over() {
        let usual = read(json!({})).unwrap();
        let off = [
            json!({ "top_k": 0 }),
            json!({ "top_k": -1 }),
            json!({ "n": null, "stop": null, "logit_bias": null, "seed": null, "stream_options": null, "max_tokens": null }),
            json!({ "min_p": 0.0, "min_tokens": 0, "ignore_eos": false, "stop_token_ids": [], "guided_json": null }),
            json!({ "tool_choice": "none", "tools": [], "response_format": { "type": "text" }, "modalities": ["text"] }),
            json!({ "best_of": 1, "typical_p": 1.0, "length_penalty": 1, "skip_special_tokens": true }),
            json!({ "metadata": { "a": "b" }, "store": false, "parallel_tool_calls": true, "reasoning_effort": "low" }),
            json!({ "add_generation_prompt": true, "continue_final_message": false }),
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hi" }] }] }),
        ];
        for more in off {
            let question = read(more.clone()).unwrap_or_else(|e| panic!("{more}: {}", e.json()));
            assert_eq!((&question.prompt, &question.sampling), (&usual.prompt, &usual.sampling), "{more}");
        }
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        let asked = json!({
            "min_p": 0.1, "min_tokens": 4, "stop_token_ids": [1], "ignore_eos": true, "guided_choice": ["a"],
            "guided_regex": "a*", "structured_outputs": { "json": {} }, "tools": [{ "type": "function" }],
            "tool_choice": "required", "response_format": { "type": "json_object" }, "modalities": ["text", "audio"],
            "best_of": 2, "length_penalty": 2.0, "chat_template_kwargs": { "enable_thinking": false }, "echo": true,
            "skip_special_tokens": "no", "frequency_penalty": -1,
        });
        for (name, value) in asked.as_object().unwrap() {
            let error = refusal(json!({ name: value }));
            assert_eq!(
                (&error["param"], &error["code"], &error["type"]),
                (&json!(name), &json!("unsupported_parameter"), &json!("invalid_request_error"))
            );
        }
        let called = json!({ "messages": [
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": null, "tool_calls": [{ "id": "1" }] },
        ] });
        assert_eq!(refusal(called)["param"], "messages[1].tool_calls");
    }

    #[test]
    fn what_has_no_meaning_is_refused_in_words_for_people() {
        for (more, param, message) in [
            (json!({ "top_k": -5 }), "top_k", "`top_k` is -5; 1 or more, or -1 for all tokens"),
            (json!({ "max_tokens": -1 }), "max_tokens", "`max_tokens` is -1; the least is 1"),
            (json!({ "top_p": 0 }), "top_p", "outside"),
            (
                json!({ "continue_final_message": true, "add_generation_prompt": true }),
                "continue_final_message",
                "exclude",
            ),
        ] {
            let error = refusal(more);
            assert_eq!(error["param"], param);
            assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        }
    }

    #[test]
    fn an_answer_that_was_begun_goes_on() {
        let served = served();
        let user = json!({ "role": "user", "content": "Hi" });
        let begun = json!({ "messages": [user, { "role": "assistant", "content": "Well, I " }] });
        let mut goes_on = begun.clone();
        goes_on["continue_final_message"] = true.into();
        let usual = served.tokenizer.chat_text(&[crate::text::Message::user("Hi")], true).unwrap();
        let want = served.tokenizer.encode(&format!("{usual}Well, I ")).unwrap();
        assert_eq!(read(goes_on).unwrap().prompt, want);
        let mut closed = begun;
        closed["add_generation_prompt"] = false.into();
        let chat = [crate::text::Message::user("Hi"), crate::text::Message::assistant("Well, I ")];
        assert_eq!(read(closed).unwrap().prompt, served.tokenizer.chat_ids(&chat, false).unwrap());
    }

    #[test]
    fn a_text_that_is_far_too_long_is_not_read_to_its_end() {
        let long = |words: String| refusal(json!({ "messages": [{ "role": "user", "content": words }] }));
        for words in ["too long ".repeat(200_000), "a".repeat(2_000_000)] {
            let error = long(words);
            assert_eq!(error["code"], "context_length_exceeded");
            assert!(
                error["message"].as_str().unwrap().contains("more than 200 tokens, the model reads 200"),
                "{error}"
            );
        }
        // What is a little too long is counted.
        assert!(!long("too long ".repeat(150))["message"].as_str().unwrap().contains("more than"));
    }

    #[test]
    fn a_refusal_does_not_repeat_megabytes() {
        let long = "a".repeat(2_000_000);
        for more in [
            json!({ "model": long }),
            json!({ "temperature": long }),
            json!({ "messages": [{ "role": long, "content": "Hi" }] }),
            json!({ "steering": [{ "vector": long, "coef": 1, "layer": 1 }] }),
            json!({ format!("guided_{long}"): true }),
        ] {
            let text = refusal(more).to_string();
            assert!(text.len() < 4_000 && text.contains("aaaa"), "{}", text.len());
        }
    }
}
