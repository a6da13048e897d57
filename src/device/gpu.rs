//! The GPU backends of a build, each behind the feature of its name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use burn_tensor::{DType, Tensor};

use super::backend::{Built, DeviceInfo, DeviceRuntime, Examination, Which, dtypes, examine, pick_dtype};
use super::settings::memory_given;
use crate::kernels::{Bodies, FusedOps};
use crate::runtime::Runtime;
use crate::{Error, Result};

/// Opens a GPU, or says why not: the runtimes of Burn 0.21 panic where a driver or a device is missing.
fn probe<B: FusedOps>(device: &B::Device, name: &str) -> Result<()> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let probed = catch_unwind(AssertUnwindSafe(|| Tensor::<B, 1>::ones([1], device).into_data()));
    std::panic::set_hook(hook);
    match probed {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::usage(format!("--device {name}: there is no such device, or no driver for it, here"))
            .hint("`trimtab devices` lists what can be used")),
    }
}

/// What a GPU backend tells of its devices.
struct Kind<B: FusedOps> {
    preferred: DType,
    /// The largest piece of memory that a tensor can have: on wgpu the largest binding (WGSL and Metal; SPIR-V with
    /// 64-bit indices has none, and gives a quarter of the memory), elsewhere a quarter of the memory.
    page: fn(&B::Device) -> u64,
    is_quarter: bool,
}

impl<B: FusedOps> Kind<B> {
    fn memory(&self, device: &B::Device) -> Option<u64> {
        memory_given().or(self.is_quarter.then(|| 4 * (self.page)(device)))
    }

    fn bench(&self, device: B::Device, name: String, dtype: &str) -> Result<Box<dyn Runtime>> {
        probe::<B>(&device, &name)?;
        let dtype = pick_dtype::<B>(&device, dtype, self.preferred)?;
        let (memory, tensor_bytes_max) = (self.memory(&device), (self.page)(&device));
        // One queue: a second host thread would only open a second memory pool.
        Ok(Box::new(DeviceRuntime::<B> {
            device,
            name,
            dtype,
            workers: 1,
            alone: |work| work(),
            memory,
            tensor_bytes_max,
            loaded: Mutex::new(None),
        }))
    }

    fn examine(&self, device: &B::Device, name: &str, bodies: Bodies) -> Result<Examination> {
        probe::<B>(device, name)?;
        Ok(examine::<B>(device, bodies))
    }

    fn info(&self, device: B::Device, name: &str, description: &str) -> Option<DeviceInfo> {
        probe::<B>(&device, name).ok()?;
        let auto = pick_dtype::<B>(&device, "auto", self.preferred).unwrap_or(DType::F32);
        Some(DeviceInfo {
            name: name.into(),
            description: description.into(),
            binding_max: (!self.is_quarter).then(|| (self.page)(&device)),
            memory: self.memory(&device),
            dtypes: dtypes::<B>(&device),
            default_dtype: format!("{auto:?}").to_lowercase(),
        })
    }
}

/// The number of a device of a backend whose devices have no names.
#[cfg(any(feature = "cuda", feature = "rocm"))]
fn number(backend: &str, which: Which<'_>) -> Result<usize> {
    match which {
        Which::Default => Ok(0),
        Which::Number(index) => Ok(index),
        Which::Named(name) => Err(Error::usage(format!("--device {backend}:{name}: `{name}` is not a number"))
            .hint("`trimtab devices` lists what can be used")),
    }
}

