//! One galaxy: what was seen, what was answered, and where that comes from.

use galmorph_catalog::{CatalogError, FileRow, Judgement, OldAnswer, Reader, Reviewed};
use galmorph_cutout::{FRAME_SIDE, Flag, ModelCard, Morphology, PositionSource};
use galmorph_output::{readable, text_path, visible};
use maud::{Markup, html};

use super::Frame;
use super::parts::{class_name, colour, probabilities, probability, tag, time, word_name};
use super::why::{Explanation, explanation};
use crate::selection::address;

pub(crate) struct Galaxy {
    pub(crate) row: FileRow,
    pub(crate) digest: String,
    card: Option<ModelCard>,
    answers: Vec<OldAnswer>,
    words: Vec<Reviewed>,
}

impl Galaxy {
    /// All that is known of the galaxy of a row.
    pub(crate) fn find(catalog: &Reader, id: i64) -> Result<Option<Self>, CatalogError> {
        match catalog.classified(id)? {
            Some(row) => Self::of(catalog, row),
            None => Ok(None),
        }
    }

    pub(crate) fn of(catalog: &Reader, row: FileRow) -> Result<Option<Self>, CatalogError> {
        let Some(digest) = row.digest else {
            return Ok(None);
        };
        let card = catalog.card(row.text("model"))?;
        Ok(Some(Self {
            digest: digest.to_hex().to_string(),
            card: card.and_then(|card| serde_json::from_str(&card).ok()),
            answers: catalog.answers(&digest)?,
            words: catalog.reviews(&digest)?,
            row,
        }))
    }

    pub(super) fn object(&self) -> String {
        visible(self.row.text("object_id").unwrap_or_default()).into_owned()
    }

    fn position(&self) -> Option<(f64, f64)> {
        self.row.number("ra").zip(self.row.number("dec"))
    }
}

pub(crate) fn galaxy(frame: &Frame, galaxy: &Galaxy, why: &Explanation) -> Markup {
    let object = galaxy.object();
    let content = html! {
        div .galaxy {
            div .left {
                h1 { (object) }
                (image(frame, galaxy))
                (views(frame, galaxy))
            }
            div .right {
                (answer(galaxy))
                (explanation(frame, galaxy, why))
                (said(frame, galaxy))
                (elsewhere(galaxy))
                (provenance(galaxy))
                (history(galaxy))
            }
        }
    };
    frame.page(&object, &content)
}

/// The image, with the frame and the crops that the network saw drawn over it.
pub(super) fn image(frame: &Frame, galaxy: &Galaxy) -> Markup {
    let row = &galaxy.row;
    let base = frame.base;
    let number = |column: &str| row.number(column);
    let place = number("frame_x")
        .zip(number("frame_y"))
        .zip(number("frame_side"));
    let (width, height) = row.dimensions.unwrap_or((1, 1));
    let scales = galaxy
        .card
        .as_ref()
        .map(|card| &card.preprocessing.test_scales);
    let crops = scales
        .into_iter()
        .flatten()
        .map(|scale| f64::from(*scale) / f64::from(FRAME_SIDE));
    let square = |x: f64, y: f64, side: f64, name: &str| {
        let at = |middle: f64| format!("{:.2}", middle - side / 2.0);
        html! { rect .(name) x=(at(x)) y=(at(y)) width=(format!("{side:.2}")) height=(format!("{side:.2}")) {} }
    };
    html! {
        figure .picture {
            div .stack {
                img #image src={ (base) "/image/" (row.id) } width=(width) height=(height)
                    alt={ "Image of " (galaxy.object()) };
                @if let Some(((x, y), side)) = place {
                    svg .overlay viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" {
                        (square(x, y, side, "frame"))
                        @for crop in crops { (square(x, y, side * crop, "crop")) }
                    }
                }
            }
            @if let Some((_, side)) = place {
                figcaption {
                    label .check { input #overlay type="checkbox" checked; "framing" }
                    span .muted {
                        (width) " × " (height) " px; frame of " (format!("{side:.0}")) " px, found by "
                        em { (row.text("framing").unwrap_or("?")) }
                        @match galaxy.card.as_ref().map(|card| card.preprocessing.test_scales.len()) {
                            None => {}
                            Some(1) => "; one crop",
                            Some(count) => { "; " (count) " crops" }
                        }
                    }
                }
            }
        }
    }
}

fn views(frame: &Frame, galaxy: &Galaxy) -> Markup {
    let scales = galaxy
        .card
        .as_ref()
        .map(|card| card.preprocessing.test_scales.len());
    html! {
        section {
            h2 { "What the network saw" }
            img .views src={ (frame.base) "/views/" (galaxy.row.id) } loading="lazy"
                alt={ "The views of " (galaxy.object()) " that the network saw" };
            @match scales {
                None => {}
                Some(1) => p .muted { "one view, before it is normalised" },
                Some(scales) => p .muted { (scales) " views, before they are normalised" },
            }
        }
    }
}

