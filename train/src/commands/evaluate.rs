//! `galmorph-train evaluate`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use galmorph_cutout::Preprocessing;
use tch::Device;

use super::{DataArgs, MachineArgs};
use crate::checkpoint::{EpochRecord, Run};
use crate::data::Split;
use crate::error::Result;
use crate::evaluation::{self, Classifier, Evaluation, Subject, Symmetries, tables};
use crate::network::Network;
use crate::torch::{Precision, Weights};

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
    /// Average each view over its eight rotations and mirror images: eight times the work, and not
    /// what galmorph does
    #[arg(long)]
    symmetries: bool,
    /// A folder for evaluation.json, predictions.csv and the paper's tables as table4.csv to table7.csv
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// A trained network, ready to be measured.
struct Trained {
    subject: Subject,
    network: Network,
    weights: Weights,
    preprocessing: Preprocessing,
    history: Vec<EpochRecord>,
    /// The digest of the images that its temperature was fitted on.
    fitted_on: Option<String>,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let device = args.machine.device()?;
    let trained = open(&args.checkpoint, args.precision, device)?;
    let largest = trained.preprocessing.test_scales.iter().max();
    let dataset = args.data.source().load(
        args.split,
        largest.copied().unwrap_or_default(),
        args.machine.threads(),
    )?;
    let classifier = Classifier {
        network: &trained.network,
        weights: &trained.weights,
        precision: args.precision,
        device,
    };
    let symmetries = if args.symmetries {
        Symmetries::All
    } else {
        Symmetries::Identity
    };
    let begun = Instant::now();
    let answers = classifier.evaluate(&dataset, &trained.preprocessing, symmetries);
    log::info!(
        "classified {} images at {} scales in {:.1} s",
        dataset.len(),
        answers.scales().len(),
        begun.elapsed().as_secs_f64()
    );

    let split = (args.split, &dataset);
    let fitted_on = trained.fitted_on.as_deref();
    let mut evaluation = Evaluation::new(trained.subject, split, &answers, fitted_on)?;
    evaluation.history = trained.history;
    let alone = std::slice::from_ref(&evaluation);
    println!("{}", tables::table4(&evaluation));
    println!("{}", tables::table5(&evaluation));
    println!("{}", tables::table6(alone));
    println!("{}", tables::table7(alone));
    print!("{}", tables::calibration(&evaluation));
    if let Some(folder) = &args.output {
        evaluation::write(folder, &evaluation, &answers)?;
        log::info!("wrote '{}'", folder.join(evaluation::EVALUATION).display());
    }
    Ok(())
}

fn open(checkpoint: &Path, precision: Precision, device: Device) -> Result<Trained> {
    let (run, network) = Run::load(checkpoint, device)?;
    let folder = std::path::absolute(checkpoint).unwrap_or_else(|_| checkpoint.to_owned());
    let folder = folder.parent().and_then(Path::file_name);
    let state = run.state;
    let subject = Subject {
        model: folder.unwrap_or_default().to_string_lossy().into_owned(),
        network: state.settings.network.to_string(),
        parameters: network.learned_values(),
        multiply_adds: network.multiply_adds(),
        temperature: state.temperature.unwrap_or(1.0),
        precision,
    };
    Ok(Trained {
        subject,
        network,
        weights: run.average,
        preprocessing: Preprocessing::default(),
        history: state.history,
        fitted_on: state.temperature.map(|_| state.settings.validation_digest),
    })
}
