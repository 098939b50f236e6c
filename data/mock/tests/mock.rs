//! What other crates' tests rely on in the mock galaxies.

use std::path::Path;

use galmorph_cutout::{Image, Limits, Stretch, decode};
use galmorph_mock::{Mock, Morphology, RgbImage, jpeg};

/// The seed of the committed samples, as data/README.md has it.
const SEED_OF_SAMPLES: u64 = 92;

fn brightness(image: &RgbImage, x: u32, y: u32) -> f64 {
    image
        .get_pixel(x, y)
        .0
        .iter()
        .map(|value| f64::from(*value))
        .sum::<f64>()
        / 3.0
}

/// The axis ratio of what lies within 60 pixels of the centre and stands out from the sky, by its
/// second moments.
fn axis_ratio(image: &RgbImage) -> f64 {
    let middle = f64::from(image.width()) / 2.0;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y, _) in image.enumerate_pixels() {
        let light = brightness(image, x, y);
        let (x, y) = (f64::from(x) - middle, f64::from(y) - middle);
        if light > 30.0 && x.hypot(y) < 60.0 {
            xx += light * x * x;
            yy += light * y * y;
            xy += light * x * y;
        }
    }
    let root = ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt();
    ((xx + yy - root) / (xx + yy + root)).sqrt()
}

#[test]
fn an_image_depends_on_seed_class_and_number_and_on_nothing_else() {
    let mock = Mock::new(7);
    let image = mock.galaxy(Morphology::Spiral, 2);
    let others = [
        mock.galaxy(Morphology::Spiral, 3),
        mock.galaxy(Morphology::Cigar, 2),
        Mock::new(8).galaxy(Morphology::Spiral, 2),
    ];
    assert!(others.iter().all(|other| *other != image));
    assert_eq!(mock.galaxy(Morphology::Spiral, 2), image);
}

#[test]
fn a_galaxy_stands_in_the_middle_of_a_dark_sky() {
    for class in Morphology::ALL {
        for index in 0..8 {
            let image = Mock::new(1).galaxy(class, index);
            let mut light: Vec<f64> = image
                .enumerate_pixels()
                .map(|(x, y, _)| brightness(&image, x, y))
                .collect();
            light.sort_by(f64::total_cmp);
            let sky = light[light.len() / 2];
            let centre = brightness(&image, 212, 212);
            assert!(
                sky < 12.0 && centre > 60.0,
                "{class} {index}: sky {sky}, centre {centre}"
            );
        }
    }
}

#[test]
fn the_smooth_classes_have_the_axis_ratios_that_define_them() {
    for index in 0..8 {
        let ratio = |class| axis_ratio(&Mock::new(3).galaxy(class, index));
        // Seeing rounds the thin ones a little.
        let (round, between, cigar) = (
            ratio(Morphology::Round),
            ratio(Morphology::InBetween),
            ratio(Morphology::Cigar),
        );
        assert!(round > 0.85, "round {index}: {round}");
        assert!(
            (0.4..0.82).contains(&between),
            "in_between {index}: {between}"
        );
        assert!(cigar < 0.45, "cigar {index}: {cigar}");
    }
}

#[test]
fn the_side_can_be_chosen_and_never_is_too_small_to_draw() {
    for (asked, given) in [(64, 64), (300, 300), (1, 16)] {
        let image = Mock::new(1).with_side(asked).galaxy(Morphology::EdgeOn, 0);
        assert_eq!(image.dimensions(), (given, given));
    }
}

/// The mean difference of two pictures, in grey levels.
fn difference(one: &RgbImage, other: &RgbImage) -> f64 {
    assert_eq!(one.dimensions(), other.dimensions());
    let pairs = one.iter().zip(other.iter());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

#[test]
fn a_fits_file_is_the_middle_of_the_picture_and_knows_where_it_is() {
    let mock = Mock::new(5);
    for class in Morphology::ALL {
        let whole = mock.galaxy(class, 0);
        let middle = Image::from(whole).keep_centre(256);
        let bytes = mock.fits(class, 0, 256);
        assert!(bytes.len().is_multiple_of(2880));
        let shown = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(shown.dimensions(), (256, 256));
        let origin = shown.origin().unwrap();
        assert_eq!(origin.stretch, Some(Stretch::Sdss));
        let sky = origin.sky.unwrap();
        // The camera's pixels have 0.396 arcseconds, and a galaxy's cutout is enlarged.
        assert!((0.05..0.4).contains(&sky.pixel_scale), "{sky:?}");
        assert!((-60.0..60.0).contains(&sky.dec), "{sky:?}");
        let difference = difference(&shown.to_rgb8(), &middle.to_rgb8());
        assert!(difference < 3.0, "{class}: {difference} levels");
    }
}

#[test]
fn the_committed_fits_files_are_the_generators() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fits");
    for class in Morphology::ALL {
        let path = folder.join(format!("{class}-1.fits.gz"));
        let committed = decode(&std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
        let drawn = Mock::new(SEED_OF_SAMPLES).fits(class, 1, 256);
        let drawn = decode(&drawn, &Limits::default()).unwrap();
        let difference = difference(&committed.to_rgb8(), &drawn.to_rgb8());
        assert!(
            difference < 0.2,
            "{}: {difference} levels",
            path.to_string_lossy()
        );
    }
}

/// The committed samples are what the generator draws: a change of the generator has to draw them
/// again. The comparison has a tolerance because mathematical libraries differ in the last digit.
#[test]
fn the_committed_cutouts_are_the_generators() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cutouts");
    for class in Morphology::ALL {
        for number in [1, 6] {
            let path = folder.join(format!("{class}-{number}.jpg"));
            let committed = std::fs::read(&path).unwrap();
            let committed = decode(&committed, &Limits::default()).unwrap().to_rgb8();
            let drawn = jpeg(&Mock::new(SEED_OF_SAMPLES).galaxy(class, number), 65);
            let drawn = decode(&drawn, &Limits::default()).unwrap().to_rgb8();
            let mean = difference(&committed, &drawn);
            assert!(
                mean < 0.2,
                "{}: {mean} levels a value",
                path.to_string_lossy()
            );
        }
    }
}
