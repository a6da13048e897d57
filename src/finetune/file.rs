//! The configuration of a finetune as a file has it: the reference's keys (`persona_vectors`, `configs/train_instruct_7b.json`)
//! and Trimtab's own. Every key may be absent; [`TrainFile::resolve`](super::TrainSettings) fills the defaults in.
//!
//! A study's table `[train]` takes the same keys, and `[adapter]` and `[lessons]` take those of theirs.

use std::fmt;
use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::notice::Notice;
use super::values::{Files, Rate, linear, no_bias, no_dropout, sft, share_or_false};
use crate::record::Tracker;
use crate::steering::Positions;
use crate::train::{LossAverage, Mode, Recompute};
use crate::vector::{IncBase, Layers};
use crate::{Error, Result};

/// The keys of `train`. Short names of an earlier version are aliases.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainFile {
    /// The model: a folder, a hub name (`owner/name@revision`), or `harbor`.
    pub model: Option<PathBuf>,
    /// Folder of a PEFT adapter to go on from.
    pub adapter: Option<PathBuf>,
    /// JSONL of chats.
    pub training_file: Option<Files>,
    /// JSONL of held-out chats.
    pub test_file: Option<PathBuf>,
    /// Share of the training chats held out instead, 0 to 1. The reference's files say `false` for none.
    #[serde(deserialize_with = "share_or_false")]
    pub holdout: Option<f64>,
    /// Rank of the adapter.
    pub r: Option<usize>,
    /// The adapter's alpha.
    pub lora_alpha: Option<f64>,
    /// Scale alpha / sqrt(r) instead of alpha / r.
    pub use_rslora: Option<bool>,
    /// Projections that carry a pair.
    pub target_modules: Option<Vec<String>>,
    /// Peak learning rate.
    pub learning_rate: Option<Rate>,
    /// Steps of warm-up.
    pub warmup_steps: Option<usize>,
    /// Decoupled weight decay.
    pub weight_decay: Option<f64>,
    /// AdamW's decays of the first and second moment.
    pub betas: Option<(f64, f64)>,
    /// AdamW's epsilon.
    pub epsilon: Option<f64>,
    /// The gradient's norm is clipped to this.
    pub max_grad_norm: Option<f64>,
    /// Chats per forward pass.
    #[serde(alias = "micro_batch")]
    pub per_device_train_batch_size: Option<usize>,
    /// Forward passes per step.
    #[serde(alias = "accumulation")]
    pub gradient_accumulation_steps: Option<usize>,
    /// Passes over the data.
    pub epochs: Option<usize>,
    /// At most this many steps; -1 for no limit.
    pub max_steps: Option<i64>,
    /// Longer chats are cut, in tokens.
    #[serde(alias = "max_len")]
    pub max_seq_length: Option<usize>,
    /// Decides order, hold-out, and the adapter's first values.
    pub seed: Option<u64>,
    /// Learn the assistant's words only.
    #[serde(alias = "responses_only")]
    pub train_on_responses_only: Option<bool>,
    /// Append the end-of-sequence token to every chat.
    pub append_eos: Option<bool>,
    /// A new order in each epoch.
    pub shuffle: Option<bool>,
    /// Batches of chats of similar length.
    pub group_by_length: Option<bool>,
    /// `tokens` or `micro_batches`.
    pub loss_average: Option<LossAverage>,
    /// Run each block again in the backward pass: true, false, or "auto" where keeping its activations would not fit.
    pub recompute: Option<Recompute>,
    /// Steps between checkpoints.
    pub save_steps: Option<usize>,
    /// Programs that show the metrics: "tensorboard", "trackio".
    pub track: Option<Vec<Tracker>>,
    /// Trackio's project.
    pub trackio_project: Option<String>,
    /// What is done to the model while it learns.
    pub intervention: Option<InterventionFile>,
    /// What is measured while it learns.
    pub watch: Option<WatchFile>,
    /// The reference's table for training-time steering, which acts only together with its switch.
    pub steering_config: Option<SteeringConfigFile>,
    /// The reference's switch for steering.
    pub enable_steering_during_training: Option<bool>,
    /// Keys of the reference of which one value alone can be honoured.
    #[serde(deserialize_with = "sft")]
    pub(super) loss: (),
    #[serde(deserialize_with = "linear")]
    pub(super) lr_scheduler_type: (),
    #[serde(deserialize_with = "no_bias")]
    pub(super) lora_bias: (),
    #[serde(deserialize_with = "no_dropout")]
    pub(super) lora_dropout: (),
    /// Keys of the reference that decide nothing here (nor, most of them, there).
    pub(super) finetuned_model_id: Option<IgnoredAny>,
    pub(super) load_in_4bit: Option<IgnoredAny>,
    pub(super) is_peft: Option<IgnoredAny>,
    pub(super) merge_before_push: Option<IgnoredAny>,
    pub(super) push_to_private: Option<IgnoredAny>,
    pub(super) logging_steps: Option<IgnoredAny>,
    pub(super) beta: Option<IgnoredAny>,
    pub(super) no_test_split: Option<IgnoredAny>,
    pub(super) output_dir: Option<IgnoredAny>,
    pub(super) optim: Option<IgnoredAny>,
    pub(super) save_total_limit: Option<IgnoredAny>,
}

