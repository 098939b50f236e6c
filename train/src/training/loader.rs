//! Makes the batches of an epoch ahead of time, on threads of their own.
//!
//! Worker `w` of `n` makes the batches `w`, `w + n`, `w + 2n`, ... and puts them into its own short
//! queue. The training loop takes from the queues in turn. So the batches come in the epoch's order,
//! whatever the threads' timing.

use std::sync::Arc;

use crossbeam::channel::{Receiver, bounded};
use galmorph_cutout::Preprocessing;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augmentation::{Augmentation, Key};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// How many finished batches a worker's queue holds.
const AHEAD: usize = 2;

/// Training views and their classes.
pub(super) struct Batch {
    /// `[batch, 3, crop, crop]`, row-major.
    pub(super) views: Vec<f32>,
    /// The classes' ids, `[batch]`.
    pub(super) classes: Vec<i64>,
    /// The vote fractions `[batch, 5]`, row-major, if the network learns from votes.
    pub(super) votes: Option<Vec<f32>>,
}

/// How the batches of a run are made.
#[derive(Clone)]
pub(super) struct Recipe {
    /// The training images.
    pub(super) dataset: Arc<Dataset>,
    /// How they become views.
    pub(super) preprocessing: Preprocessing,
    /// The random changes to each image.
    pub(super) augmentation: Augmentation,
    /// Images in a batch.
    pub(super) batch: usize,
    /// The run's seed.
    pub(super) seed: u64,
}

impl Recipe {
    /// The number of whole batches in an epoch. Images that fill no batch are left out; each epoch leaves
    /// out others.
    pub(super) fn batches(&self) -> usize {
        self.dataset.len() / self.batch
    }

    /// Starts to make the batches of an epoch, beginning with batch number `first`.
    pub(super) fn epoch(&self, epoch: u32, first: usize, workers: usize) -> Batches {
        let order = Arc::new(self.order(epoch));
        let queues = (0..workers)
            .map(|worker| {
                let (sender, queue) = bounded(AHEAD);
                let (recipe, order) = (self.clone(), Arc::clone(&order));
                std::thread::spawn(move || {
                    for number in (first + worker..recipe.batches()).step_by(workers) {
                        let images = &order[number * recipe.batch..][..recipe.batch];
                        // The training loop closed the queue: it was interrupted.
                        if sender.send(recipe.make(epoch, images)).is_err() {
                            return;
                        }
                    }
                });
                queue
            })
            .collect();
        Batches {
            queues,
            next: 0,
            remaining: self.batches() - first,
        }
    }

    /// The images' indices in this epoch's random order.
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&epoch.to_le_bytes());
        // Augmentation seeds from the same bytes; this one keeps the two generators apart.
        seed[31] = 1;
        order.shuffle(&mut ChaCha8Rng::from_seed(seed));
        order
    }

    fn make(&self, epoch: u32, images: &[usize]) -> Batch {
        let view_len = self.preprocessing.view_len();
        let mut views = vec![0.0; images.len() * view_len];
        for (image, view) in images.iter().zip(views.chunks_exact_mut(view_len)) {
            let key = Key {
                seed: self.seed,
                epoch,
                image: *image,
            };
            let image = &self.dataset.images[*image];
            self.augmentation
                .view_into(&self.preprocessing, image, key, view);
        }
        let classes = images
            .iter()
            .map(|image| self.dataset.classes[*image].id() as i64)
            .collect();
        let votes = self.dataset.votes.as_ref().map(|votes| {
            let of_images = images.iter().flat_map(|image| votes[*image]);
            of_images.collect()
        });
        Batch {
            views,
            classes,
            votes,
        }
    }
}

/// The batches of an epoch, in order.
pub(super) struct Batches {
    queues: Vec<Receiver<Batch>>,
    /// The queue whose turn it is.
    next: usize,
    /// Batches that are still to come.
    remaining: usize,
}

impl Iterator for Batches {
    /// An error means that a worker panicked.
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let batch = self.queues[self.next].recv();
        self.next = (self.next + 1) % self.queues.len();
        Some(batch.map_err(Error::internal("make training views")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_cutout::{Morphology, RgbImage};

    fn recipe() -> Recipe {
        let image = |n: u32| {
            RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * n) as u8, y as u8, n as u8])).into()
        };
        let dataset = Dataset {
            ids: (0..11).map(|n| n.to_string()).collect(),
            classes: (0..11).map(|n| Morphology::ALL[n % 5]).collect(),
            votes: Some((0..11).map(|n| [n as f32; 5]).collect()),
            images: (0..11).map(image).collect(),
            digest: String::new(),
        };
        Recipe {
            dataset: Arc::new(dataset),
            preprocessing: Preprocessing::default(),
            augmentation: Augmentation::default(),
            batch: 2,
            seed: 7,
        }
    }

    fn classes(batches: Batches) -> Vec<Vec<i64>> {
        batches.map(|batch| batch.unwrap().classes).collect()
    }

    #[test]
    fn the_order_is_the_same_for_any_number_of_workers_and_from_any_start() {
        let recipe = recipe();
        let one = classes(recipe.epoch(0, 0, 1));
        assert_eq!(one.len(), 5);
        assert_eq!(one, classes(recipe.epoch(0, 0, 3)));
        assert_eq!(one[2..], classes(recipe.epoch(0, 2, 2)));
        assert_ne!(one, classes(recipe.epoch(1, 0, 1)));
    }

    #[test]
    fn votes_go_with_their_image() {
        let recipe = recipe();
        let order = recipe.order(0);
        for (batch, images) in recipe.epoch(0, 0, 1).zip(order.chunks(2)) {
            let wanted: Vec<f32> = (images.iter()).flat_map(|n| [*n as f32; 5]).collect();
            assert_eq!(batch.unwrap().votes, Some(wanted));
        }
    }

    #[test]
    fn an_epoch_takes_each_image_at_most_once() {
        let recipe = recipe();
        let mut order = recipe.order(4);
        order.sort_unstable();
        assert_eq!(order, (0..11).collect::<Vec<_>>());
    }
}
