//! `galmorph-train train`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use galmorph_cutout::{Morphology, Preprocessing, Resampling};
use galmorph_output::{Output, readable};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{DataArgs, MachineArgs, print};
use crate::data::{Dataset, Fold, Part, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation;
use crate::model_file::TrainedModel;
use crate::network::Architecture;
use crate::torch::Precision;
use crate::training::{
    Augmentation, AugmentationName, CHECKPOINT, Checkpoints, HISTORY, Place, Schedule, Settings,
    Trainer,
};

/// The arguments of `train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Folder of the run; if it holds a run with the same settings, that run continues
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Network and its parameters, such as "zhu2019 k=2 N=2 drop=0"; `galmorph-train networks` lists all
    #[arg(long, default_value = "zhu2019")]
    network: Architecture,
    /// Checkpoint or model to start from: the same network, of the same width or narrower
    #[arg(long, value_name = "FILE")]
    start_from: Option<PathBuf>,
    /// Number of passes over the training images
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Number of images in a batch
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// How the learning rate changes
    #[arg(long, value_enum, default_value_t = Schedule::OneCycle)]
    schedule: Schedule,
    /// Largest learning rate
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    rate: f64,
    /// L2 regularisation: the factor of each weight that is added to its gradient
    #[arg(long, default_value_t = 1e-4, value_parser = fraction)]
    weight_decay: f64,
    /// What to learn: the labels, or the votes that `select --soft-targets` adds to the label file
    #[arg(long, value_enum, default_value_t)]
    targets: Targets,
    /// Checkpoints or models with the same views and the same held-out galaxies, whose mean answer to each training view is
    /// learned beside its label
    #[arg(long = "teacher", value_name = "FILE", num_args = 1..)]
    teachers: Vec<PathBuf>,
    /// Share of the teachers' answer in what is learned
    #[arg(long, default_value_t = 0.7, value_parser = up_to_one, requires = "teachers")]
    teacher_share: f64,
    /// Probability to take from the true class and spread over all classes
    #[arg(long, default_value_t = 0.0, value_parser = fraction)]
    label_smoothing: f64,
    /// Mix each view with another one: the parameter of the distribution of the shares, such as 0.2;
    /// 0 mixes none
    #[arg(long, default_value_t = 0.0, value_name = "ALPHA", value_parser = up_to_one)]
    mixup: f64,
    /// How to vary the training views
    #[arg(long, value_enum, default_value_t)]
    augmentation: AugmentationName,
    #[command(flatten)]
    views: ViewArgs,
    /// Train on the galaxies of the splits train and validation that are not in this fold, and validate
    /// on those that are [possible values: 0 to 4]
    #[arg(long, value_name = "K")]
    fold: Option<Fold>,
    /// Fraction of the averaged weights that each step keeps
    #[arg(long, default_value_t = 0.999, value_parser = fraction)]
    average_decay: f64,
    /// Arithmetic precision
    #[arg(long, value_enum, default_value_t = Precision::Bf16)]
    precision: Precision,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of threads that make training views
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
    /// Number of steps from one checkpoint to the next; each epoch also ends with one
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_steps: u64,
    /// Number of seconds from one checkpoint to the next, whatever steps and epochs pass in them
    #[arg(long, value_name = "SECONDS", conflicts_with = "checkpoint_steps", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_seconds: Option<u64>,
    /// Where training views are made: on the host's cores, or on the device that trains, whose memory then
    /// holds the images. Both give the same views, up to rounding [default: device on a GPU, otherwise host]
    #[arg(long, value_enum, value_name = "PLACE")]
    augment_on: Option<Place>,
}

/// What the network sees of an image.
#[derive(Debug, Args)]
struct ViewArgs {
    /// Sides of the centre crops, in pixels of the image; one view each [default: 180 200 220 240]
    #[arg(long, value_name = "PIXELS", num_args = 1..)]
    test_scales: Option<Vec<u32>>,
    /// Side to which a crop is resized, in pixels; its centre, of the size that the network takes, is
    /// the view [default: 80 for 64, and in proportion for another size]
    #[arg(long, value_name = "PIXELS")]
    resize: Option<u32>,
    /// How to resize
    #[arg(long, value_parser = resampling, default_value = Resampling::TensorFlow1Bilinear.name())]
    resampling: Resampling,
}

impl ViewArgs {
    /// The preprocessing for a network whose views have `side` x `side` pixels.
    fn preprocessing(&self, side: usize) -> Result<Preprocessing> {
        let paper = Preprocessing::default();
        let side = side as u32;
        let preprocessing = Preprocessing {
            resize: (self.resize).unwrap_or_else(|| (side * paper.resize).div_ceil(paper.crop)),
            crop: side,
            test_scales: self.test_scales.clone().unwrap_or(paper.test_scales),
            resampling: self.resampling,
            whitening: paper.whitening,
        };
        preprocessing
            .validate()
            .map_err(Error::input_at("--test-scales, --resize".to_owned()))?;
        Ok(preprocessing)
    }
}

impl TrainArgs {
    /// Checks that the run replaces nothing that it reads.
    fn check_files(&self) -> Result<()> {
        // A run goes on in its own files, and in none that it reads.
        let inputs: Vec<&Path> = self
            .data
            .inputs()
            .chain(self.start_from.as_deref())
            .chain(self.teachers.iter().map(PathBuf::as_path))
            .collect();
        for file in [CHECKPOINT, HISTORY].map(|name| self.output.join(name)) {
            // A folder there is told when the file is to be written.
            if file.exists() && !file.is_dir() {
                Output::at(&file, true, &inputs)?;
            }
        }
        Ok(())
    }
}

