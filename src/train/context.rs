//! What a finetune is given, and how far it is.

use std::path::Path;

use super::optimiser::Schedule;
use super::penalty::Regularizer;
use super::probe::{ProbeCallback, VectorRecompute};
use super::proof::Proof;
use super::settings::FitSettings;
use crate::text::TrainingExample;
use crate::vector::PersonaVector;

/// What a finetune goes through.
#[derive(Debug, Clone, Copy)]
pub struct FitContext<'a> {
    /// The data.
    pub examples: &'a [TrainingExample],
    /// What fills short rows.
    pub pad_id: u32,
    /// How to train.
    pub settings: &'a FitSettings,
    /// A loss beside the cross-entropy.
    pub regularize: Option<&'a Regularizer>,
    /// What is measured on the way.
    pub watch: Option<&'a ProbeCallback>,
    /// How the steering vector follows the model.
    pub refresh: Option<&'a VectorRecompute>,
    /// Where the run's state is kept, if it is to survive a kill.
    pub checkpoint: Option<&'a Path>,
}

impl<'a> FitContext<'a> {
    /// Plain finetuning.
    pub fn new(examples: &'a [TrainingExample], pad_id: u32, settings: &'a FitSettings) -> Self {
        Self { examples, pad_id, settings, regularize: None, watch: None, refresh: None, checkpoint: None }
    }

    pub(super) fn schedule(&self) -> Schedule {
        let FitSettings { learning_rate, warmup_steps, .. } = *self.settings;
        Schedule { peak: learning_rate, warmup: warmup_steps, total: self.settings.steps(self.examples.len()) }
    }
}

/// How far a run is.
#[derive(Debug, Default)]
pub(super) struct TrainerState {
    /// Steps done.
    pub step: usize,
    /// Tokens read, padding not counted.
    pub tokens: usize,
    /// The vector that was extracted last, if one was.
    pub vector: Option<PersonaVector>,
    /// What the steering was measured to do on the very first batch.
    pub proofs: Vec<Proof>,
}
