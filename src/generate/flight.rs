//! The batched loop: rows in flight, retired when they end, their places refilled from the queue.

use std::collections::{HashMap, VecDeque};

use burn::tensor::{Int, Tensor, TensorData};

use super::sampling::{Key, argmax, distribution, draw, penalise};
use super::{Engine, Job, Reply};
use crate::kernels::FusedOps;
use crate::model::KvCache;
use crate::subject::{FinishReason, Sampling};
use crate::text::{Coefs, Rows};
use crate::{Result, ensure};

/// One answer that is still to be begun.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Jobs of one prompt and coefficient share a group, whose number is that of its first job.
    group: usize,
    job: usize,
    rollout: usize,
}

/// One answer in the making.
struct Line {
    job: usize,
    rollout: usize,
    prompt: usize,
    coefs: Coefs,
    /// Positions that each part of the plan has steered so far.
    steered: Vec<usize>,
    key: Key,
    /// Ids of prompt and answer, ascending, each once; kept only where a penalty asks for it.
    seen: Vec<u32>,
    tokens: Vec<u32>,
    /// Tokens that the answer may have.
    limit: usize,
}

impl Line {
    /// Columns that its tokens fill in the cache: the last token has not been fed back.
    fn filled(&self) -> usize {
        self.prompt + self.tokens.len() - 1
    }

    /// Columns that they may fill in the end.
    fn worst(&self) -> usize {
        self.prompt + self.limit - 1
    }

    fn push(&mut self, token: u32, penalised: bool) {
        self.tokens.push(token);
        if penalised && let Err(place) = self.seen.binary_search(&token) {
            self.seen.insert(place, token);
        }
    }
}

/// The rows that are being decoded together. A row without a line has ended; it is computed along until the next
/// regrouping, and nobody looks at it.
struct Flight<'a, B: FusedOps> {
    engine: &'a Engine<B>,
    jobs: &'a [Job],
    sampling: &'a Sampling,
    cache: Option<KvCache<B>>,
    rows: Vec<Option<Line>>,
    replies: Vec<Option<Reply>>,
    complete: usize,
}

/// See [`Engine::generate`]; the jobs are known to be good.
pub(super) fn fly<B: FusedOps>(
    engine: &Engine<B>,
    jobs: &[Job],
    sampling: &Sampling,
    finished: &mut dyn FnMut(usize),
) -> Result<Vec<Reply>> {
    let mut queue = queue(engine, jobs, sampling.rollouts);
    let replies = vec![None; queue.len()];
    let mut flight = Flight { engine, jobs, sampling, cache: None, rows: Vec::new(), replies, complete: 0 };
    let mut told = 0;
    loop {
        flight.regroup(&mut queue)?;
        if flight.complete > told {
            told = flight.complete;
            finished(told);
        }
        if flight.rows.is_empty() && queue.is_empty() {
            break;
        }
        flight.step()?;
    }
    Ok(flight.replies.into_iter().map(|reply| reply.expect("the queue is empty and so is the flight")).collect())
}

/// Everything to be answered: longest prompts first, so that the largest batch comes at once and padding stays small;
/// equal prompts side by side, so that they share their prefill.
fn queue<B: FusedOps>(engine: &Engine<B>, jobs: &[Job], rollouts: usize) -> VecDeque<Waiting> {
    let mut groups: HashMap<(&[u32], Option<Vec<u32>>), usize> = HashMap::new();
    let mut order: Vec<(usize, usize)> = jobs
        .iter()
        .enumerate()
        .map(|(i, job)| (*groups.entry((&job.prompt, bits(&engine.coefs(job)))).or_insert(i), i))
        .collect();
    order.sort_by_key(|&(group, job)| (usize::MAX - jobs[group].prompt.len(), group, job));
    order
        .into_iter()
        .flat_map(|(group, job)| (0..rollouts).map(move |rollout| Waiting { group, job, rollout }))
        .collect()
}

