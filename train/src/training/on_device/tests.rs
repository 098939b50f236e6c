//! Each operation of the device against the host's, on the same numbers. Here the device is the CPU.

use galmorph_cutout::{Image, Morphology, Outside, Preprocessing, Resampling, RgbImage};
use galmorph_mock::Mock;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Device;

use super::{Pixels, Plan, ViewMaker};
use crate::data::Dataset;
use crate::torch::values;
use crate::training::augmentation::{Augmentation, AugmentationName, Key, Symmetry, Variation};
use crate::training::distortion::Distortion;
use crate::training::mixup;
use crate::training::telescope::{Edge, Effects, Stretch, Telescope};

/// The largest difference of a whitened value.
const CLOSE: f32 = 1e-4;

fn dataset(images: Vec<Image>) -> Dataset {
    let count = images.len();
    Dataset {
        ids: (0..count).map(|n| n.to_string()).collect(),
        classes: vec![Morphology::Spiral; count],
        votes: None,
        images,
        digest: String::new(),
    }
}

/// Mock galaxies of several sizes, some smaller than a crop.
fn images() -> Vec<Image> {
    let side = |side: u32, number: u32| -> Image {
        Mock::new(5)
            .with_side(side)
            .galaxy(Morphology::ALL[number as usize % 5], number)
            .into()
    };
    let oblong = RgbImage::from_fn(230, 171, |x, y| {
        image::Rgb([(x * 7 + y) as u8, (x + y * 3) as u8, (x * y / 5) as u8])
    });
    vec![
        side(264, 0),
        side(240, 1),
        side(150, 2),
        oblong.into(),
        side(264, 3),
    ]
}

fn paper() -> Preprocessing {
    Preprocessing::default()
}

fn antialiased() -> Preprocessing {
    Preprocessing {
        test_scales: vec![198],
        resize: 72,
        crop: 64,
        resampling: Resampling::Antialiased,
        ..Preprocessing::default()
    }
}

fn plain(preprocessing: &Preprocessing) -> Variation {
    let middle = preprocessing.slack() / 2;
    Variation {
        scale: 200,
        corner: (middle, middle),
        symmetry: Symmetry {
            quarter_turns: 0,
            mirrored: false,
        },
        distortion: Distortion::NONE,
        effects: Effects::NONE,
    }
}

fn host(preprocessing: &Preprocessing, image: &Image, variation: &Variation) -> Vec<f32> {
    let mut view = vec![0.0; preprocessing.view_len()];
    variation.view_into(preprocessing, image, &mut view);
    view
}

fn maker(preprocessing: &Preprocessing, images: &[Image]) -> ViewMaker {
    let pixels = Pixels::upload(&dataset(images.to_vec()), Device::Cpu).unwrap();
    ViewMaker::new(pixels, preprocessing, Device::Cpu)
}

/// The plan of one view of each image.
fn plan(preprocessing: &Preprocessing, images: &[Image], variations: &[Variation]) -> Plan {
    let views = variations.iter().enumerate();
    let views = views.map(|(number, variation)| {
        let size = images[number].dimensions();
        (number, size, variation.clone())
    });
    Plan::of(preprocessing, views)
}

fn assert_close(ours: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(ours.len(), wanted.len());
    let most = (ours.iter().zip(wanted)).map(|(a, b)| (a - b).abs());
    let most = most.fold(0.0, f32::max);
    assert!(most < CLOSE, "{what}: {most}");
    assert!(
        wanted.iter().any(|value| value.abs() > 0.5),
        "{what}: nothing to see"
    );
}

/// Holds one variation of every image against the host's.
fn same(preprocessing: &Preprocessing, change: impl Fn(usize, &mut Variation), what: &str) {
    tch::set_num_threads(1);
    let images = images();
    let variations: Vec<Variation> = (0..images.len())
        .map(|number| {
            let mut variation = plain(preprocessing);
            change(number, &mut variation);
            variation
        })
        .collect();
    let plan = plan(preprocessing, &images, &variations);
    let views = values(&maker(preprocessing, &images).views(&plan));
    let views = views.chunks_exact(preprocessing.view_len());
    for (number, (view, image)) in views.zip(&images).enumerate() {
        let wanted = host(preprocessing, image, &variations[number]);
        assert_close(view, &wanted, &format!("{what}, image {number}"));
    }
}

#[test]
fn crop_resize_and_window_are_the_hosts() {
    for preprocessing in [paper(), antialiased()] {
        for scale in [90, 170, 203, 240] {
            for corner in [(0, 0), (3, 8), (preprocessing.slack(), 1)] {
                let change = |_, variation: &mut Variation| {
                    (variation.scale, variation.corner) = (scale, corner);
                };
                same(&preprocessing, change, &format!("{scale} {corner:?}"));
            }
        }
    }
}

