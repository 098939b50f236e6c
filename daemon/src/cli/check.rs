//! `galmorph check`: every fault at once, before the daemon is started.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Args;

use super::watch::{Settings, resolve_folders};
use super::{Outcome, deep, load};
use crate::catalog::{CatalogError, Condition, inspect};
use crate::config::Config;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    settings: Settings,

    /// Check every page and row of the catalog too, and hold it against the folders: files that are
    /// not in it, changed since, or gone. Files without an answer make the exit code 1
    #[arg(long)]
    deep: bool,
}

impl Check {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let mut usage = Vec::new();
        let config = self.settings.resolve(&mut usage);
        let folders = resolve_folders(&config, &mut usage);
        let mut sound: Vec<String> = folders
            .iter()
            .map(|folder| format!("folder '{}'", folder.path.display()))
            .collect();
        for folder in &folders {
            let name = folder.path.display();
            if let Err(error) = folder.path.read_dir() {
                usage.push(format!("cannot watch '{name}': {error}"));
            } else if let Err(error) = folder.can_move() {
                usage.push(format!("cannot move files in '{name}': {error}"));
            }
        }

        let mut unusable = Vec::new();
        let mut note = |outcome: Result<String, Failure>| match outcome {
            Ok(line) => sound.push(line),
            Err(failure) => unusable.extend(failure.lines()),
        };
        note(check_model(&config));
        let catalog = config.catalog.as_deref().unwrap_or(Path::new(""));
        let condition = inspect(catalog);
        let is_there = matches!(condition, Ok(Condition::Ready | Condition::InUse));
        note(describe(catalog, condition));

        let mut lines: Vec<String> = sound.iter().map(|line| format!("ok: {line}")).collect();
        let mut outcome = Outcome::Fine;
        if self.deep && is_there {
            match deep::check(catalog, &folders, &config) {
                Ok((found, reconciled)) => {
                    lines.extend(found);
                    outcome = reconciled;
                }
                Err(failure) => unusable.extend(failure.lines()),
            }
        }
        let mut output = io::stdout().lock();
        for line in &lines {
            writeln!(output, "{line}").map_err(Failure::Output)?;
        }
        let faults = |lines: Vec<String>| lines.join("\n");
        if !usage.is_empty() {
            usage.extend(unusable);
            return Err(Failure::Usage(faults(usage)));
        }
        if !unusable.is_empty() {
            return Err(Failure::Unusable(faults(unusable)));
        }
        Ok(outcome)
    }
}

fn check_model(config: &Config) -> Result<String, Failure> {
    let model = load(config.model.as_deref(), &config.scales)?;
    Ok(format!(
        "model '{}' ({}), test scales {:?}",
        model.card.name, model.card.network, model.card.preprocessing.test_scales
    ))
}

fn describe(path: &Path, condition: Result<Condition, CatalogError>) -> Result<String, Failure> {
    let condition = match condition? {
        Condition::New => ", to be made",
        Condition::Ready => "",
        Condition::InUse => ", in use by a galmorph watch",
    };
    Ok(format!("catalog '{}'{condition}", path.display()))
}
