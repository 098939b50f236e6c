//! Figure 1: some galaxies of each class.

use galmorph_cutout::{Morphology, RgbImage};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::palette::of_class;
use super::picture::thumbnail;
use crate::data::Label;

/// A galaxy with its picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The galaxy's id.
    pub(crate) id: String,
    /// Its cutout.
    pub(crate) image: RgbImage,
}

/// Some galaxies of a class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassSamples {
    /// The class.
    pub(crate) class: Morphology,
    /// Its galaxies.
    pub(crate) samples: Vec<Sample>,
}

const NAMES: u32 = 200;
const SIDE: u32 = 112;
const STEP_X: u32 = SIDE + 8;
const STEP_Y: u32 = SIDE + 28;
const TOP: u32 = 40;
/// Pixels of a galaxy's picture: twice its size in the drawing, for print.
const STORED: u32 = 2 * SIDE;

/// Draws one row a class, in the order of the ids given.
pub(crate) fn sample_grid(rows: &[ClassSamples]) -> Figure {
    let columns = rows.iter().map(|row| row.samples.len()).max().unwrap_or(0);
    let width = NAMES + STEP_X * columns.max(2) as u32 + 12;
    let mut page = Page::new(width);
    page.heading(26, "Galaxies of each class");
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + STEP_Y * number as u32;
        let bar = Place {
            x: 16,
            y,
            width: 6,
            height: SIDE,
        };
        page.fill(bar, of_class(row.class));
        let name = row.class.long_name();
        let middle = y + SIDE / 2;
        page.caption((32, middle), Anchor::Start, name, NAMES - 40);
        let id = format!("class {}", row.class.id());
        page.remark((32, middle + 18), Anchor::Start, &id, NAMES - 40);
        if row.samples.is_empty() {
            let note = "no galaxy of this class";
            page.remark((NAMES, middle), Anchor::Start, note, width - NAMES);
        }
        for (column, sample) in row.samples.iter().enumerate() {
            let x = NAMES + STEP_X * column as u32;
            let place = Place {
                x,
                y,
                width: SIDE,
                height: SIDE,
            };
            let description = format!("galaxy {}, {name}", sample.id);
            page.galaxy(place, &thumbnail(&sample.image, STORED), &description);
            let below = (x + SIDE / 2, y + SIDE + 14);
            page.remark(below, Anchor::Middle, &sample.id, SIDE);
        }
    }
    page.finish(TOP + STEP_Y * rows.len() as u32 + 8)
}

/// Chooses up to `columns` galaxies of each class at random; the same ones for the same seed.
pub(crate) fn choose_samples(
    labels: &[Label],
    columns: usize,
    seed: u64,
) -> Vec<(Morphology, Vec<&Label>)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Morphology::ALL
        .into_iter()
        .map(|class| {
            let of_class: Vec<&Label> =
                labels.iter().filter(|label| label.class == class).collect();
            let chosen = of_class.choose_multiple(&mut random, columns);
            (class, chosen.copied().collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    fn labels() -> Vec<Label> {
        (0..40)
            .map(|n| Label {
                id: n.to_string(),
                class: Morphology::ALL[n % 4],
                split: Split::Train,
                votes: None,
                row: n as u64 + 2,
            })
            .collect()
    }

    #[test]
    fn samples_are_drawn_by_lot_and_again_by_the_same_seed() {
        let labels = labels();
        let chosen = choose_samples(&labels, 6, 1);
        assert_eq!(chosen, choose_samples(&labels, 6, 1));
        assert_ne!(chosen, choose_samples(&labels, 6, 2));
        for (class, of_class) in &chosen[..4] {
            assert_eq!(of_class.len(), 6);
            assert!(of_class.iter().all(|label| label.class == *class));
        }
        assert!(chosen[4].1.is_empty(), "there is no spiral");
    }
}
