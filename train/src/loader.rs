//! Makes the batches of an epoch ahead of time, on threads of their own.
//!
//! Worker `w` of `n` makes the batches `w`, `w + n`, `w + 2n`, ... into its own short queue, and the
//! trainer takes from the queues in turn: the order is that of the epoch however the threads run.

use std::sync::Arc;

use crossbeam::channel::{Receiver, bounded};
use galmorph_cutout::Preprocessing;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::augmentation::{Augmentation, Key};
use crate::data::Dataset;

/// How many batches a worker makes ahead.
const AHEAD: usize = 2;

/// Training views and their classes.
pub struct Batch {
    /// `[batch, 3, crop, crop]`, row-major.
    pub views: Vec<f32>,
    /// The classes' ids.
    pub classes: Vec<i64>,
    /// The votes `[batch, 5]`, row-major, where they are learned from.
    pub votes: Option<Vec<f32>>,
}

/// What batches are made of.
#[derive(Clone)]
pub struct Recipe {
    /// The images.
    pub dataset: Arc<Dataset>,
    /// How they become views.
    pub preprocessing: Preprocessing,
    /// How their views differ from test views.
    pub augmentation: Augmentation,
    /// How many in a batch.
    pub batch: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Recipe {
    /// How many whole batches an epoch has; the images left over change with every epoch.
    pub fn batches(&self) -> usize {
        self.dataset.len() / self.batch
    }

    /// Starts to make the batches of an epoch from number `first` on.
    pub fn epoch(&self, epoch: u32, first: usize, workers: usize) -> Batches {
        let order = Arc::new(self.order(epoch));
        let queues = (0..workers)
            .map(|worker| {
                let (sender, queue) = bounded(AHEAD);
                let (recipe, order) = (self.clone(), Arc::clone(&order));
                std::thread::spawn(move || {
                    for number in (first + worker..recipe.batches()).step_by(workers) {
                        let images = &order[number * recipe.batch..][..recipe.batch];
                        // A closed queue means that the trainer was interrupted.
                        if sender.send(recipe.make(epoch, images)).is_err() {
                            return;
                        }
                    }
                });
                queue
            })
            .collect();
        Batches { queues, next: 0 }
    }

    /// The images in this epoch's order.
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&epoch.to_le_bytes());
        // Sets this generator apart from those of the images.
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
pub struct Batches {
    queues: Vec<Receiver<Batch>>,
    next: usize,
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        // The queue whose turn it is closes only after its last batch, and so after the epoch's.
        let batch = self.queues[self.next].recv().ok();
        self.next = (self.next + 1) % self.queues.len();
        batch
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
        batches.map(|batch| batch.classes).collect()
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
            assert_eq!(batch.votes, Some(wanted));
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
