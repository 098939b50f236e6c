//! A watched folder, and where its files go when they are done.
//!
//! A folder keeps its files where they are, unless it is configured to move them. Then a classified file
//! goes to its sub-folder `done` and a rejected one to `rejected`, below the same sub-folders as before.
//! These two are not watched.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use galmorph_catalog::{DONE, REJECTED, WatchedFolder};
use galmorph_cutout::{
    BandFiles, Framing, FramingFault, FramingSettings, NamePattern, PatternFault, Rendering,
    Stretch,
};
use rustix::fs::{Access, access};
use toml::Value;

use super::value::{Choice, Item, SettingValue, Shape, not};
use super::{BandPattern, ManifestSettings, check};

/// What becomes of a file that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum After {
    /// It stays where it is.
    #[default]
    Keep,
    /// It is moved to `done` or `rejected`.
    Move,
}

impl Choice for Framing {
    const ALL: &[Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Choice for After {
    const ALL: &[Self] = &[Self::Keep, Self::Move];

    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Move => "move",
        }
    }
}

/// A watched folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What becomes of its files when they are done.
    pub(crate) after: After,
    /// How its images are framed; `None` where the setting of all folders holds.
    pub(crate) framing: Option<Framing>,
    /// The radius of its objects, petroR90, in arcsec, if all have the same.
    pub(crate) radius: Option<f64>,
    /// How much of the sky a pixel of its images shows, in arcsec.
    pub(crate) pixel_scale: Option<f64>,
    /// How its FITS images are shown.
    pub(crate) rendering: Rendering,
    /// How its files are named that have one band each, where the setting of all folders does not hold.
    pub(crate) band_pattern: Option<BandPattern>,
    /// The same with the bands, when it is ready for use.
    pub(crate) band_files: Option<BandFiles>,
    /// How its files are named.
    pub(crate) name: Option<NamePattern>,
    /// The tables that say which objects its files show.
    pub(crate) manifests: Vec<ManifestSettings>,
}

impl From<PathBuf> for Folder {
    /// A folder that keeps its files, and of whose images nothing is known.
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            after: After::Keep,
            framing: None,
            radius: None,
            pixel_scale: None,
            rendering: Rendering::DEFAULT,
            band_pattern: None,
            band_files: None,
            name: None,
            manifests: Vec::new(),
        }
    }
}

impl From<WatchedFolder> for Folder {
    fn from(watched: WatchedFolder) -> Self {
        let after = if watched.moves {
            After::Move
        } else {
            After::Keep
        };
        Self {
            after,
            framing: Some(watched.framing.framing),
            radius: watched.framing.radius,
            pixel_scale: watched.framing.pixel_scale,
            band_files: (watched.band_files)
                .and_then(|pattern| BandFiles::new(&pattern, &watched.rendering.bands).ok()),
            rendering: watched.rendering,
            ..watched.path.into()
        }
    }
}

impl From<&Folder> for WatchedFolder {
    fn from(folder: &Folder) -> Self {
        Self {
            path: folder.path.clone(),
            moves: folder.after == After::Move,
            framing: folder.framing(),
            identified: folder.name.is_some()
                || folder.band_files.is_some()
                || !folder.manifests.is_empty(),
            rendering: folder.rendering.clone(),
            band_files: folder.band_files.as_ref().map(ToString::to_string),
        }
    }
}

impl Folder {
    /// How its images are framed, and what is known of the objects.
    pub(crate) fn framing(&self) -> FramingSettings {
        self.framing_or(Framing::default())
    }

    /// The same, if `framing` is that of folders that say nothing of it.
    pub(crate) fn framing_or(&self, framing: Framing) -> FramingSettings {
        FramingSettings {
            framing: self.framing.unwrap_or(framing),
            radius: self.radius,
            pixel_scale: self.pixel_scale,
        }
    }

    /// Looks for settings that can't work, if `framing` is that of folders that say nothing of it.
    pub(crate) fn validate(&self, framing: Framing) -> Result<(), FramingFault> {
        let framing = self.framing_or(framing);
        // A manifest may have the radius of each object, and a FITS image its own scale.
        if self.manifests.is_empty() {
            framing.validate()
        } else {
            framing.validate_lengths()
        }
    }

    /// Whether a path lies where this folder moves files to.
    pub(crate) fn is_relocated(&self, path: &Path) -> bool {
        self.relocated_below(path).is_some()
    }

    /// Where a file of this folder goes when it is done; `None` when it stays. One that was moved, and is
    /// judged otherwise by now, goes from one of the two to the other.
    pub(crate) fn destination(&self, path: &Path, is_rejected: bool) -> Option<PathBuf> {
        if self.after == After::Keep {
            return None;
        }
        let below = match self.relocated_below(path) {
            Some(below) => below,
            None => path.strip_prefix(&self.path).ok()?,
        };
        let kind = if is_rejected { REJECTED } else { DONE };
        let destination = self.path.join(kind).join(below);
        (destination != path && below.parent().is_some()).then_some(destination)
    }

