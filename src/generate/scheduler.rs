//! Continuous batching: sequences are decoded together, each under its own sampling, limit and steering. They join between
//! two tokens, end when they are complete, and leave their places to others.

mod admission;
mod step;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::capture::{Capture, Sums};
use super::engine::{Engine, Job, OnEvent, Reply};
use super::prefill::Prefill;
use super::prefix_cache::PrefixCache;
use super::sampling;
use super::sequence::{Asked, Sequence, Waiting, in_order};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, Sampling, StreamEvent};
use crate::model::{KvCache, Transformer};
use crate::steering::{Part, SteeringPlan};
use crate::text::Coefs;

/// Answers that were asked for at once from which on they leave places to others.
const MANY: usize = 16;

/// Whether more will be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queueing {
    /// All is known at the beginning: what is fastest as a whole.
    Known,
    /// Requests come at any time: each begins soon, long prompts are read in pieces, many answers to one request leave places
    /// to others, and what was said is kept for texts that continue it.
    Open,
}

/// An answer that is over: the place of its job, which of its answers, and what became of it.
pub(super) struct Done {
    pub place: usize,
    pub rollout: usize,
    pub reply: Result<Reply>,
}

/// The rows that are decoded together. A row without a sequence has ended; it stays in the batch until another one takes its
/// place or the next compaction, and its output is ignored.
pub(super) struct Scheduler<B: FusedOps> {
    pub engine: Engine<B>,
    queueing: Queueing,
    queue: VecDeque<Waiting<B>>,
    /// What is read piece by piece, in turns.
    prefills: VecDeque<Prefill<B>>,
    pub kept: PrefixCache<B>,
    cache: Option<KvCache<B>>,
    rows: Vec<Option<Sequence<B>>>,
    sums: Sums<B>,
    done: Vec<Done>,
    /// Jobs that were ever added.
    jobs: usize,
    complete: usize,
    /// How many complete answers were announced.
    announced: usize,
    /// Rows for which the head was computed.
    pub head_rows: usize,
}

impl<B: FusedOps> Engine<B> {
    /// Answers every job `sampling.rollouts` times: rollout r of job j is reply `j · rollouts + r`. `Break` at a token ends
    /// that answer, `Break` at [`StreamEvent::Finished`] ends all of them.
    ///
    /// No answer begins with an end-of-sequence token (the reference asks for at least one other token), and none goes on
    /// beyond the model's last position.
    ///
    /// # Errors
    /// Sampling settings out of range; prompts that are empty, too long or outside the vocabulary; logits that are not
    /// finite. Each names the job.
    pub fn answer(
        &self,
        jobs: &[Job],
        sampling: &Sampling,
        spec: &CaptureSpec,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Vec<Reply>> {
        let mut scheduler = Scheduler::new(self.clone(), Queueing::Known);
        scheduler.add(jobs.to_vec(), sampling, spec.clone())?;
        let mut replies = vec![None; jobs.len() * sampling.rollouts];
        loop {
            let more = scheduler.turn(on_event);
            for Done { place, rollout, reply } in scheduler.done() {
                replies[place * sampling.rollouts + rollout] = Some(reply?);
            }
            if !more {
                return Ok(replies.into_iter().map(|reply| reply.expect("no answer is left")).collect());
            }
        }
    }

    /// [`Engine::answer`] without captures; `finished` is given the number of complete answers.
    pub fn generate(&self, jobs: &[Job], sampling: &Sampling, finished: &mut dyn FnMut(usize)) -> Result<Vec<Reply>> {
        self.answer(jobs, sampling, &CaptureSpec::default(), &mut |event| {
            if let StreamEvent::Finished(n) = event {
                finished(n);
            }
            ControlFlow::Continue(())
        })
    }
}

/// Tokens whose keys and values a server keeps for conversations that go on: a few of them, so that its memory stays where it is.
const KEPT_OPEN: usize = 1 << 12;

impl<B: FusedOps> Scheduler<B> {
    /// A scheduler without anything to do.
    pub fn new(engine: Engine<B>, queueing: Queueing) -> Self {
        let kept = PrefixCache::new(match queueing {
            Queueing::Known => engine.budget.cache_tokens / 4,
            Queueing::Open => (engine.budget.cache_tokens / 4).min(KEPT_OPEN),
        });
        let sums = Sums::new(&engine.model);
        let (queue, prefills, rows, done) = (VecDeque::new(), VecDeque::new(), Vec::new(), Vec::new());
        let (cache, jobs, complete, announced, head_rows) = (None, 0, 0, 0, 0);
        Self { engine, queueing, queue, prefills, kept, cache, rows, sums, done, jobs, complete, announced, head_rows }
    }

