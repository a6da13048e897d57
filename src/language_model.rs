//! What may be asked of a model: answers, the likelihood of options and texts, and the residual stream.
//!
//! Judges, persona work, evaluation and studies know a model only through [`LanguageModel`], so an adapter, a steering plan and
//! a device are invisible to them and every arm of a study runs the same code.

use std::ops::ControlFlow;

use crate::Result;
use crate::steering::SteeringPlan;
use crate::text::{Message, Tokenizer};
use crate::vector::Layer;

/// What the model is given, before any answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// A conversation; the chat template and the generation prompt are applied.
    Chat(Vec<Message>),
    /// Text as it is.
    Text(String),
    /// Tokens as they are.
    Ids(Vec<u32>),
}

impl Prompt {
    /// The tokens that the model reads.
    ///
    /// # Errors
    /// A conversation that the template refuses; a token without a row in the embedding.
    pub fn ids(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        match self {
            Self::Chat(messages) => tokenizer.chat_ids(messages, true),
            Self::Text(text) => tokenizer.encode_whole(text),
            Self::Ids(ids) => tokenizer.check_rows(ids).map(|()| ids.clone()),
        }
    }

    /// The whole text that the model reads.
    ///
    /// # Errors
    /// A conversation that the template refuses; ids that are no tokens.
    pub fn text(&self, tokenizer: &Tokenizer) -> Result<String> {
        match self {
            Self::Chat(messages) => tokenizer.chat_text(messages, true),
            Self::Text(text) => Ok(text.clone()),
            Self::Ids(ids) => tokenizer.decode(ids),
        }
    }
}

/// One prompt to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Names the prompt; with the seed and the rollout it keys the random numbers, so results do not depend on the batch.
    pub id: String,
    /// What the model is given.
    pub prompt: Prompt,
    /// Replaces the plan's coefficients for this row, one for each part of the plan, so that a sweep is one batch.
    pub coefs: Option<Vec<f32>>,
}

impl Request {
    /// A conversation to be answered under the model's own steering.
    pub fn chat(id: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { id: id.into(), prompt: Prompt::Chat(messages), coefs: None }
    }
}

/// How tokens are drawn. The order is that of transformers: repetition penalty, temperature, top-k, top-p.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sampling {
    /// 0 means greedy: the most likely token, no randomness.
    #[serde(serialize_with = "crate::record::as_written")]
    pub temperature: f32,
    /// Keep only the k most likely tokens.
    pub top_k: Option<usize>,
    /// Keep the smallest set of tokens whose probability reaches this mass; 1 keeps all.
    #[serde(serialize_with = "crate::record::as_written")]
    pub top_p: f32,
    /// Divides positive logits of tokens already seen and multiplies negative ones; 1 does nothing.
    #[serde(serialize_with = "crate::record::as_written")]
    pub repetition_penalty: f32,
    /// At most this many new tokens.
    pub max_new_tokens: usize,
    /// Independent answers per prompt.
    pub rollouts: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Sampling {
    /// One greedy answer.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self {
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            repetition_penalty: 1.0,
            max_new_tokens,
            rollouts: 1,
            seed: 0,
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// An end-of-sequence token, which is the last of the answer's ids.
    Stop,
    /// The limit of new tokens.
    Length,
    /// The caller ended it.
    Cancelled,
}

/// What is captured of an answer besides its text. By default nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CaptureSpec {
    /// The likeliest tokens at each place, so many of them, by the model's own distribution: before penalty, temperature
    /// and cuts.
    pub top_logprobs: usize,
    /// The residual stream at the three token positions ([`Residuals`]), taken while the answer is made: no second pass.
    pub residuals: bool,
    /// Directions onto which the state of each of the answer's tokens is projected.
    pub probes: Vec<Direction>,
    /// Log-probabilities and projections of the prompt's tokens too, from the pass that reads it ([`StreamEvent::Prompt`]).
    pub prompt: bool,
    /// Of the prompt alone: no answer is made, and without log-probabilities no layer above the highest probe is computed.
    pub prompt_only: bool,
}

/// A direction in the residual stream of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// Where.
    pub layer: Layer,
    /// Any non-zero multiple of it, `[hidden]`.
    pub vector: Vec<f32>,
}

/// One token of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Its log-probability (nats) by the model's own distribution; 0 unless [`CaptureSpec::top_logprobs`] asks for it.
    pub logprob: f32,
    /// The likeliest tokens at its place and their log-probabilities, falling.
    pub top: Vec<(u32, f32)>,
    /// Projection of its state onto each of [`CaptureSpec::probes`] (Chen et al. 2025, section 3.3); empty for the token that ended the answer,
    /// which the model never read.
    pub along: Vec<f32>,
}

/// What is reported while answers are generated.
#[derive(Debug)]
pub enum StreamEvent<'a> {
    /// The tokens of a prompt, before the first token of its answer, if [`CaptureSpec::prompt`] asks for them. The first has no
    /// log-probability, because nothing stands before it: 0, and nothing likely. `Break` ends the answer before it begins.
    Prompt {
        /// Place of the request.
        ask: usize,
        /// Which of its answers.
        rollout: usize,
        /// All tokens of the prompt.
        tokens: &'a [Token],
    },
    /// The number of complete answers.
    Finished(usize),
    /// The next token of an answer, once all that is kept of it is known.
    Token {
        /// Place of the request.
        ask: usize,
        /// Which of its answers.
        rollout: usize,
        /// The token.
        token: &'a Token,
    },
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The [`Request`]'s id.
    pub id: String,
    /// Which of the prompt's rollouts, from 0.
    pub rollout: usize,
    /// The tokens that the model was given.
    pub prompt_ids: Vec<u32>,
    /// The tokens that it produced, with the end-of-sequence token if it came.
    pub token_ids: Vec<u32>,
    /// The answer as text, special tokens stripped.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How many token positions of prompt and answer each part of the plan steered, counted where it happened.
    pub steered: Vec<usize>,
    /// The answer token by token, if [`CaptureSpec`] asks for logprobs or probes.
    pub tokens: Vec<Token>,
    /// The residual stream, if [`CaptureSpec`] asks for it and the whole answer was read: not of one that ended at once, at the
    /// model's last position, or by its listener.
    pub residuals: Option<Residuals>,
}

