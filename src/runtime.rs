//! What a study, or a command, asks of the machine: a model to question, a finetune to run. `crate::device` answers with
//! tensors; everything on this side of the door is free of them.

mod merge_check;

use std::ops::ControlFlow;
use std::path::PathBuf;

pub use merge_check::MergeCheck;

use crate::Result;
use crate::language_model::LanguageModel;
use crate::model::ModelConfig;
use crate::model::peft::AdapterConfig;
use crate::steering::SteeringPlan;
use crate::text::TrainingExample;
use crate::train::{Event, FitEstimate, FitSettings, ProbeCallback, Regularizer, VectorRecompute};

/// A model to question.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// Folder of the model, in Hugging Face's layout.
    pub model: PathBuf,
    /// Folder of its PEFT adapter.
    pub adapter: Option<PathBuf>,
    /// How it is steered; a row of a batch may replace the coefficient.
    pub plan: SteeringPlan,
}

/// Where the tensors that learn come from.
#[derive(Debug, Clone)]
pub enum Start {
    /// A new adapter, A drawn with this seed and B zero.
    Adapter(AdapterConfig, u64),
    /// An adapter that exists.
    From(PathBuf),
    /// All weights of the model as they are.
    Weights,
    /// All weights, drawn anew with this seed in the shape that the model folder's `config.json` gives.
    Scratch(u64),
}

/// A finetune to run.
#[derive(Debug, Clone)]
pub struct FitSpec<'a> {
    /// Folder of the model.
    pub model: PathBuf,
    /// What learns.
    pub start: Start,
    /// The data.
    pub examples: &'a [TrainingExample],
    /// Held-out data whose loss is measured at the end, without steering.
    pub holdout: &'a [TrainingExample],
    /// How to train.
    pub settings: FitSettings,
    /// The intervention; active in training, absent afterwards.
    pub plan: SteeringPlan,
    /// A loss beside the cross-entropy.
    pub regularize: Option<Regularizer>,
    /// How the steering vector follows the model while it learns.
    pub refresh: Option<VectorRecompute>,
    /// What is measured on the way, without steering.
    pub watch: Option<ProbeCallback>,
    /// Where the run's state is kept, if it is to survive a kill.
    pub checkpoint: Option<PathBuf>,
    /// Folder for the result: a PEFT adapter, or a whole model when all weights learn.
    pub out: PathBuf,
}

/// A finetune of a new adapter whose memory and time are to be estimated.
#[derive(Debug, Clone, Copy)]
pub struct EstimateSpec<'a> {
    /// The model's shape.
    pub config: &'a ModelConfig,
    /// The adapter's shape.
    pub adapter: &'a AdapterConfig,
    /// The data.
    pub examples: &'a [TrainingExample],
    /// How to train.
    pub settings: &'a FitSettings,
    /// Whether to time one block on the device, which takes seconds.
    pub trial: bool,
}

/// How a finetune ended.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FitOutcome {
    /// Steps taken.
    pub steps: usize,
    /// Mean held-out loss per supervised token, nats, without steering.
    pub holdout_loss: Option<f64>,
    /// False if `tell` ended the run early; nothing is written to `out` then.
    pub complete: bool,
    /// Whether the watch's limit ended the run before its last step; what was learned until then is written.
    #[serde(default)]
    pub stopped: bool,
}

/// The kind of a device, of which there may be several in a machine: `cuda (bf16)` of `cuda:1 (bf16)`. Results hold for all of a kind.
pub fn device_kind(device: &str) -> String {
    match device.split_once(':') {
        Some((name, rest)) => format!("{name}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => device.to_owned(),
    }
}

/// A machine with its tensors.
pub trait Runtime: Send + Sync {
    /// The device and dtype in words, for people and lock files.
    fn device(&self) -> String;

    /// How many independent pieces of work run best side by side, each through [`Runtime::alone`].
    fn workers(&self) -> usize {
        1
    }

    /// Runs one piece of work with its share of the machine: on a CPU, one thread, because several small finetunes beside
    /// each other beat one whose every product is split between the cores.
    fn alone(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    /// Loads a model (or takes it from those already loaded) with its adapter and steering.
    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>>;

    /// The logits at every place of each text: `[tokens · vocabulary]`, row after row.
    fn logits(&self, spec: &ModelSpec, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>>;

    /// Runs a finetune and writes what it learned.
    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome>;

    /// The memory and the time that a finetune of an adapter would take here, with no weights loaded.
    fn estimate(&self, spec: &EstimateSpec<'_>) -> Result<FitEstimate>;
}
