//! Thumbnails on the disk, within a bound.
//!
//! A thumbnail has the name of its tag, so one that is there is right. What is not there can be drawn again, so nothing
//! here is a fault.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

/// The ending of a thumbnail's file.
const ENDING: &str = "thumb";

pub(crate) struct Cache {
    folder: Option<PathBuf>,
    most: u64,
    /// The bytes of all thumbnails there.
    size: Mutex<u64>,
}

impl Cache {
    /// Thumbnails in a folder, which is made if it isn't there; without one, nothing is kept.
    pub(crate) fn new(folder: Option<&Path>, most: u64) -> Self {
        let folder = folder.filter(|folder| {
            let made = fs::create_dir_all(folder);
            if let Err(error) = &made {
                let folder = galmorph_output::readable(folder);
                log::warn!("thumbnails are not kept: cannot use '{folder}': {error}");
            }
            made.is_ok()
        });
        let cache = Self {
            folder: folder.map(Path::to_owned),
            most,
            size: Mutex::new(0),
        };
        cache.tidy(most);
        cache
    }

    /// A thumbnail, if it is there.
    pub(crate) fn get(&self, tag: &str) -> Option<Vec<u8>> {
        fs::read(self.place(tag)?).ok()
    }

    /// Keeps a thumbnail.
    pub(crate) fn put(&self, tag: &str, bytes: &[u8]) {
        let (Some(folder), Some(place)) = (&self.folder, self.place(tag)) else {
            return;
        };
        let write = || {
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(bytes)?;
            file.persist(&place).map_err(|error| error.error)
        };
        match write() {
            Ok(_) => {
                let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
                *size += bytes.len() as u64;
                let is_full = *size > self.most;
                drop(size);
                if is_full {
                    // A tenth of it free, so that not every thumbnail has the folder read.
                    self.tidy(self.most / 10 * 9);
                }
            }
            Err(error) => log::debug!("a thumbnail is not kept: {error}"),
        }
    }

    fn place(&self, tag: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(tag).with_extension(ENDING))
    }

    /// Takes away the oldest thumbnails, down to `most` bytes, and what a kill has left.
    fn tidy(&self, most: u64) {
        let Some(folder) = &self.folder else { return };
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
                && is_ours
            {
                files.push((metadata.modified().ok(), metadata.len(), path));
            }
        }
        *size = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        for (_, bytes, path) in files {
            if *size <= most {
                break;
            }
            if fs::remove_file(path).is_ok() {
                *size -= bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_stay_within_their_bound_and_the_oldest_go() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("of-another.txt"), [0; 5000]).unwrap();
        let cache = Cache::new(Some(folder.path()), 1000);
        for number in 0..30 {
            cache.put(&format!("{number:032}"), &[number; 100]);
        }
        let kept: u64 = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap())
            .filter(|file| file.path().extension().unwrap() == ENDING)
            .map(|file| file.metadata().unwrap().len())
            .sum();
        assert!((500..=1000).contains(&kept), "{kept}");
        assert_eq!(cache.get(&format!("{:032}", 29)), Some(vec![29; 100]));
        assert_eq!(cache.get(&format!("{:032}", 0)), None);
        assert!(folder.path().join("of-another.txt").exists());
        // The next start counts what is there.
        assert_eq!(
            *Cache::new(Some(folder.path()), 1000).size.lock().unwrap(),
            kept
        );
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let cache = Cache::new(None, 1000);
        cache.put("a", b"b");
        assert_eq!(cache.get("a"), None);
    }
}
