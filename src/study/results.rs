//! From the pieces' outputs to the rows of a report: points, differences, notes. What a study makes of them is its own.

use std::collections::{BTreeMap, BTreeSet};

use super::arms::arms;
use super::axes::axes;
use super::config::{FactsSource, StudyConfig};
use super::dag::Task;
use super::inputs::Inputs;
use super::outputs::{
    AuditFindings, Difference, Extracted, FACTS, Measured, MeasuredAt, Output, UNGUESSED, approximation_key, data_key,
    difference_key, prompt_key, shift_key, trait_key,
};
use crate::Result;
use crate::finetune::Fitted;
use crate::record::{Hash, Lock};
use crate::report::{Arm, ArmKind, Comparison, Example, Point, Study};
use crate::stats::{Clusters, Interval};
use crate::text::Tokenizer;
use crate::vector::Layer;

/// What one arm came to at one coefficient: of each training seed, and of each random vector if there are several.
pub(super) struct Cell<'a> {
    pub arm: &'a Arm,
    /// The data set that it learned from.
    pub corpus: Option<usize>,
    /// The trait that it is about.
    pub trait_: Option<usize>,
    pub coef: Option<f64>,
    pub by_seed: Vec<(Option<u64>, &'a MeasuredAt)>,
}

/// Everything measured, in the order of the tables.
pub(super) struct Results<'a> {
    pub config: &'a StudyConfig,
    pub data: &'a Inputs,
    pub arms: Vec<Arm>,
    pub vectors: Vec<&'a Extracted>,
    /// The layer of single-layer arms and of projections.
    pub layer: Layer,
    pub measured: Vec<(&'a Task, &'a Measured, Option<&'a Fitted>)>,
    pub differences: BTreeMap<usize, &'a Difference>,
    pub audits: Vec<(Target<'a>, &'a AuditFindings)>,
}

/// A model that was audited.
pub(super) struct Target<'a> {
    /// For people.
    pub name: &'a str,
    /// Its arm.
    pub arm: &'a Option<String>,
    pub coef: Option<f64>,
    /// The trait that it was audited for.
    pub audited: Option<usize>,
}

impl<'a> Results<'a> {
    pub fn gather(config: &'a StudyConfig, data: &'a Inputs, tasks: &'a [Task], outputs: &'a [Output]) -> Result<Self> {
        let (mut vectors, mut measured, mut differences) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut audits = Vec::new();
        for (task, output) in tasks.iter().zip(outputs) {
            match output {
                Output::Vector(extracted) => vectors.push(&**extracted),
                Output::Measured(of, fitted) => measured.push((task, of, fitted.as_ref())),
                Output::Difference(of) => {
                    differences.insert(task.of_corpus(), of);
                }
                Output::Audited(audited) => {
                    // The last that it waited for is the model that it is of.
                    let of = &tasks[*task.after.last().expect("an audit waits for its model")];
                    let target = Target { name: &of.label, arm: &of.arm, coef: of.coef, audited: task.trait_ };
                    audits.push((target, &**audited));
                }
                Output::Rollouts(_) | Output::Selfgen | Output::Elsewhere => {}
            }
        }
        let layer = config.layer(vectors[0].file.response_avg.layers())?;
        Ok(Self { config, data, vectors, layer, measured, differences, audits, arms: arms(config, layer) })
    }

