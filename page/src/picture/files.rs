//! The files of an image: found, opened and read as one.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use blake3::Hash;
use galmorph_catalog::{Stamp, Watched, digest_of_bands};
use galmorph_cutout::{
    BandBytes, Format, Image, ImageHeader, Limits, Rendering, decode_bands, decode_rendered,
    header, header_of_bands,
};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::NotShown;

/// The files of an image.
pub(super) enum Files {
    One(File),
    /// Of each band that is there, with its name.
    Bands(Vec<(String, File)>),
}

impl Files {
    /// Opens them, if they may be shown.
    pub(super) fn open(path: &Path, watched: &Watched) -> Result<Self, NotShown> {
        let Some(set) = watched.set_of(path) else {
            return open(path, watched).map(Self::One);
        };
        let mut files = Vec::new();
        for (band, path) in set.files {
            match open(&path, watched) {
                Ok(file) => files.push((band, file)),
                // The row may be of the others alone. The digest tells.
                Err(NotShown::Gone) => {}
                Err(why) => return Err(why),
            }
        }
        if files.is_empty() {
            return Err(NotShown::Gone);
        }
        Ok(Self::Bands(files))
    }

    /// Whether they are as the row has them.
    pub(super) fn check_stamp(&self, stamp: Stamp) -> Result<(), NotShown> {
        let now = match self {
            Self::One(file) => stamp_of(file)?,
            Self::Bands(files) => {
                let stamps = files.iter().map(|(_, file)| stamp_of(file));
                let stamps = stamps.collect::<Result<Vec<_>, _>>()?;
                stamps
                    .into_iter()
                    .reduce(Stamp::and)
                    .ok_or(NotShown::Gone)?
            }
        };
        if now == stamp {
            Ok(())
        } else {
            Err(NotShown::Changed)
        }
    }

    /// Their content, of this length in all.
    pub(super) fn read(&self, length: u64) -> Result<Content, NotShown> {
        let read = |file: &File, bytes: &mut Vec<u8>| {
            // One byte more than there should be: a file that grows is noticed.
            file.take(length + 1)
                .read_to_end(bytes)
                .map_err(|_| NotShown::Unreadable)
        };
        match self {
            Self::One(file) => {
                let mut bytes = Vec::with_capacity(length as usize);
                read(file, &mut bytes)?;
                Ok(Content::File(bytes))
            }
            Self::Bands(files) => {
                let mut bands = Vec::with_capacity(files.len());
                for (band, file) in files {
                    let mut bytes = Vec::new();
                    read(file, &mut bytes)?;
                    bands.push((band.clone(), bytes));
                }
                Ok(Content::Bands(bands))
            }
        }
    }
}

/// The bytes of an image.
pub(super) enum Content {
    File(Vec<u8>),
    Bands(Vec<(String, Vec<u8>)>),
}

impl Content {
    pub(super) fn digest(&self) -> Hash {
        match self {
            Self::File(bytes) => blake3::hash(bytes),
            Self::Bands(files) => digest_of_bands(&bands(files)),
        }
    }

    /// Whether it is a FITS image.
    pub(super) fn is_fits(&self) -> bool {
        match self {
            Self::File(bytes) => Format::of(bytes) == Some(Format::Fits),
            Self::Bands(_) => true,
        }
    }

    /// What its header says.
    pub(super) fn header(&self, limits: &Limits, rendering: &Rendering) -> Option<ImageHeader> {
        let header = match self {
            Self::File(bytes) => header(bytes, limits, rendering),
            Self::Bands(files) => header_of_bands(&bands(files), limits),
        };
        header.ok()
    }

    /// Decodes its middle, up to `side` pixels on a side.
    pub(super) fn decode(
        &self,
        limits: &Limits,
        side: u32,
        rendering: &Rendering,
    ) -> Option<Image> {
        let image = match self {
            Self::File(bytes) => decode_rendered(bytes, limits, side, rendering),
            Self::Bands(files) => decode_bands(&bands(files), limits, side, rendering),
        };
        image.ok()
    }
}

fn bands(files: &[(String, Vec<u8>)]) -> Vec<BandBytes<'_>> {
    files
        .iter()
        .map(|(band, bytes)| BandBytes { band, bytes })
        .collect()
}

fn stamp_of(file: &File) -> Result<Stamp, NotShown> {
    let metadata = file.metadata().map_err(|_| NotShown::Unreadable)?;
    if metadata.is_file() {
        Ok(Stamp::of(&metadata))
    } else {
        Err(NotShown::Gone)
    }
}

