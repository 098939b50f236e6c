//! Answers measured: how they are best scaled, and how often they are right.

use galmorph_cutout::{CalibrationError, Measurement, Morphology, Recall, ScaleAccuracy, Scaling};

use super::Answers;
use crate::metrics::{self, Confusion, CrossFitted, Estimate, Views};

/// The best scaling of some answers.
pub(crate) struct Fitted {
    /// Fitted to all of them.
    pub(crate) scaling: Scaling,
    /// Fitted to each half, for the other half. If the scaling is none, the temperature that does not help.
    pub(crate) cross_fitted: Option<CrossFitted>,
}

impl Answers {
    /// The scaling that makes the true classes most likely in images that it was not fitted on: none, a
    /// temperature, or a temperature with biases. `None` if there is no best temperature.
    pub(crate) fn best_scaling(&self) -> Option<Fitted> {
        let views = self.views();
        let temperature = |views: &[Views]| metrics::fit(views).map(Scaling::from);
        let fitted = temperature(&views)?;
        let crossed = metrics::cross_fitted(&views, temperature);
        let mut best = Fitted {
            scaling: Scaling::NONE,
            cross_fitted: crossed.clone(),
        };
        let mut least = metrics::log_loss(&self.averaged(Scaling::NONE));
        let mut choose = |fitted: Option<Scaling>, crossed: Option<CrossFitted>| {
            let (Some(scaling), Some(crossed)) = (fitted, crossed) else {
                return;
            };
            let loss = metrics::log_loss(&crossed.predictions);
            if loss < least {
                least = loss;
                best = Fitted {
                    scaling,
                    cross_fitted: Some(crossed),
                };
            }
        };
        choose(Some(fitted), crossed);
        choose(
            metrics::fit_biased(&views),
            metrics::cross_fitted(&views, metrics::fit_biased),
        );
        if best.scaling == Scaling::NONE {
            log::info!(
                "a temperature ({fitted}) doesn't help on images that it was not fitted on; it stays 1"
            );
        }
        Some(best)
    }

    /// Fits the scaling to these answers, and measures them with it. If there is no best temperature, the
    /// outputs stay as they are, and the measurement has no calibration.
    #[expect(
        clippy::expect_used,
        reason = "without images there is no best temperature"
    )]
    pub(crate) fn calibrate(&self) -> (Scaling, Measurement) {
        let Some(Fitted {
            scaling,
            cross_fitted,
        }) = self.best_scaling()
        else {
            log::warn!(
                "the {} validation images have no best temperature; the model stays uncalibrated",
                self.ids().len()
            );
            return (Scaling::NONE, self.measurement(Scaling::NONE));
        };
        let error_with = |scaling| {
            metrics::calibration_error(&self.averaged(scaling)).expect("there are images")
        };
        let mut measurement = self.measurement(scaling);
        measurement.calibration = Some(CalibrationError {
            before: error_with(Scaling::NONE),
            after: error_with(scaling),
            cross_fitted: cross_fitted
                .and_then(|crossed| metrics::calibration_error(&crossed.predictions)),
        });
        (scaling, measurement)
    }

    /// The accuracy at each test scale alone and averaged over all of them, and the recall of each
    /// class, with this scaling. A class without an image has a recall of 0.
    pub(crate) fn measurement(&self, scaling: Scaling) -> Measurement {
        let averaged = Confusion::of(&self.averaged(scaling));
        // A model card has no room for "undefined"; the number of images in the same entry is 0.
        let value = |estimate: Option<Estimate>| estimate.map_or(0.0, |estimate| estimate.value);
        let per_scale = (self.scales().iter().enumerate())
            .map(|(number, scale)| {
                let confusion = Confusion::of(&self.at_scale(number, scaling));
                ScaleAccuracy {
                    scale: *scale,
                    accuracy: value(confusion.accuracy()),
                }
            })
            .collect();
        let per_class = Morphology::ALL
            .into_iter()
            .map(|class| Recall {
                class: class.name().to_owned(),
                images: averaged.of_class(class) as usize,
                recall: value(averaged.recall(class)),
            })
            .collect();
        Measurement {
            of: None,
            images: self.ids().len(),
            accuracy: value(averaged.accuracy()),
            per_scale,
            per_class,
            calibration: None,
        }
    }
}

