//! The SQL that writes rows of files and answers.

use postgres::{ToStatement, Transaction};

use super::columns::Columns;

/// The statements that write a batch of files from the temporary table `batch`.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) make_batches: String,
    pub(crate) copy_files: String,
    pub(crate) merge_files: String,
    pub(crate) copy_other_answers: String,
    pub(crate) merge_other_answers: String,
}

/// Removes what is no longer where it was: files of these ids that had another path. `$1` is the source, `$2` the site, and
/// `$3` has the ids of the batch. They are in the statement so that the server finds the rows by its index, whatever it
/// thinks of the size of a temporary table, or of a table that is new.
pub(crate) const FORGET_MOVED: &str = "DELETE FROM cutout USING batch
    WHERE cutout.source = $1 AND cutout.local_id = ANY ($3) AND cutout.local_id = batch.local_id
        AND (cutout.path_key, cutout.site) IS DISTINCT FROM (batch.path_key, $2)";

/// A path that was found anew is in another month, and is not to be in both. `$1` is the site, and `$2` has the keys of
/// the batch.
pub(crate) const FORGET_EARLIER: &str = "DELETE FROM cutout USING batch
    WHERE cutout.site = $1 AND cutout.path_key = ANY ($2) AND cutout.path_key = batch.path_key
        AND cutout.first_seen <> batch.first_seen";

/// The months of a batch that are kept.
pub(crate) const MONTHS: &str = "SELECT DISTINCT date_trunc('month', first_seen)::date::text
    FROM batch WHERE first_seen >= (SELECT keep_from FROM retention)";

/// Makes the partitions of those months. `statement` is [`MONTHS`].
pub(crate) fn make_months(
    transaction: &mut Transaction,
    statement: &(impl ToStatement + ?Sized),
) -> Result<(), postgres::Error> {
    for month in transaction.query(statement, &[])? {
        let month: String = month.get(0);
        transaction.execute("SELECT make_month($1::text::date)", &[&month])?;
    }
    Ok(())
}

impl Statements {
    pub(crate) fn new(files: &Columns, other_answers: &Columns) -> Self {
        let list = |columns: &Columns| columns.names().join(", ");
        let (of_files, of_answers) = (list(files), list(other_answers));
        let changes = |prefix: &str| {
            let changed = files.names().iter();
            let changed = changed.filter(|name| !matches!(&***name, "path_key" | "first_seen"));
            changed
                .map(|name| format!("{prefix}{name}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (ours, theirs) = (changes("cutout."), changes("excluded."));
        let plain = changes("");
        Self {
            // They are empty after each commit.
            make_batches: format!(
                "CREATE TEMPORARY TABLE batch ON COMMIT DELETE ROWS AS SELECT {of_files} FROM cutout WITH NO DATA;
                 CREATE TEMPORARY TABLE answers ON COMMIT DELETE ROWS AS SELECT {of_answers} FROM other_answer WITH NO DATA;"
            ),
            copy_files: format!("COPY batch ({of_files}) FROM STDIN (FORMAT binary)"),
            merge_files: format!(
                "INSERT INTO cutout (site, source, {of_files})
                 SELECT $2, $1, {of_files} FROM batch
                 WHERE first_seen >= (SELECT keep_from FROM retention)
                 ORDER BY path_key, first_seen
                 ON CONFLICT (site, path_key, first_seen) DO UPDATE
                 SET (source, {plain}) = ROW (excluded.source, {theirs})
                 WHERE (cutout.source, {ours}) IS DISTINCT FROM (excluded.source, {theirs})"
            ),
            copy_other_answers: format!("COPY answers ({of_answers}) FROM STDIN (FORMAT binary)"),
            // Another machine may have answered for the same content. Two write in the same order, so they seldom wait for
            // each other in a circle; where other statements of their transactions have them do so, one is told, and tries again.
            merge_other_answers: format!(
                "INSERT INTO other_answer ({of_answers}) SELECT {of_answers} FROM answers
                 ORDER BY digest, model, rendering
                 ON CONFLICT (digest, model, rendering) DO NOTHING"
            ),
        }
    }
}
