//! The files that were rejected, and why.

use galmorph_catalog::{ByReason, Page, Place};
use galmorph_cutout::RejectReason;
use galmorph_output::{readable, text_path, visible};
use maud::{Markup, html};

use super::Frame;
use super::parts::{number, time};
use crate::selection::address;

pub(crate) struct Rejected {
    pub(crate) counts: ByReason,
    pub(crate) reason: Option<RejectReason>,
    pub(crate) page: Page,
    pub(crate) is_first: bool,
    /// What became of the files that were to be tried again: four counts.
    pub(crate) queued: Option<String>,
}

pub(crate) fn rejected(frame: &Frame, shown: &Rejected) -> Markup {
    let base = frame.base;
    let total: u64 = shown.counts.values().sum();
    let at = |more: &[(&str, &str)]| {
        let mut pairs: Vec<(&str, &str)> = more.to_vec();
        pairs.extend(shown.reason.map(|reason| ("reason", reason.as_str())));
        format!("{base}/rejected?{}", address(&pairs))
    };
    let turn =
        |name, place: &Option<Place>| place.as_ref().map(|place| at(&[(name, &place.to_word())]));
    let content = html! {
        h1 { "Rejected files" }
        (said(shown))
        nav .classes aria-label="Reasons" {
            a .chip href={ (base) "/rejected" } aria-current=[shown.reason.is_none().then_some("true")] { "All " span .num { (number(total)) } }
            @for (reason, count) in &shown.counts {
                a .chip href={ (base) "/rejected?" (address(&[("reason", reason)])) }
                    aria-current=[(shown.reason.is_some_and(|chosen| chosen.as_str() == reason)).then_some("true")] {
                    (visible(reason)) " " span .num { (number(*count)) }
                }
            }
        }
        @if let Some(reason) = shown.reason { p .lead { (reason.explanation()) } }
        @if shown.page.rows.is_empty() {
            div .empty { p .lead { "No file was rejected" @if shown.reason.is_some() { " for this reason" } "." } }
        } @else {
            form method="post" action={ (base) "/retry" } {
                @if let Some(reason) = shown.reason { input type="hidden" name="reason" value=(reason.as_str()); }
                button type="submit" {
                    "Try " @if shown.reason.is_some() { "these" } @else { "all of them" } " again"
                }
                span .muted { " A file stays rejected until " code { "galmorph watch" } " has a new answer." }
            }
            div .scroll tabindex="0" role="region" aria-label="Rejected files" {
                table .list {
                    thead { tr { th scope="col" { "File" } th scope="col" { "Reason" } th scope="col" { "What was wrong" } th scope="col" .num { "Tries" } th scope="col" { "Last tried" } } }
                    tbody {
                        @for row in &shown.page.rows {
                            tr {
                                td .mono .break { (readable(text_path(row.text("path").unwrap_or_default()))) }
                                td { span .flag { (visible(row.text("reason").unwrap_or_default())) } @if row.is_queued { " " span .said { "queued" } } }
                                td .break { (visible(row.text("message").unwrap_or_default())) }
                                td .num { (row.number("attempts").unwrap_or_default()) }
                                td { (time(row.text("updated").unwrap_or_default())) }
                            }
                        }
                    }
                }
            }
            nav .pages aria-label="More files" {
                @if let Some(previous) = turn("before", &shown.page.previous) { a .button href=(previous) rel="prev" { "← Previous" } }
                @if !shown.is_first { a .button href=(at(&[])) { "First page" } }
                @if let Some(next) = turn("after", &shown.page.next) { a .button href=(next) rel="next" { "Next →" } }
            }
        }
    };
    frame.page("Rejected files", &content)
}

/// What became of the last retry. Whatever an address claims is shown as numbers alone.
fn said(shown: &Rejected) -> Markup {
    let counts = shown.queued.as_deref().map(|text| {
        text.split('.')
            .map(|count| count.parse::<u64>().ok())
            .collect::<Option<Vec<u64>>>()
    });
    let Some([queued, before, gone, not_taken]) = counts
        .flatten()
        .as_deref()
        .and_then(|counts| <[u64; 4]>::try_from(counts).ok())
    else {
        return html! {};
    };
    html! {
        p .notice role="status" {
            b { (number(queued)) } " queued for another try."
            @if before > 0 { " " (number(before)) " were queued before." }
            @if gone > 0 { " " (number(gone)) " are gone." }
            @if not_taken > 0 { " " (number(not_taken)) " are not in a watched folder, or not taken by its settings." }
        }
    }
}
