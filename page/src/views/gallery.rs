//! Many galaxies, and which of them.

use galmorph_catalog::{FileRow, Place, Reviewed};
use galmorph_cutout::{Flag, Morphology};
use galmorph_output::visible;
use maud::{Markup, html};

use super::Frame;
use super::parts::{card, class_name, colour};
use crate::download::formats;
use crate::selection::{Selection, address};

pub(crate) struct Gallery {
    pub(crate) galaxies: Vec<(FileRow, Vec<Reviewed>)>,
    pub(crate) previous: Option<Place>,
    pub(crate) next: Option<Place>,
    pub(crate) is_first: bool,
    pub(crate) models: Vec<String>,
}

/// Orders that an index serves, and what each is.
const ORDERS: [(&str, &str); 6] = [
    ("confidence", "least sure first"),
    ("-confidence", "surest first"),
    ("-classified_at", "newest first"),
    ("classified_at", "oldest first"),
    ("object_id", "by object"),
    ("-novelty", "most novel first"),
];

pub(crate) fn gallery(frame: &Frame, selection: &Selection, shown: &Gallery) -> Markup {
    let base = frame.base;
    let at = |pairs: &[(String, String)]| format!("{base}/galaxies?{}", address(pairs));
    let turn = |name, place: &Option<Place>| {
        let word = place.as_ref().map(Place::to_word);
        word.map(|word| at(&selection.with(&[(name, Some(&word))])))
    };
    let (previous, next) = (turn("before", &shown.previous), turn("after", &shown.next));
    let pages = html! {
        nav .pages aria-label="More galaxies" {
            @if let Some(previous) = &previous { a .button href=(previous) rel="prev" { "← Previous" } }
            @if !shown.is_first { a .button href=(at(&selection.with(&[]))) { "First page" } }
            @if let Some(next) = &next { a .button href=(next) rel="next" { "Next →" } }
        }
    };
    let content = html! {
        h1 .hidden { "Galaxies" }
        nav .classes aria-label="Classes" {
            a .chip href=(at(&selection.with(&[("label", None)])))
                aria-current=[selection.value("label").is_none().then_some("true")] { "All" }
            @for class in Morphology::ALL {
                a .chip href=(at(&selection.with(&[("label", Some(class.name()))])))
                    aria-current=[(selection.request.filter.label == Some(class)).then_some("true")] {
                    span .dot .(colour(class)) {} (class_name(class))
                }
            }
        }
        (form(frame, selection, shown))
        (chosen(base, selection))
        @if shown.galaxies.is_empty() {
            div .empty {
                p .lead { @if selection.is_all() { "No galaxy has been classified yet." } @else { "No galaxy fits." } }
                @if selection.is_all() {
                    p { "They appear here as " code { "galmorph watch" } " classifies them." }
                } @else {
                    p { a href={ (base) "/galaxies" } { "Show all galaxies" } }
                }
            }
        } @else {
            ul .grid {
                @for (row, words) in &shown.galaxies {
                    (card(row, words, &format!("{base}/thumbnail/{}", row.id), Some(&format!("{base}/galaxy/{}", row.id))))
                }
            }
            (pages)
        }
    };
    frame.page("Galaxies", &content)
}

/// The conditions that hold, each with a way to be rid of it, and what else the selection can become.
fn chosen(base: &str, selection: &Selection) -> Markup {
    let conditions: Vec<_> = selection.conditions().collect();
    let without = |name: &str| {
        format!(
            "{base}/galaxies?{}",
            address(&selection.with(&[(name, None)]))
        )
    };
    html! {
        div .chosen {
            @for (name, value) in &conditions {
                a .chip .remove href=(without(name)) {
                    span .hidden { "Without " } (visible(name)) ": " (visible(value)) span aria-hidden="true" { " ×" }
                }
            }
            details .menu {
                summary { "Download" }
                div .panel {
                    p { "These rows, up to a million, with every column." }
                    ul {
                        @for (format, _) in formats() {
                            li {
                                a href={ (base) "/download?" (address(&selection.with(&[("format", Some(format.name()))]))) }
                                    { (format.name()) }
                                " " span .muted { (format.meaning()) }
                            }
                        }
                    }
                    p { "The same in a terminal:" }
                    pre tabindex="0" { code { (command(selection)) } }
                }
            }
            a .chip href={ (base) "/review?" (address(&with_queue(selection))) } { "Review these" }
        }
    }
}

