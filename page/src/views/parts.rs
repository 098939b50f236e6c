//! What several pages have.

use galmorph_catalog::{FileRow, Judgement, Reviewed};
use galmorph_cutout::{Estimate, Morphology};
use galmorph_output::visible;
use maud::{Markup, html};

/// A class as people read it.
pub(super) fn class_name(class: Morphology) -> &'static str {
    match class {
        Morphology::Round => "round",
        Morphology::InBetween => "in-between",
        Morphology::Cigar => "cigar",
        Morphology::EdgeOn => "edge-on",
        Morphology::Spiral => "spiral",
    }
}

pub(super) fn word_name(word: Judgement) -> &'static str {
    word.class().map_or("none of these", class_name)
}

/// The place in the style of a class's colour.
pub(super) const fn colour(class: Morphology) -> &'static str {
    match class {
        Morphology::Round => "c0",
        Morphology::InBetween => "c1",
        Morphology::Cigar => "c2",
        Morphology::EdgeOn => "c3",
        Morphology::Spiral => "c4",
    }
}

/// The label of a class with its colour.
pub(super) fn tag(class: Morphology) -> Markup {
    html! { span .tag { span .dot .(colour(class)) {} (class_name(class)) } }
}

/// A count with its thousands apart.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A narrow space that no line is broken at.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A probability: two digits, and never 1.00 for what is not certain.
pub(super) fn probability(value: f64) -> String {
    match value {
        value if value > 0.995 && value < 1.0 => "0.99+".into(),
        value if value > 0.0 && value < 0.005 => "<0.01".into(),
        value => format!("{value:.2}"),
    }
}

/// A fraction in percent, with its interval.
pub(super) fn percent(estimate: &Estimate) -> String {
    let digits = |value: f64| format!("{:.1}", 100.0 * value);
    format!(
        "{} % ({}–{})",
        digits(estimate.value),
        digits(estimate.low),
        digits(estimate.high)
    )
}

/// A time of the catalog to the minute, readable for people and programs.
pub(super) fn time(text: &str) -> Markup {
    let shown = match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => text.to_owned(),
    };
    html! { time datetime=(text) { (shown) } }
}

/// The probabilities of a row, in the order of the classes' ids.
pub(super) fn probabilities(row: &FileRow) -> [f64; Morphology::COUNT] {
    Morphology::ALL.map(|class| {
        row.number(&format!("p_{}", class.name()))
            .unwrap_or_default()
    })
}

/// All five probabilities as one bar.
fn strip(probabilities: &[f64; Morphology::COUNT]) -> Markup {
    let mut left = 0.0;
    let pieces = Morphology::ALL.map(|class| {
        let width = 100.0 * probabilities[class.id()];
        left += width;
        (colour(class), left - width, width)
    });
    html! {
        svg .strip viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            @for (colour, left, width) in pieces {
                rect .(colour) x=(format!("{left:.2}")) y="0" width=(format!("{width:.2}")) height="4" {}
            }
        }
    }
}

/// A galaxy in a gallery. `picture` is where its thumbnail is, and `address` where it is shown alone.
pub(crate) fn card(
    row: &FileRow,
    words: &[Reviewed],
    picture: &str,
    address: Option<&str>,
) -> Markup {
    let said: Vec<Judgement> = words.iter().filter_map(|word| word.judgement).collect();
    let object = visible(row.text("object_id").unwrap_or_default()).into_owned();
    let flags = row.text("flags").unwrap_or_default();
    let inside = html! {
        img src=(picture) alt="" width="224" height="224" loading="lazy" decoding="async";
        (strip(&probabilities(row)))
        span .line {
            @if let Some(class) = row.label() { b { (class_name(class)) } }
            span .num { (probability(row.number("confidence").unwrap_or_default())) }
        }
        span .object { (object) }
        @if !said.is_empty() || !flags.is_empty() {
            span .marks {
                @for word in &said { span .said { "✓ " (word_name(*word)) } }
                @for flag in flags.split(',').filter(|flag| !flag.is_empty()) { span .flag { (flag) } }
            }
        }
    };
    html! {
        li .card {
            @if let Some(address) = address { a href=(address) { (inside) } } @else { div { (inside) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        for (value, text) in [
            (0.0, "0.00"),
            (0.004, "<0.01"),
            (0.5, "0.50"),
            (0.999, "0.99+"),
            (1.0, "1.00"),
        ] {
            assert_eq!(probability(value), text);
        }
        let estimate = Estimate {
            value: 0.5,
            low: 0.25,
            high: 0.754,
        };
        assert_eq!(percent(&estimate), "50.0 % (25.0–75.4)");
    }
}
