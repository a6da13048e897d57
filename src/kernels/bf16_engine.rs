//! What a processor offers for products of bf16, picked at run time: tiles of Intel's AMX, dot products of pairs of
//! AVX-512 BF16, or neither.
//!
//! All of them sum `out [32, 32] += Σ a · b` over tiles. A tile of `a` is 16 rows of 32 terms; a tile of `b` has a row for
//! each pair of terms, and in it that pair for each of 16 columns ("VNNI", Intel SDM volume 2, TDPBF16PS).

use std::sync::OnceLock;

use half::bf16;

/// Rows of a tile of `a`, columns of one of `b`.
pub(super) const TILE: usize = 16;
/// Rows and columns of a block of the result: two tiles.
pub(super) const BLOCK: usize = 2 * TILE;
/// Terms of the sum in a tile.
pub(super) const STEP: usize = 32;
/// Pairs of terms in a tile.
pub(super) const PAIRS: usize = STEP / 2;

/// 512 numbers of bf16 on cache lines of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile(pub [u16; TILE * STEP]);

impl Tile {
    pub const ZERO: Self = Self([0; TILE * STEP]);
}

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
        if std::is_x86_feature_detected!("avx512bf16") && std::is_x86_feature_detected!("avx512bw") {
            all.insert(0, Self::Avx512);
            if x86::has_amx() {
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

    /// Writes what `begin` holds plus the sum of the products into the first `size` (rows, columns) of a 32 x 32 block.
    ///
    /// # Safety
    /// `to` is a block of at least that size that no other thread touches, and `begin` one of that size that may be read; what
    /// `a` points to is live; this engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn add_product(self, a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block, size: (usize, usize)) {
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

    /// Adds the transpose of the first `rows` columns of a block of 32 x 32, each of whose rows counts by its factor: `to` is
    /// that many rows of 32.
    ///
    /// # Safety
    /// Nothing else touches `to`; this engine is one of [`Engine::all`] and not [`Engine::Plain`].
    pub unsafe fn add_turned(self, block: &[f32; BLOCK * BLOCK], factors: &[f32; BLOCK], rows: usize, to: Block) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512; the rest is the caller's promise.
        unsafe {
            x86::add_turned(block, factors, rows, to)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 there are no blocks: {}", block.len() + factors.len() + rows + to.stride)
    }

    /// The same, written over what is there and without factors.
    ///
    /// # Safety
    /// As [`Engine::add_turned`].
    pub unsafe fn put_turned(self, block: &[f32; BLOCK * BLOCK], rows: usize, to: Block) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both other engines have AVX-512; the rest is the caller's promise.
        unsafe {
            x86::put_turned(block, rows, to)
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("without products of bf16 there are no blocks: {}", block.len() + rows + to.stride)
    }

    /// `silu(gate) · up`, within some millionths: its result is rounded to bf16 next.
    pub fn gate(self, gate: &[f32; BLOCK * BLOCK], up: &[f32; BLOCK * BLOCK], out: &mut [f32; BLOCK * BLOCK]) {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Plain {
            // SAFETY: both other engines have AVX-512.
            return unsafe { x86::gate(gate, up, out) };
        }
        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
            *out = gate / (1.0 + (-gate).exp()) * up;
        }
    }

    unsafe fn add_whole(self, a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block) {
        debug_assert_eq!(b[0].len(), b[1].len());
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Amx => x86::add_by_amx(a, b, begin, to),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::add_by_dots(a, b, begin, to),
                Self::Plain => unreachable!("without products of bf16 there are no tiles"),
            }
        }
    }
}

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

/// 32 rows of bf16, as two tiles wide: where they lie.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// The first terms of rows 0 and 16.
    pub first: [*const u16; 2],
    /// From a row to the next, in numbers.
    pub row: usize,
    /// From 32 terms of a row to the next 32, in numbers.
    pub step: usize,
}

