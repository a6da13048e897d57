//! Which rows are kept or dropped and why, and which are the strongest, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;

use super::rules::{Against, Scored};
use crate::judge::Verdict;
use crate::stats::percentile;

/// How rows are decided on and which are written out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choices {
    /// Thresholds are this percentile of the reference's scores (Chen et al. 2025, appendix K).
    pub percentile: f64,
    /// Drop above this difference, whatever the reference says.
    pub threshold: Option<f64>,
    /// Whether the judge's trait score decides too.
    pub llm: bool,
    /// Drop above this trait score, whatever the reference says.
    pub llm_threshold: Option<f64>,
    /// A threshold on the trait score is never below this: for a trait that normal data never shows, the percentile is the judge's
    /// noise (Chen et al. 2025, appendix K has 1.6e-14 for evil).
    pub llm_floor: f64,
    /// Number of strongest rows to write to a file of their own, in order.
    pub top: usize,
    /// Number of weakest rows to write.
    pub bottom: usize,
    /// Number of random rows to write.
    pub random: usize,
    /// Whether these files take kept rows only.
    pub of_kept: bool,
    /// Number of strongest rows to show on the page.
    pub shown: usize,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            percentile: 95.0,
            threshold: None,
            llm: false,
            llm_threshold: None,
            llm_floor: 1.0,
            top: 0,
            bottom: 0,
            random: 0,
            of_kept: false,
            shown: 20,
        }
    }
}

/// A value above which a row is dropped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Threshold {
    /// The value; a row at it is kept.
    pub value: f64,
    /// Where it comes from, for people.
    pub from: String,
}

/// The thresholds of a run; without any, rows are only ranked.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Thresholds {
    /// On the difference of projections.
    pub difference: Option<Threshold>,
    /// On the judge's trait score.
    pub llm: Option<Threshold>,
}

impl Thresholds {
    /// Takes the thresholds that are given, else those of the reference's differences and trait scores.
    pub(super) fn of(choices: &Choices, reference: Option<(&[f64], &[f64])>) -> Self {
        let given = |value: Option<f64>| value.map(|value| Threshold { value, from: "as given".into() });
        let normal = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            let value = percentile(&values, choices.percentile);
            let from = format!("{}th percentile of {} reference rows", choices.percentile, values.len());
            value.is_finite().then_some(Threshold { value, from })
        };
        let difference =
            given(choices.threshold).or_else(|| reference.and_then(|(differences, _)| normal(differences)));
        let floor = || Threshold { value: choices.llm_floor, from: "the floor".into() };
        let llm = choices.llm.then(|| {
            let normal = || reference.and_then(|(_, llm)| normal(llm)).filter(|t| t.value >= choices.llm_floor);
            given(choices.llm_threshold).or_else(normal).unwrap_or_else(floor)
        });
        Self { difference, llm }
    }

    fn is_empty(&self) -> bool {
        self.difference.is_none() && self.llm.is_none()
    }

    /// Decides on a row: it is dropped if either score is strictly above its threshold.
    pub fn decide(&self, scored: &Scored, verdict: Option<&Verdict>, against: Against) -> Decision {
        if let Some(bad) = &scored.bad {
            return Decision::LeftOut(bad.clone());
        }
        if self.is_empty() {
            return Decision::Ranked;
        }
        let above = |name: &str, score: Option<f64>, threshold: &Option<Threshold>| {
            let (score, threshold) = (score?, threshold.as_ref()?.value);
            (score > threshold).then(|| format!("{name} {score:.4} > {threshold:.4}"))
        };
        let llm = verdict.and_then(|v| v.score);
        let difference = above("difference", scored.difference(against), &self.difference);
        match (difference, above("trait score", llm, &self.llm)) {
            (None, None) if self.llm.is_some() && llm.is_none() => Decision::Kept("the judge gave no score".into()),
            (None, None) => Decision::Kept(String::new()),
            (difference, llm) => Decision::Dropped {
                by_difference: difference.is_some(),
                by_llm: llm.is_some(),
                why: [difference, llm].into_iter().flatten().collect::<Vec<_>>().join(", "),
            },
        }
    }
}

/// Whether a row is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is no threshold.
    Ranked,
    /// Kept, with a remark that may be empty.
    Kept(String),
    /// Dropped.
    Dropped {
        /// Its difference is above the threshold.
        by_difference: bool,
        /// Its trait score is.
        by_llm: bool,
        /// Both in words.
        why: String,
    },
    /// Not measured, for this reason, and in no output.
    LeftOut(String),
}

