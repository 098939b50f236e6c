//! Figure 10: the kernels that the convolutions have learned.

use galmorph_cutout::RgbImage;

use super::Figure;
use super::page::{Anchor, Page, Place};
use super::palette::diverging;
use super::picture::{coloured, mosaic, stretched};
use crate::error::{Error, Result};
use crate::network::{Layer, Network};
use crate::torch::{Weights, values};

/// The kernels of one convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filters {
    /// The convolution's name.
    pub(crate) name: String,
    /// The number of filters.
    pub(crate) count: usize,
    /// The number of input channels of each filter.
    pub(crate) channels: usize,
    /// The rows and the columns of a kernel, in pixels.
    pub(crate) kernel: [usize; 2],
    /// `[filters, channels, rows, columns]`, row-major.
    pub(crate) weights: Vec<f32>,
}

/// The largest number of filters of a layer that are drawn.
const MOST: usize = 128;
const COLUMNS: usize = 16;
/// The least width of a drawn kernel, in pixels: of one in colour, and of one of a single channel.
const COLOUR_SIDE: usize = 40;
const CHANNEL_SIDE: usize = 16;
const MARGIN: u32 = 16;
const GAP: u32 = 28;
const WIDTH: u32 = 930;

impl Filters {
    /// The kernels of a network's convolutions, by node index.
    ///
    /// # Errors
    /// When a node is no convolution.
    pub(crate) fn of(network: &Network, weights: &Weights, nodes: &[usize]) -> Result<Vec<Self>> {
        nodes
            .iter()
            .map(|index| {
                let node = &network.nodes[*index];
                let Layer::Convolution(convolution) = &node.layer else {
                    let fault = format!(
                        "layer '{}' is no convolution, and has no filters",
                        node.name
                    );
                    return Err(Error::Input(fault));
                };
                let wanted = format!("{}/weight", node.name);
                let found = weights
                    .iter()
                    .find(|(parameter, _)| parameter.name == wanted);
                let (parameter, tensor) = found
                    .ok_or_else(|| format!("there is no tensor '{wanted}'"))
                    .map_err(Error::internal("draw filters"))?;
                Ok(Self {
                    name: node.name.clone(),
                    count: convolution.filters,
                    channels: parameter.shape[1] as usize,
                    kernel: convolution.kernel,
                    weights: values(tensor),
                })
            })
            .collect()
    }

    /// The number of pixels of a kernel.
    const fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// One channel of one filter.
    fn plane(&self, filter: usize, channel: usize) -> &[f32] {
        let size = self.area();
        &self.weights[(filter * self.channels + channel) * size..][..size]
    }

    /// The filters in colour: their three channels are red, green and blue.
    fn in_colour(&self) -> RgbImage {
        let kernels = self.weights.chunks_exact(3 * self.area()).take(MOST);
        let tiles: Vec<RgbImage> = kernels
            .map(|kernel| stretched(kernel, self.kernel[1]))
            .collect();
        mosaic(&tiles, COLUMNS, factor(COLOUR_SIDE, self.kernel))
    }

    /// One channel of the filters: blue below zero, white at zero, vermillion above. The scale ends at
    /// the 99th percentile of the layer's weights, since a few strong weights would make all others
    /// pale.
    fn of_channel(&self, channel: usize) -> RgbImage {
        let mut strengths: Vec<f32> = self.weights.iter().map(|weight| weight.abs()).collect();
        strengths.sort_by(f32::total_cmp);
        let end = strengths
            .get(strengths.len() * 99 / 100)
            .copied()
            .unwrap_or_default();
        let scale = if end > 0.0 { end.recip() } else { 0.0 };
        let tiles: Vec<RgbImage> = (0..self.count.min(MOST))
            .map(|filter| {
                let plane = self.plane(filter, channel);
                coloured(plane, self.kernel[1], |weight| diverging(weight * scale))
            })
            .collect();
        mosaic(&tiles, COLUMNS, factor(CHANNEL_SIDE, self.kernel))
    }

    /// The first, the middle and the last channel.
    fn shown_channels(&self) -> Vec<usize> {
        let mut channels = vec![0, self.channels / 2, self.channels - 1];
        channels.dedup();
        channels
    }

    /// The layer's description, as in the paper's brackets.
    fn caption(&self, what: &str) -> String {
        let Self {
            name,
            count,
            kernel: [rows, columns],
            ..
        } = self;
        let shown = if *count > MOST {
            format!(", the first {MOST} shown")
        } else {
            String::new()
        };
        format!("{name} ({count} filters, {rows} × {columns}, {what}{shown})")
    }
}

/// Draws the layers from top to bottom, and some channels of each from left to right. A layer with three
/// channels gets one picture in colour.
pub(crate) fn filters(layers: &[Filters]) -> Figure {
    let mut page = Page::new(WIDTH);
    page.heading(28, "Filters, from the first layer to the last");
    let mut y = 56;
    for layer in layers {
        let (caption, pictures) = if layer.channels == 3 {
            (layer.caption("in colour"), vec![layer.in_colour()])
        } else {
            let channels = layer.shown_channels();
            let list: Vec<String> = channels.iter().map(usize::to_string).collect();
            let what = format!("channels {}", list.join(", "));
            let pictures = channels.iter().map(|channel| layer.of_channel(*channel));
            (layer.caption(&what), pictures.collect())
        };
        page.caption((MARGIN, y), Anchor::Start, &caption, WIDTH - 2 * MARGIN);
        let mut x = MARGIN;
        for picture in &pictures {
            let (width, height) = picture.dimensions();
            let place = Place {
                x,
                y: y + 10,
                width,
                height,
            };
            page.picture(place, picture, &caption);
            x += width + GAP;
        }
        let height = pictures.first().map_or(0, RgbImage::height);
        y += 10 + height + 34;
    }
    page.remark(
        (MARGIN, y),
        Anchor::Start,
        "Single channels: blue is below zero, white is zero, vermillion is above; one in a hundred of the layer's weights is at an end of the scale.",
        WIDTH - 2 * MARGIN,
    );
    page.finish(y + 20)
}

/// How often a kernel's pixel is repeated to make its longer side `side` pixels.
fn factor(side: usize, [rows, columns]: [usize; 2]) -> u32 {
    (side / rows.max(columns)).max(2) as u32
}
