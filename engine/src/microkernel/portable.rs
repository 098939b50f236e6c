//! Plain loops over arrays of fixed size, 4 pixels by 8 channels, which the compiler vectorises as far as it
//! may. The tests hold the other kernels against these; of f32 no program uses it
//! ([`accelerate`](crate::accelerate) leaves convolutions to tract where it is the only one).

#![allow(unsafe_code, reason = "it takes the same pointers as the others")]

use super::gemm::VectorGemm;

const MR: usize = 4;
const NR: usize = 8;

/// Sums of products of f32.
///
/// # Safety
///
/// See [`Kernel::multiply`](super::Kernel::multiply).
pub(super) unsafe fn f32(gemm: &VectorGemm<'_>) {
    // SAFETY: every access is one of those that `Kernel::multiply` requires to be valid: the input at
    // `pixel + segment.offset + 4 * unit` for the units of a segment, `NR` weights for each unit (`columns` is
    // `NR`, this kernel's only width), and `MR` x `NR` sums for each tile, which nothing else refers to
    // (`sums` is a pointer to memory that the caller holds exclusively).
    unsafe {
        let (pixels, _) = gemm.pixels.as_chunks::<MR>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = &mut *gemm.sums.cast::<[[f32; NR]; MR]>().add(number);
            let mut sums = if gemm.accumulate {
                *target
            } else {
                [[0.0; NR]; MR]
            };
            let mut weights = gemm.weights.cast::<[f32; NR]>();
            for segment in gemm.segments {
                let inputs =
                    pixels.map(|pixel| gemm.input.add(pixel + segment.offset).cast::<f32>());
                for unit in 0..segment.k_units {
                    let of_channels = &*weights;
                    weights = weights.add(1);
                    for (input, sums) in inputs.iter().zip(&mut sums) {
                        let input = input.add(unit).read_unaligned();
                        for (sum, of_channel) in sums.iter_mut().zip(of_channels) {
                            *sum += of_channel * input;
                        }
                    }
                }
            }
            *target = sums;
        }
    }
}

/// Sums of products of eight bits, in i32.
///
/// # Safety
///
/// See [`Kernel::multiply`](super::Kernel::multiply).
pub(super) unsafe fn int8(gemm: &VectorGemm<'_>) {
    // SAFETY: as above; a unit is 4 bytes here, too, and an i32 has the size and alignment of an f32, and no
    // invalid bits.
    unsafe {
        let (pixels, _) = gemm.pixels.as_chunks::<MR>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = &mut *gemm.sums.cast::<[[i32; NR]; MR]>().add(number);
            let mut sums = if gemm.accumulate {
                *target
            } else {
                [[0; NR]; MR]
            };
            let mut weights = gemm.weights.cast::<[[i8; 4]; NR]>();
            for segment in gemm.segments {
                let inputs =
                    pixels.map(|pixel| gemm.input.add(pixel + segment.offset).cast::<[u8; 4]>());
                for unit in 0..segment.k_units {
                    let of_channels = &*weights;
                    weights = weights.add(1);
                    for (input, sums) in inputs.iter().zip(&mut sums) {
                        let input = (*input.add(unit)).map(i32::from);
                        for (sum, of_channel) in sums.iter_mut().zip(of_channels) {
                            let products = input.iter().zip(of_channel);
                            let products =
                                products.map(|(input, weight)| input * i32::from(*weight));
                            *sum += products.sum::<i32>();
                        }
                    }
                }
            }
            *target = sums;
        }
    }
}
