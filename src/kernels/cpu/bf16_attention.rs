//! Attention over keys and values that are held in bf16, where no backward pass follows: of one query for each head as
//! [`super::attention`] makes it, of more by products of bf16 with sums in f32.
//!
//! A task has some queries of one row, and one key-value head. It lays the keys and the values into panels once. The scores of
//! 32 queries become exponentials, which are summed up in f32 and, rounded to bf16, meet the values; the sum divides the output
//! (Dao 2023, "FlashAttention-2", section 3.1.1).

use std::cell::RefCell;
use std::ops::Range;

use burn_flex::Flex;
use half::bf16;

use super::attention::Sizes;
use super::engine::{Engine, Products};
use super::in_bf16::InBf16;
use super::numbers::Number;
use super::primitives::{Shared, vectorised};
use super::sums::of_panel;
use super::team::{share_out, threads};
use super::tiles::{BLOCK, Begin, Block, Rows, STEP, Strided, TILE, Tile};
use crate::kernels::types::{Heads, Span};

/// Queries of a task: enough that laying out keys and values counts little beside the products.
const QUERIES: usize = 128;

thread_local! {
    /// Scores of the 32 queries at work on this thread.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Whether this machine has products of bf16 that heads of this size are whole steps of.
pub(super) fn takes(dim: usize) -> bool {
    InBf16::of_this_machine().is_some() && dim.is_multiple_of(STEP)
}

/// That of a machine that [`takes`] heads.
fn engine() -> InBf16 {
    InBf16::of_this_machine().expect("nothing is held in bf16 otherwise")
}

/// `q [rows · width, query · dim]` over `k`, `v [rows, columns, key_value · dim]` to the size of `q`, for heads that [`takes`]
/// takes.
pub(super) fn forward(q: &[f32], k: &[bf16], v: &[bf16], columns: usize, span: &Span<Flex>, heads: Heads) -> Vec<f32> {
    let sizes = Sizes::new(span.width, columns, heads);
    if span.width == 1 {
        return decode(q, k, v, span, heads, sizes);
    }
    let mut out = vec![0.0f32; q.len()];
    let shared = Shared(out.as_mut_ptr());
    let parts = span.width.div_ceil(QUERIES);
    share_out(span.rows() * heads.key_value * parts, |task| {
        let (head, from) = (task / parts, task % parts * QUERIES);
        let (row, group) = (head / heads.key_value, head % heads.key_value);
        let queries = from..(from + QUERIES).min(span.width);
        let seen = |query: usize| (span.at[row] + query + 1).saturating_sub(span.start[row]);
        let first = sizes.key(row, span.start[row], group);
        let columns = seen(queries.end - 1);
        if columns > 0 {
            let engine = engine();
            let task = Task { engine, row, group, queries, columns, keys: &k[first..], values: &v[first..], sizes };
            // SAFETY: this task alone writes the outputs of its queries and heads.
            unsafe { task.run(q, seen, shared) };
        }
    });
    out
}

/// One query of each head: keys and values are read once, as they lie.
fn decode(q: &[f32], k: &[bf16], v: &[bf16], span: &Span<Flex>, heads: Heads, sizes: Sizes) -> Vec<f32> {
    let mut out = vec![0.0f32; q.len()];
    let shared = Shared(out.as_mut_ptr());
    // A row's task walks through its cache in the order of memory; few rows are shared out by heads.
    let parts = if span.rows() >= 2 * threads() { 1 } else { heads.key_value };
    let engine = engine();
    share_out(span.rows() * parts, |task| {
        let (row, part) = (task / parts, task % parts);
        let seen = (span.at[row] + 1).saturating_sub(span.start[row]);
        if seen == 0 {
            return;
        }
        SCORES.with_borrow_mut(|scores| {
            scores.resize(sizes.group * (seen + 1), 0.0);
            let (scores, sums) = scores.split_at_mut(sizes.group * seen);
            let groups = part * heads.key_value / parts..(part + 1) * heads.key_value / parts;
            for group in groups.clone() {
                let first = sizes.key(row, span.start[row], group);
                let query = sizes.query(row, 0, group * sizes.group);
                let (stride, dim, is_far) = (sizes.key_channels, sizes.dim, group == groups.start);
                let some = Strided { numbers: &k[first..], stride, rows: seen, dim, is_far };
                engine.dots(&q[query..][..sizes.group * sizes.dim], some, scores);
                // SAFETY: this task alone writes the output of its row and heads.
                let out = unsafe { std::slice::from_raw_parts_mut(shared.at(query), sizes.group * sizes.dim) };
                for (scores, sum) in scores.chunks_exact_mut(seen).zip(&mut *sums) {
                    *sum = engine.exponentials(scores, sizes.scale());
                }
                engine.weighted_sums(scores, Strided { numbers: &v[first..], ..some }, out);
                for (out, sum) in out.chunks_exact_mut(sizes.dim).zip(&*sums) {
                    out.iter_mut().for_each(|out| *out /= sum);
                }
            }
        });
    });
    out
}

/// Some queries of a row, all heads of one key-value head.
struct Task<'a> {
    engine: InBf16,
    row: usize,
    group: usize,
    queries: Range<usize>,
    /// Those that the last query sees.
    columns: usize,
    /// From the first column that is seen, and the key-value head's first channel, on.
    keys: &'a [bf16],
    values: &'a [bf16],
    sizes: Sizes,
}

