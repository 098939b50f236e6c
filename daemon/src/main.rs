//! The program: parses, runs, and turns what came of it into an exit code. Everything else is in the
//! library, where it can be tested.

use std::process::ExitCode;

use clap::Parser;
use galmorph::cli::{self, Arguments, Outcome};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match cli::run(arguments) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::SomeRejected) => ExitCode::from(1),
        Err(failure) => {
            for line in failure.lines() {
                eprintln!("galmorph: {line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
