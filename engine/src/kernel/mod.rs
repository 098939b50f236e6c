//! The innermost loops: sums of products for a tile of pixels and channels, one way for each kind of
//! processor.
//!
//! All give the same sums, up to rounding. They are the only unsafe code of this crate.
//!
//! Those of vectors take a [`Tile`]. What makes them safe is checked once, when a convolution is made and
//! when it is run ([`convolution`](crate::convolution)): that every offset of every pixel and run lies in
//! the buffer that it is used with. The one of tiles takes a [`Panel`], and sees itself that it fits.

#![allow(unsafe_code, reason = "the kernels take pointers")]
#![allow(
    clippy::cast_ptr_alignment,
    reason = "what may not be aligned is read so"
)]
#![allow(clippy::needless_range_loop, reason = "registers are numbered")]

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod emulated;
mod portable;
pub(crate) mod tiles;

use std::fmt;

use crate::convolution::{Finish, Finished};
use tiles::Panel;

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
        Self::ALL
            .into_iter()
            .filter(|kernel| !exact || kernel.number() == Number::F32)
            .find(|kernel| kernel.is_supported())
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
            Self::AmxBf16 => tiles::ROWS,
            Self::Avx512Bf16 | Self::Avx512 => 8,
            Self::Avx2 => 6,
            Self::Portable => 4,
        }
    }

    /// How many output channels it computes at once.
    pub(crate) const fn columns(self) -> usize {
        match self {
            Self::AmxBf16 => tiles::COLUMNS,
            Self::Avx512Bf16 | Self::Avx512 => 48,
            Self::Avx2 => 16,
            Self::Portable => 8,
        }
    }

    /// How many units of input it multiplies at once.
    pub(crate) const fn depth(self) -> usize {
        match self {
            Self::AmxBf16 => tiles::DEPTH,
            _ => 1,
        }
    }

    /// It can also compute fewer channels than its columns: any multiple of these.
    pub(crate) const fn lanes(self) -> usize {
        match self {
            Self::AmxBf16 => tiles::COLUMNS,
            Self::Avx512Bf16 | Self::Avx512 => 16,
            Self::Avx2 | Self::Portable => 8,
        }
    }

    /// Brings sums to where they belong.
    pub(crate) fn finish(self, sums: &Finished<'_>, finish: &mut Finish<'_>) {
        assert!(self.is_supported());
        match self {
            // SAFETY: the processor has these features.
            #[cfg(target_arch = "x86_64")]
            Self::AmxBf16 | Self::Avx512Bf16 | Self::Avx512 if Self::Avx512.is_supported() => unsafe {
                avx512::finish(sums, finish);
            },
            // SAFETY: the processor has these features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::finish(sums, finish) },
            _ => sums.deliver(finish),
        }
    }

    /// Computes a panel, by the kernel that has tiles.
    ///
    /// # Panics
    ///
    /// Panics if the processor has none, or the panel's lengths don't fit each other.
    pub(crate) fn multiply(panel: &mut Panel<'_>) {
        #[cfg(target_arch = "x86_64")]
        if has_tiles() {
            return amx::multiply(panel);
        }
        #[cfg(test)]
        emulated::multiply(panel);
        #[cfg(not(test))]
        unreachable!("a panel of {} sums and no tiles", panel.sums.len());
    }

    /// Computes a tile, by a kernel that has vectors.
    ///
    /// # Safety
    ///
    /// The processor supports this kernel. For each of the first [`rows`](Self::rows) pixels and each
    /// run, the bytes from `input + pixel + run.offset` on, 4 for each unit of the run, can be read;
    /// `columns` is a multiple of [`lanes`](Self::lanes) and at most [`columns`](Self::columns); `weights` has
    /// as many units for each unit of each run; and `sums` has rows times columns values that can be read
    /// and written.
    #[inline]
    pub(crate) unsafe fn run(self, tile: &Tile<'_>) {
        // SAFETY: the same conditions, which the caller has met.
        unsafe {
            match (self, tile.columns / self.lanes()) {
                (Self::AmxBf16, _) => unreachable!("it computes panels"),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 1) => avx512::bf16::<1>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 2) => avx512::bf16::<2>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, _) => avx512::bf16::<3>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 1) => avx512::f32::<1>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 2) => avx512::f32::<2>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, _) => avx512::f32::<3>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, 1) => avx2::f32::<1>(tile),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, _) => avx2::f32::<2>(tile),
                _ => portable::f32(tile),
            }
        }
    }
}

/// Whether [`Kernel::AmxBf16`] is really there.
fn has_tiles() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Kernel::Avx512.is_supported() && amx::is_granted();
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it begins, in bytes from where the pixel's window begins.
    pub(crate) offset: usize,
    /// Its length in units of 4 bytes.
    pub(crate) units: usize,
}

/// What a kernel of vectors is to compute: for each pixel and channel, the sum of input times weight over
/// all runs.
#[derive(Debug)]
pub(crate) struct Tile<'a> {
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
    /// Where the sums go, `[rows][columns]`.
    pub(crate) sums: *mut f32,
    /// Whether to add to what is there.
    pub(crate) adds: bool,
}
