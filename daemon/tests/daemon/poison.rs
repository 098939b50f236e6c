//! Images that would harm: each comes to the end that docs/operations.md names, and harms no other.

use image::{GrayImage, ImageFormat};

use crate::png::{Png, compressed};
use crate::support::{Dir, Ran, encoded, jpeg, png};
use crate::tiny;

const BASELINE: &[u8] = include_bytes!("data/baseline.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("data/progressive.jpg");
const CMYK: &[u8] = include_bytes!("data/cmyk.jpg");
const YCCK: &[u8] = include_bytes!("data/ycck.jpg");
const GREY: &[u8] = include_bytes!("data/grey.jpg");
const ROTATED: &[u8] = include_bytes!("data/exif-rotated.jpg");

pub(crate) const DRAIN: [&str; 9] = [
    "watch",
    "inbox",
    "--drain",
    "--model",
    "tiny.onnx",
    "--workers",
    "1",
    "--batch",
    "16",
];

pub(crate) fn scene() -> Dir {
    let dir = Dir::new();
    tiny::write(&dir.path("tiny.onnx"));
    dir
}

/// The kind of fault that a file was rejected for, or `classified`.
fn outcome(dir: &Dir, object: &str) -> String {
    dir.ask(&format!(
        "SELECT ifnull(reason, state) FROM cutout
         WHERE object_id = '{object}'"
    ))
}

/// The network's answer for an object.
fn answer(dir: &Dir, object: &str) -> String {
    dir.ask(&format!(
        "SELECT concat_ws(' ', p_round, p_in_between, p_cigar, p_edge_on, p_spiral) FROM catalog
         WHERE object_id = '{object}'"
    ))
}

fn grey_png(width: u32, height: u32) -> Png<'static> {
    Png {
        width,
        height,
        depth: 8,
        colour: 0,
        interlaced: false,
        chunks: &[],
    }
}

