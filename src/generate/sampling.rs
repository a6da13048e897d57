//! From logits to one token: penalty, temperature, top-k, top-p, and a draw by the inverse of the distribution function.
//!
//! The order and the borders are those of transformers. The uniform numbers come from a hash of (run seed, ask id,
//! rollout, step), so a token depends on nothing else that happens to be computed beside it.

use crate::kernels::{CANDIDATES, Candidates};
use crate::language_model::Sampling;
use crate::{Error, Result, ensure};

/// The source of one answer's uniform numbers.
#[derive(Debug, Clone, Copy)]
pub struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// The key of rollout `rollout` of the ask `id` in the run of seed `seed`.
    pub fn new(seed: u64, id: &str, rollout: usize) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("trimtab 2026 sampling");
        hasher.update(&seed.to_le_bytes()).update(&(rollout as u64).to_le_bytes()).update(id.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The uniform number in [0, 1) of step `step`.
    pub fn uniform(&self, step: usize) -> f64 {
        let hash = blake3::keyed_hash(&self.0, &(step as u64).to_le_bytes());
        let bits = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"));
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Refuses settings that no distribution has.
pub fn check(sampling: &Sampling) -> Result<()> {
    let Sampling { temperature, top_k, top_p, repetition_penalty, max_new_tokens, rollouts, seed: _ } = sampling;
    let usage = |what: String| Err(Error::usage(what));
    if !(temperature.is_finite() && *temperature >= 0.0) {
        return usage(format!("a temperature of {temperature}: it is 0 (greedy) or more"));
    }
    if *top_k == Some(0) {
        return usage("top-k of 0 keeps no token; leave it out to keep all".into());
    }
    if !(*top_p > 0.0 && *top_p <= 1.0) {
        return usage(format!("top-p of {top_p}: it lies above 0, and 1 keeps all"));
    }
    if !(repetition_penalty.is_finite() && *repetition_penalty > 0.0) {
        return usage(format!("a repetition penalty of {repetition_penalty}: it is above 0, and 1 does nothing"));
    }
    if *max_new_tokens == 0 || *rollouts == 0 {
        return usage("no new tokens or no rollouts were asked for".into());
    }
    Ok(())
}

/// Divides the positive logits of the tokens in `seen` by `penalty` and multiplies the negative ones (Keskar et al. 2019,
/// as transformers has it). `seen` names each token once.
pub fn penalise(logits: &mut [f32], seen: &[u32], penalty: f32) {
    for &id in seen {
        if let Some(x) = logits.get_mut(id as usize) {
            *x = if *x < 0.0 { *x * penalty } else { *x / penalty };
        }
    }
}

/// The most likely token; of equals the first.
pub fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, x) in logits.iter().enumerate() {
        if *x > logits[best] {
            best = i;
        }
    }
    best as u32
}

/// Turns logits into the probabilities that tokens are drawn with: temperature, then top-k, then top-p. What they cut
/// off is exactly 0; the rest sums to 1.
///
/// An error if the logits are no distribution, as when a model has diverged.
pub fn distribution(logits: &mut [f32], sampling: &Sampling) -> Result<()> {
    ensure!(logits.iter().all(|x| *x < f32::INFINITY), "the model's logits are not finite");
    if let Some(k) = sampling.top_k.filter(|&k| k < logits.len()) {
        keep_largest(logits, k);
    }
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    ensure!(top.is_finite(), "the model's logits are not finite");
    for x in logits.iter_mut() {
        *x = exp((*x - top) / sampling.temperature);
    }
    if sampling.top_p < 1.0 {
        keep_nucleus(logits, f64::from(sampling.top_p));
    }
    let share = (1.0 / total(logits)) as f32;
    for x in logits.iter_mut() {
        *x *= share;
    }
    Ok(())
}

/// The token at `uniform` of the distribution function, tokens in the order of their ids.
pub fn draw(probabilities: &[f32], uniform: f64) -> u32 {
    let target = uniform * total(probabilities);
    let (mut below, mut last) = (0.0, 0);
    for (c, chunk) in probabilities.chunks(CHUNK).enumerate() {
        let mass = sum(chunk);
        // A chunk is walked only if the target may lie in it: the walk below adds in another order than `sum`.
        if below + mass * (1.0 + 1e-5) < target {
            below += mass;
            continue;
        }
        let mut inside = below;
        for (i, &p) in chunk.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            last = c * CHUNK + i;
            inside += f64::from(p);
            if inside > target {
                return last as u32;
            }
        }
        below += mass;
    }
    // Rounding left the target at the very end: the last token that can be.
    match probabilities[last..].iter().rposition(|&p| p > 0.0) {
        Some(i) => (last + i) as u32,
        None => last as u32,
    }
}

