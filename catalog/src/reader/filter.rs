//! Which rows are wanted, and in which order, as an SQL statement that is quick for any number of rows.
//!
//! SQLite knows nothing of how many rows a condition leaves. So it is asked: a condition that leaves few rows
//! finds them by its index, and they are sorted. Where all leave many, the index of the order is followed, and the rows that
//! don't fit are skipped. A plus before a column keeps SQLite from the index of that column, in conditions and in orders.

use galmorph_cutout::{Flag, Morphology};
use jiff::Timestamp;
use rusqlite::types::Value as SqlValue;

use super::Reader;
use crate::columns::{Column, catalog_view, classified_columns, rejected_columns};
use crate::error::fault;
use crate::healpix::circle;
use crate::schema::{rows_of, select};
use crate::{CatalogError, time};

/// So many rows are quickly sorted.
const FEW: u64 = 50_000;

/// Which rows are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only this class.
    pub label: Option<Morphology>,
    /// Only this class, where all are equally common.
    pub label_balanced: Option<Morphology>,
    /// Only answers whose confidence is at least this, 0 to 1.
    pub min_confidence: Option<f64>,
    /// Only answers whose confidence is at most this, 0 to 1.
    pub max_confidence: Option<f64>,
    /// Only answers from this time on.
    pub since: Option<Timestamp>,
    /// Only answers from before this time.
    pub until: Option<Timestamp>,
    /// Only the object of this identifier.
    pub object_id: Option<String>,
    /// Only objects in this circle.
    pub cone: Option<Cone>,
    /// Only objects whose position is known.
    pub with_position: bool,
    /// Only answers in which each of these classes is at least so probable.
    pub least: Vec<(Morphology, f64)>,
    /// Only answers whose prediction set has exactly these classes.
    pub set: Vec<Morphology>,
    /// Only images that are at least so novel.
    pub novelty: Option<f64>,
    /// Only images with all of these flags.
    pub flags: Vec<Flag>,
    /// Only images with some flag.
    pub any_flag: bool,
    /// Only images with none of these.
    pub no_flags: Vec<Flag>,
    /// Only images that a person has looked at.
    pub reviewed: bool,
    /// The answers of this model, not the newest; of several of this name, those of the one in use, else
    /// the newest.
    pub model: Option<String>,
    /// The order. Where none is given, it is by time if times are given, else by path.
    pub order: Option<Order>,
    /// The most rows that are given.
    pub limit: Option<u64>,
}

/// A circle on the sky, in degrees (ICRS).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cone {
    /// The right ascension of its centre, 0 to 360.
    pub ra: f64,
    /// The declination of its centre, -90 to 90.
    pub dec: f64,
    /// Its radius, more than 0 and at most 180.
    pub radius: f64,
}

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The name of a column of the view.
    pub column: String,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A statement that is ready to run.
#[derive(Debug)]
pub struct Query {
    pub(super) columns: Vec<Column>,
    pub(crate) sql: String,
    pub(crate) values: Vec<SqlValue>,
}

/// A condition on rows, and what stands for the values in it.
pub(super) struct Condition {
    /// With `{}` where the indexed column stands: a plus before it keeps SQLite from its index.
    pub(super) sql: String,
    pub(super) values: Vec<SqlValue>,
}

impl Condition {
    fn new(sql: impl Into<String>, values: impl IntoIterator<Item = SqlValue>) -> Self {
        Self {
            sql: sql.into(),
            values: values.into_iter().collect(),
        }
    }

    pub(super) fn with(&self, uses_index: bool) -> String {
        format!(
            "({})",
            self.sql.replace("{}", if uses_index { "" } else { "+" })
        )
    }
}

/// The rows of the view, and what is asked of them.
pub(super) struct Selection {
    columns: Vec<Column>,
    selected: Vec<String>,
    /// A view, or a subquery.
    rows: String,
    /// What stands in `rows`.
    values: Vec<SqlValue>,
    conditions: Vec<Condition>,
}

impl Selection {
    /// A column that the view of an earlier version doesn't have is NULL, and can't be filtered by.
    pub(super) fn new(reader: &Reader, filter: &Filter) -> Result<Self, CatalogError> {
        let columns = classified_columns();
        let known = reader.view_columns("catalog")?;
        let selected = columns.iter().map(|column| match &column.name {
            name if known.contains(name) => name.clone(),
            name => format!("NULL AS {name}"),
        });
        let selected = selected.collect();
        let mut values = Vec::new();
        let rows = match &filter.model {
            None => "catalog".to_owned(),
            Some(name) => {
                values.push(SqlValue::from(name.clone()));
                let rows = rows_to_select();
                format!("({})", select(&catalog_view(), &rows, "label IS NOT NULL"))
            }
        };
        Ok(Self {
            columns,
            selected,
            rows,
            values,
            conditions: conditions_of(filter),
        })
    }

