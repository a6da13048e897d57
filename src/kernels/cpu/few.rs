//! Products of a few rows in f32 as dot products of four rows with four rows of the matrix: every number of a vector counts, where
//! blocks of [`super::in_f32`] would leave most columns empty.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::frozen::{Frozen, PER_TASK};
use super::numbers::{HeldAs, Wide, Words};
use super::primitives::{Shared, ask_for};
use super::team::share_out;

/// Bytes of a row from which on the processor itself sees in time where it leads (measured: 2304 and 3072).
const LONG: usize = 3072;

/// Rows of the matrix that are multiplied at once.
const AT_ONCE: usize = 4;

/// Some columns of `out [rows, outer] += x [rows, inner] · Wᵀ`.
pub(super) fn add_product<M: Frozen>(x: &[f32], weights: M, columns: Range<usize>, out: &mut [f32])
where
    M::Held: HeldAs<f32>,
{
    let (inner, outer) = (weights.inner(), weights.outer());
    let rows = x.len() / inner;
    assert!(out.len() == rows * outer, "an output for each row and each row of the matrix");
    let at_once = PER_TASK.div_ceil(rows * inner).next_multiple_of(AT_ONCE);
    let out = Shared(out.as_mut_ptr());
    let places = M::Held::IN_WORDS.map(|words| words.shifts.len());
    let parted = places.filter(|places| rows == 1 && inner.is_multiple_of(*places)).map(|places| by_places(x, places));
    share_out(columns.len().div_ceil(at_once), |task| {
        let mut room = Vec::new();
        let first = columns.start + task * at_once;
        let end = columns.end.min(first + at_once);
        for from in (first..end).step_by(AT_ONCE) {
            let columns = from..end.min(from + AT_ONCE);
            let mut factors = [0.0; AT_ONCE];
            factors.iter_mut().zip(columns.clone()).for_each(|(to, n)| *to = weights.factor(n));
            ask_for_short(weights, columns.end..(columns.end + AT_ONCE).min(outer));
            let out = Shared(out.at(from));
            if let Some(x) = &parted {
                let mut rows = [weights.row(from); AT_ONCE];
                rows.iter_mut().zip(columns.clone()).for_each(|(row, n)| *row = weights.row(n));
                let sums = pulp::Arch::new().dispatch(OfWords { x, rows });
                for (j, sum) in sums.into_iter().enumerate().take(columns.len()) {
                    // SAFETY: this task alone writes these columns.
                    unsafe { *out.at(j) += sum * factors[j] };
                }
                continue;
            }
            for terms in weights.pieces::<f32>(AT_ONCE) {
                let (first, stride) = weights.laid(columns.clone(), terms.clone(), &mut room);
                let mut rows: [&[f32]; AT_ONCE] = [&[]; AT_ONCE];
                for (i, row) in rows.iter_mut().enumerate().take(columns.len()) {
                    // SAFETY: so many rows of so many terms are there.
                    *row = unsafe { std::slice::from_raw_parts(first.wrapping_add(i * stride), terms.len()) };
                }
                let weights = &rows[..columns.len()];
                pulp::Arch::new().dispatch(Part { x, inner, from: terms.start, weights, factors, out, outer });
            }
        }
    });
}

/// Up to four columns of the output, of which some terms are added.
struct Part<'a> {
    x: &'a [f32],
    inner: usize,
    /// The first of the terms.
    from: usize,
    /// Rows of the terms.
    weights: &'a [&'a [f32]],
    factors: [f32; AT_ONCE],
    out: Shared,
    outer: usize,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, columns) = (self.x.len() / self.inner, self.weights.len());
        // 16 sums and their 8 factors where there are 32 registers, else 8 and 6.
        let wide = S::REGISTER_COUNT >= 32;
        let mut column = 0;
        while column < columns {
            let many = if wide && column + 4 <= columns {
                4
            } else if column + 2 <= columns {
                2
            } else {
                1
            };
            let mut row = 0;
            while row < rows {
                let some = if row + 4 <= rows { 4 } else { 1 };
                match (some, many) {
                    (4, 4) => self.block::<S, 4, 4>(simd, row, column),
                    (4, 2) => self.block::<S, 4, 2>(simd, row, column),
                    (4, _) => self.block::<S, 4, 1>(simd, row, column),
                    (_, 4) => self.block::<S, 1, 4>(simd, row, column),
                    (_, 2) => self.block::<S, 1, 2>(simd, row, column),
                    _ => self.block::<S, 1, 1>(simd, row, column),
                }
                row += some;
            }
            column += many;
        }
    }
}

