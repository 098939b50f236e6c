//! Metrics and figures of one or several networks as one HTML page.
//!
//! The page is self-contained: its style and every picture are in the file, it has no script, and a
//! policy in its head forbids the browser to load anything. So it can be mailed, archived and printed.
//! The template escapes everything that comes from outside (names, ids, commands).

mod cells;
mod network;
mod summary;
mod trust;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::error::Result;
use crate::figures::{Evaluated, Figure};

/// The contents of a report.
#[derive(Default)]
pub(crate) struct Report {
    /// The networks, in the order of their sections.
    pub(crate) networks: Vec<Evaluated>,
    /// Models whose filters and feature maps are shown.
    pub(crate) models: Vec<ModelPages>,
    /// Figures of the labelled galaxies.
    pub(crate) galaxies: Vec<Captioned>,
    /// The most confident mistakes, one figure for each network.
    pub(crate) wrong: Vec<Captioned>,
}

/// The figures of one model.
pub(crate) struct ModelPages {
    /// The model's name.
    pub(crate) name: String,
    /// The network and its parameters.
    pub(crate) network: String,
    /// Filters, and feature maps of some galaxies.
    pub(crate) figures: Vec<Captioned>,
}

/// A figure and its caption.
pub(crate) struct Captioned {
    /// The drawing.
    pub(crate) figure: Figure,
    /// What it shows.
    pub(crate) caption: String,
}

impl Captioned {
    /// Adds a caption to a figure.
    pub(crate) fn new(figure: Figure, caption: impl Into<String>) -> Self {
        Self {
            figure,
            caption: caption.into(),
        }
    }

    fn html(&self) -> Markup {
        html! {
            figure {
                div.drawing role="img" aria-label=(self.caption) { (PreEscaped(self.figure.svg())) }
                figcaption { (self.caption) }
            }
        }
    }
}

/// A section of the page, and its entry in the table of contents.
struct Section {
    anchor: String,
    title: String,
    content: Markup,
}

/// How the page looks: light, dark and on paper.
const CSS: &str = include_str!("style.css");

/// The browser loads nothing and runs nothing, whatever the page contains.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

impl Report {
    /// The page.
    pub(crate) fn html(&self) -> Result<String> {
        let mut sections = vec![Section {
            anchor: "summary".into(),
            title: "Summary".into(),
            content: summary::html(&self.networks),
        }];
        for (number, evaluated) in self.networks.iter().enumerate() {
            sections.push(Section {
                anchor: format!("network-{}", number + 1),
                title: evaluated.evaluation.subject.model.clone(),
                content: network::html(evaluated)?,
            });
        }
        for (number, model) in self.models.iter().enumerate() {
            sections.push(Section {
                anchor: format!("inside-{}", number + 1),
                title: format!("Inside {}", model.name),
                content: html! {
                    p { (model.network) }
                    (all(&model.figures))
                },
            });
        }
        for (anchor, title, figures) in [
            ("galaxies", "The galaxies", &self.galaxies),
            ("wrong", "The most confidently wrong answers", &self.wrong),
        ] {
            if !figures.is_empty() {
                sections.push(Section {
                    anchor: anchor.into(),
                    title: title.into(),
                    content: all(figures),
                });
            }
        }
        Ok(self.page(&sections).into_string())
    }

    fn page(&self, sections: &[Section]) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "Galaxy morphology networks: " (self.title()) }
                    style { (PreEscaped(CSS)) }
                }
                body {
                    header {
                        h1 { "Galaxy morphology networks" }
                        p {
                            "Written by galmorph-train " (env!("CARGO_PKG_VERSION"))
                            ". References are to Zhu et al. 2019, Astrophysics and Space Science 364, 55."
                        }
                        nav aria-label="Contents" {
                            ul {
                                @for section in sections {
                                    li { a href={ "#" (section.anchor) } { (section.title) } }
                                }
                            }
                        }
                    }
                    main {
                        @for section in sections {
                            section id=(section.anchor) {
                                h2 { (section.title) }
                                (section.content)
                            }
                        }
                    }
                }
            }
        }
    }

    fn title(&self) -> String {
        let names = self
            .networks
            .iter()
            .map(|evaluated| evaluated.evaluation.subject.model.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

fn all(figures: &[Captioned]) -> Markup {
    html! { @for figure in figures { (figure.html()) } }
}
