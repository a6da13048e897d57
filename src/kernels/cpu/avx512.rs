//! Products of bf16 and what belongs to them, in the instructions of AVX-512.

use std::arch::x86_64::*;

use half::bf16;

use super::primitives::ask_for;
use super::tiles::{BLOCK, Begin, Block, PAIRS, Rows, STEP, Strided, TILE, Tile};

/// Asks for a block of so many rows of 32 numbers: to be written, or to be read.
pub(super) fn prefetch(first: *const f32, stride: usize, rows: usize, to_write: bool) {
    // 32 numbers lie on three cache lines at most.
    let places = (0..rows).flat_map(|row| [0, 16, 31].map(|column| first.wrapping_add(row * stride + column).cast()));
    // SAFETY: a prefetch touches nothing.
    unsafe {
        match to_write {
            true => places.for_each(|place| _mm_prefetch::<_MM_HINT_ET0>(place)),
            false => places.for_each(|place| _mm_prefetch::<_MM_HINT_T0>(place)),
        }
    }
}

/// # Safety
/// AVX-512 BF16; the blocks as in [`super::engine::Engine::add_products`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn add_products(a: Rows<bf16>, b: [&[Tile<bf16>]; 2], begin: Begin, to: Block) {
    let [left, right] = b;
    // 16 sums, the columns and a broadcast fit the 32 registers.
    // SAFETY: the caller's promise.
    unsafe {
        match right.is_empty() {
            true => {
                add_columns::<16, 1>(a, [left], begin, to);
                for row in 0..BLOCK {
                    let start = _mm512_loadu_ps(begin.first.add(row * begin.stride + TILE));
                    _mm512_storeu_ps(to.first.add(row * to.stride + TILE), start);
                }
            }
            false => add_columns::<8, 2>(a, b, begin, to),
        }
    }
}

/// `C` tiles of columns, `R` rows at a time.
///
/// # Safety
/// As above; 16 is a multiple of `R`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn add_columns<const R: usize, const C: usize>(a: Rows<bf16>, b: [&[Tile<bf16>]; C], begin: Begin, to: Block) {
    // SAFETY: the caller's promise; a tile of `b` has 16 rows of 64 bytes.
    unsafe {
        for first in (0..BLOCK).step_by(R) {
            let rows = a.first[first / TILE].add(first % TILE * a.row);
            let mut sums = [[_mm512_setzero_ps(); C]; R];
            for (i, sums) in sums.iter_mut().enumerate() {
                for (column, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(begin.first.add((first + i) * begin.stride + column * TILE));
                }
            }
            for step in 0..b[0].len() {
                let terms = rows.add(step * a.step);
                for pair in 0..PAIRS {
                    let mut columns = [_mm512_setzero_si512(); C];
                    for (to, tiles) in columns.iter_mut().zip(b) {
                        *to = _mm512_load_si512(tiles.get_unchecked(step).0.as_ptr().cast::<__m512i>().add(pair));
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let a = terms.add(i * a.row + 2 * pair).cast::<i32>().read_unaligned();
                        let a = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(a));
                        for (sum, column) in sums.iter_mut().zip(columns) {
                            *sum = _mm512_dpbf16_ps(*sum, a, std::mem::transmute::<__m512i, __m512bh>(column));
                        }
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (column, sum) in sums.into_iter().enumerate() {
                    _mm512_storeu_ps(to.first.add((first + i) * to.stride + column * TILE), sum);
                }
            }
        }
    }
}

/// 16 numbers from a place on.
///
/// # Safety
/// AVX-512; they are there.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn wide(from: *const bf16) -> __m512 {
    // SAFETY: the caller's promise.
    let narrow = unsafe { _mm256_loadu_si256(from.cast()) };
    _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16))
}

/// Asks for a row that comes later, whole: heads share it.
#[inline(always)]
fn ask_ahead(of: Strided<'_>, row: usize) {
    /// Rows that are read while one comes from memory.
    const AHEAD: usize = 12;
    if of.is_far {
        ask_for(of.numbers.as_ptr().wrapping_add((row + AHEAD) * of.stride), of.stride * size_of::<bf16>());
    }
}

