//! Writes the manual page and the shells' completions of galmorph-page into a folder, for a package.
//!
//! As for the daemon, whose code this is: what the page says of flags is asked of the program itself.
//!
//! usage: `cargo run -p galmorph-page --example page-pages -- DIR DATE` (the date that stands at the foot of the page)

#[path = "../../../daemon/examples/pages/command.rs"]
mod command;
#[path = "../../../daemon/examples/pages/completions.rs"]
mod completions;
mod notes;
#[allow(dead_code, reason = "the daemon's pages use the rest")]
#[path = "../../../daemon/examples/pages/page.rs"]
mod page;

use std::path::PathBuf;
use std::{env, error, fs};

use clap::CommandFactory as _;
use galmorph_page::Arguments;

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, date] = arguments.as_slice() else {
        return Err("usage: page-pages DIR DATE".into());
    };
    let folder = PathBuf::from(folder);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    let (name, text) = manual_page(date)?;
    fs::write(man.join(name), text)?;
    completions::write(program(), &completions)
}

/// The command line that is documented.
fn program() -> clap::Command {
    let mut program = Arguments::command();
    program.build();
    program
}

/// The page's file name and text.
fn manual_page(date: &str) -> Result<(String, String)> {
    let program = program();
    let notes = (&notes::PAGE, &notes::EXIT_STATUS[..]);
    Ok(command::page(&program, &program, notes, date)?.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_section_and_every_flag() {
        let (name, text) = manual_page("2026-11-26").unwrap();
        assert_eq!(name, "galmorph-page.1");
        let sections = [
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "FILES",
            "ENVIRONMENT",
        ];
        for section in sections {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{section}");
        }
        assert!(!text.contains("COMMAND") && !text.contains("Default: ."));
        let plain = text.replace('\\', "");
        for flag in program().get_arguments().filter_map(clap::Arg::get_long) {
            assert!(plain.contains(&format!("--{flag}")), "{flag}");
        }
    }

    #[test]
    fn each_shell_has_its_completions() {
        let folder = tempfile::TempDir::new().unwrap();
        completions::write(program(), folder.path()).unwrap();
        for name in ["galmorph-page.bash", "_galmorph-page", "galmorph-page.fish"] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.contains("cache-size"), "{name}");
        }
    }
}
