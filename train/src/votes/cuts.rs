//! Cuts: bounds on vote fractions that make a galaxy a clean example of a class, from a TOML file.
//!
//! Cuts are data and not code, because each survey has its own. The paper's Table 1 is built in.

use std::collections::BTreeMap;
use std::path::Path;

use galmorph_cutout::{Morphology, UnknownMorphology};
use galmorph_output::readable;
use serde::Deserialize;

use super::tree::Answer;
use crate::error::{Error, Result};

/// Table 1 of Zhu et al. 2019.
const DEFAULT: &str = include_str!("../../../data/zhu2019-cuts.toml");
const DEFAULT_NAME: &str = "data/zhu2019-cuts.toml";

/// The cuts of each class.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    name: String,
    classes: [Vec<Condition>; Morphology::COUNT],
}

/// A bound on a cumulative vote fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Condition {
    answer: Answer,
    min: f64,
    max: f64,
}

/// Which cuts a galaxy meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The cuts of one class.
    Class(Morphology),
    /// The cuts of two or more classes.
    Ambiguous,
    /// The cuts of no class.
    Unclassified,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
}

type Parsed = BTreeMap<String, BTreeMap<String, Bounds>>;

impl Cuts {
    /// The paper's cuts.
    ///
    /// # Panics
    /// If the file that is built in is wrong, which a test rules out.
    #[expect(clippy::expect_used, reason = "the file is built in and tested")]
    pub fn zhu2019() -> Self {
        Self::parse(DEFAULT_NAME, DEFAULT).expect("the cuts that are built in are valid")
    }

