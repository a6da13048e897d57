//! Products of f32 activations with a frozen matrix that is held in 8 bits: a quarter of f32's traffic, which is what decoding
//! waits for.
//!
//! Row n of `W [outer, inner]` is `scale[n] · q[n]`, with `q` whole numbers from -127 to 127 and `scale[n]` a 127th of the
//! row's largest magnitude (symmetric, for each output channel: Jacob et al. 2018, section 2.1; Dettmers et al. 2022). A row
//! lies as its numbers and then the four bytes of its scale (little-endian), so that the tensor is `[outer, inner + 4]` of I8.
//!
//! Whole numbers up to 127 are exact in bf16: where the processor has tiles of bf16, several rows of activations are multiplied as
//! [`super::weights`] does it. Else all products are of whole numbers where it has these ([`super::vnni`]), and of f32 where not.

use burn_flex::FlexTensor;

use super::frozen::Frozen;
use super::in_bf16::InBf16;
use super::in_f32::InF32;
use super::numbers::Wide;
use super::team::share_out_parts;
#[cfg(target_arch = "x86_64")]
use super::vnni;
use super::weights::add_forward;

/// Bytes of a row's scale.
const SCALE: usize = size_of::<f32>();

/// `W [outer, inner]`, row after row.
#[derive(Clone, Copy)]
pub(super) struct Weights8<'a> {
    bytes: &'a [i8],
    inner: usize,
}

/// The bytes of a matrix `[outer, inner]` in 8 bits, `[outer, inner + 4]`.
pub(super) fn quantised(values: &[f32], inner: usize) -> Vec<i8> {
    let mut bytes = vec![0i8; values.len() / inner * (inner + SCALE)];
    share_out_parts(&mut bytes, inner + SCALE, |index, bytes| {
        let row = &values[index * inner..][..inner];
        let scale = row.iter().fold(0.0f32, |top, w| top.max(w.abs())) / 127.0;
        let (numbers, end) = bytes.split_at_mut(inner);
        let share = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        numbers.iter_mut().zip(row).for_each(|(q, w)| *q = (w * share).round() as i8);
        end.copy_from_slice(&scale.to_le_bytes().map(|byte| byte as i8));
    });
    bytes
}

impl<'a> Weights8<'a> {
    /// The numbers of a contiguous tensor.
    pub fn of(t: &'a FlexTensor) -> Self {
        let (shape, start) = (t.layout().shape(), t.layout().start_offset());
        Self { bytes: &t.storage::<i8>()[start..][..shape[0] * shape[1]], inner: shape[1] - SCALE }
    }

    /// `out [rows, outer] += x [rows, inner] · Wᵀ`: in tiles of bf16 where there are some, else in whole numbers or in f32.
    pub fn add_forward(self, engine: Option<InBf16>, x: &[f32], out: &mut [f32]) {
        match engine {
            Some(engine) if engine.is_in_tiles() => add_forward(engine, self, x, out),
            #[cfg(target_arch = "x86_64")]
            _ if vnni::is_here() => vnni::add_product(x, self, out),
            Some(engine) => add_forward(engine, self, x, out),
            None => add_forward(InF32, self, x, out),
        }
    }

    /// Rows in f32, one after the other.
    pub fn widen(self, rows: impl Iterator<Item = usize>, into: &mut Vec<f32>) {
        for index in rows {
            let scale = self.factor(index);
            into.extend(self.row(index).iter().map(|q| q.wide() * scale));
        }
    }
}

impl Frozen for Weights8<'_> {
    type Held = i8;

    const SCALED: bool = true;

    fn inner(&self) -> usize {
        self.inner
    }

    fn numbers(&self) -> &[i8] {
        self.bytes
    }

    fn distance(&self) -> usize {
        self.inner + SCALE
    }

    fn factor(&self, row: usize) -> f32 {
        let scale = &self.bytes[row * self.distance() + self.inner..][..SCALE];
        f32::from_le_bytes(std::array::from_fn(|i| scale[i] as u8))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use half::bf16;

    use super::super::engine::Engine;
    use super::super::in_bf16::InBf16;
    use super::super::in_f32::InF32;
    use super::super::numbers::HeldAs;
    use super::super::weights::add_forward;
    use super::*;

    fn made_up(n: usize, seed: u32) -> Vec<f32> {
        let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        // Values that bf16 holds, so that every engine multiplies the same numbers.
        (0..n as u32).map(|i| bf16::from_f32(value(i)).to_f32()).collect()
    }

    #[test]
    fn a_number_is_off_by_half_a_step_at_most() {
        let values = [made_up(40, 1), vec![0.0; 40], made_up(40, 9).iter().map(|x| x * 1e-3).collect()].concat();
        let bytes = quantised(&values, 40);
        let held = Weights8 { bytes: &bytes, inner: 40 };
        let mut back = Vec::new();
        held.widen(0..3, &mut back);
        for (n, (row, back)) in values.chunks(40).zip(back.chunks(40)).enumerate() {
            let scale = held.factor(n);
            assert!((scale - row.iter().fold(0.0f32, |top, w| top.max(w.abs())) / 127.0).abs() < 1e-9);
            row.iter().zip(back).for_each(|(a, b)| assert!((a - b).abs() <= 0.5001 * scale, "{a} {b}"));
        }
    }

    #[test]
    fn every_engine_adds_the_product_of_any_shape() {
        InBf16::all().into_iter().for_each(it_adds_the_product_of_any_shape);
        it_adds_the_product_of_any_shape(InF32);
    }

    fn it_adds_the_product_of_any_shape<E: Engine + Debug>(engine: E)
    where
        i8: HeldAs<E::Number>,
    {
        for (rows, outer, inner) in
            [(1, 5, 7), (3, 33, 64), (9, 16, 32), (17, 31, 33), (30, 40, 64), (40, 70, 1100), (33, 97, 34)]
        {
            let bytes = quantised(&made_up(outer * inner, 1), inner);
            let held = Weights8 { bytes: &bytes, inner };
            let mut wide = Vec::new();
            held.widen(0..outer, &mut wide);
            let x = made_up(rows * inner, 2);
            let mut y = made_up(rows * outer, 3);
            let mut right = y.clone();
            for (right, x) in right.chunks_mut(outer).zip(x.chunks(inner)) {
                for (right, row) in right.iter_mut().zip(wide.chunks(inner)) {
                    *right += x.iter().zip(row).map(|(x, w)| x * w).sum::<f32>();
                }
            }
            add_forward(engine, held, &x, &mut y);
            for (i, (a, b)) in y.iter().zip(&right).enumerate() {
                let what = format!("{engine:?} {rows} x {outer} x {inner}: {a} for {b} at {i}");
                assert!((a - b).abs() <= 2e-4 * (1.0 + b.abs()), "{what}");
            }
        }
    }
}
