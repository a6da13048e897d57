//! One data set and one trait: the arms that are compared with each other.

use super::thresholds::{DATA_SHARE, NEUTRAL_SHARE};
use crate::report::ArmKind;
use crate::stats::Interval;
use crate::study::outputs::{DATA_LEARNED, MMLU, NEUTRAL_LEARNED, prompt_key, trait_key};
use crate::study::results::{Cell, Results, learned};

/// The cells of one data set and one trait, the base model among them.
pub struct Case<'a> {
    /// Place of the data set.
    pub corpus: usize,
    /// The trait's name.
    pub name: &'a str,
    /// `Medical, evil`.
    pub label: String,
    /// Place of the trait.
    pub place: usize,
    /// The plain finetune on the neutral data set of the same form, if the study has one.
    pub neutral: Option<&'a Cell<'a>>,
    cells: Vec<&'a Cell<'a>>,
    results: &'a Results<'a>,
    all: &'a [Cell<'a>],
}

/// A share of the data that a model learned.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// What was learned, in percent of what the plain finetune learned.
    pub of: Interval,
    /// Of what: `the neutral part`.
    pub what: &'static str,
    /// From which share on it counts as learned.
    least: f64,
}

impl<'a> Case<'a> {
    /// Every case of a study, data set by data set and trait by trait.
    pub fn all(results: &'a Results<'a>, cells: &'a [Cell<'a>]) -> Vec<Self> {
        let case = |corpus: usize, t: usize| {
            let is_in = |cell: &&Cell<'_>| cell.corpus == Some(corpus) && cell.trait_.is_none_or(|own| own == t);
            let name = results.data.traits[t].name.as_str();
            Self {
                corpus,
                name,
                label: format!("{}, {}", results.data.corpora[corpus].label, trait_key(name)),
                place: t,
                neutral: results.data.corpora[corpus]
                    .neutral
                    .and_then(|c| cells.iter().find(|cell| cell.corpus == Some(c) && cell.arm.kind == ArmKind::Plain)),
                all: cells,
                cells: cells.iter().filter(|cell| cell.arm.kind == ArmKind::Base || is_in(cell)).collect(),
                results,
            }
        };
        let traits = results.data.traits.len();
        (0..results.data.corpora.len())
            .flat_map(|c| (0..traits).map(move |t| (c, t)))
            .map(|(c, t)| case(c, t))
            .collect()
    }

    /// Key of the trait's axis.
    pub fn key(&self) -> &'a str {
        trait_key(self.name)
    }

    /// The cells of an arm, by ascending coefficient.
    pub fn of(&self, kind: ArmKind) -> impl Iterator<Item = &'a Cell<'a>> {
        self.cells.iter().copied().filter(move |cell| cell.arm.kind == kind)
    }

    /// The only cell of an arm without coefficients.
    pub fn one(&self, kind: ArmKind) -> Option<&'a Cell<'a>> {
        self.of(kind).next()
    }

    /// The coefficient with the lowest trait score among those that learned the data; where none did, the lowest of all.
    pub fn lowest(&self, kind: ArmKind) -> Option<&'a Cell<'a>> {
        self.lowest_of(self.of(kind))
    }

    /// The same among any cells.
    pub fn lowest_of(&self, cells: impl Iterator<Item = &'a Cell<'a>>) -> Option<&'a Cell<'a>> {
        let cells: Vec<&Cell<'_>> = cells.collect();
        let learned = cells.iter().copied().filter(|cell| self.has_learned(cell));
        lowest(learned, self.key()).or_else(|| lowest(cells.iter().copied(), self.key()))
    }

    /// How much a model learned: of the neutral part, where the data set has a neutral one; else of the data, of which the trait
    /// itself is a part. Nothing where no held-out row was read, or plain finetuning learned nothing.
    pub fn learned(&self, cell: &Cell<'_>) -> Option<Share> {
        let shares = learned(self.results, self.all, cell, &|key| cell.scores(key));
        let of = |wanted: &str| shares.iter().find(|(key, _)| *key == wanted).map(|(_, share)| *share);
        let neutral = of(NEUTRAL_LEARNED).map(|of| Share { of, what: "the neutral part", least: NEUTRAL_SHARE });
        neutral.or_else(|| of(DATA_LEARNED).map(|of| Share { of, what: "the data", least: DATA_SHARE }))
    }

    /// Whether a model learned the data, as far as that is known.
    pub fn has_learned(&self, cell: &Cell<'_>) -> bool {
        self.learned(cell).is_none_or(|share| share.of.mean >= share.least)
    }

    /// Of settings of the same arm that end lower than this one because they did not learn: `; ... at 4 ends lower, at 39.2, but ...`.
    pub fn unlearned(&self, best: &Cell<'_>) -> String {
        let Some(low) = lowest(self.of(best.arm.kind).filter(|cell| !self.has_learned(cell)), self.key()) else {
            return String::new();
        };
        let (score, Some(share)) = (self.score(low), self.learned(low)) else { return String::new() };
        if std::ptr::eq(low, best) {
            return format!(
                "; it learned only {:.0} % of {}: it is low because it did not learn",
                share.of.mean, share.what
            );
        }
        let is_lower = score < self.score(best);
        let what = format!(
            "; {} ends lower, at {score:.1}, because it did not learn: {:.0} % of {}",
            low.named(),
            share.of.mean,
            share.what
        );
        if is_lower { what } else { String::new() }
    }

    /// The trait score.
    pub fn score(&self, cell: &Cell<'_>) -> f64 {
        cell.mean(self.key())
    }

    /// The trait score of one cell less that of another, paired by question.
    pub fn change(&self, a: &Cell<'_>, b: &Cell<'_>) -> Interval {
        self.change_of(self.key(), a, b)
    }

    /// The same of multiple choice.
    pub fn exam_change(&self, a: &Cell<'_>, b: &Cell<'_>) -> Interval {
        self.change_of(MMLU, a, b)
    }

    /// The finetuning shift (Chen et al. 2025, section 4.2).
    pub fn shift(&self, cell: &Cell<'_>, base: &Cell<'_>) -> f64 {
        self.change_of(&prompt_key(self.name), cell, base).mean
    }

    fn change_of(&self, key: &str, a: &Cell<'_>, b: &Cell<'_>) -> Interval {
        Interval::of_difference(&a.scores(key), &b.scores(key), self.results.config.seed)
    }
}

/// The cell with the lowest mean among those that have one.
fn lowest<'c>(cells: impl Iterator<Item = &'c Cell<'c>>, key: &str) -> Option<&'c Cell<'c>> {
    let measured = cells.filter(|cell| cell.mean(key).is_finite());
    measured.min_by(|a, b| a.mean(key).total_cmp(&b.mean(key)))
}
