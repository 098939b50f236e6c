//! `galmorph-train fine-tune`

mod all_layers;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{CalibrationError, Framing, ModelCard, Morphology, Purity, Scaling};
use galmorph_output::{Output, readable};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::adapting::{AdaptingArgs, Prepared, Views};
use super::novelty::{camera, described};
use super::{ForceArgs, print};
use crate::data::group;
use crate::error::{Error, Result};
use crate::evaluation::{Answers, tables};
use crate::metrics::{self, Comparison};
use crate::onnx::{self, Adapted, References, Span};
use crate::torch::Precision;
use crate::training::command_line;
use crate::tuning::{Answered, Choice, Gain, LastLayer, choose, chosen, nested};

/// With fewer labels than this, there are no thresholds for sets, for samples and for novelty.
const ENOUGH: usize = 100;

/// The arguments of `fine-tune`.
#[derive(Debug, Args)]
pub(super) struct FineTuneArgs {
    #[command(flatten)]
    adapting: AdaptingArgs,
    /// Which layers learn
    #[arg(long, value_enum, default_value_t)]
    layers: Layers,
    /// With --layers all: the most rounds that are tried. A round takes each galaxy once, and 320 views at least
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// With --layers all: arithmetic precision of learning
    #[arg(long, value_enum, default_value_t = Precision::Bf16)]
    precision: Precision,
    /// Model file to write, if the labels make it better; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    /// Name of the model in the catalog [default: the name of the output file, without .onnx]
    #[arg(long)]
    name: Option<String>,
}

/// The layers that learn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Layers {
    /// The last one. It takes seconds, and what the network sees in an image stays the same
    #[default]
    Last,
    /// The last one, and then all, where that is clearly better. It takes minutes, and needs more labels
    All,
}

/// How a model was adapted: the metadata `galmorph.adaptation` of its file.
#[derive(Debug, Serialize)]
struct Record {
    /// The name of the model that it was made of.
    from: String,
    /// The BLAKE3 digest of that model's file.
    from_digest: String,
    /// The number of galaxies of each class that it was adapted to.
    labels: [usize; 5],
    /// The digest of their labels and images.
    data_digest: String,
    /// How their images were framed.
    framing: Framing,
    /// The seed of everything random.
    seed: u64,
    /// How much the last layer was held to the old one; `None` where it stayed.
    hold: Option<f64>,
    /// What was gained out of fold.
    last_layer: Gain,
    /// How long all layers learned, if they did.
    rounds: Option<usize>,
    /// What that gained over the last layer alone.
    all_layers: Option<Gain>,
    /// The commit of the program, or `unknown`.
    commit: String,
    /// The command line.
    command: String,
}

pub(super) fn run(args: &FineTuneArgs) -> Result<()> {
    let adapting = &args.adapting;
    let output = Output::at(&args.output, args.force.force, &adapting.inputs())?;
    let name = args.name.clone().or_else(|| {
        let stem = output.target().and_then(Path::file_stem)?;
        Some(stem.to_string_lossy().into_owned())
    });
    let name = name.filter(|name| !name.trim().is_empty()).ok_or_else(|| {
        Error::Input(format!(
            "'{}' gives the model no name; use --name",
            readable(&args.output)
        ))
    })?;
    // Where the model goes to standard output, what is said goes to the log.
    let is_file = output.target().is_some();
    let say = |text: &str| {
        if is_file {
            return print(text);
        }
        log::info!("adapted:\n{text}");
        Ok(())
    };
    let views = match args.layers {
        Layers::Last => Views::Left,
        Layers::All => Views::Kept,
    };
    let prepared = adapting.prepare(views, |_| Ok(()))?;
    if args.layers == Layers::All && prepared.card.quantisation.is_some() {
        return Err(Error::Input(format!(
            "'{}' is in 8-bit arithmetic, in which only the last layer can learn; adapt the model that it was made of",
            readable(&adapting.from)
        )));
    }
    let Prepared {
        examples,
        layer: old,
        log_prior,
        ..
    } = &prepared;
    let all: Vec<usize> = (0..examples.len()).collect();
    let choice = choose(examples, &all, old, log_prior, adapting.seed);
    let answers = |layer: &LastLayer| all.iter().map(|g| examples.logits(*g, layer)).collect();
    let before: Vec<_> = answers(old);
    let threads = adapting.machine.threads();
    let after = nested(examples, old, log_prior, adapting.seed, threads)?;
    let [before, after] = [before, after].map(|found| Answered::new(examples, &found, log_prior));
    let (gain, comparison) = (after.gain_over(&before))
        .ok_or_else(|| Error::Input("there are no galaxies to learn from".into()))?;
    let mut text = told(&choice, &gain, &comparison);
    let record = record(adapting, &prepared, choice.hold, gain);
    let finish = |bytes: &[u8], card: &ModelCard, text: &mut String| {
        output.write(".galmorph-fine-tune-", bytes)?;
        log::info!("wrote '{}'", readable(&args.output));
        text.push_str(&of_the_rest(card, &prepared.card, examples.len()));
        say(text)
    };
    if args.layers == Layers::All {
        let how = (adapting.seed, args.precision);
        let found = all_layers::measure(&prepared, usize::from(args.rounds), how)?;
        let answered = Answered::new(examples, &found.answers, log_prior);
        let (over_last, comparison) = (answered.gain_over(&after))
            .ok_or_else(|| Error::Input("there are no galaxies to learn from".into()))?;
        text.push_str(&all_layers::told(&found, &over_last, &comparison));
        if over_last.gained.low > 0.0 {
            let layer = chosen(examples, &all, old, log_prior, &choice);
            let weights = all_layers::learned(&prepared, &layer, found.best, how)?;
            let card = ModelCard {
                // The references of novelty and residual are features of the network as it was.
                novelty: None,
                residual: None,
                ..card(&name, &prepared, &answered)?
            };
            let record = Record {
                rounds: Some(found.best),
                all_layers: Some(over_last),
                ..record
            };
            let bytes = all_layers::written(&prepared, &weights, &card, &json(&record)?)?;
            return finish(&bytes, &card, &mut text);
        }
        text.push_str("All layers are not clearly better than the last one alone.\n");
    }
    if choice.hold.is_none() || record.last_layer.gained.value <= 0.0 {
        text.push_str(
            "\nNothing helps: on galaxies that it was not fitted to, no other last layer is clearly better than the one \
             that is there.\nNo model is written; go on with the one that you have.\n",
        );
        return say(&text);
    }

    let layer = chosen(examples, &all, old, log_prior, &choice);
    let card = card(&name, &prepared, &after)?;
    let bytes = written(&prepared, &layer, &card, &json(&record)?, &adapting.from)?;
    finish(&bytes, &card, &mut text)
}

