//! Writes the manual pages and the shells' completions into a folder, for a package.
//!
//! An example and not a subcommand, so that the program carries nothing that only packagers need. What
//! the pages say of flags, settings and columns is asked of the program itself; what is only known here
//! (examples, files, a few words more) must name each of them, or this fails.
//!
//! usage: `cargo run --example pages -- DIR DATE` (the date that stands at the foot of the pages)

mod catalog;
mod command;
mod completions;
mod notes;
#[cfg(test)]
mod offered;
mod page;
mod settings;

use std::path::{Path, PathBuf};
use std::{env, error, fs};

use clap::CommandFactory as _;
use galmorph::cli::Arguments;
use page::Page;

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, date] = arguments.as_slice() else {
        return Err("usage: pages DIR DATE".into());
    };
    let folder = PathBuf::from(folder);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    for (name, text) in pages(date)? {
        fs::write(man.join(name), text)?;
    }
    completions::write(program(), &completions)
}

/// The command line that is documented.
fn program() -> clap::Command {
    // `galmorph help COMMAND` is what `man galmorph-COMMAND` is.
    let mut program = Arguments::command()
        .name("galmorph")
        .disable_help_subcommand(true);
    program.build();
    program
}

/// Every page's file name and text.
fn pages(date: &str) -> Result<Vec<(String, String)>> {
    let program = program();
    let mut pages = vec![settings::page(date)?, catalog::page(date)?];
    for command in std::iter::once(&program).chain(program.get_subcommands()) {
        let notes = (notes::of(command.get_name())?, &notes::EXIT_STATUS[..]);
        pages.push(command::page(&program, command, notes, date)?);
    }
    Ok(pages.into_iter().map(Page::finish).collect())
}

/// A folder that is removed again.
fn scratch() -> Result<tempfile::TempDir> {
    Ok(tempfile::TempDir::new()?)
}

/// The name of a path that we made, which is plain text.
fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| "a path that is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: [&str; 9] = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "EXAMPLES",
        "FILES",
        "ENVIRONMENT",
        "SEE ALSO",
    ];

    #[test]
    fn every_command_has_a_page_with_every_section() {
        let pages = pages("2026-11-26").unwrap();
        let commands = program().get_subcommands().count() + 1;
        assert_eq!(pages.len(), commands + 2, "and two of section 5");
        for (name, text) in pages.iter().filter(|(name, _)| name.ends_with(".1")) {
            let mut at = 0;
            for section in SECTIONS {
                let heading = format!("\n.SH \"{section}\"\n")
                    .replace('"', if section.contains(' ') { "\"" } else { "" });
                let found = text[at..].find(&heading);
                at +=
                    found.unwrap_or_else(|| panic!("{name} lacks {section}, or has it too early"));
            }
            assert!(
                text.contains("2026\\-11\\-26") || text.contains("2026-11-26"),
                "{name}"
            );
        }
    }
}
