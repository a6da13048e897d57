//! One step of AdamW (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2), as PyTorch computes
//! it, the sum of a lookup's gradients by row, and the sum of squares that the gradient's norm is the root of.
//!
//! `m' = β₁ m + (1 - β₁) g`, `v' = β₂ v + (1 - β₂) g²`, `x' = (1 - η λ) x - η / (1 - β₁ᵗ) · m' / (√v' / √(1 - β₂ᵗ) + ε)`, with
//! g the gradient times a factor that stays on the device. One launch, for one tensor or many that lie in one buffer; state in place.
//! Bytes: the gradient once, value and moments once there and once back, which is the least possible.

use burn_cubecl::ops::numeric::zeros_client;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use burn_tensor::{DType, Shape};
use cubecl::prelude::*;
use cubecl::{calculate_cube_count_elemwise, cube};

use super::common::{UNITS_MAX, cubes, empty, in_place, owned, sum_of_cube};

/// What a step multiplies by.
#[derive(Debug, Clone, Copy, CubeType, CubeLaunch)]
pub struct Factors {
    /// Of the first moment, and of the gradient in it.
    pub beta1: f32,
    /// `1 - beta1`.
    pub rest1: f32,
    /// Of the second moment.
    pub beta2: f32,
    /// `1 - beta2`.
    pub rest2: f32,
    /// Of the value: `1 - lr · weight decay`.
    pub decay: f32,
    /// Of the first moment in the step: `lr / (1 - beta1^step)`.
    pub rate: f32,
    /// Divides the second moment's root: `√(1 - beta2^step)`.
    pub bias: f32,
    /// Added to the root.
    pub epsilon: f32,
}

#[cube(launch_unchecked)]
fn step(
    value: &Array<f32>,
    first: &mut Array<f32>,
    second: &mut Array<f32>,
    gradient: &Array<f32>,
    scale: &Array<f32>,
    next_value: &mut Array<f32>,
    factors: Factors,
) {
    let i = ABSOLUTE_POS;
    if i < value.len() {
        let g = gradient[i] * scale[0];
        let m = first[i] * factors.beta1 + g * factors.rest1;
        let v = second[i] * factors.beta2 + g * g * factors.rest2;
        first[i] = m;
        second[i] = v;
        let root = v.sqrt() / factors.bias + factors.epsilon;
        next_value[i] = value[i] * factors.decay - m / root * factors.rate;
    }
}

/// Value and moments after a step; `scale`, one element, multiplies the gradient. Moments that somebody else holds are copied first:
/// with outputs of their own there were more buffers than WebGPU lets a kernel have.
pub fn adamw<R: CubeRuntime>(
    state: [CubeTensor<R>; 3],
    gradient: CubeTensor<R>,
    scale: CubeTensor<R>,
    factors: Factors,
) -> [CubeTensor<R>; 3] {
    let [value, first, second] = state;
    let client = value.client.clone();
    let n = value.meta.num_elements();
    let dim = CubeDim::new(&client, n);
    let (first, second) = (owned(first), owned(second));
    let (next_value, value_arg) = in_place(&value, 0);
    let Factors { beta1, rest1, beta2, rest2, decay, rate, bias, epsilon } = factors;
    // Safety: every unit looks whether its element exists; all have one shape.
    unsafe {
        step::launch_unchecked(
            &client,
            calculate_cube_count_elemwise(&client, n, dim),
            dim,
            value.into_array_arg(),
            first.clone().into_array_arg(),
            second.clone().into_array_arg(),
            gradient.into_array_arg(),
            scale.into_array_arg(),
            value_arg,
            FactorsLaunch::new(beta1, rest1, beta2, rest2, decay, rate, bias, epsilon),
        );
    }
    [next_value, first, second]
}

/// Units of a row's cube.
const UNITS: usize = 128;