    fn relocated_below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        if self.after == After::Keep {
            return None;
        }
        let below = path.strip_prefix(&self.path).ok()?;
        let mut parts = below.components();
        match parts.next() {
            Some(Component::Normal(name)) if name == DONE || name == REJECTED => {
                Some(parts.as_path())
            }
            _ => None,
        }
    }

    /// Makes the sub-folders that files are moved to, if they are to be moved.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.after == After::Move {
            for kind in [DONE, REJECTED] {
                match fs::create_dir(self.path.join(kind)) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        self.can_move()
    }

    /// Whether files can be moved, if they are to be. A rename does not reach another file system.
    pub(crate) fn can_move(&self) -> io::Result<()> {
        if self.after == After::Keep {
            return Ok(());
        }
        access(&self.path, Access::WRITE_OK)?;
        let device = fs::metadata(&self.path)?.dev();
        for kind in [DONE, REJECTED] {
            let target = self.path.join(kind);
            let metadata = match fs::metadata(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let fault = |what| Err(io::Error::other(format!("'{kind}' in it is {what}")));
            if !metadata.is_dir() {
                return fault("not a folder");
            }
            if metadata.dev() != device {
                return fault("on another file system");
            }
            access(&target, Access::WRITE_OK)?;
        }
        Ok(())
    }
}

/// What a folder can be given, for messages.
const KEYS: &str = "path, after, framing, radius, pixel_scale, stretch, bands, colours, band_files, name and manifest";

/// `"/in"`, or `{ path = "/in", after = "move", framing = "frame", stretch = "legacy" }`.
impl SettingValue for Folder {
    const SHAPE: Shape = Shape::Path;

    fn from_toml(value: Value) -> Result<Self, String> {
        let table = match value {
            Value::String(path) => return Ok(PathBuf::from(path).into()),
            Value::Table(table) => table,
            other => {
                let what = format!("a path in quotes, or {{ path = \"...\" }} with any of {KEYS}");
                return Err(not(&other, &what));
            }
        };
        let (mut path, mut folder) = (None, Self::from(PathBuf::new()));
        for (key, value) in table {
            let in_key = |fault| format!("{key}: {fault}");
            match key.as_str() {
                "path" => path = Some(PathBuf::from_toml(value).map_err(in_key)?),
                "after" => folder.after = After::from_toml(value).map_err(in_key)?,
                "framing" => folder.framing = Option::from_toml(value).map_err(in_key)?,
                "radius" => folder.radius = Option::from_toml(value).map_err(in_key)?,
                "pixel_scale" => folder.pixel_scale = Option::from_toml(value).map_err(in_key)?,
                "name" => {
                    let text = String::from_toml(value).map_err(in_key)?;
                    let pattern = text
                        .parse()
                        .map_err(|fault: PatternFault| fault.to_string());
                    folder.name = Some(pattern.map_err(in_key)?);
                }
                "manifest" => {
                    folder.manifests = match value {
                        Value::Array(_) => Vec::from_toml(value),
                        one => ManifestSettings::from_toml(one).map(|one| vec![one]),
                    }
                    .map_err(in_key)?;
                }
                "stretch" => {
                    folder.rendering.stretch = Some(Stretch::from_toml(value).map_err(in_key)?);
                }
                "bands" => {
                    let bands = Vec::from_toml(value).map_err(in_key)?;
                    check::bands(&bands).map_err(in_key)?;
                    folder.rendering.bands = bands;
                }
                "band_files" => {
                    folder.band_pattern = Some(BandPattern::from_toml(value).map_err(in_key)?);
                }
                "colours" => {
                    let colours = Vec::from_toml(value).map_err(in_key)?;
                    check::colours(&colours).map_err(in_key)?;
                    folder.rendering.colours = colours;
                }
                _ => return Err(format!("a folder has no '{key}' ({KEYS})")),
            }
        }
        folder.path = path.ok_or("a folder without a path")?;
        Ok(folder)
    }
}

impl Item for Folder {
    const PLURAL: &str = "folders";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(path: &str) -> Folder {
        Folder {
            after: After::Move,
            ..PathBuf::from(path).into()
        }
    }