impl Decision {
    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::Kept(_) => "kept",
            Self::Dropped { .. } => "dropped",
            Self::LeftOut(_) => "left out",
        }
    }

    /// Why; may be empty.
    pub fn why(&self) -> &str {
        match self {
            Self::Ranked => "",
            Self::Kept(why) | Self::Dropped { why, .. } | Self::LeftOut(why) => why,
        }
    }

    /// Whether the row is not dropped.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Ranked | Self::Kept(_))
    }
}

/// The lines with the k largest keys among all that are offered; of equal keys the earliest line.
#[derive(Debug, Clone)]
pub(super) struct Largest {
    k: usize,
    heap: BinaryHeap<Reverse<(u64, Reverse<usize>)>>,
}

impl Largest {
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    pub fn offer(&mut self, key: u64, line: usize) {
        self.heap.push(Reverse((key, Reverse(line))));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// The lines, largest key first.
    pub fn lines(self) -> Vec<usize> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(line)))| line).collect()
    }
}

/// A key in the order of the number.
pub(super) fn ascending(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// A key in the opposite order.
pub(super) fn descending(x: f64) -> u64 {
    !ascending(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(difference: f64) -> Scored {
        Scored {
            line: 1,
            id: serde_json::Value::Null,
            label: None,
            raw: Some(difference),
            own: Some(0.0),
            last_prompt: Some(0.0),
            bad: None,
        }
    }

    fn said(score: Option<f64>) -> Verdict {
        Verdict { score, why: String::new() }
    }

    #[test]
    fn a_row_falls_by_either_score_and_only_strictly_above() {
        let threshold = |value: f64| Some(Threshold { value, from: String::new() });
        let thresholds = Thresholds { difference: threshold(2.0), llm: threshold(30.0) };
        for (difference, llm, by) in [
            (2.0, Some(30.0), (false, false)),
            (2.1, Some(30.0), (true, false)),
            (2.0, Some(30.1), (false, true)),
            (9.0, Some(99.0), (true, true)),
            (9.0, None, (true, false)),
            (0.0, None, (false, false)),
        ] {
            let decision = thresholds.decide(&scored(difference), Some(&said(llm)), Against::LastPrompt);
            let got = match &decision {
                Decision::Dropped { by_difference, by_llm, .. } => (*by_difference, *by_llm),
                other => (!other.stays(), false),
            };
            assert_eq!(got, by, "{difference} {llm:?}: {decision:?}");
        }
        let bad = Scored { bad: Some("f:1: no".into()), ..scored(0.0) };
        assert_eq!(thresholds.decide(&bad, None, Against::LastPrompt).word(), "left out");
        assert_eq!(Thresholds::default().decide(&scored(99.0), None, Against::LastPrompt), Decision::Ranked);
    }

    #[test]
    fn thresholds_are_percentiles_of_what_is_normal_with_a_floor_for_the_judge() {
        let normal: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let noise = vec![1e-14; 101];
        let of = |choices: &Choices, llm: &[f64]| {
            let found = Thresholds::of(choices, Some((&normal, llm)));
            (found.difference.unwrap().value, found.llm.map(|t| t.value))
        };
        let choices = Choices { llm: true, ..Choices::default() };
        assert_eq!(of(&choices, &normal), (95.0, Some(95.0)));
        assert_eq!(of(&choices, &noise), (95.0, Some(1.0)));
        assert_eq!(of(&Choices { llm_floor: 0.0, ..choices.clone() }, &noise).1, Some(1e-14));
        let given = Choices { threshold: Some(3.0), llm_threshold: Some(0.5), ..choices };
        assert_eq!(of(&given, &normal), (3.0, Some(0.5)));
        assert_eq!(of(&Choices::default(), &normal).1, None);
        assert!(Thresholds::of(&Choices::default(), None).difference.is_none());
    }

    #[test]
    fn the_largest_are_found_with_few_in_memory() {
        let scores = [3.0, -1.0, 7.5, 7.5, 0.0, -0.0, -9.0];
        let pick = |k: usize, key: fn(f64) -> u64| {
            let mut largest = Largest::new(k);
            scores.iter().enumerate().for_each(|(i, s)| largest.offer(key(*s), i + 1));
            assert!(largest.heap.len() <= k);
            largest.lines()
        };
        assert_eq!(pick(3, ascending), [3, 4, 1]);
        assert_eq!(pick(2, descending), [7, 2]);
        assert_eq!(pick(0, ascending), [0; 0]);
        assert_eq!(pick(99, descending).len(), 7);
    }
}