/// A finished text: a prompt and what followed it, tokenised apart so that their border is exact.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The prompt's tokens; not empty.
    pub prompt_ids: Vec<u32>,
    /// The response's tokens, without the end-of-sequence token; not empty.
    pub response_ids: Vec<u32>,
}

/// Residual-stream states of one finished text at the three token positions (guide: method, "Token positions"). Each is `[layers + 1][hidden]`:
/// row 0 the embedding, row L the raw output of block L - 1. Means are over tokens, accumulated in f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    /// Mean over the response's tokens.
    pub response_avg: Vec<Vec<f32>>,
    /// Mean over the prompt's tokens.
    pub prompt_avg: Vec<Vec<f32>>,
    /// State at the prompt's last token.
    pub prompt_last: Vec<Vec<f32>>,
}

/// How likely a finished text's response is, token by token, and how far the model is from itself without its adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihood {
    /// Log-probability (nats) of each token of the response after all that comes before it.
    pub logprobs: Vec<f32>,
    /// `KL(p || q)` (nats) at each of these places over the whole vocabulary: p is the model without its adapter, q the model as it
    /// is, both under the same steering. Never negative; exactly 0 where the adapter adds nothing.
    pub moved: Vec<f32>,
}

/// Answers that are made token by token. Requests join between two tokens, each under its own sampling, captures and steering,
/// and leave when they are answered.
pub trait Batch {
    /// Adds requests; gives the place of the first one among all that were ever added.
    ///
    /// # Errors
    /// As [`LanguageModel::answer`]; nothing is added then.
    fn add(&mut self, requests: &[Request], sampling: &Sampling, capture: &CaptureSpec) -> Result<usize>;

    /// Puts the model under another plan, for which coefficients are given from now on. What is under way goes on as it is
    /// steered, so the new plan has every part that acts on it.
    ///
    /// # Errors
    /// A plan that does not fit the model; all stays as it was then.
    fn replan(&mut self, plan: &SteeringPlan) -> Result<()>;

    /// Makes the next token of every answer that has begun, and lets others begin; false once all are complete. Events as in
    /// [`LanguageModel::answer`], with places as [`Batch::add`] gave them.
    fn turn(&mut self, on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>) -> bool;

    /// The answers that have become complete since the last call, each with the place of its request. One that cannot be made
    /// leaves the others alone.
    fn complete(&mut self) -> Vec<(usize, Result<Answer>)>;

    /// Answers that have not begun because there is no place for them.
    fn waiting(&self) -> usize;

    /// Drops a request whose client has gone: its answers end where they are.
    fn forget(&mut self, ask: usize);
}

/// A model as evaluation sees it.
pub trait LanguageModel {
    /// The model's tokenizer and chat template.
    fn tokenizer(&self) -> &Tokenizer;

    /// Number of transformer blocks and width of the residual stream.
    fn shape(&self) -> (usize, usize);

    /// Answers every request `sampling.rollouts` times, in the order of the requests, rollouts of one request together.
    /// `Break` at a token ends that answer; `Break` at [`StreamEvent::Finished`] ends all: answers that are not complete then
    /// are [`FinishReason::Cancelled`] as they stand, and may be empty.
    fn answer(
        &mut self,
        requests: &[Request],
        sampling: &Sampling,
        capture: &CaptureSpec,
        on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>>;

    /// An empty [`Batch`] of this model.
    ///
    /// # Errors
    /// A model that makes its answers as a whole.
    fn begin(&self) -> Result<Box<dyn Batch>> {
        Err(crate::Error::new("this model makes its answers as a whole, not token by token"))
    }

    /// [`LanguageModel::answer`] without captures; `finished` is given the number of complete answers.
    fn generate(
        &mut self,
        requests: &[Request],
        sampling: &Sampling,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Answer>> {
        self.answer(requests, sampling, &CaptureSpec::default(), &mut |event| {
            if let StreamEvent::Finished(n) = event {
                finished(n);
            }
            ControlFlow::Continue(())
        })
    }

    /// For each request, the log-probability (nats) of each of its options as the beginning of the answer. An option is one
    /// token or several, never none.
    fn choose(&mut self, requests: &[Request], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>>;

    /// The residual stream of finished texts; steering, if any, acts as it would have while the response was generated.
    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>>;

    /// [`LanguageModel::residuals`] of rows 0 to `top`: a model need not compute what lies above, and may leave it out.
    fn residuals_to(&mut self, texts: &[Finished], _top: Layer) -> Result<Vec<Residuals>> {
        self.residuals(texts)
    }

    /// How likely the responses of finished texts are, in the order of the texts. A response may end in the end-of-sequence
    /// token, which is then a token like any other; steering, if any, acts as it would have while it was generated.
    fn likelihoods(&mut self, texts: &[Finished]) -> Result<Vec<Likelihood>>;
}
