//! The command line, one file per command.
//!
//! In two steps: `clap` only parses, then each command resolves what it was given (configuration, model,
//! catalog) into objects that are ready to use, before any work begins. So a wrong argument is one clear
//! line, never a fault in the middle of the work.
//!
//! What all commands share is done once, in [`run`]: the log, a panic, a closed pipe.

mod args;
mod backup;
mod check;
mod class_mix;
mod classify;
mod deep;
mod export;
mod filter;
mod hint;
mod image;
mod images;
mod matching;
mod nights;
mod npy;
mod query;
mod retry;
mod rows;
mod status;
mod summary;
mod views;
mod watch;

use std::io::ErrorKind;

use clap::{ArgAction, Args, Parser, Subcommand};
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::config::{Config, ModelOverrides, Overrides};
use crate::failure::EXIT_CODES;
pub use crate::failure::{Failure, InternalFault};
use crate::observe::{LastError, start_log};
use galmorph_inference::{Model, catch};
use image::Showing;

const VERBOSE: &str =
    "Log more (-vv: every detail); overrides the environment variable GALMORPH_LOG";
const QUIET: &str = "Print nothing but errors; overrides the environment variable GALMORPH_LOG";

/// The place of these two in the help: after the flags of the command.
const LAST: usize = 900;

/// Classifies galaxy cutouts as they arrive, into a SQLite catalog
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    #[arg(short, long, global = true, display_order = LAST, action = ArgAction::Count, help = VERBOSE)]
    verbose: u8,

    #[arg(short, long, global = true, display_order = LAST, help = QUIET)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch folders, and classify every cutout that appears there
    Watch(watch::Watch),
    /// Classify single files, without a catalog
    Classify(classify::Classify),
    /// Print the catalog
    Query(query::QueryArguments),
    /// Write the catalog as a file: CSV, ECSV, JSON lines, VOTable, FITS or Parquet
    Export(export::Export),
    /// Show what galmorph watch is doing, and what waits
    Status(status::StatusArguments),
    /// Queue rejected files for another attempt
    Retry(retry::Retry),
    /// Copy the catalog, also while galmorph watch writes to it
    Backup(backup::Backup),
    /// Write what the network sees of an image
    Views(views::Views),
    /// Report every problem in the configuration, the model, the folders and the catalog
    Check(check::Check),
}

/// Which model is run, and how.
#[derive(Debug, Args)]
struct ModelArguments {
    #[command(flatten)]
    overrides: ModelOverrides,
}

impl ModelArguments {
    /// The model, and how images are shown.
    fn load(&self) -> Result<(Model, Showing), Failure> {
        let config = overridden(&self.overrides)?;
        let showing = Showing::of(&config)?;
        Ok((config.model_settings().load()?, showing))
    }
}

/// The default settings with those of the command line.
fn overridden<const COMMAND: u8>(overrides: &Overrides<COMMAND>) -> Result<Config, Failure> {
    let (mut config, mut faults) = (Config::default(), Vec::new());
    overrides.apply(&mut config, &mut faults);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(Failure::Usage(faults.join("\n")))
    }
}

/// What a command that ran to its end came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as it should be.
    Fine,
    /// Some inputs have no answer.
    SomeRejected,
}

/// Runs a command.
pub fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let quiet = arguments.quiet;
    let screen = MultiProgress::new();
    if quiet {
        screen.set_draw_target(ProgressDrawTarget::hidden());
    }
    let last_error = start_log(arguments.log_level(), &screen)?;
    let outcome = catch(|| arguments.command.run(&screen, &last_error, quiet));
    let outcome = outcome.unwrap_or_else(|message| {
        let thread = "main".into();
        Err(InternalFault::Panic { thread, message }.into())
    });
    match outcome {
        // A reader that has seen enough (`head`) is no fault, of whichever command.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Outcome::Fine),
        other => other,
    }
}

impl Arguments {
    /// What is logged, if the command line says it.
    fn log_level(&self) -> Option<&'static str> {
        match (self.quiet, self.verbose) {
            (true, _) => Some("error"),
            (_, 0) => None,
            (_, 1) => Some("galmorph=info,warn"),
            (_, 2) => Some("galmorph=debug,info"),
            _ => Some("trace"),
        }
    }
}

impl Command {
    fn run(
        self,
        screen: &MultiProgress,
        last_error: &LastError,
        quiet: bool,
    ) -> Result<Outcome, Failure> {
        match self {
            Self::Watch(watch) => watch.run(screen, last_error, quiet),
            Self::Classify(classify) => classify.run(),
            Self::Query(query) => query.run(quiet),
            Self::Export(export) => export.run(quiet),
            Self::Status(status) => status.run(),
            Self::Retry(retry) => retry.run(quiet),
            Self::Backup(backup) => backup.run(quiet),
            Self::Views(views) => views.run(),
            Self::Check(check) => check.run(quiet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
