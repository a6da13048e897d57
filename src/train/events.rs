//! What a finetune reports while it runs, and how it ends.

use serde::{Deserialize, Serialize};

use super::gradient_projection::GradientReport;
use super::probe::RecomputeReport;
use super::proof::Proof;

/// What one optimiser step did; a row of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// Mean loss over the step's supervised tokens, nats.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens read so far, padding not counted.
    pub tokens: usize,
    /// With a regulariser: what it added to the loss, its weight included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regularisation: Option<f64>,
    /// Where a `ProbeCallback` measured: the mean projection of its responses after the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<f64>,
    /// And how far that has risen since before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
}

/// What `fit` tells while it works.
#[derive(Debug, Clone)]
pub enum Event {
    /// The first batch showed that the steering acts as planned.
    Steered(Vec<Proof>),
    /// The watched texts' mean projection before anything is learned.
    ProbeBaseline(f64),
    /// The pressure of the gradient along the watched vector was measured.
    GradientProjected(GradientReport),
    /// A vector was extracted anew.
    Recomputed(RecomputeReport),
    /// The checkpoint is damaged, and training begins anew: what is wrong, with its place.
    Damaged(String),
    /// Training goes on after this step of an interrupted run.
    Resumed(usize),
    /// A step is done, out of so many, after so many seconds of work.
    Step(StepReport, usize, f64),
}

/// How a finetune ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// All steps are taken.
    Done,
    /// The `ProbeCallback`'s limit was passed: the run is over.
    Stopped,
    /// `tell` broke it off: it can go on from its checkpoint.
    Interrupted,
}
