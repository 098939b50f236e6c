//! Which files are ours to take, and how they are opened.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use galmorph_catalog::{
    CatalogError, Exclusion, FileStatus, Reader, RequiredModel, RequiredPicture, Watched,
};
use galmorph_cutout::{FramingSettings, Rendering, name_and_extension};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::config::{After, Folder, WatchSettings};
use crate::file::{Seen, file_status};

/// Which paths under the watched folders are ours to take.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    folders: Vec<Folder>,
    extensions: Vec<String>,
    exclusion: Exclusion,
    follow_links: bool,
    // Neither it nor the files that SQLite puts beside it count as files of other kinds.
    catalog: Option<PathBuf>,
}

impl Selection {
    /// What the settings say.
    pub(crate) fn of(settings: &WatchSettings) -> Self {
        Self::new(settings.folders.clone(), settings.extensions.clone())
            .without(&settings.exclude)
            .with_links(settings.follow_links)
            .with_catalog(&settings.catalog)
    }

    /// What the catalog says is watched.
    pub(crate) fn of_watched(watched: &Watched, catalog: &Path) -> Self {
        let folders = watched.folders.iter().cloned().map(Folder::from).collect();
        Self::new(folders, watched.extensions.clone())
            .without(&watched.exclude)
            .with_links(watched.follow_links)
            .with_catalog(catalog)
    }

    /// Of `folders`, the files that end in one of `extensions`.
    pub(crate) fn new(folders: Vec<Folder>, extensions: Vec<String>) -> Self {
        Self {
            folders,
            extensions,
            exclusion: Exclusion::default(),
            follow_links: false,
            catalog: None,
        }
    }

    /// The same, without files and folders of these names.
    pub(crate) fn without(self, names: &[String]) -> Self {
        Self {
            exclusion: Exclusion::new(names),
            ..self
        }
    }

    /// The same, with links to files if `follow_links`.
    pub(crate) fn with_links(self, follow_links: bool) -> Self {
        Self {
            follow_links,
            ..self
        }
    }

    /// The same, with the catalog known: it may lie in a watched folder.
    pub(crate) fn with_catalog(self, catalog: &Path) -> Self {
        let catalog = catalog.canonicalize().ok();
        Self { catalog, ..self }
    }

    /// The extensions that are taken.
    pub(super) fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The same, in the first `folders` of the folders.
    pub(super) fn of_the_first(&self, folders: usize) -> Self {
        Self {
            folders: self.folders[..folders].to_vec(),
            ..self.clone()
        }
    }

    /// The watched folders.
    pub(crate) fn folders(&self) -> &[Folder] {
        &self.folders
    }

