//! A request's body as a question to the model. Fields without an effect here are ignored, as OpenAI's servers ignore many; fields
//! that ask for what this server does not do, and values without a meaning, are refused.

use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::api_error::ApiError;
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
        fields.refuse_the_impossible()?;
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

    /// Refuses fields whose request would silently be ignored.
    fn refuse_the_impossible(&self) -> Result<(), ApiError> {
        let nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let plain = self.map.get("response_format").is_none_or(|f| nothing(f) || f["type"] == "text");
        let asked = ["frequency_penalty", "presence_penalty", "logit_bias", "tools", "functions", "audio"];
        let asked = asked.into_iter().find(|name| self.map.get(*name).is_some_and(|value| !nothing(value)));
        match asked.or((!plain).then_some("response_format")) {
            Some(name) => {
                Err(ApiError::field(name, format!("`{name}` is not supported here")).code("unsupported_parameter"))
            }
            None => Ok(()),
        }
    }

    /// `messages`, as the template and the tokenizer have them.
    fn prompt(&mut self, served: &Served) -> Result<Vec<u32>, ApiError> {
        let turns = self.map.remove("messages").unwrap_or_default();
        if turns.is_null() {
            return Err(ApiError::field("messages", "`messages` is missing"));
        }
        let row = Map::from_iter([("messages".to_owned(), turns)]);
        let chat = chat_of_row(row).and_then(|(messages, _)| served.tokenizer.chat_ids(&messages, true));
        let ids = chat.map_err(|e| ApiError::of("messages", &e))?;
        if ids.len() > served.positions_max {
            let what = format!("the messages are {} tokens, the model reads {}", ids.len(), served.positions_max);
            return Err(ApiError::field("messages", what).code("context_length_exceeded"));
        }
        Ok(ids)
    }

    fn sampling(&mut self, served: &Served) -> Result<Sampling, ApiError> {
        let longest = self.within("max_tokens", 1..=usize::MAX)?;
        let longest = self.within("max_completion_tokens", 1..=usize::MAX)?.or(longest);
        // OpenAI's defaults: the model's own distribution, uncut. The last two are vLLM's additions.
        Ok(Sampling {
            temperature: self.within("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            top_p: self.within("top_p", f32::MIN_POSITIVE..=1.0)?.unwrap_or(1.0),
            top_k: self.within("top_k", 1..=usize::MAX)?,
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
