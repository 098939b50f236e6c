//! What a run's network sees of one galaxy, epoch by epoch: to look at an augmentation before hours are
//! spent on it.

use galmorph_cutout::{Image, Preprocessing};

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::picture::stretched;
use crate::training::{Augmentation, Key};

const SIDE: u32 = 128;
const STEP: u32 = SIDE + 8;
const COLUMNS: u32 = 8;
const ROWS: u32 = 4;
const MARGIN: u32 = 16;
/// Height of a row: its pictures and their captions.
const ROW: u32 = SIDE + 28;

/// Draws the view at the first test scale, and 31 training views. Whitened values have no brightness, so
/// each view is stretched to its full range.
pub(crate) fn training_views(
    id: &str,
    image: &Image,
    preprocessing: &Preprocessing,
    augmentation: &Augmentation,
    seed: u64,
) -> Figure {
    let mut page = Page::new(2 * MARGIN + COLUMNS * STEP - (STEP - SIDE));
    page.heading(28, &format!("Training views of galaxy {id}"));
    for number in 0..COLUMNS * ROWS {
        let mut view = vec![0.0; preprocessing.view_len()];
        let caption = if number == 0 {
            let scale = preprocessing.test_scales[0];
            preprocessing.view_into(image, scale, &mut view);
            format!("test, {scale} pixels")
        } else {
            let key = Key {
                seed,
                epoch: number - 1,
                image: 0,
            };
            augmentation.view_into(preprocessing, image, key, &mut view);
            format!("epoch {number}")
        };
        let place = Place {
            x: MARGIN + STEP * (number % COLUMNS),
            y: 44 + ROW * (number / COLUMNS),
            width: SIDE,
            height: SIDE,
        };
        let picture = stretched(&view, preprocessing.crop as usize);
        page.picture(place, &picture, &caption);
        let below = (place.x + SIDE / 2, place.y + SIDE + 16);
        page.remark(below, Anchor::Middle, &caption, STEP);
    }
    page.finish(44 + ROWS * ROW)
}
