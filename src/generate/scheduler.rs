//! Continuous batching: sequences are decoded together, each under its own sampling, limit and steering. They join between
//! two tokens, end when they are complete, and leave their places to others.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::capture::{Along, Capture, PromptStates, Sums};
use super::engine::{Engine, Job, OnEvent, Reply, read};
use super::pick::{is_plain, pick};
use super::prefill::{Prefill, Read};
use super::prefix_cache::PrefixCache;
use super::sampling;
use super::sequence::{Asked, Sequence, Waiting, in_order};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, FinishReason, Sampling, StreamEvent, Token};
use crate::model::{KvCache, Qwen};
use crate::steering::{Part, SteeringPlan};
use crate::text::{Coefs, Rows};

/// Tokens of prompts that are read between two tokens of those who are answered already.
const PIECE: usize = 256;
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

impl<B: FusedOps> Scheduler<B> {
    /// A scheduler without anything to do.
    pub fn new(mut engine: Engine<B>, queueing: Queueing) -> Self {
        if queueing == Queueing::Open {
            // Those who are read together begin together: none waits for too many others.
            engine.budget.pass_tokens = engine.budget.pass_tokens.min(4 * PIECE);
        }
        let kept = PrefixCache::new(engine.budget.cache_tokens / 4);
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

    /// Drops the answers to a job, of which nobody wants to know any more.
    pub fn forget(&mut self, place: usize) {
        self.queue.retain(|waiting| waiting.asked.place != place);
        self.prefills.iter_mut().for_each(|prefill| prefill.forget(place));
        self.rows.iter_mut().for_each(|row| drop(row.take_if(|sequence| sequence.asked.place == place)));
    }

    fn live(&self) -> usize {
        self.rows.iter().flatten().count()
    }

    /// Rows that fit the cache if the longest may have so many columns.
    fn places(&self, longest: usize) -> usize {
        // However long some are, a server answers a few at once.
        let least = if self.queueing == Queueing::Open { 4 } else { 1 };
        (self.engine.budget.cache_tokens / longest).max(least).min(self.engine.budget.rows_max.max(1))
    }

    /// Lets waiting answers begin.
    fn admit(&mut self) {
        while !self.queue.is_empty() {
            let running = self.rows.iter().flatten().map(|sequence| sequence.asked.columns);
            let entering = self.prefills.iter().flat_map(Prefill::answers).map(|waiting| waiting.asked.columns);
            let taken: Vec<usize> = running.chain(entering).collect();
            let next = self.queue.front().map(|waiting| waiting.asked.columns);
            let capacity = self.places(taken.iter().copied().chain(next).max().unwrap_or(1));
            let taken = taken.len();
            let free = capacity.saturating_sub(taken);
            let admitted = match self.queueing {
                // A pass over one prompt costs nearly as much as one over several.
                Queueing::Known if taken > 0 && free < capacity.div_ceil(4) => return,
                Queueing::Known => self.next_that_fit(free),
                Queueing::Open => self.next_in_turn(taken),
            };
            if admitted.is_empty() {
                return;
            }
            self.prefills.push_back(Prefill::new(admitted, &self.queue));
            if self.queueing == Queueing::Known {
                return;
            }
        }
    }

    /// Those who wait longest, as far as there are places beside the `taken` ones; of many that were asked for at once only so
    /// many that a quarter of the places is left to others.
    fn next_in_turn(&mut self, taken: usize) -> Vec<Waiting<B>> {
        let running = self.rows.iter().flatten().map(|sequence| &sequence.asked);
        let entering = self.prefills.iter().flat_map(Prefill::answers).map(|waiting| &waiting.asked);
        let (mut of_many, mut longest) = (0, 1);
        for asked in running.chain(entering) {
            of_many += usize::from(asked.of_many);
            longest = longest.max(asked.columns);
        }
        let (mut admitted, mut full) = (Vec::new(), false);
        for waiting in std::mem::take(&mut self.queue) {
            let columns = longest.max(waiting.asked.columns);
            let places = self.places(columns);
            full |= taken + admitted.len() >= places;
            if full || (waiting.asked.of_many && of_many >= places - places / 4) {
                self.queue.push_back(waiting);
                continue;
            }
            longest = columns;
            of_many += usize::from(waiting.asked.of_many);
            admitted.push(waiting);
        }
        admitted
    }

    /// The next answers that fit one prefill: at most `free` rows, and not too many tokens.
    fn next_that_fit(&mut self, free: usize) -> Vec<Waiting<B>> {
        let width = self.queue.front().map_or(1, |waiting| waiting.asked.job.prompt.len());
        let prompts = (self.engine.budget.pass_tokens / width).max(1);
        let (mut admitted, mut texts): (Vec<Waiting<B>>, usize) = (Vec::new(), 0);
        while let Some(next) = self.queue.front() {
            let new = admitted.last().is_none_or(|last| !last.reads_alike(next));
            if admitted.len() == free || (new && texts == prompts) {
                break;
            }
            texts += usize::from(new);
            admitted.extend(self.queue.pop_front());
        }
        admitted
    }

    /// Reads prompts: a run all that are admitted, a server a piece, which is small if others wait for their next token.
    fn read_prompts(&mut self, on_event: &mut OnEvent<'_>) {
        while let Some(mut prefill) = self.prefills.pop_front() {
            let open = self.queueing == Queueing::Open;
            let tokens = match (open, self.live()) {
                (true, 1..) => PIECE.min(self.engine.budget.pass_tokens),
                (true, 0) => self.engine.budget.pass_tokens,
                (false, _) => usize::MAX,
            };
            let read = prefill.advance(&self.engine, &mut self.kept, tokens);
            if !prefill.is_over() {
                // A server takes turns; a run ends what it has begun.
                if open { self.prefills.push_back(prefill) } else { self.prefills.push_front(prefill) }
            }
            if let Some(read) = read {
                self.join(read, on_event);
            }
            if open {
                break;
            }
            self.admit();
        }
        let ended = self.rows.len() - self.live();
        if ended > 0 && (ended == self.rows.len() || ended >= self.rows.len().div_ceil(4)) {
            self.compact();
        }
    }

    /// Gives the answers to prompts that have been read their rows.
    fn join(&mut self, read: Read<B>, on_event: &mut OnEvent<'_>) {
        let (mut from, mut places) = (Vec::new(), Vec::new());
        let mut free = 0;
        for (row, one) in read.rows.into_iter().enumerate() {
            for waiting in one.answers {
                let asked = &waiting.asked;
                if asked.capture.spec.prompt {
                    let event = StreamEvent::Prompt { ask: asked.place, rollout: waiting.rollout, tokens: &one.tokens };
                    if on_event(event).is_break() {
                        let Waiting { asked, rollout, steered, .. } = waiting;
                        let reply = Reply { steered, ..Reply::never_begun() };
                        self.end(asked.place, rollout, Ok(reply));
                        continue;
                    }
                }
                let sequence = Sequence::new(waiting, one.states.clone());
                while self.rows.get(free).is_some_and(Option::is_some) {
                    free += 1;
                }
                match self.rows.get_mut(free) {
                    Some(row) => *row = Some(sequence),
                    None => self.rows.push(Some(sequence)),
                }
                from.push(row);
                places.push(free);
            }
        }
        if places.is_empty() {
            return;
        }
        let device = &self.engine.model.device;
        let mut fresh = read.cache.selected(&from, device);
        let needed = self.columns();
        let all = self.rows.len();
        let mut cache = match self.cache.take() {
            Some(mut cache) => {
                if cache.columns() < self.columns_needed() {
                    cache.resize(needed);
                }
                // Room for a few more: a cache that grows is copied.
                let spare = if self.queueing == Queueing::Open { all / 4 } else { 0 };
                if cache.rows() < all {
                    cache.grow(all + spare);
                }
                cache
            }
            None => self.engine.model.cache(all, needed),
        };
        if fresh.columns() > cache.columns() {
            fresh.resize(cache.columns());
        }
        cache.put(&places, &fresh);
        self.cache = Some(cache);
        if self.rows.iter().flatten().any(|sequence| sequence.asked.capture.spec.residuals) {
            self.sums.begin(&places, all);
        }
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

    /// Decodes one token for every row.
    fn step(&mut self, on_event: &mut OnEvent<'_>) {
        let Some(mut cache) = self.cache.take() else { return };
        if self.columns_needed() > cache.columns() {
            cache.resize(self.columns());
        }
        let model = &self.engine.model;
        let pass = model.pass(&self.next_rows(), cache.columns());
        let begun = || self.rows.iter().flatten().filter(|sequence| sequence.has_begun());
        let residuals = self.rows.iter().flatten().any(|sequence| sequence.asked.capture.spec.residuals);
        let mut probing: Vec<(Arc<Capture<B>>, Along<B>)> = Vec::new();
        for capture in begun().map(|sequence| &sequence.asked.capture).filter(|capture| capture.has_probes()) {
            if !probing.iter().any(|(known, _)| Arc::ptr_eq(known, capture)) {
                probing.push((capture.clone(), Vec::new()));
            }
        }
        let mut states = Vec::new();
        let stream = model.stream(&pass, Some(&mut cache), |row, h| {
            if residuals {
                states.push(h.clone());
            }
            probing.iter_mut().for_each(|(capture, along)| capture.project(row, h, along));
        });
        self.cache = Some(cache);
        for (sequence, steered) in self.rows.iter_mut().zip(&pass.steered) {
            let sums = sequence.iter_mut().flat_map(|sequence| &mut sequence.steered);
            sums.zip(steered).for_each(|(sum, n)| *sum += n);
        }
        let counts = |row: &Option<Sequence<B>>| {
            row.as_ref().is_some_and(|sequence| sequence.has_begun() && sequence.asked.capture.spec.residuals)
        };
        let count: Vec<bool> = self.rows.iter().map(counts).collect();
        if residuals {
            self.sums.add(states, &count);
        }
        self.report_projections(probing, on_event);

        // The head is for those alone that sample: some rows have ended, others only waited for their last token to be read.
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.is_empty() {
            return;
        }
        let stream = if live.len() < self.rows.len() {
            stream.select(0, self.engine.ints(live.iter().map(|&i| i as i32).collect()))
        } else {
            stream
        };
        self.head_rows += live.len();
        let logits = self.engine.logits(stream);
        let sequences: Vec<&Sequence<B>> = self.rows.iter().flatten().collect();
        let picked: Vec<Result<Token>> = if sequences.iter().all(|sequence| is_plain(sequence)) {
            let ids = logits.argmax(1).into_data();
            ids.iter::<u32>().map(|id| Ok(Token { id, logprob: 0.0, top: Vec::new(), along: Vec::new() })).collect()
        } else {
            pick(read(logits), &sequences, &self.engine.vocabulary.eos_ids)
        };
        let mut ended = Vec::new();
        for (i, token) in live.into_iter().zip(picked) {
            match token {
                Ok(token) => self.advance(i, token, &mut ended, on_event),
                Err(e) => {
                    let sequence = self.rows[i].take().expect("live");
                    let e = e.at(format!("prompt `{}`", sequence.asked.job.id));
                    self.end(sequence.asked.place, sequence.rollout, Err(e));
                }
            }
        }
        self.end_all(ended);
    }

    /// Reports the tokens that have just been read with their projections, and ends the answers that waited for that.
    fn report_projections(&mut self, probing: Vec<(Arc<Capture<B>>, Along<B>)>, on_event: &mut OnEvent<'_>) {
        for (capture, along) in probing {
            for (row, along) in self.rows.iter_mut().zip(capture.projections(along)) {
                let mine = |sequence: &&mut Sequence<B>| {
                    sequence.has_begun() && Arc::ptr_eq(&sequence.asked.capture, &capture)
                };
                let Some(sequence) = row.as_mut().filter(mine) else { continue };
                let token = sequence.kept.last_mut().expect("tokens are captured where probes are");
                token.along = along;
                let event = StreamEvent::Token { ask: sequence.asked.place, rollout: sequence.rollout, token };
                if on_event(event).is_break() {
                    sequence.ending.get_or_insert(FinishReason::Cancelled);
                }
            }
        }
        let mut ended = Vec::new();
        for i in 0..self.rows.len() {
            let Some(sequence) = self.rows[i].as_ref() else { continue };
            if let Some(reason) = sequence.ending {
                ended.push(Ended { row: i, read: sequence.tokens.len(), reason });
            }
        }
        self.end_all(ended);
    }

    /// The next token of every row, each in its own column. An ended row stands in column 0 of its own cache row.
    fn next_rows(&self) -> Rows {
        let n = self.rows.len();
        let mut rows = Rows {
            ids: Vec::with_capacity(n),
            width: 1,
            start: vec![0; n],
            at: Vec::with_capacity(n),
            end: Vec::with_capacity(n),
            prompt: Vec::with_capacity(n),
            coefs: Vec::with_capacity(n),
        };
        let parts = self.engine.model.steering.as_ref().map(|steering| steering.plan().parts.len());
        for sequence in &self.rows {
            let (id, at, prompt, coefs) = match sequence {
                Some(one) => (one.next, one.filled(), one.asked.job.prompt.len(), one.coefs.clone()),
                None => (0, 0, 1, parts.map(|n| vec![0.0; n].into())),
            };
            rows.ids.push(id);
            rows.at.push(at);
            rows.end.push(at + 1);
            rows.prompt.push(prompt);
            rows.coefs.push(coefs);
        }
        rows
    }

    /// Appends a row's next token; if that ends the answer, the row goes to `ended`.
    fn advance(&mut self, row: usize, token: Token, ended: &mut Vec<Ended>, on_event: &mut OnEvent<'_>) {
        let sequence = self.rows[row].as_mut().expect("live");
        sequence.push(token.id);
        let asked = &sequence.asked;
        let stops = self.engine.vocabulary.eos_ids.contains(&token.id);
        let more_columns = sequence.filled() < asked.columns;
        // A token whose state is captured is reported once the state is known.
        let reported_later = asked.capture.has_probes() && !stops && more_columns;
        let event = StreamEvent::Token { ask: asked.place, rollout: sequence.rollout, token: &token };
        let cancelled = !reported_later && on_event(event).is_break();
        if asked.capture.spec.top_logprobs > 0 || asked.capture.has_probes() {
            sequence.kept.push(token);
        }
        let reason = match (stops, cancelled) {
            (true, _) => FinishReason::Stop,
            (false, true) => FinishReason::Cancelled,
            (false, false) if sequence.tokens.len() == asked.limit => FinishReason::Length,
            _ => return,
        };
        if reason == FinishReason::Length && asked.capture.wants_last() && more_columns {
            sequence.ending = Some(reason);
            return;
        }
        ended.push(Ended { row, reason, read: sequence.tokens.len() - 1 });
    }

    /// Ends answers; their rows are free then.
    fn end_all(&mut self, ended: Vec<Ended>) {
        let nothing = PromptStates::default();
        let wanted = |&Ended { row, reason, read }: &Ended| {
            let sequence = self.rows[row].as_ref().expect("it has just ended");
            // Means over a part of an answer are not those of the answer.
            let whole = match reason {
                FinishReason::Stop => true,
                FinishReason::Length => read == sequence.tokens.len(),
                FinishReason::Cancelled => false,
            };
            let wanted = whole && sequence.asked.capture.spec.residuals;
            (row, if wanted { read } else { 0 }, sequence.prompt_states.as_deref().unwrap_or(&nothing))
        };
        let residuals = self.sums.residuals(&ended.iter().map(wanted).collect::<Vec<_>>());
        for (Ended { row, reason: finish_reason, read }, residuals) in ended.into_iter().zip(residuals) {
            let Sequence { asked, rollout, coefs, tokens, kept, steered, .. } =
                self.rows[row].take().expect("as above");
            if let (Queueing::Open, false, Some(cache)) = (self.queueing, tokens.is_empty(), &self.cache) {
                let said = [asked.job.prompt.as_slice(), &tokens[..read]].concat();
                let text = self.engine.marked(&coefs, asked.job.prompt.len(), &said);
                if !self.kept.has(&text) {
                    self.kept.insert(text, cache.beginning_of(row, said.len()));
                }
            }
            self.end(asked.place, rollout, Ok(Reply { tokens, finish_reason, steered, kept, residuals }));
        }
    }

    fn end(&mut self, place: usize, rollout: usize, reply: Result<Reply>) {
        self.done.push(Done { place, rollout, reply });
        self.complete += 1;
    }

    /// Ends everything as it stands.
    fn cancel(&mut self) {
        let ended = (0..self.rows.len()).filter(|&row| self.rows[row].is_some());
        let ended = ended.map(|row| Ended { row, reason: FinishReason::Cancelled, read: 0 }).collect();
        self.end_all(ended);
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

fn parts<B: FusedOps>(model: &Qwen<B>) -> &[Part] {
    model.steering.as_ref().map_or(&[], |steering| &steering.plan().parts)
}

/// An answer that is complete, while its row is still there.
struct Ended {
    row: usize,
    reason: FinishReason,
    /// Tokens of the answer that the model has read.
    read: usize,
}
