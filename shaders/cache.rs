//! The cache of keys and values, `[rows, columns, channels]`, written in place: what is new is read once and written once. Keys
//! are turned (see `rope`) on their way, and the queries in the same launch.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, owned};
use super::rope::turn;

/// Rows that [`put`] begins anew at once: their numbers are arguments, for an upload would end the queue's batch.
const ROWS_AT_ONCE: usize = 8;

#[cube(launch_unchecked)]
fn append(
    new: &Array<f32>,
    places: &Array<i32>,
    cache: &mut Array<f32>,
    rows: u32,
    row_of_new: u32,
    row_of_cache: u32,
    channels: u32,
) {
    if ABSOLUTE_POS < new.len() {
        let row = ABSOLUTE_POS / row_of_new as usize;
        let at = u32::cast_from(places[rows as usize + row]) as usize;
        let to = row * row_of_cache as usize + at * channels as usize + ABSOLUTE_POS % row_of_new as usize;
        cache[to] = new[ABSOLUTE_POS];
    }
}

/// Writes `new [rows, width, channels]` from column `places[1, b]` of row b on; the caller has seen that they are there.
pub fn write<R: CubeRuntime>(
    cache: CubeTensor<R>,
    new: CubeTensor<R>,
    places: CubeTensor<R>,
    columns: usize,
) -> CubeTensor<R> {
    let [rows, width, channels] = new.meta.shape().dims();
    let (cache, client, n) = (owned(cache), new.client.clone(), rows * width * channels);
    if n == 0 {
        return cache;
    }
    // Safety: every unit looks whether its element exists; the caller has seen that its place does.
    unsafe {
        append::launch_unchecked(
            &client,
            cubes(n.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            new.into_array_arg(),
            places.into_array_arg(),
            cache.clone().into_array_arg(),
            rows as u32,
            (width * channels) as u32,
            (columns * channels) as u32,
            channels as u32,
        );
    }
    cache
}

/// One unit per pair of channels of a key, and the same two of the value; then one per pair of a query.
#[cube(launch_unchecked)]
fn append_turned(
    q: &mut Array<f32>,
    k: &Array<f32>,
    v: &Array<f32>,
    angles: &Array<f32>,
    places: &Array<i32>,
    keys: &mut Array<f32>,
    values: &mut Array<f32>,
    rows: u32,
    width: u32,
    columns: u32,
    channels: u32,
    pairs_of_q: u32,
    half: u32,
) {
    let (rows, width, channels, half) = (rows as usize, width as usize, channels as usize, half as usize);
    let (pairs, pairs_of_q) = (channels / 2, pairs_of_q as usize);
    let tokens = rows * width;
    if ABSOLUTE_POS < tokens * pairs {
        let token = ABSOLUTE_POS / pairs;
        let pair = ABSOLUTE_POS % pairs;
        let i = pair % half;
        let first = pair / half * 2 * half + i;
        let row = token / width;
        let at = u32::cast_from(places[rows + row]) as usize + token % width;
        let from = token * channels + first;
        let to = (row * columns as usize + at) * channels + first;
        let cos = angles[token * 2 * half + i];
        let sin = angles[token * 2 * half + half + i];
        keys[to] = k[from] * cos - k[from + half] * sin;
        keys[to + half] = k[from + half] * cos + k[from] * sin;
        values[to] = v[from];
        values[to + half] = v[from + half];
    } else if ABSOLUTE_POS < tokens * (pairs + pairs_of_q) {
        turn(q, angles, ABSOLUTE_POS - tokens * pairs, pairs_of_q, half, 1.0f32);
    }
}

/// Turns `q` and `k` by `angles [rows · width, dim]` (see `rope`), and writes `k` and `v`, `[rows · width, heads · dim]`, into
/// `[rows or more, columns, heads · dim]` from column `places[1, b]` of row b on; the caller has seen that they are there. Gives the
/// queries and both caches.
pub fn append_both<R: CubeRuntime>(
    (keys, values): (CubeTensor<R>, CubeTensor<R>),
    (q, k, v): (CubeTensor<R>, CubeTensor<R>, CubeTensor<R>),
    angles: CubeTensor<R>,
    places: CubeTensor<R>,
) -> (CubeTensor<R>, CubeTensor<R>, CubeTensor<R>) {
    let [_, columns, channels] = keys.meta.shape().dims();
    let ([_, rows], [tokens, dim]) = (places.meta.shape().dims(), angles.meta.shape().dims());
    let (q, keys, values, client) = (owned(q), owned(keys), owned(values), k.client.clone());
    let pairs_of_q = q.meta.shape()[1] / 2;
    let pairs = tokens * (channels / 2 + pairs_of_q);
    if pairs == 0 {
        return (q, keys, values);
    }
    // Safety: every unit looks whether its pair exists; the caller has seen that its place does.
    unsafe {
        append_turned::launch_unchecked(
            &client,
            cubes(pairs.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            q.clone().into_array_arg(),
            k.into_array_arg(),
            v.into_array_arg(),
            angles.into_array_arg(),
            places.into_array_arg(),
            keys.clone().into_array_arg(),
            values.clone().into_array_arg(),
            rows as u32,
            (tokens / rows) as u32,
            columns as u32,
            channels as u32,
            pairs_of_q as u32,
            (dim / 2) as u32,
        );
    }
    (q, keys, values)
}

#[cube(launch_unchecked)]
fn begin(
    new: &Array<f32>,
    cache: &mut Array<f32>,
    rows: &Sequence<u32>,
    count: u32,
    first: u32,
    row_of_new: u32,
    row_of_cache: u32,
) {
    let row_of_cache = row_of_cache as usize;
    let row_of_new = row_of_new as usize;
    if ABSOLUTE_POS < count as usize * row_of_cache {
        let row = ABSOLUTE_POS / row_of_cache;
        let i = ABSOLUTE_POS % row_of_cache;
        let mut to = 0usize;
        #[unroll]
        for slot in 0..rows.len() {
            if row == slot {
                to = rows[slot] as usize;
            }
        }
        let mut value = 0.0f32;
        if i < row_of_new {
            value = new[(first as usize + row) * row_of_new + i];
        }
        cache[to * row_of_cache + i] = value;
    }
}

/// Row `rows[i]` of the cache becomes row i of `new [rows, width, channels]`, then zeros; the caller has seen that they are there.
pub fn put<R: CubeRuntime>(cache: CubeTensor<R>, rows: &[usize], new: CubeTensor<R>) -> CubeTensor<R> {
    let [_, columns, channels] = cache.meta.shape().dims();
    let [_, width, _] = new.meta.shape().dims();
    let (cache, client) = (owned(cache), new.client.clone());
    for (chunk, rows) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        let n = rows.len() * columns * channels;
        let numbers = (0..ROWS_AT_ONCE).map(|slot| rows.get(slot).map_or(0, |&row| row as u32)).collect();
        // Safety: every unit looks whether its element exists; the caller has seen that its row does.
        unsafe {
            begin::launch_unchecked(
                &client,
                cubes(n.div_ceil(UNITS_MAX as usize)),
                CubeDim::new_1d(UNITS_MAX),
                new.clone().into_array_arg(),
                cache.clone().into_array_arg(),
                numbers,
                rows.len() as u32,
                (chunk * ROWS_AT_ONCE) as u32,
                (width * channels) as u32,
                (columns * channels) as u32,
            );
        }
    }
    cache
}
