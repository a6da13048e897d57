//! Which judged answers a vector is made from.
//!
//! ```text
//! paired:       pair i is kept iff  pos.score >= t  and  neg.score < 100 - t  and both coherences >= c     (the reference's code)
//! independent:  pos kept iff  score > t;  neg kept iff  score < 100 - t                                     (the paper's text)
//! ```
//!
//! A missing score meets no condition.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::rows::pair_up;
use crate::judge::JudgedAnswer;
use crate::{Error, Result};

/// Whether the two sides are filtered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterKind {
    /// A pair is kept or dropped as a whole, so both sides keep equally many.
    #[default]
    Paired,
    /// Each row by itself.
    Independent,
}

/// What an answer must show to go into a vector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Together or each by itself.
    pub kind: FilterKind,
    /// t: positive answers score at least this, negative ones less than 100 - t.
    pub threshold: f64,
    /// c: answers are at least this coherent; `None` does not ask.
    pub min_coherence: Option<f64>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::paired()
    }
}

impl Filter {
    /// The reference's filter: pairs, t = 50, c = 50.
    pub fn paired() -> Self {
        Self { kind: FilterKind::Paired, threshold: 50.0, min_coherence: Some(50.0) }
    }

    /// The paper's: each side by itself, t = 50, coherence not asked.
    pub fn independent() -> Self {
        Self { kind: FilterKind::Independent, threshold: 50.0, min_coherence: None }
    }

    /// The usual filter of that kind.
    pub fn of(kind: FilterKind) -> Self {
        match kind {
            FilterKind::Paired => Self::paired(),
            FilterKind::Independent => Self::independent(),
        }
    }

    fn shows(&self, score: Option<f64>) -> bool {
        score.is_some_and(|s| match self.kind {
            FilterKind::Paired => s >= self.threshold,
            FilterKind::Independent => s > self.threshold,
        })
    }

    fn lacks(&self, score: Option<f64>) -> bool {
        score.is_some_and(|s| s < 100.0 - self.threshold)
    }

    fn coherent(&self, score: Option<f64>) -> bool {
        self.min_coherence.is_none_or(|least| score.is_some_and(|s| s >= least))
    }
}

/// What one condition did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Condition {
    /// The condition in words.
    pub what: String,
    /// Rows or pairs that do not meet it, whatever else they fail.
    pub failed: usize,
    /// Of these, the ones without a score.
    pub missing: usize,
    /// Of these, the ones that meet every other condition: it alone cost them.
    pub alone: usize,
}

/// What the filter found and what it removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Positive rows looked at.
    pub rows_pos: usize,
    /// Negative rows looked at.
    pub rows_neg: usize,
    /// Positive rows kept.
    pub kept_pos: usize,
    /// Negative rows kept.
    pub kept_neg: usize,
    /// Positive score, negative score, positive coherence, negative coherence.
    pub conditions: [Condition; 4],
    /// Rows (pairs) with an empty answer, which no mean can be taken over.
    pub empty: usize,
    /// Rows of either side without a partner, dropped by the paired filter.
    pub unpaired: usize,
    /// What a reader should know although nothing failed.
    pub warnings: Vec<String>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kept {} of {} positive and {} of {} negative rows",
            self.kept_pos, self.rows_pos, self.kept_neg, self.rows_neg
        )?;
        for c in &self.conditions {
            write!(f, "; {} failed {}", c.failed, c.what)?;
            match (c.missing, c.alone) {
                (0, 0) => {}
                (missing, 0) => write!(f, " ({missing} without a score)")?,
                (0, alone) => write!(f, " ({alone} only this)")?,
                (missing, alone) => write!(f, " ({missing} without a score, {alone} only this)")?,
            }
        }
        for (count, what) in [(self.empty, "empty answers"), (self.unpaired, "rows without a partner")] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// The rows that stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Indices into the positive rows.
    pub pos: Vec<usize>,
    /// Indices into the negative rows; with the paired filter each belongs to the positive row at its place.
    pub neg: Vec<usize>,
    /// What was removed and why.
    pub diagnosis: Diagnosis,
}

/// Fewer rows than this on a side make a vector that is mostly noise.
const FEW: usize = 30;

