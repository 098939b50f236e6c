//! Why there is no map, for the one who asked.

use std::fmt;

use galmorph_inference::About;
use hyper::StatusCode;

use crate::picture::{NotSeen, NotShown};

/// Why there is no map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoMap {
    /// Another model answered.
    OtherModel {
        name: String,
        digest: String,
        here: About,
    },
    /// The file of the page's model is another one by now.
    ChangedModel,
    /// The catalog doesn't say how the model was used, or this version doesn't understand it.
    UnknownCard,
    /// The answer was computed with other numbers than this processor computes with.
    OtherArithmetic { then: String, now: &'static str },
    /// What the network saw can't be made again.
    NotSeen(NotSeen),
    /// The model's answer here isn't the row's.
    OtherAnswer,
    /// The model or the decoder fails. The log says how.
    Failed,
    /// Nobody waits for it any more.
    GivenUp,
}

/// The first digits of a digest.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or("unknown")
}

impl fmt::Display for NoMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherModel { name, digest, here } => write!(
                formatter,
                "this answer is by {name} (BLAKE3 {}…), and this page has {} ({}…), whose map would explain another \
                 answer. Start galmorph-page with --model and the file of {name}.",
                short(digest),
                here.name,
                short(&here.digest.to_hex()),
            ),
            Self::ChangedModel => formatter.write_str(
                "the model's file has changed since this page began. Start galmorph-page again.",
            ),
            Self::UnknownCard => formatter.write_str(
                "the catalog does not say how the model was used for this answer in a way that this version understands.",
            ),
            Self::OtherArithmetic { then, now } => write!(
                formatter,
                "this answer was computed in {then}, and this processor computes in {now}."
            ),
            Self::NotSeen(NotSeen::NotShown(why)) => write!(formatter, "{}.", why.why()),
            Self::NotSeen(NotSeen::Otherwise { then, now }) => write!(
                formatter,
                "the image was shown to the network by “{then}”, and the settings of its folder say “{now}” by now. \
                 There is a map again when galmorph watch has classified it with these settings."
            ),
            Self::OtherAnswer => formatter.write_str(
                "the model gives another answer to this image here than the catalog has, so a map would explain another \
                 answer. The log of galmorph-page has both.",
            ),
            Self::Failed => {
                formatter.write_str("it could not be computed. The log of galmorph-page says more.")
            }
            Self::GivenUp => formatter.write_str("nobody waits for it any more."),
        }
    }
}

impl NoMap {
    /// The status of an answer that has no picture.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::NotSeen(NotSeen::NotShown(NotShown::NoRow | NotShown::Gone)) => {
                StatusCode::NOT_FOUND
            }
            Self::NotSeen(NotSeen::NotShown(NotShown::NotWatched)) => StatusCode::FORBIDDEN,
            Self::Failed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::GivenUp => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        }
    }
}
