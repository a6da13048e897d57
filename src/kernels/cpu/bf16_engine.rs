//! What a processor offers for products of bf16, picked at run time: tiles of Intel's AMX, dot products of pairs of
//! AVX-512 BF16, or neither.
//!
//! All of them sum `out [32, 32] += Σ a · b` over tiles ([`super::bf16_tiles`]).

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use half::bf16;

use super::bf16_tiles::{BLOCK, Begin, Block, Rows, STEP, Strided, TILE, Tile};
#[cfg(target_arch = "x86_64")]
use super::{bf16_amx as amx, bf16_x86 as x86};

/// How this processor multiplies bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Tiles (Sapphire Rapids and later): 512 multiplications a cycle and core.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// Dot products of pairs (Cooper Lake, Zen 4 and later): twice the rate of f32.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// No products of bf16.
    Plain,
}

impl Engine {
    /// The best one here.
    pub fn of_this_machine() -> Self {
        static BEST: OnceLock<Engine> = OnceLock::new();
        *BEST.get_or_init(|| Self::all()[0])
    }

    /// Those that run here, the best first.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx512bf16")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
        {
            all.insert(0, Self::Avx512);
            if amx::has_amx() {
                all.insert(0, Self::Amx);
            }
        }
        all
    }

    /// Lays 16 columns of `b` into a tile from the rows of its transpose, which hold up to 32 terms; those missing are zeros.
    pub fn fill_transposed(self, rows: [&[bf16]; TILE], tile: &mut Tile) {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Plain && rows.iter().all(|row| row.len() == STEP) {
            // SAFETY: both other engines have AVX-512, and the rows have 32 terms.
            return unsafe { x86::transpose(rows, tile) };
        }
        tile.0.fill(0);
        for (column, row) in rows.iter().enumerate() {
            for (term, weight) in row.iter().enumerate() {
                tile.0[term / 2 * STEP + 2 * column + term % 2] = weight.to_bits();
            }
        }
    }

    /// Lays up to 16 columns of `b` into a tile from pairs of its rows; those missing are zeros.
    pub fn fill_paired<'a>(self, pairs: impl Iterator<Item = (&'a [bf16], &'a [bf16])>, tile: &mut Tile) {
        let mut filled = 0;
        for ((first, second), into) in pairs.zip(tile.0.chunks_exact_mut(STEP)) {
            filled += 1;
            #[cfg(target_arch = "x86_64")]
            if self != Self::Plain
                && let (Ok(first), Ok(second)) = (first.try_into(), second.try_into())
            {
                // SAFETY: both other engines have AVX-512 BW, and `into` has 32 numbers.
                unsafe { x86::interleave(first, second, into) };
                continue;
            }
            into.fill(0);
            for (values, offset) in [(first, 0), (second, 1)] {
                for (column, value) in values.iter().enumerate() {
                    into[2 * column + offset] = value.to_bits();
                }
            }
        }
        tile.0[filled * STEP..].fill(0);
    }

    /// The products of this engine, on this thread.
    pub fn products(self) -> Products {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Amx {
            // SAFETY: there are tiles.
            unsafe { amx::open_tiles() };
        }
        Products { engine: self, of_this_thread: PhantomData }
    }

    /// Asks for the memory of a block that is soon written, or read.
    pub fn prefetch(self, first: *const f32, stride: usize, rows: usize, to_write: bool) {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Plain {
            x86::prefetch(first, stride, rows, to_write);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (first, stride, rows, to_write);
    }

    /// Adds the transpose of the first `rows` columns of a block of 32 x 32, each of whose rows counts by its factor: `to` is
    /// that many rows of 32.
    ///
    /// # Safety
    /// Nothing else touches `to`; this engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn add_turned(self, block: &Square, factors: &[f32; BLOCK], rows: usize, to: Block) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512; the rest is the caller's promise.
        unsafe {
            x86::add_turned(block, factors, rows, to)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 there are no blocks: {}", block.len() + factors.len() + rows + to.stride)
    }

    /// `silu` of a block's first 16 rows times its other 16, as terms into a pair of tiles of columns, from an even term on. It is rounded to
    /// bf16, and before that right but for some hundred-thousandths.
    ///
    /// # Safety
    /// There are two tiles, and nothing else touches these 16 terms; this engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn put_gated_terms(self, block: &Square, tiles: [*mut Tile; 2], term: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512; the rest is the caller's promise.
        unsafe {
            x86::put_gated_terms(block, tiles, term)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 there are no blocks: {} {tiles:?} {term}", block.len())
    }

    /// The same of a block's first 16 columns and its other 16, into the 32 rows of a pair of tiles, from a column on.
    ///
    /// # Safety
    /// There are two tiles, and nothing else touches these 16 columns; this engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn put_gated_columns(self, block: &Square, tiles: [*mut Tile; 2], column: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512; the rest is the caller's promise.
        unsafe {
            x86::put_gated_columns(block, tiles, column)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 there are no blocks: {} {tiles:?} {column}", block.len())
    }

    /// Dot products of each query with every row, `scores [queries, rows]`; the engine is not [`Engine::Plain`].
    pub fn dots(self, queries: &[f32], with: Strided<'_>, scores: &mut [f32]) {
        self.by_threes(queries.len() / with.dim, |from, count| {
            let queries = &queries[from * with.dim..][..count * with.dim];
            let scores = &mut scores[from * with.rows..][..count * with.rows];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both other engines have AVX-512, and `dim` is whole vectors.
            unsafe {
                match count {
                    3 => x86::dots::<3>(queries, with, scores),
                    2 => x86::dots::<2>(queries, with, scores),
                    _ => x86::dots::<1>(queries, with, scores),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            unreachable!("without products of bf16 nothing is held in it: {}", queries.len() + scores.len());
        });
    }

    /// `out [queries, dim]`, each the sum of the rows by its weights `[queries, rows]`; the engine is not [`Engine::Plain`].
    pub fn weighted_sums(self, weights: &[f32], of: Strided<'_>, out: &mut [f32]) {
        self.by_threes(out.len() / of.dim, |from, count| {
            let weights = &weights[from * of.rows..][..count * of.rows];
            let out = &mut out[from * of.dim..][..count * of.dim];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both other engines have AVX-512, and `dim` is whole vectors.
            unsafe {
                match count {
                    3 => x86::weighted_sums::<3>(weights, of, out),
                    2 => x86::weighted_sums::<2>(weights, of, out),
                    _ => x86::weighted_sums::<1>(weights, of, out),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            unreachable!("without products of bf16 nothing is held in it: {}", weights.len() + out.len());
        });
    }

    /// Turns scores into `exp(scale · (score - max))`, within some millionths; gives their sum. The engine is not [`Engine::Plain`].
    pub fn exponentials(self, scores: &mut [f32], scale: f32) -> f32 {
        debug_assert_ne!(self, Self::Plain);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512.
        unsafe {
            x86::exponentials(scores, scale)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 nothing is held in it: {scale}, {}", scores.len())
    }

    /// Queries that share what is read of memory: as many as the registers have sums for.
    fn by_threes(self, queries: usize, mut work: impl FnMut(usize, usize)) {
        debug_assert_ne!(self, Self::Plain);
        (0..queries).step_by(3).for_each(|from| work(from, 3.min(queries - from)));
    }
}

/// The 32 x 32 sums of a block.
pub(super) type Square = [f32; BLOCK * BLOCK];

/// Products of bf16 with sums in f32. The tiles of AMX are set up for as long as this lives, which takes as long as some products: a task
/// makes one.
pub(super) struct Products {
    engine: Engine,
    /// Tiles belong to the thread that set them up.
    of_this_thread: PhantomData<*const ()>,
}

impl Products {
    /// The sums of a block.
    ///
    /// # Safety
    /// As [`Products::add`], but for the block.
    pub unsafe fn square(&self, a: Rows, b: [&[Tile]; 2]) -> Square {
        let mut sums = MaybeUninit::<Square>::uninit();
        // SAFETY: every sum is written, and they are ours; the rest is the caller's promise.
        unsafe {
            self.add_whole(a, b, Begin::zeros(), Block { first: sums.as_mut_ptr().cast(), stride: BLOCK });
            sums.assume_init()
        }
    }

    /// Writes what `begin` holds plus the sum of the products into the first `size` (rows, columns) of a 32 x 32 block.
    ///
    /// # Safety
    /// `to` is a block of at least that size that no other thread touches, and `begin` one of that size that may be read; what
    /// `a` points to is live; the engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn add(&self, a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block, size: (usize, usize)) {
        if size == (BLOCK, BLOCK) {
            // SAFETY: the block is whole; the rest is the caller's promise.
            return unsafe { self.add_whole(a, b, begin, to) };
        }
        let mut whole = [0.0f32; BLOCK * BLOCK];
        let places = || (0..size.0).flat_map(|i| (0..size.1).map(move |j| (i, j)));
        // SAFETY: the caller's promise for `begin` and `to`; `whole` is ours.
        unsafe {
            for (i, j) in places() {
                whole[i * BLOCK + j] = *begin.first.add(i * begin.stride + j);
            }
            let place = Block { first: whole.as_mut_ptr(), stride: BLOCK };
            self.add_whole(a, b, Begin { first: place.first, stride: BLOCK }, place);
            for (i, j) in places() {
                *to.first.add(i * to.stride + j) = whole[i * BLOCK + j];
            }
        }
    }

    unsafe fn add_whole(&self, a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block) {
        debug_assert!(b[0].len() == b[1].len() && !b[0].is_empty(), "the loops take a step before they look");
        // SAFETY: the caller's promise.
        unsafe {
            match self.engine {
                #[cfg(target_arch = "x86_64")]
                Engine::Amx => amx::add_products(a, b, begin, to),
                #[cfg(target_arch = "x86_64")]
                Engine::Avx512 => x86::add_products(a, b, begin, to),
                Engine::Plain => unreachable!("without products of bf16 there are no tiles"),
            }
        }
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if self.engine == Engine::Amx {
            // SAFETY: there are tiles.
            unsafe { amx::release_tiles() };
        }
    }
}
