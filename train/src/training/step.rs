//! One training step: forward, loss, backward, optimizer, running average. And, after an epoch's last
//! step, the statistics of the averaged weights.

use galmorph_cutout::Morphology;
use tch::{Device, Tensor};

use super::checkpoint::{Run, State};
use super::loader::{Batch, Recipe, Views};
use super::loss::cross_entropy;
use super::on_device::ViewMaker;
use super::optimizer::{average_weights, warm_decay};
use super::outcomes::Outcomes;
use super::teacher::Teachers;
use crate::error::Result;
use crate::network::{BATCH_NORM_DECAY, Network};
use crate::torch::{Leaves, Mode, forward, upload};

/// Steps from one reading of their outcomes to the next. A GPU loses no time by them, and whoever watches
/// sees the loss.
const READING_STEPS: usize = 16;

/// Batches from which the statistics of the averaged weights are observed.
const STATISTICS_BATCHES: usize = 32;

/// What takes the steps of a run.
pub(super) struct Learner<'a> {
    network: &'a Network,
    pub(super) recipe: Recipe,
    /// Makes the views on the device, if the recipe says so.
    maker: Option<ViewMaker>,
    teachers: Teachers<'a>,
    device: Device,
    /// The run's weights.
    leaves: Leaves,
    outcomes: Outcomes,
}

impl<'a> Learner<'a> {
    /// What takes the steps of this run.
    pub(super) fn new(
        run: &Run,
        network: &'a Network,
        recipe: Recipe,
        maker: Option<ViewMaker>,
        teachers: Teachers<'a>,
        device: Device,
    ) -> Self {
        Self {
            network,
            recipe,
            maker,
            teachers,
            device,
            leaves: Leaves::of(&run.weights, run.state.settings.precision),
            outcomes: Outcomes::default(),
        }
    }

    /// Trains on one batch. On a GPU, it has hardly begun when this returns: the outcomes are read every so many
    /// steps.
    ///
    /// # Errors
    /// When the loss of this step, or of one since the last reading, is no number.
    pub(super) fn step(&mut self, run: &mut Run, batch: &Batch) -> Result<()> {
        let settings = &run.state.settings;
        let step = run.state.step;
        let total = self.recipe.batches() as u64 * u64::from(settings.epochs);
        // Dropout draws from torch's generator. Seeded by the step, it needs no state in the checkpoint.
        tch::manual_seed((settings.seed.rotate_left(32) ^ (step + 1)) as i64);

        let views = self.views(batch);
        let classes = upload(&Tensor::from_slice(&batch.classes), self.device);
        let probabilities = batch.targets.as_ref().map(|targets| {
            let targets = Tensor::from_slice(targets.as_flattened());
            upload(&targets.view([-1, Morphology::COUNT as i64]), self.device)
        });
        let mode = Mode::Training {
            statistics_decay: warm_decay(BATCH_NORM_DECAY, step),
        };
        self.leaves.refresh();
        let weights = self.leaves.weights();
        let logits = forward(self.network, weights, &views, settings.precision, mode);
        let labels = probabilities.as_ref().unwrap_or(&classes);
        let targets = self.teachers.targets(&views, labels);
        let loss = cross_entropy(&logits, &targets, settings.label_smoothing);
        let gradient = self.leaves.gradient(&loss);
        let rate = settings.schedule.rate(step, total, settings.rate);
        run.sgd.step(&run.weights, gradient, rate);
        let decay = warm_decay(settings.average_decay, step);
        average_weights(&run.average, &run.weights, decay);

        self.outcomes.add(&loss, &logits, classes);
        run.state.step += 1;
        run.state.batch += 1;
        if self.outcomes.unread() < READING_STEPS {
            return Ok(());
        }
        self.read_outcomes(&mut run.state)
    }

    /// Adds the outcomes of the steps so far to the state's. Waits for the device.
    ///
    /// # Errors
    /// When the loss of a step is no number.
    pub(super) fn read_outcomes(&mut self, state: &mut State) -> Result<()> {
        self.outcomes.read(state)
    }

    /// Observes the statistics of batch normalisation for the averaged weights, on plain training views
    /// (Izmailov et al. 2018, section 3.2). The average of the running statistics is no substitute: near
    /// the peak of the learning rate it costs six points of validation accuracy (ARCHITECTURE.md).
    pub(super) fn observe_statistics(&self, run: &Run, workers: usize) -> Result<()> {
        // Dropout draws here, too, and a resumed run may come here without a step before. The complement
        // keeps this seed apart from those of all steps.
        let seed = run.state.settings.seed.rotate_left(32) ^ !run.state.step;
        tch::manual_seed(seed as i64);
        let precision = run.state.settings.precision;
        let average = Leaves::of(&run.average, precision);
        let batches = self.recipe.plain().epoch(run.state.epoch, 0, workers);
        for (number, batch) in batches.take(STATISTICS_BATCHES).enumerate() {
            let mode = Mode::Training {
                // The running value becomes the mean over all batches so far.
                statistics_decay: number as f64 / (number + 1) as f64,
            };
            let views = self.views(&batch?);
            let weights = average.weights();
            // Only the statistics are wanted, which are updated in place.
            let _ = tch::no_grad(|| forward(self.network, weights, &views, precision, mode));
        }
        Ok(())
    }

    /// A batch's views as a tensor `[batch, 3, crop, crop]`.
    #[expect(
        clippy::expect_used,
        reason = "the recipe and the view maker come together"
    )]
    fn views(&self, batch: &Batch) -> Tensor {
        match &batch.views {
            Views::Made(views) => {
                let shape = self.recipe.preprocessing.view_shape();
                let [channels, height, width] = shape.map(|n| n as i64);
                let views = Tensor::from_slice(views).view([-1, channels, height, width]);
                upload(&views, self.device)
            }
            Views::Planned(plan) => {
                let maker = self.maker.as_ref();
                maker
                    .expect("views are planned where the device makes them")
                    .views(plan)
            }
        }
    }
}
