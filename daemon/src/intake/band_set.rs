//! Images of which each band lies in a file of its own.
//!
//! Their names say which files belong together (`band_files`). To the rest of the program such a set is one
//! file (see [`BandSet`]): whatever becomes of one of its files, something becomes of the set.
//!
//! A set is read when all its files are there and have settled; or when some are missing and nothing came for
//! `band_wait_seconds`. That is measured by the times of the files, and nothing is remembered: a daemon that was killed
//! goes on waiting where it was.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use galmorph_catalog::BandSet;

use super::Selection;
use crate::file::Seen;

impl Selection {
    /// The set that a file belongs to, if its folder has sets. Only the path is looked at.
    pub(crate) fn set_of(&self, path: &Path) -> Option<BandSet> {
        let folder = self.folder_of(path)?;
        BandSet::of(folder.band_files.as_ref()?, path, folder.is_relocated(path))
    }

    /// The path by which the image of a file is known: its own, or that of its set.
    pub(crate) fn image_of(&self, path: &Path) -> PathBuf {
        let set = self.set_of(path);
        set.map_or_else(|| path.to_owned(), |set| set.path().to_owned())
    }

    /// The places of all files of an image, the one by which it is known first.
    pub(crate) fn files_of(&self, path: &Path) -> Vec<PathBuf> {
        match self.set_of(path) {
            Some(set) => set.paths().map(Path::to_owned).collect(),
            None => vec![path.to_owned()],
        }
    }

    /// Whether an earlier file of its set is there, which stands for the set where files are listed.
    pub(super) fn is_later_of_set(&self, path: &Path) -> bool {
        let Some(set) = self.set_of(path) else {
            return false;
        };
        let earlier = set.paths().take_while(|file| *file != path);
        let earlier = earlier.filter(|file| self.takes(file));
        let mut is_there = earlier.map(|file| self.look_at_file(file));
        is_there.any(|file| matches!(file, Ok(Some(_))))
    }

    /// What is there of a set. Only absence is none: what can't be looked at now is an error.
    pub(super) fn look_at_set(&self, set: &BandSet) -> io::Result<Option<Seen>> {
        let look = |path: &Path| match self.look_at_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other,
        };
        let files = set.paths().map(look);
        let files = files.collect::<io::Result<Vec<Option<Metadata>>>>()?;
        let seen = Seen::of_all(&files);
        if seen.is_none() {
            // Something else may have taken their place.
            self.look_at_file(set.path())?;
        }
        Ok(seen)
    }
}
