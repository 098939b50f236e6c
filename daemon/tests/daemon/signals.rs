//! How the daemon ends.

use rusqlite::TransactionBehavior;
use std::fs;

use crate::strace;
use crate::support::{Daemon, Dir, jpeg, wait_until};

fn ends_well(signal: &str) {
    let dir = Dir::new();
    for seed in 0..300 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    let mut daemon = dir.daemon(&["--workers", "1", "--batch", "4"]);
    wait_until("the first rows are there", || dir.count("cutout") > 0);
    daemon.signal(signal);
    assert_eq!(daemon.wait().code(), Some(0));
    dir.assert_sound();

    let recorded = dir.count("classification");
    assert!(recorded < 300, "it was to be interrupted");
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 300 - recorded);
    assert_eq!(
        (dir.count("cutout"), dir.count("classification")),
        (300, 300)
    );
    dir.assert_sound();
}

#[test]
fn sigterm_finishes_the_work_in_hand_and_the_next_run_does_the_rest() {
    ends_well("-TERM");
}

#[test]
fn sigint_finishes_the_work_in_hand_and_the_next_run_does_the_rest() {
    ends_well("-INT");
}

/// A signal between the two handlers, the one that counts and the one that asks for the end, was counted
/// and forgotten: the daemon ran on until the next.
#[test]
fn a_signal_that_comes_while_the_handlers_are_installed_is_heeded() {
    if !strace::is_here() {
        return;
    }
    let dir = Dir::new();
    let slowly = "inject=socketpair:delay_enter=500000";
    let options = ["-D", "-e", "trace=socketpair", "-e", slowly];
    let mut command = strace::command(&dir, &options, &["watch", "inbox", "-v"]);
    let mut daemon = Daemon::spawn(&dir, &mut command);
    let status = format!("/proc/{}/status", daemon.id());
    wait_until("it catches SIGTERM", || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & (1 << (15 - 1)) != 0
    });
    daemon.signal("-TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_even_a_daemon_that_waits_for_the_catalog() {
    let dir = Dir::new();
    let mut daemon = dir.daemon(&[]);
    fs::write(dir.inbox("recorded.jpg"), jpeg(1)).unwrap();
    wait_until("a row is there", || dir.count("cutout") == 1);

    let mut connection = dir.catalog();
    let lock = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    fs::write(dir.inbox("held-up.jpg"), jpeg(2)).unwrap();
    daemon.wait_for_line("trying again");
    daemon.signal("-TERM");
    daemon.wait_for_line("stopping; finishing");
    daemon.signal("-TERM");
    assert_eq!(daemon.wait().code(), Some(128 + 15));
    drop(lock);
    dir.assert_sound();
    assert_eq!(dir.count("cutout"), 1);
}

#[test]
fn a_locked_catalog_is_waited_for_and_nothing_is_lost() {
    let dir = Dir::new();
    let mut daemon = dir.daemon(&[]);
    let mut connection = dir.catalog();
    let lock = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    fs::write(dir.inbox("held-up.jpg"), jpeg(1)).unwrap();
    daemon.wait_for_line("trying again");
    assert_eq!(dir.count("cutout"), 0);
    drop(lock);
    wait_until("the row is there", || dir.count("classification") == 1);
    daemon.end();
}

#[test]
fn a_catalog_that_is_locked_at_the_start_is_waited_for() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    let mut connection = dir.catalog();
    let lock = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    // A model that the catalog knows needs nothing from it.
    dir.daemon(&[]).end();
    // Another one needs its row.
    let new_model = ["--scales", "180"];
    let mut daemon = dir.starting_daemon(&new_model);
    daemon.wait_for_line("trying again");
    daemon.signal("-TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let mut daemon = dir.starting_daemon(&new_model);
    daemon.wait_for_line("trying again");
    drop(lock);
    daemon.wait_until_ready();
    wait_until("the new model has answered", || {
        dir.count("classification") == 2
    });
    daemon.end();
}
