//! Products with a thin matrix: `α · x · a` where `a` has few columns, as the first product of a low-rank adapter has, its backward
//! and the gradients of its two matrices (Hu et al. 2021, "LoRA", section 4.1). For `y = x · Wᵀ + s · (x · A) · B`:
//!
//! ```text
//! low = x · A        dlow = s · dy · Bᵀ        dA = xᵀ · dlow        dB = s · lowᵀ · dy
//! ```
//!
//! A cube makes some rows of an output in all its columns, so that it reads those rows of `x` once, which is the least, and `a` out of
//! caches. Its units stand side by side along the columns and, as often as that fits, behind each other along the inner dimension; what
//! they find is added in shared memory, always in the same order.
//!
//! Products that do not wait for each other share a launch: the adapters of projections of one input, and both gradients of an adapter.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;
use cubecl::zspace::metadata::Metadata;

use super::common::{empty, launches};

/// The most columns of a thin matrix, and units of a cube.
pub const COLUMNS_MAX: usize = 128;

/// Rows of a cube, of which every unit holds the sums.
const ROWS: usize = 8;

/// Products of a launch of [`products`]: with the output and the sizes, as many buffers as WebGPU lets a kernel have.
pub const AT_ONCE: usize = 3;

/// Rows from `first` on of `alpha · x · a`, whose element in row m and column c goes to `from + m · down + c · along`, onto what is
/// there with `onto`. With `turned`, rows of `x` lie side by side in memory, else its columns do. `shared` has a place for each of
/// `rows_at_once · units`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn rows_of_product(
    x: &Tensor<f32>,
    a: &Tensor<f32>,
    out: &mut Array<f32>,
    shared: &mut SharedMemory<f32>,
    first: usize,
    alpha: f32,
    from: usize,
    down: usize,
    along: usize,
    #[comptime] rows_at_once: usize,
    #[comptime] units: usize,
    #[comptime] turned: bool,
    #[comptime] onto: bool,
) {
    let unit = UNIT_POS as usize;
    let rows = x.shape(0);
    let inner = x.shape(1);
    let columns = a.shape(1);
    let mut across = 1usize.runtime();
    while across < columns {
        across *= 2;
    }
    let column = unit % across;
    let lane = unit / across;
    let lanes = units / across;
    let mut sums = Array::<f32>::new(rows_at_once);
    #[unroll]
    for m in 0..rows_at_once {
        sums[m] = 0.0;
    }
    let mut begin = 0usize.runtime();
    while begin < inner {
        let mut i = unit;
        while i < rows_at_once * units {
            let m = if turned { i % rows_at_once } else { i / units };
            let k = if turned { i / rows_at_once } else { i % units };
            let mut value = 0.0f32;
            if first + m < rows {
                if begin + k < inner {
                    value = x[(first + m) * x.stride(0) + (begin + k) * x.stride(1)];
                }
            }
            shared[m * units + k] = value;
            i += units;
        }
        sync_cube();
        if column < columns {
            let mut end = inner - begin;
            if end > units {
                end = units.runtime();
            }
            let mut k = lane;
            while k < end {
                let a = a[(begin + k) * a.stride(0) + column * a.stride(1)];
                #[unroll]
                for m in 0..rows_at_once {
                    sums[m] += shared[m * units + k] * a;
                }
                k += lanes;
            }
        }
        sync_cube();
        begin += units;
    }
    #[unroll]
    for m in 0..rows_at_once {
        shared[m * units + unit] = sums[m];
    }
    sync_cube();
    let mut half = lanes / 2;
    while half > 0 {
        if lane < half {
            #[unroll]
            for m in 0..rows_at_once {
                let other = shared[m * units + unit + half * across];
                shared[m * units + unit] += other;
            }
        }
        sync_cube();
        half /= 2;
    }
    let mut i = unit;
    while i < rows_at_once * columns {
        let m = i / columns;
        let c = i % columns;
        if first + m < rows {
            let to = from + (first + m) * down + c * along;
            let value = alpha * shared[m * units + c];
            if onto {
                out[to] += value;
            } else {
                out[to] = value;
            }
        }
        i += units;
    }
}

