//! The wish to end, seen by every thread.
//!
//! A channel that carries nothing: it closes when the end is asked for, so a thread can wait for it
//! together with its work. The first SIGTERM or SIGINT asks for the end; the second ends the process
//! where it stands, from within the signal handler, so that even a program that hangs can be stopped.
//! What was recorded by then is safe: that is SQLite's work, not ours.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};

/// A request to end that can be made from anywhere and waited for anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    sender: Arc<Mutex<Option<Sender<Infallible>>>>,
    receiver: Receiver<Infallible>,
}

impl Stop {
    /// Not asked for yet.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self {
            sender: Arc::new(Mutex::new(Some(sender))),
            receiver,
        }
    }

    /// One that SIGTERM and SIGINT ask for.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        // First who asks for the end, then who counts: a signal that comes between the two is heeded, and
        // the one after it is not yet the second. The other way round, it would be counted and forgotten.
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let second = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second))?;
            flag::register(signal, Arc::clone(&second))?;
        }
        let requested = stop.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                if signals.forever().next().is_some() {
                    log::info!("asked to end; finishing what is in hand");
                    requested.request();
                }
            })?;
        Ok(stop)
    }

    /// Asks for the end.
    pub(crate) fn request(&self) {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Whether it was asked for.
    pub(crate) fn requested(&self) -> bool {
        self.receiver.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Becomes ready (as disconnected) when it is asked for.
    pub(crate) fn receiver(&self) -> &Receiver<Infallible> {
        &self.receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_every_clone() {
        let stop = Stop::new();
        let elsewhere = stop.clone();
        assert!(!elsewhere.requested());
        stop.request();
        assert!(elsewhere.requested());
        assert!(elsewhere.receiver().recv().is_err());
    }
}
