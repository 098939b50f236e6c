//! Images for commands that have no catalog: a file, or the files that have a band each.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use galmorph_catalog::BandSet;
use galmorph_cutout::{
    BandFiles, FramingSettings, Identity, Image, Limits, Plan, Preprocessing, Rendering,
};

use crate::config::Config;
use crate::failure::Failure;
use crate::identity::object_id;
use crate::pipeline::Content;

/// How the files that a command was given are shown.
#[derive(Debug)]
pub(super) struct Showing {
    pub(super) rendering: Rendering,
    pub(super) band_files: Option<BandFiles>,
}

/// An image that a command was given a file of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageFiles {
    /// The path by which it is known: the file, or that of the first band.
    pub(super) path: PathBuf,
    set: Option<BandSet>,
}

impl Showing {
    /// As the settings of a command say.
    pub(super) fn of(config: &Config) -> Result<Self, Failure> {
        let rendering = config.rendering();
        let files = config.band_files.as_ref();
        let files = files.map(|pattern| pattern.of_bands(&rendering.bands));
        let band_files = files
            .transpose()
            .map_err(|fault| Failure::Usage(format!("--band-files: {fault}")))?;
        Ok(Self {
            rendering,
            band_files,
        })
    }

    /// The images of some files, each once.
    pub(super) fn images<'a>(
        &'a self,
        files: &'a [PathBuf],
    ) -> impl Iterator<Item = ImageFiles> + use<'a> {
        let mut seen = BTreeSet::new();
        let images = files.iter();
        let images = images.map(|file| ImageFiles::of(file, self.band_files.as_ref()));
        images.filter(move |image| image.set.is_none() || seen.insert(image.path.clone()))
    }
}

impl ImageFiles {
    /// The image that a file is, or is a band of.
    pub(super) fn of(file: &Path, band_files: Option<&BandFiles>) -> Self {
        let set = band_files.and_then(|files| BandSet::of(files, file, false));
        let path = set.as_ref().map_or(file, BandSet::path).to_owned();
        Self { path, set }
    }

    /// What the names of its files say of the object.
    pub(super) fn identity(&self) -> Identity {
        match &self.set {
            Some(set) => set.identity.clone(),
            None => Identity::named(object_id(&self.path)),
        }
    }

    /// The files that are read of it, where they are there.
    pub(super) fn files(&self) -> Vec<&Path> {
        match &self.set {
            Some(set) => set.files.iter().map(|(_, path)| path.as_path()).collect(),
            None => vec![&self.path],
        }
    }

    /// Reads its files, those that are there.
    pub(super) fn read(&self, limits: &Limits) -> io::Result<Content> {
        let Some(set) = &self.set else {
            return Ok(Content::File(read(&self.path, limits)?));
        };
        let mut files = Vec::new();
        for (band, path) in &set.files {
            match read(path, limits) {
                Ok(bytes) => files.push((band.clone(), bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if files.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(Content::Bands(files))
    }

    /// Decodes as much of its middle as is needed to frame it so, or says why not.
    pub(super) fn decode(
        &self,
        framing: &FramingSettings,
        rendering: &Rendering,
        preprocessing: &Preprocessing,
    ) -> Result<(Image, Plan), String> {
        let limits = &Limits::default();
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_dir()) {
            return Err("a folder (galmorph watch --drain takes folders)".into());
        }
        let content = self.read(limits).map_err(|error| error.to_string())?;
        let read = || {
            let header = content.header(limits, rendering)?;
            let dimensions = header.dimensions;
            let plan = framing.of_image(None, header.pixel_scale).plan(dimensions);
            let side = plan.decoded_side(preprocessing, dimensions);
            Ok((content.decode(limits, side, rendering)?, plan))
        };
        read().map_err(|(_, message): crate::pipeline::ContentFault| message)
    }
}

/// One byte over the limit is enough for the decoder to refuse it.
fn read(path: &Path, limits: &Limits) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limits.max_bytes + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
