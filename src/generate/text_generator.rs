//! An engine and a tokenizer together: a model that takes and gives text.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::budget::Budget;
use super::engine::{Engine, Job, Reply, Vocabulary};
use super::scheduler::Scheduler;
use crate::kernels::FusedOps;
use crate::language_model::{
    Answer, Batch, CaptureSpec, Finished, LanguageModel, Likelihood, Request, Residuals, Sampling, StreamEvent,
};
use crate::model::Qwen;
use crate::text::Tokenizer;
use crate::vector::Layer;
use crate::{Error, Result};

/// A model with its tokenizer, as evaluation sees it.
#[derive(Debug, Clone)]
pub struct TextGenerator<B: FusedOps> {
    engine: Engine<B>,
    tokenizer: Arc<Tokenizer>,
    /// The model and its adapter in words, for messages.
    called: Option<String>,
}

impl<B: FusedOps> TextGenerator<B> {
    /// A model, steered or not, and the tokenizer of its folder.
    pub fn new(model: Qwen<B>, tokenizer: Arc<Tokenizer>) -> Self {
        let vocabulary = Vocabulary { len: tokenizer.len(), eos_ids: tokenizer.eos_ids().to_vec() };
        Self { engine: Engine::new(model, vocabulary), tokenizer, called: None }
    }

    /// The same generator with another budget of memory.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { engine: self.engine.with_budget(budget), ..self }
    }

    /// The same generator by a name, which its errors begin with.
    pub fn called(self, name: String) -> Self {
        Self { called: Some(name), ..self }
    }

    fn named<T>(&self, done: Result<T>) -> Result<T> {
        done.map_err(|e| self.called.iter().fold(e, Error::at))
    }

    /// The engine.
    pub fn engine(&self) -> &Engine<B> {
        &self.engine
    }

    fn jobs(&self, requests: &[Request]) -> Result<Vec<Job>> {
        requests
            .iter()
            .map(|request| {
                let prompt = request.prompt.ids(&self.tokenizer);
                let prompt = prompt.map_err(|e| e.at(format!("prompt `{}`", request.id)))?;
                Ok(Job { id: request.id.clone(), prompt, coefs: request.coefs.clone().map(Into::into) })
            })
            .collect()
    }
}

impl<B: FusedOps> LanguageModel for TextGenerator<B> {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn shape(&self) -> (usize, usize) {
        let model = self.engine.model();
        (model.blocks.len(), model.config.hidden_size)
    }

    fn answer(
        &mut self,
        requests: &[Request],
        sampling: &Sampling,
        capture: &CaptureSpec,
        on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        let jobs = self.jobs(requests)?;
        let replies = self.named(self.engine.answer(&jobs, sampling, capture, on_event))?;
        answers(&self.tokenizer, &jobs, sampling.rollouts, replies)
    }

    fn begin(
        &self,
        requests: &[Request],
        sampling: &Sampling,
        capture: &CaptureSpec,
        share: f64,
    ) -> Result<Box<dyn Batch>> {
        let jobs = self.jobs(requests)?;
        let budget = self.engine.budget.shared(share);
        let scheduler = self.engine.clone().with_budget(budget).begin(jobs.clone(), sampling, capture)?;
        Ok(Box::new(TextBatch { scheduler, tokenizer: self.tokenizer.clone(), jobs, rollouts: sampling.rollouts }))
    }

    fn choose(&mut self, requests: &[Request], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        let chosen = self.engine.choose(&self.jobs(requests)?, options);
        self.named(chosen)
    }

    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        self.engine.residuals(texts)
    }

    fn residuals_to(&mut self, texts: &[Finished], top: Layer) -> Result<Vec<Residuals>> {
        self.engine.residuals_to(texts, top)
    }

    fn likelihoods(&mut self, texts: &[Finished]) -> Result<Vec<Likelihood>> {
        self.engine.likelihoods(texts)
    }
}

/// A batch whose answers are texts.
struct TextBatch<B: FusedOps> {
    scheduler: Scheduler<B>,
    tokenizer: Arc<Tokenizer>,
    jobs: Vec<Job>,
    rollouts: usize,
}

impl<B: FusedOps> Batch for TextBatch<B> {
    fn turn(&mut self, on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>) -> Result<bool> {
        self.scheduler.turn(on_event)
    }

    fn answers(self: Box<Self>) -> Result<Vec<Answer>> {
        answers(&self.tokenizer, &self.jobs, self.rollouts, self.scheduler.replies())
    }
}

fn answers(tokenizer: &Tokenizer, jobs: &[Job], rollouts: usize, replies: Vec<Reply>) -> Result<Vec<Answer>> {
    let answer = |(i, reply): (usize, Reply)| {
        let job = &jobs[i / rollouts];
        Ok(Answer {
            id: job.id.clone(),
            rollout: i % rollouts,
            prompt_ids: job.prompt.clone(),
            text: tokenizer.decode(&reply.tokens)?,
            token_ids: reply.tokens,
            finish_reason: reply.finish_reason,
            steered: reply.steered,
            tokens: reply.kept,
            residuals: reply.residuals,
        })
    };
    replies.into_iter().enumerate().map(answer).collect()
}