/// The five bars, the set, the novelty and the flags.
pub(super) fn answer(galaxy: &Galaxy) -> Markup {
    let row = &galaxy.row;
    let values = probabilities(row);
    let novelty = row.number("novelty");
    let limit = galaxy.card.as_ref().and_then(|card| card.novelty.as_ref());
    let flags = row.text("flags").unwrap_or_default();
    let flags: Vec<Flag> = flags
        .split(',')
        .filter_map(|flag| flag.parse().ok())
        .collect();
    html! {
        section .answer {
            h2 { "Answer" }
            table .bars {
                caption .hidden { "The probability of each class" }
                tbody {
                    @for class in Morphology::ALL {
                        @let value = values[class.id()];
                        tr .most[row.label() == Some(class)] {
                            th scope="row" { (class_name(class)) }
                            td .bar {
                                svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                                    rect .track x="0" y="0" width="100" height="10" {}
                                    rect .(colour(class)) x="0" y="0" width=(format!("{:.2}", 100.0 * value)) height="10" {}
                                }
                            }
                            td .num { (probability(value)) }
                        }
                    }
                }
            }
            dl .facts {
                @if let Some(set) = row.text("prediction_set") {
                    div { dt { "Prediction set" } dd {
                        @for class in set.split('|').filter_map(|name| name.parse::<Morphology>().ok()) { (tag(class)) " " }
                    } }
                }
                @if let Some(class) = row.text("label_balanced").and_then(|name| name.parse::<Morphology>().ok()) {
                    div { dt { "If all classes were equally common" } dd { (tag(class)) } }
                }
                @if let Some(novelty) = novelty {
                    div { dt { "Novelty" } dd {
                        span .num { (format!("{novelty:.3}")) }
                        @if let Some(limit) = limit {
                            @if limit.is_novel(novelty as f32) { " " b .warn { "unlike the training images" } }
                            @else if let Some(rank) = limit.rank(novelty as f32) {
                                span .muted { " above " (format!("{:.0}", 100.0 * rank)) " % of held-out galaxies" }
                            }
                        }
                    } }
                }
                @for flag in flags {
                    div { dt { span .flag { (flag.as_str()) } } dd { (flag.explanation()) } }
                }
            }
        }
    }
}

/// What people say, and a form to say something.
fn said(frame: &Frame, galaxy: &Galaxy) -> Markup {
    let own = frame.reviewer.as_ref();
    let own = own.and_then(|name| galaxy.words.iter().find(|word| word.reviewer == *name));
    let own = own.and_then(|word| word.judgement);
    html! {
        section {
            h2 { "Reviews" }
            @if galaxy.words.iter().any(|word| word.judgement.is_some()) {
                ul .plain {
                    @for word in &galaxy.words {
                        @if let Some(judgement) = word.judgement {
                            li { b { (word_name(judgement)) } span .muted { " by " (visible(&word.reviewer)) ", " (time(&word.at)) }
                                @if let Some(note) = &word.note { q { (visible(note)) } } }
                        }
                    }
                }
            } @else { p .muted { "Nobody has reviewed this image." } }
            @if frame.reviewer.is_some() {
                form .words method="post" action={ (frame.base) "/review" } {
                    (identity(galaxy))
                    input type="hidden" name="then" value="galaxy";
                    (buttons(own))
                    @if own.is_some() { button .word .quiet name="word" value="back" { "take back" } }
                }
            } @else {
                p { a href={ (frame.base) "/review" } { "Say who you are" } " to review it." }
            }
        }
    }
}

/// Which galaxy a form is about, and which content.
pub(super) fn identity(galaxy: &Galaxy) -> Markup {
    html! {
        input type="hidden" name="id" value=(galaxy.row.id);
        input type="hidden" name="digest" value=(galaxy.digest);
    }
}

/// A button for each word. `own` is the one that counts now.
pub(super) fn buttons(own: Option<Judgement>) -> Markup {
    let words = Morphology::ALL
        .into_iter()
        .map(Judgement::Class)
        .chain([Judgement::NoneOfThese]);
    html! {
        @for (at, word) in words.enumerate() {
            @let key = if at < Morphology::COUNT { (at + 1).to_string() } else { "0".to_owned() };
            button .word name="word" value=(word.name()) data-key=(key) aria-pressed=[own.map(|own| (own == word).to_string())] {
                kbd { (key) } " "
                @if let Some(class) = word.class() { span .dot .(colour(class)) {} }
                (word_name(word))
            }
        }
    }
}

