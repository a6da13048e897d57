//! The stages of a study in a run folder. Each is keyed by the hash of what it depends on: a second run reads it back, a killed
//! one goes on, and a changed setting redoes only what hangs on it.

use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::arms::{Piece, Treatment, Work, single_layer, training_plan};
use super::config::StudyConfig;
use super::data::Data;
use super::queue::Done;
use super::{FitOutcome, FitSpec, Lab, Start, SubjectSpec};
use crate::eval::{self, RIGHT, Row, Task};
use crate::judge::{Judge, Rubric};
use crate::persona::{self, Recipe, Side, extract, judge_rows, read_rows, roll_out, write_rows};
use crate::record::{Hash, JsonlWriter, Reused, RunDir, create_folder, hash_file, seed_of, write_atomic_with};
use crate::report::Example;
use crate::stats::Clusters;
use crate::steering::{Plan, Positions};
use crate::subject::Sampling;
use crate::text::{Lesson, Tokenizer};
use crate::train::{Event as FitEvent, FitSettings, StepReport};
use crate::vector::{IncBase, Layer, VectorFile};
use crate::{At, Result, ensure};

/// Raised when the same inputs come to give other results; every stored stage is worked out again then.
const VERSION: u32 = 1;

/// Calls a judge; each piece of work that runs beside others calls its own.
pub type Judges<'a> = dyn Fn() -> Result<Box<dyn Judge>> + Sync + 'a;

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
struct PlanKey<'a> {
    what: &'a str,
    vector: &'a str,
    base: IncBase,
    layer: Option<Layer>,
    seed: Option<u64>,
    coefs: &'a [f64],
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
    /// The model's hash.
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

    fn progress(&self, piece: usize, phase: Phase, done: usize, of: usize) {
        let done = if of == 0 { 1.0 } else { done as f64 / of as f64 };
        (self.tell)(&Event::Progress { piece, phase, done, loss: None });
    }

    /// A key that holds for this model on this device and for this version of the code.
    fn key(&self, of: &impl Serialize) -> Hash {
        Hash::of(&(VERSION, self.lab.device(), &self.model, of))
    }

    fn judge_key(&self) -> impl Serialize {
        (self.judge.clone(), self.config.judge.clone(), self.data.trait_.eval.eval_prompt.clone())
    }

    fn subject(&self, adapter: Option<PathBuf>, plan: Plan) -> Result<Box<dyn crate::subject::Subject>> {
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
        let key = self.key(&("rollouts", side, &trait_.name, &trait_.extract, &sampling, self.judge_key()));
        let path = self.rows_file(side);
        let holds = |hash: &Hash| hash_file(&path).is_ok_and(|now| now == *hash);
        self.run.stage_if(&self.pieces[piece].name, &key, holds, || {
            let mut subject = self.subject(None, Plan::none())?;
            let total = trait_.extract.questions.len() * trait_.extract.instruction.len() * sampling.rollouts;
            let mut told = |n: usize| self.progress(piece, Phase::Rollouts, n, total);
            let mut rows = roll_out(&mut *subject, &trait_.name, &trait_.extract, (side, None), &sampling, &mut told)?;
            judge_rows(&mut *(self.judges)()?, &trait_.name, &mut rows)?;
            create_folder(&self.run.file("vector"))?;
            write_rows(&path, &trait_.name, &rows)?;
            hash_file(&path)
        })
    }

    fn rows_file(&self, side: Side) -> PathBuf {
        self.run.file(format!("vector/{}.jsonl", side.key()))
    }

    /// The vector of the run, extracted or given.
    fn vector(&self, piece: usize, rollouts: &[Hash]) -> Result<(Extracted, bool)> {
        let trait_ = &self.data.trait_.name;
        if let Some(path) = &self.config.vector.file {
            let (file, mut warnings) = VectorFile::read(path)?;
            let (layers, hidden) = self.subject(None, Plan::none())?.shape();
            warnings.extend(file.check(layers, hidden, self.model.as_str())?);
            return Ok((Extracted { file, diagnosis: String::new(), warnings }, true));
        }
        let mut recipe = Recipe::new(trait_, &self.config.model.display().to_string(), self.model.as_str());
        recipe.filter = self.config.vector.filter;
        let path = self.run.file(format!("vector/{trait_}.safetensors"));
        let key = self.key(&("vector", rollouts, recipe.filter, recipe.border, recipe.response_window));
        let holds = |(fingerprint, ..): &(String, String, Vec<String>)| {
            VectorFile::read(&path).is_ok_and(|(file, _)| file.fingerprint == *fingerprint)
        };
        let ((_, diagnosis, warnings), reused) = self.run.stage_if(&self.pieces[piece].name, &key, holds, || {
            let [pos, neg] = [Side::Pos, Side::Neg].map(|side| read_rows(&self.rows_file(side), trait_));
            let mut subject = self.subject(None, Plan::none())?;
            let mut told = |n, of| self.progress(piece, Phase::States, n, of);
            let made = extract(&mut *subject, &pos?, &neg?, &recipe, &mut told)?;
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

    // --------------------------------------------------------------------------------------------------------- finetunes

    fn fit_folder(&self, piece: usize) -> PathBuf {
        self.run.file("fits").join(&self.pieces[piece].name)
    }

    fn adapter(&self, piece: usize) -> PathBuf {
        self.fit_folder(piece).join("adapter")
    }

    fn finetune(&self, i: usize, treatment: Treatment, vector: Option<&VectorFile>) -> Result<(Fitted, Reused)> {
        let piece = &self.pieces[i];
        let seed = piece.seed.expect("a finetune has a training seed");
        let chats = match treatment {
            Treatment::Prompting => self.data.inoculated(seed_of(seed, "inoculation")),
            _ => self.data.chats(),
        };
        let base = self.config.vector.base;
        let random_seed = seed_of(seed_of(self.config.seed, "random vectors"), &format!("training seed {seed}"));
        let (plan, plan_key) = match treatment {
            Treatment::Plain | Treatment::Prompting => (Plan::none(), None),
            Treatment::AllLayers(_) | Treatment::OneLayer(_) | Treatment::Random(_) => {
                let file = vector.expect("steering waits for the vector");
                let layer = single_layer(self.config, file.response_avg.layers())?;
                let (what, of_layer, of_seed) = match treatment {
                    Treatment::OneLayer(_) => ("one layer, training", Some(layer), None),
                    Treatment::Random(_) => ("random, training", None, Some(random_seed)),
                    _ => ("all layers, training", None, None),
                };
                let coefs = piece.coef.as_slice();
                let key = PlanKey { what, vector: &file.fingerprint, base, layer: of_layer, seed: of_seed, coefs };
                (training_plan(treatment, &file.response_avg, base, layer, random_seed), Some(key))
            }
        };
        let settings = FitSettings { seed, ..self.config.train.clone() };
        // How often it is saved does not change where it ends.
        let decisive = FitSettings { save_steps: None, ..settings.clone() };
        let (rules, shape) = (&self.config.lessons, &self.config.adapter);
        let key = self.key(&("fit", Hash::of(&chats), rules, shape, decisive, plan_key));
        let (folder, adapter) = (self.fit_folder(i), self.adapter(i));
        let holds = |fitted: &Fitted| hash_folder(&adapter).is_ok_and(|now| now == fitted.adapter);
        self.run.stage_if(&format!("fit-{}", piece.name), &key, holds, || {
            let tokenizer = Tokenizer::load(&self.config.model)?;
            let lessons: Vec<Lesson> = chats
                .iter()
                .zip(&self.data.lessons)
                .map(|(chat, of)| {
                    let place = format!("fact `{}`, variant {}", of.fact_id, of.variant);
                    tokenizer.lesson(chat, rules).map_err(|e| e.at(place))
                })
                .collect::<Result<_>>()?;
            create_folder(&folder)?;
            if adapter.exists() {
                // What an earlier run left must not mix with what comes.
                fs::remove_dir_all(&adapter).at(&adapter)?;
            }
            // Named by the key: a checkpoint of other settings is no beginning for this run.
            let checkpoint = folder.join(format!("checkpoint-{}.safetensors", key.short()));
            let spec = FitSpec {
                model: self.config.model.clone(),
                start: Start::Adapter(shape.config(), seed_of(seed, "adapter")),
                lessons: &lessons,
                holdout: &[],
                settings: settings.clone(),
                plan,
                checkpoint: Some(checkpoint.clone()),
                out: adapter.clone(),
            };
            let mut diary = Diary::new(folder.join("metrics.jsonl"));
            let outcome = self.lab.fit(&spec, &mut |event| {
                if let FitEvent::Step(report, of, _) = event {
                    let done = report.step as f64 / *of as f64;
                    let (phase, loss) = (Phase::Training, Some(report.loss));
                    (self.tell)(&Event::Progress { piece: i, phase, done, loss });
                }
                diary.hear(event)
            })?;
            if let Some(e) = diary.failure {
                return Err(e);
            }
            ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
            let _ = fs::remove_file(&checkpoint);
            let adapter = hash_folder(&adapter)?;
            Ok(Fitted { outcome, loss: diary.loss, shift_error: diary.shift_error, adapter })
        })
    }

    // -------------------------------------------------------------------------------------------------------- measuring

    /// The three axes of a model, at every coefficient of a sweep or without steering. `sweep` is the plan's key and the sign with
    /// which its strengths become coefficients.
    fn measure(
        &self,
        i: usize,
        adapter: Option<(&Path, &Hash)>,
        plan: &Plan,
        sweep: Option<(PlanKey<'_>, f64)>,
    ) -> Result<(Measured, Reused)> {
        let piece = &self.pieces[i];
        let tasks = self.tasks(piece.seed);
        let (name, measure) = (&self.data.trait_.name, &self.config.measure);
        let asked = tasks.iter().map(|(_, task)| {
            let samples: Vec<_> = task.samples.iter().map(|s| (&s.question_id, &s.messages, &s.reference)).collect();
            (task.name.as_str(), Hash::of(&samples))
        });
        let asked: Vec<_> = asked.collect();
        let seed = answer_seed(self.config, piece.seed);
        let adapter_hash = adapter.map(|(_, hash)| hash);
        let steered = sweep.as_ref().map(|(key, sign)| (key, sign));
        let key = self.key(&("measure", asked, measure, seed, name, adapter_hash, steered, self.judge_key()));
        let strengths: &[f64] = sweep.as_ref().map_or(&[], |(key, _)| key.coefs);
        let sign = sweep.as_ref().map_or(1.0, |(_, sign)| *sign);
        let path = self.run.file(format!("answers/{}.jsonl", piece.name));
        let holds = |measured: &Measured| hash_file(&path).is_ok_and(|now| now == measured.answers);
        self.run.stage_if(&format!("measure-{}", piece.name), &key, holds, || {
            let mut subject = self.subject(adapter.map(|(path, _)| path.to_owned()), plan.clone())?;
            let mut judge = (self.judges)()?;
            let coefs: Vec<f32> = strengths.iter().map(|s| (sign * s) as f32).collect();
            let mut rows = Vec::new();
            for (phase, task) in &tasks {
                let mut told = |n, of| self.progress(i, *phase, n, of);
                rows.extend(eval::run(task, &mut *subject, &mut *judge, &coefs, &mut told)?);
            }
            create_folder(&self.run.file("answers"))?;
            write_atomic_with(&path, |out| {
                rows.iter().try_for_each(|row| {
                    serde_json::to_writer(&mut *out, row)?;
                    out.write_all(b"\n")
                })
            })?;
            let at = |coef: Option<f64>| {
                let signed = coef.map(|c| (sign * c) as f32);
                let of: Vec<&Row> = rows.iter().filter(|row| row.coef == signed).collect();
                self.measured_at(piece, coef, &of)
            };
            let at = match strengths {
                [] => vec![at(None)],
                strengths => strengths.iter().map(|&s| at(Some(s))).collect(),
            };
            Ok(Measured { answers: hash_file(&path)?, at })
        })
    }

    fn tasks(&self, seed: Option<u64>) -> [(Phase, Task); 3] {
        let (data, measure) = (self.data, &self.config.measure);
        let (system, seed) = (measure.system.as_deref(), answer_seed(self.config, seed));
        let sampling = |temperature, rollouts, max| Sampling { temperature, rollouts, seed, ..Sampling::greedy(max) };
        let of_trait = sampling(measure.trait_temperature, measure.trait_rollouts, measure.trait_max_new_tokens);
        let of_facts = sampling(measure.fact_temperature, measure.fact_rollouts, measure.fact_max_new_tokens);
        [
            (Phase::Trait, eval::traits::task(&data.trait_.name, &data.trait_.eval.questions, system, &of_trait)),
            (Phase::Facts, eval::facts::task(&data.questions, system, &of_facts)),
            (Phase::Exam, eval::mmlu::task(&data.exam, system, self.config.measure.exam_form)),
        ]
    }

    fn measured_at(&self, piece: &Piece, coef: Option<f64>, rows: &[&Row]) -> MeasuredAt {
        let (trait_, coherence, fact) = (&self.data.trait_.name, Rubric::Coherence, Rubric::Fact);
        let of = |task: &str, key: &str| eval::clusters(rows.iter().copied().filter(|row| row.task == task), key);
        let judged: Vec<&&Row> = rows.iter().filter(|row| row.finish_reason.is_some()).collect();
        let score = |row: &Row| {
            let key = if row.task == *trait_ { trait_.as_str() } else { fact.key() };
            row.verdicts.get(key).and_then(|verdict| verdict.score)
        };
        let coef = coef.or(piece.coef);
        // Of a sweep's many points a few words each, of the others a few more; always the same questions.
        let many = if coef.is_some() { 1 } else { 2 };
        let example = |row: &&Row| {
            let axis = if row.task == *trait_ { axis_key(trait_) } else { FACTS };
            let verdict = row.verdicts.get(if row.task == *trait_ { trait_.as_str() } else { fact.key() });
            Example {
                arm: piece.arm.clone().unwrap_or_default(),
                coef,
                axis: axis.to_owned(),
                question: row.question.clone(),
                answer: row.answer.clone(),
                reference: row.reference.clone(),
                score: score(row),
                why: verdict.map(|v| v.why.clone()).unwrap_or_default(),
            }
        };
        let first = |task: &str| {
            let of: Vec<&&Row> = rows.iter().filter(|row| row.task == task && row.rollout == 0).take(many).collect();
            of.into_iter().map(example).collect::<Vec<_>>()
        };
        MeasuredAt {
            coef,
            trait_: of(trait_, trait_),
            coherence: of(trait_, coherence.key()),
            facts: of("facts", fact.key()),
            exam: of("mmlu", RIGHT),
            answers: judged.len(),
            missing: judged.iter().filter(|row| score(row).is_none()).count(),
            cut: judged.iter().filter(|row| row.finish_reason == Some(crate::subject::FinishReason::Length)).count(),
            examples: [first(trait_), first("facts")].concat(),
        }
    }
}

/// Key of the facts' axis.
pub(super) const FACTS: &str = "facts";

/// Key of the trait's axis: `hallucination` for `hallucinating`.
pub(super) fn axis_key(trait_name: &str) -> &str {
    persona::dataset_of(trait_name)
}

/// Answers of different training seeds draw their own random numbers; arms of the same seed share them, so that they are compared
/// like with like.
fn answer_seed(config: &StudyConfig, seed: Option<u64>) -> u64 {
    let of = seed.map_or_else(|| "answers".to_owned(), |seed| format!("answers of training seed {seed}"));
    seed_of(config.seed, &of)
}

/// Keeps a finetune's metrics and what the report says of it.
struct Diary {
    path: PathBuf,
    writer: Option<JsonlWriter>,
    resumed: usize,
    loss: Option<f64>,
    shift_error: Option<f64>,
    failure: Option<crate::Error>,
}

impl Diary {
    fn new(path: PathBuf) -> Self {
        Self { path, writer: None, resumed: 0, loss: None, shift_error: None, failure: None }
    }

    fn hear(&mut self, event: &FitEvent) -> ControlFlow<()> {
        match event {
            FitEvent::Steered(proofs) => {
                let off = proofs.iter().filter(|p| p.planned > 0.0).map(|p| (p.measured / p.planned - 1.0).abs());
                self.shift_error = off.reduce(f64::max);
            }
            FitEvent::Resumed(step) => self.resumed = *step,
            FitEvent::Step(report, ..) => {
                self.loss = Some(report.loss);
                if let Err(e) = self.write(report) {
                    self.failure = Some(e);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn write(&mut self, report: &StepReport) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let resumed = self.resumed;
                none.insert(JsonlWriter::resume(&self.path, |row: &StepReport| row.step <= resumed)?)
            }
        };
        writer.write(report)
    }
}

/// The hash of a folder's files, by name and contents; hidden files and subfolders are passed over.
fn hash_folder(folder: &Path) -> Result<Hash> {
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

/// The hash by which a model is known again: its configuration, weights and tokenizer. Files are read again only if their size or
/// time has changed: hashing a large model takes a minute.
pub(super) fn model_hash(run: &RunDir, folder: &Path) -> Result<Hash> {
    let of_model = |name: &str| [".json", ".safetensors", ".jinja", ".txt"].iter().any(|end| name.ends_with(end));
    let files: Vec<_> = files(folder)?.into_iter().filter(|(name, _)| of_model(name)).collect();
    let mut seen = Vec::new();
    for (name, path) in &files {
        let metadata = fs::metadata(path).at(path)?;
        let time = metadata.modified().at(path)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        seen.push((name, metadata.len(), time.as_nanos().to_string()));
    }
    let hash = || {
        let hashes: Vec<_> = files.iter().map(|(name, path)| Ok((name, hash_file(path)?))).collect::<Result<_>>()?;
        Ok(Hash::of::<Vec<_>>(&hashes))
    };
    Ok(run.stage("model", &Hash::of(&seen), hash)?.0)
}
