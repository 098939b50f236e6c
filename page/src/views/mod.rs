//! The pages as HTML.
//!
//! maud escapes what it is given, so no name of a file or of an object is ever markup. Nothing is inline: styles and the
//! script are files of their own, and bars are drawings with attributes.

mod assets;
mod estimates;
mod galaxy;
mod gallery;
mod nights;
mod overview;
mod parts;
mod rejected;
mod review;
mod why;

use galmorph_output::visible;
use maud::{DOCTYPE, Markup, html};

use crate::problem::Problem;
pub(crate) use assets::{Assets, STYLE};
pub(crate) use estimates::{Estimates, estimates};
pub(crate) use galaxy::{Galaxy, galaxy};
pub(crate) use gallery::{Gallery, gallery};
pub(crate) use overview::{OverviewCache, overview};
pub(crate) use parts::{card, number};
pub(crate) use rejected::{Rejected, rejected};
pub(crate) use review::{Queue, Review, Undo, UndoOf, queues, review, who};
pub(crate) use why::Explanation;

/// What every page has around it.
pub(crate) struct Frame<'a> {
    pub(crate) base: &'a str,
    pub(crate) assets: &'a Assets,
    pub(crate) catalog: String,
    pub(crate) reviewer: Option<String>,
    pub(crate) tab: &'static str,
}

impl Frame<'_> {
    /// A page with this title around its content.
    fn page(&self, title: &str, content: &Markup) -> Markup {
        let base = self.base;
        let tabs = [
            ("overview", "/", "Overview"),
            ("galaxies", "/galaxies", "Galaxies"),
            ("review", "/review", "Review"),
            ("estimates", "/estimates", "Purity"),
            ("rejected", "/rejected", "Rejected"),
        ];
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (visible(title)) " · galmorph" }
                    link rel="stylesheet" href=(self.assets.address(base, "style.css"));
                    link rel="icon" type="image/svg+xml" href=(self.assets.address(base, "icon.svg"));
                    script defer src=(self.assets.address(base, "page.js")) {}
                }
                body {
                    a .skip href="#content" { "Skip to the content" }
                    header .top {
                        a .brand href={ (base) "/" } {
                            img src=(self.assets.address(base, "icon.svg")) alt="" width="22" height="22";
                            "galmorph"
                        }
                        nav aria-label="Pages" {
                            @for (tab, address, name) in tabs {
                                a href={ (base) (address) } aria-current=[(tab == self.tab).then_some("page")] { (name) }
                            }
                        }
                        p .where { span .mono { (self.catalog) } @if let Some(reviewer) = &self.reviewer { " · " (reviewer) } }
                    }
                    main #content { (content) }
                }
            }
        }
    }
}

/// What is wrong, in the place of a page.
pub(crate) fn problem(frame: &Frame, problem: &Problem) -> Markup {
    let title = problem.status.canonical_reason().unwrap_or("No answer");
    frame.page(
        title,
        &html! {
            div .narrow {
                h1 { (title) }
                p .lead { (visible(&problem.text)) }
                p { a href={ (frame.base) "/galaxies" } { "All galaxies" } " · " a href={ (frame.base) "/" } { "Overview" } }
            }
        },
    )
}
