//! A device of any backend as a [`Runtime`]: models loaded, steered and trained on it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use burn_tensor::{DType, Tensor};
use serde::Serialize;

use crate::generate::{Budget, MemoryLimit, TextGenerator};
use crate::kernels::{Bodies, FusedOps, OperationResult, operations};
use crate::language_model::LanguageModel;
use crate::model::peft::Adapter;
use crate::model::{Learning, ModelConfig, Transformer, WeightStorage};
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime, Start};
use crate::text::Tokenizer;
use crate::train::{self, DeviceLimits, Event, FitContext, FitEstimate, FitSettings, Learned, Recompute, StopReason};
use crate::{Error, Result};

/// A device that this build can compute on.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceInfo {
    /// What `--device` takes.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Memory in bytes, where it is known.
    pub memory: Option<u64>,
    /// The most bytes that one tensor can have, where a device binds no more at once.
    pub binding_max: Option<u64>,
    /// Dtypes in which frozen weights can be held.
    pub dtypes: Vec<String>,
    /// The dtype that `--dtype auto` picks.
    pub default_dtype: String,
}

/// Which device of a backend is meant: what stands behind the colon of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which<'n> {
    /// The name of the backend alone.
    Default,
    /// A number, as `trimtab devices` counts.
    Number(usize),
    /// A part of the device's own name.
    Named(&'n str),
}

impl<'n> Which<'n> {
    pub fn parse(after_colon: Option<&'n str>) -> Self {
        match after_colon {
            None => Self::Default,
            Some(text) => text.parse().map_or(Self::Named(text), Self::Number),
        }
    }
}

/// The dtype that `auto` takes for a model's folder or file, and why (guide: method, "Dtypes").
pub(super) type AutoDtype = fn(&Path) -> Result<(&'static str, &'static str)>;

/// One backend of this build: how it is named, and how to open it.
pub(super) struct Built {
    pub name: &'static str,
    /// Which of them, its dtype, and how many share the machine.
    pub open: fn(Which<'_>, &str, usize) -> Result<Box<dyn Runtime>>,
    pub list: fn() -> Vec<DeviceInfo>,
    /// What `auto` takes, where it goes by the checkpoint.
    pub auto: Option<AutoDtype>,
    /// Which of them, and whose code.
    pub examine: fn(Which<'_>, Bodies) -> Result<Examination>,
}

/// What a device computes, and how fast.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Every operation's numbers.
    pub operations: Vec<OperationResult>,
    /// Operations on a single number that are begun and done in a second.
    pub launches_per_second: f64,
    /// Bytes read and written in a second by an addition to 64 MiB.
    pub bytes_per_second: f64,
}

pub(super) fn examine<B: FusedOps>(device: &B::Device, bodies: Bodies) -> Examination {
    let operations = operations::<B>(device, bodies);
    let timed = |n: usize, values: usize| {
        let mut x = Tensor::<B, 1>::zeros([values], device);
        // The first addition compiles its kernel.
        x = x + 1.0;
        x.clone().narrow(0, 0, 1).into_data();
        let began = Instant::now();
        for _ in 0..n {
            x = x + 1.0;
        }
        // Only what is read back is surely done.
        x.narrow(0, 0, 1).into_data();
        n as f64 / began.elapsed().as_secs_f64()
    };
    let values = 1 << 24;
    Examination {
        operations,
        launches_per_second: timed(500, 1),
        bytes_per_second: timed(8, values) * (2 * 4 * values) as f64,
    }
}

/// A model folder in memory.
pub(super) struct Loaded<B: FusedOps> {
    folder: PathBuf,
    model: Transformer<B>,
    tokenizer: Arc<Tokenizer>,
}

/// A device with its most recent model: every arm of a study puts its adapter on the same weights.
pub(super) struct DeviceRuntime<B: FusedOps> {
    pub device: B::Device,
    pub name: String,
    pub dtype: DType,
    pub workers: usize,
    /// Runs a task with its share of the machine's threads.
    pub alone: fn(&mut (dyn FnMut() + Send)),
    pub memory: Option<u64>,
    /// The largest tensor that the device can bind.
    pub tensor_bytes_max: u64,
    pub loaded: Mutex<Option<Arc<Loaded<B>>>>,
}

impl<B: FusedOps> DeviceRuntime<B> {
    fn load(&self, folder: &Path) -> Result<Arc<Loaded<B>>> {
        let mut slot = self.loaded.lock().expect("a loader that panicked ended the process");
        if let Some(loaded) = slot.as_ref().filter(|loaded| loaded.folder == folder) {
            return Ok(loaded.clone());
        }
        // The old one goes first: two large models do not fit beside each other.
        *slot = None;
        let loaded = Arc::new(Loaded {
            folder: folder.to_owned(),
            tokenizer: Arc::new(Tokenizer::load(folder)?),
            model: Transformer::load(folder, &self.device, self.storage(self.dtype))?,
        });
        Ok(slot.insert(loaded).clone())
    }

