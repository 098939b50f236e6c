//! The intake alone, with a pipeline that says what the test wants.

mod moving;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crossbeam::channel::bounded;
use galmorph_cutout::RejectReason;
use tempfile::TempDir;

use super::delay::Delayed;
use super::departures::DRAIN_ATTEMPTS;
use super::moving::REPEATS;
use super::notify::Hint;
use super::queue::Lane;
use super::*;
use crate::config::Order;
use crate::file::{Departure, Origin, Seen};
use crate::observe::Stage;
use crate::observe::Tally;
use galmorph_catalog::{Entry, ModelInUse, Verdict, Writer};

const DEADLINE: Duration = Duration::from_mins(1);

struct NoObserver;

impl Observer for NoObserver {
    fn started(&self) {}
    fn recorded(&self, _: &[Entry], _: &Tally) {}
    fn worked(&self, _: Stage, _: Duration) {}
    fn ran(&self, _: usize) {}
    fn answered(&self, _: Duration) {}
    fn waits(&self, _: WaitingPlace, _: usize) {}
    fn scanned(&self, _: Duration) {}
    fn left_alone(&self, _: &str) {}
    fn lost(&self) {}
}

/// A file that could not be read before.
fn delayed() -> Delayed {
    Delayed {
        before: None,
        must_read: true,
        origin: Origin::now(),
    }
}

/// An intake that runs on a thread, or does not run yet.
struct Fixture<I = JoinHandle<IntakeReport>> {
    folder: TempDir,
    writer: Writer,
    taken: Receiver<TakenFile>,
    departed: Sender<DepartedFile>,
    asked: Receiver<Errand>,
    intake: I,
}

impl Fixture<Intake<'static>> {
    /// About to drain a folder with these files, which have lain there for long.
    fn new(files: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        for name in files {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let catalog = folder.path().join("c.sqlite");
        let model = ModelInUse {
            name: "m".into(),
            digest: blake3::hash(b"model"),
            card: "{}".into(),
            arithmetic: "f32".into(),
        };
        let writer = Writer::open(&catalog, &model).unwrap();
        let options = IntakeOptions {
            selection: Selection::new(vec![folder.path().to_owned().into()], vec!["jpg".into()]),
            settle: Duration::from_millis(20),
            band_wait: Duration::ZERO,
            rescan_interval: Duration::from_hours(1),
            order: Order::Newest,
            poll: true,
            drain: true,
            wake_file: folder.path().join("c.sqlite.lock"),
        };
        let (output, taken) = bounded(100);
        let (departed, departures) = bounded(100);
        let (scans, _) = bounded(1);
        let (errands, asked) = bounded(100);
        let reader = Reader::open(&catalog).unwrap();
        let required = RequiredModel {
            model: writer.model(),
            reclassify: true,
        };
        let channels = IntakeChannels {
            output,
            departed: departures,
            scans,
            errands,
        };
        let intake = Intake::new(
            options,
            reader,
            required,
            channels,
            Shutdown::new(),
            &NoObserver,
        );
        Self {
            folder,
            writer,
            taken,
            departed,
            asked,
            intake,
        }
    }

    fn run(self) -> Fixture {
        let intake = self.intake;
        Fixture {
            folder: self.folder,
            writer: self.writer,
            taken: self.taken,
            departed: self.departed,
            asked: self.asked,
            intake: thread::spawn(move || intake.run()),
        }
    }
}

impl Fixture {
    fn drain(files: &[&str]) -> Self {
        Fixture::new(files).run()
    }

    fn next(&self) -> TakenFile {
        self.taken.recv_timeout(DEADLINE).unwrap()
    }

    fn finish(&self, file: &TakenFile, how: Departure) {
        self.departed.send((file.path.clone(), how)).unwrap();
    }

    fn finish_recorded(&mut self, file: &TakenFile) {
        self.record(file);
        self.finish(file, Departure::Recorded);
    }

    fn end(self) -> IntakeReport {
        assert!(
            self.taken.recv_timeout(DEADLINE).is_err(),
            "a file too many"
        );
        self.intake.join().unwrap()
    }
}

