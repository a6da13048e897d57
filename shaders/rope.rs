//! Rotary position embedding (Su et al. 2021, "RoFormer", equation 34), with channel i of a head paired with i + dim / 2, as in
//! Hugging Face's Qwen2. One unit per pair, over the input where it has one owner: 8 bytes an element and the tables, which
//! is the least.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, in_place};

#[cube(launch_unchecked)]
fn rotate(
    x: &Array<f32>,
    cos: &Array<f32>,
    sin: &Array<f32>,
    out: &mut Array<f32>,
    pairs: u32,
    pairs_of_token: u32,
    half: u32,
) {
    if ABSOLUTE_POS < pairs as usize {
        let half = half as usize;
        let token = ABSOLUTE_POS / pairs_of_token as usize;
        let head = ABSOLUTE_POS / half;
        let i = ABSOLUTE_POS % half;
        let first = head * 2 * half + i;
        let second = first + half;
        let cos = cos[token * half + i];
        let sin = sin[token * half + i];
        let x_first = x[first];
        let x_second = x[second];
        out[first] = x_first * cos - x_second * sin;
        out[second] = x_second * cos + x_first * sin;
    }
}

/// Turns every head of `x [n, heads · dim]` by the angles of `cos`, `sin` `[n, dim / 2]`.
pub fn rope<R: CubeRuntime>(
    x: CubeTensor<R>,
    cos: CubeTensor<R>,
    sin: CubeTensor<R>,
    channels: usize,
    dim: usize,
) -> CubeTensor<R> {
    let pairs = x.meta.num_elements() / 2;
    let client = x.client.clone();
    let (out, out_arg) = in_place(&x, 0);
    if pairs == 0 {
        return out;
    }
    // Safety: every unit looks whether its pair exists, and reads it before it writes it.
    unsafe {
        rotate::launch_unchecked(
            &client,
            cubes(pairs.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            x.into_array_arg(),
            cos.into_array_arg(),
            sin.into_array_arg(),
            out_arg,
            pairs as u32,
            (channels / 2) as u32,
            (dim / 2) as u32,
        );
    }
    out
}
