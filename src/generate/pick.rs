//! The next token of each row, from its logits, and what the model next of it.

use burn_tensor::{Int, Tensor, TensorData};

use super::engine::read;
use super::sampling::{argmax, distribution, draw, draw_among, penalise};
use super::sequence::{Asked, Sequence};
use crate::kernels::{Draw, FusedOps};
use crate::language_model::Token;
use crate::{Result, ensure};

/// Logits from which a second thread is worth its start: a large model's vocabulary times a batch.
pub(super) const LOGITS_PER_THREAD: usize = 1 << 19;

/// Whether only a sequence's likeliest token is asked for, so that its logits may stay on the device. Every answer's first token
/// is picked by the host, which sees whether logits are finite.
pub(super) fn is_plain<B: FusedOps>(sequence: &Sequence<B>) -> bool {
    let Asked { sampling, capture, .. } = &*sequence.asked;
    let greedy = sampling.temperature == 0.0 && sampling.repetition_penalty == 1.0;
    greedy && capture.spec.top_logprobs == 0 && sequence.has_begun()
}

/// Whether the best candidates may be all that a sequence's token is chosen from.
fn looks_at_candidates<B: FusedOps>(sequence: &Sequence<B>) -> bool {
    let Asked { sampling, capture, .. } = &*sequence.asked;
    sampling.repetition_penalty == 1.0 && capture.spec.top_logprobs == 0 && sequence.has_begun()
}

/// How each sequence's next token is drawn, if that is done from candidates that the device finds.
pub(super) fn draws<B: FusedOps>(sequences: &[&Sequence<B>]) -> Option<Vec<Draw>> {
    let finds = B::FINDS_CANDIDATES && sequences.iter().any(|sequence| looks_at_candidates(sequence));
    let draw = |sequence: &&Sequence<B>| {
        let temperature = sequence.asked.sampling.temperature;
        Draw { temperature, uniform: sequence.uniform() }
    };
    finds.then(|| sequences.iter().map(draw).collect())
}

/// Picks each sequence's next token from its logits, `[sequences, vocabulary]`. No answer begins with one of `eos_ids`. Where
/// the device finds the best candidates, only the rows whose cuts keep more than these are read; `sent` are the numbers of the
/// [`draws`], if they are there already.
pub(super) fn pick<B: FusedOps>(
    logits: Tensor<B, 2>,
    sequences: &[&Sequence<B>],
    eos_ids: &[u32],
    sent: Option<Tensor<B, 2>>,
) -> Vec<Result<Token>> {
    let Some(draws) = draws(sequences) else { return pick_from_all(read(logits), sequences, eos_ids) };
    let found = B::candidates(&logits, &draws, sent);
    let vocabulary = logits.dims()[1];
    let among = |(sequence, found): (&&Sequence<B>, _)| {
        let id = looks_at_candidates(sequence)
            .then(|| draw_among(&found, vocabulary, &sequence.asked.sampling, sequence.uniform()))??;
        Some(id.map(|id| Token { id, logprob: 0.0, top: Vec::new(), along: Vec::new() }))
    };
    let mut picked: Vec<Option<Result<Token>>> = sequences.iter().zip(found).map(among).collect();
    let rest: Vec<usize> = (0..picked.len()).filter(|&i| picked[i].is_none()).collect();
    if !rest.is_empty() {
        let rows = TensorData::new(rest.iter().map(|&i| i as i32).collect(), [rest.len()]);
        let logits = logits.clone().select(0, Tensor::<B, 1, Int>::from_data(rows, &logits.device()));
        let others: Vec<&Sequence<B>> = rest.iter().map(|&i| sequences[i]).collect();
        for (i, token) in rest.into_iter().zip(pick_from_all(read(logits), &others, eos_ids)) {
            picked[i] = Some(token);
        }
    }
    picked.into_iter().map(|token| token.expect("among the candidates, or from all logits")).collect()
}

/// Picks each sequence's next token from all its logits.
fn pick_from_all<B: FusedOps>(mut logits: Vec<f32>, sequences: &[&Sequence<B>], eos_ids: &[u32]) -> Vec<Result<Token>> {
    let vocabulary = logits.len() / sequences.len().max(1);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = (logits.len() / LOGITS_PER_THREAD).clamp(1, cores);
    let pick_rows = |logits: &mut [f32], sequences: &[&Sequence<B>]| -> Vec<Result<Token>> {
        let rows = logits.chunks_mut(vocabulary).zip(sequences);
        rows.map(|(row, sequence)| pick_row(row, sequence, eos_ids)).collect()
    };
    if threads == 1 {
        return pick_rows(&mut logits, sequences);
    }
    let share = sequences.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts = logits.chunks_mut(share * vocabulary).zip(sequences.chunks(share));
        let parts: Vec<_> =
            parts.map(|(logits, sequences)| scope.spawn(move || pick_rows(logits, sequences))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("sampling does not panic")).collect()
    })
}

fn pick_row<B: FusedOps>(logits: &mut [f32], sequence: &Sequence<B>, eos_ids: &[u32]) -> Result<Token> {
    let top = sequence.asked.capture.spec.top_logprobs;
    let next = (top > 0).then(|| NextToken::of(logits, logits.len(), top));
    let raw = (top > 0).then(|| logits.to_vec());
    if !sequence.has_begun() {
        // The reference asks for at least one new token, and the end-of-sequence token does not count (`min_tokens=1` of vLLM).
        for &eos in eos_ids {
            if let Some(x) = logits.get_mut(eos as usize) {
                *x = f32::NEG_INFINITY;
            }
        }
    }
    let id = choose(logits, sequence)?;
    let logprob = match (&next, &raw) {
        (Some(next), Some(raw)) => raw[id as usize] - next.log_sum,
        _ => 0.0,
    };
    Ok(Token { id, logprob, top: next.map_or_else(Vec::new, |next| next.top), along: Vec::new() })
}

fn choose<B: FusedOps>(logits: &mut [f32], sequence: &Sequence<B>) -> Result<u32> {
    let sampling = &sequence.asked.sampling;
    if sampling.repetition_penalty != 1.0 {
        penalise(logits, &sequence.seen, sampling.repetition_penalty);
    }
    if sampling.temperature == 0.0 {
        let best = argmax(logits);
        ensure!(logits[best as usize].is_finite(), "the model's logits are not finite");
        return Ok(best);
    }
    distribution(logits, sampling)?;
    Ok(draw(logits, sequence.uniform()))
}

/// The model's own distribution over the next token, before penalty, temperature and cuts.
pub(super) struct NextToken {
    /// Log of the sum of the exponentials of the logits.
    pub log_sum: f32,
    /// The likeliest tokens and their log-probabilities, falling.
    pub top: Vec<(u32, f32)>,
}

impl NextToken {
    /// Its log-normaliser, and the `top` likeliest of the first `tokens` ids.
    pub fn of(logits: &[f32], tokens: usize, top: usize) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&x| f64::from(x - most).exp()).sum();
        let log_sum = most + sum.ln() as f32;
        let mut ids: Vec<u32> = (0..tokens.min(logits.len()) as u32).collect();
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
