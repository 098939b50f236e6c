//! Anything at all happens to files and to the daemon, in any order; in the end the catalog says what is
//! so.
//!
//! An episode is a list of operations drawn from a seed: files are written, appended to, replaced, renamed
//! (within the folder, into it, out of it, over another), linked and deleted, folders too, and the daemon
//! is ended or killed and started again, all without waiting for it. What is there is looked up on the disk
//! after each operation. When `galmorph status` says that nothing waits, each file that is there has one
//! row, with its digest and its state; and each other row is of a file that was there once, as it was.
//!
//! No two contents have the same size: with that and the time of modification the same, a file that was
//! changed while no daemon ran is not seen to have changed.
//!
//! `GALMORPH_SEED=7` has one episode of that seed. An episode that fails is tried again without each of
//! its operations in turn, and those that are needed are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use image::{GrayImage, ImageFormat, Luma};
use walkdir::WalkDir;

use crate::support::{Daemon, Dir, digest, encoded};
use crate::tiny;

const OPERATIONS: usize = 60;
const SEEDS: std::ops::Range<u64> = 0..6;

/// Where files may be: few places, so that much happens to each.
const FOLDERS: [&str; 5] = ["inbox", "inbox/x", "inbox/x/y", "inbox/z", "outside"];
const NAMES: [&str; 4] = ["a.jpg", "b.png", "c.jpg", "d.part"];

/// How many contents there are; every fourth is no image.
const CONTENTS: u64 = 12;

#[derive(Debug, Clone)]
enum Operation {
    Write(PathBuf, u64),
    Replace(PathBuf, u64),
    Append(PathBuf),
    Rename(PathBuf, PathBuf),
    HardLink(PathBuf, PathBuf),
    SymbolicLink(PathBuf, PathBuf),
    Delete(PathBuf),
    MoveFolder(&'static str, &'static str),
    DeleteFolder(&'static str),
    Pause(u64),
    EndAndStart,
    KillAndStart,
}

/// Vigna's splitmix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn place(&mut self) -> PathBuf {
        Path::new(self.one_of(&FOLDERS)).join(self.one_of(&NAMES))
    }

    fn operation(&mut self) -> Operation {
        match self.below(20) {
            0..5 => Operation::Write(self.place(), self.below(CONTENTS)),
            5..8 => Operation::Replace(self.place(), self.below(CONTENTS)),
            8 => Operation::Append(self.place()),
            9..12 => Operation::Rename(self.place(), self.place()),
            12 => Operation::HardLink(self.place(), self.place()),
            13 => Operation::SymbolicLink(self.place(), self.place()),
            14 => Operation::Delete(self.place()),
            // Not the watched folder itself.
            15 => Operation::MoveFolder(self.one_of(&FOLDERS[1..]), self.one_of(&FOLDERS[1..])),
            16 => Operation::DeleteFolder(self.one_of(&FOLDERS[1..])),
            17 => Operation::Pause(self.below(60)),
            18 => Operation::EndAndStart,
            _ => Operation::KillAndStart,
        }
    }
}

/// A small image, or none; each of its own size.
fn content(number: u64) -> Vec<u8> {
    if number % 4 == 3 {
        return vec![b'x'; 1000 + number as usize];
    }
    let image = GrayImage::from_fn(16, 16, |x, y| Luma([(x * y) as u8 + number as u8]));
    let mut bytes = encoded(image, ImageFormat::Png);
    bytes.resize(2000 + number as usize, 0);
    bytes
}

fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG")
}

/// The folder, the daemon, and everything that was ever there.
struct Episode {
    dir: Dir,
    daemon: Option<Daemon>,
    history: BTreeSet<(PathBuf, String)>,
    digests_of_images: BTreeSet<String>,
}

impl Episode {
    fn begin() -> Self {
        let dir = Dir::new();
        tiny::write(&dir.path("tiny.onnx"));
        dir.config("model = 'tiny.onnx'\nworkers = 2\nsettle_seconds = 0.02\nrescan_interval_seconds = 0.2");
        let mut episode = Self {
            dir,
            daemon: None,
            history: BTreeSet::new(),
            digests_of_images: BTreeSet::new(),
        };
        episode.start();
        episode
    }

    fn start(&mut self) {
        self.daemon = Some(self.dir.starting_daemon(&["--config", "galmorph.toml"]));
    }

    fn run(operations: &[Operation], patience: Duration) -> Result<(), String> {
        let mut episode = Self::begin();
        for operation in operations {
            episode.apply(operation)?;
            let found = episode.files();
            episode.remember(found);
        }
        episode.judge(patience)
    }

