//! The galaxies that a network classifies wrongly with the greatest confidence.

use galmorph_cutout::{Morphology, RgbImage};

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::palette::of_class;
use super::picture::thumbnail;

/// A galaxy that was classified wrongly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mistake {
    /// The galaxy's id.
    pub(crate) id: String,
    /// Its class, as the labels have it.
    pub(crate) truth: Morphology,
    /// The class that the network gave.
    pub(crate) answer: Morphology,
    /// The probability that it gave to its answer.
    pub(crate) probability: f64,
    /// Its cutout.
    pub(crate) image: RgbImage,
}

const COLUMNS: u32 = 5;
const SIDE: u32 = 196;
const STEP_X: u32 = SIDE + 18;
const STEP_Y: u32 = SIDE + 72;
const MARGIN: u32 = 16;
const TOP: u32 = 44;

/// Draws the mistakes, the most confident first.
pub(crate) fn wrong(mistakes: &[Mistake]) -> Figure {
    let mut page = Page::new(2 * MARGIN + COLUMNS * STEP_X - (STEP_X - SIDE));
    page.heading(28, "The most confidently wrong answers");
    let mut sorted: Vec<&Mistake> = mistakes.iter().collect();
    sorted.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then_with(|| a.id.cmp(&b.id))
    });
    if sorted.is_empty() {
        page.caption((MARGIN, TOP + 20), Anchor::Start, "no answer is wrong", 400);
    }
    for (number, mistake) in (0..).zip(&sorted) {
        let x = MARGIN + STEP_X * (number % COLUMNS);
        let y = TOP + STEP_Y * (number / COLUMNS);
        let place = Place {
            x,
            y,
            width: SIDE,
            height: SIDE,
        };
        let description = format!(
            "galaxy {}: {}, classified as {}",
            mistake.id, mistake.truth, mistake.answer
        );
        page.galaxy(place, &thumbnail(&mistake.image, 2 * SIDE), &description);
        page.remark((x, y + SIDE + 16), Anchor::Start, &mistake.id, SIDE);
        let answer = format!(
            "answer: {}, {:.2} %",
            mistake.answer,
            100.0 * mistake.probability
        );
        let lines = [
            (mistake.truth, format!("label: {}", mistake.truth)),
            (mistake.answer, answer),
        ];
        for ((class, line), down) in lines.into_iter().zip([34, 52]) {
            let swatch = Place {
                x,
                y: y + SIDE + down - 9,
                width: 9,
                height: 9,
            };
            page.fill(swatch, of_class(class));
            let at = (x + 14, y + SIDE + down);
            page.caption(at, Anchor::Start, &line, STEP_X - 18);
        }
    }
    page.finish(TOP + STEP_Y * sorted.len().div_ceil(COLUMNS as usize).max(1) as u32)
}
