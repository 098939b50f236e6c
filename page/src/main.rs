//! The program: it parses, runs, and turns the outcome into an exit code. Everything else is in the library.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use galmorph_output::visible;
use galmorph_page::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                // If the reader of standard error is gone, the exit code still says it.
                let _ = writeln!(io::stderr(), "galmorph-page: {}", visible(line));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
