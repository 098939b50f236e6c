//! Metrics and figures of one or several networks as one HTML page.
//!
//! The page is whole in itself: its style and every picture are in the file, there is no script, and a
//! policy in its head forbids the browser to ask anyone for anything. It can be mailed, archived and
//! printed. Everything that comes from outside (names, ids, commands) is escaped by the template.

mod cells;
mod network;
mod summary;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::error::Result;
use crate::figures::{Evaluated, Figure};

/// What a report holds.
#[derive(Default)]
pub struct Report {
    /// The networks, in the order of their sections.
    pub networks: Vec<Evaluated>,
    /// Models that are shown from within.
    pub models: Vec<ModelPages>,
    /// Figures of the labelled galaxies.
    pub galaxies: Vec<Captioned>,
    /// The most confidently wrong answers, one page a network.
    pub wrong: Vec<Captioned>,
}

/// The figures of one model.
pub struct ModelPages {
    /// The model's name.
    pub name: String,
    /// The network and its parameters.
    pub network: String,
    /// Filters, and feature maps of some galaxies.
    pub figures: Vec<Captioned>,
}

/// A figure and what is written under it.
pub struct Captioned {
    /// The drawing.
    pub figure: Figure,
    /// What it shows.
    pub caption: String,
}

impl Captioned {
    /// Puts a caption to a figure.
    pub fn new(figure: Figure, caption: impl Into<String>) -> Self {
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

/// A part of the page, and how the table of contents leads to it.
struct Section {
    anchor: String,
    title: String,
    content: Markup,
}

/// How the page looks: light, dark and on paper.
const CSS: &str = include_str!("style.css");

/// Nothing is fetched and nothing runs, whatever the page holds.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

impl Report {
    /// The page.
    pub fn html(&self) -> Result<String> {
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
