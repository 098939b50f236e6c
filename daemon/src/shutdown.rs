//! The request to end, which every thread can see and wait for.
//!
//! It is a channel that carries nothing and closes when the end is requested, so a thread can wait for it
//! together with its work. A part of the work (a child) can be requested to end alone, and ends with the
//! whole.
//!
//! The first SIGTERM or SIGINT requests the end. The second one ends the process at once, from within the
//! signal handler, so that even a program that hangs can be stopped; SQLite keeps what was recorded by
//! then. SIGHUP asks for a reload. All those that arrive during a reload lead to one more.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};

/// A request to end, which any thread can make and any thread can wait for. Clones are one request.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    requests: Arc<Mutex<Requests>>,
    receiver: Receiver<Infallible>,
}

#[derive(Debug)]
struct Requests {
    // `None` once the end is requested.
    sender: Option<Sender<Infallible>>,
    children: Vec<Shutdown>,
}

impl Shutdown {
    /// Not requested yet.
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

    /// One that SIGTERM and SIGINT request, and a channel with a message for each SIGHUP. Without `reloads`,
    /// SIGHUP is left to the system, which ends the process.
    pub(crate) fn on_signals(reloads: bool) -> io::Result<(Self, Receiver<()>)> {
        let exit = Self::new();
        let (reload, reload_requests) = bounded(1);
        // First the handler that requests the end, then the one that counts. A signal between the two then
        // has its effect, and the one after it is not yet the second. The other way round, it would be
        // counted and lost.
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        if reloads {
            signals.add_signal(SIGHUP)?;
        }
        let second = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second))?;
            flag::register(signal, Arc::clone(&second))?;
        }
        let requested = exit.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGHUP {
                        // A request that has not been taken yet stands for this one too.
                        let _ = reload.try_send(());
                    } else {
                        log::info!("stopping; finishing the images in progress");
                        requested.request();
                    }
                }
            })?;
        Ok((exit, reload_requests))
    }

    /// A request for a part of the work alone, which the whole includes.
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

    /// Requests the end.
    pub(crate) fn request(&self) {
        let mut requests = self.lock();
        requests.sender.take();
        for child in requests.children.drain(..) {
            child.request();
        }
    }

    /// Whether the end was requested.
    pub(crate) fn requested(&self) -> bool {
        self.receiver.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Becomes ready (as disconnected) when the end is requested.
    pub(crate) fn receiver(&self) -> &Receiver<Infallible> {
        &self.receiver
    }

    /// Requests the end when it is dropped, even by a panic.
    pub(crate) fn on_drop(&self) -> RequestOnDrop {
        RequestOnDrop(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Shutdown::on_drop`].
pub(crate) struct RequestOnDrop(Shutdown);

impl Drop for RequestOnDrop {
    fn drop(&mut self) {
        self.0.request();
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
    fn a_panic_requests_the_end() {
        let stop = Shutdown::new();
        let guarded = || {
            let _request = stop.on_drop();
            assert!(!stop.requested());
            panic!("a bug");
        };
        std::panic::catch_unwind(guarded).unwrap_err();
        assert!(stop.requested());
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
