//! Which object each file shows, and where on the sky: what manifests and the names of files say of it. What the content
//! says comes last, and is read where the content is.
//!
//! A manifest may come after the images, or be replaced. It is looked at before each scan. When it has changed, the
//! recorder brings the rows of its folder up to date, some at a time, and nothing is classified for it.
//!
//! | file | |
//! |---|---|
//! | `manifest` | reads tables |
//! | `sky` | positions in tables |
//! | `sweep` | what becomes of the rows |
//! | `examine` | what `galmorph check` says of it |

mod examine;
mod manifest;
pub(crate) mod sky;
mod sweep;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use galmorph_cutout::{Identity, NamePattern, PositionSource, name_and_extension};
use galmorph_output::readable;

use crate::config::{Folder, ManifestSettings};
use crate::intake::Selection;
use crate::shutdown::Shutdown;
pub(crate) use examine::examine;
pub(crate) use galmorph_catalog::object_id;
use manifest::{FileState, Listed, Manifest, state, unsettled};
pub(crate) use sweep::Sweep;

/// How long a start waits at most for a manifest that is being written.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is known of the objects in the watched folders.
pub(crate) struct Identities {
    selection: Selection,
    folders: Vec<Sources>,
}

/// What a folder's settings say of its objects.
struct Sources {
    folder: PathBuf,
    pattern: Option<NamePattern>,
    settings: Vec<ManifestSettings>,
    loaded: RwLock<Loaded>,
    /// How many files were not named like the pattern.
    unmatched: AtomicU64,
}

/// What was read of a folder's manifests.
#[derive(Default, Clone)]
struct Loaded {
    /// `None` until all of them were there and without a fault.
    manifest: Option<Arc<Manifest>>,
    /// How they were when they were last read, or tried; `None` before that.
    states: Option<Vec<Option<FileState>>>,
}

impl Identities {
    /// Those of the folders of a selection. No manifest is read yet.
    pub(crate) fn new(selection: Selection) -> Self {
        let sources = |folder: &Folder| Sources {
            folder: folder.path.clone(),
            pattern: folder.name.clone(),
            settings: folder.manifests.clone(),
            loaded: RwLock::default(),
            unmatched: AtomicU64::new(0),
        };
        Self {
            folders: selection.folders().iter().map(sources).collect(),
            selection,
        }
    }

    /// What is known of the object that a file shows, besides what its content says. `has_row` says whether the catalog has
    /// a file of a name.
    pub(crate) fn of(&self, path: &Path, has_row: impl Fn(&Path) -> bool) -> Identity {
        let set = self.selection.set_of(path);
        let (named, of_set) = match set {
            // Its names are those from before they got a number.
            Some(set) => {
                let named = set.names.iter().map(|name| path.with_file_name(name));
                (named.collect(), Some(set.identity))
            }
            None => (vec![self.original(path, has_row)], None),
        };
        let stem = object_id(&named[0]);
        let Some(sources) = self.sources_of(path) else {
            return Identity::named(stem);
        };
        let pattern = sources.pattern.as_ref();
        let of_name = of_set.or_else(|| pattern.and_then(|pattern| pattern.read(&stem)));
        let mut identity = of_name.unwrap_or_else(|| Identity::named(stem));
        if let Some(manifest) = sources.loaded().manifest
            && let Some(listed) = listed(&manifest, &named, &identity.object_id)
        {
            if let Some(id) = &listed.object_id {
                identity.object_id = id.to_string();
            }
            let position = listed.position.map(|at| (at, PositionSource::Manifest));
            identity.position = position.or(identity.position);
            identity.radius = listed.radius;
        }
        identity
    }

    /// Counts a file that is not named like its folder's pattern, and says so of the first one, the tenth, and so on.
    pub(crate) fn note_name(&self, path: &Path) {
        let Some(sources) = self.sources_of(path) else {
            return;
        };
        let sets = (self.selection.folder_of(path)).and_then(|folder| folder.band_files.as_ref());
        let (is_named, pattern, outcome) = match (sets, &sources.pattern) {
            (Some(sets), _) => (
                self.selection.set_of(path).is_some(),
                sets.to_string(),
                "are images by themselves",
            ),
            (None, Some(pattern)) => (
                pattern.read(&object_id(path)).is_some(),
                pattern.to_string(),
                "get no position from their names",
            ),
            (None, None) => return,
        };
        if is_named || self.selection.is_relocated(path) {
            return;
        }
        let count = sources.unmatched.fetch_add(1, Ordering::Relaxed) + 1;
        if 10_u64.pow(count.ilog10()) == count {
            log::warn!(
                "{count} files of '{}' are not named like '{pattern}' and {outcome}, such as '{}'",
                readable(&sources.folder),
                readable(path)
            );
        }
    }

