//! Cross-entropy over a vocabulary, with its gradient in place of the logits.
//!
//! A row's loss is `w · (ln Σ exp(z) - z[target])`, its gradient `w · (softmax(z) - 1[target])`. One pass over the row keeps
//! the maximum and the sum beside each other (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax",
//! algorithm 3), the second writes the gradient. Bytes: the logits twice (the second time from the device's cache, where
//! a row fits) and the gradient once; the least possible is each once. Two launches: the rows, and the sum of their losses.

use burn_cubecl::ops::numeric::zeros_client;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use burn_tensor::{DType, Shape};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{LOWEST, cubes, empty, in_place, max_of_cube, sum_of_cube};

/// Units of a row's cube.
const UNITS: usize = 256;

#[cube(launch_unchecked)]
fn row_losses<I: Int>(
    logits: &Array<f32>,
    targets: &Array<I>,
    weights: &Array<f32>,
    gradient: &mut Array<f32>,
    losses: &mut Array<f32>,
    vocabulary: u32,
    #[define(I)] _dtype: StorageType,
) {
    let row = CUBE_POS;
    if row >= losses.len() {
        terminate!();
    }
    let vocabulary = vocabulary as usize;
    let first = row * vocabulary;
    let target = u32::cast_from(targets[row]) as usize;
    let weight = weights[row];
    let of_target = logits[first + target];

    let top = RuntimeCell::<f32>::new(LOWEST);
    let sum = RuntimeCell::<f32>::new(0.0f32);
    let mut i = UNIT_POS as usize;
    while i < vocabulary {
        let x = logits[first + i];
        let highest = top.read();
        if x > highest {
            sum.store(sum.read() * (highest - x).exp() + 1.0);
            top.store(x);
        } else {
            sum.store(sum.read() + (x - highest).exp());
        }
        i += UNITS;
    }
    let mut shared = SharedMemory::<f32>::new(UNITS);
    let own = top.read();
    let top = max_of_cube(own, &mut shared);
    let sum = sum_of_cube(sum.read() * (own - top).exp(), &mut shared);

    let share = weight / sum;
    let mut i = UNIT_POS as usize;
    while i < vocabulary {
        let mut slope = (logits[first + i] - top).exp() * share;
        if i == target {
            slope -= weight;
        }
        gradient[first + i] = slope;
        i += UNITS;
    }
    if UNIT_POS == 0 {
        losses[row] = (top + sum.ln() - of_target) * weight;
    }
}

#[cube(launch_unchecked)]
fn total(losses: &Array<f32>, loss: &mut Array<f32>) {
    let mut shared = SharedMemory::<f32>::new(UNITS);
    let sum = RuntimeCell::<f32>::new(0.0f32);
    let mut i = UNIT_POS as usize;
    while i < losses.len() {
        sum.store(sum.read() + losses[i]);
        i += UNITS;
    }
    let sum = sum_of_cube(sum.read(), &mut shared);
    if UNIT_POS == 0 {
        loss[0] = sum;
    }
}

/// The weighted sum of the rows' losses, one element, and its gradient with respect to `logits [n, vocabulary]`, in their
/// place if they have no other owner.
pub fn cross_entropy<R: CubeRuntime>(
    logits: CubeTensor<R>,
    targets: CubeTensor<R>,
    weights: CubeTensor<R>,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let client = logits.client.clone();
    let [n, vocabulary] = logits.meta.shape().dims();
    if n == 0 {
        return (zeros_client(client, logits.device.clone(), Shape::new([1]), DType::F32), logits);
    }
    let (losses, loss) = (empty(&logits, [n]), empty(&logits, [1]));
    let (gradient, gradient_arg) = in_place(&logits, 0);
    let dim = CubeDim::new_1d(UNITS as u32);
    let dtype = targets.dtype;
    // Safety: cubes beyond the last row end at once, and units look whether their token exists.
    unsafe {
        row_losses::launch_unchecked(
            &client,
            cubes(n),
            dim,
            logits.into_array_arg(),
            targets.into_array_arg(),
            weights.into_array_arg(),
            gradient_arg,
            losses.clone().into_array_arg(),
            vocabulary as u32,
            dtype.into(),
        );
        total::launch_unchecked(&client, cubes(1), dim, losses.into_array_arg(), loss.clone().into_array_arg());
    }
    (loss, gradient)
}
