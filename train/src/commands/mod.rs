//! The program's verbs: what is on the command line, and what is done for it.

mod evaluate;
mod export;
mod report;
mod select;
mod train;
mod visualise;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::data::Source;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::targets::Targets;

/// Trains galaxy morphology networks on Galaxy Zoo labels and exports them to ONNX.
#[derive(Debug, Parser)]
#[command(name = "galmorph-train", version, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say less: warnings and errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a label file from a table of votes: a clean sample, split by galaxy.
    Select(select::SelectArgs),
    /// Trains a network, or goes on with a run that was interrupted.
    Train(train::TrainArgs),
    /// Measures a trained network on a labelled split.
    Evaluate(evaluate::EvaluateArgs),
    /// Writes a trained network as an ONNX model that galmorph runs.
    Export(export::ExportArgs),
    /// Draws one figure as SVG and PNG.
    Visualise(visualise::VisualiseArgs),
    /// Puts metrics and figures of one or several networks into one HTML page.
    Report(report::ReportArgs),
}

/// Where the labelled images are.
#[derive(Debug, Args)]
struct DataArgs {
    /// CSV file with the columns `GalaxyID`, `label` (0 to 4, or a class's name) and `split`
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Folders or plain tar files with images named <GalaxyID>.jpg
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    images: Vec<PathBuf>,
}

impl DataArgs {
    fn source(&self) -> Source {
        Source {
            labels: self.labels.clone(),
            targets: Targets::Labels,
            images: self.images.clone(),
        }
    }
}

/// What to compute with.
#[derive(Debug, Args)]
struct MachineArgs {
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Threads that compute on the CPU [default: one a core]
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
    /// The least level of the messages to show.
    pub const fn log_level(&self) -> log::LevelFilter {
        if self.quiet {
            log::LevelFilter::Warn
        } else {
            log::LevelFilter::Info
        }
    }

    /// Does what the command line says.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Select(args) => select::run(args),
            Command::Train(args) => train::run(args),
            Command::Evaluate(args) => evaluate::run(args),
            Command::Export(args) => export::run(args),
            Command::Visualise(args) => visualise::run(args),
            Command::Report(args) => report::run(args),
        }
    }
}
