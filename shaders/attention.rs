//! Causal grouped-query attention without scores in global memory (Dao 2023, "FlashAttention-2", algorithm 1), of any width.
//!
//! A cube takes a tile of the queries of one row and one key-value head: the group's heads side by side, token by token, so
//! that they share the keys and values that are read, and the columns beyond the tile's last token are never visited. With
//! m the running maximum and l the running denominator of each query, a tile of columns changes
//! `m' = max(m, max s)`, `p = exp(s - m')`, `l' = l · exp(m - m') + sum p` and `o' = o · exp(m - m') + p · V`.
//!
//! Bytes: the output and the queries once, keys and values once for every tile of queries that sees them; the queries
//! again with each tile of columns, which caches of some kilobytes hold. Shared memory: 13.5 KiB. No operation of planes.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::attention_tiles::*;
use super::common::{LOWEST, empty, launches};

/// How the queries and the columns of a pass lie in memory.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Rows of the batch.
    pub rows: usize,
    /// Queries of a row.
    pub width: usize,
    /// Columns of the keys and values.
    pub columns: usize,
    /// Key and value heads.
    pub key_value: usize,
    /// Query heads that share a key-value head.
    pub group: usize,
    /// Channels of a head.
    pub dim: usize,
    /// Multiplications and additions of a launch, about: [`WORK`](super::common::WORK).
    pub work: usize,
}

impl Sizes {
    /// Tiles that hold `n`.
    pub(super) fn tiles(n: usize) -> usize {
        n.div_ceil(TILE)
    }

    /// The first cube of each launch, and how many it has: cubes for every row, key-value head and tile, which make `products` products of
    /// their tile with one of length `other`.
    pub(super) fn launches(
        &self,
        tiles: usize,
        products: usize,
        other: usize,
    ) -> impl Iterator<Item = (u32, CubeCount)> {
        let all = self.rows * self.key_value * tiles;
        launches(all, products * 2 * TILE * other.max(1) * self.dim, self.work)
    }

    pub(super) fn scale(&self) -> f32 {
        (self.dim as f32).powf(-0.5)
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn forward<I: Int>(
    q: &Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    places: &Array<I>,
    out: &mut Array<f32>,
    lse: &mut Array<f32>,
    first_cube: u32,
    width: u32,
    columns: u32,
    key_value: u32,
    scale: f32,
    #[comptime] group: usize,
    #[comptime] dim: usize,
    #[define(I)] _dtype: StorageType,
) {
    let (width, columns, key_value) = (width as usize, columns as usize, key_value as usize);
    let (depth, wide) = comptime!((depth(dim), wide(dim)));
    let tiles = (width * group).div_ceil(TILE);
    let rows = places.len() / 2;
    let place = place::<I>(first_cube, places, 0, rows, key_value, tiles);
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
    let mut weights = SharedMemory::<f32>::new(comptime!(TILE * STRIDE));
    let mut shares = SharedMemory::<f32>::new(UNITS);
    let mut decays = SharedMemory::<f32>::new(TILE);
    let down = UNIT_POS as usize / ACROSS;
    let across = UNIT_POS as usize % ACROSS;
    // For the softmax four units share a row.
    let (row, part) = (UNIT_POS as usize / PARTS, UNIT_POS as usize % PARTS);
    let own = place.at + (first + row) / group;
    let held = comptime!(dim.div_ceil(wide) * wide / ACROSS);
    let mut sums = zeros(comptime!(HELD * held));
    let top = RuntimeCell::<f32>::new(LOWEST);
    let total = RuntimeCell::<f32>::new(0.0f32);

    let mut from = place.start;
    while from < seen {
        let mut scores = zeros(comptime!(HELD * SCORES));
        multiply(q, &queries, first, k, &keys, from, &mut operands, &mut scores, depth);
        #[unroll]
        for i in 0..HELD {
            #[unroll]
            for j in 0..SCORES {
                weights[(down * HELD + i) * STRIDE + j * ACROSS + across] = scores[i * SCORES + j] * scale;
            }
        }
        sync_cube();

        let mut highest = top.read();
        #[unroll]
        for j in 0..comptime!(TILE / PARTS) {
            let column = j * PARTS + part;
            if from + column <= own {
                highest = highest.max(weights[row * STRIDE + column]);
            }
        }
        shares[UNIT_POS as usize] = highest;
        sync_cube();
        #[unroll]
        for i in 0..PARTS {
            highest = highest.max(shares[row * PARTS + i]);
        }
        let decay = (top.read() - highest).exp();
        let mut sum = total.read() * decay;
        #[unroll]
        for j in 0..comptime!(TILE / PARTS) {
            let column = j * PARTS + part;
            let mut weight = 0.0f32;
            if from + column <= own {
                weight = (weights[row * STRIDE + column] - highest).exp();
            }
            weights[row * STRIDE + column] = weight;
            sum += weight;
        }
        if part == 0 {
            decays[row] = decay;
        }
        top.store(highest);
        total.store(sum);
        sync_cube();

        #[unroll]
        for i in 0..HELD {
            let decay = decays[down * HELD + i];
            #[unroll]
            for j in 0..held {
                sums[i * held + j] *= decay;
            }
        }
        accumulate(&weights, v, &keys, from, &mut operands, &mut sums, wide);
        from += TILE;
    }

    sync_cube();
    shares[UNIT_POS as usize] = total.read();
    sync_cube();
    let mut factors = Array::<f32>::new(HELD);
    #[unroll]
    for i in 0..HELD {
        let total = sum_of_parts(&shares, down * HELD + i);
        // Finite where a query sees nothing.
        factors[i] = select(total == 0.0, 0.0, 1.0 / total);
    }
    store(out, &queries, first, &sums, &factors, wide);
    if part == 0 && first + row < queries.end {
        let total = sum_of_parts(&shares, row);
        let log_sum = select(total == 0.0, 0.0, top.read() + total.ln());
        lse[in_lse(&place, first + row, width, key_value, group)] = log_sum;
    }
}

/// Output `[rows · width, heads · dim]` and log-sum-exp `[rows, heads · width]`. `places` is `[2, rows]`: each row's first
/// column and the column of its first query.
pub fn causal_attention<R: CubeRuntime>(
    q: CubeTensor<R>,
    k: CubeTensor<R>,
    v: CubeTensor<R>,
    places: CubeTensor<R>,
    sizes: Sizes,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let client = q.client.clone();
    let query_heads = sizes.key_value * sizes.group;
    let out = empty(&q, [sizes.rows * sizes.width, query_heads * sizes.dim]);
    let lse = empty(&q, [sizes.rows, query_heads * sizes.width]);
    if sizes.rows * sizes.width == 0 {
        return (out, lse);
    }
    let dtype = places.dtype;
    for (first, count) in sizes.launches(Sizes::tiles(sizes.width * sizes.group), 2, sizes.columns) {
        // Safety: rows, queries, columns and channels are held against what exists before each access.
        unsafe {
            forward::launch_unchecked(
                &client,
                count,
                CubeDim::new_1d(UNITS as u32),
                q.clone().into_array_arg(),
                k.clone().into_array_arg(),
                v.clone().into_array_arg(),
                places.clone().into_array_arg(),
                out.clone().into_array_arg(),
                lse.clone().into_array_arg(),
                first,
                sizes.width as u32,
                sizes.columns as u32,
                sizes.key_value as u32,
                sizes.scale(),
                sizes.group,
                sizes.dim,
                dtype.into(),
            );
        }
    }
    (out, lse)
}
