//! What all charts share: the font, the frame of the axes, and the conversion from plotters to a
//! [`Figure`].

use std::sync::Once;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::PathElement;
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::Figure;
use super::palette::{GRID, INK};
use crate::error::{Error, Result};

/// The font family in the SVG. Verdana, which a browser without the first font takes, has its widths.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// The bytes of the regular font.
pub(super) const REGULAR: fn() -> &'static [u8] = dejavu::sans::regular;

/// The bytes of the bold font.
pub(super) const BOLD: fn() -> &'static [u8] = dejavu::sans::bold;

/// A place to draw.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A chart with two axes of numbers.
pub(super) type Axes<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The result of drawing.
pub(super) type Drawn<T = ()> = std::result::Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// Draws a chart of this size, in CSS pixels.
pub(super) fn chart(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<Figure> {
    register_fonts();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        area.fill(&WHITE)
            .and_then(|()| draw(&area))
            .and_then(|()| area.present())
            .map_err(Error::internal("draw a chart"))?;
    }
    Ok(Figure::new(svg, width, height))
}

/// Gives plotters the font, so that it measures text as it is drawn.
pub(super) fn register_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
            if plotters::style::register_font(FAMILY, style, bytes()).is_err() {
                unreachable!("the built-in font is no font");
            }
        }
    });
}

/// Text of this size, in CSS pixels.
pub(super) fn text(size: f64, colour: RGBColor) -> TextStyle<'static> {
    // plotters' SVG backend divides the size by 1.24.
    (FAMILY, size * 1.24).into_font().color(&colour)
}

/// The width of a line of text, in CSS pixels.
pub(super) fn width_of(line: &str, size: f64) -> f64 {
    register_fonts();
    (FAMILY, size)
        .into_font()
        .box_size(line)
        .map_or(0.0, |(width, _)| f64::from(width))
}

/// The texts around a panel.
pub(super) struct Panel<'a> {
    /// Above it.
    pub(super) title: &'a str,
    /// Under the horizontal axis.
    pub(super) x: &'a str,
    /// Next to the vertical axis.
    pub(super) y: &'a str,
}

impl Panel<'_> {
    /// Draws the frame for these ranges. `format` writes the values on the two axes.
    pub(super) fn axes<'a, 'b>(
        &self,
        area: &'a Area<'b>,
        (left, right): (f64, f64),
        (bottom, top): (f64, f64),
        format: [&dyn Fn(&f64) -> String; 2],
    ) -> Drawn<Axes<'a, 'b>> {
        let mut axes = ChartBuilder::on(area)
            .margin(12)
            // Half of the last label extends beyond the end of its axis.
            .margin_right(28)
            .caption(self.title, text(15.0, INK))
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(left..right, bottom..top)?;
        axes.configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(6)
            .y_labels(6)
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(text(12.0, INK))
            .axis_desc_style(text(13.0, INK))
            .x_label_formatter(format[0])
            .y_label_formatter(format[1])
            .draw()?;
        Ok(axes)
    }
}

/// A line of a chart.
pub(super) fn line(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(2)
}

/// The sample of a line in a legend.
pub(super) fn key(colour: RGBColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new(vec![(x, y), (x + 22, y)], colour.stroke_width(3))
}

/// Draws the legend.
pub(super) fn legend<'a, 'b: 'a>(
    axes: &mut Axes<'a, 'b>,
    position: plotters::chart::SeriesLabelPosition,
) -> Drawn {
    axes.configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .legend_area_size(30)
        .margin(8)
        .label_font(text(12.0, INK))
        .draw()
}
