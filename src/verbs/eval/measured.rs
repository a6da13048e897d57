//! What the three axes share: the model under its steering, its run's folder, and answering a task in pieces.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Result;
use crate::eval::{AskPiece, Pieces, Point, Task};
use crate::judge::JudgedAnswer;
use crate::record::{Hash, RunDir};
use crate::report::Table;
use crate::runtime::Runtime;
use crate::steering::DescribedPlan;
use crate::verbs::model::{Model, ModelArgs};
use crate::verbs::run::{Progress, warn_of_damage};
use crate::verbs::steer::SteerArgs;
use crate::verbs::{Console, Context, Outcome};

/// The flags that all three share.
#[derive(Debug, Clone, Args)]
pub struct MeasuredArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Folder of the run: answers, results, and what is needed to go on
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// System prompt [default: the chat template's own, if it has one]
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    #[command(flatten)]
    pub steer: SteerArgs,
    /// Measure at each of these coefficients, in one batch: 0,0.5,1
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        allow_hyphen_values = true,
        requires = "vectors",
        help_heading = "Steering"
    )]
    pub coefs: Vec<f32>,
}

/// What is measured: a model with its adapter and steering, at some coefficients.
pub struct Measured {
    pub model: Model,
    pub steered: DescribedPlan,
    /// Empty without a sweep.
    pub points: Vec<Point>,
    pub runtime: Box<dyn Runtime>,
    pub seed: u64,
}

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
    pub fn resolve(&self, context: &Context<'_>) -> Result<Measured> {
        let model = self.model.find(context)?;
        let (steered, points) = self.steer.sweep(&self.coefs, &model, context.console)?;
        let runtime = context.runtime(&model.folder.path)?;
        Ok(Measured { model, steered, points, runtime, seed: context.seed.unwrap_or(0) })
    }
}

impl Measured {
    /// Opens the run's folder and writes `run.toml` and `lock.json`.
    pub fn open(&self, args: &MeasuredArgs, task: &Task, config: impl Serialize) -> Result<RunDir> {
        let run = RunDir::open(&args.out)?;
        let steering: Vec<String> = self.steered.described.iter().map(Value::to_string).collect();
        run.write_config(&Config {
            model: args.model.model.display().to_string(),
            adapter: args.model.adapter.as_ref(),
            system: args.system.as_deref(),
            seed: self.seed,
            coefs: &args.coefs,
            steering: steering.clone(),
            task: config,
        })?;
        let mut lock = self.model.lock(&self.runtime.device(), self.seed);
        lock.hashes.insert("task".into(), Hash::of(task));
        lock.notes.extend(steering.into_iter().enumerate().map(|(i, part)| (format!("steering {i}"), part)));
        run.write_lock(&lock)?;
        Ok(run)
    }

    /// Answers a task in pieces; none if the user ends it early.
    pub fn work(
        &self,
        run: &RunDir,
        task: &Task,
        ranges: Vec<Range<usize>>,
        ask: &mut AskPiece<'_>,
        console: &dyn Console,
    ) -> Result<Option<Vec<JudgedAnswer>>> {
        let DescribedPlan { plan, described, fingerprints, .. } = &self.steered;
        let coefs: Vec<&[f32]> = self.points.iter().map(|point| point.coefs.as_slice()).collect();
        let model = (self.model.identity()?, self.runtime.device());
        let pieces =
            Pieces { task, points: &self.points, ranges, key: Hash::of(&(model, described, fingerprints, coefs)) };
        let mut open = || self.runtime.language_model(&self.model.steered(plan.clone()));
        let mut progress = Progress::new(console);
        pieces.answer(run, &mut open, ask, &mut |done, total| {
            warn_of_damage(run, console);
            progress.show("questions", done, total, "");
            if console.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    pub fn interrupted(&self, run: &RunDir) -> Outcome {
        let text = format!("interrupted; the same command goes on from here: {}", run.path().display());
        Outcome::interrupted(text, json!({ "out": run.path(), "interrupted": true }))
    }

    /// Writes `results.json`, model and steering among the results, and gives the outcome with the table for people.
    pub fn finish(&self, run: &RunDir, mut results: Value, table: &Table) -> Result<Outcome> {
        results["model"] = json!(self.model.name());
        results["adapter"] = json!(self.model.adapter_path());
        results["steering"] = json!(self.steered.described);
        run.write_json("results.json", &results)?;
        results["out"] = json!(run.path());
        Ok(Outcome::new(format!("{}\n{}", table.text(), run.path().display()), results))
    }
}
