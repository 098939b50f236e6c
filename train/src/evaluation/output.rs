//! The files of an evaluation: `evaluation.json`, `predictions.csv`, one CSV file for each table of the
//! paper, and two for what the thresholds for sets and samples reach.

use std::path::{Path, PathBuf};

use galmorph_cutout::{Morphology, Scaling};
use galmorph_output::Output;

use super::answers::Answers;
use super::npy;
use super::record::Evaluation;
use super::{tables, trust};
use crate::csv_bytes::csv_bytes;
use crate::data::Fold;
use crate::error::{Error, Result};

/// The name of the file that [`Evaluation::read`] reads back.
pub const EVALUATION: &str = "evaluation.json";

/// The name of the file beside it with the answer to each galaxy.
pub(crate) const PREDICTIONS: &str = "predictions.csv";

/// How much is written of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The measurements and the predictions.
    Measurements,
    /// The features too, as `features.npy`: one row a galaxy, in the order of the predictions. And the
    /// fold of each galaxy, as the last column of the predictions.
    WithFeatures,
}

/// The folder of an evaluation.
pub(crate) struct EvaluationFolder {
    folder: PathBuf,
    extent: Extent,
    force: bool,
    inputs: Vec<PathBuf>,
}

/// Its files.
struct Files {
    predictions: Output,
    features: Option<Output>,
    /// Tables 4 to 7 of the paper, and those of [`trust`].
    tables: [Output; 6],
    /// Written last: where it is, the others are, too.
    evaluation: Output,
}

impl EvaluationFolder {
    /// Checks that the files can be written there, before the work. `inputs` are what the command reads.
    ///
    /// # Errors
    /// When one of them can't be, or is there without `force`.
    pub(crate) fn at(folder: &Path, extent: Extent, force: bool, inputs: &[&Path]) -> Result<Self> {
        let checked = Self {
            folder: folder.to_owned(),
            extent,
            force,
            inputs: inputs.iter().map(|input| input.to_path_buf()).collect(),
        };
        if folder.exists() {
            checked.files()?;
        }
        Ok(checked)
    }

    fn files(&self) -> Result<Files> {
        let inputs: Vec<&Path> = self.inputs.iter().map(PathBuf::as_path).collect();
        let output = |name: &str| Output::at(&self.folder.join(name), self.force, &inputs);
        Ok(Files {
            predictions: output(PREDICTIONS)?,
            features: match self.extent {
                Extent::Measurements => None,
                Extent::WithFeatures => Some(output("features.npy")?),
            },
            tables: [
                output("table4.csv")?,
                output("table5.csv")?,
                output("table6.csv")?,
                output("table7.csv")?,
                output("coverage.csv")?,
                output("purity.csv")?,
            ],
            evaluation: output(EVALUATION)?,
        })
    }

    /// Writes all files, and creates the folder if needed.
    pub(crate) fn write(&self, evaluation: &Evaluation, answers: &Answers) -> Result<()> {
        const PREFIX: &str = ".galmorph-evaluation-";
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let files = self.files()?;
        let json = serde_json::to_vec_pretty(evaluation)
            .map_err(Error::internal("write an evaluation"))?;
        let predictions = predictions(answers, evaluation.subject.scaling, self.extent);
        files.predictions.write(PREFIX, &predictions)?;
        if let Some(features) = files.features {
            features.write(PREFIX, &npy::bytes(answers.features()))?;
        }
        let alone = std::slice::from_ref(evaluation);
        let tables = [
            tables::table4(evaluation),
            tables::table5(evaluation),
            tables::table6(alone),
            tables::table7(alone),
            trust::coverage_by_class(evaluation),
            trust::all_purities(evaluation),
        ];
        for (output, table) in files.tables.into_iter().zip(tables) {
            output.write(PREFIX, &table.to_csv())?;
        }
        files.evaluation.write(PREFIX, &json)?;
        Ok(())
    }
}

/// One row a galaxy: its class, its predicted label, and the probability of each class, averaged over
/// the views. Label and probabilities are empty where the network gave no answer.
fn predictions(answers: &Answers, scaling: Scaling, extent: Extent) -> Vec<u8> {
    let with_folds = extent == Extent::WithFeatures;
    let mut header = ["id", "truth", "label"].map(String::from).to_vec();
    header.extend(Morphology::names().map(|name| format!("p_{name}")));
    header.extend(with_folds.then(|| "fold".to_owned()));
    let averaged = answers.averaged(scaling);
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
