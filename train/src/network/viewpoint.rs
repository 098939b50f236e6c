//! The viewpoints of Dieleman et al. 2015 (section 5.2, Figure 4), as constants for both interpreters.
//!
//! A galaxy has no right way up, so their network looks at it from many sides. A viewpoint is a crop
//! from one of the four corners of the image, rotated by a multiple of 90 degrees so that the galaxy's
//! centre is always in the same corner, here the lower right. The mirror image has the same four
//! viewpoints, and so do both images rotated by 45 degrees. Rotations by 90 degrees and mirroring move
//! pixels; the 45 degrees need interpolation.
//!
//! Here, an image is a list of pixels, row by row, and a viewpoint is a list of indices into it.

/// Viewpoints of one image: four corners, and those of the mirror image.
pub(crate) const CORNERS: usize = 8;

/// Pixels that bilinear interpolation mixes.
pub(crate) const TAPS: usize = 4;

/// The pixels of the viewpoints: indices `[8, crop, crop]` into an image of `side` x `side` pixels. The
/// first four are of the image as it is, rotated counterclockwise by 0, 90, 180 and 270 degrees, the
/// others of its mirror image.
pub(crate) fn corners(side: usize, crop: usize) -> Vec<i64> {
    let last = side - 1;
    let mut indices = Vec::with_capacity(CORNERS * crop * crop);
    for mirrored in [false, true] {
        for quarter_turns in 0..4 {
            for row in 0..crop {
                for column in 0..crop {
                    let (row, column) = match quarter_turns {
                        0 => (row, column),
                        1 => (column, last - row),
                        2 => (last - row, last - column),
                        _ => (last - column, row),
                    };
                    let column = if mirrored { last - column } else { column };
                    indices.push((row * side + column) as i64);
                }
            }
        }
    }
    indices
}

/// A rotation with bilinear interpolation: each pixel of the result is a weighted sum of [`TAPS`] pixels
/// of the image.
pub(crate) struct Rotation {
    /// The pixels to sum: indices `[TAPS, side, side]`.
    pub indices: Vec<i64>,
    /// Their weights: `[TAPS, side, side]`.
    pub weights: Vec<f32>,
}

/// Rotates an image of `side` x `side` pixels counterclockwise about its centre. A pixel from outside of
/// the image gets the value of the nearest pixel at the edge, which is sky if the galaxy is in the
/// middle.
pub(crate) fn rotation(side: usize, degrees: f64) -> Rotation {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let last = (side - 1) as f64;
    let centre = last / 2.0;
    let area = side * side;
    let mut rotation = Rotation {
        indices: vec![0; TAPS * area],
        weights: vec![0.0; TAPS * area],
    };
    for pixel in 0..area {
        let down = (pixel / side) as f64 - centre;
        let right = (pixel % side) as f64 - centre;
        let row = (centre + cos * down + sin * right).clamp(0.0, last);
        let column = (centre - sin * down + cos * right).clamp(0.0, last);
        for tap in 0..TAPS {
            let (from_row, row_weight) = linear(row, tap / 2, side);
            let (from_column, column_weight) = linear(column, tap % 2, side);
            rotation.indices[tap * area + pixel] = (from_row * side + from_column) as i64;
            rotation.weights[tap * area + pixel] = (row_weight * column_weight) as f32;
        }
    }
    rotation
}

/// The pixel before (0) or after (1) a position, and its weight.
fn linear(position: f64, after: usize, side: usize) -> (usize, f64) {
    let before = position.floor();
    let fraction = position - before;
    let weight = if after == 0 { 1.0 - fraction } else { fraction };
    ((before as usize + after).min(side - 1), weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 1 2
    /// 3 4 5
    /// 6 7 8
    const SIDE: usize = 3;

    #[test]
    fn every_viewpoint_has_the_centre_in_its_lower_right_corner() {
        let viewpoints = corners(SIDE, 2);
        let expected = [
            [0, 1, 3, 4],
            [2, 5, 1, 4],
            [8, 7, 5, 4],
            [6, 3, 7, 4],
            [2, 1, 5, 4],
            [0, 3, 1, 4],
            [6, 7, 3, 4],
            [8, 5, 7, 4],
        ];
        assert_eq!(viewpoints, expected.concat());
    }

    fn turned(image: &[f32], side: usize, degrees: f64) -> Vec<f32> {
        let Rotation { indices, weights } = rotation(side, degrees);
        (0..image.len())
            .map(|pixel| {
                (0..TAPS)
                    .map(|tap| {
                        let at = tap * image.len() + pixel;
                        image[indices[at] as usize] * weights[at]
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn a_rotation_by_a_quarter_is_the_turn_that_moves_pixels() {
        let image: Vec<f32> = (0..16).map(|pixel| pixel as f32).collect();
        let quarter = turned(&image, 4, 90.0);
        let moved = &corners(4, 4)[16..32];
        for (value, index) in quarter.iter().zip(moved) {
            assert!((value - *index as f32).abs() < 1e-4, "{value} at {index}");
        }
    }

    #[test]
    fn a_rotation_by_45_degrees_takes_a_side_to_a_corner_and_keeps_the_edge_outside() {
        // A gradient from left to right becomes one along a diagonal.
        let side = 9;
        let image: Vec<f32> = (0..81).map(|pixel| (pixel % side) as f32).collect();
        let result = turned(&image, side, 45.0);
        let at = |row: usize, column: usize| result[row * side + column];
        assert!((at(4, 4) - 4.0).abs() < 1e-5);
        // Counterclockwise: what was right is now at the upper right.
        assert!((at(2, 6) - (4.0 + 8.0_f32.sqrt())).abs() < 1e-4);
        assert!((at(2, 2) - 4.0).abs() < 1e-4);
        assert!((at(0, 8) - 8.0).abs() < 1e-5, "{}", at(0, 8));
    }
}
