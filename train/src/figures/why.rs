//! Why this class: what the answers to some images depend on, and the training galaxies that are most like them.

use galmorph_cutout::{Morphology, OcclusionMap, Preprocessing, RgbImage};
use plotters::style::RGBColor;

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::palette::{GRID, of_class};
use crate::evaluation::Neighbour;

/// An image, and what was found of it.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    /// The galaxy's id.
    pub(crate) id: String,
    /// Its class, if the label file has it.
    pub(crate) label: Option<Morphology>,
    /// Its widest view, pixel by pixel.
    pub(crate) view: RgbImage,
    /// What its answer depends on.
    pub(crate) map: OcclusionMap,
    /// The training galaxies most like it, and their views.
    pub(crate) nearest: Vec<(Neighbour, RgbImage)>,
}

const MARGIN: u32 = 16;
/// The side of the view and of its map.
const PICTURE: u32 = 256;
const MAP: u32 = MARGIN + PICTURE + 12;
const BARS: u32 = MAP + PICTURE + 20;
/// The width of the whole bar.
const BAR: u32 = 76;
const NEAREST: u32 = BARS + 214;
/// The side of a training galaxy.
const SMALL: u32 = 132;
const STEP: u32 = SMALL + 10;
const WIDTH: u32 = NEAREST + 5 * STEP - 10 + MARGIN;
const TOP: u32 = 64;
const ROW: u32 = PICTURE + 76;

/// A fall of the probability that the text calls none: what is 0.0 in points.
const NO_FALL: f32 = 0.0005;

/// Draws a row for each image.
pub(crate) fn why(title: &str, preprocessing: &Preprocessing, images: &[Explained]) -> Figure {
    let mut page = Page::new(WIDTH);
    page.heading(28, title);
    for (number, image) in (0..).zip(images) {
        row(&mut page, TOP + number * ROW, preprocessing, image);
    }
    let end = TOP + ROW * images.len() as u32;
    legend(&mut page, end);
    page.finish(end + 52)
}

fn row(page: &mut Page, y: u32, preprocessing: &Preprocessing, image: &Explained) {
    let Explained { id, map, .. } = image;
    let answer = &map.answer;
    let class = answer.label();
    let label = image
        .label
        .map_or("no label".into(), |label| format!("label {label}"));
    let percent = 100.0 * answer.confidence();
    let line = format!("{id}: {label}, answer {class} with {percent:.1} %");
    page.caption(
        (MARGIN, y - 10),
        Anchor::Start,
        &line,
        MAP + PICTURE - MARGIN,
    );

    let square = |x, side| Place {
        x,
        y,
        width: side,
        height: side,
    };
    page.picture(
        square(MARGIN, PICTURE),
        &image.view,
        &format!("galaxy {id}"),
    );
    page.picture(
        square(MAP, PICTURE),
        &map.over(&image.view),
        &format!("occlusion map of {id}"),
    );
    let pixels = preprocessing.largest_scale() * preprocessing.crop / preprocessing.resize;
    let below = y + PICTURE + 16;
    let seen = format!("as the network sees it: {pixels} px wide");
    page.remark((MARGIN, below), Anchor::Start, &seen, PICTURE);
    let most = map.most();
    let said = if most.fall < NO_FALL {
        format!("covered anywhere, it stays {class}")
    } else {
        let along = |first: u32| first * PICTURE / map.side;
        let patch = Place {
            x: MAP + along(most.left),
            y: y + along(most.top),
            width: along(map.patch),
            height: along(map.patch),
        };
        page.outline(patch, RGBColor(255, 255, 255));
        format!("falls by {:.1} points at most (square)", 100.0 * most.fall)
    };
    page.remark((MAP, below), Anchor::Start, &said, PICTURE);
    let range = format!("full colour: {:.0} points", 100.0 * map.range());
    page.remark((MAP, below + 15), Anchor::Start, &range, PICTURE);

    probabilities(page, y, answer.values());
    for (number, (neighbour, view)) in (0..).zip(&image.nearest) {
        let x = NEAREST + STEP * number;
        let about = format!("training galaxy {}: {}", neighbour.id, neighbour.class);
        page.picture(square(x, SMALL), view, &about);
        page.remark((x, y + SMALL + 16), Anchor::Start, &neighbour.id, SMALL);
        page.fill(swatch(x, y + SMALL + 34), of_class(neighbour.class));
        let class = neighbour.class.to_string();
        page.caption((x + 14, y + SMALL + 34), Anchor::Start, &class, SMALL - 14);
        let similarity = format!("{:.4}", neighbour.similarity);
        page.caption((x, y + SMALL + 52), Anchor::Start, &similarity, SMALL);
    }
    let title = "the nearest training galaxies: id, label, cosine of the features";
    page.caption((NEAREST, y - 10), Anchor::Start, title, WIDTH - NEAREST);
}

/// A line for each class.
fn probabilities(page: &mut Page, y: u32, values: &[f32]) {
    page.caption((BARS, y - 10), Anchor::Start, "probabilities", 180);
    for ((class, value), number) in Morphology::ALL.into_iter().zip(values).zip(0..) {
        let line = y + 14 + 24 * number;
        page.caption((BARS, line), Anchor::Start, class.name(), 70);
        let bar = |width| Place {
            x: BARS + 74,
            y: line - 10,
            width,
            height: 12,
        };
        page.fill(bar(BAR), GRID);
        let width = (value * BAR as f32).round() as u32;
        if width > 0 {
            page.fill(bar(width), of_class(class));
        }
        let percent = format!("{:.1}", 100.0 * value);
        page.caption((BARS + 74 + BAR + 6, line), Anchor::Start, &percent, 40);
    }
}

fn legend(page: &mut Page, y: u32) {
    let lines = [
        (
            1.0,
            "where it is covered by a grey patch, the probability of the answered class falls",
        ),
        (
            -1.0,
            "where it is covered, that probability rises. A map shows what the answer depends on, and not why",
        ),
    ];
    for ((change, line), down) in lines.into_iter().zip([0, 20]) {
        let [red, green, blue] = OcclusionMap::colour(change);
        page.fill(swatch(MARGIN, y + down), RGBColor(red, green, blue));
        page.caption(
            (MARGIN + 14, y + down),
            Anchor::Start,
            line,
            WIDTH - 3 * MARGIN,
        );
    }
}

/// The square before a line of text with this baseline.
const fn swatch(x: u32, baseline: u32) -> Place {
    Place {
        x,
        y: baseline - 9,
        width: 9,
        height: 9,
    }
}
