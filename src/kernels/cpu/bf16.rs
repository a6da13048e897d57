//! Products of f32 activations with a frozen matrix `W [outer, inner]` that is held in bf16 and read where it lies: half the
//! memory and half the traffic of f32, and no packed copy beside it.
//!
//! `x · Wᵀ` (forward) and `dy · W` (backward) are both `out += a · b`, where `b` is `Wᵀ` or `W` ([`super::bf16_sums`]).
//!
//! A few rows (decoding) are bound by memory: there the weights are the tiles of `a`, as they lie, and the activations the
//! panel. Processors without products of bf16 widen the weights to f32 as they pass by and round nothing.

use std::borrow::Cow;
use std::ops::Range;

use burn_flex::FlexTensor;
use half::bf16;

use super::bf16_engine::Engine;
use super::bf16_sums::{Factor, Start, Sum, Tiled, add_up, narrow, narrow_all};
use super::bf16_tiles::{BLOCK, Block, Rows, STEP, TILE, Tile};
use super::primitives::{Matrix, Shared, gemm, vectorised};
use super::team::share_out;

/// Rows up to which the weights are taken as they pass by.
pub(super) const FEW: usize = 8;

/// Multiplications below which a second thread costs more than it brings.
pub(super) const PER_TASK: usize = 1 << 17;

/// `W [outer, inner]`, row after row.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub values: &'a [bf16],
    pub inner: usize,
}

impl<'a> Weights<'a> {
    /// The values of a contiguous tensor.
    pub fn of(t: &'a FlexTensor) -> Self {
        let (shape, start) = (t.layout().shape(), t.layout().start_offset());
        Self { values: &t.storage::<bf16>()[start..][..shape[0] * shape[1]], inner: shape[1] }
    }

    pub fn outer(self) -> usize {
        self.values.len() / self.inner
    }

    pub fn row(self, index: usize) -> &'a [bf16] {
        &self.values[index * self.inner..][..self.inner]
    }

    /// Lays 16 columns and up to 32 terms of `Wᵀ` into a tile.
    pub fn transposed(self, engine: Engine) -> impl Fn(usize, Range<usize>, &mut Tile) + Sync + 'a {
        let outer = self.outer();
        move |from, terms, tile| {
            let rows: [&[bf16]; TILE] = std::array::from_fn(|i| match from + i < outer {
                true => &self.row(from + i)[terms.clone()],
                false => &[],
            });
            engine.fill_transposed(rows, tile);
        }
    }

    /// Lays 16 columns and up to 32 terms of `W` into a tile.
    pub fn straight(self, engine: Engine) -> impl Fn(usize, Range<usize>, &mut Tile) + Sync + 'a {
        let outer = self.outer();
        move |from, terms, tile| {
            let columns = from.min(self.inner)..(from + TILE).min(self.inner);
            let pairs = terms.step_by(2).map(|n| {
                let second = if n + 1 < outer { &self.row(n + 1)[columns.clone()] } else { &[] };
                (&self.row(n)[columns.clone()], second)
            });
            engine.fill_paired(pairs, tile);
        }
    }

    /// `out [rows, outer] += x [rows, inner] · Wᵀ`.
    pub fn add_forward(self, x: &[f32], out: &mut [f32]) {
        self.add_forward_by(Engine::of_this_machine(), x, out);
    }

    /// `out [rows, inner] += alpha · dy [rows, outer] · W`.
    pub fn add_backward(self, dy: &[f32], alpha: f32, out: &mut [f32]) {
        self.add_backward_by(Engine::of_this_machine(), dy, alpha, out);
    }

    pub(super) fn add_forward_by(self, engine: Engine, x: &[f32], out: &mut [f32]) {
        let (rows, outer) = (x.len() / self.inner, self.outer());
        if is_block(engine, rows, self.inner) {
            let block = |n: usize, _: &mut Vec<bf16>| self.values[n * self.inner..][..BLOCK * self.inner].as_ptr();
            return add_block(engine, x, self.inner, out, outer, &block, &|n| (self.row(n), 1.0));
        }
        if rows == 1 || engine == Engine::Plain && rows <= FEW {
            return add_few(&rounded(engine, x), self.inner, 0..outer, out, outer, &|n| (self.row(n), 1.0));
        }
        if engine == Engine::Plain {
            let wide = |from: usize, columns: usize, into: &mut Vec<f32>| {
                into.extend(self.values[from * self.inner..][..columns * self.inner].iter().map(|w| w.wide()));
            };
            return add_in_f32(x, self.inner, 1.0, out, outer, &wide, true);
        }
        add_by_tiles(engine, x, self.inner, 1.0, out, outer, self.transposed(engine));
    }

    pub(super) fn add_backward_by(self, engine: Engine, dy: &[f32], alpha: f32, out: &mut [f32]) {
        let outer = self.outer();
        if engine == Engine::Plain {
            let wide = |from: usize, columns: usize, into: &mut Vec<f32>| {
                for row in self.values.chunks_exact(self.inner) {
                    into.extend(row[from..from + columns].iter().map(|w| w.wide()));
                }
            };
            return add_in_f32(dy, outer, alpha, out, self.inner, &wide, false);
        }
        add_by_tiles(engine, dy, outer, alpha, out, self.inner, self.straight(engine));
    }
}

