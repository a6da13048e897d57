//! The stages of a study in a run folder. Each is keyed by the hash of what it depends on: a second run reads it back, a killed
//! one goes on, and a changed setting redoes only what hangs on it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arms::{Treatment, Work};
use super::audit::Audited;
use super::config::StudyConfig;
use super::controls::Grounds;
use super::costs::Costs;
use super::data::Data;
use super::pieces::Piece;
use super::queue::Done;
use crate::judge::Judge;
use crate::language_model::LanguageModel;
use crate::persona::Side;
use crate::record::{Hash, Reused, RunDir, hash_file};
use crate::report::Example;
use crate::runtime::{FitOutcome, ModelSpec, Runtime, device_kind};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::train::ProbeMetrics;
use crate::vector::{IncBase, VectorFile};
use crate::{At, Result, ensure};

/// Raised when the same inputs come to give other results; every stored stage is worked out again then.
const VERSION: u32 = 3;

/// Texts read at once.
pub(super) const CHUNK: usize = 16;

/// Answers that score above this show a trait.
pub(super) const SHOWS: f64 = 50.0;

/// Which judge is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// The study's own, who scores everything.
    First,
    /// The one whom an audit asks again.
    Second,
}

/// Calls a judge; each piece of work that runs beside others calls its own.
pub type Judges<'a> = dyn Fn(Opinion) -> Result<Box<dyn Judge + 'a>> + Sync + 'a;

/// Hears what a study is doing, from several threads.
pub type Tell<'a> = dyn Fn(&Event<'_>) + Sync + 'a;

/// What a study tells while it works.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The pieces of work to come, which later events name by their place, and what they take.
    Planned(&'a [Piece], &'a Costs),
    /// The pieces of the study, and the places of those that this process does.
    Share(&'a [Piece], &'a [usize]),
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
        /// Steps taken and to take, while it trains.
        steps: Option<(usize, usize)>,
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
    /// Answering the prompts of a data set.
    Own,
    /// Answering neutral prompts.
    Neutral,
    /// Hearing a second judge.
    Second,
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
            Self::Own => "own answers",
            Self::Neutral => "neutral prompts",
            Self::Second => "second judge",
        })
    }
}

/// What a piece of work came to.
#[derive(Debug)]
pub(super) enum Output {
    /// Judged answers, by the hash of their file.
    Rollouts(Hash),
    /// The persona vector of the piece's trait.
    Vector(Box<Extracted>),
    /// The base model's own answers lie in their file.
    Own,
    /// The projection difference of a data set.
    Difference(Difference),
    /// Other processes do it, and nobody here asks.
    Elsewhere,
    /// What checks of a model found.
    Audited(Box<Audited>),
    /// The axes, and the finetune that they are of.
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
    /// What was watched while it learned.
    #[serde(default)]
    pub watched: ProbeMetrics,
}

/// What was measured of one model, at each of its coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Hash of the file with all judged answers.
    pub answers: Hash,
    /// One for each coefficient, or one without.
    pub at: Vec<MeasuredAt>,
}

/// Every axis by question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MeasuredAt {
    /// As people write it: strengths of inference-time steering are positive.
    pub coef: Option<f64>,
    /// By the key of the axis ([`axes`](super::axes)).
    pub scores: BTreeMap<String, Clusters>,
    /// Projection and score of single answers, by trait; empty for steered ones.
    #[serde(default)]
    pub pairs: BTreeMap<String, Vec<(f64, f64)>>,
    /// Judged answers.
    pub answers: usize,
    /// Of these, without a score.
    pub missing: usize,
    /// Of these, ended by the limit of tokens.
    pub cut: usize,
    pub examples: Vec<Example>,
}

/// Why a sweep's plan is what it is; the part of a key that stands for it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PlanKey<'a> {
    pub what: &'a str,
    pub vector: &'a str,
    pub base: IncBase,
    pub coefs: &'a [f64],
}

/// How far unsteered answers lie along the vectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Along {
    /// By the key of the axis, by question.
    pub scores: BTreeMap<String, Clusters>,
    /// Of each trait, by its key: projection and score of every answer that has both.
    pub pairs: BTreeMap<String, Vec<(f64, f64)>>,
}

/// How far the answers of a data set lie along each trait's vector, all read by the base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Difference {
    /// Of each trait.
    pub of: Vec<Foretold>,
}

/// What a data set foretells of one trait, by conversation (METHOD H.2 to H.4).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Foretold {
    /// The answers of the data set: their projection.
    pub data: Clusters,
    /// The base model's own answers to the same prompts.
    pub own: Clusters,
    /// The first less the second: the projection difference.
    pub difference: Clusters,
    /// The first less the projection of the prompt's last token, for which nothing must be answered.
    pub approximation: Clusters,
}