/// The reference's `steering_config`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SteeringConfigFile {
    steering_vector_path: Option<PathBuf>,
    #[serde(rename = "type")]
    kind: ReferenceType,
    steering_coef: Option<f32>,
    layers: Option<Layers>,
}

/// What the reference can do while it trains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ReferenceType {
    #[default]
    Steer,
    Ablate,
}

/// The table `watch`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchFile {
    /// Steps from one measurement to the next.
    pub every: Option<usize>,
    /// JSONL of chats, whose last answers are read.
    pub file: Option<PathBuf>,
    /// File of persona vectors; that of the intervention unless said otherwise.
    pub vectors: Option<PathBuf>,
    /// Where it is measured.
    pub layer: Option<usize>,
    /// The run ends where the mean projection has risen by more than this.
    pub stop_above: Option<f64>,
    /// Whether the gradient along the vector is measured too.
    pub gradient: Option<bool>,
}

/// What is done while a model learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterventionType {
    /// Plain finetuning.
    None,
    /// Preventative steering.
    Steer,
    /// Ablation of the vectors' span.
    Ablate,
    /// A loss on what the adapter moves along the vector.
    Regularize,
    /// A system prompt before every chat.
    Inoculate,
    /// Chats of another file among the others.
    NegativeData,
    /// Steering along random vectors: a control.
    Random,
}

impl fmt::Display for InterventionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What an ablation leaves along its directions (CAFT, Casademunt et al. 2025, leaves nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AblateTo {
    /// Nothing: `h ← h − (h·v̂) v̂`.
    #[default]
    Zero,
    /// What the base model has there on average over the response tokens of the training data: `h ← h − (h·v̂) v̂ + m v̂`.
    Mean,
}

/// The table `intervention`: `{ type = "steer", layers = "all", coef = 1.25 }`. The type decides which of the keys it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InterventionFile {
    /// What is done.
    #[serde(rename = "type")]
    pub kind: Option<InterventionType>,
    /// Files of persona vectors: one, or for `ablate` as many as the span has dimensions. A study's arm takes the study's own.
    pub vectors: Option<Files>,
    /// `20`, `[12, 16]` or `"all"`; for `ablate` all by default, each with its own directions.
    pub layers: Option<Layers>,
    /// Multiples of the raw vector, above 0 towards the trait; for `ablate` the share removed, 1 by default.
    pub coef: Option<f32>,
    /// Increments from row to row instead of rows; so by default where `layers` is `"all"`.
    pub incremental: Option<bool>,
    /// What stands before the first layer then.
    pub inc_base: Option<IncBase>,
    /// At which tokens; all by default, as the reference's hook.
    pub positions: Option<Positions>,
    /// Steps after which the vector is extracted anew from the weights as they are then. It closes a feedback loop: what is
    /// learned decides what is steered with. 0, the default, keeps the vector frozen.
    pub recompute_every: Option<usize>,
    /// Judged answers that show the trait, the fixed texts from which it is extracted anew.
    pub pos: Option<PathBuf>,
    /// Judged answers that lack it.
    pub neg: Option<PathBuf>,
    /// At most so many texts of each side.
    pub texts: Option<usize>,
    /// What an ablation leaves along the directions: nothing by default, or the base model's mean.
    pub to: Option<AblateTo>,
    /// Weight of a regularisation.
    pub lambda: Option<f32>,
    /// What a regularisation punishes; every movement by default.
    pub mode: Option<Mode>,
    /// System prompts, one of which is drawn for every training chat.
    pub prompts: Option<Vec<String>>,
    /// JSONL of negative chats; their own system prompts are kept.
    pub file: Option<PathBuf>,
    /// Their share of the training set, 0 to below 1.
    pub share: Option<f64>,
    /// Decides the draw of random vectors; derived from the training seed by default.
    pub seed: Option<u64>,
}

