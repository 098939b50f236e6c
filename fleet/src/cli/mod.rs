//! The command line, one file a command.
#![allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "the comments are what --help prints, and the switches are flags"
)]

mod feed;
mod merge;
mod model;
mod network;
mod plan;
mod retain;
mod run;
mod schema;
mod ship;
mod source;
mod status;
mod work;

use std::num::NonZero;

use clap::{ArgAction, Parser, Subcommand};

use galmorph_output::log_levels;

use crate::failure::EXIT_CODES;
pub use crate::failure::Failure;
use crate::stop::beside_signals;

/// Classifies archives with many machines, and brings the catalogs of many machines together
#[derive(Debug, Parser)]
#[command(name = "galmorph-fleet", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Log more (-vv: every detail); overrides the environment variable GALMORPH_LOG
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Print nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Divide an archive into shards, for a scheduler's array
    Plan(plan::PlanArguments),
    /// Classify a shard of a plan
    Run(run::RunArguments),
    /// Count the parts of a plan, or make one catalog of many
    Merge(merge::MergeArguments),
    /// Follow the catalog of this machine, and copy what changes to PostgreSQL
    Ship(ship::ShipArguments),
    /// Add files that have no answer yet to a stream
    Feed(feed::FeedArguments),
    /// Classify files of a stream, together with other workers
    Work(work::WorkArguments),
    /// Say how far a stream is, who works, and what is missing
    Status(status::StatusArguments),
    /// Say which models have answered, and roll out another one
    Model(model::ModelArguments),
    /// Make or update the schema of the PostgreSQL catalog
    Schema(schema::SchemaArguments),
    /// Remove old months from the PostgreSQL catalog
    Retain(retain::RetainArguments),
}

/// What a command that ran to its end came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as it should be.
    Fine,
    /// Something is missing, or could not be read.
    Incomplete,
}

/// Runs a command.
pub fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => Some("error"),
        (_, 0) => None,
        (_, 1) => Some("galmorph_fleet=info,warn"),
        (_, 2) => Some("galmorph_fleet=debug,info"),
        _ => Some("trace"),
    };
    let asked = match level {
        Some(level) => Some(level.to_owned()),
        None => log_levels().map_err(Failure::Usage)?,
    };
    let asked = asked.as_deref().unwrap_or("galmorph_fleet=info,warn");
    env_logger::Builder::new().parse_filters(asked).init();
    match arguments.command {
        Command::Plan(plan) => plan.run(),
        Command::Run(run) => run.run(),
        Command::Merge(merge) => merge.run(),
        Command::Ship(ship) => ship.run(),
        Command::Feed(feed) => beside_signals(|| feed.run()),
        Command::Work(work) => beside_signals(|| work.run()),
        Command::Status(status) => status.run(),
        Command::Model(model) => beside_signals(|| model.run()),
        Command::Schema(schema) => schema.run(),
        Command::Retain(retain) => retain.run(),
    }
}

/// How many threads are asked for; one for each core that this process may use where nobody says.
fn workers(asked: Option<NonZero<usize>>) -> Result<NonZero<usize>, Failure> {
    match asked {
        Some(workers) => Ok(workers),
        None => std::thread::available_parallelism().map_err(|error| {
            Failure::Usage(format!("how many cores there are is not known: {error}"))
        }),
    }
}

/// Prints a line of a result.
fn print(line: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        // A reader that has seen enough is no fault.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Internal(
            format!("cannot write the results: {error}"),
        )),
        _ => Ok(()),
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
