//! The stages of a study in a run folder. Each is keyed by the hash of what it depends on: a second run reads it back, a killed
//! one goes on, and a changed setting redoes only what hangs on it.

use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arms::{Piece, Work};
use super::config::StudyConfig;
use super::data::Data;
use super::queue::Done;
use super::{FitOutcome, Lab, SubjectSpec};
use crate::judge::Judge;
use crate::persona::{
    self, Answers, Inquiry, Recipe, Side, States, extract_captured, judge_rows, read_rows, write_rows,
};
use crate::record::{Hash, Reused, RunDir, hash_file, seed_of};
use crate::report::Example;
use crate::stats::Clusters;
use crate::steering::{Plan, Positions};
use crate::subject::{Sampling, Subject};
use crate::vector::{IncBase, Layer, VectorFile};
use crate::{At, Result, ensure};

/// Raised when the same inputs come to give other results; every stored stage is worked out again then.
const VERSION: u32 = 2;

/// Calls a judge; each piece of work that runs beside others calls its own.
pub type Judges<'a> = dyn Fn() -> Result<Box<dyn Judge + 'a>> + Sync + 'a;

/// Hears what a study is doing, from several threads.
pub type Tell<'a> = dyn Fn(&Event<'_>) + Sync + 'a;

/// What a study tells while it works.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The pieces of work to come; later events name them by their place.
    Planned(&'a [Piece]),
    /// A piece is under way.
    Progress {
        /// Its place.
        piece: usize,
        /// What it is doing.
        phase: Phase,
        /// How far that is, 0 to 1.
        done: f64,
        /// Loss of the step just taken, nats, while it trains.
        loss: Option<f64>,
    },
    /// A piece is finished.
    Finished {
        /// Its place.
        piece: usize,
        /// Whether all of it was read from the folder.
        reused: bool,
    },
}

/// What a piece of work is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asking under both kinds of system prompts.
    Rollouts,
    /// Reading the residual stream.
    States,
    /// Finetuning.
    Training,
    /// Asking for the trait.
    Trait,
    /// Asking for the new facts.
    Facts,
    /// Taking the exam.
    Exam,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rollouts => "rollouts",
            Self::States => "reading states",
            Self::Training => "training",
            Self::Trait => "trait questions",
            Self::Facts => "new facts",
            Self::Exam => "multiple choice",
        })
    }
}

/// What a piece of work came to.
#[derive(Debug)]
pub(super) enum Output {
    /// Judged answers, by the hash of their file.
    Rollouts(Hash),
    /// The persona vector.
    Vector(Box<Extracted>),
    /// The three axes, and the finetune that they are of.
    Measured(Measured, Option<Fitted>),
}

/// A vector and how it was come by.
#[derive(Debug)]
pub(super) struct Extracted {
    /// The vectors.
    pub file: VectorFile,
    /// Which answers went in, in words; empty for a vector from elsewhere.
    pub diagnosis: String,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// A finished finetune.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fitted {
    /// What came of it.
    pub outcome: FitOutcome,
    /// Loss of the last step, nats.
    pub loss: Option<f64>,
    /// By how much the measured shift of the first batch was off the planned one, at the worst layer and relative to it.
    pub shift_error: Option<f64>,
    /// Hash of the adapter's folder.
    pub adapter: Hash,
}

/// What was measured of one model, at each of its coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Hash of the file with all judged answers.
    pub answers: Hash,
    /// One for each coefficient, or one without.
    pub at: Vec<MeasuredAt>,
}

/// The three axes by question, and coherence beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MeasuredAt {
    /// As people write it: strengths of inference-time steering are positive.
    pub coef: Option<f64>,
    pub trait_: Clusters,
    pub coherence: Clusters,
    pub facts: Clusters,
    pub exam: Clusters,
    /// Judged answers.
    pub answers: usize,
    /// Of these, without a score.
    pub missing: usize,
    /// Of these, ended by the limit of tokens.
    pub cut: usize,
    pub examples: Vec<Example>,
}

/// Why a plan is what it is; the part of a key that stands for it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PlanKey<'a> {
    pub what: &'a str,
    pub vector: &'a str,
    pub base: IncBase,
    pub layer: Option<Layer>,
    pub seed: Option<u64>,
    pub coefs: &'a [f64],
}

/// A study at work.
pub(super) struct Pipeline<'a> {
    pub config: &'a StudyConfig,
    pub data: &'a Data,
    pub run: &'a RunDir,
    pub lab: &'a dyn Lab,
    pub judges: &'a Judges<'a>,
    pub tell: &'a Tell<'a>,
    pub pieces: &'a [Piece],
    /// The hash by which vectors know their model again.
    pub fingerprint: String,
    /// Hash of all that decides what the model says.
    pub model: Hash,
    /// The judge's name.
    pub judge: String,
}

