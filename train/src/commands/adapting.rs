//! What `fine-tune` and `learning-curve` share: a finished model, and what it sees of labelled galaxies.

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{Framing, FramingSettings, ModelCard, Morphology};
use galmorph_output::readable;
use tch::Tensor;

use super::{DataArgs, MachineArgs};
use crate::data::{Framed, Part, Split, Targets};
use crate::error::{Error, Result};
use crate::evaluation::Classifier;
use crate::network::{Layer, Network};
use crate::onnx;
use crate::torch::{Precision, Weights, values};
use crate::tuning::{Examples, LEAST_LABELS, LastLayer, Logits};

/// The model and the labelled galaxies.
#[derive(Debug, Args)]
pub(super) struct AdaptingArgs {
    /// Exported model to adapt
    #[arg(long, value_name = "FILE")]
    pub(super) from: PathBuf,
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    /// How the galaxy's frame is found in an image, as in galmorph watch; see docs/images.md [possible
    /// values: auto, paper, frame, measured]
    #[arg(long, default_value_t = Framing::Auto, value_parser = framing)]
    pub(super) framing: Framing,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

/// A model, and the galaxies of the split `train` as it sees them.
pub(super) struct Prepared {
    /// The model's file.
    pub(super) bytes: Vec<u8>,
    /// Its card.
    pub(super) card: ModelCard,
    /// The name of the node of its last layer.
    pub(super) node: String,
    /// The last layer, with the model's calibration in it.
    pub(super) layer: LastLayer,
    /// The logarithm of the class mix that the answers are for.
    pub(super) log_prior: Logits,
    /// The galaxies.
    pub(super) examples: Examples,
    /// The digest of their labels and images.
    pub(super) digest: String,
    /// The network, and its weights as they are.
    pub(super) network: Network,
    pub(super) weights: Weights,
    /// The views of the galaxies, `[galaxies x views, 3, side, side]`, if they are wanted.
    pub(super) views: Option<Tensor>,
}

/// Whether the galaxies' views are wanted beside their features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Views {
    Kept,
    Left,
}

impl AdaptingArgs {
    /// What is read. No output may replace it.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        self.data.inputs().chain([&*self.from]).collect()
    }

    /// Reads the model and the galaxies, and computes the features. `enough` refuses a number of galaxies that are too
    /// few; it is asked before that work.
    ///
    /// # Errors
    /// When something can't be read, or when there are too few labels.
    pub(super) fn prepare(
        &self,
        wanted: Views,
        enough: impl FnOnce(usize) -> Result<()>,
    ) -> Result<Prepared> {
        let device = self.machine.device()?;
        let bytes = std::fs::read(&self.from).map_err(Error::io("read", &self.from))?;
        let model = onnx::decode(&bytes, device).map_err(Error::unusable("model", &self.from))?;
        let part = Part::Split(Split::Train);
        let images = self.data.source(Targets::Labels)?.open(&[part])?;
        let (_, classes) = images.galaxies(part)?;
        self.check(&classes)?;
        enough(classes.len())?;
        let classifier = Classifier {
            network: &model.network,
            weights: &model.weights,
            precision: Precision::F32,
            device,
        };
        let framed = Framed {
            preprocessing: &model.card.preprocessing,
            framing: FramingSettings {
                framing: self.framing,
                ..FramingSettings::default()
            },
        };
        let mut features = Vec::new();
        let mut kept = Vec::new();
        let shape = model.card.preprocessing.view_shape();
        let found = images.framed_views(part, framed, self.machine.threads(), |views| {
            let own = classifier.features_of_views(&views, shape);
            features.extend(own.into_iter().map(f64::from));
            if wanted == Views::Kept {
                let [channels, height, width] = shape.map(|n| n as i64);
                let views = Tensor::from_slice(&views).view([-1, channels, height, width]);
                kept.push(views.to_device(device));
            }
        })?;
        let examples = Examples {
            ids: found.ids,
            classes: found.classes,
            views: model.card.preprocessing.view_count(),
            features,
        };

        let last = model.network.nodes.last();
        let last = last.filter(|node| matches!(node.layer, Layer::Linear { .. }));
        let node = last.map(|node| node.name.clone()).ok_or_else(|| {
            Error::Input(format!(
                "'{}' does not end with a linear layer, so there is none to adapt",
                readable(&self.from)
            ))
        })?;
        let layer = last_layer(&model.weights, &node).calibrated(model.card.scaling());
        Ok(Prepared {
            log_prior: log_prior(&model.card, &examples),
            bytes,
            card: model.card,
            node,
            layer,
            examples,
            digest: found.digest,
            views: (wanted == Views::Kept).then(|| Tensor::cat(&kept, 0)),
            network: model.network,
            weights: model.weights,
        })
    }

    /// Checks that there are labels enough to learn anything.
    fn check(&self, classes: &[Morphology]) -> Result<()> {
        let mut counts = [0; Morphology::COUNT];
        for class in classes {
            counts[class.id()] += 1;
        }
        let galaxies = classes.len();
        let file = readable(&self.data.labels);
        log::info!("'{file}': {galaxies} galaxies ({})", named(counts));
        if galaxies < LEAST_LABELS {
            return Err(Error::Input(format!(
                "'{file}' has {galaxies} galaxies to learn from, and at least {LEAST_LABELS} are needed"
            )));
        }
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            return Err(Error::Input(format!(
                "'{file}' has galaxies of one class alone ({}), which teach nothing of the others",
                named(counts)
            )));
        }
        let without = Morphology::ALL.map(|class| (class, counts[class.id()]));
        for (class, _) in without.iter().filter(|(_, count)| *count == 0) {
            log::warn!(
                "no galaxy is labelled {class}: what the model knows of that class stays as it is"
            );
        }
        Ok(())
    }
}

/// Class counts for people.
pub(super) fn named(counts: [usize; Morphology::COUNT]) -> String {
    let counts = Morphology::ALL.map(|class| format!("{} {class}", counts[class.id()]));
    counts.join(", ")
}

fn last_layer(weights: &Weights, node: &str) -> LastLayer {
    let of = |tensor: &Tensor| values(tensor).into_iter().map(f64::from).collect();
    let bias: Vec<f64> = of(weights.get(&format!("{node}/bias")));
    let mut layer = LastLayer {
        weight: of(weights.get(&format!("{node}/weight"))),
        bias: [0.0; Morphology::COUNT],
    };
    layer.bias.copy_from_slice(&bias);
    layer
}

/// The mix that the model's answers are for: that of its training images, if the card says it. Otherwise the
/// mix of the labels stands for it, with one galaxy more of each class.
fn log_prior(card: &ModelCard, examples: &Examples) -> Logits {
    if let Some(prior) = &card.prior {
        return prior.0.map(f64::ln);
    }
    log::warn!(
        "the card of '{}' does not say the class mix of its training images; the mix of the labels stands for it",
        card.name
    );
    let all: Vec<usize> = (0..examples.len()).collect();
    let sum = (all.len() + Morphology::COUNT) as f64;
    let counts = examples.counts(&all);
    counts.map(|count| ((count + 1) as f64 / sum).ln())
}

pub(super) fn framing(text: &str) -> std::result::Result<Framing, String> {
    match text.parse() {
        Ok(Framing::Radius) => Err(
            "the radius of each galaxy is not known here (one of auto, paper, frame, measured)"
                .into(),
        ),
        Ok(framing) => Ok(framing),
        Err(_) => Err("must be one of auto, paper, frame, measured".into()),
    }
}
