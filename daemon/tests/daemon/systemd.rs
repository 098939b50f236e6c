//! What systemd hears: how the work goes, and whether the threads make progress.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use rusqlite::TransactionBehavior;

use crate::support::{Daemon, Dir, jpeg, wait_until};

/// A daemon with one classifier whose watchdog barks after two seconds.
fn watched(dir: &Dir) -> Daemon {
    let mut command = dir.galmorph(["watch", "inbox", "-v", "--workers", "1"]);
    let daemon = Daemon::spawn(dir, command.env("WATCHDOG_USEC", "2000000"));
    daemon.wait_until_ready();
    daemon
}

/// Holds a thread of the daemon until it is dropped.
struct Hold(Child);

impl Hold {
    /// None, with the reason on standard output, where a process can't be traced.
    fn new(daemon: &Daemon, thread: &str) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/systemd/hold-thread");
        let spawned = Command::new(script)
            .args([&daemon.id().to_string(), thread])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: cannot run hold-thread: {error}");
                return None;
            }
        };
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        if line == "held\n" {
            return Some(Self(child));
        }
        let said = child.wait_with_output().unwrap().stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("Operation not permitted"), "{said}");
        println!("skipped: {said}");
        None
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The kernel lets go of a thread when its tracer ends.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn systemd_hears_counts_and_a_rate_and_the_end() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("b.jpg", b"not an image");
    let mut daemon = watched(&dir);
    daemon.wait_to_hear("WATCHDOG=1");
    let told = daemon.wait_to_hear("images/s");
    assert!(told.starts_with("STATUS="), "{told}");
    daemon.wait_to_hear("STATUS=1 classified, 1 rejected, idle");
    // A copy of known content is a file with an answer, too.
    fs::write(dir.inbox("c.jpg"), jpeg(1)).unwrap();
    daemon.wait_to_hear("STATUS=2 classified, 1 rejected, ");
    daemon.signal("-TERM");
    daemon.wait_to_hear("STOPPING=1\nSTATUS=2 classified, 1 rejected, idle");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_thread_that_hangs_is_not_hidden_from_the_watchdog() {
    let dir = Dir::new();
    let mut daemon = watched(&dir);
    let Some(hold) = Hold::new(&daemon, "classify-0") else {
        return;
    };
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    daemon.wait_for_line("nothing has moved for");
    daemon.wait_to_hear("nothing has moved for");
    // Until it is said again, nobody feeds the watchdog.
    let told = daemon.hear_until("nothing has moved for");
    assert!(told.iter().all(|text| !text.contains("WATCHDOG=1")));
    drop(hold);
    daemon.wait_to_hear("WATCHDOG=1");
    wait_until("the file has its row", || dir.count("classification") == 1);
    daemon.end();
}

#[test]
fn an_intake_that_hangs_is_not_hidden_from_the_watchdog() {
    let dir = Dir::new();
    let mut daemon = watched(&dir);
    let Some(hold) = Hold::new(&daemon, "intake") else {
        return;
    };
    // It may be held while it looks at a folder, which is no hang of its own.
    let hangs = "intake has been at one thing for";
    let waits = "intake has waited for a file system for";
    daemon.wait_for_line_of(&[hangs, waits]);
    drop(hold);
    daemon.wait_for_line("make progress again");
    daemon.end();
}

#[test]
fn a_locked_catalog_is_no_hang() {
    let dir = Dir::new();
    let daemon = watched(&dir);
    let mut connection = dir.catalog();
    let lock = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    // By then it has lasted for longer than a hang may, and the watchdog is fed all the same.
    daemon.wait_to_hear("; record has waited for the catalog for");
    let told = daemon.hear_until("; record has waited for the catalog for");
    assert!(told.iter().any(|text| text.contains("WATCHDOG=1")));
    drop(lock);
    daemon.wait_to_hear("STATUS=1 classified, 0 rejected, idle");
    daemon.end();
}

#[test]
fn threads_have_names() {
    let dir = Dir::new();
    let daemon = dir.daemon(&["--workers", "2"]);
    let tasks = format!("/proc/{}/task", daemon.id());
    let is_there = |name: &str| {
        fs::read_dir(&tasks)
            .unwrap()
            // A thread may end while we look.
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .any(|found| found.trim() == name)
    };
    for name in [
        "batch",
        "classify-0",
        "classify-1",
        "decode-0",
        "galmorph",
        "intake",
        "record",
        "signals",
        "watchdog",
    ] {
        // A thread names itself, a moment after it was started.
        wait_until(&format!("there is a thread '{name}'"), || is_there(name));
    }
    daemon.end();
}
