//! The power goes: all that is left is what the file system has written to its disk.
//!
//! ext4 is told to stop at once and to forget what it has not written yet, the way file systems' own
//! tests lose power. Then it is mounted again, and finds what a machine finds that is switched on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;

use crate::support::{Dir, file_counts, jpeg, wait_until};

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, by a language that has `ioctl` at hand.
const SWITCH_OFF: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A disk of its own, in a file; gone when it is dropped.
struct Disk {
    image: PathBuf,
    folder: PathBuf,
}

impl Disk {
    /// None, and a line that says so, where a disk can't be made.
    fn new(place: &Dir) -> Option<Self> {
        let (image, folder) = (place.path("disk.img"), place.path("disk"));
        fs::create_dir(&folder).unwrap();
        let file = fs::File::create(&image).unwrap();
        file.set_len(64 << 20).unwrap();
        let disk = Self { image, folder };
        let why = if !succeeds("mkfs.ext4", &["-q".as_ref(), &disk.image]) {
            "no mkfs.ext4 here"
        } else if !succeeds("python3", &["--version".as_ref()]) {
            "no python3 here"
        } else if !disk.mount() {
            "no right to mount a disk here"
        } else {
            return Some(disk);
        };
        let _ = writeln!(io::stderr(), "skipped: {why}");
        None
    }

    fn mount(&self) -> bool {
        succeeds(
            "mount",
            &["-o".as_ref(), "loop".as_ref(), &self.image, &self.folder],
        )
    }

    /// Loses the power while `daemon` runs, which must be the only one to use the disk.
    fn lose_power(&self, mut daemon: Child) {
        let code: &Path = SWITCH_OFF.as_ref();
        assert!(succeeds("python3", &["-c".as_ref(), code, &self.folder]));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        assert!(succeeds("umount", &[&self.folder]));
        assert!(self.mount());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        succeeds("umount", &["-l".as_ref(), &self.folder]);
    }
}

fn succeeds(program: &str, arguments: &[&Path]) -> bool {
    let mut command = Command::new(program);
    let quiet = command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Each file's state, by its object; none while there is no catalog.
fn rows(dir: &Dir) -> BTreeMap<String, String> {
    let read = || -> rusqlite::Result<BTreeMap<String, String>> {
        let connection = Connection::open(dir.path("galmorph.sqlite"))?;
        let mut statement = connection.prepare("SELECT object_id, state FROM cutout")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    if dir.path("galmorph.sqlite").exists() {
        read().unwrap_or_default()
    } else {
        BTreeMap::new()
    }
}

#[test]
fn rows_that_were_seen_survive_a_loss_of_power_and_so_do_all_files() {
    const FILES: usize = 150;
    let place = Dir::new();
    let Some(disk) = Disk::new(&place) else {
        return;
    };
    let dir = Dir::within(&disk.folder);
    for seed in 0..FILES {
        let name = format!("{}/{seed}.jpg", seed % 3);
        let image = jpeg(u32::try_from(seed).unwrap());
        // One in ten is broken.
        let end = if seed % 10 == 9 { 300 } else { image.len() };
        dir.old_file(name, &image[..end]);
    }
    dir.config("folders = [{ path = 'inbox', after = 'move' }]\nworkers = 1\nbatch = 2");
    assert!(succeeds("sync", &["-f".as_ref(), &disk.folder]));

    for wanted in [1, 10, 25, 45] {
        let mut watch = dir.galmorph(["watch", "--config", "galmorph.toml"]);
        let daemon = watch.stderr(Stdio::null()).spawn().unwrap();
        wait_until("there are some rows", || rows(&dir).len() >= wanted);
        let seen = rows(&dir);
        disk.lose_power(daemon);
        let kept = rows(&dir);
        for (object, state) in &seen {
            assert_eq!(
                kept.get(object),
                Some(state),
                "{object}, after {wanted} rows"
            );
        }
        dir.assert_sound();
        for seed in 0..FILES {
            let below = format!("{}/{seed}.jpg", seed % 3);
            let places = ["", "done/", "rejected/"];
            let found = places.map(|place| dir.inbox(format!("{place}{below}")).exists());
            let count = found.iter().filter(|is_there| **is_there).count();
            assert_eq!(count, 1, "{below}: {found:?}, after {wanted} rows");
        }
    }

    let ran = dir.run(&["watch", "--drain", "--config", "galmorph.toml"]);
    assert!(ran.code <= 1, "{}", ran.stderr);
    assert_eq!(file_counts(&dir.status()), [150, 135, 15, 0]);
    assert_eq!(dir.count("classification"), 135);
    for (state, place) in [("classified", "done"), ("rejected", "rejected")] {
        let elsewhere = format!("cutout WHERE state = '{state}' AND path NOT LIKE '%/{place}/%'");
        assert_eq!(dir.count(&elsewhere), 0, "{state}");
    }
    dir.assert_sound();
}