    /// A model with its adapter and steering, and its tokenizer.
    fn with_adapter(&self, spec: &ModelSpec) -> Result<(Transformer<B>, Arc<Tokenizer>)> {
        let loaded = self.load(&spec.model)?;
        let model = match &spec.adapter {
            Some(adapter) => loaded.model.with_adapter(&Adapter::read_on(adapter, &loaded.model.config, &spec.model)?),
            None => loaded.model.clone(),
        };
        Ok((model.steered(&spec.plan)?, loaded.tokenizer.clone()))
    }

    fn storage(&self, dtype: DType) -> WeightStorage {
        WeightStorage { dtype, tensor_bytes_max: self.tensor_bytes_max }
    }

    fn place(&self, dtype: DType) -> DeviceLimits {
        DeviceLimits { storage: self.storage(dtype), memory: self.memory }
    }

    /// The settings with what they leave to the device: whether activations are kept.
    fn decided(&self, config: &ModelConfig, learned: Learned, spec: &FitSpec<'_>) -> FitSettings {
        let dtype = if learned.weights { DType::F32 } else { self.dtype };
        let again = train::recomputes::<B>(config, learned, spec.examples, &spec.settings, self.place(dtype));
        let recompute = if again { Recompute::Always } else { Recompute::Never };
        FitSettings { recompute, ..spec.settings.clone() }
    }

    /// How much generation may hold beside the weights.
    fn budget(&self, config: &ModelConfig) -> Budget {
        let values: usize = config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let weights = (values * self.dtype.size()) as u64;
        let bytes = self.memory.map(|memory| memory.saturating_sub(weights));
        Budget::fitting(config, MemoryLimit { bytes, tensor_bytes_max: self.tensor_bytes_max })
    }
}

impl<B: FusedOps> Runtime for DeviceRuntime<B> {
    fn device(&self) -> String {
        format!("{} ({})", self.name, name_of(self.dtype))
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn alone(&self, work: &mut (dyn FnMut() + Send)) {
        (self.alone)(work);
    }

    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        let (model, tokenizer) = self.with_adapter(spec)?;
        let budget = self.budget(&model.config);
        let adapter = spec.adapter.as_ref().map_or_else(String::new, |dir| format!(" with {}", dir.display()));
        let called = format!("{}{adapter}", spec.model.display());
        Ok(Box::new(TextGenerator::new(model, tokenizer).with_budget(budget).called(called)))
    }

