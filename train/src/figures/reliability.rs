//! The reliability curve: how often predictions of a confidence are correct (Guo et al. 2017, Figure 1).

use plotters::chart::SeriesLabelPosition;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};

use super::Figure;
use super::chart::{Area, Drawn, Panel, chart, key, legend, line};
use super::palette::{BLUE, GREY, VERMILLION};
use crate::error::Result;

/// The predictions whose confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bin {
    /// The begin and the end of the range.
    pub(crate) range: (f64, f64),
    /// The number of predictions.
    pub(crate) count: usize,
    /// Their mean confidence.
    pub(crate) confidence: f64,
    /// The fraction of them that is correct.
    pub(crate) accuracy: f64,
    /// The 95 % interval of the accuracy.
    pub(crate) interval: (f64, f64),
}

/// A reliability curve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reliability {
    /// The name in the legend, such as `at temperature 1.320`.
    pub(crate) name: String,
    /// The expected calibration error.
    pub(crate) error: f64,
    /// Its bins, by rising confidence. Bins without a prediction are left out of the curve.
    pub(crate) bins: Vec<Bin>,
}

const COLOURS: [RGBColor; 2] = [VERMILLION, BLUE];

/// Draws up to two curves with the intervals of their bins, and the diagonal of perfect calibration.
/// Below them, it draws the number of predictions in each bin.
pub(crate) fn reliability(curves: &[Reliability]) -> Result<Figure> {
    let curves = &curves[..curves.len().min(COLOURS.len())];
    chart((640, 760), |area| {
        let (upper, lower) = area.split_vertically(540);
        accuracy(&upper, curves)?;
        counts(&lower, curves)
    })
}

fn accuracy(area: &Area<'_>, curves: &[Reliability]) -> Drawn {
    let panel = Panel {
        title: "Reliability",
        x: "confidence",
        y: "fraction that is right",
    };
    let number = |value: &f64| format!("{value:.1}");
    let mut axes = panel.axes(area, (0.0, 1.0), (0.0, 1.0), [&number, &number])?;
    let diagonal = PathElement::new(vec![(0.0, 0.0), (1.0, 1.0)], GREY.stroke_width(1));
    axes.draw_series([diagonal])?
        .label("perfectly calibrated")
        .legend(key(GREY));
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let points = (curve.bins.iter())
            .filter(|bin| bin.count > 0)
            .map(|bin| (bin.confidence, bin.accuracy));
        let bars = curve.bins.iter().filter(|bin| bin.count > 0).map(|bin| {
            let ends = [bin.interval.0, bin.interval.1].map(|end| (bin.confidence, end));
            PathElement::new(ends, colour.mix(0.5).stroke_width(1))
        });
        axes.draw_series(bars)?;
        axes.draw_series(LineSeries::new(points.clone(), line(colour)))?
            .label(format!("{} (ECE {:.4})", curve.name, curve.error))
            .legend(key(colour));
        axes.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
    }
    legend(&mut axes, SeriesLabelPosition::UpperLeft)
}

/// The bins' counts. Within a bin, the curves' bars are next to each other.
fn counts(area: &Area<'_>, curves: &[Reliability]) -> Drawn {
    let bins = || curves.iter().flat_map(|curve| &curve.bins);
    let largest = bins().map(|bin| bin.count).max().unwrap_or_default();
    let panel = Panel {
        title: "How many answers",
        x: "confidence",
        y: "answers",
    };
    let number = |value: &f64| format!("{value:.1}");
    let whole = |value: &f64| format!("{value:.0}");
    let top = 1.08 * largest.max(1) as f64;
    let mut axes = panel.axes(area, (0.0, 1.0), (0.0, top), [&number, &whole])?;
    for (place, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let bars = curve.bins.iter().filter(|bin| bin.count > 0).map(|bin| {
            let (from, to) = bin.range;
            let width = 0.8 * (to - from) / curves.len() as f64;
            let left = from + 0.1 * (to - from) + width * place as f64;
            // Even a bin with a single prediction is visible.
            let height = (bin.count as f64).max(0.01 * top);
            Rectangle::new([(left, 0.0), (left + width, height)], colour.filled())
        });
        axes.draw_series(bars)?;
    }
    Ok(())
}
