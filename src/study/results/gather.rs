//! From the tasks' outputs to one row for each arm and coefficient.

use std::collections::BTreeMap;

use super::arms::arms;
use crate::Result;
use crate::finetune::Fitted;
use crate::record::{Hash, Lock};
use crate::report::Arm;
use crate::stats::{Clusters, Interval, mean_of};
use crate::study::config::StudyConfig;
use crate::study::dag::Task;
use crate::study::inputs::Inputs;
use crate::study::outputs::AuditFindings;
use crate::study::outputs::prompt_key;
use crate::study::outputs::{Difference, Extracted, Measured, MeasuredAt, Output};
use crate::text::Tokenizer;
use crate::vector::Layer;

/// The outcome of one arm at one coefficient: one entry for each training seed, and for each random vector if there are several.
pub struct Cell<'a> {
    pub arm: &'a Arm,
    /// The data set that it learned from.
    pub corpus: Option<usize>,
    /// The trait that it is about.
    pub trait_: Option<usize>,
    pub coef: Option<f64>,
    pub by_seed: Vec<(Option<u64>, &'a MeasuredAt)>,
}

/// Everything measured, in the order of the tables. The claims of a study are functions of it.
pub struct Results<'a> {
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
pub struct Target<'a> {
    /// Its name in tables.
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
                Output::Measured(of, fitted) => measured.push((task, of, fitted.as_deref())),
                Output::Difference(of) => {
                    differences.insert(task.of_corpus(), of);
                }
                Output::Audited(audited) => {
                    // The last task that an audit waits for is the finetune that it checks.
                    let of = &tasks[*task.after.last().expect("an audit waits for its model")];
                    let target = Target { name: &of.label, arm: &of.arm, coef: of.coef, audited: task.trait_ };
                    audits.push((target, &**audited));
                }
                Output::Rollouts(_) | Output::Selfgen | Output::Elsewhere => {}
            }
        }
        let layer = config.layer(vectors[0].file.response_avg.layers())?;
        Ok(Self { config, data, vectors, layer, measured, differences, audits, arms: arms(config, tasks, layer) })
    }

    /// Arm by arm, by ascending coefficient, by training seed.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for arm in &self.arms {
            let from = cells.len();
            for (task, measured, _) in self.measured.iter().filter(|(t, ..)| t.arm.as_ref() == Some(&arm.name)) {
                for at in &measured.at {
                    match cells[from..].iter_mut().find(|cell| cell.coef == at.coef) {
                        Some(cell) => cell.by_seed.push((task.seed, at)),
                        None => cells.push(Cell {
                            arm,
                            corpus: task.corpus,
                            trait_: task.trait_,
                            coef: at.coef,
                            by_seed: vec![(task.seed, at)],
                        }),
                    }
                }
            }
            cells[from..].sort_by(|a, b| a.coef.unwrap_or(0.0).total_cmp(&b.coef.unwrap_or(0.0)));
        }
        cells
    }

    /// What went into the numbers, by name; `lock` names the device, `model` and `judge` the model's hash and the judge.
    pub fn lock(&self, mut lock: Lock, model: &Hash, judge: &str) -> Result<Lock> {
        let (config, data) = (self.config, self.data);
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
        for (task, measured, fitted) in &self.measured {
            lock.hashes.insert(format!("answers of {}", task.name), measured.answers.clone());
            lock.hashes.extend(fitted.map(|f| (format!("adapter of {}", task.name), f.adapter.clone())));
        }
        Ok(lock)
    }

    /// The finetuning shift of a cell (Chen et al. 2025, section 4.2); `None` where states were not read.
    pub fn shift(&self, cell: &Cell<'_>, base: Option<&Cell<'_>>, trait_name: &str) -> Option<Interval> {
        let key = prompt_key(trait_name);
        let (own, base) = (cell.scores(&key), base?.scores(&key));
        (!own.is_empty()).then(|| Interval::of_difference(&own, &base, self.config.seed))
    }
}

impl Cell<'_> {
    /// The training seeds, without repetition where there are several random vectors.
    pub fn seeds(&self) -> Vec<u64> {
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
        mean_of(&self.scores(key))
    }

    /// `Preventative, all layers at 1.25`.
    pub fn named(&self) -> String {
        self.coef.map_or_else(|| self.arm.label.clone(), |coef| format!("{} at {coef}", self.arm.label))
    }
}

/// Scores by question, those of all given cells together.
pub fn merged<'c>(clusters: impl Iterator<Item = &'c Clusters>) -> Clusters {
    let mut all = Clusters::new();
    for (question, scores) in clusters.flatten() {
        all.entry(question.clone()).or_default().extend(scores);
    }
    all
}
