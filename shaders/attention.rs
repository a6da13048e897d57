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

use super::common::{LOWEST, cubes, empty};

/// Queries, and columns, of a tile.
pub(super) const TILE: usize = 32;
/// A shared tile's rows lie so far apart, that units which read down a column meet different banks.
pub(super) const STRIDE: usize = TILE + 1;
/// Units of a cube: 16 along the columns of a tile, 8 along its rows.
pub(super) const UNITS: usize = 128;
/// Units along the columns of a tile.
pub(super) const ACROSS: usize = 16;
/// Rows of a tile that a unit holds.
pub(super) const HELD: usize = TILE / (UNITS / ACROSS);
/// Columns of a tile of scores that a unit holds.
pub(super) const SCORES: usize = TILE / ACROSS;
/// Units that share the sums of one row.
pub(super) const PARTS: usize = UNITS / TILE;
/// Floats of the buffer for two operands.
pub(super) const OPERANDS: usize = 2 * TILE * STRIDE;

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
}

impl Sizes {
    /// Tiles that hold `n`.
    pub(super) fn tiles(n: usize) -> usize {
        n.div_ceil(TILE)
    }

    /// Cubes for every row, key-value head and tile.
    pub(super) fn cubes(&self, tiles: usize) -> CubeCount {
        cubes(self.rows * self.key_value * tiles)
    }

    pub(super) fn scale(&self) -> f32 {
        (self.dim as f32).powf(-0.5)
    }
}

/// Channels that one step of a product of rows takes.
pub(super) fn depth(dim: usize) -> usize {
    dim.next_multiple_of(4).min(TILE)
}

/// Channels that one step of a weighted sum of rows takes.
pub(super) fn wide(dim: usize) -> usize {
    dim.next_multiple_of(ACROSS).min(4 * ACROSS)
}

/// Which part of an operand a cube reads. Row `r` of it begins at `base + r / group · stride + r % group · dim`: heads of
/// a group are rows beside each other.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Rows {
    pub base: usize,
    pub stride: usize,
    /// The first row that does not exist.
    pub end: usize,
    #[cube(comptime)]
    pub group: usize,
    #[cube(comptime)]
    pub dim: usize,
}

#[cube]
impl Rows {
    pub fn offset(&self, row: usize) -> usize {
        let (group, dim) = comptime!((self.group, self.dim));
        self.base + row / group * self.stride + row % group * dim
    }
}

/// Puts `depth` channels from `from` on of the tile's rows from `first` on into `to`, channel by channel; zeros where
/// there is nothing.
#[cube]
pub(super) fn load_by_channel(
    source: &Array<f32>,
    rows: &Rows,
    first: usize,
    to: &mut SharedMemory<f32>,
    #[comptime] offset: usize,
    from: usize,
    #[comptime] depth: usize,
) {
    let dim = comptime!(rows.dim);
    #[unroll]
    for step in 0..TILE * depth / UNITS {
        let i = UNIT_POS as usize + step * UNITS;
        let (row, channel) = (i / depth, i % depth);
        let mut value = 0.0f32;
        if first + row < rows.end && from + channel < dim {
            value = source[rows.offset(first + row) + from + channel];
        }
        to[offset + channel * STRIDE + row] = value;
    }
}

/// Puts `wide` channels from `from` on of the tile's rows from `first` on into `to`, row by row.
#[cube]
pub(super) fn load_by_row(
    source: &Array<f32>,
    rows: &Rows,
    first: usize,
    to: &mut SharedMemory<f32>,
    #[comptime] from: usize,
    #[comptime] wide: usize,
) {
    let dim = comptime!(rows.dim);
    #[unroll]
    for step in 0..TILE * wide / UNITS {
        let i = UNIT_POS as usize + step * UNITS;
        let (row, channel) = (i / wide, i % wide);
        let mut value = 0.0f32;
        if first + row < rows.end && from + channel < dim {
            value = source[rows.offset(first + row) + from + channel];
        }
        to[i] = value;
    }
}

/// `scores += a · bᵀ`: the unit's rows of tile a against its rows of tile b, whole heads.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn multiply(
    a: &Array<f32>,
    a_rows: &Rows,
    a_first: usize,
    b: &Array<f32>,
    b_rows: &Rows,
    b_first: usize,
    operands: &mut SharedMemory<f32>,
    scores: &mut Array<f32>,
    #[comptime] depth: usize,
) {
    let (across, down) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let dim = comptime!(a_rows.dim);
    for step in 0..comptime!(dim.div_ceil(depth)) {
        sync_cube();
        load_by_channel(a, a_rows, a_first, operands, 0usize, step * depth, depth);
        load_by_channel(b, b_rows, b_first, operands, comptime!(TILE * STRIDE), step * depth, depth);
        sync_cube();
        for channel in 0..depth {
            let mut right = Array::<f32>::new(SCORES);
            #[unroll]
            for j in 0..SCORES {
                right[j] = operands[TILE * STRIDE + channel * STRIDE + j * ACROSS + across];
            }
            #[unroll]
            for i in 0..HELD {
                let left = operands[channel * STRIDE + down * HELD + i];
                #[unroll]
                for j in 0..SCORES {
                    scores[i * SCORES + j] += left * right[j];
                }
            }
        }
    }
}

