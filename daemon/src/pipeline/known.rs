//! The same bytes are computed once, even when two files hold them at the same moment.
//!
//! The catalog knows what was computed before; this knows what is being computed now. The first file
//! with some content leads; those that come while it is under way wait for its verdict, and are
//! recorded after it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Judged;

/// The contents that are under way, and who waits for each.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_digest: Mutex<HashMap<String, Vec<Judged>>>,
}

impl Pending {
    /// Makes a file the leader of its content and gives it back, or keeps it waiting for the leader.
    pub(super) fn lead_or_wait<T>(
        &self,
        digest: &str,
        file: T,
        waiting: impl FnOnce(T) -> Judged,
    ) -> Option<T> {
        let mut by_digest = self.lock();
        if let Some(followers) = by_digest.get_mut(digest) {
            followers.push(waiting(file));
            return None;
        }
        by_digest.insert(digest.to_owned(), Vec::new());
        Some(file)
    }

    /// Ends a leadership; to be called after the leader's verdict is committed.
    pub(super) fn settle(&self, digest: &str) -> Vec<Judged> {
        self.lock().remove(digest).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Judged>>> {
        self.by_digest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