fn with_queue(selection: &Selection) -> Vec<(String, String)> {
    selection.with(&[("sort", None), ("queue", Some("least-sure"))])
}

/// The selection as a command that a shell reads.
fn command(selection: &Selection) -> String {
    let mut command = "galmorph query".to_owned();
    for (name, value) in selection.with(&[]) {
        command.push_str(" --");
        command.push_str(&name);
        if !matches!(&*name, "with-position" | "reviewed") {
            let plain =
                |letter: char| letter.is_ascii_alphanumeric() || "-_./:,+@%".contains(letter);
            command.push('=');
            if value.chars().all(plain) {
                command.push_str(&value);
            } else {
                command.push('\'');
                command.push_str(&value.replace('\'', "'\\''"));
                command.push('\'');
            }
        }
    }
    visible(&command).into_owned()
}

fn form(frame: &Frame, selection: &Selection, shown: &Gallery) -> Markup {
    let value = |name: &str| selection.value(name).unwrap_or_default().to_owned();
    let field = |name: &str, label: &str, example: &str| {
        html! {
            label { (label) input name=(name) value=(value(name)) placeholder=(example) autocomplete="off"; }
        }
    };
    let sort = value("sort");
    let is_known = |sort: &str| sort.is_empty() || ORDERS.iter().any(|(known, _)| *known == sort);
    let choice = |name: &str, label: &str, choices: &[(&str, &str)]| {
        let now = value(name);
        html! {
            label { (label)
                select name=(name) {
                    option value="" {}
                    @for (one, text) in choices { option value=(one) selected[*one == now] { (text) } }
                }
            }
        }
    };
    let flags: Vec<(&str, &str)> = Flag::ALL
        .iter()
        .map(|flag| (flag.as_str(), flag.as_str()))
        .collect();
    let models: Vec<(&str, &str)> = shown.models.iter().map(|name| (&**name, &**name)).collect();
    // Of names that may be given again, the form has the first; the others stay.
    let more: Vec<(&str, &str)> = ["flag", "no-flag", "set"]
        .into_iter()
        .flat_map(|name| {
            selection
                .values(name)
                .skip(1)
                .map(move |value| (name, value))
        })
        .collect();
    let has_more = selection
        .conditions()
        .any(|(name, _)| !matches!(&**name, "label" | "id"));
    html! {
        form .filters action={ (frame.base) "/galaxies" } method="get" role="search" aria-label="Filter" {
            @if let Some(label) = selection.value("label") { input type="hidden" name="label" value=(label); }
            @for (name, value) in more { input type="hidden" name=(name) value=(value); }
            div .row {
                label { "Order"
                    select name="sort" {
                        @for (order, text) in ORDERS {
                            option value=(order) selected[order == sort] { (text) }
                        }
                        @if !is_known(&sort) { option value=(sort) selected { (sort) } }
                    }
                }
                (field("id", "Object", "its identifier"))
                button type="submit" { "Show" }
            }
            details open[has_more] {
                summary { "More filters" }
                div .fields {
                    (field("min-confidence", "Confidence from", "0.50"))
                    (field("max-confidence", "to", "0.90"))
                    (field("since", "Classified since", "yesterday, 12h, 2026-11-27"))
                    (field("until", "until", "2026-11-27T06:00"))
                    (field("cone", "Circle on the sky", "150.5,2.5,15'"))
                    (field("set", "Prediction set", "spiral,edge_on"))
                    (field("label-balanced", "Class if all were equally common", "cigar"))
                    (field("novelty", "Novelty from", "limit, or a number"))
                    (field("purity", "Sample of purity", "spiral=0.98"))
                    (choice("flag", "With flag", &flags))
                    (choice("no-flag", "Without flag", &flags))
                    (choice("model", "As answered by", &models))
                    div .checks {
                        label .check { input type="checkbox" name="with-position" value="yes" checked[selection.request.filter.with_position]; "with a position" }
                        label .check { input type="checkbox" name="reviewed" value="yes" checked[selection.request.filter.reviewed]; "reviewed" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Query;

    #[test]
    fn the_command_selects_the_same_rows() {
        let text = "label=spiral&cone=150.5,2.5,15%27&reviewed=yes&sort=-confidence";
        let selection = Selection::of(Query::parse(text).unwrap()).unwrap();
        assert_eq!(
            command(&selection),
            "galmorph query --label=spiral --cone='150.5,2.5,15'\\''' --reviewed --sort=-confidence"
        );
    }
}
