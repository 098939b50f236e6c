//! Images of which each band lies in a file of its own.
//!
//! Their names say which files belong together (`band_files`). To the rest of the program such a set is one file: it
//! has the path of its first band's file, be that there or not, so that it has one name whatever comes and goes. Its
//! size is that of all its files, and its times are the latest of theirs. So whatever becomes of one of them, something
//! becomes of the set.
//!
//! A set is read when all its files are there and have settled; or when some are missing and nothing came for
//! `band_wait_seconds`. That is measured by the times of the files, and nothing is remembered: a daemon that was killed
//! goes on waiting where it was.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use galmorph_cutout::{BandFiles, Identity};

use super::Selection;
use crate::file::Seen;

/// The files of one image, those that may be missing included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BandSet {
    /// Each band with the place of its file, in the order of the bands.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// The names of the files before they got a number in `done` or `rejected`.
    pub(crate) names: Vec<String>,
    /// What the names say of the object.
    pub(crate) identity: Identity,
}

impl BandSet {
    /// The set that a file belongs to. In the folders that files are moved to (`is_relocated`), they may have a number.
    pub(crate) fn of(files: &BandFiles, path: &Path, is_relocated: bool) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (set, number) = match files.set_of(name) {
            Some(set) => (set, None),
            None if is_relocated => {
                let (name, number) = unnumbered(name)?;
                (files.set_of(&name)?, Some(number))
            }
            None => return None,
        };
        let place = |name: &String| {
            let place = path.with_file_name(name);
            number.map_or(place.clone(), |number| numbered(&place, number))
        };
        let places = set.names.iter().map(place);
        Some(Self {
            files: files.bands().iter().cloned().zip(places).collect(),
            names: set.names,
            identity: set.identity,
        })
    }

    /// The path by which the set is known.
    pub(crate) fn path(&self) -> &Path {
        &self.files[0].1
    }

    /// The places of all its files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, path)| &**path)
    }

    /// The places of the files of all bands but the first.
    pub(crate) fn others(&self) -> Vec<PathBuf> {
        self.paths().skip(1).map(Path::to_owned).collect()
    }
}

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

/// `a/b.fits`, `a/b.1.fits`, `a/b.2.fits`.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let stem = path
        .file_stem()
        .expect("the path of a file ends in its name");
    let mut name = stem.to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// A name without the number that [`numbered`] gave it, and the number.
fn unnumbered(name: &str) -> Option<(String, u32)> {
    let path = Path::new(name);
    let (stem, extension) = (path.file_stem()?.to_str()?, path.extension()?.to_str()?);
    let (stem, number) = stem.rsplit_once('.')?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let name = format!("{stem}.{extension}");
    (numbered(Path::new(&name), number) == path).then_some((name, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, is_relocated: bool) -> Option<Vec<String>> {
        let bands = ["g", "r"].map(String::from);
        let files = BandFiles::new("{object_id}_{band}.fits", &bands).unwrap();
        let set = BandSet::of(&files, Path::new(path), is_relocated)?;
        assert_eq!(set.identity.object_id, "a");
        assert_eq!(set.names, ["a_g.fits", "a_r.fits"]);
        let paths = set.paths().map(|path| path.to_str().unwrap().to_owned());
        Some(paths.collect())
    }

    #[test]
    fn files_of_a_set_lie_side_by_side_and_have_one_number() {
        let places = |one: &str, other: &str| Some([one, other].map(String::from).to_vec());
        let here = places("/in/a_g.fits", "/in/a_r.fits");
        assert_eq!(of("/in/a_r.fits", false), here);
        assert_eq!(of("/in/a_g.fits", true), here);
        let second = places("/in/a_g.2.fits", "/in/a_r.2.fits");
        assert_eq!(of("/in/a_r.2.fits", true), second);
        for other in ["/in/a_r.2.fits", "/in/a_u.fits", "/in/a_r.jpg"] {
            assert_eq!(of(other, false), None, "{other}");
        }
        for other in ["/in/a_r.0.fits", "/in/a_r.01.fits", "/in/a_u.1.fits"] {
            assert_eq!(of(other, true), None, "{other}");
        }
    }

    #[test]
    fn names_are_numbered_before_their_ending() {
        let name = |number| numbered(Path::new("/a/b.c.jpg"), number);
        assert_eq!(name(0), Path::new("/a/b.c.jpg"));
        assert_eq!(name(2), Path::new("/a/b.c.2.jpg"));
        assert_eq!(numbered(Path::new("/a/b"), 1), Path::new("/a/b.1"));
    }
}