impl Task<'_> {
    /// # Safety
    /// Nothing else touches the outputs of these queries and heads, which are there.
    unsafe fn run(&self, q: &[f32], seen: impl Fn(usize) -> usize, out: Shared) {
        let Self { engine, sizes, .. } = *self;
        let (steps, blocks) = (sizes.dim / STEP, self.columns.div_ceil(BLOCK));
        let stride = blocks * BLOCK;
        let (panels, products) = (2 * steps * blocks, Products::new(engine));
        of_panel(2 * (panels + steps + blocks), |tiles| {
            let (keys, rest) = tiles.split_at_mut(panels);
            let (values, rest) = rest.split_at_mut(panels);
            let (queries, shares) = rest.split_at_mut(2 * steps);
            self.lay_keys(keys);
            self.lay_values(values);
            SCORES.with_borrow_mut(|scores| {
                scores.resize(BLOCK * stride, 0.0);
                let heads = self.group * sizes.group..(self.group + 1) * sizes.group;
                for (head, first) in heads.flat_map(|h| self.queries.clone().step_by(BLOCK).map(move |t| (h, t))) {
                    let count = BLOCK.min(self.queries.end - first);
                    let seen = |query: usize| seen(first + query);
                    let blocks_seen = seen(count - 1).div_ceil(BLOCK);
                    if blocks_seen == 0 {
                        // Padding on the left: the outputs stay zeros.
                        continue;
                    }
                    let query = |i: usize| sizes.query(self.row, first + i, head);
                    lay_rows(queries, steps, steps, |i| (i < count).then(|| &q[query(i)..][..sizes.dim]));
                    let a = Rows::of_tiles(&queries[..steps], &queries[steps..]);
                    for (block, keys) in keys.chunks_exact(2 * steps).enumerate().take(blocks_seen) {
                        let to = Block { first: scores[block * BLOCK..].as_mut_ptr(), stride };
                        // SAFETY: 32 rows of scores are ours.
                        unsafe {
                            products.add(a, [&keys[..steps], &keys[steps..]], Begin::zeros(), to, (BLOCK, BLOCK))
                        };
                    }
                    let mut sums = [0.0f32; BLOCK];
                    for ((i, sum), scores) in
                        sums.iter_mut().enumerate().take(count).zip(scores.chunks_exact_mut(stride))
                    {
                        let (seen, unseen) = scores[..blocks_seen * BLOCK].split_at_mut(seen(i));
                        *sum = engine.exponentials(seen, sizes.scale());
                        unseen.fill(0.0);
                    }
                    lay_rows(shares, blocks, blocks_seen, |i| {
                        (i < count).then(|| &scores[i * stride..][..blocks_seen * BLOCK])
                    });
                    let a = Rows::of_tiles(&shares[..blocks], &shares[blocks..]);
                    for (from, values) in (0..sizes.dim).step_by(BLOCK).zip(values.chunks_exact(2 * blocks)) {
                        let values = [&values[..blocks_seen], &values[blocks..][..blocks_seen]];
                        // SAFETY: the tiles are live.
                        let output = unsafe { products.square([(a, values)]) };
                        for (i, (output, sum)) in output.chunks_exact(BLOCK).zip(sums).enumerate().take(count) {
                            let share = if sum == 0.0 { 0.0 } else { 1.0 / sum };
                            // SAFETY: these outputs are there and ours by the caller's promise.
                            let out = unsafe { std::slice::from_raw_parts_mut(out.at(query(i) + from), BLOCK) };
                            out.iter_mut().zip(output).for_each(|(out, value)| *out = value * share);
                        }
                    }
                }
            });
        });
    }

    /// Keys as columns: for each 32 of them, two tiles wide, the steps of their channels.
    fn lay_keys(&self, tiles: &mut [Tile<bf16>]) {
        let steps = self.sizes.dim / STEP;
        for (index, tile) in tiles.iter_mut().enumerate() {
            let (from, terms) = (index / steps * TILE, index % steps * STEP);
            let key = |i: usize| match from + i < self.columns {
                true => &self.keys[(from + i) * self.sizes.key_channels + terms..][..STEP],
                false => &[],
            };
            self.engine.fill_transposed(std::array::from_fn(key), tile);
        }
    }

    /// Values as terms: for each 16 channels the steps of 32 columns.
    fn lay_values(&self, tiles: &mut [Tile<bf16>]) {
        let blocks = self.columns.div_ceil(BLOCK);
        for (index, tile) in tiles.iter_mut().enumerate() {
            let (channel, from) = (index / blocks * TILE, index % blocks * STEP);
            let value = |column: usize| &self.values[column * self.sizes.key_channels + channel..][..TILE];
            self.engine.fill_straight((from..(from + STEP).min(self.columns)).map(value), tile);
        }
    }
}

