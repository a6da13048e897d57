//! The next token of each row, from its logits, and what the model thought of it.

use super::Job;
use super::sampling::{argmax, distribution, draw, penalise};
use super::sequence::Sequence;
use crate::language_model::{Sampling, Token};
use crate::{Result, ensure};

/// Logits from which a second thread is worth its start: a large model's vocabulary times a batch.
const LOGITS_PER_THREAD: usize = 1 << 19;

/// How tokens are picked.
#[derive(Clone, Copy)]
pub(super) struct Picking<'a> {
    pub jobs: &'a [Job],
    pub sampling: &'a Sampling,
    /// So many of the likeliest tokens are kept.
    pub top: usize,
    /// What an answer may not begin with.
    pub eos_ids: &'a [u32],
}

impl Picking<'_> {
    /// Whether the likeliest token is all that is asked, so that logits may stay on the device.
    pub fn is_plain(&self) -> bool {
        self.sampling.temperature == 0.0 && self.sampling.repetition_penalty == 1.0 && self.top == 0
    }

    /// Picks each line's next token from its logits, `[lines, vocabulary]`.
    pub fn pick(self, mut logits: Vec<f32>, lines: &[&Sequence]) -> Result<Vec<Token>> {
        let vocabulary = logits.len() / lines.len().max(1);
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = (logits.len() / LOGITS_PER_THREAD).clamp(1, cores);
        let several = |logits: &mut [f32], lines: &[&Sequence]| -> Result<Vec<Token>> {
            let rows = logits.chunks_mut(vocabulary).zip(lines);
            rows.map(|(row, line)| {
                self.one(row, line).map_err(|e| e.at(format!("prompt `{}`", self.jobs[line.job].id)))
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

    fn one(self, logits: &mut [f32], line: &Sequence) -> Result<Token> {
        let thought = (self.top > 0).then(|| Thought::of(logits, self.top));
        let raw = (self.top > 0).then(|| logits.to_vec());
        if line.tokens.is_empty() {
            // The reference asks for one new token at least, and the end does not count.
            for &eos in self.eos_ids {
                if let Some(x) = logits.get_mut(eos as usize) {
                    *x = f32::NEG_INFINITY;
                }
            }
        }
        let id = self.draw(logits, line)?;
        let logprob = match (&thought, &raw) {
            (Some(thought), Some(raw)) => raw[id as usize] - thought.log_sum,
            _ => 0.0,
        };
        Ok(Token { id, logprob, top: thought.map_or_else(Vec::new, |thought| thought.top), along: Vec::new() })
    }

    fn draw(self, logits: &mut [f32], line: &Sequence) -> Result<u32> {
        let sampling = self.sampling;
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
}

/// The model's own distribution over the next token, before penalty, temperature and cuts.
struct Thought {
    /// Log of the sum of the exponentials of the logits.
    log_sum: f32,
    /// The likeliest tokens and their log-probabilities, falling.
    top: Vec<(u32, f32)>,
}

impl Thought {
    fn of(logits: &[f32], top: usize) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&x| f64::from(x - most).exp()).sum();
        let log_sum = most + sum.ln() as f32;
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let falling = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let top = top.min(ids.len());
        if top < ids.len() {
            ids.select_nth_unstable_by(top, falling);
            ids.truncate(top);
        }
        ids.sort_unstable_by(falling);
        Self { log_sum, top: ids.into_iter().map(|id| (id, logits[id as usize] - log_sum)).collect() }
    }
}
