//! Figures 11 to 13: the outputs of the layers for one galaxy.

use galmorph_cutout::RgbImage;
use tch::Tensor;

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::palette::sequential;
use super::picture::{coloured, mosaic, stretched, to_unit};
use crate::network::Node;
use crate::torch::values;

/// The outputs of one layer for one view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeatureMaps {
    /// The layer's name.
    pub(crate) name: String,
    /// The number of maps.
    pub(crate) channels: usize,
    /// Rows of a map, in pixels.
    pub(crate) height: usize,
    /// Columns of a map, in pixels.
    pub(crate) width: usize,
    /// `[channels, height, width]`, row-major.
    pub(crate) values: Vec<f32>,
}

/// The largest number of maps of a layer that are drawn.
const MOST: usize = 64;
const COLUMNS: usize = 16;
/// The width of a drawn map, in pixels, or a little more than it is.
const SIDE: usize = 40;
const MARGIN: u32 = 16;
const WIDTH: u32 = 1440;
/// Where the second block of a row begins.
const SECOND: u32 = WIDTH / 2 + 6;

impl FeatureMaps {
    /// The maps of a node for the first image of its output `[N, channels, height, width]`. In a network
    /// with many viewpoints, each of them is an image of its own.
    pub(crate) fn of(node: &Node, output: &Tensor) -> Self {
        Self {
            name: node.name.clone(),
            channels: node.shape.channels,
            height: node.shape.height,
            width: node.shape.width,
            values: values(&output.get(0)),
        }
    }

    /// The maps as one picture, each from its smallest value to its largest.
    fn picture(&self) -> RgbImage {
        let maps = self
            .values
            .chunks_exact(self.height * self.width)
            .take(MOST);
        let tiles: Vec<RgbImage> = maps
            .map(|map| {
                let unit = to_unit(map);
                coloured(map, self.width, |value| sequential(unit(value)))
            })
            .collect();
        mosaic(&tiles, COLUMNS, (SIDE / self.width).max(1) as u32)
    }

    /// The layer's description, as in the paper's brackets.
    fn caption(&self) -> String {
        let Self {
            name,
            channels,
            height,
            width,
            ..
        } = self;
        let shown = if *channels > MOST {
            format!(", the first {MOST} shown")
        } else {
            String::new()
        };
        format!("{name} ({channels} maps, {height} × {width}{shown})")
    }
}

/// Draws the input (`[3, side, side]`, whitened), and then the maps of each layer, two layers in a row.
pub(crate) fn feature_maps(
    title: &str,
    view: &[f32],
    side: usize,
    layers: &[FeatureMaps],
) -> Figure {
    let input = stretched(view, side);
    let caption = format!("input after whitening ({side} × {side})");
    let mut blocks = vec![(caption, input, 192)];
    for layer in layers {
        let picture = layer.picture();
        // A map of many pixels is stored at its full size, and drawn at the size of the others.
        let stored = layer.width as u32 * (SIDE / layer.width).max(1) as u32;
        let width = picture.width() * (SIDE as u32).min(stored) / stored;
        blocks.push((layer.caption(), picture, width));
    }

    let mut page = Page::new(WIDTH);
    page.heading(28, title);
    let mut y = 56;
    for row in blocks.chunks(2) {
        let mut lowest = 0;
        for (x, (caption, picture, width)) in [MARGIN, SECOND].into_iter().zip(row) {
            let height = (picture.height() * width).div_ceil(picture.width().max(1));
            let place = Place {
                x,
                y: y + 10,
                width: *width,
                height,
            };
            page.caption((x, y), Anchor::Start, caption, WIDTH / 2 - 2 * MARGIN);
            page.picture(place, picture, caption);
            lowest = lowest.max(height);
        }
        y += 10 + lowest + 34;
    }
    page.remark(
        (MARGIN, y),
        Anchor::Start,
        "Each map is drawn from its smallest value (dark) to its largest (bright).",
        WIDTH - 2 * MARGIN,
    );
    page.finish(y + 20)
}
