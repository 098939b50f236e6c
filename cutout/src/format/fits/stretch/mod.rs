//! How the bands of a FITS image become a picture.
//!
//! | stretch | file | |
//! |---|---|---|
//! | `legacy`, `sdss` | `survey` | what the viewers of two surveys do with nanomaggies |
//! | `lupton` | `lupton` | Lupton et al. 2004 as astropy has it, with numbers of one's own |
//! | `asinh` | `adaptive` | the same idea; sky and noise are measured in the image, so any unit will do |
//! | `zscale`, `linear` | `interval` | a straight line between two values |

mod adaptive;
mod interval;
mod lupton;
mod statistics;
mod survey;

use crate::Stretch;

pub(super) use survey::{LEGACY_BANDS, SDSS_BANDS};

/// One band of an image, in the units of the file.
pub(super) struct Band {
    /// Its name, where one is known.
    pub(super) name: Option<String>,
    /// How many pixels a row has.
    pub(super) width: usize,
    /// Its pixels, row by row from the top. Those without a value are not finite.
    pub(super) pixels: Vec<f32>,
}

/// A stretch that knows the image, ready to show any part of it.
pub(super) enum Levels {
    Legacy(survey::Legacy),
    Lupton(lupton::Mapping),
    Asinh(adaptive::Mapping),
    Interval(interval::Mapping),
}

/// Measures what the stretch needs to know of the whole image: of one band, which is shown as grey, or of
/// the bands that [`Selection`](super::names::Selection) found. Says why not, where it can't show them.
pub(super) fn levels(stretch: Stretch, bands: &[Band]) -> Result<Levels, String> {
    let names: Vec<Option<&str>> = bands.iter().map(|band| band.name.as_deref()).collect();
    Ok(match stretch {
        Stretch::Legacy => Levels::Legacy(survey::Legacy::new(&names)?),
        Stretch::Sdss => Levels::Lupton(lupton::Mapping::new(survey::sdss(&names)?)),
        Stretch::Lupton(numbers) => Levels::Lupton(lupton::Mapping::new(numbers)),
        Stretch::Asinh => Levels::Asinh(adaptive::Mapping::new(bands)),
        Stretch::Zscale => Levels::Interval(interval::Mapping::zscale(bands)),
        Stretch::Linear => Levels::Interval(interval::Mapping::linear(bands)),
    })
}

impl Levels {
    /// The picture of some pixels of the bands, one value of each band a pixel: one plane for one band, else
    /// three, `[planes, pixels]`, 0..=255.
    pub(super) fn draw(&self, bands: &[Vec<f32>]) -> Vec<f32> {
        match self {
            Self::Legacy(recipe) => recipe.draw(bands),
            Self::Lupton(mapping) => per_pixel(bands, |pixel| mapping.show(pixel)),
            Self::Asinh(mapping) => per_pixel(bands, |pixel| mapping.show(pixel)),
            Self::Interval(mapping) => per_pixel(bands, |pixel| mapping.show(pixel)),
        }
    }
}

/// Shows pixels of one band (as grey) or of three (red, green and blue), one at a time, from 0 to 1.
fn per_pixel(bands: &[Vec<f32>], show: impl Fn(&mut [f32])) -> Vec<f32> {
    let area = bands[0].len();
    let mut picture = vec![0.0; area * bands.len()];
    let mut pixel = vec![0.0; bands.len()];
    for index in 0..area {
        for (value, band) in pixel.iter_mut().zip(bands) {
            *value = band[index];
        }
        show(&mut pixel);
        for (plane, value) in pixel.iter().enumerate() {
            picture[plane * area + index] = 255.0 * value.clamp(0.0, 1.0);
        }
    }
    picture
}

/// Where the brightest of a pixel's colours is over white, scales all of them down: the colour stays.
fn fit_to_white(pixel: &mut [f32]) {
    let brightest = pixel.iter().copied().fold(1.0, f32::max);
    for value in pixel {
        *value = value.max(0.0) / brightest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_over_white_keeps_its_colour() {
        let mut pixel = [4.0, 2.0, -1.0];
        fit_to_white(&mut pixel);
        assert_eq!(pixel, [1.0, 0.5, 0.0]);
    }
}
