//! Products with matrices in 8 bits as sums of products of whole numbers (AVX-512 VNNI): 32 a cycle and port, where f32 has 16,
//! and nothing is laid out for them.
//!
//! A row of activations becomes `scale · X`, with whole numbers of 16 bits and the scale a 32767th of its largest magnitude. That is
//! closer than bf16: an outlier is held to 15 bits, and what it costs the others is less than what bf16 loses of itself. The
//! sums are whole numbers, too, so that a row's result is the same in any batch.

use std::arch::x86_64::*;

use super::frozen::{Frozen, PER_TASK};
use super::primitives::{Shared, ask_for, vectorised};
use super::team::share_out;

/// Products of a vector: pairs of 16 sums.
const STEP: usize = 32;

/// Terms after which a sum in 32 bits may be full: 258 steps of two products of at most 127 · 32767.
const FULL: usize = 256 * STEP;

/// Rows of activations, and of the matrix, that are multiplied at once.
const AT_ONCE: usize = 4;

/// Rows of activations that meet a row of the matrix while it is in the first-level cache.
const NEAR: usize = 32;

/// Rows of the matrix that meet these before the next do, so that they come there seldom.
const WIDE: usize = 32;

/// Whether this processor has what this takes.
pub(super) fn is_here() -> bool {
    std::is_x86_feature_detected!("avx512vnni")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512vl")
}

/// Activations in 16 bits.
struct Whole {
    /// `[rows, stride]`, zeros behind a row.
    numbers: Vec<i16>,
    stride: usize,
    /// What each row's numbers count.
    scales: Vec<f32>,
}

impl Whole {
    fn of(x: &[f32], inner: usize) -> Self {
        let (rows, stride) = (x.len() / inner, inner.next_multiple_of(STEP));
        let (mut numbers, mut scales) = (vec![0i16; rows * stride], vec![0.0; rows]);
        vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(inner).zip(numbers.chunks_exact_mut(stride));
                for ((x, numbers), scale) in rows.zip(&mut scales) {
                    // As bits, of which those of no number are the greatest: the row is then none, too.
                    let largest = x.iter().fold(0, |largest, x| (x.to_bits() & 0x7fff_ffff).max(largest));
                    let largest = f32::from_bits(largest);
                    *scale = largest / f32::from(i16::MAX);
                    let share = if largest > 1e-30 { f32::from(i16::MAX) / largest } else { 0.0 };
                    for (number, x) in numbers.iter_mut().zip(x) {
                        /// Its last bit counts 1: what is added to it is rounded, and stands in its lower half.
                        const WHOLE: f32 = 12_582_912.0;
                        *number = (x * share + WHOLE).to_bits() as i16;
                    }
                }
            },
        );
        Self { numbers, stride, scales }
    }
}

/// `out [rows, outer] += x [rows, inner] · Wᵀ`, where it [is here](is_here).
pub(super) fn add_product(x: &[f32], weights: impl Frozen<Held = i8>, out: &mut [f32]) {
    assert!(is_here(), "the processor has the instructions");
    let (inner, outer) = (weights.inner(), weights.outer());
    let x = Whole::of(x, inner);
    let rows = x.scales.len();
    assert!(out.len() == rows * outer, "an output for each row and each row of the matrix");
    let least = if rows > NEAR { WIDE } else { AT_ONCE };
    let at_once = PER_TASK.div_ceil(rows.max(1) * inner).next_multiple_of(least);
    let out = Shared(out.as_mut_ptr());
    share_out(outer.div_ceil(at_once), |task| {
        let columns = task * at_once..outer.min((task + 1) * at_once);
        for near in (0..rows).step_by(NEAR) {
            for from in columns.clone().step_by(AT_ONCE) {
                let count = AT_ONCE.min(columns.end - from);
                let mut factors = [0.0; AT_ONCE];
                factors.iter_mut().zip(from..from + count).for_each(|(factor, n)| *factor = weights.factor(n));
                if near == 0 {
                    ask_for(weights.address(from + AT_ONCE, 0), AT_ONCE * weights.distance());
                }
                for row in (near..rows.min(near + NEAR)).step_by(AT_ONCE) {
                    let some = AT_ONCE.min(rows - row);
                    let block = Block { x: &x, row, weights, from, inner };
                    // SAFETY: the processor has the instructions; the rows are there.
                    let sums = unsafe { block.sums([some, count]) };
                    for (i, (sums, scale)) in sums.iter().zip(&x.scales[row..]).enumerate().take(some) {
                        // SAFETY: this task alone writes these columns.
                        let out = unsafe { std::slice::from_raw_parts_mut(out.at((row + i) * outer + from), count) };
                        let add = |out: &mut [f32]| {
                            let each = out.iter_mut().zip(sums.iter().zip(&factors));
                            each.for_each(|(out, (sum, factor))| *out += sum * (scale * factor));
                        };
                        match <&mut [f32; AT_ONCE]>::try_from(&mut *out) {
                            Ok(out) => add(out),
                            Err(_) => add(out),
                        }
                    }
                }
            }
        }
    });
}

