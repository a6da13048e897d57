//! The adapters that wgpu finds: how they are numbered, named and opened.

use burn_wgpu::WgpuDevice;
use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
use cubecl::future::block_on;
use wgpu::{Adapter, AdapterInfo, DeviceType, PowerPreference, RequestAdapterOptions};

use super::backend::Which;
use crate::{Error, Result};

/// An adapter as `--device` can take it.
pub(super) struct Listed {
    pub device: WgpuDevice,
    /// Its own name, its kind, and its driver.
    pub info: AdapterInfo,
}

impl Listed {
    /// Such as `llvmpipe (LLVM 15.0.6, 256 bits), software on the CPU, Vulkan, Mesa 22.3.6`.
    pub fn description(&self) -> String {
        let AdapterInfo { name, driver, driver_info, backend, device_type, .. } = &self.info;
        let kind = match device_type {
            DeviceType::DiscreteGpu => "a GPU of its own",
            DeviceType::IntegratedGpu => "a GPU in the processor",
            DeviceType::VirtualGpu => "a virtual GPU",
            DeviceType::Cpu => "software on the CPU",
            DeviceType::Other => "of unknown kind",
        };
        let driver = format!("{driver} {driver_info}");
        let driver = driver.trim();
        let comma = if driver.is_empty() { "" } else { ", " };
        format!("{name}, {kind}, {backend:?}{comma}{driver}")
    }
}

/// The adapters here. The first is the one that the driver calls fastest, which is also what a name without a number means.
pub(super) fn adapters() -> Vec<Listed> {
    let backends = AutoGraphicsApi::backend().into();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let options = RequestAdapterOptions { power_preference: PowerPreference::HighPerformance, ..Default::default() };
    let Ok(best) = block_on(instance.request_adapter(&options)) else { return Vec::new() };
    let best = best.get_info();
    let infos: Vec<AdapterInfo> =
        block_on(instance.enumerate_adapters(backends)).iter().map(Adapter::get_info).collect();
    // Burn counts the adapters of each kind.
    let device = |i: usize| {
        let kind = infos[i].device_type;
        let before = infos[..i].iter().filter(|info| info.device_type == kind).count();
        match kind {
            DeviceType::DiscreteGpu => Some(WgpuDevice::DiscreteGpu(before)),
            DeviceType::IntegratedGpu => Some(WgpuDevice::IntegratedGpu(before)),
            DeviceType::VirtualGpu => Some(WgpuDevice::VirtualGpu(before)),
            DeviceType::Cpu if before == 0 => Some(WgpuDevice::Cpu),
            // Burn has no name for a second one, nor for a kind that it does not know.
            DeviceType::Cpu | DeviceType::Other => None,
        }
    };
    let first = infos.iter().position(|info| *info == best);
    let others = (0..infos.len()).filter(|i| Some(*i) != first);
    let mut listed = vec![Listed { device: WgpuDevice::DefaultDevice, info: best }];
    listed.extend(others.filter_map(|i| Some(Listed { device: device(i)?, info: infos[i].clone() })));
    listed
}

/// The adapter that is meant, and its number.
///
/// # Errors
/// None at all; none of that number or name; a name that several have.
pub(super) fn find(backend: &str, which: Which<'_>) -> Result<(usize, WgpuDevice)> {
    let adapters = adapters();
    if adapters.is_empty() {
        let api = AutoGraphicsApi::backend();
        let what = format!("--device {backend}: no driver for {api:?} gives a device here");
        return Err(Error::usage(what).hint(
            "install the GPU's driver, or a device in software (Debian: mesa-vulkan-drivers); where VK_ICD_FILENAMES or \
             VK_DRIVER_FILES is set, it must name a driver's file; or use --device cpu",
        ));
    }
    let called = |i: usize| format!("{backend}:{i} ({})", adapters[i].info.name);
    let named = |part: &str| -> Vec<usize> {
        let part = part.to_lowercase();
        (0..adapters.len()).filter(|i| adapters[*i].info.name.to_lowercase().contains(&part)).collect()
    };
    let (asked, found) = match which {
        Which::Default => return Ok((0, WgpuDevice::DefaultDevice)),
        Which::Number(i) => (i.to_string(), (i < adapters.len()).then_some(i).into_iter().collect()),
        // Every name has the empty one in it.
        Which::Named("") => (String::new(), Vec::new()),
        Which::Named(part) => (part.to_owned(), named(part)),
    };
    match found[..] {
        [one] => Ok((one, adapters[one].device.clone())),
        [] => {
            let known: Vec<String> = (0..adapters.len()).map(called).collect();
            Err(Error::usage(format!("--device {backend}:{asked}: there is no such device"))
                .hint(format!("take a number or a part of a name: there is {}", known.join(", "))))
        }
        [..] => {
            let names: Vec<String> = found.iter().copied().map(called).collect();
            Err(Error::usage(format!("--device {backend}:{asked}: the name fits {}", names.join(" and ")))
                .hint("take it by its number"))
        }
    }
}