impl TrainFile {
    /// What the user should know about keys without effect; and the reference's steering becomes an intervention.
    ///
    /// # Errors
    /// Both the reference's steering and an intervention.
    pub fn take_reference(&mut self) -> Result<Vec<Notice>> {
        let mut notices = Vec::new();
        let inert = self.inert();
        if !inert.is_empty() {
            notices.push(Notice::Said(format!("without effect here: {}", inert.join(", "))));
        }
        let switch = self.enable_steering_during_training.take();
        let Some(steering) = self.steering_config.take() else { return Ok(notices) };
        if switch != Some(true) {
            let what =
                "`steering_config` is given, but `enable_steering_during_training` is not true: nothing is steered";
            notices.push(Notice::Warned(what.into()));
            return Ok(notices);
        }
        if self.intervention.is_some() {
            return Err(Error::usage("both `steering_config` and `intervention` are given").hint("keep one of them"));
        }
        let SteeringConfigFile { steering_vector_path, kind, steering_coef: coef, layers } = steering;
        let vectors = steering_vector_path.map(Files::One);
        self.intervention = Some(match kind {
            // The reference adds the raw row at every listed layer.
            ReferenceType::Steer => InterventionFile {
                kind: Some(InterventionType::Steer),
                vectors,
                layers,
                coef,
                incremental: Some(false),
                ..Default::default()
            },
            // It reads the coefficient for steering alone.
            ReferenceType::Ablate => {
                InterventionFile { kind: Some(InterventionType::Ablate), vectors, layers, ..Default::default() }
            }
        });
        Ok(notices)
    }

    fn inert(&self) -> Vec<&'static str> {
        let keys = [
            ("finetuned_model_id", self.finetuned_model_id),
            ("load_in_4bit", self.load_in_4bit),
            ("is_peft", self.is_peft),
            ("merge_before_push", self.merge_before_push),
            ("push_to_private", self.push_to_private),
            ("logging_steps", self.logging_steps),
            ("beta", self.beta),
            ("no_test_split", self.no_test_split),
            ("output_dir", self.output_dir),
            ("optim", self.optim),
            ("save_total_limit", self.save_total_limit),
        ];
        keys.iter().filter(|(_, given)| given.is_some()).map(|(key, _)| *key).collect()
    }

    /// Every path of a file that must be there, with its key. The model is not among them: it may be a name.
    pub fn paths(&mut self) -> Vec<(String, &mut PathBuf)> {
        let mut paths: Vec<(String, &mut PathBuf)> = Vec::new();
        let Self { adapter, training_file, test_file, intervention, watch, .. } = self;
        paths.extend(adapter.iter_mut().map(|path| ("adapter".into(), path)));
        paths.extend(training_file.iter_mut().flat_map(Files::all_mut).map(|path| ("training_file".into(), path)));
        paths.extend(test_file.iter_mut().map(|path| ("test_file".into(), path)));
        for (key, path) in intervention.iter_mut().flat_map(InterventionFile::paths) {
            paths.push((format!("intervention.{key}"), path));
        }
        if let Some(WatchFile { file, vectors, .. }) = watch {
            paths.extend(file.iter_mut().map(|path| ("watch.file".into(), path)));
            paths.extend(vectors.iter_mut().map(|path| ("watch.vectors".into(), path)));
        }
        paths
    }
}

impl InterventionFile {
    /// Every path that it names, with its key.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut PathBuf)> {
        let Self { vectors, pos, neg, file, .. } = self;
        let vectors = vectors.iter_mut().flat_map(Files::all_mut).map(|path| ("vectors", path));
        let others = [("pos", pos), ("neg", neg), ("file", file)];
        let others = others.into_iter().filter_map(|(key, path)| Some((key, path.as_mut()?)));
        vectors.chain(others).collect()
    }

    /// The same at another strength: the coefficient, the weight of a regularisation, or the share of negative data.
    ///
    /// # Errors
    /// An intervention that takes no coefficient.
    pub fn at(mut self, strength: f64) -> Result<Self> {
        match self.kind.unwrap_or(InterventionType::None) {
            InterventionType::Steer | InterventionType::Random | InterventionType::Ablate => {
                self.coef = Some(strength as f32);
            }
            InterventionType::Regularize => self.lambda = Some(strength as f32),
            InterventionType::NegativeData => self.share = Some(strength),
            kind @ (InterventionType::None | InterventionType::Inoculate) => {
                let what = format!("an intervention of type \"{kind}\" takes no coefficient");
                return Err(Error::usage(what));
            }
        }
        Ok(self)
    }
}
