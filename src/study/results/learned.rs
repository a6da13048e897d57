//! What was learned: the loss on held-out rows, as a share of the way from the base model to the plain finetune (guide: method,
//! "What was learned").

use super::gather::{Cell, Results};
use crate::report::ArmKind;
use crate::stats::{Clusters, Interval, mean};
use crate::study::outputs::{DATA_LEARNED, NEUTRAL_LEARNED, loss_key};

/// If the plain finetune's loss falls by fewer nats per token, it has learned too little for a share of it to mean anything.
const GAIN_MIN: f64 = 0.01;

/// The shares of a model, percent, by the key of their axis; `scores` gives its losses by data set. On its own data's held-out rows the
/// base model has 0 and the plain finetune 100; on the neutral set's rows it is the plain finetune on the model's own data that has 100.
pub fn learned(
    results: &Results<'_>,
    cells: &[Cell<'_>],
    cell: &Cell<'_>,
    scores: &dyn Fn(&str) -> Clusters,
) -> Vec<(&'static str, Interval)> {
    let corpora = &results.data.corpora;
    let Some(c) = cell.corpus else {
        // The base model has learned nothing by definition; steered, its losses are not measured.
        let rows = corpora.iter().map(|corpus| scores(&loss_key(&corpus.name)).len()).max().unwrap_or_default();
        let zero = Interval { low: 0.0, high: 0.0, ..Interval::point(0.0, rows, rows) };
        return if rows == 0 { Vec::new() } else { vec![(DATA_LEARNED, zero)] };
    };
    let of = |kind, corpus| cells.iter().find(|other| other.arm.kind == kind && other.corpus == corpus);
    let (Some(base), Some(plain)) = (of(ArmKind::Base, None), of(ArmKind::Plain, Some(c))) else { return Vec::new() };
    let sets = [(DATA_LEARNED, Some(c)), (NEUTRAL_LEARNED, corpora[c].neutral)];
    let share = |(key, set): (&'static str, Option<usize>)| {
        let loss = loss_key(&corpora[set?].name);
        let losses = [&base.scores(&loss), &scores(&loss), &plain.scores(&loss)];
        Some((key, share(losses, results.config.seed)?))
    };
    sets.into_iter().filter_map(share).collect()
}

/// `(base - own) / (base - plain)` of the losses, in percent, over the rows that all three have.
fn share([base, own, plain]: [&Clusters; 3], seed: u64) -> Option<Interval> {
    let row = |(row, base): (&String, &Vec<f64>)| {
        let base = mean(base);
        Some((base - mean(own.get(row)?), base - mean(plain.get(row)?)))
    };
    let falls: Vec<(f64, f64)> = base.iter().filter_map(row).collect();
    if falls.is_empty() {
        return None;
    }
    let of = |drawn: &[usize]| {
        let (own, plain) = drawn.iter().fold((0.0, 0.0), |(o, p), &i| (o + falls[i].0, p + falls[i].1));
        (plain > GAIN_MIN * drawn.len() as f64).then(|| 100.0 * own / plain)
    };
    let n = own.values().map(Vec::len).sum();
    Some(Interval::of_statistic(falls.len(), n, seed, &of)).filter(|share| share.mean.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(values: &[f64]) -> Clusters {
        values.iter().enumerate().map(|(i, value)| (format!("row {i}"), vec![*value])).collect()
    }

    #[test]
    fn a_share_is_of_what_plain_finetuning_learns() {
        let (base, plain) = (losses(&[4.0, 5.0, 3.0]), losses(&[2.0, 2.0, 2.0]));
        let of = |own: &[f64]| share([&base, &losses(own), &plain], 1);
        assert_eq!(of(&[4.0, 5.0, 3.0]).unwrap().mean, 0.0);
        assert_eq!(of(&[2.0, 2.0, 2.0]).unwrap().mean, 100.0);
        // Half of the six nats that the rows fall by together.
        let half = of(&[3.0, 3.5, 2.5]).unwrap();
        assert!((half.mean - 50.0).abs() < 1e-9 && half.clusters == 3 && half.low <= half.mean, "{half:?}");
        assert!(of(&[5.0, 6.0, 4.0]).unwrap().mean < 0.0, "what is unlearned counts against it");
        assert_eq!(share([&base, &base, &base], 1), None, "where plain finetuning learns nothing, there is no share");
        assert_eq!(share([&base, &losses(&[]), &plain], 1), None, "a model whose rows were not read has none");
    }
}
