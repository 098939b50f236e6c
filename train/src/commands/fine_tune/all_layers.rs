//! `galmorph-train fine-tune --layers all`

use std::fmt::Write;

use tch::{Device, Tensor};

use super::Prepared;
use crate::error::{Error, Result};
use crate::metrics::Comparison;
use crate::onnx::{self, Storage};
use crate::torch::{Precision, TensorError, Weights};
use crate::training::AllLayers;
use crate::tuning::{Gain, LastLayer, Rounds, rounds};
use crate::{evaluation::tables, progress::Progress};

/// The number of folds.
const FOLDS: u64 = 5;

/// Answers each galaxy by a network that learned in all layers without it, for so many rounds at most.
pub(super) fn measure(
    prepared: &Prepared,
    most: usize,
    (seed, precision): (u64, Precision),
) -> Result<Rounds> {
    let learner = learner(prepared, seed, precision)?;
    let progress = Progress::new("all layers", FOLDS * most as u64, "rounds");
    let found = rounds(
        &prepared.examples,
        &prepared.layer,
        &prepared.log_prior,
        seed,
        |layer, from, of| {
            let mut answers = Vec::new();
            learner.learn(&beginning(prepared, layer)?, from, most, |weights| {
                answers.push(learner.answers(weights, of));
                progress.advance(1);
                Ok(())
            })?;
            Ok(answers)
        },
    );
    progress.finish();
    found
}

/// The weights after learning from all galaxies for so many rounds.
pub(super) fn learned(
    prepared: &Prepared,
    layer: &LastLayer,
    rounds: usize,
    (seed, precision): (u64, Precision),
) -> Result<Weights> {
    let learner = learner(prepared, seed, precision)?;
    let all: Vec<usize> = (0..prepared.examples.len()).collect();
    let mut last = None;
    learner.learn(&beginning(prepared, layer)?, &all, rounds, |weights| {
        last = Some(weights.copy());
        Ok(())
    })?;
    last.ok_or_else(|| Error::internal("adapt all layers")("there was no round"))
}

fn learner(prepared: &Prepared, seed: u64, precision: Precision) -> Result<AllLayers<'_>> {
    let views = prepared.views.as_ref();
    Ok(AllLayers {
        network: &prepared.network,
        examples: &prepared.examples,
        views: views.ok_or_else(|| Error::internal("adapt all layers")("there are no views"))?,
        log_prior: prepared.log_prior,
        seed,
        precision,
    })
}

/// The model's weights with this last layer.
fn beginning(prepared: &Prepared, layer: &LastLayer) -> Result<Weights> {
    let mut weights = prepared.weights.copy();
    let device = prepared.weights.row().device();
    let (weight, bias) = super::tensors(layer);
    let of = |name: &str| -> std::result::Result<Tensor, TensorError> {
        let node = &prepared.node;
        Ok(match name {
            _ if *name == format!("{node}/weight") => weight.to_device(device),
            _ if *name == format!("{node}/bias") => bias.to_device(device),
            _ => prepared.weights.get(name).shallow_clone(),
        })
    };
    tch::no_grad(|| weights.fill(of)).map_err(Error::internal("put the last layer in"))?;
    Ok(weights)
}

/// The bytes of the model with these weights. They are read back before they are returned.
pub(super) fn written(
    prepared: &Prepared,
    weights: &Weights,
    card: &galmorph_cutout::ModelCard,
    record: &str,
) -> Result<Vec<u8>> {
    let bytes = onnx::encode(&prepared.network, weights, card, Storage::F32)
        .map_err(Error::internal("write the model card"))?;
    let bytes =
        onnx::with_adaptation(&bytes, record).map_err(Error::internal("write the model"))?;
    let back = onnx::decode(&bytes, Device::Cpu)
        .map_err(Error::internal("read back the adapted model"))?;
    let mut pairs = weights.iter().zip(back.weights.iter());
    if pairs.all(|((_, wanted), (_, found))| found.equal(&wanted.to_device(Device::Cpu))) {
        Ok(bytes)
    } else {
        Err(Error::internal("read back the adapted model")(
            "its weights are others",
        ))
    }
}

/// What learning in all layers gained over the last layer alone.
pub(super) fn told(found: &Rounds, over_last: &Gain, comparison: &Comparison) -> String {
    let mut text = String::from(
        "\nThen all layers learned. Negative log-likelihood out of fold, each class counting alike, by rounds:\n",
    );
    for (round, loss) in (1..).zip(&found.tried) {
        let mark = if round == found.best {
            "  <- chosen"
        } else {
            ""
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "{round:>12} {loss:>8.4}{mark}");
    }
    let points = |value: f64| 100.0 * value;
    let _ = writeln!(
        text,
        "\nOn the same galaxies, each answered by a network that was fitted without it, beside the last layer alone:\n  \
         negative log-likelihood {:.4} -> {:.4}, gained {:.4} ({:.4} to {:.4})\n  \
         accuracy {:.1} -> {:.1} %, gained {:.1} ({:.1} to {:.1}) points\n\n{}",
        over_last.loss_before,
        over_last.loss_after,
        over_last.gained.value,
        over_last.gained.low,
        over_last.gained.high,
        points(over_last.accuracy_before),
        points(over_last.accuracy_after),
        points(over_last.accuracy_gained.value),
        points(over_last.accuracy_gained.low),
        points(over_last.accuracy_gained.high),
        tables::comparison(comparison)
    );
    text
}