    /// Adds jobs, each to be answered `sampling.rollouts` times; gives the place of the first one. They stand behind those
    /// that wait already.
    ///
    /// # Errors
    /// As [`Engine::answer`]; nothing is added then.
    pub fn add(&mut self, jobs: Vec<Job>, sampling: &Sampling, spec: CaptureSpec) -> Result<usize> {
        sampling::check(sampling)?;
        for job in &jobs {
            self.engine.check(&job.prompt).map_err(|e| e.at(format!("prompt `{}`", job.id)))?;
            self.engine.check_coefs(job)?;
        }
        let capture = Arc::new(Capture::new(&self.engine.model, spec)?);
        let first = self.jobs;
        self.jobs += jobs.len();
        let of_many = jobs.len() * sampling.rollouts > MANY;
        let asked = jobs
            .into_iter()
            .enumerate()
            .map(|(i, job)| Arc::new(Asked::new(&self.engine, first + i, job, sampling, capture.clone(), of_many)));
        let asked = asked.collect();
        self.queue.extend(in_order(&self.engine, asked));
        Ok(first)
    }

    /// Puts everything under another plan. What is under way goes on as it is steered: a part that acts on it is in both.
    ///
    /// # Errors
    /// If the plan does not fit the model; all stays as it was then.
    pub fn replan(&mut self, plan: &SteeringPlan) -> Result<()> {
        let model = self.engine.model.steered(plan)?;
        let (old, new) = (parts(&self.engine.model), parts(&model));
        let from: Vec<Option<usize>> = new.iter().map(|part| old.iter().position(|was| was == part)).collect();
        let coefs = |coefs: &mut Coefs| {
            let was = coefs.take();
            let of = |from: &Option<usize>| from.and_then(|i| was.as_ref()?.get(i).copied()).unwrap_or(0.0);
            *coefs = (!from.is_empty()).then(|| from.iter().map(of).collect());
        };
        let counts = |counts: &mut Vec<usize>| {
            let was = std::mem::take(counts);
            *counts = from.iter().map(|from| from.and_then(|i| was.get(i).copied()).unwrap_or(0)).collect();
        };
        let waiting = |one: &mut Waiting<B>| (coefs(&mut one.coefs), counts(&mut one.steered)).1;
        self.queue.iter_mut().for_each(waiting);
        self.prefills.iter_mut().for_each(|prefill| prefill.replan(&waiting, &coefs));
        self.rows.iter_mut().flatten().for_each(|one| (coefs(&mut one.coefs), counts(&mut one.steered)).1);
        self.engine.model = model;
        Ok(())
    }

    /// Admits what there is room for and decodes one token for every row; false once every answer is complete.
    pub fn turn(&mut self, on_event: &mut OnEvent<'_>) -> bool {
        self.admit();
        self.read_prompts(on_event);
        if self.complete > self.announced {
            self.announced = self.complete;
            if on_event(StreamEvent::Finished(self.announced)).is_break() {
                self.cancel();
            }
        }
        if self.rows.is_empty() && self.queue.is_empty() && self.prefills.is_empty() {
            return false;
        }
        self.step(on_event);
        true
    }

    /// Answers that have ended since the last call.
    pub fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// Answers that wait for a place.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Drops a job whose client has gone: its answers end where they are.
    pub fn forget(&mut self, place: usize) {
        self.queue.retain(|waiting| waiting.asked.place != place);
        self.prefills.iter_mut().for_each(|prefill| prefill.forget(place));
        self.rows.iter_mut().for_each(|row| drop(row.take_if(|sequence| sequence.asked.place == place)));
    }

    fn live(&self) -> usize {
        self.rows.iter().flatten().count()
    }

    /// Drops the rows that have ended.
    fn compact(&mut self) {
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.len() == self.rows.len() {
            return;
        }
        self.rows.retain(Option::is_some);
        self.sums.select(&live);
        let columns = self.columns();
        match &mut self.cache {
            Some(cache) if !live.is_empty() => {
                cache.select(&live, &self.engine.model.device);
                cache.resize(columns);
            }
            cache => *cache = None,
        }
    }

    /// Columns that the next step fills.
    fn columns_needed(&self) -> usize {
        self.rows.iter().flatten().map(|sequence| sequence.filled() + 1).max().unwrap_or(1)
    }

    /// Columns for the rows as they are, with room to grow by half: wide enough to be copied seldom, and not as wide as
    /// answers could become in the worst case, because a composed attention reads every column.
    fn columns(&self) -> usize {
        let filled = self.columns_needed();
        let most = self.rows.iter().flatten().map(|sequence| sequence.asked.columns).max().unwrap_or(1);
        (filled + (filled / 2).max(64)).min(most)
    }

    fn end(&mut self, place: usize, rollout: usize, reply: Result<Reply>) {
        self.done.push(Done { place, rollout, reply });
        self.complete += 1;
    }

    /// Ends everything as it stands.
    fn cancel(&mut self) {
        self.end_rows();
        let prefills = std::mem::take(&mut self.prefills);
        let entering = prefills.iter().flat_map(Prefill::answers).map(|waiting| (waiting.asked.place, waiting.rollout));
        let entering: Vec<(usize, usize)> = entering.collect();
        let waiting = std::mem::take(&mut self.queue);
        for (place, rollout) in entering.into_iter().chain(waiting.iter().map(|one| (one.asked.place, one.rollout))) {
            self.end(place, rollout, Ok(Reply::never_begun()));
        }
        self.compact();
    }
}

fn parts<B: FusedOps>(model: &Transformer<B>) -> &[Part] {
    model.steering.as_ref().map_or(&[], |steering| &steering.plan().parts)
}