impl Pipeline<'_> {
    /// Does one piece of work, with its share of the machine.
    pub fn work(&self, piece: usize, done: &Done<Output>) -> Result<Output> {
        let mut result = None;
        self.lab.alone(&mut || {
            let worked = self.work_on(piece, done).map_err(|e| e.at(&self.pieces[piece].name));
            result = Some(worked);
        });
        let (output, reused) = result.expect("the lab does the work that it is given")?;
        (self.tell)(&Event::Finished { piece, reused });
        Ok(output)
    }

    fn work_on(&self, i: usize, done: &Done<Output>) -> Result<(Output, bool)> {
        let piece = &self.pieces[i];
        let vector = || {
            piece.after.iter().find_map(|&j| match done.of(j) {
                Output::Vector(vector) => Some(&vector.file),
                _ => None,
            })
        };
        match piece.work {
            Work::Rollouts(positive) => {
                let (hash, reused) = self.rollouts(i, if positive { Side::Pos } else { Side::Neg })?;
                Ok((Output::Rollouts(hash), reused.is_yes()))
            }
            Work::Vector => {
                let hashes = piece.after.iter().filter_map(|&j| match done.of(j) {
                    Output::Rollouts(hash) => Some(hash.clone()),
                    _ => None,
                });
                let (extracted, reused) = self.vector(i, &hashes.collect::<Vec<_>>())?;
                Ok((Output::Vector(Box::new(extracted)), reused))
            }
            Work::Base => {
                let (measured, reused) = self.measure(i, None, &Plan::none(), None)?;
                Ok((Output::Measured(measured, None), reused.is_yes()))
            }
            Work::Elicit => {
                let vector = vector().expect("steering waits for the vector");
                let (plan, key) = self.sweep(vector, &self.config.arms.elicit, 1.0);
                let (measured, reused) = self.measure(i, None, &plan, Some((key, 1.0)))?;
                Ok((Output::Measured(measured, None), reused.is_yes()))
            }
            Work::Inference => {
                let adapter = piece.after.iter().find_map(|&j| match done.of(j) {
                    Output::Measured(_, Some(fitted)) => Some((self.adapter(j), &fitted.adapter)),
                    _ => None,
                });
                let vector = vector().expect("steering waits for the vector");
                let (plan, key) = self.sweep(vector, &self.config.arms.inference, -1.0);
                let adapter = adapter.expect("inference-time steering waits for the plain finetune");
                let (measured, reused) = self.measure(i, Some((&adapter.0, adapter.1)), &plan, Some((key, -1.0)))?;
                Ok((Output::Measured(measured, None), reused.is_yes()))
            }
            Work::Finetune(treatment) => {
                let (fitted, fit_reused) = self.finetune(i, treatment, vector())?;
                let adapter = self.adapter(i);
                let (measured, reused) = self.measure(i, Some((&adapter, &fitted.adapter)), &Plan::none(), None)?;
                Ok((Output::Measured(measured, Some(fitted)), fit_reused.is_yes() && reused.is_yes()))
            }
        }
    }

    pub(super) fn progress(&self, piece: usize, phase: Phase, done: usize, of: usize) {
        let done = if of == 0 { 1.0 } else { done as f64 / of as f64 };
        (self.tell)(&Event::Progress { piece, phase, done, loss: None });
    }

    /// A key that holds for this model on this device and for this version of the code.
    pub(super) fn key(&self, of: &impl Serialize) -> Hash {
        Hash::of(&(VERSION, self.lab.device(), &self.model, of))
    }

    pub(super) fn judge_key(&self) -> impl Serialize {
        (self.judge.clone(), self.config.judge.identity(), self.data.trait_.eval.eval_prompt.clone())
    }

    pub(super) fn subject(&self, adapter: Option<PathBuf>, plan: Plan) -> Result<Box<dyn Subject>> {
        self.lab.subject(&SubjectSpec { model: self.config.model.clone(), adapter, plan })
    }

    // ------------------------------------------------------------------------------------------------------- the vector

    fn rollouts(&self, piece: usize, side: Side) -> Result<(Hash, Reused)> {
        let (trait_, settings) = (&self.data.trait_, &self.config.vector);
        let sampling = Sampling {
            temperature: settings.temperature,
            rollouts: settings.rollouts,
            seed: seed_of(self.config.seed, "rollouts"),
            ..Sampling::greedy(settings.max_new_tokens)
        };
        let inquiry = Inquiry::new(&trait_.name, &trait_.extract, side, &sampling);
        let work = self.key(&("answers", side, &trait_.name, &trait_.extract, &sampling));
        let key = Hash::of(&("rollouts", &work, self.judge_key()));
        let path = self.rows_file(side);
        let holds = |hash: &Hash| self.states(side).is_ok() && hash_file(&path).is_ok_and(|now| now == *hash);
        self.run.stage_if(&self.pieces[piece].name, &key, holds, || {
            let mut subject = self.subject(None, Plan::none())?;
            let mut answers = Answers::open(&self.run.file("vector/answers"), &inquiry, &work, subject.shape())?;
            answers.ask(&mut *subject, &inquiry, &mut |n| {
                self.progress(piece, Phase::Rollouts, n, inquiry.answers());
                ControlFlow::Continue(())
            })?;
            let mut rows = answers.rows()?;
            judge_rows(&mut *(self.judges)()?, &trait_.name, &mut rows)?;
            write_rows(&path, &trait_.name, &rows)?;
            hash_file(&path)
        })
    }

    fn states(&self, side: Side) -> Result<States> {
        States::open(&Answers::files(&self.run.file("vector/answers"), side)[1])
    }

    fn rows_file(&self, side: Side) -> PathBuf {
        self.run.file(format!("vector/{}.jsonl", side.key()))
    }

    /// The vector of the run, extracted or given.
    fn vector(&self, piece: usize, rollouts: &[Hash]) -> Result<(Extracted, bool)> {
        let trait_ = &self.data.trait_.name;
        if let Some(path) = &self.config.vector.file {
            let (file, mut warnings) = VectorFile::read(path)?;
            // Kept, so that a second run need not load the model to learn its shape.
            let shape = || Ok(self.subject(None, Plan::none())?.shape());
            let (layers, hidden) = self.run.stage("shape", &self.key(&"shape"), shape)?.0;
            warnings.extend(file.check(layers, hidden, &self.fingerprint)?);
            return Ok((Extracted { file, diagnosis: String::new(), warnings }, true));
        }
        let mut recipe = Recipe::new(trait_, &self.config.model.display().to_string(), &self.fingerprint);
        recipe.filter = self.config.vector.filter;
        let path = self.run.file(format!("vector/{trait_}.safetensors"));
        let key = self.key(&("vector", rollouts, recipe.filter, recipe.border, recipe.response_window));
        let holds = |(fingerprint, ..): &(String, String, Vec<String>)| {
            VectorFile::read(&path).is_ok_and(|(file, _)| file.fingerprint == *fingerprint)
        };
        let ((_, diagnosis, warnings), reused) = self.run.stage_if(&self.pieces[piece].name, &key, holds, || {
            let [pos, neg] = [Side::Pos, Side::Neg].map(|side| read_rows(&self.rows_file(side), trait_));
            let states = [self.states(Side::Pos)?, self.states(Side::Neg)?];
            let mut told = |n, of| self.progress(piece, Phase::States, n, of);
            let made = extract_captured(&states, &pos?, &neg?, &recipe, &mut told)?;
            made.file.write(&path)?;
            Ok((made.file.fingerprint, made.diagnosis.to_string(), made.diagnosis.warnings))
        })?;
        let (file, more) = VectorFile::read(&path)?;
        let warnings = warnings.into_iter().chain(more).collect();
        Ok((Extracted { file, diagnosis, warnings }, reused.is_yes()))
    }

    /// All layers by increments while the model answers; rows of the batch carry the coefficients.
    fn sweep<'k>(&self, vector: &'k VectorFile, strengths: &'k [f64], sign: f64) -> (Plan, PlanKey<'k>) {
        let base = self.config.vector.base;
        let first = strengths.first().map_or(0.0, |s| sign * s);
        let plan = Plan::incremental(&vector.response_avg, base, first as f32, Positions::Response);
        let what = "all layers, response";
        (plan, PlanKey { what, vector: &vector.fingerprint, base, layer: None, seed: None, coefs: strengths })
    }
}

