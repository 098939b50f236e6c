//! `galmorph-train visualise`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use galmorph_cutout::Image;
use tch::Device;

use super::DataArgs;
use crate::data::{ImageIndex, Labels};
use crate::error::{Error, Result};
use crate::figures::{self, Evaluated, Figure};
use crate::targets::Targets;
use crate::trained::Trained;

/// What `visualise` takes.
#[derive(Debug, Args)]
pub(super) struct VisualiseArgs {
    #[command(subcommand)]
    figure: Drawing,
}

/// Where a figure goes.
#[derive(Debug, Args)]
struct OutputArgs {
    /// The file to write, .svg or .png; or a folder for both
    #[arg(long, value_name = "FILE|DIR")]
    output: PathBuf,
}

/// One galaxy's image.
#[derive(Debug, Args)]
struct GalaxyArgs {
    /// Folders or plain tar files with images named <GalaxyID>.jpg
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,
    /// The galaxy's id
    #[arg(long, value_name = "ID")]
    galaxy: String,
}

/// A test scale.
#[derive(Debug, Args)]
struct ScaleArgs {
    /// The side of the centre crop, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 220, value_parser = clap::value_parser!(u32).range(16..=4096))]
    scale: u32,
}

#[derive(Debug, Subcommand)]
enum Drawing {
    /// How many galaxies each class has (the paper's Figure 2)
    ClassCounts {
        /// CSV file with the columns `GalaxyID`, `label` and `split`
        #[arg(long, value_name = "FILE")]
        labels: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Some galaxies of each class, drawn by lot (Figure 1)
    SampleGrid {
        #[command(flatten)]
        data: DataArgs,
        /// Galaxies of each class
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
        columns: u8,
        /// Seed of the lot
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// What becomes of one galaxy before the network sees it (Figure 6)
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
    /// What the layers answer to one galaxy (Figures 11 to 13)
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
    /// How often answers of a confidence are right
    Reliability {
        #[command(flatten)]
        measured: EvaluationArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The galaxies about which the network is most sure, and wrong
    Wrong {
        #[command(flatten)]
        measured: EvaluationArgs,
        /// Folders or plain tar files with images named <GalaxyID>.jpg
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        images: Vec<PathBuf>,
        /// How many
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u8).range(1..=120))]
        count: u8,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What was measured.
#[derive(Debug, Args)]
struct EvaluationArgs {
    /// The folder that `evaluate --output` wrote, or the evaluation.json in there
    #[arg(long, value_name = "DIR")]
    evaluation: PathBuf,
}

/// A network, and which of its layers.
#[derive(Debug, Args)]
struct ModelArgs {
    /// The checkpoint of a run, or an exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The layers' names, comma-separated [default: some from the first to the last]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    layers: Vec<String>,
}

pub(super) fn run(args: &VisualiseArgs) -> Result<()> {
    match &args.figure {
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
            let source = data.source();
            let labels = Labels::read(&source.labels, source.targets)?;
            let index = ImageIndex::open(&source.images)?;
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
        Drawing::Roc { measured, output } => {
            save(&figures::roc(&measured.open()?.roc())?, output, "roc")
        }
        Drawing::Filters { model, output } => {
            let trained = Trained::load(&model.model, Device::Cpu)?;
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
            let trained = Trained::load(&model.model, Device::Cpu)?;
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
                    "'{}' knows no epoch of the training (evaluate the run's checkpoint, not a model)",
                    measured.evaluation.display()
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
        Drawing::Wrong {
            measured,
            images,
            count,
            output,
        } => {
            let evaluated = measured.open()?;
            let index = ImageIndex::open(images)?;
            save(
                &evaluated.draw_mistakes(&index, usize::from(*count))?,
                output,
                "wrong",
            )
        }
    }
}

impl GalaxyArgs {
    fn image(&self) -> Result<Image> {
        ImageIndex::open(&self.images)?.decode(&self.galaxy)
    }
}

impl EvaluationArgs {
    fn open(&self) -> Result<Evaluated> {
        Evaluated::open(&self.evaluation)
    }
}

fn save(figure: &Figure, output: &OutputArgs, name: &str) -> Result<()> {
    for file in figure.save(&output.output, name)? {
        log::info!("wrote '{}'", file.display());
    }
    Ok(())
}
