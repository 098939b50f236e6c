//! AMX: the processor's own tiles, 8 registers of 1 KiB, of which 4 hold sums.
//!
//! Rust's functions for it are not stable yet, so its instructions are written as they are.

#![allow(unsafe_code, reason = "tile instructions")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::LazyLock;

use super::tile::{COLUMNS, DEPTH, Panel, ROWS, SIDE};
use super::{Run, prefetch};

/// Bytes from one unit of weights to the next, and from the sums of one pixel to those of the next.
const LINE: usize = 4 * COLUMNS;

/// How many weights that are wanted next a step fetches: four cache lines.
const FETCHED: usize = 64;

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

/// Makes the registers whole tiles.
///
/// # Panics
///
/// Panics if the processor has none.
pub(super) fn begin() {
    assert!(is_granted());
    // SAFETY: the tiles are granted. What is loaded are 64 bytes that describe them. The compiler uses no
    // tiles of its own: no function is compiled for them.
    unsafe {
        on_tiles!(
            "ldtilecfg [{palette}]",
            palette = in(reg) &raw const WHOLE_TILES,
        );
    }
}

/// Has the system no longer keep the tiles of this thread.
///
/// # Panics
///
/// Panics if the processor has none.
pub(super) fn end() {
    assert!(is_granted());
    // SAFETY: the tiles are granted.
    unsafe {
        on_tiles!("tilerelease",);
    }
}

/// Computes the sums of a panel.
///
/// # Safety
///
/// [`begin`] was called on this thread, and [`end`] not since.
///
/// # Panics
///
/// Panics if something that is read or written is not there.
pub(super) unsafe fn multiply(panel: &mut Panel<'_>) {
    panel.check();
    let pixels = SIDE * panel.tiles.len();
    // Of what is wanted next, each block fetches a piece, so many weights of it step by step.
    let spread = panel.weights.len() / (DEPTH * COLUMNS) * FETCHED;
    let next = &panel.next[..panel.next.len().min(panel.weights.len())];
    let piece = (next.len() * ROWS).div_ceil(pixels.max(1));
    let mut next = next.chunks(piece.max(1));
    let inputs = panel.inputs.as_ptr().cast::<u8>();
    let blocks = panel.sums.chunks_exact_mut(ROWS * COLUMNS);
    for (tiles, sums) in panel.tiles.chunks_exact(2).zip(blocks) {
        let next = next.next().unwrap_or_default();
        let (at_once, next) = next.split_at(next.len().saturating_sub(spread));
        prefetch(at_once);
        // SAFETY: `check` has seen that the inputs have all runs of all pixels of each tile, that the runs are
        // whole steps, and that there are weights for all of them. A block has `ROWS` pixels and their sums,
        // which nobody else uses meanwhile. The tiles are whole ones: the caller's promise.
        unsafe {
            block(
                [inputs.add(tiles[0]), inputs.add(tiles[1])],
                panel.stride,
                panel.runs,
                panel.weights.as_ptr(),
                next.as_ptr(),
                sums.as_mut_ptr(),
                panel.adds,
            );
        }
    }
}

/// Computes a block of sums: tiles 0 to 3, from pixels in 4 and 5 and weights in 6 and 7.
///
/// # Safety
///
/// All eight tiles are configured to be whole ones; there are runs, of whole steps; and these can be used: from
/// `upper` and `lower` on the runs of 16 pixels, one at every `stride` bytes; `COLUMNS` weights for each unit
/// of the runs; `ROWS` times `COLUMNS` sums.
#[inline]
unsafe fn block(
    [upper, lower]: [*const u8; 2],
    stride: usize,
    runs: &[Run],
    weights: *const f32,
    next: *const f32,
    sums: *mut f32,
    adds: bool,
) {
    // SAFETY: the caller's promise covers every address. The last step leaves pointers behind what they
    // point to, and nothing is read there.
    unsafe {
        on_tiles!(
            "test {steps}, {steps}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{sums} + {line}*1]",
            "tileloadd tmm1, [{sums} + {line}*1 + 64]",
            "tileloadd tmm2, [{sums} + {line}*1 + {lower_sums}]",
            "tileloadd tmm3, [{sums} + {line}*1 + {lower_right}]",
            // A run: where it begins, and its steps of 16 units.
            "3:",
            "mov {of_upper}, {upper}",
            "add {of_upper}, [{runs}]",
            "mov {of_lower}, {lower}",
            "add {of_lower}, [{runs}]",
            "mov {steps}, [{runs} + 8]",
            "shr {steps}, 4",
            // A step.
            "4:",
            "prefetcht1 [{next}]",
            "prefetcht1 [{next} + 64]",
            "tileloadd tmm4, [{of_upper} + {stride}*1]",
            "tileloadd tmm6, [{weights} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line}*1 + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "prefetcht1 [{next} + 128]",
            "prefetcht1 [{next} + 192]",
            "add {next}, 256",
            "tileloadd tmm5, [{of_lower} + {stride}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {of_upper}, 64",
            "add {of_lower}, 64",
            "add {weights}, {step}",
            "dec {steps}",
            "jnz 4b",
            "add {runs}, {run}",
            "cmp {runs}, {runs_end}",
            "jne 3b",
            "tilestored [{sums} + {line}*1], tmm0",
            "tilestored [{sums} + {line}*1 + 64], tmm1",
            "tilestored [{sums} + {line}*1 + {lower_sums}], tmm2",
            "tilestored [{sums} + {line}*1 + {lower_right}], tmm3",
            upper = in(reg) upper,
            lower = in(reg) lower,
            of_upper = out(reg) _,
            of_lower = out(reg) _,
            stride = in(reg) stride,
            runs = inout(reg) runs.as_ptr() => _,
            runs_end = in(reg) runs.as_ptr_range().end,
            run = const size_of::<Run>(),
            weights = inout(reg) weights => _,
            next = inout(reg) next => _,
            line = in(reg) LINE,
            step = const DEPTH * LINE,
            steps = inout(reg) u64::from(adds) => _,
            sums = in(reg) sums,
            lower_sums = const SIDE * LINE,
            lower_right = const SIDE * LINE + 64,
        );
    }
}
