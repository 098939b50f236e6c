//! The program under `strace`, which ends it or fails its calls at a moment of our choosing. So it is the
//! shipped program that is tested: there is no hook for faults in it.
//!
//! strace counts a call's invocations for each thread on its own: `when=3` is the third by any thread.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::{Dir, GALMORPH};

/// Whether there is an strace that is allowed to work here; says so where it isn't.
pub(crate) fn is_here() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if !found {
        let _ = writeln!(io::stderr(), "skipped: no strace that may trace here");
    }
    found
}

/// The program with `arguments`, under an strace with `options`, which writes to `strace.log`.
pub(crate) fn command(dir: &Dir, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = dir.program("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(dir.path("strace.log"))
        .args(options)
        .args(["--", GALMORPH])
        .args(arguments);
    command
}
