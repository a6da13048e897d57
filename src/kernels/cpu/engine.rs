//! What a processor offers for sums of products, `out [32, 32] += Σ a · b` over tiles ([`super::tiles`]): in bf16 if it multiplies
//! that ([`super::in_bf16`]), and in f32 ([`super::in_f32`]).

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::numbers::Number;
use super::tiles::{BLOCK, Begin, Block, Rows, TILE, Tile};

/// How operands are multiplied on this machine. Sums are f32.
pub(super) trait Engine: Copy + Send + Sync + 'static {
    /// What operands are rounded to.
    type Number: Number;

    /// Steps of 32 terms of two tiles of columns that lie in a cache from which this engine is fed in time.
    const ROOM: usize;

    /// Rows of a task at most: their sums stay in a cache from one panel to the next.
    const ROWS: usize;

    /// Rows up to which dot products ([`super::few`]) are faster than blocks.
    fn dots(self) -> usize;

    /// Whether a block of 16 columns costs half of one of 32.
    fn has_halves(self) -> bool;

    /// Lays 16 columns of `b` into a tile from the rows of its transpose, which hold up to 32 terms; those missing are zeros.
    fn fill_transposed(self, rows: [&[Self::Number]; TILE], tile: &mut Tile<Self::Number>);

    /// Lays up to 16 columns of `b` into a tile from up to 32 of its rows; those missing are zeros.
    fn fill_straight<'a>(self, rows: impl Iterator<Item = &'a [Self::Number]>, tile: &mut Tile<Self::Number>);

    /// Asks for the memory of a block that is soon written, or read.
    fn prefetch(self, first: *const f32, stride: usize, rows: usize, to_write: bool);

    /// Sets up what this thread's products need.
    fn open(self) {}

    /// Gives it back.
    fn close(self) {}

    /// Writes what `begin` holds plus the sum of the products into a block. Where [`Engine::has_halves`], the right tiles of `b` may be
    /// missing, and the right half of the block becomes what it begins with.
    ///
    /// # Safety
    /// [`Engine::open`] on this thread; `to` is a block of 32 x 32 that no other thread touches, and `begin` one that may be read;
    /// what `a` points to is live.
    unsafe fn add_products(self, a: Rows<Self::Number>, b: [&[Tile<Self::Number>]; 2], begin: Begin, to: Block);

    /// Adds the transpose of the first `rows` columns of a block, each of whose rows counts by its factor: `to` is that many rows
    /// of 32.
    ///
    /// # Safety
    /// Nothing else touches `to`.
    unsafe fn add_turned(self, block: &Square, factors: &[f32; BLOCK], rows: usize, to: Block);

    /// `silu` of a block's first 16 rows times its other 16, as terms into a pair of tiles of columns, from an even term on. In
    /// bf16 it is right but for some hundred-thousandths before it is rounded.
    ///
    /// # Safety
    /// There are two tiles, and nothing else touches these 16 terms.
    unsafe fn put_gated_terms(self, block: &Square, tiles: [*mut Tile<Self::Number>; 2], term: usize);

    /// The same of a block's first 16 columns and its other 16, into the 32 rows of a pair of tiles, from a column on.
    ///
    /// # Safety
    /// There are two tiles, and nothing else touches these 16 columns.
    unsafe fn put_gated_columns(self, block: &Square, tiles: [*mut Tile<Self::Number>; 2], column: usize);
}

/// The 32 x 32 sums of a block.
pub(super) type Square = [f32; BLOCK * BLOCK];

/// The products of an engine on this thread. To set it up may take as long as some products: a task makes one.
pub(super) struct Products<E: Engine> {
    engine: E,
    of_this_thread: PhantomData<*const ()>,
}

impl<E: Engine> Products<E> {
    pub fn new(engine: E) -> Self {
        engine.open();
        Self { engine, of_this_thread: PhantomData }
    }

    /// The sums of a block, of all terms in some pieces.
    ///
    /// # Safety
    /// What every `a` points to is live until the next piece is asked for.
    pub unsafe fn square<'a>(
        &self,
        pieces: impl IntoIterator<Item = (Rows<E::Number>, [&'a [Tile<E::Number>]; 2])>,
    ) -> Square {
        let mut sums = MaybeUninit::<Square>::uninit();
        let to = Block { first: sums.as_mut_ptr().cast(), stride: BLOCK };
        let (mut begin, mut is_empty) = (Begin::zeros(), true);
        for (a, b) in pieces {
            // SAFETY: the sums are ours, and written before they are read; the rest is the caller's promise.
            unsafe { self.add_whole(a, b, begin, to) };
            (begin, is_empty) = (Begin { first: to.first, stride: BLOCK }, false);
        }
        assert!(!is_empty, "there are terms");
        // SAFETY: the first piece wrote every sum.
        unsafe { sums.assume_init() }
    }

    /// Writes what `begin` holds plus the sum of the products into the first `size` (rows, columns) of a 32 x 32 block.
    ///
    /// # Safety
    /// `to` is a block of at least that size that no other thread touches, and `begin` one of that size that may be read; what
    /// `a` points to is live.
    pub unsafe fn add(
        &self,
        a: Rows<E::Number>,
        b: [&[Tile<E::Number>]; 2],
        begin: Begin,
        to: Block,
        size: (usize, usize),
    ) {
        if size == (BLOCK, BLOCK) {
            // SAFETY: the block is whole; the rest is the caller's promise.
            return unsafe { self.add_whole(a, b, begin, to) };
        }
        let mut whole = [0.0f32; BLOCK * BLOCK];
        let place = Block { first: whole.as_mut_ptr(), stride: BLOCK };
        // SAFETY: the caller's promise for `begin` and `to`; `whole` is ours.
        unsafe {
            for row in 0..size.0 {
                place.first.add(row * BLOCK).copy_from_nonoverlapping(begin.first.add(row * begin.stride), size.1);
            }
            self.add_whole(a, b, Begin { first: place.first, stride: BLOCK }, place);
            for row in 0..size.0 {
                to.first.add(row * to.stride).copy_from_nonoverlapping(place.first.add(row * BLOCK), size.1);
            }
        }
    }

    unsafe fn add_whole(&self, a: Rows<E::Number>, b: [&[Tile<E::Number>]; 2], begin: Begin, to: Block) {
        let are_two = b[0].len() == b[1].len() || self.engine.has_halves() && b[1].is_empty();
        debug_assert!(are_two && !b[0].is_empty(), "the loops take a step before they look");
        // SAFETY: the caller's promise.
        unsafe { self.engine.add_products(a, b, begin, to) };
    }
}

impl<E: Engine> Drop for Products<E> {
    fn drop(&mut self) {
        self.engine.close();
    }
}