impl<B: FusedOps> Flight<'_, B> {
    /// Columns that an answer to this job may fill.
    fn worst(&self, job: usize) -> usize {
        self.jobs[job].prompt.len() + self.limit(job) - 1
    }

    /// Tokens that an answer to this job may have: those fed back must have a position.
    fn limit(&self, job: usize) -> usize {
        let positions = self.engine.model.config.max_position_embeddings;
        self.sampling.max_new_tokens.min(positions + 1 - self.jobs[job].prompt.len())
    }

    /// Throws ended rows out and lets waiting prompts in, once enough places are free to be worth copying the cache.
    fn regroup(&mut self, queue: &mut VecDeque<Waiting>) -> Result<()> {
        loop {
            let live = self.rows.iter().flatten();
            let count = live.clone().count();
            let longest = live.map(Line::worst).chain(queue.front().map(|w| self.worst(w.job))).max().unwrap_or(1);
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
        self.rows.retain(Option::is_some);
    }

    /// Prefills the prompts, once each, picks the first token of every rollout, and appends those that go on.
    fn enter(&mut self, entering: &[Waiting]) -> Result<()> {
        let model = &self.engine.model;
        // Entering rollouts of one prompt are neighbours.
        let mut groups: Vec<usize> = entering.iter().map(|w| w.group).collect();
        groups.dedup();
        let (last, mut fresh, steered) = self.prefill(&groups);
        let logits = read(self.engine.logits(last));
        let vocabulary = logits.len() / groups.len();

        let (mut lines, mut from) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(entering.len() * vocabulary);
        for waiting in entering {
            let row = groups.iter().position(|&g| g == waiting.group).expect("just made");
            let here = rows.len();
            rows.extend_from_slice(&logits[row * vocabulary..(row + 1) * vocabulary]);
            for &eos in &self.engine.vocabulary.eos_ids {
                // The reference asks for one new token at least, and the end does not count (METHOD B.1).
                if let Some(x) = rows.get_mut(here + eos as usize) {
                    *x = f32::NEG_INFINITY;
                }
            }
            lines.push(self.line(*waiting, steered.get(row).cloned().unwrap_or_default()));
            from.push(row);
        }
        let chosen = pick(self.jobs, self.sampling, rows, &lines.iter().collect::<Vec<_>>())?;

        let mut staying = Vec::new();
        for ((line, token), row) in lines.into_iter().zip(chosen).zip(from) {
            if let Some(line) = self.advance(line, token) {
                self.rows.push(Some(line));
                staying.push(row);
            }
        }
        if staying.is_empty() {
            return Ok(());
        }
        fresh.select(&staying, &model.device);
        let columns = self.columns();
        fresh.resize(columns);
        match &mut self.cache {
            Some(cache) => {
                cache.resize(columns);
                cache.append(fresh);
            }
            None => self.cache = Some(fresh),
        }
        Ok(())
    }

    /// The stream at each prompt's last token, `[prompts, hidden]`, the cache that the pass filled, and how many positions of
    /// each prompt every part of the plan steered.
    #[allow(clippy::type_complexity)]
    fn prefill(&self, groups: &[usize]) -> (Tensor<B, 2>, KvCache<B>, Vec<Vec<usize>>) {
        let model = &self.engine.model;
        let prompts: Vec<&[u32]> = groups.iter().map(|&g| self.jobs[g].prompt.as_slice()).collect();
        let lengths: Vec<usize> = prompts.iter().map(|p| p.len()).collect();
        let mut rows = Rows::whole(&prompts, lengths.clone(), 0);
        rows.coefs = groups.iter().map(|&g| self.engine.coefs(&self.jobs[g])).collect();
        let mut cache = model.cache(rows.len(), rows.width);
        let pass = model.pass(&rows, rows.width);
        let stream = model.stream(&pass, Some(&mut cache), |_, _| {});
        // Padding was written too; a ragged write adds to what is there.
        cache.clear_from(&lengths, &model.device);
        (last_of(stream, &rows, &model.device), cache, pass.steered)
    }

    fn line(&self, Waiting { job, rollout, .. }: Waiting, steered: Vec<usize>) -> Line {
        let (asked, sampling) = (&self.jobs[job], self.sampling);
        let mut seen = Vec::new();
        if sampling.repetition_penalty != 1.0 {
            seen.extend_from_slice(&asked.prompt);
            seen.sort_unstable();
            seen.dedup();
        }
        Line {
            job,
            rollout,
            prompt: asked.prompt.len(),
            coefs: self.engine.coefs(asked),
            steered,
            key: Key::new(sampling.seed, &asked.id, rollout),
            seen,
            tokens: Vec::new(),
            limit: self.limit(job),
        }
    }

    /// Columns for the rows as they are, with room to grow by half: wide enough to be copied seldom, and not as wide as
    /// answers could become in the worst case, because a composed attention reads every column.
    fn columns(&self) -> usize {
        let live = || self.rows.iter().flatten();
        let filled = live().map(Line::filled).max().unwrap_or(0) + 1;
        let worst = live().map(Line::worst).max().unwrap_or(1);
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
        let stream = model.stream(&pass, Some(&mut cache), |_, _| {});
        for (line, steered) in self.rows.iter_mut().zip(&pass.steered) {
            let sums = line.iter_mut().flat_map(|line| &mut line.steered);
            sums.zip(steered).for_each(|(sum, n)| *sum += n);
        }
        self.cache = Some(cache);
        let logits = self.engine.logits(stream);

        let plain = self.sampling.temperature == 0.0 && self.sampling.repetition_penalty == 1.0;
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        let chosen = if plain {
            let ids: Vec<u32> = logits.argmax(1).into_data().iter::<u32>().collect();
            live.iter().map(|&i| ids[i]).collect()
        } else {
            let vocabulary = logits.dims()[1];
            let mut values = read(logits);
            for (to, &i) in live.iter().enumerate() {
                values.copy_within(i * vocabulary..(i + 1) * vocabulary, to * vocabulary);
            }
            values.truncate(live.len() * vocabulary);
            pick(self.jobs, self.sampling, values, &self.rows.iter().flatten().collect::<Vec<_>>())?
        };
        for (i, token) in live.into_iter().zip(chosen) {
            let line = self.rows[i].take().expect("live");
            self.rows[i] = self.advance(line, token);
        }
        Ok(())
    }

    /// The last token of every row, each in its own column. An ended row stands in column 0 of its own cache row.
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
                Some(line) => (*line.tokens.last().expect("begun"), line.filled(), line.prompt, line.coefs.clone()),
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

    /// Gives the line its token; `None` if that ends it.
    fn advance(&mut self, mut line: Line, token: u32) -> Option<Line> {
        line.push(token, self.sampling.repetition_penalty != 1.0);
        let finish_reason = if self.engine.vocabulary.eos_ids.contains(&token) {
            FinishReason::Stop
        } else if line.tokens.len() == line.limit {
            FinishReason::Length
        } else {
            return Some(line);
        };
        let place = line.job * self.sampling.rollouts + line.rollout;
        self.replies[place] = Some(Reply { tokens: line.tokens, finish_reason, steered: line.steered });
        self.complete += 1;
        None
    }
}