/// Key of the facts' axis.
pub(super) const FACTS: &str = "facts";

/// Key of the trait's axis: `hallucination` for `hallucinating`.
pub(super) fn axis_key(trait_name: &str) -> &str {
    persona::dataset_of(trait_name)
}

/// The hash of a folder's files, by name and contents; hidden files and subfolders are passed over.
pub(super) fn hash_folder(folder: &Path) -> Result<Hash> {
    let mut hashes = Vec::new();
    for (name, path) in files(folder)? {
        hashes.push((name, hash_file(&path)?));
    }
    ensure!(!hashes.is_empty(), "{}: an empty folder", folder.display());
    Ok(Hash::of(&hashes))
}

fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && !name.starts_with('.') {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

/// Hash of all that decides what a model says: the fingerprint of its weights, and the files beside them. Hashing every byte of a
/// large model would take a minute.
pub(super) fn model_hash(fingerprint: &str, folder: &Path) -> Result<Hash> {
    let of_model = |name: &str| [".json", ".jinja", ".txt"].iter().any(|end| name.ends_with(end));
    let mut hashes = Vec::new();
    for (name, path) in files(folder)?.into_iter().filter(|(name, _)| of_model(name)) {
        hashes.push((name, hash_file(&path)?));
    }
    Ok(Hash::of(&(fingerprint, hashes)))
}
