//! Finds a galaxy's image in folders and in uncompressed tar files.
//!
//! A tar file is read through once for its names. Its images are then read from their places in it, so
//! that an archive of hundreds of thousands of small files need not be unpacked.
//!
//! Where each band of an image is a file, the names say which belong together, as for `galmorph watch`. A set that lacks
//! a file is not used: a network should not learn from half an image.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use galmorph_cutout::{
    BandBytes, BandFiles, DecodeError, FITS_EXTENSIONS, Image, Limits, Rendering, decode_bands,
    decode_rendered, name_and_extension,
};
use galmorph_output::readable;

use crate::error::{Error, Result};

/// Where images are, and how those in FITS files are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Images {
    /// Folders and uncompressed tar files.
    pub(crate) sources: Vec<PathBuf>,
    /// The stretch, the bands and the colours.
    pub(crate) rendering: Rendering,
    /// How files are named that have one band each.
    pub(crate) band_files: Option<BandFiles>,
}

/// Where the image of each galaxy is.
pub(crate) struct ImageIndex {
    images: Images,
    archives: Vec<(PathBuf, File)>,
    places: HashMap<String, Place>,
    /// The files of images of which other bands are missing.
    incomplete: HashMap<String, Vec<Option<Place>>>,
    /// How many files there are.
    files: usize,
}

/// Where one image is.
#[derive(Debug)]
pub(crate) enum Place {
    /// A file of its own.
    File(PathBuf),
    /// A part of a tar file.
    Archived {
        /// The number of the tar file in the index.
        archive: usize,
        /// The name within the tar file.
        name: PathBuf,
        /// The place of the first byte in the tar file.
        offset: u64,
        /// The number of bytes.
        length: usize,
    },
    /// A file for each band, in the order of the bands.
    Bands(Vec<Place>),
}

/// The bytes of an image.
pub(super) enum Content<'a> {
    /// Of its file.
    File(Vec<u8>, &'a Rendering),
    /// Of the file of each band.
    Bands(&'a BandFiles, Vec<Vec<u8>>, &'a Rendering),
}

impl Content<'_> {
    /// What identifies it. Of several files: the hash of their hashes.
    pub(super) fn hash(&self) -> blake3::Hash {
        match self {
            Self::File(bytes, _) => blake3::hash(bytes),
            Self::Bands(_, files, _) => {
                let hashes = files.iter().map(|bytes| *blake3::hash(bytes).as_bytes());
                blake3::hash(hashes.collect::<Vec<_>>().as_flattened())
            }
        }
    }

    /// Decodes its middle, up to `side` pixels on a side.
    pub(super) fn decode(&self, side: u32) -> std::result::Result<Image, DecodeError> {
        let limits = &Limits::default();
        match self {
            Self::File(bytes, rendering) => decode_rendered(bytes, limits, side, rendering),
            Self::Bands(names, files, rendering) => {
                let bands = names.bands().iter().zip(files);
                let bands: Vec<BandBytes> = bands
                    .map(|(band, bytes)| BandBytes { band, bytes })
                    .collect();
                decode_bands(&bands, limits, side, rendering)
            }
        }
    }
}

impl ImageIndex {
    /// Lists all images in the given folders and tar files. Subfolders are not searched.
    ///
    /// # Errors
    /// When a source can't be read or holds no image, or when a galaxy has two images.
    pub(crate) fn open(images: &Images) -> Result<Self> {
        let mut index = Self {
            images: images.clone(),
            archives: Vec::new(),
            places: HashMap::new(),
            incomplete: HashMap::new(),
            files: 0,
        };
        for source in &images.sources {
            let before = index.files;
            if source.is_dir() {
                index.add_folder(source)?;
            } else {
                index.add_archive(source)?;
            }
            if index.files == before {
                return Err(Error::Input(format!(
                    "'{}' holds no image (*.jpg, *.jpeg, *.png, *.fits)",
                    readable(source)
                )));
            }
        }
        Ok(index)
    }

