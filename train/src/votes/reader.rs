//! Cumulative vote fractions, galaxy by galaxy, from the tables that Galaxy Zoo publishes.
//!
//! A fraction means two things in those tables. In Kaggle's, it is *cumulative*: of all volunteers, how
//! many reached the question and gave the answer. In the catalogues of Willett et al. 2013 and Hart et
//! al. 2016, it is *conditional*: of the volunteers who reached the question. This reader always returns
//! cumulative fractions, so that a cut has one meaning. It multiplies conditional fractions by those of
//! the answers that lead to the question.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::table::Table;
use super::tree::Answer;
use crate::error::{Error, Result};

/// Names of the column with a galaxy's id, by precedence: Kaggle's, then the catalogues'. Images of
/// Galaxy Zoo 2 are listed by their DR7 ids.
const ID_COLUMNS: [&str; 4] = ["GalaxyID", "dr7objid", "objid", "dr8objid"];

/// What a table's fractions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// Of all volunteers: `Class1.1` to `Class11.6`.
    Kaggle,
    /// Of the volunteers who reached the question, debiased:
    /// `t01_smooth_or_features_a01_smooth_debiased`.
    Catalogue,
}

impl Convention {
    fn column(self, answer: Answer) -> String {
        match self {
            Self::Kaggle => answer.kaggle_column(),
            Self::Catalogue => answer.catalogue_column(),
        }
    }

    /// The answers whose fractions multiply to the cumulative fraction of `answer`.
    fn factors(self, answer: Answer) -> Vec<Answer> {
        match self {
            Self::Kaggle => vec![answer],
            Self::Catalogue => std::iter::successors(Some(answer), |a| a.parent()).collect(),
        }
    }

    /// Tells the convention by the columns. The two have none in common.
    fn of(table: &Table) -> Result<Self> {
        let has = |convention: Self| -> Result<bool> {
            for answer in Answer::all() {
                if table.find(&convention.column(answer))?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match (has(Self::Kaggle)?, has(Self::Catalogue)?) {
            (true, false) => Ok(Self::Kaggle),
            (false, true) => Ok(Self::Catalogue),
            (false, false) => Err(Error::Input(format!(
                "'{}' has no column of votes (Kaggle's Class1.1 to Class11.6, or a Galaxy Zoo 2 catalogue's \
                 t01_..._debiased to t11_..._debiased)",
                table.file()
            ))),
            (true, true) => Err(Error::Input(format!(
                "'{}' has the columns of Kaggle's table and of a Galaxy Zoo 2 catalogue (keep one kind)",
                table.file()
            ))),
        }
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kaggle => "Kaggle's cumulative fractions (Class1.1 ...), taken as they are",
            Self::Catalogue => {
                "a Galaxy Zoo 2 catalogue's conditional, debiased fractions (t01_..._debiased ...), \
                 multiplied by their parents'"
            }
        })
    }
}

/// One galaxy's votes.
#[derive(Debug, Clone, PartialEq)]
pub struct Votes {
    /// The line of a CSV file, or the row of a FITS table, counted from 1.
    pub row: u64,
    /// The galaxy's id.
    pub id: String,
    /// Cumulative fractions, 0 to 1, in the order of the answers that were asked for.
    pub fractions: Vec<f64>,
}

/// Reads a table of votes, galaxy by galaxy.
pub struct VoteReader {
    table: Table,
    convention: Convention,
    id_column: String,
    /// The names of the columns that are read; the id's comes first.
    names: Vec<String>,
    /// The indices of these columns in the table.
    wanted: Vec<usize>,
    /// For each answer, the columns to multiply, as indices into `wanted`.
    factors: Vec<Vec<usize>>,
    /// The row of each id so far.
    rows: HashMap<String, u64>,
}