    /// Reads and checks a file of cuts.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::input_file("cuts", path))?;
        Self::parse(&readable(path), &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let parsed: Parsed = toml::from_str(text).map_err(|error: toml::de::Error| {
            let place = error.span().map_or_else(String::new, |span| {
                let lines = text.bytes().take(span.start).filter(|b| *b == b'\n');
                format!(" line {}", lines.count() + 1)
            });
            let message = error.message().replace('\n', ", ");
            Error::Input(format!("'{name}'{place}: {message}"))
        })?;
        let mut classes = [const { Vec::new() }; Morphology::COUNT];
        for (class, conditions) in &parsed {
            let fault = |fault: String| Error::Input(format!("'{name}' [{class}]: {fault}"));
            let class: Morphology = class
                .parse()
                .map_err(Error::input_at::<UnknownMorphology>(format!("'{name}'")))?;
            for (answer, bounds) in conditions {
                classes[class.id()].push(condition(answer, bounds).map_err(fault)?);
            }
        }
        for class in Morphology::ALL {
            if classes[class.id()].is_empty() {
                return Err(Error::Input(format!("'{name}' has no cuts for [{class}]")));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            classes,
        })
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The answers that the cuts refer to, each once.
    pub(super) fn answers(&self) -> Vec<Answer> {
        let used = |answer: &Answer| self.classes.iter().flatten().any(|c| c.answer == *answer);
        Answer::all().filter(used).collect()
    }

    /// Which cuts a galaxy with these cumulative fractions meets.
    pub(super) fn verdict(&self, fraction: impl Fn(Answer) -> f64) -> Verdict {
        let met = |class: &Morphology| {
            self.classes[class.id()].iter().all(|condition| {
                let value = fraction(condition.answer);
                condition.min <= value && value <= condition.max
            })
        };
        let mut classes = Morphology::ALL.into_iter().filter(met);
        match (classes.next(), classes.next()) {
            (None, _) => Verdict::Unclassified,
            (Some(class), None) => Verdict::Class(class),
            (Some(_), Some(_)) => Verdict::Ambiguous,
        }
    }
}

/// Checks the bounds on one fraction. An error continues "'cuts.toml' [round]: ".
fn condition(name: &str, bounds: &Bounds) -> std::result::Result<Condition, String> {
    let answer = Answer::named(name)
        .ok_or_else(|| format!("unknown fraction '{name}' ({DEFAULT_NAME} lists them)"))?;
    let (min, max) = match (bounds.min, bounds.max) {
        (None, None) => return Err(format!("'{name}' has neither min nor max")),
        (min, max) => (min.unwrap_or(0.0), max.unwrap_or(1.0)),
    };
    for bound in [min, max] {
        if !(0.0..=1.0).contains(&bound) {
            return Err(format!("'{name}': {bound} is not a fraction from 0 to 1"));
        }
    }
    if min > max {
        return Err(format!("'{name}': min {min} is above max {max}"));
    }
    Ok(Condition { answer, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fractions: &[(&str, f64)]) -> Verdict {
        Cuts::zhu2019().verdict(|answer| {
            let given = fractions.iter().find(|(name, _)| *name == answer.name());
            given.map_or(0.0, |(_, value)| *value)
        })
    }

    /// Table 1, each class at its thresholds and just below each of them.
    #[test]
    fn a_galaxy_at_the_thresholds_of_table_1_is_in_and_below_any_of_them_is_out() {
        let table: [(Morphology, &[(&str, f64)]); 5] = [
            (
                Morphology::Round,
                &[("smooth", 0.469), ("completely_round", 0.50)],
            ),
            (
                Morphology::InBetween,
                &[("smooth", 0.469), ("in_between", 0.50)],
            ),
            (
                Morphology::Cigar,
                &[("smooth", 0.469), ("cigar_shaped", 0.50)],
            ),
            (
                Morphology::EdgeOn,
                &[("features_or_disk", 0.430), ("edge_on_yes", 0.602)],
            ),
            (
                Morphology::Spiral,
                &[
                    ("features_or_disk", 0.430),
                    ("edge_on_no", 0.715),
                    ("spiral_yes", 0.619),
                ],
            ),
        ];
        for (class, thresholds) in table {
            assert_eq!(verdict(thresholds), Verdict::Class(class));
            for below in 0..thresholds.len() {
                let mut fractions = thresholds.to_vec();
                fractions[below].1 -= 1e-9;
                assert_eq!(verdict(&fractions), Verdict::Unclassified, "{class}");
            }
        }
    }

    #[test]
    fn a_galaxy_that_meets_the_cuts_of_two_classes_is_ambiguous() {
        let both = [
            ("smooth", 0.6),
            ("completely_round", 0.6),
            ("features_or_disk", 0.7),
            ("edge_on_yes", 0.7),
        ];
        assert_eq!(verdict(&both), Verdict::Ambiguous);
    }

    #[test]
    fn an_upper_bound_is_inclusive_too() {
        let text = DEFAULT.replace("smooth = { min = 0.469 }", "odd_yes = { max = 0.42 }");
        let cuts = Cuts::parse("cuts.toml", &text).unwrap();
        let with_odd = |odd: f64| {
            cuts.verdict(|answer| match answer.name() {
                "odd_yes" => odd,
                "completely_round" => 0.9,
                _ => 0.0,
            })
        };
        assert_eq!(with_odd(0.42), Verdict::Class(Morphology::Round));
        assert_eq!(with_odd(0.421), Verdict::Unclassified);
        assert!(cuts.answers().iter().any(|a| a.name() == "odd_yes"));
    }

    #[test]
    fn what_is_wrong_with_a_file_of_cuts_is_one_line() {
        let fault = |from: &str, to: &str| {
            let text = DEFAULT.replace(from, to);
            assert_ne!(text, DEFAULT);
            let message = Cuts::parse("c.toml", &text).unwrap_err().to_string();
            assert_eq!(message.lines().count(), 1, "{message}");
            message
        };
        assert_eq!(
            fault("completely_round = {", "compactly_round = {"),
            "'c.toml' [round]: unknown fraction 'compactly_round' (data/zhu2019-cuts.toml lists them)"
        );
        assert!(fault("[cigar]", "[cigars]").starts_with("'c.toml': unknown class 'cigars'"));
        assert!(fault("[spiral]", "[cigar]\n[spiral]").contains("line 34: duplicate key"));
        assert_eq!(
            fault("0.619", "6.19"),
            "'c.toml' [spiral]: 'spiral_yes': 6.19 is not a fraction from 0 to 1"
        );
        assert!(fault("0.619", "nan").contains("NaN is not a fraction"));
        assert!(
            fault("{ min = 0.619 }", "{ min = 0.6, max = 0.5 }")
                .contains("min 0.6 is above max 0.5")
        );
        assert!(fault("{ min = 0.619 }", "{}").contains("'spiral_yes' has neither min nor max"));
        assert!(fault("{ min = 0.619 }", "{ mim = 0.619 }").contains("unknown field `mim`"));
        assert!(fault("{ min = 0.619 }", "{ min = ").contains("line 37: unclosed"));

        let end = DEFAULT.find("[spiral]").unwrap();
        let message = Cuts::parse("c.toml", &DEFAULT[..end])
            .unwrap_err()
            .to_string();
        assert_eq!(message, "'c.toml' has no cuts for [spiral]");
    }
}
