//! The program: it parses, runs, and turns the outcome into an exit code. Everything else is in the
//! library, where it can be tested.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use galmorph::cli::{self, Arguments, Outcome};
use systemd_journal_logger::connected_to_journal;

fn main() -> ExitCode {
    galmorph_engine::give_back_freed_memory();
    let arguments = Arguments::parse();
    match cli::run(arguments) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::SomeRejected) => ExitCode::from(1),
        Err(failure) => {
            // The journal reads "<3>" as the level of an error.
            let level = if connected_to_journal() { "<3>" } else { "" };
            for line in failure.lines() {
                // If the reader of standard error is gone, the exit code still says it.
                let _ = writeln!(io::stderr(), "{level}galmorph: {line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