/// A measurement as a table for people: scales first, then classes. An undefined value is `-`.
pub(crate) fn table(measurement: &Measurement) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "{:<24}{:>8}{:>10}", "", "images", "accuracy");
    let mut line = |name: &str, images: usize, value: f64| {
        let shown = if images == 0 {
            "-".to_owned()
        } else {
            format!("{:.2}%", 100.0 * value)
        };
        let _ = writeln!(text, "{name:<24}{images:>8}{shown:>10}");
    };
    for scale in &measurement.per_scale {
        let name = format!("scale {}", scale.scale);
        line(&name, measurement.images, scale.accuracy);
    }
    line("scales averaged", measurement.images, measurement.accuracy);
    for recall in &measurement.per_class {
        let name = format!("recall {}", recall.class);
        line(&name, recall.images, recall.recall);
    }
    if let Some(error) = &measurement.calibration {
        let mut line = |name: &str, value: f64| line(name, measurement.images, value);
        line("calibration error", error.after);
        line("  without temperature", error.before);
        // The error above is for the images that the temperature was fitted on; this one is not.
        if let Some(cross_fitted) = error.cross_fitted {
            line("  cross-fitted", cross_fitted);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Row;
    use crate::evaluation::answers::tests::answers;
    use Morphology::{InBetween, Round, Spiral};

    #[test]
    fn each_scale_alone_and_the_average_are_counted_apart() {
        let sure_round = [0.9, 0.1, 0.0, 0.0, 0.0];
        let maybe_round = [0.4, 0.3, 0.0, 0.0, 0.3];
        let sure_spiral = [0.0, 0.0, 0.0, 0.0, 1.0];
        let maybe_spiral = [0.3, 0.1, 0.0, 0.0, 0.6];
        let answers = answers(
            &[180, 240],
            &[
                (Round, &[sure_round, maybe_spiral]),
                (Spiral, &[maybe_round, sure_spiral]),
                (Spiral, &[sure_round, maybe_spiral]),
            ],
        );
        let measured = answers.measurement(Scaling::NONE);
        let third = |n: u32| f64::from(n) / 3.0;
        assert_eq!(measured.accuracy, third(2));
        assert_eq!(measured.per_scale[0].accuracy, third(1));
        assert_eq!(measured.per_scale[1].accuracy, third(2));
        assert_eq!(measured.per_class[Round.id()].recall, 1.0);
        assert_eq!(measured.per_class[Spiral.id()].recall, 0.5);
        assert_eq!(measured.per_class[Spiral.id()].images, 2);
        assert_eq!(measured.per_class[Morphology::Cigar.id()].images, 0);
    }

    #[test]
    fn calibrated_answers_are_measured_with_and_without_their_temperature() {
        let sure = [[0.99, 0.01, 0.0, 0.0, 0.0]];
        // Two in twenty are wrong, in both halves.
        let images: Vec<(Morphology, &[Row])> = (0..40)
            .map(|n| (if n % 20 < 18 { Round } else { InBetween }, sure.as_slice()))
            .collect();
        let (scaling, measured) = answers(&[180], &images).calibrate();
        assert!(scaling.temperature > 2.0);
        let error = measured.calibration.unwrap();
        assert!((error.before - 0.09).abs() < 1e-6);
        assert!(error.after < 1e-3);
        assert!(error.cross_fitted.unwrap() < 1e-3);

        let (scaling, measured) = answers(&[180], &images[..18]).calibrate();
        assert_eq!((scaling, measured.calibration), (Scaling::NONE, None));
    }

    #[test]
    fn a_temperature_that_helps_no_other_images_is_not_kept() {
        let sure = [[0.9, 0.1, 0.0, 0.0, 0.0]];
        // One half has one in 20 wrong, the other three in 20: 0.9 is right on average, and each half
        // would mislead the other.
        let wrong = |n: usize| {
            if n.is_multiple_of(2) {
                n == 0
            } else {
                [1, 3, 5].contains(&n)
            }
        };
        let images: Vec<(Morphology, &[Row])> = (0..40)
            .map(|n| (if wrong(n) { InBetween } else { Round }, sure.as_slice()))
            .collect();
        let (scaling, measured) = answers(&[180], &images).calibrate();
        assert_eq!(scaling, Scaling::NONE);
        let error = measured.calibration.unwrap();
        assert_eq!(error.before, error.after);
        assert!(error.cross_fitted.unwrap() > error.after);
    }

    #[test]
    fn the_recall_of_a_class_without_images_is_a_dash() {
        let sure_round = [1.0, 0.0, 0.0, 0.0, 0.0];
        let measured = answers(&[180], &[(Round, &[sure_round])]).measurement(Scaling::NONE);
        let table = table(&measured);
        let row = |name: &str| {
            let line = table.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace()
                .skip(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(row("recall round"), "1 100.00%");
        assert_eq!(row("recall cigar"), "0 -");
        let lengths: Vec<usize> = table.lines().map(str::len).collect();
        assert!(
            lengths.iter().all(|length| *length == lengths[0]),
            "{table}"
        );
    }

    #[test]
    fn an_answer_of_nan_is_never_right() {
        let answers = answers(&[180], &[(Round, &[[f32::NAN; 5]])]);
        assert_eq!(answers.measurement(Scaling::NONE).accuracy, 0.0);
    }
}
