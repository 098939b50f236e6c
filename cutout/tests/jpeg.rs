//! A JPEG is right or it is refused. Right is what libjpeg-turbo decodes; `scripts/jpeg_samples.py` made the
//! files, and wrote down the checksums of its pixels.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::io::Read as _;

use galmorph_cutout::{DecodeError, Image, Limits, RejectReason, decode_centre};

const ARCHIVE: &[u8] = include_bytes!("data/jpeg.tar");

const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_side: 1000,
    max_pixels: 1_000_000,
    min_side: 1,
};

/// The files of the archive by their names.
fn files() -> BTreeMap<String, Vec<u8>> {
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
    files().remove(name).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
    galmorph_cutout::decode(bytes, &LIMITS)
}

/// Asserts that a file is rejected as broken, and that its middle alone is, too.
fn assert_broken(bytes: &[u8], story: &str) {
    for side in [u32::MAX, 1] {
        let decoded = decode_centre(bytes, &LIMITS, side).map(|_| "decoded");
        let reason = decoded.map_err(|error| error.reason());
        assert_eq!(reason, Err(RejectReason::Broken), "{story}");
    }
}

/// Where the compressed data of the last scan begins.
fn scan_data(bytes: &[u8]) -> usize {
    let header = bytes
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xDA])
        .unwrap()
        + 2;
    header + usize::from(u16::from_be_bytes([bytes[header], bytes[header + 1]]))
}

/// The data between two restart markers, and the first marker's last byte, from a file that has one scan.
fn restart_intervals(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_restart = |at: &usize| bytes[*at] == 0xFF && (0xD0..=0xD7).contains(&bytes[at + 1]);
    let markers: Vec<usize> = (scan_data(bytes)..bytes.len() - 1)
        .filter(is_restart)
        .collect();
    markers
        .windows(2)
        .map(|pair| pair[0] + 2..pair[1])
        .collect()
}

#[test]
fn pixels_are_those_of_libjpeg_turbo_for_every_kind_of_file() {
    let mut files = files();
    let expected = String::from_utf8(files.remove("expected.csv").unwrap()).unwrap();
    let mut decoded = 0;
    for line in expected.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [name, width, height, checksum] = fields[..] else {
            panic!("{line}");
        };
        let bytes = &files[&format!("{name}.jpg")];
        if checksum.is_empty() {
            let error = decode(bytes).unwrap_err();
            assert_eq!(error.reason(), RejectReason::Unsupported, "{name}");
            assert!(error.to_string().contains("arithmetic coding"), "{error}");
            continue;
        }
        let image = decode(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(image.width().to_string(), width, "{name}");
        assert_eq!(image.height().to_string(), height, "{name}");
        let found = crc32fast::hash(image.to_rgb8().as_raw());
        assert_eq!(format!("{found:08x}"), checksum, "{name}");
        decoded += 1;
    }
    assert!(decoded >= 400, "{decoded} files");
}

#[test]
fn the_middle_alone_is_the_middle_of_the_whole() {
    for (name, bytes) in files() {
        let Ok(whole) = decode(&bytes) else {
            continue;
        };
        for side in [1, 2, 7, 16, 33] {
            let middle = decode_centre(&bytes, &LIMITS, side).unwrap();
            assert_eq!(middle.origin(), whole.origin(), "{name}");
            assert_eq!(
                middle,
                whole.clone().keep_centre(side),
                "{name}, {side} pixels"
            );
        }
    }
}

#[test]
fn no_beginning_of_a_file_is_taken_for_it() {
    let files = files();
    for name in [
        "grey-03-48x40.jpg",
        "grey-03-48x40-progressive.jpg",
        "pillow-03-48x40.jpg",
        "pillow-03-48x40-progressiveTrue.jpg",
    ] {
        let bytes = &files[name];
        assert!(decode(bytes).is_ok(), "{name}");
        for length in 3..bytes.len() {
            assert_broken(&bytes[..length], &format!("{name}, {length} bytes"));
        }
        // An end marker behind a part doesn't make it whole.
        for length in scan_data(bytes)..bytes.len() - 2 {
            let cut = [&bytes[..length], &[0xFF, 0xD9]].concat();
            assert_broken(&cut, &format!("{name}, cut at {length}"));
        }
    }
}

#[test]
fn what_lies_behind_the_image_is_ignored() {
    let whole = file("pillow-03-48x40.jpg");
    for rest in [
        &b"\0\0\0\0"[..],
        b"<!-- an instrument's own notes -->",
        &whole,
    ] {
        assert_eq!(
            decode(&[&whole, rest].concat()).unwrap(),
            decode(&whole).unwrap()
        );
    }
}

