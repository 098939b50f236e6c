//! The tile kernel for AMX: 8 registers of 1 KiB, of which 4 hold sums
//! ([`tile_registers`](super::tile_registers) has a picture).
//!
//! Rust's intrinsics for AMX are not stable yet, so the instructions are written in assembly.

#![allow(unsafe_code, reason = "tile instructions")]

use std::arch::asm;

use super::Unit;
use super::cpu::{has_amx, has_tiles};
use super::dtype::DType;
use super::gemm::{Segment, TileGemm};
use super::prefetch::prefetch;
use super::tile_registers::{K_STEP, MR, NR, SIDE};

/// Bytes from one unit of weights to the next, and from the sums of one pixel to those of the next: 128, two
/// tiles side by side.
const LINE: usize = size_of::<Unit>() * NR;

/// How many units of weights a step prefetches: four cache lines, as many as it reads.
const PREFETCHED: usize = 64;

/// Assembly that overwrites the tile registers.
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

/// The operand of LDTILECFG: the shape of each tile register (Intel's manual, volume 1, section 18.3).
#[repr(C)]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Palette 1 has eight registers; all are whole tiles of 16 rows of 64 bytes.
static WHOLE_TILES: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Configures this thread's registers as whole tiles.
///
/// # Panics
///
/// Panics if the process can't use tiles.
pub(super) fn configure() {
    assert!(has_tiles());
    // SAFETY: the process has the permission to use tiles. LDTILECFG reads the 64 bytes of `WHOLE_TILES`. The
    // compiler itself keeps nothing in tile registers: no function is compiled for AMX.
    unsafe {
        on_tiles!(
            "ldtilecfg [{config}]",
            config = in(reg) &raw const WHOLE_TILES,
        );
    }
}

/// Releases this thread's registers: the system need not save them any more.
///
/// # Panics
///
/// Panics if the process can't use tiles.
pub(super) fn release() {
    assert!(has_tiles());
    // SAFETY: the process has the permission to use tiles.
    unsafe {
        on_tiles!("tilerelease",);
    }
}

/// Computes a product.
///
/// # Safety
///
/// This thread has called [`configure`], and has not called [`release`] since.
///
/// # Panics
///
/// Panics if the lengths of the arguments don't fit each other, or if the processor doesn't multiply this type.
pub(super) unsafe fn multiply(gemm: &mut TileGemm<'_>) {
    let dtype = gemm.dtype();
    assert!(has_amx(dtype));
    // SAFETY: the processor multiplies this type. The rest is the caller's guarantee.
    unsafe {
        match dtype {
            DType::Int8 => multiply_blocks::<true>(gemm),
            _ => multiply_blocks::<false>(gemm),
        }
    }
}

/// Computes a product of bytes, or of bf16.
///
/// # Safety
///
/// As for [`multiply`]; and the processor multiplies what the inputs are, bytes if and only if `BYTES`.
unsafe fn multiply_blocks<const BYTES: bool>(gemm: &mut TileGemm<'_>) {
    gemm.check();
    let pixels = SIDE * gemm.tiles.len();
    // Each block of `MR` pixels prefetches its share of the next weights, step by step. What is more than its
    // steps can take is prefetched before them.
    let in_steps = gemm.weights.len() / (K_STEP * NR) * PREFETCHED;
    let next = &gemm.next[..gemm.next.len().min(gemm.weights.len())];
    let share = (next.len() * MR).div_ceil(pixels.max(1));
    let mut next = next.chunks(share.max(1));
    let inputs = gemm.inputs.as_ptr();
    let blocks = gemm.sums.chunks_exact_mut(MR * NR);
    for (tiles, sums) in gemm.tiles.chunks_exact(2).zip(blocks) {
        let next = next.next().unwrap_or_default();
        let (at_once, next) = next.split_at(next.len().saturating_sub(in_steps));
        prefetch(at_once);
        // SAFETY: the registers are configured, as the caller guarantees. `check` has made sure that the
        // inputs hold all segments of all 16 pixels of each tile, that there are segments, of whole steps,
        // and that there are `NR` weights for each of their units. `sums` is a block of `MR` x `NR` sums,
        // borrowed exclusively.
        unsafe {
            let block = if BYTES { block_of_bytes } else { block_of_bf16 };
            block(
                [inputs.add(tiles[0]), inputs.add(tiles[1])],
                gemm.stride,
                gemm.segments,
                gemm.weights.as_ptr(),
                next.as_ptr(),
                sums.as_mut_ptr(),
                gemm.accumulate,
            );
        }
    }
}

