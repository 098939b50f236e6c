//! The walk through the folders.
//!
//! It walks the folders as a stream: no listing of a tree is ever held, so a million files cost no more
//! memory than ten. Links to folders are not followed, so a scan ends and never leaves its folders.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use galmorph_catalog::{CatalogError, Reader};
use galmorph_output::readable;
use walkdir::{DirEntry, WalkDir};

use super::other_files::OtherFiles;
use super::selection::Selection;
use crate::file::Seen;

/// How many marked files are read from the catalog at once.
pub(super) const MARKED_STEP: u32 = 256;

/// Calls `each` with everything that a scan of the folders finds, and the folder it is in. Returns the
/// number of files of other kinds. A file that lies in several of the folders is given, or counted, once.
pub(crate) fn survey(selection: &Selection, mut each: impl FnMut(&Path, Found)) -> OtherFiles {
    let mut others = OtherFiles::default();
    for (position, folder) in selection.folders().iter().enumerate() {
        let earlier = selection.of_the_first(position);
        let mut scan = Scan::new([folder.path.clone()]);
        while let Some(found) = scan.next(selection) {
            match &found {
                Found::File(path, _) if earlier.takes(path) => {}
                _ => each(&folder.path, found),
            }
        }
        if earlier
            .folders()
            .iter()
            .all(|other| other.path != folder.path)
        {
            others.merge(&scan.others);
        }
    }
    others
}

/// Calls `each` with the files that are to be tried again where they were moved to, and the folder that moved
/// them. No walk through the folders finds those.
pub(crate) fn survey_marked(
    catalog: &Reader,
    selection: &Selection,
    mut each: impl FnMut(&Path, Found),
) -> Result<(), CatalogError> {
    let mut last = PathBuf::new();
    loop {
        let marked = catalog.marked(&last, MARKED_STEP)?;
        let Some(end) = marked.last() else {
            return Ok(());
        };
        last.clone_from(end);
        for path in marked {
            if let Some(folder) = selection.folder_of(&path)
                && selection.is_relocated(&path)
                && let Ok(Some(seen)) = selection.look(&path)
            {
                each(&folder.path, Found::File(path, seen));
            }
        }
    }
}

type Walk = Box<dyn Iterator<Item = walkdir::Result<DirEntry>> + Send>;

/// A walk through some folders, one file at a time.
pub(super) struct Scan {
    waiting: VecDeque<PathBuf>,
    current: Option<(PathBuf, Walk)>,
    others: OtherFiles,
}

/// What a scan finds.
pub(crate) enum Found {
    /// A regular file, or a link that counts as one; or a set of files.
    File(PathBuf, Seen),
    /// What can't be looked at, and why, in one line.
    Fault(String),
}

impl Scan {
    /// Begins a walk; no folder is opened before it is needed.
    pub(super) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            waiting: folders.into_iter().collect(),
            current: None,
            others: OtherFiles::default(),
        }
    }

    /// The files of other kinds that it found so far, if it walks through watched folders.
    pub(super) fn others(&self) -> &OtherFiles {
        &self.others
    }

    /// The next file or fault; `None` when the walk has ended.
    pub(super) fn next(&mut self, selection: &Selection) -> Option<Found> {
        loop {
            let Some((folder, walk)) = &mut self.current else {
                let folder = self.waiting.pop_front()?;
                self.current = Some((folder.clone(), walk(folder, selection.clone())));
                continue;
            };
            match walk.next() {
                None => self.current = None,
                Some(Ok(entry)) if entry.file_type().is_dir() => {}
                Some(Ok(entry)) if !selection.takes(entry.path()) => {
                    if entry.file_type().is_file()
                        && selection.is_of_another_kind(entry.path(), folder)
                    {
                        self.others.add(entry.path());
                    }
                }
                Some(Ok(entry)) if selection.is_later_of_set(entry.path()) => {}
                Some(Ok(entry)) => match selection.look(entry.path()) {
                    Ok(Some(seen)) => {
                        return Some(Found::File(selection.image_of(entry.path()), seen));
                    }
                    Ok(None) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => {
                        let path = readable(entry.path());
                        return Some(Found::Fault(format!("cannot scan '{path}': {error}")));
                    }
                },
                // Files may vanish during the walk. Only the folder itself must be there.
                Some(Err(error)) if error.depth() > 0 && is_absence(&error) => {}
                Some(Err(error)) => return Some(Found::Fault(describe(&error))),
            }
        }
    }
}

