//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use galmorph_cutout::Morphology;
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{EpochRecord, Run, Running};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::evaluation::{Answers, Classifier, Symmetries};
use crate::loader::{Batch, Recipe};
use crate::network::{BATCH_NORM_DECAY, Network};
use crate::optimizer::{average_weights, warm_decay};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::targets::cross_entropy;
use crate::torch::{Mode, Precision, forward};
use crate::trained::Trained;
use crate::widening::widen;
use crate::{artefact, evaluation};

/// The run's state, in its folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// One line for each epoch, in the run's folder.
const HISTORY: &str = "history.csv";

/// Batches from which the statistics of the averaged weights are observed.
const STATISTICS_BATCHES: usize = 32;

/// What a run needs beside its settings; none of it changes the result.
pub struct Trainer<'a> {
    /// The run's folder.
    pub folder: PathBuf,
    /// A trained network of the same kind, as wide or narrower, whose weights a new run starts from.
    pub start: Option<Trained>,
    /// What it learns from.
    pub training: Arc<Dataset>,
    /// What it is measured on.
    pub validation: &'a Dataset,
    /// Where to compute.
    pub device: Device,
    /// Threads that make views.
    pub workers: usize,
    /// Steps between two checkpoints.
    pub checkpoint_steps: u64,
    /// Set by a signal.
    pub interrupted: &'a AtomicBool,
}

