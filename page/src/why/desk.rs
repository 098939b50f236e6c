//! Who waits for a map: a few at most, and one at a time has it drawn.
//!
//! A place and a turn are given back when they are dropped. So whoever goes away, and whoever waited too long, is in
//! nobody's way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait while a map is drawn.
const WAITING: usize = 8;

pub(crate) struct Desk {
    places: Arc<Semaphore>,
    worker: Arc<Semaphore>,
}

/// A place in the queue.
pub(crate) struct Place {
    worker: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

/// The right to draw a map. It goes with the thread that draws.
pub(crate) struct Turn(#[allow(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(1 + WAITING)),
            worker: Arc::new(Semaphore::new(1)),
        }
    }

    /// A place in the queue, if one is free.
    pub(crate) fn enter(&self) -> Option<Place> {
        Some(Place {
            _place: Arc::clone(&self.places).try_acquire_owned().ok()?,
            worker: Arc::clone(&self.worker),
        })
    }
}

impl Place {
    /// Waits until all who came before are done.
    pub(crate) async fn turn(&self) -> Turn {
        let turn = Arc::clone(&self.worker).acquire_owned().await;
        Turn(turn.expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    fn run(work: impl Future) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work);
    }

    #[test]
    fn a_few_wait_and_who_goes_away_gives_the_place_back() {
        let desk = Desk::new();
        let mut places: Vec<Place> = std::iter::from_fn(|| desk.enter()).collect();
        assert_eq!(places.len(), 1 + WAITING);
        assert!(desk.enter().is_none());
        places.pop();
        assert!(desk.enter().is_some());
    }

    #[test]
    fn maps_are_drawn_one_at_a_time_and_who_gave_up_is_passed_over() {
        run(async {
            let desk = Desk::new();
            let (first, second, third) = (desk.enter(), desk.enter(), desk.enter());
            let drawing = first.unwrap().turn().await;
            let gives_up = tokio::spawn(async move { drop(second.unwrap().turn().await) });
            let waits = tokio::spawn(async move { third.unwrap().turn().await });
            yield_now().await;
            assert!(!gives_up.is_finished() && !waits.is_finished());
            gives_up.abort();
            drop(drawing);
            let turn = waits.await.unwrap();
            assert_eq!(desk.worker.available_permits(), 0);
            drop(turn);
            assert_eq!(desk.worker.available_permits(), 1);
            assert_eq!(desk.places.available_permits(), 1 + WAITING);
        });
    }
}