/// 32 rows in bf16 as tiles of `a`, of which each row of tiles has `steps` and the first `filled` are laid; a row that is not
/// there is zeros.
fn lay_rows<'a>(tiles: &mut [Tile<bf16>], steps: usize, filled: usize, row: impl Fn(usize) -> Option<&'a [f32]>) {
    for i in 0..BLOCK {
        let tiles = &mut tiles[i / TILE * steps..][..filled];
        let row = row(i);
        vectorised(
            #[inline(always)]
            || {
                for (step, tile) in tiles.iter_mut().enumerate() {
                    let into = &mut tile.0[i % TILE * STEP..][..STEP];
                    match row {
                        Some(row) => {
                            let row = &row[step * STEP..][..STEP];
                            into.iter_mut().zip(row).for_each(|(to, value)| *to = bf16::nearest(*value));
                        }
                        None => into.fill(bf16::ZERO),
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::attention;
    use super::super::primitives::{slice, tensor};
    use super::*;

    #[test]
    fn it_is_the_attention_of_f32_but_for_rounding() {
        let heads = Heads { query: 6, key_value: 2, dim: 64 };
        if !takes(heads.dim) {
            return;
        }
        let made_up = |n: usize, seed: u32| -> Vec<f32> {
            let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            (0..n as u32).map(|i| bf16::from_f32(2.0 * value(i)).to_f32()).collect()
        };
        // Decoding, a prompt behind a prefix, a prompt of several tasks; some rows begin later: within the first queries, behind
        // some blocks of them, behind a whole task.
        for (start, at, width) in [
            (vec![0, 3, 9], vec![20, 33, 9], 1),
            (vec![2, 0], vec![40, 7], 37),
            (vec![0, 5, 70, 200], vec![0, 0, 0, 0], 290),
        ] {
            let (rows, columns) = (start.len(), at.iter().max().unwrap() + width + 3);
            let span = Span::<Flex>::new(start, at, width, columns, &Default::default());
            let q = made_up(rows * width * heads.query * heads.dim, 1);
            let [k, v] = [2, 3].map(|seed| made_up(rows * columns * heads.key_value * heads.dim, seed));
            let whole = |values: &[f32]| tensor(values.to_vec(), [rows, columns, heads.key_value * heads.dim]);
            let queries = tensor(q.clone(), [rows * width, heads.query * heads.dim]);
            let (right, _) = attention::forward(&queries, &whole(&k), &whole(&v), &span, heads);
            let [k, v] = [k, v].map(|values| values.into_iter().map(bf16::from_f32).collect::<Vec<_>>());
            let found = forward(&q, &k, &v, columns, &span, heads);
            let right = right.into_primitive().tensor();
            for (i, (found, right)) in found.iter().zip(slice(&right)).enumerate() {
                assert!(
                    (found - right).abs() < 0.012 && (*found != 0.0 || *right == 0.0),
                    "{found} for {right} at {i} of {rows} x {width}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let heads = Heads { query: 2, key_value: 1, dim: 32 };
        if !takes(heads.dim) {
            return;
        }
        for width in [1, 40] {
            let span = Span::<Flex>::new(vec![0], vec![3], width, width + 3, &Default::default());
            let mut k = vec![bf16::ONE; (width + 3) * heads.dim];
            k[2 * heads.dim] = bf16::NAN;
            let v = vec![bf16::ONE; k.len()];
            let out = forward(&vec![1.0; width * heads.query * heads.dim], &k, &v, width + 3, &span, heads);
            assert!(out.iter().all(|value| value.is_nan()), "{width}");
        }
    }
}
