//! What the intake takes, and when it ends.

use std::path::PathBuf;
use std::time::Duration;

use super::Selection;
use crate::config::{Order, WatchSettings};
use galmorph_catalog::wake_file;

/// What to take, and when to end.
#[derive(Debug, Clone)]
pub(crate) struct IntakeOptions {
    /// The folders and the names.
    pub(crate) selection: Selection,
    /// How long a file must stay unchanged before it is taken.
    pub(crate) settle: Duration,
    /// How long a set of files waits for those that are missing.
    pub(crate) band_wait: Duration,
    /// The pause between two full scans, at least.
    pub(crate) rescan_interval: Duration,
    /// Which files of a backlog go first.
    pub(crate) order: Order,
    /// Scans only, without notifications.
    pub(crate) poll: bool,
    /// End when everything that the first scan found is done.
    pub(crate) drain: bool,
    /// The file that `galmorph retry` writes to when it has marked files.
    pub(crate) wake_file: PathBuf,
}

impl IntakeOptions {
    /// What the settings say.
    pub(crate) fn new(settings: &WatchSettings, drain: bool) -> Self {
        let wake_file = wake_file(&settings.catalog);
        Self {
            selection: Selection::of(settings),
            settle: settings.settle,
            band_wait: settings.band_wait,
            rescan_interval: settings.rescan_interval,
            order: settings.order,
            poll: settings.poll,
            drain,
            // The kernel calls it by its true name. The lock keeps the file there; if it is gone all the
            // same, no notification will come of either name, and the next scan finds what was marked.
            wake_file: wake_file.canonicalize().unwrap_or(wake_file),
        }
    }
}
