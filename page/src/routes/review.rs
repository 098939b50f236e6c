//! Galaxies one after the other, and what a person says of each.
//!
//! The server keeps nothing of a visitor: where they are in a queue, and what they can undo, stands in the address. So a
//! reload, a second window and the button that goes back do what they promise, without a script too.

use blake3::Hash;
use galmorph_catalog::{
    CatalogError, FileRow, Filter, Judgement, NewReview, Order, Reader, Turn, Unreviewed, review,
};
use hyper::Response;
use hyper::header::{HeaderValue, SET_COOKIE};

use super::{App, Asked, number, page, turn};
use crate::answer::{Body, see_other};
use crate::catalog::{AskError, Deadline};
use crate::problem::{Problem, resolve};
use crate::sample::{LOOKS, sequence};
use crate::selection::{Selection, address};
use crate::statistics;
use crate::views::{self, Queue, Undo, UndoOf};

/// The cookie with the reviewer's name.
pub(super) const COOKIE_NAME: &str = "galmorph-reviewer";
/// The longest name and the longest note, in characters.
const LONGEST_NAME: usize = 64;
const LONGEST_NOTE: usize = 1000;
/// How many words can be undone.
const UNDONE: usize = 20;

/// A reviewer's name as it is kept.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let name = text.trim();
    if name.is_empty()
        || name.chars().count() > LONGEST_NAME
        || name.contains(galmorph_output::is_unseen)
    {
        let fault = format!(
            "A reviewer's name has 1 to {LONGEST_NAME} characters, all of which can be seen."
        );
        return Err(Problem::bad(fault));
    }
    Ok(name.to_owned())
}

/// What can be undone, the last one first: `ID.WORD`, of which the word is what counted before.
fn undos(text: Option<String>) -> Result<Vec<Undo>, Problem> {
    let broken = || Problem::bad("This address is incomplete: nothing can be undone by it.");
    let text = text.unwrap_or_default();
    let parts = text.split(',').filter(|part| !part.is_empty());
    let read = |part: &str| {
        let (id, word) = part.split_once('.')?;
        let before = if word.is_empty() {
            None
        } else {
            Some(word.parse().ok()?)
        };
        Some(Undo {
            id: number(id).ok()?,
            before,
        })
    };
    parts.map(|part| read(part).ok_or_else(broken)).collect()
}

fn undo_text(undos: &[Undo]) -> String {
    let parts = undos.iter().take(UNDONE).map(|undo| {
        let before = undo.before.map_or("", Judgement::name);
        format!("{}.{before}", undo.id)
    });
    parts.collect::<Vec<_>>().join(",")
}

fn queue(text: Option<String>) -> Result<Option<Queue>, Problem> {
    text.map(|name| {
        let known = Queue::ALL.into_iter().find(|queue| queue.name() == name);
        known.ok_or_else(|| Problem::bad("There is no queue of this name."))
    })
    .transpose()
}

