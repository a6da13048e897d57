//! One finetune as a stage of a run's folder: settings and inputs → key → fit → adapter and log.
//!
//! `train` and every arm of a study call [`Job::run`], so that the same settings, data and seed give the same adapter, byte for
//! byte.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::data::{SourcedChat, examples, template_notices};
use super::intervention::ResolvedIntervention;
use super::seeds::Seeds;
use super::settings::AdapterSettings;
use super::watch::{Watch, WatchKey};
use crate::model::AdapterFolder;
use crate::model::peft::AdapterConfig;
use crate::record::{Hash, Reused, RunDir, Tracking, create_folder};
use crate::runtime::{FitOutcome, FitSpec, ModelSpec, Runtime, Start};
use crate::steering::SteeringPlan;
use crate::text::{Content, ExampleRules, Tokenizer, TrainingExample};
use crate::train::{self, FitSettings, ProbeMetrics, Proof, StepReport, TrainingLog, mean_state, step_of_checkpoint};
use crate::vector::PersonaVector;
use crate::{At, Result};

/// What learns.
#[derive(Debug, Clone)]
pub enum Adapter {
    /// A new one of this shape, for a base model of this name.
    New(AdapterSettings, Option<String>),
    /// One that exists, in this folder.
    From(PathBuf),
}

/// One finetune.
pub struct Job<'a> {
    /// Folder of the model.
    pub model: &'a Path,
    /// Hash of all that decides what model and tokenizer do; for a study the kind of device, too.
    pub scope: Hash,
    /// What learns.
    pub adapter: Adapter,
    /// What is learned, as the intervention has treated it.
    pub chats: &'a [SourcedChat],
    /// What is held out.
    pub holdout: &'a [SourcedChat],
    /// How a chat becomes an example.
    pub rules: &'a ExampleRules,
    /// How it learns. The seed is that of [`Job::seeds`].
    pub fit: &'a FitSettings,
    /// Where random numbers come from.
    pub seeds: Seeds,
    /// What is done to the model while it learns.
    pub intervention: ResolvedIntervention,
    /// What is measured while it learns.
    pub watch: Option<Watch>,
    /// Ends the names of its stages, `fit` and `mean`: `-prevent+1.25-seed0`.
    pub name: String,
    /// Where metrics go. Its folder is the job's: the adapter lies in `adapter` there.
    pub tracking: Tracking,
    /// Whether the checkpoint's name says which settings it belongs to: where a folder may have seen others.
    pub keyed_checkpoint: bool,
    /// Whether a chat from which nothing can be learned is left out; else it is an error.
    pub lenient: bool,
    /// Called once before the work begins, if it is not done already.
    pub begin: &'a dyn Fn() -> Result<()>,
}

/// What a job reports while it runs.
#[derive(Debug)]
pub enum JobEvent<'a> {
    /// The data is tokenised.
    Began {
        /// Training examples.
        examples: usize,
        /// Held-out examples.
        held_out: usize,
        /// Supervised tokens.
        supervised: usize,
        /// Steps to take.
        steps: usize,
        /// Why chats were left out, one reason for each.
        left_out: Vec<String>,
        /// What the chat template does with the words of the chats.
        template: Vec<String>,
    },
    /// The base model has read so many of so many texts, for the mean that an ablation leaves.
    ReadingMean(usize, usize),
    /// An event of the trainer, and the log so far.
    Fit(&'a train::Event, &'a TrainingLog),
}

/// A finished finetune, as its stage is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// How it ended.
    pub outcome: FitOutcome,
    /// Hash of the adapter's folder.
    pub adapter: Hash,
    /// The first step.
    pub first: Option<StepReport>,
    /// The last step.
    pub last: Option<StepReport>,
    /// What the steering was measured to do on the first batch.
    pub proofs: Vec<Proof>,
    /// What was watched while it learned.
    #[serde(default)]
    pub watched: ProbeMetrics,
}

