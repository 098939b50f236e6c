//! The catalog's tables, indexes and views.
//!
//! The views are an interface: observatory pipelines query them with tools of their own, so columns may be
//! added at the end in a later version and never change. [`crate::columns`] says what each of them is. The
//! names of the classes come from [`Morphology`], so the schema can't disagree with the network.
//!
//! A file is one wide row of `cutout`, with the answer that the views show. So an index finds whatever the view
//! `catalog` is asked for. Every other answer is in `other_answer`: those of earlier models, of other
//! framings, and to contents that a file had before. All that writes keeps one rule: **an answer that a file of its
//! content doesn't show is in `other_answer`.**
//!
//! The answer that is shown is the last one of the model in use. Where that model has none, it is the one that was
//! shown before.
//!
//! The tables aren't `STRICT`: a reader's SQLite would have to be 3.37 for it, and long-lived
//! distributions have older ones (RHEL 9: 3.34).

mod earlier;
mod tables;
mod views;

use rusqlite::{Connection, OptionalExtension as _};

pub(crate) use earlier::{
    add_columns_of_version_9, additions_of_version_7, additions_of_version_8, bring_to_version_5,
};
pub(crate) use tables::{answer_columns, file_tables, fraction_columns, indexes};
pub(crate) use views::{make_views, rows_of, select, settling_rows};

/// "glmr": says that an SQLite file is a galmorph catalog.
pub(crate) const APPLICATION_ID: i32 = 0x676C_6D72;

/// The version that this program writes; `user_version` in the file.
pub(crate) const VERSION: i32 = 9;

/// Makes a catalog in an empty file, in one transaction.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(&tables::model_table())?;
    transaction.execute_batch(tables::WATCH)?;
    transaction.execute_batch(tables::REVIEW)?;
    transaction.execute_batch(&tables::class_mix_table())?;
    transaction.execute_batch(&file_tables(""))?;
    for (_, definition) in indexes("") {
        transaction.execute_batch(&definition)?;
    }
    transaction.execute_batch(&make_views(false))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Whether rows are on their way to show the answers of the model in use.
pub(crate) fn is_settling(connection: &Connection) -> rusqlite::Result<bool> {
    let settling = connection.query_row("SELECT settling FROM watch", [], |row| row.get(0));
    Ok(settling.optional()?.unwrap_or(false))
}
