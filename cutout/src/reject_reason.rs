//! Why a file is rejected: the names that the catalog, the metrics and `--reason` use.
//!
//! A new reason is one line in the table below.

use std::fmt;
use std::str::FromStr;

/// Similarity (Jaro's, 0 to 1) from which on a known name is suggested for an unknown one.
const SIMILAR: f64 = 0.7;

/// Makes [`RejectReason`] from one line a reason.
macro_rules! reject_reasons {
    ($($reason:ident, $name:literal, $depends_on_limits:literal, $explanation:literal;)+) => {
        /// Why a file is rejected instead of classified.
        ///
        /// These are the faults of a file's content. A file that can't be *read* is not rejected: it is
        /// tried again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RejectReason {
            $(#[doc = $explanation] $reason,)+
        }

        impl RejectReason {
            /// All reasons, in the order in which a file meets them on its way to an answer.
            pub const ALL: &[Self] = &[$(Self::$reason),+];

            /// The name, stable enough to query by.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)+
                }
            }

            /// What the reason means, in a sentence for documentation and help texts.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$reason => $explanation,)+
                }
            }

            /// Whether the file may be accepted under other [`Limits`](crate::Limits).
            pub const fn depends_on_limits(self) -> bool {
                match self {
                    $(Self::$reason => $depends_on_limits,)+
                }
            }
        }
    };
}

reject_reasons! {
    // Reason, name, whether it depends on the limits, explanation.
    NotAnImage, "not_an_image", false, "The file is in no image format that galmorph reads, whatever its name.";
    Broken, "broken", false, "The file begins like an image, but cannot be decoded to its end.";
    Unsupported, "unsupported", false, "The file is an image of a kind that galmorph does not read, such as a JPEG with arithmetic coding.";
    MissingBands, "missing_bands", false, "The bands that the configured stretch needs are not in the file, or it does not name them.";
    TooLarge, "too_large", true, "The file or the image is larger than the configured limits allow.";
    TooSmall, "too_small", true, "The image is smaller than the configured limits allow.";
    Blank, "blank", false, "The image shows nothing: it has one colour, as outside of a survey or under a mask, or its values hardly differ.";
    Preprocessing, "preprocessing", false, "The network's input could not be computed from the image.";
    Inference, "inference", false, "The network failed on the image.";
    NoAnswer, "no_answer", false, "The network's output for the image is not finite.";
}

impl RejectReason {
    /// Whether it depends on how FITS images are to be shown: their bands, colours and stretch.
    pub const fn depends_on_rendering(self) -> bool {
        matches!(self, Self::MissingBands | Self::Unsupported)
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A name that no reason has. The message suggests the nearest one and lists all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason '{0}'{suggestion} (one of {names})", suggestion = suggestion(.0), names = names())]
pub struct UnknownRejectReason(pub String);

impl FromStr for RejectReason {
    type Err = UnknownRejectReason;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.iter().copied();
        all.find(|reason| reason.as_str() == name)
            .ok_or_else(|| UnknownRejectReason(name.to_owned()))
    }
}

fn names() -> String {
    let names: Vec<&str> = RejectReason::ALL.iter().map(|r| r.as_str()).collect();
    names.join(", ")
}

fn suggestion(unknown: &str) -> String {
    let similarity = |name: &str| strsim::jaro(unknown, name);
    let names = RejectReason::ALL.iter().map(|reason| reason.as_str());
    let nearest = names.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    nearest
        .filter(|name| similarity(name) >= SIMILAR)
        .map_or_else(String::new, |name| format!(", did you mean '{name}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catalogs, metrics and scripts have these names, so they stay. New ones may come.
    #[test]
    fn the_names_are_what_they_always_were() {
        assert_eq!(
            names(),
            "not_an_image, broken, unsupported, missing_bands, too_large, too_small, blank, preprocessing, inference, \
             no_answer"
        );
    }

    #[test]
    fn names_lead_back_to_their_reason() {
        for reason in RejectReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert_eq!(format!("{reason:<13}|").len(), 14);
            assert!(reason.explanation().ends_with('.'));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_and_with_all() {
        let message = |name: &str| name.parse::<RejectReason>().unwrap_err().to_string();
        let expected = format!(
            "unknown reason 'not_an_imag', did you mean 'not_an_image'? (one of {})",
            names()
        );
        assert_eq!(message("not_an_imag"), expected);
        assert!(message("to_large").contains("did you mean 'too_large'?"));
        assert!(message("TOO_SMALL").contains("unknown reason 'TOO_SMALL' (one of"));
        assert!(message("").contains("unknown reason '' (one of"));
    }

    #[test]
    fn only_sizes_depend_on_the_limits() {
        let all = RejectReason::ALL.iter();
        let sizes: Vec<_> = all.filter(|reason| reason.depends_on_limits()).collect();
        assert_eq!(sizes, [&RejectReason::TooLarge, &RejectReason::TooSmall]);
    }
}
