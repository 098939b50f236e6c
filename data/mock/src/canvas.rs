//! The picture while it is drawn: three bands of floating-point brightness on SDSS's own pixels.
//!
//! Galaxy Zoo's cutouts are SDSS frames resampled so that every galaxy comes out at about the same
//! size. We do it in the same order: light, seeing and noise on the camera's pixels, the colour
//! composite, then the enlargement. That gives the smooth-grained noise of the real ones, and there
//! are several times fewer pixels to compute.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::RgbImage;
use crate::colour::{Colour, lupton};

/// Electrons for a brightness of one sky noise: what the shot noise of a source follows from.
const GAIN: f32 = 12.0;

/// The bands i, r and g of a square field, in units of the sky noise in r.
pub(crate) struct Canvas {
    side: usize,
    bands: [Vec<f32>; 3],
}

impl Canvas {
    pub(crate) fn new(side: usize) -> Self {
        Self {
            side,
            bands: [(); 3].map(|()| vec![0.0; side * side]),
        }
    }

    /// The side in camera pixels.
    pub(crate) fn side(&self) -> f32 {
        self.side as f32
    }

    /// Adds light within `reach` pixels of `centre`; `light` has the place relative to the centre and
    /// returns the brightness in i, r and g.
    pub(crate) fn add(
        &mut self,
        centre: (f32, f32),
        reach: f32,
        light: impl Fn(f32, f32) -> [f32; 3],
    ) {
        let range = |middle: f32| {
            let first = (middle - reach).floor().max(0.0) as usize;
            let past = ((middle + reach).ceil().max(0.0) as usize + 1).min(self.side);
            first..past
        };
        let [i, r, g] = &mut self.bands;
        for y in range(centre.1) {
            for x in range(centre.0) {
                let pixel = y * self.side + x;
                let bands = light(x as f32 - centre.0, y as f32 - centre.1);
                i[pixel] += bands[0];
                r[pixel] += bands[1];
                g[pixel] += bands[2];
            }
        }
    }

    /// As [`add`](Self::add), for light that has the same colour everywhere.
    pub(crate) fn add_uniform(
        &mut self,
        centre: (f32, f32),
        reach: f32,
        colour: Colour,
        brightness: impl Fn(f32, f32) -> f32,
    ) {
        let display = colour.display();
        self.add(centre, reach, |dx, dy| {
            let brightness = brightness(dx, dy);
            display.map(|band| band * brightness)
        });
    }

    /// Blurs what is drawn so far with a Gaussian of this full width at half maximum, in pixels.
    pub(crate) fn blur(&mut self, full_width: f32) {
        let sigma = full_width / (8.0 * 2_f32.ln()).sqrt();
        let reach = (3.0 * sigma).ceil() as usize;
        let mut kernel: Vec<f32> = (0..=2 * reach)
            .map(|tap| (-0.5 * ((tap as f32 - reach as f32) / sigma).powi(2)).exp())
            .collect();
        let total: f32 = kernel.iter().sum();
        for weight in &mut kernel {
            *weight /= total;
        }
        let mut scratch = vec![0.0; self.side * self.side];
        for band in &mut self.bands {
            // Each pass goes along y, where a whole line is weighted at once, and transposes.
            blur_and_transpose(band, &mut scratch, self.side, &kernel);
            blur_and_transpose(&scratch, band, self.side, &kernel);
        }
    }

    /// Adds the noise of sky and source, Gaussian of variance `1 + brightness / GAIN` in each band:
    /// what a Poisson process comes to at some hundreds of electrons a pixel.
    ///
    /// Most of it is common to the bands. The camera's is not, but the JPEGs that the survey serves
    /// keep colour at half the resolution, and what is left of their noise is nearly grey.
    pub(crate) fn expose(&mut self, rng: &mut impl Rng) {
        let [i, r, g] = &mut self.bands;
        for ((i, r), g) in i.iter_mut().zip(r).zip(g) {
            let common: f32 = StandardNormal.sample(rng);
            for pixel in [i, r, g] {
                let deviation = (1.0 + pixel.max(0.0) / GAIN).sqrt();
                let own: f32 = StandardNormal.sample(rng);
                *pixel += deviation * (0.95 * common + 0.31 * own);
            }
        }
    }

