//! Pages of pictures with captions, as SVG.
//!
//! plotters is made for charts, and would resample a picture. Here each picture stays as it is, embedded
//! as PNG or JPEG, and every caption stays text.

use galmorph_cutout::RgbImage;
use maud::{Markup, html};
use plotters::style::RGBColor;

use super::Figure;
use super::chart::{FAMILY, width_of};
use super::palette::{GREY, INK, css};
use super::picture::{jpeg_uri, png_uri};

/// A page that is being filled. Lengths are in CSS pixels, and (0, 0) is at the upper left.
pub(super) struct Page {
    width: u32,
    elements: Vec<Markup>,
}

/// A rectangle of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The point of a line of text that a position refers to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    /// Its begin.
    Start,
    /// Its middle.
    Middle,
}

impl Page {
    pub(super) const fn new(width: u32) -> Self {
        Self {
            width,
            elements: Vec::new(),
        }
    }

    /// A heading whose baseline is `y`.
    pub(super) fn heading(&mut self, y: u32, line: &str) {
        self.line((16, y), 16.0, INK, Anchor::Start, line, self.width - 32);
    }

    /// A line of text with its baseline at `at`, cut if it is wider than `width`.
    pub(super) fn caption(&mut self, at: (u32, u32), anchor: Anchor, line: &str, width: u32) {
        self.line(at, 12.0, INK, anchor, line, width);
    }

    /// A caption in small grey type.
    pub(super) fn remark(&mut self, at: (u32, u32), anchor: Anchor, line: &str, width: u32) {
        self.line(at, 11.0, GREY, anchor, line, width);
    }

    fn line(
        &mut self,
        (x, y): (u32, u32),
        size: f64,
        colour: RGBColor,
        anchor: Anchor,
        line: &str,
        width: u32,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
        };
        self.elements.push(html! {
            text x=(x) y=(y) font-family=(FAMILY) font-size=(size) fill=(css(colour)) text-anchor=(anchor) {
                (fitted(line, size, width))
            }
        });
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, place: Place, colour: RGBColor) {
        let Place {
            x,
            y,
            width,
            height,
        } = place;
        self.elements.push(html! {
            rect x=(x) y=(y) width=(width) height=(height) fill=(css(colour)) {}
        });
    }

    /// The edge of a rectangle, on both sides of which the picture below is seen.
    pub(super) fn outline(&mut self, place: Place, colour: RGBColor) {
        let Place {
            x,
            y,
            width,
            height,
        } = place;
        self.elements.push(html! {
            rect x=(x) y=(y) width=(width) height=(height) fill="none" stroke=(css(colour)) stroke-width="1.5" {}
        });
    }

    /// A picture, losslessly embedded. `description` is for readers who can't see it.
    pub(super) fn picture(&mut self, place: Place, picture: &RgbImage, description: &str) {
        self.embed(place, &png_uri(picture), picture.width(), description);
    }

    /// As [`picture`](Self::picture), but as a JPEG: for a galaxy's image, which came as one.
    pub(super) fn galaxy(&mut self, place: Place, picture: &RgbImage, description: &str) {
        self.embed(place, &jpeg_uri(picture), picture.width(), description);
    }

    fn embed(&mut self, place: Place, uri: &str, pixels: u32, description: &str) {
        let Place {
            x,
            y,
            width,
            height,
        } = place;
        // An enlarged pixel stays a square, so that the picture shows what the network gets.
        let rendering = if pixels < width { "pixelated" } else { "auto" };
        self.elements.push(html! {
            image x=(x) y=(y) width=(width) height=(height) href=(uri)
                style={ "image-rendering:" (rendering) } {
                title { (description) }
            }
        });
    }

    /// Ends the page at this height.
    pub(super) fn finish(self, height: u32) -> Figure {
        let view = format!("0 0 {} {height}", self.width);
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(self.width) height=(height) viewBox=(view) {
                rect width=(self.width) height=(height) fill="white" {}
                @for element in self.elements { (element) "\n" }
            }
        };
        Figure::new(svg.into_string(), self.width, height)
    }
}

/// The line, cut to a width and marked with an ellipsis if it is wider.
fn fitted(line: &str, size: f64, width: u32) -> String {
    if width_of(line, size) <= f64::from(width) {
        return line.to_owned();
    }
    let mut kept = line.to_owned();
    while kept.pop().is_some() {
        let cut = format!("{}…", kept.trim_end());
        if width_of(&cut, size) <= f64::from(width) {
            return cut;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_ends_in_an_ellipsis_within_its_width() {
        let line = "588017703996096547 of somewhere else entirely";
        let cut = fitted(line, 12.0, 100);
        assert!(cut.ends_with('…') && line.starts_with(cut.trim_end_matches('…')));
        assert!(width_of(&cut, 12.0) <= 100.0);
        assert_eq!(fitted("short", 12.0, 100), "short");
    }
}
