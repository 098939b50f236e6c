//! Changes of a view's colours: brightness, contrast, saturation and hue, as one 3x3 matrix and one offset.
//! Saturation and hue are a scaling and a rotation of the chroma plane of YIQ.

use std::f32::consts::TAU;

/// A change of a view's colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Distortion {
    pub(super) brightness: f32,
    pub(super) contrast: f32,
    pub(super) saturation: f32,
    pub(super) hue: f32,
}

type Matrix = [[f32; 3]; 3];

/// RGB to YIQ (NTSC 1953).
const TO_YIQ: Matrix = [
    [0.299, 0.587, 0.114],
    [0.596, -0.274, -0.322],
    [0.211, -0.523, 0.312],
];

/// YIQ to RGB, the inverse to three digits.
const FROM_YIQ: Matrix = [
    [1.0, 0.956, 0.621],
    [1.0, -0.272, -0.647],
    [1.0, -1.106, 1.703],
];

impl Distortion {
    /// Changes nothing.
    pub(super) const NONE: Self = Self {
        brightness: 0.0,
        contrast: 1.0,
        saturation: 1.0,
        hue: 0.0,
    };

    /// Changes a view `[3, side, side]` in place.
    pub(super) fn apply(self, view: &mut [f32]) {
        // The matrices below are each other's inverse only to three digits.
        if self == Self::NONE {
            return;
        }
        let area = view.len() / 3;
        let (red, rest) = view.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        let means = [&*red, green, blue].map(mean);

        // colour * (contrast * (x - mean) + mean + brightness), as one matrix and one offset.
        let colour = self.colour_matrix();
        let scaled = colour.map(|row| row.map(|value| value * self.contrast));
        let kept = means.map(|mean| mean * (1.0 - self.contrast) + self.brightness);
        let offset = colour.map(|row| dot(row, kept));

        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let pixel = [*r, *g, *b];
            *r = dot(scaled[0], pixel) + offset[0];
            *g = dot(scaled[1], pixel) + offset[1];
            *b = dot(scaled[2], pixel) + offset[2];
        }
    }

    /// The matrix that the colours are multiplied with, before contrast and brightness.
    pub(super) fn matrix(self) -> Matrix {
        if self == Self::NONE {
            return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        }
        self.colour_matrix()
    }

    /// Scales and turns the chroma plane; greys stay what they are.
    fn colour_matrix(self) -> Matrix {
        let (sin, cos) = (self.hue * TAU).sin_cos();
        let (sin, cos) = (sin * self.saturation, cos * self.saturation);
        let turn = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
        product(FROM_YIQ, product(turn, TO_YIQ))
    }
}

fn mean(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for chunk in values.chunks_exact(lanes.len()) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() / values.len() as f32
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn product(a: Matrix, b: Matrix) -> Matrix {
    a.map(|row| [0, 1, 2].map(|column| dot(row, [b[0][column], b[1][column], b[2][column]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a view in these tests.
    const AREA: usize = 64 * 64;

    #[test]
    fn a_distortion_of_nothing_changes_nothing() {
        let original: Vec<f32> = (0..3 * AREA).map(|n| (n % 251) as f32).collect();
        let mut view = original.clone();
        Distortion::NONE.apply(&mut view);
        assert_eq!(view, original);
        // And one that is all but nothing changes all but nothing.
        let slight = Distortion {
            hue: 1e-6,
            ..Distortion::NONE
        };
        slight.apply(&mut view);
        for (ours, wanted) in view.iter().zip(&original) {
            assert!((ours - wanted).abs() < 0.6, "{ours} {wanted}");
        }
    }

    #[test]
    fn no_saturation_is_grey_and_half_the_contrast_is_half_the_spread() {
        let mut view: Vec<f32> = (0..3 * AREA).map(|n| (n % 251) as f32).collect();
        let spread = |plane: &[f32]| {
            let mean = mean(plane);
            plane.iter().map(|x| (x - mean).powi(2)).sum::<f32>().sqrt()
        };
        let before = spread(&view[..AREA]);
        let half = Distortion {
            brightness: 10.0,
            contrast: 0.5,
            saturation: 1.0,
            hue: 0.0,
        };
        half.apply(&mut view);
        let ratio = spread(&view[..AREA]) / before;
        assert!((ratio - 0.5).abs() < 0.01, "{ratio}");

        let grey = Distortion {
            brightness: 0.0,
            contrast: 1.0,
            saturation: 0.0,
            hue: 0.3,
        };
        grey.apply(&mut view);
        for n in 0..AREA {
            let (r, g, b) = (view[n], view[n + AREA], view[n + 2 * AREA]);
            assert!((r - g).abs() < 0.01 && (g - b).abs() < 0.01);
        }
    }
}
