//! Products of f32, in the vectors of any processor: 16 numbers with AVX-512, 8 with AVX2 and FMA, 4 with NEON.

use std::borrow::Cow;
use std::cell::RefCell;

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::engine::{Engine, Square};
use super::numbers::Number;
use super::primitives::{ask_for, exp, vectorised};
use super::tiles::{BLOCK, Begin, Block, Rows, STEP, TILE, Tile};

/// Every processor multiplies f32.
#[derive(Debug, Clone, Copy)]
pub(super) struct InF32;

impl Number for f32 {
    const ZERO: Self = 0.0;
    const LAID: usize = 1 << 12;

    #[inline(always)]
    fn nearest(value: f32) -> Self {
        value
    }

    fn rounded(x: &[f32]) -> Cow<'_, [f32]> {
        x.into()
    }

    fn with_panel<R>(work: impl FnOnce(&mut Vec<Tile<Self>>) -> R) -> R {
        thread_local! {
            static PANEL: RefCell<Vec<Tile<f32>>> = const { RefCell::new(Vec::new()) };
        }
        PANEL.with_borrow_mut(work)
    }
}

impl Engine for InF32 {
    type Number = f32;

    // With two tiles of columns 24 KiB of a first-level cache of 32.
    const ROOM: usize = 18;
    const ROWS: usize = 512;

    fn dots(self) -> usize {
        8
    }

    fn has_halves(self) -> bool {
        true
    }

    fn fill_transposed(self, rows: [&[f32]; TILE], tile: &mut Tile<f32>) {
        #[cfg(target_arch = "x86_64")]
        if rows.iter().all(|row| row.len() == STEP) && std::is_x86_feature_detected!("avx512f") {
            // SAFETY: there is AVX-512, and the rows have 32 terms.
            return unsafe { avx512::transpose_wide(rows, tile) };
        }
        for (term, columns) in tile.0.chunks_exact_mut(TILE).enumerate() {
            for (to, row) in columns.iter_mut().zip(rows) {
                *to = row.get(term).copied().unwrap_or_default();
            }
        }
    }

    fn fill_straight<'a>(self, rows: impl Iterator<Item = &'a [f32]>, tile: &mut Tile<f32>) {
        let mut places = tile.0.chunks_exact_mut(TILE);
        for (row, to) in rows.zip(&mut places) {
            match <&[f32; TILE]>::try_from(row) {
                Ok(row) => to.copy_from_slice(row),
                Err(_) => {
                    to[..row.len()].copy_from_slice(row);
                    to[row.len()..].fill(0.0);
                }
            }
        }
        places.for_each(|to| to.fill(0.0));
    }

    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(unused_variables, reason = "other processors look ahead themselves")
    )]
    fn prefetch(self, first: *const f32, stride: usize, rows: usize, to_write: bool) {
        #[cfg(target_arch = "x86_64")]
        avx512::prefetch(first, stride, rows, to_write);
    }

    unsafe fn add_products(self, a: Rows<f32>, b: [&[Tile<f32>]; 2], begin: Begin, to: Block) {
        pulp::Arch::new().dispatch(Sums { a, b, begin, to });
    }

    unsafe fn add_turned(self, block: &Square, factors: &[f32; BLOCK], rows: usize, to: Block) {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: there is AVX-512; the rest is the caller's promise.
            return unsafe { avx512::add_turned(block, factors, rows, to) };
        }
        for row in 0..rows {
            // SAFETY: the caller's promise.
            let to = unsafe { std::slice::from_raw_parts_mut(to.first.add(row * to.stride), BLOCK) };
            for (column, (to, factor)) in to.iter_mut().zip(factors).enumerate() {
                *to += block[column * BLOCK + row] * factor;
            }
        }
    }

    unsafe fn put_gated_terms(self, block: &Square, tiles: [*mut Tile<f32>; 2], term: usize) {
        let (gate, up) = block.split_at(TILE * BLOCK);
        for (tile, column) in tiles.into_iter().zip([0, TILE]) {
            // SAFETY: these terms are there and ours by the caller's promise.
            let terms = unsafe { std::slice::from_raw_parts_mut(tile.cast::<f32>().add(term * TILE), TILE * TILE) };
            for (row, to) in terms.chunks_exact_mut(TILE).enumerate() {
                let place = row * BLOCK + column;
                put_gated(&gate[place..][..TILE], &up[place..][..TILE], to);
            }
        }
    }

    unsafe fn put_gated_columns(self, block: &Square, tiles: [*mut Tile<f32>; 2], column: usize) {
        for (row, numbers) in block.chunks_exact(BLOCK).enumerate() {
            let place = tiles[row / TILE].cast::<f32>().wrapping_add(row % TILE * STEP + column);
            // SAFETY: these columns are there and ours by the caller's promise.
            let to = unsafe { std::slice::from_raw_parts_mut(place, TILE) };
            put_gated(&numbers[..TILE], &numbers[TILE..], to);
        }
    }
}