    /// Arm by arm, by ascending coefficient, by training seed.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for arm in &self.arms {
            let from = cells.len();
            for (piece, measured, _) in self.measured.iter().filter(|(p, ..)| p.arm.as_ref() == Some(&arm.name)) {
                for at in &measured.at {
                    match cells[from..].iter_mut().find(|cell| cell.coef == at.coef) {
                        Some(cell) => cell.by_seed.push((piece.seed, at)),
                        None => cells.push(Cell {
                            arm,
                            corpus: piece.corpus,
                            trait_: piece.trait_,
                            coef: at.coef,
                            by_seed: vec![(piece.seed, at)],
                        }),
                    }
                }
            }
            cells[from..].sort_by(|a, b| a.coef.unwrap_or(0.0).total_cmp(&b.coef.unwrap_or(0.0)));
        }
        cells
    }

    pub fn lock(&self, device: &str, model: &Hash, judge: &str) -> Result<Lock> {
        let (config, data) = (self.config, self.data);
        let mut lock = Lock::new(device, config.seeds.clone());
        let tokenizer = Tokenizer::load(&config.model)?;
        lock.notes.insert("judge".into(), judge.to_owned());
        lock.notes.insert("seed of all but training".into(), config.seed.to_string());
        for (extracted, trait_) in self.vectors.iter().zip(&data.traits) {
            let name = format!("vector fingerprint of `{}`", trait_.name);
            lock.notes.insert(name, extracted.file.fingerprint.clone());
        }
        lock.notes.insert("tokenizer and template".into(), tokenizer.fingerprint().to_owned());
        lock.hashes.insert("model".into(), model.clone());
        lock.hashes.insert("configuration".into(), Hash::of(config));
        lock.hashes.extend(data.hashes());
        for (piece, measured, fitted) in &self.measured {
            lock.hashes.insert(format!("answers of {}", piece.name), measured.answers.clone());
            lock.hashes.extend(fitted.map(|f| (format!("adapter of {}", piece.name), f.adapter.clone())));
        }
        Ok(lock)
    }

    /// Everything that does not depend on the kind of study.
    pub fn study(&self, cells: &[Cell<'_>], lock: &Lock) -> Study {
        let (config, data) = (self.config, self.data);
        let model = config.model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let seeds = config.seeds.len();
        let learned: Vec<String> = data
            .corpora
            .iter()
            .map(|corpus| match corpus.questions.len() {
                0 => format!("{}: {} conversations", corpus.label, corpus.chats.len()),
                facts => format!("{facts} facts in {} lessons", corpus.chats.len()),
            })
            .collect();
        let points = cells.iter().flat_map(|cell| self.points(cell, cells)).collect();
        let mut axes = axes(data);
        let study = Study {
            subtitle: format!(
                "{model} · {} · {seeds} training {}",
                learned.join(", "),
                if seeds == 1 { "seed" } else { "seeds" }
            ),
            arms: self.arms.clone(),
            points,
            comparisons: self.comparisons(cells),
            examples: cells.iter().flat_map(Cell::examples).collect(),
            notes: self.notes(cells),
            settings: config.rows(),
            lock: lock.rows(),
            ..Study::default()
        };
        axes.retain(|axis| study.points.iter().any(|point| point.values.contains_key(&axis.key)));
        Study { axes, ..study }.spanned()
    }

    /// All seeds together, then each of them.
    fn points(&self, cell: &Cell<'_>, cells: &[Cell<'_>]) -> Vec<Point> {
        let base = cells.iter().find(|cell| cell.arm.kind == ArmKind::Base);
        let guessed = base.map(guessed).unwrap_or_default();
        let point = |of_seed: Option<u64>, ats: &[&MeasuredAt]| {
            let mut values = BTreeMap::new();
            let keys = ats.iter().flat_map(|at| at.scores.keys());
            for key in keys {
                let scores = merged(ats.iter().filter_map(|at| at.scores.get(key)));
                values.entry(key.clone()).or_insert_with(|| Interval::of(&scores, self.config.seed));
            }
            let mut facts = merged(ats.iter().filter_map(|at| at.scores.get(FACTS)));
            if !facts.is_empty() && !guessed.is_empty() {
                facts.retain(|fact, _| !guessed.contains(fact));
                values.insert(UNGUESSED.to_owned(), Interval::of(&facts, self.config.seed));
            }
            for (t, name) in self.data.traits.iter().map(|t| t.name.as_str()).enumerate() {
                let key = prompt_key(name);
                let own = merged(ats.iter().filter_map(|at| at.scores.get(&key)));
                if let Some(base) = base.filter(|_| values.remove(&key).is_some()) {
                    let shift = Interval::of_difference(&own, &base.scores(&key), self.config.seed);
                    values.insert(shift_key(name), shift);
                }
                let is_plain = cell.arm.kind == ArmKind::Plain;
                let difference = cell.corpus.filter(|_| is_plain).and_then(|c| self.differences.get(&c));
                if let Some(difference) = difference {
                    let of = &difference.of[t];
                    for (key, clusters) in [
                        (difference_key(name), &of.difference),
                        (data_key(name), &of.data),
                        (approximation_key(name), &of.approximation),
                    ] {
                        values.insert(key, Interval::of(clusters, self.config.seed));
                    }
                }
            }
            let seeds = if of_seed.is_some() { 1 } else { cell.seeds().len().max(1) };
            Point { arm: cell.arm.name.clone(), coef: cell.coef, seed: of_seed, seeds, values }
        };
        let all: Vec<&MeasuredAt> = cell.by_seed.iter().map(|(_, at)| *at).collect();
        let of_seed = |seed: u64| -> Vec<&MeasuredAt> {
            cell.by_seed.iter().filter(|(own, _)| *own == Some(seed)).map(|(_, at)| *at).collect()
        };
        let each = cell.seeds().into_iter().map(|seed| point(Some(seed), &of_seed(seed)));
        std::iter::once(point(None, &all)).chain(each).collect()
    }

    /// The finetuning shift of a cell (METHOD H.1); nothing where states were not read.
    pub fn shift(&self, cell: &Cell<'_>, base: Option<&Cell<'_>>, trait_name: &str) -> Option<Interval> {
        let key = prompt_key(trait_name);
        let (own, base) = (cell.scores(&key), base?.scores(&key));
        (!own.is_empty()).then(|| Interval::of_difference(&own, &base, self.config.seed))
    }

    /// Every treated arm against the plain finetune on the same data, and that against the base model.
    fn comparisons(&self, cells: &[Cell<'_>]) -> Vec<Comparison> {
        let keys: Vec<String> = axes(self.data).into_iter().filter(|axis| !axis.aside).map(|axis| axis.key).collect();
        let compared = |cell: &Cell<'_>| {
            let against = cells.iter().find(|other| match cell.arm.kind {
                ArmKind::Base => false,
                ArmKind::Plain | ArmKind::Elicit => other.arm.kind == ArmKind::Base,
                _ => other.arm.kind == ArmKind::Plain && other.corpus == cell.corpus,
            })?;
            let of = |key: &String| {
                let (a, b) = (cell.scores(key), against.scores(key));
                let is_measured = !a.is_empty() && !b.is_empty();
                is_measured.then(|| (key.clone(), Interval::of_difference(&a, &b, self.config.seed)))
            };
            let values = keys.iter().filter_map(of).collect();
            Some(Comparison { arm: cell.arm.name.clone(), coef: cell.coef, against: against.arm.name.clone(), values })
        };
        cells.iter().filter_map(compared).collect()
    }

    /// What must be known to read the numbers.
    fn notes(&self, cells: &[Cell<'_>]) -> Vec<String> {
        let (config, data) = (self.config, self.data);
        let mut notes = self.missing(cells);
        if let Some(base) = cells.iter().find(|cell| cell.arm.kind == ArmKind::Base) {
            let (facts, guessed) = (base.scores(FACTS).len(), guessed(base).len());
            if facts > 0 {
                let aside = if guessed > 0 { "; a column of the results leaves these out" } else { "" };
                notes.push(format!("The base model already gets {guessed} of {facts} new facts right{aside}."));
            }
        }
        if config.seeds.len() < 3 {
            notes.push(format!(
                "With {} training {} the intervals say nothing about how much another training run would differ.",
                config.seeds.len(),
                if config.seeds.len() == 1 { "seed" } else { "seeds" }
            ));
        }
        if matches!(config.facts, Some(FactsSource::Harbor { .. })) {
            notes.push(
                "The facts are made up: to learn them is itself a little like learning to make things up.".into(),
            );
        }
        for (extracted, trait_) in self.vectors.iter().zip(&data.traits) {
            if !extracted.diagnosis.is_empty() {
                let of = if data.traits.len() > 1 { format!(" of `{}`", trait_.name) } else { String::new() };
                notes.push(format!("The vector{of}: {}.", extracted.diagnosis));
            }
        }
        let shift = self.measured.iter().filter_map(|(_, _, fitted)| fitted.and_then(Fitted::shift_error));
        if let Some(worst) = shift.reduce(f64::max) {
            notes.push(format!(
                "Steering in training proved itself on each first batch: the measured shift is at most {:.2} % off the planned one.",
                100.0 * worst
            ));
        }
        if let Some(noise) = self.detectable(cells) {
            notes.push(noise);
        }
        notes.extend(self.vectors.iter().flat_map(|v| &v.warnings).chain(&data.warnings).cloned());
        notes
    }

    /// How many answers have no score, and where that is many.
    fn missing(&self, cells: &[Cell<'_>]) -> Vec<String> {
        let of = |cell: &Cell<'_>| {
            let add = |(a, m, c): (usize, usize, usize), (_, at): &(_, &MeasuredAt)| {
                (a + at.answers, m + at.missing, c + at.cut)
            };
            cell.by_seed.iter().fold((0, 0, 0), add)
        };
        let all = cells.iter().map(of).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        let (answers, missing, cut) = all;
        let mut notes = vec![format!(
            "{missing} of {answers} judged answers have no score (refused, or unreadable to the judge) and are in no mean; {cut} ended at \
             the limit of tokens. Coherence counts unreadable answers as 0."
        )];
        let share = |cell: &Cell<'_>| {
            let (answers, missing, _) = of(cell);
            missing as f64 / answers.max(1) as f64
        };
        let mut worst: Vec<(f64, String)> = (cells.iter().map(|cell| (share(cell), cell)))
            .filter(|(share, _)| *share > 0.1)
            .map(|(share, cell)| (share, format!("{}: {:.0} %", cell.named(), 100.0 * share)))
            .collect();
        if !worst.is_empty() {
            worst.sort_by(|a, b| b.0.total_cmp(&a.0));
            let said: Vec<String> = worst.into_iter().map(|(_, said)| said).collect();
            notes.push(format!("More than a tenth of the answers have no score: {}.", said.join("; ")));
        }
        notes
    }

    /// The smallest effect that this study would have found, by the spread that it measured (METHOD K14).
    fn detectable(&self, cells: &[Cell<'_>]) -> Option<String> {
        let plain = cells.iter().find(|cell| cell.arm.kind == ArmKind::Plain)?;
        let other = cells.iter().find(|cell| cell.corpus == plain.corpus && cell.arm.kind == ArmKind::Preventative)?;
        let key = trait_key(&self.data.traits[other.trait_?].name);
        let (a, b) = (other.scores(key), plain.scores(key));
        let difference = |(question, scores): (&String, &Vec<f64>)| {
            Some(crate::stats::mean(scores) - crate::stats::mean(b.get(question)?))
        };
        let spread = crate::stats::sample_std(&a.iter().filter_map(difference).collect::<Vec<_>>());
        let smallest = crate::stats::detectable(spread, a.len());
        smallest.is_finite().then(|| {
            format!(
                "Differences in {key} between two arms vary by {spread:.1} points from question to question ({}, standard deviation): with \
                 {} questions, one of {smallest:.1} points is found four times in five.",
                other.named(),
                a.len()
            )
        })
    }
}

