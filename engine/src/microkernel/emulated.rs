//! What AMX does, in plain Rust, so that the packing, the offsets and the loops around it are tested on any
//! processor. It is compiled for this crate's tests alone.

use super::Unit;
use super::dtype::{TypedSlice, from_bf16, unit_of_four};
use super::gemm::TileGemm;
use super::tile_registers::{K_STEP, NR, SIDE};

/// A tile of rows of 4 bytes each: two bf16, four bytes, or the bits of an f32 or i32.
type Tile = [[u32; SIDE]; SIDE];

/// What `amx::multiply` does, tile by tile in the same order.
pub(super) fn multiply(gemm: &mut TileGemm<'_>) {
    gemm.check();
    let (inputs, stride, weights) = (gemm.inputs, gemm.stride, gemm.weights);
    let multiply_tiles = match inputs {
        TypedSlice::U8(_) => multiply_bytes,
        _ => multiply_bf16,
    };
    for (sums, start) in gemm.sums.chunks_exact_mut(SIDE * NR).zip(gemm.tiles) {
        for column in [0, SIDE] {
            let mut tile = [[0; SIDE]; SIDE];
            if gemm.accumulate {
                tile = load(|m, n| sums[m * NR + column + n].to_bits());
            }
            let mut done = 0;
            for segment in gemm.segments {
                for unit in (0..segment.k_units).step_by(K_STEP) {
                    let pixels = load(|m, k| {
                        unit_at(inputs, start + m * stride + segment.offset + 4 * (unit + k))
                    });
                    let of_step = &weights[(done + unit) * NR + column..];
                    let weights = load(|k, n| of_step[k * NR + n]);
                    multiply_tiles(&mut tile, &pixels, &weights);
                }
                done += segment.k_units;
            }
            for (m, of_row) in tile.iter().enumerate() {
                for (n, bits) in of_row.iter().enumerate() {
                    sums[m * NR + column + n] = f32::from_bits(*bits);
                }
            }
        }
    }
}

/// The unit that begins at a byte.
fn unit_at(inputs: TypedSlice<'_>, at: usize) -> Unit {
    match inputs {
        TypedSlice::F32(_) => unreachable!("tiles hold no factors of f32"),
        TypedSlice::Bf16(values) => u32::from(values[at / 2 + 1]) << 16 | u32::from(values[at / 2]),
        TypedSlice::U8(values) => {
            unit_of_four([0, 1, 2, 3].map(|part| values[at + part].cast_signed()))
        }
    }
}

/// TILELOADD.
fn load(at: impl Fn(usize, usize) -> u32) -> Tile {
    std::array::from_fn(|row| std::array::from_fn(|column| at(row, column)))
}

/// TDPBF16PS: the products of the lower and of the upper halves of the pairs are summed separately, then added
/// to each other, then to what was there. (The instruction also takes denormal numbers for zero.)
fn multiply_bf16(sums: &mut Tile, pixels: &Tile, weights: &Tile) {
    let halves = |pair: u32| [from_bf16(pair as u16), from_bf16((pair >> 16) as u16)];
    for (sums, pixel) in sums.iter_mut().zip(pixels) {
        let mut lower = [0.0_f32; SIDE];
        let mut upper = [0.0_f32; SIDE];
        for (input, weights) in pixel.iter().zip(weights) {
            let input = halves(*input);
            for (n, weight) in weights.iter().enumerate() {
                let weight = halves(*weight);
                lower[n] += input[0] * weight[0];
                upper[n] += input[1] * weight[1];
            }
        }
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = (f32::from_bits(*sum) + (lower[n] + upper[n])).to_bits();
        }
    }
}

/// TDPBUSD: unsigned bytes of pixels, signed ones of weights.
fn multiply_bytes(sums: &mut Tile, pixels: &Tile, weights: &Tile) {
    for (sums, pixel) in sums.iter_mut().zip(pixels) {
        for (input, weights) in pixel.iter().zip(weights) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                let pairs = input.to_le_bytes().into_iter().zip(weight.to_le_bytes());
                let products =
                    pairs.map(|(input, weight)| i32::from(input) * i32::from(weight.cast_signed()));
                *sum = sum.wrapping_add_signed(products.sum());
            }
        }
    }
}

mod tests {
    use super::super::DType;
    use super::super::cpu::has_amx;
    use super::super::dtype::{to_bf16, unit_of_bf16_pair};
    use super::super::gemm::Segment;
    use super::super::tile_registers::TileRegisters;
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// The sums of the processor and those that are emulated, of products that are added to others or not.
    fn both(inputs: TypedSlice<'_>, weights: &[Unit], before: &[f32]) -> Vec<[Vec<f32>; 2]> {
        let segments = [(0, 32), (1000, 16)].map(|(offset, k_units)| Segment { offset, k_units });
        let of_either = |accumulate| {
            let mut results = [before.to_vec(), before.to_vec()];
            let registers = TileRegisters::configure();
            for (is_real, sums) in [true, false].into_iter().zip(&mut results) {
                let mut gemm = TileGemm {
                    inputs,
                    tiles: &[0, 64, 640, 10],
                    stride: 72,
                    segments: &segments,
                    weights,
                    next: &[],
                    sums,
                    accumulate,
                };
                if is_real {
                    registers.multiply(&mut gemm);
                } else {
                    multiply(&mut gemm);
                }
            }
            results
        };
        [false, true].map(of_either).into()
    }

    /// Of the tiles above.
    const SUMS: usize = 4 * SIDE * NR;

    #[test]
    fn the_processor_gives_the_sums_that_are_emulated() {
        if !has_amx(DType::Bf16) {
            println!("skipped: this processor has no AMX");
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut number = || random.random_range(-1.0_f32..1.0);
        let inputs: Vec<u16> = (0..2000).map(|_| to_bf16(number())).collect();
        let weights: Vec<Unit> = (0..48 * NR)
            .map(|_| unit_of_bf16_pair([number(), number()]))
            .collect();
        let before: Vec<f32> = (0..SUMS).map(|n| n as f32).collect();
        for [real, emulated] in both(TypedSlice::Bf16(&inputs), &weights, &before) {
            for (real, emulated) in real.iter().zip(&emulated) {
                assert!((real - emulated).abs() < 1e-5 * (1.0 + emulated.abs()));
            }
        }
    }

    #[test]
    fn the_processor_gives_the_bits_that_are_emulated_of_bytes() {
        if !has_amx(DType::Int8) {
            println!("skipped: this processor has no AMX");
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let inputs: Vec<u8> = (0..4000).map(|_| random.random()).collect();
        let weights: Vec<Unit> = (0..48 * NR).map(|_| random.random()).collect();
        let before: Vec<f32> = (0..SUMS).map(|n| f32::from_bits(n as u32)).collect();
        let bits = |sums: &[f32]| -> Vec<u32> { sums.iter().map(|sum| sum.to_bits()).collect() };
        for [real, emulated] in both(TypedSlice::U8(&inputs), &weights, &before) {
            assert_eq!(bits(&real), bits(&emulated));
        }
    }
}
