//! Products of f32 activations with a frozen matrix `W [outer, inner]` that is held in f32, f16 or bf16 and read where it lies:
//! a half of f32's memory and traffic where it is narrow, and no packed copy beside it.
//!
//! `x · Wᵀ` (forward) and `dy · W` (backward) are both `out += a · b`, where `b` is `Wᵀ` or `W` ([`super::sums`]).
//!
//! A few rows (decoding) are bound by memory: there the weights are the tiles of `a`, as they lie, and the activations the
//! panel. Processors without products of bf16 widen the weights to f32 as they pass by and round nothing.

use std::ops::Range;

use burn_flex::FlexTensor;
use burn_tensor::DType;
use half::{bf16, f16};

use super::engine::{Engine, Products};
use super::few;
use super::frozen::{Frozen, PER_TASK};
use super::numbers::{HeldAs, Number, Wide};
use super::primitives::{Shared, vectorised};
use super::sums::{Factor, Start, Sum, Tiled, add_up, narrow_all};
use super::team::share_out;
use super::tiles::{BLOCK, Block, Rows, STEP, TILE, Tile};

/// A number of which tensors are made.
pub(super) trait Stored: Wide {
    const DTYPE: DType;

    /// The numbers of a tensor in memory, those outside its view included.
    fn storage(t: &FlexTensor) -> &[Self];
}

macro_rules! stored {
    ($($number:ty, $dtype:ident;)*) => {$(
        impl Stored for $number {
            const DTYPE: DType = DType::$dtype;

            fn storage(t: &FlexTensor) -> &[Self] {
                t.storage()
            }
        }
    )*};
}

stored!(f32, F32; bf16, BF16; f16, F16;);

/// `W [outer, inner]`, row after row.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a, W> {
    pub values: &'a [W],
    pub inner: usize,
}

impl<W: Wide> Frozen for Weights<'_, W> {
    type Held = W;

    const SCALED: bool = false;

    fn inner(&self) -> usize {
        self.inner
    }

    fn numbers(&self) -> &[W] {
        self.values
    }

    fn distance(&self) -> usize {
        self.inner
    }

    fn factor(&self, _: usize) -> f32 {
        1.0
    }
}

