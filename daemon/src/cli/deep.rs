//! `galmorph check --deep`: whether the catalog is sound and agrees with the folders.
//!
//! Differences between the folders and the catalog are reported, and are no fault of either: a daemon may
//! be at work, and the owner of the images may remove some. Files that have no prediction in their present
//! state make the exit code 1.
//!
//! Only the deep check looks at the files in the folders. systemd runs a plain one before each start and
//! reload, which must not wait for a walk through millions of files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Outcome;
use crate::config::WatchSettings;
use crate::failure::Failure;
use crate::intake::{Found, OtherFiles, Selection, survey, survey_marked};
use galmorph_catalog::{FileStatus, Reader, StaleReason, Watch};
use galmorph_output::readable;

/// How many files of one kind are named.
const NAMED: usize = 5;

/// Compares the folders with the catalog, file by file.
#[derive(Debug, Default)]
pub(super) struct Reconciliation {
    agree: u64,
    new: Files,
    changed: Files,
    retry: Files,
    other_answer: Files,
    gone: Files,
    elsewhere: u64,
    // For each folder, how many files of the catalog are there, and how many are gone.
    folders: BTreeMap<PathBuf, (u64, u64)>,
    unreadable: Files,
    others: OtherFiles,
    faults: Vec<String>,
}

/// Some files, a few of them by name.
#[derive(Debug, Default)]
struct Files {
    count: u64,
    named: Vec<PathBuf>,
}

impl Files {
    fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(path.to_owned());
        }
    }
}

/// Checks a catalog that is there, and compares it with the folders. Returns lines to print.
pub(super) fn check(settings: &WatchSettings) -> Result<(Vec<String>, Outcome), Failure> {
    let path = &settings.catalog;
    let catalog = Reader::open_to_check(path)?;
    let faults = catalog.faults()?;
    if !faults.is_empty() {
        let file = readable(path);
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("catalog '{file}': {fault}"))
            .collect();
        return Err(Failure::Unusable(lines.join("\n").into()));
    }
    let mut lines = vec!["ok: the catalog's pages, indexes, references and rows are sound".into()];
    let Some(watch) = catalog.watch()? else {
        return Ok((lines, Outcome::Fine));
    };
    let selection = Selection::of(settings);
    let found = catalog.at_one_moment(|| Reconciliation::of(&catalog, &watch, &selection))?;
    lines.extend(found.lines());
    if !found.others.is_empty() {
        let what = found.others.explain(&settings.extensions);
        lines.push(format!("left alone: {what}"));
    }
    Ok((lines, found.outcome()))
}

impl Reconciliation {
    fn of(catalog: &Reader, watch: &Watch, selection: &Selection) -> Result<Self, Failure> {
        let mut found = Self::default();
        let mut outcome = Ok(());
        let mut compare = |_: &Path, file| {
            let (path, seen) = match file {
                Found::File(path, seen) => (path, seen),
                Found::Fault(fault) => return found.faults.push(fault),
            };
            match selection.status(catalog, &path, &seen, watch.required_model()) {
                Ok(FileStatus::Done { .. }) => found.agree += 1,
                Ok(FileStatus::New) => found.new.add(&path),
                Ok(FileStatus::Stale { reason, .. }) => match reason {
                    StaleReason::Changed => found.changed.add(&path),
                    StaleReason::Retry => found.retry.add(&path),
                    StaleReason::OtherAnswer => found.other_answer.add(&path),
                },
                Err(error) => outcome = Err(error),
            }
        };
        let others = survey(selection, &mut compare);
        survey_marked(catalog, selection, &mut compare)?;
        outcome?;
        found.others = others;
        catalog.each_path(|path| {
            if !selection.covers(path) {
                found.elsewhere += 1;
                return;
            }
            let is_there = match selection.look(path) {
                Ok(seen) => seen.is_some(),
                Err(error) if is_absence(&error) => false,
                // A mount that hangs, a folder that is forbidden: whether it is there is not known.
                Err(_) => return found.unreadable.add(path),
            };
            if let Some(folder) = selection.folder_of(path) {
                let (there, gone) = found.folders.entry(folder.path.clone()).or_default();
                *there += u64::from(is_there);
                *gone += u64::from(!is_there);
            }
            if !is_there {
                found.gone.add(path);
            }
        })?;
        for (folder, (there, gone)) in &found.folders {
            if *there == 0 {
                found.faults.push(format!(
                    "none of the {gone} files that the catalog has of '{}' exists (is it mounted?)",
                    readable(folder)
                ));
            }
        }
        Ok(found)
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "ok: {} files in the folders are in the catalog, unchanged",
            self.agree
        )];
        let mut tell = |what: &str, files: &Files| {
            if files.count == 0 {
                return;
            }
            lines.push(format!("{what}: {}", files.count));
            let named = files
                .named
                .iter()
                .map(|path| format!("  {}", readable(path)));
            lines.extend(named);
            if files.count > files.named.len() as u64 {
                lines.push("  ...".into());
            }
        };
        tell("in a folder and not in the catalog", &self.new);
        tell("changed since they were recorded", &self.changed);
        tell("queued to be read again", &self.retry);
        tell(
            "not classified by the model in use with the framing and the stretch in use",
            &self.other_answer,
        );
        tell("in the catalog and gone", &self.gone);
        tell("in the catalog and cannot be read now", &self.unreadable);
        if self.elsewhere > 0 {
            lines.push(format!(
                "in the catalog and in none of these folders: {}",
                self.elsewhere
            ));
        }
        lines.extend(self.faults.iter().cloned());
        lines
    }

    fn outcome(&self) -> Outcome {
        let unanswered = [
            &self.new,
            &self.changed,
            &self.retry,
            &self.other_answer,
            &self.unreadable,
        ];
        if unanswered.iter().any(|files| files.count > 0) || !self.faults.is_empty() {
            Outcome::SomeRejected
        } else {
            Outcome::Fine
        }
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}
