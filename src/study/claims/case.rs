//! One data set and one trait: the arms that are compared with each other.

use crate::report::ArmKind;
use crate::stats::Interval;
use crate::study::outputs::{MMLU, prompt_key, trait_key};
use crate::study::results::{Cell, Results};

/// The cells of one data set and one trait, the base model among them.
pub struct Case<'a> {
    /// Place of the data set.
    pub corpus: usize,
    /// The trait's name.
    pub name: &'a str,
    /// `Medical, evil`.
    pub label: String,
    cells: Vec<&'a Cell<'a>>,
    seed: u64,
}

impl<'a> Case<'a> {
    /// Every case of a study, data set by data set and trait by trait.
    pub fn all(results: &'a Results<'_>, cells: &'a [Cell<'a>]) -> Vec<Self> {
        let case = |corpus: usize, t: usize| {
            let is_in = |cell: &&Cell<'_>| cell.corpus == Some(corpus) && cell.trait_.is_none_or(|own| own == t);
            let name = results.data.traits[t].name.as_str();
            Self {
                corpus,
                name,
                label: format!("{}, {}", results.data.corpora[corpus].label, trait_key(name)),
                cells: cells.iter().filter(|cell| cell.arm.kind == ArmKind::Base || is_in(cell)).collect(),
                seed: results.config.seed,
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

    /// The coefficient with the lowest trait score.
    pub fn lowest(&self, kind: ArmKind) -> Option<&'a Cell<'a>> {
        lowest(self.of(kind), self.key())
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
        Interval::of_difference(&a.scores(key), &b.scores(key), self.seed)
    }
}

/// The cell with the lowest mean among those that have one.
pub fn lowest<'c>(cells: impl Iterator<Item = &'c Cell<'c>>, key: &str) -> Option<&'c Cell<'c>> {
    let measured = cells.filter(|cell| cell.mean(key).is_finite());
    measured.min_by(|a, b| a.mean(key).total_cmp(&b.mean(key)))
}
