//! `galmorph classify`: single files, without a catalog.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_cutout::{FramingSettings, Morphology, Shown, shortest};

use super::args::FramingArguments;
use super::filter::{command, program};
use super::image::{ImageFiles, Showing};
use super::rows::{Columns, RUNNER_UP, RowArguments, runner_up};
use super::{ModelArguments, Outcome};
use crate::failure::Failure;
use galmorph_catalog::columns::Column;
use galmorph_catalog::export::{ModelOrigin, Provenance, Value};
use galmorph_catalog::{length, probability_columns, time};
use galmorph_inference::{Answer, Classifier, Model, with_signal};
use galmorph_output::{path_text, readable, visible};

#[derive(Debug, Args)]
pub(super) struct Classify {
    /// Image files (JPEG, PNG or FITS). With --band-files, a file stands for its image: the files of the other bands
    /// beside it are read, too
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    framing: FramingArguments,

    #[command(flatten)]
    rows: RowArguments,
}

impl Classify {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let framing = self.framing.resolve()?;
        let (model, showing) = self.model.load()?;
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
            for image in showing.images(&self.files) {
                match answer(&image, &framing, &showing, &model, &mut classifier) {
                    // The header is written with the first row, so that no row means no header.
                    Ok((answer, shown)) => {
                        rows.row(&row(&image, &answer, &shown, &model))?;
                    }
                    Err(fault) => {
                        report(&image.path, &fault);
                        outcome = Outcome::SomeRejected;
                    }
                }
            }
            Ok(outcome)
        })
    }
}

/// The columns of a row, in the order of [`row`].
fn columns() -> Columns<'static> {
    let mut all = vec![
        Column::text("path"),
        Column::text("label"),
        Column::real("confidence"),
    ];
    all.extend(probability_columns().map(Column::real));
    all.extend([
        Column::text("model"),
        Column::text("framing"),
        Column::real("frame_x"),
        Column::real("frame_y"),
        Column::real("frame_side"),
        Column::text("flags"),
        Column::real("novelty"),
        Column::text("prediction_set"),
        Column::text("label_balanced"),
        Column::real("camera"),
    ]);
    let whole = all.len();
    all.extend(["object_id", RUNNER_UP].map(Column::text));
    Columns {
        all,
        whole,
        on_a_terminal: &["object_id", "label", "confidence", RUNNER_UP, "path"],
    }
}

fn row(image: &ImageFiles, answer: &Answer, shown: &Shown, model: &Model) -> Vec<Value> {
    let Answer {
        probabilities: answer,
        novelty,
        set,
        camera,
    } = answer;
    let label = answer.label();
    let mut row = vec![
        Value::Text(path_text(&image.path)),
        Value::Text(label.to_string()),
        Value::Real(shortest(answer.confidence())),
    ];
    let probabilities = answer.as_written();
    row.extend(probabilities.map(Value::Real));
    let Shown { frame, flags } = shown;
    row.extend([
        Value::Text(model.name().to_owned()),
        Value::Text(frame.framing.to_string()),
        Value::Real(length(frame.x)),
        Value::Real(length(frame.y)),
        Value::Real(length(frame.side)),
        Value::Text(flags.to_string()),
        novelty.map_or(Value::Nothing, |novelty| Value::Real(shortest(novelty))),
        set.map_or(Value::Nothing, |set| Value::Text(set.to_string())),
        (model.card.prior.as_ref()).map_or(Value::Nothing, |prior| {
            Value::Text(answer.label_balanced(prior).to_string())
        }),
        camera.map_or(Value::Nothing, |rank| Value::Real(shortest(rank))),
    ]);
    row.push(Value::Text(image.identity().object_id));
    let classes = Morphology::names().into_iter().zip(probabilities);
    row.push(Value::Text(runner_up(label.name(), classes)));
    row
}

fn answer(
    image: &ImageFiles,
    framing: &FramingSettings,
    showing: &Showing,
    model: &Model,
    classifier: &mut Classifier,
) -> Result<(Answer, Shown), String> {
    let preprocessing = &model.card.preprocessing;
    let (image, plan) = image.decode(framing, &showing.rendering, preprocessing)?;
    let image = with_signal(image).map_err(|(_, message)| message)?;
    let shown = plan.show(&image, preprocessing);
    let views = preprocessing.framed_views(&image, &shown.frame);
    let answer = classifier.classify(&views);
    answer
        .map(|answer| (answer, shown))
        .map_err(|refusal| refusal.to_string())
}

/// Says on standard error, in one line, why a file has no answer.
pub(super) fn report(file: &Path, fault: &str) {
    let words: Vec<&str> = fault.split_whitespace().collect();
    let fault = words.join(" ");
    eprintln!("galmorph: '{}': {}", readable(file), visible(&fault));
}
