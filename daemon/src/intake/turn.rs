//! What the intake does next: it waits for the first thing to happen, and deals with it.

use std::time::{Duration, Instant};

use crossbeam::channel::{bounded, never};
use crossbeam::select;

use super::notify::Listener;
use super::{FRESH_LIMIT, Intake, UnderWay};
use crate::file::{Errand, TakenFile};
use galmorph_output::readable;

/// What came of waiting for an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something happened, and was dealt with.
    Event,
    /// Nothing happened for as long as there was time to wait.
    Idle,
    /// The end was requested, or the pipeline takes no more files.
    Over,
}

impl Intake<'_> {
    /// Waits for the first of: room for a file in the pipeline, a file that comes back, a notification, a
    /// moment at which something is due. While there is a scan to go on with, it does not wait.
    pub(super) fn wait_for_event(&mut self) -> Turn {
        let (nothing, no_loss) = (never(), never());
        // Without a receiver at the other end of a channel of size 0, sending is never ready.
        let (nowhere, _no_receiver) = bounded(0);
        let timeout = if self.can_scan() {
            Duration::ZERO
        } else {
            self.time_until_due().min(self.mark.longest_wait())
        };
        let hints = match &self.listener {
            Some(listener) if self.queue.fresh_len() < FRESH_LIMIT => listener.hints(),
            _ => &nothing,
        };
        let losses = self.listener.as_ref().map_or(&no_loss, Listener::losses);
        let output = if self.queue.is_empty() {
            &nowhere
        } else {
            &self.output
        };
        let (nobody, _no_recorder) = bounded(0);
        let errand_output = if self.errands.is_empty() {
            &nobody
        } else {
            &self.errand_output
        };
        select! {
            recv(self.stop.receiver()) -> _ => return Turn::Over,
            recv(self.departed) -> file => match file {
                Ok((path, how)) => self.on_departure(path, how),
                Err(_) => return Turn::Over,
            },
            recv(losses) -> _ => {
                log::info!("notifications were lost; scanning");
                self.observer.lost();
                self.scan_by(Instant::now());
            },
            recv(hints) -> hint => if let Ok((moment, hint)) = hint {
                self.on_hint(moment, hint);
            },
            send(output, self.next_file()) -> sent => if sent.is_err() {
                return Turn::Over;
            },
            send(errand_output, self.next_errand()) -> sent => if sent.is_err() {
                return Turn::Over;
            },
            default(timeout) => return Turn::Idle,
        }
        Turn::Event
    }

    /// The next file of the queue, which is not empty.
    pub(super) fn next_file(&mut self) -> TakenFile {
        let file = self
            .queue
            .pop()
            .expect("a file is sent only while the queue has one");
        log::debug!("takes '{}'", readable(&file.path));
        let known = UnderWay {
            seen: file.seen,
            origin: file.origin,
            is_move: false,
        };
        self.under_way.insert(file.path.clone(), known);
        file
    }

    /// The next errand; there is one.
    pub(super) fn next_errand(&mut self) -> Errand {
        self.errands
            .pop_front()
            .expect("an errand is sent only while there is one")
    }

    /// How long [`Intake::do_what_is_due`] would find nothing to do. What can't be done before a file goes
    /// is left out: it would make the loop turn without a pause until then.
    pub(super) fn time_until_due(&mut self) -> Duration {
        let mut moments = [None; 3];
        if self.has_room() {
            moments[0] = self.delayed.next_moment();
        }
        if self.scan.is_none() {
            moments[1] = self.next_scan;
            moments[2] = self.new_folders.next_moment();
        }
        let next = moments.into_iter().flatten().min();
        let now = Instant::now();
        next.map_or(Duration::from_hours(1), |moment| {
            moment.saturating_duration_since(now)
        })
    }
}
