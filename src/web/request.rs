//! A request's body as a question to the model.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::fields::{Fields, changes_nothing};
use crate::Error;
use crate::language_model::{Prompt, Sampling};
use crate::session::{ActiveSteering, SteeringRequest, VectorSet};
use crate::steering::Op;
use crate::text::{Tokenizer, chat_of_row};

/// Answers to one request.
const CHOICES_MAX: usize = 128;
/// Vectors in `steering`.
const STEERING_MAX: usize = 16;
/// OpenAI's longest answer of a text completion that names no limit, in tokens.
const TEXT_TOKENS: usize = 16;
/// Bytes of a token in ordinary text, generously.
const TOKEN_BYTES: usize = 8;
/// By so many tokens the beginning of a text may differ from the same part of the whole.
const CUT_TOKENS: usize = 64;
/// Stands at the end of a message that the model goes on with, until the template has written it.
const GOES_ON: &str = "\u{e000}the model goes on here\u{e000}";

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

/// Which of OpenAI's two kinds of completion is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Text,
}

impl Kind {
    /// Fields that this kind does not have, each with a value that changes nothing.
    fn not_done(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::Chat => &[("echo", None), ("suffix", None)],
            Self::Text => &[
                ("suffix", None),
                ("top_logprobs", None),
                ("messages", None),
                ("continue_final_message", None),
                ("add_generation_prompt", None),
            ],
        }
    }

    /// Texts in `stop`. lm-evaluation-harness sends all of a task's.
    fn stops_max(self) -> usize {
        match self {
            Self::Chat => 4,
            Self::Text => 16,
        }
    }
}

/// A request that can be answered.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked for.
    pub kind: Kind,
    /// The prompts' tokens: one, but for text completions.
    pub prompts: Vec<Vec<u32>>,
    /// The prompts' texts, if the answers repeat them.
    pub echo: Option<Vec<String>>,
    /// How they are steered.
    pub steering: Vec<ActiveSteering>,
    /// Everything about drawing; one rollout each, since every choice is an ask of its own.
    pub sampling: Sampling,
    /// No answer is wanted, only the prompt's log-probabilities.
    pub silent: bool,
    /// The seed that the client gave.
    pub seed: Option<i64>,
    /// How many answers to each prompt.
    pub choices: usize,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Log-probabilities are wanted, with so many of the likeliest tokens.
    pub logprobs: Option<usize>,
    /// The answer is wanted piece by piece.
    pub stream: bool,
    /// And the count of tokens at its end.
    pub stream_usage: bool,
    /// Fields of the request that have no effect.
    pub ignored: Vec<String>,
}

