//! The nearest object to each of many positions.

use rusqlite::Statement;
use rusqlite::types::Value as SqlValue;

use super::filter::{Selection, values_of};
use super::query::values;
use super::{Cone, Filter, Reader};
use crate::CatalogError;
use crate::columns::Column;
use crate::error::fault;
use crate::export::Value;
use crate::healpix::separation;

/// Finds the nearest of the rows that a filter leaves, again and again.
#[derive(Debug)]
pub struct Nearest<'a> {
    reader: &'a Reader,
    statement: Statement<'a>,
    columns: Vec<Column>,
    values: Vec<SqlValue>,
    /// In degrees.
    radius: f64,
    /// Where the right ascension stands among the columns, and the declination.
    position: [usize; 2],
}

impl<'a> Nearest<'a> {
    /// `radius` is how far away an object may be, in degrees; of a filter, the order and the limit don't count.
    pub fn new(reader: &'a Reader, filter: &Filter, radius: f64) -> Result<Self, CatalogError> {
        let anywhere = Cone {
            ra: 0.0,
            dec: 0.0,
            radius,
        };
        let query = Selection::new(reader, filter)?.nearest(anywhere);
        let statement = reader.connection.prepare(&format!("{} LIMIT 1", query.sql));
        let find = |name: &str| {
            let mut columns = query.columns.iter();
            columns
                .position(|column| column.name == name)
                .expect("the view has positions")
        };
        Ok(Self {
            reader,
            statement: statement.map_err(|error| fault(&reader.path, "read", error))?,
            radius,
            position: ["ra", "dec"].map(find),
            columns: query.columns,
            values: query.values,
        })
    }

    /// The columns of its rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The nearest row to a position in degrees, and its distance in arcsec; `None` if none is near. Of equally near ones,
    /// it is the one with the lower path.
    pub fn find(
        &mut self,
        (ra, dec): (f64, f64),
    ) -> Result<Option<(Vec<Value>, f64)>, CatalogError> {
        let radius = self.radius;
        let own = self.values.len() - 6;
        self.values.truncate(own);
        self.values.extend(values_of(Cone { ra, dec, radius }));
        self.values.extend([ra, dec].map(SqlValue::from));
        let mut work = || {
            let mut rows = self
                .statement
                .query(rusqlite::params_from_iter(&self.values))?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let [found_ra, found_dec] = self.position;
            let found = (row.get(found_ra)?, row.get(found_dec)?);
            let distance = separation((ra, dec), found) * 3600.0;
            Ok(Some((values(row, &self.columns)?, distance)))
        };
        work().map_err(|error| fault(&self.reader.path, "read", error))
    }
}
