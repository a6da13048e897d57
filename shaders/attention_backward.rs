//! The gradient of causal attention without scores in global memory and without atomics (Dao 2023, "FlashAttention-2",
//! algorithm 2): the probabilities are computed again from the log-sum-exp that the forward pass kept.
//!
//! `P = exp(Q Kᵀ / √d - lse)`, `D = rowsum(dO ∘ O)`, `dS = P ∘ (dO Vᵀ - D) / √d`; then `dQ = dS K`, `dK = dSᵀ Q` and
//! `dV = Pᵀ dO`. Three launches: D beside the log-sum-exp; dQ over tiles of queries; dK and dV over tiles of columns, where
//! the query heads of a group are rows of one tile, so that their sum is the product's.
//!
//! Bytes: each launch writes its gradients once, and reads the other side's tiles once for every tile of its own that they
//! meet. Shared memory: 14 KiB. No operation of planes. WebGPU promises eight storage buffers, and the sizes take one of
//! them: so what is known of a query, and where the rows stand, lie in one.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::attention::Sizes;
use super::attention_tiles::*;
use super::common::{cubes, empty};

/// Three parts beside each other: the log-sum-exp; `rowsum(dO ∘ O)` in the same order; and the places `[2, rows]`, which
/// floats hold exactly.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn row_sums<I: Int>(
    dy: &Array<f32>,
    out: &Array<f32>,
    lse: &Array<f32>,
    places: &Array<I>,
    sums: &mut Array<f32>,
    width: u32,
    query_heads: u32,
    #[comptime] dim: usize,
    #[define(I)] _dtype: StorageType,
) {
    let (width, query_heads) = (width as usize, query_heads as usize);
    let mut shares = SharedMemory::<f32>::new(UNITS);
    let (row, part) = (UNIT_POS as usize / PARTS, UNIT_POS as usize % PARTS);
    // Token by token, and head by head of each.
    let r = CUBE_POS * TILE + row;
    let mut share = 0.0f32;
    if r < lse.len() {
        for step in 0..comptime!(dim.div_ceil(PARTS)) {
            let channel = step * PARTS + part;
            if channel < dim {
                share += dy[r * dim + channel] * out[r * dim + channel];
            }
        }
    }
    shares[UNIT_POS as usize] = share;
    sync_cube();
    if part == 0 && r < lse.len() {
        let (token, head) = (r / query_heads, r % query_heads);
        let here = (token / width * query_heads + head) * width + token % width;
        sums[here] = lse[here];
        sums[lse.len() + here] = sum_of_parts(&shares, row);
    }
    // There are no more rows than queries.
    if part == 0 && r < places.len() / 2 {
        sums[2 * lse.len() + r] = f32::cast_from(places[r]);
        sums[2 * lse.len() + places.len() / 2 + r] = f32::cast_from(places[places.len() / 2 + r]);
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn of_queries(
    dy: &Array<f32>,
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    row_sums: &Array<f32>,
    dq: &mut Array<f32>,
    first_cube: u32,
    rows: u32,
    width: u32,
    columns: u32,
    key_value: u32,
    scale: f32,
    #[comptime] group: usize,
    #[comptime] dim: usize,
) {
    let (rows, width, columns, key_value) = (rows as usize, width as usize, columns as usize, key_value as usize);
    let queries_and_heads = rows * width * key_value * group;
    let (depth, wide) = comptime!((depth(dim), wide(dim)));
    let tiles = (width * group).div_ceil(TILE);
    let place = place::<f32>(first_cube, row_sums, 2 * queries_and_heads, rows, key_value, tiles);
    if place.row >= rows {
        terminate!();
    }
    let queries = queries(&place, width, key_value, group, dim);
    // The tiles that see the most begin first.
    let first = (tiles - 1 - place.tile) * TILE;
    let last = (first + TILE - 1).min(queries.end - 1) / group;
    let seen = (place.at + last + 1).min(columns);
    let keys = keys(&place, columns, seen, key_value, dim);

    let mut operands = SharedMemory::<f32>::new(OPERANDS);
    let mut slopes = SharedMemory::<f32>::new(comptime!(TILE * STRIDE));
    let (across, down) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let mut log_sums = zeros(HELD);
    let mut inner = zeros(HELD);
    #[unroll]
    for i in 0..HELD {
        let query = first + down * HELD + i;
        if query < queries.end {
            let here = in_lse(&place, query, width, key_value, group);
            log_sums[i] = row_sums[here];
            inner[i] = row_sums[queries_and_heads + here];
        }
    }

    let held = comptime!(dim.div_ceil(wide) * wide / ACROSS);
    let mut sums = zeros(comptime!(HELD * held));
    let mut from = place.start;
    while from < seen {
        let mut scores = zeros(comptime!(HELD * SCORES));
        let mut products = zeros(comptime!(HELD * SCORES));
        multiply(q, &queries, first, k, &keys, from, &mut operands, &mut scores, depth);
        multiply(dy, &queries, first, v, &keys, from, &mut operands, &mut products, depth);
        #[unroll]
        for i in 0..HELD {
            let row = down * HELD + i;
            let own = place.at + (first + row) / group;
            #[unroll]
            for j in 0..SCORES {
                let column = j * ACROSS + across;
                let mut slope = 0.0f32;
                if from + column <= own && first + row < queries.end {
                    let p = (scores[i * SCORES + j] * scale - log_sums[i]).exp();
                    slope = p * (products[i * SCORES + j] - inner[i]) * scale;
                }
                slopes[row * STRIDE + column] = slope;
            }
        }
        accumulate(&slopes, k, &keys, from, &mut operands, &mut sums, wide);
        from += TILE;
    }
    store(dq, &queries, first, &sums, &ones(HELD), wide);
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn of_columns(
    dy: &Array<f32>,
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    row_sums: &Array<f32>,
    dk: &mut Array<f32>,
    dv: &mut Array<f32>,
    first_cube: u32,
    rows: u32,
    width: u32,
    columns: u32,
    key_value: u32,
    scale: f32,
    #[comptime] group: usize,
    #[comptime] dim: usize,
) {
    let (rows, width, columns, key_value) = (rows as usize, width as usize, columns as usize, key_value as usize);
    let queries_and_heads = rows * width * key_value * group;
    let (depth, wide) = comptime!((depth(dim), wide(dim)));
    let tiles = columns.div_ceil(TILE);
    let place = place::<f32>(first_cube, row_sums, 2 * queries_and_heads, rows, key_value, tiles);
    if place.row >= rows {
        terminate!();
    }
    let queries = queries(&place, width, key_value, group, dim);
    let keys = keys(&place, columns, columns, key_value, dim);
    // The first columns are seen by the most queries.
    let first = place.tile * TILE;

    let mut operands = SharedMemory::<f32>::new(OPERANDS);
    let mut weights = SharedMemory::<f32>::new(comptime!(TILE * STRIDE));
    let mut log_sums = SharedMemory::<f32>::new(TILE);
    let mut inner = SharedMemory::<f32>::new(TILE);
    let (across, down) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let held = comptime!(dim.div_ceil(wide) * wide / ACROSS);
    let mut dk_sums = zeros(comptime!(HELD * held));
    let mut dv_sums = zeros(comptime!(HELD * held));

    // The first query that sees the tile's first column; none sees columns before the row's start.
    let mut from = (max(first, place.at) - place.at) * group;
    if first + TILE <= place.start {
        from = queries.end;
    }
    while from < queries.end {
        let mut scores = zeros(comptime!(HELD * SCORES));
        let mut products = zeros(comptime!(HELD * SCORES));
        multiply(k, &keys, first, q, &queries, from, &mut operands, &mut scores, depth);
        multiply(v, &keys, first, dy, &queries, from, &mut operands, &mut products, depth);
        let unit = UNIT_POS as usize;
        if unit < TILE && from + unit < queries.end {
            let here = in_lse(&place, from + unit, width, key_value, group);
            log_sums[unit] = row_sums[here];
            inner[unit] = row_sums[queries_and_heads + here];
        }
        sync_cube();
        #[unroll]
        for i in 0..HELD {
            let column = first + down * HELD + i;
            #[unroll]
            for j in 0..SCORES {
                let query = j * ACROSS + across;
                let own = place.at + (from + query) / group;
                let mut p = 0.0f32;
                let mut slope = 0.0f32;
                if column >= place.start && column <= own && from + query < queries.end {
                    p = (scores[i * SCORES + j] * scale - log_sums[query]).exp();
                    slope = p * (products[i * SCORES + j] - inner[query]) * scale;
                }
                weights[(down * HELD + i) * STRIDE + query] = p;
                products[i * SCORES + j] = slope;
            }
        }
        accumulate(&weights, dy, &queries, from, &mut operands, &mut dv_sums, wide);
        sync_cube();
        #[unroll]
        for i in 0..HELD {
            #[unroll]
            for j in 0..SCORES {
                weights[(down * HELD + i) * STRIDE + j * ACROSS + across] = products[i * SCORES + j];
            }
        }
        accumulate(&weights, q, &queries, from, &mut operands, &mut dk_sums, wide);
        from += TILE;
    }
    store(dk, &keys, first, &dk_sums, &ones(HELD), wide);
    store(dv, &keys, first, &dv_sums, &ones(HELD), wide);
}

/// Gradients of q, k and v; `out` and `lse` are what the forward pass gave, `places` what it was given.
#[allow(clippy::too_many_arguments)]
pub fn causal_attention_backward<R: CubeRuntime>(
    dy: CubeTensor<R>,
    q: CubeTensor<R>,
    k: CubeTensor<R>,
    v: CubeTensor<R>,
    out: CubeTensor<R>,
    lse: CubeTensor<R>,
    places: CubeTensor<R>,
    sizes: Sizes,
) -> (CubeTensor<R>, CubeTensor<R>, CubeTensor<R>) {
    let client = q.client.clone();
    let query_heads = sizes.key_value * sizes.group;
    let dq = empty(&q, [sizes.rows * sizes.width, query_heads * sizes.dim]);
    let keys = [sizes.rows, sizes.columns, sizes.key_value * sizes.dim];
    let (dk, dv) = (empty(&k, keys), empty(&v, keys));
    let n = sizes.rows * sizes.width * query_heads;
    let sums = empty(&q, [2 * n + 2 * sizes.rows]);
    let dim = CubeDim::new_1d(UNITS as u32);
    let places_dtype = places.dtype;
    let [rows, width, columns, key_value] = [sizes.rows, sizes.width, sizes.columns, sizes.key_value].map(|n| n as u32);
    // Safety: rows, queries, columns and channels are held against what exists before each access.
    unsafe {
        row_sums::launch_unchecked(
            &client,
            cubes(Sizes::tiles(n)),
            dim,
            dy.clone().into_array_arg(),
            out.into_array_arg(),
            lse.into_array_arg(),
            places.into_array_arg(),
            sums.clone().into_array_arg(),
            width,
            query_heads as u32,
            sizes.dim,
            places_dtype.into(),
        );
    }
    for (first, count) in sizes.launches(Sizes::tiles(sizes.width * sizes.group), 3, sizes.columns) {
        // Safety: as above.
        unsafe {
            of_queries::launch_unchecked(
                &client,
                count,
                dim,
                dy.clone().into_array_arg(),
                q.clone().into_array_arg(),
                k.clone().into_array_arg(),
                v.clone().into_array_arg(),
                sums.clone().into_array_arg(),
                dq.clone().into_array_arg(),
                first,
                rows,
                width,
                columns,
                key_value,
                sizes.scale(),
                sizes.group,
                sizes.dim,
            );
        }
    }
    for (first, count) in sizes.launches(Sizes::tiles(sizes.columns), 4, sizes.width * sizes.group) {
        // Safety: as above.
        unsafe {
            of_columns::launch_unchecked(
                &client,
                count,
                dim,
                dy.clone().into_array_arg(),
                q.clone().into_array_arg(),
                k.clone().into_array_arg(),
                v.clone().into_array_arg(),
                sums.clone().into_array_arg(),
                dk.clone().into_array_arg(),
                dv.clone().into_array_arg(),
                first,
                rows,
                width,
                columns,
                key_value,
                sizes.scale(),
                sizes.group,
                sizes.dim,
            );
        }
    }
    (dq, dk, dv)
}
