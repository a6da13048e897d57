//! The numbers of a screening: counts, means with intervals, what is normal, and how well each score tells labelled rows apart.

use serde::Serialize;

use super::choose::{Choices, Decision, Largest, Thresholds, ascending, descending};
use super::rules::{Scored, ScreenRules};
use crate::Result;
use crate::judge::Verdict;
use crate::record::{Malformed, seed_of};
use crate::stats::{Interval, auc, pearson, percentile};

/// One score over all rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// `difference`, `approximation`, `projection` or the trait's name.
    pub score: String,
    /// Its mean over the data set. Of `difference` that is ΔP.
    pub mean: Interval,
    /// The percentile of the reference's rows that thresholds are taken from.
    pub reference_percentile: Option<f64>,
    /// The reference's mean.
    pub reference_mean: Option<f64>,
    /// The chance that a row labelled with the trait scores above one that is not.
    pub auc: Option<f64>,
}

/// The result of a screening.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Rows that took part.
    pub rows: usize,
    /// Of these, measured.
    pub measured: usize,
    /// Of these, kept, or ranked without a threshold.
    pub kept: usize,
    /// Of these, dropped.
    pub dropped: usize,
    /// Dropped by the difference alone, by the trait score alone, and by both.
    pub dropped_by: (usize, usize, usize),
    /// Measured rows that the judge gave no score, if it was asked.
    pub unjudged: usize,
    /// Rows that could not be measured, and why.
    pub left_out: usize,
    /// The first of them.
    pub left_out_named: Vec<String>,
    /// Rows labelled with the trait, and without.
    pub labelled: (usize, usize),
    /// The scores.
    pub scores: Vec<Spread>,
    /// How well the approximation tells the exact difference, row by row.
    pub approximation_r: Option<f64>,
    /// What decides.
    pub thresholds: Thresholds,
}

/// The values of one score; of a row its numbers are all that stays in memory.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub all: Vec<f64>,
    pub with: Vec<f64>,
    pub without: Vec<f64>,
}

impl Values {
    fn push(&mut self, value: Option<f64>, label: Option<bool>) {
        let Some(value) = value else { return };
        self.all.push(value);
        match label {
            Some(true) => self.with.push(value),
            Some(false) => self.without.push(value),
            None => {}
        }
    }
}

/// The values of all scores.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub difference: Values,
    pub approx: Values,
    pub raw: Values,
    pub llm: Values,
    /// Exact and approximate difference of the rows that have both.
    both: (Vec<f64>, Vec<f64>),
}

impl Numbers {
    pub fn gather(rows: impl Iterator<Item = Result<(Scored, Option<Verdict>)>>, rules: &ScreenRules) -> Result<Self> {
        let mut numbers = Self::default();
        for row in rows {
            let (scored, verdict) = row?;
            let label = scored.label;
            numbers.difference.push(scored.difference(rules.against), label);
            numbers.raw.push(scored.raw, label);
            numbers.llm.push(verdict.and_then(|v| v.score), label);
            if let (Some(exact), Some(approx)) = (scored.exact(), scored.approx()) {
                numbers.approx.push(Some(approx), label);
                numbers.both.0.push(exact);
                numbers.both.1.push(approx);
            }
        }
        Ok(numbers)
    }

    /// Name and values of each score that was taken.
    pub fn named<'a>(&'a self, trait_name: &'a str) -> Vec<(&'a str, &'a Values)> {
        let all = [
            ("difference", &self.difference),
            ("approximation", &self.approx),
            ("projection", &self.raw),
            (trait_name, &self.llm),
        ];
        all.into_iter().filter(|(_, values)| !values.all.is_empty()).collect()
    }

    /// Means, what is normal, and areas under the curve.
    pub fn spreads(&self, normal: Option<&Self>, rules: &ScreenRules, choices: &Choices) -> Vec<Spread> {
        let spread = |(score, values): (&str, &Values)| {
            let reference = normal.and_then(|normal| {
                let named = normal.named(&rules.trait_name);
                named.into_iter().find(|(name, _)| *name == score).map(|(_, values)| sorted(&values.all))
            });
            Spread {
                score: score.to_owned(),
                mean: Interval::of_values(&values.all, rules.seed),
                reference_percentile: reference.as_ref().map(|values| percentile(values, choices.percentile)),
                reference_mean: reference.as_ref().map(|values| crate::stats::mean(values)),
                auc: auc(&values.with, &values.without),
            }
        };
        self.named(&rules.trait_name).into_iter().map(spread).collect()
    }

    pub fn approximation_r(&self) -> Option<f64> {
        pearson(&self.both.0, &self.both.1)
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The lines that are written out or shown, strongest first.
#[derive(Debug)]
pub(super) struct Picked {
    pub top: Vec<usize>,
    pub bottom: Vec<usize>,
    pub random: Vec<usize>,
    pub shown: Vec<usize>,
}

/// Counts the rows and picks the strongest, in one pass with few of them in memory.
pub(super) fn count_and_pick(
    rows: impl Iterator<Item = Result<(Scored, Option<Verdict>)>>,
    rules: &ScreenRules,
    choices: &Choices,
    thresholds: &Thresholds,
) -> Result<(Summary, Picked)> {
    let mut summary = Summary {
        rows: 0,
        measured: 0,
        kept: 0,
        dropped: 0,
        dropped_by: (0, 0, 0),
        unjudged: 0,
        left_out: 0,
        left_out_named: Vec::new(),
        labelled: (0, 0),
        scores: Vec::new(),
        approximation_r: None,
        thresholds: thresholds.clone(),
    };
    let mut bad = Malformed::default();
    let [mut top, mut bottom, mut random, mut shown] =
        [choices.top, choices.bottom, choices.random, choices.shown].map(Largest::new);
    for row in rows {
        let (scored, verdict) = row?;
        summary.rows += 1;
        summary.labelled.0 += usize::from(scored.label == Some(true));
        summary.labelled.1 += usize::from(scored.label == Some(false));
        let decision = thresholds.decide(&scored, verdict.as_ref(), rules.against);
        match &decision {
            Decision::LeftOut(why) => {
                bad.push(why);
                continue;
            }
            Decision::Ranked | Decision::Kept(_) => summary.kept += 1,
            Decision::Dropped { by_difference, by_llm, .. } => {
                summary.dropped += 1;
                let by = &mut summary.dropped_by;
                *match (by_difference, by_llm) {
                    (true, true) => &mut by.2,
                    (true, false) => &mut by.0,
                    (false, _) => &mut by.1,
                } += 1;
            }
        }
        summary.measured += 1;
        summary.unjudged += usize::from(choices.llm && verdict.and_then(|v| v.score).is_none());
        let Some(difference) = scored.difference(rules.against) else { continue };
        shown.offer(ascending(difference), scored.line);
        if decision.stays() || !choices.of_kept {
            top.offer(ascending(difference), scored.line);
            bottom.offer(descending(difference), scored.line);
            random.offer(seed_of(rules.seed, &format!("random {}", scored.line)), scored.line);
        }
    }
    (summary.left_out, summary.left_out_named) = (bad.count, bad.named);
    let [top, bottom, random, shown] = [top, bottom, random, shown].map(Largest::lines);
    Ok((summary, Picked { top, bottom, random, shown }))
}
