//! A network's outputs on labelled images, and their measurement.

use std::ops::Range;

use galmorph_cutout::{
    CalibrationError, Measurement, Morphology, Preprocessing, Recall, ScaleAccuracy, Scaling,
};
use tch::{Device, Kind, Tensor};

use super::symmetry::Symmetries;
use super::test_views::TestViews;
use crate::data::Dataset;
use crate::metrics::{self, Confusion, CrossFitted, Estimate, Prediction, Views};
use crate::network::Network;
use crate::progress::Progress;
use crate::torch::{Precision, Weights, forward_with_node, values};

/// The number of views in a batch; at least those of one image.
const VIEWS_AT_ONCE: usize = 128;

/// One softmax output.
pub type Row = [f32; Morphology::COUNT];

/// A network with weights, ready to classify.
#[derive(Clone, Copy)]
pub struct Classifier<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its weights.
    pub weights: &'a Weights,
    /// The precision of the arithmetic.
    pub precision: Precision,
    /// The device that holds the weights.
    pub device: Device,
}

/// The outputs of one network for one set of labelled images.
pub(crate) struct Answers {
    ids: Vec<String>,
    classes: Vec<Morphology>,
    scales: Vec<u32>,
    symmetries: Symmetries,
    /// `rows[image]` has the positions of the first test scale, then those of the second, and so on.
    rows: Vec<Vec<Row>>,
    /// `features[image]`, averaged over scales and positions.
    features: Vec<Vec<f32>>,
}

/// The best scaling of some answers.
pub(crate) struct Fitted {
    /// Fitted to all of them.
    pub(crate) scaling: Scaling,
    /// Fitted to each half, for the other half. If the scaling is none, the temperature that does not help.
    pub(crate) cross_fitted: Option<CrossFitted>,
}

impl Classifier<'_> {
    /// The softmax outputs `[N, 5]` for views `[N, channels, height, width]`, given row-major. `shape`
    /// is the shape of one view. Batch normalisation uses its running statistics, so an output never
    /// depends on other views.
    pub fn probabilities(&self, views: &[f32], shape: [usize; 3]) -> Vec<Row> {
        self.outputs(&tensor_of(views, shape)).0
    }

    /// The features of all views of all images, `[images x views, features]`.
    pub(crate) fn features(&self, dataset: &Dataset, preprocessing: &Preprocessing) -> Tensor {
        let at_once = (VIEWS_AT_ONCE / preprocessing.view_count()).max(1);
        let shape = preprocessing.view_shape();
        let mut all = Vec::new();
        let progress = Progress::new("measuring features of", dataset.len() as u64, "images");
        for images in dataset.images.chunks(at_once) {
            let views: Vec<f32> = images.iter().flat_map(|i| preprocessing.views(i)).collect();
            let (rows, features) = self.outputs(&tensor_of(&views, shape));
            all.push(Tensor::from_slice(&features).view([rows.len() as i64, -1]));
            progress.advance(images.len() as u64);
        }
        progress.finish();
        Tensor::cat(&all, 0)
    }

    /// The softmax outputs `[N, 5]` and the features `[N, features]` of views, on whatever device they are.
    fn outputs(&self, views: &Tensor) -> (Vec<Row>, Vec<f32>) {
        let (probabilities, features) = tch::no_grad(|| {
            let views = views.to_device(self.device);
            let node = self.network.features();
            let (logits, features) =
                forward_with_node(self.network, self.weights, &views, self.precision, node);
            (logits.softmax(1, Kind::Float), features)
        });
        let rows = values(&probabilities).as_chunks().0.to_vec();
        (rows, values(&features))
    }

    /// Classifies every image at every test scale, in every position.
    pub(crate) fn evaluate(
        &self,
        dataset: &Dataset,
        preprocessing: &Preprocessing,
        symmetries: Symmetries,
    ) -> Answers {
        let shape = preprocessing.view_shape();
        let make = |images: Range<usize>| {
            let mut views = Vec::new();
            for image in &dataset.images[images] {
                let upright = preprocessing.views(image);
                for view in upright.chunks_exact(preprocessing.view_len()) {
                    views.extend(symmetries.positions(view, shape[2]));
                }
            }
            tensor_of(&views, shape)
        };
        self.answers(dataset, &preprocessing.test_scales, symmetries, make)
    }

    /// Classifies every image, whose test views were made before.
    pub(crate) fn answers_to(&self, dataset: &Dataset, views: &TestViews) -> Answers {
        let each = views.scales.len() as i64;
        let make = |images: Range<usize>| {
            let (first, count) = (images.start as i64, images.len() as i64);
            views.views.narrow(0, first * each, count * each)
        };
        self.answers(dataset, &views.scales, Symmetries::Identity, make)
    }

    /// Classifies every image by the views that are made of it.
    fn answers(
        &self,
        dataset: &Dataset,
        scales: &[u32],
        symmetries: Symmetries,
        make: impl Fn(Range<usize>) -> Tensor,
    ) -> Answers {
        let views_an_image = scales.len() * symmetries.count();
        let at_once = (VIEWS_AT_ONCE / views_an_image).max(1);
        let mut rows = Vec::with_capacity(dataset.len());
        let mut features = Vec::new();
        let progress = Progress::new("classifying", dataset.len() as u64, "images");
        for first in (0..dataset.len()).step_by(at_once) {
            let images = first..(first + at_once).min(dataset.len());
            let count = images.len();
            let (outputs, values) = self.outputs(&make(images));
            rows.extend(outputs.chunks(views_an_image).map(<[Row]>::to_vec));
            let an_image = values.len() / count;
            features.extend(values.chunks(an_image).map(|v| mean_of(v, views_an_image)));
            progress.advance(count as u64);
        }
        progress.finish();
        Answers {
            ids: dataset.ids.clone(),
            classes: dataset.classes.clone(),
            scales: scales.to_vec(),
            symmetries,
            rows,
            features,
        }
    }
}

