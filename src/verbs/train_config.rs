//! The configuration of `train`: the reference's keys (METHOD F.1), ours, and what becomes of those without effect.
//!
//! Every field may be absent; defaults are filled in by [`TrainConfig::resolve`] and nowhere else, and what comes out has
//! the same form, so `run.toml` is itself a configuration.

mod watch;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Console;
use super::document::Document;
use super::paths::of_config;
use crate::model::PROJECTIONS;
use crate::record::Tracker;
pub use crate::train::Files;
use crate::train::{self, Intervention, LossAverage, Recompute};
use crate::vector::Layers;
use crate::{Error, Result};
use watch::WATCH_KEYS;
pub use watch::WatchConfig;

/// A number, or words for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rate {
    /// An integer; a negative one is an exponent of 10.
    Exponent(i64),
    /// A number.
    Number(f64),
    /// `1e-5`, `2*10**-5`, or an integer as above.
    Words(String),
}

impl Rate {
    /// The learning rate itself. The reference hands strings to Python's `eval`; here they are numbers or products of
    /// powers (METHOD L.12).
    pub fn value(&self) -> Result<f64> {
        let rate = match self {
            Self::Exponent(n) => exponent(*n as f64),
            Self::Number(x) => *x,
            Self::Words(words) => {
                let number = product(words).ok_or_else(|| {
                    Error::usage(format!("`learning_rate`: \"{words}\" is no number"))
                        .hint("write 1e-5 or \"2*10**-5\"")
                })?;
                exponent(number)
            }
        };
        if rate.is_finite() && rate > 0.0 {
            return Ok(rate);
        }
        Err(Error::usage(format!("`learning_rate` is {rate}; it must be positive"))
            .hint("a negative integer n means 10 to the n; otherwise write it out, as in 1e-5"))
    }
}

/// The reference's rule: a negative number stands for a power of 10.
fn exponent(x: f64) -> f64 {
    if x < 0.0 { 10f64.powf(x) } else { x }
}

/// A product of numbers and powers, such as `2*10**-5`.
fn product(words: &str) -> Option<f64> {
    let words: String = words.chars().filter(|c| !c.is_whitespace()).collect();
    // Powers first, so that their two stars are not taken for a product.
    let factor = |text: &str| match text.split_once('^') {
        Some((base, power)) => Some(base.parse::<f64>().ok()?.powf(power.trim_matches(['(', ')']).parse().ok()?)),
        None => text.parse().ok(),
    };
    words.replace("**", "^").split('*').map(factor).product()
}

/// The reference's table for training-time steering.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SteeringConfig {
    steering_vector_path: Option<PathBuf>,
    #[serde(rename = "type")]
    kind: Option<String>,
    steering_coef: Option<f32>,
    layers: Option<Layers>,
}

