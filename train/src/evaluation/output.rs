//! An evaluation's files: `evaluation.json`, `predictions.csv` and a table of the paper each.

use std::path::Path;

use galmorph_cutout::Morphology;

use super::answers::Answers;
use super::record::Evaluation;
use super::tables;
use crate::artefact;
use crate::error::{Error, Result};

/// The file that [`Evaluation::read`] reads back.
pub const EVALUATION: &str = "evaluation.json";

/// Writes all files into a folder, which is made if need be.
pub fn write(folder: &Path, evaluation: &Evaluation, answers: &Answers) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let predictions = predictions(answers, evaluation.subject.temperature);
    artefact::write(&folder.join("predictions.csv"), &predictions)?;
    let alone = std::slice::from_ref(evaluation);
    for (name, table) in [
        ("table4.csv", tables::table4(evaluation)),
        ("table5.csv", tables::table5(evaluation)),
        ("table6.csv", tables::table6(alone)),
        ("table7.csv", tables::table7(alone)),
    ] {
        artefact::write(&folder.join(name), &table.to_csv())?;
    }
    // Last: who finds it finds the others too.
    let path = folder.join(EVALUATION);
    let json = serde_json::to_vec_pretty(evaluation)
        .map_err(|error| Error::Artefact(format!("cannot write '{}': {error}", path.display())))?;
    artefact::write(&path, &json)
}

/// One row a galaxy: what it is, what the averaged answer says, and how sure that is of each class. A
/// galaxy without an answer has none of these.
fn predictions(answers: &Answers, temperature: f32) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = Morphology::names().map(|name| format!("p_{name}"));
    let fixed = ["id", "truth", "label"].map(String::from);
    // Writing to memory can't fail.
    let _ = table.write_record(fixed.iter().chain(&columns));
    for (id, prediction) in answers.ids().iter().zip(answers.averaged(temperature)) {
        let label = prediction.label().map_or("", Morphology::name);
        let probabilities = match prediction.answer {
            Some(answer) => answer.values().map(|p| p.to_string()),
            None => [const { String::new() }; Morphology::COUNT],
        };
        let fixed = [id.as_str(), prediction.truth.name(), label];
        let row = fixed
            .into_iter()
            .chain(probabilities.iter().map(String::as_str));
        let _ = table.write_record(row);
    }
    table.into_inner().unwrap_or_default()
}
