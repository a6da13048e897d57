//! Sums of products of many rows, `out = begin + Σ a · b`, with operands in an engine's number and sums in f32.
//!
//! Every `a` is rounded once and laid in tiles of 16 rows by 32. A task takes 32 columns of all `b`s into a panel in its cache,
//! tile by tile as the engine wants them, and runs over its rows of the `a`s. What a sum begins with is read as the first product
//! is made, so that no output is cleared beforehand.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::engine::{Engine, Products};
use super::numbers::Number;
use super::primitives::{Shared, vectorised, written};
use super::team::{share_out, share_out_parts, threads};
use super::tiles::{BLOCK, Begin, Block, Rows, STEP, TILE, Tile};

/// Bytes of rows, and of panels, that a task has in the second-level cache at once.
const NEAR: usize = 512 << 10;

/// How many rows of so many steps meet all panels of a task before the next do.
pub(super) fn rows_at_once<N: Number>(steps: usize) -> usize {
    (NEAR / (2 * steps.max(1) * size_of::<Tile<N>>())).max(1) * BLOCK
}

/// How many bands of 32 columns by so many steps a task lays in panels at once, at most: each row is then read from afar once for all.
pub(super) fn bands_max<N: Number>(steps: usize) -> usize {
    (NEAR / (2 * steps.max(1) * size_of::<Tile<N>>())).clamp(1, 4)
}

/// What a test counts columns of `b` as that are laid in panels.
#[cfg(test)]
pub(crate) const IN_PANELS: &str = "in panels";

/// Lends so many tiles of this thread's panel.
pub(super) fn of_panel<N: Number, R>(tiles: usize, work: impl FnOnce(&mut [Tile<N>]) -> R) -> R {
    N::with_panel(|panel| {
        if panel.len() < tiles {
            panel.resize(tiles, Tile::ZERO);
        }
        work(&mut panel[..tiles])
    })
}

/// A matrix `[rows, depth]` of operands, in tiles of 16 rows by 32, row after row of tiles; zeros make the last block of
/// 32 rows and the last 32 terms whole.
pub(super) struct Tiled<N> {
    tiles: Vec<Tile<N>>,
    steps: usize,
}

impl<N: Number> Tiled<N> {
    /// `factor · a` with `depth` numbers in a row.
    pub fn new(a: &[f32], depth: usize, factor: f32) -> Self {
        let (rows, steps) = (a.len().checked_div(depth).unwrap_or(0), depth.div_ceil(STEP));
        let mut tiles = Vec::with_capacity(rows.div_ceil(BLOCK) * 2 * steps);
        let room = &mut tiles.spare_capacity_mut()[..rows.div_ceil(BLOCK) * 2 * steps];
        share_out_parts(room, steps, |band, tiles| {
            let a = &a[(band * TILE * depth).min(a.len())..((band + 1) * TILE * depth).min(a.len())];
            vectorised(
                #[inline(always)]
                || {
                    for (step, tile) in tiles.iter_mut().enumerate() {
                        let terms = step * STEP..((step + 1) * STEP).min(depth);
                        let whole = terms.len() == STEP && a.len() == TILE * depth;
                        if !whole {
                            tile.write(Tile::ZERO);
                        }
                        let places = tile.as_mut_ptr().cast::<MaybeUninit<N>>();
                        // SAFETY: a tile is that many numbers, and this one is ours.
                        let places = unsafe { std::slice::from_raw_parts_mut(places, TILE * STEP) };
                        for (row, into) in a.chunks_exact(depth).zip(places.chunks_exact_mut(STEP)) {
                            for (to, value) in into.iter_mut().zip(&row[terms.clone()]) {
                                to.write(N::nearest(value * factor));
                            }
                        }
                    }
                },
            )
        });
        let count = room.len();
        // SAFETY: every tile was written.
        unsafe { tiles.set_len(count) };
        Self { tiles, steps }
    }

    /// `rows` rows of `depth` numbers, which `write` writes: it gets where the tiles begin.
    ///
    /// # Safety
    /// `write` writes every tile, zeros behind the last row and number.
    pub unsafe fn written(rows: usize, depth: usize, write: impl FnOnce(Shared<Tile<N>>)) -> Self {
        let steps = depth.div_ceil(STEP);
        // SAFETY: the caller's promise.
        let tiles = unsafe { written(rows.div_ceil(BLOCK) * 2 * steps, |tiles| write(Shared(tiles))) };
        Self { tiles, steps }
    }

