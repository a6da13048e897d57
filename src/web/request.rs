//! A request's body as a question to the model.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::fields::Fields;
use super::vector_store::VectorStore;
use crate::Error;
use crate::language_model::{Direction, Prompt, Sampling};
use crate::session::{ActiveSteering, SteeringRequest, VectorSet};
use crate::steering::Op;
use crate::text::Tokenizer;
use crate::vector::Layers;

/// Answers to one request.
pub const CHOICES_MAX: usize = 128;
/// Vectors in `steering`.
pub const STEERING_MAX: usize = 16;
/// OpenAI's longest answer of a text completion that names no limit, in tokens.
const TEXT_TOKENS: usize = 16;

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
    pub vectors: VectorStore,
    /// Tokens that a prompt may have.
    pub positions_max: usize,
    /// Longest answer if a request names none.
    pub new_tokens: usize,
    /// Seed under which everything is drawn.
    pub seed: u64,
    /// How long a request may wait before it is begun.
    pub wait: Duration,
    /// Where its files lie, which concerns nobody else, and what clients are told instead.
    pub places: Vec<(String, String)>,
}

impl Served {
    /// What clients are told of an error.
    pub fn public(&self, error: &Error) -> Error {
        let reworded = |text: &str| {
            let replace = |text: String, (place, name): &(String, String)| text.replace(place, name);
            self.places.iter().fold(text.to_owned(), replace)
        };
        let public = Error::new(reworded(&error.to_string()));
        match error.help() {
            Some(hint) => public.hint(reworded(hint)),
            None => public,
        }
    }

    /// The field of that name is wrong, as an error says.
    pub fn refuses(&self, param: impl Into<String>, error: &Error) -> ApiError {
        ApiError::of(param, &self.public(error))
    }

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
    /// How the answers to each prompt are steered.
    pub steering: Vec<Vec<ActiveSteering>>,
    /// The answers to all prompts draw the same random numbers, so that they differ by prompt and steering alone.
    pub same_draws: bool,
    /// Everything about drawing; one rollout each, since every choice is an ask of its own.
    pub sampling: Sampling,
    /// No answer is wanted, only what is captured of the prompt.
    pub silent: bool,
    /// Directions onto which the tokens of prompt and answer are projected.
    pub probes: Vec<Direction>,
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

/// Prompts as tokens, their texts if answers repeat them, and the steering of each.
type Prompts = (Vec<Vec<u32>>, Option<Vec<String>>, Vec<Vec<ActiveSteering>>);

impl Question {
    /// Reads a request's body.
    pub fn read(body: &[u8], kind: Kind, served: &Served) -> Result<Self, ApiError> {
        Self::of(Fields::read(body)?, kind, served, |fields, ignored| {
            let (prompts, echo) = match kind {
                Kind::Chat => (vec![fields.chat(served, true, ignored)?], None),
                Kind::Text => fields.texts(served)?,
            };
            let steering = vec![fields.steering(&served.vectors.current())?; prompts.len()];
            Ok((prompts, echo, steering))
        })
    }