#[cube(launch_unchecked)]
fn products(
    x0: &Tensor<f32>,
    a0: &Tensor<f32>,
    x1: &Tensor<f32>,
    a1: &Tensor<f32>,
    x2: &Tensor<f32>,
    a2: &Tensor<f32>,
    out: &mut Array<f32>,
    alpha0: f32,
    alpha1: f32,
    alpha2: f32,
    first_cube: u32,
    from1: u32,
    from2: u32,
    tiles: u32,
    count: u32,
    #[comptime] rows: usize,
    #[comptime] units: usize,
) {
    let tiles = tiles as usize;
    let cube = first_cube as usize + CUBE_POS;
    let which = cube / tiles;
    if which >= count as usize {
        terminate!();
    }
    let first = cube % tiles * rows;
    let mut shared = SharedMemory::<f32>::new(comptime!(rows * units));
    if which == 0 {
        let from = 0usize.runtime();
        rows_of_product(x0, a0, out, &mut shared, first, alpha0, from, a0.shape(1), 1, rows, units, false, false);
    } else if which == 1 {
        let from = from1 as usize;
        rows_of_product(x1, a1, out, &mut shared, first, alpha1, from, a1.shape(1), 1, rows, units, false, false);
    } else {
        let from = from2 as usize;
        rows_of_product(x2, a2, out, &mut shared, first, alpha2, from, a2.shape(1), 1, rows, units, false, false);
    }
}

/// `alpha · x · a` for each `(x, a, alpha)`, [`AT_ONCE`] of them in a launch: `x [n, in]`, the same n for all of a launch, and
/// `a [in, columns]` of up to [`COLUMNS_MAX`], of any strides. Those that are more than `work` multiplications and additions, about, fall
/// into several launches.
pub fn multiply<R: CubeRuntime>(pairs: &[(CubeTensor<R>, CubeTensor<R>, f32)], work: usize) -> Vec<CubeTensor<R>> {
    pairs.chunks(AT_ONCE).flat_map(|pairs| multiply_at_once(pairs, work)).collect()
}

fn multiply_at_once<R: CubeRuntime>(pairs: &[(CubeTensor<R>, CubeTensor<R>, f32)], work: usize) -> Vec<CubeTensor<R>> {
    let client = pairs[0].0.client.clone();
    let shapes: Vec<[usize; 2]> = pairs.iter().map(|(x, a, _)| [x.meta.shape()[0], a.meta.shape()[1]]).collect();
    let rows = shapes[0][0];
    assert!(shapes.iter().all(|shape| shape[0] == rows), "as many rows for each: {shapes:?}");
    // One buffer holds all outputs, each where a buffer may begin.
    let step = (client.properties().memory.alignment as usize / size_of::<f32>()).max(1);
    let lens = shapes.iter().map(|[rows, columns]| (rows * columns).next_multiple_of(step));
    let starts: Vec<usize> = lens.scan(0, |end, len| Some(std::mem::replace(end, *end + len))).collect();
    let len = (starts[shapes.len() - 1] + rows * shapes[shapes.len() - 1][1]).next_multiple_of(step);
    let out = empty(&pairs[0].0, [len]);
    let rows_at_once = if rows == 1 { 1 } else { ROWS };
    let tiles = rows.div_ceil(rows_at_once);
    // A product that is not there has no cubes.
    let of = |i: usize| pairs.get(i).unwrap_or(&pairs[0]).clone();
    let [(x0, a0, alpha0), (x1, a1, alpha1), (x2, a2, alpha2)] = [of(0), of(1), of(2)];
    let from = |i: usize| starts.get(i).map_or(0, |&start| start as u32);
    let of_cube = |(_, a, _): &(_, CubeTensor<R>, f32)| 2 * rows_at_once * a.meta.num_elements();
    let of_cube = pairs.iter().map(of_cube).max().expect("there is a pair");
    for (first_cube, count) in launches(tiles * pairs.len(), of_cube, work) {
        // Safety: every unit looks whether its row, its column and its part of the sum exist.
        unsafe {
            products::launch_unchecked(
                &client,
                count,
                CubeDim::new_1d(COLUMNS_MAX as u32),
                x0.clone().into_tensor_arg(),
                a0.clone().into_tensor_arg(),
                x1.clone().into_tensor_arg(),
                a1.clone().into_tensor_arg(),
                x2.clone().into_tensor_arg(),
                a2.clone().into_tensor_arg(),
                out.clone().into_array_arg(),
                alpha0,
                alpha1,
                alpha2,
                first_cube,
                from(1),
                from(2),
                tiles as u32,
                pairs.len() as u32,
                rows_at_once,
                COLUMNS_MAX,
            );
        }
    }
    let part = |(shape, start): ([usize; 2], &usize)| {
        let bytes = |elements: usize| (elements * size_of::<f32>()) as u64;
        let handle = out.handle.clone().offset_start(bytes(*start));
        let handle = handle.offset_end(bytes(len - start - shape[0] * shape[1]));
        let meta = Metadata::new(shape, [shape[1], 1]);
        CubeTensor::new(client.clone(), handle, meta, out.device.clone(), out.dtype)
    };
    shapes.into_iter().zip(&starts).map(part).collect()
}

