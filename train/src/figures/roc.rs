//! Figure 9: the receiver operating characteristic of each class against all others.

use galmorph_cutout::Morphology;
use plotters::chart::SeriesLabelPosition;
use plotters::element::PathElement;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::Figure;
use super::chart::{Area, Drawn, Panel, chart, key, legend, line};
use super::palette::{GREY, of_class};
use crate::error::Result;

/// The curve of one class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roc {
    /// The class that is compared with all others.
    pub(crate) class: Morphology,
    /// False and true positive rates, from (0, 0) to (1, 1). Empty if the class has no galaxy or no
    /// other class has one, since a rate is undefined then.
    pub(crate) points: Vec<(f64, f64)>,
    /// The area under the curve, if there is a curve.
    pub(crate) area: Option<f64>,
}

/// Draws the whole curves on the left, and their upper left corner enlarged on the right, since good
/// classifiers differ only there.
pub(crate) fn roc(curves: &[Roc]) -> Result<Figure> {
    chart((1120, 560), |area| {
        let (left, right) = area.split_horizontally(560);
        panel(
            &left,
            curves,
            "ROC of each class",
            (0.0, 1.0),
            (0.0, 1.0),
            true,
        )?;
        let title = "The upper left corner, enlarged";
        panel(&right, curves, title, (0.0, 0.2), (0.8, 1.0), false)
    })
}

fn panel(
    area: &Area<'_>,
    curves: &[Roc],
    title: &str,
    x: (f64, f64),
    y: (f64, f64),
    with_legend: bool,
) -> Drawn {
    let panel = Panel {
        title,
        x: "false positive rate",
        y: "true positive rate",
    };
    let number = |value: &f64| format!("{value:.2}");
    let mut axes = panel.axes(area, x, y, [&number, &number])?;
    let diagonal = vec![(0.0, 0.0), (1.0, 1.0)];
    axes.draw_series([PathElement::new(
        within(&diagonal, x, y),
        GREY.stroke_width(1),
    )])?;
    for curve in curves {
        let colour = of_class(curve.class);
        let series = LineSeries::new(within(&curve.points, x, y), line(colour));
        let label = match curve.area {
            Some(area) => format!("{} (AUC {area:.4})", curve.class.long_name()),
            None => format!("{} (undefined)", curve.class.long_name()),
        };
        axes.draw_series(series)?.label(label).legend(key(colour));
    }
    if with_legend {
        legend(&mut axes, SeriesLabelPosition::LowerRight)?;
    }
    Ok(())
}

/// The part of a rising curve that lies within a panel. The panel's upper left corner is that of the
/// unit square, so the curve enters through the left or the lower edge and leaves through the right or
/// the upper one.
fn within(points: &[(f64, f64)], x: (f64, f64), y: (f64, f64)) -> Vec<(f64, f64)> {
    let mut inside = Vec::new();
    for pair in points.windows(2) {
        let Some((from, to)) = clipped(pair[0], pair[1], x, y) else {
            continue;
        };
        if inside.last() != Some(&from) {
            inside.push(from);
        }
        inside.push(to);
    }
    inside
}

/// Liang and Barsky's clipping of a segment to a rectangle.
fn clipped(
    from: (f64, f64),
    to: (f64, f64),
    x: (f64, f64),
    y: (f64, f64),
) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    let edges = [
        (-dx, from.0 - x.0),
        (dx, x.1 - from.0),
        (-dy, from.1 - y.0),
        (dy, y.1 - from.1),
    ];
    for (slope, distance) in edges {
        if slope == 0.0 {
            if distance < 0.0 {
                return None;
            }
        } else if slope < 0.0 {
            enter = enter.max(distance / slope);
        } else {
            leave = leave.min(distance / slope);
        }
    }
    let at = |part: f64| (from.0 + part * dx, from.1 + part * dy);
    (enter <= leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_cut_at_the_edges_of_its_panel() {
        let steps = [(0.0, 0.0), (0.0, 0.9), (0.1, 0.9), (0.4, 1.0), (1.0, 1.0)];
        let corner = within(&steps, (0.0, 0.2), (0.8, 1.0));
        assert_eq!(corner[0], (0.0, 0.8));
        assert_eq!(corner[1..3], [(0.0, 0.9), (0.1, 0.9)]);
        let (x, y) = corner[3];
        assert!((x - 0.2).abs() < 1e-12 && (y - (0.9 + 0.1 / 3.0)).abs() < 1e-12);
        assert_eq!(corner.len(), 4);
    }

    #[test]
    fn a_line_that_misses_the_panel_is_not_drawn() {
        assert!(within(&[(0.0, 0.0), (1.0, 0.5)], (0.0, 0.2), (0.8, 1.0)).is_empty());
    }
}