/// The token at `uniform`, if the best candidates of a vocabulary of `tokens` tell it: with the cuts of [`distribution`], which
/// must lie within them, or without any. The same token as from all logits but for rounding.
pub fn draw_among(candidates: &Candidates, tokens: usize, sampling: &Sampling, uniform: f64) -> Option<Result<u32>> {
    let Candidates { top, sum, drawn, logits, ids } = candidates;
    if !(top.is_finite() && sum.is_finite() && *sum > 0.0) {
        return Some(Err(Error::new("the model's logits are not finite")));
    }
    if sampling.temperature == 0.0 {
        return Some(Ok(ids[0]));
    }
    let top_k = sampling.top_k.filter(|&k| k < tokens);
    if top_k.is_none() && sampling.top_p == 1.0 {
        return Some(Ok(*drawn));
    }
    let whole = tokens <= CANDIDATES;
    let kept = match top_k {
        // Ties with the k-th stay, and may go on beyond the last candidate.
        Some(k) => {
            let border = logits.get(k - 1)?;
            let kept = logits.partition_point(|x| x >= border);
            (whole || kept < logits.len()).then_some(kept)?
        }
        None => logits.len(),
    };
    let weights: Vec<f32> = logits[..kept].iter().map(|x| exp((x - top) / sampling.temperature)).collect();
    let all = if top_k.is_some() { total(&weights) } else { f64::from(*sum) };
    let mut order: Vec<usize> =
        (0..nucleus(&weights, f64::from(sampling.top_p) * all, whole || top_k.is_some())?).collect();
    order.sort_unstable_by_key(|&i| ids[i]);
    let weights: Vec<f32> = order.iter().map(|&i| weights[i]).collect();
    Some(Ok(ids[order[draw(&weights, uniform) as usize]]))
}

/// How many of the falling weights hold the mass `wanted`; `None` if more are needed, unless these are all.
fn nucleus(weights: &[f32], wanted: f64, all: bool) -> Option<usize> {
    let mut mass = 0.0;
    for (i, weight) in weights.iter().enumerate() {
        if mass >= wanted && i > 0 {
            return Some(i);
        }
        mass += f64::from(*weight);
    }
    (all || mass >= wanted).then_some(weights.len())
}

/// Hides all logits below the k-th largest; ties with it stay, as in transformers.
fn keep_largest(logits: &mut [f32], k: usize) {
    let border = kth_largest(logits, k);
    for x in logits.iter_mut().filter(|x| **x < border) {
        *x = f32::NEG_INFINITY;
    }
}

/// The k-th largest of more than k numbers, none of them NaN.
fn kth_largest(values: &[f32], k: usize) -> f32 {
    // A handful is kept on the way: after the first hundreds hardly any number enters it.
    const HANDFUL: usize = 128;
    if k > HANDFUL {
        let mut order = values.to_vec();
        let (_, &mut border, _) = order.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        return border;
    }
    let mut largest = [f32::NEG_INFINITY; HANDFUL];
    let largest = &mut largest[..k];
    let mut least = 0;
    for &x in values {
        if x > largest[least] {
            largest[least] = x;
            least = (0..k).min_by(|&a, &b| largest[a].total_cmp(&largest[b])).expect("k is at least 1");
        }
    }
    largest[least]
}

