//! Copies of windows for tiles whose pixels are not equally far apart in the input (im2col, one k block at a
//! time).

use crate::microkernel::UNIT_BYTES;
use crate::microkernel::aligned::{AlignedVec, CACHE_LINE};
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::gemm::Segment;
use crate::microkernel::tile_registers::K_STEP;

/// Memory for panels of either type that tiles hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Panels {
    bf16s: AlignedVec<u16>,
    bytes: AlignedVec<u8>,
}

impl Panels {
    /// Copies the segments of the windows that begin at these bytes, one below the other, each `k_units` long at most.
    /// Returns the panel, and the distance from one row to the next in bytes.
    pub(super) fn copy(
        &mut self,
        input: TypedSlice<'_>,
        windows: &[usize],
        segments: &[Segment],
        k_units: usize,
    ) -> (TypedSlice<'_>, usize) {
        let stride = stride(k_units);
        let panel = match input {
            TypedSlice::F32(_) => unreachable!("tiles hold no factors of f32"),
            TypedSlice::Bf16(input) => {
                copy_windows::<_, { CACHE_LINE / 2 }>(
                    &mut self.bf16s,
                    (input, windows),
                    segments,
                    [k_units, stride],
                );
                TypedSlice::Bf16(&self.bf16s)
            }
            TypedSlice::U8(input) => {
                copy_windows::<_, CACHE_LINE>(
                    &mut self.bytes,
                    (input, windows),
                    segments,
                    [k_units, stride],
                );
                TypedSlice::U8(&self.bytes)
            }
        };
        (panel, stride)
    }
}

/// How many bytes it is from one pixel of a panel to the next, for a k block of this length: an odd number of
/// cache lines, so that the 16 rows of a tile fall into different sets of the cache.
fn stride(k_units: usize) -> usize {
    ((k_units / K_STEP) | 1) * K_STEP * UNIT_BYTES
}

/// Copies windows into a panel. `PIECE` is how many numbers are copied at once, a cache line, and so how many more
/// than wanted at most.
fn copy_windows<T: Copy + Default, const PIECE: usize>(
    panel: &mut AlignedVec<T>,
    (input, windows): (&[T], &[usize]),
    segments: &[Segment],
    [k_units, stride]: [usize; 2],
) {
    let len = k_units * UNIT_BYTES / size_of::<T>() + PIECE;
    let stride = stride / size_of::<T>();
    panel.grow(windows.len() * stride + PIECE);
    for (row, window) in windows.iter().enumerate() {
        let row = &mut panel[row * stride..][..len];
        copy_window::<T, PIECE>(row, input, *window, segments);
    }
}

/// Copies the segments of the window that begins at byte `window` into a row of the panel, and fills the rest
/// of the row with zeros.
///
/// It copies whole pieces, which the compiler turns into one load and store each. What was too much is overwritten by
/// the next segment, or by the zeros.
fn copy_window<T: Copy + Default, const PIECE: usize>(
    row: &mut [T],
    input: &[T],
    window: usize,
    segments: &[Segment],
) {
    let mut end = 0;
    for segment in segments {
        let first = (window + segment.offset) / size_of::<T>();
        let numbers = segment.k_units * UNIT_BYTES / size_of::<T>();
        if let Some(input) = input.get(first..first + numbers.next_multiple_of(PIECE)) {
            let (pieces, _) = input.as_chunks::<PIECE>();
            for (number, piece) in pieces.iter().enumerate() {
                row[end + number * PIECE..][..PIECE].copy_from_slice(piece);
            }
        } else {
            // The end of the buffer, where no whole piece can be read.
            row[end..][..numbers].copy_from_slice(&input[first..][..numbers]);
        }
        end += numbers;
    }
    row[end..].fill(T::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_copied_segment_by_segment_and_filled_up() {
        const COPIED: usize = 32;
        let copy_window = copy_window::<u16, COPIED>;
        let input: Vec<u16> = (0..200).collect();
        let segments = [(8, 3), (40, 16)].map(|(offset, k_units)| Segment { offset, k_units });
        let mut row = vec![u16::MAX; 64 + COPIED];
        copy_window(&mut row, &input, 100, &segments);
        assert_eq!(row[..6], input[54..60]);
        assert_eq!(row[6..38], input[70..102]);
        assert_eq!(row[38..], [0; 96 - 38]);
        // Where nothing is left to copy too much of.
        copy_window(&mut row, &input[..102], 100, &segments);
        assert_eq!(row[6..38], input[70..102]);
        assert_eq!(row[38..], [0; 96 - 38]);
    }

    #[test]
    fn a_window_of_bytes_is_copied_alike() {
        let input: Vec<u8> = (0..=254).collect();
        let segments = [(8, 3), (41, 16)].map(|(offset, k_units)| Segment { offset, k_units });
        let mut panels = Panels::default();
        let windows = [100, 3];
        let (panel, stride) = panels.copy(TypedSlice::U8(&input), &windows, &segments, 32);
        let TypedSlice::U8(panel) = panel else {
            unreachable!("bytes are copied as bytes")
        };
        assert_eq!(stride, 3 * 64);
        for (row, window) in panel.chunks(stride).zip(windows) {
            assert_eq!(row[..12], input[window + 8..][..12]);
            assert_eq!(row[12..76], input[window + 41..][..64]);
            assert_eq!(row[76..128], [0; 52]);
        }
    }
}
