//! The pictures of two surveys, from fluxes in nanomaggies. A nanomaggy is the flux of magnitude 22.5.

use crate::Lupton;

/// The bands that [`Legacy`] shows, from blue to red.
pub(in super::super) const LEGACY_BANDS: [&str; 4] = ["g", "r", "i", "z"];

/// The bands that [`sdss`] shows, as red, green and blue, and what they are multiplied by.
///
/// These are the ratios of `nw_scale_rgb` of idlutils (N. Wherry), of which Galaxy Zoo kept a copy. In the middle of
/// 266 of its galaxies, red, green and blue have the ratios 1.21 : 1 : 0.72, which with these numbers are the colours
/// g - r = 0.7 and r - i = 0.37 of nearby galaxies.
pub(in super::super) const SDSS_BANDS: [&str; 3] = ["i", "r", "g"];
const SDSS_WEIGHTS: [f32; 3] = [0.86, 1.0, 1.37];

/// SDSS's pictures. The program behind `SkyServer` was never published; it is Lupton et al. 2004 "with some
/// modifications". Brightness and softening are those of astropy's example for SDSS frames, which its authors call very
/// similar. The sky of Galaxy Zoo's JPEGs has a noise of 2 to 3 grey levels; that of frames of NGC 6976, which were
/// smoothed by resampling, has 1 to 1.5 through this stretch.
pub(super) fn sdss(bands: &[Option<&str>]) -> Result<Lupton, String> {
    let known = SDSS_BANDS.iter().zip(SDSS_WEIGHTS);
    let weight = |name: &str| {
        known
            .clone()
            .find_map(|(band, weight)| (name == *band).then_some(weight))
    };
    let weights = weights("sdss", bands, weight)?;
    Ok(Lupton {
        stretch: 0.5,
        q: 10.0,
        minimum: 0.0,
        // One band has the place of green.
        weights: weights.clone().try_into().unwrap_or([weights[0]; 3]),
    })
}

/// What a band is multiplied by, and how much of it goes into red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    scale: f32,
    rgb: [f32; 3],
}

/// The stretch of the Legacy Surveys for bands in a given order.
pub(in super::super) struct Legacy {
    shares: Vec<Share>,
}

const RED: [f32; 3] = [1.0, 0.0, 0.0];
const GREEN: [f32; 3] = [0.0, 1.0, 0.0];
const BLUE: [f32; 3] = [0.0, 0.0, 1.0];

impl Legacy {
    /// The viewer of the Legacy Surveys (legacysurvey.org/viewer): `dr2_rgb` of its source, for data releases
    /// 2 to 9, and `dr10_griz_rgb` where both i and z are there.
    pub(super) fn new(bands: &[Option<&str>]) -> Result<Self, String> {
        let scale = |band: &str| match band {
            "g" => Some((6.0, BLUE)),
            "r" => Some((3.4, GREEN)),
            "i" => Some((3.0, RED)),
            "z" => Some((2.2, RED)),
            _ => None,
        };
        let share = |name: &str| scale(name).map(|(scale, rgb)| Share { scale, rgb });
        let mut shares = weights("legacy", bands, share)?;
        if shares.len() == LEGACY_BANDS.len() {
            // Data release 10: brighter, and each band is a mixture.
            let mixture = [
                [0.0, 0.0, 0.75],
                [0.0, 0.5, 0.25],
                [0.25, 0.5, 0.0],
                [0.75, 0.0, 0.0],
            ];
            for (share, rgb) in shares.iter_mut().zip(mixture) {
                share.scale *= 1.5;
                share.rgb = rgb;
            }
        }
        Ok(Self { shares })
    }

    /// See [`Levels::draw`](super::Levels::draw). A pixel without a value has no flux in that band.
    pub(super) fn draw(&self, bands: &[Vec<f32>]) -> Vec<f32> {
        let area = bands[0].len();
        let is_grey = bands.len() == 1;
        let planes = if is_grey { 1 } else { 3 };
        let mut picture = vec![0.0; area * planes];
        let mut flux = vec![0.0; bands.len()];
        for index in 0..area {
            for ((value, band), share) in flux.iter_mut().zip(bands).zip(&self.shares) {
                let pixel = band[index];
                *value = if pixel.is_finite() {
                    pixel * share.scale
                } else {
                    0.0
                };
            }
            legacy(&mut flux);
            for (value, share) in flux.iter().zip(&self.shares) {
                if is_grey {
                    picture[index] = 255.0 * value;
                    continue;
                }
                for (plane, part) in share.rgb.iter().enumerate() {
                    picture[plane * area + index] += 255.0 * part * value;
                }
            }
        }
        picture
    }
}