impl Part<'_> {
    /// `R` rows by `C` columns of the output.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const C: usize>(&self, simd: S, row: usize, column: usize) {
        let terms = self.weights[0].len();
        let (mut x, mut weights): ([&[f32]; R], [&[f32]; C]) = ([&[]; R], [&[]; C]);
        for (i, x) in x.iter_mut().enumerate() {
            *x = &self.x[(row + i) * self.inner + self.from..][..terms];
        }
        for (j, weights) in weights.iter_mut().enumerate() {
            *weights = &self.weights[column + j][..terms];
        }
        let (x_vectors, x_rest) = split::<S, R>(x);
        let (w_vectors, w_rest) = split::<S, C>(weights);
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        for k in 0..terms / S::F32_LANES {
            // SAFETY: each has so many vectors.
            let x: [S::f32s; R] = std::array::from_fn(|i| unsafe { *x_vectors[i].get_unchecked(k) });
            for j in 0..C {
                // SAFETY: as above.
                let weights = unsafe { *w_vectors[j].get_unchecked(k) };
                for i in 0..R {
                    sums[i][j] = simd.mul_add_e_f32s(x[i], weights, sums[i][j]);
                }
            }
        }
        for i in 0..R {
            for j in 0..C {
                let rest: f32 = x_rest[i].iter().zip(w_rest[j]).map(|(x, w)| x * w).sum();
                let sum = simd.reduce_sum_f32s(sums[i][j]) + rest;
                // SAFETY: this part alone writes this output.
                unsafe { *self.out.at((row + i) * self.outer + column + j) += sum * self.factors[column + j] };
            }
        }
    }
}

/// Asks for some rows, which are multiplied next, if they are short.
fn ask_for_short(weights: impl Frozen, rows: Range<usize>) {
    for row in rows.map(|n| weights.row(n)).filter(|row| size_of_val(*row) < LONG) {
        ask_for(row.as_ptr(), size_of_val(row));
    }
}

/// The numbers of a row by their places in words of so many: those of the first places, then those of the second, and so on.
fn by_places(x: &[f32], places: usize) -> Vec<f32> {
    (0..places).flat_map(|place| x[place..].iter().step_by(places).copied()).collect()
}

/// Dot products of one row, taken apart by its [places](by_places), with rows whose numbers lie in [`Words`].
struct OfWords<'a, W> {
    x: &'a [f32],
    rows: [&'a [W]; AT_ONCE],
}

impl<W: Wide> WithSimd for OfWords<'_, W> {
    type Output = [f32; AT_ONCE];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; AT_ONCE] {
        match W::IN_WORDS.map(|words| words.shifts.len()) {
            Some(2) => self.dots::<S, 2>(simd),
            Some(4) => self.dots::<S, 4>(simd),
            other => unreachable!("{other:?} numbers in 32 bits"),
        }
    }
}

impl<W: Wide> OfWords<'_, W> {
    #[inline(always)]
    fn dots<S: Simd, const N: usize>(&self, simd: S) -> [f32; AT_ONCE] {
        let Words { shifts, mask, flip, origin, unit } = W::IN_WORDS.expect("they lie in words");
        let shifts: [(u32, u32); N] = shifts.try_into().expect("a shift for each place");
        let words = self.x.len() / N;
        let mut x: [&[f32]; N] = [&[]; N];
        x.iter_mut().zip(self.x.chunks_exact(words.max(1))).for_each(|(to, x)| *to = x);
        let (x_vectors, _) = split::<S, N>(x);
        let lefts = shifts.map(|(left, _)| simd.splat_u32s(left));
        let rights = shifts.map(|(_, right)| simd.splat_u32s(right));
        let (masks, flips, origins) = (simd.splat_u32s(mask), simd.splat_u32s(flip), simd.splat_f32s(origin));
        // Two sums a row: an addition need not wait for the one before.
        let mut sums = [[simd.splat_f32s(0.0); 2]; AT_ONCE];
        for k in 0..x_vectors[0].len() {
            // SAFETY: every place has as many vectors.
            let x: [S::f32s; N] = std::array::from_fn(|place| unsafe { *x_vectors[place].get_unchecked(k) });
            for (row, sums) in self.rows.iter().zip(&mut sums) {
                // SAFETY: a row has a word for each number of a place.
                let word = unsafe { row.as_ptr().cast::<S::u32s>().add(k).read_unaligned() };
                for place in 0..N {
                    let mut bits = word;
                    if shifts[place].0 > 0 {
                        bits = simd.wrapping_dyn_shl_u32s(bits, lefts[place]);
                    }
                    if shifts[place].1 > 0 {
                        bits = simd.wrapping_dyn_shr_u32s(bits, rights[place]);
                    }
                    bits = simd.and_u32s(bits, masks);
                    if flip > 0 {
                        bits = simd.xor_u32s(bits, flips);
                    }
                    let mut number = simd.transmute_f32s_u32s(bits);
                    if origin != 0.0 {
                        number = simd.sub_f32s(number, origins);
                    }
                    sums[place % 2] = simd.mul_add_e_f32s(x[place], number, sums[place % 2]);
                }
            }
        }
        let whole = x_vectors[0].len() * S::F32_LANES;
        let mut all = [0.0; AT_ONCE];
        for j in 0..AT_ONCE {
            let rest = self.rows[j][whole * N..].iter().enumerate();
            let rest: f32 = rest.map(|(at, number)| x[at % N][whole + at / N] * number.wide()).sum();
            all[j] = simd.reduce_sum_f32s(simd.add_f32s(sums[j][0], sums[j][1])) * unit + rest;
        }
        all
    }
}

