//! The root-mean-square norm (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", equation 4) and its gradient:
//! with r = 1 / sqrt(mean(x²) + ε), `y = x · r · g`, `dx = r · (g·dy - x · r² · mean(x · g·dy))`, `dg = Σ_rows dy · x · r`.
//!
//! One cube per row. Forward: a row is read twice, the second time out of the cache where it fits, and written once: 8 bytes an
//! element from and to memory, which is the least. Backward: x, dy and the residual are read and dx is written, 16 bytes, which is the
//! least too.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{cubes, empty, in_place, sum_of_cube, units};

/// Rows whose part of the gain's gradient one unit adds up.
const ROWS_AT_ONCE: usize = 64;

#[cube(launch_unchecked)]
fn forward(
    x: &Array<f32>,
    gain: &Array<f32>,
    out: &mut Array<f32>,
    rows: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] units: u32,
) {
    if CUBE_POS >= rows as usize {
        terminate!();
    }
    let channels = channels as usize;
    let row = CUBE_POS * channels;
    let mut squares = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < channels {
        let x = x[row + i];
        squares += x * x;
        i += units as usize;
    }
    let mut shared = SharedMemory::<f32>::new(units as usize);
    let squares = sum_of_cube(squares, &mut shared);
    let r = 1.0 / (squares / channels as f32 + epsilon).sqrt();
    let mut i = UNIT_POS as usize;
    while i < channels {
        out[row + i] = x[row + i] * r * gain[i];
        i += units as usize;
    }
}

/// `x · r · gain` for `x [.., channels]`.
pub fn rms_norm<R: CubeRuntime>(x: CubeTensor<R>, gain: CubeTensor<R>, epsilon: f32) -> CubeTensor<R> {
    let channels = gain.meta.num_elements();
    let rows = x.meta.num_elements() / channels.max(1);
    let out = empty(&x, [rows, channels]);
    if rows == 0 {
        return out;
    }
    let (client, units) = (x.client.clone(), units(channels));
    // Safety: every cube looks whether its row exists, and every unit stays within it.
    unsafe {
        forward::launch_unchecked(
            &client,
            cubes(rows),
            CubeDim::new_1d(units),
            x.into_array_arg(),
            gain.into_array_arg(),
            out.clone().into_array_arg(),
            rows as u32,
            channels as u32,
            epsilon,
            units,
        );
    }
    out
}

#[cube(launch_unchecked)]
fn backward(
    residual: &Array<f32>,
    dy: &Array<f32>,
    x: &Array<f32>,
    gain: &Array<f32>,
    dx: &mut Array<f32>,
    inverse_rms: &mut Array<f32>,
    rows: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] want_gain: bool,
    #[comptime] units: u32,
) {
    if CUBE_POS >= rows as usize {
        terminate!();
    }
    let channels = channels as usize;
    let row = CUBE_POS * channels;
    let mut squares = 0.0f32;
    let mut inner = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < channels {
        let x = x[row + i];
        squares += x * x;
        inner += x * dy[row + i] * gain[i];
        i += units as usize;
    }
    let mut shared = SharedMemory::<f32>::new(units as usize);
    let squares = sum_of_cube(squares, &mut shared);
    let inner = sum_of_cube(inner, &mut shared);
    let r = 1.0 / (squares / channels as f32 + epsilon).sqrt();
    let slope = r * r * (inner / channels as f32);
    let mut i = UNIT_POS as usize;
    while i < channels {
        dx[row + i] = residual[row + i] + r * (gain[i] * dy[row + i] - x[row + i] * slope);
        i += units as usize;
    }
    if comptime!(want_gain) {
        if UNIT_POS == 0 {
            inverse_rms[CUBE_POS] = r;
        }
    }
}

/// One unit per column and chunk of rows: neighbours read neighbouring elements of a row.
#[cube(launch_unchecked)]
fn gain_backward(
    dy: &Array<f32>,
    x: &Array<f32>,
    inverse_rms: &Array<f32>,
    out: &mut Array<f32>,
    rows: u32,
    channels: u32,
    #[comptime] rows_at_once: u32,
) {
    let channels = channels as usize;
    if ABSOLUTE_POS < out.len() {
        let column = ABSOLUTE_POS % channels;
        let first = ABSOLUTE_POS / channels * rows_at_once as usize;
        let last = min(first + rows_at_once as usize, rows as usize);
        let mut sum = 0.0f32;
        for row in first..last {
            let i = row * channels + column;
            sum += dy[i] * x[i] * inverse_rms[row];
        }
        out[ABSOLUTE_POS] = sum;
    }
}

#[cube(launch_unchecked)]
fn sum_of_chunks(chunks: &Array<f32>, out: &mut Array<f32>) {
    if ABSOLUTE_POS < out.len() {
        let mut sum = 0.0f32;
        let mut i = ABSOLUTE_POS;
        while i < chunks.len() {
            sum += chunks[i];
            i += out.len();
        }
        out[ABSOLUTE_POS] = sum;
    }
}

/// `residual + dx`, over the residual where it has one owner, and the gain's gradient if it is wanted.
pub fn rms_norm_backward<R: CubeRuntime>(
    dy: CubeTensor<R>,
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    epsilon: f32,
    residual: CubeTensor<R>,
    want_gain: bool,
) -> (CubeTensor<R>, Option<CubeTensor<R>>) {
    let channels = gain.meta.num_elements();
    let rows = x.meta.num_elements() / channels.max(1);
    let (client, units) = (x.client.clone(), units(channels));
    let inverse_rms = empty(&x, [if want_gain { rows.max(1) } else { 1 }]);
    let (dx, dx_arg) = in_place(&residual, 0);
    if rows > 0 {
        // Safety: as forward; an element of the residual is read before the same unit writes it.
        unsafe {
            backward::launch_unchecked(
                &client,
                cubes(rows),
                CubeDim::new_1d(units),
                residual.into_array_arg(),
                dy.clone().into_array_arg(),
                x.clone().into_array_arg(),
                gain.into_array_arg(),
                dx_arg,
                inverse_rms.clone().into_array_arg(),
                rows as u32,
                channels as u32,
                epsilon,
                want_gain,
                units,
            );
        }
    }
    (dx, want_gain.then(|| gain_gradient(dy, x, inverse_rms, rows, channels)))
}

fn gain_gradient<R: CubeRuntime>(
    dy: CubeTensor<R>,
    x: CubeTensor<R>,
    inverse_rms: CubeTensor<R>,
    rows: usize,
    channels: usize,
) -> CubeTensor<R> {
    let chunks = rows.div_ceil(ROWS_AT_ONCE).max(1);
    let client = x.client.clone();
    let by_chunk = empty(&x, [chunks, channels]);
    let dim = CubeDim::new_1d(units(chunks * channels));
    // Safety: every unit looks whether its element exists.
    unsafe {
        gain_backward::launch_unchecked(
            &client,
            cubes((chunks * channels).div_ceil(dim.x as usize)),
            dim,
            dy.into_array_arg(),
            x.clone().into_array_arg(),
            inverse_rms.into_array_arg(),
            by_chunk.clone().into_array_arg(),
            rows as u32,
            channels as u32,
            ROWS_AT_ONCE as u32,
        );
    }
    let out = empty(&x, [channels]);
    let dim = CubeDim::new_1d(units(channels));
    // Safety: every unit looks whether its element exists.
    unsafe {
        sum_of_chunks::launch_unchecked(
            &client,
            cubes(channels.div_ceil(dim.x as usize)),
            dim,
            by_chunk.into_array_arg(),
            out.clone().into_array_arg(),
        );
    }
    out
}