/// What a stretch multiplies each of the bands by, or which one it does not know.
fn weights<T>(
    stretch: &str,
    bands: &[Option<&str>],
    weight: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let find = |band: Option<&str>| match band {
        Some(band) => weight(band)
            .ok_or_else(|| format!("stretch {stretch} has no numbers for the band {band}")),
        None => Err(format!(
            "stretch {stretch} must know the band, and the file does not name it (set bands)"
        )),
    };
    bands.iter().copied().map(find).collect()
}

/// Clips to white, band by band: what is bright turns white, whatever its colour.
fn legacy(flux: &mut [f32]) {
    const OFFSET: f32 = 0.03;
    const Q: f32 = 20.0;
    let count = flux.len() as f32;
    let mean = flux
        .iter()
        .map(|value| (value + OFFSET).max(0.0))
        .sum::<f32>()
        / count;
    let factor = if mean == 0.0 {
        0.0
    } else {
        (Q * mean).asinh() / Q.sqrt() / mean
    };
    for value in flux {
        *value = ((*value + OFFSET) * factor).clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Band, levels};
    use crate::Stretch;

    /// What a stretch makes of one pixel of bands of these names.
    fn pixel(stretch: Stretch, names: &[&str], values: &[f32]) -> Vec<f32> {
        let band = |(name, value): (&&str, &f32)| Band {
            name: Some((*name).to_owned()),
            width: 1,
            pixels: vec![*value],
        };
        let bands: Vec<Band> = names.iter().zip(values).map(band).collect();
        let pixels: Vec<Vec<f32>> = bands.iter().map(|band| band.pixels.clone()).collect();
        levels(stretch, &bands).unwrap().draw(&pixels)
    }

    #[test]
    fn a_band_goes_to_its_colour() {
        let legacy = pixel(Stretch::Legacy, &["g", "r", "z"], &[0.05, 0.0, 0.0]);
        assert!(legacy[2] > 5.0 * legacy[0] && legacy[0] == legacy[1]);
        let sdss = pixel(Stretch::Sdss, &["i", "r", "g"], &[0.05, 0.0, 0.0]);
        assert!(sdss[0] > 10.0 && sdss[1] == 0.0 && sdss[2] == 0.0);
    }

    #[test]
    fn the_brightest_is_white_in_one_and_coloured_in_the_other() {
        let bright = [3000.0, 2000.0, 1000.0];
        let legacy = pixel(Stretch::Legacy, &["z", "r", "g"], &bright);
        assert_eq!(legacy, [255.0; 3]);
        let sdss = pixel(Stretch::Sdss, &["i", "r", "g"], &bright);
        assert_eq!(sdss[0], 255.0);
        assert!(sdss[2] < 0.6 * 255.0);
    }

    #[test]
    fn one_band_is_grey_and_no_value_is_no_flux() {
        for stretch in [Stretch::Legacy, Stretch::Sdss] {
            let grey = |value| pixel(stretch, &["r"], &[value]);
            assert_eq!(grey(f32::NAN), grey(0.0));
            assert_eq!(grey(1e9), [255.0]);
            assert_eq!(grey(-1e9), [0.0]);
        }
        // Three bands that are shown as equally bright have no colour.
        let colours = pixel(
            Stretch::Sdss,
            &["i", "r", "g"],
            &[0.1 / 0.86, 0.1, 0.1 / 1.37],
        );
        let grey = pixel(Stretch::Sdss, &["r"], &[0.1]);
        assert!(colours.iter().all(|value| (value - grey[0]).abs() < 0.01));
    }

    #[test]
    fn a_band_without_numbers_is_named() {
        let fault = super::sdss(&[Some("z")]).unwrap_err();
        assert_eq!(fault, "stretch sdss has no numbers for the band z");
        let fault = super::Legacy::new(&[None]).err().unwrap();
        assert!(fault.contains("set bands"), "{fault}");
    }
}