impl<'a, W: Wide> Weights<'a, W> {
    /// The values of a contiguous tensor.
    pub fn of(t: &'a FlexTensor) -> Self
    where
        W: Stored,
    {
        let (shape, start) = (t.layout().shape(), t.layout().start_offset());
        Self { values: &W::storage(t)[start..][..shape[0] * shape[1]], inner: shape[1] }
    }

    /// Lays 16 columns and up to 32 terms of `W` into a tile.
    pub fn straight<E: Engine>(self, engine: E) -> impl Fn(usize, Range<usize>, &mut Tile<E::Number>) + Sync + 'a
    where
        W: HeldAs<E::Number>,
    {
        move |from, terms, tile| {
            let columns = from.min(self.inner)..(from + TILE).min(self.inner);
            let mut rooms = [W::Room::default(); STEP];
            let mut rows: [&[E::Number]; STEP] = [&[]; STEP];
            let count = terms.len();
            vectorised(
                #[inline(always)]
                || {
                    for ((n, room), row) in terms.zip(&mut rooms).zip(&mut rows) {
                        let place = n * self.inner;
                        *row = W::terms(&self.values[place + columns.start..place + columns.end], room);
                    }
                },
            );
            engine.fill_straight(rows.into_iter().take(count), tile);
        }
    }

    /// `out [rows, inner] += alpha · dy [rows, outer] · W`.
    pub fn add_backward<E: Engine>(self, engine: E, dy: &[f32], alpha: f32, out: &mut [f32])
    where
        W: HeldAs<E::Number>,
    {
        add_by_tiles(engine, dy, self.outer(), alpha, out, self.inner, self.straight(engine));
    }
}

/// `out [rows, outer] += x [rows, inner] · Wᵀ`.
pub(super) fn add_forward<E: Engine, M: Frozen>(engine: E, weights: M, x: &[f32], out: &mut [f32])
where
    M::Held: HeldAs<E::Number> + HeldAs<f32>,
{
    let (inner, outer) = (weights.inner(), weights.outer());
    let rows = x.len() / inner;
    if rows <= engine.dots() || rows == 1 && (M::SCALED || !is_block(rows, inner)) {
        few::add_product(&E::Number::rounded(x), weights, 0..outer, out);
    } else if is_block(rows, inner) {
        add_blocks(engine, &columns(engine, x, inner), rows, weights, out);
        let rest = outer / BLOCK * BLOCK..outer;
        if !rest.is_empty() {
            few::add_product(&E::Number::rounded(x), weights, rest, out);
        }
    } else if !M::SCALED {
        add_by_tiles(engine, x, inner, 1.0, out, outer, weights.transposed(engine));
    } else {
        let mut sums = vec![0.0f32; out.len()];
        add_by_tiles(engine, x, inner, 1.0, &mut sums, outer, weights.transposed(engine));
        let factors: Vec<f32> = (0..outer).map(|n| weights.factor(n)).collect();
        for (out, sums) in out.chunks_exact_mut(outer).zip(sums.chunks_exact(outer)) {
            vectorised(
                #[inline(always)]
                || out.iter_mut().zip(sums).zip(&factors).for_each(|((out, sum), factor)| *out += sum * factor),
            );
        }
    }
}

/// Whether [`add_blocks`] takes products of this size.
pub(super) fn is_block(rows: usize, inner: usize) -> bool {
    rows <= BLOCK && inner.is_multiple_of(STEP)
}

/// The transpose of up to 32 rows of activations as the panel `b`: two tiles of columns, one behind the other.
pub(super) fn columns<E: Engine>(engine: E, x: &[f32], inner: usize) -> Vec<Tile<E::Number>> {
    let (rows, steps) = (x.len() / inner, inner / STEP);
    let mut narrowed = vec![E::Number::ZERO; x.len()];
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
    panel
}

/// Up to 32 rows of activations, `out [rows, outer] += x · Wᵀ`, of which this makes whole blocks of 32 columns: the weights, 32 rows at a
/// time, are the tiles of `a` and `xᵀ` is the panel ([`columns`]), so the result is turned once it is there.
pub(super) fn add_blocks<E: Engine, M: Frozen>(
    engine: E,
    panel: &[Tile<E::Number>],
    rows: usize,
    weights: M,
    out: &mut [f32],
) where
    M::Held: HeldAs<E::Number>,
{
    let (inner, outer) = (weights.inner(), weights.outer());
    let (whole, shared) = (outer / BLOCK * BLOCK, Shared(out.as_mut_ptr()));
    let at_once = PER_TASK.div_ceil(rows * inner * BLOCK) * BLOCK;
    let panel = halves(engine, panel, rows);
    share_out(whole.div_ceil(at_once), |task| {
        let (mut room, products) = (Vec::new(), Products::new(engine));
        for n in (task * at_once..whole.min((task + 1) * at_once)).step_by(BLOCK) {
            let piece = |terms: Range<usize>| {
                let panel = panel.map(|tiles| tiles.get(terms.start / STEP..terms.end / STEP).unwrap_or_default());
                let next = [n + BLOCK, n + BLOCK + TILE].map(|n| weights.address(n, terms.start));
                let (first, row) = weights.laid(n..n + BLOCK, terms, &mut room);
                let first = [first, first.wrapping_add(TILE * row)];
                (Rows { first, row, step: STEP, next: weights.next(next) }, panel)
            };
            // SAFETY: 32 rows of weights are there.
            let sums = unsafe { products.square(weights.pieces::<E::Number>(BLOCK).map(piece)) };
            let mut factors = [1.0; BLOCK];
            if M::SCALED {
                factors.iter_mut().zip(n..).for_each(|(factor, n)| *factor = weights.factor(n));
            }
            // SAFETY: this task alone writes these outputs.
            unsafe { engine.add_turned(&sums, &factors, rows, Block { first: shared.at(n), stride: outer }) };
        }
    });
}

/// A panel's two tiles of columns; the right one is left out where it has none and costs something.
pub(super) fn halves<E: Engine>(engine: E, panel: &[Tile<E::Number>], columns: usize) -> [&[Tile<E::Number>]; 2] {
    let (left, right) = panel.split_at(panel.len() / 2);
    [left, if engine.has_halves() && columns <= TILE { &[] } else { right }]
}

/// `out [rows, columns] += alpha · a [rows, depth] · b`; `fill(column, depth, tile)` lays 16 columns and up to 32 terms of `b`
/// into a tile.
pub(super) fn add_by_tiles<E: Engine>(
    engine: E,
    a: &[f32],
    depth: usize,
    alpha: f32,
    out: &mut [f32],
    columns: usize,
    fill: impl Fn(usize, Range<usize>, &mut Tile<E::Number>) + Sync,
) {
    let a = Tiled::new(a, depth, alpha);
    let factor = Factor { a: &a, row: 0, step: 0, depth, fill: Box::new(fill) };
    let (rows, start) = (out.len() / columns.max(1), Start::There);
    let sum = Sum { out: Shared(out.as_mut_ptr()), stride: columns, rows, columns, start, factors: vec![factor] };
    // SAFETY: `out` is rows x columns and ours.
    unsafe { add_up(engine, &[sum]) };
}

#[cfg(test)]
mod tests {
    use super::super::in_bf16::InBf16;
    use super::super::in_f32::InF32;
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

    fn it_adds_the_product_of_any_shape<E: Engine, W: HeldAs<E::Number> + HeldAs<f32>>(
        engine: E,
        held: fn(f32) -> W,
        what: &str,
    ) {
        let shapes = [
            (1, 5, 7),
            (1, 40, 64),
            (3, 33, 64),
            (4, 300, 16),
            (9, 16, 32),
            (16, 48, 40),
            (17, 31, 33),
            (32, 66, 576),
            (40, 70, 1100),
            (33, 1057, 34),
        ];
        for (rows, outer, inner) in shapes {
            let values: Vec<W> = made_up(outer * inner, 1).into_iter().map(held).collect();
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
            add_forward(engine, weights, &x, &mut y);
            weights.add_backward(engine, &dy, 2.0, &mut dx);
            close(&y, &right, &format!("{what} forward {rows} x {outer} x {inner}"));
            close(&dx, &right_dx, &format!("{what} backward {rows} x {outer} x {inner}"));
        }
    }

    #[test]
    fn every_engine_multiplies_what_is_held_in_any_number() {
        for engine in InBf16::all() {
            it_adds_the_product_of_any_shape(engine, bf16::from_f32, &format!("{engine:?}"));
        }
        it_adds_the_product_of_any_shape(InF32, bf16::from_f32, "f32, held in bf16");
        it_adds_the_product_of_any_shape(InF32, f16::from_f32, "f32, held in f16");
        it_adds_the_product_of_any_shape(InF32, |value| value, "f32");
    }
}
