//! Figure 2: the number of galaxies of each class.

use galmorph_cutout::Morphology;
use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::chart::{Drawn, chart, text, width_of};
use super::palette::{GREY, INK, of_class};
use crate::error::Result;

/// The number of galaxies of each class in a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitCounts {
    /// The split's name.
    pub(crate) split: String,
    /// One count a class, in the order of their ids.
    pub(crate) counts: [usize; Morphology::COUNT],
}

const WIDTH: i32 = 960;
const TOP: i32 = 56;
const ROW: i32 = 62;
const NAMES: i32 = 230;
/// Room for the text after the longest bar.
const REMARKS: i32 = 290;

/// Draws one bar a class. Its length is the sum over the splits; the counts of the splits are written at
/// its end.
pub(crate) fn class_counts(splits: &[SplitCounts]) -> Result<Figure> {
    let height = TOP + ROW * Morphology::COUNT as i32 + 20;
    let total =
        |class: Morphology| -> usize { splits.iter().map(|split| split.counts[class.id()]).sum() };
    let largest = Morphology::ALL
        .map(total)
        .into_iter()
        .max()
        .unwrap_or_default();
    let all: usize = Morphology::ALL.map(total).into_iter().sum();
    chart((WIDTH as u32, height as u32), |area| -> Drawn {
        let centred = |h| Pos::new(h, VPos::Center);
        let title = format!("Galaxies of each class ({all} in all)");
        area.draw(&Text::new(title, (20, 18), text(16.0, INK)))?;
        for (row, class) in Morphology::ALL.into_iter().enumerate() {
            let middle = TOP + ROW * row as i32 + ROW / 2;
            let count = total(class);
            let length = (WIDTH - NAMES - REMARKS) as f64 * count as f64 / largest.max(1) as f64;
            let right = NAMES + (length.round() as i32).max(1);
            let bar = [(NAMES, middle - 20), (right, middle + 20)];
            area.draw(&Rectangle::new(bar, of_class(class).filled()))?;

            let name = text(14.0, INK).pos(centred(HPos::Right));
            area.draw(&Text::new(
                class.long_name(),
                (NAMES - 12, middle - 8),
                name,
            ))?;
            let id = text(12.0, GREY).pos(centred(HPos::Right));
            let id_line = format!("{} · {class}", class.id());
            area.draw(&Text::new(id_line, (NAMES - 12, middle + 11), id))?;

            let number = count.to_string();
            let beside = text(15.0, INK).pos(centred(HPos::Left));
            area.draw(&Text::new(number.clone(), (right + 10, middle), beside))?;
            let parts: Vec<String> = splits
                .iter()
                .map(|split| format!("{} {}", split.split, split.counts[class.id()]))
                .collect();
            let left = right + 22 + width_of(&number, 15.0) as i32;
            let small = text(11.0, GREY).pos(centred(HPos::Left));
            area.draw(&Text::new(parts.join(", "), (left, middle), small))?;
        }
        Ok(())
    })
}