/// The largest page, which a tensor's own client tells.
macro_rules! page {
    ($backend:ty) => {
        |device| {
            let one = Tensor::<$backend, 1>::ones([1], device).into_primitive().tensor();
            one.client.properties().memory.max_page_size
        }
    };
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod wgpu {
    use burn_wgpu::Wgpu;

    use std::path::Path;

    use super::super::adapters::{adapters, find};
    use super::super::backend::SMALL;
    use super::*;
    use crate::model::Checkpoint;

    const NAME: &str = if cfg!(feature = "vulkan") {
        "vulkan"
    } else if cfg!(feature = "metal") {
        "metal"
    } else {
        "wgpu"
    };

    pub(in crate::device) const WGPU: Built = Built { name: NAME, open, list, auto: Some(auto), examine };

    /// Without a model to go by, f32.
    const KIND: Kind<Wgpu> = Kind { preferred: DType::F32, page: page!(Wgpu), is_quarter: false };

    fn open(which: Which<'_>, dtype: &str, _: usize) -> Result<Box<dyn Runtime>> {
        let (number, device) = find(NAME, which)?;
        KIND.bench(device, format!("{NAME}:{number}"), dtype)
    }

    /// Products are in f32 however matrices are held, so a checkpoint in half precision is held as it is: the same numbers from half the
    /// bytes.
    fn auto(model: &Path) -> Result<(&'static str, &'static str)> {
        let checkpoint = Checkpoint::open(model)?;
        for (dtype, why) in [
            ("bf16", "the checkpoint is in bf16, and products are in f32 all the same"),
            ("f16", "the checkpoint is in f16, and products are in f32 all the same"),
        ] {
            let (in_it, all) = checkpoint.count(dtype)?;
            if in_it * 2 > all {
                return Ok(if all <= SMALL { ("f32", "the model is small") } else { (dtype, why) });
            }
        }
        Ok(("f32", "the checkpoint is not in half precision"))
    }

    fn examine(which: Which<'_>, bodies: Bodies) -> Result<Examination> {
        let (number, device) = find(NAME, which)?;
        KIND.examine(&device, &format!("{NAME}:{number}"), bodies)
    }

    fn list() -> Vec<DeviceInfo> {
        let listed = adapters().into_iter().enumerate();
        listed
            .filter_map(|(i, one)| KIND.info(one.device.clone(), &format!("{NAME}:{i}"), &one.description()))
            .collect()
    }
}
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
pub(super) use wgpu::WGPU;

#[cfg(feature = "cuda")]
mod cuda {
    use burn_cuda::{Cuda, CudaDevice};

    use super::*;

    pub(in crate::device) const CUDA: Built = Built { name: "cuda", open, list, auto: None, examine };

    const KIND: Kind<Cuda> = Kind { preferred: DType::BF16, page: page!(Cuda), is_quarter: true };

    fn open(which: Which<'_>, dtype: &str, _: usize) -> Result<Box<dyn Runtime>> {
        let index = number("cuda", which)?;
        KIND.bench(CudaDevice::new(index), format!("cuda:{index}"), dtype)
    }

    fn examine(which: Which<'_>, bodies: Bodies) -> Result<Examination> {
        let index = number("cuda", which)?;
        KIND.examine(&CudaDevice::new(index), &format!("cuda:{index}"), bodies)
    }

    fn list() -> Vec<DeviceInfo> {
        let info = |index| {
            KIND.info(CudaDevice::new(index), &format!("cuda:{index}"), &format!("{:?}", CudaDevice::new(index)))
        };
        (0..).map_while(info).collect()
    }
}
#[cfg(feature = "cuda")]
pub(super) use cuda::CUDA;

#[cfg(feature = "rocm")]
mod rocm {
    use burn_rocm::{Rocm, RocmDevice};

    use super::*;

    pub(in crate::device) const ROCM: Built = Built { name: "rocm", open, list, auto: None, examine };

    const KIND: Kind<Rocm> = Kind { preferred: DType::BF16, page: page!(Rocm), is_quarter: true };

    fn open(which: Which<'_>, dtype: &str, _: usize) -> Result<Box<dyn Runtime>> {
        let index = number("rocm", which)?;
        KIND.bench(RocmDevice::new(index), format!("rocm:{index}"), dtype)
    }

    fn examine(which: Which<'_>, bodies: Bodies) -> Result<Examination> {
        let index = number("rocm", which)?;
        KIND.examine(&RocmDevice::new(index), &format!("rocm:{index}"), bodies)
    }

    fn list() -> Vec<DeviceInfo> {
        let info = |index| {
            KIND.info(RocmDevice::new(index), &format!("rocm:{index}"), &format!("{:?}", RocmDevice::new(index)))
        };
        (0..).map_while(info).collect()
    }
}
#[cfg(feature = "rocm")]
pub(super) use rocm::ROCM;
