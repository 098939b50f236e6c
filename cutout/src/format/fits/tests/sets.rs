//! An image whose bands lie in files of their own is the picture that a cube of them is, or is refused.

use super::super::*;
use super::{LIMITS, decode_whole, file, read_all, with_stretch};
use crate::RejectReason;

/// The planes of `cube.fits` as files of one band each, with these lines in each header.
fn band_files(cards: &[&[&str]]) -> Vec<(&'static str, Vec<u8>)> {
    let cube = file("cube.fits");
    let planes = read_all(&cube, &[]).unwrap();
    let opened = FitsFile::open(&cube, &LIMITS).unwrap();
    let axes = &opened.images[0].axes;
    let bands = ["g", "r", "z"].into_iter().zip(planes).zip(cards);
    bands
        .map(|((band, plane), cards)| {
            let width = plane.width;
            let height = plane.pixels.len() / width;
            assert!(axes.contains(&width) && axes.contains(&height));
            let mut lines = vec![
                "SIMPLE  =                    T".to_owned(),
                "BITPIX  =                  -32".to_owned(),
                "NAXIS   =                    2".to_owned(),
                format!("NAXIS1  = {width}"),
                format!("NAXIS2  = {height}"),
            ];
            lines.extend(cards.iter().map(|card| (*card).to_owned()));
            lines.push("END".to_owned());
            let lines: Vec<String> = lines.iter().map(|line| format!("{line:<80}")).collect();
            let header = lines.concat();
            let mut bytes = format!("{header:<2880}").into_bytes();
            // The file counts its rows from the bottom.
            for row in plane.pixels.chunks(width).rev() {
                bytes.extend(row.iter().flat_map(|value| value.to_be_bytes()));
            }
            bytes.resize(bytes.len().div_ceil(size::BLOCK) * size::BLOCK, 0);
            (band, bytes)
        })
        .collect()
}

fn set<'a>(files: &'a [(&'a str, Vec<u8>)]) -> Vec<BandBytes<'a>> {
    let part = |(band, bytes): &'a (&'a str, Vec<u8>)| BandBytes { band, bytes };
    files.iter().map(part).collect()
}

fn decode_set(files: &[(&str, Vec<u8>)], rendering: &Rendering) -> Result<Image, DecodeError> {
    crate::decode_bands(&set(files), &LIMITS, u32::MAX, rendering)
}

#[test]
fn bands_in_files_of_their_own_are_the_picture_of_the_cube() {
    let mut files = band_files(&[&[], &[], &[]]);
    let legacy = with_stretch("legacy");
    let cube = decode_whole(&file("cube.fits"), &legacy).unwrap();
    assert_eq!(
        decode_set(&files, &legacy).unwrap().to_rgb8(),
        cube.to_rgb8()
    );
    // The names count, and not the order. Telescopes put more around them.
    files.reverse();
    files[1].0 = "HSC-R";
    let names = Rendering {
        bands: ["z", "r", "g"].map(String::from).to_vec(),
        ..legacy
    };
    let picture = decode_set(&files, &names).unwrap();
    assert_eq!(picture.to_rgb8(), cube.to_rgb8());
    let header = crate::header_of_bands(&set(&files), &LIMITS).unwrap();
    assert_eq!(header.dimensions, cube.dimensions());
    let middle = crate::decode_bands(&set(&files), &LIMITS, 11, &names).unwrap();
    assert_eq!(middle.dimensions(), (11, 11));
}

#[test]
fn of_a_set_that_is_not_whole_the_bands_that_are_there_are_shown() {
    let mut files = band_files(&[&[], &[], &[]]);
    files.pop();
    let grey = decode_set(&files, &Rendering::default()).unwrap();
    assert!(grey.is_grey());
    let fault = decode_set(&files, &with_stretch("legacy")).unwrap_err();
    assert_eq!(fault.reason(), RejectReason::MissingBands);
    assert!(fault.to_string().contains("g, r and z"), "{fault}");
}

#[test]
fn bands_that_do_not_fit_together_are_refused_with_what_differs() {
    const SKY: [&str; 8] = [
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        "CRVAL1  = 150.0",
        "CRVAL2  = 2.0",
        "CRPIX1  = 5.0",
        "CRPIX2  = 5.0",
        "CD1_1   = -0.0001",
        "CD2_2   = 0.0001",
    ];
    let fault = |files: &[(&str, Vec<u8>)], reason: RejectReason| {
        let fault = decode_set(files, &with_stretch("legacy")).unwrap_err();
        assert_eq!(fault.reason(), reason, "{fault}");
        let header = crate::header_of_bands(&set(files), &LIMITS);
        assert_eq!(header.unwrap_err().reason(), reason);
        fault.to_string()
    };
    let moved = SKY.map(|card| card.replace("CRPIX2  = 5.0", "CRPIX2  = 8.0"));
    let moved: Vec<&str> = moved.iter().map(|card| &**card).collect();
    let said = fault(
        &band_files(&[&SKY, &moved, &SKY]),
        RejectReason::Unsupported,
    );
    assert_eq!(
        said,
        "unsupported image: the file of band r: on the sky it is up to 3.0 pixels away from band g"
    );
    let counts: &[&str] = &["BUNIT   = 'adu'"];
    let flux: &[&str] = &["BUNIT   = 'nanomaggy'"];
    let said = fault(&band_files(&[flux, counts, &[]]), RejectReason::Unsupported);
    assert!(said.contains("band r: it is in adu"), "{said}");
    // A file in the place of another.
    let other: &[&str] = &["FILTER  = 'z DECam'"];
    let said = fault(&band_files(&[&[], other, &[]]), RejectReason::MissingBands);
    assert!(
        said.contains("band r says that it has the band z"),
        "{said}"
    );

    let mut files = band_files(&[&[], &[], &[]]);
    let whole = files.clone();
    files[2].1 = file("cube.fits");
    let said = fault(&files, RejectReason::Unsupported);
    assert!(said.contains("band z: it has 3 bands"), "{said}");
    files[2].1 = b"<html>404</html>".to_vec();
    let said = fault(&files, RejectReason::NotAnImage);
    assert!(said.contains("band z: not a FITS file"), "{said}");
    files[2].1 = whole[2].1[..3000].to_vec();
    let said = fault(&files, RejectReason::Broken);
    assert!(said.contains("band z: the data end"), "{said}");
    let text = String::from_utf8_lossy(&whole[2].1).into_owned();
    let width = text[240..320].trim_end().to_owned();
    let less = width.rsplit(' ').next().unwrap().parse::<usize>().unwrap() - 1;
    files[2].1 = whole[2].1.clone();
    files[2].1[240..320].copy_from_slice(format!("{:<80}", format!("NAXIS1  = {less}")).as_bytes());
    let said = fault(&files, RejectReason::Unsupported);
    assert!(said.contains("pixels, and band g has"), "{said}");
    files[2] = ("HSC-G", whole[2].1.clone());
    let said = fault(&files, RejectReason::MissingBands);
    assert!(said.contains("the band g twice"), "{said}");

    let few = Limits {
        max_bytes: whole[0].1.len() as u64 * 2,
        ..LIMITS
    };
    let fault = crate::header_of_bands(&set(&whole), &few).unwrap_err();
    assert_eq!(fault.reason(), RejectReason::TooLarge);
}