impl Fitted {
    /// By how much the measured shift of the first batch was off the planned one, at the worst layer and relative to it.
    pub fn shift_error(&self) -> Option<f64> {
        let planned = self.proofs.iter().filter(|proof| proof.planned > 0.0);
        planned.map(|proof| (proof.measured / proof.planned - 1.0).abs()).reduce(f64::max)
    }
}

/// How a job ended.
#[derive(Debug)]
pub enum Finish {
    /// Finished: the result, and whether it was there before.
    Fitted(Box<Fitted>, Reused),
    /// Broken off after so many steps of so many; the same job goes on from there.
    Interrupted(usize, usize),
}

/// All that decides a finetune's result.
#[derive(Serialize)]
struct StageKey<'a> {
    scope: &'a Hash,
    start: StartKey<'a>,
    data: Hash,
    rules: &'a ExampleRules,
    fit: FitSettings,
    seeds: Seeds,
    intervention: &'a Value,
    recompute_texts: Value,
    watch: Option<WatchKey<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum StartKey<'a> {
    New(&'a AdapterSettings),
    From(Hash),
}

impl Job<'_> {
    /// The hash of all that decides the result; not the device, but by the scope.
    ///
    /// # Errors
    /// A starting adapter that cannot be read.
    pub fn key(&self) -> Result<Hash> {
        Ok(Hash::of(&StageKey {
            scope: &self.scope,
            start: match &self.adapter {
                Adapter::New(shape, _) => StartKey::New(shape),
                Adapter::From(folder) => StartKey::From(AdapterFolder::find(folder)?.hash()?),
            },
            data: self.data(),
            rules: self.rules,
            fit: self.fit.decisive(),
            seeds: self.seeds,
            intervention: &self.intervention.described,
            recompute_texts: self.intervention.texts_key(),
            watch: self.watch.as_ref().map(Watch::key),
        }))
    }

    /// The hash of what is learned and what is held out, wherever it comes from.
    pub fn data(&self) -> Hash {
        let contents = |chats: &[SourcedChat]| chats.iter().map(|chat| chat.content.clone()).collect::<Vec<Content>>();
        Hash::of(&[contents(self.chats), contents(self.holdout)])
    }

    /// The adapter's folder.
    pub fn out(&self) -> PathBuf {
        self.tracking.folder.join("adapter")
    }

    /// Trains, or reads back what the same job has trained before. `tell` may break it off: it is saved then.
    ///
    /// # Errors
    /// Data from which nothing can be learned, and those of [`train::fit`]; a place that cannot be written.
    pub fn run(
        &self,
        run: &RunDir,
        runtime: &dyn Runtime,
        tell: &mut dyn FnMut(&JobEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let (key, out) = (self.key()?, self.out());
        let mut interrupted = None;
        let holds = |fitted: &Fitted| {
            let now = AdapterFolder::find(&out).and_then(|folder| folder.hash());
            now.is_ok_and(|now| now == fitted.adapter)
        };
        let done = run.stage_if(&format!("fit{}", self.name), &key, holds, || {
            let fitted = self.fit(&key, run, runtime, tell)?;
            if !fitted.outcome.complete {
                interrupted = Some((fitted.outcome.steps, self.fit.steps(self.chats.len())));
                crate::bail!("interrupted");
            }
            Ok(fitted)
        });
        match interrupted {
            Some((steps, total)) => Ok(Finish::Interrupted(steps, total)),
            None => done.map(|(fitted, reused)| Finish::Fitted(Box::new(fitted), reused)),
        }
    }

    fn fit(
        &self,
        key: &Hash,
        run: &RunDir,
        runtime: &dyn Runtime,
        tell: &mut dyn FnMut(&JobEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Fitted> {
        let tokenizer = Tokenizer::load(self.model)?;
        let mut left_out = Vec::new();
        let mut tokenised = |chats: &[SourcedChat]| -> Result<Vec<TrainingExample>> {
            let (examples, mut bad) = examples(chats, &tokenizer, self.rules)?;
            if !self.lenient && !bad.is_empty() {
                return Err(bad.swap_remove(0));
            }
            left_out.extend(bad.iter().map(ToString::to_string));
            Ok(examples)
        };
        let (examples, holdout) = (tokenised(self.chats)?, tokenised(self.holdout)?);
        (self.begin)()?;
        let _ = tell(&JobEvent::Began {
            examples: examples.len(),
            held_out: holdout.len(),
            supervised: examples.iter().map(TrainingExample::supervised).sum(),
            steps: self.fit.steps(examples.len()),
            left_out,
            template: template_notices(self.chats, &tokenizer),
        });
        let (folder, out) = (&self.tracking.folder, self.out());
        create_folder(folder)?;
        if out.exists() {
            // What an earlier run left must not mix with what comes.
            fs::remove_dir_all(&out).at(&out)?;
        }
        let checkpoint = folder.join(match self.keyed_checkpoint {
            true => format!("checkpoint-{}.safetensors", key.short()),
            false => "checkpoint.safetensors".to_owned(),
        });
        let ResolvedIntervention { plan, to_mean, regularize, recompute, .. } = self.intervention.clone();
        let plan = if to_mean { plan.to_mean(&self.base_mean(&examples, key, run, runtime, tell)?) } else { plan };
        let fit = FitSettings { seed: self.seeds.training, ..self.fit.clone() };
        let spec = FitSpec {
            model: self.model.to_owned(),
            start: self.start(),
            examples: &examples,
            holdout: &holdout,
            plan,
            regularize,
            refresh: recompute,
            watch: self.watch.as_ref().map(|watch| watch.callback(&examples, &fit, &self.seeds)),
            settings: fit,
            checkpoint: Some(checkpoint.clone()),
            out: out.clone(),
        };
        let mut log = TrainingLog::new(self.tracking.clone());
        let gradient = self.watch.as_ref().is_some_and(|watch| watch.gradient);
        if let Some(step) = step_of_checkpoint(&checkpoint)
            && let Some(why) = log.damage(step, gradient, spec.refresh.as_ref().map(|refresh| refresh.every))?
        {
            run.note_damage(Some(&format!("{why}; training begins with its first step")));
            fs::remove_file(&checkpoint).at(&checkpoint)?;
        }
        let outcome = runtime.fit(&spec, &mut |event| {
            let logged = log.record(event);
            match tell(&JobEvent::Fit(event, &log)) {
                ControlFlow::Continue(()) => logged,
                broken => broken,
            }
        })?;
        log.close()?;
        let adapter = match outcome.complete {
            true => AdapterFolder::find(&out)?.hash()?,
            false => Hash::of(""),
        };
        if outcome.complete {
            // Of no use any more, and large.
            let _ = fs::remove_file(&checkpoint);
        }
        let TrainingLog { first, last, proofs, watched, .. } = log;
        Ok(Fitted { outcome, adapter, first, last, proofs, watched })
    }

    fn start(&self) -> Start {
        match &self.adapter {
            Adapter::New(shape, base) => {
                let config = AdapterConfig { base_model_name_or_path: base.clone(), ..shape.config() };
                Start::Adapter(config, self.seeds.adapter())
            }
            Adapter::From(folder) => Start::From(folder.clone()),
        }
    }

    /// The base model's mean state over what is learned, without adapter and steering. A stage of its own, so that a run that
    /// resumes has the very same.
    fn base_mean(
        &self,
        examples: &[TrainingExample],
        key: &Hash,
        run: &RunDir,
        runtime: &dyn Runtime,
        tell: &mut dyn FnMut(&JobEvent<'_>) -> ControlFlow<()>,
    ) -> Result<PersonaVector> {
        let (rows, _) = run.stage(&format!("mean{}", self.name), key, || {
            let spec = ModelSpec { model: self.model.to_owned(), adapter: None, plan: SteeringPlan::none() };
            let mut model = runtime.language_model(&spec)?;
            let mut progress = |n, of| {
                let _ = tell(&JobEvent::ReadingMean(n, of));
            };
            Ok(mean_state(&mut *model, examples, self.seeds.sampling, &mut progress)?.rows)
        })?;
        PersonaVector::new(rows)
    }
}