/// The keys of [`SteeringConfig`].
pub const STEERING_KEYS: [&str; 4] = ["steering_vector_path", "type", "steering_coef", "layers"];

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// The model: a folder, a hub name (`owner/name@revision`), or `harbor`.
    pub model: Option<PathBuf>,
    /// Folder of a PEFT adapter to go on from.
    pub adapter: Option<PathBuf>,
    /// JSONL of chats.
    pub training_file: Option<Files>,
    /// JSONL of held-out chats.
    pub test_file: Option<PathBuf>,
    /// Share of the training chats held out instead, 0 to 1.
    pub holdout: Option<f64>,
    /// Rank of the adapter.
    pub r: Option<usize>,
    /// Its strength.
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
    /// The gradient's norm is clipped to this.
    pub max_grad_norm: Option<f64>,
    /// Chats per forward pass.
    pub per_device_train_batch_size: Option<usize>,
    /// Forward passes per step.
    pub gradient_accumulation_steps: Option<usize>,
    /// Passes over the data.
    pub epochs: Option<usize>,
    /// At most this many steps; -1 for no limit.
    pub max_steps: Option<i64>,
    /// Longer chats are cut, in tokens.
    pub max_seq_length: Option<usize>,
    /// Decides order, hold-out, and the adapter's first values.
    pub seed: Option<u64>,
    /// Learn the assistant's words only.
    pub train_on_responses_only: Option<bool>,
    /// Append the end-of-sequence token to every chat.
    pub append_eos: Option<bool>,
    /// A new order in each epoch.
    pub shuffle: Option<bool>,
    /// Batches of chats of similar length.
    pub group_by_length: Option<bool>,
    /// `tokens` or `micro_batches`.
    pub loss_average: Option<LossAverage>,
    /// Run each block again in the backward pass instead of keeping its activations: true, false, or "auto" where they would
    /// not fit.
    pub recompute: Option<Recompute>,
    /// Steps between checkpoints.
    pub save_steps: Option<usize>,
    /// Programs that show the metrics: "tensorboard", "trackio".
    pub track: Option<Vec<Tracker>>,
    /// Trackio's project.
    pub trackio_project: Option<String>,
    /// What is done to the model while it learns.
    pub intervention: Option<Intervention>,
    /// What is measured while it learns.
    pub watch: Option<WatchConfig>,
    #[serde(skip_serializing)]
    steering_config: Option<SteeringConfig>,
    #[serde(skip_serializing)]
    enable_steering_during_training: Option<bool>,
}

/// The keys of [`TrainConfig`].
const KEYS: [&str; 32] = [
    "model",
    "adapter",
    "training_file",
    "test_file",
    "holdout",
    "r",
    "lora_alpha",
    "use_rslora",
    "target_modules",
    "learning_rate",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "epochs",
    "max_steps",
    "max_seq_length",
    "seed",
    "train_on_responses_only",
    "append_eos",
    "shuffle",
    "group_by_length",
    "loss_average",
    "recompute",
    "save_steps",
    "track",
    "trackio_project",
    "intervention",
    "watch",
    "steering_config",
    "enable_steering_during_training",
];

/// Keys of the reference that decide nothing here (nor, most of them, there: METHOD L.12).
const INERT: [&str; 11] = [
    "finetuned_model_id",
    "load_in_4bit",
    "is_peft",
    "merge_before_push",
    "push_to_private",
    "logging_steps",
    "beta",
    "no_test_split",
    "output_dir",
    "optim",
    "save_total_limit",
];

/// Keys of the reference of which one value alone can be honoured.
const FIXED: [(&str, &[&str], &str); 4] = [
    ("loss", &["sft"], "only supervised finetuning is implemented, as in the reference"),
    ("lr_scheduler_type", &["linear"], "the learning rate falls linearly"),
    ("lora_bias", &["none"], "adapters carry no biases"),
    ("lora_dropout", &["0", "0.0"], "adapters are trained without dropout"),
];

impl TrainConfig {
    /// Reads a TOML or JSON file. Relative paths are looked for in the current folder, then beside the file.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong kind, values that cannot be honoured, paths that lead nowhere.
    pub fn read(path: &Path, console: &dyn Console) -> Result<Self> {
        let mut document = Document::read(path)?;
        let known: Vec<&str> = KEYS.into_iter().chain(INERT).chain(FIXED.map(|(key, ..)| key)).collect();
        document.only("", &known)?;
        check_intervention(&mut document)?;
        document.only("watch", &WATCH_KEYS)?;
        if document.values.get("watch").is_some_and(Value::is_object) {
            document.parse::<WatchConfig>("watch")?;
        }
        document.only("steering_config", &STEERING_KEYS)?;
        for (key, fine, why) in FIXED {
            if let Some(value) = document.values.get(key).filter(|value| !value.is_null()) {
                let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if !fine.contains(&words.as_str()) {
                    let what = format!("`{key}` is {value}, but {why}");
                    return Err(Error::usage(what)
                        .at(document.place(key))
                        .hint(format!("leave it out, or write {}", fine[0])));
                }
            }
        }
        let inert: Vec<&str> = INERT.into_iter().filter(|key| document.values.contains_key(*key)).collect();
        if !inert.is_empty() {
            console.say(&format!("without effect here: {}", inert.join(", ")));
        }
        // The reference's files say `false` for what is not wanted.
        if document.values.get("holdout") == Some(&Value::Bool(false)) {
            document.values.insert("holdout".into(), Value::from(0));
        }
        let mut config: Self = document.parse("")?;
        config.take_reference_steering(console)?;
        config.find_paths(path, console)?;
        Ok(config)
    }

