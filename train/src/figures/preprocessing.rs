//! Figure 6: the steps from an image to the network's input.

use galmorph_cutout::{Image, Preprocessing, RgbImage, Window, resize_window};

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::picture::{from_planes, stretched, thumbnail};
use crate::training::{Augmentation, Key};

const SIDE: u32 = 176;
const STEP: u32 = SIDE + 16;
const COLUMNS: u32 = 5;
const MARGIN: u32 = 16;
/// Height of a row: its heading, its pictures and their captions.
const ROW: u32 = SIDE + 76;

/// Draws three rows: the steps at test time for the test scale `scale`, in pixels; training views
/// whose colours are left alone (scale, crop, rotation and flip); and whole training views.
pub(crate) fn preprocessing(id: &str, image: &Image, scale: u32, seed: u64) -> Figure {
    let mut page = Page::new(2 * MARGIN + COLUMNS * STEP - (STEP - SIDE));
    page.heading(28, &format!("Preprocessing of galaxy {id}"));

    row(&mut page, 0, "At test time", &test_steps(image, scale));
    let augmentation = Augmentation::default();
    let (low, high) = augmentation.scale;
    let title = format!(
        "While training: centre crop of {low} to {high} pixels, random crop, rotation and flip; whitened"
    );
    row(
        &mut page,
        1,
        &title,
        &training_views(image, &uncoloured(&augmentation), seed),
    );
    let title = "While training: the same, and brightness, contrast, saturation and hue distorted; whitened";
    row(
        &mut page,
        2,
        title,
        &training_views(image, &augmentation, seed),
    );
    page.finish(44 + 3 * ROW)
}

/// A caption and its picture.
type Step = (String, RgbImage);

fn row(page: &mut Page, number: u32, title: &str, steps: &[Step]) {
    let top = 44 + number * ROW;
    page.caption((MARGIN, top + 18), Anchor::Start, title, COLUMNS * STEP);
    for (column, (name, picture)) in steps.iter().enumerate() {
        let x = MARGIN + STEP * column as u32;
        let place = Place {
            x,
            y: top + 30,
            width: SIDE,
            height: SIDE,
        };
        page.picture(place, picture, name);
        let below = (x + SIDE / 2, top + 30 + SIDE + 18);
        page.remark(below, Anchor::Middle, name, STEP);
    }
}

/// The steps of section 4.1 at test time.
fn test_steps(image: &Image, scale: u32) -> Vec<Step> {
    let preprocessing = Preprocessing::default();
    let (resized, crop) = (preprocessing.resize, preprocessing.crop);
    let cut = |to: u32, side: u32| {
        let margin = (to - side) / 2;
        let window = Window {
            left: margin,
            top: margin,
            side,
        };
        let mut planes = vec![0.0; 3 * (side * side) as usize];
        resize_window(image, scale, to, window, &mut planes);
        from_planes(&planes, side as usize, |value| value)
    };
    let mut view = vec![0.0; preprocessing.view_len()];
    preprocessing.view_into(image, scale, &mut view);
    let (width, height) = image.dimensions();
    vec![
        (
            format!("original, {width} × {height}"),
            thumbnail(&image.to_rgb8(), 2 * SIDE),
        ),
        (format!("centre crop, {scale} × {scale}"), cut(scale, scale)),
        (
            format!("resized, {resized} × {resized}"),
            cut(resized, resized),
        ),
        (format!("centre crop, {crop} × {crop}"), cut(resized, crop)),
        (
            format!("whitened, {crop} × {crop}"),
            stretched(&view, crop as usize),
        ),
    ]
}

/// The views of the first epochs. Whitened values have no brightness, so each view is stretched to its
/// full range.
fn training_views(image: &Image, augmentation: &Augmentation, seed: u64) -> Vec<Step> {
    let preprocessing = Preprocessing::default();
    (0..COLUMNS)
        .map(|epoch| {
            let key = Key {
                seed,
                epoch,
                image: 0,
            };
            let mut view = vec![0.0; preprocessing.view_len()];
            augmentation.view_into(&preprocessing, image, key, &mut view);
            let picture = stretched(&view, preprocessing.crop as usize);
            (format!("epoch {}", epoch + 1), picture)
        })
        .collect()
}

/// The same crops and symmetries, without a change of colour.
fn uncoloured(augmentation: &Augmentation) -> Augmentation {
    Augmentation {
        scale: augmentation.scale,
        brightness: 0.0,
        contrast: (1.0, 1.0),
        saturation: (1.0, 1.0),
        hue: 0.0,
        telescope: None,
    }
}
