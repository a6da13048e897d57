//! Many prompts through one model: tokens in, tokens out.
//!
//! ```text
//! queue: prompts by length, longest first, equal prompts together
//! while anything is left:
//!     if a quarter of the places is free: prefill the next prompts, once each; copy each to its rollouts
//!     one token for every row: decode, one read-back, pick, retire what has ended
//! ```
//!
//! A row's result depends on its own tokens, coefficient and random key, never on its neighbours, its place or the size of
//! the batch (beyond the rounding of a matrix product whose shape differs). Text is unknown here; [`TextGenerator`] knows it.

mod budget;
mod capture;
mod choice;
mod likelihood;
mod pick;
mod prefix;
mod reading;
pub mod sampling;
mod scheduler;
mod sequence;
mod text_generator;

use std::ops::ControlFlow;

use burn::tensor::Tensor;

pub use budget::{Budget, MemoryLimit};
pub use text_generator::TextGenerator;

use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, FinishReason, Residuals, Sampling, StreamEvent, Token};
use crate::model::{Qwen, TokenTable};
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

/// Whoever listens while answers are made ([`StreamEvent`]).
pub type Hear<'a> = dyn FnMut(StreamEvent<'_>) -> ControlFlow<()> + 'a;

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
    fn never_begun() -> Self {
        let (tokens, steered, kept) = (Vec::new(), Vec::new(), Vec::new());
        Self { tokens, finish_reason: FinishReason::Cancelled, steered, kept, residuals: None }
    }
}

/// A model that answers.
#[derive(Debug, Clone)]
pub struct Engine<B: FusedOps> {
    model: Qwen<B>,
    /// The head's rows that stand for tokens.
    head: TokenTable<B>,
    vocabulary: Vocabulary,
    budget: Budget,
}

impl<B: FusedOps> Engine<B> {
    /// An engine over a model, steered or not. Models share their weights, so an engine is cheap.
    pub fn new(model: Qwen<B>, vocabulary: Vocabulary) -> Self {
        let head = model.head().first(vocabulary.len);
        Self { model, head, vocabulary, budget: Budget::default() }
    }

    /// The same engine with another budget.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The model.
    pub fn model(&self) -> &Qwen<B> {
        &self.model
    }

    /// Answers every job `sampling.rollouts` times: rollout r of job j is reply `j · rollouts + r`. Who breaks off at a token
    /// ends that answer; who breaks off at [`StreamEvent::Finished`] ends all.
    ///
    /// No answer begins with an end-of-sequence token (the reference asks for at least one other token), and none goes on
    /// beyond the model's last position.
    ///
    /// Errors for settings without meaning, for prompts that are empty, too long or outside the vocabulary, and for
    /// logits that are not numbers; each names the job.
    pub fn answer(
        &self,
        jobs: &[Job],
        sampling: &Sampling,
        keep: &CaptureSpec,
        hear: &mut Hear<'_>,
    ) -> Result<Vec<Reply>> {
        sampling::check(sampling)?;
        for job in jobs {
            self.check(&job.prompt).map_err(|e| e.at(format!("prompt `{}`", job.id)))?;
            self.check_coefs(job)?;
        }
        scheduler::run_batch(self, jobs, sampling, keep, &mut |heard| hear(heard))
    }

    /// [`Engine::answer`] with nothing kept; `finished` hears how many answers are complete.
    pub fn generate(&self, jobs: &[Job], sampling: &Sampling, finished: &mut dyn FnMut(usize)) -> Result<Vec<Reply>> {
        self.answer(jobs, sampling, &CaptureSpec::default(), &mut |heard| {
            if let StreamEvent::Finished(n) = heard {
                finished(n);
            }
            ControlFlow::Continue(())
        })
    }

    /// Whether the model can read these tokens.
    fn check(&self, tokens: &[u32]) -> Result<()> {
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
    fn logits(&self, stream: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.product(&B::rms_norm(&stream, &self.model.norm, self.model.epsilon()))
    }

    /// Whether the job's coefficients are numbers, one for each part of the plan.
    fn check_coefs(&self, job: &Job) -> Result<()> {
        let Some(coefs) = &job.coefs else { return Ok(()) };
        let parts = self.model.steering.as_ref().map_or(0, |steering| steering.plan().parts.len());
        let (id, given) = (&job.id, coefs.len());
        ensure!(given == parts, "prompt `{id}`: {given} coefficients for a steering plan of {parts} parts");
        ensure!(coefs.iter().all(|coef| coef.is_finite()), "prompt `{id}`: a coefficient is no number");
        Ok(())
    }

    /// The coefficients that a prompt is read under; `None` if there is no steering.
    fn coefs(&self, job: &Job) -> Coefs {
        let steering = self.model.steering.as_ref()?;
        Some(job.coefs.clone().unwrap_or_else(|| steering.plan().coefs().into()))
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests;
