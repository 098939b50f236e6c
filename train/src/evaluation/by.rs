//! Accuracy by magnitude, size, or any other column of a table.

use std::collections::{BTreeMap, HashMap};

use galmorph_cutout::Estimate;
use serde::{Deserialize, Serialize};

use super::layout::{Cell, Column, Kind, Table};
use crate::data::ColumnValues;
use crate::error::{Error, Result};
use crate::metrics::{Prediction, proportion};

/// Up to this many different numbers are shown one by one. More are put into bins.
const NUMBERS_ALONE: usize = 8;

/// The most different words of a column.
const WORDS: usize = 40;

/// The accuracy in the groups of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ByColumn {
    /// The column's name.
    pub(crate) column: String,
    /// The groups by rising value. Those without a value come last.
    pub(crate) groups: Vec<Group>,
}

/// The galaxies with about the same value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The value, or the bin.
    pub(crate) name: String,
    /// The smallest and the largest number in a bin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<[f64; 2]>,
    /// The number of galaxies.
    pub(crate) images: u64,
    /// The accuracy, with Wilson's interval.
    pub(crate) accuracy: Estimate,
    /// The mean confidence.
    pub(crate) confidence: f64,
}

/// Measures predictions by the values of a column, in up to `bins` bins of about as many galaxies each.
///
/// # Errors
/// When no galaxy has a value, or when there are too many different ones that are no numbers.
pub(crate) fn by_column(
    ids: &[String],
    predictions: &[Prediction],
    values: &ColumnValues,
    bins: usize,
) -> Result<ByColumn> {
    let of_each: Vec<Option<&str>> = ids.iter().map(|id| value_of(&values.of, id)).collect();
    let there: Vec<(usize, &str)> = (of_each.iter().enumerate())
        .filter_map(|(place, value)| Some((place, (*value)?)))
        .collect();
    if there.is_empty() {
        return Err(Error::Input(format!(
            "'{}' has no value in column '{}' for any of the {} galaxies",
            values.file,
            values.column,
            ids.len()
        )));
    }
    let numbers: Option<Vec<(usize, f64)>> = (there.iter())
        .map(|(place, value)| Some((*place, number(value)?)))
        .collect();
    let mut parts = match numbers {
        Some(numbers) => binned(numbers, bins),
        None => by_word(&there, values)?,
    };
    let without = (0..ids.len()).filter(|place| of_each[*place].is_none());
    let without: Vec<usize> = without.collect();
    if !without.is_empty() {
        parts.push(("no value".to_owned(), None, without));
    }
    let groups = parts.into_iter().filter_map(|(name, range, places)| {
        let right = places
            .iter()
            .filter(|place| predictions[**place].is_right());
        let sure = places
            .iter()
            .map(|place| f64::from(predictions[*place].confidence()));
        Some(Group {
            name,
            range,
            images: places.len() as u64,
            accuracy: proportion(right.count() as u64, places.len() as u64)?,
            confidence: sure.sum::<f64>() / places.len() as f64,
        })
    });
    Ok(ByColumn {
        column: values.column.clone(),
        groups: groups.collect(),
    })
}

/// The groups as a table for people.
pub(crate) fn table(by: &ByColumn, conditions: &str) -> Table {
    let columns = vec![
        Column::new("value", &by.column, Kind::Plain),
        Column::new("images", "Images", Kind::Plain),
        Column::new("accuracy", "Accuracy (%)", Kind::Percent),
        Column::new("confidence", "Mean confidence (%)", Kind::Percent),
    ];
    let mut table = Table::new(format!("Accuracy by {}, {conditions}", by.column), columns);
    for group in &by.groups {
        table.row([
            Cell::Text(group.name.clone()),
            Cell::Count(group.images),
            Some(group.accuracy).into(),
            Cell::Value(group.confidence, None),
        ]);
    }
    table
}

/// A group before it is measured: name, range, and the places of its galaxies.
type Part = (String, Option<[f64; 2]>, Vec<usize>);

/// A galaxy's value; `None` if it has none, or one that means none.
fn value_of<'a>(of: &'a HashMap<String, String>, id: &str) -> Option<&'a str> {
    let value = of.get(id)?.trim();
    let means_none = ["", "nan", "null", "none", "--", "n/a"];
    (!means_none
        .iter()
        .any(|none| value.eq_ignore_ascii_case(none)))
    .then_some(value)
}

fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Bins of about as many galaxies each. Galaxies of the same value stay together.
fn binned(mut numbers: Vec<(usize, f64)>, bins: usize) -> Vec<Part> {
    numbers.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ties: Vec<&[(usize, f64)]> = numbers.chunk_by(|a, b| a.1 == b.1).collect();
    let part = |of: &[(usize, f64)]| -> Option<Part> {
        let (low, high) = (of.first()?.1, of.last()?.1);
        let name = if low == high {
            shown(low)
        } else {
            format!("{} to {}", shown(low), shown(high))
        };
        let places = of.iter().map(|(place, _)| *place).collect();
        Some((name, Some([low, high]), places))
    };
    if ties.len() <= NUMBERS_ALONE {
        return ties.into_iter().filter_map(part).collect();
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for tied in ties {
        end += tied.len();
        // The place where this bin should end, by what is left for it and for those after it.
        let left = bins.saturating_sub(parts.len()).max(1);
        if (end - begin) * left >= numbers.len() - begin {
            parts.extend(part(&numbers[begin..end]));
            begin = end;
        }
    }
    parts.extend(part(&numbers[begin..]));
    parts
}

fn by_word(there: &[(usize, &str)], values: &ColumnValues) -> Result<Vec<Part>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, value) in there {
        groups.entry(value).or_default().push(*place);
    }
    if groups.len() > WORDS {
        let word = groups.keys().find(|value| number(value).is_none());
        return Err(Error::Input(format!(
            "'{}' column '{}' has {} different values, and not all are numbers (such as '{}'); at most {WORDS} \
             can be shown one by one",
            values.file,
            values.column,
            groups.len(),
            word.unwrap_or(&"")
        )));
    }
    let part = |(word, places): (&str, Vec<usize>)| (word.to_owned(), None, places);
    Ok(groups.into_iter().map(part).collect())
}

/// A number with the digits that people need.
fn shown(value: f64) -> String {
    let short = format!("{value:.4}");
    let short = short.trim_end_matches('0').trim_end_matches('.');
    if value != 0.0 && (value.abs() < 0.01 || value.abs() >= 1e6) {
        format!("{value:.3e}")
    } else {
        short.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_cutout::{Morphology, Probabilities};

    fn prediction(is_right: bool) -> Prediction {
        let row = if is_right {
            [0.75, 0.25, 0.0, 0.0, 0.0]
        } else {
            [0.25, 0.75, 0.0, 0.0, 0.0]
        };
        Prediction {
            truth: Morphology::Round,
            answer: Some(Probabilities::from_values(row)),
        }
    }

    fn measured(cells: &[(&str, bool)], bins: usize) -> Result<ByColumn> {
        let ids: Vec<String> = (0..cells.len()).map(|n| n.to_string()).collect();
        let predictions: Vec<Prediction> = cells.iter().map(|c| prediction(c.1)).collect();
        let of = ids
            .iter()
            .cloned()
            .zip(cells.iter().map(|c| c.0.to_owned()));
        let values = ColumnValues {
            file: "labels.csv".into(),
            column: "mag".into(),
            of: of.filter(|(_, value)| value != "absent").collect(),
        };
        by_column(&ids, &predictions, &values, bins)
    }

    fn names(found: &ByColumn) -> Vec<(&str, u64)> {
        found
            .groups
            .iter()
            .map(|g| (g.name.as_str(), g.images))
            .collect()
    }

    #[test]
    fn numbers_are_put_into_bins_of_as_many_galaxies_each() {
        let cells: Vec<String> = (0..100)
            .map(|n| format!("{}", 15.0 + f64::from(n) / 50.0))
            .collect();
        // The faint half is wrong half of the time.
        let cells: Vec<(&str, bool)> = (cells.iter().enumerate())
            .map(|(n, cell)| (cell.as_str(), n < 50 || n % 2 == 0))
            .collect();
        let found = measured(&cells, 4).unwrap();
        let wanted = [
            ("15 to 15.48", 25),
            ("15.5 to 15.98", 25),
            ("16 to 16.48", 25),
            ("16.5 to 16.98", 25),
        ];
        assert_eq!(names(&found), wanted);
        let accuracies: Vec<f64> = found.groups.iter().map(|g| g.accuracy.value).collect();
        assert_eq!(accuracies, [1.0, 1.0, 13.0 / 25.0, 12.0 / 25.0]);
        assert_eq!(
            (found.groups[0].confidence, found.groups[0].range),
            (0.75, Some([15.0, 15.48]))
        );
    }

    #[test]
    fn equal_values_stay_together_and_few_are_shown_one_by_one() {
        let mut cells = vec![("1", true); 80];
        cells.extend(["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"].map(|cell| (cell, true)));
        let found = measured(&cells, 3).unwrap();
        assert_eq!(names(&found), [("1", 80), ("2 to 6", 5), ("7 to 11", 5)]);
        let few = measured(
            &[
                ("2", true),
                ("10", false),
                ("2", false),
                ("NaN", true),
                ("absent", true),
            ],
            3,
        );
        assert_eq!(names(&few.unwrap()), [("2", 2), ("10", 1), ("no value", 2)]);
    }

    #[test]
    fn words_are_groups_and_too_many_are_an_error() {
        let found = measured(
            &[
                ("DECaLS", true),
                ("SDSS", false),
                ("7", false),
                ("SDSS", true),
            ],
            3,
        )
        .unwrap();
        assert_eq!(names(&found), [("7", 1), ("DECaLS", 1), ("SDSS", 2)]);
        let many: Vec<String> = (0..41).map(|n| format!("field {n}")).collect();
        let many: Vec<(&str, bool)> = many.iter().map(|cell| (cell.as_str(), true)).collect();
        let fault = measured(&many, 3).unwrap_err().to_string();
        assert!(
            fault.contains("column 'mag' has 41 different values"),
            "{fault}"
        );
        let fault = measured(&[("", true)], 3).unwrap_err().to_string();
        assert_eq!(
            fault,
            "'labels.csv' has no value in column 'mag' for any of the 1 galaxies"
        );
    }
}
