//! The cache of keys and values, `[rows, columns, channels]`, written in place: what is new is read once and written once. Keys
//! are turned (see `rope`) on their way.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, owned};

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

/// One unit per pair of channels of a key, and the same two of the value.
#[cube(launch_unchecked)]
fn append_turned(
    k: &Array<f32>,
    v: &Array<f32>,
    cos: &Array<f32>,
    sin: &Array<f32>,
    places: &Array<i32>,
    keys: &mut Array<f32>,
    values: &mut Array<f32>,
    rows: u32,
    width: u32,
    columns: u32,
    channels: u32,
    half: u32,
) {
    let (rows, width, channels, half) = (rows as usize, width as usize, channels as usize, half as usize);
    let pairs = channels / 2;
    if ABSOLUTE_POS < rows * width * pairs {
        let token = ABSOLUTE_POS / pairs;
        let pair = ABSOLUTE_POS % pairs;
        let i = pair % half;
        let first = pair / half * 2 * half + i;
        let row = token / width;
        let at = u32::cast_from(places[rows + row]) as usize + token % width;
        let from = token * channels + first;
        let to = (row * columns as usize + at) * channels + first;
        let cos = cos[token * half + i];
        let sin = sin[token * half + i];
        keys[to] = k[from] * cos - k[from + half] * sin;
        keys[to + half] = k[from + half] * cos + k[from] * sin;
        values[to] = v[from];
        values[to + half] = v[from + half];
    }
}

/// Writes `k`, turned by `angles`, and `v`, `[rows · width, heads · dim]`, into `[rows or more, columns, heads · dim]` from column
/// `places[1, b]` of row b on; the caller has seen that they are there.
pub fn append_both<R: CubeRuntime>(
    (keys, values): (CubeTensor<R>, CubeTensor<R>),
    (k, v): (CubeTensor<R>, CubeTensor<R>),
    (cos, sin): (CubeTensor<R>, CubeTensor<R>),
    places: CubeTensor<R>,
    dim: usize,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let [_, columns, channels] = keys.meta.shape().dims();
    let [_, rows] = places.meta.shape().dims();
    let [tokens, _] = k.meta.shape().dims();
    let (keys, values, client) = (owned(keys), owned(values), k.client.clone());
    let pairs = tokens * channels / 2;
    if pairs == 0 {
        return (keys, values);
    }
    // Safety: every unit looks whether its pair exists; the caller has seen that its place does.
    unsafe {
        append_turned::launch_unchecked(
            &client,
            cubes(pairs.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            k.into_array_arg(),
            v.into_array_arg(),
            cos.into_array_arg(),
            sin.into_array_arg(),
            places.into_array_arg(),
            keys.clone().into_array_arg(),
            values.clone().into_array_arg(),
            rows as u32,
            (tokens / rows) as u32,
            columns as u32,
            channels as u32,
            (dim / 2) as u32,
        );
    }
    (keys, values)
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
