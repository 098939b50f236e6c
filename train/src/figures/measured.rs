//! From the measurements of a network to the data of the figures.

use std::path::{Path, PathBuf};

use galmorph_cutout::{Morphology, Scaling};

use super::{Bin, Figure, Mistake, Reliability, Roc, wrong};
use crate::data::ImageIndex;
use crate::error::{Cause, Error, Result};
use crate::evaluation::{EVALUATION, Evaluation, PREDICTIONS};
use crate::metrics::Calibration;

/// An evaluation, and its folder.
pub(crate) struct Evaluated {
    /// The measurements.
    pub(crate) evaluation: Evaluation,
    /// The folder that holds it.
    pub(crate) folder: PathBuf,
}

/// A wrong prediction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrongAnswer {
    /// The galaxy's id.
    pub(crate) id: String,
    /// Its class, as the labels have it.
    pub(crate) truth: Morphology,
    /// The class that the network gave.
    pub(crate) answer: Morphology,
    /// The probability that it gave to its answer.
    pub(crate) probability: f64,
}

impl Evaluated {
    /// The files that are read of an evaluation: `evaluation.json`, and `predictions.csv` beside it.
    pub(crate) fn files(path: &Path) -> [PathBuf; 2] {
        let file = if path.is_dir() {
            path.join(EVALUATION)
        } else {
            path.to_owned()
        };
        let predictions = file.with_file_name(PREDICTIONS);
        [file, predictions]
    }

    /// Opens the output of `evaluate`: the folder, or the `evaluation.json` in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let [file, _] = Self::files(path);
        Ok(Self {
            evaluation: Evaluation::read(&file)?,
            folder: file.parent().map(Path::to_owned).unwrap_or_default(),
        })
    }

    /// The ROC curves of all classes.
    pub(crate) fn roc(&self) -> Vec<Roc> {
        let areas = &self.evaluation.averaged.per_class;
        Morphology::ALL
            .into_iter()
            .map(|class| {
                let curve = self
                    .evaluation
                    .roc
                    .iter()
                    .find(|roc| roc.class == class.name());
                let points = curve.map(|curve| {
                    let rates = curve.points.iter();
                    rates
                        .map(|point| {
                            (
                                point.false_positive_rate.value,
                                point.true_positive_rate.value,
                            )
                        })
                        .collect()
                });
                let area = areas.iter().find(|metrics| metrics.class == class.name());
                Roc {
                    class,
                    points: points.unwrap_or_default(),
                    area: area.and_then(|metrics| metrics.auc).map(|auc| auc.value),
                }
            })
            .collect()
    }

    /// The reliability without and with the model's temperature; one curve if that is 1.
    pub(crate) fn reliability(&self) -> Vec<Reliability> {
        let calibration = &self.evaluation.calibration;
        let before = reliability("as trained".into(), &calibration.before);
        let scaling = calibration.after.scaling;
        if scaling == Scaling::NONE {
            return vec![before];
        }
        let after = format!("at temperature {scaling}");
        vec![before, reliability(after, &calibration.after)]
    }

    /// The wrong predictions, the most confident first, from the `predictions.csv` next to the
    /// evaluation. They do not include galaxies without an answer.
    ///
    /// # Errors
    /// When the file is missing or not as `evaluate` writes it.
    pub(crate) fn wrong_answers(&self) -> Result<Vec<WrongAnswer>> {
        let path = self.folder.join(PREDICTIONS);
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let mut wrong = parse(&text).map_err(Error::unusable("predictions", &path))?;
        wrong.sort_by(|a, b| {
            b.probability
                .total_cmp(&a.probability)
                .then_with(|| a.id.cmp(&b.id))
        });
        Ok(wrong)
    }

    /// Draws the `count` most confident wrong predictions.
    ///
    /// # Errors
    /// As [`wrong_answers`](Self::wrong_answers); and when a galaxy's image is missing.
    pub(crate) fn draw_mistakes(&self, images: &ImageIndex, count: usize) -> Result<Figure> {
        let surest = self.wrong_answers()?.into_iter().take(count);
        let mistakes = surest.map(|answer| {
            Ok(Mistake {
                image: images.decode(&answer.id)?.to_rgb8(),
                id: answer.id,
                truth: answer.truth,
                answer: answer.answer,
                probability: answer.probability,
            })
        });
        Ok(wrong(&mistakes.collect::<Result<Vec<_>>>()?))
    }
}

fn reliability(name: String, calibration: &Calibration) -> Reliability {
    let bins = calibration.reliability.iter().map(|bin| Bin {
        range: (bin.above, bin.to),
        count: bin.images as usize,
        confidence: bin.confidence,
        accuracy: bin.accuracy.value,
        interval: (bin.accuracy.low, bin.accuracy.high),
    });
    Reliability {
        name,
        error: calibration.error.value,
        bins: bins.collect(),
    }
}

fn parse(text: &str) -> std::result::Result<Vec<WrongAnswer>, Cause> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.ok_or_else(|| format!("no column '{name}'"))
    };
    let (id, truth, label) = (column("id")?, column("truth")?, column("label")?);
    let mut probabilities = [0; Morphology::COUNT];
    for class in Morphology::ALL {
        probabilities[class.id()] = column(&format!("p_{class}"))?;
    }

    let mut wrong = Vec::new();
    for record in reader.records() {
        let record = record?;
        let row = record.position().map_or(0, csv::Position::line);
        let field = |index: usize| record.get(index).unwrap_or_default();
        let class = |index: usize| {
            let parsed: std::result::Result<Morphology, _> = field(index).parse();
            parsed.map_err(|error| format!("row {row}: {error}"))
        };
        let truth = class(truth)?;
        if field(label).is_empty() {
            continue;
        }
        let answer = class(label)?;
        let probability = field(probabilities[answer.id()]);
        let probability = probability
            .parse()
            .map_err(|_| format!("row {row}: '{probability}' is not a probability"))?;
        if answer != truth {
            wrong.push(WrongAnswer {
                id: field(id).to_owned(),
                truth,
                answer,
                probability,
            });
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,truth,label,p_round,p_in_between,p_cigar,p_edge_on,p_spiral";

    #[test]
    fn wrong_answers_are_those_with_another_label() {
        let rows = "7,round,round,0.9,0.1,0,0,0\n8,round,spiral,0.3,0,0,0,0.7\n9,cigar,,,,,,\n";
        let wrong = parse(&format!("{HEADER}\n{rows}")).unwrap();
        let expected = WrongAnswer {
            id: "8".into(),
            truth: Morphology::Round,
            answer: Morphology::Spiral,
            probability: 0.7,
        };
        assert_eq!(wrong, [expected]);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_named() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(fault("id,truth\n"), "no column 'label'");
        let fault = |row: &str| fault(&format!("{HEADER}\n{row}\n"));
        assert!(fault("1,star,round,1,0,0,0,0").starts_with("row 2: unknown class 'star'"));
        assert_eq!(
            fault("1,round,spiral,1,0,0,0,much"),
            "row 2: 'much' is not a probability"
        );
    }
}