    /// What can't be done (there is no such file) is left out.
    fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        let at = |path: &Path| self.dir.path(path);
        let _ = match operation {
            Operation::Write(path, number) => fs::create_dir_all(at(path).parent().unwrap())
                .and_then(|()| fs::write(at(path), content(*number))),
            Operation::Replace(path, number) => {
                let new = self.dir.path("new");
                fs::create_dir_all(at(path).parent().unwrap())
                    .and_then(|()| fs::write(&new, content(*number)))
                    .and_then(|()| fs::rename(&new, at(path)))
            }
            Operation::Append(path) => fs::File::options()
                .append(true)
                .open(at(path))
                .and_then(|mut file| file.write_all(&[7; 13])),
            Operation::Rename(from, to) => fs::rename(at(from), at(to)),
            Operation::HardLink(from, to) => fs::hard_link(at(from), at(to)),
            Operation::SymbolicLink(from, to) => symlink(at(from), at(to)),
            Operation::Delete(path) => fs::remove_file(at(path)),
            Operation::MoveFolder(from, to) => fs::rename(self.dir.path(from), self.dir.path(to)),
            Operation::DeleteFolder(folder) => fs::remove_dir_all(self.dir.path(folder)),
            Operation::Pause(milliseconds) => {
                thread::sleep(Duration::from_millis(*milliseconds));
                Ok(())
            }
            Operation::EndAndStart | Operation::KillAndStart => {
                if let Some(mut daemon) = self.daemon.take() {
                    let kill = matches!(operation, Operation::KillAndStart);
                    daemon.signal(if kill { "-KILL" } else { "-TERM" });
                    let code = daemon.wait().code();
                    // It may not have come to listen to signals.
                    if !kill && !matches!(code, Some(0) | None) {
                        return Err(format!("the daemon ended with {code:?}"));
                    }
                }
                self.start();
                Ok(())
            }
        };
        Ok(())
    }

    /// The files that are to be taken, and their bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        WalkDir::new(self.dir.path("inbox"))
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .filter(|entry| entry.path().extension().unwrap() != "part")
            .map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap()))
            .collect()
    }

    fn remember(&mut self, files: BTreeMap<PathBuf, Vec<u8>>) {
        for (path, bytes) in files {
            let digest = digest(&bytes);
            if is_image(&bytes) {
                self.digests_of_images.insert(digest.clone());
            }
            self.history.insert((path, digest));
        }
    }

    /// Waits until nothing is waiting, and holds the catalog against the disk.
    fn judge(mut self, patience: Duration) -> Result<(), String> {
        if let Some(daemon) = &self.daemon {
            daemon.wait_until_ready();
        }
        let deadline = Instant::now() + patience;
        loop {
            let status = self.dir.status();
            if status["files"]["waiting"] == 0 {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("still waiting: {status}"));
            }
        }
        if let Some(daemon) = self.daemon.take() {
            daemon.end();
        }
        self.dir.assert_sound();
        let mut rows = self.rows();
        for (path, bytes) in self.files() {
            let state = if is_image(&bytes) {
                "classified"
            } else {
                "rejected"
            };
            let expected = (digest(&bytes), state.to_owned());
            let row = rows.remove(&path);
            if row.as_ref() != Some(&expected) {
                return Err(format!(
                    "'{}' should be {expected:?} and is {row:?}",
                    path.display()
                ));
            }
        }
        for (path, (digest, state)) in rows {
            // A file is empty for a moment before it is written.
            let was_there = self.history.contains(&(path.clone(), digest.clone()))
                || digest == crate::support::digest(b"");
            if !was_there {
                return Err(format!("'{}' was never {digest} ({state})", path.display()));
            }
        }
        let answered: String = self
            .dir
            .ask("SELECT ifnull(group_concat(digest), '') FROM classification");
        let known = |digest: &&str| !self.digests_of_images.contains(*digest);
        match answered
            .split(',')
            .filter(|digest| !digest.is_empty())
            .find(known)
        {
            Some(digest) => Err(format!("an answer for {digest}, which never was")),
            None => Ok(()),
        }
    }

    fn rows(&self) -> BTreeMap<PathBuf, (String, String)> {
        let connection = self.dir.catalog();
        let mut statement = connection
            .prepare("SELECT path, lower(hex(digest)), state FROM cutout")
            .unwrap();
        let mut rows = BTreeMap::new();
        let found = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?)))
        });
        for row in found.unwrap() {
            let (path, rest) = row.unwrap();
            assert!(
                rows.insert(path.into(), rest).is_none(),
                "two rows of one path"
            );
        }
        rows
    }
}

/// Leaves out what is not needed to fail.
fn shrink(mut operations: Vec<Operation>) -> Vec<Operation> {
    let mut at = operations.len();
    while at > 0 {
        at -= 1;
        let mut fewer = operations.clone();
        fewer.remove(at);
        if Episode::run(&fewer, Duration::from_secs(5)).is_err() {
            operations = fewer;
        }
    }
    operations
}

fn episode(seed: u64) {
    let mut random = Random(seed);
    let operations: Vec<Operation> = (0..OPERATIONS).map(|_| random.operation()).collect();
    if let Err(fault) = Episode::run(&operations, Duration::from_mins(1)) {
        panic!("GALMORPH_SEED={seed}: {fault}\n{:#?}", shrink(operations));
    }
}

#[test]
fn whatever_happens_the_catalog_says_in_the_end_what_is_so() {
    match env::var("GALMORPH_SEED") {
        Ok(seed) => episode(seed.parse().unwrap()),
        Err(_) => SEEDS.for_each(episode),
    }
}
