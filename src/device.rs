//! Settings meet tensors: the only file that names a backend.

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm"))]
mod gpu;
mod pool;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::tensor::DType;
use serde::Serialize;

use crate::generate::{Budget, MemoryLimit, TextGenerator};
use crate::kernels::FusedOps;
use crate::language_model::LanguageModel;
use crate::model::peft::{Adapter, AdapterConfig};
use crate::model::{Learning, Qwen, QwenConfig, WeightStorage};
use crate::runtime::{FitOutcome, FitSpec, ModelSpec, Runtime, Start};
use crate::text::{Tokenizer, TrainingExample};
use crate::train::{self, DeviceLimits, Event, FitContext, FitEstimate, FitSettings, Learned, Recompute, StopReason};
use crate::{Error, Result};
use pool::DevicePool;

#[cfg(any(
    all(feature = "vulkan", feature = "metal"),
    all(feature = "wgpu", feature = "metal"),
    all(feature = "wgpu", feature = "vulkan")
))]
compile_error!(
    "the features `wgpu`, `vulkan` and `metal` exclude each other: Burn 0.21 holds one wgpu flavour per binary"
);

#[cfg(not(any(
    feature = "cpu",
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "cuda",
    feature = "rocm"
)))]
compile_error!("build with at least one backend: --features cpu, wgpu, vulkan, metal, cuda or rocm");

/// A device that this build can compute on.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceInfo {
    /// What `--device` takes.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Memory in bytes, where it is known.
    pub memory: Option<u64>,
    /// Dtypes in which frozen weights can be held.
    pub dtypes: Vec<String>,
    /// The dtype that `--dtype auto` picks.
    pub default_dtype: String,
}

/// One backend of this build: how it is named, and how to open it.
struct Built {
    name: &'static str,
    /// Which of them, its dtype, and how many share the machine.
    open: fn(usize, &str, usize) -> Result<Box<dyn Runtime>>,
    list: fn() -> Vec<DeviceInfo>,
}

/// The backends of this build, the fastest first: what `auto` tries in order.
fn built() -> Vec<Built> {
    vec![
        #[cfg(feature = "cuda")]
        gpu::CUDA,
        #[cfg(feature = "rocm")]
        gpu::ROCM,
        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
        gpu::WGPU,
        #[cfg(feature = "cpu")]
        cpu::CPU,
    ]
}

/// The devices that this build can use here.
pub fn devices() -> Vec<DeviceInfo> {
    built().iter().flat_map(|backend| (backend.list)()).collect()
}

/// Opens a device: `auto`, a name with an index where there are several (`cuda:1`), or a list of such names with commas between, whose
/// pieces of work then run side by side (`cuda:0,cuda:1`; `cpu,cpu` has two halves of the cores). `dtype` is `auto`, `f32`, `f16` or
/// `bf16` and holds for frozen matrices; everything else is f32.
pub fn open(device: &str, dtype: &str) -> Result<Box<dyn Runtime>> {
    let names: Vec<&str> = device.split(',').map(str::trim).collect();
    if let [one] = names[..] {
        return open_one(one, dtype, 1);
    }
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| **name != "cpu" && names[..*i].contains(name)) {
        return Err(Error::usage(format!("--device {device}: {} is named twice", twice.1)));
    }
    let runtimes = names.iter().map(|name| open_one(name, dtype, names.len())).collect::<Result<_>>()?;
    Ok(Box::new(DevicePool::new(runtimes)?))
}

