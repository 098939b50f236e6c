//! Faults of the program itself, and of the system under it: exit codes, and what is said.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{self, Command};

use rusqlite::TransactionBehavior;

use crate::support::{Dir, GALMORPH, Ran, jpeg};

/// The program as a user of its own who may have this many processes and threads at once. `None`, and a
/// line that says so, where that can't be arranged.
fn confined(dir: &Dir, threads: u32) -> Option<Command> {
    for place in [dir.path(""), dir.inbox("")] {
        fs::set_permissions(place, Permissions::from_mode(0o777)).unwrap();
    }
    // A number that no one else has: the limit counts everything that runs under it.
    let user = 0x4000_0000 + process::id();
    let command = |threads: u32| {
        let mut command = dir.program("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={user}")])
            .args(["--clear-groups", "prlimit"])
            .arg(format!("--nproc={threads}"))
            .arg(GALMORPH);
        command
    };
    let runs = command(100).arg("--version").output();
    if !runs.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(io::stderr(), "skipped: no right to run as another user");
        return None;
    }
    Some(command(threads))
}

#[test]
fn a_thread_that_can_not_start_and_a_panic_are_internal_faults_and_always_told() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    let drain = ["watch", "inbox", "--drain", "--workers", "16"];
    let mut kinds = [0, 0];
    // Each limit is met by another thread, one of which a library starts that panics without it.
    for threads in 2..12 {
        let Some(mut command) = confined(&dir, threads) else {
            return;
        };
        command
            .args(drain)
            .env("GALMORPH_LOG", "off")
            .env("RUST_BACKTRACE", "1");
        let ran = Ran::from(command.output().unwrap()).exits(70);
        if ran.stderr.contains("panicked at") {
            assert!(
                ran.stderr.contains("thread 'main' panicked"),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("rust_begin_unwind"), "no backtrace");
            kinds[1] += 1;
        } else {
            ran.says_in_one_line(&["cannot start the thread '"]);
            kinds[0] += 1;
        }
    }
    assert!(kinds[0] > 5, "{kinds:?}");
    if kinds[1] == 0 {
        let _ = writeln!(io::stderr(), "skipped: nothing panics for want of a thread");
    }
    // With threads enough, the same command does its work.
    let mut command = confined(&dir, 100).unwrap();
    Ran::from(command.args(drain).output().unwrap()).exits(0);
}

#[test]
fn a_drain_that_gives_up_on_a_locked_catalog_may_be_started_again() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    let mut holder = dir.catalog();
    let lock = holder
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    // Another model needs a row.
    let other = ["watch", "inbox", "--drain", "--quiet", "--scales", "180"];
    let ran = dir.run(&other).exits(75);
    ran.says_in_one_line(&["database is locked", "gave up after 5 attempts"]);
    drop(lock);
    dir.run(&other).exits(0);
    assert_eq!(dir.count("classification"), 2);
}

#[test]
fn a_flag_on_the_command_line_goes_before_the_environment() {
    let dir = Dir::new();
    dir.old_file("text.jpg", b"text");
    dir.drain().exits(1);
    let logged = |variable: Option<&str>, flags: &[&str]| {
        dir.run(&["retry"]).exits(0);
        let arguments = ["watch", "inbox", "--drain"].iter().chain(flags);
        let mut command = dir.galmorph(arguments);
        if let Some(level) = variable {
            command.env("GALMORPH_LOG", level);
        }
        let ran = Ran::from(command.output().unwrap()).exits(1);
        ran.stderr.contains("rejected '")
    };
    assert!(!logged(None, &[]) && logged(None, &["-v"]));
    assert!(logged(Some("info"), &[]) && !logged(Some("off"), &[]));
    assert!(logged(Some("off"), &["-v"]) && !logged(Some("info"), &["-q"]));
    // Nothing is asked for by nothing.
    assert!(!logged(Some(""), &[]) && !logged(Some(" ,"), &[]) && logged(Some("info,"), &[]));
}

#[test]
fn an_environment_that_asks_for_no_level_is_told_so_and_the_log_is_not_silent() {
    let dir = Dir::new();
    for asked in [
        "banana",
        "info,banana",
        "galmorph=loud",
        "=info",
        "galmorph = info",
    ] {
        let mut command = dir.galmorph(["watch", "inbox", "--drain"]);
        let ran = Ran::from(command.env("GALMORPH_LOG", asked).output().unwrap()).exits(2);
        let part = asked.rsplit(',').next().unwrap();
        ran.says_in_one_line(&["GALMORPH_LOG", &format!("'{part}' is neither a level")]);
    }
    // A flag goes before it, whatever it says.
    let mut command = dir.galmorph(["watch", "inbox", "--drain", "-v"]);
    Ran::from(command.env("GALMORPH_LOG", "banana").output().unwrap()).exits(0);
}
