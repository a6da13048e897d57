//! `silu(x · gateᵀ) · (x · upᵀ)` by frozen matrices (Shazeer 2020, "GLU Variants Improve Transformer"), laid out for the
//! product that takes it. Both products of a block are at hand when it is written, so neither goes through memory: a block has 16 columns of
//! the one and 16 of the other.

use std::ops::Range;

use super::engine::{Engine, Products};
use super::frozen::{Frozen, PER_TASK};
use super::numbers::{HeldAs, Wide};
use super::primitives::{Shared, written};
use super::sums::{Tiled, bands_max, of_panel, rows_at_once};
use super::team::{share_out, threads};
use super::tiles::{BLOCK, Rows, STEP, TILE, Tile};
use super::weights::{Weights, add_blocks, columns, halves, is_block};

/// Whether matrices of these sizes are whole blocks of gated products.
pub(super) fn takes<W: Wide>(both: [Weights<'_, W>; 2]) -> bool {
    both[0].outer().is_multiple_of(STEP)
}

/// Whether [`add_few`] makes the product with `down` as well.
pub(super) fn takes_few<W: Wide>(rows: usize, both: [Weights<'_, W>; 2], down: Weights<'_, W>) -> bool {
    is_block(rows, both[0].inner) && down.outer().is_multiple_of(BLOCK)
}

/// `sum [rows, out] += gated · downᵀ` of `x [rows, in]`, where [`takes`] and [`takes_few`] say so: the weights are taken as they lie, and what
/// is gated becomes the panel that they meet next.
pub(super) fn add_few<E: Engine, W: HeldAs<E::Number>>(
    engine: E,
    x: &[f32],
    both: [Weights<'_, W>; 2],
    down: Weights<'_, W>,
    sum: &mut [f32],
) {
    let (inner, middle) = (both[0].inner, both[0].outer());
    let (rows, next_steps) = (x.len() / inner, middle / STEP);
    let panel = columns(engine, x, inner);
    let panel = halves(engine, &panel, rows);
    let at_once = PER_TASK.div_ceil(rows * inner * BLOCK) * TILE;
    let lay = |tiles: *mut Tile<E::Number>| {
        let tiles = Shared(tiles);
        share_out(middle.div_ceil(at_once), |task| {
            let products = Products::new(engine);
            let mut rooms = [Vec::new(), Vec::new()];
            for n in (task * at_once..middle.min((task + 1) * at_once)).step_by(TILE) {
                let piece = |terms: Range<usize>| {
                    let panel = panel.map(|tiles| tiles.get(terms.start / STEP..terms.end / STEP).unwrap_or_default());
                    let [upper, lower] = &mut rooms;
                    let next = both[0].next(both.map(|weights| weights.address(n + TILE, terms.start)));
                    let (upper, row) = both[0].laid(n..n + TILE, terms.clone(), upper);
                    let (lower, _) = both[1].laid(n..n + TILE, terms, lower);
                    (Rows { first: [upper, lower], row, step: STEP, next }, panel)
                };
                // SAFETY: 16 rows of either's weights are there.
                let block = unsafe { products.square(both[0].pieces::<E::Number>(BLOCK).map(piece)) };
                let tiles = [0, next_steps].map(|from| tiles.at(from + n / STEP));
                // SAFETY: this task alone writes these terms.
                unsafe { engine.put_gated_terms(&block, tiles, n % STEP) };
            }
        });
    };
    // SAFETY: all terms of every tile are written.
    let panel = unsafe { written(2 * next_steps, lay) };
    add_blocks(engine, &panel, rows, down, sum);
}

/// The gated products of any number of rows, where [`takes`] says so, as tiles.
pub(super) fn gated<E: Engine, W: HeldAs<E::Number>>(
    engine: E,
    x: &Tiled<E::Number>,
    rows: usize,
    both: [Weights<'_, W>; 2],
) -> Tiled<E::Number> {
    let (inner, middle) = (both[0].inner, both[0].outer());
    let (steps, next_steps) = (inner.div_ceil(STEP), middle / STEP);
    let fills = both.map(|weights| weights.transposed(engine));
    let at_once = bands_max::<E::Number>(steps) * TILE;
    let tasks = middle.div_ceil(at_once);
    let parts = (2 * threads()).div_ceil(tasks);
    let rows_of_task = rows.div_ceil(BLOCK).div_ceil(parts) * BLOCK;
    let task = |task: usize, panel: &mut [Tile<E::Number>], tiles: Shared<Tile<E::Number>>| {
        let (first, column) = (task / tasks * rows_of_task, task % tasks * at_once);
        let columns = (column..middle.min(column + at_once)).step_by(TILE);
        for (column, panel) in columns.clone().zip(panel.chunks_exact_mut(2 * steps)) {
            for (index, tile) in panel.iter_mut().enumerate() {
                let step = index % steps;
                fills[index / steps](column, step * STEP..((step + 1) * STEP).min(inner), tile);
            }
        }
        let products = Products::new(engine);
        let end = rows.min(first + rows_of_task);
        for first in (first..end).step_by(rows_at_once::<E::Number>(steps)) {
            for (column, panel) in columns.clone().zip(panel.chunks_exact(2 * steps)) {
                for row in (first..end.min(first + rows_at_once::<E::Number>(steps))).step_by(BLOCK) {
                    // SAFETY: 32 rows are there, with zeros behind the last.
                    let block = unsafe { products.square([(x.block(row, 0), [&panel[..steps], &panel[steps..]])]) };
                    let tiles = [0, 1].map(|below| tiles.at((row / TILE + below) * next_steps + column / STEP));
                    // SAFETY: this task alone writes these columns.
                    unsafe { engine.put_gated_columns(&block, tiles, column % STEP) };
                }
            }
        }
    };
    let gated = |tiles| {
        share_out(tasks * rows.div_ceil(rows_of_task), |index| {
            of_panel(2 * bands_max::<E::Number>(steps) * steps, |panel| task(index, panel, tiles));
        })
    };
    // SAFETY: all columns of every row are written.
    unsafe { Tiled::written(rows, middle, gated) }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::super::in_bf16::InBf16;
    use super::super::in_f32::InF32;
    use super::super::numbers::Number;
    use super::*;

    fn made_up<W>(n: usize, seed: u32, held: fn(f32) -> W) -> Vec<W> {
        let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        (0..n as u32).map(|i| held(value(i))).collect()
    }

    /// `x · wᵀ` of rows of `inner` numbers.
    fn product<W: Wide>(x: &[f32], w: &[W], inner: usize) -> Vec<f32> {
        let dot = |x: &[f32], w: &[W]| x.iter().zip(w).map(|(x, w)| x * w.wide()).sum();
        x.chunks_exact(inner).flat_map(|x| w.chunks_exact(inner).map(move |w| dot(x, w))).collect()
    }

    #[test]
    fn every_engine_gates_any_number_of_rows() {
        for engine in InBf16::all() {
            it_gates_any_number_of_rows(engine, bf16::from_f32, 1.0 / 250.0, &format!("{engine:?}"));
        }
        it_gates_any_number_of_rows(InF32, bf16::from_f32, 1e-4, "f32, held in bf16");
        it_gates_any_number_of_rows(InF32, f16::from_f32, 1e-4, "f32, held in f16");
        it_gates_any_number_of_rows(InF32, |value| value, 1e-4, "f32");
    }

    fn it_gates_any_number_of_rows<E: Engine, W: HeldAs<E::Number>>(
        engine: E,
        held: fn(f32) -> W,
        tolerance: f32,
        what: &str,
    ) {
        const OUT: usize = 64;
        for (rows, inner, middle) in
            [(2, 64, 64), (5, 96, 160), (20, 64, 32), (32, 96, 160), (33, 34, 96), (300, 1100, 32)]
        {
            let x: Vec<f32> = made_up(rows * inner, 1, |x| bf16::from_f32(x).to_f32() / 8.0);
            let [gate, up] = [2, 3].map(|seed| made_up(middle * inner, seed, held));
            let both = [&gate, &up].map(|values| Weights { values, inner });
            assert!(takes(both));
            let silu = |gate: f32| gate / (1.0 + (-gate).exp());
            let [gate, up] = [&gate, &up].map(|w| product(&x, w, inner));
            let right: Vec<f32> = gate.iter().zip(&up).map(|(gate, up)| silu(*gate) * up).collect();
            let what = format!("{what} {rows} x {inner} x {middle}");

            let tiles = gated(engine, &Tiled::new(&x, inner, 1.0), rows, both);
            for (place, right) in right.iter().enumerate() {
                let (row, column) = (place / middle, place % middle);
                let found = tiles.number(row, column).wide();
                let off = tolerance * (0.25 + right.abs());
                assert!((found - right).abs() <= off, "{what}: {found} for {right} at {place}");
            }
            for row in rows..rows.next_multiple_of(BLOCK) {
                assert!((0..middle).all(|column| tiles.number(row, column).wide() == 0.0), "{what}: row {row}");
            }

            let down = made_up(OUT * middle, 4, held);
            let down = Weights { values: &down, inner: middle };
            if takes_few(rows, both, down) {
                let mut sum = vec![0.5; rows * OUT];
                add_few(engine, &x, both, down, &mut sum);
                // Where the sums differ in their last bits, one may round up and the other down.
                let rounded: Vec<f32> = right.iter().map(|value| E::Number::nearest(*value).wide()).collect();
                for (found, right) in sum.iter().zip(product(&rounded, down.values, middle)) {
                    let (right, off) = (right + 0.5, 25.0 * tolerance);
                    assert!((found - right).abs() <= off, "{what}: {found} for {right}");
                }
            }
        }
    }
}
