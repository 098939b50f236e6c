//! Makes the batches of an epoch ahead of time, on threads of their own.
//!
//! Worker `w` of `n` makes the batches `w`, `w + n`, `w + 2n`, ... and puts them into its own short
//! queue. The training loop takes from the queues in turn. So the batches come in the epoch's order,
//! whatever the threads' timing.

use std::sync::Arc;

use crossbeam::channel::{Receiver, bounded};
use galmorph_cutout::{Morphology, Preprocessing};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augmentation::{Augmentation, Key};
use super::mixup::{Target, mix, shares};
use super::on_device::Plan;
use crate::data::Dataset;
use crate::error::{Error, Result};

/// How many finished batches a worker's queue holds.
const AHEAD: usize = 2;

/// Training views and their classes.
pub(super) struct Batch {
    pub(super) views: Views,
    /// The classes' ids, `[batch]`. Of mixed views, the class that has the larger share.
    pub(super) classes: Vec<i64>,
    /// The probabilities `[batch, 5]` that the network learns instead of the classes: vote fractions, or
    /// the targets of mixed views.
    pub(super) targets: Option<Vec<Target>>,
}

/// The views of a batch.
pub(super) enum Views {
    /// `[batch, 3, crop, crop]`, row-major.
    Made(Vec<f32>),
    /// What the device makes them of.
    Planned(Box<Plan>),
}

/// Where training views are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Place {
    /// On the processor's cores, view by view.
    Host,
    /// On the device that trains, a batch at once; its memory holds the images.
    Device,
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
    /// The parameter of [`mix`], or 0 to leave views unmixed.
    pub(super) mixup: f64,
    /// Images in a batch.
    pub(super) batch: usize,
    /// The run's seed.
    pub(super) seed: u64,
    /// Where the views are made.
    pub(super) place: Place,
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
                        if sender.send(recipe.make(epoch, number, images)).is_err() {
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

    /// The recipe of views as the network will see them in use: neither mixed nor from other telescopes.
    pub(super) fn plain(&self) -> Self {
        Self {
            augmentation: self.augmentation.without_telescope(),
            mixup: 0.0,
            ..self.clone()
        }
    }

    /// The images' indices in this epoch's random order.
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        order.shuffle(&mut ChaCha8Rng::from_seed(self.seed_of(epoch, 1)));
        order
    }

    /// Seeds of an epoch. Augmentation seeds from the same bytes with a `purpose` of 0, which keeps the
    /// generators apart.
    fn seed_of(&self, epoch: u32, purpose: u8) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&epoch.to_le_bytes());
        seed[31] = purpose;
        seed
    }

    fn make(&self, epoch: u32, number: usize, images: &[usize]) -> Batch {
        let mut views = match self.place {
            Place::Host => Views::Made(self.views(epoch, images)),
            Place::Device => Views::Planned(Box::new(Plan::draw(
                &self.augmentation,
                &self.preprocessing,
                &self.dataset,
                (self.seed, epoch),
                images,
            ))),
        };
        let classes = images.iter().map(|image| self.dataset.classes[*image]);
        let classes: Vec<Morphology> = classes.collect();
        let mut targets: Option<Vec<Target>> = self
            .dataset
            .votes
            .as_ref()
            .map(|votes| images.iter().map(|image| votes[*image]).collect());
        if self.mixup > 0.0 {
            let targets = targets
                .get_or_insert_with(|| classes.iter().map(|class| one_hot(*class)).collect());
            let mut seed = self.seed_of(epoch, 2);
            seed[16..24].copy_from_slice(&(number as u64).to_le_bytes());
            let shares = shares(self.mixup, seed, images.len());
            mix(&shares, targets.as_flattened_mut());
            match &mut views {
                Views::Made(views) => mix(&shares, views),
                Views::Planned(plan) => plan.shares = Some(shares),
            }
        }
        Batch {
            views,
            classes: classes.iter().map(|class| class.id() as i64).collect(),
            targets,
        }
    }

    /// The views of some images, one after the other.
    fn views(&self, epoch: u32, images: &[usize]) -> Vec<f32> {
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
        views
    }
}

/// The target of a label: all probability is on one class.
fn one_hot(class: Morphology) -> Target {
    let mut target = [0.0; Morphology::COUNT];
    target[class.id()] = 1.0;
    target
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
    use galmorph_cutout::RgbImage;

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
            mixup: 0.0,
            batch: 2,
            seed: 7,
            place: Place::Host,
        }
    }

    fn made(batch: &Batch) -> &[f32] {
        match &batch.views {
            Views::Made(views) => views,
            Views::Planned(_) => panic!("the views are to be made on the device"),
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
            let wanted: Vec<Target> = images.iter().map(|n| [*n as f32; 5]).collect();
            assert_eq!(batch.unwrap().targets, Some(wanted));
        }
    }

    #[test]
    fn mixed_batches_are_the_same_from_any_start_and_differ_from_plain_ones() {
        let mut recipe = recipe();
        Arc::get_mut(&mut recipe.dataset).unwrap().votes = None;
        recipe.mixup = 0.5;
        let batches = |recipe: &Recipe, first, workers| -> Vec<Batch> {
            let batches = recipe.epoch(1, first, workers);
            batches.map(|batch| batch.unwrap()).collect()
        };
        let all = batches(&recipe, 0, 1);
        let plain = batches(&recipe.plain(), 0, 1);
        for (batch, again) in all[3..].iter().zip(batches(&recipe, 3, 2)) {
            assert!(made(batch) == made(&again) && batch.targets == again.targets);
        }
        for (batch, plain) in all.iter().zip(&plain) {
            assert_eq!(batch.classes, plain.classes);
            assert_eq!(plain.targets, None);
            let largest = |target: &Target| (0..5).max_by(|a, b| target[*a].total_cmp(&target[*b]));
            for (target, class) in batch.targets.as_ref().unwrap().iter().zip(&batch.classes) {
                // A half each is a tie.
                assert!(target[*class as usize] >= target[largest(target).unwrap()] - 1e-6);
            }
        }
        assert!(all.iter().zip(&plain).any(|(a, b)| made(a) != made(b)));
    }

    #[test]
    fn an_epoch_takes_each_image_at_most_once() {
        let recipe = recipe();
        let mut order = recipe.order(4);
        order.sort_unstable();
        assert_eq!(order, (0..11).collect::<Vec<_>>());
    }
}