/// `silu(gate) · up`.
fn put_gated(gate: &[f32], up: &[f32], to: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for ((to, gate), up) in to.iter_mut().zip(gate).zip(up) {
                *to = gate / (1.0 + exp(-gate)) * up;
            }
        },
    );
}

/// [`Engine::add_products`].
struct Sums<'a> {
    a: Rows<f32>,
    b: [&'a [Tile<f32>]; 2],
    begin: Begin,
    to: Block,
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [left, right] = self.b;
        match S::F32_LANES {
            // As many sums as hide how long an addition takes, and with their factors not more than there are registers.
            16 if right.is_empty() => {
                self.columns::<S, 16, 1>(simd, left, 0);
                self.columns::<S, 16, 1>(simd, right, TILE);
            }
            16 => self.both::<S>(simd),
            8 => self.half_by_half::<S, 4, 2>(simd),
            4 => self.half_by_half::<S, 4, 4>(simd),
            _ => self.half_by_half::<S, 4, 16>(simd),
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn half_by_half<S: Simd, const R: usize, const V: usize>(&self, simd: S) {
        for (half, tiles) in self.b.into_iter().enumerate() {
            self.columns::<S, R, V>(simd, tiles, half * TILE);
        }
    }

    /// The columns of one of the two rows of tiles, which are `V` vectors.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(&self, simd: S, tiles: &[Tile<f32>], column: usize) {
        let first = tiles.as_ptr().cast::<S::f32s>();
        for row in (0..BLOCK).step_by(R) {
            let mut vectors = [(first, column); V];
            for (v, vector) in vectors.iter_mut().enumerate() {
                *vector = (first.wrapping_add(v), column + v * S::F32_LANES);
            }
            // SAFETY: a term of a tile is `V` vectors.
            unsafe { self.rows::<S, R, V>(simd, row, vectors, V, tiles.len()) };
        }
    }

    /// All columns, where a tile has one vector of them.
    #[inline(always)]
    fn both<S: Simd>(&self, simd: S) {
        const R: usize = 8;
        let vectors = [0, 1].map(|half| (self.b[half].as_ptr().cast::<S::f32s>(), half * TILE));
        for row in (0..BLOCK).step_by(R) {
            // SAFETY: a term of a tile is one vector.
            unsafe { self.rows::<S, R, 2>(simd, row, vectors, 1, self.b[0].len()) };
        }
    }

    /// `R` rows of `V` vectors, each of which lies at a place for the first term, and goes to a column.
    ///
    /// # Safety
    /// They lie there for each of 32 terms a step, `distance` vectors from one to the next.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        row: usize,
        vectors: [(*const S::f32s, usize); V],
        distance: usize,
        steps: usize,
    ) {
        const AT_ONCE: usize = 4;
        let Self { a, begin, to, .. } = self;
        // SAFETY: the caller's promise here and of `Engine::add_products`.
        unsafe {
            let mut sums: [[S::f32s; V]; R] = [[simd.splat_f32s(0.0); V]; R];
            for (i, sums) in sums.iter_mut().enumerate() {
                for v in 0..V {
                    let from = begin.first.add((row + i) * begin.stride + vectors[v].1);
                    sums[v] = from.cast::<S::f32s>().read_unaligned();
                }
            }
            let first = a.first[row / TILE].add(row % TILE * a.row);
            for step in 0..steps {
                for i in row..row + R {
                    let next = a.next.first[i / TILE].wrapping_add(i % TILE * a.next.row + step * a.next.step);
                    ask_for(next, a.next.step);
                }
                // Some terms at once: the places of the rows are then found once for all.
                for some in (0..STEP).step_by(AT_ONCE) {
                    let terms = first.add(step * a.step + some);
                    let place = (step * STEP + some) * distance;
                    for term in 0..AT_ONCE {
                        let mut b = [simd.splat_f32s(0.0); V];
                        for v in 0..V {
                            b[v] = *vectors[v].0.add(place + term * distance);
                        }
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let a = simd.splat_f32s(*terms.add(i * a.row + term));
                            for v in 0..V {
                                sums[v] = simd.mul_add_e_f32s(a, b[v], sums[v]);
                            }
                        }
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                for v in 0..V {
                    let to = to.first.add((row + i) * to.stride + vectors[v].1);
                    to.cast::<S::f32s>().write_unaligned(sums[v]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Products;
    use super::*;

    /// A block's sums in vectors of another processor: of 4, of 8, of one number.
    fn sums(simd: impl Simd, a: Rows<f32>, b: [&[Tile<f32>]; 2], begin: &Square) -> Square {
        let mut out = [7.0; BLOCK * BLOCK];
        let begin = Begin { first: begin.as_ptr(), stride: BLOCK };
        simd.vectorize(Sums { a, b, begin, to: Block { first: out.as_mut_ptr(), stride: BLOCK } });
        out
    }

    #[test]
    fn a_block_is_the_same_in_vectors_of_any_processor() {
        const STEPS: usize = 3;
        let made_up = |seed: u32| {
            let value = |i: u32| ((i + seed).wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let tile = |n: u32| Tile(std::array::from_fn(|i| value(n * 512 + i as u32)));
            (0..2 * STEPS as u32).map(tile).collect::<Vec<_>>()
        };
        let (a, b, begin) = (made_up(1), made_up(2), made_up(3));
        let begin: Square = std::array::from_fn(|i| begin[i / 512].0[i % 512]);
        let rows = Rows::of_tiles(&a[..STEPS], &a[STEPS..]);
        for right in [&b[STEPS..], &[]] {
            let b = [&b[..STEPS], right];
            let mut here = [7.0; BLOCK * BLOCK];
            let to = Block { first: here.as_mut_ptr(), stride: BLOCK };
            // SAFETY: both blocks are there, and the tiles live.
            unsafe { InF32.add_products(rows, b, Begin { first: begin.as_ptr(), stride: BLOCK }, to) };
            let of = |row: usize, column: usize| {
                let tiles = b[column / TILE];
                let terms = (0..tiles.len() * STEP).map(|k| {
                    let a = a[row / TILE * STEPS + k / STEP].0[row % TILE * STEP + k % STEP];
                    f64::from(a) * f64::from(tiles[k / STEP].0[k % STEP * TILE + column % TILE])
                });
                f64::from(begin[row * BLOCK + column]) + terms.sum::<f64>()
            };
            let others = [
                sums(pulp::Scalar128b, rows, b, &begin),
                sums(pulp::Scalar256b, rows, b, &begin),
                sums(pulp::Scalar, rows, b, &begin),
            ];
            for (name, found) in ["here", "4", "8", "1"].into_iter().zip([here].into_iter().chain(others)) {
                for (place, found) in found.into_iter().enumerate() {
                    let right = of(place / BLOCK, place % BLOCK);
                    assert!((f64::from(found) - right).abs() < 1e-4, "{name}: {found} for {right} at {place}");
                }
            }
        }
        // SAFETY: the tiles live.
        let square = unsafe { Products::new(InF32).square([(rows, [&b[..STEPS], &[]])]) };
        assert!((0..BLOCK * BLOCK).all(|i| i % BLOCK < TILE || square[i] == 0.0));
    }
}
