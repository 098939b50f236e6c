//! The eight symmetries of the square.
//!
//! A galaxy has no up and no left. So a network can classify its image in all eight positions, and the
//! outputs can be averaged, for eight times the work. The symmetries act on the whitened view, since
//! they change neither its mean nor its deviation. The result differs by a fraction of a pixel from the
//! view of the turned image, because the resize samples from the upper left (`cutout/src/resize.rs`).

use std::ops::Range;

/// The positions in which a network sees each view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symmetries {
    /// The image as it is, as in the daemon.
    Identity,
    /// All eight positions.
    All,
}

impl Symmetries {
    /// The number of positions.
    pub(crate) const fn count(self) -> usize {
        self.range().end as usize
    }

    const fn range(self) -> Range<u8> {
        match self {
            Self::Identity => 0..1,
            Self::All => 0..8,
        }
    }

    /// A view `[channels, side, side]` in each position, one after the other. The first is the view as
    /// it is.
    pub(super) fn positions(self, view: &[f32], side: usize) -> Vec<f32> {
        let mut all = Vec::with_capacity(view.len() * self.count());
        for symmetry in self.range() {
            for channel in view.chunks_exact(side * side) {
                append(&mut all, channel, side, symmetry);
            }
        }
        all
    }
}

/// Appends a channel in one of the positions. Bit 0 swaps left and right, bit 1 up and down, bit 2 rows
/// and columns. Together they make every rotation by quarter turns, mirrored or not.
fn append(output: &mut Vec<f32>, channel: &[f32], side: usize, symmetry: u8) {
    let mirrored = |place: usize, bit: u8| {
        if symmetry & bit == 0 {
            place
        } else {
            side - 1 - place
        }
    };
    for y in 0..side {
        for x in 0..side {
            let (row, column) = if symmetry & 4 == 0 { (y, x) } else { (x, y) };
            output.push(channel[mirrored(row, 2) * side + mirrored(column, 1)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SQUARE: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

    #[test]
    fn there_are_eight_and_they_are_the_turns_and_mirror_images() {
        let all = Symmetries::All.positions(&SQUARE, 2);
        let positions: BTreeSet<Vec<u32>> = (all.chunks_exact(8))
            .map(|view| view.iter().map(|x| *x as u32).collect())
            .collect();
        let turns = [[1, 2, 3, 4], [3, 1, 4, 2], [4, 3, 2, 1], [2, 4, 1, 3]];
        let mirrored = turns.map(|[a, b, c, d]| [b, a, d, c]);
        let wanted: BTreeSet<Vec<u32>> = (turns.iter().chain(&mirrored))
            .map(|square| {
                square
                    .iter()
                    .copied()
                    .chain(square.map(|n| n + 4))
                    .collect()
            })
            .collect();
        assert_eq!(wanted.len(), 8);
        assert_eq!(positions, wanted);
    }

    #[test]
    fn the_identity_changes_nothing() {
        assert_eq!(Symmetries::Identity.positions(&SQUARE, 2), SQUARE);
        assert_eq!(Symmetries::All.positions(&SQUARE, 2)[..8], SQUARE);
    }
}
