//! Galaxies one after the other, to be judged.

use galmorph_catalog::{Judgement, Reviewed, Turn};
use galmorph_output::visible;
use maud::{Markup, html};

use super::Frame;
use super::galaxy::{Galaxy, answer, buttons, identity, image};
use super::parts::{number, word_name};
use crate::selection::{Selection, address};

/// In which order galaxies are shown to a reviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    LeastSure,
    Novel,
    Flagged,
    Random,
}

impl Queue {
    pub(crate) const ALL: [Self; 4] = [Self::LeastSure, Self::Novel, Self::Flagged, Self::Random];

    /// The name in addresses and in the catalog.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LeastSure => "least-sure",
            Self::Novel => "novel",
            Self::Flagged => "flagged",
            Self::Random => "random",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::LeastSure => "Least sure",
            Self::Novel => "Novel",
            Self::Flagged => "Flagged",
            Self::Random => "Random sample",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::LeastSure => {
                "The galaxies that the model is least sure of. Training learns most from these."
            }
            Self::Novel => {
                "Images unlike those that the model was trained on, the most unlike first."
            }
            Self::Flagged => "Images with a flag: padded, saturated, off centre and so on.",
            Self::Random => {
                "A fair sample, to measure purity and completeness. The model's answer is hidden, and everybody is shown the same galaxies."
            }
        }
    }
}

/// A word that can be undone, and what counted before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undo {
    pub(crate) id: i64,
    pub(crate) before: Option<Judgement>,
}

pub(crate) struct Review<'a> {
    pub(crate) queue: Queue,
    pub(crate) selection: &'a Selection,
    pub(crate) galaxy: Option<Galaxy>,
    pub(crate) own: Option<Reviewed>,
    pub(crate) undo: Option<UndoOf>,
    pub(crate) undo_text: String,
    pub(crate) turn: Turn,
    pub(crate) passed: i64,
    /// A name and a value of the address that passes over this galaxy.
    pub(crate) skip: Option<(&'static str, String)>,
    /// How many of the random sample are done.
    pub(crate) done: usize,
}

/// The last word, with the content that it is about.
pub(crate) struct UndoOf {
    pub(crate) undo: Undo,
    pub(crate) digest: String,
    pub(crate) object: String,
}

/// The queues, and who reviews.
pub(crate) fn queues(frame: &Frame, reviewers: &[(String, u64)]) -> Markup {
    let content = html! {
        h1 { "Review" }
        (name_form(frame, None))
        ul .queues {
            @for queue in Queue::ALL {
                li { a href={ (frame.base) "/review?queue=" (queue.name()) } { b { (queue.title()) } span { (queue.meaning()) } } }
            }
        }
        @if !reviewers.is_empty() {
            h2 { "So far" }
            table .list {
                thead { tr { th scope="col" { "Reviewer" } th scope="col" .num { "images" } } }
                tbody { @for (name, count) in reviewers { tr { td { (visible(name)) } td .num { (number(*count)) } } } }
            }
            p { code { "galmorph export labels.csv --reviewed --format labels" } " writes what " code { "galmorph-train --labels" } " reads." }
        }
    };
    frame.page("Review", &content)
}

/// Asks for a reviewer's name.
pub(crate) fn who(frame: &Frame, queue: Queue) -> Markup {
    let content = html! {
        div .narrow {
            h1 { "Who reviews?" }
            p .lead { "Your name is written beside each of your reviews, so that two reviewers can be compared." }
            (name_form(frame, Some(queue)))
        }
    };
    frame.page("Who reviews?", &content)
}

fn name_form(frame: &Frame, queue: Option<Queue>) -> Markup {
    html! {
        form .row method="post" action={ (frame.base) "/reviewer" } {
            @if let Some(queue) = queue { input type="hidden" name="queue" value=(queue.name()); }
            label { "Your name" input name="name" required maxlength="64" autocomplete="nickname" value=[frame.reviewer.as_deref()]; }
            button type="submit" { @if frame.reviewer.is_some() { "Change" } @else { "Begin" } }
        }
    }
}

