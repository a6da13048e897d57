//! What projections need besides Burn's matrix products: `sum + x · Wᵀ + bias` of a few rows, as in decoding; `sum + α · a · b` with
//! a short inner dimension, as of the second product of a low-rank adapter (Hu et al. 2021, "LoRA", section 4.1), with a bias and another
//! sum if there are; and `sum + α · product`.
//!
//! The first reads every weight once, as it is held, which is the least, and the rows out of caches. The second reads and writes
//! the sum once, 8 bytes an element, and `a` and `b` out of caches; in three operations it would be 24 bytes and a tensor more.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use burn_tensor::DType;
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{Output, UNITS_MAX, cubes, empty, in_place, launches};
use super::halves::{Element, widened, words};

/// Rows of activations that [`affine`] takes: with more, Burn's tiles of both matrices are the better way.
pub const FEW_ROWS: usize = 4;

/// Rows that it takes of a half-precision matrix which Burn cannot multiply as it is: widening one costs 10 bytes an element, reading it
/// for every eight rows 2.
pub const SOME_ROWS: usize = 32;

/// Units of a cube of [`affine`], and those that share one output.
const UNITS: usize = 128;
const LANES: usize = 32;

/// Words that a unit reads at once.
const VECTOR: usize = 4;

/// `W` is f32, or u32 for words of half-precision elements, each of which meets two vectors of `x`. `there` says which of bias and sum is
/// there: CubeCL 0.10 keeps compiled kernels by a hash in which an option that is missing leaves no trace, so one alone looks like the other.
#[cube(launch_unchecked)]
fn few_rows<W: Numeric, N: Size>(
    x: &Array<Vector<f32, N>>,
    weight: &Array<Vector<W, N>>,
    bias: ComptimeOption<Array<f32>>,
    sum: ComptimeOption<Array<f32>>,
    out: &mut Array<f32>,
    rows: u32,
    outer: u32,
    inner: u32,
    stride: u32,
    #[comptime] rows_at_once: usize,
    #[comptime] units: usize,
    #[comptime] lanes: usize,
    #[comptime] vector: usize,
    #[comptime] element: Element,
    #[comptime] _there: [bool; 2],
    #[define(W)] _dtype: StorageType,
) {
    let (rows, outer, inner, stride) = (rows as usize, outer as usize, inner as usize, stride as usize);
    let across = outer.div_ceil(comptime!(units / lanes));
    let first_row = CUBE_POS / across * rows_at_once;
    if first_row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let lane = unit % lanes;
    let output = CUBE_POS % across * comptime!(units / lanes) + unit / lanes;
    let in_word = comptime!(element.in_word());
    let mut sums = Array::<Vector<f32, N>>::new(rows_at_once);
    #[unroll]
    for m in 0..rows_at_once {
        sums[m] = Vector::new(0.0);
    }
    if output < outer {
        let mut i = lane;
        while i < inner {
            let held = weight[output * stride + i];
            let mut first = Vector::<f32, N>::new(0.0);
            let mut second = Vector::<f32, N>::new(0.0);
            if comptime!(in_word == 1) {
                first = Vector::<f32, N>::cast_from(held);
            } else {
                let words = Vector::<u32, N>::cast_from(held);
                let half = comptime!(vector / 2);
                #[unroll]
                for j in 0..half {
                    first[2 * j] = widened(words[j] & 0xffff, element);
                    first[2 * j + 1] = widened(words[j] >> 16, element);
                    second[2 * j] = widened(words[half + j] & 0xffff, element);
                    second[2 * j + 1] = widened(words[half + j] >> 16, element);
                }
            }
            #[unroll]
            for m in 0..rows_at_once {
                // Beyond the last row the last one stands, whose sums are not written.
                let at = ((first_row + m).min(rows - 1) * inner + i) * in_word;
                sums[m] += first * x[at];
                if comptime!(in_word == 2) {
                    sums[m] += second * x[at + 1];
                }
            }
            i += lanes;
        }
    }
    let mut shared = SharedMemory::<f32>::new(comptime!(rows_at_once * units));
    #[unroll]
    for m in 0..rows_at_once {
        let vector = sums[m];
        let mut sum = 0.0f32;
        #[unroll]
        for j in 0..N::value() {
            sum += vector[j];
        }
        shared[m * units + unit] = sum;
    }
    sync_cube();
    let mut half = (lanes / 2).runtime();
    while half > 0 {
        if lane < half {
            #[unroll]
            for m in 0..rows_at_once {
                let other = shared[m * units + unit + half];
                shared[m * units + unit] += other;
            }
        }
        sync_cube();
        half /= 2;
    }
    if lane < rows_at_once && first_row + lane < rows && output < outer {
        let here = (first_row + lane) * outer + output;
        let bias: ComptimeOption<f32> = bias.map(|bias| bias[output]);
        let sum: ComptimeOption<f32> = sum.map(|sum| sum[here]);
        let added = bias.unwrap_or_else(|| f32::new(0.0)) + sum.unwrap_or_else(|| f32::new(0.0));
        out[here] = shared[lane * units + unit - lane] + added;
    }
}

