//! What people ask for, as they write it: names, probabilities, times, places on the sky.
//!
//! The commands and the page read the same words by these functions, so that a question has one meaning. A word that
//! matches nothing known is an error that names what is known. Otherwise a typing mistake would look like an empty
//! catalog.

mod request;
mod sky;
mod when;

use galmorph_cutout::{Flag, Morphology};
use galmorph_output::visible;

pub use request::{Request, RequestError};
pub use sky::{cone, separation};
pub use when::time;

/// A class by its name, in upper or lower case.
pub fn label(name: &str) -> Result<Morphology, String> {
    let plain = name.trim().to_lowercase().replace(['-', ' '], "_");
    plain
        .parse()
        .map_err(|_| unknown("class", name, &Morphology::names()))
}

/// A flag of an image.
pub fn flag(name: &str) -> Result<Flag, String> {
    let known: Vec<&str> = Flag::ALL.iter().map(|flag| flag.as_str()).collect();
    name.parse().map_err(|_| unknown("flag", name, &known))
}

/// A class and a purity, as in `spiral=0.98`.
pub fn purity(text: &str) -> Result<(Morphology, f64), String> {
    let (class, fraction) = text
        .split_once('=')
        .ok_or("must be a class and a purity, such as spiral=0.98")?;
    Ok((label(class)?, probability(fraction)?))
}

/// A probability.
pub fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "must be a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    // Somebody who thinks in percent.
    let percent = (1.0..=100.0).contains(&value).then(|| value / 100.0);
    let hint = percent.map_or_else(String::new, |value| {
        let value = format!("{value:.6}");
        format!(" (did you mean {}?)", value.trim_end_matches(['0', '.']))
    });
    Err(format!("must be 0 to 1{hint}"))
}

/// Explains that `name` is none of the `known`, and which of them may be meant.
pub fn unknown(what: &str, name: &str, known: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let similar = names
        .iter()
        .map(|known| {
            (
                strsim::jaro(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        // As clap does for its own names.
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = similar.map_or_else(String::new, |(_, known)| {
        format!(", did you mean '{known}'?")
    });
    let names = names.join(", ");
    visible(&format!("unknown {what} '{name}'{hint} (one of {names})")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        let known = ["path", "label"];
        assert_eq!(
            unknown("column", "Lable", &known),
            "unknown column 'Lable', did you mean 'label'? (one of path, label)"
        );
        assert_eq!(
            unknown("column", "x", &known),
            "unknown column 'x' (one of path, label)"
        );
    }

    #[test]
    fn a_probability_is_not_a_percentage() {
        assert_eq!(probability("0.9"), Ok(0.9));
        assert_eq!((probability("0"), probability("1")), (Ok(0.0), Ok(1.0)));
        let fault = |text| probability(text).unwrap_err();
        assert_eq!(fault("95"), "must be 0 to 1 (did you mean 0.95?)");
        assert_eq!(fault("99.9"), "must be 0 to 1 (did you mean 0.999?)");
        assert_eq!(fault("100"), "must be 0 to 1 (did you mean 1?)");
        for text in ["nan", "inf", "-0.1", "101"] {
            assert_eq!(fault(text), "must be 0 to 1", "{text}");
        }
        assert_eq!(fault("high"), "must be a number from 0 to 1");
    }
}
