//! A finished study as data: measured axes, arms, points, figures. The points give the curves of its figures and its tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::arm::Arm;
use super::colours::Hue;
use super::figure::Figure;
use super::lines::Better;
use super::svg::Mark;
use super::table::{Cell, Table};
use super::words::{Expectation, Note, worded};
use crate::stats::Interval;

/// Something that is measured of every arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The key of [`Point::values`] and of the columns in CSV and JSON.
    pub key: String,
    /// For legends and axes: `Hallucination score`.
    pub name: String,
    /// For the end of a curve: `Hallucination`.
    pub short: String,
    /// `%`, `0–100`.
    pub unit: String,
    /// Its colour wherever axes are compared.
    pub hue: Hue,
    /// Its mark wherever axes are compared.
    pub mark: Mark,
    /// Which way is good.
    pub better: Better,
    /// The values that are possible.
    pub range: (f64, f64),
    /// Whether it is the score of a trait: tables for people are made for each trait where a study has several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_trait: bool,
    /// Only in files and figures, not in tables for people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
}

impl Axis {
    /// A trait score from 0 to 100, lower being better.
    pub fn score(key: &str, name: &str, short: &str) -> Self {
        Self { is_trait: true, ..Self::new(key, [name, short, "0–100"], Hue::Vermillion, Mark::Circle) }
    }

    /// An accuracy in percent, higher being better.
    pub fn accuracy(key: &str, name: &str, short: &str, hue: Hue, mark: Mark) -> Self {
        Self { better: Better::Higher, ..Self::new(key, [name, short, "%"], hue, mark) }
    }

    /// A length along a direction of the residual stream, in its units: for files and figures only. Its range is that of the
    /// points ([`Study::spanned`]).
    pub fn aside(key: &str, name: &str) -> Self {
        let axis = Self::new(key, [name, name, "residual units"], Hue::Ink, Mark::Circle);
        Self { range: (0.0, 0.0), aside: true, ..axis }
    }

    fn new(key: &str, [name, short, unit]: [&str; 3], hue: Hue, mark: Mark) -> Self {
        let (key, name, short, unit) = (key.to_owned(), worded(name), worded(short), unit.to_owned());
        let (better, range) = (Better::Lower, (0.0, 100.0));
        Self { key, name, short, unit, hue, mark, better, range, is_trait: false, aside: false }
    }
}

/// What was measured of one arm at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The [`Arm`]'s name.
    pub arm: String,
    /// The steering coefficient, if the arm has one.
    pub coef: Option<f64>,
    /// One training seed's results, or `None` for all seeds together. Figures show the latter.
    pub seed: Option<u64>,
    /// How many training seeds are in it; 0 if nothing was trained.
    pub seeds: usize,
    /// The measured values, by [`Axis::key`].
    #[serde(flatten)]
    pub values: BTreeMap<String, Interval>,
}

/// How one arm differs from another: paired by question, so that what a question itself contributes falls out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The [`Arm`]'s name.
    pub arm: String,
    /// Its coefficient.
    pub coef: Option<f64>,
    /// The arm that it is compared with.
    pub against: String,
    /// The first's mean less the second's, by [`Axis::key`].
    pub values: BTreeMap<String, Interval>,
}

/// A table of numbers by row and column: correlations between traits, cosines between vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Name of its CSV file, without extension.
    pub file: String,
    /// Title above the table.
    pub title: String,
    /// What the numbers are.
    pub caption: String,
    /// Above the rows' names.
    pub corner: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Name and numbers of each row; what is not known is missing.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Grid {
    /// The numbers as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new(std::iter::once(self.corner.clone()).chain(self.columns.iter().cloned()));
        for (name, values) in &self.rows {
            let values = values.iter().map(|value| Cell::from(*value));
            table.push(std::iter::once(Cell::from(name.as_str())).chain(values).collect());
        }
        table
    }
}

/// A published number beside ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// What was measured.
    pub what: String,
    /// The published number.
    pub published: f64,
    /// What came out here, if it was measured.
    pub ours: Option<f64>,
    /// Who published it, and of which model.
    pub source: String,
}

