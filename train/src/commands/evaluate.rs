//! `galmorph-train evaluate`

use std::path::PathBuf;

use clap::Args;
use galmorph_cutout::Preprocessing;

use super::{DataArgs, MachineArgs};
use crate::checkpoint::Run;
use crate::data::Split;
use crate::error::Result;
use crate::evaluation::{Classifier, table};
use crate::torch::Precision;

/// What `evaluate` takes.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// The checkpoint of a run
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The split to measure on
    #[arg(long, value_enum, default_value_t = Split::Validation)]
    split: Split,
    /// Kind of number to compute with
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let device = args.machine.device()?;
    let (run, network) = Run::load(&args.checkpoint, device)?;
    let preprocessing = Preprocessing::default();
    let largest = preprocessing.test_scales.iter().max();
    let dataset = args.data.source().load(
        args.split,
        largest.copied().unwrap_or_default(),
        args.machine.threads(),
    )?;
    let classifier = Classifier {
        network: &network,
        weights: &run.average,
        precision: args.precision,
        device,
    };
    let evaluation = classifier.evaluate(&dataset, &preprocessing);
    print!("{}", table(&evaluation.measurement()));
    Ok(())
}
