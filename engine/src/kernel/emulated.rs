//! What AMX does, in plain Rust: so its driver, packing and offsets are tested on any processor. It is no
//! part of a program.

use super::tiles::{COLUMNS, DEPTH, Panel, ROWS, SIDE};
use crate::buffer::from_bf16;

/// A tile of rows of 4 bytes each: two bf16, or the bits of an f32.
type Tile = [[u32; SIDE]; SIDE];

/// What [`amx::multiply`](super::amx::multiply) does, tile by tile in the same order.
pub(super) fn multiply(panel: &mut Panel<'_>) {
    let steps = panel.steps();
    let (inputs, stride, weights) = (panel.inputs, panel.stride, panel.weights);
    for (block, sums) in panel.sums.chunks_exact_mut(ROWS * COLUMNS).enumerate() {
        for (row, column) in [(0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE)] {
            let mut tile = [[0; SIDE]; SIDE];
            if panel.adds {
                tile = load(|m, n| sums[(row + m) * COLUMNS + column + n].to_bits());
            }
            for step in 0..steps {
                let pixels = load(|m, k| {
                    let at = (block * ROWS + row + m) * stride + 2 * (step * DEPTH + k);
                    u32::from(inputs[at + 1]) << 16 | u32::from(inputs[at])
                });
                let weights =
                    load(|k, n| weights[(step * DEPTH + k) * COLUMNS + column + n].to_bits());
                multiply_tiles(&mut tile, &pixels, &weights);
            }
            for (m, of_row) in tile.iter().enumerate() {
                for (n, bits) in of_row.iter().enumerate() {
                    sums[(row + m) * COLUMNS + column + n] = f32::from_bits(*bits);
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
