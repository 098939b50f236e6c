//! What AMX does, in plain Rust, so that the packing, the offsets and the loops around it are tested on any
//! processor. It is compiled for this crate's tests alone.

use super::dtype::from_bf16;
use super::gemm::TileGemm;
use super::tile_registers::{K_STEP, NR, SIDE};

/// A tile of rows of 4 bytes each: two bf16, or the bits of an f32.
type Tile = [[u32; SIDE]; SIDE];

/// What `amx::multiply` does, tile by tile in the same order.
pub(super) fn multiply(gemm: &mut TileGemm<'_>) {
    gemm.check();
    let (inputs, stride, weights) = (gemm.inputs, gemm.stride, gemm.weights);
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
                        let at = (start + m * stride + segment.offset) / 2 + 2 * (unit + k);
                        u32::from(inputs[at + 1]) << 16 | u32::from(inputs[at])
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

/// TILELOADD.
fn load(at: impl Fn(usize, usize) -> u32) -> Tile {
    std::array::from_fn(|row| std::array::from_fn(|column| at(row, column)))
}

/// TDPBF16PS: the products of the lower and of the upper halves of the pairs are summed separately, then added
/// to each other, then to what was there. (The instruction also takes denormal numbers for zero.)
fn multiply_tiles(sums: &mut Tile, pixels: &Tile, weights: &Tile) {
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

mod tests {
    use super::super::cpu::has_amx;
    use super::super::dtype::unit_of_bf16_pair;
    use super::super::gemm::Segment;
    use super::super::tile_registers::TileRegisters;
    use super::super::{Unit, dtype::to_bf16};
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_processor_gives_the_sums_that_are_emulated() {
        if !has_amx() {
            println!("skipped: this processor has no AMX");
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut number = || random.random_range(-1.0_f32..1.0);
        let segments = [(0, 32), (1000, 16)].map(|(offset, k_units)| Segment { offset, k_units });
        let tiles = [0, 64, 640, 10];
        let stride = 72;
        let inputs: Vec<u16> = (0..2000).map(|_| to_bf16(number())).collect();
        let weights: Vec<Unit> = (0..48 * NR)
            .map(|_| unit_of_bf16_pair([number(), number()]))
            .collect();
        let before: Vec<f32> = (0..tiles.len() * SIDE * NR).map(|n| n as f32).collect();
        for accumulate in [false, true] {
            let mut results = [before.clone(), before.clone()];
            let registers = TileRegisters::configure();
            for (is_real, sums) in [true, false].into_iter().zip(&mut results) {
                let mut gemm = TileGemm {
                    inputs: &inputs,
                    tiles: &tiles,
                    stride,
                    segments: &segments,
                    weights: &weights,
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
            let [real, emulated] = results;
            for (real, emulated) in real.iter().zip(&emulated) {
                assert!((real - emulated).abs() < 1e-5 * (1.0 + emulated.abs()));
            }
        }
    }
}
