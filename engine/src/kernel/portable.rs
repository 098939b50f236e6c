//! Plain loops over arrays of fixed size, which compilers turn into the vectors that there are: 4 pixels
//! by 8 channels.

#![allow(unsafe_code, reason = "it takes what the others take")]

use super::Tile;

const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// Sums of products of f32.
///
/// # Safety
///
/// See [`Kernel::run`](super::Kernel::run).
pub(super) unsafe fn f32(tile: &Tile<'_>) {
    // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of the
    // input for units of the run, `COLUMNS` weights a unit, and `ROWS` by `COLUMNS` sums, which nobody
    // else uses meanwhile.
    unsafe {
        let target = &mut *tile.sums.cast::<[[f32; COLUMNS]; ROWS]>();
        let mut sums = if tile.adds {
            *target
        } else {
            [[0.0; COLUMNS]; ROWS]
        };
        let mut weights = tile.weights.cast::<[f32; COLUMNS]>();
        for run in tile.runs {
            let inputs: [*const f32; ROWS] = std::array::from_fn(|row| {
                tile.input.add(tile.pixels[row] + run.offset).cast::<f32>()
            });
            for unit in 0..run.units {
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
