//! `galmorph classify`: some files, now, without a catalog.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{Image, Limits, Probabilities};

use super::{FormatArguments, ModelArguments, Outcome, write_rows};
use crate::failure::Failure;
use crate::pipeline::decode;
use galmorph_catalog::export::Value;
use galmorph_catalog::path_text;
use galmorph_catalog::{probability_columns, shortest};
use galmorph_inference::Classifier;
use galmorph_inference::Model;

#[derive(Debug, Args)]
pub(super) struct Classify {
    /// Image files (JPEG or PNG)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    format: FormatArguments,
}

impl Classify {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let model = self.model.load()?;
        let mut classifier = model.classifier();
        write_rows(self.format.format, |rows| {
            let probabilities = probability_columns();
            let mut columns = vec!["path", "label", "confidence"];
            columns.extend(probabilities.iter().map(String::as_str));
            columns.push("model");
            rows.header(&columns).map_err(Failure::Output)?;
            let mut outcome = Outcome::Fine;
            for file in &self.files {
                match answer(file, &model, &mut classifier) {
                    Ok(answer) => {
                        let row = row(file, &answer, &model.card.name);
                        rows.row(&row).map_err(Failure::Output)?;
                    }
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

fn answer(
    file: &Path,
    model: &Model,
    classifier: &mut Classifier,
) -> Result<Probabilities, String> {
    let image = read_image(file, &Limits::default())?;
    let views = model.card.preprocessing.views(&image);
    classifier
        .classify(&views)
        .map_err(|refusal| refusal.to_string())
}

/// Says on standard error why there is no answer for a file, in one line.
pub(super) fn report(file: &Path, fault: &str) {
    let words: Vec<&str> = fault.split_whitespace().collect();
    eprintln!("galmorph: '{}': {}", file.display(), words.join(" "));
}

/// Reads and decodes one file, or says why not.
pub(super) fn read_image(file: &Path, limits: &Limits) -> Result<Image, String> {
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_dir()) {
        return Err("a folder (galmorph watch --drain takes folders)".into());
    }
    let mut bytes = Vec::new();
    // One byte over the limit is enough for the decoder to refuse it.
    File::open(file)
        .and_then(|open| open.take(limits.max_bytes + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    decode(&bytes, limits).map_err(|(_, message)| message)
}

fn row(file: &Path, answer: &Probabilities, model: &str) -> Vec<Value> {
    let mut row = vec![
        Value::Text(path_text(file)),
        Value::Text(answer.label().to_string()),
        Value::Real(shortest(answer.confidence())),
    ];
    row.extend(answer.values().map(|p| Value::Real(shortest(p))));
    row.push(Value::Text(model.to_owned()));
    row
}
