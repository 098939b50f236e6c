//! `galmorph status`: what the daemon does, seen from outside, whether it runs or not.
//!
//! Everything is read from the catalog and the folders; the daemon is not asked. So the status is the same
//! after a kill, and a file counts as waiting exactly if the daemon's next scan would take it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Outcome;
use super::args::CatalogArguments;
use super::nights::{self, NightStatus};
use crate::failure::Failure;
use crate::intake::{Found, OtherFiles, Selection, survey, survey_marked};
use galmorph_catalog::time;
use galmorph_catalog::{FileStatus, Reader, Watch, in_use, sizes};
use galmorph_output::{path_text, readable, visible};

/// Says what the JSON means: a later version only adds fields, or counts on.
const FORMAT: u32 = 1;

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    catalog: CatalogArguments,

    /// Output format
    #[arg(long, value_enum, default_value_t = StatusFormat::Table)]
    format: StatusFormat,
}

/// The format of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusFormat {
    /// human-readable lines
    Table,
    /// one JSON object
    Json,
}

/// The fields of the JSON, described in docs/operations.md. Sizes in bytes, times ISO 8601 in UTC,
/// rates in answers per second, paths as the catalog writes them.
#[derive(Debug, Serialize)]
struct Status {
    format: u32,
    catalog: String,
    running: Option<bool>,
    model: Model,
    folders: Vec<Folder>,
    files: Files,
    rejected: BTreeMap<String, u64>,
    oldest_waiting: Option<Oldest>,
    other_files: BTreeMap<String, u64>,
    rate: Rate,
    database_bytes: u64,
    wal_bytes: u64,
    last_error: Option<LastError>,
    nights: Vec<NightStatus>,
    // For people, what `other_files` says.
    #[serde(skip)]
    left_alone: Option<String>,
}

#[derive(Debug, Serialize)]
struct Model {
    name: String,
    digest: String,
    arithmetic: Option<String>,
}

#[derive(Debug, Serialize)]
struct Folder {
    path: String,
    waiting: u64,
    fault: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Files {
    seen: u64,
    classified: u64,
    rejected: u64,
    waiting: u64,
}

#[derive(Debug, Serialize)]
struct Oldest {
    path: String,
    since: String,
}

#[derive(Debug, Serialize)]
struct Rate {
    minute: f64,
    five_minutes: f64,
    hour: f64,
}

#[derive(Debug, Serialize)]
struct LastError {
    message: String,
    at: String,
}

impl StatusArguments {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let status = Status::of(&self.catalog.path()?)?;
        let text = match self.format {
            StatusFormat::Table => status.table(),
            StatusFormat::Json => {
                serde_json::to_string(&status).map_err(|error| Failure::Output(error.into()))?
                    + "\n"
            }
        };
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::Output)?;
        Ok(Outcome::Fine)
    }
}

impl Status {
    fn of(path: &Path) -> Result<Self, Failure> {
        // Before there is a connection to it.
        let running = in_use(path).ok();
        let catalog = Reader::open_current(path)?;
        catalog.at_one_moment(|| {
            let Some(watch) = catalog.watch()? else {
                return Err(Failure::Unusable(
                    format!(
                        "catalog '{}' does not say what is watched (start galmorph watch once)",
                        readable(path)
                    )
                    .into(),
                ));
            };
            let rows = catalog.rows()?;
            let waiting = Waiting::look(&catalog, path, &watch)?;
            let (name, digest, arithmetic) = catalog.model(watch.model)?;
            let rate = |minutes| catalog.rate(Duration::from_mins(minutes));
            let (database_bytes, wal_bytes) = sizes(path)?;
            Ok(Self {
                format: FORMAT,
                catalog: path_text(&path.canonicalize().unwrap_or_else(|_| path.to_owned())),
                running,
                model: Model {
                    name,
                    digest,
                    arithmetic,
                },
                files: Files {
                    seen: rows.classified + rows.rejected + waiting.new,
                    classified: rows.classified - waiting.classified,
                    rejected: rows.rejected - waiting.rejected,
                    waiting: waiting.new + waiting.classified + waiting.rejected,
                },
                folders: waiting.folders,
                left_alone: (!waiting.others.is_empty())
                    .then(|| waiting.others.explain(&watch.watched.extensions)),
                other_files: waiting.others.by_extension().clone(),
                rejected: rows.by_reason,
                oldest_waiting: waiting.oldest.map(|(since, path)| Oldest {
                    path: path_text(&path),
                    since: time::to_millisecond(time::nearest(since)),
                }),
                rate: Rate {
                    minute: rate(1)?,
                    five_minutes: rate(5)?,
                    hour: rate(60)?,
                },
                database_bytes,
                wal_bytes,
                last_error: watch.error.map(|error| LastError {
                    message: error.message,
                    at: time::to_millisecond(error.at),
                }),
                nights: (catalog.last_nights()?.into_iter())
                    .map(NightStatus::from)
                    .collect(),
            })
        })
    }

