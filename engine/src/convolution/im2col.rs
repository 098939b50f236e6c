//! Copies of windows for tiles whose pixels are not equally far apart in the input (im2col, one k block at a
//! time).

use crate::microkernel::gemm::Segment;
use crate::microkernel::tile_registers::K_STEP;

/// How many bf16 are copied at once, and how many more than wanted at most.
pub(super) const COPIED: usize = 32;

/// How many bf16 it is from one pixel of a panel to the next, for a k block of this length: an odd number of
/// cache lines, so that the 16 rows of a tile fall into different sets of the cache.
pub(super) fn panel_stride(k_units: usize) -> usize {
    ((k_units / K_STEP) | 1) * K_STEP * 2
}

/// Copies the segments of the window that begins at byte `window` into a row of the panel, and fills the rest
/// of the row with zeros.
///
/// It copies whole pieces of [`COPIED`] numbers, which the compiler turns into one load and store each. What
/// was too much is overwritten by the next segment, or by the zeros.
pub(super) fn copy_window(row: &mut [u16], input: &[u16], window: usize, segments: &[Segment]) {
    let mut end = 0;
    for segment in segments {
        let byte = window + segment.offset;
        let (first, numbers) = (byte / size_of::<u16>(), 2 * segment.k_units);
        if let Some(input) = input.get(first..first + numbers.next_multiple_of(COPIED)) {
            let (pieces, _) = input.as_chunks::<COPIED>();
            for (number, piece) in pieces.iter().enumerate() {
                row[end + number * COPIED..][..COPIED].copy_from_slice(piece);
            }
        } else {
            // The end of the buffer, where no whole piece can be read.
            row[end..][..numbers].copy_from_slice(&input[first..][..numbers]);
        }
        end += numbers;
    }
    row[end..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_copied_segment_by_segment_and_filled_up() {
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
}
