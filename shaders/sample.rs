//! What the host needs to draw a token, so that it reads two kilobytes a row instead of the vocabulary: the greatest logit,
//! the sum of the exponentials, a draw from the whole distribution at the host's uniform number, and the best candidates,
//! from which the host makes cuts by rank or by mass.
//!
//! The vocabulary is split into segments, a cube each; a unit takes every 256th logit of its segment, and gives the best of
//! this group. The sum is kept beside its maximum (Milakov and Gimelshein 2018, "Online normalizer calculation for
//! softmax", algorithm 3). The second launch takes a row with each cube. A logit among the best 256 lies in a group whose
//! best is among the best 256 of the groups' bests: so it finds these, and then looks through their groups alone. Lists are
//! merged by sorting networks (Batcher 1968, "Sorting networks and their applications"). At last it inverts the
//! distribution function: segment, unit, token, in the order of the ids. Equal logits stand in the order of their ids, so
//! the result is the same wherever it is computed. Bytes: the logits once, and two segments of them again.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

use super::super::types::CANDIDATES;
use super::common::{LOWEST, cubes, empty, max_of_cube, sum_of_cube};

/// Logits that a unit takes of a segment. A cube has as many units as a row has candidates.
const EACH: usize = 32;
/// Logits of a segment.
const SEGMENT: usize = CANDIDATES * EACH;
/// What stands before the candidates: the greatest logit, the sum, the drawn id.
pub const HEAD: usize = 3;
/// Floats of a row, or of a segment: then come the logits of the candidates, then their ids, which floats hold exactly up to 2^24.
pub const ROW: usize = HEAD + 2 * CANDIDATES;
/// Ids from here on stand for nothing.
const NOTHING: u32 = 1 << 30;

/// A list of logits and their ids.
#[derive(CubeType, Clone, Copy)]
struct List {
    values: SharedMemory<f32>,
    ids: SharedMemory<u32>,
}

#[cube]
fn list() -> List {
    List { values: SharedMemory::<f32>::new(CANDIDATES), ids: SharedMemory::<u32>::new(CANDIDATES) }
}

#[cube]
fn comes_first(a: f32, a_id: u32, b: f32, b_id: u32) -> bool {
    a > b || (a == b && a_id < b_id)
}

/// Orders each pair of entries `stride` apart.
#[cube]
fn exchange(list: &mut List, stride: usize, falling: bool) {
    let unit = UNIT_POS as usize;
    let other = unit ^ stride;
    if other > unit {
        let (a, a_id, b, b_id) = (list.values[unit], list.ids[unit], list.values[other], list.ids[other]);
        if comes_first(b, b_id, a, a_id) == falling {
            list.values[unit] = b;
            list.ids[unit] = b_id;
            list.values[other] = a;
            list.ids[other] = a_id;
        }
    }
    sync_cube();
}

/// Sorts the list, the best last.
#[cube]
fn sort(list: &mut List) {
    let unit = UNIT_POS as usize;
    let size = RuntimeCell::<usize>::new(2usize);
    while size.read() <= CANDIDATES {
        let stride = RuntimeCell::<usize>::new(size.read() / 2);
        while stride.read() > 0 {
            exchange(list, stride.read(), (unit & size.read()) != 0);
            stride.store(stride.read() / 2);
        }
        size.store(size.read() * 2);
    }
}

/// The best of the falling list and of one more logit a unit; falling.
#[cube]
fn merge(best: &mut List, more: &mut List, value: f32, id: u32) {
    let unit = UNIT_POS as usize;
    more.values[unit] = value;
    more.ids[unit] = id;
    sync_cube();
    sort(more);
    // One list falls and the other rises: the better of each pair are the best of both.
    let (value, id) = (more.values[unit], more.ids[unit]);
    if comes_first(value, id, best.values[unit], best.ids[unit]) {
        best.values[unit] = value;
        best.ids[unit] = id;
    }
    sync_cube();
    let stride = RuntimeCell::<usize>::new(CANDIDATES / 2);
    while stride.read() > 0 {
        exchange(best, stride.read(), true);
        stride.store(stride.read() / 2);
    }
}