/// Views `[N, channels, height, width]`, given row-major; `shape` is that of one.
pub(super) fn tensor_of(views: &[f32], shape: [usize; 3]) -> Tensor {
    let [channels, height, width] = shape.map(|n| n as i64);
    Tensor::from_slice(views).view([-1, channels, height, width])
}

/// The mean of `count` rows of values.
fn mean_of(values: &[f32], count: usize) -> Vec<f32> {
    let mut mean = vec![0.0; values.len() / count];
    for row in values.chunks(mean.len()) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += value / count as f32;
        }
    }
    mean
}

impl Answers {
    /// The answers of several networks to different images, as if one had given them all; `None` without
    /// any. The networks saw the same scales and positions.
    pub(crate) fn joined(all: Vec<Self>) -> Option<Self> {
        all.into_iter().reduce(|mut joined, next| {
            joined.ids.extend(next.ids);
            joined.classes.extend(next.classes);
            joined.rows.extend(next.rows);
            joined.features.extend(next.features);
            joined
        })
    }

    /// The features of each image, averaged over its views: what the last layer makes the logits of.
    pub(crate) fn features(&self) -> &[Vec<f32>] {
        &self.features
    }

    /// The galaxies' ids, in the order of every other list.
    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The test scales Q, in pixels.
    pub(crate) fn scales(&self) -> &[u32] {
        &self.scales
    }

    /// The positions in which the network saw the views.
    pub(crate) const fn symmetries(&self) -> Symmetries {
        self.symmetries
    }

    /// The outputs for each image's views, over all scales and positions.
    pub(crate) fn views(&self) -> Vec<Views<'_>> {
        self.views_of(0..self.scales.len())
    }

    /// The predictions averaged over all views: what the daemon answers with this scaling.
    pub(crate) fn averaged(&self, scaling: Scaling) -> Vec<Prediction> {
        let views = self.views();
        views.iter().map(|views| views.at(scaling)).collect()
    }

    /// The predictions at one test scale, given by its index.
    pub(crate) fn at_scale(&self, number: usize, scaling: Scaling) -> Vec<Prediction> {
        let views = self.views_of(number..number + 1);
        views.iter().map(|views| views.at(scaling)).collect()
    }

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
                self.classes.len()
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
        let per_scale = (self.scales.iter().enumerate())
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
            images: self.classes.len(),
            accuracy: value(averaged.accuracy()),
            per_scale,
            per_class,
            calibration: None,
        }
    }

    /// The outputs at some test scales, given by their indices.
    fn views_of(&self, scales: Range<usize>) -> Vec<Views<'_>> {
        let positions = self.symmetries.count();
        let places = scales.start * positions..scales.end * positions;
        (self.classes.iter().zip(&self.rows))
            .map(|(truth, rows)| Views {
                truth: *truth,
                rows: &rows[places.clone()],
            })
            .collect()
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
    use Morphology::{InBetween, Round, Spiral};

    fn answers(scales: &[u32], images: &[(Morphology, &[Row])]) -> Answers {
        Answers {
            ids: (0..images.len()).map(|number| number.to_string()).collect(),
            classes: images.iter().map(|(truth, _)| *truth).collect(),
            scales: scales.to_vec(),
            symmetries: Symmetries::Identity,
            rows: images.iter().map(|(_, rows)| rows.to_vec()).collect(),
            features: vec![Vec::new(); images.len()],
        }
    }

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
    fn a_scale_is_averaged_over_its_own_positions() {
        let round = [1.0, 0.0, 0.0, 0.0, 0.0];
        let spiral = [0.0, 0.0, 0.0, 0.0, 1.0];
        // Five of eight positions say round at the first scale, and three at the second.
        let rows = [
            [round; 5].as_slice(),
            &[spiral; 6],
            &[round; 3],
            &[spiral; 2],
        ]
        .concat();
        let answers = Answers {
            symmetries: Symmetries::All,
            ..answers(&[180, 240], &[(Round, &rows)])
        };
        let round_at = |number| answers.at_scale(number, Scaling::NONE)[0].probability(Round);
        assert_eq!([round_at(0), round_at(1)], [0.625, 0.375]);
        assert_eq!(answers.averaged(Scaling::NONE)[0].probability(Round), 0.5);
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
    fn features_are_averaged_over_the_views() {
        assert_eq!(mean_of(&[1.0, 2.0, 3.0, 6.0], 2), [2.0, 4.0]);
    }

    #[test]
    fn an_answer_of_nan_is_never_right() {
        let answers = answers(&[180], &[(Round, &[[f32::NAN; 5]])]);
        assert_eq!(answers.measurement(Scaling::NONE).accuracy, 0.0);
    }
}
