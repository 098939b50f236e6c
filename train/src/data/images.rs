//! Finds a galaxy's image in folders and in uncompressed tar files.
//!
//! A tar file is read through once for its names. Its images are then read from their places in it, so
//! that an archive of hundreds of thousands of small files need not be unpacked.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use galmorph_cutout::{FITS_EXTENSIONS, Image, Limits, decode, name_and_extension};
use galmorph_output::readable;

use crate::error::{Error, Result};

/// Where the image of each galaxy is.
pub(crate) struct ImageIndex {
    sources: Vec<PathBuf>,
    archives: Vec<(PathBuf, File)>,
    places: HashMap<String, Place>,
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
}

impl ImageIndex {
    /// Lists all images in the given folders and tar files. Subfolders are not searched.
    ///
    /// # Errors
    /// When a source can't be read or holds no image, or when a galaxy has two images.
    pub(crate) fn open(sources: &[PathBuf]) -> Result<Self> {
        let mut index = Self {
            sources: sources.to_vec(),
            archives: Vec::new(),
            places: HashMap::new(),
        };
        for source in sources {
            let before = index.places.len();
            if source.is_dir() {
                index.add_folder(source)?;
            } else {
                index.add_archive(source)?;
            }
            if index.places.len() == before {
                return Err(Error::Input(format!(
                    "'{}' holds no image (*.jpg, *.jpeg, *.png, *.fits)",
                    readable(source)
                )));
            }
        }
        Ok(index)
    }

    /// Where a galaxy's image is.
    pub(super) fn find(&self, id: &str) -> Option<&Place> {
        self.places.get(id)
    }

    /// Where a galaxy's image is, or an error that names the galaxy.
    pub(super) fn require(&self, id: &str) -> Result<&Place> {
        self.find(id)
            .ok_or_else(|| Error::Input(format!("galaxy {id} has no image in {}", self.describe())))
    }

    /// The bytes of an image file.
    pub(super) fn read(&self, place: &Place) -> Result<Vec<u8>> {
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
        }
    }

    /// Decodes a galaxy's image.
    ///
    /// # Errors
    /// Names the galaxy, and the file if there is one.
    pub(crate) fn decode(&self, id: &str) -> Result<Image> {
        let place = self.require(id)?;
        decode(&self.read(place)?, &Limits::default()).map_err(Error::input_at(format!(
            "galaxy {id}: {}",
            self.name(place)
        )))
    }

    /// An image's name, for messages.
    pub(super) fn name(&self, place: &Place) -> String {
        match place {
            Place::File(path) => format!("'{}'", readable(path)),
            Place::Archived { archive, name, .. } => {
                let (path, _) = &self.archives[*archive];
                format!("'{}' in '{}'", readable(name), readable(path))
            }
        }
    }

    /// The sources, for messages.
    pub(super) fn describe(&self) -> String {
        let names: Vec<String> = self
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
            if let Some(id) = galaxy_id(&path) {
                self.add(id, Place::File(path))?;
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
            let Some(id) = galaxy_id(&name) else { continue };
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
                name,
                offset,
                length: length as usize,
            };
            self.add(id, place)?;
        }
        Ok(())
    }

    fn add(&mut self, id: String, place: Place) -> Result<()> {
        if let Some(other) = self.places.get(&id) {
            return Err(Error::Input(format!(
                "galaxy {id} has two images: {} and {}",
                self.name(other),
                self.name(&place)
            )));
        }
        self.places.insert(id, place);
        Ok(())
    }
}

/// The file name without its extension; `None` if the file is hidden or is no image.
fn galaxy_id(path: &Path) -> Option<String> {
    let (name, extension) = name_and_extension(path);
    let extension = extension.and_then(OsStr::to_str)?;
    let mut known = ["jpg", "jpeg", "png"].iter().chain(&FITS_EXTENSIONS);
    let is_image = known.any(|known| extension.eq_ignore_ascii_case(known));
    let name = name.and_then(OsStr::to_str)?;
    (is_image && !name.starts_with('.')).then(|| name.to_owned())
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
        let index = ImageIndex::open(&[dir.path().to_owned(), tar]).unwrap();
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
        let fault = |sources: &[PathBuf]| match ImageIndex::open(sources) {
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
}