/// Up to four rows of activations by as many of the matrix.
struct Block<'a, M> {
    x: &'a Whole,
    row: usize,
    weights: M,
    from: usize,
    inner: usize,
}

impl<M: Frozen<Held = i8>> Block<'_, M> {
    /// The sums of so many rows of either.
    ///
    /// # Safety
    /// [`is_here`], and the rows are there.
    unsafe fn sums(&self, [rows, columns]: [usize; 2]) -> [[f32; AT_ONCE]; AT_ONCE] {
        // SAFETY: the caller's promise.
        unsafe {
            match (rows, columns) {
                (4, 4) => self.sums_of::<4, 4>(),
                (3, 4) => self.sums_of::<3, 4>(),
                (2, 4) => self.sums_of::<2, 4>(),
                (1, 4) => self.sums_of::<1, 4>(),
                (rows, columns) => {
                    let mut all = [[0.0; AT_ONCE]; AT_ONCE];
                    for (i, all) in all.iter_mut().enumerate().take(rows) {
                        for (j, sum) in all.iter_mut().enumerate().take(columns) {
                            let one = Block { row: self.row + i, from: self.from + j, ..*self };
                            *sum = one.sums_of::<1, 1>()[0][0];
                        }
                    }
                    all
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn sums_of<const R: usize, const C: usize>(&self) -> [[f32; AT_ONCE]; AT_ONCE] {
        let x = self.x.numbers[self.row * self.x.stride..].as_ptr();
        let weights = self.weights.row(self.from).as_ptr();
        let distance = self.weights.distance();
        let mut all = [[0.0; AT_ONCE]; AT_ONCE];
        for piece in (0..self.inner).step_by(FULL) {
            let mut sums = [[_mm512_setzero_si512(); AT_ONCE]; AT_ONCE];
            for term in (piece..self.inner.min(piece + FULL)).step_by(STEP) {
                let left = self.inner - term;
                let mut columns = [_mm512_setzero_si512(); C];
                for (j, column) in columns.iter_mut().enumerate() {
                    // SAFETY: a row has so many numbers left.
                    let bytes = unsafe {
                        let place = weights.add(j * distance + term);
                        match left >= STEP {
                            true => _mm256_loadu_si256(place.cast()),
                            false => _mm256_maskz_loadu_epi8((1 << left) - 1, place),
                        }
                    };
                    *column = _mm512_cvtepi8_epi16(bytes);
                }
                for (i, sums) in sums.iter_mut().enumerate().take(R) {
                    // SAFETY: a row of activations is whole steps.
                    let x = unsafe { _mm512_loadu_si512(x.add(i * self.x.stride + term).cast()) };
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = _mm512_dpwssd_epi32(*sum, x, column);
                    }
                }
            }
            // SAFETY: these are so many numbers.
            let more = unsafe { std::mem::transmute::<__m512, [[f32; AT_ONCE]; AT_ONCE]>(each_summed(sums)) };
            all.as_flattened_mut().iter_mut().zip(more.as_flattened()).for_each(|(all, more)| *all += more);
        }
        all
    }
}

/// The sum of the numbers of each vector, added in one order whatever the others are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn each_summed(vectors: [[__m512i; AT_ONCE]; AT_ONCE]) -> __m512 {
    let mut fours = [_mm512_setzero_ps(); AT_ONCE];
    for (four, vectors) in fours.iter_mut().zip(vectors) {
        // Within each 128 bits: halves of two vectors are added, then those of all four.
        let [a, b, c, d] = vectors;
        let (a, b) = (_mm512_cvtepi32_ps(a), _mm512_cvtepi32_ps(b));
        let (c, d) = (_mm512_cvtepi32_ps(c), _mm512_cvtepi32_ps(d));
        let ab = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
        let cd = _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)));
        let (low, high) = (_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd));
        *four = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
    }
    // The four parts of 128 bits of each.
    let [a, b, c, d] = fours;
    let ab = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
    let cd = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
    _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd))
}