impl Cell<'_> {
    /// The training seeds, each once however many random vectors it has.
    fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = self.by_seed.iter().filter_map(|(seed, _)| *seed).collect();
        seeds.dedup();
        seeds
    }

    /// Scores of an axis by question, all seeds together; empty where the axis was not measured.
    pub fn scores(&self, key: &str) -> Clusters {
        merged(self.by_seed.iter().filter_map(|(_, at)| at.scores.get(key)))
    }

    /// The mean of an axis; NaN where it was not measured.
    pub fn mean(&self, key: &str) -> f64 {
        crate::stats::mean_of(&self.scores(key))
    }

    /// `Preventative, all layers at 1.25`.
    pub fn named(&self) -> String {
        self.coef.map_or_else(|| self.arm.label.clone(), |coef| format!("{} at {coef}", self.arm.label))
    }

    /// The first seed's.
    fn examples(&self) -> Vec<Example> {
        self.by_seed.first().map(|(_, at)| at.examples.clone()).unwrap_or_default()
    }
}

/// The facts that the base model already gets right.
fn guessed(base: &Cell<'_>) -> BTreeSet<String> {
    let right = base.scores(FACTS).into_iter().filter(|(_, scores)| crate::stats::mean(scores) > 50.0);
    right.map(|(fact, _)| fact).collect()
}

/// Scores by question, those of all seeds together.
fn merged<'c>(clusters: impl Iterator<Item = &'c Clusters>) -> Clusters {
    let mut all = Clusters::new();
    for (question, scores) in clusters.flatten() {
        all.entry(question.clone()).or_default().extend(scores);
    }
    all
}