impl Trainer<'_> {
    /// Begins the run, or goes on with the one in the folder, to its end.
    ///
    /// # Errors
    /// When the folder holds a run with other settings; when a signal came, after the state was saved.
    pub fn train(&self, settings: Settings) -> Result<Run> {
        let path = self.folder.join(CHECKPOINT);
        let (mut run, network) = if path.exists() {
            self.resume(&path, &settings)?
        } else {
            std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
            let network = settings.network.describe();
            (self.begin(settings, &network)?, network)
        };
        let recipe = self.recipe(&run.state.settings)?;

        while run.state.epoch < run.state.settings.epochs {
            self.epoch(&mut run, &network, &recipe)?;
            self.finish_epoch(&mut run, &network, &recipe)?;
        }
        if run.state.result.is_none() || run.state.temperature.is_none() {
            // What ships computes in f32, so that is what is recorded.
            let classifier = self.classifier(&run, &network, Precision::F32);
            let answers = self.validate(classifier, &run.state.settings);
            let (temperature, result) = answers.calibrate();
            run.state.temperature = Some(temperature);
            run.state.result = Some(result);
            run.save(&path)?;
        }
        Ok(run)
    }

    fn begin(&self, settings: Settings, network: &Network) -> Result<Run> {
        let Some(start) = &self.start else {
            return Ok(Run::start(settings, network, self.device));
        };
        tch::manual_seed(settings.seed as i64);
        let weights = widen(&start.network, &start.weights, network).map_err(|fault| {
            Error::Input(format!(
                "cannot start {} from '{}': {fault}",
                settings.network, start.name
            ))
        })?;
        Ok(Run::start_from(settings, weights.to_device(self.device)))
    }

    fn resume(&self, path: &Path, settings: &Settings) -> Result<(Run, Network)> {
        let (mut run, network) = Run::load(path, self.device)?;
        let differences = settings.differences(&run.state.settings);
        if !differences.is_empty() {
            return Err(Error::Input(format!(
                "'{}' is a run with other settings: {}; give another --output",
                path.display(),
                differences.join(", ")
            )));
        }
        run.continued_by_this_program();
        log::info!(
            "going on at epoch {}, step {}",
            run.state.epoch + 1,
            run.state.step
        );
        Ok((run, network))
    }

    fn recipe(&self, settings: &Settings) -> Result<Recipe> {
        let recipe = Recipe {
            dataset: Arc::clone(&self.training),
            preprocessing: settings.preprocessing.clone(),
            augmentation: settings.augmentation.clone(),
            batch: settings.batch,
            seed: settings.seed,
        };
        if recipe.batches() == 0 {
            return Err(Error::Input(format!(
                "{} training images do not fill a batch of {}",
                self.training.len(),
                settings.batch
            )));
        }
        Ok(recipe)
    }

    fn epoch(&self, run: &mut Run, network: &Network, recipe: &Recipe) -> Result<()> {
        let (epoch, first) = (run.state.epoch, run.state.batch);
        let images = |batches: usize| (batches * recipe.batch) as u64;
        let title = format!("epoch {}/{}", epoch + 1, run.state.settings.epochs);
        let progress = Progress::new(&title, images(recipe.batches()), "images");
        progress.skip(images(first));

        let before = run.state.running.seconds;
        let started = Instant::now();
        let mut batches = recipe.epoch(epoch, first, self.workers);
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else { break };
            run.state.running.waiting_seconds += asked.elapsed().as_secs_f64();
            self.step(run, network, recipe, &batch)?;
            run.state.running.seconds = before + started.elapsed().as_secs_f64();
            progress.remark(format!("loss {:.4}", run.state.running.mean_loss()));
            progress.advance(images(1));

            let interrupted = self.interrupted.load(Ordering::Relaxed);
            if interrupted || run.state.step.is_multiple_of(self.checkpoint_steps) {
                run.save(&self.folder.join(CHECKPOINT))?;
            }
            if interrupted {
                progress.finish();
                return Err(Error::Interrupted(self.folder.join(CHECKPOINT)));
            }
        }
        progress.finish();
        if run.state.batch == recipe.batches() {
            Ok(())
        } else {
            Err(Error::Input(
                "the thread that makes training views failed".into(),
            ))
        }
    }

    fn step(&self, run: &mut Run, network: &Network, recipe: &Recipe, batch: &Batch) -> Result<()> {
        let settings = &run.state.settings;
        let step = run.state.step;
        let total = recipe.batches() as u64 * u64::from(settings.epochs);
        // Dropout draws from torch's generator; seeded here, it resumes with the rest.
        tch::manual_seed((settings.seed.rotate_left(32) ^ (step + 1)) as i64);

        let views = self.views(recipe, batch);
        let classes = Tensor::from_slice(&batch.classes).to_device(self.device);
        let mode = Mode::Training {
            statistics_decay: warm_decay(BATCH_NORM_DECAY, step),
        };
        let logits = forward(network, &run.weights, &views, settings.precision, mode);
        let votes = batch.votes.as_ref().map(|votes| {
            Tensor::from_slice(votes)
                .view([-1, Morphology::COUNT as i64])
                .to_device(self.device)
        });
        let targets = votes.as_ref().unwrap_or(&classes);
        let loss = cross_entropy(&logits, targets, settings.label_smoothing);
        let mean_loss = loss.double_value(&[]);
        if !mean_loss.is_finite() {
            return Err(Error::Input(format!(
                "the loss is {mean_loss} at step {step}: training diverged (a smaller --rate?)"
            )));
        }
        loss.backward();
        let rate = settings.schedule.rate(step, total, settings.rate);
        run.sgd.step(&run.weights, rate);
        let decay = warm_decay(settings.average_decay, step);
        average_weights(&run.average, &run.weights, decay);

        let right = logits.argmax(1, false).eq_tensor(&classes).sum(Kind::Float);
        let images = batch.classes.len();
        let running = &mut run.state.running;
        running.loss += mean_loss * images as f64;
        running.right += right.double_value(&[]);
        running.images += images as u64;
        run.state.step += 1;
        run.state.batch += 1;
        Ok(())
    }

    /// A batch's views as a tensor.
    fn views(&self, recipe: &Recipe, batch: &Batch) -> Tensor {
        let [channels, height, width] = recipe.preprocessing.view_shape().map(|n| n as i64);
        Tensor::from_slice(&batch.views)
            .view([-1, channels, height, width])
            .to_device(self.device)
    }

    /// Observes batch normalisation's statistics for the averaged weights, on training views (Izmailov
    /// et al. 2018, section 3.2). The average of the running statistics is no substitute: it cost
    /// six points of validation accuracy near the peak of the learning rate (ARCHITECTURE.md).
    fn observe_statistics(&self, run: &Run, network: &Network, recipe: &Recipe) {
        let batches = recipe.epoch(run.state.epoch, 0, self.workers);
        for (number, batch) in batches.take(STATISTICS_BATCHES).enumerate() {
            let mode = Mode::Training {
                // The mean over all batches so far.
                statistics_decay: number as f64 / (number + 1) as f64,
            };
            let views = self.views(recipe, &batch);
            let precision = run.state.settings.precision;
            let _ = tch::no_grad(|| forward(network, &run.average, &views, precision, mode));
        }
    }

    fn finish_epoch(&self, run: &mut Run, network: &Network, recipe: &Recipe) -> Result<()> {
        self.observe_statistics(run, network, recipe);
        let settings = &run.state.settings;
        let classifier = self.classifier(run, network, settings.precision);
        let validation = self.validate(classifier, settings).measurement(1.0);
        let steps_an_epoch = run.state.batch as u64;
        let total = steps_an_epoch * u64::from(settings.epochs);
        let running = run.state.running;
        let record = EpochRecord {
            epoch: run.state.epoch + 1,
            rate: settings
                .schedule
                .rate(run.state.step - 1, total, settings.rate),
            loss: running.mean_loss(),
            training_accuracy: running.right / running.images as f64,
            images_per_second: running.images as f64 / running.seconds,
            waiting: running.waiting_seconds / running.seconds,
            validation,
        };
        log::info!("{}", describe(&record, settings.epochs));
        run.state.history.push(record);
        run.state.epoch += 1;
        run.state.batch = 0;
        run.state.running = Running::default();
        artefact::write(&self.folder.join(HISTORY), &history(&run.state.history))?;
        run.save(&self.folder.join(CHECKPOINT))
    }

    fn validate(&self, classifier: Classifier, settings: &Settings) -> Answers {
        let preprocessing = &settings.preprocessing;
        classifier.evaluate(self.validation, preprocessing, Symmetries::Identity)
    }

    fn classifier<'a>(
        &self,
        run: &'a Run,
        network: &'a Network,
        precision: Precision,
    ) -> Classifier<'a> {
        Classifier {
            network,
            weights: &run.average,
            precision,
            device: self.device,
        }
    }
}

