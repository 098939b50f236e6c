//! `galmorph query --class-mix`: how common the classes are among the galaxies that are asked for.

use std::collections::BTreeSet;

use galmorph_catalog::columns::Column;
use galmorph_catalog::export::Value;
use galmorph_catalog::{Reader, probability_columns};
use galmorph_cutout::{ByClass, ClassMix, ModelCard, Morphology, Probabilities};

use super::Outcome;
use super::filter::{Question, provenance};
use super::rows::{Columns, RowArguments};
use crate::failure::Failure;

/// Prints a row for each class: how many galaxies have its label, and the fraction that is estimated from the
/// probabilities (Saerens et al. 2002), with its interval. `model` is the one whose answers they are; `None` for the one in
/// use.
///
/// # Errors
/// When the model doesn't say on which mix it was trained, there is no galaxy, or the answers are of several models.
pub(super) fn print(
    question: Question,
    model: Option<&str>,
    rows: &RowArguments,
) -> Result<Outcome, Failure> {
    let prior = prior(&question.catalog, model)?;
    let provenance = provenance(&question.catalog)?;
    let find = |name: &str| {
        question
            .columns
            .iter()
            .position(|column| column.name == name)
    };
    let label = find("label").expect("the catalog has labels");
    let of_model = ["model", "model_digest"].map(|name| find(name).expect("and their model"));
    let places = probability_columns().map(|name| find(&name).expect("and probabilities"));

    let mut answers = Vec::new();
    let mut models = BTreeSet::new();
    let mut labels = ByClass([0_i64; Morphology::COUNT]);
    question.answer(|values| {
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
    let count = answers.len() as f64;
    let mix = ClassMix::estimate(answers, &prior)
        .ok_or_else(|| Failure::Usage("no galaxy is asked for".into()))?;

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

/// The class mix of the images on which a model was trained.
fn prior(catalog: &Reader, model: Option<&str>) -> Result<ByClass<f64>, Failure> {
    let name = model.map_or_else(
        || "the model in use".into(),
        |name| format!("model '{name}'"),
    );
    let card = catalog.card(model)?;
    let card = card.ok_or_else(|| Failure::Usage(format!("the catalog does not have {name}")))?;
    let card: ModelCard = serde_json::from_str(&card).map_err(|error| {
        Failure::Unusable(format!("the card of {name} can't be read: {error}").into())
    })?;
    card.prior.ok_or_else(|| {
        Failure::Usage(format!(
            "{name} does not say on which class mix it was trained; galmorph-train calibrate writes it into its card"
        ))
    })
}
