//! The command line, one file per command.
//!
//! In two steps: `clap` only parses, then each command resolves what it was given (configuration, model,
//! catalog) into objects that are ready to use, before any work begins. So a wrong argument is one clear
//! line, never a fault in the middle of the work.
//!
//! What all commands share is done once, in [`run`]: the log, a panic, a closed pipe.

mod backup;
mod check;
mod classify;
mod deep;
mod npy;
mod query;
mod retry;
mod status;
mod summary;
mod views;
mod watch;

use std::io::{self, BufWriter, ErrorKind, StdoutLock};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};
use indicatif::MultiProgress;

use crate::config::{Config, ModelOverrides};
use crate::failure::EXIT_CODES;
pub use crate::failure::{Failure, InternalFault};
use crate::observe::{LastError, start_log};
use galmorph_catalog::export::{Export, Format};
use galmorph_inference::{Model, catch};

const VERBOSE: &str =
    "Log more (-vv: every detail); overrides the environment variable GALMORPH_LOG";
const QUIET: &str = "Log errors only; overrides the environment variable GALMORPH_LOG";

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
    /// Classify some files, without a catalog
    Classify(classify::Classify),
    /// Read the catalog
    Query(query::QueryArguments),
    /// Say what galmorph watch does, and what waits
    Status(status::StatusArguments),
    /// Put rejected files back, to be tried again
    Retry(retry::Retry),
    /// Copy the catalog, while galmorph watch writes to it
    Backup(backup::Backup),
    /// Write what the network sees of an image
    Views(views::Views),
    /// Explain every fault in the configuration, the model, the folders and the catalog
    Check(check::Check),
}

/// Which model is run, and how.
#[derive(Debug, Args)]
struct ModelArguments {
    #[command(flatten)]
    overrides: ModelOverrides,
}

impl ModelArguments {
    fn load(&self) -> Result<Model, Failure> {
        let (mut config, mut faults) = (Config::default(), Vec::new());
        self.overrides.apply(&mut config, &mut faults);
        if !faults.is_empty() {
            return Err(Failure::Usage(faults.join("\n")));
        }
        config.model_settings().load()
    }
}

/// How rows are written.
#[derive(Debug, Args)]
struct FormatArguments {
    /// How to write the rows
    #[arg(long, value_parser = choice(Format::ALL, Format::name), default_value = "table")]
    format: Format,
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
    let screen = MultiProgress::new();
    let last_error = start_log(arguments.log_level(), &screen);
    let outcome = catch(|| arguments.command.run(&screen, &last_error));
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
    fn run(self, screen: &MultiProgress, last_error: &LastError) -> Result<Outcome, Failure> {
        match self {
            Self::Watch(watch) => watch.run(screen, last_error),
            Self::Classify(classify) => classify.run(),
            Self::Query(query) => query.run(),
            Self::Status(status) => status.run(),
            Self::Retry(retry) => retry.run(),
            Self::Backup(backup) => backup.run(),
            Self::Views(views) => views.run(),
            Self::Check(check) => check.run(),
        }
    }
}

/// A flag that takes one of `values`, each by its name.
fn choice<T: Copy + Send + Sync + 'static>(
    values: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = values.iter().map(move |value| name(*value));
    PossibleValuesParser::new(names).map(move |text| {
        let value = values.iter().find(|value| name(**value) == text);
        *value.expect("clap takes only the names of the values")
    })
}

/// Writes rows to standard output.
fn write_rows(
    format: Format,
    work: impl FnOnce(&mut dyn Export) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let output: BufWriter<StdoutLock> = BufWriter::new(io::stdout().lock());
    let mut exporter = format.exporter(output);
    let outcome = work(&mut *exporter)?;
    exporter.finish().map_err(Failure::Output)?;
    Ok(outcome)
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
