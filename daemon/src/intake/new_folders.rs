//! Folders that have just appeared, and that no scan has seen yet.
//!
//! Each is scanned twice: at once, and again when the kernel has surely begun to report what happens in it,
//! since it may be filled in between. Two things keep a large tree that is being copied from growing this
//! list, and from being walked again and again:
//!
//! - a folder inside one that still waits for its first scan is covered by that scan and by the second
//!   one, so it has no entry of its own;
//! - beyond a bounded number, all entries are dropped and one full scan takes their place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Intake;

/// The folders that wait for their scans.
#[derive(Debug)]
pub(super) struct NewFolders {
    // In the order of their paths, so that those inside a folder follow it.
    scans: BTreeMap<PathBuf, Scans>,
    by_moment: BTreeSet<(Instant, PathBuf)>,
    capacity: usize,
}

/// When a folder is to be scanned.
#[derive(Debug, Clone, Copy)]
struct Scans {
    next: Instant,
    // The same as `next` after the first scan.
    last: Instant,
}

/// There are too many; all have been dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl NewFolders {
    /// Keeps at most `capacity` folders.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            scans: BTreeMap::new(),
            by_moment: BTreeSet::new(),
            capacity,
        }
    }

    /// Adds a folder that appeared at `now`, to be scanned at once and again after `pause`.
    pub(super) fn add(
        &mut self,
        folder: PathBuf,
        now: Instant,
        pause: Duration,
    ) -> Result<(), TooMany> {
        let last = now + pause;
        let mut above = folder.ancestors().skip(1);
        if let Some(above) = above.find(|above| self.waits_for_first_scan(above)) {
            let above = above.to_owned();
            self.scans
                .entry(above)
                .and_modify(|scans| scans.last = scans.last.max(last));
            return Ok(());
        }
        let inside = self.scans.range(folder.clone()..);
        let inside = inside.take_while(|(path, _)| path.starts_with(&folder));
        let covered: Vec<PathBuf> = inside.map(|(path, _)| path.clone()).collect();
        for path in covered {
            self.remove(&path);
        }
        self.insert(folder, Scans { next: now, last });
        if self.scans.len() > self.capacity {
            self.scans.clear();
            self.by_moment.clear();
            return Err(TooMany);
        }
        Ok(())
    }

    /// A folder that is to be scanned by `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<PathBuf> {
        let (moment, folder) = self.by_moment.first()?;
        if *moment > now {
            return None;
        }
        let folder = folder.clone();
        let Scans { next, last } = self.remove(&folder)?;
        if next < last {
            self.insert(folder.clone(), Scans { next: last, last });
        }
        Some(folder)
    }

    /// When the next folder is to be scanned.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        self.by_moment.first().map(|(moment, _)| *moment)
    }

    /// Whether no folder waits.
    pub(super) fn is_empty(&self) -> bool {
        self.scans.is_empty()
    }

    fn waits_for_first_scan(&self, folder: &Path) -> bool {
        let scans = self.scans.get(folder);
        scans.is_some_and(|scans| scans.next < scans.last)
    }

    fn insert(&mut self, folder: PathBuf, scans: Scans) {
        self.by_moment.insert((scans.next, folder.clone()));
        self.scans.insert(folder, scans);
    }

    fn remove(&mut self, folder: &Path) -> Option<Scans> {
        let scans = self.scans.remove(folder)?;
        self.by_moment.remove(&(scans.next, folder.to_owned()));
        Some(scans)
    }
}

impl Intake<'_> {
    /// Plans the scans of a folder that has just appeared.
    pub(super) fn on_new_folder(&mut self, folder: PathBuf) {
        let (now, settle) = (Instant::now(), self.options.settle);
        if self.new_folders.add(folder, now, settle) == Err(TooMany) {
            log::info!("many new folders; scanning all");
            // By then the kernel reports what happens in all of them, so that one scan is enough.
            self.scan_by(now + settle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    /// All that are due at a moment, in their order.
    fn due(folders: &mut NewFolders, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| folders.due(now))
            .map(|folder| folder.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_folder_is_scanned_at_once_and_again_later() {
        let mut folders = NewFolders::new(10);
        let start = Instant::now();
        assert_eq!((folders.next_moment(), folders.is_empty()), (None, true));
        folders.add("/in/a".into(), start, PAUSE).unwrap();
        // Told twice, it is one entry.
        folders.add("/in/a".into(), start, PAUSE).unwrap();
        assert_eq!(due(&mut folders, start), ["/in/a"]);
        assert_eq!(folders.next_moment(), Some(start + PAUSE));
        assert!(due(&mut folders, start + PAUSE / 2).is_empty());
        assert_eq!(due(&mut folders, start + PAUSE), ["/in/a"]);
        assert!(folders.is_empty() && folders.next_moment().is_none());
    }

    #[test]
    fn a_folder_inside_one_that_waits_is_covered_by_it() {
        let mut folders = NewFolders::new(10);
        let start = Instant::now();
        let later = start + PAUSE / 2;
        folders.add("/in/a/b".into(), start, PAUSE).unwrap();
        folders.add("/in/ab".into(), start, PAUSE).unwrap();
        folders.add("/in/a".into(), start, PAUSE).unwrap();
        folders.add("/in/a/c/d".into(), later, PAUSE).unwrap();
        assert_eq!(due(&mut folders, later), ["/in/a", "/in/ab"]);
        // The second scan comes late enough for the folder that appeared last.
        assert_eq!(due(&mut folders, start + PAUSE), ["/in/ab"]);
        assert_eq!(due(&mut folders, later + PAUSE), ["/in/a"]);
        assert!(folders.is_empty());
    }

    #[test]
    fn a_folder_that_appears_after_the_first_scan_of_the_one_above_has_its_own() {
        let mut folders = NewFolders::new(10);
        let start = Instant::now();
        folders.add("/in/a".into(), start, PAUSE).unwrap();
        assert_eq!(due(&mut folders, start), ["/in/a"]);
        folders.add("/in/a/b".into(), start, PAUSE).unwrap();
        assert_eq!(due(&mut folders, start), ["/in/a/b"]);
    }

    #[test]
    fn too_many_folders_are_dropped_together() {
        let mut folders = NewFolders::new(2);
        let start = Instant::now();
        folders.add("/in/a".into(), start, PAUSE).unwrap();
        folders.add("/in/b".into(), start, PAUSE).unwrap();
        folders.add("/in/b/c".into(), start, PAUSE).unwrap();
        let outcome = folders.add("/in/c".into(), start, PAUSE);
        assert_eq!(outcome, Err(TooMany));
        assert!(folders.is_empty() && folders.next_moment().is_none());
        assert_eq!(folders.add("/in/a".into(), start, PAUSE), Ok(()));
    }
}
