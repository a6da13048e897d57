//! Projections of one input by frozen matrices, with the adapters that sit on them.
//!
//! The input is rounded and laid in tiles once for all of them, and an adapter costs one more step of 32 terms in the sums that
//! are made anyway: `y = [x, x · A] · [W, scale · B]ᵀ`, `dx = [dy, dy · Bᵀ] · [W; Aᵀ]`. Factors of adapters are rounded as
//! the operands are to which they are added; what learns, and its gradient, is f32.

use super::engine::Engine;
use super::frozen::Frozen;
use super::numbers::{HeldAs, Number};
use super::primitives::{Shared, written};
use super::sums::{Factor, Start, Sum, Tiled, add_up, narrow_all};
use super::tiles::{BLOCK, STEP};
use super::weights::Weights;

/// One projection.
pub(super) struct Part<'a, W, N> {
    pub weights: Weights<'a, W>,
    /// What the product is added to: a bias, or a matrix of its size.
    pub start: Start<'a>,
    pub adapter: Option<&'a Adapter<N>>,
}

/// An adapter as operands. The rank is made up with zeros to whole steps of 32 terms.
pub(super) struct Adapter<N> {
    /// `A [in, width]`.
    a: Vec<N>,
    /// `scale · B [width, out]`.
    b: Vec<N>,
    scale: f32,
    rank: usize,
    width: usize,
}

impl<N: Number> Adapter<N> {
    /// From `A [in, rank]` and `B [rank, out]`.
    pub fn new(a: &[f32], b: &[f32], rank: usize, scale: f32) -> Self {
        let width = rank.next_multiple_of(STEP);
        let mut narrowed = vec![N::ZERO; a.len() / rank * width];
        for (to, from) in narrowed.chunks_exact_mut(width).zip(a.chunks_exact(rank)) {
            narrow_all(from, 1.0, to);
        }
        let mut scaled = vec![N::ZERO; b.len() / rank * width];
        narrow_all(b, scale, &mut scaled);
        Self { a: narrowed, b: scaled, scale, rank, width }
    }

    fn a(&self) -> Weights<'_, N> {
        Weights { values: &self.a, inner: self.width }
    }

    fn b(&self) -> Weights<'_, N> {
        Weights { values: &self.b, inner: self.b.len() / self.width }
    }
}

/// An adapter, if there is one, with the first of its columns among those of all.
type Placed<'a, N> = Option<(&'a Adapter<N>, usize)>;

/// Each part's adapter with the first of its columns among those of all, and how many columns there are.
fn adapters<'a, W, N>(parts: &[Part<'a, W, N>]) -> (Vec<Placed<'a, N>>, usize) {
    let mut columns = 0;
    let place = |part: &Part<'a, W, N>| {
        let adapter = part.adapter?;
        columns += adapter.width;
        Some((adapter, columns - adapter.width))
    };
    (parts.iter().map(place).collect(), columns)
}

/// Room for `n` numbers that a sum writes.
fn room(n: usize) -> Vec<f32> {
    Vec::with_capacity(n)
}

/// The sums that make `x · A` of every adapter, side by side in `out [rows, columns]`.
fn lows<'a, E: Engine>(
    engine: E,
    x: &'a Tiled<E::Number>,
    placed: &[Placed<'a, E::Number>],
    out: Shared,
    rows: usize,
    stride: usize,
) -> Vec<Sum<'a, E::Number>> {
    let low = |&(adapter, column): &(&'a Adapter<E::Number>, usize)| {
        let fill = Box::new(adapter.a().straight(engine));
        let factor = Factor { a: x, row: 0, step: 0, depth: adapter.a().outer(), fill };
        let (out, columns) = (Shared(out.at(column)), adapter.width);
        Sum { out, stride, rows, columns, start: Start::Zeros, factors: vec![factor] }
    };
    placed.iter().flatten().map(low).collect()
}

