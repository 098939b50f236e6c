//! FITS images in watched folders, and what the stretch of their folder makes of them.

use std::fs;
use std::io::Write as _;

use crate::poison::{DRAIN, scene};
use crate::support::{Dir, Ran, galaxy};

/// A header of these lines.
fn header(cards: &[(&str, &str)]) -> Vec<u8> {
    let card = |(key, value): &(&str, &str)| format!("{:<80}", format!("{key:<8}= {value:>20}"));
    let text: String = cards.iter().map(card).collect::<String>() + "END";
    format!("{text:<2880}").into_bytes()
}

/// A galaxy as a cube of three bands of 32-bit floats, rows from the bottom. `cards` are added to its header.
pub(crate) fn cube(seed: u32, cards: &[(&str, &str)]) -> Vec<u8> {
    let picture = galaxy(seed);
    let (width, height) = picture.dimensions();
    let (width, height) = (width.to_string(), height.to_string());
    let shape = [
        ("SIMPLE", "T"),
        ("BITPIX", "-32"),
        ("NAXIS", "3"),
        ("NAXIS1", &width),
        ("NAXIS2", &height),
        ("NAXIS3", "3"),
    ];
    let mut bytes = header(&[&shape, cards].concat());
    for band in [2, 1, 0] {
        for row in picture.rows().rev() {
            for pixel in row {
                bytes.extend((f32::from(pixel[band]) / 1000.0).to_be_bytes());
            }
        }
    }
    bytes.resize(bytes.len().div_ceil(2880) * 2880, 0);
    bytes
}

/// One band of that galaxy as a file of its own: blue, green and red are 2, 1 and 0. `cards` are added to its header.
pub(crate) fn plane(seed: u32, band: usize, cards: &[(&str, &str)]) -> Vec<u8> {
    let picture = galaxy(seed);
    let (width, height) = picture.dimensions();
    let (width, height) = (width.to_string(), height.to_string());
    let shape = [
        ("SIMPLE", "T"),
        ("BITPIX", "-32"),
        ("NAXIS", "2"),
        ("NAXIS1", &width),
        ("NAXIS2", &height),
    ];
    let mut bytes = header(&[&shape, cards].concat());
    for row in picture.rows().rev() {
        for pixel in row {
            bytes.extend((f32::from(pixel[band]) / 1000.0).to_be_bytes());
        }
    }
    bytes.resize(bytes.len().div_ceil(2880) * 2880, 0);
    bytes
}

pub(crate) const LEGACY: [(&str, &str); 2] = [("SURVEY", "'DECaLS  '"), ("BANDS", "'grz     '")];

fn outcome(dir: &Dir, object: &str) -> String {
    dir.ask(&format!(
        "SELECT ifnull(reason || ': ' || message, state) FROM cutout WHERE object_id = '{object}'"
    ))
}

fn answer(dir: &Dir, object: &str) -> String {
    dir.ask(&format!(
        "SELECT concat_ws(' ', p_round, p_in_between, p_cigar, p_edge_on, p_spiral) FROM catalog
         WHERE object_id = '{object}'"
    ))
}

#[test]
fn a_fits_image_is_classified_packed_or_not() {
    let dir = scene();
    let bytes = cube(1, &LEGACY);
    dir.old_file("plain.fits", &bytes);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    dir.old_file("packed.fits.gz", &packed.finish().unwrap());
    dir.old_file("nameless.FIT", &cube(1, &[]));
    dir.old_file("cut.fts", &bytes[..bytes.len() / 2]);
    dir.old_file(
        "table.fits",
        &header(&[("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0")]),
    );
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(1);
    assert_eq!(outcome(&dir, "plain"), "classified");
    assert_eq!(answer(&dir, "packed"), answer(&dir, "plain"));
    for (object, expected) in [
        (
            "nameless",
            "missing_bands: missing bands: the file does not say which",
        ),
        ("cut", "broken: broken image: the data end after"),
        (
            "table",
            "not_an_image: no image: a FITS file without an image",
        ),
    ] {
        let outcome = outcome(&dir, object);
        assert!(outcome.starts_with(expected), "{outcome}");
    }
    dir.assert_sound();
}