/// What is known when the last layer has learned.
fn record(adapting: &AdaptingArgs, prepared: &Prepared, hold: Option<f64>, gain: Gain) -> Record {
    let all: Vec<usize> = (0..prepared.examples.len()).collect();
    Record {
        from: prepared.card.name.clone(),
        from_digest: blake3::hash(&prepared.bytes).to_hex().to_string(),
        labels: prepared.examples.counts(&all),
        data_digest: prepared.digest.clone(),
        framing: adapting.framing,
        seed: adapting.seed,
        hold,
        last_layer: gain,
        rounds: None,
        all_layers: None,
        commit: env!("GALMORPH_COMMIT").to_owned(),
        command: command_line(),
    }
}

fn json(record: &Record) -> Result<String> {
    serde_json::to_string(record).map_err(Error::internal("describe the model"))
}

/// A layer's weights `[classes, features]` and biases `[classes]`, f32.
fn tensors(layer: &LastLayer) -> (Tensor, Tensor) {
    let weight: Vec<f32> = layer.weight.iter().map(|value| *value as f32).collect();
    let weight = Tensor::from_slice(&weight).view([Morphology::COUNT as i64, -1]);
    let bias = Tensor::from_slice(&layer.bias.map(|value| value as f32));
    (weight, bias)
}

/// What was tried, and what it gained.
fn told(choice: &Choice, gain: &Gain, comparison: &Comparison) -> String {
    let hold = |hold: Option<f64>| hold.map_or_else(|| "unchanged".into(), |h| h.to_string());
    let mut text = String::from(
        "Negative log-likelihood out of fold, each class counting alike, by how much the last layer is held:\n",
    );
    for (tried, loss) in &choice.tried {
        let mark = if *tried == choice.hold {
            "  <- chosen"
        } else {
            ""
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "{:>12} {loss:>8.4}{mark}", hold(*tried));
    }
    let points = |value: f64| 100.0 * value;
    let _ = writeln!(
        text,
        "\nOn {} galaxies, each answered by a layer that was chosen and fitted without it (95 % intervals):\n  \
         negative log-likelihood {:.4} -> {:.4}, gained {:.4} ({:.4} to {:.4})\n  \
         accuracy {:.1} -> {:.1} %, gained {:.1} ({:.1} to {:.1}) points",
        gain.galaxies,
        gain.loss_before,
        gain.loss_after,
        gain.gained.value,
        gain.gained.low,
        gain.gained.high,
        points(gain.accuracy_before),
        points(gain.accuracy_after),
        points(gain.accuracy_gained.value),
        points(gain.accuracy_gained.low),
        points(gain.accuracy_gained.high),
    );
    if gain.gained.value > 0.0 && gain.gained.low <= 0.0 {
        text.push_str(
            "  This may be chance: the interval of the gain holds 0. More labels would tell.\n",
        );
    }
    let _ = write!(text, "\n{}", tables::comparison(comparison));
    text
}

