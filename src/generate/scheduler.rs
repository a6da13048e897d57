//! The batched loop: rows in scheduler, retired when they end, their places refilled from the queue.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use super::capture::{Capture, StepStates};
use super::pick::Picking;
use super::sampling::Key;
use super::sequence::{PromptStates, Sequence, Waiting, queue, seen_at_first};
use super::{Engine, Hear, Job, Reply};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, FinishReason, Sampling, StreamEvent, Token};
use crate::model::KvCache;
use crate::steering::Positions;
use crate::text::Rows;

/// The rows that are being decoded together. A row without a line has ended; it is computed along until the next
/// regrouping, and nobody looks at it.
struct Flight<'a, B: FusedOps> {
    engine: &'a Engine<B>,
    jobs: &'a [Job],
    sampling: &'a Sampling,
    picking: Picking<'a>,
    keep: &'a CaptureSpec,
    keeper: Capture<B>,
    /// Whether a prompt is read up to its last token only, which each answer then reads for itself: steering that begins
    /// there leaves what comes before the same for all coefficients.
    split: bool,
    hear: &'a mut Hear<'a>,
    cache: Option<KvCache<B>>,
    rows: Vec<Option<Sequence>>,
    replies: Vec<Option<Reply>>,
    complete: usize,
}

/// What a prefill gives.
struct Prefilled<B: FusedOps> {
    /// The stream at each prompt's last token that was read, `[prompts, hidden]`.
    last: Tensor<B, 2>,
    cache: KvCache<B>,
    /// Positions of each prompt that every part of the plan steered.
    steered: Vec<Vec<usize>>,
    states: Vec<Arc<PromptStates>>,
}

/// See [`Engine::answer`]; the jobs are known to be good.
pub(super) fn run_batch<'a, B: FusedOps>(
    engine: &'a Engine<B>,
    jobs: &'a [Job],
    sampling: &'a Sampling,
    keep: &'a CaptureSpec,
    hear: &'a mut Hear<'a>,
) -> Result<Vec<Reply>> {
    let keeper = Capture::new(&engine.model, keep)?;
    let plan = engine.model.steering.as_ref().map(|steering| steering.plan());
    let late = plan.is_some_and(|plan| plan.parts.iter().all(|part| part.positions == Positions::Response));
    // A prompt's means are taken over one pass.
    let split = late && !keep.residuals;
    let mut queue = queue(engine, jobs, sampling.rollouts, split);
    let replies = vec![None; queue.len()];
    let picking = Picking { jobs, sampling, top: keep.top_logprobs, eos_ids: &engine.vocabulary.eos_ids };
    let (cache, rows, complete) = (None, Vec::new(), 0);
    let mut scheduler =
        Flight { engine, jobs, sampling, picking, keep, keeper, split, hear, cache, rows, replies, complete };
    let mut told = 0;
    loop {
        scheduler.regroup(&mut queue)?;
        if scheduler.complete > told {
            told = scheduler.complete;
            if (scheduler.hear)(StreamEvent::Finished(told)).is_break() {
                scheduler.cancel(&mut queue);
            }
        }
        if scheduler.rows.is_empty() && queue.is_empty() {
            break;
        }
        scheduler.step()?;
    }
    Ok(scheduler.replies.into_iter().map(|reply| reply.expect("the queue is empty and so is the scheduler")).collect())
}

