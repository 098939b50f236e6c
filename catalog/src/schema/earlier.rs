//! What earlier versions of the schema lack.

use rusqlite::Connection;

use super::tables::{REVIEW, class_mix_table};
use crate::columns::prior_columns;

/// What leads from each version to the next, from version 1 on. Version 4 made views anew, as every migration does.
/// Version 6 is not on the way: it wrote all answers anew, and version 7 does so, too.
const STEPS: [&str; 4] = [
    "
ALTER TABLE cutout ADD COLUMN retry TEXT;
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT
);
",
    "
ALTER TABLE cutout ADD COLUMN move_to TEXT;
ALTER TABLE watch ADD COLUMN reclassify INTEGER NOT NULL DEFAULT 1;
ALTER TABLE watch ADD COLUMN moving TEXT NOT NULL DEFAULT '[]';
ALTER TABLE watch ADD COLUMN follow_links INTEGER NOT NULL DEFAULT 0;
",
    "",
    "
ALTER TABLE watch ADD COLUMN exclude TEXT NOT NULL DEFAULT '[]';
",
];

/// The statements that bring a catalog of a version before 6 to version 5.
pub(crate) fn bring_to_version_5(version: i32) -> String {
    let done = usize::try_from(version - 1).expect("no catalog has a version below 1");
    STEPS.get(done..).unwrap_or_default().concat()
}

/// What version 7 adds beside the tables of files and answers. A catalog of version 6 has `framing` already.
pub(crate) fn additions_of_version_7(version: i32) -> String {
    let framing = if version < 6 {
        "ALTER TABLE watch ADD COLUMN framing TEXT NOT NULL DEFAULT '{}';\n"
    } else {
        ""
    };
    format!(
        "{framing}ALTER TABLE watch ADD COLUMN settling INTEGER NOT NULL DEFAULT 0;
ALTER TABLE model ADD COLUMN arithmetic TEXT;
UPDATE model SET arithmetic = ifnull(json_extract(card, '$.arithmetic'), 'f32') WHERE json_valid(card);
{REVIEW}"
    )
}

/// What version 8 adds: the class mixes that models were trained on, which are still to be filled in, and those of a survey.
pub(crate) fn additions_of_version_8() -> String {
    let priors =
        prior_columns().map(|column| format!("ALTER TABLE model ADD COLUMN {column} REAL;\n"));
    priors.concat() + &class_mix_table()
}

/// What version 9 adds to the tables of files and answers. `suffix` is behind their names. A migration from a version before 7
/// that began with this program has made them with the column; one that an earlier program began has not.
pub(crate) fn add_columns_of_version_9(
    connection: &Connection,
    suffix: &str,
) -> rusqlite::Result<()> {
    for table in ["cutout", "other_answer"].map(|table| format!("{table}{suffix}")) {
        let has = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = 'camera')";
        if !connection.query_row(has, [&table], |row| row.get(0))? {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN camera REAL"))?;
        }
    }
    Ok(())
}
