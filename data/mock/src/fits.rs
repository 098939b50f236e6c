//! Mock galaxies as FITS cubes: bands g, r and i in nanomaggies, with a position on a sky of their own.
//!
//! The values are 16-bit integers with `BSCALE`, as in many archives, a fraction of the noise apart.

use std::fmt::Write as _;

use crate::colour::STRETCH;

/// A line of a header, and how many lines a block has.
const CARD: usize = 80;
const BLOCK: usize = 36 * CARD;

/// What the pixel scale of SDSS's camera is, in degrees.
const CAMERA_PIXEL: f64 = 0.396 / 3600.0;

/// A brightness in i, r and g in units of nanomaggies, for which galmorph's stretch `sdss` makes the picture that the
/// JPEG of the same galaxy shows: its curve rises by 2.27 a nanomaggy near black, and its weights are these.
const RISE: f32 = 2.27;
const SDSS_WEIGHTS: [f32; 3] = [0.86, 1.0, 1.37];

/// How many steps of the integers make one sky noise.
const STEPS: f32 = 4.0;

/// Where an image lies, and what it is called.
pub(crate) struct Label {
    /// In degrees.
    pub(crate) ra: f64,
    /// In degrees.
    pub(crate) dec: f64,
    /// How many pixels of the image a pixel of the camera is wide.
    pub(crate) zoom: f32,
    pub(crate) name: String,
}

/// The file of the bands i, r and g, `side` x `side` pixels each, rows from the top.
pub(crate) fn file(bands: &[Vec<f32>; 3], side: usize, label: &Label) -> Vec<u8> {
    // One sky noise in r.
    let noise = flux(1, 1.0);
    let scale = f64::from(noise / STEPS);
    let mut bytes = header(side, scale, label);
    for band in [2, 1, 0] {
        for row in bands[band].chunks_exact(side).rev() {
            for value in row {
                let steps = f64::from(flux(band, *value)) / scale;
                // A cast stops at the ends of the range.
                bytes.extend((steps.round() as i16).to_be_bytes());
            }
        }
    }
    bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
    bytes
}

/// What a brightness on the display is in nanomaggies.
fn flux(band: usize, brightness: f32) -> f32 {
    brightness * STRETCH / (RISE * SDSS_WEIGHTS[band])
}

fn header(side: usize, scale: f64, label: &Label) -> Vec<u8> {
    let pixel = CAMERA_PIXEL / f64::from(label.zoom);
    let middle = f64::midpoint(side as f64, 1.0);
    let cards = [
        ("SIMPLE", "T".to_owned()),
        ("BITPIX", "16".into()),
        ("NAXIS", "3".into()),
        ("NAXIS1", side.to_string()),
        ("NAXIS2", side.to_string()),
        ("NAXIS3", "3".into()),
        ("BSCALE", format!("{scale:.9E}")),
        ("BZERO", "0.0".into()),
        ("BUNIT", "'nanomaggy'".into()),
        ("BANDS", "'gri     '".into()),
        ("BAND0", "'g       '".into()),
        ("BAND1", "'r       '".into()),
        ("BAND2", "'i       '".into()),
        ("OBJECT", format!("'{:<8}'", label.name)),
        ("CTYPE1", "'RA---TAN'".into()),
        ("CTYPE2", "'DEC--TAN'".into()),
        ("CRVAL1", format!("{:.6}", label.ra)),
        ("CRVAL2", format!("{:.6}", label.dec)),
        ("CRPIX1", format!("{middle:.1}")),
        ("CRPIX2", format!("{middle:.1}")),
        ("CD1_1", format!("{:.9E}", -pixel)),
        ("CD1_2", "0.0".into()),
        ("CD2_1", "0.0".into()),
        ("CD2_2", format!("{pixel:.9E}")),
    ];
    let mut text = String::new();
    for (key, value) in cards {
        let card = if value.starts_with('\'') {
            format!("{key:<8}= {value:<20}")
        } else {
            format!("{key:<8}= {value:>20}")
        };
        let _ = write!(text, "{card:<CARD$}");
    }
    for remark in [
        "A drawing, not a photograph: a mock galaxy of galmorph.",
        "Its position is made up.",
    ] {
        let _ = write!(text, "{:<CARD$}", format!("COMMENT {remark}"));
    }
    let _ = write!(text, "{:<CARD$}", "END");
    let length = text.len().div_ceil(BLOCK) * BLOCK;
    format!("{text:<length$}").into_bytes()
}
