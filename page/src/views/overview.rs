//! What the catalog holds, and how it is going.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use galmorph_catalog::{
    AnswersOfDay, CatalogError, LoggedError, Night, Overview, Reader, is_watched,
};
use galmorph_cutout::{ClassMix, ModelCard, Morphology};
use galmorph_output::{readable, visible};
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, html};

use super::Frame;
use super::nights::nights;
use super::parts::{class_name, colour, number, percent, time};
use crate::catalog::{AskError, Catalog, Deadline};
use crate::sample::sample;

/// Spans of time, in days, over which answers are counted by class: the longest with at most so many answers.
const SPANS: [i64; 3] = [30, 7, 2];
const MOST_ANSWERS: u64 = 300_000;
/// The class mix of a large catalog is that of a sample of so many.
const MIXED: usize = 20_000;

pub(crate) struct Data {
    counts: Overview,
    model: Option<(String, String, Option<String>)>,
    folders: Vec<String>,
    error: Option<LoggedError>,
    rates: [f64; 2],
    is_running: Option<bool>,
    days: Option<(i64, Vec<AnswersOfDay>)>,
    nights: Vec<Night>,
    mix: Option<ClassMix>,
    taken_at: String,
}

/// The last overview. Large catalogs take seconds to count, so it is kept for twenty times as long as it took.
#[derive(Default)]
pub(crate) struct OverviewCache(Mutex<Option<(Instant, Duration, Arc<Data>)>>);

impl OverviewCache {
    pub(crate) fn get(
        &self,
        catalog: &Catalog,
        deadline: &Deadline,
    ) -> Result<Arc<Data>, AskError> {
        // Who comes while it is counted waits for the same numbers.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, took, data)) = &*kept {
            let lifetime = (*took * 20).clamp(Duration::from_secs(1), Duration::from_mins(5));
            if at.elapsed() < lifetime {
                return Ok(Arc::clone(data));
            }
        }
        let began = Instant::now();
        let is_running = is_watched(catalog.path()).ok();
        let data = catalog.ask(deadline, |reader| {
            Ok::<_, AskError>(Arc::new(Data::count(reader, is_running)?))
        })?;
        *kept = Some((Instant::now(), began.elapsed(), Arc::clone(&data)));
        Ok(data)
    }
}

impl Data {
    fn count(catalog: &Reader, is_running: Option<bool>) -> Result<Self, CatalogError> {
        let watch = catalog.watch()?;
        let counts = catalog.overview()?;
        let total: u64 = counts.by_class.iter().sum();
        let model = watch
            .as_ref()
            .map(|watch| catalog.model(watch.model))
            .transpose()?;
        let mut days = None;
        for span in SPANS {
            let since = (Timestamp::now() - (span * 24).hours()).to_string();
            let since = since[..10].to_owned();
            if catalog.count_since(&since, MOST_ANSWERS)? < MOST_ANSWERS {
                days = Some((span, catalog.by_day(&since)?));
                break;
            }
        }
        let card = catalog.card(None)?;
        let card: Option<ModelCard> = card.and_then(|card| serde_json::from_str(&card).ok());
        let prior = card.and_then(|card| card.prior);
        let mix = match prior {
            Some(prior) if total > 0 => {
                let ids = sample(catalog, MIXED.min(usize::try_from(total).unwrap_or(MIXED)))?;
                ClassMix::estimate(catalog.probabilities(&ids)?, &prior)
            }
            _ => None,
        };
        let (folders, error) = match watch {
            Some(watch) => {
                let folders = watch.watched.folders.iter();
                (
                    folders.map(|folder| readable(&folder.path)).collect(),
                    watch.error,
                )
            }
            None => (Vec::new(), None),
        };
        Ok(Self {
            counts,
            model,
            folders,
            error,
            rates: [
                catalog.rate(Duration::from_mins(1))?,
                catalog.rate(Duration::from_hours(1))?,
            ],
            is_running,
            days,
            nights: catalog.last_nights()?,
            mix,
            taken_at: galmorph_catalog::time::now(),
        })
    }
}

