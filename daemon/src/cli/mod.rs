//! The command line, in two steps: `clap` only parses, then each command resolves what it was given
//! (configuration, model, catalog) into objects that are ready to use, before any work begins. So a
//! wrong argument is one clear line, never a fault in the middle of the work.

mod args;
mod backup;
mod check;
mod classify;
mod deep;
mod hint;
mod npy;
mod query;
mod retry;
mod rows;
mod status;
mod summary;
mod views;
mod watch;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use galmorph_cutout::EarlyStop;
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::config::{choice, load_model, meaning, scales};
pub use crate::failure::Failure;
use crate::observe::LastError;
use crate::observe::LogLines;
use galmorph_inference::{Model, Options, Precision};

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 some inputs were rejected, 2 usage or configuration, \
                          3 the catalog or the model can't be used.";

/// Classifies galaxy cutouts as they arrive, into a SQLite catalog
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// More output (-vv: debug)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Errors only
    #[arg(short, long, global = true)]
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
    #[arg(long, value_name = "FILE", help = meaning("model"))]
    model: Option<PathBuf>,

    #[arg(long, value_name = "PIXELS", value_delimiter = ',', help = meaning("scales"))]
    scales: Vec<u32>,

    #[arg(long, value_parser = choice(&Precision::ALL, Precision::name), default_value = "auto", help = meaning("precision"))]
    precision: Precision,

    #[arg(long, value_name = "WHEN", help = meaning("early_stop"))]
    early_stop: Option<EarlyStop>,
}

impl ModelArguments {
    fn load(&self) -> Result<Model, Failure> {
        scales(&self.scales).map_err(|fault| Failure::Usage(format!("--scales: {fault}")))?;
        let options = Options {
            scales: &self.scales,
            early_stop: self.early_stop,
            precision: self.precision,
        };
        load_model(self.model.as_deref(), options)
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
    let last_error = start_log(&arguments, &screen);
    match arguments.command {
        Command::Watch(watch) => watch.run(&screen, &last_error, quiet),
        Command::Classify(classify) => classify.run(),
        Command::Query(query) => query.run(),
        Command::Status(status) => status.run(),
        Command::Retry(retry) => retry.run(quiet),
        Command::Backup(backup) => backup.run(quiet),
        Command::Views(views) => views.run(),
        Command::Check(check) => check.run(quiet),
    }
}

/// Log lines go to standard error: warnings, and more on demand.
fn start_log(arguments: &Arguments, screen: &MultiProgress) -> LastError {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "galmorph=info,warn",
        (_, 2) => "galmorph=debug,info",
        _ => "trace",
    };
    let environment = env_logger::Env::default().filter_or("GALMORPH_LOG", level);
    let logger = env_logger::Builder::from_env(environment)
        .target(env_logger::Target::Pipe(Box::new(LogLines(screen.clone()))))
        .build();
    let last_error = LastError::new();
    last_error.listen_to(logger);
    // A panic in a decoder or a network rejects one image; its story belongs in the log.
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    last_error
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
