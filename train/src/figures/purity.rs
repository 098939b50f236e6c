//! Purity against completeness, and against the threshold, of the samples of each class.

use galmorph_cutout::Morphology;
use plotters::chart::SeriesLabelPosition;
use plotters::series::LineSeries;

use super::Figure;
use super::chart::{Area, Drawn, Panel, chart, key, legend, line};
use super::palette::of_class;
use crate::error::Result;
use crate::metrics::PurityCurve;

/// Draws purity against completeness on the left, and against the threshold on the right.
pub(crate) fn purity(curves: &[PurityCurve]) -> Result<Figure> {
    chart((1120, 560), |area| {
        let (left, right) = area.split_horizontally(560);
        panel(
            &left,
            curves,
            "Purity and completeness",
            "completeness",
            |[_, purity, completeness]| (completeness, purity),
        )?;
        panel(
            &right,
            curves,
            "Purity at a threshold",
            "least probability of the class",
            |[threshold, purity, _]| (threshold, purity),
        )
    })
}

fn panel(
    area: &Area<'_>,
    curves: &[PurityCurve],
    title: &str,
    x: &str,
    place: impl Fn([f64; 3]) -> (f64, f64),
) -> Drawn {
    let panel = Panel {
        title,
        x,
        y: "purity",
    };
    let number = |value: &f64| format!("{value:.1}");
    let mut axes = panel.axes(area, (0.0, 1.0), (0.0, 1.0), [&number, &number])?;
    for curve in curves {
        let Ok(class) = curve.class.parse::<Morphology>() else {
            continue;
        };
        let colour = of_class(class);
        let points = curve.points.iter().map(|point| place(*point));
        axes.draw_series(LineSeries::new(points, line(colour)))?
            .label(class.long_name())
            .legend(key(colour));
    }
    legend(&mut axes, SeriesLabelPosition::LowerRight)
}