#[cfg(test)]
mod tests {
    use burn_flex::{FlexTensor, Layout};
    use burn_tensor::{Bytes, DType, Shape};

    use super::super::q8::{Weights8, quantised};
    use super::*;

    fn made_up(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32).map(|i| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn held(outer: usize, inner: usize, seed: u32) -> FlexTensor {
        let bytes = quantised(&made_up(outer * inner, seed), inner);
        let layout = Layout::contiguous(Shape::from([outer, bytes.len() / outer]));
        FlexTensor::new(Bytes::from_elems(bytes), layout, DType::I8)
    }

    #[test]
    fn sums_are_right_in_any_shape_and_the_same_in_any_batch() {
        if !is_here() {
            return;
        }
        for (rows, outer, inner) in [(1, 5, 7), (2, 4, 32), (3, 33, 64), (7, 16, 33), (40, 70, 97), (5, 6, FULL + 40)] {
            let matrix = held(outer, inner, 1);
            let weights = Weights8::of(&matrix);
            let mut x = made_up(rows * inner, 2);
            // An outlier, and numbers that fill a sum.
            x[inner / 2] = 300.0;
            x[(rows - 1) * inner..].fill(1.0);
            let begin = made_up(rows * outer, 3);
            let mut y = begin.clone();
            add_product(&x, weights, &mut y);
            for (row, x) in x.chunks_exact(inner).enumerate() {
                let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                let mut alone = begin[row * outer..][..outer].to_vec();
                add_product(x, weights, &mut alone);
                assert_eq!(alone, y[row * outer..][..outer], "row {row} of {rows} x {outer} x {inner}");
                for (n, found) in alone.into_iter().enumerate() {
                    let terms = weights.row(n).iter().zip(x).map(|(q, x)| f64::from(*q) * f64::from(*x));
                    let factor = f64::from(weights.factor(n));
                    let right = f64::from(begin[row * outer + n]) + terms.sum::<f64>() * factor;
                    // Every term is off by half a step at most, and all of them are rounded to f32 once.
                    let steps = f64::from(largest) / 65534.0 * 127.0 * factor * inner as f64;
                    let off = (f64::from(found) - right).abs();
                    assert!(off <= steps + 1e-5 * right.abs() + 1e-6, "{found} for {right} at {row}, {n}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_zeros_stay_zeros() {
        if !is_here() {
            return;
        }
        let matrix = held(6, 40, 1);
        let mut x = [vec![0.0; 40], made_up(40, 2), made_up(40, 3)].concat();
        x[45] = f32::NAN;
        x[90] = f32::INFINITY;
        let mut y = vec![0.0; 18];
        add_product(&x, Weights8::of(&matrix), &mut y);
        assert!(y[..6].iter().all(|y| *y == 0.0) && y[6..].iter().all(|y| !y.is_finite()), "{y:?}");
    }
}
