//! `galmorph check --images`: looks at some images of a folder before anyone trusts an answer.
//!
//! | file | |
//! |---|---|
//! | `found` | what was found: the fields of the JSON |
//! | `words` | the same for people |
//! | `advice` | which settings it suggests |

mod advice;
mod found;
mod words;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Outcome;
use crate::config::{Config, Folder};
use crate::failure::Failure;
use crate::intake::{Found, Selection, survey};
use found::Findings;
use galmorph_output::{readable, visible};

/// How the findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// human-readable lines
    Table,
    /// one JSON object
    Json,
}

/// Looks at a sample of at most `sample` images of a folder, shown as the configuration says, and prints what it found.
pub(super) fn check(
    folder: &Path,
    sample: usize,
    (config, own): &(Config, Folder),
    format: Format,
) -> Result<Outcome, Failure> {
    let findings = look(folder, sample, config, own)?;
    let text = match format {
        Format::Json => findings.json() + "\n",
        Format::Table => findings
            .lines()
            .iter()
            .map(|line| visible(line).into_owned() + "\n")
            .collect(),
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    Ok(if findings.is_fine() {
        Outcome::Fine
    } else {
        Outcome::SomeRejected
    })
}

fn look(folder: &Path, sample: usize, config: &Config, own: &Folder) -> Result<Findings, Failure> {
    let cannot = |error: io::Error| {
        let folder = readable(folder);
        Failure::Usage(format!("cannot look at '{folder}': {error}"))
    };
    let folder = folder.canonicalize().map_err(cannot)?;
    folder.read_dir().map_err(cannot)?;
    let extensions = config.extensions.clone();
    let looked_at = Folder {
        band_files: own.band_files.clone(),
        ..folder.clone().into()
    };
    let selection = Selection::new(vec![looked_at], extensions).without(&config.exclude);
    let mut files: Vec<PathBuf> = Vec::new();
    let mut faults = Vec::new();
    let others = survey(&selection, |_, found| match found {
        Found::File(path, _) => files.push(path),
        Found::Fault(fault) => faults.push(fault),
    });
    files.sort();
    let mut findings = Findings::new(&folder, files.len(), faults, &others);
    let preprocessing = config.model_settings().load()?.card.preprocessing;
    for file in spread(&files, sample) {
        findings.add(file, &config.limits(), own, &preprocessing);
    }
    Ok(findings)
}

/// At most `count` of some files, spread evenly over all.
fn spread(files: &[PathBuf], count: usize) -> impl Iterator<Item = &PathBuf> {
    let count = count.min(files.len());
    (0..count).map(move |number| &files[number * files.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_files_and_takes_each_once() {
        let files: Vec<PathBuf> = (0..10).map(|n| PathBuf::from(n.to_string())).collect();
        let names = |count| -> Vec<&str> {
            spread(&files, count)
                .map(|path| path.to_str().unwrap())
                .collect()
        };
        assert_eq!(names(3), ["0", "3", "6"]);
        assert_eq!(names(100).len(), 10);
        assert!(names(0).is_empty());
        assert!(spread(&[], 5).next().is_none());
    }
}
