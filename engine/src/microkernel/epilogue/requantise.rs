//! The epilogue of sums of whole numbers, in plain Rust: they become values in units of a quantum, which are rounded
//! where the network says so.
//!
//! Products and sums are rounded one by one, here and by vectors, so that all kernels give the same bits.

use super::super::dtype::TypedSlice;
use super::{Accumulators, Epilogue, relu};

/// Applies an epilogue.
///
/// # Panics
///
/// Panics if the sums are not of whole numbers.
#[allow(
    clippy::expect_used,
    reason = "sums without their scales have no meaning"
)]
pub(crate) fn apply(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    let rescaling = sums.rescaling.expect("sums of whole numbers have scales");
    let row = std::mem::take(&mut sums.row);
    let first = sums.first_channel();
    let grid = epilogue.grid;
    for (number, pixel) in sums.pixels.clone().enumerate() {
        for block in sums.blocks {
            let of_block = sums.of_block(number, block);
            for column in 0..block.columns {
                let sum = |pixel: usize| of_block[pixel * block.columns + column].to_bits() as i32;
                // Pooled before all else, which keeps the order of values: that is the same, and less work.
                let others = sums.pooling.others.iter().map(|other| sum(*other));
                let greatest = others.fold(sum(0), i32::max);
                let channel = block.first + column;
                let value = (greatest + rescaling.bias[channel]) as f32;
                row[channel - first] = value * rescaling.scale[channel] + rescaling.shift[channel];
            }
        }
        let row = &mut row[..sums.channels];
        if let Some(bounds) = grid.before {
            for value in row.iter_mut() {
                *value = bounds.round(*value);
            }
        }
        if let Some(residual) = epilogue.residual {
            let at = residual.pixel_offsets[pixel] + first;
            for (number, value) in row.iter_mut().enumerate() {
                let residual = match residual.values {
                    TypedSlice::F32(values) => values[at + number],
                    TypedSlice::U8(values) => {
                        f32::from(values[at + number]) - f32::from(grid.residual_zero)
                    }
                    TypedSlice::Bf16(_) => unreachable!("what is added is no operand of bf16"),
                };
                *value = *value * grid.factors[0] + residual * grid.factors[1];
            }
        }
        if epilogue.relu {
            relu(row);
        }
        if let Some(bounds) = grid.after {
            for value in row.iter_mut() {
                *value = bounds.round(*value);
            }
        }
        for output in &mut epilogue.outputs {
            output.store_pixel(pixel, first, row);
        }
    }
}