#[test]
fn a_folder_has_its_own_stretch_and_names() {
    let dir = scene();
    dir.old_file("all/one.fits", &cube(1, &LEGACY));
    dir.old_file("own/two.fits", &cube(2, &LEGACY));
    dir.old_file("own/nameless.fits", &cube(3, &[]));
    let folder = |name: &str| dir.inbox(name).display().to_string();
    let config = dir.config(&format!(
        "folders = [{:?}, {{ path = {:?}, stretch = 'linear', bands = ['g', 'r', 'z'] }}]\nstretch = 'sdss'",
        folder("all"),
        folder("own"),
    ));
    let config = config.to_str().unwrap();
    let drain = [
        "watch",
        "--drain",
        "--model",
        "tiny.onnx",
        "--config",
        config,
    ];
    Ran::from(dir.galmorph(drain).output().unwrap()).exits(1);
    let fault = outcome(&dir, "one");
    assert!(
        fault.contains("stretch sdss needs the bands g, r and i, and the file has g, r, z"),
        "{fault}"
    );
    assert_eq!(outcome(&dir, "two"), "classified");
    assert_eq!(outcome(&dir, "nameless"), "classified");
    // The same content through another stretch is another picture.
    let classify = |stretch: &str| {
        let arguments = [
            "--model",
            "tiny.onnx",
            "--stretch",
            stretch,
            "--format",
            "csv",
        ];
        let arguments = ["classify", "inbox/own/two.fits"].iter().chain(&arguments);
        let ran = Ran::from(dir.galmorph(arguments).output().unwrap()).exits(0);
        ran.stdout.lines().nth(1).unwrap().to_owned()
    };
    assert_ne!(classify("linear"), classify("legacy"));
    let ran = dir.run(&["classify", "inbox/own/two.fits", "--stretch", "arcsinh"]);
    ran.exits(2)
        .says_in_one_line(&["--stretch: unknown stretch 'arcsinh'"]);
}

#[test]
fn another_stretch_is_another_answer_for_fits_images_and_the_earlier_one_is_kept() {
    let dir = scene();
    dir.old_file("a.fits", &cube(1, &LEGACY));
    dir.old_file("b.png", &crate::support::png(2));
    let drain = |setting: &str| {
        let config = dir.config(&format!(
            "folders = ['inbox']\nmodel = 'tiny.onnx'\n{setting}"
        ));
        let config = config.to_str().unwrap();
        dir.run(&["watch", "--drain", "--config", config]).exits(0)
    };
    let stretch = || dir.ask::<String>("SELECT stretch FROM catalog WHERE object_id = 'a'");
    assert_eq!(drain("").classified_by_the_network(), 2);
    let before = answer(&dir, "a");
    assert_eq!(drain("stretch = 'linear'").classified_by_the_network(), 1);
    assert_eq!(stretch(), "linear");
    assert_ne!(answer(&dir, "a"), before);
    assert_eq!(drain("stretch = 'linear'").classified(), (0, 0));
    assert_eq!(dir.status()["files"]["waiting"].as_u64(), Some(0));
    // So are other bands and other colours.
    let bands = "bands = ['z', 'r', 'g']";
    let other = drain(&format!("stretch = 'linear'\n{bands}"));
    assert_eq!(other.classified_by_the_network(), 1);
    // Back again: the network need not see it.
    assert_eq!(drain("").classified(), (1, 1));
    assert_eq!((stretch(), answer(&dir, "a")), ("legacy".into(), before));
    let kept = drain("stretch = 'linear'\nreclassify = false");
    assert_eq!(kept.classified(), (0, 0));
    dir.assert_sound();
}

#[test]
fn the_picture_of_the_views_shows_the_stretch() {
    let dir = Dir::new();
    dir.old_file("a.fits", &cube(1, &LEGACY));
    let png = |stretch: &str, name: &str| {
        dir.run(&["views", "inbox/a.fits", "--stretch", stretch, "--png", name])
            .exits(0);
        image::open(dir.path(name)).unwrap().to_rgb8()
    };
    let legacy = png("legacy", "legacy.png");
    // The built-in model looks at one view.
    assert_eq!(legacy.dimensions(), (4 * 128, 4 * 128));
    assert_ne!(legacy, png("linear", "linear.png"));
    let views = ["views", "inbox/a.fits"];
    dir.run(&views).exits(2);
    dir.run(&["views", "inbox/a.fits", "--png", "x", "--npy", "x"])
        .exits(2);
    dir.run(&["views", "inbox/a.fits", "--png", "legacy.png"])
        .exits(2)
        .says_in_one_line(&["cannot write 'legacy.png': it exists"]);
    assert!(fs::exists(dir.path("legacy.png")).unwrap());
}