/// Zeroes every token whose more likely ones already hold the share `top_p`. transformers says it from the other end:
/// a token goes if it and all less likely ones together hold at most 1 - p.
fn keep_nucleus(weights: &mut [f32], top_p: f64) {
    let all = total(weights);
    let wanted = top_p * all;
    // The tokens up to this weight hold together at most half of what is cut off, so the nucleus lies above it.
    let spare = if top_p < 0.999 { 1.0 - top_p } else { 0.0 };
    let least = (0.5 * spare * all / weights.len() as f64) as f32;
    let mut ids: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > least).collect();
    weights.iter_mut().filter(|weight| **weight <= least).for_each(|weight| *weight = 0.0);
    let falling = |a: &usize, b: &usize| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b));
    // Sorted only as far as the mass reaches: usually some dozens of a hundred thousand.
    let (mut sorted, mut part, mut mass) = (0, 64, 0.0);
    let mut kept = ids.len();
    'parts: while sorted < ids.len() {
        let end = (sorted + part).min(ids.len());
        if end < ids.len() {
            ids[sorted..].select_nth_unstable_by(end - sorted, falling);
        }
        ids[sorted..end].sort_unstable_by(falling);
        for (i, &id) in ids[..end].iter().enumerate().skip(sorted) {
            if mass >= wanted && i > 0 {
                kept = i;
                break 'parts;
            }
            mass += f64::from(weights[id]);
        }
        (sorted, part) = (end, part * 8);
    }
    for &id in &ids[kept..] {
        weights[id] = 0.0;
    }
}

/// Probabilities summed at once.
const CHUNK: usize = 256;

fn total(weights: &[f32]) -> f64 {
    weights.chunks(CHUNK).map(sum).sum()
}

/// In independent lanes, so that the compiler vectorises it.
fn sum(chunk: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let parts = chunk.chunks_exact(LANES);
    let rest: f32 = parts.remainder().iter().sum();
    for part in parts {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x;
        }
    }
    f64::from(lanes.iter().sum::<f32>() + rest)
}