    /// Where a galaxy's image is. `None` if there is none, or if a file of it is missing.
    pub(super) fn find(&self, id: &str) -> Option<&Place> {
        self.places.get(id)
    }

    /// Where a galaxy's image is, or an error that names the galaxy.
    pub(super) fn require(&self, id: &str) -> Result<&Place> {
        self.find(id).ok_or_else(|| {
            let missing = self.missing(id);
            Error::Input(format!("galaxy {id} has {missing} in {}", self.describe()))
        })
    }

    /// What is missing of a galaxy's image: all of it, or the files of some bands.
    pub(super) fn missing(&self, id: &str) -> String {
        let Some((files, names)) = self.incomplete.get(id).zip(self.images.band_files.as_ref())
        else {
            return "no image".to_owned();
        };
        let bands = names.bands().iter().zip(files);
        let missing = bands.filter(|(_, file)| file.is_none());
        let missing: Vec<&str> = missing.map(|(band, _)| band.as_str()).collect();
        format!("no file of {}", missing.join(" and "))
    }

    /// The content of an image.
    pub(super) fn content(&self, place: &Place) -> Result<Content<'_>> {
        let rendering = &self.images.rendering;
        match (place, &self.images.band_files) {
            (Place::Bands(files), Some(names)) => {
                let files = files.iter().map(|file| self.read(file));
                Ok(Content::Bands(
                    names,
                    files.collect::<Result<_>>()?,
                    rendering,
                ))
            }
            (file, _) => Ok(Content::File(self.read(file)?, rendering)),
        }
    }

    /// The bytes of a file.
    fn read(&self, place: &Place) -> Result<Vec<u8>> {
        match place {
            Place::File(path) => std::fs::read(path).map_err(Error::io("read", path)),
            Place::Archived {
                archive,
                offset,
                length,
                ..
            } => {
                let (path, file) = &self.archives[*archive];
                let mut bytes = vec![0; *length];
                file.read_exact_at(&mut bytes, *offset)
                    .map_err(Error::io("read", path))?;
                Ok(bytes)
            }
            Place::Bands(_) => unreachable!("the file of a band is one file"),
        }
    }

    /// Decodes a galaxy's image.
    ///
    /// # Errors
    /// Names the galaxy, and the file if there is one.
    pub(crate) fn decode(&self, id: &str) -> Result<Image> {
        let place = self.require(id)?;
        let fault = Error::input_at(format!("galaxy {id}: {}", self.name(place)));
        self.content(place)?.decode(u32::MAX).map_err(fault)
    }

    /// An image's name, for messages.
    pub(super) fn name(&self, place: &Place) -> String {
        match place {
            Place::File(path) => format!("'{}'", readable(path)),
            Place::Archived { archive, name, .. } => {
                let (path, _) = &self.archives[*archive];
                format!("'{}' in '{}'", readable(name), readable(path))
            }
            Place::Bands(files) => {
                let names: Vec<String> = files.iter().map(|file| self.name(file)).collect();
                names.join(", ")
            }
        }
    }

    /// The sources, for messages.
    pub(super) fn describe(&self) -> String {
        let names: Vec<String> = self
            .images
            .sources
            .iter()
            .map(|source| format!("'{}'", readable(source)))
            .collect();
        names.join(", ")
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        for entry in entries {
            let path = entry.map_err(Error::io("read", folder))?.path();
            if is_image(&path) {
                self.add(&path.clone(), Place::File(path))?;
            }
        }
        Ok(())
    }

    fn add_archive(&mut self, path: &Path) -> Result<()> {
        let broken = Error::input_file::<std::io::Error>("tar file", path);
        let file = File::open(path).map_err(&broken)?;
        let size = file.metadata().map_err(Error::io("read", path))?.len();
        let reader = file.try_clone().map_err(Error::io("read", path))?;
        let mut archive = tar::Archive::new(reader);
        let number = self.archives.len();
        self.archives.push((path.to_owned(), file));
        for entry in archive.entries_with_seek().map_err(&broken)? {
            let entry = entry.map_err(&broken)?;
            let name = entry.path().map_err(&broken)?.into_owned();
            if !is_image(&name) {
                continue;
            }
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() {
                return Err(Error::Input(format!(
                    "'{}' in '{}' is a {kind:?} entry, not a plain file",
                    readable(name),
                    readable(path)
                )));
            }
            let (offset, length) = (entry.raw_file_position(), entry.size());
            // A header can claim any length, and that much memory would be allocated to read the image.
            if offset.saturating_add(length) > size {
                return Err(Error::Input(format!(
                    "tar file '{}' ends within '{}'",
                    readable(path),
                    readable(name)
                )));
            }
            let place = Place::Archived {
                archive: number,
                name: name.clone(),
                offset,
                length: length as usize,
            };
            self.add(&name, place)?;
        }
        Ok(())
    }

    /// Takes a file: the image of the galaxy that it is named after, or one band of it.
    fn add(&mut self, path: &Path, place: Place) -> Result<()> {
        self.files += 1;
        let set = self.images.band_files.as_ref().zip(path.file_name());
        let set = set.and_then(|(files, name)| files.set_of(name.to_str()?));
        let Some(set) = set else {
            return self.add_image(galaxy_id(path), place);
        };
        let id = set.identity.object_id;
        if let Some(other) = self.places.get(&id) {
            return Err(self.twice(&id, other, &place));
        }
        let nothing = || set.names.iter().map(|_| None).collect();
        let files = self.incomplete.entry(id.clone()).or_insert_with(nothing);
        if let Some(other) = files[set.asked].replace(place) {
            let place = files[set.asked].take().expect("it was put there");
            return Err(self.twice(&id, &other, &place));
        }
        if files.iter().all(Option::is_some) {
            let files = self.incomplete.remove(&id).unwrap_or_default();
            self.add_image(id, Place::Bands(files.into_iter().flatten().collect()))?;
        }
        Ok(())
    }

    fn add_image(&mut self, id: String, place: Place) -> Result<()> {
        let incomplete = self.incomplete.get(&id).into_iter().flatten().flatten();
        if let Some(other) = self.places.get(&id).into_iter().chain(incomplete).next() {
            return Err(self.twice(&id, other, &place));
        }
        self.places.insert(id, place);
        Ok(())
    }

    fn twice(&self, id: &str, one: &Place, other: &Place) -> Error {
        let (one, other) = (self.name(one), self.name(other));
        Error::Input(format!("galaxy {id} has two images: {one} and {other}"))
    }
}