/// Defines a function that computes a block of sums, `MR` pixels by `NR` channels: sums in tiles 0 to 3, pixels in
/// 4 and 5, weights in 6 and 7. `$product` multiplies two tiles and adds to a third.
macro_rules! block {
    ($(#[$about:meta])* $name:ident, $product:literal) => {
        $(#[$about])*
        ///
        /// # Safety
        ///
        /// The processor has the instruction. All eight tile registers are configured as whole tiles. `segments` is not empty, and each is a positive
        /// multiple of `K_STEP` units long. These can be read: from `upper` and from `lower` on, the segments of 16
        /// pixels, one at every `stride` bytes; `NR` weights for each unit of the segments. `MR * NR` sums can be
        /// read and written. `next` may be any address: it is only prefetched.
        #[inline]
        unsafe fn $name(
            [upper, lower]: [*const u8; 2],
            stride: usize,
            segments: &[Segment],
            weights: *const Unit,
            next: *const Unit,
            sums: *mut f32,
            accumulate: bool,
        ) {
            // SAFETY: every load and store is of what the caller guarantees: tile loads of pixels at `upper/lower +
            // offset + 64 * step` (16 rows, `stride` apart) and of weights at `weights + 2048 * step` (16 rows, 128
            // bytes apart), and the sums' two by two tiles. After the last step the pointers are behind what they
            // point to, and nothing is read there. Declared as changed are all registers and flags that are changed.
            unsafe {
                on_tiles!(
                    // The sums begin with zero, or with what is there.
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
                    // A segment: where it begins in both tiles of pixels, and how many steps of 16 units it has.
                    "3:",
                    "mov {of_upper}, {upper}",
                    "add {of_upper}, [{segments}]",
                    "mov {of_lower}, {lower}",
                    "add {of_lower}, [{segments}]",
                    "mov {steps}, [{segments} + 8]",
                    "shr {steps}, 4",
                    // A step: four tile loads and four products, with four cache lines of the next weights prefetched
                    // between them. Each product waits for the previous one into the same sums; four sums in turn hide
                    // that latency.
                    "4:",
                    "prefetcht1 [{next}]",
                    "prefetcht1 [{next} + 64]",
                    "tileloadd tmm4, [{of_upper} + {stride}*1]",
                    "tileloadd tmm6, [{weights} + {line}*1]",
                    concat!($product, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{weights} + {line}*1 + 64]",
                    concat!($product, " tmm1, tmm4, tmm7"),
                    "prefetcht1 [{next} + 128]",
                    "prefetcht1 [{next} + 192]",
                    "add {next}, 256",
                    "tileloadd tmm5, [{of_lower} + {stride}*1]",
                    concat!($product, " tmm2, tmm5, tmm6"),
                    concat!($product, " tmm3, tmm5, tmm7"),
                    "add {of_upper}, 64",
                    "add {of_lower}, 64",
                    "add {weights}, {step}",
                    "dec {steps}",
                    "jnz 4b",
                    "add {segments}, {segment}",
                    "cmp {segments}, {segments_end}",
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
                    segments = inout(reg) segments.as_ptr() => _,
                    segments_end = in(reg) segments.as_ptr_range().end,
                    segment = const size_of::<Segment>(),
                    weights = inout(reg) weights => _,
                    next = inout(reg) next => _,
                    line = in(reg) LINE,
                    step = const K_STEP * LINE,
                    steps = inout(reg) u64::from(accumulate) => _,
                    sums = in(reg) sums,
                    lower_sums = const SIDE * LINE,
                    lower_right = const SIDE * LINE + 64,
                );
            }
        }
    };
}

block! {
    /// Computes a block of sums of bf16, in f32.
    block_of_bf16, "tdpbf16ps"
}

block! {
    /// Computes a block of sums of unsigned and signed bytes, in i32, which are f32 in name only.
    block_of_bytes, "tdpbusd"
}