/// The card of the adapted model. What it says of answers is measured out of fold. It has neither temperature nor biases:
/// the old ones are part of the layer, and new ones would fit the mix of the labels, which is not the survey's.
fn card(name: &str, prepared: &Prepared, answered: &Answered) -> Result<ModelCard> {
    let scaling = Scaling::NONE;
    let examples = &prepared.examples;
    let predictions = answered.predictions(scaling);
    let is_enough = examples.len() >= ENOUGH;
    let measured = Answers::of_rows(
        examples.ids.clone(),
        examples.classes.clone(),
        prepared.card.preprocessing.test_scales.clone(),
        answered.rows().to_vec(),
    );
    let mut validation = measured.measurement(scaling);
    validation.calibration =
        metrics::calibration_error(&predictions).map(|error| CalibrationError {
            before: error,
            after: error,
            cross_fitted: Some(error),
        });
    let mut card = ModelCard {
        format: ModelCard::FORMAT,
        name: name.to_owned(),
        temperature: scaling.temperature,
        bias: None,
        validation: Some(validation),
        conformal: is_enough.then(|| metrics::fit_conformal(&predictions)),
        purity: is_enough.then(|| {
            let groups: Vec<u8> = examples.ids.iter().map(|id| group(id)).collect();
            Purity {
                clean: metrics::purity(&predictions, &groups),
                representative: None,
            }
        }),
        ..prepared.card.clone()
    };
    // The galaxies that it was adapted to are of all folds, and it is measured on them here.
    if let Some(training) = &mut card.training {
        training.fold = None;
        training.validation_digest = Some(prepared.digest.clone());
    }
    // The old ranks are those of another camera, and of the labels of another layer.
    card.residual = None;
    if is_enough && card.novelty.is_some() {
        let unusable = |fault| Error::internal("read the references of novelty")(fault);
        let features: Vec<f32> = examples.features.iter().map(|x| *x as f32).collect();
        let views = examples.views as i64;
        let features = Tensor::from_slice(&features).view([examples.len() as i64 * views, -1]);
        let of_images = |of_views: Tensor| {
            (of_views.view([-1, views])).mean_dim([1].as_slice(), false, Kind::Float)
        };
        if let Some(references) = References::read(&prepared.bytes).map_err(unusable)? {
            card.novelty = Some(described(&of_images(references.novelty(&features))));
        }
        if let Some(span) = Span::read(&prepared.bytes).map_err(unusable)? {
            card.residual = camera(&of_images(span.residual(&features)), &predictions);
        }
    }
    Ok(card)
}

/// The bytes of the adapted model. They are read back before they are returned.
fn written(
    prepared: &Prepared,
    layer: &LastLayer,
    card: &ModelCard,
    record: &str,
    from: &Path,
) -> Result<Vec<u8>> {
    let (weight, bias) = tensors(layer);
    let adapted = Adapted {
        node: &prepared.node,
        weight: &weight,
        bias: &bias,
        card,
        record,
    };
    let bytes =
        onnx::with_last_layer(&prepared.bytes, &adapted).map_err(Error::unusable("model", from))?;
    let back = onnx::decode(&bytes, Device::Cpu)
        .map_err(Error::internal("read back the adapted model"))?;
    let is_there = |name: &str, wanted: &Tensor| {
        back.weights
            .get(&format!("{}/{name}", prepared.node))
            .equal(wanted)
    };
    if is_there("weight", &weight) && is_there("bias", &bias) {
        Ok(bytes)
    } else {
        Err(Error::internal("read back the adapted model")(
            "its last layer is another one",
        ))
    }
}

/// What became of the parts of the card.
fn of_the_rest(card: &ModelCard, before: &ModelCard, labels: usize) -> String {
    let mut text = "\n".to_owned();
    if card.conformal.is_some() {
        text.push_str(
            "The thresholds for sets of classes and for samples with a known purity come from the answers out of \
             fold.\nThey hold for galaxies like those that are labelled.\n",
        );
    } else {
        let _ = writeln!(
            text,
            "There are no thresholds for sets of classes or for samples with a known purity: {labels} labels are too \
             few, {ENOUGH} are needed."
        );
    }
    if before.novelty.is_some() && card.novelty.is_none() {
        text.push_str(
            "Novelty is left out: its references are features of the network as it was. `galmorph-train novelty` adds it \
             anew.\n",
        );
    } else if before.novelty.is_some() {
        text.push_str(if labels >= ENOUGH {
            "Novelty is measured from the same references as before; the threshold is that of the labelled galaxies.\n"
        } else {
            "Novelty and its threshold are as before.\n"
        });
    }
    if before.residual.is_some() {
        text.push_str(if card.residual.is_some() {
            "The score for another camera is that of the labelled galaxies: their camera is the usual one now.\n"
        } else {
            "The score for another camera is left out: it needs more confident answers to labelled galaxies, and the \
             features that it was made of.\n"
        });
    }
    text
}
