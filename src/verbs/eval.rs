//! `eval`: how a model does on the three axes, alone or under any steering, as run folders that survive any interruption.
//!
//! A task is worked through in pieces; each is a stage of the run's folder, keyed by all that decides it. A judge scores when all
//! answers are there, so that it can say beforehand what it will cost; what it has said is in its own cache. The same command
//! goes on where it was and writes the same files as a run that nobody disturbed.

mod mmlu;
mod pairs;
mod words;

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::model::{HARBOR, ModelFolder};
use super::steer::{SteerArgs, Steered};
use super::{Context, Outcome};
use crate::Result;
use crate::eval::{Point, Row, Task};
use crate::language_model::LanguageModel;
use crate::record::{Hash, Lock, RunDir, hash_file};
use crate::runtime::{ModelSpec, Runtime};

/// Measure a model: what it knows (mmlu), how strongly it shows a trait, which new facts it states
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(subcommand)]
    verb: EvalVerb,
}

#[derive(Debug, Subcommand)]
enum EvalVerb {
    Mmlu(mmlu::MmluArgs),
    Trait(words::TraitEvalArgs),
    Facts(words::FactsArgs),
    Pairs(pairs::PairsArgs),
}

/// Measures.
///
/// # Errors
/// Malformed data, a model or vectors that do not fit, those of the judge; what was finished stays in the folder.
pub fn run(args: &EvalArgs, context: &Context<'_>) -> Result<Outcome> {
    match &args.verb {
        EvalVerb::Mmlu(args) => mmlu::run(args, context),
        EvalVerb::Trait(args) => words::run_trait(args, context),
        EvalVerb::Facts(args) => words::run_facts(args, context),
        EvalVerb::Pairs(args) => pairs::run(args, context),
    }
}

/// The flags that all three share.
#[derive(Debug, Clone, Args)]
struct MeasuredArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Folder of the run: answers, results, and what is needed to go on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// System prompt [default: the chat template's own, if it has one]
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    steer: SteerArgs,
    /// Measure at each of these strengths, in one batch: 0,0.5,1
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        allow_hyphen_values = true,
        requires = "vectors",
        help_heading = "Steering"
    )]
    coefs: Vec<f32>,
}

/// What is measured: a model under its adapter and steering, at some points.
struct Measured {
    model: ModelFolder,
    adapter: Option<(PathBuf, Hash)>,
    steered: Steered,
    /// Empty without a sweep.
    points: Vec<Point>,
    runtime: Box<dyn Runtime>,
    seed: u64,
}

/// Has a piece of a task answered at every point; the last one hears (answers complete, answers in all).
type Ask<'a> =
    dyn FnMut(&Task, &mut dyn LanguageModel, &[Point], &mut dyn FnMut(usize, usize)) -> Result<Vec<Row>> + 'a;

/// `run.toml`.
#[derive(Serialize)]
struct Config<'a, T> {
    model: String,
    adapter: Option<&'a PathBuf>,
    system: Option<&'a str>,
    seed: u64,
    coefs: &'a [f32],
    /// Each part of the steering, as JSON.
    steering: Vec<String>,
    task: T,
}

impl MeasuredArgs {
    fn find(&self, context: &Context<'_>) -> Result<ModelFolder> {
        ModelFolder::find(&self.model, context)
    }

    /// Whether the model is the one inside this program.
    fn on_harbor(&self) -> bool {
        self.model == Path::new(HARBOR) && !self.model.is_dir()
    }

    fn resolve(&self, model: ModelFolder, context: &Context<'_>) -> Result<Measured> {
        let (steered, points) = self.steer.sweep(&self.coefs, &model, context.console)?;
        let adapter = self
            .adapter
            .as_ref()
            .map(|dir| -> Result<_> { Ok((dir.clone(), hash_file(&dir.join("adapter_model.safetensors"))?)) });
        let seed = context.seed.unwrap_or(0);
        Ok(Measured { model, adapter: adapter.transpose()?, steered, points, runtime: context.runtime()?, seed })
    }
}