/// `x [rows, in] -> [rows, out]` of each part; `x` is asked for its tiles where they are wanted. `few` gives the products of few rows with the matrices, added to what they start
/// with, which are bound by memory and made otherwise.
pub(super) fn forward<E: Engine, W: HeldAs<E::Number>>(
    engine: E,
    x: impl FnOnce() -> Tiled<E::Number>,
    [rows, inner]: [usize; 2],
    parts: &[Part<'_, W, E::Number>],
    few: impl FnOnce() -> Vec<Vec<f32>>,
) -> Vec<Vec<f32>> {
    let (placed, columns) = adapters(parts);
    let is_few = rows <= BLOCK;
    let mut outs: Vec<Vec<f32>> =
        if is_few { few() } else { parts.iter().map(|part| room(rows * part.weights.outer())).collect() };
    if is_few && columns == 0 {
        return outs;
    }
    let x = x();
    // SAFETY: the sums write all of it.
    let low = unsafe {
        written(rows * columns, |out| add_up(engine, &lows(engine, &x, &placed, Shared(out), rows, columns)))
    };
    let low = Tiled::new(&low, columns, 1.0);
    let mut sums = Vec::new();
    for ((part, adapter), out) in parts.iter().zip(&placed).zip(&mut outs) {
        let columns = part.weights.outer();
        let mut factors = Vec::new();
        if !is_few {
            let fill = Box::new(part.weights.transposed(engine));
            factors.push(Factor { a: &x, row: 0, step: 0, depth: inner, fill });
        }
        if let Some((adapter, column)) = adapter {
            let fill = Box::new(adapter.b().straight(engine));
            factors.push(Factor { a: &low, row: 0, step: column / STEP, depth: adapter.width, fill });
        }
        let start = if is_few { Start::There } else { part.start };
        sums.push(Sum { out: Shared(out.as_mut_ptr()), stride: columns, rows, columns, start, factors });
    }
    // SAFETY: every output has room for its rows and columns; those that begin with what is there are full.
    unsafe { add_up(engine, &sums) };
    drop(sums);
    for (part, out) in parts.iter().zip(&mut outs) {
        // SAFETY: the sums wrote all of it.
        unsafe { out.set_len(rows * part.weights.outer()) };
    }
    outs
}

/// Gradients: that of `x`, `[rows, in]`, and those of each adapter's `A` and `B` if they are wanted.
pub(super) struct Grads {
    pub dx: Vec<f32>,
    pub adapters: Vec<Option<(Vec<f32>, Vec<f32>)>>,
}

/// From the gradients of the parts' outputs, `[rows, out]` each, in tiles.
pub(super) fn backward<E: Engine, W: HeldAs<E::Number>>(
    engine: E,
    x: &[f32],
    dys: &[Tiled<E::Number>],
    [rows, inner]: [usize; 2],
    parts: &[Part<'_, W, E::Number>],
    learns: bool,
) -> Grads {
    let (placed, columns) = adapters(parts);
    let learns = learns && columns > 0;
    let x = learns.then(|| Tiled::new(x, inner, 1.0));
    let (mut low, mut dlow) = (room(if learns { rows * columns } else { 0 }), room(rows * columns));
    let mut sums = Vec::new();
    if let Some(x) = &x {
        sums = lows(engine, x, &placed, Shared(low.as_mut_ptr()), rows, columns);
    }
    for (placed, dy) in placed.iter().zip(dys) {
        let &Some((adapter, column)) = placed else { continue };
        let fill = Box::new(adapter.b().transposed(engine));
        let factors = vec![Factor { a: dy, row: 0, step: 0, depth: adapter.b().inner, fill }];
        let out = Shared(dlow.as_mut_ptr().wrapping_add(column));
        sums.push(Sum { out, stride: columns, rows, columns: adapter.width, start: Start::Zeros, factors });
    }
    // SAFETY: both outputs have room for it, and the sums write all of it.
    unsafe {
        add_up(engine, &sums);
        drop(sums);
        dlow.set_len(rows * columns);
        low.set_len(if learns { rows * columns } else { 0 });
    }
    let dlow_tiles = Tiled::new(&dlow, columns, 1.0);

    // Gradients of adapters, as [rank, in] and [rank, out]: the rank is the side with few rows.
    let turned = |m: &[f32]| Tiled::new(&transposed(m, columns), if learns { rows } else { 0 }, 1.0);
    let (dlow_turned, low_turned) = (turned(&dlow), turned(&low));

    let mut dx = room(rows * inner);
    let mut factors = Vec::new();
    for (part, dy) in parts.iter().zip(dys) {
        let fill = Box::new(part.weights.straight(engine));
        factors.push(Factor { a: dy, row: 0, step: 0, depth: part.weights.outer(), fill });
    }
    for &(adapter, column) in placed.iter().flatten() {
        let fill = Box::new(adapter.a().transposed(engine));
        factors.push(Factor { a: &dlow_tiles, row: 0, step: column / STEP, depth: adapter.width, fill });
    }
    let out = Shared(dx.as_mut_ptr());
    let mut sums = vec![Sum { out, stride: inner, rows, columns: inner, start: Start::Zeros, factors }];

    let mut das = room(if learns { columns * inner } else { 0 });
    let mut dbs: Vec<Vec<f32>> = Vec::new();
    if let Some(x) = &x {
        let factors =
            vec![Factor { a: &dlow_turned, row: 0, step: 0, depth: rows, fill: Box::new(x.as_terms(engine)) }];
        let out = Shared(das.as_mut_ptr());
        sums.push(Sum { out, stride: inner, rows: columns, columns: inner, start: Start::Zeros, factors });
        for (placed, dy) in placed.iter().zip(dys) {
            let &Some((adapter, column)) = placed else { continue };
            let columns = adapter.b().inner;
            let mut db = room(adapter.rank * columns);
            let factors =
                vec![Factor { a: &low_turned, row: column, step: 0, depth: rows, fill: Box::new(dy.as_terms(engine)) }];
            let out = Shared(db.as_mut_ptr());
            sums.push(Sum { out, stride: columns, rows: adapter.rank, columns, start: Start::Zeros, factors });
            dbs.push(db);
        }
    }
    // SAFETY: all outputs have room for it, and the sums write all of it.
    unsafe {
        add_up(engine, &sums);
        drop(sums);
        dx.set_len(rows * inner);
        das.set_len(if learns { columns * inner } else { 0 });
    }
    let mut dbs = dbs.into_iter();
    let grads = |placed: &Placed<'_, E::Number>| {
        let &(adapter, column) = placed.as_ref().filter(|_| learns)?;
        let mut db = dbs.next()?;
        // SAFETY: the sums wrote all of it.
        unsafe { db.set_len(adapter.rank * adapter.b().inner) };
        db.iter_mut().for_each(|value| *value *= adapter.scale);
        Some((transposed(&das[column * inner..][..adapter.rank * inner], inner), db))
    };
    let adapters = placed.iter().map(grads).collect();
    Grads { dx, adapters }
}

/// The transpose of a matrix with `columns` columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len().checked_div(columns).unwrap_or(0);
    let mut turned = Vec::with_capacity(matrix.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| matrix[row * columns + column]));
    }
    turned
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::super::in_bf16::InBf16;
    use super::super::in_f32::InF32;
    use super::*;

    fn made_up(n: usize, seed: u32) -> Vec<f32> {
        let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        // Values that bf16 holds, so that only what lies between two products is rounded.
        (0..n as u32).map(|i| bf16::from_f32(value(i)).to_f32()).collect()
    }

    /// `a [rows, depth] · b [depth, columns]`, where `depth` is the second number.
    fn product(a: &[f32], b: &[f32], [rows, depth, columns]: [usize; 3]) -> Vec<f32> {
        let sum = |i: usize, j: usize| (0..depth).map(|k| a[i * depth + k] * b[k * columns + j]).sum();
        (0..rows * columns).map(|place| sum(place / columns, place % columns)).collect()
    }

    fn plus(mut sum: Vec<f32>, part: &[f32], factor: f32) -> Vec<f32> {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += factor * part);
        sum
    }

    fn close(found: &[f32], right: &[f32], tolerance: f32, what: &str) {
        assert_eq!(found.len(), right.len(), "{what}");
        for (i, (a, b)) in found.iter().zip(right).enumerate() {
            assert!((a - b).abs() <= tolerance * (8.0 + b.abs()), "{what}: {a} for {b} at {i}");
        }
    }

    #[test]
    fn every_engine_makes_all_products_and_their_gradients() {
        for engine in InBf16::all() {
            it_makes_all_products_and_their_gradients(engine, bf16::from_f32, 0.01, &format!("{engine:?}"));
        }
        it_makes_all_products_and_their_gradients(InF32, bf16::from_f32, 1e-4, "f32, held in bf16");
        it_makes_all_products_and_their_gradients(InF32, f16::from_f32, 1e-4, "f32, held in f16");
        it_makes_all_products_and_their_gradients(InF32, |value| value, 1e-4, "f32");
    }

    fn it_makes_all_products_and_their_gradients<E: Engine, W: HeldAs<E::Number>>(
        engine: E,
        held_in: fn(f32) -> W,
        tolerance: f32,
        what: &str,
    ) {
        const SCALE: f32 = 0.5;
        let close = |found: &[f32], right: &[f32], what: &str| close(found, right, tolerance, what);
        let outs = [(17, None), (64, Some(3)), (32, Some(40))];
        for (rows, inner) in [(1, 34), (5, 64), (40, 34), (70, 1100)] {
            let x = made_up(rows * inner, 1);
            let held = (2..).zip(outs).map(|(seed, (out, rank))| {
                let weights: Vec<W> = made_up(out * inner, seed).into_iter().map(held_in).collect();
                let factors = rank.map(|rank| {
                    // Small, so that sums over many terms stay so.
                    let a: Vec<f32> = made_up(inner * rank, seed + 10).iter().map(|a| a / 16.0).collect();
                    (a, made_up(rank * out, seed + 20), rank)
                });
                let adapter = factors.as_ref().map(|(a, b, rank)| Adapter::<E::Number>::new(a, b, *rank, SCALE));
                (weights, made_up(out, seed + 30), factors, adapter, made_up(rows * out, seed + 40))
            });
            let held: Vec<_> = held.collect();
            let mut parts: Vec<Part<'_, W, E::Number>> =
                held.iter().map(|one| part(&one.0, &one.1, &one.3, inner)).collect();
            // One begins with a matrix of its size instead of a bias.
            let matrix = made_up(rows * outs[1].0, 50);
            parts[1].start = Start::Matrix(&matrix);
            let (mut products, mut right, mut dx) = (Vec::new(), Vec::new(), vec![0.0; rows * inner]);
            for (index, (weights, bias, factors, _, dy)) in held.iter().enumerate() {
                let out = bias.len();
                let w: Vec<f32> = weights.iter().map(|w| w.wide()).collect();
                let turned = transposed(&w, inner);
                let start = if index == 1 { matrix.clone() } else { bias.repeat(rows) };
                let y = plus(product(&x, &turned, [rows, inner, out]), &start, 1.0);
                products.push(y.clone());
                dx = plus(dx, &product(dy, &w, [rows, out, inner]), 1.0);
                let Some((a, b, rank)) = factors else {
                    right.push((y, None));
                    continue;
                };
                let low = product(&x, a, [rows, inner, *rank]);
                let dlow = product(dy, &transposed(b, out), [rows, out, *rank]);
                dx = plus(dx, &product(&dlow, &transposed(a, *rank), [rows, *rank, inner]), SCALE);
                let da = product(&transposed(&x, inner), &dlow, [inner, rows, *rank]);
                let db = product(&transposed(&low, *rank), dy, [*rank, rows, out]);
                let half = |values: Vec<f32>| plus(vec![0.0; values.len()], &values, SCALE);
                right.push((plus(y, &product(&low, b, [rows, *rank, out]), SCALE), Some((half(da), half(db)))));
            }
            let what = format!("{what}, {rows} x {inner}");
            let found = forward(engine, || Tiled::new(&x, inner, 1.0), [rows, inner], &parts, || products);
            let dys: Vec<Tiled<E::Number>> = held.iter().map(|one| Tiled::new(&one.4, one.1.len(), 1.0)).collect();
            for learns in [true, false] {
                let grads = backward(engine, &x, &dys, [rows, inner], &parts, learns);
                close(&grads.dx, &dx, &format!("{what}: dx"));
                for ((found, grads), (right, theirs)) in found.iter().zip(&grads.adapters).zip(&right) {
                    close(found, right, &what);
                    assert_eq!(grads.is_some(), learns && theirs.is_some(), "{what}");
                    if let (Some((da, db)), Some((right_a, right_b))) = (grads, theirs) {
                        close(da, right_a, &format!("{what}: A"));
                        close(db, right_b, &format!("{what}: B"));
                    }
                }
            }
        }
    }

    fn part<'a, W, N>(
        weights: &'a [W],
        bias: &'a [f32],
        adapter: &'a Option<Adapter<N>>,
        inner: usize,
    ) -> Part<'a, W, N> {
        Part { weights: Weights { values: weights, inner }, start: Start::Row(bias), adapter: adapter.as_ref() }
    }
}
