//! Numbers in tables: a value with its interval below it, and a dash for an undefined value.

use galmorph_cutout::Morphology;
use maud::{Markup, html};

use crate::figures::palette::{css, of_class};
use crate::metrics::Estimate;

/// A fraction with four digits, as the paper prints precision, recall, F1 and AUC.
pub(super) fn fraction(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

/// A fraction in percent with two digits.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.2} %", 100.0 * value))
}

/// A cell with a fraction and its interval.
pub(super) fn estimate(estimate: Option<Estimate>) -> Markup {
    html! {
        td {
            (fraction(estimate.map(|estimate| estimate.value)))
            @if let Some(Estimate { low, high, .. }) = estimate {
                small { (format!("{low:.4} – {high:.4}")) }
            }
        }
    }
}

/// A cell with a fraction and its interval, in percent.
pub(super) fn percentage(estimate: Option<Estimate>) -> Markup {
    html! {
        td {
            (percent(estimate.map(|estimate| estimate.value)))
            @if let Some(Estimate { low, high, .. }) = estimate {
                small { (format!("{:.2} – {:.2}", 100.0 * low, 100.0 * high)) }
            }
        }
    }
}

/// A large number in millions.
pub(super) fn millions(count: usize) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}

/// The name of a class behind its colour.
pub(super) fn class_name(class: Morphology) -> Markup {
    html! {
        span.swatch style={ "background:" (css(of_class(class))) } {}
        (class.long_name())
    }
}
