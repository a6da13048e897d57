//! The accuracy of multiple choice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::eval::axis::{Axis, axes, clusters};
use crate::eval::choice::letter_of;
use crate::eval::task::RIGHT;
use crate::judge::JudgedAnswer;
use crate::stats::{Clusters, Interval, mean};

/// How much of an exam was right, at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The coefficient, if the rows are of a sweep.
    pub coef: Option<f32>,
    /// Share of right answers over all questions, in percent: the headline.
    pub micro: Interval,
    /// Mean of the subjects' shares; its interval is over subjects.
    pub macro_: Interval,
    /// Each subject's share.
    pub subjects: BTreeMap<String, Interval>,
    /// Answers in words that name no letter; they count as wrong.
    pub unread: usize,
}

/// Accuracy over all questions, over subjects, and per subject; one for each coefficient in the order of the rows.
pub fn accuracy(rows: &[JudgedAnswer], seed: u64) -> Vec<Accuracy> {
    let of = |axis: Axis| {
        let rows: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.coef == axis.coef).collect();
        let mut by_subject: BTreeMap<String, Vec<&JudgedAnswer>> = BTreeMap::new();
        rows.iter().for_each(|row| by_subject.entry(row.group.clone()).or_default().push(row));
        let subjects: BTreeMap<String, Interval> = by_subject
            .into_iter()
            .map(|(subject, rows)| (subject, Interval::of(&clusters(rows, RIGHT), seed)))
            .collect();
        let shares: Clusters = subjects.iter().map(|(subject, share)| (subject.clone(), vec![share.mean])).collect();
        debug_assert!(shares.values().all(|share| !mean(share).is_nan()), "a letter is always taken");
        let unread = rows.iter().filter(|row| row.options.is_empty() && letter_of(&row.answer).is_none()).count();
        Accuracy { coef: axis.coef, micro: axis.score, macro_: Interval::of(&shares, seed), subjects, unread }
    };
    axes(rows, RIGHT, seed).into_iter().map(of).collect()
}
