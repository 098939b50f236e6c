//! The innermost loops: sums of products for a tile of pixels and channels, one way for each kind of
//! processor.
//!
//! All give the same sums, up to rounding. They are the only unsafe code of this crate but for two calls to the
//! system, about memory.
//!
//! Those of vectors take [`Tiles`]. What makes them safe is checked once, when a convolution is made and
//! when it is run ([`convolution`](crate::convolution)): that every offset of every pixel and run lies in
//! the buffer that it is used with. The one of tiles takes a [`Panel`], and sees itself that it fits.

#![allow(unsafe_code, reason = "the kernels take pointers")]
#![allow(
    clippy::cast_ptr_alignment,
    reason = "what may not be aligned is read so"
)]
#![allow(clippy::needless_range_loop, reason = "registers are numbered")]

pub(crate) mod aligned;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod emulated;
pub(crate) mod epilogue;
mod portable;
pub(crate) mod tile;

use std::fmt;

use epilogue::{Finish, Finished};

/// The numbers that a kernel multiplies. It always adds in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// 32 bits.
    F32,
    /// 16 bits, in pairs: eight bits of exponent as in f32, and seven of fraction.
    Bf16,
}

impl Number {
    /// How many of them a unit of 4 bytes holds.
    pub(crate) const fn per_unit(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
        }
    }

    /// The bytes of one.
    pub(crate) const fn bytes(self) -> usize {
        4 / self.per_unit()
    }
}

/// A way to compute, for one kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Tiles of bf16, multiplied as matrices.
    AmxBf16,
    /// 512-bit vectors and their dot products of bf16.
    Avx512Bf16,
    /// 512-bit vectors.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Whatever the compiler makes of plain loops.
    Portable,
}

impl Kernel {
    /// All of them, the fastest first.
    pub const ALL: [Self; 5] = [
        Self::AmxBf16,
        Self::Avx512Bf16,
        Self::Avx512,
        Self::Avx2,
        Self::Portable,
    ];

    /// Whether this processor can run it, and the system lets it.
    pub fn is_supported(self) -> bool {
        match self {
            // This crate's own tests emulate it.
            Self::AmxBf16 => cfg!(test) || has_tiles(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => {
                Self::Avx512.is_supported() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The fastest that this processor can run; `exact` leaves out those of less than f32.
    pub fn fastest(exact: bool) -> Self {
        let is_supported = |kernel: &Self| kernel.is_supported();
        Self::choose(exact, is_of_intel(), is_supported)
    }

    fn choose(exact: bool, is_of_intel: bool, is_supported: impl Fn(&Self) -> bool) -> Self {
        Self::ALL
            .into_iter()
            .filter(|kernel| !exact || kernel.number() == Number::F32)
            .filter(|kernel| *kernel != Self::Avx512Bf16 || !is_of_intel)
            .find(is_supported)
            .unwrap_or(Self::Portable)
    }

    /// What it multiplies.
    pub const fn number(self) -> Number {
        match self {
            Self::AmxBf16 | Self::Avx512Bf16 => Number::Bf16,
            Self::Avx512 | Self::Avx2 | Self::Portable => Number::F32,
        }
    }

    /// How many pixels it computes at once.
    pub(crate) const fn rows(self) -> usize {
        match self {
            Self::AmxBf16 => tile::ROWS,
            Self::Avx512Bf16 | Self::Avx512 => 8,
            Self::Avx2 => 6,
            Self::Portable => 4,
        }
    }

    /// How many output channels it computes at once.
    pub(crate) const fn columns(self) -> usize {
        match self {
            Self::AmxBf16 => tile::COLUMNS,
            Self::Avx512Bf16 | Self::Avx512 => 48,
            Self::Avx2 => 16,
            Self::Portable => 8,
        }
    }

    /// How many units of input it multiplies at once.
    pub(crate) const fn depth(self) -> usize {
        match self {
            Self::AmxBf16 => tile::DEPTH,
            _ => 1,
        }
    }

    /// It can also compute fewer channels than its columns: any multiple of these.
    pub(crate) const fn lanes(self) -> usize {
        match self {
            Self::AmxBf16 => tile::COLUMNS,
            Self::Avx512Bf16 | Self::Avx512 => 16,
            Self::Avx2 | Self::Portable => 8,
        }
    }

    /// Brings sums to where they belong.
    pub(crate) fn finish(self, sums: &mut Finished<'_>, finish: &mut Finish<'_>) {
        assert!(self.is_supported());
        match self {
            // SAFETY: the processor has these features; one with tiles that are not emulated has bf16.
            #[cfg(target_arch = "x86_64")]
            Self::AmxBf16 | Self::Avx512Bf16 if Self::Avx512Bf16.is_supported() => unsafe {
                avx512::finish_bf16(sums, finish);
            },
            // SAFETY: the processor has these features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::finish(sums, finish) },
            // SAFETY: the processor has these features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::finish(sums, finish) },
            _ => sums.deliver(finish),
        }
    }

    /// Computes some tiles, by a kernel that has vectors.
    ///
    /// # Safety
    ///
    /// The processor supports this kernel. For each pixel and each run, the bytes from
    /// `input + pixel + run.offset` on, 4 for each unit of the run, can be read. `columns` is a multiple of
    /// [`lanes`](Self::lanes) and at most [`columns`](Self::columns); `weights` has as many units for each unit
    /// of each run; and `sums` has pixels times columns values that can be read and written. Pixels that
    /// don't fill a tile of [`rows`](Self::rows) are left out.
    #[inline]
    pub(crate) unsafe fn run(self, tiles: &Tiles<'_>) {
        // SAFETY: the same conditions, which the caller has met.
        unsafe {
            match (self, tiles.columns / self.lanes()) {
                (Self::AmxBf16, _) => unreachable!("it computes panels"),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 1) => avx512::bf16::<1>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 2) => avx512::bf16::<2>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, _) => avx512::bf16::<3>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 1) => avx512::f32::<1>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 2) => avx512::f32::<2>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, _) => avx512::f32::<3>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, 1) => avx2::f32::<1>(tiles),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, _) => avx2::f32::<2>(tiles),
                _ => portable::f32(tiles),
            }
        }
    }
}