#[test]
fn halves_and_doubles_are_broken() {
    let whole = file("pillow-03-48x40.jpg");
    let data = scan_data(&whole);
    let half = data + (whole.len() - data) / 2;
    let end = &[0xFF, 0xD9];
    let zeros = vec![0; whole.len() - half - 2];
    let header = &whole[..data];
    for (story, bytes) in [
        ("half, with an end marker", [&whole[..half], end].concat()),
        (
            "half, and then the whole file",
            [&whole[..half], &whole].concat(),
        ),
        (
            "an end marker in the middle",
            [&whole[..half], end, &whole[half..]].concat(),
        ),
        (
            "zeros in place of the second half",
            [&whole[..half], &zeros, end].concat(),
        ),
        ("no data", [header, end].concat()),
        (
            "the second half twice",
            [&whole[..whole.len() - 2], &whole[half..]].concat(),
        ),
        (
            "a second scan of the same components",
            [&whole[..whole.len() - 2], &whole[2..]].concat(),
        ),
        ("no scan", [&whole[..data - 14], end].concat()),
        ("the header twice", [header, &whole].concat()),
        (
            "a piece is missing",
            [&whole[..half], &whole[half + 100..]].concat(),
        ),
    ] {
        assert_broken(&bytes, story);
    }
}

#[test]
fn restart_intervals_come_all_and_in_order() {
    let name = |name: &&String| name.starts_with("colour-") && name.ends_with("-1.jpg");
    let files = files();
    let mut tried = 0;
    for name in files.keys().filter(name) {
        let whole = &files[name];
        let intervals = restart_intervals(whole);
        let (Some(first), Some(second)) = (intervals.first(), intervals.get(1)) else {
            continue;
        };
        let (head, marker) = (&whole[..first.start], &whole[first.end..second.start]);
        let (a, b, rest) = (
            &whole[first.clone()],
            &whole[second.clone()],
            &whole[second.end..],
        );
        assert!(
            decode(&[head, a, marker, b, rest].concat()).is_ok(),
            "{name}"
        );
        assert_broken(&[head, b, rest].concat(), "an interval is lost");
        assert_broken(
            &[head, a, marker, a, marker, b, rest].concat(),
            "an interval is doubled",
        );
        let next = &whole[second.end..second.end + 2];
        let swapped = [head, a, next, b, marker, &rest[2..]].concat();
        assert_broken(&swapped, "two intervals are swapped with their markers");
        tried += 1;
    }
    assert!(tried >= 3, "{tried} files");
}

#[test]
fn scans_that_are_missing_are_missed() {
    for (name, bytes) in files() {
        if !name.starts_with("colour-") || decode(&bytes).is_err() {
            continue;
        }
        let scans: Vec<usize> = bytes
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| (pair == [0xFF, 0xDA]).then_some(at))
            .collect();
        for scan in scans {
            let cut = [&bytes[..scan], &[0xFF, 0xD9]].concat();
            assert_broken(&cut, &format!("{name} without the scans from {scan} on"));
        }
    }
}

#[test]
fn segments_may_be_padded_with_ff_and_with_nothing_else() {
    let whole = file("pillow-03-48x40.jpg");
    let padded = |padding: &[u8]| [&whole[..2], padding, &whole[2..]].concat();
    assert_eq!(
        decode(&padded(&[0xFF, 0xFF])).unwrap(),
        decode(&whole).unwrap()
    );
    for padding in [&[0x00][..], &[0xFF, 0x00], b"text"] {
        let padded = padded(padding);
        // No JPEG begins so, if the third byte isn't 0xFF.
        if padded[2] == 0xFF {
            assert_broken(&padded, "bytes between segments");
        } else {
            assert!(decode(&padded).is_err());
        }
    }
}

#[test]
fn markers_inside_of_a_comment_are_text() {
    let whole = file("pillow-03-48x40.jpg");
    let comment = [0xFF, 0xFE, 0x00, 0x06, 0xFF, 0xD9, 0xFF, 0xD8];
    let with_comment = [&whole[..2], &comment, &whole[2..]].concat();
    assert_eq!(decode(&with_comment).unwrap(), decode(&whole).unwrap());
}

#[test]
fn kinds_that_are_not_decoded_are_named() {
    let whole = file("pillow-03-48x40.jpg");
    let frame = whole
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    let changed = |at: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[frame + at] = value;
        decode(&bytes).unwrap_err()
    };
    for (error, name) in [
        (changed(1, 0xC3), "lossless"),
        (changed(1, 0xC5), "hierarchical"),
        (changed(1, 0xC9), "arithmetic coding"),
        (changed(1, 0xF7), "JPEG-LS"),
        (changed(4, 12), "more than 8 bits"),
    ] {
        assert_eq!(error.reason(), RejectReason::Unsupported, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_size_is_checked_before_anything_is_decoded() {
    let whole = file("pillow-03-48x40.jpg");
    let frame = whole
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    let mut bomb = whole;
    bomb[frame + 5..frame + 9].fill(0xFF);
    assert_eq!(decode(&bomb).unwrap_err().reason(), RejectReason::TooLarge);
}