impl Rows {
    /// Those of two rows of tiles.
    pub fn of_tiles(upper: &[Tile], lower: &[Tile]) -> Self {
        Self { first: [upper.as_ptr().cast(), lower.as_ptr().cast()], row: STEP, step: TILE * STEP }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use half::bf16;

    use super::{BLOCK, Begin, Block, PAIRS, Rows, STEP, TILE, Tile};

    /// Whether there are tiles of bf16 and the system lets this process use them.
    pub fn has_amx() -> bool {
        #[cfg(target_os = "linux")]
        {
            const ARCH_PRCTL: i64 = 158;
            const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
            const XTILEDATA: i64 = 18;
            let features = __cpuid_count(7, 0).edx;
            let answer: i64;
            if features & (1 << 22) == 0 || features & (1 << 24) == 0 {
                return false;
            }
            // SAFETY: asks the kernel for leave to use the tile registers (Linux, Documentation/arch/x86/xstate.rst).
            unsafe {
                asm!("syscall", inlateout("rax") ARCH_PRCTL => answer, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XTILEDATA,
                     lateout("rcx") _, lateout("r11") _);
            }
            answer == 0
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Palette 1: eight tiles of 16 rows of 64 bytes (Intel SDM volume 1, section 18.2).
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    static CONFIGURATION: Configuration = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Configuration(bytes)
    };

    /// # Safety
    /// [`has_amx`]; `to` is a block of 32 rows of 32 numbers that no other thread touches, `begin` one that may be read.
    pub unsafe fn add_by_amx(a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block) {
        // SAFETY: `a` has 32 terms for each of `b`'s tiles of 1024 bytes; the rest is the caller's promise.
        unsafe {
            asm!(
                "ldtilecfg [{t}]",
                "mov {t}, {from_stride}",
                "shl {t}, 4",
                "add {t}, {from}",
                "tileloadd tmm0, [{from}+{from_stride}*1]",
                "tileloadd tmm1, [{from}+{from_stride}*1+64]",
                "tileloadd tmm2, [{t}+{from_stride}*1]",
                "tileloadd tmm3, [{t}+{from_stride}*1+64]",
                "mov {t}, 64",
                "2:",
                "tileloadd tmm4, [{a0}+{row}*1]",
                "tileloadd tmm6, [{b0}+{t}*1]",
                "tileloadd tmm7, [{b1}+{t}*1]",
                "tileloadd tmm5, [{a1}+{row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a0}, {step}",
                "add {a1}, {step}",
                "add {b0}, 1024",
                "add {b1}, 1024",
                "dec {steps}",
                "jnz 2b",
                "mov {t}, {stride}",
                "shl {t}, 4",
                "add {t}, {to}",
                "tilestored [{to}+{stride}*1], tmm0",
                "tilestored [{to}+{stride}*1+64], tmm1",
                "tilestored [{t}+{stride}*1], tmm2",
                "tilestored [{t}+{stride}*1+64], tmm3",
                "tilerelease",
                t = inout(reg) &CONFIGURATION => _,
                from = in(reg) begin.first,
                from_stride = in(reg) begin.stride * size_of::<f32>(),
                to = in(reg) to.first,
                stride = in(reg) to.stride * size_of::<f32>(),
                a0 = inout(reg) a.first[0] => _,
                a1 = inout(reg) a.first[1] => _,
                row = in(reg) a.row * size_of::<u16>(),
                step = in(reg) a.step * size_of::<u16>(),
                b0 = inout(reg) b[0].as_ptr() => _,
                b1 = inout(reg) b[1].as_ptr() => _,
                steps = inout(reg) b[0].len() => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// # Safety
    /// AVX-512 BF16; the blocks as in [`add_by_amx`].
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub unsafe fn add_by_dots(a: Rows, b: [&[Tile]; 2], begin: Begin, to: Block) {
        // So many rows by two tiles of columns: 16 sums, two columns and a broadcast fit the 32 registers.
        const ROWS: usize = 8;
        // SAFETY: the caller's promise; a tile of `b` has 16 rows of 64 bytes.
        unsafe {
            for first in (0..2 * TILE).step_by(ROWS) {
                let rows = a.first[first / TILE].add(first % TILE * a.row);
                let start = |i: usize, column: usize| begin.first.add((first + i) * begin.stride + column * TILE);
                let sum = |i: usize, column: usize| to.first.add((first + i) * to.stride + column * TILE);
                let mut sums: [[__m512; 2]; ROWS] =
                    std::array::from_fn(|i| [_mm512_loadu_ps(start(i, 0)), _mm512_loadu_ps(start(i, 1))]);
                for (step, (left, right)) in b[0].iter().zip(b[1]).enumerate() {
                    let terms = rows.add(step * a.step);
                    let (left, right) = (left.0.as_ptr().cast::<__m512i>(), right.0.as_ptr().cast::<__m512i>());
                    for pair in 0..PAIRS {
                        let pairs = |t: *const __m512i| {
                            std::mem::transmute::<__m512i, __m512bh>(_mm512_load_si512(t.add(pair)))
                        };
                        let (left, right) = (pairs(left), pairs(right));
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let a = terms.add(i * a.row + 2 * pair).cast::<i32>().read_unaligned();
                            let a = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(a));
                            sums[0] = _mm512_dpbf16_ps(sums[0], a, left);
                            sums[1] = _mm512_dpbf16_ps(sums[1], a, right);
                        }
                    }
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    _mm512_storeu_ps(sum(i, 0), sums[0]);
                    _mm512_storeu_ps(sum(i, 1), sums[1]);
                }
            }
        }
    }

    /// Takes 16 numbers of each of two rows in turns.
    ///
    /// # Safety
    /// AVX-512 BW; both rows have 16 numbers, and `into` has room for 32.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn interleave(first: &[bf16; TILE], second: &[bf16; TILE], into: &mut [u16]) {
        const TURNS: [u16; STEP] = {
            let mut turns = [0; STEP];
            let mut i = 0;
            while i < STEP {
                turns[i] = (i / 2 + i % 2 * TILE) as u16;
                i += 1;
            }
            turns
        };
        debug_assert_eq!(into.len(), STEP);
        // SAFETY: the caller's promise.
        unsafe {
            let first = _mm512_castsi256_si512(_mm256_loadu_si256(first.as_ptr().cast()));
            let both = _mm512_inserti64x4::<1>(first, _mm256_loadu_si256(second.as_ptr().cast()));
            let turns = _mm512_loadu_si512(TURNS.as_ptr().cast());
            _mm512_storeu_si512(into.as_mut_ptr().cast(), _mm512_permutexvar_epi16(turns, both));
        }
    }

    /// Turns 16 rows of 16 pairs into 16 rows of pairs.
    ///
    /// # Safety
    /// AVX-512; every row has 32 numbers.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose(rows: [&[bf16]; TILE], tile: &mut Tile) {
        // SAFETY: the caller's promise, and a tile is 16 rows of 64 bytes.
        unsafe {
            let turned = turned(std::array::from_fn(|i| _mm512_loadu_si512(rows[i].as_ptr().cast())));
            let out = tile.0.as_mut_ptr().cast::<__m512i>();
            turned.into_iter().enumerate().for_each(|(i, row)| _mm512_store_si512(out.add(i), row));
        }
    }

    /// # Safety
    /// AVX-512; the rest as [`super::Engine::add_turned`] asks.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn add_turned(block: &[f32; BLOCK * BLOCK], factors: &[f32; BLOCK], rows: usize, to: Block) {
        let add = |column: usize, sums: __m512, place: *mut f32| {
            // SAFETY: there are 32 factors, and the place is one of 16 numbers.
            unsafe {
                let factors = _mm512_loadu_ps(factors.as_ptr().add(column));
                _mm512_storeu_ps(place, _mm512_fmadd_ps(sums, factors, _mm512_loadu_ps(place)));
            }
        };
        // SAFETY: the caller's promise.
        unsafe { turn(block, rows, to, add) }
    }

