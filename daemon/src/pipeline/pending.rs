//! The same bytes are computed once, even when several files hold them at the same moment.
//!
//! The catalog knows what was computed before; this knows what is being computed now. The first file with
//! some content is its leader. Files with the same content that come while the leader is under way wait for
//! its verdict, and are recorded after it.
//!
//! The number of those that wait is bounded: while the catalog is locked, a million copies of a file would
//! collect here, past the bound of every channel. Beyond it, a copy goes the whole way as a leader does.
//! That costs a computation and does no harm, since an answer that is there already is left as it is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::Hash;

use super::Judged;

/// How many files may wait, of all contents together.
const CAPACITY: usize = 1024;

/// The digest of some bytes, and the key of the plan by which they are shown to the network: what an answer
/// depends on, besides the model.
pub(super) type Wanted = (Hash, String);

/// The contents that are under way, and the files that wait for each.
#[derive(Debug, Default)]
pub(super) struct Pending {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    waiting_for: HashMap<Wanted, Vec<Judged>>,
    waiting: usize,
}

impl Pending {
    /// Gives a file back, to go on as a leader of its content; or keeps it, to wait for the leader.
    pub(super) fn lead_or_wait<T>(
        &self,
        content: Wanted,
        file: T,
        waiting: impl FnOnce(T) -> Judged,
    ) -> Option<T> {
        let contents = &mut *self.lock();
        let Some(followers) = contents.waiting_for.get_mut(&content) else {
            contents.waiting_for.insert(content, Vec::new());
            return Some(file);
        };
        if contents.waiting >= CAPACITY {
            return Some(file);
        }
        contents.waiting += 1;
        followers.push(waiting(file));
        None
    }

    /// The files that wait for this content. To be called after a verdict on it is committed. Of several
    /// leaders it does not matter which comes first: their verdicts are the same. For the others, no file
    /// waits any more.
    pub(super) fn settle(&self, content: &Wanted) -> Vec<Judged> {
        let mut contents = self.lock();
        let followers = contents.waiting_for.remove(content).unwrap_or_default();
        contents.waiting -= followers.len();
        followers
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::blank_entry;
    use super::super::{Judged, TakenFile};
    use super::*;
    use galmorph_cutout::Identity;

    fn file() -> TakenFile {
        TakenFile::named("a")
    }

    fn content(text: &str) -> Wanted {
        (blake3::hash(text.as_bytes()), "paper".into())
    }

    fn waits(pending: &Pending, text: &str) -> bool {
        let judged = |taken: TakenFile| Judged {
            entry: blank_entry(&taken, Identity::named("a".into())),
            taken,
        };
        let file = file();
        pending.lead_or_wait(content(text), file, judged).is_none()
    }

    #[test]
    fn files_beyond_the_capacity_go_on_and_each_file_is_given_back_once() {
        let pending = Pending::default();
        assert!(!waits(&pending, "a") && !waits(&pending, "b"));
        assert!(waits(&pending, "b"));
        assert_eq!(
            (1..2 * CAPACITY).filter(|_| waits(&pending, "a")).count(),
            CAPACITY - 1
        );
        assert!(!waits(&pending, "b"));

        // The two leaders of "b" end one after the other.
        assert_eq!(pending.settle(&content("b")).len(), 1);
        assert_eq!(pending.settle(&content("b")).len(), 0);
        assert!(waits(&pending, "a"), "there is room again");
        assert_eq!(pending.settle(&content("a")).len(), CAPACITY);
        assert!(!waits(&pending, "a"), "the next one leads");
        let shown_otherwise = (content("a").0, "frame".into());
        let judged = |_| unreachable!("it does not wait for the other");
        let goes_on = pending.lead_or_wait(shown_otherwise, file(), judged);
        assert!(goes_on.is_some());
    }
}