    /// The reference's `steering_config`, which acts only together with its switch (METHOD L.15).
    fn take_reference_steering(&mut self, console: &dyn Console) -> Result<()> {
        let Some(steering) = self.steering_config.take() else { return Ok(()) };
        if self.enable_steering_during_training != Some(true) {
            console.warn(
                "`steering_config` is given, but `enable_steering_during_training` is not true: nothing is steered",
            );
            return Ok(());
        }
        if self.intervention.is_some() {
            return Err(Error::usage("both `steering_config` and `intervention` are given").hint("keep one of them"));
        }
        let SteeringConfig { steering_vector_path: vectors, kind, steering_coef: coef, layers } = steering;
        self.intervention = Some(match kind.as_deref() {
            // The reference adds the raw row at every listed layer.
            None | Some("steer") => {
                let incremental = Some(false);
                Intervention::Steer(train::Steer { vectors, layers, coef, incremental, ..Default::default() })
            }
            // It reads the coefficient for steering alone (METHOD L.15).
            Some("ablate") => {
                let vectors = vectors.map(Files::One);
                Intervention::Ablate(train::Ablate { vectors, layers, ..Default::default() })
            }
            Some(other) => {
                return Err(Error::usage(format!("steering_config: unknown type \"{other}\""))
                    .hint("the reference knows \"steer\" and \"ablate\""));
            }
        });
        Ok(())
    }

    fn find_paths(&mut self, config: &Path, console: &dyn Console) -> Result<()> {
        let find = |key: &str, path: &PathBuf| of_config(key, path, config, console);
        // A model may be a name instead of a folder, so not finding one is the model's own error.
        if let Some(model) = self.model.as_mut()
            && let Ok(found) = find("model", model)
        {
            *model = found;
        }
        self.adapter = self.adapter.take().map(|path| find("adapter", &path)).transpose()?;
        self.test_file = self.test_file.take().map(|path| find("test_file", &path)).transpose()?;
        self.training_file = match self.training_file.take() {
            None => None,
            Some(Files::One(path)) => Some(Files::One(find("training_file", &path)?)),
            Some(Files::Many(paths)) => {
                Some(Files::Many(paths.iter().map(|path| find("training_file", path)).collect::<Result<_>>()?))
            }
        };
        for (key, path) in self.intervention.iter_mut().flat_map(Intervention::paths) {
            *path = find(&format!("intervention.{key}"), path)?;
        }
        if let Some(WatchConfig { file, vectors, .. }) = &mut self.watch {
            for (key, path) in [("file", file), ("vectors", vectors)] {
                *path = path.take().map(|path| find(&format!("watch.{key}"), &path)).transpose()?;
            }
        }
        Ok(())
    }

