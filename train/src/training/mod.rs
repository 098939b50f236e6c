//! Training: the loop, and everything that only the loop needs.
//!
//! ```text
//! settings       everything that a run's result depends on
//! augmentation   one image -> one random training view
//! distortion     a change of a view's colours
//! telescope      what other telescopes do to a view
//! mixup          views mixed with one another
//! loader         views -> the batches of an epoch, made ahead of time
//! on_device      the same views, made by the device that trains, a batch at once
//! step           one batch: forward, loss, backward, optimizer, running average
//! outcomes       the steps' losses and answers, read once in a while
//! loss, optimizer, schedule
//! teacher        networks whose answers are learned beside the labels
//! checkpoint     the state of a run in a file, from which it resumes bit for bit
//! history        one CSV row an epoch
//! widening       first weights from a narrower network
//! all_layers     a finished network learns from few galaxies of another survey
//! ```
//!
//! A run that is stopped or killed ends with the same bits as one that was not. This holds because every
//! random number is a function of the seed and of a place in the run: a view of (seed, epoch, image),
//! the order of the images of (seed, epoch), dropout of (seed, step).

mod all_layers;
mod augmentation;
mod checkpoint;
mod distortion;
mod history;
mod loader;
mod loss;
mod mixup;
mod on_device;
mod optimizer;
mod outcomes;
mod schedule;
mod settings;
mod step;
mod teacher;
mod telescope;
mod widening;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use galmorph_cutout::{Measurement, Morphology, Scaling};
use galmorph_output::readable;
use tch::Device;

pub(crate) use all_layers::AllLayers;
pub(crate) use augmentation::AugmentationName;
pub use augmentation::{Augmentation, Key};
pub(crate) use checkpoint::command_line;
pub use checkpoint::{Run, State};
pub(crate) use loader::Place;
pub(crate) use schedule::Schedule;
pub(crate) use settings::Settings;
#[cfg(test)]
pub(crate) use settings::tests::settings as example_settings;
pub(crate) use teacher::Teacher;
pub use telescope::Telescope;
pub(crate) use widening::StartingPoint;

use checkpoint::Running;
pub(crate) use history::HISTORY;
use loader::Recipe;
use on_device::{Pixels, ViewMaker};
use step::Learner;
use teacher::Teachers;

use crate::atomic_file;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::evaluation::{Answers, Classifier, EpochRecord, TestViews};
use crate::network::Network;
use crate::progress::Progress;
use crate::torch::{Leaves, Precision, Weights, read_backs};

/// The checkpoint's name, in the run's folder.
pub(crate) const CHECKPOINT: &str = "checkpoint.safetensors";

/// What a run needs besides its settings. None of it changes the result.
pub(crate) struct Trainer<'a> {
    /// The run's folder.
    pub(crate) folder: PathBuf,
    /// Where a new run takes its first weights from; `None` for random weights.
    pub(crate) start: Option<StartingPoint>,
    /// The networks whose answers are learned.
    pub(crate) teachers: &'a [Teacher],
    /// The training images.
    pub(crate) training: Arc<Dataset>,
    /// The validation images.
    pub(crate) validation: &'a Dataset,
    /// Where torch computes.
    pub(crate) device: Device,
    /// Threads that make training views.
    pub(crate) workers: usize,
    /// Threads that make the validation views, once.
    pub(crate) threads: usize,
    /// Where training views are made; `None` for the device if that is a GPU, and for the host if not.
    pub(crate) place: Option<Place>,
    /// When the state is saved.
    pub(crate) checkpoints: Checkpoints,
    /// Set by a signal: save the state and stop.
    pub(crate) interrupted: &'a AtomicBool,
}

/// When the state of a run is saved. Its end is saved in any case, and where a signal stops it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checkpoints {
    /// After this many steps, and after each epoch.
    Steps(u64),
    /// When this much time has passed.
    Every(Duration),
}