#[test]
fn seeing_zoom_and_the_mirrored_sky_are_the_hosts() {
    let change = |number, variation: &mut Variation| {
        variation.effects = Effects {
            seeing: 1.3 * number as f32,
            zoom: [1.0, 0.5, 1.7, 0.6, 2.0][number],
            mirrored: number != 1,
            ..Effects::NONE
        };
    };
    same(&antialiased(), change, "seeing");
}

#[test]
fn rotations_and_mirrors_are_the_hosts() {
    for number in 0..8 {
        let symmetry = Symmetry::all().nth(number).unwrap();
        assert_eq!(symmetry.number(), number as i64);
        same(
            &paper(),
            |_, variation| variation.symmetry = symmetry,
            "symmetry",
        );
    }
}

#[test]
fn colours_are_the_hosts() {
    let change = |number, variation: &mut Variation| {
        if number == 2 {
            return;
        }
        variation.distortion = Distortion {
            brightness: 20.0 * number as f32 - 40.0,
            contrast: 0.3 + 0.3 * number as f32,
            saturation: 0.8 + 0.1 * number as f32,
            hue: 0.01 * number as f32 - 0.02,
        };
    };
    same(&paper(), change, "colours");
}

#[test]
fn stretches_greys_and_edges_are_the_hosts() {
    let change = |number, variation: &mut Variation| {
        let stretches = [
            Some(Stretch::Power(0.6)),
            Some(Stretch::Asinh(4.0)),
            None,
            Some(Stretch::Power(1.8)),
            Some(Stretch::Asinh(0.02)),
        ];
        variation.effects = Effects {
            stretch: stretches[number],
            grey: number % 2 == 0,
            edge: (number > 1).then_some(Edge {
                angle: number as f32,
                distance: 0.2 * number as f32,
            }),
            ..Effects::NONE
        };
    };
    same(&antialiased(), change, "effects");
}

#[test]
fn noise_is_the_hosts_to_the_value() {
    let always = Telescope {
        probability: 1.0,
        noise_probability: 1.0,
        zoom_probability: 0.0,
        seeing_probability: 0.0,
        stretch_probability: 0.0,
        grey_probability: 0.0,
        edge_probability: 0.0,
        mirror_probability: 0.0,
        ..Telescope::default()
    };
    let change = |number, variation: &mut Variation| {
        if number != 1 {
            variation.effects = always.draw(&mut ChaCha8Rng::seed_from_u64(number as u64));
            assert!(variation.effects.noise.is_some());
        }
    };
    same(&antialiased(), change, "noise");
}

#[test]
fn what_is_drawn_is_drawn_as_on_the_host_and_mixed_as_there() {
    tch::set_num_threads(1);
    let images = images();
    let preprocessing = antialiased();
    for name in [AugmentationName::Paper, AugmentationName::Telescope] {
        let augmentation = Augmentation::named(name, &preprocessing).unwrap();
        let dataset = dataset(images.clone());
        // Enough views that each effect is among them.
        let numbers: Vec<usize> = (0..40).map(|n| n % images.len()).collect();
        for epoch in 0..3 {
            let mut plan = Plan::draw(
                &augmentation,
                &preprocessing,
                &dataset,
                (9, epoch),
                &numbers,
            );
            let shares = mixup::shares(0.5, [epoch as u8; 32], numbers.len());
            plan.shares = Some(shares.clone());
            let ours = values(&maker(&preprocessing, &images).views(&plan));

            let mut wanted = vec![0.0; ours.len()];
            for (image, view) in numbers
                .iter()
                .zip(wanted.chunks_exact_mut(preprocessing.view_len()))
            {
                let key = Key {
                    seed: 9,
                    epoch,
                    image: *image,
                };
                augmentation.view_into(&preprocessing, &images[*image], key, view);
            }
            mixup::mix(&shares, &mut wanted);
            assert_close(&ours, &wanted, "drawn");
        }
    }
}

#[test]
fn a_plain_view_of_black_is_black_and_an_image_outside_the_crop_is_not_seen() {
    let black = Image::from(RgbImage::new(264, 264));
    let preprocessing = paper();
    let images = [black];
    let plan = plan(&preprocessing, &images, &[plain(&preprocessing)]);
    let views = values(&maker(&preprocessing, &images).views(&plan));
    assert!(views.iter().all(|value| *value == 0.0));
    assert_eq!(plain(&preprocessing).sampling().outside, Outside::Black);
}

#[test]
fn an_image_of_more_than_eight_bits_is_refused_by_its_name() {
    let deep = Image::from_planes(10, 10, vec![0.5; 300]);
    let fault = match Pixels::upload(&dataset(vec![images()[0].clone(), deep]), Device::Cpu) {
        Err(fault) => fault.to_string(),
        Ok(_) => panic!("values that are no bytes were taken"),
    };
    assert!(
        fault.contains("galaxy 1 ") && fault.contains("--augment-on host"),
        "{fault}"
    );
}
