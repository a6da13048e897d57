//! What every step of a study works with.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::events::{Event, JudgeRole, Judges, OnEvent, Phase};
use crate::Result;
use crate::judge::Judge;
use crate::language_model::LanguageModel;
use crate::model::{Checkpoint, model_hash};
use crate::record::{Hash, Reused, RunDir};
use crate::runtime::{ModelSpec, Runtime, device_kind};
use crate::steering::SteeringPlan;
use crate::study::config::StudyConfig;
use crate::study::dag::Task;
use crate::study::inputs::Inputs;
use crate::vector::VectorFile;

/// Raised when the same inputs come to give other results; every stored stage is worked out again then.
const VERSION: u32 = 4;

/// Texts whose states are read at once.
pub(super) const CHUNK: usize = 16;

/// A study at work in its folder.
#[derive(Clone)]
pub(in crate::study) struct Context<'a> {
    pub config: &'a StudyConfig,
    pub inputs: &'a Inputs,
    pub tasks: &'a [Task],
    pub run: &'a RunDir,
    pub runtime: &'a dyn Runtime,
    pub judges: &'a Judges<'a>,
    pub on_event: &'a OnEvent<'a>,
    /// The hash that a vector file holds of its model.
    pub fingerprint: String,
    /// Hash of everything that decides what the model says.
    pub model: Hash,
    /// The judge's name.
    pub judge: String,
    /// Hash of everything that decides what the judge says, but for the rubrics.
    pub judge_hash: Hash,
    /// Whether a stage was worked out anew.
    anew: Arc<AtomicBool>,
}

impl<'a> Context<'a> {
    /// Looks at the model's files and at the judge.
    ///
    /// # Errors
    /// A model folder or a judge that cannot be read.
    pub fn new(
        (config, inputs, tasks): (&'a StudyConfig, &'a Inputs, &'a [Task]),
        run: &'a RunDir,
        runtime: &'a dyn Runtime,
        judges: &'a Judges<'a>,
        on_event: &'a OnEvent<'a>,
    ) -> Result<Self> {
        let fingerprint = Checkpoint::open(&config.model)?.fingerprint()?;
        let (model, judge_hash) = (model_hash(&config.model)?, config.judge.hash()?);
        let judge = judges(JudgeRole::First)?.name().to_owned();
        let anew = Arc::default();
        Ok(Self { config, inputs, tasks, run, runtime, judges, on_event, fingerprint, model, judge, judge_hash, anew })
    }

    /// The same study on this view of its folder, before any stage is asked for: one for each task.
    pub fn viewing(&self, run: &'a RunDir, on_event: &'a OnEvent<'a>) -> Self {
        Self { run, on_event, anew: Arc::default(), ..self.clone() }
    }

    /// The key of a stage that depends on the model: it holds on devices of this kind and for this version of the code.
    pub fn key(&self, stage: &str, of: &impl Serialize) -> Hash {
        Hash::of(&(VERSION, device_kind(&self.runtime.device()), &self.model, stage, of))
    }

    /// Everything that decides verdicts on these traits.
    pub fn judge_key(&self, traits: &[usize]) -> Hash {
        let rubrics: Vec<&str> = traits.iter().map(|&t| self.inputs.traits[t].eval.eval_prompt.as_str()).collect();
        Hash::of(&(&self.judge, &self.judge_hash, rubrics))
    }

    /// A stage of the run folder.
    pub fn stage<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        key: &Hash,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.stage_if(name, key, |_| true, work)
    }

    /// [`Self::stage`] for a value that points at files: `holds` says whether the stored one is still good.
    pub fn stage_if<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        key: &Hash,
        holds: impl FnOnce(&T) -> bool,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (value, reused) = self.run.stage_if(name, key, holds, || {
            self.tell_damage();
            work()
        })?;
        self.note_reused(reused);
        Ok(value)
    }

    /// Notes whether a stage was there.
    pub fn note_reused(&self, reused: Reused) {
        self.anew.fetch_or(!reused.is_yes(), Ordering::Relaxed);
    }

    /// Whether every stage so far was there.
    pub fn is_reused(&self) -> bool {
        !self.anew.load(Ordering::Relaxed)
    }

    /// Reports what was found damaged in the folder.
    pub fn tell_damage(&self) {
        self.run.take_damage().iter().for_each(|line| (self.on_event)(&Event::Damaged(line)));
    }

    /// The study's model under an adapter and a plan; the base model without either.
    pub fn language_model(&self, adapter: Option<&Adapter>, plan: SteeringPlan) -> Result<Box<dyn LanguageModel>> {
        let adapter = adapter.map(|adapter| adapter.folder.clone());
        self.runtime.language_model(&ModelSpec { model: self.config.model.clone(), adapter, plan })
    }

    pub fn base_model(&self) -> Result<Box<dyn LanguageModel>> {
        self.language_model(None, SteeringPlan::none())
    }

    pub fn judge(&self) -> Result<Box<dyn Judge + 'a>> {
        (self.judges)(JudgeRole::First)
    }

    /// Reports that `done` of `of` units of a task's phase are done.
    pub fn progress(&self, task: &Task, phase: Phase, done: usize, of: usize) {
        let done = if of == 0 { 1.0 } else { done as f64 / of as f64 };
        (self.on_event)(&Event::Progress { task: task.index, phase, done, loss: None, steps: None });
    }
}

/// A finished adapter.
#[derive(Debug, Clone)]
pub(in crate::study) struct Adapter {
    pub folder: PathBuf,
    /// Of the folder's files.
    pub hash: Hash,
}

/// A persona vector and the place of its trait.
#[derive(Debug, Clone, Copy)]
pub(in crate::study) struct TraitVector<'a> {
    pub trait_: usize,
    pub file: &'a VectorFile,
}

/// The vector of a trait.
///
/// # Panics
/// If the task that asks did not wait for it.
pub(in crate::study) fn vector_of<'a>(vectors: &[TraitVector<'a>], t: usize) -> &'a VectorFile {
    vectors.iter().find(|vector| vector.trait_ == t).expect("a task waits for the vectors that it needs").file
}
