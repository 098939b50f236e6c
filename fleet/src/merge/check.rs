//! Whether every file of a plan is in its part, once. A row can't be both classified and rejected, nor a path have two rows:
//! the catalog's own constraints see to that. So it is enough to hold the paths of the manifest and of the part side by side.
//! Both are in the same order, so this takes no memory to speak of.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use galmorph_catalog::Reader;
use galmorph_output::readable;

use crate::Failure;
use crate::plan::{Item, Manifest, Plan, part_path};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Files of the plan.
    pub(crate) planned: u64,
    /// Of those, classified ones.
    pub(crate) classified: u64,
    /// Rejected ones, by reason.
    pub(crate) rejected: BTreeMap<String, u64>,
    /// Ones that could not be read.
    pub(crate) unread: u64,
    /// Ones that are nowhere.
    pub(crate) missing: u64,
    /// Shards without a part, and the number of their files.
    pub(crate) without_part: Vec<(usize, u64)>,
    /// Rows in a part that its shard doesn't have: the part is one of another plan.
    pub(crate) foreign: u64,
    /// The first of them.
    pub(crate) first_foreign: Option<String>,
}

impl Report {
    /// Whether every file of the plan is classified or rejected, and nothing else is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0 && self.foreign == 0 && self.unread == 0
    }

    /// Says it in a few lines.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let rejected: u64 = self.rejected.values().sum();
        writeln!(out, "{} files are planned", self.planned)?;
        writeln!(out, "{:>12} classified", self.classified)?;
        let reasons: Vec<String> = self
            .rejected
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        match &*reasons.join(", ") {
            "" => writeln!(out, "{rejected:>12} rejected")?,
            reasons => writeln!(out, "{rejected:>12} rejected ({reasons})")?,
        }
        writeln!(out, "{:>12} could not be read", self.unread)?;
        writeln!(out, "{:>12} missing", self.missing)?;
        for (number, files) in &self.without_part {
            writeln!(out, "shard {number} has no part ({files} files)")?;
        }
        if let Some(first) = &self.first_foreign {
            writeln!(
                out,
                "{} files in the parts are not in the plan, such as '{}'",
                self.foreign,
                galmorph_output::visible(first)
            )?;
        }
        Ok(())
    }
}

/// Compares a plan with its parts. Each file that is missing or could not be read is given to `lacking`.
pub(crate) fn check(
    folder: &Path,
    plan: &Plan,
    parts: &Path,
    mut lacking: impl FnMut(&Item) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let mut report = Report {
        planned: plan.files(),
        ..Report::default()
    };
    for number in 0..plan.shards.len() {
        let mut manifest = plan.manifest(folder, number)?;
        let path = part_path(parts, number);
        if path.exists() {
            let part = Reader::open_finished(&path)?;
            check_part(&part, &mut manifest, &mut report, &mut lacking)
                .map_err(|failure| in_part(failure, &path))?;
        } else {
            report.missing += plan.shards[number].files;
            report
                .without_part
                .push((number, plan.shards[number].files));
            while let Some(item) = manifest.next()? {
                lacking(&item)?;
            }
        }
    }
    let rejected: u64 = report.rejected.values().sum();
    let found = report.planned - report.missing - report.unread + report.foreign;
    report.classified = found
        .checked_sub(rejected)
        .ok_or_else(|| Failure::Unusable("a part has more rejected files than files".to_owned()))?;
    Ok(report)
}

fn in_part(failure: Failure, part: &Path) -> Failure {
    match failure {
        Failure::Unusable(message) => {
            Failure::Unusable(format!("part '{}': {message}", readable(part)))
        }
        other => other,
    }
}

fn check_part(
    part: &Reader,
    manifest: &mut Manifest,
    report: &mut Report,
    lacking: &mut impl FnMut(&Item) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unread: std::collections::BTreeSet<String> =
        part.unread()?.into_iter().map(|(path, _)| path).collect();
    let mut listed = manifest.next()?;
    let mut lack = |item: &Item, report: &mut Report| {
        if unread.contains(&item.path) {
            report.unread += 1;
        } else {
            report.missing += 1;
        }
        lacking(item)
    };
    part.each_path_text(|path| {
        while let Some(item) = &listed
            && *item.path < *path
        {
            lack(item, report)?;
            listed = manifest.next()?;
        }
        if listed.as_ref().is_some_and(|item| item.path == path) {
            if unread.contains(path) {
                let path = galmorph_output::visible(path);
                return Err(Failure::Unusable(format!(
                    "'{path}' has a row, and it is noted that it could not be read"
                )));
            }
            listed = manifest.next()?;
        } else {
            report.foreign += 1;
            report.first_foreign.get_or_insert_with(|| path.to_owned());
        }
        Ok::<_, Failure>(())
    })?;
    while let Some(item) = listed {
        lack(&item, report)?;
        listed = manifest.next()?;
    }
    for (reason, count) in part.rejected_by_reason()? {
        *report.rejected.entry(reason).or_default() += count;
    }
    Ok(())
}
