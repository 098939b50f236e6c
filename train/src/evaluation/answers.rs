//! A network's outputs on labelled images.

use std::ops::Range;

use galmorph_cutout::{Morphology, Preprocessing, Scaling};
use tch::{Device, Kind, Tensor};

use super::symmetry::Symmetries;
use super::test_views::TestViews;
use crate::data::Dataset;
use crate::metrics::{Prediction, Views};
use crate::network::Network;
use crate::progress::Progress;
use crate::torch::{Precision, Weights, forward_with_node, values};

/// The number of views in a batch; at least those of one image.
pub(super) const VIEWS_AT_ONCE: usize = 128;

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

    /// The features of views `[N, features]`, which are given as for
    /// [`probabilities`](Self::probabilities). Any number of views may be given.
    pub(crate) fn features_of_views(&self, views: &[f32], shape: [usize; 3]) -> Vec<f32> {
        let some = VIEWS_AT_ONCE * shape.iter().product::<usize>();
        let features = views
            .chunks(some)
            .map(|views| self.outputs(&tensor_of(views, shape)).1);
        features.flatten().collect()
    }

    /// The features of images, each averaged over its views, one after the other. `each` is the number of
    /// views of an image.
    pub(crate) fn features_of_images(
        &self,
        views: &[f32],
        shape: [usize; 3],
        each: usize,
    ) -> Vec<f32> {
        let images = views.len() / (each * shape.iter().product::<usize>());
        let features = self.features_of_views(views, shape);
        let of_one = features.len() / images;
        let means = features.chunks(of_one).map(|own| mean_of(own, each));
        means.flatten().collect()
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

    /// Answers that were computed elsewhere, view by view, without features.
    pub(crate) fn of_rows(
        ids: Vec<String>,
        classes: Vec<Morphology>,
        scales: Vec<u32>,
        rows: Vec<Vec<Row>>,
    ) -> Self {
        Self {
            ids,
            classes,
            scales,
            symmetries: Symmetries::Identity,
            rows,
            features: Vec::new(),
        }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use Morphology::Round;

    pub(in crate::evaluation) fn answers(
        scales: &[u32],
        images: &[(Morphology, &[Row])],
    ) -> Answers {
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
    fn features_are_averaged_over_the_views() {
        assert_eq!(mean_of(&[1.0, 2.0, 3.0, 6.0], 2), [2.0, 4.0]);
    }
}