/// A judged answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The [`Arm`]'s name.
    pub arm: String,
    /// The steering coefficient, if the arm has one.
    pub coef: Option<f64>,
    /// The [`Axis`] that the question belongs to.
    pub axis: String,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// The right answer, if there is one.
    pub reference: Option<String>,
    /// The judge's score; `None` where it gave none.
    pub score: Option<f64>,
    /// The judge's reason; may be empty.
    pub why: String,
}

/// A finished study, ready to be shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Study {
    /// What it is about.
    pub title: String,
    /// Model, data, seeds, in a line.
    pub subtitle: String,
    /// What was found, in one paragraph.
    pub verdict: String,
    /// What was measured.
    pub axes: Vec<Axis>,
    /// What was compared, in the table's order.
    pub arms: Vec<Arm>,
    /// The measurements.
    pub points: Vec<Point>,
    /// Differences between arms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<Comparison>,
    /// What was expected and what came out.
    pub expectations: Vec<Expectation>,
    /// Numbers by row and column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grids: Vec<Grid>,
    /// Published numbers beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
    /// A paragraph for the card of a model that was made this way; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub card: String,
    /// The pictures.
    pub figures: Vec<Figure>,
    /// Judged answers.
    pub examples: Vec<Example>,
    /// What must be known to read the numbers: missing scores, refusals, limits.
    pub notes: Vec<Note>,
    /// How it was made: name and value.
    pub settings: Vec<(String, String)>,
    /// What went in: name and hash, seed or version.
    pub lock: Vec<(String, String)>,
    /// What an arm is called in tables; `arm` if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arm_word: String,
    /// What a coefficient is called in tables; `coefficient` if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub coef_word: String,
    /// What was found, for programs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub found: Map<String, Value>,
}

impl Study {
    /// The axis of that key.
    pub fn axis(&self, key: &str) -> Option<&Axis> {
        self.axes.iter().find(|a| a.key == key)
    }

