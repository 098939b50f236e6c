//! Whether a catalog has the tables, views and indexes that this program gives it. Anyone with an SQLite
//! shell can drop or change them.
//!
//! What they should be comes from a new catalog in memory. Tables are compared by their columns and their
//! unique keys, since a program that edits a table writes its text anew. What others have added is theirs.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::schema;

/// A thing in a schema, as it is told to people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Table(String),
    Column(String, String),
    /// Of a table, the columns with commas between them.
    Unique(String, String),
    Index(String),
    View(String),
}

impl Part {
    fn name(&self) -> String {
        match self {
            Self::Table(table) => format!("table '{table}'"),
            Self::Column(table, column) => format!("column '{column}' of table '{table}'"),
            Self::Unique(table, columns) => {
                format!("the unique key ({columns}) of table '{table}'")
            }
            Self::Index(index) => format!("index '{index}'"),
            Self::View(view) => format!("view '{view}'"),
        }
    }

    /// How it can be made again without touching a row.
    fn is_derived(&self) -> bool {
        matches!(self, Self::Index(_) | Self::View(_))
    }
}

/// Every part with its definition.
type Shape = BTreeMap<Part, String>;

/// Makes missing and changed views and indexes again, in one transaction. Returns what was wrong, a line
/// each. A catalog with which nothing is wrong is only read.
pub(crate) fn mend(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let wrong: Vec<(Part, String, bool)> = compare(connection)?
        .into_iter()
        .filter(|(part, ..)| part.is_derived())
        .collect();
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = connection.unchecked_transaction()?;
    for (part, definition, _) in &wrong {
        let drop = match part {
            Part::View(name) => format!("DROP VIEW IF EXISTS \"{name}\""),
            Part::Index(name) => format!("DROP INDEX IF EXISTS \"{name}\""),
            _ => continue,
        };
        transaction.execute_batch(&drop)?;
        transaction.execute_batch(definition)?;
    }
    transaction.commit()?;
    Ok(wrong
        .into_iter()
        .map(|(part, _, is_there)| tell(&part, is_there))
        .collect())
}

/// What is missing or changed, a line each.
pub(crate) fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let wrong = compare(connection)?;
    let missing = |table: &String| {
        let is_it = |(part, _, is_there): &(Part, String, bool)| {
            matches!(part, Part::Table(name) if name == table) && !is_there
        };
        wrong.iter().any(is_it)
    };
    let faults = wrong.iter().filter(|(part, ..)| match part {
        Part::Column(table, _) | Part::Unique(table, _) => !missing(table),
        _ => true,
    });
    Ok(faults
        .map(|(part, _, is_there)| {
            let help = if part.is_derived() {
                " (the next start of galmorph watch makes it again)"
            } else {
                ""
            };
            tell(part, *is_there) + help
        })
        .collect())
}

fn tell(part: &Part, is_there: bool) -> String {
    let what = if is_there {
        "was changed"
    } else {
        "is missing"
    };
    format!("{} {what}", part.name())
}

/// Each part that is not as it should be, how it should be, and whether it is there.
fn compare(connection: &Connection) -> rusqlite::Result<Vec<(Part, String, bool)>> {
    let model = Connection::open_in_memory()?;
    schema::create(&model)?;
    // The views of a catalog that has gone back to a model are others for a while.
    if schema::is_settling(connection).unwrap_or(false) {
        model.execute_batch(&schema::make_views(true))?;
    }
    let found = shape(connection)?;
    Ok(shape(&model)?
        .into_iter()
        .filter(|(part, definition)| {
            found.get(part).map(|text| words(text)) != Some(words(definition))
        })
        .map(|(part, definition)| {
            let is_there = found.contains_key(&part);
            (part, definition, is_there)
        })
        .collect())
}

/// Spaces and line ends say nothing, and neither do the quotes that SQLite puts around the name of a table that was
/// renamed.
fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    words.map(|word| word.replace('"', "")).collect()
}

fn shape(connection: &Connection) -> rusqlite::Result<Shape> {
    let mut shape = Shape::new();
    let mut objects =
        connection.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut objects = objects.query([])?;
    while let Some(row) = objects.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (part, definition) = match kind.as_str() {
            "view" => (Part::View(name), row.get(2)?),
            "index" => (Part::Index(name), row.get(2)?),
            "table" => (Part::Table(name), String::new()),
            // A trigger would be someone else's.
            _ => continue,
        };
        shape.insert(part, definition);
    }
    let mut columns = connection.prepare(
        "SELECT t.name, c.name, c.type || ' ' || c.\"notnull\" || ' ' || ifnull(c.dflt_value, '') || ' ' || c.pk
         FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'",
    )?;
    let mut columns = columns.query([])?;
    while let Some(row) = columns.next()? {
        shape.insert(Part::Column(row.get(0)?, row.get(1)?), row.get(2)?);
    }
    let mut keys = connection.prepare(
        "SELECT t.name, (SELECT group_concat(i.name, ', ') FROM pragma_index_info(k.name) AS i)
         FROM sqlite_schema AS t JOIN pragma_index_list(t.name) AS k
         WHERE t.type = 'table' AND k.origin IN ('u', 'pk')",
    )?;
    let mut keys = keys.query([])?;
    while let Some(row) = keys.next()? {
        shape.insert(Part::Unique(row.get(0)?, row.get(1)?), String::new());
    }
    Ok(shape)
}
