//! `galmorph classify`: single files, without a catalog.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_cutout::{Image, Limits, Morphology, Probabilities, Rendering};

use super::filter::{command, program};
use super::rows::{Columns, RUNNER_UP, RowArguments, runner_up};
use super::{ModelArguments, Outcome};
use crate::failure::Failure;
use crate::pipeline::{decode, object_id, with_signal};
use galmorph_catalog::columns::Column;
use galmorph_catalog::export::{ModelOrigin, Provenance, Value};
use galmorph_catalog::{probability_columns, shortest, time};
use galmorph_inference::Classifier;
use galmorph_inference::Model;
use galmorph_output::{path_text, readable, visible};

#[derive(Debug, Args)]
pub(super) struct Classify {
    /// Image files (JPEG, PNG or FITS)
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    rows: RowArguments,
}

impl Classify {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let (model, rendering) = self.model.load()?;
        let mut classifier = model.classifier();
        let provenance = Provenance {
            program: program(),
            time: time::now(),
            catalog: String::new(),
            query: command(),
            models: vec![ModelOrigin {
                name: model.card.name.clone(),
                digest: model.digest.to_string(),
            }],
        };
        self.rows.write(&columns(), &provenance, |rows| {
            let mut outcome = Outcome::Fine;
            for file in &self.files {
                match answer(file, &rendering, &model, &mut classifier) {
                    // The header is written with the first row, so that no row means no header.
                    Ok(answer) => rows.row(&row(file, &answer, &model.card.name))?,
                    Err(fault) => {
                        report(file, &fault);
                        outcome = Outcome::SomeRejected;
                    }
                }
            }
            Ok(outcome)
        })
    }
}

/// The columns of a row, in the order of [`row`].
fn columns() -> Columns {
    let mut all = vec![
        Column::text("path"),
        Column::text("label"),
        Column::real("confidence"),
    ];
    all.extend(probability_columns().map(Column::real));
    all.push(Column::text("model"));
    let whole = all.len();
    all.extend(["object_id", RUNNER_UP].map(Column::text));
    Columns {
        all,
        whole,
        on_a_terminal: &["object_id", "label", "confidence", RUNNER_UP, "path"],
    }
}

fn row(file: &Path, answer: &Probabilities, model: &str) -> Vec<Value> {
    let label = answer.label();
    let mut row = vec![
        Value::Text(path_text(file)),
        Value::Text(label.to_string()),
        Value::Real(shortest(answer.confidence())),
    ];
    let probabilities = answer.values().map(shortest);
    row.extend(probabilities.map(Value::Real));
    row.push(Value::Text(model.to_owned()));
    row.push(Value::Text(object_id(file)));
    let classes = Morphology::names().into_iter().zip(probabilities);
    row.push(Value::Text(runner_up(label.name(), classes)));
    row
}

fn answer(
    file: &Path,
    rendering: &Rendering,
    model: &Model,
    classifier: &mut Classifier,
) -> Result<Probabilities, String> {
    let preprocessing = &model.card.preprocessing;
    let image = read_image(file, rendering, preprocessing.largest_scale())?;
    let image = with_signal(image).map_err(|(_, message)| message)?;
    let views = preprocessing.views(&image);
    classifier
        .classify(&views)
        .map_err(|refusal| refusal.to_string())
}

/// Says on standard error, in one line, why a file has no answer.
pub(super) fn report(file: &Path, fault: &str) {
    let words: Vec<&str> = fault.split_whitespace().collect();
    let fault = words.join(" ");
    eprintln!("galmorph: '{}': {}", readable(file), visible(&fault));
}

/// Reads a file and decodes its middle, up to `side` pixels on a side, or says why not.
pub(super) fn read_image(file: &Path, rendering: &Rendering, side: u32) -> Result<Image, String> {
    let limits = Limits::default();
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_dir()) {
        return Err("a folder (galmorph watch --drain takes folders)".into());
    }
    let mut bytes = Vec::new();
    // One byte over the limit is enough for the decoder to refuse it.
    File::open(file)
        .and_then(|open| open.take(limits.max_bytes + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    decode(&bytes, &limits, side, rendering).map_err(|(_, message)| message)
}
