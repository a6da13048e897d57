//! Means of verdicts with their intervals. A question is the independent unit, and an answer without a score stays in the count.

use serde::{Deserialize, Serialize};

use crate::data_table::{DataTable, Format};
use crate::judge::{JudgedAnswer, Rubric, table};
use crate::language_model::FinishReason;
use crate::stats::{Clusters, Interval};

/// One number with its interval: the mean of one verdict at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The verdict's key.
    pub key: String,
    /// The coefficient, if the rows are of a sweep.
    #[serde(serialize_with = "crate::record::as_written_if")]
    pub coef: Option<f32>,
    /// Mean and interval over the answers that have a score, clustered by question; 0 to 100.
    pub score: Interval,
    /// All answers.
    pub rows: usize,
    /// Answers without a score: refusals and what the judge could not read. They are in no mean.
    pub missing: usize,
    /// Answers that ended at the limit of tokens.
    pub cut: usize,
}

/// The scores of a verdict by question, missing ones left out. A fact is right or wrong: 100 from 50 on, else 0.
pub fn clusters<'a>(rows: impl IntoIterator<Item = &'a JudgedAnswer>, key: &str) -> Clusters {
    let mut clusters = Clusters::new();
    for row in rows {
        if let Some(score) = row.score(key) {
            let score = match (key == Rubric::Fact.key(), score >= 50.0) {
                (false, _) => score,
                (true, right) => f64::from(u8::from(right)) * 100.0,
            };
            clusters.entry(row.question_id.clone()).or_default().push(score);
        }
    }
    clusters
}

/// Means of a verdict, one per coefficient in the order of the rows. `seed` draws the bootstrap.
pub fn axes(rows: &[JudgedAnswer], key: &str, seed: u64) -> Vec<Axis> {
    let mut coefs: Vec<Option<f32>> = Vec::new();
    for row in rows {
        if !coefs.contains(&row.coef) {
            coefs.push(row.coef);
        }
    }
    let axis = |coef: Option<f32>| {
        let rows: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.coef == coef).collect();
        let score = Interval::of(&clusters(rows.iter().copied(), key), seed);
        let missing = rows.iter().filter(|row| row.score(key).is_none()).count();
        let cut = rows.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count();
        Axis { key: key.to_owned(), coef, score, rows: rows.len(), missing, cut }
    };
    coefs.into_iter().map(axis).collect()
}

/// The answers as a table ([`table`]) with a column for each verdict that any of them has, coherence last.
pub fn sheet(rows: &[JudgedAnswer], format: Format) -> DataTable {
    let mut scores: Vec<&str> = rows.iter().flat_map(|row| row.verdicts.keys()).map(String::as_str).collect();
    scores.sort_unstable_by_key(|&key| (key == Rubric::Coherence.key(), key));
    scores.dedup();
    table(rows, &scores, format)
}