    /// The bands i, r and g, enlarged to `side` x `side` pixels.
    pub(crate) fn enlarged(&self, side: u32) -> [Vec<f32>; 3] {
        let enlarge = |band: &Vec<f32>| enlarge(band, self.side, side as usize);
        let [i, r, g] = &self.bands;
        [enlarge(i), enlarge(r), enlarge(g)]
    }

    /// The colour composite, enlarged to `side` x `side` pixels.
    pub(crate) fn develop(mut self, side: u32) -> RgbImage {
        let [i, r, g] = &mut self.bands;
        for ((i, r), g) in i.iter_mut().zip(r).zip(g) {
            [*i, *r, *g] = lupton([*i, *r, *g]);
        }
        let bands = self.enlarged(side);
        let mut pixels = Vec::with_capacity(3 * bands[0].len());
        for ((red, green), blue) in bands[0].iter().zip(&bands[1]).zip(&bands[2]) {
            // A cast of a float stops at 0 and 255.
            pixels.extend([red, green, blue].map(|value| (value + 0.5) as u8));
        }
        let mut image = RgbImage::new(side, side);
        image.copy_from_slice(&pixels);
        image
    }
}

/// Convolves the columns of a square and writes them as rows; the edge is continued outwards.
fn blur_and_transpose(from: &[f32], to: &mut [f32], side: usize, kernel: &[f32]) {
    let reach = kernel.len() / 2;
    let mut line = vec![0.0; side];
    for y in 0..side {
        line.fill(0.0);
        for (tap, weight) in kernel.iter().enumerate() {
            let source = (y + tap).saturating_sub(reach).min(side - 1);
            let source = &from[source * side..][..side];
            for (sum, value) in line.iter_mut().zip(source) {
                *sum += weight * value;
            }
        }
        for (x, value) in line.iter().enumerate() {
            to[x * side + y] = *value;
        }
    }
}

/// Enlarges a square by Catmull and Rom's cubic, along y and then along x.
fn enlarge(from: &[f32], side: usize, target: usize) -> Vec<f32> {
    let taps: Vec<_> = (0..target).map(|at| cubic(at, side, target)).collect();
    let mut output = vec![0.0; target * target];
    let mut line = vec![0.0; side];
    for (row, (places, weights)) in output.chunks_exact_mut(target).zip(&taps) {
        let lines = places.map(|place| &from[place * side..][..side]);
        for (x, value) in line.iter_mut().enumerate() {
            *value = (0..4).map(|tap| weights[tap] * lines[tap][x]).sum();
        }
        for (value, (places, weights)) in row.iter_mut().zip(&taps) {
            *value = (0..4).map(|tap| weights[tap] * line[places[tap]]).sum();
        }
    }
    output
}

/// The four pixels and their weights from which pixel `at` of an enlarged line is made.
fn cubic(at: usize, side: usize, target: usize) -> ([usize; 4], [f32; 4]) {
    let position = (at as f32 + 0.5) * side as f32 / target as f32 - 0.5;
    let first = position.floor();
    let t = position - first;
    let places =
        [-1.0, 0.0, 1.0, 2.0].map(|step| (first + step).clamp(0.0, side as f32 - 1.0) as usize);
    let weights = [
        ((1.0 - 0.5 * t) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((2.0 - 1.5 * t) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ];
    (places, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blurring_keeps_the_light_and_its_centre() {
        let mut canvas = Canvas::new(41);
        canvas.bands[1][20 * 41 + 23] = 100.0;
        canvas.blur(4.0);
        let band = &canvas.bands[1];
        let total: f32 = band.iter().sum();
        assert!((total - 100.0).abs() < 0.01, "{total}");
        let brightest = (0..band.len()).max_by(|a, b| band[*a].total_cmp(&band[*b]));
        assert_eq!(brightest, Some(20 * 41 + 23));
        // Half of the maximum is two pixels off, at half of the full width.
        assert!((band[20 * 41 + 25] / band[20 * 41 + 23] - 0.5).abs() < 0.01);
    }

    #[test]
    fn an_enlarged_ramp_is_a_ramp() {
        let ramp: Vec<f32> = (0..16 * 16).map(|at| (at % 16) as f32).collect();
        let large = enlarge(&ramp, 16, 32);
        for x in 4..28 {
            let wanted = 0.5 * x as f32 - 0.25;
            assert!((large[10 * 32 + x] - wanted).abs() < 1e-4);
        }
    }
}