impl Question {
    /// Reads a request's body.
    pub fn read(body: &[u8], kind: Kind, served: &Served) -> Result<Self, ApiError> {
        let map = serde_json::from_slice::<Map<String, Value>>(body)
            .map_err(|e| ApiError::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {e}")))?;
        let mut fields = Fields { map, place: String::new() };
        fields.refuse_what_is_not_done(kind.not_done())?;
        if let Some(name) = fields.take::<String>("model")? {
            served.check(&name)?;
        }
        let mut ignored = Vec::new();
        let (prompts, echo) = match kind {
            Kind::Chat => (vec![fields.chat(served, &mut ignored)?], None),
            Kind::Text => fields.texts(served)?,
        };
        let (sampling, silent) = fields.sampling(kind, served)?;
        let choices = fields.within("n", 1..=CHOICES_MAX)?.unwrap_or(1);
        if prompts.len() * choices > CHOICES_MAX {
            let (given, n) = (prompts.len(), choices);
            let what = format!("{given} prompts with {n} answers each; at most {CHOICES_MAX} answers to a request");
            return Err(ApiError::field("prompt", what));
        }
        let stream = fields.take("stream")?.unwrap_or(false);
        let options: Map<String, Value> = fields.take("stream_options")?.unwrap_or_default();
        let mut options = Fields { map: options, place: "stream_options.".into() };
        let stream_usage = options.take("include_usage")?.unwrap_or(false);
        let steering = fields.steering(&served.vectors)?;
        let seed = fields.take("seed")?;
        let stop = fields.stop(kind)?;
        let logprobs = match kind {
            Kind::Chat => fields.logprobs()?,
            Kind::Text => fields.number_of_logprobs()?,
        };
        ignored.extend(options.ignored());
        ignored.extend(fields.ignored());
        Ok(Self {
            kind,
            prompts,
            echo,
            steering,
            sampling,
            silent,
            seed,
            choices,
            stop,
            logprobs,
            stream,
            stream_usage,
            ignored,
        })
    }

    /// How many answers in all.
    pub fn answers(&self) -> usize {
        self.prompts.len() * self.choices
    }

    /// Whether log-probabilities of the prompt's own tokens are wanted.
    pub fn scores_prompt(&self) -> bool {
        self.echo.is_some() && self.logprobs.is_some()
    }

    /// What the model is given for one of the answers.
    pub fn prompt(&self, answer: usize) -> Prompt {
        Prompt::Ids(self.prompts[answer / self.choices].clone())
    }
}

/// The tokens of a prompt, unless there are too many. A long text's beginning tells it, before time goes into the rest.
fn tokens(text: &str, param: &str, served: &Served) -> Result<Vec<u32>, ApiError> {
    let most = served.positions_max;
    let encode = |text: &str| served.tokenizer.encode(text).map_err(|e| ApiError::of(param, &e));
    let mut bytes = most.saturating_add(CUT_TOKENS).saturating_mul(TOKEN_BYTES);
    while bytes < text.len() {
        if encode(&text[..text.floor_char_boundary(bytes)])?.len() > most.saturating_add(CUT_TOKENS) {
            return Err(too_long(param, &format!("more than {most}"), served));
        }
        bytes = bytes.saturating_mul(4);
    }
    let ids = encode(text)?;
    if ids.len() > most { Err(too_long(param, &ids.len().to_string(), served)) } else { Ok(ids) }
}

fn too_long(param: &str, tokens: &str, served: &Served) -> ApiError {
    let what = format!("`{param}`: {tokens} tokens, the model reads {}", served.positions_max);
    ApiError::field(param, what).code("context_length_exceeded")
}

/// The forms of `prompt`.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a text, a list of texts, a list of tokens, or a list of such lists")]
enum PromptField {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    IdLists(Vec<Vec<u32>>),
}

impl Fields {
    /// `messages`, as the template and the tokenizer have them.
    fn chat(&mut self, served: &Served, ignored: &mut Vec<String>) -> Result<Vec<u32>, ApiError> {
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
        for (i, turn) in turns.as_array().into_iter().flatten().enumerate() {
            let others = turn.as_object().into_iter().flatten();
            let others = others.filter(|(name, value)| {
                !["role", "content"].contains(&name.as_str()) && !changes_nothing(value, None)
            });
            for (name, _) in others {
                let place = format!("messages[{i}].{name}");
                if ["tool_calls", "function_call", "audio", "prefix", "partial"].contains(&name.as_str()) {
                    let what = format!("`{place}` is not supported here");
                    return Err(ApiError::field(place, what).code("unsupported_parameter"));
                }
                ignored.push(place);
            }
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
        tokens(&text, "messages", served)
    }

    /// `prompt`, one text or several, or their tokens; and the texts again if `echo` asks for them.
    fn texts(&mut self, served: &Served) -> Result<(Vec<Vec<u32>>, Option<Vec<String>>), ApiError> {
        let echo = self.take("echo")?.unwrap_or(false);
        let of_text = |text: String| Ok((tokens(&text, "prompt", served)?, text));
        let of_ids = |ids: Vec<u32>| {
            if let Some(id) = ids.iter().find(|&&id| id as usize >= served.tokenizer.len()) {
                return Err(ApiError::field("prompt", format!("`prompt`: the tokenizer has no token {id}")));
            }
            if ids.len() > served.positions_max {
                return Err(too_long("prompt", &ids.len().to_string(), served));
            }
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| served.tokenizer.token_bytes(id)).collect();
            Ok((ids, String::from_utf8_lossy(&bytes).into_owned()))
        };
        let prompts: Vec<(Vec<u32>, String)> = match self.take::<PromptField>("prompt")? {
            None => return Err(ApiError::field("prompt", "`prompt` is missing")),
            Some(PromptField::Text(text)) => vec![of_text(text)?],
            Some(PromptField::Texts(texts)) => texts.into_iter().map(of_text).collect::<Result<_, _>>()?,
            Some(PromptField::Ids(ids)) => vec![of_ids(ids)?],
            Some(PromptField::IdLists(lists)) => lists.into_iter().map(of_ids).collect::<Result<_, _>>()?,
        };
        if prompts.is_empty() || prompts.iter().any(|(ids, _)| ids.is_empty()) {
            return Err(ApiError::field("prompt", "`prompt`: a prompt has no tokens"));
        }
        let (ids, texts) = prompts.into_iter().unzip();
        Ok((ids, echo.then_some(texts)))
    }

