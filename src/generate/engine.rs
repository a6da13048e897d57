//! A model that answers prompts of tokens: what it is asked, what it gives back, and what it refuses.

use std::ops::ControlFlow;

use burn_tensor::Tensor;

use super::budget::Budget;
use super::prefix::Marked;
use crate::kernels::FusedOps;
use crate::language_model::{FinishReason, Residuals, StreamEvent, Token};
use crate::model::{TokenTable, Transformer};
use crate::text::Coefs;
use crate::{Error, Result, ensure};

/// What the engine must know of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Ids from here on stand for nothing and are never produced, though the model's head may have rows for them.
    pub len: usize,
    /// The ids that end an answer.
    pub eos_ids: Vec<u32>,
}

/// A prompt as tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Names the prompt in errors, and keys its random numbers.
    pub id: String,
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// Replaces the coefficients of the steering plan's parts.
    pub coefs: Coefs,
}

/// Is given each event while answers are made ([`StreamEvent`]); `Break` at a token ends that answer.
pub type OnEvent<'a> = dyn FnMut(StreamEvent<'_>) -> ControlFlow<()> + 'a;

/// The tokens of an answer, the end-of-sequence token included, and why it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// At least one token, unless the answer was cancelled before it began.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Token positions of prompt and answer that each part of the plan steered.
    pub steered: Vec<usize>,
    /// The tokens with logprobs and lengths, if these are asked for.
    pub kept: Vec<Token>,
    /// The residual stream, if it is asked for and the whole answer was read: not of one that ended at the model's last
    /// position or by a listener.
    pub residuals: Option<Residuals>,
}

impl Reply {
    pub(super) fn never_begun() -> Self {
        let (tokens, steered, kept) = (Vec::new(), Vec::new(), Vec::new());
        Self { tokens, finish_reason: FinishReason::Cancelled, steered, kept, residuals: None }
    }
}

/// A model that answers.
#[derive(Debug, Clone)]
pub struct Engine<B: FusedOps> {
    pub(super) model: Transformer<B>,
    /// The head's rows that stand for tokens.
    pub(super) head: TokenTable<B>,
    pub(super) vocabulary: Vocabulary,
    pub(super) budget: Budget,
}

impl<B: FusedOps> Engine<B> {
    /// An engine over a model, steered or not. Models share their weights, so an engine is cheap.
    pub fn new(model: Transformer<B>, vocabulary: Vocabulary) -> Self {
        let head = model.head().first(vocabulary.len);
        Self { model, head, vocabulary, budget: Budget::default() }
    }

    /// The same engine with another budget.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The model.
    pub fn model(&self) -> &Transformer<B> {
        &self.model
    }

    /// Whether the model can read these tokens.
    pub(super) fn check(&self, tokens: &[u32]) -> Result<()> {
        ensure!(!tokens.is_empty(), "it has no tokens");
        let positions = self.model.config.max_position_embeddings;
        if tokens.len() > positions {
            let what = format!("it has {} tokens, the model reads at most {positions}", tokens.len());
            return Err(Error::new(what).hint("shorten it; the limit is `max_position_embeddings` in config.json"));
        }
        let rows = self.model.config.vocab_size;
        match tokens.iter().find(|&&id| id as usize >= rows) {
            Some(id) => Err(Error::new(format!("token {id} is not in the model's vocabulary of {rows}"))),
            None => Ok(()),
        }
    }

    /// Logits over the vocabulary after the given tokens of a stream: `[rows · width, hidden] -> [n, vocabulary.len]`.
    pub(super) fn logits(&self, stream: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.product(&B::rms_norm(&stream, &self.model.norm, self.model.epsilon()))
    }

    /// Whether the job's coefficients are numbers, one for each part of the plan.
    pub(super) fn check_coefs(&self, job: &Job) -> Result<()> {
        let Some(coefs) = &job.coefs else { return Ok(()) };
        let parts = self.model.steering.as_ref().map_or(0, |steering| steering.plan().parts.len());
        let (id, given) = (&job.id, coefs.len());
        ensure!(given == parts, "prompt `{id}`: {given} coefficients for a steering plan of {parts} parts");
        ensure!(coefs.iter().all(|coef| coef.is_finite()), "prompt `{id}`: a coefficient is not finite");
        Ok(())
    }

    /// The tokens of a text with a prompt of so many tokens, each with a mark of how it is steered under these coefficients.
    pub(super) fn marked(&self, coefs: &Coefs, prompt: usize, tokens: &[u32]) -> Marked {
        match (&self.model.steering, coefs) {
            (Some(steering), Some(coefs)) => {
                let mark = |(place, &id): (usize, &u32)| (id, steering.mark(coefs, place, prompt));
                tokens.iter().enumerate().map(mark).collect()
            }
            _ => tokens.iter().map(|&id| (id, 0)).collect(),
        }
    }

    /// The coefficients that a prompt is read under; `None` if there is no steering.
    pub(super) fn coefs(&self, job: &Job) -> Coefs {
        let steering = self.model.steering.as_ref()?;
        Some(job.coefs.clone().unwrap_or_else(|| steering.plan().coefs().into()))
    }
}

/// The values of a tensor, on the host.
pub(super) fn read<B: FusedOps, const D: usize>(t: Tensor<B, D>) -> Vec<f32> {
    t.into_data().into_vec().expect("the stream and its logits are f32")
}
