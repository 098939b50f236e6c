//! `galmorph-train select`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::Morphology;
use galmorph_output::{Output, readable};

use super::{ForceArgs, print};
use crate::data::Split;
use crate::error::Result;
use crate::votes::{Cuts, Sample, Splitter};

/// The arguments of `select`.
#[derive(Debug, Args)]
pub(super) struct SelectArgs {
    /// Table of votes, CSV or FITS, gzipped or not: Kaggle's, or a Galaxy Zoo 2 catalogue
    #[arg(long, value_name = "FILE")]
    votes: PathBuf,
    /// Label file to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    /// TOML file with the cuts of each class [default: Zhu et al. 2019, Table 1]
    #[arg(long, value_name = "FILE")]
    cuts: Option<PathBuf>,
    /// Also write the votes for the five classes, for `train --targets votes`
    #[arg(long)]
    soft_targets: bool,
    /// Fraction of the galaxies to keep for validation, from 0 to below 1
    #[arg(long, default_value_t = 0.1)]
    fraction: f64,
    /// Seed of the split; another seed gives another split
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Column with the galaxies' ids [default: `GalaxyID`, `dr7objid`, `objid` or `dr8objid`]
    #[arg(long, value_name = "NAME")]
    id_column: Option<String>,
}

pub(super) fn run(args: &SelectArgs) -> Result<()> {
    let inputs: Vec<&Path> = [Some(&args.votes), args.cuts.as_ref()]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .collect();
    let output = Output::at(&args.output, args.force.force, &inputs)?;
    let splitter = Splitter::new(args.fraction, args.seed)?;
    let cuts = match &args.cuts {
        Some(path) => Cuts::read(path)?,
        None => Cuts::zhu2019(),
    };
    let sample = Sample::select(
        &args.votes,
        &cuts,
        args.soft_targets,
        args.id_column.as_deref(),
    )?;
    let is_file = output.target().is_some();
    output.write(".galmorph-select-", &sample.to_csv(&splitter))?;
    let report = report(&sample, &cuts, &splitter);
    if !is_file {
        log::info!("selected:\n{report}");
        return Ok(());
    }
    log::info!("wrote '{}'", readable(&args.output));
    print(&report)
}

/// What was read and what was selected, for people.
fn report(sample: &Sample, cuts: &Cuts, splitter: &Splitter) -> String {
    let mut text = format!("votes: {}\ncuts:  '{}'\n\n", sample.source, cuts.name());
    // Writing to a string can't fail.
    let mut line = |name: &str, cells: [String; 3]| {
        let [train, validation, all] = cells;
        let _ = writeln!(text, "{name:<20}{train:>10}{validation:>12}{all:>10}");
    };
    line("", ["train", "validation", "all"].map(String::from));
    let mut sums = [0; 3];
    for class in Morphology::ALL {
        let of = |split| sample.count(class, split, splitter);
        let (train, validation) = (of(Split::Train), of(Split::Validation));
        let counts = [train, validation, train + validation];
        line(class.name(), counts.map(|count| count.to_string()));
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    line("clean sample", sums.map(|sum| sum.to_string()));
    let blank = String::new;
    let all = |count: u64| [blank(), blank(), count.to_string()];
    line("in no class", all(sample.unclassified));
    line("in two, left out", all(sample.ambiguous));
    line("galaxies", all(sample.rows));
    text
}
