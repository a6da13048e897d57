//! An engine and a tokenizer together: a model that takes and gives text.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::budget::Budget;
use super::engine::{Engine, Job, Vocabulary};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{
    Answer, CaptureSpec, Finished, LanguageModel, Likelihood, Prompt, Request, Residuals, Sampling, StreamEvent,
};
use crate::model::Qwen;
use crate::text::Tokenizer;

/// A model with its tokenizer, as evaluation sees it.
#[derive(Debug, Clone)]
pub struct TextGenerator<B: FusedOps> {
    engine: Engine<B>,
    tokenizer: Arc<Tokenizer>,
}

impl<B: FusedOps> TextGenerator<B> {
    /// A model, steered or not, and the tokenizer of its folder.
    pub fn new(model: Qwen<B>, tokenizer: Arc<Tokenizer>) -> Self {
        let vocabulary = Vocabulary { len: tokenizer.len(), eos_ids: tokenizer.eos_ids().to_vec() };
        Self { engine: Engine::new(model, vocabulary), tokenizer }
    }

    /// The same generator with another budget of memory.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { engine: self.engine.with_budget(budget), ..self }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine<B> {
        &self.engine
    }

    fn jobs(&self, requests: &[Request]) -> Result<Vec<Job>> {
        requests
            .iter()
            .map(|request| {
                let prompt = match &request.prompt {
                    Prompt::Chat(messages) => self.tokenizer.chat_ids(messages, true),
                    Prompt::Text(text) => self.tokenizer.encode_whole(text),
                    Prompt::Ids(ids) => Ok(ids.clone()),
                };
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
        let replies = self.engine.answer(&jobs, sampling, capture, on_event)?;
        replies
            .into_iter()
            .enumerate()
            .map(|(i, reply)| {
                let (job, rollout) = (&jobs[i / sampling.rollouts], i % sampling.rollouts);
                Ok(Answer {
                    id: job.id.clone(),
                    rollout,
                    prompt_ids: job.prompt.clone(),
                    text: self.tokenizer.decode(&reply.tokens)?,
                    token_ids: reply.tokens,
                    finish_reason: reply.finish_reason,
                    steered: reply.steered,
                    tokens: reply.kept,
                    residuals: reply.residuals,
                })
            })
            .collect()
    }

    fn choose(&mut self, requests: &[Request], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        self.engine.choose(&self.jobs(requests)?, options)
    }

    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        self.engine.residuals(texts)
    }

    fn likelihoods(&mut self, texts: &[Finished]) -> Result<Vec<Likelihood>> {
        self.engine.likelihoods(texts)
    }
}
