//! `galmorph-train evaluate`

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use galmorph_output::readable;

use super::{DataArgs, ForceArgs, MachineArgs, print};
use crate::data::{Split, Targets};
use crate::error::Result;
use crate::evaluation::{
    self, Classifier, Evaluation, EvaluationFolder, Subject, Symmetries, tables,
};
use crate::model_file::TrainedModel;
use crate::torch::Precision;

/// The arguments of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Checkpoint of a run, or exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Split to measure on
    #[arg(long, value_enum, default_value_t = Split::Validation)]
    split: Split,
    /// Arithmetic precision
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Average each view over its eight rotations and mirror images. This is eight times the work,
    /// and galmorph doesn't do it
    #[arg(long)]
    symmetries: bool,
    /// Compare with the predictions.csv of another model on the same split
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Folder for evaluation.json, predictions.csv and the paper's tables (table4.csv to table7.csv)
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let inputs: Vec<&Path> = (args.against.iter())
        .chain([&args.model, &args.data.labels])
        .map(PathBuf::as_path)
        .collect();
    let output = (args.output.as_ref())
        .map(|folder| EvaluationFolder::at(folder, args.force.force, &inputs))
        .transpose()?;
    let device = args.machine.device()?;
    let model = TrainedModel::load(&args.model, device)?;
    let images = args.data.source(Targets::Labels).open(&[args.split])?;
    let dataset = images.load(
        args.split,
        model.preprocessing.largest_scale(),
        args.machine.threads(),
    )?;
    let classifier = Classifier {
        network: &model.network,
        weights: &model.weights,
        precision: args.precision,
        device,
    };
    let symmetries = if args.symmetries {
        Symmetries::All
    } else {
        Symmetries::Identity
    };
    let begun = Instant::now();
    let answers = classifier.evaluate(&dataset, &model.preprocessing, symmetries);
    log::info!(
        "classified {} images at {} scales in {:.1} s",
        dataset.len(),
        answers.scales().len(),
        begun.elapsed().as_secs_f64()
    );

    let split = (args.split, &dataset);
    let fitted_on = model.fitted_on.as_deref();
    let subject = Subject {
        model: model.name,
        network: model.architecture.to_string(),
        parameters: model.network.learned_values(),
        multiply_adds: model.network.multiply_adds(),
        temperature: model.temperature,
        precision: args.precision,
    };
    let mut evaluation = Evaluation::new(subject, split, &answers, fitted_on)?;
    evaluation.history = model.history;
    let mut text = printed(&evaluation);
    if let Some(path) = &args.against {
        let agreement = evaluation::agreement(&answers, model.temperature, path)?;
        // Writing to a string can't fail.
        let _ = writeln!(text, "\ncompared with '{}': {agreement}", path.display());
    }
    if let (Some(folder), Some(output)) = (&args.output, output) {
        output.write(&evaluation, &answers)?;
        log::info!("wrote '{}'", readable(folder.join(evaluation::EVALUATION)));
    }
    print(&text)
}

/// The paper's tables for people, and a table of the calibration.
fn printed(evaluation: &Evaluation) -> String {
    let alone = std::slice::from_ref(evaluation);
    let tables = [
        tables::table4(evaluation),
        tables::table5(evaluation),
        tables::table6(alone),
        tables::table7(alone),
        tables::calibration(evaluation),
    ];
    tables.map(|table| table.to_string()).join("\n")
}
