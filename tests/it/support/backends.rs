//! The same checks on every backend that is built in and has a device here.

/// Makes a test of each check, once per backend: `name: check` with `fn check<B: FusedOps>(device: &B::Device)`.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident: $check:ident,)+) => {
        #[cfg(feature = "cpu")]
        mod cpu {
            $(#[test]
            fn $test() {
                super::$check::<burn_flex::Flex>(&Default::default());
            })+
        }

        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
        mod wgpu {
            $(#[test]
            fn $test() {
                match $crate::support::backends::wgpu_device() {
                    Ok(device) => super::$check::<burn_wgpu::Wgpu>(&device),
                    Err(why) => eprintln!("skipped: {why}"),
                }
            })+
        }

        #[cfg(feature = "cuda")]
        mod cuda {
            $(#[test]
            fn $test() {
                match $crate::support::backends::cuda_device() {
                    Ok(device) => super::$check::<burn_cuda::Cuda>(&device),
                    Err(why) => eprintln!("skipped: {why}"),
                }
            })+
        }
    };
}

/// The first GPU of NVIDIA's, if there is one.
#[cfg(feature = "cuda")]
pub fn cuda_device() -> Result<burn_cuda::CudaDevice, String> {
    let device = burn_cuda::CudaDevice::default();
    let probe = || burn_tensor::Tensor::<burn_cuda::Cuda, 1>::ones([1], &device).into_data();
    match std::panic::catch_unwind(probe) {
        Ok(_) => Ok(device),
        Err(_) => Err("no CUDA device, or no driver for it, here".into()),
    }
}

/// The default device, if there is one: Mesa's lavapipe where there is no GPU.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
pub fn wgpu_device() -> Result<burn_wgpu::WgpuDevice, String> {
    let device = burn_wgpu::WgpuDevice::DefaultDevice;
    let probe = || burn_tensor::Tensor::<burn_wgpu::Wgpu, 1>::ones([1], &device).into_data();
    match std::panic::catch_unwind(probe) {
        Ok(_) => Ok(device),
        Err(_) => Err("no Vulkan, Metal or DirectX device here (on Debian: install mesa-vulkan-drivers)".into()),
    }
}

/// Runs an ignored test of this program in a process and a folder of its own, with these variables, where CubeCL finds these settings
/// besides few searches for the fastest variant, which it keeps in the folder.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda"))]
#[track_caller]
pub fn child_with(test: &str, settings: &str, variables: &[(&str, &std::ffi::OsStr)], dir: &std::path::Path) {
    let always = format!(
        "[autotune]\nlevel = \"minimal\"\ncache = {{ file = {dir:?} }}\n[autotune.logger]\nlevel = \"disabled\"\n\
         [streaming]\nmax_streams = 1\n"
    );
    std::fs::write(dir.join("cubecl.toml"), always + settings).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{test}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Our kernels in a log of CubeCL's compiler, and what stands behind each one's name.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn compiled(log: &str) -> impl Iterator<Item = (String, &str)> {
    log.split("[START_KERNEL_COMPILATION]").skip(1).filter_map(|kernel| {
        // Such as `trimtab::kernels::shaders::norm::forward::Forward<`.
        let name = kernel.trim_start().trim_start_matches("name: ").split('<').next().unwrap();
        let (_, place) = name.split_once("::shaders::")?;
        let [.., family, kernel_name, _] = place.split("::").collect::<Vec<_>>()[..] else { panic!("{name}") };
        Some((format!("{family}_{kernel_name}"), kernel))
    })
}
