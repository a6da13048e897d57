//! Products of bf16: by the tiles of Intel's AMX, or by the dot products of pairs of AVX-512 BF16.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::OnceLock;

use half::bf16;

use super::engine::{Engine, Square};
use super::numbers::{Number, Wide};
use super::tiles::{BLOCK, Begin, Block, Rows, STEP, Strided, TILE, Tile};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx512};

/// How this processor multiplies bf16, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InBf16 {
    /// Tiles (Sapphire Rapids and later): 512 multiplications a cycle and core.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// Dot products of pairs: twice the rate of f32 on AMD's processors (Zen 4 and later), half of it on Intel's (measured on an
    /// Emerald Rapids whose AMX is hidden: 0.5 of them a cycle, and two sums of f32 products).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InBf16 {
    /// The best one here, if it is faster than f32.
    pub fn of_this_machine() -> Option<Self> {
        static BEST: OnceLock<Option<InBf16>> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().into_iter().find(|one| one.beats_f32()))
    }

    /// By who made the processor, not by a clock: what `auto` means must not change from one run to the next.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is no such engine"))]
    fn beats_f32(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Amx => true,
            Self::Avx512 => !is_intel(),
        };
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }

    /// Those that run here, the best first.
    pub fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "other processors have none"))]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx512bf16")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
        {
            if amx::has_amx() {
                all.push(Self::Amx);
            }
            all.push(Self::Avx512);
        }
        all
    }

    /// Whether a product is made of whole tiles, whatever their rows and columns hold.
    pub fn is_in_tiles(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Amx;
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }

    /// Dot products of each query with every row, `scores [queries, rows]`.
    pub fn dots(self, queries: &[f32], with: Strided<'_>, scores: &mut [f32]) {
        self.by_threes(queries.len() / with.dim, |from, count| {
            let queries = &queries[from * with.dim..][..count * with.dim];
            let scores = &mut scores[from * with.rows..][..count * with.rows];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both have AVX-512, and `dim` is whole vectors.
            unsafe {
                match count {
                    3 => avx512::dots::<3>(queries, with, scores),
                    2 => avx512::dots::<2>(queries, with, scores),
                    _ => avx512::dots::<1>(queries, with, scores),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            match self {}
        });
    }

    /// `out [queries, dim]`, each the sum of the rows by its weights `[queries, rows]`.
    pub fn weighted_sums(self, weights: &[f32], of: Strided<'_>, out: &mut [f32]) {
        self.by_threes(out.len() / of.dim, |from, count| {
            let weights = &weights[from * of.rows..][..count * of.rows];
            let out = &mut out[from * of.dim..][..count * of.dim];
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both have AVX-512, and `dim` is whole vectors.
            unsafe {
                match count {
                    3 => avx512::weighted_sums::<3>(weights, of, out),
                    2 => avx512::weighted_sums::<2>(weights, of, out),
                    _ => avx512::weighted_sums::<1>(weights, of, out),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            match self {}
        });
    }

    /// Turns scores into `exp(scale · (score - max))`, within some millionths; gives their sum.
    pub fn exponentials(self, scores: &mut [f32], scale: f32) -> f32 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both have AVX-512.
        unsafe {
            avx512::exponentials(scores, scale)
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }

    /// Queries that share what is read of memory: as many as the registers have sums for.
    fn by_threes(self, queries: usize, mut work: impl FnMut(usize, usize)) {
        (0..queries).step_by(3).for_each(|from| work(from, 3.min(queries - from)));
    }
}

/// Whether the processor's maker is Intel (its manual, volume 2, CPUID: leaf 0, "GenuineIntel").
#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    let cpuid = std::arch::x86_64::__cpuid(0);
    [cpuid.ebx, cpuid.edx, cpuid.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

impl Number for bf16 {
    const ZERO: Self = Self::ZERO;
    const LAID: usize = 1 << 14;

    #[inline(always)]
    fn nearest(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
        Self::from_bits(if value.is_nan() { 0x7fc0 } else { rounded })
    }

    fn rounded(x: &[f32]) -> Cow<'_, [f32]> {
        x.iter().map(|x| Self::nearest(*x).wide()).collect()
    }

    fn with_panel<R>(work: impl FnOnce(&mut Vec<Tile<Self>>) -> R) -> R {
        thread_local! {
            static PANEL: RefCell<Vec<Tile<bf16>>> = const { RefCell::new(Vec::new()) };
        }
        PANEL.with_borrow_mut(work)
    }
}

#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is no such engine"))]
impl Engine for InBf16 {
    type Number = bf16;

    // With two tiles of columns 64 KiB.
    const ROOM: usize = 32;
    const ROWS: usize = usize::MAX;

    fn dots(self) -> usize {
        if self.is_in_tiles() { 0 } else { 8 }
    }

    fn has_halves(self) -> bool {
        !self.is_in_tiles()
    }

    fn fill_transposed(self, rows: [&[bf16]; TILE], tile: &mut Tile<bf16>) {
        #[cfg(target_arch = "x86_64")]
        if rows.iter().all(|row| row.len() == STEP) {
            // SAFETY: both have AVX-512, and the rows have 32 terms.
            return unsafe { avx512::transpose(rows, tile) };
        }
        tile.0.fill(bf16::ZERO);
        for (column, row) in rows.iter().enumerate() {
            for (term, weight) in row.iter().enumerate() {
                tile.0[term / 2 * STEP + 2 * column + term % 2] = *weight;
            }
        }
    }

    fn fill_straight<'a>(self, mut rows: impl Iterator<Item = &'a [bf16]>, tile: &mut Tile<bf16>) {
        let mut places = tile.0.chunks_exact_mut(STEP);
        while let Some(first) = rows.next() {
            let second = rows.next().unwrap_or_default();
            let into = places.next().expect("a tile has a place for each pair of rows");
            #[cfg(target_arch = "x86_64")]
            if let (Ok(first), Ok(second)) = (first.try_into(), second.try_into()) {
                // SAFETY: both have AVX-512 BW, and `into` has 32 numbers.
                unsafe { avx512::interleave(first, second, into) };
                continue;
            }
            into.fill(bf16::ZERO);
            for (values, offset) in [(first, 0), (second, 1)] {
                for (column, value) in values.iter().enumerate() {
                    into[2 * column + offset] = *value;
                }
            }
        }
        places.for_each(|into| into.fill(bf16::ZERO));
    }

    fn open(self) {
        #[cfg(target_arch = "x86_64")]
        if self.is_in_tiles() {
            // SAFETY: there are tiles.
            unsafe { amx::open_tiles() };
        }
    }

    fn close(self) {
        #[cfg(target_arch = "x86_64")]
        if self.is_in_tiles() {
            // SAFETY: there are tiles.
            unsafe { amx::release_tiles() };
        }
    }

    fn prefetch(self, first: *const f32, stride: usize, rows: usize, to_write: bool) {
        #[cfg(target_arch = "x86_64")]
        avx512::prefetch(first, stride, rows, to_write);
    }

    unsafe fn add_products(self, a: Rows<bf16>, b: [&[Tile<bf16>]; 2], begin: Begin, to: Block) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Amx => amx::add_products(a, b, begin, to),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512::add_products(a, b, begin, to),
            }
        }
    }

    unsafe fn add_turned(self, block: &Square, factors: &[f32; BLOCK], rows: usize, to: Block) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both have AVX-512; the rest is the caller's promise.
        unsafe {
            avx512::add_turned(block, factors, rows, to)
        }
    }

    unsafe fn put_gated_terms(self, block: &Square, tiles: [*mut Tile<bf16>; 2], term: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both have AVX-512; the rest is the caller's promise.
        unsafe {
            avx512::put_gated_terms(block, tiles, term)
        }
    }

    unsafe fn put_gated_columns(self, block: &Square, tiles: [*mut Tile<bf16>; 2], column: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both have AVX-512; the rest is the caller's promise.
        unsafe {
            avx512::put_gated_columns(block, tiles, column)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_and_a_nan_stays_one() {
        for value in [0.0, 1.0, -1.003_906_3, 1.001_953_1, 3.0e38, -1e-40, f32::INFINITY] {
            assert_eq!(bf16::nearest(value), bf16::from_f32(value), "{value}");
        }
        assert!(bf16::nearest(f32::from_bits(0x7fff_ffff)).is_nan());
    }
}
