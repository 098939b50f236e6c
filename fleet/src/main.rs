//! The program: it parses, runs, and turns the outcome into an exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use galmorph_fleet::cli::{self, Arguments, Outcome};
use galmorph_output::visible;

fn main() -> ExitCode {
    match cli::run(Arguments::parse()) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        Err(failure) => {
            for line in failure.to_string().lines() {
                // If the reader of standard error is gone, the exit code still says it.
                let _ = writeln!(io::stderr(), "galmorph-fleet: {}", visible(line));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