/// Dot products of `R` queries with every row, `scores [R, rows]`.
///
/// # Safety
/// AVX-512; `dim` is whole vectors of 16.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn dots<const R: usize>(queries: &[f32], with: Strided<'_>, scores: &mut [f32]) {
    let Strided { numbers, stride, rows, dim, .. } = with;
    assert!(queries.len() == R * dim && scores.len() == R * rows && numbers.len() >= (rows - 1) * stride + dim);
    for row in 0..rows {
        ask_ahead(with, row);
        let mut sums = [_mm512_setzero_ps(); R];
        for place in (0..dim).step_by(16) {
            // SAFETY: the lengths were looked at.
            unsafe {
                let row = wide(numbers.as_ptr().add(row * stride + place));
                for (query, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(row, _mm512_loadu_ps(queries.as_ptr().add(query * dim + place)), *sum);
                }
            }
        }
        for (query, sum) in sums.into_iter().enumerate() {
            scores[query * rows + row] = _mm512_reduce_add_ps(sum);
        }
    }
}

/// `R` sums of the rows by weights `[R, rows]`, `out [R, dim]`.
///
/// # Safety
/// AVX-512; `dim` is whole vectors of 16.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn weighted_sums<const R: usize>(weights: &[f32], of: Strided<'_>, out: &mut [f32]) {
    // So many vectors side by side: one addition need not wait for another, and the sums fit the registers.
    const WIDE: usize = 4;
    let Strided { numbers, stride, rows, dim, .. } = of;
    assert!(weights.len() == R * rows && out.len() == R * dim && numbers.len() >= (rows - 1) * stride + dim);
    let mut place = 0;
    while place < dim {
        let vectors = WIDE.min((dim - place) / 16);
        let mut sums = [[_mm512_setzero_ps(); WIDE]; R];
        for row in 0..rows {
            if place == 0 {
                ask_ahead(of, row);
            }
            for vector in 0..WIDE {
                // Where fewer are left, the last is made again.
                let here = place + 16 * vector.min(vectors - 1);
                // SAFETY: the lengths were looked at.
                unsafe {
                    let values = wide(numbers.as_ptr().add(row * stride + here));
                    for (query, sums) in sums.iter_mut().enumerate() {
                        let weight = _mm512_set1_ps(*weights.get_unchecked(query * rows + row));
                        sums[vector] = _mm512_fmadd_ps(weight, values, sums[vector]);
                    }
                }
            }
        }
        for (query, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().take(vectors).enumerate() {
                // SAFETY: the lengths were looked at.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(query * dim + place + 16 * vector), sum) };
            }
        }
        place += 16 * vectors;
    }
}

/// Takes the numbers of both halves in turns.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn by_turns(halves: __m512i) -> __m512i {
    const TURNS: [u16; STEP] = {
        let mut turns = [0; STEP];
        let mut i = 0;
        while i < STEP {
            turns[i] = (i / 2 + i % 2 * TILE) as u16;
            i += 1;
        }
        turns
    };
    // SAFETY: there are 32 of them.
    let turns = unsafe { _mm512_loadu_si512(TURNS.as_ptr().cast()) };
    _mm512_permutexvar_epi16(turns, halves)
}

/// Takes 16 numbers of each of two rows in turns.
///
/// # Safety
/// AVX-512 BW; both rows have 16 numbers, and `into` has room for 32.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn interleave(first: &[bf16; TILE], second: &[bf16; TILE], into: &mut [bf16]) {
    debug_assert_eq!(into.len(), STEP);
    // SAFETY: the caller's promise.
    unsafe {
        let first = _mm512_castsi256_si512(_mm256_loadu_si256(first.as_ptr().cast()));
        let both = _mm512_inserti64x4::<1>(first, _mm256_loadu_si256(second.as_ptr().cast()));
        _mm512_storeu_si512(into.as_mut_ptr().cast(), by_turns(both));
    }
}

/// Turns 16 rows of 16 pairs into 16 rows of pairs.
///
/// # Safety
/// AVX-512; every row has 32 numbers.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose(rows: [&[bf16]; TILE], tile: &mut Tile<bf16>) {
    // SAFETY: the caller's promise, and a tile is 16 rows of 64 bytes.
    unsafe {
        let turned = turned(std::array::from_fn(|i| _mm512_loadu_si512(rows[i].as_ptr().cast())));
        let out = tile.0.as_mut_ptr().cast::<__m512i>();
        turned.into_iter().enumerate().for_each(|(i, row)| _mm512_store_si512(out.add(i), row));
    }
}

