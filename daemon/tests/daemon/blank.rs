//! Images in which nothing is to be seen, as whole files: they get no answer, and the message says what was found.

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};

use crate::fits::{cube, plane};
use crate::poison::{DRAIN, scene};
use crate::support::{encoded, galaxy};

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

/// A FITS file with other values in some of its pixels.
fn with(value: f32, pixels: std::ops::Range<usize>, mut fits: Vec<u8>) -> Vec<u8> {
    for pixel in pixels {
        let at = 2880 + 4 * pixel;
        fits[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    fits
}

#[test]
fn what_shows_nothing_gets_no_answer_and_the_message_says_what_was_found() {
    let dir = scene();
    let galaxy = galaxy(1);
    let (width, height) = galaxy.dimensions();
    let area = (width * height) as usize;
    let black = RgbImage::new(width, height);
    let mut hot = black.clone();
    hot.put_pixel(width / 2, height / 2, Rgb([255; 3]));
    let hidden = ImageBuffer::from_fn(width, height, |x, y| {
        let [red, green, blue] = galaxy.get_pixel(x, y).0;
        Rgba([red, green, blue, 0])
    });
    let brightest = u16::from(galaxy.iter().copied().max().unwrap());
    let faint = ImageBuffer::from_fn(width, height, |x, y| {
        Luma([u16::from(galaxy.get_pixel(x, y).0[1]) * 500 / brightest])
    });
    let dim = RgbImage::from_fn(width, height, |x, y| {
        Rgb(galaxy.get_pixel(x, y).0.map(|level| level / 100))
    });
    let names = [("BANDS", "'grz     '")];
    let r_alone = with(f32::NAN, area..2 * area, cube(1, &names));
    let void = with(0.0, 0..area, plane(1, 0, &[]));
    let spans = |image: &ImageBuffer<Luma<u16>, Vec<u16>>| {
        let (low, high) = (image.iter().min().unwrap(), image.iter().max().unwrap());
        format!("its values span {} of 65535", high - low)
    };
    let faint_spans = spans(&faint);
    let cases = [
        (
            "black.jpg",
            encoded(black, ImageFormat::Jpeg),
            "it has one colour",
        ),
        (
            "hot.png",
            png(hot),
            "but for fewer than one pixel in a thousand",
        ),
        ("hidden.png", png(hidden), "it has one colour"),
        ("faint.png", png(faint), &*faint_spans),
        ("dim.png", png(dim), "its values span 2.0 of 255"),
        (
            "grey.fits",
            r_alone,
            "band r has no value (of the bands g, r, z; colours says which to show)",
        ),
        (
            "void.fits",
            void,
            "the band that is shown has the value 0 and no other",
        ),
    ];
    for (name, bytes, found) in &cases {
        dir.old_file(name, bytes);
        let file = format!("inbox/{name}");
        let ran = dir
            .run(&["classify", "--model", "tiny.onnx", &file])
            .exits(1);
        ran.says_in_one_line(&[name, "the image shows nothing: ", found]);
    }
    dir.run(&DRAIN).exits(1);
    for (name, _, found) in &cases {
        let (object, _) = name.split_once('.').unwrap();
        let row: String = dir.ask(&format!(
            "SELECT reason || ': ' || message FROM cutout WHERE object_id = '{object}'"
        ));
        let expected = "blank: the image shows nothing: ";
        assert!(
            row.starts_with(expected) && row.contains(found),
            "{name}: {row}"
        );
    }
    // The band with the galaxy can be asked for.
    let z = ["--bands", "g,r,z", "--colours", "z"];
    let classify = ["classify", "--model", "tiny.onnx", "inbox/grey.fits"];
    dir.run(&[&classify[..], &z].concat()).exits(0);
    dir.assert_sound();
}