    #[test]
    fn a_moved_file_keeps_its_sub_folders_and_follows_another_verdict() {
        let folder = moving("/in");
        let (path, done) = (Path::new("/in/a/b.jpg"), Path::new("/in/done/a/b.jpg"));
        assert_eq!(folder.destination(path, false).as_deref(), Some(done));
        let rejected = folder.destination(path, true).unwrap();
        assert_eq!(rejected, Path::new("/in/rejected/a/b.jpg"));
        assert_eq!(folder.destination(&rejected, true), None);
        assert_eq!(folder.destination(&rejected, false).as_deref(), Some(done));
        assert!(folder.is_relocated(done) && !folder.is_relocated(path));
        assert_eq!(folder.destination(done, false), None);
        assert_eq!(folder.destination(Path::new("/other/b.jpg"), false), None);
        // Only directly in the folder do these names mean something.
        assert!(!folder.is_relocated(Path::new("/in/a/done/b.jpg")));
    }

    #[test]
    fn a_folder_says_how_its_fits_images_are_shown() {
        let read = |text: &str| Folder::from_toml(text.parse::<toml::Table>().unwrap().into());
        let folder = read(
            "path = '/in'\nstretch = 'lupton q=10'\nbands = ['g', 'r', 'z']\ncolours = ['z', 'r', 'g']",
        );
        let rendering = folder.unwrap().rendering;
        assert_eq!(rendering.stretch, Some("lupton q=10".parse().unwrap()));
        assert_eq!(rendering.bands.len() + rendering.colours.len(), 6);
        let sets = read("path = '/in'\nband_files = '{object_id}_{band}.fits'").unwrap();
        assert!(sets.band_pattern.is_some());
        for (setting, expected) in [
            ("stretch = 'luptn'", "stretch: unknown stretch 'luptn'"),
            ("stretch = 3", "stretch: 3 is not a stretch in quotes"),
            ("bands = ['g', '']", "bands: '' is not the name of a band"),
            (
                "band_files = '{object_id}.fits'",
                "band_files: no {band} in it",
            ),
            (
                "band_files = 'a/{object_id}_{band}.fits'",
                "band_files: 'a/{object_id}_{band}.fits' is not the name of a file",
            ),
            (
                "colours = ['z', 'r']",
                "colours: 2 bands are not one (grey) or three",
            ),
        ] {
            let fault = read(&format!("path = '/in'\n{setting}")).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[test]
    fn a_folder_says_which_objects_its_files_show() {
        let read = |text: &str| Folder::from_toml(text.parse::<toml::Table>().unwrap().into());
        let text =
            "path = '/in'\nname = 'cutout_{ra}_{dec}'\nmanifest = ['a.csv', { path = 'b.csv' }]";
        let folder = read(text).unwrap();
        assert_eq!(folder.name.unwrap().to_string(), "cutout_{ra}_{dec}");
        assert_eq!(folder.manifests.len(), 2);
        assert_eq!(
            read("path = '/in'\nmanifest = 'a'")
                .unwrap()
                .manifests
                .len(),
            1
        );
        for (setting, expected) in [
            ("name = 'x'", "name: none of {object_id}"),
            ("name = 'x_{ra}'", "name: {ra} and {dec} need each other"),
            ("manifest = 3", "manifest: 3 is not a path in quotes, or"),
            (
                "manifest = ['a', 3]",
                "manifest: 3 is not a path in quotes, or",
            ),
        ] {
            let fault = read(&format!("path = '/in'\n{setting}")).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
        // The radius that is asked for may be the manifest's.
        let by_radius = |text: &str| {
            let folder = read(&format!("path = '/in'\nframing = 'radius'\n{text}")).unwrap();
            folder.validate(Framing::Auto)
        };
        assert!(by_radius("").is_err() && by_radius("name = '{object_id}'").is_err());
        assert_eq!(by_radius("manifest = 'm.csv'"), Ok(()));
        assert!(by_radius("manifest = 'm.csv'\npixel_scale = 0").is_err());
    }

    #[test]
    fn a_folder_that_keeps_its_files_moves_none() {
        let folder = Folder::from(PathBuf::from("/in"));
        assert_eq!(folder.destination(Path::new("/in/b.jpg"), false), None);
        assert!(!folder.is_relocated(Path::new("/in/done/b.jpg")));
    }

    #[test]
    fn sub_folders_are_made_once_and_one_that_can_not_be_used_is_a_fault() {
        let temporary = tempfile::TempDir::new().unwrap();
        let folder = moving(temporary.path().to_str().unwrap());
        folder.prepare().unwrap();
        folder.prepare().unwrap();
        assert!(temporary.path().join(DONE).is_dir());
        fs::remove_dir(temporary.path().join(REJECTED)).unwrap();
        fs::write(temporary.path().join(REJECTED), "").unwrap();
        assert!(folder.prepare().is_err());
        fs::remove_file(temporary.path().join(REJECTED)).unwrap();
        std::os::unix::fs::symlink("/proc", temporary.path().join(REJECTED)).unwrap();
        let fault = folder.prepare().unwrap_err().to_string();
        assert!(fault.contains("on another file system"), "{fault}");
    }
}