#[cube(launch_unchecked)]
fn of_segments(logits: &Array<f32>, draws: &Array<f32>, parts: &mut Array<f32>, vocabulary: u32) {
    let vocabulary = vocabulary as usize;
    let segments = vocabulary.div_ceil(SEGMENT);
    let (row, segment) = (CUBE_POS / segments, CUBE_POS % segments);
    if row >= draws.len() / 2 {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let sharpness = draws[row * 2];
    let best = RuntimeCell::<u32>::new(NOTHING + UNIT_POS);
    let top = RuntimeCell::<f32>::new(LOWEST);
    let sum = RuntimeCell::<f32>::new(0.0f32);
    for i in 0..EACH {
        let id = of_group(segment, unit, i);
        if id < vocabulary {
            let x = logits[row * vocabulary + id];
            let highest = top.read();
            if x > highest {
                sum.store(sum.read() * ((highest - x) * sharpness).exp() + 1.0);
                top.store(x);
                best.store(id as u32);
            } else {
                sum.store(sum.read() + ((x - highest) * sharpness).exp());
            }
        }
    }
    let mut shared = SharedMemory::<f32>::new(CANDIDATES);
    let own = top.read();
    let top = max_of_cube(own, &mut shared);
    let sum = sum_of_cube(sum.read() * ((own - top) * sharpness).exp(), &mut shared);
    let out = CUBE_POS * ROW;
    if unit == 0 {
        parts[out] = top;
        parts[out + 1] = sum;
    }
    parts[out + HEAD + unit] = own;
    parts[out + HEAD + CANDIDATES + unit] = f32::cast_from(best.read());
}

/// The id of a group's `i`-th token.
#[cube]
fn of_group(segment: usize, unit: usize, i: usize) -> usize {
    segment * SEGMENT + i * CANDIDATES + unit
}

/// A walk along shares of a distribution until they pass `target`; stands still at the last share above zero.
#[derive(CubeType, Clone, Copy)]
struct Walk {
    target: f32,
    below: RuntimeCell<f32>,
    /// The sum below the place.
    before: RuntimeCell<f32>,
    place: RuntimeCell<usize>,
    found: RuntimeCell<bool>,
}

#[cube]
fn walk(target: f32) -> Walk {
    Walk {
        target,
        below: RuntimeCell::<f32>::new(0.0f32),
        before: RuntimeCell::<f32>::new(0.0f32),
        place: RuntimeCell::<usize>::new(0usize),
        found: RuntimeCell::<bool>::new(false),
    }
}

#[cube]
fn pass(walk: &Walk, place: usize, share: f32) {
    if !walk.found.read() && share > 0.0 {
        let below = walk.below.read();
        walk.place.store(place);
        walk.before.store(below);
        walk.found.store(below + share > walk.target);
        walk.below.store(below + share);
    }
}

#[cube(launch_unchecked)]
fn of_rows(logits: &Array<f32>, draws: &Array<f32>, parts: &Array<f32>, out: &mut Array<f32>, vocabulary: u32) {
    let vocabulary = vocabulary as usize;
    let segments = vocabulary.div_ceil(SEGMENT);
    let row = CUBE_POS;
    if row >= draws.len() / 2 {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let (sharpness, uniform) = (draws[row * 2], draws[row * 2 + 1]);
    let parts_of_row = row * segments * ROW;

    let mut best = list();
    let mut more = list();
    best.values[unit] = LOWEST;
    best.ids[unit] = NOTHING + UNIT_POS;
    let top = RuntimeCell::<f32>::new(LOWEST);
    for segment in 0..segments {
        let part = parts_of_row + segment * ROW;
        top.store(top.read().max(parts[part]));
        let (value, id) = (parts[part + HEAD + unit], parts[part + HEAD + CANDIDATES + unit]);
        merge(&mut best, &mut more, value, u32::cast_from(id));
    }
    // Each unit looks through the group of one of the best.
    let known = best.ids[unit];
    let group = known as usize / SEGMENT;
    let mut shared = SharedMemory::<f32>::new(CANDIDATES);
    for i in 0..EACH {
        let id = of_group(group, known as usize % CANDIDATES, i);
        let value = RuntimeCell::<f32>::new(LOWEST);
        let entry = RuntimeCell::<u32>::new(NOTHING + UNIT_POS);
        if known < NOTHING && id < vocabulary && id as u32 != known {
            value.store(logits[row * vocabulary + id]);
            entry.store(id as u32);
        }
        let highest = max_of_cube(value.read(), &mut shared);
        // The same for the whole cube.
        if highest >= best.values[CANDIDATES - 1] {
            // Nobody may change the list before all have looked.
            sync_cube();
            merge(&mut best, &mut more, value.read(), entry.read());
        }
    }

    let top = top.read();
    let total = RuntimeCell::<f32>::new(0.0f32);
    for segment in 0..segments {
        let part = parts_of_row + segment * ROW;
        total.store(total.read() + parts[part + 1] * ((parts[part] - top) * sharpness).exp());
    }
    let total = total.read();
    let by_segment = walk(uniform * total);
    for segment in 0..segments {
        let part = parts_of_row + segment * ROW;
        pass(&by_segment, segment, parts[part + 1] * ((parts[part] - top) * sharpness).exp());
    }

    let first = by_segment.place.read() * SEGMENT;
    let mut sums = SharedMemory::<f32>::new(CANDIDATES);
    let sum = RuntimeCell::<f32>::new(0.0f32);
    for i in 0..EACH {
        let id = first + unit * EACH + i;
        if id < vocabulary {
            sum.store(sum.read() + ((logits[row * vocabulary + id] - top) * sharpness).exp());
        }
    }
    sums[unit] = sum.read();
    sync_cube();
    if unit == 0 {
        let by_unit = walk(by_segment.target - by_segment.before.read());
        for other in 0..CANDIDATES {
            pass(&by_unit, other, sums[other]);
        }
        let first = first + by_unit.place.read() * EACH;
        let by_token = walk(by_unit.target - by_unit.before.read());
        for i in 0..EACH {
            if first + i < vocabulary {
                pass(&by_token, first + i, ((logits[row * vocabulary + first + i] - top) * sharpness).exp());
            }
        }
        out[row * ROW] = top;
        out[row * ROW + 1] = total;
        out[row * ROW + 2] = f32::cast_from(by_token.place.read() as u32);
    }
    out[row * ROW + HEAD + unit] = best.values[unit];
    out[row * ROW + HEAD + CANDIDATES + unit] = f32::cast_from(best.ids[unit]);
}

/// `[n, 3 + 2 · CANDIDATES]` of `logits [n, vocabulary]`: the greatest, the sum of `exp((x - greatest) / temperature)`, the
/// id at the uniform number of that distribution, the best logits and their ids. `draws [n, 2]` holds each row's
/// `1 / temperature` and uniform number.
pub fn candidates<R: CubeRuntime>(logits: CubeTensor<R>, draws: CubeTensor<R>) -> CubeTensor<R> {
    let client = logits.client.clone();
    let [n, vocabulary] = logits.meta.shape().dims();
    let out = empty(&logits, [n, ROW]);
    if n == 0 {
        return out;
    }
    assert!(vocabulary <= 1 << 24, "ids beyond those that floats hold");
    let segments = vocabulary.div_ceil(SEGMENT);
    let parts = empty(&logits, [n * segments, ROW]);
    let dim = CubeDim::new_1d(CANDIDATES as u32);
    // Safety: cubes beyond the last row end at once, and units look whether their token exists.
    unsafe {
        of_segments::launch_unchecked(
            &client,
            cubes(n * segments),
            dim,
            logits.clone().into_array_arg(),
            draws.clone().into_array_arg(),
            parts.clone().into_array_arg(),
            vocabulary as u32,
        );
        of_rows::launch_unchecked(
            &client,
            cubes(n),
            dim,
            logits.into_array_arg(),
            draws.into_array_arg(),
            parts.into_array_arg(),
            out.clone().into_array_arg(),
            vocabulary as u32,
        );
    }
    out
}
