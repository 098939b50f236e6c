//! `galmorph query --class-mix`: how common the classes are among the galaxies that are asked for.

use std::collections::BTreeSet;
use std::path::Path;

use galmorph_catalog::columns::Column;
use galmorph_catalog::export::Value;
use galmorph_catalog::{NewClassMix, Reader, keep_class_mix, probability_columns};
use galmorph_cutout::{ByClass, ClassMix, ModelCard, Morphology, Probabilities};

use super::Outcome;
use super::filter::{Question, command, provenance};
use super::rows::{Columns, RowArguments};
use crate::failure::Failure;

/// Prints a row for each class: how many galaxies have its label, and the fraction that is estimated from the
/// probabilities (Saerens et al. 2002), with its interval. `keep` is a catalog that keeps the estimate.
///
/// # Errors
/// When there is no galaxy, the answers are of several models, or their model doesn't say on which mix it was trained.
pub(super) fn print(
    question: Question,
    rows: &RowArguments,
    keep: Option<&Path>,
) -> Result<Outcome, Failure> {
    let provenance = provenance(&question.catalog)?;
    let Question {
        catalog,
        columns,
        rows: asked,
    } = question;
    let find = |name: &str| columns.iter().position(|column| column.name == name);
    let label = find("label").expect("the catalog has labels");
    let of_model = ["model", "model_digest"].map(|name| find(name).expect("and their model"));
    let places = probability_columns().map(|name| find(&name).expect("and probabilities"));

    let mut answers = Vec::new();
    let mut models = BTreeSet::new();
    let mut labels = ByClass([0_i64; Morphology::COUNT]);
    asked.answer(&catalog, |values| {
        let probability = |place: usize| match values[place] {
            Value::Real(value) => Some(value as f32),
            _ => None,
        };
        let probabilities = places.map(probability);
        if let Value::Text(label) = &values[label]
            && let Ok(label) = label.parse::<Morphology>()
            && probabilities.iter().all(Option::is_some)
        {
            labels.0[label.id()] += 1;
            models.insert(of_model.map(|place| values[place].to_string()));
            let probabilities = probabilities.map(Option::unwrap_or_default);
            answers.push(Probabilities::from_values(probabilities));
        }
        Ok(())
    })?;
    if models.len() > 1 {
        return Err(Failure::Usage(format!(
            "the answers are of {} models, and each was trained on a mix of its own; --model NAME takes those of one",
            models.len()
        )));
    }
    let Some([model, model_digest]) = models.first() else {
        return Err(Failure::Usage("no galaxy is asked for".into()));
    };
    let prior = prior(&catalog, model, model_digest)?;
    let count = answers.len() as f64;
    let mix = ClassMix::estimate(answers, &prior).expect("there are answers, of a model");
    if let Some(path) = keep {
        let selection = command();
        let new = NewClassMix {
            model,
            model_digest,
            mix: &mix,
            selection: &selection,
        };
        keep_class_mix(path, &new)?;
    }

    let columns = [
        Column::text("class"),
        Column::integer("labels"),
        Column::real("labelled"),
        Column::real("fraction"),
        Column::real("fraction_low"),
        Column::real("fraction_high"),
    ];
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let shown = Columns {
        all: columns.to_vec(),
        whole: columns.len(),
        on_a_terminal: &names,
    };
    rows.write(&shown, &provenance, |rows| {
        for class in Morphology::ALL {
            let (labels, fraction) = (labels.0[class.id()], mix.fractions.0[class.id()]);
            rows.row(&[
                Value::Text(class.name().into()),
                Value::Integer(labels),
                Value::Real(labels as f64 / count),
                Value::Real(fraction.value),
                Value::Real(fraction.low),
                Value::Real(fraction.high),
            ])?;
        }
        Ok(Outcome::Fine)
    })
}

/// The class mix of the images on which a model was trained. The digest is empty in a catalog before version 7.
fn prior(catalog: &Reader, model: &str, model_digest: &str) -> Result<ByClass<f64>, Failure> {
    let digest = Some(model_digest).filter(|digest| !digest.is_empty());
    let card = catalog.card_of(model, digest)?;
    let card = card.ok_or_else(|| {
        Failure::Unusable(format!("the catalog has answers of '{model}', and no card of it").into())
    })?;
    let card: ModelCard = serde_json::from_str(&card).map_err(|error| {
        Failure::Unusable(format!("the card of model '{model}' can't be read: {error}").into())
    })?;
    card.prior.ok_or_else(|| {
        Failure::Usage(format!(
            "model '{model}' does not say on which class mix it was trained; galmorph-train calibrate writes it into its card"
        ))
    })
}