    /// Those in a circle, the nearest to its centre first. The last six values are `values_of` the circle, and its centre.
    pub(super) fn nearest(mut self, cone: Cone) -> Query {
        self.conditions.push(in_cone(cone));
        let last = self.conditions.len() - 1;
        let mut query = self.query(Some(last));
        query
            .sql
            .push_str(" ORDER BY separation(ra, dec, ?, ?), +path");
        query.values.extend([cone.ra, cone.dec].map(SqlValue::from));
        query
    }

    /// `driver` is the condition that finds the rows by its index.
    fn query(self, driver: Option<usize>) -> Query {
        let mut values = self.values;
        // Before version 7, the view had rejected files.
        let mut conditions = vec!["label IS NOT NULL".to_owned()];
        for (at, condition) in self.conditions.into_iter().enumerate() {
            conditions.push(condition.with(driver == Some(at)));
            values.extend(condition.values);
        }
        Query {
            sql: format!(
                "SELECT {} FROM {} AS shown WHERE {}",
                self.selected.join(", "),
                self.rows,
                conditions.join(" AND ")
            ),
            columns: self.columns,
            values,
        }
    }
}

impl Query {
    /// The classified cutouts, as the `catalog` view of this catalog shows them.
    pub fn classified(reader: &Reader, filter: &Filter) -> Result<Self, CatalogError> {
        let selection = Selection::new(reader, filter)?;
        let driver = reader.driver(&selection.conditions, &selection.rows, &selection.values)?;
        let query = selection.query(driver);
        // What lies in a span of time lies together in the order of times alone.
        let by_time = || Order {
            column: "classified_at".into(),
            descending: false,
        };
        let has_times = filter.since.is_some() || filter.until.is_some();
        let order = filter.order.clone().or_else(|| has_times.then(by_time));
        Ok(query.in_order(order.as_ref(), driver.is_none(), filter.limit))
    }

    /// The rejected files and why.
    pub fn rejected(
        reader: &Reader,
        order: Option<&Order>,
        limit: Option<u64>,
    ) -> Result<Self, CatalogError> {
        let columns = rejected_columns();
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        let names = names.join(", ");
        let rows = if reader.view_columns("rejected")?.is_empty() {
            // Before version 7, there was no such view.
            "(SELECT path, substr(reason, 1, instr(reason, ':') - 1) AS reason,
                 ltrim(substr(reason, instr(reason, ':') + 1)) AS message, bytes, modified, attempts,
                 updated, object_id, first_seen
              FROM cutout WHERE state = 'rejected')"
        } else {
            "rejected"
        };
        let query = Self {
            sql: format!("SELECT {names} FROM {rows}"),
            columns,
            values: Vec::new(),
        };
        Ok(query.in_order(order, true, limit))
    }

    /// The columns of its rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// `uses_index` is whether the index of the order may be followed.
    fn in_order(mut self, order: Option<&Order>, uses_index: bool, limit: Option<u64>) -> Self {
        let plus = if uses_index { "" } else { "+" };
        let order = match order {
            Some(order) if order.column != "path" => {
                let direction = if order.descending { "DESC" } else { "ASC" };
                // Of equals, the one with the lower path goes first.
                // SQLite puts NULL first, where no one looks for the least value.
                let nulls = match &*order.column {
                    "confidence" | "classified_at" | "object_id" => "",
                    _ if order.descending => "",
                    _ => " NULLS LAST",
                };
                format!("{plus}{} {direction}{nulls}, {plus}path", order.column)
            }
            Some(order) if order.descending => format!("{plus}path DESC"),
            _ => format!("{plus}path"),
        };
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(&order);
        if let Some(limit) = limit {
            self.sql.push_str(" LIMIT ?");
            // SQLite counts rows in 63 bits.
            self.values
                .push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        }
        self
    }
}

/// The rows that the models of one name have answered for; the name is the statement's first value.
pub(super) fn rows_to_select() -> String {
    rows_of("SELECT id FROM model WHERE name = ?1")
}

