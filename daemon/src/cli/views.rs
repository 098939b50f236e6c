//! `galmorph views`: what the network sees of an image, as an array for other tools.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_cutout::Preprocessing;

use super::args::FramingArguments;
use super::classify::{read_image, report};
use super::output::Output;
use super::{Outcome, npy};
use crate::config::load_model;
use crate::failure::Failure;
use galmorph_inference::Options;

#[derive(Debug, Args)]
pub(super) struct Views {
    /// Image file (JPEG or PNG)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Where to write the views, as a NumPy array (.npy): float32 [scales, 3, height, width]; - is standard
    /// output
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    npy: PathBuf,

    /// Replace OUT if it exists. Of a link, the file that it leads to is replaced; what is no regular file
    /// never is
    #[arg(long)]
    force: bool,

    /// The model whose preprocessing is used. Default: the paper's preprocessing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model: Option<PathBuf>,

    #[command(flatten)]
    framing: FramingArguments,
}

impl Views {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let framing = self.framing.resolve()?;
        let inputs: Vec<_> = [Some(&self.file), self.model.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect();
        let output = Output::at(&self.npy, self.force, &inputs)?;
        let preprocessing = match &self.model {
            Some(model) => {
                load_model(Some(model), Options::default())?
                    .card
                    .preprocessing
            }
            None => Preprocessing::default(),
        };
        let (image, plan) = match read_image(&self.file, &framing, &preprocessing) {
            Ok(read) => read,
            Err(fault) => {
                report(&self.file, &fault);
                return Ok(Outcome::SomeRejected);
            }
        };
        let shown = plan.show(&image, &preprocessing);
        let views = preprocessing.framed_views(&image, &shown.frame);
        let mut shape = vec![preprocessing.view_count()];
        shape.extend(preprocessing.view_shape());
        let mut file = output.begin(".galmorph-views-")?;
        let mut buffer = BufWriter::new(&mut file);
        npy::write(&mut buffer, &shape, &views)
            .and_then(|()| buffer.flush())
            .map_err(|error| output.refusal(&error))?;
        drop(buffer);
        output.keep(file)?;
        Ok(Outcome::Fine)
    }
}