/// Opens a file in a watched folder. A FIFO without a writer is not waited for; a link in the place of the file, and one
/// on the way that leads out of the folders, are not followed.
fn open(path: &Path, watched: &Watched) -> Result<File, NotShown> {
    let is_inside = |path: &Path| {
        let mut folders = watched.folders.iter();
        folders.any(|folder| path.starts_with(&folder.path))
    };
    if !is_inside(path) {
        return Err(NotShown::NotWatched);
    }
    let links = if watched.follow_links {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(CWD, path, flags | links, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => NotShown::Gone,
        // A link, or a socket, where a file was.
        Errno::LOOP | Errno::NXIO => NotShown::Changed,
        _ => NotShown::Unreadable,
    })?;
    let file = File::from(file);
    // The true name of the file that was opened: a folder on the way may be a link.
    let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let opened: PathBuf = opened.map_err(|_| NotShown::Unreadable)?;
    if is_inside(&opened) {
        Ok(file)
    } else {
        Err(NotShown::NotWatched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_catalog::WatchedFolder;
    use tempfile::TempDir;

    /// A band of 24 x 24 pixels as FITS.
    fn band(level: f32) -> Vec<u8> {
        let cards = [
            ("SIMPLE", "T"),
            ("BITPIX", "-32"),
            ("NAXIS", "2"),
            ("NAXIS1", "24"),
            ("NAXIS2", "24"),
        ];
        let mut bytes: Vec<u8> = cards
            .iter()
            .flat_map(|(name, value)| {
                format!("{:<80}", format!("{name:<8}= {value:>20}")).into_bytes()
            })
            .collect();
        bytes.extend(format!("{:<80}", "END").bytes());
        bytes.resize(2880, b' ');
        for pixel in 0_u16..24 * 24 {
            bytes.extend((f32::from(pixel) * level % 97.0).to_be_bytes());
        }
        bytes.resize(2880 * 2, 0);
        bytes
    }

    fn watched(dir: &TempDir) -> Watched {
        let rendering = Rendering {
            bands: ["g", "r", "z"].map(String::from).to_vec(),
            colours: ["z", "r", "g"].map(String::from).to_vec(),
            stretch: None,
        };
        Watched {
            folders: vec![WatchedFolder {
                path: dir.path().canonicalize().unwrap(),
                rendering,
                band_files: Some("{object_id}_{band}.fits".to_owned()),
                ..WatchedFolder::default()
            }],
            ..Watched::default()
        }
    }

    /// The file of the first band, by which the image is known, whether it is there or not.
    fn first(watched: &Watched) -> PathBuf {
        watched.folders[0].path.join("a_g.fits")
    }

    fn put(watched: &Watched, name: &str, level: f32) {
        fs::write(watched.folders[0].path.join(name), band(level)).unwrap();
    }

    #[test]
    fn the_files_of_all_bands_are_one_image() {
        let dir = TempDir::new().unwrap();
        let watched = watched(&dir);
        for (name, level) in [("a_g.fits", 1.0), ("a_r.fits", 2.0), ("a_z.fits", 4.0)] {
            put(&watched, name, level);
        }
        let files = Files::open(&first(&watched), &watched).unwrap();
        let Files::Bands(parts) = &files else {
            panic!("they are a set");
        };
        let stamps = parts.iter().map(|(_, file)| stamp_of(file).unwrap());
        let stamp = stamps.reduce(Stamp::and).unwrap();
        assert_eq!(stamp.bytes, 3 * 5760);
        assert_eq!(files.check_stamp(stamp), Ok(()));
        let content = files.read(stamp.bytes).unwrap();
        let bytes = [1.0, 2.0, 4.0].map(band);
        let bands = ["g", "r", "z"].iter().zip(&bytes);
        let bands: Vec<_> = bands
            .map(|(band, bytes)| BandBytes { band, bytes })
            .collect();
        assert_eq!(content.digest(), digest_of_bands(&bands));
        let rendering = &watched.folders[0].rendering;
        let image = content
            .decode(&Limits::default(), u32::MAX, rendering)
            .unwrap();
        // Of one file alone it would be grey.
        let picture = image.to_rgb8();
        assert!(picture.pixels().any(|pixel| pixel.0[0] != pixel.0[2]));

        put(&watched, "a_r.fits", 3.0);
        let files = Files::open(&first(&watched), &watched).unwrap();
        assert_ne!(files.read(stamp.bytes).unwrap().digest(), content.digest());
        fs::remove_file(watched.folders[0].path.join("a_z.fits")).unwrap();
        let files = Files::open(&first(&watched), &watched).unwrap();
        assert_eq!(files.check_stamp(stamp), Err(NotShown::Changed));
    }

    #[test]
    fn a_set_is_shown_without_a_band_and_not_without_all() {
        let dir = TempDir::new().unwrap();
        let watched = watched(&dir);
        put(&watched, "a_r.fits", 2.0);
        let files = Files::open(&first(&watched), &watched).unwrap();
        let bytes = band(2.0);
        let only = [BandBytes {
            band: "r",
            bytes: &bytes,
        }];
        assert_eq!(files.read(5760).unwrap().digest(), digest_of_bands(&only));
        fs::remove_file(watched.folders[0].path.join("a_r.fits")).unwrap();
        assert_eq!(
            Files::open(&first(&watched), &watched).err(),
            Some(NotShown::Gone)
        );
    }

    #[test]
    fn no_file_of_a_set_is_read_through_a_link() {
        let dir = TempDir::new().unwrap();
        let elsewhere = TempDir::new().unwrap();
        let watched = watched(&dir);
        put(&watched, "a_g.fits", 1.0);
        let secret = elsewhere.path().join("secret.fits");
        fs::write(&secret, band(9.0)).unwrap();
        std::os::unix::fs::symlink(&secret, watched.folders[0].path.join("a_r.fits")).unwrap();
        assert_eq!(
            Files::open(&first(&watched), &watched).err(),
            Some(NotShown::Changed)
        );
    }
}
