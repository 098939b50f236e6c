//! The course of a run, epoch by epoch: loss, accuracy and learning rate.

use plotters::chart::SeriesLabelPosition;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};

use super::Figure;
use super::chart::{Area, Drawn, Panel, chart, key, legend, line};
use super::palette::{BLUE, GREEN, VERMILLION};
use crate::error::Result;
use crate::evaluation::EpochRecord;

/// A named line of values, one an epoch.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    values: Vec<f64>,
}

/// Draws three panels next to each other. A history without an epoch gives empty panels.
pub(crate) fn training_curves(history: &[EpochRecord]) -> Result<Figure> {
    let curve = |name, colour, value: &dyn Fn(&EpochRecord) -> f64| Curve {
        name,
        colour,
        values: history.iter().map(value).collect(),
    };
    let loss = curve("training loss", VERMILLION, &|epoch| epoch.loss);
    let training = curve("training views", VERMILLION, &|epoch| {
        100.0 * epoch.training_accuracy
    });
    let validation = curve("validation, scales averaged", BLUE, &|epoch| {
        100.0 * epoch.validation.accuracy
    });
    let rate = curve("learning rate", GREEN, &|epoch| epoch.rate);

    chart((1280, 420), |area| {
        let panels = area.split_evenly((1, 3));
        let title = Panel {
            title: "Loss",
            x: "epoch",
            y: "cross-entropy (nats)",
        };
        panel(&panels[0], &title, &[loss], None)?;
        let title = Panel {
            title: "Accuracy",
            x: "epoch",
            y: "accuracy (%)",
        };
        let below = Some(SeriesLabelPosition::LowerRight);
        panel(&panels[1], &title, &[training, validation], below)?;
        let title = Panel {
            title: "Learning rate",
            x: "epoch",
            y: "rate of the last step",
        };
        panel(&panels[2], &title, &[rate], None)
    })
}

fn panel(
    area: &Area<'_>,
    panel: &Panel<'_>,
    curves: &[Curve],
    with_legend: Option<SeriesLabelPosition>,
) -> Drawn {
    let epochs = curves.iter().map(|curve| curve.values.len()).max();
    let last = epochs.unwrap_or_default().max(2) as f64;
    let values = curves.iter().flat_map(|curve| &curve.values).copied();
    let (low, high) = range(values.filter(|value| value.is_finite()));
    let digits = digits(high - low);
    let number = |value: &f64| {
        // More decimals would push the label into the name of the axis.
        if digits > 4 {
            format!("{value:.1e}")
        } else {
            format!("{value:.digits$}")
        }
    };
    let epoch = |value: &f64| epoch(*value);
    let mut axes = panel.axes(area, (1.0, last), (low, high), [&epoch, &number])?;
    for curve in curves {
        let points = (1..)
            .map(f64::from)
            .zip(curve.values.iter().copied())
            .filter(|(_, value)| value.is_finite());
        axes.draw_series(LineSeries::new(points.clone(), line(curve.colour)))?
            .label(curve.name)
            .legend(key(curve.colour));
        axes.draw_series(points.map(|point| Circle::new(point, 3, curve.colour.filled())))?;
    }
    if let Some(position) = with_legend {
        legend(&mut axes, position)?;
    }
    Ok(())
}

/// An epoch's number; empty between two epochs.
fn epoch(value: f64) -> String {
    let whole = value.round();
    if (value - whole).abs() < 1e-6 {
        format!("{whole:.0}")
    } else {
        String::new()
    }
}

/// The number of decimals that six labels on a range of this width need to differ.
fn digits(width: f64) -> usize {
    (6.0 / width).log10().ceil().clamp(0.0, 6.0) as usize
}

/// The range of some values with a margin, which extends below zero only if a value does. The range of
/// no value, or of one, has a width as well, so that it can be drawn.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let margin = match 0.05 * (high - low) {
        0.0 => 0.5 * high.abs().max(1e-6),
        margin => margin,
    };
    let bottom = if low < 0.0 {
        low - margin
    } else {
        (low - margin).max(0.0)
    };
    (bottom, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_never_empty() {
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
        for values in [vec![0.0], vec![3.0], vec![1.0, 2.0]] {
            let (low, high) = range(values.iter().copied());
            assert!(values.iter().all(|value| low <= *value && *value < high));
        }
        assert_eq!(range([0.0, 1.0].into_iter()), (0.0, 1.05));
    }

    #[test]
    fn there_is_no_label_between_two_epochs() {
        assert_eq!([1.0, 1.2, 2.0].map(epoch), ["1", "", "2"]);
    }

    #[test]
    fn labels_have_the_decimals_that_they_need() {
        assert_eq!([0.02, 0.1, 1.1, 8.0, 50.0].map(digits), [3, 2, 1, 0, 0]);
    }
}
