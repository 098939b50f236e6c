//! The transaction that writes rows.
//!
//! **A model in use.** The first answer of a site takes its model into use. From then on a worker with another model replaces none of
//! the answers of the one in use: what it says of a file that has one is kept beside. It does write the row of a file that is new,
//! has changed, or was touched. If an answer of the model in use to that content, in the same rendering, is kept
//! beside, the row shows it in the end, all in this transaction.

use postgres::Transaction;
use rusqlite::types::Value;

use super::Counts;
use super::database::{Session, Standing, Standings, note, standings};
use super::file_row::FileRow;
use super::prepared::Prepared;
use crate::server::{Fault, begin_to_write, copy, lock_paths, make_months};

/// A row to be written, and what stood before its file was read.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) key: Vec<u8>,
    pub(super) values: Vec<Value>,
    pub(super) before: Option<Standing>,
    /// Whether it says that nobody came to an answer.
    pub(super) is_given_up: bool,
}

/// What became of rows: written, or there already in the same words; or in the way of another one.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The keys of those that were overtaken: another row is there than before their files were read.
    pub(super) overtaken: Vec<Vec<u8>>,
    pub(super) counts: Counts,
}

/// What is to be done with rows.
#[derive(Debug, Default)]
struct Sorted<'a> {
    /// To be written.
    news: Vec<&'a NewRow>,
    /// Whose answers are kept beside what is shown.
    beside: Vec<&'a NewRow>,
    written: Written,
}

impl Session {
    /// Writes rows, all or none, each only if what stood before still stands. No two are of one path. `known` has the keys of files
    /// whose rows were found to be there before.
    pub(super) fn write(
        &mut self,
        rows: &[NewRow],
        known: &[Vec<u8>],
        rate: f64,
    ) -> Result<Written, Fault> {
        let (site, prepared) = (&self.who.site, &self.prepared);
        let mut transaction = self.client.transaction()?;
        begin_to_write(&mut transaction)?;
        let mut keys: Vec<&Vec<u8>> = rows.iter().map(|row| &row.key).chain(known).collect();
        keys.sort_unstable();
        let in_order = keys.iter().copied();
        lock_paths(&mut transaction, &prepared.lock, site, in_order)?;
        let answers = rows.iter().any(|row| !FileRow(&row.values).is_rejected());
        let first = (answers && !self.who.is_beside).then_some(self.model);
        let used = in_use(&mut transaction, prepared, site, first)?;
        let standing = standings(
            &mut transaction,
            &prepared.standing,
            site,
            &keys,
            self.model,
        )?;
        let sorted = sorted((self.model, self.who.is_beside), rows, &standing, used);
        if !sorted.beside.is_empty() {
            let cells = sorted.beside.iter().map(|row| {
                let values = FileRow(&row.values).answer();
                (self.other_answers).cells(&values, |model| i32::try_from(model).ok())
            });
            copy(
                &mut transaction,
                &prepared.copy_other_answers,
                &self.other_answers,
                cells,
            )?;
            transaction.execute(&prepared.merge_other_answers, &[])?;
        }
        if !sorted.news.is_empty() {
            let cells = sorted.news.iter().map(|row| {
                self.files
                    .cells(&row.values, |model| i32::try_from(model).ok())
            });
            copy(&mut transaction, &prepared.copy_files, &self.files, cells)?;
            make_months(&mut transaction, &prepared.months)?;
            if sorted.news.iter().any(|row| row.before.is_some()) {
                transaction.execute(&prepared.keep_answers, &[site, &keys])?;
            }
            transaction.execute(&prepared.forget_earlier, &[site, &keys])?;
            transaction.execute(&prepared.merge_files, &[&self.source, site])?;
        }
        // Its own rows show it. Those of another model may have to show what the one in use said before, and those that it
        // answers beside what it says now.
        if let Some(used) = used
            && (used == self.model) == self.who.is_beside
        {
            transaction.execute(&prepared.bring_keep, &[site, &keys, &used])?;
            transaction.execute(&prepared.bring_show, &[site, &keys, &used])?;
        }
        let mut written = sorted.written;
        written.counts.known += known.len() as u64;
        note(
            &mut transaction,
            &prepared.note,
            &self.who,
            self.model,
            &written.counts,
            rate,
            false,
        )?;
        transaction.commit()?;
        Ok(written)
    }
}

/// Says what is to be done with each row of a worker with a model, by what stands and by the model in use.
fn sorted<'a>(
    (own, is_beside): (i32, bool),
    rows: &'a [NewRow],
    standing: &Standings,
    used: Option<i32>,
) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let counts = &mut sorted.written.counts;
    let mut framed_otherwise = 0;
    for row in rows {
        let there = standing.get(&row.key);
        let file = FileRow(&row.values);
        // What the model in use has said of a file as it is stays, also if this worker can't say anything of it.
        let is_kept = used.is_some_and(|used| {
            used != own && there.is_some_and(|there| there.model == Some(used) && file.is_as(there))
        });
        if is_beside || is_kept {
            if file.is_rejected() {
                counts.rejected += 1;
            } else {
                counts.answered += 1;
                framed_otherwise +=
                    u64::from(there.is_some_and(|there| file.is_framed_otherwise(there)));
                sorted.beside.push(row);
            }
        } else if there.map(|there| &there.version)
            == row.before.as_ref().map(|before| &before.version)
        {
            if file.is_rejected() {
                counts.rejected += 1;
            } else {
                counts.answered += 1;
            }
            counts.given_up += u64::from(row.is_given_up);
            sorted.news.push(row);
        } else if there.is_some_and(|there| file.says(there, own)) {
            counts.known += 1;
        } else {
            sorted.written.overtaken.push(row.key.clone());
        }
    }
    if framed_otherwise > 0 {
        log::warn!(
            "answers that count for no file, since they are to other frames than the files show: {framed_otherwise} (have all workers the same --framing, --radius and --pixel-scale?)"
        );
    }
    sorted
}

/// The model in use at a site. Where there is none, `first` is taken into use, unless a machine's rows are shown there, too.
fn in_use(
    transaction: &mut Transaction,
    prepared: &Prepared,
    site: &str,
    first: Option<i32>,
) -> Result<Option<i32>, postgres::Error> {
    let find = |transaction: &mut Transaction| -> Result<Option<i32>, postgres::Error> {
        let found = transaction.query_opt(&prepared.in_use, &[&site])?;
        Ok(found.map(|row| row.get(0)))
    };
    let used = find(transaction)?;
    let (None, Some(first)) = (used, first) else {
        return Ok(used);
    };
    // Of two that do this at once, the second waits for the first.
    transaction.execute(&prepared.take_into_use, &[&site, &first])?;
    find(transaction)
}