/// The conditions of a filter. Those that an index serves come first.
pub(super) fn conditions_of(filter: &Filter) -> Vec<Condition> {
    let mut conditions = Vec::new();
    if let Some(id) = &filter.object_id {
        conditions.push(Condition::new("{}object_id = ?", [id.clone().into()]));
    }
    if let Some(cone) = filter.cone {
        conditions.push(in_cone(cone));
    }
    if filter.with_position {
        conditions.push(Condition::new("{}healpix IS NOT NULL", []));
    }
    let times = [
        ("{}classified_at >= ?", filter.since),
        ("{}classified_at < ?", filter.until),
    ];
    let times: Vec<_> = times
        .into_iter()
        .filter_map(|(sql, time)| Some((sql, time?)))
        .collect();
    if !times.is_empty() {
        let sql: Vec<&str> = times.iter().map(|(sql, _)| *sql).collect();
        let values = times.iter().map(|(_, time)| time::in_sql(*time).into());
        conditions.push(Condition::new(sql.join(" AND "), values));
    }
    let mut confidence = Vec::new();
    confidence.extend(
        filter
            .min_confidence
            .map(|least| ("{}confidence >= ?", least)),
    );
    confidence.extend(
        filter
            .max_confidence
            .map(|most| ("{}confidence <= ?", most)),
    );
    let mut parts: Vec<&str> = Vec::new();
    let mut values: Vec<SqlValue> = Vec::new();
    for (class, least) in &filter.least {
        if *least > 0.5 {
            // Then it is the label, and an index finds it.
            let sql = "{}label = ? AND {}confidence >= ?";
            let values = [class.name().to_owned().into(), (*least).into()];
            conditions.push(Condition::new(sql, values));
        } else {
            let sql = format!("p_{} >= ?", class.name());
            conditions.push(Condition::new(sql, [(*least).into()]));
        }
    }
    if !filter.set.is_empty() {
        // Classes are separated by bars, in an order of their own.
        let bars = filter.set.len() - 1;
        let mut sql =
            format!("length(prediction_set) - length(replace(prediction_set, '|', '')) = {bars}");
        let mut values = Vec::new();
        for class in &filter.set {
            sql.push_str(" AND instr('|' || prediction_set || '|', ?) > 0");
            values.push(format!("|{}|", class.name()).into());
        }
        conditions.push(Condition::new(sql, values));
    }
    if let Some(class) = filter.label_balanced {
        let value = class.name().to_owned().into();
        conditions.push(Condition::new("label_balanced = ?", [value]));
    }
    if let Some(novelty) = filter.novelty {
        conditions.push(Condition::new("novelty >= ?", [novelty.into()]));
    }
    if let Some(label) = filter.label {
        parts.push("{}label = ?");
        values.push(label.name().to_owned().into());
    }
    for (sql, value) in confidence {
        parts.push(sql);
        values.push(value.into());
    }
    if !parts.is_empty() {
        conditions.push(Condition::new(parts.join(" AND "), values));
    }
    conditions.extend(conditions_on_flags(filter));
    if filter.reviewed {
        let sql = "{}path IN (SELECT file.path FROM review JOIN cutout AS file
             ON substr(file.digest, 1, 8) = substr(review.digest, 1, 8) AND file.digest = review.digest
                 AND file.label IS NOT NULL)";
        conditions.push(Condition::new(sql, []));
    }
    conditions
}

/// Those on flags. Flags have commas between them.
fn conditions_on_flags(filter: &Filter) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let has = "instr(',' || flags || ',', ?) > 0";
    if filter.any_flag {
        conditions.push(Condition::new("{}flags > ''", []));
    }
    if !filter.flags.is_empty() {
        let some = filter.flags.iter().map(|_| has);
        let sql: Vec<&str> = ["{}flags > ''"].into_iter().chain(some).collect();
        conditions.push(Condition::new(
            sql.join(" AND "),
            filter.flags.iter().copied().map(between_commas),
        ));
    }
    for flag in &filter.no_flags {
        let sql = format!("(flags IS NULL OR NOT {has})");
        conditions.push(Condition::new(sql, [between_commas(*flag)]));
    }
    conditions
}

fn in_cone(cone: Cone) -> Condition {
    // A table of the ranges: for more than a few of them with OR between, SQLite would read every row.
    let sql = "{}path IN (SELECT file.path FROM json_each(?) AS range CROSS JOIN cutout AS file
             ON file.healpix BETWEEN range.value ->> 0 AND range.value ->> 1
                 AND separation(file.ra, file.dec, ?, ?) <= ?)";
    Condition::new(sql, values_of(cone))
}

/// The values that the condition of a cone has.
pub(super) fn values_of(cone: Cone) -> [SqlValue; 4] {
    let ranges: Vec<String> = circle((cone.ra, cone.dec), cone.radius)
        .iter()
        .map(|range| format!("[{},{}]", range.start(), range.end()))
        .collect();
    let [ra, dec, radius] = [cone.ra, cone.dec, cone.radius].map(SqlValue::from);
    [format!("[{}]", ranges.join(",")).into(), ra, dec, radius]
}

fn between_commas(flag: Flag) -> SqlValue {
    format!(",{},", flag.as_str()).into()
}

impl Reader {
    /// Which of the conditions finds its rows by its index: the first one that leaves few.
    pub(super) fn driver(
        &self,
        conditions: &[Condition],
        rows: &str,
        before: &[SqlValue],
    ) -> Result<Option<usize>, CatalogError> {
        for (at, condition) in conditions.iter().enumerate() {
            if !condition.sql.contains("{}") {
                continue;
            }
            let sql = format!(
                "SELECT count(*) FROM (SELECT 1 FROM {rows} AS shown WHERE label IS NOT NULL AND {} LIMIT {FEW})",
                condition.with(true)
            );
            let values = before.iter().chain(&condition.values);
            let count = || -> rusqlite::Result<u64> {
                let mut statement = self.connection.prepare(&sql)?;
                statement.query_row(rusqlite::params_from_iter(values), |row| {
                    crate::writer::unsigned(row, 0)
                })
            };
            if count().map_err(|error| fault(&self.path, "read", error))? < FEW {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}