impl VoteReader {
    /// Opens a table and finds the columns of some answers. Without `id_column`, the ids are in
    /// `GalaxyID`, `dr7objid`, `objid` or `dr8objid`.
    ///
    /// # Errors
    /// When the file can't be read, is of neither convention, or lacks a column.
    pub fn open(path: &Path, answers: &[Answer], id_column: Option<&str>) -> Result<Self> {
        let table = Table::open(path)?;
        let convention = Convention::of(&table)?;
        let missing =
            |column: &str| Error::Input(format!("'{}' has no column '{column}'", table.file()));

        let candidates = id_column.map_or_else(|| ID_COLUMNS.to_vec(), |name| vec![name]);
        let mut ids = None;
        for candidate in &candidates {
            if let (None, Some(index)) = (&ids, table.find(candidate)?) {
                ids = Some(((*candidate).to_owned(), index));
            }
        }
        let Some((id_column, id_index)) = ids else {
            return Err(missing(&candidates.join("', '")));
        };

        let mut names = vec![id_column.clone()];
        let mut wanted = vec![id_index];
        let mut factors = Vec::new();
        for answer in answers {
            let mut places = Vec::new();
            for factor in convention.factors(*answer) {
                let name = convention.column(factor);
                let index = table.find(&name)?.ok_or_else(|| missing(&name))?;
                let place = wanted.iter().position(|known| *known == index);
                places.push(place.unwrap_or(wanted.len()));
                if place.is_none() {
                    names.push(name);
                    wanted.push(index);
                }
            }
            factors.push(places);
        }
        Ok(Self {
            table,
            convention,
            id_column,
            names,
            wanted,
            factors,
            rows: HashMap::new(),
        })
    }

    /// Which file is read and how its fractions are understood, for people.
    pub fn describe(&self) -> String {
        format!(
            "'{}', {}: {}; ids from {}",
            self.table.file(),
            self.table.format(),
            self.convention,
            self.id_column
        )
    }

    /// What the table's fractions are.
    pub const fn convention(&self) -> Convention {
        self.convention
    }

    fn read(&mut self) -> Result<Option<Votes>> {
        let Some(row) = self.table.next_row(&self.wanted)? else {
            return Ok(None);
        };
        let file = self.table.file();
        let fault = |place: usize, fault: String| {
            let column = &self.names[place];
            Error::Input(format!(
                "'{file}' row {}, column '{column}': {fault}",
                row.number
            ))
        };

        let id = row.cells[0].clone();
        check_id(&id).map_err(|message| fault(0, message))?;
        if let Some(first) = self.rows.get(&id) {
            return Err(fault(0, format!("galaxy {id} is in row {first} too")));
        }
        let mut values = vec![1.0];
        for (place, cell) in row.cells.iter().enumerate().skip(1) {
            values.push(fraction(cell).map_err(|message| fault(place, message))?);
        }
        let product = |places: &Vec<usize>| match places.as_slice() {
            [place] => values[*place],
            places => decimal(places.iter().map(|place| values[*place]).product()),
        };
        let fractions = self.factors.iter().map(product).collect();
        self.rows.insert(id.clone(), row.number);
        Ok(Some(Votes {
            row: row.number,
            id,
            fractions,
        }))
    }
}

impl Iterator for VoteReader {
    type Item = Result<Votes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Refuses an id that a spreadsheet has rounded: 5.87732E+17 stands for many galaxies.
fn check_id(id: &str) -> std::result::Result<(), String> {
    if id.is_empty() {
        return Err("no id".into());
    }
    if id.contains('.') && id.parse::<f64>().is_ok() {
        return Err(format!(
            "'{id}' was rounded to a decimal number by another program (keep ids as text)"
        ));
    }
    Ok(())
}

fn fraction(text: &str) -> std::result::Result<f64, String> {
    if text.is_empty() {
        return Err("no value".into());
    }
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("'{text}' is not a fraction from 0 to 1")),
    }
}

