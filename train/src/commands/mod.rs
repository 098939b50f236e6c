//! The subcommands, one file each: their arguments, and what they do.

mod adapting;
mod calibrate;
mod evaluate;
mod export;
mod fine_tune;
mod fold;
mod learning_curve;
mod networks;
mod novelty;
mod report;
mod select;
mod train;
mod visualise;
mod why;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use galmorph_cutout::{BandFiles, Rendering, Scaling, Stretch};

use crate::data::{ColumnValues, Images, Source, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{Answers, ByColumn, by_column};
use crate::torch::DeviceChoice;

/// Train galaxy morphology networks on Galaxy Zoo labels, and export them to ONNX.
#[derive(Debug, Parser)]
#[command(name = "galmorph-train", version, args_override_self = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show warnings and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
    0  done (also if the reader of the output closed the pipe)
    1  training diverged
    2  the command line, a label or vote table, or an image is wrong
    3  a checkpoint, model or evaluation can't be used, or a file can't be read or written
   70  internal error
  130  interrupted; the state of the run was saved";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a label file from a table of votes: a clean sample, split by galaxy
    Select(select::SelectArgs),
    /// List the networks and their parameters
    Networks,
    /// Train a network, or continue an interrupted run
    Train(train::TrainArgs),
    /// Measure a trained network on a labelled split
    Evaluate(evaluate::EvaluateArgs),
    /// Answer each galaxy with the network that was trained without it, for all folds
    Fold(fold::FoldArgs),
    /// Adapt an exported model to the images of another survey, from few labels
    FineTune(fine_tune::FineTuneArgs),
    /// Measure what an exported model, adapted to another survey, reaches with how many labels
    LearningCurve(learning_curve::LearningCurveArgs),
    /// Write a trained network as an ONNX model for galmorph
    Export(export::ExportArgs),
    /// Add to a model what an evaluation says of how far its answers can be trusted: thresholds for sets
    /// of classes with a known coverage and for samples with a known purity
    Calibrate(calibrate::CalibrateArgs),
    /// Add to a model how unlike its training images an image is: the distance of its features from the
    /// nearest of some reference features
    Novelty(novelty::NoveltyArgs),
    /// Draw one figure as SVG and PNG
    Visualise(visualise::VisualiseArgs),
    /// Make one HTML page of metrics and figures for one or several networks
    Report(report::ReportArgs),
}

/// Where the labelled images are.
#[derive(Debug, Args)]
struct DataArgs {
    /// CSV file with the columns `GalaxyID`, `label` (0 to 4, or a class name) and `split`
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Folders or uncompressed tar files with images named <GalaxyID>.jpg
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,
    /// Leave out the galaxies that have no image, and say how many they are. Otherwise they are an error
    #[arg(long)]
    allow_missing: bool,
    #[command(flatten)]
    showing: ShowingArgs,
}

/// The heading of the flags that say how FITS images are shown.
const FITS: &str = "FITS images";

/// How FITS images become pictures, as the settings of `galmorph` say it.
#[derive(Debug, Default, Args)]
struct ShowingArgs {
    /// How they become pictures: legacy, sdss, lupton, asinh, zscale or linear [default: by what the file
    /// says of itself]. `export` writes it into the card
    #[arg(long, help_heading = FITS)]
    stretch: Option<Stretch>,
    /// The names of the bands, in the order of the file; with --band-files, as the names of the files have
    /// them [default: the file's own]
    #[arg(long, help_heading = FITS, value_name = "NAMES", value_delimiter = ',')]
    bands: Vec<String>,
    /// Which bands are shown as red, green and blue; one for grey [default: by wavelength]
    #[arg(long, help_heading = FITS, value_name = "NAMES", value_delimiter = ',')]
    colours: Vec<String>,
    /// How files are named that have one band each: `{object_id}_{band}.fits`
    #[arg(long, help_heading = FITS, value_name = "PATTERN", requires = "bands")]
    band_files: Option<String>,
}

impl ShowingArgs {
    /// Whether they say more than the stretch.
    const fn names_bands(&self) -> bool {
        !self.bands.is_empty() || !self.colours.is_empty() || self.band_files.is_some()
    }

