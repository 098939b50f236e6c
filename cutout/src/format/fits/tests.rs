//! A FITS file is read as astropy reads it, or refused with what is wrong. `scripts/fits_samples.py` made the
//! files with astropy, and wrote down what it reads of them.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::*;
use crate::{RejectReason, SkyCentre};

mod sets;

const ARCHIVE: &[u8] = include_bytes!("../../../tests/data/fits.tar");

const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_side: 1000,
    max_pixels: 1_000_000,
    min_side: 1,
};

/// What astropy makes of one band of a file.
struct Expected {
    name: String,
    number: usize,
    band: String,
    finite: usize,
    sum: f64,
    placed: f64,
    scale: f64,
    position: Option<(f64, f64)>,
}

fn archive() -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(ARCHIVE);
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

fn file(name: &str) -> Vec<u8> {
    archive().remove(name).unwrap()
}

fn expected() -> Vec<Expected> {
    let table = String::from_utf8(file("expected.csv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |index: usize| fields[index].parse::<f64>().ok();
        Expected {
            name: fields[0].to_owned(),
            number: fields[1].parse().unwrap(),
            band: fields[2].to_owned(),
            finite: fields[3].parse().unwrap(),
            sum: number(4).unwrap(),
            placed: number(5).unwrap(),
            scale: number(6).unwrap(),
            position: number(7).zip(number(8)),
        }
    };
    table.lines().skip(1).map(row).collect()
}

/// The bands of a file, with the given names if any.
fn read_all(bytes: &[u8], names: &[String]) -> Result<Vec<Band>, DecodeError> {
    let bytes = unpacked(bytes, &LIMITS)?;
    let file = FitsFile::open(&bytes, &LIMITS)?;
    let bands = Bands::of(&file, names)?;
    let wanted: Vec<usize> = (0..bands.planes.len()).collect();
    read(&[file], &bands, &wanted)
}

fn decode_whole(bytes: &[u8], rendering: &Rendering) -> Result<Image, DecodeError> {
    crate::decode_rendered(bytes, &LIMITS, u32::MAX, rendering)
}

fn with_stretch(stretch: &str) -> Rendering {
    Rendering {
        stretch: Some(stretch.parse().unwrap()),
        ..Rendering::default()
    }
}

#[test]
fn values_are_astropys_for_every_kind_of_file() {
    let files = archive();
    let expected = expected();
    for row in &expected {
        let name = &row.name;
        let bands = read_all(&files[name], &[]).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let count = expected.iter().filter(|other| other.name == *name).count();
        assert_eq!(bands.len(), count, "{name}");
        let band = &bands[row.number];
        if !row.band.is_empty() {
            assert_eq!(band.name.as_deref(), Some(&*row.band), "{name}");
        }
        let (mut finite, mut sum, mut placed) = (0, 0.0, 0.0);
        for (index, value) in band.pixels.iter().enumerate() {
            if value.is_finite() {
                finite += 1;
                sum += f64::from(*value);
                placed += f64::from(*value) * (index * 31 % 97 + 1) as f64;
            }
        }
        assert_eq!(finite, row.finite, "{name}");
        // Ours are f32.
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-6 * 97.0 * row.scale;
        assert!(
            (sum - row.sum).abs() <= 1e-6 * row.scale,
            "{name}: {sum} {}",
            row.sum
        );
        assert!(near(placed, row.placed), "{name}: {placed} {}", row.placed);
    }
    let kinds: std::collections::BTreeSet<_> = expected.iter().map(|row| &row.name).collect();
    assert!(kinds.len() >= 36, "{} kinds", kinds.len());
}

#[test]
fn the_middle_alone_is_the_middle_of_the_whole() {
    for (name, bytes) in archive() {
        if !name.contains(".fits") {
            continue;
        }
        let Ok(whole) = decode_whole(&bytes, &Rendering::default()) else {
            continue;
        };
        let size = whole.dimensions();
        assert_eq!(crate::dimensions(&bytes, &LIMITS).unwrap(), size, "{name}");
        for side in [1, 2, 16, 38] {
            let middle = crate::decode_centre(&bytes, &LIMITS, side).unwrap();
            assert_eq!(middle.origin(), whole.origin(), "{name}");
            assert_eq!(
                middle,
                whole.clone().keep_centre(side),
                "{name}, {side} pixels"
            );
        }
    }
}

/// Compares a picture with stored values, in grey levels.
fn assert_picture(name: &str, image: &Image, stored: &str, tolerance: f32) {
    let bytes = file(stored);
    let (values, _) = bytes.as_chunks::<4>();
    let (width, height) = image.dimensions();
    assert_eq!(values.len(), 3 * (width * height) as usize, "{name}");
    for (index, value) in values.iter().enumerate() {
        let area = (width * height) as usize;
        let (plane, pixel) = (index / area, (index % area) as u32);
        let ours = image.value(plane, pixel % width, pixel / width);
        let theirs = f32::from_le_bytes(*value);
        assert!(
            (ours - theirs).abs() <= tolerance,
            "{name}, {index}: {ours} {theirs}"
        );
    }
}

#[test]
fn pictures_are_those_of_the_originals() {
    for (name, stretch) in [
        ("cube", "legacy"),
        ("cube-griz", "legacy"),
        (
            "cube",
            "lupton stretch=0.5 q=10 minimum=-0.005 weights=0.7,1.1,1.8",
        ),
        ("cube", "zscale"),
    ] {
        let bytes = file(&format!("{name}.fits"));
        let image = decode_whole(&bytes, &with_stretch(stretch)).unwrap();
        let recipe = stretch.split(' ').next().unwrap();
        let stored = format!("picture-{recipe}-{name}.f32");
        assert_picture(stretch, &image, &stored, 0.01);
        assert_eq!(
            image.origin().unwrap().stretch,
            Some(stretch.parse().unwrap())
        );
    }
}

#[test]
fn a_picture_does_not_depend_on_how_its_bands_are_stored() {
    let cube = decode_whole(&file("cube.fits"), &with_stretch("legacy")).unwrap();
    let names = ["g", "r", "z"].map(String::from).to_vec();
    let rendering = Rendering {
        bands: names,
        ..with_stretch("legacy")
    };
    for name in [
        "cube-bands-first-axis.fits",
        "cube-bands-second-axis.fits",
        "cube-four-axes.fits",
        "cube-with-weights.fits",
        "extensions-by-name.fits",
    ] {
        let other = decode_whole(&file(name), &rendering).unwrap();
        assert_eq!(cube.to_rgb8(), other.to_rgb8(), "{name}");
    }
}

#[test]
fn positions_are_astropys() {
    let files = archive();
    let mut checked = 0;
    for row in expected() {
        // Seventeen arcseconds of another recipe, or one pixel of another origin, would be seen.
        let image = decode_whole(&files[&row.name], &Rendering::default()).unwrap();
        let sky = image.origin().unwrap().sky;
        let Some((ra, dec)) = row.position else {
            assert_eq!(sky, None, "{}", row.name);
            continue;
        };
        let SkyCentre {
            ra: our_ra,
            dec: our_dec,
            pixel_scale,
        } = sky.unwrap_or_else(|| panic!("{} has no position", row.name));
        let mut east = (our_ra - ra + 180.0).rem_euclid(360.0) - 180.0;
        east *= dec.to_radians().cos();
        let pixels = east.hypot(our_dec - dec) * 3600.0 / pixel_scale;
        assert!(pixels < 0.001, "{}: {pixels} pixels off", row.name);
        checked += 1;
    }
    assert!(checked >= 8, "{checked} positions");
}

/// The message for bytes that are refused for this reason.
fn refusal(bytes: &[u8], reason: RejectReason) -> String {
    let fault = decode_whole(bytes, &Rendering::default()).unwrap_err();
    assert_eq!(fault.reason(), reason, "{fault}");
    fault.to_string()
}

/// The file with a line of its first header replaced.
fn with_card(name: &str, key: &str, card: &str) -> Vec<u8> {
    replaced(file(name), key, card)
}

fn replaced(mut bytes: Vec<u8>, key: &str, card: &str) -> Vec<u8> {
    let is_it = |line: &&mut [u8]| line.starts_with(format!("{key:<8}").as_bytes());
    let line = bytes.chunks_exact_mut(80).find(is_it).unwrap();
    line.copy_from_slice(format!("{card:<80}").as_bytes());
    bytes
}

#[test]
fn a_damaged_file_is_told_what_is_wrong() {
    let broken = |bytes: &[u8]| refusal(bytes, RejectReason::Broken);
    let whole = file("plain-f4.fits");
    assert!(broken(&whole[..300]).contains("its header has no END"));
    assert!(broken(&whole[..2879]).contains("its header is cut off after its END"));
    let cut = broken(&whole[..2880 + 1000]);
    assert!(
        cut.contains("the data end after 1000 of 6364 bytes"),
        "{cut}"
    );
    let endless = with_card("plain-f4.fits", "END", "ENDE");
    assert!(broken(&endless).contains("its header has no END"));
    for (key, card, expected) in [
        ("NAXIS", "NAXIS   =                  -1", "has NAXIS = -1"),
        ("NAXIS", "NAXIS   =                1000", "has NAXIS = 1000"),
        (
            "NAXIS",
            "NAXIS   =       4000000000000",
            "has NAXIS = 4000000000000",
        ),
        ("NAXIS", "NAXIS   =                   3", "has no NAXIS3"),
        ("NAXIS1", "NAXIS1  =                  -5", "has NAXIS1 = -5"),
        (
            "NAXIS1",
            "NAXIS1  =          2000000000",
            "of 296000000000 bytes",
        ),
        (
            "NAXIS1",
            "NAXIS1  = 4000000000000000000",
            "more data than any file",
        ),
        ("NAXIS1", "NAXIS1  =                43.5", "has no NAXIS1"),
        ("BITPIX", "BITPIX  =                  17", "has BITPIX = 17"),
        ("BITPIX", "BITPLX  =                   8", "has no BITPIX"),
    ] {
        let fault = broken(&with_card("plain-f4.fits", key, card));
        assert!(fault.contains(expected), "{fault} instead of {expected}");
    }
    for (key, card, expected) in [
        (
            "ZTILE1",
            "ZTILE1  =       4000000000000",
            "has a ZTILE1 that is not from 1 to 43",
        ),
        (
            "ZNAXIS",
            "ZNAXIS  =       4000000000000",
            "has ZNAXIS = 4000000000000",
        ),
        (
            "ZBITPIX",
            "ZBITPIX =                   0",
            "has ZBITPIX = 0",
        ),
        (
            "TFIELDS",
            "TFIELDS =                  -1",
            "has no TFIELDS from 0 to 999",
        ),
        ("ZVAL1", "ZVAL1   =                   0", "has a ZVAL1"),
        ("PCOUNT", "PCOUNT  =                  -1", "has PCOUNT = -1"),
    ] {
        let fault = broken(&with_card("rice-i2.fits.fz", key, card));
        assert!(fault.contains("its extension 1"), "{fault}");
        assert!(fault.contains(expected), "{fault} instead of {expected}");
    }
    // A band must not be lost because the line that begins its header is damaged.
    let lost = with_card("extensions.fits", "XTENSION", "XTENSJON= 'IMAGE'");
    assert!(broken(&lost).contains("what follows after 1 of its parts is no extension"));
    let unpacked = file("packed-whole.fits.gz");
    assert!(broken(&unpacked[..unpacked.len() - 20]).contains("can't be unpacked"));
}

#[test]
fn no_beginning_of_a_file_is_taken_for_it() {
    for name in [
        // Of several images, the last may be missing: FITS does not say how many there are.
        "cube.fits",
        "rice-i2.fits.fz",
        "packed-whole.fits.gz",
    ] {
        let whole = file(name);
        let image = decode_whole(&whole, &Rendering::default()).unwrap();
        for length in (0..whole.len()).step_by(97) {
            // What fills up the last block may be missing, and nothing else.
            if let Ok(part) = decode_whole(&whole[..length], &Rendering::default()) {
                assert!(part == image, "{length} bytes of {name}");
                assert!(whole.len() - length < 2880, "{length} bytes of {name}");
            }
        }
    }
}

#[test]
fn what_is_larger_than_the_limits_is_refused_before_it_is_unpacked() {
    let small = |limits: Limits, name: &str| {
        let fault = crate::decode(&file(name), &limits).unwrap_err();
        assert_eq!(fault.reason(), RejectReason::TooLarge, "{name}: {fault}");
    };
    let few_bytes = |max_bytes| Limits {
        max_bytes,
        ..LIMITS
    };
    // 6.4 kB when unpacked; its tiles and the packed file are smaller.
    let limits = few_bytes(6000);
    assert!(file("plio-i2.fits.fz").len() > 6000);
    small(limits, "packed-whole.fits.gz");
    let wide = with_card("rice-i2.fits.fz", "ZTILE1", "ZTILE1  =              900000");
    let unpacked = replaced(wide, "ZNAXIS1", "ZNAXIS1 =              900000");
    let fault = crate::decode(&unpacked, &LIMITS).unwrap_err();
    assert_eq!(fault.reason(), RejectReason::TooLarge, "{fault}");
    for name in ["cube.fits", "rice-cube.fits.fz"] {
        small(
            Limits {
                max_side: 42,
                ..LIMITS
            },
            name,
        );
        small(
            Limits {
                max_pixels: 43 * 37 - 1,
                ..LIMITS
            },
            name,
        );
    }
    let limits = Limits {
        min_side: 38,
        ..LIMITS
    };
    let fault = crate::decode(&file("cube.fits"), &limits).unwrap_err();
    assert_eq!(fault.reason(), RejectReason::TooSmall);
}

#[test]
fn bands_without_names_are_asked_for() {
    let nameless = with_card("cube-four-axes.fits", "BANDS", "COMMENT no bands");
    let fault = refusal(&nameless, RejectReason::MissingBands);
    assert!(
        fault.contains("which bands its 3 planes are (set bands)"),
        "{fault}"
    );
    let named = Rendering {
        bands: ["g", "r", "z"].map(String::from).to_vec(),
        ..with_stretch("legacy")
    };
    let cube = decode_whole(&file("cube.fits"), &named).unwrap();
    let picture = decode_whole(&nameless, &named).unwrap();
    assert_eq!(picture.to_rgb8(), cube.to_rgb8());
    let few = Rendering {
        bands: vec!["g".into(), "r".into()],
        ..Rendering::default()
    };
    let fault = decode_whole(&nameless, &few).unwrap_err();
    assert_eq!(fault.reason(), RejectReason::MissingBands, "{fault}");
    let fault = decode_whole(&file("cube.fits"), &with_stretch("sdss")).unwrap_err();
    assert!(
        fault.to_string().contains("needs the bands g, r and i"),
        "{fault}"
    );
}

#[test]
fn a_file_without_an_image_is_none() {
    let empty = &file("extensions.fits")[..2880];
    let fault = refusal(empty, RejectReason::NotAnImage);
    assert!(fault.contains("a FITS file without an image"), "{fault}");
}

const ROUNDS: usize = 30_000;

#[test]
fn a_file_that_is_damaged_anywhere_harms_nothing() {
    let files: Vec<Vec<u8>> = archive()
        .into_iter()
        .filter(|(name, _)| name.contains(".fits"))
        .map(|(_, bytes)| bytes)
        .collect();
    let mut state = 9_u64;
    let mut random = |below: usize| {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    // The crate gives up on some of them by a panic, which is caught, and would be reported each time.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut decoded = 0;
    for round in 0..ROUNDS {
        let mut bytes = files[round % files.len()].clone();
        // Half of the damage is in the first header, where most can go wrong.
        let reach = if round % 2 == 0 {
            bytes.len().min(6000)
        } else {
            bytes.len()
        };
        for _ in 0..=random(4) {
            let place = random(reach);
            match random(4) {
                0 => bytes[place] ^= 1 << random(8),
                1 => bytes[place] = b"0123456789-.' ET="[random(17)],
                2 => bytes[place] = random(256) as u8,
                _ => bytes.truncate(place.max(1)),
            }
            if bytes.len() < reach {
                break;
            }
        }
        decoded += usize::from(decode_whole(&bytes, &Rendering::default()).is_ok());
    }
    std::panic::set_hook(hook);
    assert!(
        (ROUNDS / 30..ROUNDS).contains(&decoded),
        "{decoded} were decoded"
    );
}
