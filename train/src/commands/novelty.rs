//! `galmorph-train novelty`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{ModelCard, Novelty, NoveltyQuantile};
use galmorph_output::{Output, readable};
use tch::{Kind, Tensor};

use super::{DataArgs, ForceArgs, MachineArgs};
use crate::data::{Fold, Part, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{Classifier, centres};
use crate::onnx::{self, References};
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
    let features = |part: Part| -> Result<(String, Tensor)> {
        let threads = args.machine.threads();
        let dataset = images.load(part, card.preprocessing.largest_scale(), threads)?;
        let digest = dataset.digest.clone();
        Ok((digest, classifier.features(&dataset, &card.preprocessing)))
    };

    let (digest, seen) = features(seen)?;
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
    let (_, held_out) = features(held_out)?;
    let views = card.preprocessing.view_count() as i64;
    let novelty = references.novelty(&held_out).view([-1, views]);
    let novelty = novelty.mean_dim([1].as_slice(), false, Kind::Float);
    card.format = ModelCard::FORMAT;
    card.novelty = Some(described(&novelty));

    let node = &model.network.nodes[model.network.features()];
    let bytes = onnx::with_novelty(&bytes, &node.name, &references, &card).map_err(&unusable)?;
    output.write(".galmorph-novelty-", &bytes)?;
    log::info!("wrote '{}'", readable(&args.output));
    Ok(())
}

/// Threshold and quantiles of the novelty `[N]` of galaxies that are no novelty.
pub(super) fn described(novelty: &Tensor) -> Novelty {
    let quantile = |fraction: f64| {
        let fraction = Tensor::from_slice(&[fraction as f32]);
        let found = novelty.quantile(&fraction, None, false, "linear");
        // Six digits are enough; and rounding makes no distance of -1e-7.
        (found.double_value(&[0]) * 1e6).round().max(0.0) / 1e6
    };
    Novelty {
        threshold: quantile(BELOW),
        quantiles: FRACTIONS
            .map(|fraction| NoveltyQuantile {
                fraction,
                novelty: quantile(fraction),
            })
            .to_vec(),
    }
}