/// Rounds a product to twelve decimals. Catalogues give three decimals or seven digits, and 0.7 times
/// 0.7 must not miss a cut at 0.49 by the last bit of a binary product.
fn decimal(product: f64) -> f64 {
    (product * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAGGLE: &str = "GalaxyID,Class1.1,Class1.2,Class2.2,Class4.1\n";
    const CATALOGUE: &str = "dr8objid,dr7objid,t01_smooth_or_features_a02_features_or_disk_debiased,\
        t02_edgeon_a05_no_debiased,t04_spiral_a08_spiral_debiased\n";

    fn answers(names: &[&str]) -> Vec<Answer> {
        let of_name = |name: &&str| Answer::named(name).unwrap();
        names.iter().map(of_name).collect()
    }

    /// Reads a table for these answers.
    fn read(text: impl AsRef<[u8]>, names: &[&str], ids: Option<&str>) -> Result<Vec<Votes>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("votes.csv");
        std::fs::write(&path, text).unwrap();
        VoteReader::open(&path, &answers(names), ids)?.collect()
    }

    fn fault(text: &str) -> String {
        let message = read(text, &["smooth", "features_or_disk"], None)
            .unwrap_err()
            .to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        message.split_once("votes.csv").unwrap().1.to_owned()
    }

    #[test]
    fn kaggles_fractions_are_taken_as_they_are() {
        let text = format!("{KAGGLE}7,0.1,0.9,0.8,0.36\n");
        let votes = read(&text, &["spiral_yes", "smooth"], None).unwrap();
        assert_eq!(votes[0].fractions, [0.36, 0.1]);
        assert_eq!((votes[0].id.as_str(), votes[0].row), ("7", 2));
    }

    #[test]
    fn a_catalogues_fractions_are_multiplied_by_those_of_all_their_parents() {
        let text = format!("{CATALOGUE}1,2,0.7,0.7,0.5\n");
        let names = ["features_or_disk", "edge_on_no", "spiral_yes"];
        let votes = read(&text, &names, None).unwrap();
        // Exactly 0.49, as a cut at that has it; in binary, 0.7 * 0.7 is less.
        assert_eq!(votes[0].fractions, [0.7, 0.49, 0.245]);
        assert_eq!(votes[0].id, "2", "the DR7 id");
        let votes = read(&text, &names, Some("dr8objid")).unwrap();
        assert_eq!(votes[0].id, "1");
    }

    #[test]
    fn a_gzipped_table_is_read_to_its_end() {
        // Two members, as tools that compress in parallel write them.
        let rows = [format!("{KAGGLE}7,0.1,0.9,0,0\n"), "8,0.2,0.8,0,0\n".into()];
        let member = |text: &String| {
            let level = flate2::Compression::fast();
            let mut bytes = Vec::new();
            let mut encoder = flate2::read::GzEncoder::new(text.as_bytes(), level);
            std::io::Read::read_to_end(&mut encoder, &mut bytes).unwrap();
            bytes
        };
        let members: Vec<u8> = rows.iter().flat_map(member).collect();
        let fractions = |bytes: &[u8]| -> Result<Vec<f64>> {
            let votes = read(bytes, &["smooth"], None)?;
            Ok(votes.iter().map(|votes| votes.fractions[0]).collect())
        };
        assert_eq!(fractions(&members).unwrap(), [0.1, 0.2]);
        assert!(fractions(&members[..members.len() - 4]).is_err(), "cut off");
    }

    #[test]
    fn columns_that_are_not_asked_for_need_not_be_there_or_be_right() {
        let text = format!("{KAGGLE}7,0.1,0.9,,NaN\n");
        assert!(read(&text, &["smooth"], None).is_ok());
        let missing = read(&text, &["cigar_shaped"], None)
            .unwrap_err()
            .to_string();
        assert!(
            missing.ends_with("votes.csv' has no column 'Class7.3'"),
            "{missing}"
        );
    }

    #[test]
    fn a_cell_that_is_wrong_names_its_row_and_column() {
        let good = format!("{KAGGLE}7,0,1,0,0\n");
        let with = |cells: &str| fault(&format!("{good}{cells},0,0\n"));
        assert_eq!(
            with("8,1.0001,0"),
            "' row 3, column 'Class1.1': '1.0001' is not a fraction from 0 to 1"
        );
        for bad in ["-0.1", "NaN", "nan", "inf", "many"] {
            let wanted = format!("row 3, column 'Class1.2': '{bad}' is not a fraction");
            assert!(with(&format!("8,0,{bad}")).contains(&wanted));
        }
        assert!(with("8,,0").contains("row 3, column 'Class1.1': no value"));
        assert!(with(",0,0").contains("row 3, column 'GalaxyID': no id"));
        assert!(with("7,0,0").contains("row 3, column 'GalaxyID': galaxy 7 is in row 2 too"));
        assert!(with("5.87732E+17,0,0").contains("'5.87732E+17' was rounded to a decimal number"));
        assert!(fault(&format!("{good}8,0\n")).contains("line: 3"));
    }

    #[test]
    fn what_is_no_table_of_votes_says_what_was_looked_for() {
        assert!(
            fault("GalaxyID,label,split\n").contains("has no column of votes (Kaggle's Class1.1")
        );
        assert!(fault("").contains("has no column of votes"));
        let both = KAGGLE.trim().to_owned() + ",t06_odd_a14_yes_debiased\n";
        assert!(fault(&both).contains("(keep one kind)"));
        assert!(fault("Class1.1,Class1.2\n").contains("no column 'GalaxyID', 'dr7objid'"));
        assert!(fault(&format!("Class1.1,{KAGGLE}")).contains("two columns 'Class1.1'"));
        assert!(fault("PK\x03\x04").contains("zip archive (unpack it first)"));
    }
}
