//! `galmorph-train visualise`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use galmorph_cutout::Image;
use galmorph_output::readable;
use tch::Device;

use super::why::WhyArgs;
use super::{DataArgs, ForceArgs, ShowingArgs};
use crate::data::{ImageIndex, Labels, Targets};
use crate::error::{Error, Result};
use crate::figures::{self, Evaluated, Figure};
use crate::model_file::TrainedModel;
use crate::training::Run;

/// The arguments of `visualise`.
#[derive(Debug, Args)]
pub(super) struct VisualiseArgs {
    #[command(subcommand)]
    figure: Drawing,
}

/// Where a figure goes.
#[derive(Debug, Args)]
struct OutputArgs {
    /// File to write, .svg or .png; or a folder for both
    #[arg(long, value_name = "FILE|DIR")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

/// One galaxy's image.
#[derive(Debug, Args)]
struct GalaxyArgs {
    /// Folders or uncompressed tar files with images named <GalaxyID>.jpg
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    showing: ShowingArgs,
    /// Id of the galaxy
    #[arg(long, value_name = "ID")]
    galaxy: String,
}

/// A test scale.
#[derive(Debug, Args)]
struct ScaleArgs {
    /// Side of the centre crop, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 220, value_parser = clap::value_parser!(u32).range(16..=4096))]
    scale: u32,
}

#[derive(Debug, Subcommand)]
enum Drawing {
    /// The number of galaxies of each class (the paper's Figure 2)
    ClassCounts {
        /// CSV file with the columns `GalaxyID`, `label` and `split`
        #[arg(long, value_name = "FILE")]
        labels: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Some galaxies of each class, chosen at random (Figure 1)
    SampleGrid {
        #[command(flatten)]
        data: DataArgs,
        /// Number of galaxies of each class
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
        columns: u8,
        /// Seed of the random choice
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The steps from a galaxy's image to the network's input (Figure 6)
    Preprocessing {
        #[command(flatten)]
        galaxy: GalaxyArgs,
        #[command(flatten)]
        scale: ScaleArgs,
        /// Seed of the training views
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// What a run's network sees of a galaxy, epoch by epoch
    TrainingViews {
        /// Checkpoint of the run
        #[arg(long, value_name = "FILE")]
        checkpoint: PathBuf,
        #[command(flatten)]
        galaxy: GalaxyArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The ROC curve of each class (Figure 9)
    Roc {
        #[command(flatten)]
        measured: EvaluationArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The filters of the convolutions, from the first layer to the last (Figure 10)
    Filters {
        #[command(flatten)]
        model: ModelArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The outputs of the layers for one galaxy (Figures 11 to 13)
    FeatureMaps {
        #[command(flatten)]
        model: ModelArgs,
        #[command(flatten)]
        galaxy: GalaxyArgs,
        #[command(flatten)]
        scale: ScaleArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Loss, accuracy and learning rate, epoch by epoch
    TrainingCurves {
        #[command(flatten)]
        measured: EvaluationArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// How often predictions of a confidence are correct
    Reliability {
        #[command(flatten)]
        measured: EvaluationArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Purity and completeness of samples of each class
    Purity {
        #[command(flatten)]
        measured: EvaluationArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// What the answers to some images depend on, and the training galaxies that are most like them
    Why {
        #[command(flatten)]
        why: Box<WhyArgs>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The galaxies that the network classifies wrongly with the greatest confidence
    Wrong {
        #[command(flatten)]
        measured: EvaluationArgs,
        /// Folders or uncompressed tar files with images named <GalaxyID>.jpg
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        images: Vec<PathBuf>,
        #[command(flatten)]
        showing: ShowingArgs,
        /// Largest number of galaxies
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u8).range(1..=120))]
        count: u8,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// An evaluation.
#[derive(Debug, Args)]
struct EvaluationArgs {
    /// Folder written by `evaluate --output`, or the evaluation.json in it
    #[arg(long, value_name = "DIR")]
    evaluation: PathBuf,
}

/// A network, and some of its layers.
#[derive(Debug, Args)]
struct ModelArgs {
    /// Checkpoint of a run, or exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Names of the layers, separated by commas [default: some from the first to the last]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    layers: Vec<String>,
}

impl Drawing {
    /// What is read for it. No figure may replace it.
    fn inputs(&self) -> Vec<PathBuf> {
        match self {
            Self::ClassCounts { labels, .. } => vec![labels.clone()],
            Self::SampleGrid { data, .. } => data.inputs().map(Path::to_owned).collect(),
            Self::Preprocessing { galaxy, .. } => galaxy.images.clone(),
            Self::TrainingViews {
                checkpoint, galaxy, ..
            } => [galaxy.images.as_slice(), std::slice::from_ref(checkpoint)].concat(),
            Self::Filters { model, .. } => vec![model.model.clone()],
            Self::FeatureMaps { model, galaxy, .. } => {
                [galaxy.images.as_slice(), std::slice::from_ref(&model.model)].concat()
            }
            Self::Roc { measured, .. }
            | Self::TrainingCurves { measured, .. }
            | Self::Reliability { measured, .. }
            | Self::Purity { measured, .. } => measured.files().to_vec(),
            Self::Why { why, .. } => why.inputs(),
            Self::Wrong {
                measured, images, ..
            } => [images.as_slice(), &measured.files()].concat(),
        }
    }
}

pub(super) fn run(args: &VisualiseArgs) -> Result<()> {
    let inputs = args.figure.inputs();
    draw(&args.figure, |figure, output, name| {
        for file in figure.save(&output.output, name, output.force.force, &inputs)? {
            log::info!("wrote '{}'", readable(file));
        }
        Ok(())
    })
}

/// Draws a figure, and has `save` write it where it goes, by that name.
fn draw(drawing: &Drawing, save: impl Fn(&Figure, &OutputArgs, &str) -> Result<()>) -> Result<()> {
    match drawing {
        Drawing::ClassCounts { labels, output } => {
            let labels = Labels::read(labels, Targets::Labels)?;
            save(
                &figures::count_classes(labels.all())?,
                output,
                "class-counts",
            )
        }
        Drawing::SampleGrid {
            data,
            columns,
            seed,
            output,
        } => {
            let labels = Labels::read(&data.labels, Targets::Labels)?;
            let index = ImageIndex::open(&data.images()?)?;
            let figure = figures::draw_samples(labels.all(), &index, usize::from(*columns), *seed)?;
            save(&figure, output, "sample-grid")
        }
        Drawing::Preprocessing {
            galaxy,
            scale,
            seed,
            output,
        } => {
            let figure =
                figures::preprocessing(&galaxy.galaxy, &galaxy.image()?, scale.scale, *seed);
            save(&figure, output, "preprocessing")
        }
        Drawing::TrainingViews {
            checkpoint,
            galaxy,
            output,
        } => {
            let figure = training_views(checkpoint, galaxy)?;
            save(&figure, output, "training-views")
        }
        Drawing::Roc { measured, output } => {
            save(&figures::roc(&measured.open()?.roc())?, output, "roc")
        }
        Drawing::Filters { model, output } => {
            let trained = TrainedModel::load(&model.model, Device::Cpu)?;
            save(
                &figures::filters_of(&trained, &model.layers)?,
                output,
                "filters",
            )
        }
        Drawing::FeatureMaps {
            model,
            galaxy,
            scale,
            output,
        } => {
            let trained = TrainedModel::load(&model.model, Device::Cpu)?;
            let image = galaxy.image()?;
            let galaxy = (galaxy.galaxy.as_str(), &image);
            let figure = figures::feature_maps_of(&trained, &model.layers, galaxy, scale.scale)?;
            save(&figure, output, "feature-maps")
        }
        Drawing::TrainingCurves { measured, output } => {
            let evaluated = measured.open()?;
            let history = &evaluated.evaluation.history;
            if history.is_empty() {
                return Err(Error::Input(format!(
                    "'{}' has no record of the training (evaluate the run's checkpoint, not an exported model)",
                    readable(&measured.evaluation)
                )));
            }
            save(
                &figures::training_curves(history)?,
                output,
                "training-curves",
            )
        }
        Drawing::Reliability { measured, output } => {
            let figure = figures::reliability(&measured.open()?.reliability())?;
            save(&figure, output, "reliability")
        }
        Drawing::Purity { measured, output } => save(&samples(measured)?, output, "purity"),
        Drawing::Why { why, output } => why.draw(&output.output, &output.force),
        Drawing::Wrong {
            measured,
            images,
            showing,
            count,
            output,
        } => {
            let evaluated = measured.open()?;
            let index = ImageIndex::open(&showing.of(images)?)?;
            save(
                &evaluated.draw_mistakes(&index, usize::from(*count))?,
                output,
                "wrong",
            )
        }
    }
}

fn samples(measured: &EvaluationArgs) -> Result<Figure> {
    let curves = measured.open()?.evaluation.purity;
    if curves.is_empty() {
        return Err(Error::Input(format!(
            "'{}' has no samples (evaluate again)",
            readable(&measured.evaluation)
        )));
    }
    figures::purity(&curves)
}

fn training_views(checkpoint: &Path, galaxy: &GalaxyArgs) -> Result<Figure> {
    let (run, _) = Run::load(checkpoint, Device::Cpu)?;
    let settings = &run.state.settings;
    Ok(figures::training_views(
        &galaxy.galaxy,
        &galaxy.image()?,
        &settings.preprocessing,
        &settings.augmentation,
        settings.seed,
    ))
}

impl GalaxyArgs {
    fn image(&self) -> Result<Image> {
        ImageIndex::open(&self.showing.of(&self.images)?)?.decode(&self.galaxy)
    }
}

impl EvaluationArgs {
    fn files(&self) -> [PathBuf; 2] {
        Evaluated::files(&self.evaluation)
    }

    fn open(&self) -> Result<Evaluated> {
        Evaluated::open(&self.evaluation)
    }
}
