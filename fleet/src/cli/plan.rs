//! `galmorph-fleet plan`: an archive to shards.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_cutout::{FITS_EXTENSIONS, Framing, FramingSettings};
use galmorph_output::readable;

use super::{Outcome, print};
use crate::Failure;
use crate::plan::{Division, Draft, Source, gather};
use crate::shard::load_model;

/// As many as names of five digits have, and more than any array.
const MOST_SHARDS: u32 = 100_000;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Folders whose images are classified. Give them the names that all machines know them by
    #[arg(value_name = "ROOT", value_hint = ValueHint::DirPath, required_unless_present_any = ["list", "table"], conflicts_with_all = ["list", "table"])]
    roots: Vec<PathBuf>,

    /// Take the files that this list has, a path a line; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "table")]
    list: Option<PathBuf>,

    /// Take the files of this table (CSV, ECSV, FITS or Parquet): the column path, and where they are known object_id, ra and
    /// dec (degrees), radius (petroR90, arcsec)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    table: Option<PathBuf>,

    /// The number of shards. One of 100,000 files takes 12 minutes on one core with AVX-512
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    shards: u32,

    /// The folder that the plan is made in. All machines must reach it; it must not be there yet
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::DirPath)]
    out: PathBuf,

    /// How files are divided
    #[arg(long, value_enum, default_value_t)]
    by: Division,

    /// The most tasks that an array may have here (Slurm: MaxArraySize - 1). With more shards, a task takes several
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_array: u32,

    /// How many files a run answers for before it writes them down: what it loses at most when it is killed
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chunk: u32,

    /// Endings of image files
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values_t = extensions())]
    extensions: Vec<String>,

    /// The model (ONNX, made by galmorph-train export). Default: the one that is built in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model: Option<PathBuf>,

    /// What numbers are multiplied: f32, which every machine can, or bf16, which those with AMX can alone
    #[arg(long, value_name = "NUMBERS", value_parser = ["f32", "bf16"], default_value = "f32")]
    arithmetic: String,

    /// How the part of an image is found that the network looks at, as in galmorph classify
    #[arg(long, value_name = "FRAMING", default_value = "auto", value_parser = framing)]
    framing: Framing,

    /// The radius of the galaxies (petroR90), in arcsec, if all have the same
    #[arg(long, value_name = "ARCSEC")]
    radius: Option<f64>,

    /// How much of the sky a pixel shows, in arcsec
    #[arg(long, value_name = "ARCSEC")]
    pixel_scale: Option<f64>,
}

/// The endings that `galmorph watch` takes.
fn extensions() -> Vec<String> {
    let images = ["jpg", "jpeg", "png"].into_iter();
    images.chain(FITS_EXTENSIONS).map(str::to_owned).collect()
}

fn framing(name: &str) -> Result<Framing, String> {
    name.parse()
        .map_err(|unknown: galmorph_cutout::UnknownFraming| unknown.to_string())
}

impl PlanArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let framing = FramingSettings {
            framing: self.framing,
            radius: self.radius,
            pixel_scale: self.pixel_scale,
        };
        // A table may have the radius of each object.
        let valid = match self.table {
            Some(_) => framing.validate_lengths(),
            None => framing.validate(),
        };
        valid.map_err(|fault| Failure::Usage(fault.to_string()))?;
        let file = match &self.model {
            Some(file) => Some(
                file.canonicalize()
                    .map_err(|error| Failure::io("read model", file, &error))?,
            ),
            None => None,
        };
        let (_, model) = load_model(file.as_deref(), Some(&self.arithmetic))?;
        if model.arithmetic != self.arithmetic {
            return Err(Failure::Usage(
                "this machine can't multiply bf16, so it can't plan for it".to_owned(),
            ));
        }
        let source = match (self.list, self.table) {
            (Some(list), _) => Source::List(list),
            (_, Some(table)) => Source::Table(table),
            _ => Source::Folders {
                roots: self.roots,
                extensions: self.extensions,
            },
        };
        let files = gather(&source)?;
        let draft = Draft {
            model,
            framing,
            division: self.by,
            chunk: self.chunk as usize,
        };
        let plan = draft.write(
            &self.out,
            files,
            self.shards as usize,
            self.max_array as usize,
        )?;
        let files = plan.files();
        let out = readable(&self.out);
        print(&format!(
            "plan '{out}': {files} files in {} shards (sbatch {out}/run.sbatch, or galmorph-fleet run {out} 0 ...)",
            plan.shards.len()
        ))?;
        if files == 0 {
            log::warn!("the plan has no files");
            return Ok(Outcome::Incomplete);
        }
        Ok(Outcome::Fine)
    }
}