fn open_one(device: &str, dtype: &str, share: usize) -> Result<Box<dyn Runtime>> {
    let backends = built();
    if device == "auto" {
        let found = backends.iter().find(|b| !(b.list)().is_empty()).expect("the CPU, or a GPU build's device");
        return (found.open)(0, dtype, share);
    }
    let (name, index) = device.split_once(':').unwrap_or((device, "0"));
    let index = index.parse().map_err(|_| Error::usage(format!("--device {device}: `{index}` is not a number")))?;
    match backends.iter().find(|b| b.name == name) {
        Some(backend) => (backend.open)(index, dtype, share),
        None => {
            let names: Vec<&str> = backends.iter().map(|b| b.name).collect();
            let known = ["cpu", "wgpu", "vulkan", "metal", "cuda", "rocm"].contains(&name);
            let hint = if known {
                format!("build with `--features {name}`; this build has {}", names.join(", "))
            } else {
                format!("this build has {}", names.join(", "))
            };
            Err(Error::usage(format!("--device {device}: there is no such device in this build")).hint(hint))
        }
    }
}

/// A model folder in memory.
struct Loaded<B: FusedOps> {
    folder: PathBuf,
    model: Qwen<B>,
    tokenizer: Arc<Tokenizer>,
}

/// A device with its most recent model: every arm of a study wears its adapter over the same weights.
struct DeviceRuntime<B: FusedOps> {
    device: B::Device,
    name: String,
    dtype: DType,
    workers: usize,
    /// Does a piece of work with its share of the machine.
    alone: fn(&mut (dyn FnMut() + Send)),
    /// Memory in bytes, where it is known.
    memory: Option<u64>,
    /// The largest tensor that the device can bind.
    tensor_bytes_max: u64,
    loaded: Mutex<Option<Arc<Loaded<B>>>>,
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
            model: Qwen::load(folder, &self.device, self.storage(self.dtype))?,
        });
        Ok(slot.insert(loaded).clone())
    }

    /// A model with its adapter and steering, and its tokenizer.
    fn with_adapter(&self, spec: &ModelSpec) -> Result<(Qwen<B>, Arc<Tokenizer>)> {
        let loaded = self.load(&spec.model)?;
        let model = match &spec.adapter {
            Some(adapter) => loaded.model.with_adapter(&Adapter::read(adapter, &loaded.model.config)?),
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
    fn decided(&self, config: &QwenConfig, learned: Learned, spec: &FitSpec<'_>) -> FitSettings {
        let dtype = if learned.weights { DType::F32 } else { self.dtype };
        let again = train::recomputes::<B>(config, learned, spec.examples, &spec.settings, self.place(dtype));
        let recompute = if again { Recompute::Always } else { Recompute::Never };
        FitSettings { recompute, ..spec.settings.clone() }
    }

    /// How much generation may hold beside the weights.
    fn budget(&self, config: &QwenConfig) -> Budget {
        let values: usize = config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let weights = (values * self.dtype.size()) as u64;
        let bytes = self.memory.map(|memory| memory.saturating_sub(weights));
        Budget::fitting(config, MemoryLimit { bytes, tensor_bytes_max: self.tensor_bytes_max })
    }
}

impl<B: FusedOps> Runtime for DeviceRuntime<B> {
    fn device(&self) -> String {
        format!("{} ({:?})", self.name, self.dtype).to_lowercase()
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
        Ok(Box::new(TextGenerator::new(model, tokenizer).with_budget(budget)))
    }

    fn logits(&self, spec: &ModelSpec, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let (model, _) = self.with_adapter(spec)?;
        Ok(texts.iter().map(|ids| model.logits_of(ids)).collect())
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        let tokenizer = Tokenizer::load(&spec.model)?;
        let (model, adapter, learning) = match &spec.start {
            Start::Adapter(config, seed) => {
                let base = &self.load(&spec.model)?.model;
                let adapter = Adapter::fresh(config.clone(), &base.config, *seed)?;
                (base.with_adapter(&adapter), Some(adapter.config), Learning::Lora)
            }
            Start::From(folder) => {
                let base = &self.load(&spec.model)?.model;
                let adapter = Adapter::read(folder, &base.config)?;
                (base.with_adapter(&adapter), Some(adapter.config), Learning::Lora)
            }
            Start::Weights => (Qwen::load(&spec.model, &self.device, self.storage(DType::F32))?, None, Learning::Full),
            Start::Scratch(seed) => {
                (Qwen::random(QwenConfig::read(&spec.model)?, *seed, &self.device), None, Learning::Full)
            }
        };
        let mut model = model.steered(&spec.plan)?;
        let learned = match &adapter {
            Some(config) => Learned::adapter(&config.layout(&model.config)?),
            None => Learned::all(&model.config),
        };
        let settings = &self.decided(&model.config, learned, spec);
        let pad = tokenizer.pad_id();
        let course = FitContext {
            examples: spec.examples,
            pad_id: pad,
            settings,
            regularize: spec.regularize.as_ref(),
            watch: spec.watch.as_ref(),
            refresh: spec.refresh.as_ref(),
            checkpoint: spec.checkpoint.as_deref(),
        };
        let (steps, end) = train::fit(&mut model, learning, &course, tell)?;
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

    fn plan(
        &self,
        config: &QwenConfig,
        adapter: &AdapterConfig,
        examples: &[TrainingExample],
        settings: &FitSettings,
        trial: bool,
    ) -> Result<FitEstimate> {
        let device = (&self.device, Runtime::device(self));
        train::estimate::<B>(config, adapter, examples, settings, self.place(self.dtype), device, trial)
    }
}

/// Picks the dtype of frozen matrices. `auto` takes the preferred one, or f32 where the device cannot compute in it.
fn pick_dtype<B: FusedOps>(device: &B::Device, wanted: &str, preferred: DType) -> Result<DType> {
    let dtype = match wanted {
        "auto" if B::supports_dtype(device, preferred) => return Ok(preferred),
        "auto" => return Ok(DType::F32),
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        other => return Err(Error::usage(format!("--dtype {other}: there are auto, f32, f16 and bf16"))),
    };
    if !B::supports_dtype(device, dtype) {
        return Err(
            Error::usage(format!("--dtype {wanted}: this device cannot compute in it")).hint("use --dtype auto")
        );
    }
    Ok(dtype)
}

fn dtypes<B: FusedOps>(device: &B::Device) -> Vec<String> {
    [(DType::F32, "f32"), (DType::F16, "f16"), (DType::BF16, "bf16")]
        .into_iter()
        .filter(|(dtype, _)| B::supports_dtype(device, *dtype))
        .map(|(_, name)| name.to_owned())
        .collect()
}

#[cfg(feature = "cpu")]
mod cpu {
    use burn::backend::Flex;

    use super::*;

    pub(super) const CPU: Built = Built { name: "cpu", open, list };

    fn open(_: usize, dtype: &str, share: usize) -> Result<Box<dyn Runtime>> {
        let device = Default::default();
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Ok(Box::new(DeviceRuntime::<Flex> {
            // burn-flex converts whole half-precision operands at each product, so f32 is the fast one too.
            dtype: pick_dtype::<Flex>(&device, dtype, DType::F32)?,
            device,
            name: "cpu".into(),
            workers: (cores / share).max(1),
            alone: if cores > 1 { in_one_thread } else { |work| work() },
            // Others live here too.
            memory: memory().map(|bytes| bytes / 2 / share as u64),
            tensor_bytes_max: u64::MAX,
            loaded: Mutex::new(None),
        }))
    }

    /// Others have the other cores.
    fn in_one_thread(work: &mut (dyn FnMut() + Send)) {
        rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread").install(work);
    }

    fn list() -> Vec<DeviceInfo> {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        vec![DeviceInfo {
            name: "cpu".into(),
            description: format!("{threads} threads"),
            memory: memory(),
            dtypes: dtypes::<Flex>(&Default::default()),
            default_dtype: "f32".into(),
        }]
    }

    /// Total memory, or what a container may have of it, where the system tells it in a file.
    fn memory() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().trim_end_matches(" kB");
        let all = kib.parse::<u64>().ok()? * 1024;
        let share = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
        let share = share.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(all);
        Some(all.min(share))
    }
}