impl<B: FusedOps> Flight<'_, B> {
    /// Tokens that an answer to this job may have: those fed back must have a position.
    fn limit(&self, job: usize) -> usize {
        let positions = self.engine.model.config.max_position_embeddings;
        self.sampling.max_new_tokens.min(positions + 1 - self.jobs[job].prompt.len())
    }

    /// Columns of the cache that an answer to this job may fill.
    fn worst(&self, job: usize) -> usize {
        let fed = self.jobs[job].prompt.len() + self.limit(job) - 1;
        let last = self.keeper.wants_last() && fed < self.engine.model.config.max_position_embeddings;
        fed + usize::from(last)
    }

    /// Throws ended rows out and lets waiting prompts in, once enough places are free to be worth copying the cache.
    fn regroup(&mut self, queue: &mut VecDeque<Waiting>) -> Result<()> {
        loop {
            let live = self.rows.iter().flatten();
            let count = live.clone().count();
            let longest =
                live.map(|line| line.columns).chain(queue.front().map(|w| self.worst(w.job))).max().unwrap_or(1);
            let capacity = (self.engine.budget.cache_tokens / longest).clamp(1, self.engine.budget.rows_max.max(1));
            let free = capacity.saturating_sub(count);
            let worth = capacity.div_ceil(4);
            if queue.is_empty() || (free < worth && count > 0) {
                let ended = self.rows.len() - count;
                if ended > 0 && (count == 0 || ended >= self.rows.len().div_ceil(4)) {
                    self.keep_live();
                }
                return Ok(());
            }
            self.keep_live();
            let entering = self.entering(queue, free);
            self.enter(&entering)?;
        }
    }

    /// The next answers that fit one prefill: at most `free` rows, and not too many tokens.
    fn entering(&self, queue: &mut VecDeque<Waiting>, free: usize) -> Vec<Waiting> {
        let width = queue.front().map_or(1, |w| self.jobs[w.job].prompt.len());
        let prompts = (self.engine.budget.pass_tokens / width).max(1);
        let (mut entering, mut groups) = (Vec::new(), 0);
        while let Some(&next) = queue.front() {
            let new = entering.last().is_none_or(|last: &Waiting| last.group != next.group);
            if entering.len() == free || (new && groups == prompts) {
                break;
            }
            groups += usize::from(new);
            entering.extend(queue.pop_front());
        }
        entering
    }

    /// Drops the rows that have ended.
    fn keep_live(&mut self) {
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.len() == self.rows.len() {
            return;
        }
        match &mut self.cache {
            Some(cache) if !live.is_empty() => cache.select(&live, &self.engine.model.device),
            cache => *cache = None,
        }
        self.keeper.select(&live);
        self.rows.retain(Option::is_some);
    }

    /// Whether a job's prompt is read but for its last token.
    fn is_split(&self, job: usize) -> bool {
        self.split && self.jobs[job].prompt.len() > 1
    }

    /// Prefills the prompts, once each, picks the first token of every rollout that can have it, and appends those that go
    /// on.
    fn enter(&mut self, entering: &[Waiting]) -> Result<()> {
        // Entering answers of one group are neighbours.
        let mut groups: Vec<usize> = entering.iter().map(|w| w.group).collect();
        groups.dedup();
        let prefilled = self.prefill(&groups);
        let row_of = |waiting: &Waiting| groups.iter().position(|&g| g == waiting.group).expect("just made");
        let mut lines: Vec<(Sequence, usize)> =
            entering.iter().map(|w| (self.line(*w, row_of(w), &prefilled), row_of(w))).collect();

        let begin: Vec<usize> = (0..lines.len()).filter(|&i| !self.is_split(lines[i].0.job)).collect();
        let mut picked = VecDeque::new();
        if !begin.is_empty() {
            let logits = read(self.engine.logits(prefilled.last));
            let vocabulary = logits.len() / groups.len();
            let rows = begin.iter().flat_map(|&i| &logits[lines[i].1 * vocabulary..][..vocabulary]).copied().collect();
            let those: Vec<&Sequence> = begin.iter().map(|&i| &lines[i].0).collect();
            picked.extend(self.picking.pick(rows, &those)?);
        }
        let mut staying = Vec::new();
        for (line, row) in lines.drain(..) {
            let line = match self.is_split(line.job) {
                true => Some(line),
                // Nothing of the answer has been read yet, so what ends here has no states.
                false => self.advance(line, picked.pop_front().expect("one for each"), None),
            };
            if let Some(line) = line {
                self.rows.push(Some(line));
                staying.push(row);
            }
        }
        self.admit(prefilled.cache, &staying);
        Ok(())
    }

    /// Appends the cache of lines that have just been pushed, from the given rows of a prefill.
    fn admit(&mut self, mut fresh: KvCache<B>, staying: &[usize]) {
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
        self.keeper.append(staying.len());
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
        let shares = self.keeper.prompt_shares(&rows);
        let mut means = Vec::new();
        let stream = model.stream(&pass, Some(&mut cache), |_, h| {
            if let Some(shares) = &shares {
                let [_, hidden] = h.dims();
                means.push(shares.clone().matmul(h.clone().reshape([rows.len(), rows.width, hidden])));
            }
        });
        // Padding was written too; a ragged write adds to what is there.
        cache.clear_from(&rows.end, &model.device);
        let states = self.keeper.prompts(means, rows.len()).into_iter().map(Arc::new).collect();
        Prefilled { last: last_of(stream, &rows, &model.device), cache, steered: pass.steered, states }
    }

    fn line(&self, Waiting { job, rollout, .. }: Waiting, row: usize, prefilled: &Prefilled<B>) -> Sequence {
        let (asked, sampling) = (&self.jobs[job], self.sampling);
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
            columns: self.worst(job),
            ending: None,
            prompt_states: self.keep.residuals.then(|| prefilled.states[row].clone()),
        }
    }

    /// Columns for the rows as they are, with room to grow by half: wide enough to be copied seldom, and not as wide as
    /// answers could become in the worst case, because a composed attention reads every column.
    fn columns(&self) -> usize {
        let live = || self.rows.iter().flatten();
        let filled = live().map(Sequence::filled).max().unwrap_or(0) + 1;
        let worst = live().map(|line| line.columns).max().unwrap_or(1);
        (filled + (filled / 2).max(64)).min(worst)
    }

    /// One token for every row.
    fn step(&mut self) -> Result<()> {
        let model = &self.engine.model;
        let Some(mut cache) = self.cache.take() else { return Ok(()) };
        let needed = self.rows.iter().flatten().map(|line| line.filled() + 1).max().unwrap_or(1);
        if needed > cache.columns() {
            cache.resize(self.columns());
        }
        let pass = model.pass(&self.next_rows(), cache.columns());
        let mut seen = StepStates::nothing();
        let stream = model.stream(&pass, Some(&mut cache), |row, h| self.keeper.see(row, h, &mut seen));
        self.cache = Some(cache);
        for (line, steered) in self.rows.iter_mut().zip(&pass.steered) {
            let sums = line.iter_mut().flat_map(|line| &mut line.steered);
            sums.zip(steered).for_each(|(sum, n)| *sum += n);
        }
        self.keep_of(seen);

        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.is_empty() {
            // The last answers only waited for their last token to be read.
            return Ok(());
        }
        let logits = self.engine.logits(stream);
        let begins = |i: &usize| self.rows[*i].as_ref().is_some_and(|line| line.tokens.is_empty());
        let picked = if self.picking.is_plain() && !live.iter().any(begins) {
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
            self.picking.pick(values, &self.rows.iter().flatten().collect::<Vec<_>>())?
        };
        let mut ended = Vec::new();
        for (i, token) in live.into_iter().zip(picked) {
            let line = self.rows[i].take().expect("live");
            self.rows[i] = self.advance(line, token, Some((i, &mut ended)));
        }
        self.complete(ended);
        Ok(())
    }

    /// Keeps what is wanted of the tokens that have just been read, and completes the answers that waited for it.
    fn keep_of(&mut self, mut seen: StepStates<B>) {
        let of_answer = |line: &Option<Sequence>| line.as_ref().is_some_and(|line| !line.tokens.is_empty());
        let count: Vec<bool> = self.rows.iter().map(of_answer).collect();
        self.keeper.add(&mut seen, &count);
        if self.keeper.has_probes() {
            for (i, along) in self.keeper.lengths(seen).into_iter().enumerate() {
                let Some(line) = self.rows[i].as_mut().filter(|line| !line.tokens.is_empty()) else { continue };
                let token = line.kept.last_mut().expect("tokens are kept where probes are");
                token.along = along;
                let heard = StreamEvent::Token { ask: line.job, rollout: line.rollout, token };
                if (self.hear)(heard).is_break() {
                    line.ending.get_or_insert(FinishReason::Cancelled);
                }
            }
        }
        let mut ended = Vec::new();
        for (i, row) in self.rows.iter_mut().enumerate() {
            if let Some((line, reason)) = row.take_if(|line| line.ending.is_some()).and_then(|line| {
                let reason = line.ending?;
                Some((line, reason))
            }) {
                let read = line.tokens.len();
                ended.push(Ended { row: i, line, reason, read });
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
        for line in &self.rows {
            let (id, at, prompt, coefs) = match line {
                Some(line) => (line.next, line.filled(), line.prompt, line.coefs.clone()),
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

    /// Gives the line its token; `None` if that ends it. What ends is put where `ended` says, to be completed together, or
    /// completed at once.
    fn advance(
        &mut self,
        mut line: Sequence,
        token: Token,
        ended: Option<(usize, &mut Vec<Ended>)>,
    ) -> Option<Sequence> {
        line.push(token.id, self.sampling.repetition_penalty != 1.0);
        let stops = self.engine.vocabulary.eos_ids.contains(&token.id);
        // A token whose state is wanted is told of once that is known.
        let told_later = self.keeper.has_probes() && !stops && line.filled() < line.columns;
        let heard = StreamEvent::Token { ask: line.job, rollout: line.rollout, token: &token };
        let unwanted = !told_later && (self.hear)(heard).is_break();
        if self.keep.top_logprobs > 0 || self.keeper.has_probes() {
            line.kept.push(token);
        }
        let reason = match (stops, unwanted) {
            (true, _) => FinishReason::Stop,
            (false, true) => FinishReason::Cancelled,
            (false, false) if line.tokens.len() == line.limit => FinishReason::Length,
            _ => return Some(line),
        };
        if reason == FinishReason::Length && self.keeper.wants_last() && line.filled() < line.columns {
            line.ending = Some(reason);
            return Some(line);
        }
        let read = line.tokens.len() - 1;
        match ended {
            Some((row, ended)) => ended.push(Ended { row, line, reason, read }),
            None => self.reply(line, reason, None),
        }
        None
    }

    /// Completes answers whose rows are still there.
    fn complete(&mut self, ended: Vec<Ended>) {
        let nothing = PromptStates::default();
        let wanted: Vec<(usize, usize, &PromptStates)> = ended
            .iter()
            .map(|Ended { row, line, reason, read }| {
                // Means over a part of an answer are not those of the answer.
                let whole = match reason {
                    FinishReason::Stop => true,
                    FinishReason::Length => *read == line.tokens.len(),
                    FinishReason::Cancelled => false,
                };
                (*row, if whole { *read } else { 0 }, line.prompt_states.as_deref().unwrap_or(&nothing))
            })
            .collect();
        let residuals = self.keeper.residuals(&wanted);
        for (Ended { line, reason, .. }, residuals) in ended.into_iter().zip(residuals) {
            self.reply(line, reason, residuals);
        }
    }

    fn reply(
        &mut self,
        line: Sequence,
        finish_reason: FinishReason,
        residuals: Option<crate::language_model::Residuals>,
    ) {
        let place = line.job * self.sampling.rollouts + line.rollout;
        let Sequence { tokens, kept, steered, .. } = line;
        self.replies[place] = Some(Reply { tokens, finish_reason, steered, kept, residuals });
        self.complete += 1;
    }

    /// Ends everything as it stands.
    fn cancel(&mut self, queue: &mut VecDeque<Waiting>) {
        for line in std::mem::take(&mut self.rows).into_iter().flatten() {
            self.reply(line, FinishReason::Cancelled, None);
        }
        for Waiting { job, rollout, .. } in std::mem::take(queue) {
            let place = job * self.sampling.rollouts + rollout;
            self.replies[place] = Some(Reply::never_begun());
        }
        self.cache = None;
    }
}

/// An answer that is complete, while its row is still there.
struct Ended {
    row: usize,
    line: Sequence,
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

/// The values of a tensor, on the host.
pub(super) fn read<B: FusedOps, const D: usize>(t: Tensor<B, D>) -> Vec<f32> {
    t.into_data().into_vec().expect("the stream and its logits are f32")
}
