//! The lowest floor: sums of products for a tile of pixels and channels in registers, one implementation for
//! each kind of processor, and the epilogue that writes finished sums to their buffers. It imports nothing from
//! the floors above.
//!
//! All kernels of floating point give the same sums, up to rounding; those of whole numbers, of eight bits, give the
//! same in every bit. The words are those of BLIS, for a product `C += A B`:
//!
//! | | here |
//! |---|---|
//! | m, rows of A and C | pixels |
//! | n, columns of B and C | output channels |
//! | k, columns of A, rows of B | inputs of a pixel's window, in [units](Unit) of 4 bytes |
//! | `mr` x `nr` | the tile of C that stays in registers |
//! | `mc`, `nc`, `kc` | the blocks that stay in caches: the business of the floor above |
//!
//! # Safety
//!
//! Nearly all unsafe code of this crate is here. Vector kernels take pointers
//! ([`VectorGemm`]); the caller checks once, when a convolution is made and when it is run,
//! that every offset of every pixel and segment lies in the buffer. The tile kernel takes slices
//! ([`TileGemm`](gemm::TileGemm)) and checks them itself.

#![allow(
    clippy::cast_ptr_alignment,
    reason = "what may not be aligned is read by unaligned loads"
)]
#![allow(clippy::needless_range_loop, reason = "registers are numbered")]

pub(crate) mod aligned;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cpu;
pub(crate) mod depthwise;
pub(crate) mod dtype;
#[cfg(test)]
mod emulated;
pub(crate) mod epilogue;
pub(crate) mod gemm;
pub(crate) mod pixels;
mod portable;
#[cfg(target_arch = "x86_64")]
mod prefetch;
pub(crate) mod tile_registers;

use std::fmt;

use depthwise::DepthwiseSums;
pub use dtype::DType;
pub(crate) use dtype::Unit;
use epilogue::{Accumulators, Epilogue};
use gemm::VectorGemm;

/// The size of a [`Unit`].
pub(crate) const UNIT_BYTES: usize = size_of::<Unit>();

/// The microkernels: how convolutions are computed, by kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// AMX: tiles of bf16, multiplied as matrices.
    AmxBf16,
    /// 512-bit vectors and their dot products of pairs of bf16.
    Avx512Bf16,
    /// 512-bit vectors of f32.
    Avx512,
    /// 256-bit vectors of f32, with fused multiply-add.
    Avx2,
    /// None of these. [`accelerate`](crate::accelerate) leaves convolutions to tract then.
    Portable,
    /// AMX: tiles of bytes, multiplied as matrices.
    AmxInt8,
    /// 512-bit vectors and their dot products of four bytes.
    Avx512Int8,
    /// 256-bit vectors and their dot products of four bytes (AVX-VNNI).
    AvxVnniInt8,
    /// 256-bit vectors of bytes, whose products are added up in 16 bits as long as they fit.
    Avx2Int8,
    /// Plain loops over bytes.
    PortableInt8,
}

impl Kernel {
    /// All kernels of floating point, the fastest first.
    pub const ALL: [Self; 5] = [
        Self::AmxBf16,
        Self::Avx512Bf16,
        Self::Avx512,
        Self::Avx2,
        Self::Portable,
    ];

    /// All kernels of whole numbers, the fastest first: for convolutions of which a network says that they are of
    /// eight bits.
    pub const INT8: [Self; 5] = [
        Self::AmxInt8,
        Self::Avx512Int8,
        Self::AvxVnniInt8,
        Self::Avx2Int8,
        Self::PortableInt8,
    ];

