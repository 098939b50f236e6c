//! SIGHUP: the configuration is read again, while the work goes on.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, TransactionBehavior};

use crate::support::{Daemon, Dir, jpeg, wait_until};

/// A daemon that takes everything from its configuration file.
fn configured(dir: &Dir, config: &str) -> Daemon {
    let config = dir.config(config);
    let arguments = ["watch", "-v", "--config", config.to_str().unwrap()];
    let daemon = Daemon::spawn(dir, &mut dir.galmorph(arguments));
    daemon.wait_until_ready();
    daemon
}

/// Asks for a reload, and waits until it has begun.
fn reload(daemon: &Daemon) {
    daemon.signal("-HUP");
    let told = daemon.wait_to_hear("RELOADING=1");
    assert!(told.contains("\nMONOTONIC_USEC="), "{told}");
}

fn has_row(dir: &Dir, name: &str) -> bool {
    dir.count(&format!(
        "catalog WHERE label IS NOT NULL AND object_id = '{name}'"
    )) == 1
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_reload_takes_new_folders_and_a_new_model_into_use() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("../second/b.jpg", &jpeg(2));
    let daemon = configured(&dir, "folders = ['inbox']");
    wait_until("a row is there", || has_row(&dir, "a"));

    dir.config("folders = ['inbox', 'second']\nscales = [180]");
    reload(&daemon);
    daemon.wait_until_ready();
    wait_until("the new folder's file has its row", || has_row(&dir, "b"));
    wait_until("the new model has answered for both", || {
        dir.count("model") == 2 && dir.count("classification") == 3
    });
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_reload_can_take_another_catalog() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    let daemon = configured(&dir, "folders = ['inbox']\ncatalog = 'first.sqlite'");
    dir.config("folders = ['inbox']");
    reload(&daemon);
    daemon.wait_until_ready();
    wait_until("it has a row in the other catalog", || has_row(&dir, "a"));
    // Nobody holds the first one any more.
    let ran = dir.run(&["check", "inbox", "--catalog", "first.sqlite"]);
    assert!(!ran.exits(0).stdout.contains("in use"));
    daemon.end();
}

#[test]
fn a_flag_goes_before_the_configuration_after_a_reload_too() {
    let dir = Dir::new();
    fs::create_dir(dir.path("second")).unwrap();
    let config = dir.config("");
    let mut daemon = dir.daemon(&["--workers", "2", "--config", config.to_str().unwrap()]);
    daemon.wait_for_line("2 workers");
    dir.config("folders = ['second']\nworkers = 3");
    reload(&daemon);
    daemon.wait_for_line("2 workers");
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    wait_until("the folder on the command line counts", || {
        has_row(&dir, "a")
    });
    daemon.end();
}

#[test]
fn a_reload_with_faults_names_each_and_changes_nothing() {
    let dir = Dir::new();
    fs::write(dir.path("model.onnx"), "no model").unwrap();
    let foreign = Connection::open(dir.path("foreign.sqlite")).unwrap();
    foreign.execute_batch("CREATE TABLE t (a)").unwrap();
    let lock = File::create(dir.path("other.sqlite.lock")).unwrap();
    lock.lock().unwrap();
    fs::write(dir.path("other.sqlite"), "").unwrap();
    let mut daemon = configured(&dir, "folders = ['inbox']");

    let faulty: [(&str, &[&str]); 4] = [
        ("workrs = 2\nbatch = 0", &["batch: 0", "workrs: unknown"]),
        (
            "folders = ['gone', 'inbox']\nmodel = 'model.onnx'",
            &["cannot watch 'gone'", "not an ONNX file"],
        ),
        (
            "folders = ['inbox']\ncatalog = 'foreign.sqlite'",
            &["a database of another program"],
        ),
        (
            "folders = ['inbox']\ncatalog = 'other.sqlite'",
            &["in use by another galmorph watch"],
        ),
    ];
    for (number, (config, faults)) in faulty.into_iter().enumerate() {
        dir.config(config);
        reload(&daemon);
        for fault in faults {
            let line = daemon.wait_for_line(fault);
            assert!(
                line.contains("ERROR") && line.contains("not reloaded"),
                "{line}"
            );
        }
        daemon.wait_until_ready();
        let name = number.to_string();
        let bytes = jpeg(u32::try_from(number).unwrap());
        fs::write(dir.inbox(format!("{name}.jpg")), bytes).unwrap();
        wait_until("the old settings are in force", || has_row(&dir, &name));
    }
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_reload_in_the_middle_of_work_loses_nothing_and_does_nothing_twice() {
    let dir = Dir::new();
    for seed in 0..400 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    let settings = "folders = ['inbox']\nworkers = 1\nbatch = 4";
    let daemon = configured(&dir, settings);
    wait_until("the first rows are there", || dir.count("cutout") > 0);
    reload(&daemon);
    daemon.wait_until_ready();
    let recorded = dir.count("classification");
    assert!(recorded < 400, "it was to be interrupted");
    wait_until("all have their rows", || dir.count("classification") == 400);
    // The counts go on from where they were, and each file is counted once.
    let told = daemon.wait_to_hear("STATUS=400 classified, 0 rejected, idle");
    assert!(!told.contains("READY"), "{told}");
    daemon.end();
    dir.assert_sound();
}

#[test]
fn the_old_settings_work_on_while_a_reload_hangs_and_a_second_wish_is_not_lost() {
    let dir = Dir::new();
    dir.old_file("../second/b.jpg", &jpeg(2));
    let mut daemon = configured(&dir, "folders = ['inbox']");
    // Whoever opens it to read waits for one who writes.
    make_fifo(&dir.path("model.onnx"));
    dir.config("folders = ['inbox']\nmodel = 'model.onnx'");
    reload(&daemon);
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    wait_until("the old settings are in force", || has_row(&dir, "a"));

    daemon.signal("-HUP");
    let mut model = File::options()
        .write(true)
        .open(dir.path("model.onnx"))
        .unwrap();
    dir.config("folders = ['inbox', 'second']");
    model.write_all(b"no model").unwrap();
    drop(model);
    daemon.wait_for_line("not an ONNX file");
    daemon.wait_to_hear("RELOADING=1");
    daemon.wait_until_ready();
    wait_until("the second reload is done", || has_row(&dir, "b"));
    daemon.end();
}

#[test]
fn a_reload_waits_for_a_locked_catalog_as_long_as_it_takes() {
    let dir = Dir::new();
    let mut daemon = configured(&dir, "folders = ['inbox']");
    let mut connection = dir.catalog();
    let lock = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    daemon.wait_for_line("trying again");
    reload(&daemon);
    // Who is to end gives up before that.
    for _ in 0..5 {
        daemon.wait_for_line("trying again");
    }
    drop(lock);
    daemon.wait_until_ready();
    assert!(has_row(&dir, "a"), "what was computed is recorded first");
    daemon.end();
}

#[test]
fn sigterm_ends_a_daemon_that_reloads() {
    let dir = Dir::new();
    let mut daemon = configured(&dir, "folders = ['inbox']");
    make_fifo(&dir.path("model.onnx"));
    dir.config("folders = ['inbox']\nmodel = 'model.onnx'");
    reload(&daemon);
    daemon.signal("-TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    daemon.wait_to_hear("STOPPING=1");
}