/// Rows as whole vectors, and what is left of each.
#[inline(always)]
fn split<S: Simd, const N: usize>(rows: [&[f32]; N]) -> ([&[S::f32s]; N], [&[f32]; N]) {
    let (mut vectors, mut rest): ([&[S::f32s]; N], [&[f32]; N]) = ([&[]; N], [&[]; N]);
    for i in 0..N {
        (vectors[i], rest[i]) = S::as_simd_f32s(rows[i]);
    }
    (vectors, rest)
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    /// What the processors' vectors of 4, of 8 and of one number make.
    fn everywhere<W: Wide>(op: impl Fn(&dyn Fn(Part<'_>), &dyn Fn(OfWords<'_, W>) -> [f32; AT_ONCE])) {
        op(&|part| pulp::Arch::new().dispatch(part), &|words| pulp::Arch::new().dispatch(words));
        op(&|part| pulp::Scalar128b.vectorize(part), &|words| pulp::Scalar128b.vectorize(words));
        op(&|part| pulp::Scalar256b.vectorize(part), &|words| pulp::Scalar256b.vectorize(words));
        op(&|part| pulp::Scalar.vectorize(part), &|words| pulp::Scalar.vectorize(words));
    }

    #[test]
    fn dot_products_are_the_same_in_vectors_of_any_processor() {
        dot_products_are_the_same(bf16::from_f32);
        dot_products_are_the_same(|value| (value * 127.0).round() as i8);
    }

    fn dot_products_are_the_same<W: Wide>(held: fn(f32) -> W) {
        const INNER: usize = 84;
        let made_up = |n: usize, seed: u32| -> Vec<f32> {
            (0..n as u32).map(|i| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
        };
        let x = made_up(6 * INNER, 1);
        let held: Vec<W> = made_up(AT_ONCE * INNER, 2).into_iter().map(held).collect();
        let weights: Vec<f32> = held.iter().map(|w| w.wide()).collect();
        let of = |row: usize, column: usize| -> f32 {
            x[row * INNER..][..INNER].iter().zip(&weights[column * INNER..]).map(|(x, w)| x * w).sum()
        };
        let is_close = |found: f32, right: f32| (found - right).abs() < 1e-4 * (1.0 + right.abs());
        everywhere::<W>(|part, words| {
            for columns in 1..=AT_ONCE {
                let rows: Vec<&[f32]> = weights.chunks_exact(INNER).take(columns).collect();
                let mut out = vec![1.0; 6 * columns];
                let factors = std::array::from_fn(|j| j as f32 + 0.5);
                let shared = Shared(out.as_mut_ptr());
                part(Part { x: &x, inner: INNER, from: 0, weights: &rows, factors, out: shared, outer: columns });
                for (place, found) in out.into_iter().enumerate() {
                    let (row, column) = (place / columns, place % columns);
                    let right = 1.0 + of(row, column) * factors[column];
                    assert!(is_close(found, right), "{found} for {right} at {row}, {column} of {columns}");
                }
            }
            let places = W::IN_WORDS.expect("they lie in words").shifts.len();
            let rows = std::array::from_fn(|j| &held[j * INNER..][..INNER]);
            for (column, found) in words(OfWords { x: &by_places(&x[..INNER], places), rows }).into_iter().enumerate() {
                assert!(is_close(found, of(0, column)), "{found} for {} at {column}", of(0, column));
            }
        });
    }
}