pub(crate) fn overview(frame: &Frame, data: &Data) -> Markup {
    let base = frame.base;
    let classified: u64 = data.counts.by_class.iter().sum();
    let rejected: u64 = data.counts.by_reason.values().sum();
    let state = match data.is_running {
        Some(true) => "running",
        Some(false) => "not running",
        None => "unknown",
    };
    let content = html! {
        h1 .hidden { "Overview" }
        ul .totals {
            li { a href={ (base) "/galaxies" } { b { (number(classified)) } span { "classified" } } }
            li { a href={ (base) "/rejected" } { b { (number(rejected)) } span { "rejected" } } }
            li { div { b { (number(data.counts.queued)) } span { "to be tried again" } } }
            li { div { b { (format!("{:.1}", data.rates[0])) " /s" } span { "in the last minute" } } }
            li { div { b { (format!("{:.1}", data.rates[1])) " /s" } span { "in the last hour" } } }
            li { div { b .(if data.is_running == Some(true) { "good" } else { "still" }) { (state) } span { "galmorph watch" } } }
        }
        @if classified + rejected == 0 {
            div .empty {
                p .lead { "This catalog is empty." }
                p { "Galaxies appear here as " code { "galmorph watch" } " classifies them." }
            }
        }
        div .columns {
            (classes(base, data, classified))
            (days(data))
            (nights(&data.nights))
            (setup(data))
            (flags(base, data))
            (reasons(base, data))
        }
    };
    frame.page("Overview", &content)
}

fn classes(base: &str, data: &Data, total: u64) -> Markup {
    let most = data
        .counts
        .by_class
        .iter()
        .max()
        .copied()
        .unwrap_or(0)
        .max(1);
    html! {
        section {
            h2 { "Classes" }
            table .bars .corrected[data.mix.is_some()] {
                caption .hidden { "How many galaxies have each label" }
                thead { tr {
                    th scope="col" { span .hidden { "Class" } } td .bar {} th scope="col" .num { "labels" } th scope="col" .num { "share" }
                    @if data.mix.is_some() { th scope="col" .num { "corrected" } }
                } }
                tbody {
                    @for class in Morphology::ALL {
                        @let count = data.counts.by_class[class.id()];
                        tr {
                            th scope="row" { a href={ (base) "/galaxies?label=" (class.name()) } { (class_name(class)) } }
                            td .bar {
                                svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                                    rect .track x="0" y="0" width="100" height="10" {}
                                    rect .(colour(class)) x="0" y="0" width=(format!("{:.2}", 100.0 * count as f64 / most as f64)) height="10" {}
                                }
                            }
                            td .num { (number(count)) }
                            td .num { (format!("{:.1} %", 100.0 * count as f64 / total.max(1) as f64)) }
                            @if let Some(mix) = &data.mix { td .num { (percent(&mix.fractions[class])) } }
                        }
                    }
                }
            }
            @if let Some(mix) = &data.mix {
                p .muted { "Corrected: the class mix of the survey, from the probabilities of " (number(mix.galaxies))
                    " galaxies and the mix that the model was trained on, with 95 % intervals." }
            } @else if total > 0 {
                p .muted { "Labels as they are. The model in use does not say on which class mix it was trained, so they can't be corrected for this survey's." }
            }
        }
    }
}

