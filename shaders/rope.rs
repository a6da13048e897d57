//! Rotary position embedding (Su et al. 2021, "RoFormer", equation 34), with channel i of a head paired with i + dim / 2, as in
//! Hugging Face's Qwen2. One unit per pair, queries and keys in one launch, over the inputs where these have one owner: 8 bytes an
//! element and the table, which is the least.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, owned};

/// Turns one pair of channels: `angles [n, 2 · half]` has each token's cosines and then its sines, which are multiplied by `sign`.
#[cube]
pub fn turn(x: &mut Array<f32>, angles: &Array<f32>, pair: usize, pairs_of_token: usize, half: usize, sign: f32) {
    let token = pair / pairs_of_token;
    let i = pair % half;
    let first = pair / half * 2 * half + i;
    let second = first + half;
    let cos = angles[token * 2 * half + i];
    let sin = angles[token * 2 * half + half + i] * sign;
    let x_first = x[first];
    let x_second = x[second];
    x[first] = x_first * cos - x_second * sin;
    x[second] = x_second * cos + x_first * sin;
}

#[cube(launch_unchecked)]
fn rotate(
    q: &mut Array<f32>,
    k: &mut Array<f32>,
    angles: &Array<f32>,
    tokens: u32,
    pairs_of_q: u32,
    pairs_of_k: u32,
    half: u32,
    sign: f32,
) {
    let (tokens, half) = (tokens as usize, half as usize);
    let (pairs_of_q, pairs_of_k) = (pairs_of_q as usize, pairs_of_k as usize);
    let all_of_q = tokens * pairs_of_q;
    if ABSOLUTE_POS < all_of_q {
        turn(q, angles, ABSOLUTE_POS, pairs_of_q, half, sign);
    } else if ABSOLUTE_POS < all_of_q + tokens * pairs_of_k {
        turn(k, angles, ABSOLUTE_POS - all_of_q, pairs_of_k, half, sign);
    }
}

/// Turns every head of `q` and `k`, `[n, heads · dim]`, by `angles [n, dim]`: cosines and then sines, these times `sign`.
pub fn rope<R: CubeRuntime>(
    q: CubeTensor<R>,
    k: CubeTensor<R>,
    angles: CubeTensor<R>,
    sign: f32,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let ([tokens, dim], client) = (angles.meta.shape().dims(), q.client.clone());
    let (q, k) = (owned(q), owned(k));
    let [pairs_of_q, pairs_of_k] = [&q, &k].map(|x| x.meta.shape()[1] / 2);
    let pairs = tokens * (pairs_of_q + pairs_of_k);
    if pairs == 0 {
        return (q, k);
    }
    // Safety: every unit looks whether its pair exists, and reads it before it writes it.
    unsafe {
        rotate::launch_unchecked(
            &client,
            cubes(pairs.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            q.clone().into_array_arg(),
            k.clone().into_array_arg(),
            angles.into_array_arg(),
            tokens as u32,
            pairs_of_q as u32,
            pairs_of_k as u32,
            (dim / 2) as u32,
            sign,
        );
    }
    (q, k)
}
