//! The label file: the class and the split of each galaxy.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use galmorph_cutout::Morphology;
use galmorph_output::readable;

use super::{Part, Targets};
use crate::error::{Cause, Error, Result};

/// What a galaxy is used for. A split is of galaxies, never of images: an augmented twin of a validation
/// galaxy among the training images would make every measurement worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Split {
    /// For training.
    Train,
    /// For measuring and choosing; never trained on.
    Validation,
    /// For the last measurement, when everything is chosen.
    Test,
}

impl Split {
    /// All splits.
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One galaxy's label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    /// The galaxy's id.
    pub(crate) id: String,
    /// Its class.
    pub(crate) class: Morphology,
    /// Its split.
    pub(crate) split: Split,
    /// The vote fractions of the classes, which sum to 1; `None` unless the caller asked for votes.
    pub(crate) votes: Option<[f32; Morphology::COUNT]>,
    /// The line of the label file, counted from 1.
    pub(crate) row: u64,
}

/// A label file: CSV with the columns `GalaxyID`, `label` (a class's id 0 to 4, or its short name) and
/// `split` (`train`, `validation` or `test`); with votes, also `p_round` to `p_spiral`. Other columns
/// are ignored.
#[derive(Debug)]
pub(crate) struct Labels {
    file: String,
    all: Vec<Label>,
}

impl Labels {
    /// Reads and checks a label file. [`Targets::Votes`] requires the columns of votes.
    pub(crate) fn read(path: &Path, targets: Targets) -> Result<Self> {
        let reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(Error::input_file("labels", path))?;
        Ok(Self {
            file: readable(path),
            all: parse(path, reader, targets)?,
        })
    }

    /// All labels, in the order of the file.
    pub(crate) fn all(&self) -> &[Label] {
        &self.all
    }

    /// The labels of one part, in the order of the file.
    ///
    /// # Errors
    /// When the part has no galaxy.
    pub(crate) fn of(&self, part: Part) -> Result<Vec<&Label>> {
        let labels: Vec<&Label> = (self.all.iter())
            .filter(|label| part.contains(label))
            .collect();
        if labels.is_empty() {
            let place = match part {
                Part::Split(split) => format!("the split '{split}'"),
                Part::Fold(_) | Part::AllBut(_) => part.to_string(),
            };
            return Err(Error::Input(format!(
                "'{}' has no galaxy in {place}",
                self.file
            )));
        }
        Ok(labels)
    }
}

fn parse<R: std::io::Read>(
    path: &Path,
    mut reader: csv::Reader<R>,
    targets: Targets,
) -> Result<Vec<Label>> {
    let file = readable(path);
    let headers = reader
        .headers()
        .map_err(Error::input_file("labels", path))?
        .clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| {
                Error::Input(format!(
                    "'{file}' has no column '{name}' (GalaxyID, label, split)"
                ))
            })
    };
    let (id, label, split) = (column("GalaxyID")?, column("label")?, column("split")?);
    let votes = match targets {
        Targets::Labels => None,
        Targets::Votes => Some(vote_columns(path, &headers)?),
    };

    let mut labels = Vec::new();
    let mut rows = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(Error::input_file("labels", path))?;
        let row = record.position().map_or(0, csv::Position::line);
        let fault = |message: String| Error::Input(format!("'{file}' row {row}: {message}"));
        let place = |column: &str| format!("'{file}' row {row}, column '{column}'");
        // The reader refuses a record that lacks a field of the header.
        let field = |index: usize| record.get(index).unwrap_or_default();
        let label = Label {
            id: field(id).to_owned(),
            class: class(field(label)).map_err(Error::input_at(place("label")))?,
            split: parse_split(field(split)).map_err(Error::input_at(place("split")))?,
            votes: match votes {
                Some(columns) => {
                    let parsed = parse_votes(columns.map(field));
                    Some(parsed.map_err(|(column, fault)| Error::input_at(place(&column))(fault))?)
                }
                None => None,
            },
            row,
        };
        if label.id.is_empty() {
            return Err(fault("no GalaxyID".into()));
        }
        if let Some(first) = rows.insert(label.id.clone(), row) {
            return Err(fault(format!("galaxy {} is in row {first} too", label.id)));
        }
        labels.push(label);
    }
    Ok(labels)
}

/// The name of the column with the vote fraction of a class.
pub(crate) fn vote_column(class: Morphology) -> String {
    format!("p_{class}")
}

fn vote_columns(path: &Path, headers: &csv::StringRecord) -> Result<[usize; Morphology::COUNT]> {
    let mut columns = [0; Morphology::COUNT];
    for class in Morphology::ALL {
        let name = vote_column(class);
        let column = headers.iter().position(|header| header == name);
        columns[class.id()] = column.ok_or_else(|| {
            Error::Input(format!(
                "'{}' has no column '{name}' of votes to learn from \
                 (galmorph-train select --soft-targets writes it)",
                readable(path)
            ))
        })?;
    }
    Ok(columns)
}

