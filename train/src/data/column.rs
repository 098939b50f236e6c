//! A column of a table, by galaxy.

use std::collections::HashMap;
use std::path::Path;

use galmorph_output::readable;
use galmorph_table::Table;

use crate::error::{Error, Result};

/// The names of the column with the galaxies' ids, in the order in which they are looked for.
const IDS: [&str; 4] = ["GalaxyID", "object_id", "dr7objid", "id"];

/// The values of one column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnValues {
    /// The table's file, for messages.
    pub(crate) file: String,
    /// The column's name, as the table writes it.
    pub(crate) column: String,
    /// The value of each galaxy as text, by id.
    pub(crate) of: HashMap<String, String>,
}

impl ColumnValues {
    /// Reads columns of a table (CSV, ECSV, FITS or Parquet) that has the galaxies' ids in a column `GalaxyID`,
    /// `object_id`, `dr7objid` or `id`.
    ///
    /// # Errors
    /// When the table can't be read, lacks a column, or has a galaxy twice.
    pub(crate) fn read(path: &Path, columns: &[String]) -> Result<Vec<Self>> {
        let file = readable(path);
        let unreadable = Error::input_file("table", path);
        let mut table = Table::open(path).map_err(&unreadable)?;
        let find = |name: &str| {
            let found = table.find(name);
            found.map_err(|fault| Error::Input(format!("'{file}' has {fault}")))
        };
        let mut id = None;
        for name in IDS {
            if id.is_none() {
                id = find(name)?;
            }
        }
        let id = id.ok_or_else(|| {
            Error::Input(format!(
                "'{file}' has no column of ids ({})",
                IDS.join(", ")
            ))
        })?;
        let mut wanted = vec![id];
        for name in columns {
            wanted.push(find(name)?.ok_or_else(|| {
                let all: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
                Error::Input(format!(
                    "'{file}' has no column '{name}' ({})",
                    all.join(", ")
                ))
            })?);
        }
        let mut read: Vec<Self> = (wanted[1..].iter())
            .map(|index| Self {
                file: file.clone(),
                column: table.columns()[*index].name.clone(),
                of: HashMap::new(),
            })
            .collect();
        while let Some(row) = table.next_row(&wanted).map_err(&unreadable)? {
            let mut cells = row.cells.into_iter();
            let id = cells.next().unwrap_or_default().trim().to_owned();
            // A row that is of no galaxy.
            if id.is_empty() {
                continue;
            }
            for (column, cell) in read.iter_mut().zip(cells) {
                if column.of.insert(id.clone(), cell).is_some() {
                    return Err(Error::Input(format!(
                        "'{file}' row {}: galaxy {id} is there twice",
                        row.number
                    )));
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, column: &str) -> Result<Vec<ColumnValues>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        ColumnValues::read(&path, &[column.to_owned()])
    }

    #[test]
    fn a_column_is_found_by_its_name_and_a_galaxy_by_its_id() {
        let found = read("r_mag,GalaxyID\n17.5,7\n,8\n", "R_MAG").unwrap();
        assert_eq!(found[0].column, "r_mag");
        assert_eq!(
            (found[0].of["7"].as_str(), found[0].of["8"].as_str()),
            ("17.5", "")
        );
    }

    #[test]
    fn rows_without_an_id_are_of_no_galaxy() {
        let found = read("id,mag\n1,17\n,18\n,19\n", "mag").unwrap();
        assert_eq!(found[0].of.len(), 1);
    }

    #[test]
    fn what_is_missing_or_twice_is_an_error() {
        let fault = |text: &str| read(text, "mag").unwrap_err().to_string();
        assert!(fault("name,mag\na,1\n").contains("has no column of ids (GalaxyID,"));
        assert!(fault("id,size\n1,1\n").contains("has no column 'mag' (id, size)"));
        assert!(fault("id,mag\n1,1\n1,2\n").contains("row 3: galaxy 1 is there twice"));
    }
}
