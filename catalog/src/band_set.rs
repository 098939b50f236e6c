//! The files of an image of which each band lies in a file of its own, and what the catalog has of them.
//!
//! To the catalog such a set is one file: it has the path of its first band's file, be that there or not, so that it has
//! one name whatever comes and goes. Its size is that of all its files, and its time is the latest of theirs
//! ([`Stamp::and`](crate::Stamp::and)). Its digest is of the bands, sizes and bytes of all of them.

use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use galmorph_cutout::{BandBytes, BandFiles, Identity};

/// The files of one image, those that may be missing included.
#[derive(Debug, Clone, PartialEq)]
pub struct BandSet {
    /// Each band with the place of its file, in the order of the bands.
    pub files: Vec<(String, PathBuf)>,
    /// The names of the files before they got a number in `done` or `rejected`.
    pub names: Vec<String>,
    /// What the names say of the object.
    pub identity: Identity,
}

impl BandSet {
    /// The set that a file belongs to. In the folders that files are moved to (`is_relocated`), they may have a number.
    pub fn of(files: &BandFiles, path: &Path, is_relocated: bool) -> Option<Self> {
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
    pub fn path(&self) -> &Path {
        &self.files[0].1
    }

    /// The places of all its files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, path)| &**path)
    }

    /// The places of the files of all bands but the first.
    pub fn others(&self) -> Vec<PathBuf> {
        self.paths().skip(1).map(Path::to_owned).collect()
    }
}

/// What the digest of several files begins with. No image does.
const SET: &[u8] = b"galmorph: bands in files\n";

/// What identifies the content of the files that are there, in the order of the bands.
pub fn digest_of_bands(files: &[BandBytes]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(SET);
    for file in files {
        for part in [file.band.as_bytes(), file.bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize()
}

/// `a/b.fits`, `a/b.1.fits`, `a/b.2.fits`.
pub fn numbered(path: &Path, number: u32) -> PathBuf {
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