impl<I> Fixture<I> {
    fn record(&mut self, file: &TakenFile) {
        let entry = Entry {
            path: file.path.clone(),
            parts: Vec::new(),
            stamp: file.seen.stamp,
            digest: None,
            dimensions: None,
            rendering: None,
            shown: None,
            stretch: None,
            novelty: None,
            prediction_set: None,
            camera: None,
            identity: galmorph_cutout::Identity::named("x".into()),
            attempts: file.origin.failures + 1,
            first_seen: file.origin.first_seen,
            verdict: Verdict::rejected(RejectReason::Broken, "by the test"),
        };
        self.writer.record(&[entry]).unwrap();
    }
}

#[test]
fn every_file_is_given_once_and_a_drain_ends_when_all_are_back() {
    let mut fixture = Fixture::drain(&["a.jpg", "b.jpg", "c.jpg", "d.txt"]);
    let files = [fixture.next(), fixture.next(), fixture.next()];
    assert!(!fixture.intake.is_finished());
    for file in &files {
        fixture.finish_recorded(file);
    }
    let report = fixture.end();
    assert!(report.abandoned.is_empty() && !report.interrupted);
}

#[test]
fn a_file_that_cannot_be_read_comes_again_and_a_drain_gives_up_in_the_end() {
    let fixture = Fixture::drain(&["a.jpg"]);
    for failures in 0..DRAIN_ATTEMPTS {
        let file = fixture.next();
        assert_eq!(file.origin.failures, failures);
        fixture.finish(&file, Departure::Transient("cannot read it".into()));
    }
    assert_eq!(fixture.end().abandoned, ["cannot read it"]);
}

#[test]
fn a_file_that_changed_settles_again_and_one_that_is_gone_is_forgotten() {
    let mut fixture = Fixture::drain(&["a.jpg"]);
    let first = fixture.next();
    fs::write(&first.path, "more").unwrap();
    fixture.finish(&first, Departure::Changed);
    let second = fixture.next();
    assert_eq!(second.path, first.path);
    assert_eq!((second.seen.stamp.bytes, second.origin.failures), (4, 0));
    assert_eq!(second.origin.first_seen, first.origin.first_seen);
    fixture.finish_recorded(&second);
    fixture.end();

    let fixture = Fixture::drain(&["a.jpg"]);
    let file = fixture.next();
    fs::remove_file(&file.path).unwrap();
    fixture.finish(&file, Departure::Gone);
    assert!(fixture.end().abandoned.is_empty());
}

#[test]
fn a_file_of_which_only_the_permissions_change_is_read_again_and_not_for_ever() {
    let mut fixture = Fixture::drain(&["a.jpg"]);
    for repeats in 0..=REPEATS {
        let file = fixture.next();
        assert_eq!((file.origin.repeats, file.origin.failures), (repeats, 0));
        // Until the kernel's time of the change is another one.
        let look = || Seen::of(&fs::metadata(&file.path).unwrap());
        for mode in [0o600, 0o644].into_iter().cycle() {
            fs::set_permissions(&file.path, fs::Permissions::from_mode(mode)).unwrap();
            if look() != file.seen {
                break;
            }
        }
        fixture.finish_recorded(&file);
    }
    assert!(fixture.end().abandoned.is_empty());
}

#[test]
fn a_file_that_changed_and_cannot_be_looked_at_just_now_is_not_lost_to_a_drain() {
    let mut fixture = Fixture::new(&[]);
    // "Too many levels of symbolic links", for root as well.
    let folder = fixture.folder.path().join("loop");
    std::os::unix::fs::symlink(&folder, &folder).unwrap();
    let path = folder.join("a.jpg");
    fixture
        .intake
        .retry_if_needed(path.clone(), Departure::Changed, &delayed());
    assert!(fixture.intake.delayed.contains(&path));
}

