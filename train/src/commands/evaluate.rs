//! `galmorph-train evaluate`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use galmorph_output::readable;

use super::{ByArgs, DataArgs, ForceArgs, MachineArgs, print};
use crate::data::{Fold, Part, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{
    self, Against, Classifier, Evaluation, EvaluationFolder, Extent, Subject, Symmetries, by,
    tables, trust,
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
    /// Measure on the fold that was held out when the model was trained, instead of on a split [possible
    /// values: 0 to 4]
    #[arg(long, value_name = "K", conflicts_with = "split")]
    fold: Option<Fold>,
    /// Arithmetic precision
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Average each view over its eight rotations and mirror images. This is eight times the work,
    /// and galmorph doesn't do it
    #[arg(long)]
    symmetries: bool,
    /// Compare with the predictions.csv of another model on the same galaxies, image by image
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    by: ByArgs,
    /// Folder for evaluation.json, predictions.csv, the paper's tables (table4.csv to table7.csv), coverage.csv
    /// and purity.csv
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let inputs: Vec<&Path> = (args.against.iter())
        .chain(&args.by.by_table)
        .chain([&args.model])
        .map(PathBuf::as_path)
        .chain(args.data.inputs())
        .collect();
    let output = (args.output.as_ref())
        .map(|folder| EvaluationFolder::at(folder, Extent::Measurements, args.force.force, &inputs))
        .transpose()?;
    let columns = args.by.read(&args.data.labels)?;
    let device = args.machine.device()?;
    let model = TrainedModel::load(&args.model, device)?;
    let part = match args.fold {
        Some(fold) => held_out(&model, fold)?,
        None => Part::Split(args.split),
    };
    let images = args.data.source(Targets::Labels)?.open(&[part])?;
    let dataset = images.load(
        part,
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

    let part = (part.to_string(), dataset.digest);
    let fitted_on = model.fitted_on.as_deref();
    let subject = Subject {
        model: model.name,
        network: model.architecture.to_string(),
        parameters: model.network.learned_values(),
        multiply_adds: model.network.multiply_adds(),
        scaling: model.scaling,
        precision: args.precision,
        variant: model.variant,
    };
    let mut evaluation = Evaluation::new(subject, (&part.0, &part.1), &answers, fitted_on)?;
    evaluation.history = model.history;
    evaluation.by = (args.by).measure(&columns, &answers, model.scaling)?;
    let mut text = printed(&evaluation);
    if let Some(path) = &args.against {
        let against = evaluation::against(&answers, model.scaling, path)?;
        text.push_str(&compared(&against, path));
    }
    if let (Some(folder), Some(output)) = (&args.output, output) {
        output.write(&evaluation, &answers)?;
        log::info!("wrote '{}'", readable(folder.join(evaluation::EVALUATION)));
    }
    print(&text)
}

/// The fold, if the model has seen none of it.
fn held_out(model: &TrainedModel, fold: Fold) -> Result<Part> {
    match model.held_out {
        Some(held_out) if held_out == fold => Ok(Part::Fold(fold)),
        Some(held_out) => Err(Error::Input(format!(
            "'{}' was trained on fold {fold}; it held out fold {held_out}",
            model.name
        ))),
        None => Err(Error::Input(format!(
            "'{}' held out no fold (train --fold), and may have been trained on fold {fold}",
            model.name
        ))),
    }
}

/// How a model compares with the one whose predictions are in `path`.
pub(super) fn compared(against: &Against, path: &Path) -> String {
    let table = tables::comparison(&against.comparison);
    format!(
        "\ncompared with '{}': {}\n{table}",
        readable(path),
        against.agreement
    )
}

/// The paper's tables for people, and those that say how far the answers can be trusted.
pub(super) fn printed(evaluation: &Evaluation) -> String {
    let alone = std::slice::from_ref(evaluation);
    let mut tables = vec![
        tables::table4(evaluation),
        tables::table5(evaluation),
        tables::table6(alone),
        tables::table7(alone),
        tables::calibration(evaluation),
        trust::by_label(evaluation),
    ];
    tables.extend(trust::balanced(evaluation));
    tables.push(trust::coverage(evaluation));
    tables.push(trust::purity(evaluation));
    let conditions = tables::conditions(evaluation);
    tables.extend(evaluation.by.iter().map(|by| by::table(by, &conditions)));
    let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
    tables.join("\n")
}
