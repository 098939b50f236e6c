//! The files of an evaluation: `evaluation.json`, `predictions.csv`, and one CSV file for each table of
//! the paper.

use std::path::Path;

use galmorph_cutout::Morphology;

use super::answers::Answers;
use super::npy;
use super::record::Evaluation;
use super::tables;
use crate::atomic_file;
use crate::csv_bytes::csv_bytes;
use crate::data::Fold;
use crate::error::{Error, Result};

/// The name of the file that [`Evaluation::read`] reads back.
pub const EVALUATION: &str = "evaluation.json";

/// How much is written of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The measurements and the predictions.
    Measurements,
    /// The features too, as `features.npy`: one row a galaxy, in the order of the predictions. And the
    /// fold of each galaxy, as the last column of the predictions.
    WithFeatures,
}

/// Writes all files into a folder, and creates the folder if needed.
pub(crate) fn write(
    folder: &Path,
    evaluation: &Evaluation,
    answers: &Answers,
    extent: Extent,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let predictions = predictions(answers, evaluation.subject.temperature, extent);
    atomic_file::write(&folder.join("predictions.csv"), &predictions)?;
    if extent == Extent::WithFeatures {
        let features = npy::bytes(answers.features());
        atomic_file::write(&folder.join("features.npy"), &features)?;
    }
    let alone = std::slice::from_ref(evaluation);
    for (name, table) in [
        ("table4.csv", tables::table4(evaluation)),
        ("table5.csv", tables::table5(evaluation)),
        ("table6.csv", tables::table6(alone)),
        ("table7.csv", tables::table7(alone)),
    ] {
        atomic_file::write(&folder.join(name), &table.to_csv())?;
    }
    let json =
        serde_json::to_vec_pretty(evaluation).map_err(Error::internal("write an evaluation"))?;
    // The last file: where it is, the others are, too.
    atomic_file::write(&folder.join(EVALUATION), &json)
}

/// One row a galaxy: its class, its predicted label, and the probability of each class, averaged over
/// the views. Label and probabilities are empty where the network gave no answer.
fn predictions(answers: &Answers, temperature: f32, extent: Extent) -> Vec<u8> {
    let with_folds = extent == Extent::WithFeatures;
    let mut header = ["id", "truth", "label"].map(String::from).to_vec();
    header.extend(Morphology::names().map(|name| format!("p_{name}")));
    header.extend(with_folds.then(|| "fold".to_owned()));
    let averaged = answers.averaged(temperature);
    let rows = answers.ids().iter().zip(&averaged).map(|(id, prediction)| {
        let label = prediction.label().map_or("", Morphology::name);
        let mut row = [id.as_str(), prediction.truth.name(), label]
            .map(String::from)
            .to_vec();
        row.extend(match prediction.answer {
            Some(answer) => answer.values().map(|p| p.to_string()),
            None => [const { String::new() }; Morphology::COUNT],
        });
        row.extend(with_folds.then(|| Fold::of(id).to_string()));
        row
    });
    csv_bytes(header, rows)
}