/// `sum + x · weightᵀ + bias`, in f32, of up to `rows_max` rows: `x [n, in]`, `weight [out, in]` in whatever dtype of floats it is held,
/// whose rows may lie apart. `None` where it is not made for these.
pub fn affine<R: CubeRuntime>(
    x: &CubeTensor<R>,
    weight: &CubeTensor<R>,
    bias: Option<&CubeTensor<R>>,
    sum: Option<&CubeTensor<R>>,
    rows_max: usize,
) -> Option<CubeTensor<R>> {
    let ([rows, inner], [outer, _]) = (x.meta.shape().dims(), weight.meta.shape().dims());
    let element = Element::of(weight.dtype)?;
    let (strides, in_word) = (weight.meta.strides(), element.in_word());
    // The most words at once of which rows and what lies between them are multiples.
    let vector = [VECTOR, 2].into_iter().find(|words| {
        let elements = words * in_word;
        inner.is_multiple_of(elements) && strides[0].is_multiple_of(elements)
    })?;
    let all_there = [Some(x), bias, sum].iter().flatten().all(|t| t.is_contiguous()) && strides[1] == 1;
    if !(1..=rows_max).contains(&rows) || inner == 0 || !all_there {
        return None;
    }
    let (held, dtype) = match element {
        Element::F32 => (weight.clone().into_array_arg(), weight.dtype),
        Element::F16 | Element::Bf16 => (words(weight), DType::U32),
    };
    let out = empty(x, [rows, outer]);
    let rows_at_once = rows.min(ROWS);
    let elements = vector * in_word;
    // Safety: every unit looks whether its output exists.
    unsafe {
        few_rows::launch_unchecked(
            &x.client,
            cubes(rows.div_ceil(rows_at_once) * outer.div_ceil(UNITS / LANES)),
            CubeDim::new_1d(UNITS as u32),
            vector,
            x.clone().into_array_arg(),
            held,
            bias.map(|bias| bias.clone().into_array_arg()).into(),
            sum.map(|sum| sum.clone().into_array_arg()).into(),
            out.clone().into_array_arg(),
            rows as u32,
            outer as u32,
            (inner / elements) as u32,
            (strides[0] / elements) as u32,
            rows_at_once,
            UNITS,
            LANES,
            vector,
            element,
            [bias.is_some(), sum.is_some()],
            dtype.into(),
        );
    }
    Some(out)
}

/// The longest inner dimension that [`add_low_rank`] takes: eight rows of `a` lie in shared memory.
pub const RANK_MAX: usize = 128;

/// Columns of a cube: one unit each.
const COLUMNS: usize = 128;

/// Rows of a cube, of which every unit holds the sums.
const ROWS: usize = 8;

/// `there` as of [`few_rows`].
#[cube(launch_unchecked)]
fn low_rank(
    sum: &Array<f32>,
    bias: ComptimeOption<Array<f32>>,
    another: ComptimeOption<Array<f32>>,
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    out: &mut Array<f32>,
    first_cube: u32,
    rows: u32,
    rank: u32,
    columns: u32,
    alpha: f32,
    #[comptime] rows_at_once: usize,
    #[comptime] units: usize,
    #[comptime] rank_max: usize,
    #[comptime] _there: [bool; 2],
) {
    let rows = rows as usize;
    let rank = rank as usize;
    let columns = columns as usize;
    let across = (columns + units - 1) / units;
    let cube = first_cube as usize + CUBE_POS;
    let first_row = cube / across * rows_at_once;
    if first_row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let column = cube % across * units + unit;
    let mut shared = SharedMemory::<f32>::new(comptime!(rows_at_once * rank_max));
    let mut i = unit;
    while i < rows_at_once * rank {
        let mut value = 0.0f32;
        let row = first_row + i / rank;
        if row < rows {
            value = a[row * a.stride(0) + i % rank * a.stride(1)] * alpha;
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
        let bias: ComptimeOption<f32> = bias.map(|bias| bias[column]);
        let bias = bias.unwrap_or_else(|| f32::new(0.0));
        #[unroll]
        for m in 0..rows_at_once {
            if first_row + m < rows {
                let i = (first_row + m) * columns + column;
                let another: ComptimeOption<f32> = another.as_ref().map(|another| another[i]);
                out[i] = sum[i] + bias + another.unwrap_or_else(|| f32::new(0.0)) + sums[m];
            }
        }
    }
}

/// `sum + bias + another + alpha · a · b`, over the sum where it has one owner: `a [n, rank]` with a rank up to [`RANK_MAX`] and
/// `b [rank, columns]`, both of any strides; `bias [columns]` and `another [n, columns]`. In launches of about `work` multiplications and
/// additions.
pub fn add_low_rank<R: CubeRuntime>(
    sum: CubeTensor<R>,
    (bias, another): (Option<CubeTensor<R>>, Option<CubeTensor<R>>),
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    alpha: f32,
    work: usize,
) -> CubeTensor<R> {
    let ([rows, rank], [_, columns]) = (a.meta.shape().dims(), b.meta.shape().dims());
    let client = sum.client.clone();
    let out = Output::over(&sum, 0);
    let rows_at_once = if rows == 1 { 1 } else { ROWS };
    let all = rows.div_ceil(rows_at_once) * columns.div_ceil(COLUMNS);
    for (first, count) in launches(all, 2 * rows_at_once * rank * COLUMNS, work) {
        // Safety: every unit looks whether its column and its rows exist, and reads the sum before it writes it.
        unsafe {
            low_rank::launch_unchecked(
                &client,
                count,
                CubeDim::new_1d(COLUMNS as u32),
                sum.clone().into_array_arg(),
                bias.clone().map(CubeTensor::into_array_arg).into(),
                another.clone().map(CubeTensor::into_array_arg).into(),
                a.clone().into_tensor_arg(),
                b.clone().into_tensor_arg(),
                out.argument(),
                first,
                rows as u32,
                rank as u32,
                columns as u32,
                alpha,
                rows_at_once,
                COLUMNS,
                RANK_MAX,
                [bias.is_some(), another.is_some()],
            );
        }
    }
    out.tensor
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