impl Checkpoints {
    fn due_after_step(self, step: u64, saved: Instant) -> bool {
        match self {
            Self::Steps(steps) => step.is_multiple_of(steps),
            Self::Every(time) => saved.elapsed() >= time,
        }
    }

    fn due_after_epoch(self, saved: Instant) -> bool {
        match self {
            Self::Steps(_) => true,
            Self::Every(time) => saved.elapsed() >= time,
        }
    }
}

impl Trainer<'_> {
    /// Begins the run, or continues the one in the folder, and trains it to its end. Returns what the
    /// averaged weights reach on the validation split.
    ///
    /// # Errors
    /// When the folder holds a run with other settings; when training diverges; when a signal stopped the
    /// run, after its state was saved.
    pub(crate) fn train(&self, settings: Settings) -> Result<Measurement> {
        let path = self.folder.join(CHECKPOINT);
        let (mut run, network) = if path.exists() {
            self.resume(&path, &settings)?
        } else {
            std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
            let network = settings.network.describe();
            (self.begin(settings, &network)?, network)
        };
        if let (Some(result), Some(_)) = (&run.state.result, run.state.temperature) {
            return Ok(result.clone());
        }
        let mut class_images = [0; Morphology::COUNT];
        for class in &self.training.classes {
            class_images[class.id()] += 1;
        }
        run.state.class_images = Some(class_images);

        let maker = self.view_maker(&run.state.settings)?;
        let recipe = self.recipe(&run.state.settings, maker.is_some())?;
        let validation = TestViews::of(
            self.validation,
            &run.state.settings.preprocessing,
            self.device,
            self.threads,
        )?;
        let teachers = Teachers::new(
            self.teachers,
            run.state.settings.precision,
            run.state.settings.teacher_share,
        );
        let mut learner = Learner::new(&run, &network, recipe, maker, teachers, self.device);
        let mut saved = Instant::now();
        while run.state.epoch < run.state.settings.epochs {
            self.epoch(&mut run, &mut learner, &mut saved)?;
            learner.observe_statistics(&run, self.workers)?;
            let precision = run.state.settings.precision;
            let average = Leaves::of(&run.average, precision);
            let answers = self.validate(&network, average.weights(), precision, &validation);
            self.finish_epoch(&mut run, &learner.recipe, &answers, &mut saved)?;
        }
        // An exported model computes in f32, so f32 is what gets recorded.
        let answers = self.validate(&network, &run.average, Precision::F32, &validation);
        let (scaling, result) = answers.calibrate();
        run.state.temperature = Some(scaling.temperature);
        run.state.bias = scaling.bias;
        run.state.result = Some(result.clone());
        run.save(&path)?;
        Ok(result)
    }

    fn begin(&self, settings: Settings, network: &Network) -> Result<Run> {
        let Some(start) = &self.start else {
            return Ok(Run::start(settings, network, self.device));
        };
        tch::manual_seed(settings.seed as i64);
        let attempt = format!("cannot start {} from '{}'", settings.network, start.name);
        let weights = start
            .widened_to(network)
            .map_err(Error::input_at(attempt))?;
        Ok(Run::start_from(settings, weights.to_device(self.device)))
    }

    fn resume(&self, path: &Path, settings: &Settings) -> Result<(Run, Network)> {
        let (mut run, network) = Run::load(path, self.device)?;
        let differences = settings.differences(&run.state.settings);
        if !differences.is_empty() {
            return Err(Error::Input(format!(
                "'{}' is a run with other settings: {}; give another --output",
                readable(path),
                differences.join(", ")
            )));
        }
        run.continued_by_this_program();
        log::info!(
            "continuing at epoch {}, step {}",
            run.state.epoch + 1,
            run.state.step
        );
        Ok((run, network))
    }

    /// What makes the views on the device; `None` where the host makes them.
    fn view_maker(&self, settings: &Settings) -> Result<Option<ViewMaker>> {
        let place = self.place.unwrap_or(if self.device.is_cuda() {
            Place::Device
        } else {
            Place::Host
        });
        if place == Place::Host {
            return Ok(None);
        }
        match Pixels::upload(&self.training, self.device) {
            Ok(pixels) => Ok(Some(ViewMaker::new(
                pixels,
                &settings.preprocessing,
                self.device,
            ))),
            // Nobody asked for the device.
            Err(fault) if self.place.is_none() => {
                log::warn!("views are made on the host: {fault}");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn recipe(&self, settings: &Settings, on_device: bool) -> Result<Recipe> {
        let recipe = Recipe {
            dataset: Arc::clone(&self.training),
            preprocessing: settings.preprocessing.clone(),
            augmentation: settings.augmentation.clone(),
            mixup: settings.mixup,
            batch: settings.batch,
            seed: settings.seed,
            place: if on_device {
                Place::Device
            } else {
                Place::Host
            },
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

    /// Trains on the remaining batches of the current epoch.
    fn epoch(&self, run: &mut Run, learner: &mut Learner, saved: &mut Instant) -> Result<()> {
        let (epoch, first) = (run.state.epoch, run.state.batch);
        let (batch, batches) = (learner.recipe.batch, learner.recipe.batches());
        let images = |batches: usize| (batches * batch) as u64;
        let title = format!("epoch {}/{}", epoch + 1, run.state.settings.epochs);
        let progress = Progress::new(&title, images(batches), "images");
        progress.skip(images(first));

        let before = run.state.running.seconds;
        let started = Instant::now();
        let mut batches = learner.recipe.epoch(epoch, first, self.workers);
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else { break };
            run.state.running.waiting_seconds += asked.elapsed().as_secs_f64();
            learner.step(run, &batch?)?;
            if run.state.running.images > 0 {
                progress.remark(format!("loss {:.4}", run.state.running.mean_loss()));
            }
            progress.advance(images(1));

            let interrupted = self.interrupted.load(Ordering::Relaxed);
            if interrupted || self.checkpoints.due_after_step(run.state.step, *saved) {
                learner.read_outcomes(&mut run.state)?;
                run.state.running.seconds = before + started.elapsed().as_secs_f64();
                run.save(&self.folder.join(CHECKPOINT))?;
                *saved = Instant::now();
            }
            if interrupted {
                progress.finish();
                return Err(Error::Interrupted(self.folder.join(CHECKPOINT)));
            }
        }
        learner.read_outcomes(&mut run.state)?;
        run.state.running.seconds = before + started.elapsed().as_secs_f64();
        log::debug!("{} read-backs so far", read_backs());
        progress.finish();
        Ok(())
    }

    /// Records the epoch, of which the averaged weights gave these answers.
    fn finish_epoch(
        &self,
        run: &mut Run,
        recipe: &Recipe,
        answers: &Answers,
        saved: &mut Instant,
    ) -> Result<()> {
        let settings = &run.state.settings;
        let total = recipe.batches() as u64 * u64::from(settings.epochs);
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
            validation: answers.measurement(Scaling::NONE),
        };
        log::info!("{}", history::describe(&record, settings.epochs));
        run.state.history.push(record);
        run.state.epoch += 1;
        run.state.batch = 0;
        run.state.running = Running::default();
        let table = history::to_csv(&run.state.history);
        atomic_file::write(&self.folder.join(HISTORY), &table)?;
        if self.checkpoints.due_after_epoch(*saved) {
            run.save(&self.folder.join(CHECKPOINT))?;
            *saved = Instant::now();
        }
        Ok(())
    }

    fn validate(
        &self,
        network: &Network,
        weights: &Weights,
        precision: Precision,
        views: &TestViews,
    ) -> Answers {
        let classifier = Classifier {
            network,
            weights,
            precision,
            device: self.device,
        };
        classifier.answers_to(self.validation, views)
    }
}
