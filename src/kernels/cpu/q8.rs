//! Products of f32 activations with a frozen matrix that is held in 8 bits: a quarter of f32's traffic, which is what decoding
//! waits for.
//!
//! Row n of `W [outer, inner]` is `scale[n] · q[n]`, with `q` whole numbers from -127 to 127 and `scale[n]` a 127th of the
//! row's largest magnitude (symmetric, for each output channel: Jacob et al. 2018, section 2.1; Dettmers et al. 2022). A row
//! lies as its numbers and then the four bytes of its scale (little-endian), so that the tensor is `[outer, inner + 4]` of I8.
//!
//! Whole numbers up to 127 are exact in bf16: several rows of activations are multiplied as [`super::bf16`] does it, and one
//! row meets the numbers as they pass by.

use std::ops::Range;

use burn_flex::FlexTensor;
use half::bf16;

use super::bf16::{FEW, Wide, add_block, add_by_tiles, add_few, add_in_f32, is_block, rounded};
use super::bf16_engine::Engine;
use super::bf16_tiles::{BLOCK, STEP, TILE, Tile};
use super::primitives::vectorised;
use super::team::share_out_parts;

/// Bytes of a row's scale.
const SCALE: usize = size_of::<f32>();

/// `W [outer, inner]`, row after row.
#[derive(Clone, Copy)]
pub(super) struct Weights8<'a> {
    bytes: &'a [i8],
    inner: usize,
}

impl Wide for i8 {
    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from(self)
    }
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

    fn outer(self) -> usize {
        self.bytes.len() / (self.inner + SCALE)
    }

    /// A row's numbers and its scale.
    fn row(self, index: usize) -> (&'a [i8], f32) {
        let (numbers, scale) = self.bytes[index * (self.inner + SCALE)..][..self.inner + SCALE].split_at(self.inner);
        (numbers, f32::from_le_bytes(std::array::from_fn(|i| scale[i] as u8)))
    }

    /// Rows in f32, one after the other.
    pub fn widen(self, rows: impl Iterator<Item = usize>, into: &mut Vec<f32>) {
        for index in rows {
            let (numbers, scale) = self.row(index);
            into.extend(numbers.iter().map(|q| q.wide() * scale));
        }
    }

    /// `out [rows, outer] += x [rows, inner] · Wᵀ`.
    pub fn add_forward(self, x: &[f32], out: &mut [f32]) {
        self.add_forward_by(Engine::of_this_machine(), x, out);
    }

    fn add_forward_by(self, engine: Engine, x: &[f32], out: &mut [f32]) {
        let (rows, outer) = (x.len() / self.inner, self.outer());
        if rows == 1 || engine == Engine::Plain && rows <= FEW {
            let x = rounded(engine, x);
            return add_few(&x, self.inner, 0..outer, out, outer, &|n| self.row(n));
        }
        if engine == Engine::Plain {
            let widen = |from: usize, columns: usize, into: &mut Vec<f32>| self.widen(from..from + columns, into);
            return add_in_f32(x, self.inner, 1.0, out, outer, &widen, true);
        }
        if is_block(engine, rows, self.inner) {
            let block = |n: usize, room: &mut Vec<bf16>| {
                room.resize(BLOCK * self.inner, bf16::ZERO);
                for (room, n) in room.chunks_exact_mut(self.inner).zip(n..) {
                    to_bf16(self.row(n).0, room);
                }
                room.as_ptr()
            };
            return add_block(engine, x, self.inner, out, outer, &block, &|n| self.row(n));
        }
        let fill = |from: usize, depth: Range<usize>, tile: &mut Tile| {
            let mut wide = [[bf16::ZERO; STEP]; TILE];
            let there = TILE.min(outer.saturating_sub(from));
            for (wide, n) in wide.iter_mut().zip(from..from + there) {
                to_bf16(&self.row(n).0[depth.clone()], wide);
            }
            let rows: [&[bf16]; TILE] = std::array::from_fn(|i| match i < there {
                true => &wide[i][..depth.len()],
                false => &[],
            });
            engine.fill_transposed(rows, tile);
        };
        let mut sums = vec![0.0f32; out.len()];
        add_by_tiles(engine, x, self.inner, 1.0, &mut sums, outer, fill);
        let scales: Vec<f32> = (0..outer).map(|n| self.row(n).1).collect();
        for (out, sums) in out.chunks_exact_mut(outer).zip(sums.chunks_exact(outer)) {
            vectorised(
                #[inline(always)]
                || out.iter_mut().zip(sums).zip(&scales).for_each(|((out, sum), scale)| *out += sum * scale),
            );
        }
    }
}

/// Numbers of at most seven bits, which bf16 holds.
fn to_bf16(numbers: &[i8], wide: &mut [bf16]) {
    vectorised(
        #[inline(always)]
        || {
            for (wide, q) in wide.iter_mut().zip(numbers) {
                *wide = bf16::from_bits((f32::from(*q).to_bits() >> 16) as u16);
            }
        },
    );
}

#[cfg(test)]
mod tests {
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
            let scale = held.row(n).1;
            assert!((scale - row.iter().fold(0.0f32, |top, w| top.max(w.abs())) / 127.0).abs() < 1e-9);
            row.iter().zip(back).for_each(|(a, b)| assert!((a - b).abs() <= 0.5001 * scale, "{a} {b}"));
        }
    }

    #[test]
    fn every_engine_adds_the_product_of_any_shape() {
        for engine in Engine::all() {
            for (rows, outer, inner) in
                [(1, 5, 7), (3, 33, 64), (9, 16, 32), (17, 31, 33), (40, 70, 1100), (33, 97, 34)]
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
                held.add_forward_by(engine, &x, &mut y);
                for (i, (a, b)) in y.iter().zip(&right).enumerate() {
                    let what = format!("{engine:?} {rows} x {outer} x {inner}: {a} for {b} at {i}");
                    assert!((a - b).abs() <= 2e-4 * (1.0 + b.abs()), "{what}");
                }
            }
        }
    }
}
