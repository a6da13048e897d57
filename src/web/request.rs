//! A request's body as a question to the model.

use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::fields::Fields;
use super::served::Served;
use crate::language_model::{Direction, Prompt, Sampling};
use crate::session::{ActiveSteering, SteeringRequest, VectorSet};
use crate::steering::Op;
use crate::vector::Layers;

pub const CHOICES_MAX: usize = 128;
pub const STEERING_MAX: usize = 16;
/// OpenAI's longest answer of a text completion that names no limit, in tokens.
const TEXT_TOKENS: usize = 16;

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

#[derive(Debug, Clone)]
pub struct Question {
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
    pub seed: Option<i64>,
    pub choices: usize,
    pub stop: Vec<String>,
    /// Log-probabilities are wanted, with so many of the likeliest tokens.
    pub logprobs: Option<usize>,
    pub stream: bool,
    /// And the count of tokens at its end.
    pub stream_usage: bool,
    /// Fields of the request that have no effect.
    pub ignored: Vec<String>,
}

/// Prompts as tokens, their texts if answers repeat them, and the steering of each.
type Prompts = (Vec<Vec<u32>>, Option<Vec<String>>, Vec<Vec<ActiveSteering>>);

impl Question {
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

    pub fn answers(&self) -> usize {
        self.prompts.len() * self.choices
    }

    /// Whether log-probabilities or projections of the prompt's own tokens are wanted.
    pub fn scores_prompt(&self) -> bool {
        (self.echo.is_some() && self.logprobs.is_some()) || !self.probes.is_empty()
    }

    pub fn prompt(&self, answer: usize) -> Prompt {
        Prompt::Ids(self.prompts[answer / self.choices].clone())
    }

    pub fn steering(&self, answer: usize) -> &[ActiveSteering] {
        &self.steering[answer / self.choices]
    }

    /// The number that keys one of the answers' random numbers within the request.
    pub fn draws(&self, answer: usize) -> usize {
        if self.same_draws { answer % self.choices } else { answer }
    }
}

impl Fields {
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
mod tests;