    /// Fills in every default and refuses what contradicts itself.
    ///
    /// # Errors
    /// A missing model or training file, numbers out of range, an intervention that is not wholly said.
    pub fn resolve(mut self) -> Result<Self> {
        let missing = |key: &str| {
            Error::usage(format!("no `{key}` is given")).hint("write it into the configuration, or pass it as a flag")
        };
        ensure_usage(self.model.is_some(), || missing("model"))?;
        ensure_usage(self.training_file.is_some(), || missing("training_file"))?;
        ensure_usage(self.training_file.as_ref().is_none_or(|files| !files.all().is_empty()), || {
            missing("training_file")
        })?;
        let holdout = *self.holdout.get_or_insert(0.0);
        ensure_usage((0.0..1.0).contains(&holdout), || {
            Error::usage(format!("`holdout` is {holdout}; it is a share, 0 to below 1"))
        })?;
        ensure_usage(holdout == 0.0 || self.test_file.is_none(), || {
            Error::usage("both `holdout` and `test_file` are given").hint("keep one of them")
        })?;
        let rate = self.learning_rate.take().unwrap_or(Rate::Number(1e-5)).value()?;
        self.learning_rate = Some(Rate::Number(rate));
        self.r.get_or_insert(32);
        self.lora_alpha.get_or_insert(64.0);
        self.use_rslora.get_or_insert(true);
        self.target_modules.get_or_insert_with(|| PROJECTIONS.map(str::to_owned).to_vec());
        self.warmup_steps.get_or_insert(5);
        self.weight_decay.get_or_insert(0.01);
        self.max_grad_norm.get_or_insert(1.0);
        self.per_device_train_batch_size.get_or_insert(2);
        self.gradient_accumulation_steps.get_or_insert(8);
        self.epochs.get_or_insert(1);
        self.max_steps = self.max_steps.filter(|&steps| steps > 0);
        self.max_seq_length.get_or_insert(2048);
        self.seed.get_or_insert(0);
        self.train_on_responses_only.get_or_insert(true);
        self.append_eos.get_or_insert(true);
        self.shuffle.get_or_insert(true);
        self.group_by_length.get_or_insert(false);
        self.loss_average.get_or_insert_default();
        self.recompute.get_or_insert_default();
        self.save_steps.get_or_insert(25);
        self.track.get_or_insert_with(|| vec![Tracker::Tensorboard]);
        self.trackio_project.get_or_insert_with(|| "trimtab".to_owned());
        for (key, number) in [
            ("r", self.r),
            ("per_device_train_batch_size", self.per_device_train_batch_size),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps),
            ("epochs", self.epochs),
            ("max_seq_length", self.max_seq_length),
            ("save_steps", self.save_steps),
        ] {
            ensure_usage(number != Some(0), || Error::usage(format!("`{key}` is 0; it must be at least 1")))?;
        }
        let intervention = self.intervention.take().unwrap_or_default().resolve()?;
        if let Some(key) = intervention.lacks() {
            return Err(Error::usage(format!("an intervention of type \"{}\" needs `{key}`", intervention.kind())));
        }
        self.watch = self.watch.map(|watch| watch.resolve(&intervention)).transpose()?;
        self.intervention = Some(intervention);
        self.enable_steering_during_training = None;
        Ok(self)
    }
}

/// The table of an intervention has the keys of its type and no others.
fn check_intervention(document: &mut Document) -> Result<()> {
    let Some(table) = document.values.get("intervention").and_then(Value::as_object) else { return Ok(()) };
    if table.is_empty() {
        document.values.remove("intervention");
        return Ok(());
    }
    let kind = table.get("type").and_then(Value::as_str).map(str::to_owned);
    let kinds = Intervention::kinds();
    let Some(mut keys) = Intervention::keys(kind.as_deref()) else {
        let kind = kind.unwrap_or_default();
        let hint = super::document::nearest(&kind, &kinds)
            .map_or_else(|| format!("there are {}", kinds.join(", ")), |near| format!("did you mean `{near}`?"));
        let what = format!("intervention: unknown type \"{kind}\"");
        return Err(Error::usage(what).at(document.place("intervention.type")).hint(hint));
    };
    keys.push("type");
    document.only("intervention", &keys)?;
    if kind.is_none() {
        let error = Error::usage("`intervention` has no `type`").at(document.place("intervention"));
        return Err(error.hint(format!("write type = one of {}", kinds.join(", "))));
    }
    document.parse::<Intervention>("intervention").map(drop)
}

fn ensure_usage(holds: bool, error: impl FnOnce() -> Error) -> Result<()> {
    if holds { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests;
