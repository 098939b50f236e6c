//! Mock galaxy cutouts: for trying the program out, and for its tests.
//!
//! Real cutouts belong to others, so the repository holds none. The mock galaxies are drawn from the
//! simple photometric models that astronomers fit to galaxies. They are enough like SDSS's cutouts for
//! a network that was trained on real ones to recognise them. No result of ours depends on them: the
//! accuracy of a network is measured on real galaxies.
//!
//! An image depends on the seed, its class and its number, and on nothing else. On another processor
//! or with another mathematical library a few pixels may differ by one level.
//!
//! ```
//! use galmorph_mock::{Mock, Morphology, jpeg};
//!
//! let image = Mock::new(1).galaxy(Morphology::Spiral, 3);
//! assert_eq!(image.dimensions(), (424, 424));
//! let file = jpeg(&image, 90);
//! # assert!(file.len() > 1000);
//! ```
//!
//! # What is drawn
//!
//! | class | axis ratio | light |
//! |---|---|---|
//! | `round` | 0.87 to 0.95 | Sersic, n = 2.5 to 4, g - r about 0.8 |
//! | `in_between` | 0.5 to 0.75 | the same |
//! | `cigar` | 0.28 to 0.36 | Sersic, n = 0.7 to 1.4, g - r about 0.5 |
//! | `edge_on` | | edge-on disk (van der Kruit & Searle 1981), small bulge of n = 4, half of them with a dust lane |
//! | `spiral` | 0.4 to 0.9 | exponential disk, bulge of n = 4, two to four logarithmic arms with knots, g - r about 0.5 |
//!
//! Sersic's law is that of Sersic 1963 with the `b_n` of Ciotti & Bertin 1999. All galaxies have about
//! the same size in pixels, as in Galaxy Zoo, where each cutout was scaled to its galaxy's Petrosian
//! radius. Stars and smaller galaxies lie around them. The seeing is Gaussian for galaxies and
//! Moffat's for stars, 2.6 to 3.4 camera pixels wide; the noise is that of sky and source; the colours
//! are g, r and i through the stretch of Lupton et al. 2004.

mod canvas;
mod colour;
mod field;
mod fits;
mod galaxy;
mod profile;

pub use galmorph_cutout::{Morphology, RgbImage};

use image::codecs::jpeg::JpegEncoder;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A family of mock galaxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mock {
    seed: u64,
    side: u32,
}

impl Mock {
    /// The side of Galaxy Zoo's cutouts, in pixels.
    pub const SIDE: u32 = 424;

    /// The family of this seed, with images of [`SIDE`](Self::SIDE) pixels.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            side: Self::SIDE,
        }
    }

    /// The same family with images of `side` x `side` pixels, at least 16. The field of view stays:
    /// a galaxy spans the same part of a smaller image.
    #[must_use]
    pub const fn with_side(self, side: u32) -> Self {
        let side = if side < 16 { 16 } else { side };
        Self { side, ..self }
    }

    /// Galaxy number `index` of a class.
    pub fn galaxy(&self, class: Morphology, index: u32) -> RgbImage {
        let mut rng = self.rng(class, index);
        let scene = galaxy::Scene::draw_for(class, &mut rng);
        field::expose(&scene, &mut rng).develop(self.side)
    }

    /// The middle of the same galaxy as a FITS file, `cut` x `cut` pixels of [`galaxy`](Self::galaxy)'s (or all of
    /// them): a cube of the bands g, r and i in nanomaggies, with a position that is made up. Shown as SDSS would, it
    /// looks like that image.
    pub fn fits(&self, class: Morphology, index: u32, cut: u32) -> Vec<u8> {
        let mut rng = self.rng(class, index);
        let scene = galaxy::Scene::draw_for(class, &mut rng);
        let bands = field::expose(&scene, &mut rng).enlarged(self.side);
        let (side, cut) = (self.side as usize, cut.min(self.side) as usize);
        let edge = (side - cut) / 2;
        let middle = |band: &Vec<f32>| -> Vec<f32> {
            let rows = band.chunks_exact(side).skip(edge).take(cut);
            rows.flat_map(|row| &row[edge..edge + cut])
                .copied()
                .collect()
        };
        let label = fits::Label {
            ra: rng.random_range(0.0..360.0),
            dec: rng.random_range(-60.0..60.0),
            zoom: scene.zoom * self.side as f32 / Self::SIDE as f32,
            name: format!("{class}-{index}"),
        };
        fits::file(&bands.each_ref().map(middle), cut, &label)
    }

    /// A generator that no other image shares.
    fn rng(&self, class: Morphology, index: u32) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&index.to_le_bytes());
        key[12] = class.id() as u8;
        ChaCha8Rng::from_seed(key)
    }
}

/// An image as a JPEG file, at a quality of 1 to 100.
///
/// # Panics
/// If a side is over 65535 pixels, which no JPEG can have.
#[allow(clippy::expect_used)] // Writing to memory can't fail otherwise.
pub fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(image)
        .expect("an image that fits into a JPEG");
    bytes
}