/// Has the processor bring numbers into its second-level cache.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "an instruction of the innermost loops"
)]
fn prefetch(numbers: &[f32]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for line in numbers.chunks(LINE) {
        // SAFETY: every x86-64 processor has this instruction, which changes nothing but the cache.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

/// Cache lines to be fetched while tiles are computed: some for each tile, one a unit. All at once they would
/// wait for each other, and what is computed for them.
#[cfg(target_arch = "x86_64")]
struct Fetch<'a> {
    lines: std::slice::Iter<'a, [f32; LINE]>,
}

/// How many f32 a cache line holds.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 16;

#[cfg(target_arch = "x86_64")]
impl<'a> Fetch<'a> {
    /// Those for one of so many tiles.
    fn new(next: &'a [f32], tile: usize, tiles: usize) -> Self {
        let (lines, _) = next.as_chunks::<LINE>();
        let part = |number: usize| lines.len() * number / tiles;
        Self {
            lines: lines[part(tile)..part(tile + 1)].iter(),
        }
    }

    /// Has the processor bring all lines into its second-level cache.
    fn all(self) {
        self.lines.for_each(|line| prefetch(line));
    }

    /// Has the processor bring the next line into its second-level cache, if there is one.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as above")]
    fn one(&mut self) {
        if let Some(line) = self.lines.next() {
            prefetch(line);
        }
    }
}

/// Whether the processor is one of Intel's: where those have no tiles, or a system keeps them back, their
/// vectors of bf16 are a third slower than those of f32 (AMD's are almost twice as fast).
fn is_of_intel() -> bool {
    #[cfg(target_arch = "x86_64")]
    return {
        let name = std::arch::x86_64::__cpuid(0);
        [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes) == [*b"Genu", *b"ineI", *b"ntel"]
    };
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether [`Kernel::AmxBf16`] is really there.
pub(crate) fn has_tiles() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Kernel::Avx512Bf16.is_supported() && amx::is_granted();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::AmxBf16 => "AMX with bf16",
            Self::Avx512Bf16 => "AVX-512 with bf16",
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        })
    }
}

/// Inputs that lie one after the other: a row of the kernel's window, or a part of it.
///
/// Its fields are in this order, in which a kernel in machine code reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Run {
    /// Where it begins, in bytes from where the pixel's window begins.
    pub(crate) offset: usize,
    /// Its length in units of 4 bytes.
    pub(crate) units: usize,
}

/// What a kernel of vectors is to compute: for each pixel and channel, the sum of input times weight over
/// all runs.
#[derive(Debug)]
pub(crate) struct Tiles<'a> {
    /// The input's first byte.
    pub(crate) input: *const u8,
    /// Where each pixel's window begins, in bytes.
    pub(crate) pixels: &'a [usize],
    /// What to sum over.
    pub(crate) runs: &'a [Run],
    /// For each unit of each run, a unit for each channel.
    pub(crate) weights: *const f32,
    /// How many channels.
    pub(crate) columns: usize,
    /// Weights that are wanted next: they are fetched meanwhile, a cache line a unit.
    pub(crate) next: &'a [f32],
    /// Where the sums go, `[pixels][columns]`.
    pub(crate) sums: *mut f32,
    /// Whether to add to what is there.
    pub(crate) adds: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_chosen_where_it_is_faster() {
        let chosen = |exact, is_of_intel, missing: &[Kernel]| {
            Kernel::choose(exact, is_of_intel, |kernel| !missing.contains(kernel))
        };
        for is_of_intel in [false, true] {
            assert_eq!(chosen(false, is_of_intel, &[]), Kernel::AmxBf16);
            assert_eq!(chosen(true, is_of_intel, &[]), Kernel::Avx512);
        }
        let no_tiles = [Kernel::AmxBf16];
        assert_eq!(chosen(false, false, &no_tiles), Kernel::Avx512Bf16);
        assert_eq!(chosen(false, true, &no_tiles), Kernel::Avx512);
        assert_eq!(chosen(false, true, &Kernel::ALL), Kernel::Portable);
    }
}
