//! The `galmorph-train` program: parses, runs, and turns an error into one line and an exit code.

use std::process::ExitCode;

use clap::Parser;
use galmorph_train::commands::Cli;
use galmorph_train::memory;

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::new()
        .filter_level(cli.log_level())
        .parse_default_env()
        .format_target(false)
        .init();
    memory::keep();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("galmorph-train: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
