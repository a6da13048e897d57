//! The settings of a finetune with nothing left open, as [`TrainFile::resolve`](super::TrainFile::resolve) gives them. They are
//! written to `run.toml` and are a configuration again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::file::{AblateTo, InterventionType};
use super::values::Files;
use crate::model::PROJECTIONS;
use crate::model::peft::{AdapterConfig, Targets};
use crate::record::Tracker;
use crate::steering::{Op, Positions, SteeringRecipe};
use crate::text::ExampleRules;
use crate::train::{FitSettings, Mode};
use crate::vector::{IncBase, Layers};

/// Everything that `train` is asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainSettings {
    /// The model, as it was named.
    pub model: PathBuf,
    /// Folder of a PEFT adapter to go on from, instead of a new one; its own shape then counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<PathBuf>,
    /// What is learned and what is held out.
    #[serde(flatten)]
    pub data: DataSettings,
    /// The adapter's shape.
    #[serde(flatten)]
    pub shape: AdapterSettings,
    /// How it learns, the training seed included.
    #[serde(flatten)]
    pub fit: FitSettings,
    /// How a chat becomes a training example.
    #[serde(flatten)]
    pub rules: ExampleRules,
    /// Programs that show the metrics.
    pub track: Vec<Tracker>,
    /// Trackio's project.
    pub trackio_project: String,
    /// What is done to the model while it learns.
    pub intervention: Intervention,
    /// What is measured while it learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchSettings>,
}

/// Files of chats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataSettings {
    /// JSONL of chats.
    pub training_file: Files,
    /// JSONL of held-out chats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_file: Option<PathBuf>,
    /// Share of the training chats held out instead.
    pub holdout: f64,
}

/// The shape of a new LoRA adapter, in PEFT's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterSettings {
    /// Rank of the adapter.
    pub r: usize,
    /// Alpha, which divided by the rank (or its root) scales the adapter.
    pub lora_alpha: f64,
    /// Scale by `lora_alpha / sqrt(r)` instead of `lora_alpha / r`.
    pub use_rslora: bool,
    /// Which projections carry a pair.
    pub target_modules: Vec<String>,
}

impl Default for AdapterSettings {
    /// The reference's (`configs/train_instruct_7b.json`).
    fn default() -> Self {
        Self { r: 32, lora_alpha: 64.0, use_rslora: true, target_modules: PROJECTIONS.map(str::to_owned).to_vec() }
    }
}

impl AdapterSettings {
    /// As PEFT has it.
    pub fn config(&self) -> AdapterConfig {
        let targets = Targets::Names(self.target_modules.clone());
        AdapterConfig::new(self.r, self.lora_alpha, self.use_rslora, targets)
    }
}

/// What is measured while the model learns: how far the answers of a fixed set of chats lie along a vector, unsteered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WatchSettings {
    /// Steps from one measurement to the next.
    pub every: usize,
    /// JSONL of chats, whose last answers are read.
    pub file: PathBuf,
    /// File of persona vectors.
    pub vectors: PathBuf,
    /// Where it is measured.
    pub layer: usize,
    /// The run ends where the mean projection has risen by more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_above: Option<f64>,
    /// Whether the gradient along the vector is measured too, at every layer, with the intervention and without.
    pub gradient: bool,
}

/// What is done while a model learns; absent afterwards.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Intervention {
    /// Plain finetuning.
    #[default]
    None,
    /// Preventative steering: the vector is added to the stream (Chen et al. 2025, section 5.2).
    Steer(SteeringSettings),
    /// The vectors' span is projected out of the stream (CAFT, Casademunt et al. 2025), at each layer with its own directions: at
    /// one layer alone an ablation is undone by the later ones.
    Ablate {
        /// Files of persona vectors; the caller's own if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        vectors: Option<Files>,
        /// At which layers.
        layers: Layers,
        /// The share removed.
        coef: f32,
        /// What is left along the directions.
        to: AblateTo,
        /// At which tokens.
        positions: Positions,
    },
    /// A loss on how far the adapter moves the stream along the vector, so that the probe's own signal is trained on.
    Regularize {
        /// File of persona vectors; the caller's own if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        vectors: Option<Files>,
        /// At which layers, each along its own direction.
        layers: Layers,
        /// Weight of the loss.
        lambda: f32,
        /// What is punished.
        mode: Mode,
    },
    /// One of these system prompts, drawn by the seed, stands before every chat (inoculation prompting).
    Inoculate {
        /// The prompts.
        prompts: Vec<String>,
    },
    /// Negative chats are mixed in.
    NegativeData {
        /// JSONL of chats; the caller's own if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf>,
        /// Their share of the training set, 0 to below 1.
        share: f64,
    },
    /// As `steer`, along random vectors of the same norms: the control.
    Random {
        /// The steering whose vectors are replaced.
        #[serde(flatten)]
        steering: SteeringSettings,
        /// Decides the draw; derived from the training seed if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
}