pub(super) fn run(args: &TrainArgs) -> Result<()> {
    args.check_files()?;
    let device = args.machine.device()?;
    let threads = args.machine.threads();
    let start = args
        .start_from
        .as_deref()
        .map(|path| TrainedModel::load(path, device))
        .transpose()?;
    let network = args.network.describe();
    let preprocessing = args.views.preprocessing(network.view_shape()[2])?;
    let teachers = (args.teachers.iter())
        .map(|path| {
            let teacher = TrainedModel::load(path, device)?.into_teacher();
            teacher.require(&preprocessing, args.fold)?;
            Ok(teacher)
        })
        .collect::<Result<Vec<_>>>()?;
    let augmentation =
        Augmentation::named(args.augmentation, &preprocessing).map_err(Error::Input)?;
    let (learned, held_out) = match args.fold {
        Some(fold) => (Part::AllBut(fold), Part::Fold(fold)),
        None => (Part::Split(Split::Train), Part::Split(Split::Validation)),
    };
    let source = args.data.source(args.targets)?;
    let images = source.open(&[held_out, learned])?;
    let largest_crop = (augmentation.largest_crop()).max(preprocessing.largest_scale());
    let load = |part| images.load(part, largest_crop, threads);
    let validation = load(held_out)?;
    let training = load(learned)?;
    for (part, dataset) in [(learned, &training), (held_out, &validation)] {
        log::info!("{part}: {}", class_counts(dataset));
    }

    // Only from here on is there something to save. Before, a signal simply ends the program.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the program at once; the first has set the flag by then.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
            .map_err(Error::internal("handle signals"))?;
    }

    let settings = Settings {
        network: args.network,
        start: start.as_ref().map(|start| start.digest.clone()),
        data_digest: training.digest.clone(),
        validation_digest: validation.digest.clone(),
        fold: args.fold,
        images: training.len(),
        seed: args.seed,
        epochs: args.epochs,
        batch: args.batch as usize,
        schedule: args.schedule,
        rate: args.rate,
        weight_decay: args.weight_decay,
        targets: args.targets,
        teachers: teachers.iter().map(|model| model.digest.clone()).collect(),
        teacher_share: if teachers.is_empty() {
            0.0
        } else {
            args.teacher_share
        },
        label_smoothing: args.label_smoothing,
        mixup: args.mixup,
        average_decay: args.average_decay,
        precision: args.precision,
        preprocessing,
        augmentation,
    };
    log::info!(
        "{}: {:.2} M parameters, {:.1} M multiply-adds a view, on {device:?}",
        settings.network,
        network.learned_values() as f64 / 1e6,
        network.multiply_adds() as f64 / 1e6
    );

    let trainer = Trainer {
        folder: args.output.clone(),
        start: start.map(TrainedModel::into_starting_point),
        teachers: &teachers,
        training: Arc::new(training),
        validation: &validation,
        device,
        workers: usize::from(args.workers),
        threads,
        place: args.augment_on,
        checkpoints: match args.checkpoint_seconds {
            Some(seconds) => Checkpoints::Every(Duration::from_secs(seconds)),
            None => Checkpoints::Steps(args.checkpoint_steps),
        },
        interrupted: &interrupted,
    };
    let result = trainer.train(settings)?;
    log::info!("the run is in '{}'", readable(args.output.join(CHECKPOINT)));
    print(&evaluation::table(&result))
}

fn class_counts(dataset: &Dataset) -> String {
    let counts = Morphology::ALL.map(|class| {
        let count = dataset.classes.iter().filter(|c| **c == class).count();
        format!("{count} {class}")
    });
    format!("{} galaxies ({})", dataset.len(), counts.join(", "))
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("must be a number above 0".into()),
    }
}

fn fraction(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to below 1".into()),
    }
}

fn up_to_one(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

fn resampling(text: &str) -> std::result::Result<Resampling, String> {
    let known = [Resampling::TensorFlow1Bilinear, Resampling::Antialiased];
    let found = known.into_iter().find(|known| known.name() == text);
    found.ok_or_else(|| format!("must be one of {}", known.map(Resampling::name).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(test_scales: Option<Vec<u32>>, resize: Option<u32>) -> ViewArgs {
        ViewArgs {
            test_scales,
            resize,
            resampling: Resampling::TensorFlow1Bilinear,
        }
    }

    #[test]
    fn views_are_the_papers_unless_something_else_is_asked_for() {
        let plain = views(None, None);
        assert_eq!(plain.preprocessing(64).unwrap(), Preprocessing::default());
        let larger = plain.preprocessing(128).unwrap();
        assert_eq!((larger.resize, larger.crop), (160, 128));
        let chosen = views(Some(vec![198]), Some(144))
            .preprocessing(128)
            .unwrap();
        assert_eq!((chosen.test_scales, chosen.resize), (vec![198], 144));
        let fault = views(None, Some(60)).preprocessing(64).unwrap_err();
        assert!(
            fault.to_string().starts_with("--test-scales, --resize: "),
            "{fault}"
        );
    }
}
