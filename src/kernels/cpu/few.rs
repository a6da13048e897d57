//! Products of up to 32 rows (decoding) with a large matrix in f32. They are bound by reading the matrix, which a general product
//! would lay out anew each time; here every weight is read once, as it lies, and meets all rows.

use pulp::{Simd, WithSimd};

use super::bf16::PER_TASK;
use super::bf16_tiles::BLOCK;
use super::primitives::Shared;
use super::team::share_out;

/// Numbers of a matrix from which on reading it decides: more than the first-level cache holds.
const LARGE: usize = 1 << 18;

/// Whether [`add_product`] is the faster way.
pub(super) fn takes(rows: usize, outer: usize, inner: usize) -> bool {
    (1..=BLOCK).contains(&rows) && outer * inner >= LARGE
}

/// `out [rows, outer] += x [rows, inner] · Wᵀ` with `W [outer, inner]`.
pub(super) fn add_product(x: &[f32], weights: &[f32], inner: usize, out: &mut [f32]) {
    let (rows, outer) = (x.len() / inner, weights.len() / inner);
    assert!(out.len() == rows * outer, "an output for each row and each row of the matrix");
    let at_once = PER_TASK.div_ceil(rows * inner).next_multiple_of(4);
    let out = Shared(out.as_mut_ptr());
    share_out(outer.div_ceil(at_once), |task| {
        let from = task * at_once;
        let weights = &weights[from * inner..(from + at_once).min(outer) * inner];
        // SAFETY: this task alone writes these columns.
        let part = Part { x, weights, inner, out: Shared(out.at(from)), stride: outer };
        pulp::Arch::new().dispatch(part);
    });
}

/// Some columns of the output.
struct Part<'a> {
    x: &'a [f32],
    weights: &'a [f32],
    inner: usize,
    out: Shared,
    stride: usize,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, columns) = (self.x.len() / self.inner, self.weights.len() / self.inner);
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
        let inner = self.inner;
        let x: [&[f32]; R] = std::array::from_fn(|i| &self.x[(row + i) * inner..][..inner]);
        let weights: [&[f32]; C] = std::array::from_fn(|j| &self.weights[(column + j) * inner..][..inner]);
        let (x_vectors, x_rest) = split::<S, R>(x);
        let (w_vectors, w_rest) = split::<S, C>(weights);
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        for k in 0..inner / S::F32_LANES {
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
                // SAFETY: this part alone writes this output.
                unsafe {
                    *self.out.at((row + i) * self.stride + column + j) += simd.reduce_sum_f32s(sums[i][j]) + rest
                };
            }
        }
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
    use super::*;

    #[test]
    fn it_is_the_product_of_any_shape() {
        let made_up = |n: usize, seed: u32| -> Vec<f32> {
            let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            (0..n as u32).map(value).collect()
        };
        for (rows, outer, inner) in [(1, 9, 64), (3, 7, 33), (4, 300, 16), (9, 130, 100), (32, 66, 577)] {
            let (x, weights) = (made_up(rows * inner, 1), made_up(outer * inner, 2));
            let (mut out, begun) = (made_up(rows * outer, 3), made_up(rows * outer, 3));
            add_product(&x, &weights, inner, &mut out);
            for (place, found) in out.into_iter().enumerate() {
                let (row, column) = (place / outer, place % outer);
                let product = x[row * inner..][..inner].iter().zip(&weights[column * inner..]).map(|(x, w)| x * w);
                let right = begun[place] + product.sum::<f32>();
                assert!(
                    (found - right).abs() < 1e-4 * (1.0 + right.abs()),
                    "{found} for {right} at {place} of {rows} x {outer} x {inner}"
                );
            }
        }
    }
}