/// [`Intervention::Steer`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SteeringSettings {
    /// File of persona vectors; the caller's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<Files>,
    /// At which layers.
    pub layers: Layers,
    /// Multiples of the raw vector; above 0 towards the trait.
    pub coef: f32,
    /// Increments from row to row instead of rows.
    pub incremental: bool,
    /// What stands before the first layer then.
    pub inc_base: IncBase,
    /// At which tokens.
    pub positions: Positions,
    /// Whether the vector is extracted anew, and how often.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub recompute: Option<RecomputeSettings>,
}

impl SteeringSettings {
    /// How a vector becomes the plan.
    pub fn recipe(&self) -> SteeringRecipe {
        let Self { layers, coef, incremental, inc_base, positions, .. } = self.clone();
        SteeringRecipe { op: Op::Add, layers, coef, positions, incremental, base: inc_base }
    }
}

/// How a steering vector follows the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecomputeSettings {
    /// Steps from one extraction to the next.
    pub recompute_every: usize,
    /// At most so many texts of each side.
    pub texts: usize,
    /// Judged answers that show the trait; the caller's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pos: Option<PathBuf>,
    /// Judged answers that lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neg: Option<PathBuf>,
}

impl Intervention {
    /// Its type.
    pub fn kind(&self) -> InterventionType {
        match self {
            Self::None => InterventionType::None,
            Self::Steer(_) => InterventionType::Steer,
            Self::Ablate { .. } => InterventionType::Ablate,
            Self::Regularize { .. } => InterventionType::Regularize,
            Self::Inoculate { .. } => InterventionType::Inoculate,
            Self::NegativeData { .. } => InterventionType::NegativeData,
            Self::Random { .. } => InterventionType::Random,
        }
    }

    /// The persona vectors that it works with, if it does: files, or none for the caller's own.
    fn files(&self) -> Option<&Option<Files>> {
        match self {
            Self::Steer(steering) | Self::Random { steering, .. } => Some(&steering.vectors),
            Self::Ablate { vectors, .. } | Self::Regularize { vectors, .. } => Some(vectors),
            Self::None | Self::Inoculate { .. } | Self::NegativeData { .. } => None,
        }
    }

    /// The vector files that it names.
    pub fn vectors(&self) -> &[PathBuf] {
        self.files().and_then(Option::as_ref).map_or(&[], Files::all)
    }

    /// Whether it works with persona vectors at all.
    pub fn takes_vectors(&self) -> bool {
        self.files().is_some()
    }

    /// The key of a file that a command needs and that is not named.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let recomputed = match self {
            Self::Steer(steering) => steering.recompute.as_ref(),
            Self::NegativeData { file: None, .. } => return Some("file"),
            _ => None,
        };
        match recomputed {
            _ if self.takes_vectors() && self.vectors().is_empty() => Some("vectors"),
            Some(recompute) if recompute.pos.is_none() => Some("pos"),
            Some(recompute) if recompute.neg.is_none() => Some("neg"),
            _ => None,
        }
    }

    /// What decides it, without paths: where a file lies decides nothing.
    pub fn without_paths(mut self) -> Self {
        match &mut self {
            Self::Steer(steering) | Self::Random { steering, .. } => {
                steering.vectors = None;
                if let Some(recompute) = &mut steering.recompute {
                    (recompute.pos, recompute.neg) = (None, None);
                }
            }
            Self::Ablate { vectors, .. } | Self::Regularize { vectors, .. } => *vectors = None,
            Self::NegativeData { file, .. } => *file = None,
            Self::None | Self::Inoculate { .. } => {}
        }
        self
    }
}