/// The same place on the sky elsewhere.
fn elsewhere(galaxy: &Galaxy) -> Markup {
    let Some((ra, dec)) = galaxy.position() else {
        return html! {};
    };
    let (x, y) = (format!("{ra:.6}"), format!("{dec:.6}"));
    let both = format!("{x} {y}");
    let link = |host: &str, pairs: &[(&str, &str)]| format!("https://{host}?{}", address(pairs));
    let links = [
        (
            "Legacy Viewer",
            link(
                "www.legacysurvey.org/viewer",
                &[
                    ("ra", &x),
                    ("dec", &y),
                    ("layer", "ls-dr10"),
                    ("zoom", "15"),
                    ("mark", &format!("{x},{y}")),
                ],
            ),
        ),
        (
            "SDSS",
            link(
                "skyserver.sdss.org/dr18/VisualTools/navi",
                &[("ra", &x), ("dec", &y), ("scale", "0.2")],
            ),
        ),
        (
            "Aladin Lite",
            link(
                "aladin.cds.unistra.fr/AladinLite/",
                &[("target", &*both), ("fov", "0.03")],
            ),
        ),
        (
            "SIMBAD",
            link(
                "simbad.cds.unistra.fr/simbad/sim-coo",
                &[
                    ("Coord", &*both),
                    ("Radius", "10"),
                    ("Radius.unit", "arcsec"),
                ],
            ),
        ),
        (
            "NED",
            link(
                "ned.ipac.caltech.edu/conesearch",
                &[
                    ("search_type", "Near Position Search"),
                    ("ra", &x),
                    ("dec", &y),
                    ("radius", "0.17"),
                ],
            ),
        ),
    ];
    html! {
        section {
            h2 { "Elsewhere" }
            p .links { @for (name, address) in links { a href=(address) rel="noreferrer noopener external" target="_blank" { (name) } " " } }
        }
    }
}

fn provenance(galaxy: &Galaxy) -> Markup {
    let row = &galaxy.row;
    let path = readable(text_path(row.text("path").unwrap_or_default()));
    let text = |column: &str| row.text(column).map(|text| visible(text).into_owned());
    let position = galaxy.position().map(|(ra, dec)| {
        let from = row.text("position_from").unwrap_or_default();
        let from =
            PositionSource::of_name(from).map_or("an unknown source", PositionSource::as_str);
        format!("{ra:.6}°, {dec:+.6}° (ICRS, by {from})")
    });
    let radius = row
        .number("radius")
        .map(|radius| format!("{radius:.2}″ (petroR90)"));
    let arithmetic = text("arithmetic")
        .map(|arithmetic| format!(" ({arithmetic})"))
        .unwrap_or_default();
    let facts: [(&str, Option<Markup>); 10] = [
        ("File", Some(html! { span .mono .break { (path) } })),
        ("Position", position.map(|text| html! { (text) })),
        ("Radius", radius.map(|text| html! { (text) })),
        (
            "Model",
            text("model").map(|model| html! { (model) (arithmetic) }),
        ),
        (
            "Model digest",
            text("model_digest").map(|digest| html! { span .mono .break { (digest) } }),
        ),
        (
            "Shown as",
            row.rendering.as_ref().map(|text| html! { (visible(text)) }),
        ),
        ("Stretch", text("stretch").map(|text| html! { (text) })),
        ("Classified", text("classified_at").map(|text| time(&text))),
        ("Found", text("first_seen").map(|text| time(&text))),
        (
            "Image digest",
            Some(html! { span .mono .break { (galaxy.digest) } }),
        ),
    ];
    html! {
        section {
            h2 { "Provenance" }
            dl .facts {
                @for (name, value) in facts {
                    @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
                }
                @if let Some(version) = text("program_version") { div { dt { "Program" } dd { "galmorph " (version) } } }
            }
        }
    }
}

/// What all models have said of this image.
fn history(galaxy: &Galaxy) -> Markup {
    if galaxy.answers.len() < 2 {
        return html! {};
    }
    html! {
        section {
            h2 { "All answers" }
            div .scroll tabindex="0" role="region" aria-label="All answers" {
                table .list {
                    thead { tr { th scope="col" { "Label" } th scope="col" { "Confidence" } th scope="col" { "Model" } th scope="col" { "Shown as" } th scope="col" { "When" } } }
                    tbody {
                        @for answer in &galaxy.answers {
                            tr {
                                td { @if let Ok(class) = answer.label.parse() { (tag(class)) } @else { (visible(&answer.label)) } }
                                td .num { (probability(answer.confidence)) }
                                td { (visible(&answer.model)) }
                                td { (visible(&answer.rendering)) }
                                td { (time(&answer.at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