/// Reads a row's vote fractions, and checks that they sum to 1, up to rounding. An error is the column
/// and what is wrong there.
fn parse_votes(
    fields: [&str; Morphology::COUNT],
) -> std::result::Result<[f32; Morphology::COUNT], (String, String)> {
    let mut votes = [0.0; Morphology::COUNT];
    for (class, field) in Morphology::ALL.into_iter().zip(fields) {
        votes[class.id()] = match field.parse() {
            Ok(vote) if (0.0..=1.0).contains(&vote) => vote,
            _ => {
                let fault = format!("'{field}' is not a fraction from 0 to 1");
                return Err((vote_column(class), fault));
            }
        };
    }
    let sum: f32 = votes.iter().sum();
    if (sum - 1.0).abs() > 1e-4 {
        let columns = Morphology::ALL.map(vote_column).join("', '");
        return Err((columns, format!("votes that sum to {sum}, not to 1")));
    }
    Ok(votes)
}

fn class(text: &str) -> std::result::Result<Morphology, Cause> {
    match text.parse::<usize>() {
        Ok(id) => {
            Morphology::from_id(id).ok_or_else(|| format!("unknown class {id} (0 to 4)").into())
        }
        Err(_) => Ok(text.parse::<Morphology>()?),
    }
}

fn parse_split(text: &str) -> std::result::Result<Split, String> {
    Split::ALL
        .into_iter()
        .find(|split| split.name() == text)
        .ok_or_else(|| format!("unknown split '{text}' (train, validation, test)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Label>> {
        read_for(Targets::Labels, text)
    }

    fn read_for(targets: Targets, text: &str) -> Result<Vec<Label>> {
        let reader = csv::Reader::from_reader(text.as_bytes());
        parse(Path::new("labels.csv"), reader, targets)
    }

    fn fault(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn classes_are_read_by_id_and_by_name_in_any_column_order() {
        let labels = read("split,GalaxyID,label\ntrain,7,4\nvalidation,8,edge_on\n").unwrap();
        assert_eq!(labels[0].class, Morphology::Spiral);
        assert_eq!(labels[1].class, Morphology::EdgeOn);
        assert_eq!(labels[1].split, Split::Validation);
        assert_eq!(labels[1].row, 3);
    }

    #[test]
    fn what_is_wrong_names_the_file_and_the_row() {
        let header = "GalaxyID,label,split\n1,0,train\n";
        let fault_of = |row: &str| fault(&format!("{header}{row}\n"));
        assert_eq!(
            fault_of("2,5,train"),
            "'labels.csv' row 3, column 'label': unknown class 5 (0 to 4)"
        );
        assert!(fault_of("2,star,train").contains("row 3, column 'label': unknown class 'star'"));
        assert!(fault_of("2,1,holdout").contains("row 3, column 'split': unknown split 'holdout'"));
        assert!(fault_of("1,1,train").contains("row 3: galaxy 1 is in row 2 too"));
        assert!(fault_of(",1,train").contains("row 3: no GalaxyID"));
        assert!(fault("GalaxyID,split\n").contains("no column 'label'"));
    }

    const VOTES: &str = "GalaxyID,label,split,p_round,p_in_between,p_cigar,p_edge_on,p_spiral\n";

    #[test]
    fn votes_are_read_where_they_are_asked_for() {
        let text = format!("{VOTES}1,0,train,0.600000,0.3,0,0,0.1\n");
        let labels = read_for(Targets::Votes, &text).unwrap();
        assert_eq!(labels[0].votes, Some([0.6, 0.3, 0.0, 0.0, 0.1]));
        assert_eq!(read(&text).unwrap()[0].votes, None);
    }

    #[test]
    fn votes_that_are_no_probabilities_name_the_row_and_the_column() {
        let fault = |text: &str| {
            let fault = read_for(Targets::Votes, text).unwrap_err();
            fault.to_string()
        };
        let fault_of = |votes: &str| fault(&format!("{VOTES}1,0,train,{votes}\n"));
        assert_eq!(
            fault_of("0.6,0.3,NaN,0,0.1"),
            "'labels.csv' row 2, column 'p_cigar': 'NaN' is not a fraction from 0 to 1"
        );
        assert!(fault_of("0.6,1.3,0,0,0").contains("column 'p_in_between': '1.3' is no"));
        assert!(fault_of("0.6,0.3,0,0,0").contains("votes that sum to 0.9"));
        assert!(
            fault("GalaxyID,label,split\n1,0,train\n").contains("no column 'p_round' of votes")
        );
        // Of classes that are not ours.
        let other = VOTES.replace("p_cigar", "p_merger");
        assert!(
            fault(&format!("{other}1,0,train,0.6,0.3,0,0,0.1\n")).contains("no column 'p_cigar'")
        );
    }

    #[test]
    fn an_empty_split_is_an_error() {
        let labels = Labels {
            file: "labels.csv".into(),
            all: read("GalaxyID,label,split\n1,0,train\n").unwrap(),
        };
        let fault = labels.of(Part::Split(Split::Validation)).unwrap_err();
        let fault = fault.to_string();
        assert_eq!(
            fault,
            "'labels.csv' has no galaxy in the split 'validation'"
        );
    }
}
