//! `galmorph check`: reports every fault at once, before the daemon is started.

use std::io::{self, Write as _};

use clap::Args;

use super::{Outcome, deep};
use crate::config::{Examined, Settings};
use crate::failure::Failure;
use galmorph_catalog::Condition;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    settings: Settings,

    /// Also check every page and row of the catalog, and compare it with the folders: files that are not
    /// in it, that have changed since, or that are gone. Files without a prediction make the exit code 1
    #[arg(long)]
    deep: bool,
}

impl Check {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        let examined = self.settings.examine();
        let sound = sound(&examined);
        let mut lines: Vec<String> = sound.iter().map(|line| format!("ok: {line}")).collect();
        let Examined {
            config,
            folders,
            catalog,
            condition,
            mut usage,
            mut unusable,
            ..
        } = examined;
        let mut outcome = Outcome::Fine;
        if self.deep && matches!(condition, Some(Condition::Ready | Condition::InUse)) {
            match deep::check(&catalog, &folders, &config) {
                Ok((found, reconciled)) => {
                    lines.extend(found);
                    outcome = reconciled;
                }
                Err(failure) => unusable.extend(failure.lines()),
            }
        }
        let mut output = io::stdout().lock();
        if quiet {
            lines.retain(|line| !line.starts_with("ok: "));
        }
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

/// Everything that is as it should be, a line each.
fn sound(examined: &Examined) -> Vec<String> {
    let folders = examined.folders.iter();
    let mut lines: Vec<String> = folders
        .map(|folder| format!("folder '{}'", folder.path.display()))
        .collect();
    lines.extend(examined.model.as_ref().map(|model| {
        format!(
            "model '{}' ({}), {}",
            model.card.name,
            model.card.network,
            model.averages()
        )
    }));
    lines.extend(examined.condition.map(|condition| {
        let condition = match condition {
            Condition::New => ", to be made",
            Condition::Ready => "",
            Condition::InUse => ", in use by a galmorph watch",
        };
        format!("catalog '{}'{condition}", examined.catalog.display())
    }));
    lines
}
