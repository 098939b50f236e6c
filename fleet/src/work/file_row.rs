//! A row that is to be written, looked at.

use galmorph_catalog::{file_columns, other_answer_columns};
use rusqlite::types::Value;

use super::database::Standing;

/// The values of [`file_columns`].
pub(super) struct FileRow<'a>(pub(super) &'a [Value]);

impl FileRow<'_> {
    pub(super) fn is_rejected(&self) -> bool {
        self.0[place("reason")] != Value::Null
    }

    /// The answer in it: the values of [`other_answer_columns`].
    pub(super) fn answer(&self) -> Vec<Value> {
        let columns = other_answer_columns();
        let values = columns.iter().map(|column| self.0[place(column)].clone());
        values.collect()
    }

    /// Whether what stands says the same of the same file, by an answer of this model.
    pub(super) fn says(&self, there: &Standing, model: i32) -> bool {
        let integer = |name: &str| match self.0[place(name)] {
            Value::Integer(number) => Some(number),
            _ => None,
        };
        let digest = match &self.0[place("digest")] {
            Value::Blob(digest) => Some(digest),
            _ => None,
        };
        there.bytes == integer("bytes")
            && there.modified == integer("modified")
            && there.digest.as_ref() == digest
            && there.is_rejected == self.is_rejected()
            && (there.is_rejected || there.model == Some(model))
    }
}

/// The place of a column in a row.
fn place(name: &str) -> usize {
    let columns = file_columns();
    let mut columns = columns.iter();
    columns
        .position(|column| column == name)
        .expect("the row of a file has this column")
}