/// A name and a value of an address that passes over a galaxy.
type Skip = (&'static str, String);

/// Where a reviewer is.
struct Station {
    queue: Queue,
    selection: Selection,
    undos: Vec<Undo>,
    /// The galaxy that is to be shown, whoever's turn it is.
    show: Option<i64>,
}

impl App {
    pub(super) fn review(
        &self,
        mut asked: Asked,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let frame = self.frame(&asked, "review");
        let Some(queue) = queue(asked.query.take("queue"))? else {
            return self.catalog.ask(deadline, |catalog| {
                let reviewers = catalog.reviewers()?;
                Ok(page(views::queues(&frame, &reviewers)))
            });
        };
        let Some(reviewer) = frame.reviewer.clone() else {
            return Ok(page(views::who(&frame, queue)));
        };
        let passed = asked.query.take("passed");
        let show = asked.query.take("show").map(|id| number(&id)).transpose()?;
        let undos = undos(asked.query.take("undo"))?;
        let turn = turn(&mut asked.query)?;
        let station = Station {
            queue,
            undos,
            show,
            selection: Selection::of(asked.query).map_err(Problem::bad)?,
        };
        let passed = passed
            .map(|passed| number(&passed))
            .transpose()?
            .unwrap_or(0);
        self.catalog.ask(deadline, |catalog| {
            let (row, skip) = station.find(catalog, &reviewer, &turn, passed)?;
            let galaxy = match &row {
                Some(row) => views::Galaxy::of(catalog, row.clone())?,
                None => None,
            };
            let words = match row.as_ref().and_then(|row| row.digest) {
                Some(digest) => catalog.reviews(&digest)?,
                None => Vec::new(),
            };
            let done = match queue {
                Queue::Random => catalog.words_in_queue(&reviewer, queue.name())?.len(),
                _ => 0,
            };
            let shown = views::Review {
                queue,
                selection: &station.selection,
                galaxy,
                own: words.into_iter().find(|word| word.reviewer == reviewer),
                undo: last_word(catalog, &station.undos)?,
                undo_text: undo_text(&station.undos),
                turn: turn.clone(),
                passed,
                skip,
                done,
            };
            Ok(page(views::review(&frame, &shown)))
        })
    }

    /// Writes down what a person says.
    pub(super) fn take_review(
        &self,
        mut asked: Asked,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let reviewer = asked.reviewer();
        let reviewer =
            reviewer.ok_or_else(|| Problem::bad("Say who you are first: open Review."))?;
        let form = &mut asked.form;
        let id = form
            .take("id")
            .ok_or_else(|| Problem::bad("The form names no galaxy."))?;
        let id = number(&id)?;
        let digest = form
            .take("digest")
            .and_then(|digest| Hash::from_hex(digest).ok());
        let digest = digest.ok_or_else(|| Problem::bad("The form does not say what was shown."))?;
        let judgement = match form.take("word").as_deref() {
            None | Some("back") => None,
            Some(word) => Some(
                word.parse()
                    .map_err(|()| Problem::bad("There is no such class."))?,
            ),
        };
        let note = form.take("note");
        if note
            .as_ref()
            .is_some_and(|note| note.chars().count() > LONGEST_NOTE)
        {
            return Err(Problem::bad(format!(
                "A note has at most {LONGEST_NOTE} characters."
            )));
        }
        let is_undo = form.take("undoing").is_some();
        let queue = queue(form.take("queue"))?;
        let then = form.take("then");
        let mut undos = undos(form.take("undo"))?;
        let (after, before, passed) =
            (form.take("after"), form.take("before"), form.take("passed"));
        let rest = Selection::of(asked.form).map_err(Problem::bad)?;

        // A person speaks of what they saw.
        let row = self
            .catalog
            .ask(deadline, |catalog| {
                Ok::<_, AskError>(catalog.classified(id)?)
            })?
            .ok_or_else(Problem::missing)?;
        if row.digest != Some(digest) {
            let fault =
                "The image has changed since it was shown. Nothing was recorded; look at it again.";
            return Err(Problem::new(hyper::StatusCode::CONFLICT, fault));
        }
        let said = NewReview {
            digest,
            reviewer,
            judgement,
            queue: queue.map(|queue| queue.name().to_owned()),
            note,
        };
        let before_this = review(self.catalog.path(), &said).map_err(|error| {
            log::warn!("{error}");
            let fault = "The catalog takes no reviews just now, so nothing was recorded. Go back and try again.";
            Problem::new(hyper::StatusCode::SERVICE_UNAVAILABLE, fault)
        })?;
        let base = self.base();
        if then.as_deref() == Some("galaxy") {
            return Ok(see_other(&format!("{base}/galaxy/{id}")));
        }
        if is_undo {
            undos.retain(|undo| undo.id != id);
        } else {
            undos.insert(
                0,
                Undo {
                    id,
                    before: before_this,
                },
            );
        }
        let (undo, shown) = (undo_text(&undos), id.to_string());
        let mut pairs: Vec<(&str, &str)> =
            vec![("queue", queue.unwrap_or(Queue::LeastSure).name())];
        pairs.extend(rest.conditions().map(|(name, value)| (&**name, &**value)));
        for (name, value) in [("after", &after), ("before", &before), ("passed", &passed)] {
            pairs.extend(value.as_deref().map(|value| (name, value)));
        }
        if !undo.is_empty() {
            pairs.push(("undo", &undo));
        }
        if is_undo {
            pairs.push(("show", &shown));
        }
        Ok(see_other(&format!("{base}/review?{}", address(&pairs))))
    }

    /// Keeps a reviewer's name in their browser.
    pub(super) fn take_reviewer(&self, mut asked: Asked) -> Result<Response<Body>, Problem> {
        let name = name(&asked.form.take("name").unwrap_or_default())?;
        let queue = queue(asked.form.take("queue"))?;
        let base = self.base();
        let mut response = see_other(&match queue {
            Some(queue) => format!("{base}/review?queue={}", queue.name()),
            None => format!("{base}/review"),
        });
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let path = if base.is_empty() { "/" } else { base };
        let cookie = format!(
            "{COOKIE_NAME}={name}; Path={path}; Max-Age=31536000; SameSite=Strict; HttpOnly"
        );
        let cookie = HeaderValue::from_str(&cookie).expect("a cookie is made of plain characters");
        response.headers_mut().insert(SET_COOKIE, cookie);
        Ok(response)
    }

    pub(super) fn estimates(
        &self,
        asked: &Asked,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let frame = self.frame(asked, "estimates");
        let mut query = asked.query.clone();
        let wanted = query.take("reviewer").or_else(|| frame.reviewer.clone());
        self.catalog.ask(deadline, |catalog| {
            let reviewers = catalog.reviewers()?;
            let reviewer = wanted.or_else(|| Some(reviewers.first()?.0.clone()));
            let sample = match &reviewer {
                Some(reviewer) => labelled(catalog, reviewer)?,
                None => Vec::new(),
            };
            let shown = views::Estimates {
                by_class: statistics::by_class(&sample),
                sample: sample.len(),
                right: statistics::Fraction::new(
                    sample
                        .iter()
                        .filter(|(label, word)| word.class() == Some(*label))
                        .count() as u64,
                    sample.len() as u64,
                ),
                agreement: catalog.agreement()?,
                reviewer,
                reviewers,
            };
            Ok(page(views::estimates(&frame, &shown)))
        })
    }
}

/// The last word that can be undone. That of a row that is gone, or shows another image by now, can't.
fn last_word(catalog: &Reader, undos: &[Undo]) -> Result<Option<UndoOf>, CatalogError> {
    let Some(undo) = undos.first().copied() else {
        return Ok(None);
    };
    let row = catalog.classified(undo.id)?;
    Ok(row.and_then(|row| {
        Some(UndoOf {
            undo,
            digest: row.digest?.to_hex().to_string(),
            object: galmorph_output::visible(row.text("object_id")?).into_owned(),
        })
    }))
}

/// The galaxies of the random sample that a person has judged: what their rows say now, and what the person says.
fn labelled(
    catalog: &Reader,
    reviewer: &str,
) -> Result<Vec<(galmorph_cutout::Morphology, Judgement)>, CatalogError> {
    let words = catalog.words_in_queue(reviewer, Queue::Random.name())?;
    let mut sample = Vec::new();
    for (digest, word) in words {
        let row = catalog.of_digest(&digest)?;
        if let Some(label) = row.and_then(|row| row.label()) {
            sample.push((label, word));
        }
    }
    Ok(sample)
}

impl Station {
    /// The galaxy whose turn it is, and what an address needs to pass over it.
    fn find(
        &self,
        catalog: &Reader,
        reviewer: &str,
        turn: &Turn,
        passed: i64,
    ) -> Result<(Option<FileRow>, Option<Skip>), Problem> {
        if let Some(id) = self.show {
            return Ok((catalog.classified(id)?, None));
        }
        if self.queue == Queue::Random {
            let found = next_of_sample(catalog, reviewer, passed)?;
            let skip = found
                .as_ref()
                .map(|(place, _)| ("passed", (place + 1).to_string()));
            return Ok((found.map(|(_, row)| row), skip));
        }
        let filter = self.filter(resolve(&self.selection, catalog)?);
        let unreviewed = Some(Unreviewed { by: reviewer });
        let mut found = catalog.page(&filter, unreviewed, turn, 1)?;
        let skip = found.next.map(|place| ("after", place.to_word()));
        Ok((found.rows.pop(), skip))
    }

    fn filter(&self, filter: Filter) -> Filter {
        let order = |column: &str, descending| {
            Some(Order {
                column: column.into(),
                descending,
            })
        };
        match self.queue {
            Queue::LeastSure => Filter {
                order: order("confidence", false),
                ..filter
            },
            Queue::Novel => Filter {
                order: order("novelty", true),
                // Rows without one come last, and are no part of this queue.
                novelty: filter.novelty.or(Some(0.0)),
                ..filter
            },
            Queue::Flagged => Filter {
                order: order("confidence", false),
                any_flag: true,
                ..filter
            },
            Queue::Random => filter,
        }
    }
}

/// The next galaxy of the random sample that this person was not shown in it, from a place on, and its place.
fn next_of_sample(
    catalog: &Reader,
    reviewer: &str,
    passed: i64,
) -> Result<Option<(i64, FileRow)>, CatalogError> {
    let seen = catalog.words_in_queue(reviewer, Queue::Random.name())?;
    let seen: std::collections::HashSet<Hash> =
        seen.into_iter().map(|(digest, _)| digest).collect();
    let places = (0_i64..).zip(sequence(catalog.last_id()?)).take(LOOKS);
    for (place, id) in places.skip(usize::try_from(passed).unwrap_or(usize::MAX)) {
        if !catalog.is_classified(id)? {
            continue;
        }
        let row = catalog.classified(id)?;
        if let Some(row) =
            row.filter(|row| row.digest.is_some_and(|digest| !seen.contains(&digest)))
        {
            return Ok(Some((place, row)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_undone_stands_in_the_address() {
        let text = "12.spiral,7.,3.none";
        let read = undos(Some(text.into())).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[1].before, None);
        assert_eq!(undo_text(&read), text);
        assert!(undos(None).unwrap().is_empty());
        for text in ["12", "12.elliptical", "-1.", "x.spiral", "12.spiral.x"] {
            assert!(undos(Some(text.into())).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_one_line_that_can_be_seen() {
        assert_eq!(name("  Ana Núñez ").unwrap(), "Ana Núñez");
        for text in ["", "  ", "a\nb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