/// Whether [`add_block`] takes products of this size.
pub(super) fn is_block(engine: Engine, rows: usize, inner: usize) -> bool {
    engine != Engine::Plain && rows <= BLOCK && inner.is_multiple_of(STEP)
}

/// Up to 32 rows of activations in bf16, and their transpose as the panel `b`: two tiles of columns, one behind the other.
pub(super) fn columns(engine: Engine, x: &[f32], inner: usize) -> (Vec<bf16>, Vec<Tile>) {
    let (rows, steps) = (x.len() / inner, inner / STEP);
    let mut narrowed = vec![bf16::ZERO; x.len()];
    narrow_all(x, 1.0, &mut narrowed);
    let mut panel = vec![Tile::ZERO; 2 * steps];
    for (index, tile) in panel.iter_mut().enumerate() {
        let (from, terms) = (index / steps * TILE, index % steps * STEP);
        engine.fill_transposed(
            std::array::from_fn(|i| match from + i < rows {
                true => &narrowed[(from + i) * inner + terms..][..STEP],
                false => &[],
            }),
            tile,
        );
    }
    (narrowed, panel)
}

/// Up to 32 rows of activations, `out [rows, outer] += x · Wᵀ`: the weights, 32 rows at a time, are the tiles of `a` and `xᵀ`
/// is the panel, so the result is turned once it is there. `block(n, room)` gives the place of rows n to n + 32 of `W`, up to
/// their factors, and may lay them into the room; `row_of` is that of [`add_few`].
pub(super) fn add_block<'a, W: Wide + 'a>(
    engine: Engine,
    x: &[f32],
    inner: usize,
    out: &mut [f32],
    outer: usize,
    block: &(impl Fn(usize, &mut Vec<bf16>) -> *const bf16 + Sync),
    row_of: &(impl Fn(usize) -> (&'a [W], f32) + Sync),
) {
    let rows = x.len() / inner;
    let (narrowed, panel) = columns(engine, x, inner);
    add_blocks(engine, &panel, rows, out, outer, block, &|n| row_of(n).1);
    let whole = outer / BLOCK * BLOCK;
    if whole < outer {
        let rounded: Vec<f32> = narrowed.iter().map(|x| x.wide()).collect();
        add_few(&rounded, inner, whole..outer, out, outer, row_of);
    }
}

/// The whole blocks of [`add_block`], from the panel of `xᵀ` ([`columns`]).
pub(super) fn add_blocks(
    engine: Engine,
    panel: &[Tile],
    rows: usize,
    out: &mut [f32],
    outer: usize,
    block: &(impl Fn(usize, &mut Vec<bf16>) -> *const bf16 + Sync),
    factor: &(impl Fn(usize) -> f32 + Sync),
) {
    let steps = panel.len() / 2;
    let (inner, whole, shared) = (steps * STEP, outer / BLOCK * BLOCK, Shared(out.as_mut_ptr()));
    let at_once = PER_TASK.div_ceil(rows * inner * BLOCK) * BLOCK;
    share_out(whole.div_ceil(at_once), |task| {
        let (mut room, products) = (Vec::new(), engine.products());
        for n in (task * at_once..whole.min((task + 1) * at_once)).step_by(BLOCK) {
            let first = block(n, &mut room).cast::<u16>();
            let weights = Rows { first: [first, first.wrapping_add(TILE * inner)], row: inner, step: STEP };
            // SAFETY: 32 rows of weights are there.
            let sums = unsafe { products.square(weights, [&panel[..steps], &panel[steps..]]) };
            let factors = std::array::from_fn(|j| factor(n + j));
            // SAFETY: this task alone writes these outputs.
            unsafe { engine.add_turned(&sums, &factors, rows, Block { first: shared.at(n), stride: outer }) };
        }
    });
}

/// A number that a matrix is held in.
pub(super) trait Wide: Copy + Sync {
    /// Its value.
    fn wide(self) -> f32;
}

impl Wide for bf16 {
    #[inline(always)]
    fn wide(self) -> f32 {
        wide(self)
    }
}

/// A row of activations as this engine multiplies them: rounded as many rows are, so that a batch computes what its rows
/// compute alone.
pub(super) fn rounded(engine: Engine, x: &[f32]) -> Cow<'_, [f32]> {
    match engine {
        Engine::Plain => x.into(),
        #[cfg(target_arch = "x86_64")]
        _ => x.iter().map(|x| f32::from_bits(u32::from(narrow(*x)) << 16)).collect(),
    }
}

/// Some outputs of a few rows, `out [rows, outer] += x [rows, inner] · Wᵀ`: every weight is read once and meets all of them.
/// `row(n)` gives row n of `W` up to a factor, and that factor.
pub(super) fn add_few<'a, W: Wide + 'a>(
    x: &[f32],
    inner: usize,
    outputs: Range<usize>,
    out: &mut [f32],
    outer: usize,
    row_of: &(impl Fn(usize) -> (&'a [W], f32) + Sync),
) {
    let rows = x.len() / inner;
    let shared = Shared(out.as_mut_ptr());
    let at_once = PER_TASK.div_ceil(rows * inner);
    let task = |n: usize| {
        let (weights, factor) = row_of(n);
        vectorised(
            #[inline(always)]
            || {
                let row = |m: usize| &x[m * inner..][..inner];
                // SAFETY: this task alone writes this output.
                let add = |m: usize, sum: f32| unsafe { *shared.at(m * outer + n) += sum * factor };
                let mut m = 0;
                while m + 4 <= rows {
                    let sums = dots([row(m), row(m + 1), row(m + 2), row(m + 3)], weights);
                    sums.into_iter().enumerate().for_each(|(i, sum)| add(m + i, sum));
                    m += 4;
                }
                for m in m..rows {
                    add(m, dots([row(m)], weights)[0]);
                }
            },
        )
    };
    share_out(outputs.len().div_ceil(at_once), |index| {
        let from = outputs.start + index * at_once;
        (from..outputs.end.min(from + at_once)).for_each(task);
    });
}

/// Dot products of some rows with one row of weights.
#[inline(always)]
fn dots<const R: usize, W: Wide>(x: [&[f32]; R], weights: &[W]) -> [f32; R] {
    const LANES: usize = 32;
    let mut lanes = [[0.0f32; LANES]; R];
    let n = weights.len();
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        let weights: &[W; LANES] = weights[i..i + LANES].try_into().expect("as many as lanes");
        for r in 0..R {
            let x: &[f32; LANES] = x[r][i..i + LANES].try_into().expect("as many as lanes");
            for j in 0..LANES {
                lanes[r][j] += x[j] * weights[j].wide();
            }
        }
    }
    std::array::from_fn(|r| {
        let rest: f32 = (whole..n).map(|i| x[r][i] * weights[i].wide()).sum();
        let sums = &mut lanes[r];
        for half in [16, 8, 4, 2, 1] {
            for j in 0..half {
                sums[j] += sums[j + half];
            }
        }
        sums[0] + rest
    })
}

#[inline(always)]
fn wide(w: bf16) -> f32 {
    f32::from_bits(u32::from(w.to_bits()) << 16)
}

/// `out [rows, columns] += alpha · a [rows, depth] · b`; `fill(column, depth, tile)` lays 16 columns and up to 32 terms of `b`
/// into a tile.
pub(super) fn add_by_tiles(
    engine: Engine,
    a: &[f32],
    depth: usize,
    alpha: f32,
    out: &mut [f32],
    columns: usize,
    fill: impl Fn(usize, Range<usize>, &mut Tile) + Sync,
) {
    let a = Tiled::new(a, depth, alpha);
    let factor = Factor { a: &a, row: 0, step: 0, depth, fill: Box::new(fill) };
    let (rows, start) = (out.len() / columns.max(1), Start::There);
    let sum = Sum { out: Shared(out.as_mut_ptr()), stride: columns, rows, columns, start, factors: vec![factor] };
    // SAFETY: `out` is rows x columns and ours.
    unsafe { add_up(engine, &[sum]) };
}

/// The same by `gemm`, with a task's columns of `b` widened to f32; `rows_of_b` says that `widen` gives `bᵀ`.
pub(super) fn add_in_f32(
    a: &[f32],
    depth: usize,
    alpha: f32,
    out: &mut [f32],
    columns: usize,
    widen: &(impl Fn(usize, usize, &mut Vec<f32>) + Sync),
    transposed: bool,
) {
    let rows = a.len() / depth;
    let shared = Shared(out.as_mut_ptr());
    share_out(columns.div_ceil(BLOCK), |task| {
        let mut b = Vec::new();
        let column = task * BLOCK;
        let here = BLOCK.min(columns - column);
        widen(column, here, &mut b);
        let matrix = |data: &[f32], rows: usize, columns: usize| Matrix {
            data: data.as_ptr(),
            rows,
            columns,
            row_stride: columns as isize,
            column_stride: 1,
        };
        let b = if transposed { matrix(&b, here, depth).transposed() } else { matrix(&b, depth, here) };
        let a = matrix(a, rows, depth);
        // SAFETY: this task alone writes these columns; a and b outlive the call.
        unsafe { gemm(shared.at(column), columns, true, a, b, alpha, gemm::Parallelism::None) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32).map(|i| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    /// Values that bf16 holds, so that every engine multiplies the same numbers.
    fn rounded(n: usize, seed: u32) -> Vec<f32> {
        made_up(n, seed).into_iter().map(|v| bf16::from_f32(v).to_f32()).collect()
    }

    fn close(a: &[f32], b: &[f32], what: &str) {
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "{what}: {a} for {b} at {i}");
        }
    }

    #[test]
    fn every_engine_adds_the_product_of_any_shape() {
        let shapes = [(1, 5, 7), (3, 33, 64), (9, 16, 32), (16, 48, 40), (17, 31, 33), (40, 70, 1100), (33, 1057, 34)];
        for engine in Engine::all() {
            for (rows, outer, inner) in shapes {
                let values: Vec<bf16> = made_up(outer * inner, 1).into_iter().map(bf16::from_f32).collect();
                let weights = Weights { values: &values, inner };
                let (x, dy) = (rounded(rows * inner, 2), rounded(rows * outer, 3));
                let (mut y, mut dx) = (made_up(rows * outer, 4), made_up(rows * inner, 5));
                let (mut right, mut right_dx) = (y.clone(), dx.clone());
                for m in 0..rows {
                    for n in 0..outer {
                        for k in 0..inner {
                            right[m * outer + n] += x[m * inner + k] * values[n * inner + k].wide();
                            right_dx[m * inner + k] += 2.0 * dy[m * outer + n] * values[n * inner + k].wide();
                        }
                    }
                }
                weights.add_forward_by(engine, &x, &mut y);
                weights.add_backward_by(engine, &dy, 2.0, &mut dx);
                close(&y, &right, &format!("{engine:?} forward {rows} x {outer} x {inner}"));
                close(&dx, &right_dx, &format!("{engine:?} backward {rows} x {outer} x {inner}"));
            }
        }
    }
}
