//! All layers of a finished network learn from few labelled galaxies.
//!
//! The views are those that the network sees in use, in random ones of their eight positions. Batch
//! normalisation learns and observes, too: the statistics of another survey's images are what differs most. As in a
//! long training, the result is the running average of the weights, with statistics that were observed for it.
//!
//! The learning rate is small and constant, so that the state after each round can be the last one.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::optimizer::{Sgd, average_weights, warm_decay};
use crate::error::{Error, Result};
use crate::network::{BATCH_NORM_DECAY, Network};
use crate::torch::{Leaves, Mode, Precision, Weights, forward, upload, values};
use crate::tuning::{Examples, Logits};

/// The learning rate. In trials on blurred and stretched images, a larger one was worse (docs/experiments.md).
const RATE: f64 = 0.002;

const WEIGHT_DECAY: f64 = 5e-4;

/// How much of the running average each step keeps, at most.
const AVERAGE_DECAY: f64 = 0.98;

/// Views in a batch, at most.
const BATCH: usize = 32;

/// Steps of a round, at least. With many galaxies a round shows each of them once.
const STEPS: usize = 10;

/// Views that are answered at once.
const ANSWERED: usize = 64;

/// A network and the galaxies that it learns from.
pub(crate) struct AllLayers<'a> {
    pub(crate) network: &'a Network,
    /// The galaxies.
    pub(crate) examples: &'a Examples,
    /// Their views, `[galaxies x views, 3, side, side]`, f32, on the device that computes.
    pub(crate) views: &'a Tensor,
    /// The logarithm of the class mix that the answers are for.
    pub(crate) log_prior: Logits,
    /// The seed of everything random.
    pub(crate) seed: u64,
    /// The precision of the steps. Answers are in f32.
    pub(crate) precision: Precision,
}

impl AllLayers<'_> {
    /// Learns from some galaxies for so many rounds, and shows the averaged weights after each of them.
    ///
    /// # Errors
    /// When a weight becomes no number; and those of `see`.
    pub(crate) fn learn(
        &self,
        start: &Weights,
        of: &[usize],
        rounds: usize,
        mut see: impl FnMut(&Weights) -> Result<()>,
    ) -> Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        // Dropout draws from torch's generator.
        tch::manual_seed(self.seed as i64);
        let batch = BATCH.min(of.len());
        let steps = (of.len() / batch).max(STEPS);
        // The mean weight is 1.
        let counts = self.examples.weights(of);
        let counts: Vec<f32> = (counts.iter())
            .map(|weight| (weight * of.len() as f64) as f32)
            .collect();
        let (weights, average) = (start.copy(), start.copy());
        let mut sgd = Sgd::new(&weights, WEIGHT_DECAY);
        let mut leaves = Leaves::of(&weights, self.precision);
        let mut order: Vec<usize> = Vec::new();
        let mut step = 0;
        for _ in 0..rounds {
            for _ in 0..steps {
                if order.len() < batch {
                    order = (0..of.len()).collect();
                    order.shuffle(&mut random);
                }
                let places = order.split_off(order.len() - batch);
                let galaxies: Vec<usize> = places.iter().map(|place| of[*place]).collect();
                let counts: Vec<f32> = places.iter().map(|place| counts[*place]).collect();
                leaves.refresh();
                let loss = self.loss(&leaves, &galaxies, &counts, step, &mut random);
                let gradient = leaves.gradient(&loss);
                sgd.step(&weights, gradient, RATE);
                average_weights(&average, &weights, warm_decay(AVERAGE_DECAY, step));
                step += 1;
            }
            self.observe(&average, of);
            if !average.is_finite() {
                return Err(Error::Diverged {
                    step,
                    loss: f64::NAN,
                });
            }
            see(&average)?;
        }
        Ok(())
    }

    /// The logits of the views of some galaxies.
    pub(crate) fn answers(&self, weights: &Weights, of: &[usize]) -> Vec<Vec<Logits>> {
        let per_galaxy = self.examples.views;
        let views: Vec<i64> = (of.iter())
            .flat_map(|galaxy| galaxy * per_galaxy..(galaxy + 1) * per_galaxy)
            .map(|view| view as i64)
            .collect();
        let mut logits: Vec<Logits> = Vec::with_capacity(views.len());
        for some in views.chunks(ANSWERED) {
            let views = self
                .views
                .index_select(0, &self.upload(&Tensor::from_slice(some)));
            let found = tch::no_grad(|| {
                forward(
                    self.network,
                    weights,
                    &views,
                    Precision::F32,
                    Mode::Inference,
                )
            });
            let found = values(&found);
            let rows = found.as_chunks().0.iter();
            logits.extend(rows.map(|row: &[f32; 5]| row.map(f64::from)));
        }
        logits.chunks(per_galaxy).map(<[_]>::to_vec).collect()
    }

    /// The mean loss of a batch among equally common classes, each galaxy with what it counts.
    fn loss(
        &self,
        leaves: &Leaves,
        galaxies: &[usize],
        counts: &[f32],
        step: u64,
        random: &mut impl Rng,
    ) -> Tensor {
        let views = self.views_of(galaxies, random);
        let classes: Vec<i64> = (galaxies.iter())
            .map(|galaxy| self.examples.classes[*galaxy].id() as i64)
            .collect();
        let classes = self.upload(&Tensor::from_slice(&classes).view([-1, 1]));
        let mode = Mode::Training {
            statistics_decay: warm_decay(BATCH_NORM_DECAY, step),
        };
        let weights = leaves.weights();
        let logits = forward(self.network, weights, &views, self.precision, mode);
        let prior = self.upload(&Tensor::from_slice(
            &self.log_prior.map(|value| value as f32),
        ));
        let likelihoods = (logits - prior).log_softmax(1, Kind::Float);
        let of_classes = likelihoods.gather(1, &classes, false).view([-1]);
        -(of_classes * self.upload(&Tensor::from_slice(counts))).mean(Kind::Float)
    }

    /// One view of each of these galaxies, all in the same random position: rotations by 90 degrees and mirror images.
    fn views_of(&self, galaxies: &[usize], random: &mut impl Rng) -> Tensor {
        let per_galaxy = self.examples.views;
        let chosen: Vec<i64> = (galaxies.iter())
            .map(|galaxy| (galaxy * per_galaxy + random.random_range(0..per_galaxy)) as i64)
            .collect();
        let chosen = self.upload(&Tensor::from_slice(&chosen));
        let views = self.views.index_select(0, &chosen);
        let views = views.rot90(random.random_range(0..4), [2, 3]);
        if random.random() {
            views.flip([3])
        } else {
            views
        }
    }

    fn upload(&self, tensor: &Tensor) -> Tensor {
        upload(tensor, self.views.device())
    }

    /// Observes the statistics of batch normalisation for these weights, on the views of these galaxies.
    fn observe(&self, weights: &Weights, of: &[usize]) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 1);
        let leaves = Leaves::of(weights, self.precision);
        // A chunk that is much smaller than the others would count too much.
        let chunks = of.len().div_ceil(BATCH);
        for (number, galaxies) in of.chunks(of.len().div_ceil(chunks)).enumerate() {
            let mode = Mode::Training {
                statistics_decay: number as f64 / (number + 1) as f64,
            };
            let views = self.views_of(galaxies, &mut random);
            let weights = leaves.weights();
            let _ = tch::no_grad(|| forward(self.network, weights, &views, self.precision, mode));
        }
    }
}
