//! Which answer a row shows, where there is more than one.
//!
//! An answer belongs to a row if it is to the row's content *and* in the row's rendering: files of one content may ask to be
//! shown in different frames.

use galmorph_catalog::other_answer_columns;
use postgres::{Error, Transaction};

/// Who writes rows or answers holds this number with others until its transaction ends. Who takes a model into use holds it alone: so
/// each transaction that writes has either ended by then, or knows the model.
const WRITING: i64 = 0x676C_6D74;

/// To be called first in a transaction that writes rows or answers: later, it could wait for one that waits for it.
pub(crate) fn begin_to_write(transaction: &mut Transaction) -> Result<(), Error> {
    let hold = "SELECT pg_advisory_xact_lock_shared($1)";
    transaction.execute(hold, &[&WRITING]).map(drop)
}

/// Waits until nobody writes rows or answers, and keeps it so until the transaction ends.
pub(crate) fn keep_writers_out(transaction: &mut Transaction) -> Result<(), Error> {
    let hold = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(hold, &[&WRITING]).map(drop)
}

/// The columns of an answer, without the content that it is to.
pub(crate) fn answer_columns() -> Vec<String> {
    let columns = other_answer_columns().into_iter();
    columns.filter(|column| column != "digest").collect()
}

/// Whether `one`, of `other_answer`, is a model's answer to the file of a row.
pub(crate) fn belongs(model: &str) -> String {
    format!(
        "one.digest = cutout.digest AND one.model = {model} AND one.rendering = cutout.rendering"
    )
}

/// Whether a row shows another model than this one, and has its answer beside. It is asked row by row, by the index: as a join, a
/// session that has no loops would read all answers there are.
fn has_beside(model: &str) -> String {
    format!(
        "cutout.label IS NOT NULL AND cutout.model <> {model}
         AND coalesce((SELECT true FROM other_answer AS one WHERE {}), false)",
        belongs(model)
    )
}

/// The statements that bring rows to show a model's answers: those of the site `$1` and the keys `$2` that have one of the model `$3`
/// beside. First what they show is kept.
#[derive(Debug)]
pub(crate) struct Bringing {
    pub(crate) keep: String,
    pub(crate) show: String,
}

impl Bringing {
    pub(crate) fn new() -> Self {
        let columns = answer_columns();
        let (answer, theirs) = (columns.join(", "), columns.join(", one."));
        let rows = format!(
            "cutout.site = $1 AND cutout.path_key = ANY ($2) AND {}",
            has_beside("$3")
        );
        Self {
            keep: format!(
                "INSERT INTO other_answer (digest, {answer}) SELECT digest, {answer} FROM cutout WHERE {rows}
                 ORDER BY digest, model, rendering ON CONFLICT (digest, model, rendering) DO NOTHING"
            ),
            show: format!(
                "UPDATE cutout SET ({answer}) = (SELECT one.{theirs} FROM other_answer AS one WHERE {})
                 WHERE {rows}",
                belongs("$3")
            ),
        }
    }
}
