//! Positions on the sky in tables that others wrote.

use std::fmt::Write as _;

use galmorph_cutout::Position;
use galmorph_table::Table;

/// The names of the columns that are looked for, the first that is there.
pub(super) const OBJECT_ID: [&str; 5] = ["object_id", "objid", "id_str", "source_id", "id"];
/// Those of manifests, and those of Vizier.
const RA: [&str; 4] = ["ra", "raj2000", "_raj2000", "ra_icrs"];
const DEC: [&str; 4] = ["dec", "dej2000", "_dej2000", "de_icrs"];

/// How the unit of coordinates is written.
const DEGREES: [&str; 3] = ["deg", "degree", "degrees"];

/// Where a table has the positions of its objects, and their ids.
#[derive(Debug)]
pub(crate) struct Sky {
    /// The columns that are read: right ascension, declination and, if there is one, the id.
    wanted: Vec<usize>,
}

impl Sky {
    /// `names` are those of the right ascension, the declination and the id, where they are not the usual ones. A fault goes on
    /// after the table's name.
    pub(crate) fn find(table: &Table, names: &[String]) -> Result<Self, String> {
        let find =
            |name: &String| column(table, &[name.trim()])?.ok_or_else(|| no_column(table, name));
        let (ra, dec) = match names {
            [ra, dec, ..] => (find(ra)?, find(dec)?),
            _ => coordinates(table)?.ok_or_else(|| no_column(table, RA[0]))?,
        };
        check_degrees(table, ra)?;
        check_degrees(table, dec)?;
        let mut wanted = vec![ra, dec];
        wanted.extend(match names.get(2) {
            Some(name) => Some(find(name)?),
            None => column(table, &OBJECT_ID)?,
        });
        Ok(Self { wanted })
    }

    /// The columns that are read.
    pub(crate) fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// The position in a row's cells; `None` when both are empty, or not a number.
    pub(crate) fn position(cells: &[String]) -> Result<Option<Position>, String> {
        let (ra, dec) = (&*cells[0], &*cells[1]);
        let is_none = |text: &str| text.is_empty() || text.parse::<f64>().is_ok_and(f64::is_nan);
        if is_none(ra) && is_none(dec) {
            return Ok(None);
        }
        position(ra, dec)
    }

    /// The id in a row's cells, if there is one.
    pub(crate) fn id(cells: &[String]) -> Result<Option<&str>, String> {
        cells.get(2).map_or(Ok(None), |id| object_id(id))
    }
}

/// The id in a cell, if there is one.
pub(super) fn object_id(cell: &str) -> Result<Option<&str>, String> {
    // As a spreadsheet or a column of real numbers leaves an id of 18 digits: 5.87723E+17, or 587722981741363300.0.
    if cell.contains(['.', '+']) && cell.parse::<f64>().is_ok() {
        return Err(format!(
            "the id '{cell}' was rounded to a decimal number by another program (keep ids as text)"
        ));
    }
    Ok(Some(cell).filter(|id| !id.is_empty()))
}

/// The columns of the right ascension and the declination, both by names of one kind; `None` when there are neither. The
/// fault is that one of the two is missing.
pub(super) fn coordinates(table: &Table) -> Result<Option<(usize, usize)>, String> {
    let mut alone = None;
    for (ra, dec) in RA.iter().zip(&DEC) {
        match (column(table, &[ra])?, column(table, &[dec])?) {
            (Some(ra), Some(dec)) => return Ok(Some((ra, dec))),
            (Some(_), None) => alone = alone.or(Some(dec)),
            (None, Some(_)) => alone = alone.or(Some(ra)),
            (None, None) => {}
        }
    }
    alone.map_or(Ok(None), |missing| Err(no_column(table, missing)))
}

/// The column of one of these names, the first that is there.
pub(super) fn column(table: &Table, names: &[&str]) -> Result<Option<usize>, String> {
    for name in names {
        let found = table.find(name).map_err(|fault| format!(" has {fault}"))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The fault that a table lacks a column.
pub(super) fn no_column(table: &Table, name: &str) -> String {
    format!(" has no column '{name}' ({})", listing(table))
}

/// The position in two cells; `None` when both are empty.
pub(super) fn position(ra: &str, dec: &str) -> Result<Option<Position>, String> {
    if ra.is_empty() && dec.is_empty() {
        return Ok(None);
    }
    let degrees = |text: &str, name: &str| {
        let number = text.parse::<f64>();
        number.map_err(|_| format!("{name} '{text}' is not a number of degrees"))
    };
    let place = Position::new(degrees(ra, "ra")?, degrees(dec, "dec")?);
    let fault = || format!("ra {ra}, dec {dec} is no place on the sky");
    place.ok_or_else(fault).map(Some)
}

pub(super) fn check_degrees(table: &Table, column: usize) -> Result<(), String> {
    check_unit(table, column, &DEGREES, "degrees")
}

/// Checks that a column has one of these units, where the table says one.
pub(super) fn check_unit(
    table: &Table,
    column: usize,
    known: &[&str],
    wanted: &str,
) -> Result<(), String> {
    let column = &table.columns()[column];
    match &column.unit {
        Some(unit) if !known.iter().any(|known| unit.eq_ignore_ascii_case(known)) => Err(format!(
            ": column '{}' is in '{unit}', and not in {wanted}",
            column.name
        )),
        _ => Ok(()),
    }
}

/// The columns that are there, for a message.
pub(super) fn listing(table: &Table) -> String {
    const SHOWN: usize = 20;
    let columns = table.columns();
    let mut text = String::from("it has ");
    for (place, column) in columns.iter().take(SHOWN).enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(text, "{comma}{}", column.name).expect("a string takes any text");
    }
    if columns.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}
