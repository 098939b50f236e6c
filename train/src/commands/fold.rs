//! `galmorph-train fold`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::Scaling;
use galmorph_output::readable;

use super::evaluate::{compared, printed};
use super::{ByArgs, DataArgs, ForceArgs, MachineArgs, print};
use crate::data::{Fold, Part, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{
    self, Answers, Classifier, Evaluation, EvaluationFolder, Extent, Subject, Symmetries,
};
use crate::model_file::TrainedModel;
use crate::torch::Precision;

/// The arguments of `fold`.
#[derive(Debug, Args)]
pub(super) struct FoldArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Checkpoints or exported models of one network, each trained with another --fold held out; up to
    /// five
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    models: Vec<PathBuf>,
    /// Arithmetic precision
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Compare with the predictions.csv of another network on the same galaxies, image by image
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    by: ByArgs,
    /// Folder for predictions.csv, features.npy (one row a galaxy, in the same order), evaluation.json
    /// and the paper's tables
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

pub(super) fn run(args: &FoldArgs) -> Result<()> {
    let inputs: Vec<&Path> = (args.models.iter())
        .chain(&args.against)
        .chain(&args.by.by_table)
        .map(PathBuf::as_path)
        .chain(args.data.inputs())
        .collect();
    let force = args.force.force;
    let output = EvaluationFolder::at(&args.output, Extent::WithFeatures, force, &inputs)?;
    let columns = args.by.read(&args.data.labels)?;
    let device = args.machine.device()?;
    let mut models = Vec::new();
    for path in &args.models {
        let model = TrainedModel::load(path, device)?;
        let fold = model.held_out.ok_or_else(|| {
            Error::Input(format!(
                "'{}' held out no fold (train --fold)",
                readable(path)
            ))
        })?;
        models.push((fold, model));
    }
    models.sort_by_key(|(fold, _)| *fold);
    one_network(&models)?;

    let parts: Vec<Part> = models.iter().map(|(fold, _)| Part::Fold(*fold)).collect();
    let images = args.data.source(Targets::Labels)?.open(&parts)?;
    let mut digests = blake3::Hasher::new();
    let mut answers = Vec::new();
    for ((_, model), part) in models.iter().zip(parts) {
        let preprocessing = &model.preprocessing;
        let threads = args.machine.threads();
        let dataset = images.load(part, preprocessing.largest_scale(), threads)?;
        let classifier = Classifier {
            network: &model.network,
            weights: &model.weights,
            precision: args.precision,
            device,
        };
        answers.push(classifier.evaluate(&dataset, preprocessing, Symmetries::Identity));
        digests.update(dataset.digest.as_bytes());
    }
    let (Some(answers), [(_, first), ..]) = (Answers::joined(answers), models.as_slice()) else {
        return Err(Error::Input("no model".into()));
    };

    let folds: Vec<String> = models.iter().map(|(fold, _)| fold.to_string()).collect();
    let part = match folds.len() {
        5 => "out of fold".to_owned(),
        _ => format!("out of fold (folds {})", folds.join(", ")),
    };
    let scaling = (answers.best_scaling()).map_or(Scaling::NONE, |best| best.scaling);
    let subject = Subject {
        model: first.architecture.name().to_owned(),
        network: first.architecture.to_string(),
        parameters: first.network.learned_values(),
        multiply_adds: first.network.multiply_adds(),
        // Each model's own was fitted on the galaxies that it answers here; this one is for all.
        scaling,
        precision: args.precision,
        variant: first.variant.clone(),
    };
    let digest = digests.finalize().to_hex().to_string();
    let mut evaluation = Evaluation::new(subject, (&part, &digest), &answers, Some(&digest))?;
    evaluation.by = (args.by).measure(&columns, &answers, scaling)?;
    let mut text = printed(&evaluation);
    if let Some(path) = &args.against {
        let against = evaluation::against(&answers, scaling, path)?;
        text.push_str(&compared(&against, path));
    }
    output.write(&evaluation, &answers)?;
    log::info!(
        "wrote '{}'",
        readable(args.output.join(evaluation::EVALUATION))
    );
    print(&text)
}

/// Checks that the models, sorted by fold, are of one network that was trained for different folds.
fn one_network(models: &[(Fold, TrainedModel)]) -> Result<()> {
    for pair in models.windows(2) {
        let [(fold, first), (other_fold, second)] = pair else {
            continue;
        };
        if fold == other_fold {
            return Err(Error::Input(format!(
                "'{}' and '{}' both held out fold {fold}",
                first.name, second.name
            )));
        }
        if first.architecture != second.architecture
            || first.preprocessing != second.preprocessing
            || first.variant != second.variant
        {
            return Err(Error::Input(format!(
                "'{}' and '{}' are different networks, or see different views",
                first.name, second.name
            )));
        }
    }
    Ok(())
}