#[test]
fn a_drain_with_more_files_than_may_wait_tries_them_all_and_ends() {
    let mut fixture = Fixture::new(&["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]);
    fixture.intake.delayed = DelayQueue::new(2);
    let mut fixture = fixture.run();
    // One can be read, and is not to be counted as done before.
    let good = fixture.next();
    fixture.finish_recorded(&good);
    for _ in 0..4 * DRAIN_ATTEMPTS {
        let file = fixture.next();
        assert_ne!(file.path, good.path);
        fixture.finish(&file, Departure::Transient("cannot read it".into()));
    }
    let report = fixture.end();
    assert_eq!((report.abandoned.len(), report.unchanged), (4, 0));
}

#[test]
fn a_backlog_beyond_the_queue_is_found_again_and_each_file_given_once() {
    let names: Vec<String> = (0..9).map(|number| format!("{number}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fixture = Fixture::new(&names);
    fixture.intake.queue = Queue::new(Order::Newest, 2);
    let mut fixture = fixture.run();
    let mut seen = Vec::new();
    for _ in &names {
        let file = fixture.next();
        fixture.finish_recorded(&file);
        seen.push(file.path);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), names.len());
    // What later scans found done was not done before.
    assert_eq!(fixture.end().unchanged, 0);
}

#[test]
fn what_can_not_be_done_now_is_no_reason_to_wake() {
    let Fixture {
        folder, mut intake, ..
    } = Fixture::new(&[]);
    let past = Instant::now();
    intake.scan_by(past);
    let added = intake.new_folders.add("/a".into(), past, Duration::ZERO);
    assert_eq!((added, intake.time_until_due()), (Ok(()), Duration::ZERO));
    intake.scan = Some(RunningScan::new([folder.path().to_owned()], false));
    let wait = intake.time_until_due();
    assert!(wait > Duration::ZERO, "a scan is under way");

    intake.delay("/b".into(), past, delayed());
    assert_eq!(intake.time_until_due(), Duration::ZERO);
    for number in 0..FRESH_LIMIT {
        let file = TakenFile::named(number.to_string());
        intake.queue.push(file, Lane::Fresh, SystemTime::now());
    }
    assert!(intake.time_until_due() > Duration::ZERO, "enough are fresh");
}

#[test]
fn what_was_just_written_is_taken_even_if_its_size_and_time_are_the_old_ones() {
    let mut fixture = Fixture::new(&["a.jpg"]);
    let path = fixture.folder.path().join("a.jpg");
    let seen = Seen::of(&fs::symlink_metadata(&path).unwrap());
    fixture.record(&TakenFile {
        path: path.clone(),
        seen,
        origin: Origin::now(),
    });
    let mut intake = fixture.intake;
    intake.consider(path.clone(), seen, Cause::Found);
    assert!(intake.queue.is_empty());
    intake.consider(path.clone(), seen, Cause::Complete(Instant::now()));
    assert_eq!(intake.next_file().path, path);

    // It can't be read at first: that makes it no older.
    intake.on_departure(path.clone(), Departure::Transient("cannot read it".into()));
    let (path, delayed) = intake.delayed.due(Instant::now() + DEADLINE).unwrap();
    intake.recheck(path.clone(), delayed);
    assert_eq!(intake.next_file().path, path);
}

#[test]
fn many_new_folders_are_found_by_one_full_scan() {
    let Fixture {
        folder, mut intake, ..
    } = Fixture::new(&[]);
    intake.new_folders = NewFolders::new(2);
    intake.options.settle = Duration::ZERO;
    for name in ["a", "b", "c"] {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        assert!(intake.next_scan.is_none(), "{name} has a scan of its own");
        intake.on_hint(Instant::now(), Hint::Appeared(path));
    }
    assert!(intake.new_folders.is_empty());
    assert!(
        intake
            .next_scan
            .is_some_and(|moment| moment <= Instant::now())
    );

    // What lies in them is found by that scan, and no folder is walked by itself.
    for name in ["a", "b", "c"] {
        let file = fs::File::create(folder.path().join(name).join("1.jpg")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    intake.do_what_is_due();
    assert!(intake.scan.as_ref().is_some_and(|scan| scan.is_full));
    intake.advance_scan();
    assert_eq!(intake.queue.len(), 3);
}
