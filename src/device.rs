//! Settings meet tensors: the only file that names a backend.

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod adapters;
mod backend;
#[cfg(feature = "cpu")]
mod cpu;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm"))]
mod gpu;
mod pool;
mod settings;

pub use backend::{DeviceInfo, Examination};
pub use settings::{DeviceSettings, configure};

use std::path::Path;

use crate::kernels::Bodies;
use crate::runtime::Runtime;
use crate::{Error, Result};
use backend::{Built, Which};
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

/// The backends of this build of which no device is among these.
pub fn absent(devices: &[DeviceInfo]) -> Vec<&'static str> {
    let is_there = |backend: &Built| devices.iter().any(|one| one.name.split(':').next() == Some(backend.name));
    built().iter().filter(|backend| !is_there(backend)).map(|backend| backend.name).collect()
}

/// Opens a device: `auto`, a name with a number or a part of the device's own name where there are several (`cuda:1`,
/// `wgpu:radeon`), or a list of such names with commas between, whose
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

/// [`open`] for work with this model, and why it is in that dtype: `auto` goes by the checkpoint, but on CUDA and ROCm.
pub fn open_for(device: &str, dtype: &str, model: &Path) -> Result<(Box<dyn Runtime>, &'static str)> {
    if dtype == "auto"
        && let Some(auto) = kind(device).and_then(|backend| backend.auto)
    {
        let (dtype, why) = auto(model)?;
        return Ok((open(device, dtype)?, why));
    }
    Ok((open(device, dtype)?, ""))
}

/// The dtype of a study that is to take minutes and compares its own arms only: bf16 where the device is a CPU that multiplies it, else
/// what `auto` takes.
pub fn quick_dtype(device: &str) -> &'static str {
    #[cfg(feature = "cpu")]
    if is_cpu(device) && crate::kernels::multiplies_bf16() {
        return "bf16";
    }
    #[cfg(not(feature = "cpu"))]
    let _ = device;
    "auto"
}

/// The backend of all devices that are named, if it is one.
fn kind(device: &str) -> Option<Built> {
    let mut backends = built().into_iter();
    if device == "auto" {
        return backends.find(|b| !(b.list)().is_empty());
    }
    let name = |one: &'_ str| one.trim().split(':').next().unwrap_or_default().to_owned();
    backends.find(|backend| device.split(',').all(|one| name(one) == backend.name))
}

#[cfg(feature = "cpu")]
fn is_cpu(device: &str) -> bool {
    kind(device).is_some_and(|backend| backend.name == cpu::CPU.name)
}

/// Begins to count where the CPU's time goes, operation by operation; what it gives makes the report.
///
/// # Errors
/// A build that does not compute on the CPU.
pub fn profile() -> Result<Box<dyn Fn() -> String>> {
    #[cfg(feature = "cpu")]
    {
        let profile = crate::kernels::Profile::start();
        Ok(Box::new(|| profile.table()))
    }
    #[cfg(not(feature = "cpu"))]
    Err(Error::usage("--profile: this build does not compute on the CPU"))
}

fn open_one(device: &str, dtype: &str, share: usize) -> Result<Box<dyn Runtime>> {
    let (backend, which) = find(device)?;
    (backend.open)(which, dtype, share)
}

/// What a device makes of every operation, by its backend's own code or by the composed one, and how fast it is.
pub fn examine(device: &str, bodies: Bodies) -> Result<Examination> {
    let (backend, which) = find(device)?;
    (backend.examine)(which, bodies)
}

/// The backend of a device's name, and which of its devices it is.
fn find(device: &str) -> Result<(Built, Which<'_>)> {
    let mut backends = built();
    if device == "auto" {
        let found = backends.iter().position(|b| !(b.list)().is_empty()).expect("the CPU, or a GPU build's device");
        return Ok((backends.swap_remove(found), Which::Default));
    }
    let (name, which) = match device.split_once(':') {
        Some((name, which)) => (name, Some(which)),
        None => (device, None),
    };
    let which = Which::parse(which);
    match backends.iter().position(|b| b.name == name) {
        Some(found) => Ok((backends.swap_remove(found), which)),
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
