//! Keeps the class mix that was estimated of a survey.
//!
//! Like [`review`](crate::review()), this is written by another program than the daemon: one row in one short transaction. The
//! view `in_class_mix` goes by it. A model has one class mix, the last one that was kept.

use std::path::Path;

use galmorph_cutout::ClassMix;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::connect::{
    BUSY_TIMEOUT, check_version, no_catalog, require_current, require_one_name, require_regular,
};
use crate::error::{fault, opening_fault};
use crate::schema::fraction_columns;
use crate::{CatalogError, time};

/// A class mix to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewClassMix<'a> {
    /// The name of the model whose answers it was estimated from, as the view `catalog` has it.
    pub model: &'a str,
    /// The digest of the model's file, likewise.
    pub model_digest: &'a str,
    /// The class mix.
    pub mix: &'a ClassMix,
    /// Which galaxies it is of, for people: the command that chose them.
    pub selection: &'a str,
}

/// Keeps a class mix, in place of the one that is kept for this model.
pub fn keep_class_mix(catalog: &Path, new: &NewClassMix) -> Result<(), CatalogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = |error| opening_fault(catalog, error);
    if !catalog.exists() {
        return Err(no_catalog(catalog));
    }
    require_regular(catalog)?;
    require_one_name(catalog)?;
    let connection = Connection::open_with_flags(catalog, flags).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    require_current(check_version(&connection, catalog)?, catalog)?;
    write(&connection, new).map_err(|error| fault(catalog, "write to", error))
}

fn write(connection: &Connection, new: &NewClassMix) -> rusqlite::Result<()> {
    // A commit is a fact here as well.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let columns = [
        "model",
        "model_digest",
        "galaxies",
        "estimated_at",
        "selection",
    ];
    let mut columns: Vec<String> = columns.map(str::to_owned).into();
    let text = |text: &str| Value::from(text.to_owned());
    let galaxies = i64::try_from(new.mix.galaxies).expect("a catalog has fewer rows than 2^63");
    let mut values = vec![
        text(new.model),
        text(new.model_digest),
        galaxies.into(),
        time::in_sql(Timestamp::now()).into(),
        text(new.selection),
    ];
    for (names, fraction) in fraction_columns().into_iter().zip(new.mix.fractions.0) {
        columns.extend(names);
        values.extend([fraction.value, fraction.low, fraction.high].map(Value::from));
    }
    let statement = format!(
        "INSERT OR REPLACE INTO class_mix ({}) VALUES ({}?)",
        columns.join(", "),
        "?, ".repeat(columns.len() - 1)
    );
    connection
        .execute(&statement, params_from_iter(values))
        .map(drop)
}