    /// Reads the fields of a completion, of which `asked` takes the prompts and the steering of each.
    pub fn of(
        mut fields: Fields,
        kind: Kind,
        served: &Served,
        asked: impl FnOnce(&mut Fields, &mut Vec<String>) -> Result<Prompts, ApiError>,
    ) -> Result<Self, ApiError> {
        fields.refuse_what_is_not_done(kind.not_done())?;
        if let Some(name) = fields.take::<String>("model")? {
            served.check(&name)?;
        }
        let mut ignored = Vec::new();
        let (prompts, echo, steering) = asked(&mut fields, &mut ignored)?;
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
            same_draws: false,
            sampling,
            silent,
            probes: Vec::new(),
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

    /// Whether log-probabilities or projections of the prompt's own tokens are wanted.
    pub fn scores_prompt(&self) -> bool {
        (self.echo.is_some() && self.logprobs.is_some()) || !self.probes.is_empty()
    }

    /// What the model is given for one of the answers.
    pub fn prompt(&self, answer: usize) -> Prompt {
        Prompt::Ids(self.prompts[answer / self.choices].clone())
    }

    /// How one of the answers is steered.
    pub fn steering(&self, answer: usize) -> &[ActiveSteering] {
        &self.steering[answer / self.choices]
    }

    /// The number that keys one of the answers' random numbers within the request.
    pub fn draws(&self, answer: usize) -> usize {
        if self.same_draws { answer % self.choices } else { answer }
    }
}

impl Fields {
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
        let top_p = self.take::<f32>("top_p")?.unwrap_or(1.0);
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(ApiError::field(
                "top_p",
                format!("`top_p` is {top_p}; it lies above 0, and 1 keeps all tokens"),
            ));
        }
        // OpenAI's defaults: the model's own distribution, uncut. The last two are vLLM's additions.
        let sampling = Sampling {
            temperature: self.within("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            top_p,
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
    pub fn steering(&mut self, vectors: &VectorSet) -> Result<Vec<ActiveSteering>, ApiError> {
        let requests: Vec<Map<String, Value>> = self.take("steering")?.unwrap_or_default();
        if requests.len() > STEERING_MAX {
            let place = format!("{}steering", self.place);
            return Err(ApiError::field(&place, format!("`{place}`: at most {STEERING_MAX} vectors at once")));
        }
        let own = &self.place;
        let place = |(i, map)| Fields { map, place: format!("{own}steering[{i}].") }.steering_request(vectors);
        requests.into_iter().enumerate().map(place).collect()
    }

    /// `layer`: a number, a list of them, or `all`.
    pub fn layers(&mut self) -> Result<Option<Layers>, ApiError> {
        let place = format!("{}layer", self.place);
        let Some(layers) = self.map.remove("layer").filter(|layers| !layers.is_null()) else { return Ok(None) };
        serde_json::from_value(layers)
            .map(Some)
            .map_err(|_| ApiError::field(&place, format!("`{place}`: a layer's number, a list of them, or \"all\"")))
    }

    /// One object of `steering`.
    fn steering_request(mut self, vectors: &VectorSet) -> Result<ActiveSteering, ApiError> {
        let place = self.place.clone();
        let vector: String = self.take("vector")?.ok_or_else(|| self.missing("vector"))?;
        vectors.get(&vector).map_err(|e| ApiError::of(format!("{place}vector"), &e))?;
        let op = self.take("op")?.unwrap_or(Op::Add);
        let coef = self.take("coef")?.or((op == Op::Ablate).then_some(1.0)).ok_or_else(|| self.missing("coef"))?;
        let layers = self.layers()?.ok_or_else(|| self.missing("layer"))?;
        let positions = self.take("positions")?.unwrap_or_default();
        self.refuse_others("vector, coef, layer, positions, op")?;
        let request = SteeringRequest { vector, op, coef, layers, positions };
        vectors.resolve(&request).map_err(|e| ApiError::of(place.trim_end_matches('.'), &e))
    }
}

#[cfg(test)]
impl Served {
    /// The tiny model, without vectors.
    pub fn tiny() -> Self {
        Self {
            name: "tiny".into(),
            short: "tiny".into(),
            fingerprint: "0".into(),
            tokenizer: crate::fakes::tiny_tokenizer(),
            vectors: VectorStore::new(VectorSet::new(Default::default(), 3)),
            positions_max: 200,
            new_tokens: 16,
            seed: 0,
            wait: Duration::from_secs(60),
            places: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_as(kind: Kind, more: Value) -> Result<Question, ApiError> {
        let mut body = match kind {
            Kind::Chat => json!({ "messages": [{ "role": "user", "content": "Hi" }] }),
            Kind::Text => json!({ "prompt": "Hi" }),
        };
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        Question::read(body.to_string().as_bytes(), kind, &Served::tiny())
    }

    fn read(more: Value) -> Result<Question, ApiError> {
        read_as(Kind::Chat, more)
    }

    /// What a refusal says.
    fn refusal(more: Value) -> Value {
        read(more).unwrap_err().json()["error"].clone()
    }

    #[test]
    fn every_field_changes_something_or_is_refused_by_name() {
        let asked = r##"{
            "temperature": 0.5, "top_p": 0.5, "top_k": 5, "repetition_penalty": 1.5, "max_tokens": 3,
            "max_completion_tokens": 3, "n": 2, "stop": ["a"], "seed": 7, "stream": true,
            "stream_options": { "include_usage": true }, "logprobs": true, "top_logprobs": 3, "echo": true, "suffix": "a",
            "continue_final_message": true, "add_generation_prompt": false, "min_p": 0.1, "min_tokens": 4,
            "stop_token_ids": [1], "ignore_eos": true, "best_of": 2, "use_beam_search": true, "length_penalty": 2,
            "frequency_penalty": 0.5, "presence_penalty": -0.5, "logit_bias": { "5": 10 }, "typical_p": 0.5,
            "mirostat": 2, "xtc_probability": 0.5, "dry_multiplier": 0.8, "top_n_sigma": 1, "repeat_penalty": 1.2,
            "tools": [{ "type": "function" }], "tool_choice": "required", "functions": [{ "name": "f" }],
            "function_call": { "name": "f" }, "response_format": { "type": "json_object" },
            "structured_outputs": { "json": {} }, "guided_json": {"type": "object"}, "guided_regex": "a*",
            "guided_choice": ["a"], "guided_grammar": "a", "grammar": "root ::= a", "json_schema": { "type": "object" },
            "regex": "a", "ebnf": "a", "chat_template": "{{ messages }}", "documents": [{ "text": "a" }],
            "chat_template_kwargs": { "enable_thinking": false }, "truncate_prompt_tokens": 5, "prompt_logprobs": 1,
            "add_special_tokens": true, "skip_special_tokens": false, "include_stop_str_in_output": true,
            "bad_words": ["a"], "allowed_token_ids": [1], "logits_processors": ["a"], "return_token_ids": true,
            "return_tokens_as_token_ids": true, "n_predict": 5, "do_sample": false, "num_beams": 3,
            "modalities": ["text", "audio"], "audio": { "voice": "a" }, "prediction": { "content": "a" },
            "web_search_options": { "a": 1 }, "prompt_embeds": "aGk=", "reasoning_effort": "low", "made_up": 1,
            "steering": [{ "vector": "a", "coef": 1, "layer": 1 }], "model": "gpt-4"
        }"##;
        let asked: Value = serde_json::from_str(asked).unwrap();
        for kind in [Kind::Chat, Kind::Text] {
            let usual = format!("{:?}", read_as(kind, json!({})).unwrap());
            // Where there is no template, there is no generation prompt to leave out.
            let has = |name: &&String| kind == Kind::Chat || *name != "add_generation_prompt";
            for (name, value) in asked.as_object().unwrap().iter().filter(|(name, _)| has(name)) {
                let value = if (kind, name.as_str()) == (Kind::Text, "logprobs") { &json!(3) } else { value };
                match read_as(kind, json!({ name: value })) {
                    Ok(question) => assert_ne!(format!("{question:?}"), usual, "{kind:?}: {name} changes nothing"),
                    Err(e) if name == "model" => assert_eq!(e.json()["error"]["code"], "model_not_found"),
                    Err(e) => {
                        let param = e.json()["error"]["param"].as_str().unwrap_or_default().to_owned();
                        assert!(param.starts_with(name), "{kind:?}: {name} is refused as {param}");
                    }
                }
                // Null is as good as absent.
                assert_eq!(format!("{:?}", read_as(kind, json!({ name: null })).unwrap()), usual, "{kind:?}: {name}");
            }
        }
        let ignored = read(json!({ "made_up": 1, "user": "me", "stream_options": { "made_up": true }, "messages": [
            { "role": "user", "content": "Hi", "name": "Ann" } ] }));
        assert_eq!(ignored.unwrap().ignored, ["messages[0].name", "stream_options.made_up", "made_up"]);
    }

    #[test]
    fn a_text_prompt_has_four_forms() {
        let ids = |text: &str| Served::tiny().tokenizer.encode(text).unwrap();
        let of = |prompt: Value| read_as(Kind::Text, json!({ "prompt": prompt, "echo": true })).unwrap();
        let (one, two) = (ids("One two"), ids("three"));
        for (prompt, want) in [
            (json!("One two"), vec![&one]),
            (json!(["One two", "three"]), vec![&one, &two]),
            (json!(one), vec![&one]),
            (json!([one, two]), vec![&one, &two]),
        ] {
            let question = of(prompt);
            assert_eq!(question.prompts.iter().collect::<Vec<_>>(), want);
            assert_eq!(question.echo.unwrap().concat(), ["One two", "three"][..want.len()].concat());
        }
        let silent = read_as(Kind::Text, json!({ "max_tokens": 0, "logprobs": 0, "echo": true })).unwrap();
        assert!(silent.silent && silent.scores_prompt());
        let usual = read_as(Kind::Text, json!({})).unwrap();
        assert!(!usual.silent && !usual.scores_prompt() && usual.sampling.max_new_tokens == 16);
        for (more, param) in [
            (json!({ "prompt": "" }), "prompt"),
            (json!({ "prompt": [] }), "prompt"),
            (json!({ "prompt": ["a", ""] }), "prompt"),
            (json!({ "prompt": null }), "prompt"),
            (json!({ "prompt": [1, 1_000_000] }), "prompt"),
            (json!({ "prompt": [-1] }), "prompt"),
            (json!({ "prompt": { "a": 1 } }), "prompt"),
            (json!({ "prompt": vec!["a"; 100], "n": 2 }), "prompt"),
            (json!({ "prompt": "a ".repeat(300) }), "prompt"),
            (json!({ "logprobs": true }), "logprobs"),
            (json!({ "logprobs": 21 }), "logprobs"),
            (json!({ "max_tokens": -1 }), "max_tokens"),
            (json!({ "messages": [{ "role": "user", "content": "Hi" }] }), "messages"),
        ] {
            let error = read_as(Kind::Text, more.clone()).unwrap_err().json()["error"].clone();
            assert_eq!(error["param"], param, "{more}: {error}");
        }
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
            "skip_special_tokens": false, "frequency_penalty": -1,
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
            { "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "function": { "name": "f", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "1", "content": "ok" },
        ] });
        // The template of this model writes no calls.
        assert_eq!(refusal(called)["param"], "messages[1].tool_calls");
    }

    #[test]
    fn what_has_no_meaning_is_refused_in_words_for_people() {
        for (more, param, message) in [
            (json!({ "top_k": -5 }), "top_k", "`top_k` is -5; 1 or more, or -1 for all tokens"),
            (json!({ "max_tokens": -1 }), "max_tokens", "`max_tokens` is -1; the least is 1"),
            (json!({ "top_p": 0 }), "top_p", "`top_p` is 0; it lies above 0"),
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
        let served = Served::tiny();
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