    /// The arm of that name.
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|a| a.name == name)
    }

    /// An arm's points of all seeds together, by ascending coefficient.
    pub fn pooled(&self, arm: &str) -> Vec<&Point> {
        let mut points: Vec<_> = self.points.iter().filter(|p| p.arm == arm && p.seed.is_none()).collect();
        points.sort_by(|a, b| a.coef.unwrap_or(0.0).total_cmp(&b.coef.unwrap_or(0.0)));
        points
    }

    /// The value of an arm that has only one.
    pub fn level(&self, arm: &str, axis: &str) -> Option<Interval> {
        self.pooled(arm).first()?.values.get(axis).copied().filter(|i| i.mean.is_finite())
    }

    /// The same with the ranges of axes that have none of their own taken from the points.
    pub fn spanned(mut self) -> Self {
        for axis in self.axes.iter_mut().filter(|axis| axis.range == (0.0, 0.0)) {
            let values = self.points.iter().filter_map(|p| Some(p.values.get(&axis.key)?.mean));
            let ends = |(low, high): (f64, f64), x: f64| (low.min(x), high.max(x));
            let (low, high) = values.filter(|x| x.is_finite()).fold((f64::MAX, f64::MIN), ends);
            if low <= high {
                let margin = (0.05 * (high - low)).max(1e-6);
                axis.range = (low - margin, high + margin);
            }
        }
        self
    }

    /// The comparisons for people: one cell for each axis.
    pub fn compared(&self) -> Table {
        let head = ["Arm", "Coef", "Against"].map(str::to_owned).into_iter();
        let mut table = Table::new(head.chain(self.shown().map(|axis| axis.short.clone())));
        let label = |name: &str| self.arm(name).map_or_else(|| name.to_owned(), |arm| arm.label.clone());
        for c in &self.comparisons {
            let mut row: Vec<Cell> = vec![label(&c.arm).into(), c.coef.into(), label(&c.against).into()];
            row.extend(self.shown().map(|a| c.values.get(&a.key).map_or(Cell::Missing, |i| Cell::Interval(*i))));
            table.push(row);
        }
        table
    }

    /// The comparisons with all digits.
    pub fn differences(&self) -> Table {
        let head = ["arm", "coef", "against", "axis", "difference", "low", "high", "n", "clusters"];
        let mut table = Table::new(head.map(str::to_owned));
        for c in &self.comparisons {
            for (axis, i) in &c.values {
                let named = [c.arm.as_str().into(), c.coef.into(), c.against.as_str().into(), axis.as_str().into()];
                let numbers = [i.mean.into(), i.low.into(), i.high.into(), i.n.into(), i.clusters.into()];
                table.push(named.into_iter().chain(numbers).collect());
            }
        }
        table
    }

    /// Published numbers beside ours.
    pub fn beside(&self) -> Table {
        Table::of(
            &self.published,
            &[
                ("What", &|p| p.what.as_str().into()),
                ("Published", &|p| p.published.into()),
                ("Here", &|p| p.ours.into()),
                ("Source", &|p| p.source.as_str().into()),
            ],
        )
    }

    /// Every point with all digits, one column for each number.
    pub fn results(&self) -> Table {
        let mut columns: Vec<String> = ["arm", "kind", "coef", "seed", "seeds"].map(str::to_owned).to_vec();
        for axis in &self.axes {
            columns.push(axis.key.clone());
            columns.extend(["low", "high", "n", "clusters"].map(|c| format!("{}_{c}", axis.key)));
        }
        let mut table = Table::new(columns);
        for point in &self.points {
            let kind = self.arm(&point.arm).map(|a| Cell::from(a.kind.as_str()));
            let mut row = vec![
                point.arm.as_str().into(),
                kind.unwrap_or(Cell::Missing),
                point.coef.into(),
                point.seed.into(),
                point.seeds.into(),
            ];
            for axis in &self.axes {
                match point.values.get(&axis.key) {
                    Some(i) => row.extend([i.mean.into(), i.low.into(), i.high.into(), i.n.into(), i.clusters.into()]),
                    None => row.extend(std::iter::repeat_n(Cell::Missing, 5)),
                }
            }
            table.push(row);
        }
        table
    }

    /// The axes that tables for people show.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Axis> {
        self.axes.iter().filter(|axis| !axis.aside)
    }

    /// What an arm and a coefficient are called in tables.
    pub(super) fn words<'a>(&'a self) -> (&'a str, &'a str) {
        let or = |word: &'a str, own: &'a str| if word.is_empty() { own } else { word };
        (or(&self.arm_word, "arm"), or(&self.coef_word, "coefficient"))
    }

    /// Whether anything was trained, so that there are seeds to count.
    pub(super) fn is_trained(&self) -> bool {
        self.points.iter().any(|point| point.seeds > 0)
    }

    /// The studies of which tables for people are made: this one, or where there are several traits one for each, with the arms and
    /// axes that say something of it, by the trait's name.
    pub fn by_trait(&self) -> Vec<(Option<&str>, Self)> {
        let traits: Vec<&Axis> = self.shown().filter(|axis| axis.is_trait).collect();
        if traits.len() < 2 {
            return vec![(None, self.clone())];
        }
        let of = |of: &&Axis| {
            let mut study = self.clone();
            study.axes.retain(|axis| !axis.is_trait || axis.key == of.key);
            study.points.retain(|point| point.values.contains_key(&of.key));
            study.comparisons.retain(|comparison| comparison.values.contains_key(&of.key));
            study.arms.retain(|arm| study.points.iter().any(|point| point.arm == arm.name));
            study
        };
        traits.iter().map(|axis| (Some(axis.short.as_str()), of(axis))).collect()
    }

    /// The pooled points for people: one cell for each axis.
    pub fn summary(&self) -> Table {
        let (arm, coef) = self.words();
        let coef = if self.coef_word.is_empty() { "Coef".to_owned() } else { capital(coef) };
        let seeds = self.is_trained().then(|| "Seeds".to_owned());
        let axes = self.shown().map(|a| a.short.clone());
        let mut table = Table::new([capital(arm), coef].into_iter().chain(seeds).chain(axes));
        for (arm, point) in self.arms.iter().flat_map(|a| self.pooled(&a.name).into_iter().map(move |p| (a, p))) {
            let mut row = vec![arm.label.as_str().into(), point.coef.into()];
            row.extend(self.is_trained().then(|| Cell::from(point.seeds)));
            row.extend(self.shown().map(|a| point.values.get(&a.key).map_or(Cell::Missing, |i| Cell::Interval(*i))));
            table.push(row);
        }
        table
    }
}

/// A word with its first letter large.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