pub(crate) fn review(frame: &Frame, shown: &Review) -> Markup {
    let base = frame.base;
    let mut kept: Vec<(String, String)> = vec![("queue".into(), shown.queue.name().into())];
    kept.extend(shown.selection.conditions().cloned());
    let mut place: Vec<(String, String)> = Vec::new();
    match &shown.turn {
        Turn::First => {}
        Turn::After(at) => place.push(("after".into(), at.to_word())),
        Turn::Before(at) => place.push(("before".into(), at.to_word())),
    }
    if shown.passed > 0 {
        place.push(("passed".into(), shown.passed.to_string()));
    }
    let hidden = html! {
        @for (name, value) in kept.iter().chain(&place) { input type="hidden" name=(name) value=(value); }
        @if !shown.undo_text.is_empty() { input type="hidden" name="undo" value=(shown.undo_text); }
    };
    let skip = shown.skip.as_ref().map(|(name, value)| {
        let mut pairs = kept.clone();
        pairs.push(((*name).to_owned(), value.clone()));
        if !shown.undo_text.is_empty() {
            pairs.push(("undo".into(), shown.undo_text.clone()));
        }
        format!("{base}/review?{}", address(&pairs))
    });
    let tabs = html! {
        nav .classes aria-label="Queues" {
            @for queue in Queue::ALL {
                a .chip href={ (base) "/review?queue=" (queue.name()) } aria-current=[(queue == shown.queue).then_some("true")] { (queue.title()) }
            }
            @if shown.queue == Queue::Random { a .chip href={ (base) "/estimates" } { (shown.done) " done · see the estimates" } }
        }
    };
    let undo = html! {
        @if let Some(last) = &shown.undo {
            form #undo method="post" action={ (base) "/review" } {
                input type="hidden" name="id" value=(last.undo.id);
                input type="hidden" name="digest" value=(last.digest);
                input type="hidden" name="undoing" value="yes";
                input type="hidden" name="word" value=(last.undo.before.map_or("back", Judgement::name));
                (hidden)
                button type="submit" .quiet data-key="u" { kbd { "u" } " undo the last" }
                span .muted { " " (last.object) }
            }
        }
    };
    let content = html! {
        h1 .hidden { "Review: " (shown.queue.title()) }
        (tabs)
        @match &shown.galaxy {
            None => {
                div .empty {
                    p .lead { @if place.is_empty() { "Nothing is left in this queue." } @else { "That was the last one." } }
                    @if !place.is_empty() { p { a href={ (base) "/review?queue=" (shown.queue.name()) } { "Begin again with those that were skipped" } } }
                }
                (undo)
            }
            Some(galaxy) => {
                div .galaxy .reviewing {
                    div .left {
                        (image(frame, galaxy))
                        p .object { a href={ (base) "/galaxy/" (galaxy.row.id) } { (galaxy.object()) } }
                    }
                    div .right {
                        section {
                            h2 { "What is it?" }
                            form #judge .words method="post" action={ (base) "/review" } {
                                (identity(galaxy)) (hidden)
                                (buttons(shown.own.as_ref().and_then(|own| own.judgement)))
                                label .note { kbd { "n" } " note" input #note name="note" maxlength="1000" autocomplete="off" data-key="n"; }
                            }
                            div .row {
                                @if let Some(skip) = skip { a .button .quiet href=(skip) data-key="s" { kbd { "s" } " skip" } }
                                (undo)
                            }
                            @if let Some(word) = shown.own.as_ref().and_then(|own| own.judgement) {
                                p .muted { "You said " b { (word_name(word)) } " before." }
                            }
                        }
                        @if shown.queue == Queue::Random {
                            details { summary { "What the model says" } (answer(galaxy)) }
                        } @else { (answer(galaxy)) }
                    }
                }
            }
        }
    };
    frame.page(&format!("Review: {}", shown.queue.title()), &content)
}
