//! What is to be done with an item, by what came of its file.

use galmorph_catalog::Stamp;
use galmorph_output::readable;
use jiff::Timestamp;
use rusqlite::types::Value;

use super::batch::Taken;
use super::rows::{Reason, row};
use super::{MOST_DELIVERIES, Outcome, WorkOptions};
use crate::plan::Item;

/// See the module.
pub(super) enum Verdict {
    /// PostgreSQL has its row.
    Known,
    /// The row to be written.
    Row(Vec<Value>),
    /// The row that says that nobody came to an answer.
    GivenUp(Vec<Value>),
    /// It can't be read yet, and is tried again.
    Late,
    /// Another worker may have its folder.
    Left,
}

/// Decides. Takes the outcome out of the item.
pub(super) fn verdict(taken: &mut Taken, options: &WorkOptions) -> Verdict {
    let outcome = taken.outcome.take();
    let Ok(item) = &taken.delivery.item else {
        unreachable!("the others were left out")
    };
    match outcome {
        Some(Outcome::Known) => Verdict::Known,
        Some(Outcome::Row(values)) => Verdict::Row(values),
        Some(Outcome::Unread(why)) => {
            let waited = taken.late_since.map(|since| since.elapsed());
            let is_over = waited.is_some_and(|waited| waited >= options.patience);
            if is_over && is_mounted(item, options) {
                Verdict::GivenUp(unanswered(item, taken, (Reason::Unreadable, &why), options))
            } else {
                Verdict::Late
            }
        }
        None if taken.delivery.deliveries > MOST_DELIVERIES => {
            let why = format!(
                "{} workers took it, and none came to an answer",
                taken.delivery.deliveries - 1
            );
            Verdict::GivenUp(unanswered(item, taken, (Reason::GivenUp, &why), options))
        }
        None => Verdict::Left,
    }
}

/// Whether the folder of a file is there at all.
fn is_mounted(item: &Item, options: &WorkOptions) -> bool {
    let file = item.file();
    let is_there = options.roots.is_there(&file);
    if !is_there {
        log::warn!(
            "the folder of '{}' is gone, or empty; waiting for it",
            readable(&file)
        );
    }
    is_there
}

fn unanswered(
    item: &Item,
    taken: &Taken,
    why: (Reason, &str),
    options: &WorkOptions,
) -> Vec<Value> {
    let place = options.roots.place(&item.file());
    let stamp = place
        .and_then(|place| place.metadata().ok())
        .map(|found| Stamp::of(&found));
    let before = taken.before.as_ref();
    let first_seen = before.map_or_else(Timestamp::now, |before| before.first_seen);
    row(item, why, (stamp, taken.delivery.deliveries), first_seen)
}
