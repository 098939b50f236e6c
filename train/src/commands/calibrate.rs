//! `galmorph-train calibrate`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{ByClass, Framing, ModelCard, Morphology, Purity};
use galmorph_output::{Output, readable};

use super::ForceArgs;
use crate::data::{Fold, Labels, Part, Split, Targets, group};
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, Variant, read_predictions};
use crate::figures::Evaluated;
use crate::metrics::{self, Prediction};
use crate::onnx;

/// The arguments of `calibrate`.
#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// Exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Folder written by `evaluate --output` or `fold --output`, of galaxies that the model was not
    /// trained on
    #[arg(long, value_name = "DIR")]
    evaluation: PathBuf,
    /// Label file that the model was trained with, for the class mix of its training sample
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// A predictions.csv of galaxies as a survey delivers them, each labelled with the class that most
    /// volunteers chose, for thresholds that hold for such galaxies
    #[arg(long, value_name = "FILE")]
    representative: Option<PathBuf>,
    /// Model file to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

pub(super) fn run(args: &CalibrateArgs) -> Result<()> {
    let evaluated = Evaluated::open(&args.evaluation)?;
    let [evaluation, predictions] = Evaluated::files(&args.evaluation);
    let inputs: Vec<&Path> = (args.labels.iter().chain(&args.representative))
        .chain([&args.model, &evaluation, &predictions])
        .map(PathBuf::as_path)
        .collect();
    let output = Output::at(&args.output, args.force.force, &inputs)?;
    let bytes = std::fs::read(&args.model).map_err(Error::io("read", &args.model))?;
    let unusable = Error::unusable("model", &args.model);
    let mut card = onnx::card(&bytes).map_err(&unusable)?;
    let evaluation = &evaluated.evaluation;
    let adaptation = onnx::adaptation(&bytes).map_err(&unusable)?;
    let variant = Variant::of(&card, adaptation.as_deref());
    check(&card, &variant, evaluation).map_err(|fault| {
        let (evaluation, model) = (readable(&args.evaluation), readable(&args.model));
        Error::Input(format!("'{evaluation}' is of no use to '{model}': {fault}"))
    })?;
    let (ids, predictions) = read_predictions(&predictions)?;
    if predictions.len() != evaluation.images {
        return Err(Error::Input(format!(
            "'{}' has predictions of {} galaxies, and an evaluation of {}",
            readable(&args.evaluation),
            predictions.len(),
            evaluation.images
        )));
    }

    let scaling = evaluation.subject.scaling;
    if card.scaling() != scaling {
        let before = card.scaling();
        log::info!("the temperature of the model was {before}, and is now {scaling}");
        card.temperature = scaling.temperature;
        card.bias = scaling.bias;
        if card.residual.take().is_some() {
            log::info!(
                "left out, because it was found among answers of the former temperature: the score for another camera. \
                 novelty finds it anew"
            );
        }
    }
    card.format = ModelCard::FORMAT;
    // The training images are Galaxy Zoo's cutouts, and training frames no image otherwise.
    card.framing = Some(Framing::Paper);
    if let Some(path) = &args.labels {
        card.prior = Some(prior(path, &card)?);
    }
    // What the card said was measured at another temperature, or is not known (a model in 8-bit arithmetic).
    card.validation = Some(evaluation.measurement());
    card.conformal = Some(metrics::fit_conformal(&predictions));
    card.purity = Some(Purity {
        clean: samples(&ids, &predictions),
        representative: match &args.representative {
            Some(path) => {
                let (ids, predictions) = read_predictions(path)?;
                Some(samples(&ids, &predictions))
            }
            None => None,
        },
    });
    let bytes = onnx::with_card(&bytes, &card).map_err(&unusable)?;
    output.write(".galmorph-calibrate-", &bytes)?;
    log::info!("wrote '{}'", readable(&args.output));
    Ok(())
}

fn samples(
    ids: &[String],
    predictions: &[Prediction],
) -> ByClass<Vec<galmorph_cutout::PurityLevel>> {
    let groups: Vec<u8> = ids.iter().map(|id| group(id)).collect();
    metrics::purity(predictions, &groups)
}

/// Checks that the evaluation says something of the model: it is of the same network on the same views,
/// and of galaxies that the network has not seen.
fn check(
    card: &ModelCard,
    variant: &Variant,
    evaluation: &Evaluation,
) -> std::result::Result<(), String> {
    let subject = &evaluation.subject;
    if subject.network != card.network {
        return Err(format!(
            "it is of the network {}, and the model is {}",
            subject.network, card.network
        ));
    }
    if subject.variant != *variant {
        return Err(
            "the model was adapted, or rounded to 8-bit arithmetic, and it is of a model for which that is not so; \
             evaluate the model itself"
                .into(),
        );
    }
    if evaluation.test_scales != card.preprocessing.test_scales {
        return Err("it is of other test scales".into());
    }
    if evaluation.symmetries != 1 {
        return Err(
            "its answers are averages over symmetries, which galmorph doesn't compute".into(),
        );
    }
    let training = card.training.as_ref();
    if training.is_some_and(|training| training.data_digest == evaluation.data_digest) {
        return Err("it is of the galaxies that the model was trained on".into());
    }
    let part = evaluation.split.as_str();
    let unseen = match training.and_then(|training| training.fold) {
        _ if part.starts_with("out of fold") => true,
        Some(fold) => part == "test" || part == format!("fold {fold}"),
        None => part == "test" || part == "validation",
    };
    if unseen {
        Ok(())
    } else {
        Err(format!(
            "the model may have been trained on its galaxies ({part})"
        ))
    }
}

/// The class mix of the galaxies that the model was trained on.
fn prior(path: &Path, card: &ModelCard) -> Result<ByClass<f64>> {
    let training = card.training.as_ref();
    let part = match training.and_then(|training| Fold::try_from(training.fold?).ok()) {
        Some(fold) => Part::AllBut(fold),
        None => Part::Split(Split::Train),
    };
    let labels = Labels::read(path, Targets::Labels)?;
    let labels = labels.of(part)?;
    if let Some(training) = training
        && training.images != labels.len()
    {
        return Err(Error::Input(format!(
            "'{}' has {} galaxies to train on, and the model was trained on {}",
            readable(path),
            labels.len(),
            training.images
        )));
    }
    let mut counts = [0; Morphology::COUNT];
    for label in labels {
        counts[label.class.id()] += 1;
    }
    prior_of(counts).ok_or_else(|| {
        Error::Input(format!(
            "'{}' has a class without a galaxy to train on, so that nothing can be said of its frequency",
            readable(path)
        ))
    })
}

/// The fraction of each class; `None` if one does not occur.
pub(super) fn prior_of(counts: [usize; Morphology::COUNT]) -> Option<ByClass<f64>> {
    let all: usize = counts.iter().sum();
    (!counts.contains(&0)).then(|| ByClass(counts.map(|count| count as f64 / all as f64)))
}
