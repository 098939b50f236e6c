//! One training step: forward, loss, backward, optimizer, running average. And, after an epoch's last
//! step, the statistics of the averaged weights.

use galmorph_cutout::Morphology;
use tch::{Kind, Tensor};

use super::Trainer;
use super::checkpoint::Run;
use super::loader::{Batch, Recipe, Views};
use super::loss::cross_entropy;
use super::on_device::{Sums, ViewMaker};
use super::optimizer::{average_weights, warm_decay};
use crate::error::{Error, Result};
use crate::network::{BATCH_NORM_DECAY, Network};
use crate::torch::{Mode, forward, read_back, upload};

/// Steps from one reading of the device's sums to the next.
const READING_STEPS: u64 = 50;

/// What a run keeps on the device that makes its views.
pub(super) struct OnDevice {
    pub(super) views: ViewMaker,
    pub(super) sums: Sums,
}

/// Batches from which the statistics of the averaged weights are observed.
const STATISTICS_BATCHES: usize = 32;

impl Trainer<'_> {
    /// Trains on one batch.
    ///
    /// With `on_device`, nothing is read back but every so many steps: loss and right answers are summed
    /// there.
    ///
    /// # Errors
    /// When the loss is no longer a number.
    pub(super) fn step(
        &self,
        run: &mut Run,
        network: &Network,
        recipe: &Recipe,
        on_device: Option<&mut OnDevice>,
        batch: &Batch,
    ) -> Result<()> {
        let settings = &run.state.settings;
        let step = run.state.step;
        let total = recipe.batches() as u64 * u64::from(settings.epochs);
        // Dropout draws from torch's generator. Seeded by the step, it needs no state in the checkpoint.
        tch::manual_seed((settings.seed.rotate_left(32) ^ (step + 1)) as i64);

        let views = self.views(recipe, on_device.as_deref(), batch);
        let classes = upload(&Tensor::from_slice(&batch.classes), self.device);
        let mode = Mode::Training {
            statistics_decay: warm_decay(BATCH_NORM_DECAY, step),
        };
        let logits = forward(network, &run.weights, &views, settings.precision, mode);
        let probabilities = batch.targets.as_ref().map(|targets| {
            let targets = Tensor::from_slice(targets.as_flattened());
            upload(&targets.view([-1, Morphology::COUNT as i64]), self.device)
        });
        let targets = probabilities.as_ref().unwrap_or(&classes);
        let loss = cross_entropy(&logits, targets, settings.label_smoothing);
        // Without a device of its own there is no queue to wait for, and a step that diverges is not taken.
        let mean_loss = match on_device {
            Some(_) => None,
            None => Some(read_back(&loss)),
        };
        if let Some(loss) = mean_loss.filter(|loss| !loss.is_finite()) {
            return Err(Error::Diverged { step, loss });
        }
        loss.backward();
        let rate = settings.schedule.rate(step, total, settings.rate);
        run.sgd.step(&run.weights, rate);
        let decay = warm_decay(settings.average_decay, step);
        average_weights(&run.average, &run.weights, decay);

        let right = logits.argmax(1, false).eq_tensor(&classes).sum(Kind::Float);
        let images = batch.classes.len();
        run.state.step += 1;
        run.state.batch += 1;
        match (on_device, mean_loss) {
            (Some(on_device), _) => {
                on_device.sums.add(&loss, &right, images);
                if run.state.step.is_multiple_of(READING_STEPS) {
                    on_device.sums.read(&mut run.state)?;
                }
            }
            (None, mean_loss) => {
                let running = &mut run.state.running;
                running.loss += mean_loss.expect("without sums the loss is read") * images as f64;
                running.right += read_back(&right);
                running.images += images as u64;
            }
        }
        Ok(())
    }

    /// Observes the statistics of batch normalisation for the averaged weights, on plain training views
    /// (Izmailov et al. 2018, section 3.2). The average of the running statistics is no substitute: near
    /// the peak of the learning rate it costs six points of validation accuracy (ARCHITECTURE.md).
    pub(super) fn observe_statistics(
        &self,
        run: &Run,
        network: &Network,
        recipe: &Recipe,
        on_device: Option<&OnDevice>,
    ) -> Result<()> {
        // Dropout draws here, too, and a resumed run may come here without a step before. The complement
        // keeps this seed apart from those of all steps.
        let seed = run.state.settings.seed.rotate_left(32) ^ !run.state.step;
        tch::manual_seed(seed as i64);
        let recipe = recipe.plain();
        let batches = recipe.epoch(run.state.epoch, 0, self.workers);
        for (number, batch) in batches.take(STATISTICS_BATCHES).enumerate() {
            let mode = Mode::Training {
                // The running value becomes the mean over all batches so far.
                statistics_decay: number as f64 / (number + 1) as f64,
            };
            let views = self.views(&recipe, on_device, &batch?);
            let precision = run.state.settings.precision;
            // Only the statistics are wanted, which are updated in place.
            let _ = tch::no_grad(|| forward(network, &run.average, &views, precision, mode));
        }
        Ok(())
    }

    /// A batch's views as a tensor `[batch, 3, crop, crop]`.
    fn views(&self, recipe: &Recipe, on_device: Option<&OnDevice>, batch: &Batch) -> Tensor {
        match &batch.views {
            Views::Made(views) => {
                let [channels, height, width] = recipe.preprocessing.view_shape().map(|n| n as i64);
                let views = Tensor::from_slice(views).view([-1, channels, height, width]);
                upload(&views, self.device)
            }
            Views::Planned(plan) => {
                let on_device = on_device.expect("plans are made for views on the device alone");
                on_device.views.views(plan)
            }
        }
    }
}
