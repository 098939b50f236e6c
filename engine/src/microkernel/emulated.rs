//! What AMX does, in plain Rust: so its driver, packing and offsets are tested on any processor. It is no
//! part of a program.

use super::tile::{COLUMNS, DEPTH, Panel, SIDE};
use crate::convolution::layout::from_bf16;

/// A tile of rows of 4 bytes each: two bf16, or the bits of an f32.
type Tile = [[u32; SIDE]; SIDE];

/// What [`amx::multiply`](super::amx::multiply) does, tile by tile in the same order.
pub(super) fn multiply(panel: &mut Panel<'_>) {
    panel.check();
    let (inputs, stride, weights) = (panel.inputs, panel.stride, panel.weights);
    for (sums, start) in panel.sums.chunks_exact_mut(SIDE * COLUMNS).zip(panel.tiles) {
        for column in [0, SIDE] {
            let mut tile = [[0; SIDE]; SIDE];
            if panel.adds {
                tile = load(|m, n| sums[m * COLUMNS + column + n].to_bits());
            }
            let mut done = 0;
            for run in panel.runs {
                for unit in (0..run.units).step_by(DEPTH) {
                    let pixels = load(|m, k| {
                        let at = (start + m * stride + run.offset) / 2 + 2 * (unit + k);
                        u32::from(inputs[at + 1]) << 16 | u32::from(inputs[at])
                    });
                    let of_step = &weights[(done + unit) * COLUMNS + column..];
                    let weights = load(|k, n| of_step[k * COLUMNS + n].to_bits());
                    multiply_tiles(&mut tile, &pixels, &weights);
                }
                done += run.units;
            }
            for (m, of_row) in tile.iter().enumerate() {
                for (n, bits) in of_row.iter().enumerate() {
                    sums[m * COLUMNS + column + n] = f32::from_bits(*bits);
                }
            }
        }
    }
}

/// TILELOADD.
fn load(at: impl Fn(usize, usize) -> u32) -> Tile {
    std::array::from_fn(|row| std::array::from_fn(|column| at(row, column)))
}

/// TDPBF16PS, but that this takes the smallest numbers, below 2^-126, for zero: the lower and the upper
/// halves of the pairs are added up apart, then both, then what was there.
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
    use super::super::tile::Registers;
    use super::super::{Run, has_tiles};
    use super::*;
    use crate::convolution::layout::to_bf16;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// Where there are tiles, they do what is emulated where there are none.
    #[test]
    fn the_processor_gives_the_sums_that_are_emulated() {
        if !has_tiles() {
            println!("skipped: this processor has no tiles");
            return;
        }
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut number = || random.random_range(-1.0_f32..1.0);
        let runs = [(0, 32), (1000, 16)].map(|(offset, units)| Run { offset, units });
        let tiles = [0, 64, 640, 10];
        let stride = 72;
        let inputs: Vec<u16> = (0..2000).map(|_| to_bf16(number())).collect();
        let mut weight = || u32::from(to_bf16(number())) << 16 | u32::from(to_bf16(number()));
        let weights: Vec<f32> = (0..48 * COLUMNS)
            .map(|_| f32::from_bits(weight()))
            .collect();
        let before: Vec<f32> = (0..tiles.len() * SIDE * COLUMNS)
            .map(|n| n as f32)
            .collect();
        for adds in [false, true] {
            let mut results = [before.clone(), before.clone()];
            let registers = Registers::begin();
            for (is_real, sums) in [true, false].into_iter().zip(&mut results) {
                let mut panel = Panel {
                    inputs: &inputs,
                    tiles: &tiles,
                    stride,
                    runs: &runs,
                    weights: &weights,
                    next: &[],
                    sums,
                    adds,
                };
                if is_real {
                    registers.multiply(&mut panel);
                } else {
                    multiply(&mut panel);
                }
            }
            let [real, emulated] = results;
            for (real, emulated) in real.iter().zip(&emulated) {
                assert!((real - emulated).abs() < 1e-5 * (1.0 + emulated.abs()));
            }
        }
    }
}
