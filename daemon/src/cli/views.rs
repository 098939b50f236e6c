//! `galmorph views`: what the network sees of an image, as an array for other tools and as a picture for people.

use std::io::{self, BufWriter, Cursor, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use image::ImageFormat;
use tempfile::NamedTempFile;

use super::args::FramingArguments;
use super::classify::report;
use super::image::{ImageFiles, Showing};
use super::{Outcome, npy, overridden};
use crate::config::{ImageOverrides, load_model};
use crate::failure::Failure;
use galmorph_inference::Options;
use galmorph_output::Output;

#[derive(Debug, Args)]
pub(super) struct Views {
    /// Image file (JPEG, PNG or FITS). With --band-files, the files of the other bands beside it are read, too
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Where to write the views, as a NumPy array (.npy): float32 [scales, 3, height, width]; - is standard
    /// output
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath, required_unless_present = "png")]
    npy: Option<PathBuf>,

    /// Where to write a picture of the views (.png): side by side, in the colours that the network sees before
    /// they are normalised, each pixel four times as large; - is standard output
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    png: Option<PathBuf>,

    /// Replace OUT if it exists. Of a link, the file that it leads to is replaced; what is no regular file
    /// never is
    #[arg(long)]
    force: bool,

    /// The model whose views are made. Default: the built-in model
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model: Option<PathBuf>,

    #[command(flatten)]
    overrides: ImageOverrides,

    #[command(flatten)]
    framing: FramingArguments,
}

/// How large a pixel of a view is in the picture, in pixels.
const ZOOM: u32 = 4;

impl Views {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let framing = self.framing.resolve()?;
        let showing = Showing::of(&overridden(&self.overrides)?)?;
        let files = ImageFiles::of(&self.file, showing.band_files.as_ref());
        let mut inputs = files.files();
        inputs.extend(self.model.as_deref());
        let output = |path: &Option<PathBuf>| {
            let output = |path: &PathBuf| Output::at(path, self.force, &inputs);
            path.as_ref().map(output).transpose()
        };
        let (npy, png) = (output(&self.npy)?, output(&self.png)?);
        if let (Some(npy), Some(png)) = (&npy, &png)
            && npy.is_same_as(png)
        {
            let fault = "--npy and --png name the same output";
            return Err(Failure::Usage(fault.into()));
        }
        let model = load_model(self.model.as_deref(), Options::default())?;
        let preprocessing = model.card.preprocessing;
        let decoded = files.decode(&framing, &showing.rendering, &preprocessing);
        let (image, plan) = match decoded {
            Ok(read) => read,
            Err(fault) => {
                report(&files.path, &fault);
                return Ok(Outcome::SomeRejected);
            }
        };
        let shown = plan.show(&image, &preprocessing);
        if let Some(output) = npy {
            let views = preprocessing.framed_views(&image, &shown.frame);
            let mut shape = vec![preprocessing.view_count()];
            shape.extend(preprocessing.view_shape());
            write(output, |buffer| npy::write(buffer, &shape, &views))?;
        }
        if let Some(output) = png {
            let mut bytes = Cursor::new(Vec::new());
            (preprocessing.framed_picture(&image, &shown.frame, ZOOM))
                .write_to(&mut bytes, ImageFormat::Png)
                .expect("a picture in memory is written to memory");
            write(output, |buffer| buffer.write_all(bytes.get_ref()))?;
        }
        Ok(Outcome::Fine)
    }
}

fn write(
    output: Output,
    work: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut file = output.begin(".galmorph-views-")?;
    let mut buffer = BufWriter::new(&mut file);
    work(&mut buffer)
        .and_then(|()| buffer.flush())
        .map_err(|error| output.refusal(&error))?;
    drop(buffer);
    output.keep(file)?;
    Ok(())
}
