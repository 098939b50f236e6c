//! The files of an evaluation: `evaluation.json`, `predictions.csv`, and one CSV file for each table of
//! the paper.

use std::path::Path;

use galmorph_cutout::Morphology;
use galmorph_output::Output;

use super::answers::Answers;
use super::record::Evaluation;
use super::tables;
use crate::csv_bytes::csv_bytes;
use crate::error::{Error, Result};

/// The name of the file that [`Evaluation::read`] reads back.
pub const EVALUATION: &str = "evaluation.json";

/// The files in the order in which they are written. Where the last one is, the others are, too.
const FILES: [&str; 6] = [
    "predictions.csv",
    "table4.csv",
    "table5.csv",
    "table6.csv",
    "table7.csv",
    EVALUATION,
];

/// The folder of an evaluation.
pub(crate) struct EvaluationFolder {
    /// One for each of [`FILES`].
    outputs: [Output; FILES.len()],
}

impl EvaluationFolder {
    /// Creates the folder if needed, and checks that the files can be written there. `input` is what the
    /// command reads.
    ///
    /// # Errors
    /// When one of them can't be, or is there without `force`.
    pub(crate) fn at(folder: &Path, force: bool, input: &[&Path]) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let outputs = FILES.map(|name| Output::at(&folder.join(name), force, input));
        let [predictions, table4, table5, table6, table7, evaluation] = outputs;
        Ok(Self {
            outputs: [
                predictions?,
                table4?,
                table5?,
                table6?,
                table7?,
                evaluation?,
            ],
        })
    }

    /// Writes all files.
    pub(crate) fn write(self, evaluation: &Evaluation, answers: &Answers) -> Result<()> {
        let alone = std::slice::from_ref(evaluation);
        let json = serde_json::to_vec_pretty(evaluation)
            .map_err(Error::internal("write an evaluation"))?;
        let contents = [
            predictions(answers, evaluation.subject.temperature),
            tables::table4(evaluation).to_csv(),
            tables::table5(evaluation).to_csv(),
            tables::table6(alone).to_csv(),
            tables::table7(alone).to_csv(),
            json,
        ];
        for (output, content) in self.outputs.into_iter().zip(contents) {
            output.write(".galmorph-evaluation-", &content)?;
        }
        Ok(())
    }
}

/// One row a galaxy: its class, its predicted label, and the probability of each class, averaged over
/// the views. Label and probabilities are empty where the network gave no answer.
fn predictions(answers: &Answers, temperature: f32) -> Vec<u8> {
    let mut header = ["id", "truth", "label"].map(String::from).to_vec();
    header.extend(Morphology::names().map(|name| format!("p_{name}")));
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
        row
    });
    csv_bytes(header, rows)
}