/// e^x for x <= 0 within 2 ulp, exactly 0 from -87 down; plain arithmetic (Cephes' expf) that vectorises.
fn exp(x: f32) -> f32 {
    let bounded = x.max(-87.0);
    let n = (bounded * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = (bounded - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4_f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let y = p * (r * r) + r + 1.0;
    let y = y * f32::from_bits(((n as i32 + 127) << 23) as u32);
    if x < -87.0 { 0.0 } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f32, top_k: Option<usize>, top_p: f32) -> Sampling {
        Sampling { temperature, top_k, top_p, ..Sampling::greedy(1) }
    }

    #[track_caller]
    fn check_distribution(logits: &[f32], settings: Sampling, want: &[f32]) {
        let mut found = logits.to_vec();
        distribution(&mut found, &settings).unwrap();
        for (f, w) in found.iter().zip(want) {
            assert!((f - w).abs() < 1e-6, "{found:?} against {want:?}");
        }
    }

    #[test]
    fn cuts_fall_where_transformers_has_them() {
        let logits = [0.1f32, 0.4, 0.2, 0.3].map(f32::ln);
        check_distribution(&logits, sampling(1.0, None, 1.0), &[0.1, 0.4, 0.2, 0.3]);
        check_distribution(&logits, sampling(1.0, Some(2), 1.0), &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
        // 0.4 + 0.3 reach 0.69, so the third stays away; to reach 0.71 it is needed.
        check_distribution(&logits, sampling(1.0, None, 0.69), &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0]);
        check_distribution(&logits, sampling(1.0, None, 0.71), &[0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0]);
        check_distribution(&logits, sampling(1.0, None, 0.01), &[0.0, 1.0, 0.0, 0.0]);
        check_distribution(&logits, sampling(0.5, None, 1.0), &[1.0 / 30.0, 16.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0]);
        check_distribution(&[0.0, 1.0, 1.0, -1.0], sampling(1.0, Some(1), 1.0), &[0.0, 0.5, 0.5, 0.0]);
    }

    #[test]
    fn a_large_vocabulary_is_cut_like_a_sorted_one() {
        let logits: Vec<f32> = (0..5000).map(|i| ((i * 7919) % 5000) as f32 / 700.0).collect();
        let mut found = logits.clone();
        distribution(&mut found, &sampling(1.0, None, 0.9)).unwrap();
        let mut order: Vec<usize> = (0..5000).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let all: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        let mut above = 0.0;
        for i in order {
            assert_eq!(found[i] > 0.0, above < 0.9, "token {i} with {above} above it");
            above += f64::from(logits[i]).exp() / all;
        }
    }

    #[test]
    fn the_k_largest_are_those_of_a_sorted_vocabulary() {
        let logits: Vec<f32> = (0..3000).map(|i| ((i * 7919) % 997) as f32 - 400.0).collect();
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for k in [1, 2, 7, 128, 129, 2999] {
            assert_eq!(kth_largest(&logits, k), sorted[k - 1], "the {k}-th");
        }
        assert_eq!(kth_largest(&[f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY], 2), f32::NEG_INFINITY);
    }

    #[test]
    fn a_penalty_lowers_every_seen_token_once() {
        let mut logits = vec![2.0, -2.0, 1.0];
        penalise(&mut logits, &[0, 1, 9], 2.0);
        assert_eq!(logits, [1.0, -4.0, 1.0]);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let mut probabilities = vec![0.0f32; 1000];
        for (i, p) in [(3, 0.5), (255, 0.125), (256, 0.125), (700, 0.25)] {
            probabilities[i] = p;
        }
        for (uniform, id) in [(0.0, 3), (0.499, 3), (0.501, 255), (0.63, 256), (0.76, 700), (1.0, 700)] {
            assert_eq!(draw(&probabilities, uniform), id, "at {uniform}");
        }
        let key = Key::new(7, "ask", 0);
        let n = 20_000;
        let hits = (0..n).filter(|&step| draw(&probabilities, key.uniform(step)) == 700).count();
        assert!((hits as f64 / n as f64 - 0.25).abs() < 0.01, "{hits} of {n}");
    }

    /// What the candidates tell is what all logits tell, and where the cuts reach beyond them they tell nothing.
    #[test]
    fn candidates_tell_the_same_token() {
        use burn_flex::Flex;
        use burn_tensor::{Tensor, TensorData};

        use crate::kernels::{Draw, FusedOps};

        let tokens = 3000;
        let key = Key::new(3, "ask", 0);
        let flat: Vec<f32> = (0..tokens).map(|i| ((i * 7919) % 997) as f32 / 100.0).collect();
        let steep: Vec<f32> = flat.iter().map(|x| x * 4.0).collect();
        let few = &steep[..40];
        for (logits, temperature, top_k, top_p, told) in [
            (&flat[..], 1.0, None, 1.0, true),
            (&flat, 0.0, Some(7), 0.9, true),
            (&flat, 0.7, Some(7), 1.0, true),
            (&flat, 1.3, Some(200), 0.8, true),
            (&flat, 1.0, Some(CANDIDATES), 1.0, false),
            (&flat, 1.0, Some(2999), 0.5, false),
            (&flat, 1.0, Some(5000), 1.0, true),
            (&flat, 1.0, None, 0.9, false),
            (&steep, 0.7, None, 0.9, true),
            (few, 1.0, Some(39), 0.95, true),
            (few, 2.0, None, 0.999_99, true),
        ] {
            let settings = sampling(temperature, top_k, top_p);
            for step in 0..40 {
                let uniform = key.uniform(step);
                let tensor = Tensor::<Flex, 2>::from_data(
                    TensorData::new(logits.to_vec(), [1, logits.len()]),
                    &Default::default(),
                );
                let candidates = Flex::candidates(&tensor, &[Draw { temperature, uniform }], None).remove(0);
                let found = draw_among(&candidates, logits.len(), &settings, uniform).map(Result::unwrap);
                let mut all = logits.to_vec();
                let want = if temperature == 0.0 {
                    argmax(&all)
                } else {
                    distribution(&mut all, &settings).unwrap();
                    draw(&all, uniform)
                };
                assert_eq!(found, told.then_some(want), "{settings:?} at {uniform}");
            }
        }
        let broken = Candidates { top: 1.0, sum: f32::NAN, drawn: 0, logits: vec![1.0], ids: vec![0] };
        assert!(draw_among(&broken, 1, &sampling(1.0, None, 1.0), 0.5).unwrap().is_err());
    }

    #[test]
    fn keys_differ_in_every_part() {
        let first = |key: Key| key.uniform(0);
        let base = first(Key::new(1, "a", 0));
        for other in [Key::new(2, "a", 0), Key::new(1, "b", 0), Key::new(1, "a", 1)] {
            assert_ne!(base, first(other));
        }
        assert_ne!(base, Key::new(1, "a", 0).uniform(1));
        assert_eq!(base, first(Key::new(1, "a", 0)));
    }

    #[test]
    fn the_fast_exponential_is_the_exponential() {
        for i in 0..8700 {
            let x = -(i as f32) / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "e^{x}");
        }
        assert_eq!((exp(0.0), exp(-200.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn a_model_that_diverged_is_an_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(distribution(&mut [0.0, bad, 1.0], &sampling(1.0, None, 1.0)).is_err());
        }
    }
}