/// Decodes a file, and says what its name is without its extension.
pub(crate) fn decode_file(path: &Path, rendering: &Rendering) -> Result<(String, Image)> {
    let fault = Error::input_file::<DecodeError>("image", path);
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let image = Content::File(bytes, rendering).decode(u32::MAX);
    let name = name_and_extension(path).0.unwrap_or(path.as_os_str());
    Ok((readable(Path::new(name)), image.map_err(fault)?))
}

/// Whether a file is an image, by its name, and not hidden.
fn is_image(path: &Path) -> bool {
    let (name, extension) = name_and_extension(path);
    let mut known = ["jpg", "jpeg", "png"].iter().chain(&FITS_EXTENSIONS);
    let extension = extension.and_then(OsStr::to_str);
    extension.is_some_and(|extension| known.any(|known| extension.eq_ignore_ascii_case(known)))
        && name
            .and_then(OsStr::to_str)
            .is_some_and(|name| !name.starts_with('.'))
}

/// The file name without its extension.
fn galaxy_id(path: &Path) -> String {
    let name = name_and_extension(path).0.and_then(OsStr::to_str);
    name.expect("the name of an image is text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(folder: &Path, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.join(name);
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.finish().unwrap();
        path
    }

    fn from(sources: &[PathBuf]) -> Images {
        Images {
            sources: sources.to_vec(),
            ..Images::default()
        }
    }

    #[test]
    fn images_are_found_in_folders_and_in_tar_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("12.jpg"), "twelve").unwrap();
        std::fs::write(dir.path().join("15.fits.fz"), "fifteen").unwrap();
        std::fs::write(dir.path().join("notes.txt"), "no image").unwrap();
        let tar = archive(
            dir.path(),
            "more.tar",
            &[("a/13.JPG", b"thirteen"), ("b/14.png", b"14")],
        );
        let index = ImageIndex::open(&from(&[dir.path().to_owned(), tar])).unwrap();
        let read = |id: &str| index.read(index.find(id).unwrap()).unwrap();
        assert_eq!(read("12"), b"twelve");
        assert_eq!(read("13"), b"thirteen");
        assert_eq!(read("14"), b"14");
        assert_eq!(read("15"), b"fifteen");
        assert!(index.find("notes").is_none());
        assert!(
            index
                .name(index.find("13").unwrap())
                .starts_with("'a/13.JPG' in ")
        );
    }

    #[test]
    fn sources_that_cannot_serve_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let fault = |sources: &[PathBuf]| match ImageIndex::open(&from(sources)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{sources:?} was taken"),
        };
        assert!(fault(&[dir.path().to_owned()]).contains("holds no image"));
        assert!(fault(&[dir.path().join("none.tar")]).contains("none.tar"));
        let twice = archive(dir.path(), "t.tar", &[("a/1.jpg", b"x"), ("b/1.jpg", b"y")]);
        let message = fault(&[twice]);
        assert!(
            message.contains("galaxy 1 has two images: 'a/1.jpg' in"),
            "{message}"
        );
        assert!(message.contains("'b/1.jpg' in"), "{message}");

        let whole = archive(dir.path(), "cut.tar", &[("1.jpg", &[7; 4000])]);
        File::options()
            .write(true)
            .open(&whole)
            .unwrap()
            .set_len(2000)
            .unwrap();
        assert!(fault(&[whole]).contains("cut.tar"));
    }

    #[test]
    fn files_of_one_band_each_are_one_image() {
        let dir = tempfile::tempdir().unwrap();
        let bands = ["g", "r"].map(String::from);
        let images = |sources: &[PathBuf]| Images {
            band_files: Some(BandFiles::new("{object_id}_{band}.fits", &bands).unwrap()),
            ..from(sources)
        };
        for name in ["7_r.fits", "7_g.fits", "8_r.fits", "9.jpg"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let tar = archive(
            dir.path(),
            "more.tar",
            &[("a/6_g.fits", b"6g"), ("a/6_r.fits", b"6r")],
        );
        let index = ImageIndex::open(&images(&[dir.path().to_owned(), tar])).unwrap();
        let read = |id: &str| match index.content(index.find(id).unwrap()).unwrap() {
            Content::File(bytes, _) => vec![bytes],
            Content::Bands(_, files, _) => files,
        };
        assert_eq!(read("7"), [b"7_g.fits", b"7_r.fits"]);
        assert_eq!(read("6"), [b"6g", b"6r"]);
        assert_eq!(read("9"), [b"9.jpg"]);
        let fault = index.require("8").unwrap_err().to_string();
        assert!(fault.contains("galaxy 8 has no file of g in "), "{fault}");

        // A set whose files lie in several places.
        let rest = archive(dir.path(), "rest.tar", &[("b/8_g.fits", b"8g")]);
        let index = ImageIndex::open(&images(&[dir.path().to_owned(), rest])).unwrap();
        assert!(index.require("8").is_ok());

        // Two files of one band, one of them elsewhere; and a set beside an image that has its name.
        for name in ["8_r.fits", "7.fits", "8.fits", "7_g.fits"] {
            let twice = archive(dir.path(), "twice.tar", &[(name, b"x")]);
            let sources = [dir.path().to_owned(), twice];
            let fault = ImageIndex::open(&images(&sources))
                .err()
                .unwrap()
                .to_string();
            assert!(fault.contains("has two images: "), "{name}: {fault}");
        }
    }
}