    /// Reads the manifests that have changed since they were last read. Returns the folders of which something else may
    /// be known now. Those that are being written are left for the next time, unless it is the `first` one:
    /// then they are waited for, as long as files have to settle, and a few seconds at most.
    pub(crate) fn refresh(&self, first: bool, settle: Duration, stop: &Shutdown) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for sources in &self.folders {
            if sources.settings.is_empty() {
                if first {
                    changed.push(sources.folder.clone());
                }
                continue;
            }
            if first {
                sources.wait(settle, stop);
            }
            if sources.refresh(first, settle) {
                changed.push(sources.folder.clone());
            }
        }
        changed
    }

    fn sources_of(&self, path: &Path) -> Option<&Sources> {
        let folder = self.selection.folder_of(path)?;
        let mut folders = self.folders.iter();
        folders.find(|sources| sources.folder == folder.path)
    }

    /// The path of a file as it was before it got a number, because there was one of its name where it was moved to. So
    /// `a.1.jpg` is no object `a.1`, and no declination gets a decimal.
    fn original(&self, path: &Path, has_row: impl Fn(&Path) -> bool) -> PathBuf {
        let unnumbered = || {
            if !self.selection.is_relocated(path) {
                return None;
            }
            let (stem, extension) = (path.file_stem()?.to_str()?, path.extension());
            let (name, number) = stem.rsplit_once('.')?;
            let is_number = number.parse::<u32>().is_ok_and(|n| n.to_string() == number);
            let mut name = name.to_owned();
            if let Some(extension) = extension {
                name.push('.');
                name.push_str(extension.to_str()?);
            }
            let original = path.with_file_name(name);
            (is_number && has_row(&original)).then_some(original)
        };
        unnumbered().unwrap_or_else(|| path.to_owned())
    }
}

impl Sources {
    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.read();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether everything is there that is to be known.
    fn is_ready(&self) -> bool {
        self.settings.is_empty() || self.loaded().manifest.is_some()
    }

    /// Waits until no manifest is being written, but no longer than `settle`.
    fn wait(&self, settle: Duration, stop: &Shutdown) {
        let paths = self.settings.iter().map(|manifest| &manifest.path);
        let longest = paths.filter_map(|path| unsettled(path, settle)).max();
        if let Some(rest) = longest
            && !stop.requested()
        {
            thread::sleep(rest.min(LONGEST_WAIT));
        }
    }

    /// Reads the manifests again if one of them has changed. Returns whether other ones are known now.
    fn refresh(&self, first: bool, settle: Duration) -> bool {
        let folder = readable(&self.folder);
        let mut states = Vec::new();
        for manifest in &self.settings {
            match state(&manifest.path) {
                Ok(state) => states.push(state),
                Err(error) => {
                    log::warn!(
                        "cannot read manifest '{}': {error}",
                        readable(&manifest.path)
                    );
                    return false;
                }
            }
        }
        let before = self.loaded();
        if before.states.as_ref() == Some(&states) {
            return false;
        }
        let is_written = |manifest: &ManifestSettings| unsettled(&manifest.path, settle).is_some();
        if !first && self.settings.iter().any(is_written) {
            return false;
        }
        let mut manifest = before.manifest.clone();
        let mut is_new = false;
        let missing = states.iter().position(Option::is_none);
        if let Some(missing) = missing {
            let name = readable(&self.settings[missing].path);
            if manifest.is_some() {
                log::warn!("manifest '{name}' of '{folder}' is gone; what it said stays");
            } else {
                log::info!("manifest '{name}' of '{folder}' is not there yet");
            }
        } else {
            match Manifest::read(&self.settings) {
                Ok(read) => {
                    let without = match read.without_radius {
                        0 => String::new(),
                        count => format!(", {count} of them with a radius that is none"),
                    };
                    log::info!("manifest of '{folder}': {} files{without}", read.len());
                    manifest = Some(Arc::new(read));
                    is_new = true;
                }
                Err(fault) => {
                    let kept = if manifest.is_some() {
                        "; the earlier one stays in use"
                    } else {
                        "; nothing of it is used"
                    };
                    log::error!("{fault}{kept}");
                }
            }
        }
        let is_the_same = (self.settings.iter().zip(&states))
            .all(|(manifest, before)| state(&manifest.path).is_ok_and(|now| now == *before));
        if !is_the_same {
            // It was written while it was read: the next scan reads it again, and then to its end.
            return false;
        }
        let states = Some(states);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        *loaded = Loaded { manifest, states };
        is_new
    }
}

/// What a manifest says of an image whose files have, or had, these names; a manifest that lists objects says it by
/// their id.
fn listed<'a>(manifest: &'a Manifest, files: &[PathBuf], object_id: &str) -> Option<&'a Listed> {
    let of_file = |file: &PathBuf| {
        let name = file.file_name()?.to_str()?;
        manifest.find(name, name_and_extension(file).0?.to_str()?)
    };
    let by_file = files.iter().find_map(of_file);
    by_file.or_else(|| (files.len() > 1).then(|| manifest.find(object_id, object_id))?)
}

#[cfg(test)]
mod tests;