    /// The images of these folders and tar files, shown so.
    fn of(&self, sources: &[PathBuf]) -> Result<Images> {
        let files = self.band_files.as_ref();
        let files = files.map(|pattern| BandFiles::new(pattern, &self.bands));
        Ok(Images {
            sources: sources.to_vec(),
            rendering: Rendering {
                stretch: self.stretch,
                bands: self.bands.clone(),
                colours: self.colours.clone(),
            },
            band_files: files
                .transpose()
                .map_err(|fault| Error::Input(format!("--band-files: {fault}")))?,
        })
    }
}

impl DataArgs {
    /// What is read of them. No output may replace it.
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let images = self.images.iter().map(PathBuf::as_path);
        images.chain([&*self.labels])
    }

    fn source(&self, targets: Targets) -> Result<Source> {
        Ok(Source {
            labels: self.labels.clone(),
            images: self.images()?,
            targets,
            allow_missing: self.allow_missing,
        })
    }

    fn images(&self) -> Result<Images> {
        self.showing.of(&self.images)
    }
}

/// By what columns the accuracy is shown.
#[derive(Debug, Args)]
struct ByArgs {
    /// Show the accuracy by a column of the label file, such as a magnitude or a size. Numbers are put into bins
    #[arg(long, value_name = "COLUMN", num_args = 1..)]
    by: Vec<String>,
    /// Table with these columns, in place of the label file: CSV, ECSV, FITS or Parquet, with the galaxies' ids
    /// in a column `GalaxyID`, `object_id`, `dr7objid` or `id`
    #[arg(long, value_name = "FILE", requires = "by")]
    by_table: Option<PathBuf>,
    /// Number of bins of about as many galaxies each
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=50), requires = "by")]
    bins: u8,
}

impl ByArgs {
    /// Reads the columns. Before the work, so that a misspelt one is told at once.
    fn read(&self, labels: &Path) -> Result<Vec<ColumnValues>> {
        if self.by.is_empty() {
            return Ok(Vec::new());
        }
        ColumnValues::read(self.by_table.as_deref().unwrap_or(labels), &self.by)
    }

    /// Measures the answers by the columns.
    fn measure(
        &self,
        columns: &[ColumnValues],
        answers: &Answers,
        scaling: Scaling,
    ) -> Result<Vec<ByColumn>> {
        let predictions = answers.averaged(scaling);
        let measure =
            |column| by_column(answers.ids(), &predictions, column, usize::from(self.bins));
        columns.iter().map(measure).collect()
    }
}

/// Whether outputs may replace files.
#[derive(Debug, Args)]
struct ForceArgs {
    /// Replace a file that exists. Of a link, the file that it leads to is replaced; what is no regular
    /// file never is
    #[arg(long)]
    force: bool,
}

/// What to compute with.
#[derive(Debug, Args)]
struct MachineArgs {
    /// Device to compute on: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Number of CPU threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl MachineArgs {
    fn device(&self) -> Result<tch::Device> {
        let device = self.device.resolve()?;
        tch::set_num_threads(self.threads() as i32);
        Ok(device)
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        )
    }
}

impl Cli {
    /// The least severe level of messages to show, if a flag says so.
    pub fn log_level(&self) -> Option<log::LevelFilter> {
        self.quiet.then_some(log::LevelFilter::Warn)
    }

    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Select(args) => select::run(args),
            Command::Networks => networks::run(),
            Command::Train(args) => train::run(args),
            Command::Evaluate(args) => evaluate::run(args),
            Command::Fold(args) => fold::run(args),
            Command::FineTune(args) => fine_tune::run(args),
            Command::LearningCurve(args) => learning_curve::run(args),
            Command::Export(args) => export::run(args),
            Command::Novelty(args) => novelty::run(args),
            Command::Calibrate(args) => calibrate::run(args),
            Command::Visualise(args) => visualise::run(args),
            Command::Report(args) => report::run(args),
        }
    }
}

/// Prints the results of a command. Commands do this last, when their files are written: a reader that
/// closes the pipe ends them.
fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// clap looks at a command only when it is given.
    #[test]
    fn flags_of_every_command_are_unique() {
        Cli::command().debug_assert();
    }
}
