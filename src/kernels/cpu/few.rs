//! Products of a few rows in f32 as dot products of four rows with four rows of the matrix: every number of a vector counts, where
//! blocks of [`super::in_f32`] would leave most columns empty.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::frozen::{Frozen, PER_TASK};
use super::numbers::{HeldAs, Wide};
use super::primitives::Shared;
use super::team::share_out;

/// Bytes of a row from which on the processor itself sees in time where it leads (measured: 2304 and 3072).
#[cfg(target_arch = "x86_64")]
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
    let halves =
        (rows == 1 && M::Held::IN_PAIRS && inner.is_multiple_of(2)).then(|| [0, 1].map(|half| every_second(x, half)));
    share_out(columns.len().div_ceil(at_once), |task| {
        let mut room = Vec::new();
        let first = columns.start + task * at_once;
        let end = columns.end.min(first + at_once);
        for from in (first..end).step_by(AT_ONCE) {
            let columns = from..end.min(from + AT_ONCE);
            let mut factors = [0.0; AT_ONCE];
            factors.iter_mut().zip(columns.clone()).for_each(|(to, n)| *to = weights.factor(n));
            ask_for(weights, columns.end..(columns.end + AT_ONCE).min(outer));
            let out = Shared(out.at(from));
            if let Some([even, odd]) = &halves {
                let mut rows = [weights.row(from); AT_ONCE];
                rows.iter_mut().zip(columns.clone()).for_each(|(row, n)| *row = weights.row(n));
                let sums = pulp::Arch::new().dispatch(Pairs { even, odd, rows });
                for (j, sum) in sums.into_iter().enumerate().take(columns.len()) {
                    // SAFETY: this task alone writes these columns.
                    unsafe { *out.at(j) += sum * factors[j] };
                }
                continue;
            }
            for terms in weights.pieces::<f32>() {
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
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "other processors are not asked"))]
fn ask_for(weights: impl Frozen, rows: Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    for row in rows.map(|n| weights.row(n)).filter(|row| size_of_val(*row) < LONG) {
        const LINE: usize = 64;
        for place in (0..size_of_val(row)).step_by(LINE) {
            // SAFETY: a prefetch touches nothing.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                    row.as_ptr().cast::<i8>().wrapping_add(place),
                )
            };
        }
    }
}

/// Every second number, from the first or the second on.
fn every_second(x: &[f32], from: usize) -> Vec<f32> {
    x[from..].iter().step_by(2).copied().collect()
}

/// Dot products of one row, taken apart in its even and its odd places, with rows in bf16. Two of their numbers lie in 32 bits, and either
/// is an f32 once the other is gone.
struct Pairs<'a, W> {
    even: &'a [f32],
    odd: &'a [f32],
    rows: [&'a [W]; AT_ONCE],
}

impl<W: Wide> WithSimd for Pairs<'_, W> {
    type Output = [f32; AT_ONCE];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; AT_ONCE] {
        let Self { even, odd, rows } = self;
        let ([even_vectors, odd_vectors], _) = split::<S, 2>([even, odd]);
        let (left, right) = (simd.splat_u32s(16), simd.splat_u32s(0xffff_0000));
        let mut sums = [[simd.splat_f32s(0.0); 2]; AT_ONCE];
        for k in 0..even_vectors.len() {
            // SAFETY: there are as many odd places as even ones.
            let (even, odd) = unsafe { (*even_vectors.get_unchecked(k), *odd_vectors.get_unchecked(k)) };
            for j in 0..AT_ONCE {
                // SAFETY: a row has a pair for each even place.
                let pairs = unsafe { rows[j].as_ptr().cast::<S::u32s>().add(k).read_unaligned() };
                let first = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(pairs, left));
                let second = simd.transmute_f32s_u32s(simd.and_u32s(pairs, right));
                sums[j][0] = simd.mul_add_e_f32s(even, first, sums[j][0]);
                sums[j][1] = simd.mul_add_e_f32s(odd, second, sums[j][1]);
            }
        }
        let whole = even_vectors.len() * S::F32_LANES;
        let mut all = [0.0; AT_ONCE];
        for j in 0..AT_ONCE {
            let pairs = rows[j][2 * whole..].chunks_exact(2).zip(even[whole..].iter().zip(&odd[whole..]));
            let rest: f32 = pairs.map(|(pair, (even, odd))| even * pair[0].wide() + odd * pair[1].wide()).sum();
            all[j] = simd.reduce_sum_f32s(simd.add_f32s(sums[j][0], sums[j][1])) + rest;
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
    fn everywhere(op: impl Fn(&dyn Fn(Part<'_>), &dyn Fn(Pairs<'_, bf16>) -> [f32; AT_ONCE])) {
        op(&|part| pulp::Arch::new().dispatch(part), &|pairs| pulp::Arch::new().dispatch(pairs));
        op(&|part| pulp::Scalar128b.vectorize(part), &|pairs| pulp::Scalar128b.vectorize(pairs));
        op(&|part| pulp::Scalar256b.vectorize(part), &|pairs| pulp::Scalar256b.vectorize(pairs));
        op(&|part| pulp::Scalar.vectorize(part), &|pairs| pulp::Scalar.vectorize(pairs));
    }

    #[test]
    fn dot_products_are_the_same_in_vectors_of_any_processor() {
        const INNER: usize = 78;
        let made_up = |n: usize, seed: u32| -> Vec<f32> {
            let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            (0..n as u32).map(|i| bf16::from_f32(value(i)).to_f32()).collect()
        };
        let (x, weights) = (made_up(6 * INNER, 1), made_up(AT_ONCE * INNER, 2));
        let in_bf16: Vec<bf16> = weights.iter().map(|w| bf16::from_f32(*w)).collect();
        let of = |row: usize, column: usize| -> f32 {
            x[row * INNER..][..INNER].iter().zip(&weights[column * INNER..]).map(|(x, w)| x * w).sum()
        };
        everywhere(|part, pairs| {
            for columns in 1..=AT_ONCE {
                let rows: Vec<&[f32]> = weights.chunks_exact(INNER).take(columns).collect();
                let mut out = vec![1.0; 6 * columns];
                let factors = std::array::from_fn(|j| j as f32 + 0.5);
                let shared = Shared(out.as_mut_ptr());
                part(Part { x: &x, inner: INNER, from: 0, weights: &rows, factors, out: shared, outer: columns });
                for (place, found) in out.into_iter().enumerate() {
                    let (row, column) = (place / columns, place % columns);
                    let right = 1.0 + of(row, column) * factors[column];
                    assert!((found - right).abs() < 1e-4, "{found} for {right} at {row}, {column} of {columns}");
                }
            }
            let [even, odd] = [0, 1].map(|half| every_second(&x[..INNER], half));
            let rows = std::array::from_fn(|j| &in_bf16[j * INNER..][..INNER]);
            for (column, found) in pairs(Pairs { even: &even, odd: &odd, rows }).into_iter().enumerate() {
                assert!((found - of(0, column)).abs() < 1e-4, "{found} for {} at {column}", of(0, column));
            }
        });
    }
}
