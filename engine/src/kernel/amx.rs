//! AMX: the processor's own tiles, 8 registers of 1 KiB, of which 4 hold sums.
//!
//! Rust's functions for it are not stable yet, so its instructions are written as they are.

#![allow(unsafe_code, reason = "tile instructions")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::LazyLock;

use super::tiles::{COLUMNS, DEPTH, Panel, ROWS, SIDE};

/// Bytes from one unit of weights to the next, and from the sums of one pixel to those of the next.
const LINE: usize = 4 * COLUMNS;

/// Whether the processor has tiles of bf16, and the system lets this process use them: Linux does if it is
/// asked to, since they make a thread's state 8 KiB larger. It is asked once, the first time.
pub(super) fn is_granted() -> bool {
    static IS_GRANTED: LazyLock<bool> = LazyLock::new(|| is_built_in() && ask());
    *IS_GRANTED
}

/// Whether the processor has the instructions, and the system keeps their registers.
fn is_built_in() -> bool {
    const AMX_BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    const TILE_STATE: u64 = 1 << 17 | 1 << 18;
    /// # Safety
    ///
    /// The system has turned XSAVE on.
    #[target_feature(enable = "xsave")]
    unsafe fn kept() -> u64 {
        // SAFETY: the caller's promise; there always is a register 0.
        unsafe { _xgetbv(0) }
    }
    if !is_x86_feature_detected!("avx512f") || !is_x86_feature_detected!("xsave") {
        return false;
    }
    // SAFETY: a processor with AVX-512 has this page of CPUID, and where it was detected, XSAVE is on:
    // this is how the system says that it keeps the long vectors.
    unsafe {
        __cpuid_count(7, 0).edx & AMX_BF16_AND_TILES == AMX_BF16_AND_TILES
            && kept() & TILE_STATE == TILE_STATE
    }
}

/// Asks Linux for the permission to use tiles, which all threads of the process then have.
#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const XFEATURE_XTILEDATA: i64 = 18;
    let answer: i64;
    // SAFETY: this call reads and writes no memory of the process. The processor overwrites rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// Instructions that overwrite the tiles.
macro_rules! on_tiles {
    ($($part:tt)*) => {
        asm!(
            $($part)*
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// What each tile register is to hold.
#[repr(C)]
struct Palette {
    number: u8,
    first_row: u8,
    zeros: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight registers are whole tiles.
static WHOLE_TILES: Palette = Palette {
    number: 1,
    first_row: 0,
    zeros: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Computes the sums of a panel.
///
/// # Panics
///
/// Panics if the processor has no tiles, or the lengths don't fit each other.
pub(super) fn multiply(panel: &mut Panel<'_>) {
    assert!(is_granted());
    let steps = panel.steps();
    let stride = size_of::<u16>() * panel.stride;
    let weights = panel.weights.as_ptr();
    // SAFETY: the tiles are granted. What is loaded are 64 bytes that describe them. The compiler uses no
    // tiles of its own: no function is compiled for them.
    unsafe {
        on_tiles!(
            "ldtilecfg [{palette}]",
            palette = in(reg) &raw const WHOLE_TILES,
        );
    }
    let blocks = panel.sums.chunks_exact_mut(ROWS * COLUMNS);
    for (inputs, sums) in panel.inputs.chunks_exact(ROWS * panel.stride).zip(blocks) {
        let (inputs, sums) = (inputs.as_ptr().cast::<u8>(), sums.as_mut_ptr());
        // SAFETY: `steps` has seen that each pixel has 64 bytes for each step at least, within its stride,
        // and that there are `DEPTH` units of weights a step. A block has `ROWS` pixels and their
        // sums, which nobody else uses meanwhile. The tiles are whole ones.
        unsafe {
            block(inputs, stride, weights, steps, sums, panel.adds);
        }
    }
    // SAFETY: as above. The system then no longer keeps the tiles of this thread.
    unsafe {
        on_tiles!("tilerelease",);
    }
}

/// Computes a block of sums: tiles 0 to 3, from pixels in 4 and 5 and weights in 6 and 7.
///
/// # Safety
///
/// All eight tiles are configured to be whole ones, `steps` is not zero, and these can be used: `ROWS` times
/// `steps` times 64 bytes of inputs, at every `stride` bytes; `steps` times `DEPTH` times `COLUMNS` weights;
/// `ROWS` times `COLUMNS` sums.
#[inline]
unsafe fn block(
    inputs: *const u8,
    stride: usize,
    weights: *const f32,
    steps: usize,
    sums: *mut f32,
    adds: bool,
) {
    // SAFETY: the caller's promise covers every address. The last step leaves pointers behind what they
    // point to, and nothing is read there.
    unsafe {
        on_tiles!(
            "test {adds}, {adds}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{upper_sums} + {line}*1]",
            "tileloadd tmm1, [{upper_sums} + {line}*1 + 64]",
            "tileloadd tmm2, [{lower_sums} + {line}*1]",
            "tileloadd tmm3, [{lower_sums} + {line}*1 + 64]",
            // A step.
            "3:",
            "tileloadd tmm4, [{upper} + {stride}*1]",
            "tileloadd tmm6, [{weights} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line}*1 + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower} + {stride}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, 64",
            "add {lower}, 64",
            "add {weights}, {step}",
            "dec {steps}",
            "jnz 3b",
            "tilestored [{upper_sums} + {line}*1], tmm0",
            "tilestored [{upper_sums} + {line}*1 + 64], tmm1",
            "tilestored [{lower_sums} + {line}*1], tmm2",
            "tilestored [{lower_sums} + {line}*1 + 64], tmm3",
            upper = inout(reg) inputs => _,
            lower = inout(reg) inputs.add(SIDE * stride) => _,
            stride = in(reg) stride,
            weights = inout(reg) weights => _,
            line = in(reg) LINE,
            step = const DEPTH * LINE,
            steps = inout(reg) steps => _,
            upper_sums = in(reg) sums,
            lower_sums = in(reg) sums.add(SIDE * COLUMNS),
            adds = in(reg) u64::from(adds),
        );
    }
}