/// Answers by day, as columns of a drawing and as a table for those who can't see it.
fn days(data: &Data) -> Markup {
    let Some((span, days)) = &data.days else {
        return html! {
            section { h2 { "By day" } p .muted { "More than " (number(MOST_ANSWERS)) " answers in two days: too many to draw." } }
        };
    };
    if days.is_empty() {
        return html! { section { h2 { "By day" } p .muted { "No answer in the last " (span) " days." } } };
    }
    let total = |day: &AnswersOfDay| day.by_class.iter().sum::<u64>();
    let most = days.iter().map(total).max().unwrap_or(1).max(1) as f64;
    let width = 600.0 / days.len().max(8) as f64;
    let pieces = |day: &AnswersOfDay| {
        let mut bottom = 120.0;
        Morphology::ALL.map(|class| {
            let height = 110.0 * day.by_class[class.id()] as f64 / most;
            bottom -= height;
            (colour(class), bottom, height)
        })
    };
    let (first, last) = (
        days.first().map_or("", |day| &day.day),
        days.last().map_or("", |day| &day.day),
    );
    html! {
        section {
            h2 { "By day" }
            svg .days viewBox="0 0 600 122" preserveAspectRatio="none" aria-hidden="true" {
                rect .axis x="0" y="120.5" width="600" height="1" {}
                @for (at, day) in days.iter().enumerate() {
                    g { title { (day.day) ": " (total(day)) }
                        @for (colour, top, height) in pieces(day) {
                            rect .(colour) x=(format!("{:.2}", at as f64 * width + 1.0)) y=(format!("{top:.2}"))
                                width=(format!("{:.2}", width - 2.0)) height=(format!("{height:.2}")) {}
                        }
                    }
                }
            }
            p .muted .ends { span { (first) } span { "at most " (number(most as u64)) " a day" } span { @if first != last { (last) } } }
            details {
                summary { "As a table" }
                div .scroll tabindex="0" role="region" aria-label="Answers by day" {
                    table .list {
                        thead { tr { th scope="col" { "Day" } @for class in Morphology::ALL { th scope="col" .num { (class_name(class)) } } } }
                        tbody { @for day in days { tr { th scope="row" { (day.day) } @for count in day.by_class { td .num { (number(count)) } } } } }
                    }
                }
            }
        }
    }
}

fn flags(base: &str, data: &Data) -> Markup {
    let raised: Vec<_> = data
        .counts
        .by_flag
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    html! {
        section {
            h2 { "Flags" }
            @if raised.is_empty() { p .muted { "No image has a flag." } } @else {
                dl .facts {
                    @for (flag, count) in raised {
                        div {
                            dt { a href={ (base) "/galaxies?flag=" (flag.as_str()) } { (flag.as_str()) } " " span .num { (number(*count)) } }
                            dd .muted { (flag.explanation()) }
                        }
                    }
                }
            }
        }
    }
}

fn reasons(base: &str, data: &Data) -> Markup {
    html! {
        section {
            h2 { "Rejected" }
            @if data.counts.by_reason.is_empty() { p .muted { "No file was rejected." } } @else {
                dl .facts {
                    @for (reason, count) in &data.counts.by_reason {
                        div { dt { a href={ (base) "/rejected?reason=" (visible(reason)) } { (visible(reason)) } } dd .num { (number(*count)) } }
                    }
                }
            }
        }
    }
}

fn setup(data: &Data) -> Markup {
    html! {
        section {
            h2 { "Set up" }
            dl .facts {
                @if let Some((name, digest, arithmetic)) = &data.model {
                    div { dt { "Model in use" } dd { (visible(name)) @if let Some(name) = arithmetic { " (" (name) ")" } br; span .mono .break .muted { (digest) } } }
                }
                @for folder in &data.folders { div { dt { "Folder" } dd { span .mono .break { (folder) } } } }
                @if let Some(newest) = &data.counts.newest { div { dt { "Newest answer" } dd { (time(newest)) } } }
                @if let Some(error) = &data.error {
                    div { dt { "Last warning" } dd { (visible(&error.message)) br; span .muted { (time(&error.at.to_string())) } } }
                }
                div { dt { "Counted" } dd { (time(&data.taken_at)) span .muted { " UTC. " code { "galmorph status" } " also counts the files that wait." } } }
            }
        }
    }
}
