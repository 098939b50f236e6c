//! Reads the answers of an evaluation back, from `predictions.csv`.

use std::path::Path;

use galmorph_cutout::{Morphology, Probabilities};

use crate::error::{Cause, Error, Result};
use crate::metrics::Prediction;

/// The galaxies of a `predictions.csv`, with the answer to each.
///
/// # Errors
/// When the file can't be read or is not as `evaluate` writes it.
pub(crate) fn read_predictions(path: &Path) -> Result<(Vec<String>, Vec<Prediction>)> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(&text).map_err(Error::unusable("predictions", path))
}

fn parse(text: &str) -> std::result::Result<(Vec<String>, Vec<Prediction>), Cause> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.ok_or_else(|| {
            format!("no column '{name}' (is it a predictions.csv of galmorph-train evaluate?)")
        })
    };
    let (id, truth) = (column("id")?, column("truth")?);
    let mut probabilities = [0; Morphology::COUNT];
    for class in Morphology::ALL {
        probabilities[class.id()] = column(&format!("p_{class}"))?;
    }
    let (mut ids, mut predictions) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record?;
        let row = record.position().map_or(0, csv::Position::line);
        // The reader refuses a record that lacks a field of the header.
        let field = |column: usize| record.get(column).unwrap_or_default();
        let truth = field(truth).parse();
        let truth = truth.map_err(|error| format!("row {row}: {error}"))?;
        let answer = if probabilities.iter().all(|column| field(*column).is_empty()) {
            None
        } else {
            Some(answer(probabilities.map(field)).map_err(|fault| format!("row {row}: {fault}"))?)
        };
        ids.push(field(id).to_owned());
        predictions.push(Prediction { truth, answer });
    }
    Ok((ids, predictions))
}

fn answer(fields: [&str; Morphology::COUNT]) -> std::result::Result<Probabilities, String> {
    let mut values = [0.0; Morphology::COUNT];
    for (value, field) in values.iter_mut().zip(fields) {
        *value = (field.parse().ok())
            .filter(|p| (0.0..=1.0001_f32).contains(p))
            .ok_or_else(|| format!("'{field}' is not a probability"))?;
    }
    let sum: f32 = values.iter().sum();
    if (sum - 1.0).abs() > 1e-3 {
        return Err(format!("the probabilities sum to {sum}"));
    }
    Ok(Probabilities::from_values(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,truth,label,p_round,p_in_between,p_cigar,p_edge_on,p_spiral";

    #[test]
    fn answers_are_read_and_silence_is_kept() {
        let rows = "7,round,round,0.75,0.25,0,0,0\n9,cigar,,,,,,\n";
        let (ids, found) = parse(&format!("{HEADER}\n{rows}")).unwrap();
        assert_eq!(ids, ["7", "9"]);
        assert_eq!(found[0].truth, Morphology::Round);
        assert_eq!(
            found[0].answer.unwrap().values(),
            &[0.75, 0.25, 0.0, 0.0, 0.0]
        );
        assert_eq!((found[1].truth, found[1].answer), (Morphology::Cigar, None));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_named() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert!(fault("id,label\n").starts_with("no column 'truth'"));
        let fault = |row: &str| fault(&format!("{HEADER}\n{row}\n"));
        assert!(fault("1,star,round,1,0,0,0,0").starts_with("row 2: unknown class 'star'"));
        assert_eq!(fault("1,round,,1,0,0,0,"), "row 2: '' is not a probability");
        assert_eq!(
            fault("1,round,,2,0,0,0,0"),
            "row 2: '2' is not a probability"
        );
        let low = fault("1,round,,0.5,0.25,0,0,0");
        assert_eq!(low, "row 2: the probabilities sum to 0.75");
    }
}