/// Chooses the rows for a vector.
///
/// # Errors
/// If no row is left on a side; the error names how many rows each condition removed.
pub fn keep(pos: &[JudgedAnswer], neg: &[JudgedAnswer], filter: &Filter) -> Result<Kept> {
    let mut kept = match filter.kind {
        FilterKind::Paired => paired(pos, neg, filter),
        FilterKind::Independent => independent(pos, neg, filter),
    };
    let diagnosis = &mut kept.diagnosis;
    (diagnosis.rows_pos, diagnosis.rows_neg) = (pos.len(), neg.len());
    (diagnosis.kept_pos, diagnosis.kept_neg) = (kept.pos.len(), kept.neg.len());
    let least = kept.pos.len().min(kept.neg.len());
    if least == 0 {
        return Err(Error::new(format!("no answers left to make a vector from: {diagnosis}")).hint(
            "see which condition removed most: a lower --threshold or --min-coherence, or --filter independent, keeps more",
        ));
    }
    if least < FEW {
        diagnosis
            .warnings
            .push(format!("only {least} answers on a side; a vector from fewer than {FEW} is mostly noise"));
    }
    Ok(kept)
}

fn conditions(filter: &Filter) -> [Condition; 4] {
    let Filter { threshold, min_coherence, kind } = filter;
    let at_least = if *kind == FilterKind::Paired { ">=" } else { ">" };
    let coherence = |side: &str| match min_coherence {
        Some(least) => format!("{side} coherence >= {least}"),
        None => format!("{side} coherence (not asked)"),
    };
    let said = [
        format!("positive score {at_least} {threshold}"),
        format!("negative score < {}", 100.0 - threshold),
        coherence("positive"),
        coherence("negative"),
    ];
    said.map(|what| Condition { what, ..Condition::default() })
}

/// Counts what the conditions with numbers `which` say of one row or pair, and returns whether it stays.
fn tally(conditions: &mut [Condition; 4], which: &[(usize, bool, Option<f64>)]) -> bool {
    let failures = which.iter().filter(|(_, met, _)| !met).count();
    for &(i, _, score) in which.iter().filter(|(_, met, _)| !met) {
        conditions[i].failed += 1;
        conditions[i].missing += usize::from(score.is_none());
        conditions[i].alone += usize::from(failures == 1);
    }
    failures == 0
}

fn paired(pos: &[JudgedAnswer], neg: &[JudgedAnswer], filter: &Filter) -> Kept {
    let pairing = pair_up(pos, neg);
    let mut diagnosis = Diagnosis { conditions: conditions(filter), ..Diagnosis::default() };
    diagnosis.unpaired = pairing.alone_pos + pairing.alone_neg;
    if pairing.by_position {
        diagnosis.warnings.push(
            "the question ids of the two files have nothing in common, so rows were paired by position; that holds only if both files have the same order".into(),
        );
    } else if diagnosis.unpaired > 0 {
        diagnosis
            .warnings
            .push(format!("{} rows have no partner with the same question id and were dropped", diagnosis.unpaired));
    }
    let stays = |&(p, n): &(usize, usize)| {
        let (p, n) = (&pos[p], &neg[n]);
        let met = tally(
            &mut diagnosis.conditions,
            &[
                (0, filter.shows(p.trait_score()), p.trait_score()),
                (1, filter.lacks(n.trait_score()), n.trait_score()),
                (2, filter.coherent(p.coherence()), p.coherence()),
                (3, filter.coherent(n.coherence()), n.coherence()),
            ],
        );
        let empty = p.answer.is_empty() || n.answer.is_empty();
        diagnosis.empty += usize::from(empty);
        met && !empty
    };
    let (pos, neg) = pairing.pairs.into_iter().filter(stays).unzip();
    Kept { pos, neg, diagnosis }
}

