//! Writes the manual pages and the shells' completions into a folder, for a package.
//!
//! An example and not a subcommand, so that the program carries nothing that only packagers need.
//!
//! usage: `cargo run --example pages -- DIR`

use std::path::PathBuf;
use std::{env, fs, io};

use clap::CommandFactory as _;
use clap_complete::Shell;
use galmorph::cli::Arguments;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: pages DIR"));
    };
    // `galmorph help COMMAND` is what `man galmorph-COMMAND` is.
    let mut command = Arguments::command()
        .name("galmorph")
        .disable_help_subcommand(true);
    let (pages, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&pages, &completions] {
        fs::create_dir_all(folder)?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "galmorph", &completions)?;
    }
    clap_mangen::generate_to(command, &pages)
}