    /// How tokens are drawn, and whether none is wanted.
    fn sampling(&mut self, kind: Kind, served: &Served) -> Result<(Sampling, bool), ApiError> {
        let (least, usual) = match kind {
            Kind::Chat => (1, served.new_tokens),
            Kind::Text => (0, TEXT_TOKENS),
        };
        let longest = self.count("max_tokens", least)?;
        let longest = self.count("max_completion_tokens", least)?.or(longest).unwrap_or(usual);
        let top_k = match self.take::<i64>("top_k")? {
            // vLLM's and llama.cpp's words for all tokens.
            Some(-1 | 0) | None => None,
            Some(k) => {
                let what = || ApiError::field("top_k", format!("`top_k` is {k}; 1 or more, or -1 for all tokens"));
                Some(usize::try_from(k).map_err(|_| what())?)
            }
        };
        // OpenAI's defaults: the model's own distribution, uncut. The last two are vLLM's additions.
        let sampling = Sampling {
            temperature: self.within("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            top_p: self.within("top_p", f32::MIN_POSITIVE..=1.0)?.unwrap_or(1.0),
            top_k,
            repetition_penalty: self.within("repetition_penalty", 0.01..=100.0)?.unwrap_or(1.0),
            max_new_tokens: longest.max(1),
            rollouts: 1,
            seed: served.seed,
        };
        Ok((sampling, longest == 0))
    }

    fn stop(&mut self, kind: Kind) -> Result<Vec<String>, ApiError> {
        let stop = match self.map.remove("stop") {
            Some(Value::String(text)) => vec![text],
            Some(other) => {
                self.map.insert("stop".into(), other);
                self.take::<Vec<String>>("stop")?.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let most = kind.stops_max();
        if stop.len() > most || stop.iter().any(String::is_empty) {
            return Err(ApiError::field("stop", format!("`stop`: a text or at most {most} of them, none empty")));
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

    /// The `logprobs` of a text completion: how many of the likeliest tokens.
    fn number_of_logprobs(&mut self) -> Result<Option<usize>, ApiError> {
        match self.map.get("logprobs") {
            Some(Value::Bool(false)) => Ok(None),
            _ => self.within("logprobs", 0..=20),
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
        Question::read(body.to_string().as_bytes(), Kind::Chat, &served())
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
            assert_eq!((&question.prompts, &question.sampling), (&usual.prompts, &usual.sampling), "{more}");
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
        assert_eq!(read(goes_on).unwrap().prompts, [want]);
        let mut closed = begun;
        closed["add_generation_prompt"] = false.into();
        let chat = [crate::text::Message::user("Hi"), crate::text::Message::assistant("Well, I ")];
        assert_eq!(read(closed).unwrap().prompts, [served.tokenizer.chat_ids(&chat, false).unwrap()]);
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