/// A study at work.
pub(super) struct Pipeline<'a> {
    pub config: &'a StudyConfig,
    pub data: &'a Data,
    pub run: &'a RunDir,
    pub runtime: &'a dyn Runtime,
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
        self.runtime.alone(&mut || {
            let worked = self.work_on(piece, done).map_err(|e| e.at(&self.pieces[piece].name));
            result = Some(worked);
        });
        let (output, reused) = result.expect("the runtime does the work that it is given")?;
        (self.tell)(&Event::Finished { piece, reused });
        Ok(output)
    }

    fn work_on(&self, i: usize, done: &Done<Output>) -> Result<(Output, bool)> {
        let piece = &self.pieces[i];
        let vectors = self.vectors(piece, done);
        let own_vector = || {
            let at = piece.trait_.expect("steering is along a trait");
            vectors.iter().find(|(t, _)| *t == at).map(|(_, file)| *file).expect("steering waits for the vector")
        };
        let measured = |(measured, reused): (Measured, Reused)| (Output::Measured(measured, None), reused.is_yes());
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
            Work::Selfgen => {
                let reused = self.own_answers(i)?;
                Ok((Output::Own, reused.is_yes()))
            }
            Work::Difference => {
                let (difference, reused) = self.difference(i, &vectors, done)?;
                Ok((Output::Difference(difference), reused.is_yes()))
            }
            Work::Base => self.unsteered(i, &vectors, None),
            Work::Audit => {
                let (audited, reused) = self.audit(i, &vectors, finetune_before(piece, done))?;
                Ok((Output::Audited(Box::new(audited)), reused))
            }
            Work::Elicit => {
                let (plan, key) = self.sweep(own_vector(), &self.config.arms.elicit, 1.0);
                self.measure(i, None, &plan, Some((key, 1.0))).map(measured)
            }
            Work::Inference => {
                let adapter = finetune_before(piece, done).map(|(j, hash)| (self.adapter(j), hash));
                let (plan, key) = self.sweep(own_vector(), &self.config.arms.inference, -1.0);
                let adapter = adapter.expect("inference-time steering waits for the plain finetune");
                self.measure(i, Some((&adapter.0, adapter.1)), &plan, Some((key, -1.0))).map(measured)
            }
            Work::Finetune(treatment) => {
                let stand_in = match treatment {
                    Treatment::Control(control, _) => {
                        let next = |(t, _): &&(usize, &VectorFile)| {
                            Some(*t) == piece.trait_.map(|own| (own + 1) % self.data.traits.len())
                        };
                        let next = vectors.iter().find(next).map(|(_, file)| *file);
                        let from = Grounds { own: own_vector(), next, plain: finetune_before(piece, done) };
                        self.stand_in(i, control, &from)?
                    }
                    _ => None,
                };
                let (fitted, fit_reused) =
                    self.finetune(i, treatment, &vectors, stand_in.as_ref(), self.taught(piece, done)?)?;
                let (output, reused) = self.unsteered(i, &vectors, Some(fitted))?;
                Ok((output, fit_reused.is_yes() && reused))
            }
        }
    }

    /// The axes of a model without steering, those along the vectors too.
    fn unsteered(&self, i: usize, vectors: &[(usize, &VectorFile)], fitted: Option<Fitted>) -> Result<(Output, bool)> {
        let folder = self.adapter(i);
        let adapter = fitted.as_ref().map(|fitted| (folder.as_path(), &fitted.adapter));
        let (mut measured, reused) = self.measure(i, adapter, &SteeringPlan::none(), None)?;
        let (along, still) = self.project(i, vectors, adapter.map(|(path, _)| path), &measured)?;
        for at in &mut measured.at {
            at.scores.extend(along.scores.clone());
            at.pairs = along.pairs.clone();
        }
        Ok((Output::Measured(measured, fitted), reused.is_yes() && still.is_yes()))
    }

    /// The vectors that a piece has waited for, with the places of their traits.
    fn vectors<'d>(&self, piece: &Piece, done: &'d Done<Output>) -> Vec<(usize, &'d VectorFile)> {
        let vector = |&j: &usize| match done.of(j) {
            Output::Vector(extracted) => self.pieces[j].trait_.map(|t| (t, &extracted.file)),
            _ => None,
        };
        piece.after.iter().filter_map(vector).collect()
    }

    pub(super) fn progress(&self, piece: usize, phase: Phase, done: usize, of: usize) {
        let done = if of == 0 { 1.0 } else { done as f64 / of as f64 };
        (self.tell)(&Event::Progress { piece, phase, done, loss: None, steps: None });
    }

    /// A key that holds for this model on devices of this kind and for this version of the code.
    pub(super) fn key(&self, of: &impl Serialize) -> Hash {
        Hash::of(&(VERSION, device_kind(&self.runtime.device()), &self.model, of))
    }

    /// All that decides verdicts on these traits.
    pub(super) fn judge_key(&self, traits: &[usize]) -> Hash {
        let rubrics: Vec<String> = traits.iter().map(|&t| self.data.traits[t].eval.eval_prompt.clone()).collect();
        Hash::of(&(&self.judge, self.config.judge.identity(), rubrics))
    }

    pub(super) fn language_model(
        &self,
        adapter: Option<PathBuf>,
        plan: SteeringPlan,
    ) -> Result<Box<dyn LanguageModel>> {
        self.runtime.language_model(&ModelSpec { model: self.config.model.clone(), adapter, plan })
    }
}

/// Place and adapter's hash of the finetune that a piece has waited for.
fn finetune_before<'d>(piece: &Piece, done: &'d Done<Output>) -> Option<(usize, &'d Hash)> {
    piece.after.iter().find_map(|&j| match done.of(j) {
        Output::Measured(_, Some(fitted)) => Some((j, &fitted.adapter)),
        _ => None,
    })
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
