//! An engine and a tokenizer together: a model that takes and gives text.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::budget::Budget;
use super::engine::{Engine, Job, Reply, Vocabulary};
use super::scheduler::{Done, Queueing, Scheduler};
use crate::kernels::FusedOps;
use crate::language_model::{
    Answer, Batch, CaptureSpec, Finished, LanguageModel, Likelihood, Request, Residuals, Sampling, StreamEvent,
};
use crate::model::Transformer;
use crate::steering::SteeringPlan;
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
    pub fn new(model: Transformer<B>, tokenizer: Arc<Tokenizer>) -> Self {
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

    fn begin(&self) -> Result<Box<dyn Batch>> {
        let scheduler = Scheduler::new(self.engine.clone(), Queueing::Open);
        Ok(Box::new(TextBatch { scheduler, generator: self.clone(), open: BTreeMap::new() }))
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
    generator: TextGenerator<B>,
    /// By its place, a request whose answers are not complete: its name, its prompt and how many answers are left.
    open: BTreeMap<usize, (String, Vec<u32>, usize)>,
}

impl<B: FusedOps> Batch for TextBatch<B> {
    fn add(&mut self, requests: &[Request], sampling: &Sampling, capture: &CaptureSpec) -> Result<usize> {
        let jobs = self.generator.jobs(requests)?;
        let open: Vec<_> = jobs.iter().map(|job| (job.id.clone(), job.prompt.clone(), sampling.rollouts)).collect();
        let first = self.generator.named(self.scheduler.add(jobs, sampling, capture.clone()))?;
        self.open.extend(open.into_iter().enumerate().map(|(i, one)| (first + i, one)));
        Ok(first)
    }

    fn replan(&mut self, plan: &SteeringPlan) -> Result<()> {
        self.scheduler.replan(plan)
    }

    fn turn(&mut self, on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>) -> bool {
        self.scheduler.turn(on_event)
    }

    fn complete(&mut self) -> Vec<(usize, Result<Answer>)> {
        let mut complete = Vec::new();
        for Done { place, rollout, reply } in self.scheduler.done() {
            let Some((id, prompt, left)) = self.open.get_mut(&place) else { continue };
            *left -= 1;
            let reply = self.generator.named(reply);
            let answer = reply.and_then(|reply| answer(&self.generator.tokenizer, id, rollout, prompt, reply));
            if *left == 0 {
                self.open.remove(&place);
            }
            complete.push((place, answer));
        }
        complete
    }

    fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    fn forget(&mut self, ask: usize) {
        self.open.remove(&ask);
        self.scheduler.forget(ask);
    }
}

fn answers(tokenizer: &Tokenizer, jobs: &[Job], rollouts: usize, replies: Vec<Reply>) -> Result<Vec<Answer>> {
    let of = |(i, reply): (usize, Reply)| {
        let job = &jobs[i / rollouts];
        answer(tokenizer, &job.id, i % rollouts, &job.prompt, reply)
    };
    replies.into_iter().enumerate().map(of).collect()
}

fn answer(tokenizer: &Tokenizer, id: &str, rollout: usize, prompt: &[u32], reply: Reply) -> Result<Answer> {
    Ok(Answer {
        id: id.into(),
        rollout,
        prompt_ids: prompt.to_vec(),
        text: tokenizer.decode(&reply.tokens)?,
        token_ids: reply.tokens,
        finish_reason: reply.finish_reason,
        steered: reply.steered,
        tokens: reply.kept,
        residuals: reply.residuals,
    })
}
