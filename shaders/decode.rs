//! Causal attention of a few queries per row over a cache: grouped heads (Ainslie et al. 2023, "GQA"), softmax in one pass over the
//! columns (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", algorithm 3), and, where rows and heads
//! are too few to fill a device, the columns split between cubes whose results a second launch joins (Dao et al. 2023,
//! "Flash-Decoding for long-context inference").
//!
//! A cube takes one row, one key-value head, up to eight of the queries that share it, and a part of the columns. Scores: one
//! unit per column reads its key once for all queries. Values: one unit per channel reads each value once for all queries,
//! side by side with its neighbours. So with eight or fewer queries for a key-value head the visible part of the cache is read
//! once, which is the least; what lies between are scores in shared memory.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::attention::Sizes;
use super::common::{UNITS_MAX, cubes, empty};

/// Units of a cube, and columns that it takes at once.
const UNITS: usize = 128;

/// Queries that share a key-value head and attend together: their sums are held in registers.
const QUERIES_MAX: usize = 8;

/// Cubes that fill a device that does not tell how many processors it has.
const CUBES_TO_FILL: usize = 128;

/// Parts that the columns are split into at most.
const PARTS_MAX: usize = 64;

/// The score of a masked column: finite, because WGSL has no infinity.
const HIDDEN: f32 = -1e30;

