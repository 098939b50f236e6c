//! `galmorph-train evaluate`

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::{DataArgs, MachineArgs};
use crate::data::Split;
use crate::error::Result;
use crate::evaluation::{self, Classifier, Evaluation, Subject, Symmetries, tables};
use crate::torch::Precision;
use crate::trained::Trained;

/// What `evaluate` takes.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// The checkpoint of a run, or an exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
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
    /// The predictions.csv of another model on the same split, to say how far the answers are apart
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// A folder for evaluation.json, predictions.csv and the paper's tables as table4.csv to table7.csv
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let device = args.machine.device()?;
    let trained = Trained::load(&args.model, device)?;
    let dataset = args.data.source().load(
        args.split,
        trained.preprocessing.largest_scale(),
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
    let subject = Subject {
        model: trained.name,
        network: trained.architecture.to_string(),
        parameters: trained.network.learned_values(),
        multiply_adds: trained.network.multiply_adds(),
        temperature: trained.temperature,
        precision: args.precision,
    };
    let mut evaluation = Evaluation::new(subject, split, &answers, fitted_on)?;
    evaluation.history = trained.history;
    let alone = std::slice::from_ref(&evaluation);
    println!("{}", tables::table4(&evaluation));
    println!("{}", tables::table5(&evaluation));
    println!("{}", tables::table6(alone));
    println!("{}", tables::table7(alone));
    print!("{}", tables::calibration(&evaluation));
    if let Some(path) = &args.against {
        let agreement = evaluation::agreement(&answers, trained.temperature, path)?;
        println!("\nagainst '{}': {agreement}", path.display());
    }
    if let Some(folder) = &args.output {
        evaluation::write(folder, &evaluation, &answers)?;
        log::info!("wrote '{}'", folder.join(evaluation::EVALUATION).display());
    }
    Ok(())
}