    /// Where the watched folders are, each once.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let paths = self.folders.iter().map(|folder| &folder.path);
        let paths = paths.enumerate().filter(|(position, path)| {
            let earlier = &self.folders[..*position];
            earlier.iter().all(|folder| folder.path != **path)
        });
        paths.map(|(_, path)| path.clone())
    }

    /// The watched folder that a path belongs to; the innermost of several.
    pub(crate) fn folder_of(&self, path: &Path) -> Option<&Folder> {
        self.folders
            .iter()
            .filter(|folder| path.starts_with(&folder.path))
            .max_by_key(|folder| folder.path.as_os_str().len())
    }

    /// Whether a file with this path is taken. Only the path is looked at.
    pub(crate) fn takes(&self, path: &Path) -> bool {
        self.enters(path) && path.file_name().is_some_and(|name| !is_unfinished(name)) && {
            let extension = name_and_extension(path).1.unwrap_or_default();
            self.extensions
                .iter()
                .any(|wanted| extension.eq_ignore_ascii_case(wanted))
        }
    }

    /// Whether a file that is not taken belongs to `folder` and is of another kind: it is neither hidden nor
    /// unfinished, and only its extension is not one of ours.
    pub(super) fn is_of_another_kind(&self, path: &Path, folder: &Path) -> bool {
        // A file that lies in two folders belongs to the inner one, so it is counted once.
        self.folder_of(path)
            .is_some_and(|inner| inner.path == folder)
            && self.enters(path)
            && path.file_name().is_some_and(|name| !is_unfinished(name))
            && !self.is_of_the_catalog(path)
    }

    /// How the image of a file is framed.
    pub(crate) fn framing_of(&self, path: &Path) -> FramingSettings {
        self.folder_of(path)
            .map(Folder::framing)
            .unwrap_or_default()
    }

    /// What makes a picture of the image of a file, if it is a FITS image.
    pub(crate) fn rendering_of(&self, path: &Path) -> &Rendering {
        const PLAIN: &Rendering = &Rendering::DEFAULT;
        let folder = self.folder_of(path);
        folder.map_or(PLAIN, |folder| &folder.rendering)
    }

    /// How a file stands with the catalog that is like this.
    pub(crate) fn status(
        &self,
        catalog: &Reader,
        path: &Path,
        seen: &Seen,
        wanted: RequiredModel,
    ) -> Result<FileStatus, CatalogError> {
        let picture = RequiredPicture {
            framing: &self.framing_of(path),
            rendering: self.rendering_of(path),
        };
        file_status(catalog, path, seen, wanted, picture)
    }

    fn is_of_the_catalog(&self, path: &Path) -> bool {
        let is_one = |catalog: &PathBuf| {
            let names = (path.file_name(), catalog.file_name());
            path.parent() == catalog.parent()
                && matches!(names, (Some(name), Some(catalog))
                    if name.as_bytes().starts_with(catalog.as_bytes()))
        };
        self.catalog.as_ref().is_some_and(is_one)
    }

    /// Whether a path lies in a watched folder with nothing hidden or excluded on the way, and not where files are
    /// moved to.
    pub(super) fn enters(&self, path: &Path) -> bool {
        self.covers(path)
            && !self
                .folder_of(path)
                .is_some_and(|folder| folder.is_relocated(path))
    }

    /// Whether a path lies where a folder moves files to, with nothing hidden on the way.
    pub(crate) fn is_relocated(&self, path: &Path) -> bool {
        let folder = self.folder_of(path);
        self.covers(path) && folder.is_some_and(|folder| folder.is_relocated(path))
    }

    /// Whether the folder of a file moves it when it is done.
    pub(super) fn moves(&self, path: &Path) -> bool {
        let folder = self.folder_of(path);
        folder.is_some_and(|folder| folder.after == After::Move)
    }

    /// How the file is that a path leads to, or the set that is known by this path; `None` when it is no regular file.
    pub(crate) fn look(&self, path: &Path) -> io::Result<Option<Seen>> {
        match self.set_of(path) {
            Some(set) => self.look_at_set(&set),
            None => Ok(self.look_at_file(path)?.as_ref().map(Seen::of)),
        }
    }

    /// The metadata of the file that a path leads to; `None` when it is no regular file. A link counts as
    /// the file that it leads to, if links are followed and that file lies in a watched folder itself.
    pub(crate) fn look_at_file(&self, path: &Path) -> io::Result<Option<Metadata>> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_symlink() || !self.follow_links {
            return Ok(Some(metadata).filter(Metadata::is_file));
        }
        // It may lead nowhere, or in circles.
        let target = path.canonicalize().ok();
        let Some(target) = target.filter(|target| self.folder_of(target).is_some()) else {
            return Ok(None);
        };
        let metadata = fs::symlink_metadata(target)?;
        Ok(Some(metadata).filter(Metadata::is_file))
    }

    /// Opens a path that was a regular file when it was looked at and may be anything by now. A FIFO without
    /// a writer is not waited for, a terminal does not become ours, and only those links are followed that
    /// [`look`](Self::look) follows. `None` when it is something that can't be opened as a file.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let links = if self.follow_links {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let file = match openat(CWD, path, flags | links, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if self.follow_links {
            // The true name of the file that was opened, not of the one that the path leads to by now.
            let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            if self.folder_of(&opened).is_none() {
                return Ok(None);
            }
        }
        Ok(Some(file))
    }

    /// Whether a path lies in a watched folder with nothing hidden or excluded on the way.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.folder_of(path)
            .and_then(|folder| path.strip_prefix(&folder.path).ok())
            .is_some_and(|below| !below.iter().any(|name| self.is_left_alone(name)))
    }

    /// Whether a file or folder of this name is left alone, with all that is in it: it is hidden or excluded.
    pub(super) fn is_left_alone(&self, name: &OsStr) -> bool {
        is_hidden(name) || self.exclusion.includes(name)
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Names that programs give to what they are still writing.
fn is_unfinished(name: &OsStr) -> bool {
    let name = name.as_bytes();
    is_hidden(OsStr::from_bytes(name)) || name.ends_with(b".tmp") || name.ends_with(b".part")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    fn selection(folder: &Path) -> Selection {
        let extensions = ["jpg", "png"].map(String::from).to_vec();
        Selection::new(vec![folder.to_owned().into()], extensions)
    }

    #[test]
    fn hidden_unfinished_and_foreign_names_are_left_alone() {
        let selection = selection(Path::new("/in/.hidden/folder"));
        let takes = |name: &str| selection.takes(&Path::new("/in/.hidden/folder").join(name));
        assert!(takes("a.jpg") && takes("deep/er/A.JPG") && takes("b.Png") && takes("a.tmp.jpg"));
        for name in [
            ".a.jpg",
            "a.jpg.tmp",
            "a.part",
            ".b/a.jpg",
            "a.txt",
            "jpg",
            "a",
        ] {
            assert!(!takes(name), "{name}");
        }
        assert!(!selection.takes(Path::new("/in/a.jpg")));
    }

    #[test]
    fn a_packed_fits_file_is_a_fits_file() {
        let extensions = vec!["fits".to_owned()];
        let selection = Selection::new(vec![PathBuf::from("/in").into()], extensions);
        let takes = |name: &str| selection.takes(&Path::new("/in").join(name));
        assert!(takes("a.fits") && takes("a.fits.gz") && takes("a.FITS.FZ"));
        for name in [
            "a.gz",
            "a.fz",
            "a.fit",
            "a.fits.bz2",
            "a.tar.gz",
            "a.fits.gz.part",
        ] {
            assert!(!takes(name), "{name}");
        }
    }

    #[test]
    fn excluded_names_are_left_alone_and_so_is_what_lies_below_them() {
        let names = ["@eaDir", "*.sync-conflict-*"].map(String::from);
        let folder = Path::new("/in/@eaDir");
        let selection = selection(folder).without(&names);
        let takes = |name: &str| selection.takes(&folder.join(name));
        // The folder itself was asked for.
        assert!(takes("a.jpg") && takes("b/a.jpg"));
        for name in [
            "@eaDir/a.jpg",
            "b/@EADIR/c/a.jpg",
            "b/a.sync-conflict-1.jpg",
        ] {
            assert!(!takes(name), "{name}");
        }
    }

    #[test]
    fn what_took_the_place_of_a_file_is_neither_followed_nor_waited_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, other) = (folder.path().join("a.jpg"), folder.path().join("b.jpg"));
        fs::write(&other, "some").unwrap();
        let selection = selection(folder.path());
        assert!(selection.open(&other).unwrap().is_some());
        let stays_closed = || {
            assert!(selection.look(&path).unwrap().is_none());
            assert!(selection.open(&path).unwrap().is_none());
            fs::remove_file(&path).unwrap();
        };
        symlink(&other, &path).unwrap();
        stays_closed();
        let _socket = UnixListener::bind(&path).unwrap();
        stays_closed();
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(selection.look(&path).unwrap().is_none());
        let fifo = selection.open(&path).unwrap().unwrap();
        assert!(
            !fifo.metadata().unwrap().is_file(),
            "the caller must look at what it opened"
        );
    }

    #[test]
    fn a_link_that_is_followed_never_leads_out_of_the_folders() {
        let place = tempfile::TempDir::new().unwrap();
        let place = place.path().canonicalize().unwrap();
        let folder = place.join("in");
        fs::create_dir_all(folder.join("below")).unwrap();
        for file in ["in/below/object.fits.jpg", "outside.jpg"] {
            fs::write(place.join(file), "some").unwrap();
        }
        let selection = selection(&folder).with_links(true);
        let followed = |name: &str, target: &str| {
            let path = folder.join(name);
            symlink(target, &path).unwrap();
            let seen = selection.look(&path).unwrap().is_some();
            let opened = selection.open(&path).is_ok_and(|file| file.is_some());
            assert_eq!(seen, opened, "{target}");
            seen
        };
        assert!(followed("relative.jpg", "below/object.fits.jpg"));
        let absolute = folder.join("below/object.fits.jpg");
        assert!(followed("absolute.jpg", absolute.to_str().unwrap()));
        assert!(followed("twice.jpg", "relative.jpg"));
        assert!(!followed("out.jpg", "../outside.jpg"));
        assert!(!followed("out-and-out.jpg", "out.jpg"));
        assert!(!followed("nowhere.jpg", "gone.jpg"));
        assert!(!followed("circle.jpg", "circle.jpg"));
        symlink("below", folder.join("folder.jpg")).unwrap();
        assert!(
            selection
                .look(&folder.join("folder.jpg"))
                .unwrap()
                .is_none()
        );
    }
}