    fn logits(&self, spec: &ModelSpec, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let (model, _) = self.with_adapter(spec)?;
        Ok(texts.iter().map(|ids| model.logits_of(ids)).collect())
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        refuse_q8(self.dtype)?;
        let tokenizer = Tokenizer::load(&spec.model)?;
        let (model, adapter, learning) = match &spec.start {
            Start::Adapter(config, seed) => {
                let base = &self.load(&spec.model)?.model;
                let adapter = Adapter::fresh(config.clone(), &base.config, *seed)?;
                (base.with_adapter(&adapter), Some(adapter.config), Learning::Lora)
            }
            Start::From(folder) => {
                let base = &self.load(&spec.model)?.model;
                let adapter = Adapter::read_on(folder, &base.config, &spec.model)?;
                (base.with_adapter(&adapter), Some(adapter.config), Learning::Lora)
            }
            Start::Weights => {
                (Transformer::load(&spec.model, &self.device, self.storage(DType::F32))?, None, Learning::Full)
            }
            Start::Scratch(seed) => {
                (Transformer::random(ModelConfig::read(&spec.model)?, *seed, &self.device), None, Learning::Full)
            }
        };
        let mut model = model.steered(&spec.plan)?;
        let learned = match &adapter {
            Some(config) => Learned::adapter(&config.layout(&model.config)?),
            None => Learned::all(&model.config),
        };
        let settings = &self.decided(&model.config, learned, spec);
        let pad = tokenizer.pad_id();
        let context = FitContext {
            examples: spec.examples,
            pad_id: pad,
            settings,
            regularize: spec.regularize.as_ref(),
            watch: spec.watch.as_ref(),
            refresh: spec.refresh.as_ref(),
            checkpoint: spec.checkpoint.as_deref(),
        };
        let (steps, end) = train::fit(&mut model, learning, &context, tell)?;
        let complete = end != StopReason::Interrupted;
        let model = model.unsteered();
        let mut holdout_loss = None;
        if complete {
            match &adapter {
                Some(config) => model.adapter(config)?.write(&spec.out)?,
                None => model.save(&spec.out, safetensors::Dtype::F32, Some(&spec.model))?,
            }
            if !spec.holdout.is_empty() {
                holdout_loss = Some(train::mean_loss(&model, spec.holdout, settings.micro_batch, pad));
            }
        }
        Ok(FitOutcome { steps, holdout_loss, complete, stopped: end == StopReason::Stopped })
    }

    fn estimate(&self, spec: &EstimateSpec<'_>) -> Result<FitEstimate> {
        refuse_q8(self.dtype)?;
        let &EstimateSpec { config, adapter, examples, settings, trial } = spec;
        let device = (&self.device, Runtime::device(self));
        train::estimate::<B>(config, adapter, examples, settings, self.place(self.dtype), device, trial)
    }
}

/// Numbers up to which a model is held in f32 anyway: half the bytes bring nothing where a processor's caches hold the weights, or where
/// the time goes into beginning kernels.
#[cfg(any(feature = "cpu", feature = "wgpu", feature = "vulkan", feature = "metal"))]
pub(super) const SMALL: usize = 1 << 24;

/// Dtypes of frozen matrices, and what `--dtype` calls them.
const DTYPES: [(&str, DType); 4] = [("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16), ("q8", DType::I8)];

/// Picks the dtype of frozen matrices. `auto` takes the preferred one, or f32 where the device cannot compute in it.
pub(super) fn pick_dtype<B: FusedOps>(device: &B::Device, wanted: &str, preferred: DType) -> Result<DType> {
    if wanted == "auto" {
        return Ok(if B::supports_dtype(device, preferred) { preferred } else { DType::F32 });
    }
    let (_, dtype) = *DTYPES
        .iter()
        .find(|(name, _)| *name == wanted)
        .ok_or_else(|| Error::usage(format!("--dtype {wanted}: there are auto, f32, f16, bf16 and q8")))?;
    if !holds::<B>(device, dtype) {
        return Err(
            Error::usage(format!("--dtype {wanted}: this device cannot compute in it")).hint("use --dtype auto")
        );
    }
    Ok(dtype)
}

pub(super) fn dtypes<B: FusedOps>(device: &B::Device) -> Vec<String> {
    let held = DTYPES.iter().filter(|(_, dtype)| holds::<B>(device, *dtype));
    held.map(|(name, _)| (*name).to_owned()).collect()
}

/// Whether frozen matrices can be held in this dtype.
fn holds<B: FusedOps>(device: &B::Device, dtype: DType) -> bool {
    match dtype {
        DType::I8 => B::HOLDS_Q8,
        DType::F16 | DType::BF16 if B::HOLDS_HALVES => true,
        _ => B::supports_dtype(device, dtype),
    }
}

pub(super) fn name_of(dtype: DType) -> &'static str {
    DTYPES.iter().find(|(_, held)| *held == dtype).expect("matrices are held in these alone").0
}

/// Training goes through the weights backwards, for which 8 bits are too coarse and have no product.
fn refuse_q8(dtype: DType) -> Result<()> {
    match dtype {
        DType::I8 => Err(Error::usage("--dtype q8: 8-bit weights are for generation, not for training")
            .hint("train with --dtype bf16 or f32; what was trained can be generated from in q8")),
        _ => Ok(()),
    }
}