impl Running {
    fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }
}

fn describe(record: &EpochRecord, epochs: u32) -> String {
    let scales: Vec<String> = (record.validation.per_scale.iter())
        .map(|scale| format!("{}: {:.2}", scale.scale, 100.0 * scale.accuracy))
        .collect();
    format!(
        "epoch {}/{epochs}: rate {:.4}, loss {:.4}, training {:.2} %, validation {:.2} % ({}), {:.0} images/s",
        record.epoch,
        record.rate,
        record.loss,
        100.0 * record.training_accuracy,
        100.0 * record.validation.accuracy,
        scales.join(", "),
        record.images_per_second
    )
}

/// One row an epoch, as CSV.
fn history(records: &[EpochRecord]) -> Vec<u8> {
    let scales = |record: &EpochRecord| record.validation.per_scale.clone();
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = [
        "epoch",
        "rate",
        "loss",
        "training_accuracy",
        "images_per_second",
        "waiting",
    ]
    .map(String::from)
    .to_vec();
    header.push("validation_accuracy".into());
    for scale in records.first().map(scales).unwrap_or_default() {
        header.push(format!("validation_accuracy_{}", scale.scale));
    }
    // Writing to memory can't fail.
    let _ = table.write_record(header);
    for record in records {
        let mut row = vec![
            record.epoch.to_string(),
            record.rate.to_string(),
            record.loss.to_string(),
            record.training_accuracy.to_string(),
            format!("{:.1}", record.images_per_second),
            format!("{:.4}", record.waiting),
            record.validation.accuracy.to_string(),
        ];
        row.extend(
            scales(record)
                .iter()
                .map(|scale| scale.accuracy.to_string()),
        );
        let _ = table.write_record(row);
    }
    table.into_inner().unwrap_or_default()
}

/// The end of a run, for people.
pub fn summary(run: &Run) -> String {
    run.state
        .result
        .as_ref()
        .map_or_else(String::new, evaluation::table)
}
