//! How operands of products lie in memory.
//!
//! A tile of `a` is 16 rows of 32 terms. A tile of `b` is, in f32, 32 terms of 16 columns; in bf16 it has a row for each pair of
//! terms, and in it that pair for each of 16 columns ("VNNI", Intel SDM volume 2, TDPBF16PS).

use half::bf16;

/// Rows of a tile of `a`, columns of one of `b`.
pub(super) const TILE: usize = 16;
/// Rows and columns of a block of the result: two tiles.
pub(super) const BLOCK: usize = 2 * TILE;
/// Terms of the sum in a tile.
pub(super) const STEP: usize = 32;
/// Pairs of terms in a tile.
pub(super) const PAIRS: usize = STEP / 2;

/// 512 numbers on cache lines of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile<N>(pub [N; TILE * STEP]);

/// Where a block of f32 goes: its first number, and the distance from a row to the next.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub first: *mut f32,
    pub stride: usize,
}

/// Where a sum begins; with a stride of 0 every row begins with the same numbers.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    pub first: *const f32,
    pub stride: usize,
}

impl Begin {
    /// Zeros in every place.
    pub fn zeros() -> Self {
        static ZEROS: [f32; BLOCK] = [0.0; BLOCK];
        Self { first: ZEROS.as_ptr(), stride: 0 }
    }
}

/// Some rows of bf16, `dim` numbers each, a multiple of 32, with `stride` from a row to the next.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub numbers: &'a [bf16],
    pub stride: usize,
    pub rows: usize,
    pub dim: usize,
    /// Whether they are not in a cache yet, nor what lies between them.
    pub is_far: bool,
}

/// 32 rows of `a`: where they lie.
#[derive(Clone, Copy)]
pub(super) struct Rows<N> {
    /// The first terms of rows 0 and 16.
    pub first: [*const N; 2],
    /// From a row to the next, in numbers.
    pub row: usize,
    /// From 32 terms of a row to the next 32, in numbers.
    pub step: usize,
    pub next: Next,
}

/// The 32 rows that are read next, to be asked for meanwhile: where they lie in memory, as [`Rows`] do, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub first: [*const i8; 2],
    pub row: usize,
    pub step: usize,
}

impl<N> Rows<N> {
    /// Those of two rows of tiles.
    pub fn of_tiles(upper: &[Tile<N>], lower: &[Tile<N>]) -> Self {
        let (row, step) = (STEP * size_of::<N>(), size_of::<Tile<N>>());
        // The next tiles.
        let next = Next { first: [upper, lower].map(|tiles| tiles.as_ptr().wrapping_add(1).cast()), row, step };
        Self { first: [upper.as_ptr().cast(), lower.as_ptr().cast()], row: STEP, step: TILE * STEP, next }
    }
}
