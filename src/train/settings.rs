//! How a finetune goes: everything that decides it besides model, data and intervention.

use serde::{Deserialize, Serialize};

use crate::{Result, ensure};

/// How the losses of a step's micro-batches become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossAverage {
    /// Every supervised token of the step counts the same (transformers since 4.46).
    #[default]
    Tokens,
    /// Mean over the micro-batches of their means.
    MicroBatches,
}

/// Whether a block's activations are kept for the backward pass, or its input alone and the rest made again: memory of one
/// block, one more forward pass. The gradients are the same. In a configuration `true`, `false` or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub enum Recompute {
    /// Made again where keeping them would not fit into the device's memory ([`recomputes`](super::recomputes)).
    #[default]
    Auto,
    /// Made again.
    Always,
    /// Kept.
    Never,
}

impl TryFrom<serde_json::Value> for Recompute {
    type Error = String;

    fn try_from(value: serde_json::Value) -> std::result::Result<Self, String> {
        match (value.as_bool(), value.as_str()) {
            (Some(true), _) => Ok(Self::Always),
            (Some(false), _) => Ok(Self::Never),
            (_, Some("auto")) => Ok(Self::Auto),
            _ => Err(format!("{value} is neither true, false nor \"auto\"")),
        }
    }
}

impl From<Recompute> for serde_json::Value {
    fn from(recompute: Recompute) -> Self {
        match recompute {
            Recompute::Auto => "auto".into(),
            Recompute::Always => true.into(),
            Recompute::Never => false.into(),
        }
    }
}

/// Everything that decides a finetune besides model, data and intervention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up from 0; then linear decay to 0.
    pub warmup_steps: usize,
    /// Decoupled weight decay, on matrices.
    pub weight_decay: f64,
    /// AdamW's first and second moment decays.
    pub betas: (f64, f64),
    /// AdamW's epsilon.
    pub epsilon: f64,
    /// The gradient's global norm is clipped to this.
    pub max_grad_norm: f64,
    /// Examples per forward pass.
    #[serde(rename = "per_device_train_batch_size", alias = "micro_batch")]
    pub micro_batch: usize,
    /// Micro-batches per optimiser step.
    #[serde(rename = "gradient_accumulation_steps", alias = "accumulation")]
    pub accumulation: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Ends earlier than the epochs do; the learning rate then reaches 0 here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Decides the order of the data.
    pub seed: u64,
    /// A new order in each epoch, or the order given.
    pub shuffle: bool,
    /// Batches of examples of similar length: less padding, a little less random.
    pub group_by_length: bool,
    /// How micro-batch losses are averaged.
    pub loss_average: LossAverage,
    /// Whether activations are kept or made again.
    pub recompute: Recompute,
    /// Steps between checkpoints, if the run is to survive a kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_steps: Option<usize>,
}

impl Default for FitSettings {
    /// The reference's (`configs/train_instruct_7b.json`).
    fn default() -> Self {
        Self {
            learning_rate: 1e-5,
            warmup_steps: 5,
            weight_decay: 0.01,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            max_grad_norm: 1.0,
            micro_batch: 2,
            accumulation: 8,
            epochs: 1,
            max_steps: None,
            seed: 0,
            shuffle: true,
            group_by_length: false,
            loss_average: LossAverage::Tokens,
            recompute: Recompute::Auto,
            save_steps: None,
        }
    }
}

impl FitSettings {
    /// Optimiser steps over `examples` examples.
    pub fn steps(&self, examples: usize) -> usize {
        let all = self.epochs * examples.div_ceil(self.micro_batch * self.accumulation);
        self.max_steps.map_or(all, |max| max.min(all))
    }

    /// What of them decides the result: not how often it is saved, nor what is kept in memory.
    pub fn decisive(&self) -> Self {
        Self { save_steps: None, recompute: Recompute::Auto, ..self.clone() }
    }

    /// Whether activations are made again; whoever left it open has not asked what fits.
    pub(super) fn recomputes(&self) -> bool {
        self.recompute == Recompute::Always
    }

    pub(super) fn check(&self, examples: usize) -> Result<()> {
        ensure!(examples > 0, "there is nothing to train on: the data set is empty");
        ensure!(self.micro_batch > 0 && self.accumulation > 0, "a batch needs at least one example");
        let rate = self.learning_rate;
        ensure!(rate.is_finite() && rate > 0.0, "the learning rate is {rate}; it must be a positive number");
        let clip = self.max_grad_norm;
        ensure!(clip.is_finite() && clip > 0.0, "max_grad_norm is {clip}; it must be a positive number");
        ensure!(self.steps(examples) > 0, "no steps to train: epochs or max_steps is 0");
        Ok(())
    }
}
