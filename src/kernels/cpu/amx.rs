//! Products of bf16 in the tiles of Intel's AMX.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

use half::bf16;

use super::tiles::{Begin, Block, Rows, Tile};

/// Whether there are tiles of bf16 and the system lets this process use them.
pub(super) fn has_amx() -> bool {
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

/// Asks for the 16 rows of a tile at a place, which is moved behind them, with a distance and three times it from row to row.
macro_rules! prefetch_rows {
    ($place:literal, $row:literal, $three:literal) => {
        concat!(
            prefetch_rows!(4 $place, $row, $three),
            prefetch_rows!(4 $place, $row, $three),
            prefetch_rows!(4 $place, $row, $three),
            prefetch_rows!(4 $place, $row, $three),
        )
    };
    (4 $place:literal, $row:literal, $three:literal) => {
        concat!(
            "prefetcht0 [", $place, "]\n",
            "prefetcht0 [", $place, "+", $row, "]\n",
            "prefetcht0 [", $place, "+", $row, "*2]\n",
            "prefetcht0 [", $place, "+", $three, "]\n",
            "lea ", $place, ", [", $place, "+", $row, "*4]\n",
        )
    };
}

/// Sets up the tiles of this thread.
///
/// # Safety
/// [`has_amx`].
pub(super) unsafe fn open_tiles() {
    // SAFETY: the caller's promise.
    unsafe { asm!("ldtilecfg [{0}]", in(reg) &CONFIGURATION, options(nostack, readonly, preserves_flags)) };
}

/// Gives them back: what is in use has to be saved where threads change places.
///
/// # Safety
/// [`has_amx`].
pub(super) unsafe fn release_tiles() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// # Safety
/// [`open_tiles`]; `to` is a block of 32 rows of 32 numbers that no other thread touches, `begin` one that may be read.
pub(super) unsafe fn add_products(a: Rows<bf16>, b: [&[Tile<bf16>]; 2], begin: Begin, to: Block) {
    // While four tiles are multiplied, the next two of `a` come into the first cache: a tile register cannot be loaded before its last product
    // is begun, which hides too little of the way from the second one. Those of `b`, a panel, are near.
    // SAFETY: `a` has 32 terms for each of `b`'s tiles of 1024 bytes, and a prefetch touches nothing; the rest is the caller's promise.
    unsafe {
        asm!(
            "mov {t}, {from_stride}",
            "shl {t}, 4",
            "add {t}, {from}",
            "tileloadd tmm0, [{from}+{from_stride}*1]",
            "tileloadd tmm1, [{from}+{from_stride}*1+64]",
            "tileloadd tmm2, [{t}+{from_stride}*1]",
            "tileloadd tmm3, [{t}+{from_stride}*1+64]",
            // From here on `from` is the place of a prefetch and `from_stride` three rows.
            "lea {from_stride}, [{row}+{row}*2]",
            "mov {t}, 64",
            "2:",
            "tileloadd tmm4, [{a0}+{row}*1]",
            "add {a0}, {step}",
            "mov {from}, {a0}",
            prefetch_rows!("{from}", "{row}", "{from_stride}"),
            "tileloadd tmm6, [{b0}+{t}*1]",
            "add {b0}, 1024",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1}+{t}*1]",
            "add {b1}, 1024",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1}+{row}*1]",
            "add {a1}, {step}",
            "mov {from}, {a1}",
            prefetch_rows!("{from}", "{row}", "{from_stride}"),
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {steps}",
            "jnz 2b",
            "mov {t}, {stride}",
            "shl {t}, 4",
            "add {t}, {to}",
            "tilestored [{to}+{stride}*1], tmm0",
            "tilestored [{to}+{stride}*1+64], tmm1",
            "tilestored [{t}+{stride}*1], tmm2",
            "tilestored [{t}+{stride}*1+64], tmm3",
            t = out(reg) _,
            from = inout(reg) begin.first => _,
            from_stride = inout(reg) begin.stride * size_of::<f32>() => _,
            to = in(reg) to.first,
            stride = in(reg) to.stride * size_of::<f32>(),
            a0 = inout(reg) a.first[0] => _,
            a1 = inout(reg) a.first[1] => _,
            row = in(reg) a.row * size_of::<bf16>(),
            step = in(reg) a.step * size_of::<bf16>(),
            b0 = inout(reg) b[0].as_ptr() => _,
            b1 = inout(reg) b[1].as_ptr() => _,
            steps = inout(reg) b[0].len() => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
