//! Frozen matrices, in whatever they are held.

use std::ops::Range;

use super::engine::Engine;
use super::numbers::{HeldAs, Number, Wide};
use super::primitives::vectorised;
use super::tiles::{Next, STEP, TILE, Tile};

/// Multiplications below which a second thread costs more than it brings.
pub(super) const PER_TASK: usize = 1 << 17;

/// A frozen matrix `[outer, inner]`.
pub(super) trait Frozen: Copy + Sync {
    /// What it is held in.
    type Held: Wide;

    /// Whether a row counts by a factor.
    const SCALED: bool;

    fn inner(&self) -> usize;

    /// All numbers in memory, row after row.
    fn numbers(&self) -> &[Self::Held];

    /// From the first number of a row to that of the next.
    fn distance(&self) -> usize;

    fn factor(&self, row: usize) -> f32;

    fn outer(&self) -> usize {
        self.numbers().len() / self.distance()
    }

    /// A row, up to its factor.
    fn row(&self, index: usize) -> &[Self::Held] {
        &self.numbers()[index * self.distance()..][..self.inner()]
    }

    /// Where a row's term is, or would be.
    fn address(&self, row: usize, term: usize) -> *const i8 {
        self.numbers().as_ptr().wrapping_add(row * self.distance() + term).cast()
    }

    /// Rows from these places on.
    fn next(&self, first: [*const i8; 2]) -> Next {
        let size = size_of::<Self::Held>();
        Next { first, row: self.distance() * size, step: STEP * size }
    }

    /// Where some terms of some rows are as operands, and the distance from a row to the next: as they lie, or in the room.
    fn laid<N: Number>(&self, rows: Range<usize>, terms: Range<usize>, room: &mut Vec<N>) -> (*const N, usize)
    where
        Self::Held: HeldAs<N>,
    {
        if Self::Held::IN_PLACE {
            return (self.numbers()[rows.start * self.distance() + terms.start..].as_ptr().cast(), self.distance());
        }
        room.resize(rows.len() * terms.len(), N::ZERO);
        vectorised(
            #[inline(always)]
            || {
                for (room, n) in room.chunks_exact_mut(terms.len()).zip(rows) {
                    Self::Held::lay(&self.row(n)[terms.clone()], room);
                }
            },
        );
        (room.as_ptr(), terms.len())
    }

    /// The terms of so many rows that are laid at once.
    fn pieces<N: Number>(&self, rows: usize) -> impl Iterator<Item = Range<usize>> + Clone
    where
        Self::Held: HeldAs<N>,
    {
        let (inner, at_once) = (self.inner(), if Self::Held::IN_PLACE { self.inner() } else { N::LAID / rows });
        (0..inner).step_by(at_once.max(1)).map(move |from| from..(from + at_once).min(inner))
    }

    /// Lays 16 columns and up to 32 terms of the transpose into a tile, up to the columns' factors.
    fn transposed<E: Engine>(self, engine: E) -> impl Fn(usize, Range<usize>, &mut Tile<E::Number>) + Sync
    where
        Self::Held: HeldAs<E::Number>,
    {
        move |from, terms, tile| {
            let mut rooms = [<Self::Held as HeldAs<E::Number>>::Room::default(); TILE];
            let mut rows: [&[E::Number]; TILE] = [&[]; TILE];
            vectorised(
                #[inline(always)]
                || {
                    for (i, (row, room)) in
                        rows.iter_mut().zip(&mut rooms).take(self.outer().saturating_sub(from)).enumerate()
                    {
                        *row = Self::Held::terms(&self.row(from + i)[terms.clone()], room);
                    }
                },
            );
            engine.fill_transposed(rows, tile);
        }
    }
}
