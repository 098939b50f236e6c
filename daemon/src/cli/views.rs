//! `galmorph views`: what the network sees, for those who want to check it with tools of their own.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{Limits, Preprocessing};

use super::Outcome;
use super::classify::{read_image, report};
use super::npy;
use crate::config::load_model;
use crate::failure::Failure;
use galmorph_inference::Options;

#[derive(Debug, Args)]
pub(super) struct Views {
    /// Image file (JPEG or PNG)
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to write the views: a .npy file, float32 [scales, 3, height, width]
    #[arg(long, value_name = "OUT")]
    npy: PathBuf,

    /// The model whose preprocessing is used; without one, the paper's
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

impl Views {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let preprocessing = match &self.model {
            Some(model) => {
                load_model(Some(model), Options::default())?
                    .card
                    .preprocessing
            }
            None => Preprocessing::default(),
        };
        let image = match read_image(&self.file, &Limits::default()) {
            Ok(image) => image,
            Err(fault) => {
                report(&self.file, &fault);
                return Ok(Outcome::SomeRejected);
            }
        };
        let views = preprocessing.views(&image);
        let mut shape = vec![preprocessing.view_count()];
        shape.extend(preprocessing.view_shape());
        write_by_rename(&self.npy, &shape, &views).map_err(|error| {
            Failure::Usage(format!("cannot write '{}': {error}", self.npy.display()))
        })?;
        Ok(Outcome::Fine)
    }
}

/// Whoever looks for the file finds all of it, or none.
fn write_by_rename(path: &Path, shape: &[usize], values: &[f32]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    let mut output = BufWriter::new(&mut file);
    npy::write(&mut output, shape, values)?;
    output.flush()?;
    drop(output);
    file.persist(path)?;
    Ok(())
}