/// Where a query stands: its token, its head, and the column that it may look up to.
#[cube]
fn place_of(
    query: usize,
    row: usize,
    key_value_head: usize,
    at: usize,
    width: usize,
    group: usize,
) -> (usize, usize, usize) {
    let t = query / group;
    (row * width + t, key_value_head * group + query % group, at + t)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn attend<N: Size>(
    q: &Array<f32>,
    k: &Array<Vector<f32, N>>,
    v: &Array<f32>,
    places: &Array<i32>,
    out: &mut Array<f32>,
    stats: &mut Array<f32>,
    rows: u32,
    width: u32,
    columns: u32,
    key_value: u32,
    group: u32,
    parts: u32,
    scale: f32,
    #[comptime] dim: usize,
    #[comptime] queries: usize,
    #[comptime] units: usize,
    #[comptime] joined_later: bool,
) {
    let width = width as usize;
    let group = group as usize;
    let key_value = key_value as usize;
    let parts = parts as usize;
    let all = width * group;
    let tiles = (all + queries - 1) / queries;
    if CUBE_POS >= rows as usize * key_value * tiles * parts {
        terminate!();
    }
    let part = CUBE_POS % parts;
    let tile = CUBE_POS / parts % tiles;
    let head = CUBE_POS / (parts * tiles) % key_value;
    let row = CUBE_POS / (parts * tiles * key_value);
    let unit = UNIT_POS as usize;

    let start = u32::cast_from(places[row]) as usize;
    let at = u32::cast_from(places[rows as usize + row]) as usize;
    let last_query = min(tile * queries + queries, all) - 1;
    let end = at + last_query / group + 1;
    let mut seen = 0usize;
    if end > start {
        seen = end - start;
    }
    let of_part = (seen + parts - 1) / parts;
    let from = start + part * of_part;
    let to = min(from + of_part, end);

    let n = N::value();
    let steps = comptime!(dim / n);
    let mut scaled = SharedMemory::<Vector<f32, N>>::new(comptime!(queries * steps));
    let mut i = unit;
    while i < comptime!(queries * steps) {
        let query = min(tile * queries + i / steps, all - 1);
        let (token, query_head, _) = place_of(query, row, head, at, width, group);
        let first = (token * key_value * group + query_head) * dim + i % steps * n;
        let mut vector = Vector::<f32, N>::empty();
        #[unroll]
        for j in 0..n {
            vector[j] = q[first + j] * scale;
        }
        scaled[i] = vector;
        i += units;
    }

    // Every query has some units of its own, which find its greatest score and the sum of its weights.
    let lanes = comptime!(units / queries);
    let own = unit / lanes;
    let lane = unit % lanes;
    let mut top = f32::new(HIDDEN);
    let mut weights = 0.0f32;

    // Every unit has some channels of its own and, where there are fewer channels than units, a part of the columns.
    let slots = comptime!(dim.div_ceil(units));
    let sides = comptime!((units / dim).max(1));
    let side = unit / dim;
    let mut sums = Array::<f32>::new(comptime!(slots * queries));
    #[unroll]
    for i in 0..comptime!(slots * queries) {
        sums[i] = 0.0;
    }

    let mut scores = SharedMemory::<f32>::new(comptime!(queries * units));
    let mut lanes_of_all = SharedMemory::<f32>::new(units);
    let mut rescale = SharedMemory::<f32>::new(queries);
    let channels = key_value * dim;
    sync_cube();

    let mut base = from;
    while base < to {
        let here = min(to - base, units);
        // Scores: one unit per column.
        let column = base + unit;
        let mut dots = Array::<Vector<f32, N>>::new(queries);
        #[unroll]
        for m in 0..queries {
            dots[m] = Vector::new(0.0);
        }
        if unit < here {
            let first = ((row * columns as usize + column) * channels + head * dim) / n;
            for i in 0..steps {
                let key = k[first + i];
                #[unroll]
                for m in 0..queries {
                    dots[m] += key * scaled[m * steps + i];
                }
            }
        }
        #[unroll]
        for m in 0..queries {
            let query = tile * queries + m;
            let mut score = f32::new(HIDDEN);
            if unit < here && query < all && column <= at + query / group {
                let dot = dots[m];
                score = 0.0f32;
                #[unroll]
                for j in 0..n {
                    score += dot[j];
                }
            }
            scores[m * units + unit] = score;
        }
        sync_cube();

        // The greatest score so far, and weights relative to it.
        let mut greatest = f32::new(HIDDEN);
        if own < queries {
            let mut j = lane;
            while j < here {
                greatest = max(greatest, scores[own * units + j]);
                j += lanes;
            }
        }
        lanes_of_all[unit] = greatest;
        sync_cube();
        if own < queries {
            let mut new = top;
            for j in 0..lanes {
                new = max(new, lanes_of_all[own * lanes + j]);
            }
            let shrink = (top - new).exp();
            top = new;
            weights *= shrink;
            let mut j = lane;
            while j < here {
                let score = scores[own * units + j];
                let mut weight = 0.0f32;
                if score > HIDDEN {
                    weight = (score - new).exp();
                }
                scores[own * units + j] = weight;
                weights += weight;
                j += lanes;
            }
            if lane == 0 {
                rescale[own] = shrink;
            }
        }
        sync_cube();

        // Values: one unit per channel.
        #[unroll]
        for slot in 0..slots {
            let channel = unit % dim + slot * units;
            #[unroll]
            for m in 0..queries {
                sums[slot * queries + m] *= rescale[m];
            }
            if side < sides && channel < dim {
                let mut j = side;
                while j < here {
                    let value = v[(row * columns as usize + base + j) * channels + head * dim + channel];
                    #[unroll]
                    for m in 0..queries {
                        sums[slot * queries + m] += scores[m * units + j] * value;
                    }
                    j += sides;
                }
            }
        }
        sync_cube();
        base += units;
    }

    // What each query's lanes have is joined, and so are the parts of the columns.
    let mut tops = SharedMemory::<f32>::new(queries);
    let mut totals = SharedMemory::<f32>::new(queries);
    lanes_of_all[unit] = weights;
    sync_cube();
    if own < queries && lane == 0 {
        let mut total = 0.0f32;
        for j in 0..lanes {
            total += lanes_of_all[own * lanes + j];
        }
        tops[own] = top;
        totals[own] = total;
    }
    if comptime!(slots == 1) {
        #[unroll]
        for m in 0..queries {
            scores[m * units + unit] = sums[m];
        }
    }
    sync_cube();

    let heads = key_value * group;
    #[unroll]
    for slot in 0..slots {
        let channel = unit + slot * units;
        if channel < dim {
            #[unroll]
            for m in 0..queries {
                let query = tile * queries + m;
                if query < all {
                    let (token, query_head, _) = place_of(query, row, head, at, width, group);
                    let mut sum = sums[slot * queries + m];
                    if comptime!(slots == 1) {
                        sum = 0.0;
                        for side in 0..sides {
                            sum += scores[m * units + side * dim + channel];
                        }
                    }
                    let line = token * heads + query_head;
                    let total = totals[m];
                    if comptime!(joined_later) {
                        let line = part * rows as usize * width * heads + line;
                        out[line * dim + channel] = sum;
                        if channel == 0 {
                            stats[line * 2] = tops[m];
                            stats[line * 2 + 1] = total;
                        }
                    } else {
                        // A query that sees nothing is never used; it stays a number.
                        let mut inverse = 0.0f32;
                        let mut log = 0.0f32;
                        if total > 0.0 {
                            inverse = 1.0 / total;
                            log = tops[m] + total.ln();
                        }
                        out[line * dim + channel] = sum * inverse;
                        if channel == 0 {
                            stats[(row * heads + query_head) * width + token % width] = log;
                        }
                    }
                }
            }
        }
    }
}

#[cube(launch_unchecked)]
fn join(
    sums: &Array<f32>,
    stats: &Array<f32>,
    out: &mut Array<f32>,
    lse: &mut Array<f32>,
    parts: u32,
    lines: u32,
    heads: u32,
    width: u32,
    dim: u32,
) {
    let dim = dim as usize;
    let lines = lines as usize;
    if ABSOLUTE_POS < lines * dim {
        let line = ABSOLUTE_POS / dim;
        let mut top = f32::new(HIDDEN);
        for part in 0..parts as usize {
            top = max(top, stats[(part * lines + line) * 2]);
        }
        let mut sum = 0.0f32;
        let mut total = 0.0f32;
        for part in 0..parts as usize {
            let shrink = (stats[(part * lines + line) * 2] - top).exp();
            total += stats[(part * lines + line) * 2 + 1] * shrink;
            sum += sums[part * lines * dim + ABSOLUTE_POS] * shrink;
        }
        let mut inverse = 0.0f32;
        let mut log = 0.0f32;
        if total > 0.0 {
            inverse = 1.0 / total;
            log = top + total.ln();
        }
        out[ABSOLUTE_POS] = sum * inverse;
        if ABSOLUTE_POS % dim == 0 {
            let token = line / heads as usize;
            let head = line % heads as usize;
            let row = token / width as usize;
            lse[(row * heads as usize + head) * width as usize + token % width as usize] = log;
        }
    }
}

/// The output `[rows · width, query heads · dim]` and the log of each softmax's denominator `[rows, query heads · width]`, of
/// `q [rows · width, query heads · dim]` over `k`, `v` `[rows, columns, key-value heads · dim]`. A query that sees nothing gives
/// zeros. No query sees more than `seen` columns.
pub fn attention<R: CubeRuntime>(
    q: CubeTensor<R>,
    k: CubeTensor<R>,
    v: CubeTensor<R>,
    places: CubeTensor<R>,
    sizes: Sizes,
    seen: usize,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let Sizes { rows, width, columns, key_value, group, dim, .. } = sizes;
    let (client, heads, shared_by) = (q.client.clone(), key_value * group, width * group);
    let out = empty(&q, [rows * width, heads * dim]);
    let lse = empty(&q, [rows, heads * width]);
    if rows * shared_by == 0 {
        return (out, lse);
    }
    let tiles = shared_by.div_ceil(QUERIES_MAX);
    let queries = shared_by.div_ceil(tiles);
    let tiles = shared_by.div_ceil(queries);
    let whole = rows * key_value * tiles;
    let processors = client.properties().hardware.num_streaming_multiprocessors;
    let wanted = processors.map_or(CUBES_TO_FILL, |count| 2 * count as usize).div_ceil(whole);
    let parts = wanted.min(seen.div_ceil(UNITS)).clamp(1, PARTS_MAX);
    let lines = rows * width * heads;
    let (sums, stats) = if parts == 1 {
        (out.clone(), lse.clone())
    } else {
        (empty(&q, [parts, lines * dim]), empty(&q, [parts, lines * 2]))
    };
    let vector = if dim % 4 == 0 { 4 } else { 1 };
    // Safety: every cube looks whether it has queries, and reads and writes within its row; the caller has seen that every column
    // that a query looks at is there.
    unsafe {
        attend::launch_unchecked(
            &client,
            cubes(whole * parts),
            CubeDim::new_1d(UNITS as u32),
            vector,
            q.into_array_arg(),
            k.into_array_arg(),
            v.into_array_arg(),
            places.into_array_arg(),
            sums.clone().into_array_arg(),
            stats.clone().into_array_arg(),
            rows as u32,
            width as u32,
            columns as u32,
            key_value as u32,
            group as u32,
            parts as u32,
            (dim as f32).powf(-0.5),
            dim,
            queries,
            UNITS,
            parts > 1,
        );
        if parts > 1 {
            join::launch_unchecked(
                &client,
                cubes((lines * dim).div_ceil(UNITS_MAX as usize)),
                CubeDim::new_1d(UNITS_MAX),
                sums.into_array_arg(),
                stats.into_array_arg(),
                out.clone().into_array_arg(),
                lse.clone().into_array_arg(),
                parts as u32,
                lines as u32,
                heads as u32,
                width as u32,
                dim as u32,
            );
        }
    }
    (out, lse)
}