fn independent(pos: &[JudgedAnswer], neg: &[JudgedAnswer], filter: &Filter) -> Kept {
    let mut diagnosis = Diagnosis { conditions: conditions(filter), ..Diagnosis::default() };
    let mut side = |rows: &[JudgedAnswer], positive: bool| -> Vec<usize> {
        let stays = |row: &JudgedAnswer| {
            let score = if positive { filter.shows(row.trait_score()) } else { filter.lacks(row.trait_score()) };
            let (i, coherent) = (usize::from(!positive), filter.coherent(row.coherence()));
            let met =
                tally(&mut diagnosis.conditions, &[(i, score, row.trait_score()), (i + 2, coherent, row.coherence())]);
            diagnosis.empty += usize::from(row.answer.is_empty());
            met && !row.answer.is_empty()
        };
        let stay: Vec<bool> = rows.iter().map(stays).collect();
        (0..rows.len()).filter(|&i| stay[i]).collect()
    };
    let (pos, neg) = (side(pos, true), side(neg, false));
    Kept { pos, neg, diagnosis }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scores: &[(Option<f64>, Option<f64>)]) -> Vec<JudgedAnswer> {
        let row = |(i, &(score, coherence)): (usize, &(Option<f64>, Option<f64>))| {
            JudgedAnswer { question_id: format!("bold_{i}_pos_0"), answer: "so".into(), ..JudgedAnswer::default() }
                .scored("bold", score, coherence)
        };
        scores.iter().enumerate().map(row).collect()
    }

    const GOOD: Option<f64> = Some(90.0);

    #[test]
    fn a_pair_stays_only_if_all_four_conditions_hold() {
        let pos = rows(&[
            (Some(50.0), Some(50.0)),
            (Some(49.9), GOOD),
            (None, GOOD),
            (GOOD, Some(49.0)),
            (GOOD, GOOD),
            (GOOD, GOOD),
        ]);
        let neg = rows(&[
            (Some(49.9), Some(50.0)),
            (Some(0.0), GOOD),
            (Some(0.0), GOOD),
            (Some(50.0), GOOD),
            (Some(50.0), GOOD),
            (Some(0.0), None),
        ]);
        let kept = keep(&pos, &neg, &Filter::paired()).unwrap();
        assert_eq!((kept.pos, kept.neg), (vec![0], vec![0]));
        let counts = kept.diagnosis.conditions.clone().map(|c| (c.failed, c.missing, c.alone));
        assert_eq!(counts, [(2, 1, 2), (2, 0, 1), (1, 0, 0), (1, 1, 1)]);
        assert!(
            kept.diagnosis.to_string().contains("2 failed positive score >= 50 (1 without a score, 2 only this)"),
            "{}",
            kept.diagnosis
        );
        assert!(kept.diagnosis.warnings[0].contains("only 1 answers"));
    }

    #[test]
    fn each_side_by_itself_as_in_the_paper() {
        let pos = rows(&[(Some(50.0), GOOD), (Some(50.1), Some(0.0)), (GOOD, None)]);
        let neg = rows(&[(Some(50.0), GOOD), (Some(49.9), None)]);
        let kept = keep(&pos, &neg, &Filter::independent()).unwrap();
        assert_eq!((kept.pos, kept.neg), (vec![1, 2], vec![1]));
        let asked = Filter { min_coherence: Some(50.0), ..Filter::independent() };
        assert!(keep(&pos, &neg, &asked).is_err());
    }

    #[test]
    fn a_threshold_of_zero_keeps_all_that_were_judged() {
        let pos = rows(&[(Some(0.0), GOOD), (None, GOOD), (Some(100.0), GOOD)]);
        let neg = rows(&[(Some(99.0), GOOD), (Some(0.0), GOOD), (Some(100.0), GOOD)]);
        let kept = keep(&pos, &neg, &Filter { threshold: 0.0, ..Filter::paired() }).unwrap();
        assert_eq!(kept.pos, [0]);
    }

    #[test]
    fn nothing_left_is_an_error_that_names_the_four_counts() {
        let pos = rows(&[(Some(1.0), GOOD), (Some(2.0), Some(3.0))]);
        let neg = rows(&[(Some(99.0), GOOD), (Some(0.0), None)]);
        let error = keep(&pos, &neg, &Filter::paired()).unwrap_err();
        for want in [
            "2 failed positive score >= 50",
            "1 failed negative score < 50",
            "1 failed positive coherence >= 50",
            "1 failed negative coherence >= 50 (1 without a score)",
        ] {
            assert!(error.to_string().contains(want), "{error}");
        }
        assert!(error.help().unwrap().contains("--threshold"));
        assert!(keep(&[], &[], &Filter::paired()).is_err());
    }

    #[test]
    fn empty_answers_and_lonely_rows_are_counted() {
        let mut pos = rows(&[(GOOD, GOOD), (GOOD, GOOD), (GOOD, GOOD)]);
        let neg = rows(&[(Some(0.0), GOOD), (Some(0.0), GOOD)]);
        pos[1].answer.clear();
        let kept = keep(&pos, &neg, &Filter::paired()).unwrap();
        assert_eq!((kept.pos, kept.diagnosis.empty, kept.diagnosis.unpaired), (vec![0], 1, 1));
        assert!(kept.diagnosis.warnings.iter().any(|w| w.contains("no partner")));
    }
}