/// `sums += weights · rows`: the unit's rows of the shared tile of weights, against the tile's rows of `source`; a unit
/// holds every 16th channel.
#[cube]
#[allow(clippy::too_many_arguments)]
pub(super) fn accumulate(
    weights: &SharedMemory<f32>,
    source: &Array<f32>,
    rows: &Rows,
    first: usize,
    operands: &mut SharedMemory<f32>,
    sums: &mut Array<f32>,
    #[comptime] wide: usize,
) {
    let (across, down) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let dim = comptime!(rows.dim);
    let steps = comptime!(dim.div_ceil(wide));
    let each = comptime!(wide / ACROSS);
    #[unroll]
    for step in 0..steps {
        sync_cube();
        load_by_row(source, rows, first, operands, comptime!(step * wide), wide);
        sync_cube();
        for k in 0..TILE {
            let mut right = Array::<f32>::new(each);
            #[unroll]
            for j in 0..each {
                right[j] = operands[k * wide + j * ACROSS + across];
            }
            #[unroll]
            for i in 0..HELD {
                let left = weights[(down * HELD + i) * STRIDE + k];
                #[unroll]
                for j in 0..each {
                    sums[i * steps * each + step * each + j] += left * right[j];
                }
            }
        }
    }
}

/// Writes a unit's sums, each row of them times its entry of `factors`.
#[cube]
pub(super) fn store(
    out: &mut Array<f32>,
    rows: &Rows,
    first: usize,
    sums: &Array<f32>,
    factors: &Array<f32>,
    #[comptime] wide: usize,
) {
    let (across, down) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let dim = comptime!(rows.dim);
    let each = comptime!(dim.div_ceil(wide) * wide / ACROSS);
    #[unroll]
    for i in 0..HELD {
        let row = first + down * HELD + i;
        if row < rows.end {
            let at = rows.offset(row);
            #[unroll]
            for j in 0..each {
                let channel = j * ACROSS + across;
                if channel < dim {
                    out[at + channel] = sums[i * each + j] * factors[i];
                }
            }
        }
    }
}

#[cube]
pub(super) fn zeros(#[comptime] n: usize) -> Array<f32> {
    let mut array = Array::<f32>::new(n);
    #[unroll]
    for i in 0..n {
        array[i] = 0.0;
    }
    array
}

/// Which row, key-value head and tile is this cube's.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Place {
    pub row: usize,
    pub head: usize,
    pub tile: usize,
    /// First column that the row's queries see.
    pub start: usize,
    /// Column of the row's first query.
    pub at: usize,
}

/// `places` is, from `from` on, `[2, rows]`: the first columns and the columns of the first queries.
#[cube]
pub(super) fn place<N: Numeric>(places: &Array<N>, from: usize, rows: usize, key_value: usize, tiles: usize) -> Place {
    let row = CUBE_POS / (tiles * key_value);
    let head = CUBE_POS / tiles % key_value;
    // Cubes beyond the last row end at once; what they read here must exist all the same.
    let known = from + row % rows;
    let start = u32::cast_from(places[known]) as usize;
    let at = u32::cast_from(places[rows + known]) as usize;
    Place { row, head, tile: CUBE_POS % tiles, start, at }
}

#[cube]
pub(super) fn queries(
    place: &Place,
    width: usize,
    key_value: usize,
    #[comptime] group: usize,
    #[comptime] dim: usize,
) -> Rows {
    let stride = key_value * group * dim;
    let base = place.row * width * stride + place.head * group * dim;
    Rows { base, stride, end: width * group, group, dim }
}

#[cube]
pub(super) fn keys(place: &Place, columns: usize, end: usize, key_value: usize, #[comptime] dim: usize) -> Rows {
    let stride = key_value * dim;
    Rows { base: place.row * columns * stride + place.head * dim, stride, end, group: 1usize, dim }
}

/// Where query `r` of the place stands in the log-sum-exp `[rows, heads · width]`.
#[cube]
pub(super) fn in_lse(place: &Place, r: usize, width: usize, key_value: usize, #[comptime] group: usize) -> usize {
    ((place.row * key_value + place.head) * group + r % group) * width + r / group
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
    let place = place::<I>(places, 0, rows, key_value, tiles);
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
    let mut top = RuntimeCell::<f32>::new(LOWEST);
    let mut total = RuntimeCell::<f32>::new(0.0f32);

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

#[cube]
pub(super) fn sum_of_parts(shares: &SharedMemory<f32>, row: usize) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..PARTS {
        sum += shares[row * PARTS + i];
    }
    sum
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
    let count = sizes.cubes(Sizes::tiles(sizes.width * sizes.group));
    let dtype = places.dtype;
    // Safety: rows, queries, columns and channels are held against what exists before each access.
    unsafe {
        forward::launch_unchecked(
            &client,
            count,
            CubeDim::new_1d(UNITS as u32),
            q.into_array_arg(),
            k.into_array_arg(),
            v.into_array_arg(),
            places.into_array_arg(),
            out.clone().into_array_arg(),
            lse.clone().into_array_arg(),
            sizes.width as u32,
            sizes.columns as u32,
            sizes.key_value as u32,
            sizes.scale(),
            sizes.group,
            sizes.dim,
            dtype.into(),
        );
    }
    (out, lse)
}
