//! What a network answers on labelled images, and how often it is right.

use galmorph_cutout::{
    Measurement, Morphology, Preprocessing, Probabilities, Recall, ScaleAccuracy,
};
use tch::{Device, Kind, Tensor};

use crate::data::Dataset;
use crate::network::Network;
use crate::progress::Progress;
use crate::torch::{Mode, Precision, Weights, forward};

/// How many images go through the network at once; each has a view for every test scale.
const IMAGES_AT_ONCE: usize = 32;

/// One softmax output.
type Row = [f32; Morphology::COUNT];

/// A network with weights, ready to answer.
#[derive(Clone, Copy)]
pub struct Classifier<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its weights.
    pub weights: &'a Weights,
    /// The kind of number to compute with.
    pub precision: Precision,
    /// Where the weights are.
    pub device: Device,
}

/// The answers of one network on one set of labelled images.
pub struct Evaluation {
    scales: Vec<u32>,
    classes: Vec<Morphology>,
    /// `rows[image][scale]`.
    rows: Vec<Vec<Row>>,
}

impl Classifier<'_> {
    /// The softmax `[N, 5]` of views `[N, 3, 64, 64]`, given row-major. Inference mode: batch
    /// normalisation uses its running statistics, so an answer never depends on its neighbours.
    pub fn probabilities(&self, views: &[f32], shape: [usize; 3]) -> Vec<Row> {
        let [channels, height, width] = shape.map(|n| n as i64);
        let probabilities = tch::no_grad(|| {
            let views = Tensor::from_slice(views)
                .view([-1, channels, height, width])
                .to_device(self.device);
            forward(
                self.network,
                self.weights,
                &views,
                self.precision,
                Mode::Inference,
            )
            .softmax(1, Kind::Float)
            .to_device(Device::Cpu)
            .contiguous()
        });
        let mut flat = vec![0.0; probabilities.numel()];
        probabilities.copy_data(&mut flat, probabilities.numel());
        flat.as_chunks().0.to_vec()
    }

    /// Classifies every image at every test scale.
    pub fn evaluate(&self, dataset: &Dataset, preprocessing: &Preprocessing) -> Evaluation {
        let mut rows = Vec::with_capacity(dataset.len());
        let progress = Progress::new("classifying", dataset.len() as u64, "images");
        for images in dataset.images.chunks(IMAGES_AT_ONCE) {
            let views: Vec<f32> = images
                .iter()
                .flat_map(|image| preprocessing.views(image))
                .collect();
            let outputs = self.probabilities(&views, preprocessing.view_shape());
            rows.extend(
                outputs
                    .chunks(preprocessing.view_count())
                    .map(<[Row]>::to_vec),
            );
            progress.advance(images.len() as u64);
        }
        progress.finish();
        Evaluation {
            scales: preprocessing.test_scales.clone(),
            classes: dataset.classes.clone(),
            rows,
        }
    }
}

impl Evaluation {
    /// Accuracy for each test scale alone, and for all of them averaged; recall of each class.
    pub fn measurement(&self) -> Measurement {
        let averaged = self.right(label);
        let per_scale = self
            .scales
            .iter()
            .enumerate()
            .map(|(number, scale)| ScaleAccuracy {
                scale: *scale,
                accuracy: fraction(&self.right(|rows| label(&rows[number..=number]))),
            })
            .collect();
        let per_class = Morphology::ALL
            .into_iter()
            .map(|class| {
                let of_class: Vec<bool> = (self.classes.iter().zip(&averaged))
                    .filter(|(truth, _)| **truth == class)
                    .map(|(_, right)| *right)
                    .collect();
                Recall {
                    class: class.name().to_owned(),
                    images: of_class.len(),
                    recall: fraction(&of_class),
                }
            })
            .collect();
        Measurement {
            images: self.classes.len(),
            accuracy: fraction(&averaged),
            per_scale,
            per_class,
        }
    }

    /// Whether each image was classified rightly by `answer`.
    fn right(&self, answer: impl Fn(&[Row]) -> Option<Morphology>) -> Vec<bool> {
        self.rows
            .iter()
            .zip(&self.classes)
            .map(|(rows, truth)| answer(rows) == Some(*truth))
            .collect()
    }
}

/// The class of the averaged rows; none when a network answers NaN, which is never right.
fn label(rows: &[Row]) -> Option<Morphology> {
    Probabilities::average(rows, 1.0).map(|average| average.label())
}

/// The fraction that is true, 0 of none.
fn fraction(values: &[bool]) -> f64 {
    let count = values.iter().filter(|value| **value).count();
    count as f64 / values.len().max(1) as f64
}

/// A measurement as a table for people: scales first, then classes.
pub fn table(measurement: &Measurement) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "{:<24}{:>8}{:>10}", "", "images", "accuracy");
    let mut line = |name: &str, images: usize, value: f64| {
        let _ = writeln!(text, "{name:<24}{images:>8}{:>9.2}%", 100.0 * value);
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{Round, Spiral};

    #[test]
    fn each_scale_alone_and_the_average_are_counted_apart() {
        let sure_round = [0.9, 0.1, 0.0, 0.0, 0.0];
        let maybe_round = [0.4, 0.3, 0.0, 0.0, 0.3];
        let sure_spiral = [0.0, 0.0, 0.0, 0.0, 1.0];
        let maybe_spiral = [0.3, 0.1, 0.0, 0.0, 0.6];
        let evaluation = Evaluation {
            scales: vec![180, 240],
            classes: vec![Round, Spiral, Spiral],
            rows: vec![
                vec![sure_round, maybe_spiral],
                vec![maybe_round, sure_spiral],
                vec![sure_round, maybe_spiral],
            ],
        };
        let measured = evaluation.measurement();
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
    fn an_answer_of_nan_is_never_right() {
        let evaluation = Evaluation {
            scales: vec![180],
            classes: vec![Round],
            rows: vec![vec![[f32::NAN; 5]]],
        };
        assert_eq!(evaluation.measurement().accuracy, 0.0);
    }
}
