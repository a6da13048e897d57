//! The same checks on every backend that is built in and has a device here.

/// Makes a test of each check, once per backend: `name: check` with `fn check<B: FusedOps>(device: &B::Device)`.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident: $check:ident,)+) => {
        #[cfg(feature = "cpu")]
        mod cpu {
            $(#[test]
            fn $test() {
                super::$check::<burn::backend::Flex>(&Default::default());
            })+
        }

        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
        mod wgpu {
            $(#[test]
            fn $test() {
                match $crate::support::backends::wgpu_device() {
                    Ok(device) => super::$check::<burn::backend::Wgpu>(&device),
                    Err(why) => eprintln!("skipped: {why}"),
                }
            })+
        }
    };
}

/// The default device, if there is one: Mesa's lavapipe where there is no GPU.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
pub fn wgpu_device() -> Result<burn::backend::wgpu::WgpuDevice, String> {
    let device = burn::backend::wgpu::WgpuDevice::DefaultDevice;
    let probe = || burn::tensor::Tensor::<burn::backend::Wgpu, 1>::ones([1], &device).into_data();
    match std::panic::catch_unwind(probe) {
        Ok(_) => Ok(device),
        Err(_) => Err("no Vulkan, Metal or DirectX device here (on Debian: install mesa-vulkan-drivers)".into()),
    }
}
