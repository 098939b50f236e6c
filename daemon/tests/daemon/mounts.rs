//! File systems that fill, vanish or become read-only under the daemon's hands.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::file_system::{SOON, configure, daemon, drain};
use crate::support::{Dir, file_counts, jpeg, wait_until};

/// A file system of its own in memory, gone when it is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// None, and a line that says so, where we may not mount.
    pub(crate) fn on(folder: &Path, size: &str) -> Option<Self> {
        let size = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &size, "galmorph-test"];
        if !mount(&arguments, folder) {
            let _ = writeln!(io::stderr(), "skipped: no right to mount here");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Shows a folder in the place of another one.
    fn of(folder: &Path, place: &Path) -> Self {
        assert!(mount(&["--bind", folder.to_str().unwrap()], place));
        Self(place.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let lazily = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(lazily.unwrap().success() || thread::panicking());
    }
}

pub(crate) fn mount(options: &[&str], folder: &Path) -> bool {
    let mut command = Command::new("mount");
    command.args(options).arg(folder);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let place = Dir::new();
    fs::create_dir(place.path("disk")).unwrap();
    let Some(_disk) = Mount::on(&place.path("disk"), "4m") else {
        return;
    };
    let dir = Dir::within(&place.path("disk"));
    configure(&dir, SOON);
    let mut daemon = daemon(&dir, &[]);
    fs::write(dir.inbox("before.jpg"), jpeg(1)).unwrap();
    wait_until("the first row is there", || dir.count("cutout") == 1);

    let images: Vec<PathBuf> = (2..30)
        .map(|seed| dir.inbox(format!("{seed}.jpg")))
        .collect();
    for (seed, image) in (2..).zip(&images) {
        fs::write(image.with_extension("part"), jpeg(seed)).unwrap();
    }
    let filler = dir.path("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let _ = file.write_all(&[0; 1]);
    for image in &images {
        // A new name takes no room.
        fs::rename(image.with_extension("part"), image).unwrap();
    }
    daemon.wait_for_line("trying again");
    assert!(file_counts(&dir.status())[3] > 0, "some are waiting");
    fs::remove_file(&filler).unwrap();
    drop(file);
    wait_until("all rows are there", || dir.count("cutout") == 29);
    daemon.end();
    assert_eq!(dir.count("classification"), 29);
    dir.assert_sound();
    dir.run(&["check", "inbox", "--deep", "--config", "galmorph.toml"])
        .exits(0);
}

#[test]
fn a_catalog_that_is_to_be_made_on_a_full_disk_is_made_when_there_is_room() {
    let place = Dir::new();
    fs::create_dir(place.path("disk")).unwrap();
    let Some(_disk) = Mount::on(&place.path("disk"), "2m") else {
        return;
    };
    let dir = Dir::within(&place.path("disk"));
    configure(&dir, SOON);
    dir.old_file("a.jpg", &jpeg(1));
    let filler = dir.path("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut daemon = dir.starting_daemon(&["--config", "galmorph.toml"]);
    daemon.wait_for_line("trying again");
    fs::remove_file(&filler).unwrap();
    drop(file);
    daemon.wait_until_ready();
    wait_until("the row is there", || dir.count("cutout") == 1);
    daemon.end();
    dir.assert_sound();
}

#[test]
fn images_on_a_mount_that_vanishes_keep_their_rows_and_come_back_as_they_were() {
    let dir = Dir::new();
    configure(&dir, SOON);
    let server = dir.path("server");
    fs::create_dir(&server).unwrap();
    let Some(disk) = Mount::on(&server, "4m") else {
        return;
    };
    let first = Mount::of(&server, &dir.path("inbox"));
    let fill = |folder: PathBuf, names: &[u32]| {
        for seed in names {
            let path = folder.join(format!("{seed}.jpg"));
            fs::write(&path, jpeg(*seed)).unwrap();
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(moment)
                .unwrap();
        }
    };
    fill(dir.path("inbox"), &[1, 2, 3]);
    let mut daemon = daemon(&dir, &["-v"]);
    wait_until("all are recorded", || dir.count("cutout") == 3);
    let times =
        "SELECT group_concat(updated) || (SELECT group_concat(classified_at) FROM classification)
                 FROM cutout";
    let before: String = dir.ask(times);

    // Lazily, as for a server that is gone: the daemon may be about to read.
    drop(first);
    for _ in 0..3 {
        daemon.wait_for_line("scan ends");
    }
    assert_eq!(dir.ask::<String>(times), before);
    assert_eq!(file_counts(&dir.status()), [3, 3, 0, 0]);
    let ran = dir
        .run(&["check", "inbox", "--deep", "--config", "galmorph.toml"])
        .exits(1);
    assert!(ran.stdout.contains("is it mounted?"), "{}", ran.stdout);

    // Filled before the daemon sees it: a file that it sees closed is read again, old or not.
    fill(server.clone(), &[4]);
    let shown = Mount::of(&server, &dir.path("inbox"));
    wait_until("the new one is recorded", || dir.count("cutout") == 4);
    let sorted = |text: &str| {
        let mut times: Vec<String> = text.split(',').map(str::to_owned).collect();
        times.sort();
        times
    };
    let known =
        "SELECT group_concat(updated) || (SELECT group_concat(classified_at) FROM classification
                     WHERE digest IN (SELECT lower(hex(digest)) FROM cutout WHERE object_id <> '4'))
                 FROM cutout WHERE object_id <> '4'";
    assert_eq!(
        sorted(&dir.ask::<String>(known)),
        sorted(&before),
        "nothing was done again"
    );
    daemon.end();
    drop((shown, disk));
    dir.assert_sound();
}

#[test]
fn images_on_a_mount_that_becomes_read_only_are_classified_as_before() {
    let dir = Dir::new();
    configure(&dir, SOON);
    let Some(_mount) = Mount::on(&dir.path("inbox"), "4m") else {
        return;
    };
    dir.old_file("a.jpg", &jpeg(1));
    let mut daemon = daemon(&dir, &["-v"]);
    wait_until("it is recorded", || dir.count("cutout") == 1);
    fs::write(dir.inbox("late.part"), jpeg(2)).unwrap();
    fs::rename(dir.inbox("late.part"), dir.inbox("late.jpg")).unwrap();
    assert!(mount(&["-o", "remount,ro"], &dir.path("inbox")));
    wait_until("the other is, too", || dir.count("cutout") == 2);
    daemon.wait_for_line("scan ends");
    daemon.end();
    drain(&dir).exits(0);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (2, 2));
}

#[test]
fn a_catalog_whose_mount_is_gone_ends_the_daemon_and_is_as_it_was_when_the_mount_is_back() {
    let dir = Dir::new();
    configure(&dir, SOON);
    let (server, place) = (dir.path("server"), dir.path("disk"));
    fs::create_dir(&server).unwrap();
    fs::create_dir(&place).unwrap();
    let Some(_disk) = Mount::on(&server, "4m") else {
        return;
    };
    let shown = Mount::of(&server, &place);
    let config = fs::read_to_string(dir.path("galmorph.toml")).unwrap();
    dir.config(&(config + "\ncatalog = 'disk/c.sqlite'"));
    dir.old_file("a.jpg", &jpeg(1));
    let mut daemon = daemon(&dir, &[]);
    let rows = || {
        let ran = dir.run(&["query", "--format", "csv", "--catalog", "disk/c.sqlite"]);
        ran.stdout.lines().count()
    };
    wait_until("it is recorded", || rows() == 2);
    drop(shown);
    daemon.wait_for_line("is not the one that was opened");
    assert_eq!(daemon.wait().code(), Some(75));
    assert!(fs::read_dir(&place).unwrap().next().is_none());
    let _shown = Mount::of(&server, &place);
    dir.old_file("b.jpg", &jpeg(2));
    drain(&dir).exits(0);
    assert_eq!(rows(), 3);
}

#[test]
fn a_second_daemon_is_kept_out_of_a_catalog_that_is_mounted_elsewhere() {
    let place = Dir::new();
    fs::create_dir(place.path("disk")).unwrap();
    let Some(_disk) = Mount::on(&place.path("disk"), "4m") else {
        return;
    };
    let dir = Dir::within(&place.path("disk"));
    configure(&dir, SOON);
    let daemon = daemon(&dir, &[]);
    // By another name of the file, no one sees what is in the log.
    wait_until("the log is empty", || dir.status()["wal_bytes"] == 0);
    fs::create_dir(place.path("folder")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    let _folder = Mount::of(&dir.path(""), &place.path("folder"));
    let _file = Mount::of(&dir.path("galmorph.sqlite"), &place.path("file"));
    let names = [place.path("folder/galmorph.sqlite"), place.path("file")];
    let names = names.each_ref().map(|name| name.to_str().unwrap());
    for name in names {
        let second = ["watch", "inbox", "--drain", "--catalog", name];
        let ran = dir.run(&second).exits(3);
        ran.says_in_one_line(&["in use by another galmorph watch"]);
    }
    let ran = dir.run(&["status", "--catalog", names[0]]).exits(0);
    assert!(ran.stdout.starts_with("galmorph watch  running\n"));
    let ran = dir.run(&["status", "--catalog", names[1]]).exits(3);
    ran.says_in_one_line(&["a mount of a single file", "mount its folder"]);
    daemon.end();
    // The log would be left behind in the folder that the file is mounted in.
    let alone = ["watch", "inbox", "--drain", "--catalog", names[1]];
    let ran = dir.run(&alone).exits(3);
    ran.says_in_one_line(&["a mount of a single file", "mount its folder"]);
}
