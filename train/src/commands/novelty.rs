//! `galmorph-train novelty`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{ByClass, ModelCard, Morphology, Novelty, NoveltyQuantile, Residual};
use galmorph_output::{Output, readable};
use tch::{Kind, Tensor};

use super::{DataArgs, ForceArgs, MachineArgs};
use crate::data::{Dataset, Fold, Part, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{Classifier, Symmetries, centres};
use crate::metrics::Prediction;
use crate::onnx::{self, References, Span};
use crate::torch::Precision;

/// The arguments of `novelty`.
#[derive(Debug, Args)]
pub(super) struct NoveltyArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Exported model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Number of reference features, which stand for the training images
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=4096))]
    references: u16,
    /// Seed of the choice of references
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Model file to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

/// The fractions of held-out galaxies whose quantiles the card gives.
const FRACTIONS: [f64; 11] = [
    0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0,
];

/// The fraction of held-out galaxies below the threshold.
const BELOW: f64 = 0.98;

/// How confident an answer must be to have a rank for its camera.
const CONFIDENCE: f64 = 0.9;

/// The mean rank above which a night looks like another camera's. Galaxies of the training's own camera that are in no
/// clear class reach 0.62 (`tests/benchmark/camera`), and are not to be called so.
const ANOTHER_CAMERA: f64 = 0.65;

/// The number of residuals that the card gives for each label.
const RESIDUALS: usize = 21;

/// With fewer held-out galaxies of a label than this, its residuals are those of all galaxies.
const FEWEST: usize = 20;

pub(super) fn run(args: &NoveltyArgs) -> Result<()> {
    let inputs: Vec<&Path> = args.data.inputs().chain([&*args.model]).collect();
    let output = Output::at(&args.output, args.force.force, &inputs)?;
    let device = args.machine.device()?;
    let bytes = std::fs::read(&args.model).map_err(Error::io("read", &args.model))?;
    let unusable = Error::unusable("model", &args.model);
    let model = onnx::decode(&bytes, device).map_err(&unusable)?;
    let mut card = model.card;
    let training = card.training.as_ref();
    let fold = training.and_then(|t| Fold::try_from(t.fold?).ok());
    let held_out = fold.map_or(Part::Split(Split::Validation), Part::Fold);
    let seen = Part::learned(fold);
    let images = args.data.source(Targets::Labels)?.open(&[seen, held_out])?;
    let classifier = Classifier {
        network: &model.network,
        weights: &model.weights,
        precision: Precision::F32,
        device,
    };
    let load = |part| {
        let threads = args.machine.threads();
        images.load(part, card.preprocessing.largest_scale(), threads)
    };
    let features = |dataset: &Dataset| classifier.features(dataset, &card.preprocessing);

    let seen = load(seen)?;
    let digest = seen.digest.clone();
    let seen = features(&seen);
    if let Some(training) = training
        && training.data_digest != digest
    {
        return Err(Error::Input(format!(
            "'{}' was trained on other galaxies or images than these",
            readable(&args.model)
        )));
    }
    let count = usize::from(args.references);
    let references = centres(&seen, count, args.seed).ok_or_else(|| {
        Error::Input(format!(
            "there are fewer than {count} views of training images"
        ))
    })?;
    let references = References::new(&references);
    let span = Span::of(&seen);
    let held_out = load(held_out)?;
    let answers = classifier.evaluate(&held_out, &card.preprocessing, Symmetries::Identity);
    let predictions = answers.averaged(card.scaling());
    let held_out = features(&held_out);
    let of_images = |of_views: Tensor| {
        let of_views = of_views.view([-1, card.preprocessing.view_count() as i64]);
        of_views.mean_dim([1].as_slice(), false, Kind::Float)
    };
    let novelty = described(&of_images(references.novelty(&held_out)));
    let residual = camera(&of_images(span.residual(&held_out)), &predictions);
    card.format = ModelCard::FORMAT;
    card.novelty = Some(novelty);
    card.residual = residual;

    let node = &model.network.nodes[model.network.features()];
    let bytes = onnx::with_novelty(&bytes, &node.name, &references, &card).map_err(&unusable)?;
    let bytes = if card.residual.is_some() {
        onnx::with_residual(&bytes, &node.name, &span, &card).map_err(&unusable)?
    } else {
        log::warn!(
            "fewer than {FEWEST} held-out galaxies have answers of {CONFIDENCE} and more: the model gets no score for \
             another camera"
        );
        onnx::without_residual(&bytes).map_err(&unusable)?
    };
    output.write(".galmorph-novelty-", &bytes)?;
    log::info!("wrote '{}'", readable(&args.output));
    Ok(())
}

/// Threshold and quantiles of the novelty `[N]` of galaxies that are no novelty.
pub(super) fn described(novelty: &Tensor) -> Novelty {
    Novelty {
        threshold: quantile(novelty, BELOW),
        quantiles: FRACTIONS
            .map(|fraction| NoveltyQuantile {
                fraction,
                novelty: quantile(novelty, fraction),
            })
            .to_vec(),
    }
}

/// What the residuals `[N]` of held-out galaxies mean. `None` if too few of them have confident answers.
pub(super) fn camera(residuals: &Tensor, predictions: &[Prediction]) -> Option<Residual> {
    let mut of_all = Vec::new();
    let mut by_label = ByClass::<Vec<f32>>::from_fn(|_| Vec::new());
    for (number, prediction) in predictions.iter().enumerate() {
        if let Some(answer) = prediction.answer
            && f64::from(answer.confidence()) >= CONFIDENCE
        {
            let residual = residuals.double_value(&[number as i64]) as f32;
            of_all.push(residual);
            by_label[answer.label()].push(residual);
        }
    }
    (of_all.len() >= FEWEST).then(|| Residual {
        confidence: CONFIDENCE,
        threshold: ANOTHER_CAMERA,
        quantiles: ByClass::from_fn(|label: Morphology| {
            let own = &by_label[label];
            let own = Tensor::from_slice(if own.len() < FEWEST { &of_all } else { own });
            let fraction = |number| number as f64 / (RESIDUALS - 1) as f64;
            (0..RESIDUALS)
                .map(|number| quantile(&own, fraction(number)))
                .collect()
        }),
    })
}

/// The value below which this fraction of the values `[N]` lies, to six digits; 0 at least.
fn quantile(values: &Tensor, fraction: f64) -> f64 {
    let fraction = Tensor::from_slice(&[fraction as f32]);
    let found = values.quantile(&fraction, None, false, "linear");
    // Six digits are enough; and rounding makes no distance of -1e-7.
    (found.double_value(&[0]) * 1e6).round().max(0.0) / 1e6
}