    fn table(&self) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        let running = match self.running {
            Some(true) => "running",
            Some(false) => "not running",
            None => "unknown (the lock file can't be read)",
        };
        lines.push(("galmorph watch", running.into()));
        let arithmetic = self.model.arithmetic.as_ref();
        let arithmetic = arithmetic.map_or_else(String::new, |name| format!(" ({name})"));
        lines.push(("model", format!("{}{arithmetic}", self.model.name)));
        lines.push((
            "catalog",
            format!(
                "{} ({} bytes, write-ahead log {} bytes)",
                self.catalog, self.database_bytes, self.wal_bytes
            ),
        ));
        for folder in &self.folders {
            let fault = folder.fault.as_ref();
            let fault = fault.map_or_else(String::new, |fault| format!("; {fault}"));
            lines.push((
                "folder",
                format!("{} ({} waiting{fault})", folder.path, folder.waiting),
            ));
        }
        let files = &self.files;
        lines.push((
            "files",
            format!(
                "{} seen = {} classified + {} rejected + {} waiting",
                files.seen, files.classified, files.rejected, files.waiting
            ),
        ));
        for (reason, count) in &self.rejected {
            lines.push(("rejected", format!("{count} {reason}")));
        }
        if let Some(files) = &self.left_alone {
            lines.push(("left alone", files.clone()));
        }
        if let Some(oldest) = &self.oldest_waiting {
            lines.push((
                "oldest waiting",
                format!("{} since {}", oldest.path, oldest.since),
            ));
        }
        lines.push((
            "answers/s",
            format!(
                "{:.1} in the last minute, {:.1} in 5 minutes, {:.1} in 60 minutes",
                self.rate.minute, self.rate.five_minutes, self.rate.hour
            ),
        ));
        if let Some(camera) = nights::in_words(&self.nights) {
            lines.push(("camera", camera));
        }
        let error = self.last_error.as_ref();
        lines.push((
            "last error",
            error.map_or_else(
                || "none".into(),
                |error| format!("{} {}", error.at, error.message),
            ),
        ));
        let mut text = String::new();
        for (name, value) in lines {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name:<16}{}", visible(&value));
        }
        text
    }
}

/// The files that the next scan would take.
#[derive(Debug)]
struct Waiting {
    /// Those without a row.
    new: u64,
    /// Those with a row that says classified, of an earlier content or by another model.
    classified: u64,
    /// Those with a row that says rejected.
    rejected: u64,
    folders: Vec<Folder>,
    oldest: Option<(SystemTime, PathBuf)>,
    /// Files of other kinds, which no scan takes.
    others: OtherFiles,
}

impl Waiting {
    fn look(catalog: &Reader, path: &Path, watch: &Watch) -> Result<Self, Failure> {
        let folders = &watch.watched.folders;
        let mut waiting = Self {
            new: 0,
            classified: 0,
            rejected: 0,
            folders: Vec::new(),
            oldest: None,
            others: OtherFiles::default(),
        };
        let mut by_folder: BTreeMap<PathBuf, (u64, Option<String>)> = BTreeMap::new();
        let mut outcome = Ok(());
        let selection = Selection::of_watched(&watch.watched, path);
        let mut count_one = |folder: &Path, found| {
            let (count, first_fault) = by_folder.entry(folder.to_owned()).or_default();
            let (path, seen) = match found {
                Found::File(path, seen) => (path, seen),
                Found::Fault(fault) => {
                    first_fault.get_or_insert(fault);
                    return;
                }
            };
            match selection.status(catalog, &path, &seen, watch.required_model()) {
                Ok(FileStatus::Done { .. }) => return,
                Ok(FileStatus::New) => waiting.new += 1,
                Ok(FileStatus::Stale { rejected: true, .. }) => waiting.rejected += 1,
                Ok(FileStatus::Stale { .. }) => waiting.classified += 1,
                Err(error) => {
                    outcome = Err(error);
                    return;
                }
            }
            *count += 1;
            let since = seen.changed;
            if waiting
                .oldest
                .as_ref()
                .is_none_or(|(oldest, _)| since < *oldest)
            {
                waiting.oldest = Some((since, path));
            }
        };
        let others = survey(&selection, &mut count_one);
        survey_marked(catalog, &selection, &mut count_one)?;
        outcome?;
        waiting.others = others;
        waiting.folders = folders
            .iter()
            .map(|folder| {
                let (waiting, fault) = by_folder.remove(&folder.path).unwrap_or_default();
                Folder {
                    path: path_text(&folder.path),
                    waiting,
                    fault,
                }
            })
            .collect();
        Ok(waiting)
    }
}
