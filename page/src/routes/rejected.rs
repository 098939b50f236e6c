//! Files that were rejected, and another try for them.

use std::path::Path;

use galmorph_catalog::{Chance, Exclusion, Turn, Watched, retry};
use galmorph_cutout::RejectReason;
use hyper::{Response, StatusCode};

use super::{App, Asked, page, turn};
use crate::answer::{Body, see_other};
use crate::catalog::{AskError, Deadline};
use crate::problem::Problem;
use crate::selection::address;
use crate::views;

/// The rejected files of a page.
const REJECTED_PAGE: usize = 100;

impl App {
    pub(super) fn rejected(
        &self,
        mut asked: Asked,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let frame = self.frame(&asked, "rejected");
        let turn = turn(&mut asked.query)?;
        let reason = asked.query.take("reason");
        let reason = reason
            .map(|reason| reason.parse::<RejectReason>())
            .transpose();
        let reason = reason.map_err(|error| Problem::bad(error.to_string()))?;
        let queued = asked.query.take("queued");
        self.catalog.ask(deadline, |catalog| {
            let shown = views::Rejected {
                counts: catalog.rows()?.by_reason,
                reason,
                page: catalog.rejected_page(
                    reason.map(RejectReason::as_str),
                    &turn,
                    REJECTED_PAGE,
                )?,
                is_first: turn == Turn::First,
                queued,
            };
            Ok(page(views::rejected(&frame, &shown)))
        })
    }

    /// Queues rejected files for another try, as `galmorph retry` does.
    pub(super) fn retry(&self, mut asked: Asked) -> Result<Response<Body>, Problem> {
        let reason = asked.form.take("reason");
        let reasons: Vec<RejectReason> = match &reason {
            Some(reason) => vec![
                reason
                    .parse()
                    .map_err(|_| Problem::bad("There is no such reason."))?,
            ],
            None => Vec::new(),
        };
        let watch = self.catalog.ask(&Deadline::default(), |catalog| {
            Ok::<_, AskError>(catalog.watch()?)
        })?;
        let watched = watch.map_or_else(Watched::default, |watch| watch.watched);
        let retried = retry(self.catalog.path(), &reasons, &[], |path| {
            chance(&watched, path)
        });
        let retried = retried.map_err(|error| {
            log::warn!("{error}");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The catalog takes no marks just now.",
            )
        })?;
        let queued: u64 = retried.queued.values().sum();
        let said = format!(
            "{queued}.{}.{}.{}",
            retried.queued_before, retried.gone.count, retried.not_taken.count
        );
        let mut pairs = vec![("queued", &*said)];
        pairs.extend(reason.as_deref().map(|reason| ("reason", reason)));
        Ok(see_other(&format!(
            "{}/rejected?{}",
            self.base,
            address(&pairs)
        )))
    }
}

/// Whether the daemon would take a file again: it is there, below a watched folder, and nothing in the settings leaves
/// it alone.
fn chance(watched: &Watched, path: &Path) -> Chance {
    if !path
        .symlink_metadata()
        .is_ok_and(|file| file.is_file() || file.is_symlink())
    {
        return Chance::Gone;
    }
    let excluded = Exclusion::new(&watched.exclude);
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let mut folders = watched.folders.iter();
    let is_covered = folders.any(|folder| {
        path.strip_prefix(&folder.path).is_ok_and(|below| {
            !below
                .iter()
                .any(|name| is_hidden(name) || excluded.includes(name))
        })
    });
    let extension = galmorph_cutout::name_and_extension(path)
        .1
        .unwrap_or_default();
    let mut extensions = watched.extensions.iter();
    if is_covered && extensions.any(|wanted| extension.eq_ignore_ascii_case(wanted)) {
        Chance::Good
    } else {
        Chance::NotTaken
    }
}
