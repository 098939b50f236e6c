//! Writes the manual pages and the shells' completions of galmorph-fleet into a folder, for a package.
//!
//! As for the daemon, whose code this is: what the pages say of flags is asked of the program itself.
//!
//! usage: `cargo run -p galmorph-fleet --example fleet-pages -- DIR DATE` (the date that stands at the foot of the pages)

#[path = "../../../daemon/examples/pages/command.rs"]
mod command;
#[path = "../../../daemon/examples/pages/completions.rs"]
mod completions;
mod notes;
#[allow(dead_code, reason = "the daemon's pages use the rest")]
#[path = "../../../daemon/examples/pages/page.rs"]
mod page;

use std::path::PathBuf;
use std::{env, error, fs, iter};

use clap::CommandFactory as _;
use galmorph_fleet::cli::Arguments;

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, date] = arguments.as_slice() else {
        return Err("usage: fleet-pages DIR DATE".into());
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
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    program
}

/// Every page's file name and text.
fn pages(date: &str) -> Result<Vec<(String, String)>> {
    let program = program();
    let commands = iter::once(&program).chain(program.get_subcommands());
    let page = |command: &clap::Command| {
        let notes = (notes::of(command.get_name())?, &notes::EXIT_STATUS[..]);
        Ok(command::page(&program, command, notes, date)?.finish())
    };
    commands.map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_leads_to_pages_that_are_there() {
        let pages = pages("2026-11-26").unwrap();
        assert_eq!(pages.len(), program().get_subcommands().count() + 1);
        for (name, text) in &pages {
            for section in [
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "EXAMPLES",
                "ENVIRONMENT",
            ] {
                assert!(
                    text.contains(&format!("\n.SH {section}\n")),
                    "{name} lacks {section}"
                );
            }
            let (_, others) = text.split_once(".SH \"SEE ALSO\"").unwrap();
            let others = others
                .replace("\\fB", " ")
                .replace("\\fR", "")
                .replace('\\', "");
            for other in others
                .split_whitespace()
                .filter(|word| word.contains("galmorph-fleet"))
            {
                let other = other.trim_matches(['%', ',']).replace("(1)", ".1");
                assert!(
                    pages.iter().any(|(name, _)| *name == other),
                    "{name} leads to {other}"
                );
            }
        }
    }

    #[test]
    fn each_shell_has_its_completions() {
        let folder = tempfile::TempDir::new().unwrap();
        completions::write(program(), folder.path()).unwrap();
        for name in [
            "galmorph-fleet.bash",
            "_galmorph-fleet",
            "galmorph-fleet.fish",
        ] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.contains("password-file"), "{name}");
        }
    }
}