/// Turns 16 rows of 32 numbers into 32 rows.
///
/// # Safety
/// AVX-512; every row has 32 numbers.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose_wide(rows: [&[f32]; TILE], tile: &mut Tile<f32>) {
    for first in [0, TILE] {
        // SAFETY: the caller's promise, and a tile is 32 rows of 64 bytes.
        unsafe {
            let turned = turned(std::array::from_fn(|i| _mm512_loadu_si512(rows[i].as_ptr().add(first).cast())));
            let out = tile.0.as_mut_ptr().cast::<__m512i>().add(first);
            turned.into_iter().enumerate().for_each(|(i, row)| _mm512_store_si512(out.add(i), row));
        }
    }
}

/// # Safety
/// AVX-512; the rest as `Engine::add_turned` asks.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn add_turned(block: &[f32; BLOCK * BLOCK], factors: &[f32; BLOCK], rows: usize, to: Block) {
    for (column, first) in (0..BLOCK).step_by(TILE).flat_map(|c| (0..rows).step_by(TILE).map(move |r| (c, r))) {
        // SAFETY: the block is 32 x 32, there are 32 factors, and `to` has that many rows of 32.
        unsafe {
            let from = block.as_ptr().add(column * BLOCK + first);
            let factors = _mm512_loadu_ps(factors.as_ptr().add(column));
            let turned = turned(std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * BLOCK).cast())));
            for (i, sums) in turned.into_iter().enumerate().take(rows - first) {
                let place = to.first.add((first + i) * to.stride + column);
                _mm512_storeu_ps(place, _mm512_fmadd_ps(_mm512_castsi512_ps(sums), factors, _mm512_loadu_ps(place)));
            }
        }
    }
}

/// 2^x within some millionths.
#[target_feature(enable = "avx512f")]
fn power_of_2(x: __m512) -> __m512 {
    // 2^f by Taylor for |f| <= 1/2: (ln 2)^k / k!.
    const TERMS: [f32; 5] = [0.001_333_36, 0.009_618_13, 0.055_504_11, 0.240_226_5, std::f32::consts::LN_2];
    let all = |value| _mm512_set1_ps(value);
    // Beyond these bounds a sum of f32 does not change, and no power is infinite. Both instructions give their second operand where one is NaN,
    // so that NaN stays NaN.
    let x = _mm512_max_ps(all(-120.0), _mm512_min_ps(all(120.0), x));
    let whole = _mm512_roundscale_ps::<0>(x);
    let part = _mm512_sub_ps(x, whole);
    let series = TERMS[1..].iter().fold(all(TERMS[0]), |sum, term| _mm512_fmadd_ps(sum, part, all(*term)));
    _mm512_scalef_ps(_mm512_fmadd_ps(series, part, all(1.0)), whole)
}

/// Turns scores into `exp(scale · (score - max))`; gives their sum.
///
/// # Safety
/// AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn exponentials(scores: &mut [f32], scale: f32) -> f32 {
    let n = scores.len();
    let there = |place: usize| u16::MAX >> (TILE - TILE.min(n - place));
    let mut top = _mm512_set1_ps(f32::NEG_INFINITY);
    for place in (0..n).step_by(TILE) {
        // SAFETY: the mask keeps to the numbers that there are.
        let some = unsafe { _mm512_maskz_loadu_ps(there(place), &scores[place]) };
        top = _mm512_mask_max_ps(top, there(place), top, some);
    }
    let top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    let factor = _mm512_set1_ps(scale * std::f32::consts::LOG2_E);
    let mut sum = _mm512_setzero_ps();
    for place in (0..n).step_by(TILE) {
        // SAFETY: as above.
        let some = unsafe { _mm512_maskz_loadu_ps(there(place), &scores[place]) };
        let power = power_of_2(_mm512_mul_ps(_mm512_sub_ps(some, top), factor));
        sum = _mm512_mask_add_ps(sum, there(place), sum, power);
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_ps(&mut scores[place], there(place), power) };
    }
    _mm512_reduce_add_ps(sum)
}