/// A JPEG whose header claims another size.
fn claiming(bytes: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let frame = bytes
        .windows(2)
        .position(|marker| marker == [0xFF, 0xC0])
        .unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn bombs_are_rejected_by_what_they_claim_before_they_unpack() {
    let dir = scene();
    let small = compressed(&png(1));
    // 49 million pixels in some 50 kB.
    let zeros = compressed(&encoded(GrayImage::new(7000, 7000), ImageFormat::Png));
    let cases = [
        (
            "vast.png",
            grey_png(50_000, 50_000).file(&small),
            "too_large",
        ),
        ("vast.jpg", claiming(BASELINE, 65_535, 65_535), "too_large"),
        (
            "largest.png",
            grey_png(u32::MAX, u32::MAX).file(&small),
            "too_large",
        ),
        ("none.png", grey_png(0, 0).file(&small), "broken"),
        (
            "line.png",
            grey_png(100_000, 1).encode(|_, _| vec![7]),
            "too_large",
        ),
        ("many.png", grey_png(7000, 7000).file(&zeros), "too_large"),
        // More pixels than it says: the rest is left packed.
        ("inflates.png", grey_png(32, 32).file(&zeros), "broken"),
        ("deflated.png", grey_png(4000, 4000).file(&small), "broken"),
        (
            "padded.jpg",
            [jpeg(3), vec![0; 1 << 20]].concat(),
            "classified",
        ),
    ];
    for (name, bytes, _) in &cases {
        dir.old_file(name, bytes);
    }
    dir.old_file("good.jpg", &jpeg(1));
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(1);
    for (name, _, expected) in &cases {
        let object = name.split('.').next().unwrap();
        let kind: String = dir.ask(&format!(
            "SELECT ifnull(reason, state) FROM cutout
             WHERE path LIKE '%/{name}'"
        ));
        assert_eq!(kind, *expected, "{name} ({object})");
    }
    assert_eq!(outcome(&dir, "good"), "classified");
    assert_eq!(dir.count("cutout"), cases.len() as i64 + 1);
    dir.assert_sound();
}

#[test]
fn one_picture_in_every_kind_of_png_has_one_answer() {
    let dir = scene();
    let value = |x: usize, y: usize| (x * 7 + y * 3 + (x * y) % 11) as u8;
    let palette: Vec<u8> = (0..=255).flat_map(|grey: u8| [grey; 3]).collect();
    let see_through = [(*b"PLTE", palette.clone()), (*b"tRNS", vec![1; 256])];
    let palette = [(*b"PLTE", palette)];
    let encode = |depth, colour, interlaced, chunks, bytes: &dyn Fn(u8) -> Vec<u8>| {
        Png {
            width: 32,
            height: 32,
            depth,
            colour,
            interlaced,
            chunks,
        }
        .encode(|x, y| bytes(value(x, y)))
    };
    // A 16-bit sample of v * 257 is v in 8 bits, exactly.
    let kinds = [
        ("grey", encode(8, 0, false, &[], &|v| vec![v])),
        ("rgb", encode(8, 2, false, &[], &|v| vec![v; 3])),
        ("palette", encode(8, 3, false, &palette, &|v| vec![v])),
        (
            "see-through",
            encode(8, 3, false, &see_through, &|v| vec![v]),
        ),
        ("grey-alpha", encode(8, 4, false, &[], &|v| vec![v, 1])),
        (
            "rgb-alpha",
            encode(8, 6, false, &[], &|v| vec![v, v, v, 99]),
        ),
        ("grey-16", encode(16, 0, false, &[], &|v| vec![v; 2])),
        ("rgb-16", encode(16, 2, false, &[], &|v| vec![v; 6])),
        (
            "rgb-alpha-16",
            encode(16, 6, false, &[], &|v| vec![v, v, v, v, v, v, 1, 2]),
        ),
        ("interlaced", encode(8, 0, true, &[], &|v| vec![v])),
        (
            "interlaced-rgb-16",
            encode(16, 2, true, &[], &|v| vec![v; 6]),
        ),
    ];
    for (name, bytes) in &kinds {
        dir.old_file(format!("{name}.png"), bytes);
    }
    dir.old_file("misnamed.jpg", &kinds[1].1[..]);
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(0);
    let expected = answer(&dir, "rgb");
    for (name, _) in &kinds {
        assert_eq!(answer(&dir, name), expected, "{name}");
    }
    assert_eq!(answer(&dir, "misnamed"), expected);
    assert_eq!(dir.count("classification"), kinds.len() as i64);
}

#[test]
fn every_kind_of_jpeg_is_classified_or_rejected_as_documented() {
    let dir = scene();
    let with_frame = |marker: u8| {
        let mut bytes = BASELINE.to_vec();
        let frame = bytes
            .windows(2)
            .position(|two| two == [0xFF, 0xC0])
            .unwrap();
        bytes[frame + 1] = marker;
        bytes
    };
    let cases = [
        ("baseline", BASELINE.to_vec(), "classified"),
        ("progressive", PROGRESSIVE.to_vec(), "classified"),
        ("grey", GREY.to_vec(), "classified"),
        ("cmyk", CMYK.to_vec(), "classified"),
        ("ycck", YCCK.to_vec(), "classified"),
        ("rotated", ROTATED.to_vec(), "classified"),
        ("lossless", with_frame(0xC3), "unsupported"),
        ("arithmetic", with_frame(0xC9), "unsupported"),
        ("taller", claiming(BASELINE, 24, 4000), "broken"),
        (
            "half",
            BASELINE[..BASELINE.len() - 9]
                .iter()
                .copied()
                .chain([0xFF, 0xD9])
                .collect(),
            "broken",
        ),
        ("no-pixels", claiming(BASELINE, 0, 0), "broken"),
        ("gif", b"GIF89a and so on".to_vec(), "not_an_image"),
        ("tiff", b"II*\0 and so on".to_vec(), "not_an_image"),
        ("start", vec![0xFF, 0xD8, 0xFF], "broken"),
    ];
    for (name, bytes, _) in &cases {
        dir.old_file(format!("{name}.jpg"), bytes);
    }
    dir.old_file("misnamed.png", BASELINE);
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(1);
    for (name, _, expected) in &cases {
        assert_eq!(outcome(&dir, name), *expected, "{name}");
    }
    assert_eq!(outcome(&dir, "misnamed"), "classified");
    // The pixels as they are stored: training reads them so, too.
    assert_eq!(answer(&dir, "rotated"), answer(&dir, "baseline"));
    dir.assert_sound();
}

#[test]
fn damaged_files_are_classified_or_rejected_and_panic_nobody() {
    let dir = scene();
    let sources = [("base", BASELINE), ("prog", PROGRESSIVE)];
    let picture = grey_png(16, 16).encode(|x, y| vec![(x * y) as u8]);
    dir.old_file("png-whole.jpg", &picture);
    let mut files = 1;
    for (name, bytes) in sources.into_iter().chain([("png", &picture[..])]) {
        for bit in (0..bytes.len() * 8).step_by(13) {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            dir.old_file(format!("{name}-flipped-{bit}.jpg"), &damaged);
            files += 1;
        }
        for length in (0..bytes.len()).step_by(17) {
            dir.old_file(format!("{name}-cut-{length}.jpg"), &bytes[..length]);
            files += 1;
        }
    }
    let ran = Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(1);
    assert_eq!(ran.stderr, "", "something panicked");
    assert_eq!(dir.count("cutout"), files);
    assert_eq!(
        dir.count("cutout WHERE path LIKE '%-cut-%' AND state = 'classified'"),
        0
    );
    // A PNG has checksums, and where a flip goes unnoticed it changed no pixel. A JPEG has none: what can
    // be decoded is taken for what was meant.
    let answers = "(SELECT DISTINCT p_round, p_spiral FROM catalog WHERE path LIKE '%/png-%' AND label <> '')";
    assert_eq!(dir.count(answers), 1);
    assert!(dir.count("cutout WHERE state = 'classified'") > 100);
    dir.assert_sound();
}

#[test]
fn a_network_that_panics_on_an_image_rejects_that_one_and_lives_on() {
    network_that_panics(&[]);
}

#[test]
fn a_network_that_panics_in_a_run_that_images_share_rejects_one_of_them() {
    network_that_panics(&["--scales", "62,64", "--early-stop", "settled"]);
}

fn network_that_panics(options: &[&str]) {
    let dir = Dir::new();
    tiny::write_one_that_panics(&dir.path("tiny.onnx"));
    // Of a half of bright pixels the whitened maximum is 1, of a thirty-second it is 5.6.
    let dotted = |period: u32, grey: u8| {
        let image = GrayImage::from_fn(64, 64, |x, _| {
            image::Luma([if x % period == 0 { 200 + grey } else { grey }])
        });
        encoded(image, ImageFormat::Png)
    };
    for seed in 0..15 {
        dir.old_file(format!("good-{seed}.png"), &dotted(2, seed));
    }
    dir.old_file("good-4-poison.png", &dotted(32, 0));
    // All are of one batch, which they fill.
    dir.config("max_delay_seconds = 60\nframing = 'paper'");
    let config = ["--config", "galmorph.toml"];
    let mut drain = dir.galmorph(DRAIN);
    let drain = drain.args(options).args(config);
    let ran = Ran::from(drain.output().unwrap()).exits(1);
    assert_eq!(ran.classified_by_the_network(), 15);
    assert_eq!(outcome(&dir, "good-4-poison"), "inference");
    let reason: String = dir.ask("SELECT message FROM cutout WHERE state = 'rejected'");
    assert!(
        reason.contains("panic: attempt to divide by zero"),
        "{reason}"
    );
    assert!(
        ran.stderr.contains("attempt to divide by zero"),
        "{}",
        ran.stderr
    );
    // It isn't read again.
    Ran::from(drain.output().unwrap()).exits(0);
    dir.assert_sound();
}
