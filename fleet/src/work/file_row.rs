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
        self.is_of_size_and_time(there)
            && there.digest.as_deref() == self.digest()
            && there.is_rejected == self.is_rejected()
            && (there.is_rejected || there.model == Some(model))
    }

    /// Whether the file is as it was when what stands was written, as far as it could be read.
    pub(super) fn is_as(&self, there: &Standing) -> bool {
        let digest = self.digest();
        self.is_of_size_and_time(there) && (digest.is_none() || there.digest.as_deref() == digest)
    }

    /// Whether this is an answer to the content of what stands, in another rendering.
    pub(super) fn is_framed_otherwise(&self, there: &Standing) -> bool {
        let rendering = match &self.0[place("rendering")] {
            Value::Text(rendering) => Some(rendering),
            _ => None,
        };
        there.model.is_some()
            && there.digest.as_deref() == self.digest()
            && there.rendering.as_ref() != rendering
    }

    fn is_of_size_and_time(&self, there: &Standing) -> bool {
        let integer = |name: &str| match self.0[place(name)] {
            Value::Integer(number) => Some(number),
            _ => None,
        };
        there.bytes == integer("bytes") && there.modified == integer("modified")
    }

    fn digest(&self) -> Option<&[u8]> {
        match &self.0[place("digest")] {
            Value::Blob(digest) => Some(digest),
            _ => None,
        }
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
