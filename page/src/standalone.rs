//! A selection as one page that stands alone: for a mail, or a paper's appendix.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use galmorph_catalog::{Reader, Turn, files_of};
use galmorph_output::{Output, text_path, visible};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::picture::{Kind, PictureError, Shown, placeholder};
use crate::problem::resolve;
use crate::selection::{Query, Selection};
use crate::{Arguments, Failure, views};

/// Writes it.
pub(crate) fn write(arguments: &Arguments, file: &Path) -> Result<(), Failure> {
    let selection = Query::parse(arguments.select.trim_start_matches('?')).and_then(Selection::of);
    let selection = selection.map_err(|fault| Failure::Usage(format!("--select: {fault}")))?;
    let catalog = Reader::open_current(&arguments.catalog)?;
    let filter = resolve(&selection, &catalog)
        .map_err(|problem| Failure::Usage(format!("--select: {}", problem.text)))?;
    let page = catalog.page(&filter, None, &Turn::First, usize::from(arguments.limit))?;
    let images = page.rows.iter().filter_map(|row| row.text("path"));
    let inputs: Vec<PathBuf> = (files_of(&arguments.catalog).into_iter())
        .chain(images.map(text_path))
        .collect();
    let output = Output::at(file, arguments.force, &inputs)?;
    let provenance = catalog.provenance("", "")?;

    let mut cards = Vec::new();
    for row in &page.rows {
        let picture =
            match Shown::of(&catalog, row.id).and_then(|mut shown| shown.draw(Kind::Thumbnail)) {
                Ok(picture) => data(picture.media_type, &picture.bytes),
                Err(PictureError::NotShown(why)) => {
                    data("image/svg+xml", placeholder(why.why()).as_bytes())
                }
                Err(PictureError::Ask(error)) => return Err(Failure::Usage(error.to_string())),
            };
        let words = match &row.digest {
            Some(digest) => catalog.reviews(digest)?,
            None => Vec::new(),
        };
        cards.push(views::card(row, &words, &picture, None));
    }
    let models: Vec<String> = (provenance.models.iter())
        .map(|model| format!("{} (BLAKE3 {})", model.name, model.digest))
        .collect();
    let title = if selection.is_all() {
        "Galaxies".to_owned()
    } else {
        let conditions = selection
            .conditions()
            .map(|(name, value)| format!("{name}: {value}"));
        format!(
            "Galaxies with {}",
            conditions.collect::<Vec<_>>().join(", ")
        )
    };
    let count = views::number(cards.len() as u64);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                title { (visible(&title)) }
                style { (PreEscaped(views::STYLE)) }
            }
            body {
                main {
                    h1 { (visible(&title)) }
                    p .muted {
                        (count) @if page.next.is_some() { ", and there are more" } ". From catalog " (visible(&provenance.catalog)) ", "
                        (provenance.time) ", by galmorph-page " (env!("CARGO_PKG_VERSION")) "."
                    }
                    ul .grid { @for card in cards { (card) } }
                    p .muted .break { "Models in this catalog: " (visible(&models.join("; "))) }
                }
            }
        }
    };
    let text: Markup = markup;
    output.write(".galmorph-page-", text.into_string().as_bytes())?;
    Ok(())
}

fn data(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}
