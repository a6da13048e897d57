//! The part of a report that every kind of study has: axes, points with intervals, differences between arms.

use std::collections::{BTreeMap, BTreeSet};

use super::axes::axes;
use super::gather::{Cell, Results, merged};
use super::learned::learned;
use super::notes::{count, notes};
use crate::record::Lock;
use crate::report::content::{Comparison, Point};
use crate::report::{ArmKind, Study};
use crate::stats::{Clusters, Interval, mean};
use crate::study::outputs::MeasuredAt;
use crate::study::outputs::{FACTS, UNGUESSED, approximation_key, data_key, difference_key, prompt_key, shift_key};

/// Everything that does not depend on the kind of study.
pub fn summary(results: &Results<'_>, cells: &[Cell<'_>], lock: &Lock) -> Study {
    let (config, data) = (results.config, results.data);
    let model = config.model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let learned = data.corpora.iter().map(|corpus| match corpus.questions.len() {
        0 => format!("{}: {} conversations", corpus.label, corpus.chats.len()),
        facts => format!("{facts} facts in {} lessons", corpus.chats.len()),
    });
    let learned = learned.collect::<Vec<_>>().join(", ");
    let seeds = count(config.seeds.len(), "training seed");
    let base = cells.iter().find(|cell| cell.arm.kind == ArmKind::Base);
    let known = base.map(known).unwrap_or_default();
    let points: Vec<Point> = cells.iter().flat_map(|cell| points(results, cells, cell, base, &known)).collect();
    let mut axes = axes(data);
    axes.retain(|axis| points.iter().any(|point| point.values.contains_key(&axis.key)));
    let first_seed = |cell: &Cell<'_>| cell.by_seed.first().map(|(_, at)| at.examples.clone()).unwrap_or_default();
    let study = Study {
        subtitle: format!("{model} · {learned} · {seeds}"),
        axes,
        arms: results.arms.clone(),
        points,
        comparisons: comparisons(results, cells),
        examples: cells.iter().flat_map(first_seed).collect(),
        notes: notes(results, cells, base.map(|base| (base.scores(FACTS).len(), known.len()))),
        settings: config.rows(),
        lock: lock.rows(),
        ..Study::default()
    };
    study.spanned()
}

/// All seeds together, then each of them. Facts that the base model knows are `known`.
fn points(
    results: &Results<'_>,
    cells: &[Cell<'_>],
    cell: &Cell<'_>,
    base: Option<&Cell<'_>>,
    known: &BTreeSet<String>,
) -> Vec<Point> {
    let seed = results.config.seed;
    let point = |of_seed: Option<u64>| {
        let of_this = cell.by_seed.iter().filter(|(own, _)| of_seed.is_none() || *own == of_seed);
        let ats: Vec<&MeasuredAt> = of_this.map(|(_, at)| *at).collect();
        let scores = |key: &str| merged(ats.iter().filter_map(|at| at.scores.get(key)));
        let keys: BTreeSet<&String> = ats.iter().flat_map(|at| at.scores.keys()).collect();
        let mut values: BTreeMap<String, Interval> =
            keys.into_iter().map(|key| (key.clone(), Interval::of(&scores(key), seed))).collect();
        let mut facts = scores(FACTS);
        if !facts.is_empty() && !known.is_empty() {
            facts.retain(|fact, _| !known.contains(fact));
            values.insert(UNGUESSED.to_owned(), Interval::of(&facts, seed));
        }
        values.extend(learned(results, cells, cell, &scores).into_iter().map(|(key, share)| (key.to_owned(), share)));
        for (t, trait_) in results.data.traits.iter().enumerate() {
            let name = trait_.name.as_str();
            let key = prompt_key(name);
            if let Some(base) = base.filter(|_| values.remove(&key).is_some()) {
                values.insert(shift_key(name), Interval::of_difference(&scores(&key), &base.scores(&key), seed));
            }
            let is_plain = cell.arm.kind == ArmKind::Plain;
            if let Some(difference) = cell.corpus.filter(|_| is_plain).and_then(|c| results.differences.get(&c)) {
                let of = &difference.of[t];
                let all: [(String, &Clusters); 3] = [
                    (difference_key(name), &of.difference),
                    (data_key(name), &of.data),
                    (approximation_key(name), &of.approximation),
                ];
                values.extend(all.map(|(key, clusters)| (key, Interval::of(clusters, seed))));
            }
        }
        let seeds = if of_seed.is_some() { 1 } else { cell.seeds().len().max(1) };
        Point { arm: cell.arm.name.clone(), coef: cell.coef, seed: of_seed, seeds, values }
    };
    std::iter::once(None).chain(cell.seeds().into_iter().map(Some)).map(point).collect()
}

/// The facts that the base model already gets right.
fn known(base: &Cell<'_>) -> BTreeSet<String> {
    let right = base.scores(FACTS).into_iter().filter(|(_, scores)| mean(scores) > 50.0);
    right.map(|(fact, _)| fact).collect()
}

/// Every treated arm against the plain finetune on the same data, and that against the base model.
fn comparisons(results: &Results<'_>, cells: &[Cell<'_>]) -> Vec<Comparison> {
    let keys: Vec<String> = axes(results.data).into_iter().filter(|axis| !axis.aside).map(|axis| axis.key).collect();
    let compared = |cell: &Cell<'_>| {
        let against = cells.iter().find(|other| match cell.arm.kind {
            ArmKind::Base => false,
            ArmKind::Plain | ArmKind::Elicit => other.arm.kind == ArmKind::Base,
            _ => other.arm.kind == ArmKind::Plain && other.corpus == cell.corpus,
        })?;
        let of = |key: &String| {
            let (a, b) = (cell.scores(key), against.scores(key));
            let is_measured = !a.is_empty() && !b.is_empty();
            is_measured.then(|| (key.clone(), Interval::of_difference(&a, &b, results.config.seed)))
        };
        let values = keys.iter().filter_map(of).collect();
        Some(Comparison { arm: cell.arm.name.clone(), coef: cell.coef, against: against.arm.name.clone(), values })
    };
    cells.iter().filter_map(compared).collect()
}
