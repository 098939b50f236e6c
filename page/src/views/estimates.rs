//! How far the labels can be trusted, by what people say.

use galmorph_catalog::Agreement;
use galmorph_cutout::Morphology;
use galmorph_output::visible;
use maud::{Markup, html};

use super::Frame;
use super::parts::{number, percent, tag, word_name};
use crate::statistics::{Fraction, OfClass, agreed, kappa};

pub(crate) struct Estimates {
    pub(crate) by_class: [OfClass; Morphology::COUNT],
    pub(crate) sample: usize,
    pub(crate) right: Option<Fraction>,
    pub(crate) agreement: Vec<Agreement>,
    pub(crate) reviewer: Option<String>,
    pub(crate) reviewers: Vec<(String, u64)>,
}

fn cell(fraction: Option<Fraction>) -> Markup {
    html! {
        td .num { @if let Some(found) = fraction { (percent(&found.estimate)) } @else { span .muted { "–" } } }
        td .num .muted { @if let Some(found) = fraction { (number(found.hits)) " of " (number(found.of)) } }
    }
}

pub(crate) fn estimates(frame: &Frame, shown: &Estimates) -> Markup {
    let base = frame.base;
    let content = html! {
        h1 { "Purity and completeness" }
        @if shown.sample == 0 {
            div .empty {
                p .lead { "Nobody has reviewed the random sample yet." }
                p { a href={ (base) "/review?queue=random" } { "Review the random sample" } " to measure how far the labels can be trusted." }
            }
        } @else {
            p .lead {
                "By " b { (number(shown.sample as u64)) } " galaxies of the random sample, as "
                b { (visible(shown.reviewer.as_deref().unwrap_or_default())) } " sees them"
                @if let Some(right) = shown.right { ": " b { (percent(&right.estimate)) } " of the labels are right." } @else { "." }
            }
            div .scroll tabindex="0" role="region" aria-label="Purity and completeness by class" {
                table .list {
                    thead { tr { th scope="col" { "Class" } th scope="col" .num { "Purity" } th scope="col" .num { "galaxies" } th scope="col" .num { "Completeness" } th scope="col" .num { "galaxies" } } }
                    tbody {
                        @for one in &shown.by_class {
                            tr { th scope="row" { (tag(one.class)) } (cell(one.purity)) (cell(one.completeness)) }
                        }
                    }
                }
            }
            p .muted {
                "Purity: of the galaxies with a label, those that are of its class. Completeness: of the galaxies of a class, those with its label. "
                "In parentheses: Wilson's 95 % intervals. They hold for the labels as they are now, of the model in use. "
                "Galaxies that were skipped are in neither; skipping the hard ones makes both too good."
            }
        }
        @if shown.reviewers.len() > 1 {
            p { "As seen by: "
                @for (name, _) in &shown.reviewers {
                    a .chip href={ (base) "/estimates?" (crate::selection::address(&[("reviewer", name)])) }
                        aria-current=[(shown.reviewer.as_ref() == Some(name)).then_some("true")] { (visible(name)) } " "
                }
            }
        }
        @if !shown.agreement.is_empty() {
            h2 { "Agreement" }
            div .scroll tabindex="0" role="region" aria-label="Agreement of reviewers" {
                table .list {
                    thead { tr { th scope="col" { "Reviewers" } th scope="col" .num { "agree on" } th scope="col" .num { "images" } th scope="col" .num { "Cohen's κ" } th scope="col" { "mostly differ on" } } }
                    tbody { @for pair in &shown.agreement { (agreement(pair)) } }
                }
            }
        }
    };
    frame.page("Purity", &content)
}

fn agreement(pair: &Agreement) -> Markup {
    let differ = pair.counts.iter().filter(|((one, other), _)| one != other);
    let most = differ.max_by_key(|(_, count)| **count);
    html! {
        tr {
            th scope="row" { (visible(&pair.reviewers[0])) " and " (visible(&pair.reviewers[1])) }
            (cell(agreed(&pair.counts)))
            td .num { @if let Some(kappa) = kappa(&pair.counts) { (format!("{kappa:.2}")) } @else { "–" } }
            td { @if let Some(((one, other), count)) = most { (word_name(*one)) " / " (word_name(*other)) " " span .muted { @if *count == 1 { "once" } @else { (number(*count)) " times" } } } }
        }
    }
}
