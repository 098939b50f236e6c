//! `galmorph-train export --arithmetic int8`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{ModelCard, Morphology, Quantisation, QuantisedArithmetic};
use tch::{Device, Tensor};

use super::super::ShowingArgs;
use super::Exported;
use crate::data::{Dataset, Fold, LabelledImages, Part, Source, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation::{Classifier, Symmetries};
use crate::network::Network;
use crate::quantisation::{Quantised, WeightBits, quantise};
use crate::torch::{Precision, Weights};

/// What the ranges of 8-bit arithmetic are found from.
#[derive(Debug, Default, Args)]
pub(super) struct EightBitsArgs {
    /// With --arithmetic int8: the label file that the model was trained with
    #[arg(long, value_name = "FILE", requires = "images")]
    labels: Option<PathBuf>,
    /// With --arithmetic int8: folders or uncompressed tar files with the training images
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "labels")]
    images: Vec<PathBuf>,
    /// With --arithmetic int8: the number of training images from which the ranges are found [default: 512]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    calibration_images: Option<u32>,
    /// With --arithmetic int8: bits of a weight. 7 is faster on processors with AVX2 and nothing newer, and on them no runtime
    /// cuts off a sum [default: 8]
    #[arg(long, value_enum)]
    weight_bits: Option<WeightBits>,
    /// Number of CPU threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// The number of training images from which the ranges are found, unless it is said.
const CALIBRATION_IMAGES: u32 = 512;

/// Images whose views are a batch.
const IMAGES_AT_ONCE: usize = 32;

impl EightBitsArgs {
    /// The files that are read.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.images.iter().chain(&self.labels).map(PathBuf::as_path)
    }

    /// Refuses arguments that are missing, or that nothing needs.
    pub(super) fn check(&self, needed: bool, showing: &ShowingArgs) -> Result<()> {
        let fault = match (needed, self.labels.is_some()) {
            (true, false) => {
                "--arithmetic int8 finds its ranges from training images; give --labels and --images"
            }
            (false, true) => "--labels and --images are for --arithmetic int8",
            (false, false) if self.calibration_images.is_some() || self.weight_bits.is_some() => {
                "--calibration-images and --weight-bits are for --arithmetic int8"
            }
            // The stretch goes into the card of any model.
            (false, false) if showing.names_bands() => {
                "--bands, --colours and --band-files are for --arithmetic int8"
            }
            _ => return Ok(()),
        };
        Err(Error::Input(fault.into()))
    }

    /// Rounds a network to 8-bit arithmetic.
    pub(super) fn round(&self, exact: Exported, showing: &ShowingArgs) -> Result<Exported> {
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        );
        tch::set_num_threads(threads as i32);
        let images = self.training_images(&exact.card, showing, threads)?;
        let preprocessing = &exact.card.preprocessing;
        let shape = preprocessing.view_shape().map(|n| n as i64);
        let batches = images.images.chunks(IMAGES_AT_ONCE).map(|images| {
            let views: Vec<f32> = images.iter().flat_map(|i| preprocessing.views(i)).collect();
            Tensor::from_slice(&views).view([-1, shape[0], shape[1], shape[2]])
        });
        let views: Vec<Tensor> = batches.collect();
        let bits = self.weight_bits.unwrap_or_default();
        let rounded = quantise(&exact.network, &exact.weights, &views, bits);
        compare(&exact, &rounded, &images)?;
        Ok(Exported {
            network: rounded.network,
            weights: rounded.weights,
            card: rounded_card(exact.card, images.len(), bits),
            adaptation: exact.adaptation,
        })
    }

    /// Some of the images that the model was trained on, and none that it was not.
    fn training_images(
        &self,
        card: &ModelCard,
        showing: &ShowingArgs,
        threads: usize,
    ) -> Result<Dataset> {
        let training = card.training.as_ref();
        let part = match training.and_then(|training| Fold::try_from(training.fold?).ok()) {
            Some(fold) => Part::AllBut(fold),
            None => Part::Split(Split::Train),
        };
        let open = |targets| -> Result<LabelledImages> {
            let source = Source {
                labels: self.labels.clone().unwrap_or_default(),
                images: showing.of(&self.images)?,
                targets,
                allow_missing: false,
            };
            source.open(&[part])
        };
        let images = open(Targets::Labels)?;
        match training.map(|training| training.data_digest.as_str()) {
            Some(digest) => {
                let seen = images.digest(part, threads)? == digest
                    // It may have been trained on the votes.
                    || open(Targets::Votes)
                        .and_then(|images| images.digest(part, threads))
                        .is_ok_and(|with_votes| with_votes == digest);
                if !seen {
                    return Err(Error::Input(
                        "the model was trained on other galaxies or images than these, which it may have to be \
                         measured on"
                            .into(),
                    ));
                }
            }
            None => log::warn!("the model doesn't say what it was trained on; taking {part}"),
        }
        let count = self.calibration_images.unwrap_or(CALIBRATION_IMAGES) as usize;
        images.load_some(part, count, card.preprocessing.largest_scale(), threads)
    }
}

/// The card of the rounded model. What was measured of the exact one, and what follows from its answers, does not
/// hold for this one to the last digit: it has to be measured again.
fn rounded_card(card: ModelCard, images: usize, bits: WeightBits) -> ModelCard {
    let left = [
        ("its validation results", card.validation.is_some()),
        ("prediction sets", card.conformal.is_some()),
        ("pure samples", card.purity.is_some()),
        ("novelty", card.novelty.is_some()),
        ("the score for another camera", card.residual.is_some()),
    ];
    let left: Vec<&str> = left
        .iter()
        .filter(|(_, had)| *had)
        .map(|(name, _)| *name)
        .collect();
    if !left.is_empty() {
        log::info!(
            "left out, because it was measured of the network in f32: {}. evaluate, calibrate and novelty measure \
             the new model",
            left.join(", ")
        );
    }
    ModelCard {
        validation: None,
        conformal: None,
        purity: None,
        novelty: None,
        residual: None,
        quantisation: Some(Quantisation {
            arithmetic: QuantisedArithmetic::Int8,
            images,
            weight_bits: bits.count(),
        }),
        ..card
    }
}

/// Says how the answers to the training images have changed.
fn compare(exact: &Exported, rounded: &Quantised, images: &Dataset) -> Result<()> {
    let card = &exact.card;
    let answers = |network: &Network, weights: &Weights| {
        let classifier = Classifier {
            network,
            weights,
            precision: Precision::F32,
            device: Device::Cpu,
        };
        let answers = classifier.evaluate(images, &card.preprocessing, Symmetries::Identity);
        answers.averaged(card.scaling())
    };
    let before = answers(&exact.network, &exact.weights);
    let after = answers(&rounded.network, &rounded.weights);
    if after.iter().any(|prediction| prediction.answer.is_none()) {
        return Err(Error::Input(
            "the network gives no answer to some training images: are its weights numbers?".into(),
        ));
    }
    let pairs = || before.iter().zip(&after);
    let same = pairs().filter(|(a, b)| a.label() == b.label()).count();
    let largest = pairs()
        .flat_map(|(a, b)| {
            Morphology::ALL.map(|class| (a.probability(class) - b.probability(class)).abs())
        })
        .fold(0.0, f32::max);
    log::info!(
        "{same} of {} training images keep their label; no probability changes by more than {largest:.4}",
        after.len()
    );
    Ok(())
}