fn walk(folder: PathBuf, selection: Selection) -> Walk {
    let visible =
        move |entry: &DirEntry| entry.depth() == 0 || !selection.is_left_alone(entry.file_name());
    Box::new(WalkDir::new(folder).into_iter().filter_entry(visible))
}

fn is_absence(error: &walkdir::Error) -> bool {
    error
        .io_error()
        .is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn describe(error: &walkdir::Error) -> String {
    let path = readable(error.path().unwrap_or(Path::new("?")));
    match error.io_error() {
        Some(io) => format!("cannot scan '{path}': {io}"),
        None => format!("cannot scan '{path}': {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{After, Folder};
    use std::fs;

    fn selection(folder: &Path) -> Selection {
        let extensions = ["jpg", "png"].map(String::from).to_vec();
        Selection::new(vec![folder.to_owned().into()], extensions)
    }

    #[test]
    fn a_scan_finds_files_in_sub_folders_and_follows_no_links() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join(".trash")).unwrap();
        for name in ["1.jpg", "a/2.png", "a/b/3.jpg", ".trash/4.jpg", "5.txt"] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        std::os::unix::fs::symlink(root.join("1.jpg"), root.join("6.jpg")).unwrap();
        let mut scan = Scan::new([root.to_owned()]);
        let mut names = Vec::new();
        while let Some(found) = scan.next(&selection(root)) {
            match found {
                Found::File(path, _) => {
                    names.push(
                        path.strip_prefix(root)
                            .unwrap()
                            .to_str()
                            .unwrap()
                            .to_owned(),
                    );
                }
                Found::Fault(fault) => panic!("{fault}"),
            }
        }
        names.sort();
        assert_eq!(names, ["1.jpg", "a/2.png", "a/b/3.jpg"]);
        assert_eq!(scan.others().to_string(), "1 .txt");
    }

    #[test]
    fn files_of_other_kinds_are_counted_once_and_only_where_we_look() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("below/done")).unwrap();
        fs::create_dir_all(root.join(".trash")).unwrap();
        for name in [
            "1.jpg",
            "2.FITS",
            "below/3.fits",
            "below/done/4.fits",
            ".trash/5.fits",
            ".6.fits",
            "7.fits.part",
            "8.tmp",
            "c.sqlite",
            "c.sqlite-wal",
            "c.sqlite.lock",
            "README",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(root.join("2.FITS"), root.join("9.fits")).unwrap();
        let below = Folder {
            after: After::Move,
            ..root.join("below").into()
        };
        let folders = vec![root.clone().into(), below, root.clone().into()];
        let selection =
            Selection::new(folders, vec!["jpg".into()]).with_catalog(&root.join("c.sqlite"));
        let expected = "2 .fits, 1 without an extension";
        assert_eq!(survey(&selection, |_, _| {}).to_string(), expected);
        let mut scan = Scan::new(selection.paths());
        while scan.next(&selection).is_some() {}
        assert_eq!(scan.others().to_string(), expected);
    }

    #[test]
    fn a_survey_gives_a_file_in_two_folders_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path();
        let below = root.join("below");
        let hidden = root.join(".hidden");
        for folder in [&below, &hidden] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("1.jpg"), "").unwrap();
        }
        fs::write(root.join("2.jpg"), "").unwrap();
        let folders = [root, &below, &hidden].map(|folder| Folder::from(folder.to_owned()));
        let mut found = Vec::new();
        survey(
            &Selection::new(folders.into(), vec!["jpg".into()]),
            |folder, file| match file {
                Found::File(path, _) => found.push((folder.to_owned(), path)),
                Found::Fault(fault) => panic!("{fault}"),
            },
        );
        found.sort();
        let expected = [
            (root.to_owned(), root.join("2.jpg")),
            (root.to_owned(), root.join("below/1.jpg")),
            (hidden.clone(), hidden.join("1.jpg")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_folder_that_is_gone_is_a_fault_and_not_an_empty_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let gone = folder.path().join("gone");
        let mut scan = Scan::new([gone.clone()]);
        assert!(matches!(
            scan.next(&selection(&gone)),
            Some(Found::Fault(_))
        ));
        assert!(scan.next(&selection(&gone)).is_none());
    }
}
