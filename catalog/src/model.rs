//! Models, and their rows.

use blake3::Hash;
use galmorph_cutout::{ByClass, Morphology};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use crate::columns::prior_columns;
use crate::time;

/// A model as the catalog knows it. Two that differ in anything that changes an answer differ here: the
/// file, or the card with the settings in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInUse {
    /// Its name, for people.
    pub name: String,
    /// The digest of its file.
    pub digest: Hash,
    /// Its card with the settings in use, as JSON.
    pub card: String,
    /// The numbers that it multiplies: `f32`, `bf16`...
    pub arithmetic: String,
}

/// The row of the model in use, made when this catalog meets it for the first time. Later starts only
/// read, so that they needn't wait while the catalog is locked.
pub(crate) fn model_id(connection: &Connection, model: &ModelInUse) -> rusqlite::Result<i64> {
    model_row(connection, model, &time::now())
}

/// The same, if it is met at this time.
pub(crate) fn model_row(
    connection: &Connection,
    model: &ModelInUse,
    first_used: &str,
) -> rusqlite::Result<i64> {
    let digest = model.digest.to_hex();
    let digest = digest.as_str();
    let find = "SELECT id FROM model WHERE digest = ?1 AND card = ?2";
    let found = connection.query_row(find, params![digest, model.card], |row| row.get(0));
    if let Some(id) = found.optional()? {
        return Ok(id);
    }
    enter_model(
        connection,
        &NewModel {
            name: &model.name,
            digest,
            card: &model.card,
            first_used,
            arithmetic: Some(&model.arithmetic),
        },
    )
}

/// What the row of a model says.
pub(crate) struct NewModel<'a> {
    pub(crate) name: &'a str,
    /// In hexadecimal digits.
    pub(crate) digest: &'a str,
    pub(crate) card: &'a str,
    pub(crate) first_used: &'a str,
    pub(crate) arithmetic: Option<&'a str>,
}

/// The id of a model's row, which is made if it isn't there. It has the class mix of the card in columns of its own: the view
/// `catalog` divides by it in each row, and a card is long.
pub(crate) fn enter_model(connection: &Connection, model: &NewModel) -> rusqlite::Result<i64> {
    let text = |text: &str| Value::from(text.to_owned());
    let mut values = vec![
        text(model.name),
        text(model.digest),
        text(model.card),
        text(model.first_used),
        model.arithmetic.map(str::to_owned).into(),
    ];
    values.extend(prior_values(model.card));
    let statement = format!(
        "INSERT INTO model (name, digest, card, first_used, arithmetic, {}) VALUES ({}?)
         ON CONFLICT (digest, card) DO UPDATE SET first_used = min(first_used, excluded.first_used)
         RETURNING id",
        prior_columns().join(", "),
        "?, ".repeat(values.len() - 1)
    );
    connection.query_row(&statement, params_from_iter(values), |row| row.get(0))
}

/// Fills in the class mixes of all models, from their cards.
pub(crate) fn fill_in_priors(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, card FROM model")?;
    let models = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let models: Vec<(i64, String)> = models.collect::<rusqlite::Result<_>>()?;
    let changes = prior_columns().map(|column| format!("{column} = ?"));
    let fill_in = format!("UPDATE model SET {} WHERE id = ?", changes.join(", "));
    for (id, card) in models {
        let values = prior_values(&card).into_iter().chain([id.into()]);
        connection.execute(&fill_in, params_from_iter(values))?;
    }
    Ok(())
}

/// The values of the columns that [`prior_columns`] names; NULL for a card that says no class mix.
fn prior_values(card: &str) -> [Value; Morphology::COUNT] {
    let card: Option<serde_json::Value> = serde_json::from_str(card).ok();
    let prior = card.and_then(|mut card| card.get_mut("prior").map(serde_json::Value::take));
    let prior: Option<ByClass<f64>> = prior.and_then(|prior| serde_json::from_value(prior).ok());
    match prior {
        Some(ByClass(fractions)) if fractions.iter().all(|fraction| *fraction > 0.0) => {
            fractions.map(Value::from)
        }
        _ => [const { Value::Null }; Morphology::COUNT],
    }
}