/// Coefficients as bits, which have an order of their own and can be told apart exactly.
fn bits(coefs: &Coefs) -> Option<Vec<u32>> {
    coefs.as_ref().map(|coefs| coefs.iter().map(|coef| coef.to_bits()).collect())
}

/// Logits from which a second thread is worth its start: a large model's vocabulary times a batch.
const LOGITS_PER_THREAD: usize = 1 << 19;

/// Picks each line's next token from its logits, `[lines, vocabulary]`.
fn pick(jobs: &[Job], sampling: &Sampling, mut logits: Vec<f32>, lines: &[&Line]) -> Result<Vec<u32>> {
    let vocabulary = logits.len() / lines.len().max(1);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = (logits.len() / LOGITS_PER_THREAD).clamp(1, cores);
    let several = |logits: &mut [f32], lines: &[&Line]| -> Result<Vec<u32>> {
        let rows = logits.chunks_mut(vocabulary).zip(lines);
        rows.map(|(row, line)| {
            pick_one(row, line, sampling).map_err(|e| e.at(format!("prompt `{}`", jobs[line.job].id)))
        })
        .collect()
    };
    if threads == 1 {
        return several(&mut logits, lines);
    }
    let share = lines.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts = logits.chunks_mut(share * vocabulary).zip(lines.chunks(share));
        let parts: Vec<_> = parts.map(|(logits, lines)| scope.spawn(move || several(logits, lines))).collect();
        let mut picked = Vec::with_capacity(lines.len());
        for part in parts {
            picked.extend(part.join().expect("sampling does not panic")?);
        }
        Ok(picked)
    })
}

fn pick_one(logits: &mut [f32], line: &Line, sampling: &Sampling) -> Result<u32> {
    if sampling.repetition_penalty != 1.0 {
        penalise(logits, &line.seen, sampling.repetition_penalty);
    }
    if sampling.temperature == 0.0 {
        let best = argmax(logits);
        // Greedy steps that need no host skip this; but every answer's first token passes here.
        ensure!(logits[best as usize].is_finite(), "the model's logits are not finite");
        return Ok(best);
    }
    distribution(logits, sampling)?;
    Ok(draw(logits, line.key.uniform(line.tokens.len())))
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
