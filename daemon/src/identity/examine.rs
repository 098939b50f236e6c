//! What `galmorph check` says of manifests and patterns.

use std::path::Path;

use galmorph_cutout::name_and_extension;
use galmorph_output::readable;

use super::manifest::{Manifest, state};
use super::object_id;
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
    let known = |folder: &&Folder| folder.name.is_some() || !folder.manifests.is_empty();
    let selection = Selection::of(settings);
    for folder in settings.folders.iter().filter(known) {
        let manifest = read(folder, &mut sound, &mut faults);
        let (mut by_name, mut by_manifest) = (Fit::default(), Fit::default());
        survey(&selection, |within, found| {
            let Found::File(path, _) = found else { return };
            if within != folder.path || !belongs(&selection, &path, folder) {
                return;
            }
            if let Some(pattern) = &folder.name {
                by_name.add(&path, pattern.read(&object_id(&path)).is_some());
            }
            if let Some(manifest) = &manifest {
                by_manifest.add(&path, is_listed(manifest, &path));
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

fn is_listed(manifest: &Manifest, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name_and_extension(path).0.and_then(|stem| stem.to_str());
    name.zip(stem)
        .is_some_and(|(name, stem)| manifest.find(name, stem).is_some())
}
