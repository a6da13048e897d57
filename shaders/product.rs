//! What products with adapters and their sums need besides Burn's matrix products: `sum + α · a · b` with a short inner dimension, as
//! of the second product of a low-rank adapter (Hu et al. 2021, "LoRA", section 4.1), and `sum + α · product`.
//!
//! The first reads and writes the sum once, 8 bytes an element, and `a` and `b` out of caches; in three operations it would be
//! 24 bytes and a tensor more.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, in_place};

/// The longest inner dimension that [`add_low_rank`] takes: eight rows of `a` lie in shared memory.
pub const RANK_MAX: usize = 128;

/// Columns of a cube: one unit each.
const COLUMNS: usize = 128;

/// Rows of a cube, of which every unit holds the sums.
const ROWS: usize = 8;

#[cube(launch_unchecked)]
fn low_rank(
    sum: &Array<f32>,
    a: &Array<f32>,
    b: &Tensor<f32>,
    out: &mut Array<f32>,
    rows: u32,
    rank: u32,
    columns: u32,
    alpha: f32,
    #[comptime] rows_at_once: usize,
    #[comptime] units: usize,
    #[comptime] rank_max: usize,
) {
    let rows = rows as usize;
    let rank = rank as usize;
    let columns = columns as usize;
    let across = (columns + units - 1) / units;
    let first_row = CUBE_POS / across * rows_at_once;
    if first_row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let column = CUBE_POS % across * units + unit;
    let mut shared = SharedMemory::<f32>::new(comptime!(rows_at_once * rank_max));
    let there = min(rows - first_row, rows_at_once) * rank;
    let mut i = unit;
    while i < rows_at_once * rank {
        let mut value = 0.0f32;
        if i < there {
            value = a[first_row * rank + i] * alpha;
        }
        shared[i] = value;
        i += units;
    }
    sync_cube();
    if column < columns {
        let mut sums = Array::<f32>::new(rows_at_once);
        #[unroll]
        for m in 0..rows_at_once {
            sums[m] = 0.0;
        }
        let along = b.stride(0);
        let mut at = column * b.stride(1);
        for i in 0..rank {
            let b = b[at];
            #[unroll]
            for m in 0..rows_at_once {
                sums[m] += shared[m * rank + i] * b;
            }
            at += along;
        }
        #[unroll]
        for m in 0..rows_at_once {
            if first_row + m < rows {
                let i = (first_row + m) * columns + column;
                out[i] = sum[i] + sums[m];
            }
        }
    }
}

/// `sum + alpha · a · b`, over the sum where it has one owner: `a [n, rank]` with a rank up to [`RANK_MAX`], `b [rank, columns]` of any
/// strides.
pub fn add_low_rank<R: CubeRuntime>(
    sum: CubeTensor<R>,
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    alpha: f32,
) -> CubeTensor<R> {
    let ([rows, rank], [_, columns]) = (a.meta.shape().dims(), b.meta.shape().dims());
    let client = sum.client.clone();
    let (out, out_arg) = in_place(&sum, 0);
    if rows * columns == 0 {
        return out;
    }
    let rows_at_once = if rows == 1 { 1 } else { ROWS };
    // Safety: every unit looks whether its column and its rows exist, and reads the sum before it writes it.
    unsafe {
        low_rank::launch_unchecked(
            &client,
            cubes(rows.div_ceil(rows_at_once) * columns.div_ceil(COLUMNS)),
            CubeDim::new_1d(COLUMNS as u32),
            sum.into_array_arg(),
            a.into_array_arg(),
            b.into_tensor_arg(),
            out_arg,
            rows as u32,
            rank as u32,
            columns as u32,
            alpha,
            rows_at_once,
            COLUMNS,
            RANK_MAX,
        );
    }
    out
}

#[cube(launch_unchecked)]
fn scaled_sum(sum: &Array<f32>, product: &Array<f32>, out: &mut Array<f32>, n: u32, alpha: f32) {
    if ABSOLUTE_POS < n as usize {
        out[ABSOLUTE_POS] = sum[ABSOLUTE_POS] + alpha * product[ABSOLUTE_POS];
    }
}

/// `sum + alpha · product`, over the sum where it has one owner.
pub fn add_scaled<R: CubeRuntime>(sum: CubeTensor<R>, product: CubeTensor<R>, alpha: f32) -> CubeTensor<R> {
    let (client, n) = (sum.client.clone(), sum.meta.num_elements());
    let (out, out_arg) = in_place(&sum, 0);
    if n == 0 {
        return out;
    }
    // Safety: every unit looks whether its element exists, and reads the sum before it writes it.
    unsafe {
        scaled_sum::launch_unchecked(
            &client,
            cubes(n.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            sum.into_array_arg(),
            product.into_array_arg(),
            out_arg,
            n as u32,
            alpha,
        );
    }
    out
}
