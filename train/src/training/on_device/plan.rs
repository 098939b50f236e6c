//! What the host draws and weighs for the views of one batch.

use galmorph_cutout::{Preprocessing, Taps};
use tch::{Device, Kind, Tensor};

use crate::data::Dataset;
use crate::torch::upload;
use crate::training::augmentation::{Augmentation, Key, Variation};
use crate::training::telescope::Stretch;

/// The numbers of a batch of views.
#[derive(Debug, Default)]
pub(in crate::training) struct Plan {
    /// The images' numbers in the data set.
    pub(super) images: Vec<i64>,
    /// Of each view, its place among the [symmetries](crate::training::augmentation::Symmetry::all).
    pub(super) symmetries: Vec<i64>,
    /// How a view's rows are made of the image's.
    pub(super) rows: AxisWeights,
    /// How a view's columns are made of the image's.
    pub(super) columns: AxisWeights,
    /// Views with a power law, and its exponent.
    pub(super) powers: Group,
    /// Views with an inverse hyperbolic sine, and its softening.
    pub(super) softenings: Group,
    /// Views in grey.
    pub(super) greys: Group,
    /// Views with noise, and the factor of its sums.
    pub(super) noises: Group,
    /// The sums of random bytes for each of these, `[noises, values]`.
    pub(super) noise_sums: Vec<i16>,
    /// Views with an edge: sine, cosine and distance in pixels, one after the other.
    pub(super) edges: Group,
    /// A matrix of nine values, the contrast and the brightness for each view.
    pub(super) colours: Vec<f32>,
    /// The shares of the next view, if views are mixed.
    pub(in crate::training) shares: Option<Vec<f32>>,
}

/// Values of [`Plan::colours`] for a view.
pub(super) const COLOURS: i64 = 11;

/// Values of [`Plan::edges`] for a view.
pub(super) const EDGE: i64 = 3;

/// Some views of a batch, and numbers for each of them.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) views: Vec<i64>,
    pub(super) numbers: Vec<f32>,
}

impl Group {
    fn add(&mut self, view: usize, numbers: &[f32]) {
        self.views.push(view as i64);
        self.numbers.extend_from_slice(numbers);
    }

    /// The views' places, and their numbers `[views, each]`; `None` if there are none.
    pub(super) fn tensors(&self, device: Device) -> Option<(Tensor, Tensor)> {
        if self.views.is_empty() {
            return None;
        }
        let shape = [self.views.len(), self.numbers.len() / self.views.len()].map(|n| n as i64);
        let numbers = Tensor::from_slice(&self.numbers).view(shape);
        Some((
            upload(&Tensor::from_slice(&self.views), device),
            upload(&numbers, device),
        ))
    }
}

/// The weights along one axis, for all views of a batch.
#[derive(Debug, Default)]
pub(super) struct AxisWeights {
    /// For each pixel of each view, the first pixel of the image that counts.
    firsts: Vec<i64>,
    /// As many weights for each of them; zeros come last.
    weights: Vec<f32>,
}

impl AxisWeights {
    fn of(taps: &[Taps]) -> Self {
        let most = taps.iter().map(|taps| taps.weights.len()).max();
        let most = most.unwrap_or(0).max(1);
        let mut weights = vec![0.0; taps.len() * most];
        for (taps, place) in taps.iter().zip(weights.chunks_exact_mut(most)) {
            place[..taps.weights.len()].copy_from_slice(&taps.weights);
        }
        Self {
            firsts: taps.iter().map(|taps| taps.first as i64).collect(),
            weights,
        }
    }

    /// As matrices `[views, side, length]`, of which most values are 0.
    pub(super) fn matrices(&self, side: i64, length: i64, device: Device) -> Tensor {
        let pixels = self.firsts.len() as i64;
        let (views, most) = (pixels / side, self.weights.len() as i64 / pixels);
        let firsts = upload(&Tensor::from_slice(&self.firsts), device).view([views, side, 1]);
        let weights = upload(&Tensor::from_slice(&self.weights), device).view([views, side, most]);
        let places = firsts + Tensor::arange(most, (Kind::Int64, device));
        // The zeros after the last weight of a pixel may lie beyond the image.
        let shape = [views, side, length + most];
        let mut matrices = Tensor::zeros(shape, (Kind::Float, device));
        matrices.scatter_(2, &places, &weights).narrow(2, 0, length)
    }
}

impl Plan {
    /// Draws the views of these images in this epoch: what [`Augmentation::view_into`] would draw.
    pub(in crate::training) fn draw(
        augmentation: &Augmentation,
        preprocessing: &Preprocessing,
        dataset: &Dataset,
        (seed, epoch): (u64, u32),
        images: &[usize],
    ) -> Self {
        let drawn = images.iter().map(|image| {
            let key = Key {
                seed,
                epoch,
                image: *image,
            };
            let size = dataset.images[*image].dimensions();
            (*image, size, augmentation.draw(preprocessing, key))
        });
        Self::of(preprocessing, drawn)
    }

    /// The plan of views of images of these numbers and sizes.
    pub(super) fn of(
        preprocessing: &Preprocessing,
        views: impl Iterator<Item = (usize, (u32, u32), Variation)>,
    ) -> Self {
        let mut plan = Self::default();
        let (mut row_taps, mut column_taps) = (Vec::new(), Vec::new());
        for (view, (image, size, variation)) in views.enumerate() {
            let [columns, rows] = preprocessing.taps(size, variation.sampling());
            row_taps.extend(rows);
            column_taps.extend(columns);
            plan.images.push(image as i64);
            plan.add(view, &variation, preprocessing);
        }
        plan.rows = AxisWeights::of(&row_taps);
        plan.columns = AxisWeights::of(&column_taps);
        plan
    }

    fn add(&mut self, view: usize, variation: &Variation, preprocessing: &Preprocessing) {
        self.symmetries.push(variation.symmetry.number());
        let effects = &variation.effects;
        match effects.stretch {
            Some(Stretch::Power(exponent)) => self.powers.add(view, &[exponent]),
            Some(Stretch::Asinh(softening)) => self.softenings.add(view, &[softening]),
            None => {}
        }
        if effects.grey {
            self.greys.add(view, &[]);
        }
        if let Some(noise) = &effects.noise {
            self.noises.add(view, &[noise.factor()]);
            self.noise_sums
                .extend(noise.sums().take(preprocessing.view_len()));
        }
        if let Some(edge) = effects.edge {
            let (sin, cos) = edge.angle.sin_cos();
            let half = preprocessing.crop as f32 / 2.0;
            self.edges.add(view, &[sin, cos, edge.distance * half]);
        }
        self.colours
            .extend(variation.distortion.matrix().as_flattened());
        self.colours.extend([
            variation.distortion.contrast,
            variation.distortion.brightness,
        ]);
    }
}
