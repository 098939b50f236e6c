//! Threads by name, whose panic is a fault of the program and not of a file.
//!
//! Decoders and networks run in [`catch`] on their own, so that a panic there costs one image. A panic
//! anywhere else is a bug: it ends the daemon, which systemd then starts again. It must not end in a daemon
//! that runs on with a thread less.

use std::io;
use std::thread::{self, Scope, ScopedJoinHandle};

use galmorph_inference::catch;

use crate::failure::InternalFault;
use crate::shutdown::Shutdown;

/// A thread that was started.
pub(crate) struct Worker<'scope, T> {
    name: String,
    handle: ScopedJoinHandle<'scope, Result<T, String>>,
}

/// Starts a thread by a name, which `top -H` and the log of a panic show. If it panics, it requests `exit`.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    exit: &Shutdown,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<Worker<'scope, T>, InternalFault> {
    let exit = exit.clone();
    let work = move || catch(work).inspect_err(|_| exit.request());
    let handle = thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, work)
        .map_err(|error| cannot_start(name, error))?;
    let name = name.to_owned();
    Ok(Worker { name, handle })
}

impl<T> Worker<'_, T> {
    /// Waits for the thread to end.
    pub(crate) fn join(self) -> Result<T, InternalFault> {
        let outcome = self
            .handle
            .join()
            .expect("what the thread runs is caught where it panics");
        outcome.map_err(|message| InternalFault::Panic {
            thread: self.name,
            message,
        })
    }
}

/// The fault of a thread that the system did not start.
pub(crate) fn cannot_start(thread: &str, source: io::Error) -> InternalFault {
    InternalFault::Start {
        thread: thread.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn a_panic_ends_the_daemon_as_an_internal_fault() {
        let exit = Shutdown::new();
        let (fine, fault) = thread::scope(|scope| {
            let fine = spawn(scope, "decode-0", &exit, || 7).unwrap();
            let broken: Worker<()> = spawn(scope, "record", &exit, || panic!("a bug")).unwrap();
            (fine.join(), broken.join())
        });
        assert_eq!(fine.unwrap(), 7);
        assert!(exit.requested());
        let failure = Failure::from(fault.unwrap_err());
        assert_eq!(failure.exit_code(), 70);
        assert_eq!(
            failure.to_string(),
            "the thread 'record' failed: panic: a bug"
        );
    }
}
