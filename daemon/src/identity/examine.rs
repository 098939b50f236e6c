//! What `galmorph check` says of manifests and patterns.

use std::path::Path;

use galmorph_output::readable;

use super::manifest::{Manifest, state};
use super::{listed, object_id};
use crate::config::{Folder, WatchSettings};
use crate::intake::{Found, Selection, survey};

/// How many files are named that a setting doesn't fit.
const NAMED: usize = 3;

/// How many files of a folder a source says something of, and some of the others.
#[derive(Default)]
struct Fit {
    fitting: u64,
    others: u64,
    named: Vec<String>,
}

impl Fit {
    fn add(&mut self, path: &Path, fits: bool) {
        if fits {
            self.fitting += 1;
            return;
        }
        self.others += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("'{}'", readable(path)));
        }
    }

    fn words(&self, what: &str) -> String {
        let all = self.fitting + self.others;
        let mut text = format!("{} of {all} files {what}", self.fitting);
        if self.others > 0 {
            text = format!("{text}, not {}", self.named.join(", "));
            if self.others > self.named.len() as u64 {
                text.push_str("...");
            }
        }
        text
    }
}

/// Looks at what the settings say of objects, and at the files. Returns what is well, and what is wrong.
pub(crate) fn examine(settings: &WatchSettings) -> (Vec<String>, Vec<String>) {
    let (mut sound, mut faults) = (Vec::new(), Vec::new());
    let known = |folder: &&Folder| {
        folder.name.is_some() || folder.band_files.is_some() || !folder.manifests.is_empty()
    };
    let selection = Selection::of(settings);
    for folder in settings.folders.iter().filter(known) {
        let manifest = read(folder, &mut sound, &mut faults);
        let (mut by_name, mut by_manifest) = (Fit::default(), Fit::default());
        let (mut in_sets, mut whole) = (Fit::default(), Fit::default());
        survey(&selection, |within, found| {
            let Found::File(path, seen) = found else {
                return;
            };
            if within != folder.path || !belongs(&selection, &path, folder) {
                return;
            }
            if let Some(pattern) = &folder.name {
                by_name.add(&path, pattern.read(&object_id(&path)).is_some());
            }
            let set = selection.set_of(&path);
            if folder.band_files.is_some() {
                in_sets.add(&path, set.is_some());
            }
            if set.is_some() {
                whole.add(&path, seen.is_whole);
            }
            if let Some(manifest) = &manifest {
                let files = selection.files_of(&path);
                let id = set.map_or_else(|| object_id(&path), |set| set.identity.object_id);
                by_manifest.add(&path, listed(manifest, &files, &id).is_some());
            }
        });
        let place = readable(&folder.path);
        let mut tell = |source: String, fit: &Fit, what: &str| {
            let text = format!("{source} of '{place}': {}", fit.words(what));
            if fit.fitting == 0 && fit.others > 0 {
                faults.push(text);
            } else {
                sound.push(format!("ok: {text}"));
            }
        };
        if let Some(pattern) = &folder.name {
            let source = format!("name '{pattern}'");
            tell(source, &by_name, "are named like this");
        }
        if let Some(files) = &folder.band_files {
            let source = format!("band_files '{files}'");
            tell(
                source.clone(),
                &in_sets,
                "are named like this, counted by image",
            );
            if whole.fitting + whole.others > 0 {
                tell(source, &whole, "have all bands");
            }
        }
        if manifest.is_some() {
            tell("manifest".into(), &by_manifest, "are in it");
        }
    }
    (sound, faults)
}

fn read(folder: &Folder, sound: &mut Vec<String>, faults: &mut Vec<String>) -> Option<Manifest> {
    if folder.manifests.is_empty() {
        return None;
    }
    let mut is_missing = false;
    for manifest in &folder.manifests {
        let name = readable(&manifest.path);
        match state(&manifest.path) {
            Ok(Some(_)) => {}
            Ok(None) => {
                is_missing = true;
                sound.push(format!(
                    "manifest '{name}' is not there (it may still come)"
                ));
            }
            Err(error) => {
                is_missing = true;
                faults.push(format!("cannot read manifest '{name}': {error}"));
            }
        }
    }
    if is_missing {
        return None;
    }
    Manifest::read(&folder.manifests)
        .map_err(|fault| faults.push(fault))
        .ok()
}

fn belongs(selection: &Selection, path: &Path, folder: &Folder) -> bool {
    let inner = selection.folder_of(path);
    inner.is_some_and(|inner| inner.path == folder.path)
}