/// The cube of the first of several equal ids adds all their rows, in their order.
#[cube(launch_unchecked)]
fn add_rows<I: Int>(
    x: &Array<f32>,
    ids: &Array<I>,
    out: &mut Array<f32>,
    channels: u32,
    #[define(I)] _dtype: StorageType,
) {
    let (place, n, channels) = (CUBE_POS, ids.len(), channels as usize);
    if place >= n {
        terminate!();
    }
    let id = ids[place];
    let mut earlier = 0usize;
    while earlier < place && ids[earlier] != id {
        earlier += 1;
    }
    if earlier < place {
        terminate!();
    }
    let mut channel = UNIT_POS as usize;
    while channel < channels {
        let sum = RuntimeCell::<f32>::new(x[place * channels + channel]);
        for other in place + 1..n {
            if ids[other] == id {
                sum.store(sum.read() + x[other * channels + channel]);
            }
        }
        out[u32::cast_from(id) as usize * channels + channel] = sum.read();
        channel += UNITS;
    }
}

/// `[rows, channels]`: each row of `x [n, channels]` added to the row that `ids [n]` names, the same to the last bit every
/// time. Two launches: zeros, which are most of the bytes where few rows are named, and the sums; n² ids are read, which is
/// little beside n rows.
pub fn scatter_rows<R: CubeRuntime>(x: CubeTensor<R>, ids: CubeTensor<R>, rows: usize) -> CubeTensor<R> {
    let client = x.client.clone();
    let [n, channels] = x.meta.shape().dims();
    let out = zeros_client(client.clone(), x.device.clone(), Shape::new([rows, channels]), DType::F32);
    if n == 0 {
        return out;
    }
    let dtype = ids.dtype;
    // Safety: cubes beyond the last id end at once; ids are rows of the result, as of every lookup.
    unsafe {
        add_rows::launch_unchecked(
            &client,
            cubes(n),
            CubeDim::new_1d(UNITS as u32),
            x.into_array_arg(),
            ids.into_array_arg(),
            out.clone().into_array_arg(),
            channels as u32,
            dtype.into(),
        );
    }
    out
}

/// Elements that a unit of [`partial_squares`] squares before there is a further cube, and the most cubes.
const SQUARES: usize = 16;
const SQUARING_CUBES: usize = 64;

#[cube(launch_unchecked)]
fn partial_squares(x: &Array<f32>, out: &mut Array<f32>, n: u32, at: u32, parts: u32, #[comptime] units: usize) {
    if CUBE_POS >= parts as usize {
        terminate!();
    }
    let mut shared = SharedMemory::<f32>::new(units);
    let mut sum = 0.0f32;
    let mut i = CUBE_POS * units + UNIT_POS as usize;
    while i < n as usize {
        sum += x[i] * x[i];
        i += parts as usize * units;
    }
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        out[at as usize + CUBE_POS] = sum;
    }
}

#[cube(launch_unchecked)]
fn sum_of_parts(parts: &Array<f32>, out: &mut Array<f32>, n: u32, #[comptime] units: usize) {
    let mut shared = SharedMemory::<f32>::new(units);
    let mut sum = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < n as usize {
        sum += parts[i];
        i += units;
    }
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        out[0] = sum;
    }
}

/// The sum of the squares of all elements of contiguous tensors of f32, one element: a launch for each and one more, which read
/// every element once. Always added in the same order.
pub fn sum_of_squares<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> CubeTensor<R> {
    let (client, units) = (tensors[0].client.clone(), UNITS_MAX as usize);
    let dim = CubeDim::new_1d(UNITS_MAX);
    let parts_of = |x: &CubeTensor<R>| x.meta.num_elements().div_ceil(units * SQUARES).clamp(1, SQUARING_CUBES);
    let n = tensors.iter().map(parts_of).sum::<usize>();
    let (parts, out) = (empty(&tensors[0], [n]), empty(&tensors[0], [1]));
    let mut at = 0;
    for x in tensors {
        let (elements, count) = (x.meta.num_elements(), parts_of(&x));
        // Safety: every unit looks whether its elements exist; each cube has a place of its own among the parts.
        unsafe {
            partial_squares::launch_unchecked(
                &client,
                cubes(count),
                dim,
                x.into_array_arg(),
                parts.clone().into_array_arg(),
                elements as u32,
                at as u32,
                count as u32,
                units,
            );
        }
        at += count;
    }
    // Safety: every unit looks whether its parts exist.
    unsafe {
        let (parts, out) = (parts.into_array_arg(), out.clone().into_array_arg());
        sum_of_parts::launch_unchecked(&client, cubes(1), dim, parts, out, n as u32, units);
    }
    out
}
