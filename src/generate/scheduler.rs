//! Continuous batching: sequences are decoded together, retired when they end, and their places refilled from the queue.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use super::capture::{Capture, PromptStates, StepStates};
use super::engine::{Engine, Job, OnEvent, Reply, read};
use super::pick::Picking;
use super::sampling::{self, Key};
use super::sequence::{Sequence, Waiting, queue, seen_at_first};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, FinishReason, Sampling, StreamEvent, Token};
use crate::model::KvCache;
use crate::steering::Positions;
use crate::text::Rows;

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
        let mut scheduler = self.begin(jobs.to_vec(), sampling, spec)?;
        while scheduler.turn(on_event)? {}
        Ok(scheduler.replies())
    }

    /// The same answers, to be made turn by turn ([`Scheduler::turn`]); several such batches may take turns.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub(super) fn begin(&self, jobs: Vec<Job>, sampling: &Sampling, spec: &CaptureSpec) -> Result<Scheduler<B>> {
        sampling::check(sampling)?;
        for job in &jobs {
            self.check(&job.prompt).map_err(|e| e.at(format!("prompt `{}`", job.id)))?;
            self.check_coefs(job)?;
        }
        Scheduler::new(self.clone(), jobs, sampling.clone(), spec.clone())
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

/// The rows that are decoded together. A row without a sequence has ended; it stays in the batch until the next compaction,
/// and its output is ignored.
pub(super) struct Scheduler<B: FusedOps> {
    engine: Engine<B>,
    jobs: Vec<Job>,
    sampling: Sampling,
    spec: CaptureSpec,
    capture: Capture<B>,
    /// Whether a prefill stops before the prompt's last token, which each answer then reads itself: steering that begins
    /// there leaves everything before it the same for all coefficients.
    split: bool,
    cache: Option<KvCache<B>>,
    rows: Vec<Option<Sequence>>,
    queue: VecDeque<Waiting>,
    replies: Vec<Option<Reply>>,
    complete: usize,
    /// How many complete answers were announced.
    announced: usize,
}

/// What a prefill gives.
struct Prefilled<B: FusedOps> {
    /// The stream at each prompt's last token that was read, `[prompts, hidden]`.
    last: Tensor<B, 2>,
    cache: KvCache<B>,
    /// Positions of each prompt that every part of the plan steered.
    steered: Vec<Vec<usize>>,
    states: Vec<Arc<PromptStates>>,
    /// Each prompt's tokens with what is captured of them.
    tokens: Vec<Vec<Token>>,
}

impl<B: FusedOps> Scheduler<B> {
    /// The jobs are known to be good.
    fn new(engine: Engine<B>, jobs: Vec<Job>, sampling: Sampling, spec: CaptureSpec) -> Result<Self> {
        let capture = Capture::new(&engine.model, &spec)?;
        let plan = engine.model.steering.as_ref().map(|steering| steering.plan());
        let late = plan.is_some_and(|plan| plan.parts.iter().all(|part| part.positions == Positions::Response));
        // What is taken of a prompt is taken from one pass.
        let split = late && !spec.residuals && !spec.prompt;
        let queue = queue(&engine, &jobs, sampling.rollouts, split);
        let replies = vec![None; queue.len()];
        let (cache, rows, complete, announced) = (None, Vec::new(), 0, 0);
        Ok(Self { engine, jobs, sampling, spec, capture, split, cache, rows, queue, replies, complete, announced })
    }

    /// Admits what there is room for and decodes one token for every row; false once every answer is complete.
    pub fn turn(&mut self, on_event: &mut OnEvent<'_>) -> Result<bool> {
        self.refill(on_event)?;
        if self.complete > self.announced {
            self.announced = self.complete;
            if on_event(StreamEvent::Finished(self.announced)).is_break() {
                self.cancel();
            }
        }
        if self.rows.is_empty() && self.queue.is_empty() {
            return Ok(false);
        }
        self.step(on_event)?;
        Ok(true)
    }

    /// The answers, once all are complete.
    pub fn replies(self) -> Vec<Reply> {
        self.replies.into_iter().map(|reply| reply.expect("the queue is empty and so is the scheduler")).collect()
    }

