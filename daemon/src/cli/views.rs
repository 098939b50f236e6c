//! `galmorph views`: what the network sees of an image, as an array for other tools.

use std::fmt::Display;
use std::fs::Permissions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_cutout::{Limits, Preprocessing};

use super::Outcome;
use super::args::require_folder;
use super::classify::{read_image, report};
use super::npy;
use crate::config::load_model;
use crate::failure::Failure;
use galmorph_inference::Options;

#[derive(Debug, Args)]
pub(super) struct Views {
    /// Image file (JPEG or PNG)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Where to write the views, as a NumPy array (.npy): float32 [scales, 3, height, width]
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    npy: PathBuf,

    /// The model whose preprocessing is used. Default: the paper's preprocessing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
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
        let image = match read_image(&self.file, &Limits::default(), u32::MAX) {
            Ok(image) => image,
            Err(fault) => {
                report(&self.file, &fault);
                return Ok(Outcome::SomeRejected);
            }
        };
        let views = preprocessing.views(&image);
        let mut shape = vec![preprocessing.view_count()];
        shape.extend(preprocessing.view_shape());
        let refuse = |fault: &dyn Display| {
            Failure::Usage(format!("cannot write '{}': {fault}", self.npy.display()))
        };
        require_folder(&self.npy).map_err(|fault| refuse(&fault))?;
        write_by_rename(&self.npy, &shape, &views).map_err(|error| refuse(&error))?;
        Ok(Outcome::Fine)
    }
}

/// Writes an array so that its file appears when it is complete.
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
