//! The wish to end, seen by every thread.
//!
//! A channel that carries nothing: it closes when the end is asked for, so a thread can wait for it
//! together with its work. A part of the work can be asked to end alone, and ends with the whole.
//!
//! The first SIGTERM or SIGINT asks for the end; the second ends the process
//! where it stands, from within the signal handler, so that even a program that hangs can be stopped.
//! What was recorded by then is safe: that is SQLite's work, not ours. SIGHUP is the wish to read the
//! configuration again; any number of them that come while one is being fulfilled are one more.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};

/// A request to end that can be made from anywhere and waited for anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    requests: Arc<Mutex<Requests>>,
    receiver: Receiver<Infallible>,
}

#[derive(Debug)]
struct Requests {
    // None once it is asked for.
    sender: Option<Sender<Infallible>>,
    children: Vec<Shutdown>,
}

impl Shutdown {
    /// Not asked for yet.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self {
            requests: Arc::new(Mutex::new(Requests {
                sender: Some(sender),
                children: Vec::new(),
            })),
            receiver,
        }
    }

    /// One that SIGTERM and SIGINT ask for, and what SIGHUP asks for: nothing, unless `reloads`.
    pub(crate) fn on_signals(reloads: bool) -> io::Result<(Self, Receiver<()>)> {
        let stop = Self::new();
        let (wish, wishes) = bounded(1);
        // First who asks for the end, then who counts: a signal that comes between the two is heeded, and
        // the one after it is not yet the second. The other way round, it would be counted and forgotten.
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        if reloads {
            signals.add_signal(SIGHUP)?;
        }
        let second = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second))?;
            flag::register(signal, Arc::clone(&second))?;
        }
        let requested = stop.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGHUP {
                        // If there is a wish already, one will do for both.
                        let _ = wish.try_send(());
                    } else {
                        log::info!("asked to end; finishing what is in hand");
                        requested.request();
                    }
                }
            })?;
        Ok((stop, wishes))
    }

    /// One for a part of the work.
    pub(crate) fn child(&self) -> Self {
        let child = Self::new();
        let mut requests = self.lock();
        requests.children.retain(|child| !child.requested());
        if requests.sender.is_some() {
            requests.children.push(child.clone());
        } else {
            child.request();
        }
        child
    }

    /// Asks for the end.
    pub(crate) fn request(&self) {
        let mut requests = self.lock();
        requests.sender.take();
        for child in requests.children.drain(..) {
            child.request();
        }
    }

    /// Whether it was asked for.
    pub(crate) fn requested(&self) -> bool {
        self.receiver.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Becomes ready (as disconnected) when it is asked for.
    pub(crate) fn receiver(&self) -> &Receiver<Infallible> {
        &self.receiver
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_every_clone() {
        let stop = Shutdown::new();
        let elsewhere = stop.clone();
        assert!(!elsewhere.requested());
        stop.request();
        assert!(elsewhere.requested());
        assert!(elsewhere.receiver().recv().is_err());
    }

    #[test]
    fn a_part_ends_alone_and_with_the_whole() {
        let whole = Shutdown::new();
        let (first, second) = (whole.child(), whole.child());
        first.request();
        assert!(!whole.requested() && !second.requested());
        whole.request();
        assert!(second.requested());
        assert!(whole.child().requested(), "too late to begin");
    }
}
