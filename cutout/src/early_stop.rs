//! When some of an image's views are enough for an answer.
//!
//! An answer is the average over all test scales (section 4.3). For most images one scale says as much
//! as all of them. This is ours, not the paper's, and off by default.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Average;

/// Whether the remaining views of an image are left out once there are enough for an answer.
///
/// The answer still depends on the image alone. The views have a fixed order
/// ([`order`](Self::order)), and the rule is applied after each of them, whether or not more views
/// happen to be computed.
///
/// Written as `never`, as `settled`, or as a probability.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum EarlyStop {
    /// All views are averaged.
    #[default]
    Never,
    /// Stop when the remaining views can't change the label, whatever they say. The image's
    /// probabilities are the average so far.
    Settled,
    /// Stop then, or as soon as the confidence is at least this, above 0.5 and below 1. How much it can
    /// be trusted depends on how well calibrated the model is.
    Confident(f64),
}

/// A text that is no [`EarlyStop`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither never, settled, nor a confidence above 0.5 and below 1")]
pub struct EarlyStopError(String);

impl EarlyStop {
    /// Whether all views are always used.
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }

    /// The order in which an image's `views` are used: as they are when all will be, else from the middle
    /// scales outwards, because the middle scales are nearest to the average.
    pub fn order(self, views: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..views).collect();
        if !self.is_never() {
            order.sort_by_key(|view| (2 * view + 1).abs_diff(views));
        }
        order
    }

    /// Whether none of the remaining ones of an image's `views` is needed.
    pub fn is_enough(self, average: &Average, views: usize) -> bool {
        let rest = views.saturating_sub(average.seen());
        if rest == 0 {
            return true;
        }
        if average.seen() == 0 {
            return false;
        }
        let Some([second, first]) = average.leaders() else {
            return false;
        };
        // Each remaining view adds at most 1 to a sum. A softmax may be a little off.
        let is_settled = first - second > rest as f64 * 1.0001;
        match self {
            Self::Never => false,
            Self::Settled => is_settled,
            Self::Confident(least) => is_settled || first >= least * average.seen() as f64,
        }
    }

    fn confident(least: f64) -> Option<Self> {
        (least > 0.5 && least < 1.0).then_some(Self::Confident(least))
    }
}

impl fmt::Display for EarlyStop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => formatter.write_str("never"),
            Self::Settled => formatter.write_str("settled"),
            Self::Confident(least) => least.fmt(formatter),
        }
    }
}

impl FromStr for EarlyStop {
    type Err = EarlyStopError;

    fn from_str(text: &str) -> Result<Self, EarlyStopError> {
        match text {
            "never" => Some(Self::Never),
            "settled" => Some(Self::Settled),
            _ => text.parse().ok().and_then(Self::confident),
        }
        .ok_or_else(|| EarlyStopError(text.to_owned()))
    }
}

impl Serialize for EarlyStop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Confident(least) => serializer.serialize_f64(*least),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for EarlyStop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = EarlyStop;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("\"never\", \"settled\", or a confidence above 0.5 and below 1, as a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EarlyStop, E> {
        match text.parse() {
            Ok(named) if !matches!(named, EarlyStop::Confident(_)) => Ok(named),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_f64<E: Error>(self, least: f64) -> Result<EarlyStop, E> {
        EarlyStop::confident(least).ok_or_else(|| E::invalid_value(Unexpected::Float(least), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rows: &[[f32; 5]]) -> Average {
        let mut average = Average::new(1.0);
        for row in rows {
            average.add(row);
        }
        average
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["never", "settled", "0.95"] {
            assert_eq!(text.parse::<EarlyStop>().unwrap().to_string(), text);
        }
        for (json, stop) in [
            ("\"never\"", EarlyStop::Never),
            ("\"settled\"", EarlyStop::Settled),
            ("0.95", EarlyStop::Confident(0.95)),
        ] {
            assert_eq!(serde_json::from_str::<EarlyStop>(json).unwrap(), stop);
            assert_eq!(serde_json::to_string(&stop).unwrap(), json);
        }
        for text in ["", "soon", "0.5", "1", "1.0", "nan", "95"] {
            assert!(text.parse::<EarlyStop>().is_err(), "{text}");
        }
        for json in ["\"soon\"", "\"0.95\"", "0.5", "1", "1.0", "true", "null"] {
            assert!(serde_json::from_str::<EarlyStop>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_middle_scales_come_first_where_some_may_be_left_out() {
        assert_eq!(EarlyStop::Never.order(4), [0, 1, 2, 3]);
        assert_eq!(EarlyStop::Settled.order(4), [1, 2, 0, 3]);
        assert_eq!(EarlyStop::Settled.order(5), [2, 1, 3, 0, 4]);
        assert_eq!(EarlyStop::Settled.order(1), [0]);
    }

    #[test]
    fn a_label_is_settled_when_no_other_can_overtake_it() {
        let sure = [0.0, 1.0, 0.0, 0.0, 0.0];
        let doubtful = [0.25, 0.75, 0.0, 0.0, 0.0];
        let stop = EarlyStop::Settled;
        // After two of three, one row for another class makes it two to one.
        assert!(!stop.is_enough(&seen(&[sure]), 3));
        assert!(stop.is_enough(&seen(&[sure; 2]), 3));
        assert!(!stop.is_enough(&seen(&[sure; 2]), 4));
        assert!(stop.is_enough(&seen(&[sure; 3]), 4));
        // 2.25 to 0.75: it could still be 2.25 to 1.75 after four, and less after five.
        assert!(stop.is_enough(&seen(&[doubtful; 3]), 4));
        assert!(!stop.is_enough(&seen(&[doubtful; 3]), 5));
        assert!(stop.is_enough(&seen(&[doubtful; 5]), 5));
        // A tie would go to the lower id, so it is not settled.
        assert!(!stop.is_enough(&seen(&[sure]), 2));
    }

    #[test]
    fn a_confidence_is_that_of_the_average_so_far() {
        let stop = EarlyStop::Confident(0.75);
        let [sure, half] = [[0.875, 0.125, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0, 0.0]];
        assert!(stop.is_enough(&seen(&[sure]), 4));
        assert!(!stop.is_enough(&seen(&[sure, half]), 4));
        assert!(!stop.is_enough(&seen(&[]), 4));
        assert!(!EarlyStop::Never.is_enough(&seen(&[sure; 3]), 4));
    }

    #[test]
    fn what_is_not_a_number_is_never_enough() {
        for stop in [EarlyStop::Settled, EarlyStop::Confident(0.6)] {
            for odd in [f32::NAN, -f32::NAN, f32::INFINITY] {
                assert!(!stop.is_enough(&seen(&[[odd, 1.0, 0.0, 0.0, 0.0]]), 2));
                assert!(!stop.is_enough(&seen(&[[odd; 5]]), 2));
            }
        }
    }
}