    /// Where 32 rows are, from `row` and the 32 terms of `step` on.
    pub fn block(&self, row: usize, step: usize) -> Rows<N> {
        let (upper, lower) = self.tiles[row / TILE * self.steps..].split_at(self.steps);
        Rows::of_tiles(&upper[step..], &lower[step..])
    }

    /// 16 numbers of a row, from a column on that 16 divides.
    fn piece(&self, row: usize, column: usize) -> &[N] {
        let tile = &self.tiles[row / TILE * self.steps + column / STEP];
        &tile.0[row % TILE * STEP + column % STEP..][..TILE]
    }

    #[cfg(test)]
    pub fn number(&self, row: usize, column: usize) -> N {
        self.piece(row, column / TILE * TILE)[column % TILE]
    }

    /// This matrix as a `b` whose terms are its rows.
    pub fn as_terms<E: Engine<Number = N>>(&self, engine: E) -> impl Fn(usize, Range<usize>, &mut Tile<N>) + Sync + '_ {
        move |column, rows, tile| engine.fill_straight(rows.map(|row| self.piece(row, column)), tile)
    }
}

/// Lays 16 columns and up to 32 terms of a right side into a tile: `fill(column, terms, tile)`.
pub(super) type Fill<'a, N> = Box<dyn Fn(usize, Range<usize>, &mut Tile<N>) + Sync + 'a>;

/// One product of a sum.
pub(super) struct Factor<'a, N> {
    /// `a`, of which this product takes some rows and terms.
    pub a: &'a Tiled<N>,
    /// The first of the rows; 32 divides it.
    pub row: usize,
    /// The first of the steps of 32 terms.
    pub step: usize,
    /// Terms.
    pub depth: usize,
    /// Lays out `b`.
    pub fill: Fill<'a, N>,
}

/// What a sum begins with.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// Zeros.
    Zeros,
    /// This row, in every row.
    Row(&'a [f32]),
    /// A matrix of the result's size.
    Matrix(&'a [f32]),
    /// What is there already.
    There,
}

/// `out [rows, columns] = start + Σ a · b`, with `stride` from a row of `out` to the next.
pub(super) struct Sum<'a, N> {
    pub out: Shared,
    pub stride: usize,
    pub rows: usize,
    pub columns: usize,
    pub start: Start<'a>,
    pub factors: Vec<Factor<'a, N>>,
}

