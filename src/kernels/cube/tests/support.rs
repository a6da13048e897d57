//! What the tests of the GPU's kernels share: a device if there is one, the same numbers on both sides, and comparisons.

use burn_flex::Flex;
use burn_tensor::{DType, Tensor, TensorData};
use burn_wgpu::{Wgpu, WgpuDevice};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The default device, if there is one.
pub(super) fn device() -> Option<WgpuDevice> {
    let device = WgpuDevice::DefaultDevice;
    let probe = || Tensor::<Wgpu, 1>::ones([1], &device).into_data();
    let found = std::panic::catch_unwind(probe).is_ok();
    if !found {
        eprintln!("skipped: no Vulkan, Metal or DirectX device here (on Debian: install mesa-vulkan-drivers)");
    }
    found.then_some(device)
}

/// Numbers between -2 and 2.
pub(super) fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Flex, D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| (rng.next_u32() as f32 / u32::MAX as f32) * 4.0 - 2.0).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// A tensor of the reference on the device.
fn there<const D: usize>(tensor: &Tensor<Flex, D>, device: &WgpuDevice) -> Tensor<Wgpu, D> {
    Tensor::from_data(tensor.to_data(), device)
}

/// [`random`] on both devices.
pub(super) fn both<const D: usize>(
    shape: [usize; D],
    seed: u64,
    device: &WgpuDevice,
) -> (Tensor<Flex, D>, Tensor<Wgpu, D>) {
    let reference = random(shape, seed);
    let there = there(&reference, device);
    (reference, there)
}

/// A matrix on the device in this dtype, and in f32 here: the same numbers.
pub(super) fn held(matrix: Tensor<Flex, 2>, dtype: DType, device: &WgpuDevice) -> (Tensor<Flex, 2>, Tensor<Wgpu, 2>) {
    let rounded = matrix.cast(dtype);
    let there = Tensor::from_data(rounded.to_data(), (device, dtype));
    (rounded.cast(DType::F32), there)
}

/// Fails unless both agree to some 1e-5 of the greatest number, or of 1.
#[track_caller]
pub(super) fn close<const D: usize>(what: &str, found: Tensor<Wgpu, D>, want: Tensor<Flex, D>) {
    within(2e-5, what, found, want);
}

/// Fails unless the largest difference is at most `most` of the greatest number, or of 1.
#[track_caller]
pub(super) fn within<const D: usize>(most: f32, what: &str, found: Tensor<Wgpu, D>, want: Tensor<Flex, D>) {
    assert_eq!(found.dims(), want.dims(), "{what}");
    let (found, want) = (found.into_data().to_vec::<f32>().unwrap(), want.into_data().to_vec::<f32>().unwrap());
    let scale = want.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    let mut largest = 0.0f32;
    for (i, (a, b)) in found.iter().zip(&want).enumerate() {
        let off = (a - b).abs() / scale;
        assert!(off <= most, "{what}[{i}]: {a} against {b}");
        largest = largest.max(off);
    }
    eprintln!("{what}: at most {largest:e} of the largest number");
}

/// The central difference of `loss` along `direction`.
pub(super) fn along<const D: usize>(
    at: &Tensor<Wgpu, D>,
    direction: &Tensor<Wgpu, D>,
    loss: impl Fn(Tensor<Wgpu, D>) -> Tensor<Wgpu, 2>,
) -> f32 {
    let step = 1e-2;
    let there = |step: f32| loss(at.clone() + direction.clone() * step).sum().into_scalar();
    (there(step) - there(-step)) / (2.0 * step)
}

/// Fails unless the gradient's slope along `direction` is that of the differences.
#[track_caller]
pub(super) fn slope_is<const D: usize>(what: &str, slope: Tensor<Wgpu, D>, direction: Tensor<Wgpu, D>, want: f32) {
    let found = (slope * direction).sum().into_scalar();
    eprintln!("{what}: {found} by the kernel, {want} by differences");
    assert!((found - want).abs() <= 2e-3 * (1.0 + want.abs()), "{what}: {found} against {want}");
}