    /// # Safety
    /// AVX-512; the rest as [`super::Engine::add_turned`] asks.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn put_turned(block: &[f32; BLOCK * BLOCK], rows: usize, to: Block) {
        // SAFETY: the caller's promise; a place is one of 16 numbers.
        unsafe { turn(block, rows, to, |_, sums, place| _mm512_storeu_ps(place, sums)) }
    }

    /// Gives every 16 numbers of the transpose's first rows to `put(column, numbers, place)`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn turn(block: &[f32; BLOCK * BLOCK], rows: usize, to: Block, put: impl Fn(usize, __m512, *mut f32)) {
        for (column, first) in (0..BLOCK).step_by(TILE).flat_map(|c| (0..rows).step_by(TILE).map(move |r| (c, r))) {
            // SAFETY: the block is 32 x 32, and `to` has that many rows of 32.
            unsafe {
                let from = block.as_ptr().add(column * BLOCK + first);
                let turned = turned(std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * BLOCK).cast())));
                for (i, sums) in turned.into_iter().enumerate().take(rows - first) {
                    put(column, _mm512_castsi512_ps(sums), to.first.add((first + i) * to.stride + column));
                }
            }
        }
    }

    /// # Safety
    /// AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn gate(gate: &[f32; BLOCK * BLOCK], up: &[f32; BLOCK * BLOCK], out: &mut [f32; BLOCK * BLOCK]) {
        // 2^f by Taylor for |f| <= 1/2: (ln 2)^k / k!.
        const TERMS: [f32; 5] = [0.001_333_36, 0.009_618_13, 0.055_504_11, 0.240_226_51, std::f32::consts::LN_2];
        let all = |value| _mm512_set1_ps(value);
        for place in (0..BLOCK * BLOCK).step_by(TILE) {
            // SAFETY: there are 16 numbers from here on in each.
            let (gate, up) = unsafe { (_mm512_loadu_ps(&gate[place]), _mm512_loadu_ps(&up[place])) };
            let power = _mm512_mul_ps(gate, all(-std::f32::consts::LOG2_E));
            // Far enough that nothing more would be seen, and no power is infinite.
            let power = _mm512_max_ps(_mm512_min_ps(power, all(120.0)), all(-120.0));
            let whole = _mm512_roundscale_ps::<0>(power);
            let part = _mm512_sub_ps(power, whole);
            let series = TERMS[1..].iter().fold(all(TERMS[0]), |sum, term| _mm512_fmadd_ps(sum, part, all(*term)));
            let series = _mm512_fmadd_ps(series, part, all(1.0));
            let divisor = _mm512_add_ps(_mm512_scalef_ps(series, whole), all(1.0));
            // A step of Newton's doubles the 14 bits of the estimate.
            let inverse = _mm512_rcp14_ps(divisor);
            let inverse = _mm512_mul_ps(inverse, _mm512_fnmadd_ps(divisor, inverse, all(2.0)));
            let gated = _mm512_mul_ps(_mm512_mul_ps(gate, inverse), up);
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(&mut out[place], gated) };
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
}
