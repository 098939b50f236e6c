//! `galmorph check`: reports every fault at once, before the daemon is started. With `--images`, what images are like.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Outcome, deep, images};
use crate::config::{Examined, WatchArguments};
use crate::failure::Failure;
use crate::identity;
use galmorph_catalog::Condition;
use galmorph_output::{readable, visible};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    settings: WatchArguments,

    /// Also check every page and row of the catalog, and compare it with the folders: files that are not
    /// in it, that have changed since, or that are gone. Files without a prediction make the exit code 1
    #[arg(long)]
    deep: bool,

    /// Look at the images of this folder instead: their sizes, how large the galaxies are in them, colours, what
    /// can't be read; and suggest settings. The catalog is not needed
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["deep", "folders"])]
    images: Option<PathBuf>,

    /// Look at no more than this many images, spread over the folder
    #[arg(long, value_name = "COUNT", default_value_t = 500, requires = "images", value_hint = ValueHint::Other)]
    sample: usize,

    /// Output format of --images
    #[arg(long, value_enum, default_value_t = images::Format::Table, requires = "images")]
    format: images::Format,
}

impl Check {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        if let Some(folder) = &self.images {
            let settings = self.settings.for_images_in(folder)?;
            return images::check(folder, self.sample, &settings, self.format);
        }
        let examined = self.settings.examine();
        let sound = sound(&examined);
        let mut lines: Vec<String> = sound.iter().map(|line| format!("ok: {line}")).collect();
        let Examined {
            settings,
            condition,
            mut faults,
            ..
        } = examined;
        let mut outcome = Outcome::Fine;
        if self.deep && matches!(condition, Some(Condition::Ready | Condition::InUse)) {
            match deep::check(&settings) {
                Ok((found, reconciled)) => {
                    lines.extend(found);
                    outcome = reconciled;
                }
                Err(failure) => faults.add(&failure),
            }
        }
        let (known, wrong) = identity::examine(&settings);
        lines.extend(known);
        faults.usage.extend(wrong);
        let mut output = io::stdout().lock();
        if quiet {
            lines.retain(|line| !line.starts_with("ok: "));
        }
        let written = lines
            .iter()
            .try_for_each(|line| writeln!(output, "{}", visible(line)));
        // A reader that has seen enough changes nothing about the faults.
        faults.into_result()?;
        written.map_err(Failure::Output)?;
        Ok(outcome)
    }
}

/// Everything that is as it should be, a line each.
fn sound(examined: &Examined) -> Vec<String> {
    let folders = examined.settings.folders.iter();
    let mut lines: Vec<String> = folders
        .map(|folder| format!("folder '{}'", readable(&folder.path)))
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
        format!(
            "catalog '{}'{condition}",
            readable(&examined.settings.catalog)
        )
    }));
    lines
}
