//! `kill -9` at every moment that can be told from another.
//!
//! What a killed process leaves behind is what its system calls did: its memory is gone, the kernel keeps
//! what was written. (SQLite's `-shm` is memory that is a file, and the next to come rebuilds it.) So a
//! sweep over the calls that change something, killed before the first, before the second, and so on
//! until a run ends by itself, goes through every state that a kill can leave. Between two such calls
//! there is nothing to be seen, so calls that only read are not swept.
//!
//! strace counts each call for each thread on its own, and so each call is swept on its own. Only one
//! thread writes at a time: the main thread makes or migrates the catalog, then the recorder writes to
//! it. On a new catalog the one with more calls would hide the other's first ones; that is why there is a
//! sweep that begins with a catalog that is ready, too, where the recorder alone writes. `sole_writer`
//! holds this.
//!
//! A kill of the whole machine is another matter: there, what was not synced may be lost. That is
//! `power_loss`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use rusqlite::Connection;

use crate::strace;
use crate::support::{Dir, Ran, digest, jpeg, png};
use crate::tiny;

/// Every call that could change a file or a folder on this system; those with a question mark don't exist
/// on all. An `openat` may make a file.
const CHANGES: [&str; 24] = [
    "openat",
    "?open",
    "?creat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "ftruncate",
    "truncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "?unlink",
    "unlinkat",
    "?rename",
    "renameat",
    "renameat2",
    "?link",
    "linkat",
    "?mkdir",
    "mkdirat",
    "fchown",
    "?chmod",
    "fchmod",
];

const WATCH: &[&str] = &[
    "watch",
    "inbox",
    "--drain",
    "--model",
    "tiny.onnx",
    "--workers",
    "1",
    "--batch",
    "1",
];

const CATALOG_FILES: [&str; 3] = [
    "galmorph.sqlite",
    "galmorph.sqlite-wal",
    "galmorph.sqlite-journal",
];

/// A folder with two images, a copy of one of them, and a file that is no image.
struct Scene {
    dir: Dir,
    files: BTreeMap<String, Vec<u8>>,
    start: Vec<(&'static str, Vec<u8>)>,
}

impl Scene {
    fn new() -> Self {
        let dir = Dir::new();
        tiny::write(&dir.path("tiny.onnx"));
        let files = [
            ("a.jpg", jpeg(1)),
            ("b.png", png(2)),
            ("night/copy.jpg", jpeg(1)),
            ("poison.jpg", b"<html>404 Not Found</html>".to_vec()),
        ];
        let mut scene = Self {
            dir,
            files: BTreeMap::new(),
            start: Vec::new(),
        };
        for (name, bytes) in files {
            let path = scene.dir.old_file(name, &bytes);
            scene.files.insert(path.to_str().unwrap().to_owned(), bytes);
        }
        scene
    }

    /// Makes what is beside the inbox now what every run begins with.
    fn begin_from_here(&mut self) {
        self.start = CATALOG_FILES
            .iter()
            .filter_map(|name| Some((*name, fs::read(self.dir.path(name)).ok()?)))
            .collect();
    }

    fn reset(&self) {
        for entry in fs::read_dir(self.dir.path("")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("tiny.onnx") {
                fs::remove_file(path).unwrap();
            }
        }
        for (name, bytes) in &self.start {
            fs::write(self.dir.path(name), bytes).unwrap();
        }
    }

    /// Kills `command` at every call of every kind, each time from the same start, and has each of the
    /// wrecks examined, with how many there are of it so far.
    fn sweep(&self, command: &[&str], examine: impl Fn(&Self)) {
        let mut kills = BTreeMap::new();
        for call in CHANGES {
            for number in 1.. {
                self.reset();
                let killed = self.kill_at(call, number, command);
                examine(self);
                if !killed {
                    break;
                }
                *kills.entry(call).or_insert(0) += 1;
            }
        }
        println!("killed at {kills:?}");
        // The program makes these in any case, and many of them.
        assert!(kills["pwrite64"] > 3 && kills["openat"] > 3, "{kills:?}");
    }

    /// Whether `command` was killed when it was about to make this call.
    fn kill_at(&self, call: &str, number: usize, command: &[&str]) -> bool {
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=KILL:when={number}");
        let output = strace::command(&self.dir, &["-e", &trace, "-e", &inject], command)
            .output()
            .unwrap();
        let killed = output.status.signal() == Some(9);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            killed || matches!(output.status.code(), Some(0 | 1)),
            "{call} {number}: {error}"
        );
        killed
    }