#[cube(launch_unchecked)]
fn gradients(
    x: &Tensor<f32>,
    dlow: &Tensor<f32>,
    dy: &Tensor<f32>,
    low: &Tensor<f32>,
    da: &mut Array<f32>,
    db: &mut Array<f32>,
    scale: f32,
    first_cube: u32,
    tiles_a: u32,
    tiles: u32,
    #[comptime] rows: usize,
    #[comptime] units: usize,
    #[comptime] onto: bool,
) {
    let tiles_a = tiles_a as usize;
    let cube = first_cube as usize + CUBE_POS;
    if cube >= tiles as usize {
        terminate!();
    }
    let mut shared = SharedMemory::<f32>::new(comptime!(rows * units));
    let from = 0usize.runtime();
    if cube < tiles_a {
        let one = 1.0f32.runtime();
        let first = cube * rows;
        rows_of_product(x, dlow, da, &mut shared, first, one, from, dlow.shape(1), 1, rows, units, true, onto);
    } else {
        let first = (cube - tiles_a) * rows;
        let one = 1usize.runtime();
        rows_of_product(dy, low, db, &mut shared, first, scale, from, one, dy.shape(0), rows, units, true, onto);
    }
}

/// `xᵀ · dlow` and `scale · lowᵀ · dy` in one launch, or several of about `work` multiplications and additions, `[in, rank]` and `[rank, out]`: from `xᵀ [in, n]`, `dlow [n, rank]`,
/// `dyᵀ [out, n]`, `low [n, rank]`, of any strides, with a rank up to [`COLUMNS_MAX`]. Added to what `sums`, contiguous and of
/// as many elements, hold, or written into new ones.
pub fn adapter_gradients<R: CubeRuntime>(
    (x, dlow): (CubeTensor<R>, CubeTensor<R>),
    (dy, low): (CubeTensor<R>, CubeTensor<R>),
    scale: f32,
    sums: Option<(CubeTensor<R>, CubeTensor<R>)>,
    work: usize,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let (client, rank) = (x.client.clone(), low.meta.shape()[1]);
    let ([inner, n], [outer, _]) = (x.meta.shape().dims(), dy.meta.shape().dims());
    let onto = sums.is_some();
    let (da, db) = sums.unwrap_or_else(|| (empty(&x, [inner, rank]), empty(&x, [rank, outer])));
    let (tiles_a, tiles_b) = (inner.div_ceil(ROWS), outer.div_ceil(ROWS));
    for (first_cube, count) in launches(tiles_a + tiles_b, 2 * ROWS * n * rank, work) {
        // Safety: as above.
        unsafe {
            gradients::launch_unchecked(
                &client,
                count,
                CubeDim::new_1d(COLUMNS_MAX as u32),
                x.clone().into_tensor_arg(),
                dlow.clone().into_tensor_arg(),
                dy.clone().into_tensor_arg(),
                low.clone().into_tensor_arg(),
                da.clone().into_array_arg(),
                db.clone().into_array_arg(),
                scale,
                first_cube,
                tiles_a as u32,
                (tiles_a + tiles_b) as u32,
                ROWS,
                COLUMNS_MAX,
                onto,
            );
        }
    }
    (da, db)
}