    fn picking(&self) -> Picking<'_> {
        let Self { engine, jobs, sampling, spec, .. } = self;
        Picking { jobs, sampling, top: spec.top_logprobs, eos_ids: &engine.vocabulary.eos_ids }
    }

    /// Tokens that an answer to this job may have: those fed back must have a position.
    fn limit(&self, job: usize) -> usize {
        let positions = self.engine.model.config.max_position_embeddings;
        self.sampling.max_new_tokens.min(positions + 1 - self.jobs[job].prompt.len())
    }

    /// The most columns of the cache that an answer to this job can fill.
    fn columns_max(&self, job: usize) -> usize {
        let fed = self.jobs[job].prompt.len() + self.limit(job) - 1;
        let last = self.capture.wants_last() && fed < self.engine.model.config.max_position_embeddings;
        fed + usize::from(last)
    }

    /// Drops ended rows and admits waiting prompts, once enough places are free to be worth copying the cache.
    fn refill(&mut self, on_event: &mut OnEvent<'_>) -> Result<()> {
        loop {
            let live = self.rows.iter().flatten();
            let count = live.clone().count();
            let longest = live
                .map(|sequence| sequence.columns)
                .chain(self.queue.front().map(|w| self.columns_max(w.job)))
                .max()
                .unwrap_or(1);
            let capacity = (self.engine.budget.cache_tokens / longest).clamp(1, self.engine.budget.rows_max.max(1));
            let free = capacity.saturating_sub(count);
            let worth = capacity.div_ceil(4);
            if self.queue.is_empty() || (free < worth && count > 0) {
                let ended = self.rows.len() - count;
                if ended > 0 && (count == 0 || ended >= self.rows.len().div_ceil(4)) {
                    self.drop_ended();
                }
                return Ok(());
            }
            self.drop_ended();
            let admitted = self.next_to_admit(free);
            self.admit(&admitted, on_event)?;
        }
    }

    /// The next answers that fit one prefill: at most `free` rows, and not too many tokens.
    fn next_to_admit(&mut self, free: usize) -> Vec<Waiting> {
        let width = self.queue.front().map_or(1, |w| self.jobs[w.job].prompt.len());
        let prompts = (self.engine.budget.pass_tokens / width).max(1);
        let (mut admitted, mut groups) = (Vec::new(), 0);
        while let Some(&next) = self.queue.front() {
            let new = admitted.last().is_none_or(|last: &Waiting| last.group != next.group);
            if admitted.len() == free || (new && groups == prompts) {
                break;
            }
            groups += usize::from(new);
            admitted.extend(self.queue.pop_front());
        }
        admitted
    }

    /// Drops the rows that have ended.
    fn drop_ended(&mut self) {
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.len() == self.rows.len() {
            return;
        }
        match &mut self.cache {
            Some(cache) if !live.is_empty() => cache.select(&live, &self.engine.model.device),
            cache => *cache = None,
        }
        self.capture.select(&live);
        self.rows.retain(Option::is_some);
    }

    /// Whether a job's prompt is read but for its last token.
    fn is_split(&self, job: usize) -> bool {
        self.split && self.jobs[job].prompt.len() > 1
    }

    /// Prefills the prompts, once each, picks the first token of every rollout that can have it, and appends those that go
    /// on.
    fn admit(&mut self, admitted: &[Waiting], on_event: &mut OnEvent<'_>) -> Result<()> {
        // Entering answers of one group are neighbours.
        let mut groups: Vec<usize> = admitted.iter().map(|w| w.group).collect();
        groups.dedup();
        let prefilled = self.prefill(&groups);
        let row_of = |waiting: &Waiting| groups.iter().position(|&g| g == waiting.group).expect("just made");
        let mut sequences: Vec<(Sequence, usize)> =
            admitted.iter().map(|w| (self.begin(*w, row_of(w), &prefilled), row_of(w))).collect();

        for (sequence, row) in sequences.iter().filter(|_| self.spec.prompt) {
            let tokens = &prefilled.tokens[*row];
            let event = StreamEvent::Prompt { ask: sequence.job, rollout: sequence.rollout, tokens };
            let _ = on_event(event);
        }
        let begin: Vec<usize> = (0..sequences.len()).filter(|&i| !self.is_split(sequences[i].0.job)).collect();
        let mut picked = VecDeque::new();
        if !begin.is_empty() {
            let logits = read(self.engine.logits(prefilled.last));
            let vocabulary = logits.len() / groups.len();
            let rows =
                begin.iter().flat_map(|&i| &logits[sequences[i].1 * vocabulary..][..vocabulary]).copied().collect();
            let those: Vec<&Sequence> = begin.iter().map(|&i| &sequences[i].0).collect();
            picked.extend(self.picking().pick(rows, &those)?);
        }
        let mut staying = Vec::new();
        for (sequence, row) in sequences.drain(..) {
            let sequence = match self.is_split(sequence.job) {
                true => Some(sequence),
                // Nothing of the answer has been read yet, so what ends here has no states.
                false => self.advance(sequence, picked.pop_front().expect("one for each"), None, on_event),
            };
            if let Some(sequence) = sequence {
                self.rows.push(Some(sequence));
                staying.push(row);
            }
        }
        self.append_cache(prefilled.cache, &staying);
        Ok(())
    }

    /// Appends the given rows of a prefill to the cache, for sequences that have just been pushed.
    fn append_cache(&mut self, mut fresh: KvCache<B>, staying: &[usize]) {
        if staying.is_empty() {
            return;
        }
        fresh.select(staying, &self.engine.model.device);
        let columns = self.columns();
        fresh.resize(columns);
        match &mut self.cache {
            Some(cache) => {
                cache.resize(columns);
                cache.append(fresh);
            }
            None => self.cache = Some(fresh),
        }
        self.capture.append(staying.len());
    }

    fn prefill(&self, groups: &[usize]) -> Prefilled<B> {
        let model = &self.engine.model;
        let read = |&g: &usize| {
            let prompt = self.jobs[g].prompt.as_slice();
            &prompt[..prompt.len() - usize::from(self.is_split(g))]
        };
        let prompts: Vec<&[u32]> = groups.iter().map(read).collect();
        let mut rows = Rows::whole(&prompts, groups.iter().map(|&g| self.jobs[g].prompt.len()).collect(), 0);
        rows.coefs = groups.iter().map(|&g| self.engine.coefs(&self.jobs[g])).collect();
        let mut cache = model.cache(rows.len(), rows.width);
        let pass = model.pass(&rows, rows.width);
        let shares = self.capture.prompt_shares(&rows);
        let (mut means, mut seen) = (Vec::new(), StepStates::empty());
        let stream = model.stream(&pass, Some(&mut cache), |row, h| {
            if self.spec.prompt {
                self.capture.project(row, h, &mut seen);
            }
            if let Some(shares) = &shares {
                let [_, hidden] = h.dims();
                means.push(shares.clone().matmul(h.clone().reshape([rows.len(), rows.width, hidden])));
            }
        });
        // Padding was written too; a ragged write adds to what is there.
        cache.clear_from(&rows.end, &model.device);
        let states = self.capture.prompts(means, rows.len()).into_iter().map(Arc::new).collect();
        let tokens = match self.spec.prompt {
            true => {
                let along = if self.capture.has_probes() { self.capture.projections(seen) } else { Vec::new() };
                self.engine.prompt_tokens(&rows, &stream, &along, self.spec.top_logprobs)
            }
            false => Vec::new(),
        };
        Prefilled { last: last_of(stream, &rows, &model.device), cache, steered: pass.steered, states, tokens }
    }

    fn begin(&self, Waiting { job, rollout, .. }: Waiting, row: usize, prefilled: &Prefilled<B>) -> Sequence {
        let (asked, sampling) = (&self.jobs[job], &self.sampling);
        Sequence {
            job,
            rollout,
            prompt: asked.prompt.len(),
            next: asked.prompt[asked.prompt.len() - 1],
            coefs: self.engine.coefs(asked),
            steered: prefilled.steered.get(row).cloned().unwrap_or_default(),
            key: Key::new(sampling.seed, &asked.id, rollout),
            seen: seen_at_first(&asked.prompt, sampling),
            tokens: Vec::new(),
            kept: Vec::new(),
            limit: self.limit(job),
            columns: self.columns_max(job),
            ending: None,
            prompt_states: self.spec.residuals.then(|| prefilled.states[row].clone()),
        }
    }

    /// Columns for the rows as they are, with room to grow by half: wide enough to be copied seldom, and not as wide as
    /// answers could become in the columns_max case, because a composed attention reads every column.
    fn columns(&self) -> usize {
        let live = || self.rows.iter().flatten();
        let filled = live().map(Sequence::filled).max().unwrap_or(0) + 1;
        let columns_max = live().map(|sequence| sequence.columns).max().unwrap_or(1);
        (filled + (filled / 2).max(64)).min(columns_max)
    }

    /// Decodes one token for every row.
    fn step(&mut self, on_event: &mut OnEvent<'_>) -> Result<()> {
        let model = &self.engine.model;
        let Some(mut cache) = self.cache.take() else { return Ok(()) };
        let needed = self.rows.iter().flatten().map(|sequence| sequence.filled() + 1).max().unwrap_or(1);
        if needed > cache.columns() {
            cache.resize(self.columns());
        }
        let pass = model.pass(&self.next_rows(), cache.columns());
        let mut seen = StepStates::empty();
        let stream = model.stream(&pass, Some(&mut cache), |row, h| self.capture.see(row, h, &mut seen));
        self.cache = Some(cache);
        for (sequence, steered) in self.rows.iter_mut().zip(&pass.steered) {
            let sums = sequence.iter_mut().flat_map(|sequence| &mut sequence.steered);
            sums.zip(steered).for_each(|(sum, n)| *sum += n);
        }
        self.capture_states(seen, on_event);

        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.is_empty() {
            // The last answers only waited for their last token to be read.
            return Ok(());
        }
        let logits = self.engine.logits(stream);
        let begins = |i: &usize| self.rows[*i].as_ref().is_some_and(|sequence| sequence.tokens.is_empty());
        let picked = if self.picking().is_plain() && !live.iter().any(begins) {
            let ids: Vec<u32> = logits.argmax(1).into_data().iter::<u32>().collect();
            let token = |&i: &usize| Token { id: ids[i], logprob: 0.0, top: Vec::new(), along: Vec::new() };
            live.iter().map(token).collect()
        } else {
            let vocabulary = logits.dims()[1];
            let mut values = read(logits);
            for (to, &i) in live.iter().enumerate() {
                values.copy_within(i * vocabulary..(i + 1) * vocabulary, to * vocabulary);
            }
            values.truncate(live.len() * vocabulary);
            self.picking().pick(values, &self.rows.iter().flatten().collect::<Vec<_>>())?
        };
        let mut ended = Vec::new();
        for (i, token) in live.into_iter().zip(picked) {
            let sequence = self.rows[i].take().expect("live");
            self.rows[i] = self.advance(sequence, token, Some((i, &mut ended)), on_event);
        }
        self.complete(ended);
        Ok(())
    }

    /// Captures the states of the tokens that have just been read, and completes the answers that waited for them.
    fn capture_states(&mut self, mut seen: StepStates<B>, on_event: &mut OnEvent<'_>) {
        let of_answer =
            |sequence: &Option<Sequence>| sequence.as_ref().is_some_and(|sequence| !sequence.tokens.is_empty());
        let count: Vec<bool> = self.rows.iter().map(of_answer).collect();
        self.capture.add(&mut seen, &count);
        if self.capture.has_probes() {
            for (i, along) in self.capture.projections(seen).into_iter().enumerate() {
                let Some(sequence) = self.rows[i].as_mut().filter(|sequence| !sequence.tokens.is_empty()) else {
                    continue;
                };
                let token = sequence.kept.last_mut().expect("tokens are captured where probes are");
                token.along = along;
                let event = StreamEvent::Token { ask: sequence.job, rollout: sequence.rollout, token };
                if on_event(event).is_break() {
                    sequence.ending.get_or_insert(FinishReason::Cancelled);
                }
            }
        }
        let mut ended = Vec::new();
        for (i, row) in self.rows.iter_mut().enumerate() {
            if let Some((sequence, reason)) = row.take_if(|sequence| sequence.ending.is_some()).and_then(|sequence| {
                let reason = sequence.ending?;
                Some((sequence, reason))
            }) {
                let read = sequence.tokens.len();
                ended.push(Ended { row: i, sequence, reason, read });
            }
        }
        self.complete(ended);
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
        for sequence in &self.rows {
            let (id, at, prompt, coefs) = match sequence {
                Some(sequence) => (sequence.next, sequence.filled(), sequence.prompt, sequence.coefs.clone()),
                None => (0, 0, 1, None),
            };
            rows.ids.push(id);
            rows.at.push(at);
            rows.end.push(at + 1);
            rows.prompt.push(prompt);
            rows.coefs.push(coefs);
        }
        rows
    }

    /// Appends a token to its sequence; `None` if that ends it. An ended sequence goes to `ended`, to be completed with others,
    /// or is completed at once.
    fn advance(
        &mut self,
        mut sequence: Sequence,
        token: Token,
        ended: Option<(usize, &mut Vec<Ended>)>,
        on_event: &mut OnEvent<'_>,
    ) -> Option<Sequence> {
        sequence.push(token.id, self.sampling.repetition_penalty != 1.0);
        let stops = self.engine.vocabulary.eos_ids.contains(&token.id);
        // A token whose state is captured is reported once the state is known.
        let reported_later = self.capture.has_probes() && !stops && sequence.filled() < sequence.columns;
        let event = StreamEvent::Token { ask: sequence.job, rollout: sequence.rollout, token: &token };
        let cancelled = !reported_later && on_event(event).is_break();
        if self.spec.top_logprobs > 0 || self.capture.has_probes() {
            sequence.kept.push(token);
        }
        let reason = match (stops, cancelled) {
            (true, _) => FinishReason::Stop,
            (false, true) => FinishReason::Cancelled,
            (false, false) if sequence.tokens.len() == sequence.limit => FinishReason::Length,
            _ => return Some(sequence),
        };
        if reason == FinishReason::Length && self.capture.wants_last() && sequence.filled() < sequence.columns {
            sequence.ending = Some(reason);
            return Some(sequence);
        }
        let read = sequence.tokens.len() - 1;
        match ended {
            Some((row, ended)) => ended.push(Ended { row, sequence, reason, read }),
            None => self.reply(sequence, reason, None),
        }
        None
    }

    /// Completes answers whose rows are still there.
    fn complete(&mut self, ended: Vec<Ended>) {
        let nothing = PromptStates::default();
        let wanted: Vec<(usize, usize, &PromptStates)> = ended
            .iter()
            .map(|Ended { row, sequence, reason, read }| {
                // Means over a part of an answer are not those of the answer.
                let whole = match reason {
                    FinishReason::Stop => true,
                    FinishReason::Length => *read == sequence.tokens.len(),
                    FinishReason::Cancelled => false,
                };
                (*row, if whole { *read } else { 0 }, sequence.prompt_states.as_deref().unwrap_or(&nothing))
            })
            .collect();
        let residuals = self.capture.residuals(&wanted);
        for (Ended { sequence, reason, .. }, residuals) in ended.into_iter().zip(residuals) {
            self.reply(sequence, reason, residuals);
        }
    }

    fn reply(
        &mut self,
        sequence: Sequence,
        finish_reason: FinishReason,
        residuals: Option<crate::language_model::Residuals>,
    ) {
        let place = sequence.job * self.sampling.rollouts + sequence.rollout;
        let Sequence { tokens, kept, steered, .. } = sequence;
        self.replies[place] = Some(Reply { tokens, finish_reason, steered, kept, residuals });
        self.complete += 1;
    }

    /// Ends everything as it stands.
    fn cancel(&mut self) {
        for sequence in std::mem::take(&mut self.rows).into_iter().flatten() {
            self.reply(sequence, FinishReason::Cancelled, None);
        }
        for Waiting { job, rollout, .. } in std::mem::take(&mut self.queue) {
            let place = job * self.sampling.rollouts + rollout;
            self.replies[place] = Some(Reply::never_begun());
        }
        self.cache = None;
    }
}

/// An answer that is complete, while its row is still there.
struct Ended {
    row: usize,
    sequence: Sequence,
    reason: FinishReason,
    /// Tokens of the answer that the model has read.
    read: usize,
}

/// The stream at each row's last token, `[rows, hidden]`, of texts that begin in column 0.
fn last_of<B: FusedOps>(stream: Tensor<B, 2>, rows: &Rows, device: &B::Device) -> Tensor<B, 2> {
    let last: Vec<i32> = rows.end.iter().enumerate().map(|(b, &end)| (b * rows.width + end - 1) as i32).collect();
    let n = last.len();
    stream.select(0, Tensor::<B, 1, Int>::from_data(TensorData::new(last, [n]), device))
}