/// `silu(gate) · up` but for some hundred-thousandths.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn gated(gate: __m512, up: __m512) -> __m512 {
    // 2^f for 0 <= f < 1, with the least relative error that this degree has: 3 millionths.
    const TERMS: [f32; 5] = [0.013_534_17, 0.052_011_46, 0.241_442_75, 0.693_003_84, 1.000_002_6];
    let all = |value| _mm512_set1_ps(value);
    let exponent = _mm512_mul_ps(gate, all(-std::f32::consts::LOG2_E));
    // What is above the next whole number below; `scalef` takes that number itself. Of an infinite exponent it is 0.
    let part = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(exponent);
    let series = TERMS[1..].iter().fold(all(TERMS[0]), |sum, term| _mm512_fmadd_ps(sum, part, all(*term)));
    let divisor = _mm512_add_ps(_mm512_scalef_ps(series, exponent), all(1.0));
    _mm512_mul_ps(_mm512_mul_ps(gate, _mm512_rcp14_ps(divisor)), up)
}

/// `silu` of a block's first 16 rows times its other 16, rounded, as terms from an even one on into a pair of tiles of columns.
///
/// # Safety
/// AVX-512 BF16, BW and DQ; there are two tiles, nothing else touches the terms, and 16 of them are there.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(super) unsafe fn put_gated_terms(block: &[f32; BLOCK * BLOCK], tiles: [*mut Tile<bf16>; 2], term: usize) {
    let (gate, up) = block.split_at(TILE * BLOCK);
    // SAFETY: 16 numbers are there in each row from either column on; the rest is the caller's promise.
    unsafe {
        let of = |row: usize, column: usize| {
            let place = row * BLOCK + column;
            gated(_mm512_loadu_ps(&gate[place]), _mm512_loadu_ps(&up[place]))
        };
        for (tile, column) in tiles.into_iter().zip([0, TILE]) {
            for pair in 0..TILE / 2 {
                let both = _mm512_cvtne2ps_pbh(of(2 * pair + 1, column), of(2 * pair, column));
                let place = tile.cast::<u16>().add((term / 2 + pair) * STEP);
                _mm512_storeu_si512(place.cast(), by_turns(std::mem::transmute::<__m512bh, __m512i>(both)));
            }
        }
    }
}

/// `silu` of a block's first 16 columns times its other 16, rounded, into the rows of a pair of tiles from a column on.
///
/// # Safety
/// AVX-512 BF16 and DQ; there are two tiles, nothing else touches the columns, and 16 of them are there.
#[target_feature(enable = "avx512f,avx512dq,avx512bf16")]
pub(super) unsafe fn put_gated_columns(block: &[f32; BLOCK * BLOCK], tiles: [*mut Tile<bf16>; 2], column: usize) {
    for (row, numbers) in block.chunks_exact(BLOCK).enumerate() {
        // SAFETY: a row of the block has 32 numbers; the rest is the caller's promise.
        unsafe {
            let gated = gated(_mm512_loadu_ps(&numbers[0]), _mm512_loadu_ps(&numbers[TILE]));
            let narrow = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(gated));
            let place = tiles[row / TILE].cast::<u16>().add(row % TILE * STEP + column);
            _mm256_storeu_si256(place.cast(), narrow);
        }
    }
}

/// The transpose of 16 rows of 16 units of 32 bits.
#[target_feature(enable = "avx512f")]
fn turned(r: [__m512i; TILE]) -> [__m512i; TILE] {
    // Units, then pairs of units, then lanes of 128 bits change places.
    let t: [__m512i; TILE] = std::array::from_fn(|i| match i % 2 {
        0 => _mm512_unpacklo_epi32(r[i], r[i + 1]),
        _ => _mm512_unpackhi_epi32(r[i - 1], r[i]),
    });
    let u: [__m512i; TILE] = std::array::from_fn(|i| {
        let (base, j) = (i / 4 * 4, i % 4);
        let (first, second) = (t[base + j / 2], t[base + j / 2 + 2]);
        if j % 2 == 0 { _mm512_unpacklo_epi64(first, second) } else { _mm512_unpackhi_epi64(first, second) }
    });
    // u[4g + j], lane l: column 4l + j of the rows 4g..4g + 4.
    std::array::from_fn(|i| {
        let (lane, j) = (i / 4, i % 4);
        let pick = |a, b| match lane % 2 {
            0 => _mm512_shuffle_i32x4::<0x88>(a, b),
            _ => _mm512_shuffle_i32x4::<0xdd>(a, b),
        };
        let (upper, lower) = (pick(u[j], u[4 + j]), pick(u[8 + j], u[12 + j]));
        match lane / 2 {
            0 => _mm512_shuffle_i32x4::<0x88>(upper, lower),
            _ => _mm512_shuffle_i32x4::<0xdd>(upper, lower),
        }
    })
}
