//! The tiles of attention's kernels: which queries and columns a cube has, how they come into shared memory, and the two
//! products of tiles, of which a unit holds a part in registers.

use cubecl::cube;
use cubecl::prelude::*;

/// Queries, and columns, of a tile.
pub const TILE: usize = 32;
/// A shared tile's rows lie so far apart, that units which read down a column meet different banks.
pub const STRIDE: usize = TILE + 1;
/// Units of a cube: 16 along the columns of a tile, 8 along its rows.
pub const UNITS: usize = 128;
/// Units along the columns of a tile.
pub const ACROSS: usize = 16;
/// Rows of a tile that a unit holds.
pub const HELD: usize = TILE / (UNITS / ACROSS);
/// Columns of a tile of scores that a unit holds.
pub const SCORES: usize = TILE / ACROSS;
/// Units that share the sums of one row.
pub const PARTS: usize = UNITS / TILE;
/// Floats of the buffer for two operands.
pub const OPERANDS: usize = 2 * TILE * STRIDE;

/// Channels that one step of a product of rows takes.
pub fn depth(dim: usize) -> usize {
    dim.next_multiple_of(4).min(TILE)
}

/// Channels that one step of a weighted sum of rows takes.
pub fn wide(dim: usize) -> usize {
    dim.next_multiple_of(ACROSS).min(4 * ACROSS)
}

/// Which part of an operand a cube reads. Row `r` of it begins at `base + r / group · stride + r % group · dim`: heads of
/// a group are rows beside each other.
#[derive(CubeType, Clone, Copy)]
pub struct Rows {
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
pub fn load_by_channel(
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
pub fn load_by_row(
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
pub fn multiply(
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
pub fn accumulate(
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
pub fn store(
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
pub fn zeros(#[comptime] n: usize) -> Array<f32> {
    let mut array = Array::<f32>::new(n);
    #[unroll]
    for i in 0..n {
        array[i] = 0.0;
    }
    array
}

/// Which row, key-value head and tile is this cube's.
#[derive(CubeType, Clone, Copy)]
pub struct Place {
    pub row: usize,
    pub head: usize,
    pub tile: usize,
    /// First column that the row's queries see.
    pub start: usize,
    /// Column of the row's first query.
    pub at: usize,
}

/// That of a cube, where the launch begins with number `first`. `places` is, from `from` on, `[2, rows]`: the first columns and the columns
/// of the first queries.
#[cube]
pub fn place<N: Numeric>(
    first: u32,
    places: &Array<N>,
    from: usize,
    rows: usize,
    key_value: usize,
    tiles: usize,
) -> Place {
    let cube = first as usize + CUBE_POS;
    let row = cube / (tiles * key_value);
    let head = cube / tiles % key_value;
    // Cubes beyond the last row end at once; what they read here must exist all the same.
    let known = from + row % rows;
    let start = u32::cast_from(places[known]) as usize;
    let at = u32::cast_from(places[rows + known]) as usize;
    Place { row, head, tile: cube % tiles, start, at }
}

#[cube]
pub fn queries(
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
pub fn keys(place: &Place, columns: usize, end: usize, key_value: usize, #[comptime] dim: usize) -> Rows {
    let stride = key_value * dim;
    Rows { base: place.row * columns * stride + place.head * dim, stride, end, group: 1usize, dim }
}

/// Where query `r` of the place stands in the log-sum-exp `[rows, heads · width]`.
#[cube]
pub fn in_lse(place: &Place, r: usize, width: usize, key_value: usize, #[comptime] group: usize) -> usize {
    ((place.row * key_value + place.head) * group + r % group) * width + r / group
}

#[cube]
pub fn sum_of_parts(shares: &SharedMemory<f32>, row: usize) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..PARTS {
        sum += shares[row * PARTS + i];
    }
    sum
}

#[cube]
pub fn ones(#[comptime] n: usize) -> Array<f32> {
    let mut array = Array::<f32>::new(n);
    #[unroll]
    for i in 0..n {
        array[i] = 1.0;
    }
    array
}