impl Measured {
    /// Opens the run's folder and writes down what is about to be done.
    fn open(&self, args: &MeasuredArgs, task: &Task, config: impl Serialize) -> Result<RunDir> {
        let run = RunDir::open(&args.out)?;
        let steering: Vec<String> = self.steered.described.iter().map(Value::to_string).collect();
        run.write_config(&Config {
            model: args.model.display().to_string(),
            adapter: args.adapter.as_ref(),
            system: args.system.as_deref(),
            seed: self.seed,
            coefs: &args.coefs,
            steering: steering.clone(),
            task: config,
        })?;
        let mut lock = Lock::new(self.runtime.device(), vec![self.seed]);
        lock.hashes.insert("model".into(), Hash::of(&self.model.fingerprint()?));
        lock.hashes.insert("task".into(), Hash::of(task));
        lock.hashes.extend(self.adapter.iter().map(|(_, hash)| ("adapter".to_owned(), hash.clone())));
        lock.notes.extend(steering.into_iter().enumerate().map(|(i, part)| (format!("steering {i}"), part)));
        run.write_lock(&lock)?;
        Ok(run)
    }

    /// Works through a task piece by piece; nothing comes back if the user ends it early. `ask` gets a piece of the task and
    /// hears of its progress.
    fn work(
        &self,
        run: &RunDir,
        task: &Task,
        pieces: Vec<Range<usize>>,
        ask: &mut Ask<'_>,
        context: &Context<'_>,
    ) -> Result<Option<Vec<Row>>> {
        let Steered { plan, described, fingerprints } = &self.steered;
        let coefs: Vec<&[f32]> = self.points.iter().map(|point| point.coefs.as_slice()).collect();
        let adapter = self.adapter.as_ref().map(|(_, hash)| hash);
        let model = (self.model.fingerprint()?, adapter, described, fingerprints, coefs, self.runtime.device());
        let spec = ModelSpec {
            model: self.model.path.clone(),
            adapter: self.adapter.as_ref().map(|(dir, _)| dir.clone()),
            plan: plan.clone(),
        };
        let points = self.points.len().max(1);
        let mut bar = context.console.bar("questions", task.samples.len());
        let mut subject: Option<Box<dyn LanguageModel>> = None;
        let mut rows = Vec::new();
        for (i, range) in pieces.into_iter().enumerate() {
            if context.console.interrupted() {
                return Ok(None);
            }
            let (part, before) = (task.part(range.clone()), range.start);
            let key = Hash::of(&(&model, &part));
            let (done, _) = run.stage(&format!("answers-{i:04}"), &key, || {
                if subject.is_none() {
                    subject = Some(self.runtime.language_model(&spec)?);
                }
                let subject = subject.as_deref_mut().expect("opened just now");
                ask(&part, subject, &self.points, &mut |n, of| {
                    bar.at(before + n * range.len() / of.max(1), "");
                })
            })?;
            bar.at(range.end, "");
            rows.push(done);
        }
        // Pieces lie side by side, each with all its points; rows go by point first.
        let mut sorted = Vec::new();
        for point in 0..points {
            for piece in &rows {
                let of_point = piece.len() / points;
                sorted.extend_from_slice(&piece[point * of_point..][..of_point]);
            }
        }
        Ok(Some(sorted))
    }

    /// What is said of a run that the user ended.
    fn interrupted(&self, run: &RunDir) -> Outcome {
        let text = format!("interrupted; the same command goes on from here: {}", run.path().display());
        Outcome { interrupted: true, ..Outcome::new(text, json!({ "out": run.path(), "interrupted": true })) }
    }

    /// What every result says of the model.
    fn described(&self) -> Value {
        json!({
            "model": self.model.name,
            "adapter": self.adapter.as_ref().map(|(dir, _)| dir),
            "steering": self.steered.described,
        })
    }
}

/// Runs of at most `most` samples, none of which goes beyond its group.
fn by_group(task: &Task, most: usize) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (i, sample) in task.samples.iter().enumerate() {
        match pieces.last_mut() {
            Some(last) if last.len() < most && task.samples[last.start].group == sample.group => last.end = i + 1,
            _ => pieces.push(i..i + 1),
        }
    }
    pieces
}

/// Runs of at most `most` samples.
fn by_count(task: &Task, most: usize) -> Vec<Range<usize>> {
    let n = task.samples.len();
    (0..n).step_by(most).map(|from| from..(from + most).min(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::mmlu::{self, Form, Item};

    #[test]
    fn pieces_cover_the_task_and_stay_within_their_groups() {
        let item = |subject: &str| Item {
            subject: subject.into(),
            question: String::new(),
            options: ["a", "b", "c", "d"].map(str::to_owned),
            right: 0,
        };
        let items: Vec<Item> = ["s", "s", "s", "t", "u", "u"].map(item).into();
        let task = mmlu::task(&items, None, Form::Letters);
        assert_eq!(by_group(&task, 2), [0..2, 2..3, 3..4, 4..6]);
        assert_eq!(by_count(&task, 4), [0..4, 4..6]);
    }
}
