//! The catalog, block by block: which blocks are not as they are in PostgreSQL.

use blake3::Hasher;
use galmorph_catalog::{CopiedReview, Reader};
use rusqlite::types::Value;

use super::session::Session;
use crate::server::Fault;

/// Files in a block.
const BLOCK: i64 = 1000;

/// Rows that one transaction writes, or some more.
const BATCH: usize = 4000;

/// Which part of the catalog is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything.
    All,
    /// The last blocks, which have the rows that are new.
    Last,
}

/// What was shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Rows of files in blocks that had changed.
    pub(crate) files: u64,
    /// Answers that no file shows.
    pub(crate) other_answers: u64,
    pub(crate) reviews: u64,
}

impl Shipped {
    fn all(&self) -> u64 {
        self.files + self.other_answers + self.reviews
    }
}

/// What a block is of. The numbers are those of the column `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Files, by a thousand ids.
    Files = 0,
    /// Other answers, by the first two bytes of their digests.
    OtherAnswers = 1,
}

/// Blocks that have changed, to be written in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) files: Vec<Vec<Value>>,
    pub(super) other_answers: Vec<Vec<Value>>,
    pub(super) reviews: Vec<CopiedReview>,
    /// The blocks and their digests.
    pub(super) blocks: Vec<(Kind, i64, [u8; 32])>,
}

impl Batch {
    fn rows(&self) -> usize {
        self.files.len() + self.other_answers.len() + self.reviews.len()
    }
}

/// Looks at blocks, and ships those that have changed. Returns how many rows that was; `shipped` counts them as they are
/// committed.
pub(super) fn pass(
    reader: &Reader,
    session: &mut Session,
    scope: Scope,
    shipped: &mut Shipped,
) -> Result<u64, Fault> {
    let before = shipped.all();
    // A model before the first answer of it.
    session.learn_models(&reader.models()?)?;
    files(reader, session, scope, shipped)?;
    if scope == Scope::All {
        other_answers(reader, session, shipped)?;
    }
    loop {
        let reviews = reader.reviews_after(session.last_review(), 1000)?;
        if reviews.is_empty() {
            break;
        }
        let batch = Batch {
            reviews,
            ..Batch::default()
        };
        send(reader, session, &batch, shipped)?;
    }
    Ok(shipped.all() - before)
}

fn files(
    reader: &Reader,
    session: &mut Session,
    scope: Scope,
    shipped: &mut Shipped,
) -> Result<(), Fault> {
    let first = match scope {
        Scope::All => 0,
        Scope::Last => session.last_block(Kind::Files).unwrap_or(0),
    };
    let last = reader.last_file()?.div_euclid(BLOCK);
    let mut batch = Batch::default();
    for number in first..=last {
        let ids = number * BLOCK..=(number + 1) * BLOCK - 1;
        let rows = reader.files_between(&ids)?;
        let digest = digest(&rows);
        if session.has(Kind::Files, number, &digest) {
            continue;
        }
        batch.files.extend(rows);
        batch.blocks.push((Kind::Files, number, digest));
        if batch.rows() >= BATCH {
            send(reader, session, &std::mem::take(&mut batch), shipped)?;
        }
    }
    send(reader, session, &batch, shipped)
}

fn other_answers(
    reader: &Reader,
    session: &mut Session,
    shipped: &mut Shipped,
) -> Result<(), Fault> {
    let mut batch = Batch::default();
    let mut from = vec![0, 0];
    while let Some(next) = reader.next_other_answer(&from)? {
        let number = u16::from_be_bytes([
            next.first().copied().unwrap_or(0),
            next.get(1).copied().unwrap_or(0),
        ]);
        let end = number.checked_add(1).map(u16::to_be_bytes);
        let first = number.to_be_bytes();
        let rows = reader.other_answers_between(&first, end.as_ref().map(<[u8; 2]>::as_slice))?;
        let digest = digest(&rows);
        if !session.has(Kind::OtherAnswers, i64::from(number), &digest) {
            batch.other_answers.extend(rows);
            (batch.blocks).push((Kind::OtherAnswers, i64::from(number), digest));
        }
        if batch.rows() >= BATCH {
            send(reader, session, &std::mem::take(&mut batch), shipped)?;
        }
        match end {
            Some(end) => from = end.to_vec(),
            None => break,
        }
    }
    send(reader, session, &batch, shipped)
}

fn send(
    reader: &Reader,
    session: &mut Session,
    batch: &Batch,
    shipped: &mut Shipped,
) -> Result<(), Fault> {
    if batch.blocks.is_empty() && batch.reviews.is_empty() {
        return Ok(());
    }
    if !session.knows_models(batch) {
        // The daemon took another model into use meanwhile.
        session.learn_models(&reader.models()?)?;
    }
    session.write(batch)?;
    shipped.files += batch.files.len() as u64;
    shipped.other_answers += batch.other_answers.len() as u64;
    shipped.reviews += batch.reviews.len() as u64;
    Ok(())
}

/// The digest of rows: of each value's kind, length and bytes.
///
/// The last column, the rank, counts where a row has one. So rows from before there was the column keep their digest, and aren't shipped
/// again. The first value of the next row is never a real number, so no two lists of rows have one text.
fn digest(rows: &[Vec<Value>]) -> [u8; 32] {
    let mut text = Vec::with_capacity(400 * rows.len());
    for row in rows {
        let row = row.strip_suffix(&[Value::Null]).unwrap_or(row);
        for value in row {
            match value {
                Value::Null => text.push(0),
                Value::Integer(number) => {
                    text.push(1);
                    text.extend(number.to_le_bytes());
                }
                Value::Real(number) => {
                    text.push(2);
                    text.extend(number.to_bits().to_le_bytes());
                }
                Value::Text(string) => {
                    text.push(3);
                    text.extend((string.len() as u64).to_le_bytes());
                    text.extend(string.as_bytes());
                }
                Value::Blob(bytes) => {
                    text.push(4);
                    text.extend((bytes.len() as u64).to_le_bytes());
                    text.extend(bytes);
                }
            }
        }
    }
    *Hasher::new().update(&text).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    use galmorph_catalog::{file_columns, other_answer_columns};

    #[test]
    fn rows_without_a_rank_have_the_digest_that_they_had_before_there_were_ranks() {
        for columns in [file_columns(), other_answer_columns()] {
            assert_eq!(columns.last().map(String::as_str), Some("camera"));
        }
        let row = |id: i64, last: Option<Value>| {
            let row = [Value::Integer(id), Value::Text("spiral".into())];
            row.into_iter().chain(last).collect::<Vec<Value>>()
        };
        let (none, rank) = (|| Some(Value::Null), || Some(Value::Real(0.5)));
        let all = [
            [row(1, none()), row(2, none())],
            [row(1, rank()), row(2, none())],
            [row(1, none()), row(2, rank())],
            [row(1, rank()), row(2, rank())],
        ];
        assert_eq!(digest(&all[0]), digest(&[row(1, None), row(2, None)]));
        let digests = all.map(|rows| digest(&rows));
        for (at, one) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(one), "{at}");
        }
    }
}
