//! The preprocessing against TensorFlow's own and Pillow's, value by value.
//!
//! `scripts/reference --write` made the arrays in `golden/`, with TensorFlow and Pillow themselves; CI
//! makes them again and compares. Their inputs are pixels from an integer formula that both sides compute, so that no
//! image decoder takes part.

#![allow(clippy::panic, clippy::unwrap_used)] // A helper of a test fails the test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use galmorph_cutout::{Image, Preprocessing, Resampling, RgbImage};
use image::Rgb;

/// The largest absolute difference of any value of any view.
const TOLERANCE: f32 = 1e-4;

/// Pattern, width, height and stride, as in `scripts/reference.py`: a stride of 5 keeps every fifth
/// value of a view, to save room.
const CASES: [(Pattern, u32, u32, usize); 7] = [
    (Pattern::Texture, 424, 424, 1),
    (Pattern::Texture, 264, 264, 5),
    (Pattern::Texture, 301, 257, 5),
    (Pattern::Texture, 200, 230, 5),
    (Pattern::Texture, 150, 150, 5),
    (Pattern::Texture, 97, 311, 1),
    (Pattern::Spot, 264, 264, 1),
];

/// The cases of [`Resampling::Antialiased`], which is Pillow's.
const ANTIALIASED_CASES: [(Pattern, u32, u32, usize); 4] = [
    (Pattern::Texture, 424, 424, 7),
    (Pattern::Texture, 301, 257, 7),
    (Pattern::Texture, 150, 150, 7),
    (Pattern::Texture, 97, 311, 7),
];

/// Views that enlarge, shrink a little, and shrink much.
fn antialiased() -> Preprocessing {
    Preprocessing {
        test_scales: vec![100, 198, 331],
        resize: 144,
        crop: 128,
        resampling: Resampling::Antialiased,
        ..Preprocessing::default()
    }
}

#[derive(Clone, Copy)]
enum Pattern {
    /// Gradients and noise, different in each channel.
    Texture,
    /// Black except for a 1 in one channel of the middle pixel: nearly uniform.
    Spot,
}

impl Pattern {
    fn name(self) -> &'static str {
        match self {
            Self::Texture => "texture",
            Self::Spot => "spot",
        }
    }

    fn image(self, width: u32, height: u32) -> Image {
        let picture = RgbImage::from_fn(width, height, |x, y| match self {
            Self::Texture => Rgb([0, 1, 2].map(|channel| texture(x, y, channel))),
            Self::Spot => Rgb([u8::from(x == width / 2 && y == height / 2), 0, 0]),
        });
        picture.into()
    }
}

fn texture(x: u32, y: u32, channel: u32) -> u8 {
    let mut noise =
        x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ channel.wrapping_mul(83_492_791);
    noise ^= noise >> 13;
    noise = noise.wrapping_mul(0x5bd1_e995);
    noise ^= noise >> 15;
    let gradient = (x + 2 * y * (channel + 1)) / 6 % 192;
    (gradient + noise % 64) as u8
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn file_name((pattern, width, height, _): (Pattern, u32, u32, usize)) -> String {
    format!("{}-{width}x{height}.npy", pattern.name())
}

fn antialiased_file_name(case: (Pattern, u32, u32, usize)) -> String {
    format!("antialiased-{}", file_name(case))
}

/// The values of a `.npy` file, version 1.0, that holds little-endian float32 in C order.
fn read_npy(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.to_string_lossy()));
    assert_eq!(
        &bytes[..8],
        b"\x93NUMPY\x01\x00",
        "{}",
        path.to_string_lossy()
    );
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"));
    bytes[start..]
        .chunks_exact(4)
        .map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]))
        .collect()
}

#[test]
fn views_are_tensorflows_to_1e_4() {
    let preprocessing = Preprocessing::default();
    for case in CASES {
        assert_views_are(&preprocessing, case, &file_name(case));
    }
}

#[test]
fn antialiased_views_are_pillows_to_1e_4() {
    for case in ANTIALIASED_CASES {
        assert_views_are(&antialiased(), case, &antialiased_file_name(case));
    }
}

fn assert_views_are(
    preprocessing: &Preprocessing,
    (pattern, width, height, stride): (Pattern, u32, u32, usize),
    file: &str,
) {
    let views = preprocessing.views(&pattern.image(width, height));
    let ours: Vec<f32> = views
        .chunks_exact(preprocessing.view_len())
        .flat_map(|view| view.iter().step_by(stride).copied())
        .collect();
    let wanted = read_npy(&golden_folder().join(file));
    assert_eq!(ours.len(), wanted.len(), "{file}");

    let per_scale = ours.len() / preprocessing.view_count();
    for (at, (ours, wanted)) in ours.iter().zip(&wanted).enumerate() {
        let difference = (ours - wanted).abs();
        assert!(
            difference <= TOLERANCE,
            "{file}, scale {}, value {}: {ours}, the reference has {wanted}",
            preprocessing.test_scales[at / per_scale],
            at % per_scale * stride,
        );
    }
}

/// A golden array without a case would look as if it were tested.
#[test]
fn every_golden_array_has_its_case() {
    let there: BTreeSet<String> = std::fs::read_dir(golden_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let cases = CASES.map(file_name).into_iter();
    let cases = cases.chain(ANTIALIASED_CASES.map(antialiased_file_name));
    assert_eq!(there, cases.collect());
}