/// Makes all sums, shared out between threads by columns and, where there are too few of these, by rows.
///
/// # Safety
/// `out` of each sum has room for the result and is used by nothing else meanwhile; with [`Start::There`] it is initialised.
pub(super) unsafe fn add_up<E: Engine>(engine: E, sums: &[Sum<'_, E::Number>]) {
    let bands: usize = sums.iter().map(|sum| sum.columns.div_ceil(BLOCK)).sum();
    #[cfg(test)]
    for factor in sums.iter().flat_map(|sum| &sum.factors) {
        super::profile::counting::note(IN_PANELS, (0, factor.depth * STEP));
    }
    let groups = (2 * threads()).div_ceil(bands.max(1));
    let at_once = bands_at_once::<E>(bands, threads()) * BLOCK;
    let mut tasks = Vec::new();
    for sum in sums {
        let rows = (sum.rows.div_ceil(BLOCK).div_ceil(groups).max(1) * BLOCK).min(E::ROWS);
        for column in (0..sum.columns).step_by(at_once) {
            let columns = column..(column + at_once).min(sum.columns);
            tasks
                .extend((0..sum.rows).step_by(rows).map(|row| (sum, columns.clone(), row..(row + rows).min(sum.rows))));
        }
    }
    share_out(tasks.len(), |task| {
        let (sum, columns, rows): &(&Sum<'_, E::Number>, Range<usize>, Range<usize>) = &tasks[task];
        of_panel(columns.len().div_ceil(BLOCK) * 2 * E::ROOM, |panel| {
            // SAFETY: this task alone writes these rows and columns; the rest is the caller's promise.
            unsafe { sum.make(engine, columns.clone(), rows.clone(), panel) }
        });
    });
}

/// Bands that a task lays in panels at once: as many as [`bands_max`] allows, if the threads come out even.
fn bands_at_once<E: Engine>(bands: usize, threads: usize) -> usize {
    let longest = |at_once: usize| bands.div_ceil(at_once).div_ceil(threads) * at_once;
    (2..=bands_max::<E::Number>(E::ROOM))
        .rev()
        .find(|&at_once| longest(at_once) * threads <= bands + bands / 16)
        .unwrap_or(1)
}

/// A part of a factor that is in the panel: its first step, how many there are, and where in the panel they are.
struct Laid<'s, 'a, N> {
    factor: &'s Factor<'a, N>,
    step: usize,
    steps: usize,
    place: usize,
}

impl<'a, N: Number> Sum<'a, N> {
    unsafe fn make<E: Engine<Number = N>>(
        &self,
        engine: E,
        columns: Range<usize>,
        rows: Range<usize>,
        panel: &mut [Tile<N>],
    ) {
        let products = Products::new(engine);
        let bands = || columns.clone().step_by(BLOCK);
        let (mut laid, mut place, mut is_first) = (Vec::<Laid<'_, 'a, N>>::new(), 0, true);
        let mut flush = |laid: &mut Vec<Laid<'_, 'a, N>>, panel: &[Tile<N>]| {
            let steps = laid.iter().map(|part| part.steps).sum();
            for first in rows.clone().step_by(rows_at_once::<N>(steps)) {
                let rows = first..rows.end.min(first + rows_at_once::<N>(steps));
                for (column, panel) in bands().zip(panel.chunks_exact(2 * E::ROOM)) {
                    let (left, right) = panel.split_at(E::ROOM);
                    for row in rows.clone().step_by(BLOCK) {
                        self.prefetch(engine, column, row + BLOCK..rows.end, is_first);
                        for Laid { factor, step, steps, place } in laid.iter() {
                            let to = Block { first: self.out.at(row * self.stride + column), stride: self.stride };
                            let begin = match is_first && *place == 0 {
                                true => self.begin(to, column, row),
                                false => Begin { first: to.first, stride: self.stride },
                            };
                            let a = factor.a.block(factor.row + row, factor.step + step);
                            let b = [&left[*place..][..*steps], &right[*place..][..*steps]];
                            let size = (BLOCK.min(self.rows - row), BLOCK.min(self.columns - column));
                            // SAFETY: `size` keeps to the rows and columns that there are; the rest is the caller's promise.
                            unsafe { products.add(a, b, begin, to, size) };
                        }
                    }
                }
            }
            laid.clear();
            is_first = false;
        };
        for factor in &self.factors {
            let (mut step, all) = (0, factor.depth.div_ceil(STEP));
            while step < all {
                let steps = (all - step).min(E::ROOM - place);
                for (column, panel) in bands().zip(panel.chunks_exact_mut(2 * E::ROOM)) {
                    for at in 0..steps {
                        let terms = (step + at) * STEP..((step + at + 1) * STEP).min(factor.depth);
                        (factor.fill)(column, terms.clone(), &mut panel[place + at]);
                        (factor.fill)(column + TILE, terms, &mut panel[E::ROOM + place + at]);
                    }
                }
                laid.push(Laid { factor, step, steps, place });
                (step, place) = (step + steps, place + steps);
                if place == E::ROOM {
                    flush(&mut laid, panel);
                    place = 0;
                }
            }
        }
        flush(&mut laid, panel);
    }

    /// Where a block's sum begins.
    fn begin(&self, to: Block, column: usize, row: usize) -> Begin {
        match self.start {
            Start::Zeros => Begin::zeros(),
            Start::Row(numbers) => Begin { first: numbers[column..].as_ptr(), stride: 0 },
            Start::Matrix(numbers) => {
                Begin { first: numbers[row * self.columns + column..].as_ptr(), stride: self.columns }
            }
            Start::There => Begin { first: to.first, stride: to.stride },
        }
    }

    /// Asks for the memory of the next block, if there is one, and for what it begins with.
    fn prefetch<E: Engine>(&self, engine: E, column: usize, next: Range<usize>, is_first: bool) {
        if next.is_empty() {
            return;
        }
        let rows = BLOCK.min(next.len());
        engine.prefetch(self.out.at(next.start * self.stride + column), self.stride, rows, true);
        if let (true, Start::Matrix(numbers)) = (is_first, self.start) {
            engine.prefetch(numbers[next.start * self.columns + column..].as_ptr(), self.columns, rows, false);
        }
    }
}

/// `factor · values` as operands.
pub(super) fn narrow_all<N: Number>(values: &[f32], factor: f32, into: &mut [N]) {
    vectorised(
        #[inline(always)]
        || into.iter_mut().zip(values).for_each(|(to, value)| *to = N::nearest(value * factor)),
    );
}