    /// Whether the processor has the kernel's instructions, and the system lets this process use them.
    pub fn is_supported(self) -> bool {
        match self {
            // This crate's own tests emulate them.
            Self::AmxBf16 | Self::AmxInt8 => cfg!(test) || cpu::has_amx(self.dtype()),
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
            Self::Avx2 | Self::Avx2Int8 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Int8 => {
                Self::Avx512.is_supported() && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnniInt8 => Self::Avx2.is_supported() && is_x86_feature_detected!("avxvnni"),
            Self::Portable | Self::PortableInt8 => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The fastest kernel that this processor supports; with `exact`, the fastest of those that multiply f32.
    pub fn fastest(exact: bool) -> Self {
        let is_supported = |kernel: &Self| kernel.is_supported();
        Self::choose(exact, cpu::is_intel(), is_supported)
    }

    /// The fastest kernel of whole numbers that this processor supports.
    pub fn fastest_int8() -> Self {
        let found = Self::INT8.into_iter().find(|kernel| kernel.is_supported());
        found.unwrap_or(Self::PortableInt8)
    }

    fn choose(exact: bool, is_intel: bool, is_supported: impl Fn(&Self) -> bool) -> Self {
        Self::ALL
            .into_iter()
            .filter(|kernel| !exact || kernel.dtype() == DType::F32)
            // Intel's dot products of bf16 in vectors are a third slower than f32 (where AMX is absent or kept
            // back by the system); AMD's are almost twice as fast.
            .filter(|kernel| *kernel != Self::Avx512Bf16 || !is_intel)
            .find(is_supported)
            .unwrap_or(Self::Portable)
    }

    /// The number type that it multiplies.
    pub const fn dtype(self) -> DType {
        match self {
            Self::AmxBf16 | Self::Avx512Bf16 => DType::Bf16,
            Self::Avx512 | Self::Avx2 | Self::Portable => DType::F32,
            Self::AmxInt8
            | Self::Avx512Int8
            | Self::AvxVnniInt8
            | Self::Avx2Int8
            | Self::PortableInt8 => DType::Int8,
        }
    }

    /// Whether it multiplies tiles, not vectors.
    pub(crate) const fn is_of_tiles(self) -> bool {
        matches!(self, Self::AmxBf16 | Self::AmxInt8)
    }

    /// Whether it takes the units along k in an order of their own, a [`Schedule`](gemm::Schedule).
    pub(crate) const fn has_schedule(self) -> bool {
        matches!(self, Self::Avx2Int8)
    }

    /// Pixels of a tile of sums in registers.
    pub(crate) const fn mr(self) -> usize {
        match self {
            Self::AmxBf16 | Self::AmxInt8 => tile_registers::MR,
            Self::Avx512Bf16 | Self::Avx512 | Self::Avx512Int8 => 8,
            Self::Avx2 | Self::AvxVnniInt8 | Self::Avx2Int8 => 6,
            Self::Portable | Self::PortableInt8 => 4,
        }
    }

    /// Output channels of a tile of sums in registers, at most: any multiple of [`nr_step`](Self::nr_step) up
    /// to this can be computed.
    pub(crate) const fn nr(self) -> usize {
        match self {
            Self::AmxBf16 | Self::AmxInt8 => tile_registers::NR,
            Self::Avx512Bf16 | Self::Avx512 | Self::Avx512Int8 => 48,
            Self::Avx2 | Self::AvxVnniInt8 | Self::Avx2Int8 => 16,
            Self::Portable | Self::PortableInt8 => 8,
        }
    }

    /// The width of a vector in sums; for tiles, which have one width only, [`nr`](Self::nr).
    pub(crate) const fn nr_step(self) -> usize {
        match self {
            Self::AmxBf16 | Self::AmxInt8 => tile_registers::NR,
            Self::Avx512Bf16 | Self::Avx512 | Self::Avx512Int8 => 16,
            Self::Avx2
            | Self::AvxVnniInt8
            | Self::Avx2Int8
            | Self::Portable
            | Self::PortableInt8 => 8,
        }
    }

    /// Units along k that it multiplies at once: k is padded with zero weights to a multiple of this.
    pub(crate) const fn k_step(self) -> usize {
        match self {
            Self::AmxBf16 | Self::AmxInt8 => tile_registers::K_STEP,
            _ => 1,
        }
    }

    /// Applies an epilogue to complete sums.
    #[allow(unsafe_code, reason = "functions for the processor's vectors")]
    pub(crate) fn epilogue(self, sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
        assert!(self.is_supported());
        match self {
            // The guard matters in this crate's tests, where AMX counts as supported on any processor.
            #[cfg(target_arch = "x86_64")]
            Self::AmxBf16 | Self::Avx512Bf16 if Self::Avx512Bf16.is_supported() => {
                // SAFETY: `is_supported` has detected AVX-512 F, BW, VL and BF16.
                unsafe { avx512::epilogue_bf16(sums, epilogue) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                // SAFETY: `is_supported` has detected AVX-512F.
                unsafe { avx512::epilogue(sums, epilogue) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                // SAFETY: `is_supported` has detected AVX2 and FMA.
                unsafe { avx2::epilogue(sums, epilogue) }
            }
            // And here.
            #[cfg(target_arch = "x86_64")]
            Self::AmxInt8 | Self::Avx512Int8 if Self::Avx512.is_supported() => {
                // SAFETY: `is_supported` has detected AVX-512 F, BW and VL.
                unsafe { avx512::epilogue_int8(sums, epilogue) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnniInt8 | Self::Avx2Int8 => {
                // SAFETY: `is_supported` has detected AVX2 and FMA.
                unsafe { avx2::epilogue_int8(sums, epilogue) }
            }
            _ if self.dtype() == DType::Int8 => epilogue::requantise::apply(sums, epilogue),
            _ => epilogue::scalar::apply(sums, epilogue),
        }
    }

    /// Computes sums of products for a depthwise convolution, of f32 whatever else the kernel multiplies.
    #[allow(unsafe_code, reason = "functions for the processor's vectors")]
    pub(crate) fn depthwise(self, sums: &mut DepthwiseSums<'_>) {
        assert!(self.is_supported());
        match self {
            // The guard matters in this crate's tests, where AMX counts as supported on any processor.
            #[cfg(target_arch = "x86_64")]
            Self::AmxBf16 | Self::Avx512Bf16 | Self::Avx512 if Self::Avx512.is_supported() => {
                // SAFETY: `is_supported` has detected AVX-512F.
                unsafe { avx512::depthwise(sums) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                // SAFETY: `is_supported` has detected AVX2 and FMA.
                unsafe { avx2::depthwise(sums) }
            }
            _ => sums.by_loops(),
        }
    }

    /// Computes a product by a vector kernel. Pixels that don't fill a tile of [`mr`](Self::mr) are left out.
    ///
    /// # Safety
    ///
    /// - The processor supports this kernel, which is not one [of tiles](Self::is_of_tiles).
    /// - For each pixel and each segment, the bytes from `input + pixel + segment.offset` on can be read, 4
    ///   for each unit of the segment.
    /// - `columns` is a positive multiple of [`nr_step`](Self::nr_step) and at most [`nr`](Self::nr).
    /// - From `weights` on, `columns` units can be read for each unit of each segment, or for each step of the schedule
    ///   if the kernel [has one](Self::has_schedule).
    /// - The offsets of such a schedule are those of units of the segments. Its runs have as many steps as there are
    ///   offsets, and there are `columns` starts for each run.
    /// - From `sums` on, `pixels.len() * columns` values can be read and written, and nothing else refers to
    ///   them.
    #[inline]
    #[allow(unsafe_code, reason = "the kernels take pointers")]
    pub(crate) unsafe fn multiply(self, gemm: &VectorGemm<'_>) {
        // SAFETY: the kernels' conditions are the caller's guarantees above. The second element of the match is
        // `columns` in vectors, so each kernel is called with the `VECTORS` that it relies on.
        unsafe {
            match (self, gemm.columns / self.nr_step()) {
                (Self::AmxBf16 | Self::AmxInt8, _) => {
                    unreachable!("tiles are multiplied by `TileRegisters`")
                }
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 1) => avx512::bf16::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, 2) => avx512::bf16::<2>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Bf16, _) => avx512::bf16::<3>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 1) => avx512::f32::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, 2) => avx512::f32::<2>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, _) => avx512::f32::<3>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, 1) => avx2::f32::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, _) => avx2::f32::<2>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Int8, 1) => avx512::int8::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Int8, 2) => avx512::int8::<2>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512Int8, _) => avx512::int8::<3>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::AvxVnniInt8, 1) => avx2::int8_vnni::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::AvxVnniInt8, _) => avx2::int8_vnni::<2>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2Int8, 1) => avx2::int8::<1>(gemm),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2Int8, _) => avx2::int8::<2>(gemm),
                (Self::PortableInt8, _) => portable::int8(gemm),
                _ => portable::f32(gemm),
            }
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::AmxBf16 => "AMX with bf16",
            Self::Avx512Bf16 => "AVX-512 with bf16",
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
            Self::AmxInt8 => "AMX with int8",
            Self::Avx512Int8 => "AVX-512 with int8",
            Self::AvxVnniInt8 => "AVX-VNNI with int8",
            Self::Avx2Int8 => "AVX2 with int8",
            Self::PortableInt8 => "portable with int8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_chosen_where_it_is_faster() {
        let chosen = |exact, is_intel, missing: &[Kernel]| {
            Kernel::choose(exact, is_intel, |kernel| !missing.contains(kernel))
        };
        for is_intel in [false, true] {
            assert_eq!(chosen(false, is_intel, &[]), Kernel::AmxBf16);
            assert_eq!(chosen(true, is_intel, &[]), Kernel::Avx512);
        }
        let no_tiles = [Kernel::AmxBf16];
        assert_eq!(chosen(false, false, &no_tiles), Kernel::Avx512Bf16);
        assert_eq!(chosen(false, true, &no_tiles), Kernel::Avx512);
        assert_eq!(chosen(false, true, &Kernel::ALL), Kernel::Portable);
    }
}
