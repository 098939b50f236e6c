//! Plain loops over arrays of fixed size, which compilers turn into the vectors that there are: 4 pixels
//! by 8 channels.

#![allow(unsafe_code, reason = "it takes what the others take")]

use super::Tiles;

const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// Sums of products of f32.
///
/// # Safety
///
/// See [`Kernel::run`](super::Kernel::run).
pub(super) unsafe fn f32(tiles: &Tiles<'_>) {
    // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of the
    // input for units of the run, `COLUMNS` weights a unit, and `ROWS` by `COLUMNS` sums a tile, which nobody
    // else uses meanwhile.
    unsafe {
        let (pixels, _) = tiles.pixels.as_chunks::<ROWS>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = &mut *tiles.sums.cast::<[[f32; COLUMNS]; ROWS]>().add(number);
            let mut sums = if tiles.adds {
                *target
            } else {
                [[0.0; COLUMNS]; ROWS]
            };
            let mut weights = tiles.weights.cast::<[f32; COLUMNS]>();
            for run in tiles.runs {
                let inputs = pixels.map(|pixel| tiles.input.add(pixel + run.offset).cast::<f32>());
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
}