    /// The catalog as a wreck has it: looked at in a copy, since whoever opens it also mends it.
    fn wreck(&self) -> Option<Wreck> {
        let copy = Dir::new();
        for name in CATALOG_FILES {
            let _ = fs::copy(self.dir.path(name), copy.path(name));
        }
        let catalog = copy.path("galmorph.sqlite");
        let is_made = catalog.exists() && copy.ask::<i64>("SELECT count(*) FROM sqlite_schema") > 0;
        is_made.then(|| {
            copy.assert_sound();
            let paths =
                copy.ask::<String>("SELECT ifnull(group_concat(path, char(10)), '') FROM cutout");
            let paths: Vec<String> = paths.lines().map(str::to_owned).collect();
            let distinct: BTreeSet<String> = paths.iter().cloned().collect();
            assert_eq!(paths.len(), distinct.len(), "two rows of one path");
            Wreck {
                paths: distinct,
                answers: copy.count("classification"),
            }
        })
    }

    /// The next start finishes the work, does nothing again, and every file has its one row.
    fn recovers(&self) {
        let wreck = self.wreck().unwrap_or_default();
        let poison = self.dir.inbox("poison.jpg").to_str().unwrap().to_owned();
        let code = i32::from(!wreck.paths.contains(&poison));
        let ran = Ran::from(self.dir.galmorph(WATCH).output().unwrap()).exits(code);
        assert_eq!(ran.classified_by_the_network(), 2 - wreck.answers);
        let unread = format!("already in the catalog: {}", wreck.paths.len());
        assert!(
            wreck.paths.is_empty() || ran.stdout.contains(&unread),
            "{unread}: {}",
            ran.stdout
        );
        self.is_complete();
    }

