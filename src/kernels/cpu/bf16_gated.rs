//! `silu(x · gateᵀ) · (x · upᵀ)` by matrices that are held in bf16 (Shazeer 2020, "GLU Variants Improve Transformer"). Both products
//! of a block are at hand when it is written, so neither goes through memory.

use std::ops::Range;

use super::bf16::{PER_TASK, Weights, columns, is_block};
use super::bf16_engine::Engine;
use super::bf16_sums::{Tiled, of_panel};
use super::bf16_tiles::{BLOCK, Begin, Block, Rows, STEP, TILE, Tile};
use super::primitives::{Shared, written};
use super::team::{share_out, threads};

type Square = [f32; BLOCK * BLOCK];

/// `[rows, in]` to `[rows, out]` by two matrices `[out, in]`; the engine is not [`Engine::Plain`].
pub(super) fn gated(engine: Engine, x: &[f32], inner: usize, both: [Weights<'_>; 2]) -> Vec<f32> {
    let (rows, outer) = (x.len() / inner, both[0].outer());
    // SAFETY: either way every number is written.
    unsafe {
        written(rows * outer, |out| match is_block(engine, rows, inner) && outer.is_multiple_of(BLOCK) {
            true => by_weights(engine, x, inner, both, Shared(out)),
            false => by_rows(engine, x, inner, both, Shared(out)),
        })
    }
}

/// A few rows: the weights are taken as they lie, 32 rows at a time.
fn by_weights(engine: Engine, x: &[f32], inner: usize, both: [Weights<'_>; 2], out: Shared) {
    let (rows, steps, outer) = (x.len() / inner, inner / STEP, both[0].outer());
    let (_, panel) = columns(engine, x, inner);
    let at_once = PER_TASK.div_ceil(2 * rows * inner * BLOCK) * BLOCK;
    let block = |n: usize| {
        let products = both.map(|weights| {
            let first = weights.row(n).as_ptr().cast::<u16>();
            let weights = Rows { first: [first, first.wrapping_add(TILE * inner)], row: inner, step: STEP };
            // SAFETY: 32 rows of weights are there.
            unsafe { product(engine, weights, [&panel[..steps], &panel[steps..]]) }
        });
        let mut square = [0.0; BLOCK * BLOCK];
        engine.gate(&products[0], &products[1], &mut square);
        // SAFETY: this task alone writes these outputs.
        unsafe { engine.put_turned(&square, rows, Block { first: out.at(n), stride: outer }) };
    };
    share_out(outer.div_ceil(at_once), |task| {
        (task * at_once..outer.min((task + 1) * at_once)).step_by(BLOCK).for_each(block);
    });
}

/// Many rows: a task lays 32 columns of both matrices in a panel and runs over its rows.
fn by_rows(engine: Engine, x: &[f32], inner: usize, both: [Weights<'_>; 2], out: Shared) {
    let (rows, steps, outer) = (x.len() / inner, inner.div_ceil(STEP), both[0].outer());
    let x = Tiled::new(x, inner, 1.0);
    let fills = both.map(|weights| weights.transposed(engine));
    let bands = outer.div_ceil(BLOCK);
    let groups = (2 * threads()).div_ceil(bands);
    let at_once = rows.div_ceil(BLOCK).div_ceil(groups) * BLOCK;
    share_out(bands * rows.div_ceil(at_once), |task| {
        let (first, column) = (task / bands * at_once, task % bands * BLOCK);
        of_panel(4 * steps, |panel| {
            for (index, tile) in panel.iter_mut().enumerate() {
                let (part, step) = (index / steps, index % steps);
                let terms: Range<usize> = step * STEP..((step + 1) * STEP).min(inner);
                fills[part / 2](column + part % 2 * TILE, terms, tile);
            }
            let tiles: [&[Tile]; 4] = std::array::from_fn(|part| &panel[part * steps..][..steps]);
            for row in (first..(first + at_once).min(rows)).step_by(BLOCK) {
                engine.prefetch(out.at(row * outer + column), outer, BLOCK.min(rows - row), true);
                // SAFETY: the tiles of 32 rows are there, with zeros behind the last.
                let products = [[tiles[0], tiles[1]], [tiles[2], tiles[3]]]
                    .map(|b| unsafe { product(engine, x.block(row, 0), b) });
                let mut square = [0.0; BLOCK * BLOCK];
                engine.gate(&products[0], &products[1], &mut square);
                let columns = BLOCK.min(outer - column);
                for (i, numbers) in square.chunks_exact(BLOCK).take(rows - row).enumerate() {
                    let place = out.at((row + i) * outer + column);
                    // SAFETY: this task alone writes these rows and columns.
                    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), place, columns) };
                }
            }
        });
    });
}

/// A block of 32 x 32 sums.
///
/// # Safety
/// What `a` points to is live.
unsafe fn product(engine: Engine, a: Rows, b: [&[Tile]; 2]) -> Square {
    let mut sums = [0.0; BLOCK * BLOCK];
    let to = Block { first: sums.as_mut_ptr(), stride: BLOCK };
    // SAFETY: the sums are ours; the rest is the caller's promise.
    unsafe { engine.add_product(a, b, Begin::zeros(), to, (BLOCK, BLOCK)) };
    sums
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn every_engine_gates_any_number_of_rows() {
        let made_up = |n: usize, seed: u32| -> Vec<f32> {
            let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            (0..n as u32).map(|i| bf16::from_f32(value(i)).to_f32()).collect()
        };
        for engine in Engine::all().into_iter().filter(|engine| *engine != Engine::Plain) {
            for (rows, inner, outer) in [(2, 64, 64), (5, 64, 48), (32, 96, 32), (33, 34, 70), (70, 1100, 33)] {
                let x = made_up(rows * inner, 1);
                let held = [2, 3].map(|seed| made_up(outer * inner, seed));
                let narrowed = held.each_ref().map(|w| w.iter().copied().map(bf16::from_f32).collect::<Vec<_>>());
                let found = gated(engine, &x, inner, narrowed.each_ref().map(|values| Weights { values, inner }));
                for (place, found) in found.into_iter().enumerate() {
                    let (row, column) = (place / outer, place % outer);
                    let [gate, up] = held
                        .each_ref()
                        .map(|w| -> f32 { (0..inner).map(|k| x[row * inner + k] * w[column * inner + k]).sum() });
                    let right = gate / (1.0 + (-gate).exp()) * up;
                    let what = format!("{engine:?} {rows} x {inner} x {outer}");
                    assert!(
                        (found - right).abs() <= 1e-3 * (1.0 + right.abs()),
                        "{what}: {found} for {right} at {place}"
                    );
                }
            }
        }
    }
}