    /// Every file has exactly one row, in its state and with its digest; and nothing else is there.
    fn is_complete(&self) {
        let dir = &self.dir;
        dir.assert_sound();
        for (path, bytes) in &self.files {
            let state = if path.ends_with("poison.jpg") {
                "rejected"
            } else {
                "classified"
            };
            let row = format!(
                "cutout WHERE path = '{path}' AND state = '{state}' AND lower(hex(digest)) = '{}'",
                digest(bytes)
            );
            assert_eq!(dir.count(&row), 1, "{row}");
            assert_eq!(&fs::read(path).unwrap(), bytes, "an image was changed");
        }
        assert_eq!(dir.count("cutout"), 4);
        assert_eq!(dir.count("classification"), 2);
        assert_eq!((dir.count("model"), dir.count("watch")), (1, 1));
        dir.run(&["check", "inbox", "--deep", "--model", "tiny.onnx"])
            .exits(0);
        for entry in fs::read_dir(dir.path("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let left = name.ends_with("-journal") && !name.starts_with(".galmorph-backup-");
            assert!(!left, "{name} was left");
        }
    }
}

/// What a kill left.
#[derive(Default)]
struct Wreck {
    paths: BTreeSet<String>,
    answers: i64,
}

#[test]
fn a_kill_while_the_catalog_is_made_and_filled_loses_nothing() {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::new();
    scene.sweep(WATCH, Scene::recovers);
}

#[test]
fn a_kill_while_files_are_recorded_loses_nothing_and_has_nothing_done_twice() {
    if !strace::is_here() {
        return;
    }
    let mut scene = Scene::new();
    // A catalog that knows the model and the folder, and none of the files.
    fs::rename(scene.dir.path("inbox"), scene.dir.path("aside")).unwrap();
    fs::create_dir(scene.dir.path("inbox")).unwrap();
    Ran::from(scene.dir.galmorph(WATCH).output().unwrap()).exits(0);
    fs::remove_dir(scene.dir.path("inbox")).unwrap();
    fs::rename(scene.dir.path("aside"), scene.dir.path("inbox")).unwrap();
    scene.begin_from_here();
    scene.reset();
    assert_eq!(
        sole_writer(&scene.dir),
        1,
        "calls of one thread would hide another's"
    );
    scene.sweep(WATCH, Scene::recovers);
}

/// How many threads write in a run that nobody disturbs.
fn sole_writer(dir: &Dir) -> usize {
    let trace = "trace=pwrite64,ftruncate,fsync,fdatasync";
    let status = strace::command(dir, &["-y", "-e", trace], WATCH)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(1));
    let log = fs::read_to_string(dir.path("strace.log")).unwrap();
    let threads: BTreeSet<&str> = log
        .lines()
        .filter(|line| !line.contains("+++") && !line.contains("-shm>"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    threads.len()
}

/// A migration is stopped by a kill wherever that may be; the next start ends it, with every row as without the kill.
#[test]
fn a_kill_while_an_old_catalog_is_brought_up_to_date_loses_nothing() {
    if !strace::is_here() {
        return;
    }
    let mut scene = Scene::new();
    scene
        .dir
        .catalog()
        .execute_batch(include_str!("../../../tests/corpus/catalog/version-6.sql"))
        .unwrap();
    scene.begin_from_here();
    // Files of the old catalog are elsewhere, and are gone.
    let rows = |scene: &Scene| -> (String, String) {
        let ran = Ran::from(scene.dir.galmorph(WATCH).output().unwrap());
        assert!(matches!(ran.code, 0 | 1), "{}", ran.stderr);
        let files = "SELECT group_concat(path || ifnull(label || confidence || model || classified, reason) || updated, char(10))
                     FROM (SELECT * FROM cutout WHERE path LIKE '/srv/%' ORDER BY path)";
        let others =
            "SELECT group_concat(digest || model || rendering || label || classified_at, char(10))
                      FROM (SELECT * FROM classification WHERE model < 3 ORDER BY digest, model)";
        (scene.dir.ask(files), scene.dir.ask(others))
    };
    let whole = rows(&scene);
    assert_eq!(whole.0.lines().count(), 9, "{}", whole.0);
    scene.sweep(WATCH, |scene| assert_eq!(rows(scene), whole));
}

#[test]
fn a_kill_of_retry_marks_all_or_none_and_the_next_start_sees_to_it() {
    if !strace::is_here() {
        return;
    }
    let mut scene = Scene::new();
    scene.dir.galmorph(WATCH).output().unwrap();
    scene.begin_from_here();
    scene.sweep(&["retry"], |scene| {
        let marked = scene.dir.count("cutout WHERE retry IS NOT NULL");
        assert_eq!(scene.dir.count("cutout WHERE state = 'rejected'"), 1);
        let ran = Ran::from(scene.dir.galmorph(WATCH).output().unwrap());
        assert_eq!(i64::from(ran.code), marked, "{}", ran.stdout);
        scene.is_complete();
    });
}

#[test]
fn a_kill_of_backup_leaves_the_catalog_and_no_half_copy_under_its_name() {
    if !strace::is_here() {
        return;
    }
    let mut scene = Scene::new();
    scene.dir.galmorph(WATCH).output().unwrap();
    scene.begin_from_here();
    scene.sweep(&["backup", "copy.sqlite"], |scene| {
        scene.is_complete();
        let copy = scene.dir.path("copy.sqlite");
        if copy.exists() {
            let copy = Connection::open(copy).unwrap();
            let rows: i64 = copy
                .query_row("SELECT count(*) FROM cutout", [], |row| row.get(0))
                .unwrap();
            assert_eq!(rows, 4);
        }
    });
}

/// Files that are moved when they have their answer: each is in one place, as it was, and its row says where.
#[test]
fn a_kill_while_files_are_moved_leaves_each_in_one_place_and_its_row_follows() {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::new();
    let inbox = scene.dir.path("inbox");
    fs::create_dir(scene.dir.path("etc")).unwrap();
    let config = scene.dir.path("etc/galmorph.toml");
    let text = format!(
        "folders = [{{ path = '{}', after = 'move' }}]
         settle_seconds = 0.01\nmodel = 'tiny.onnx'\nworkers = 1\nbatch = 1",
        inbox.display()
    );
    fs::write(&config, text).unwrap();
    let watch = ["watch", "--drain", "--config", config.to_str().unwrap()];
    let mut kills = BTreeMap::new();
    for call in ["renameat2", "mkdir", "pwrite64", "fdatasync"] {
        for number in 1.. {
            scene.reset();
            fs::remove_dir_all(&inbox).unwrap();
            for (path, bytes) in &scene.files {
                let below = std::path::Path::new(path).strip_prefix(&inbox).unwrap();
                scene.dir.old_file(below, bytes);
            }
            let killed = scene.kill_at(call, number, &watch);
            let ran = Ran::from(scene.dir.galmorph(watch).output().unwrap());
            assert!(matches!(ran.code, 0 | 1), "{}{}", ran.stdout, ran.stderr);
            for (path, bytes) in &scene.files {
                let below = std::path::Path::new(path).strip_prefix(&inbox).unwrap();
                let kind = if path.ends_with("poison.jpg") {
                    "rejected"
                } else {
                    "done"
                };
                let place = inbox.join(kind).join(below);
                assert_eq!(&fs::read(&place).unwrap(), bytes, "{call} {number}");
                assert!(!std::path::Path::new(path).exists(), "it is there twice");
                let row = format!(
                    "cutout WHERE path = '{}' AND lower(hex(digest)) = '{}' AND move_to IS NULL",
                    place.display(),
                    digest(bytes)
                );
                assert_eq!(scene.dir.count(&row), 1, "{call} {number}: {row}");
            }
            assert_eq!(scene.dir.count("cutout"), 4, "{call} {number}");
            scene.dir.assert_sound();
            if !killed {
                break;
            }
            *kills.entry(call).or_insert(0) += 1;
        }
    }
    println!("killed at {kills:?}");
    assert!(
        kills["renameat2"] == 4 && kills["pwrite64"] > 10,
        "{kills:?}"
    );
}
