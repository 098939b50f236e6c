//! When a file that has its answer is moved, and what becomes of it if it changes.

use std::path::Path;

use super::super::moving::BeingWritten;
use super::*;
use crate::config::{After, Folder};

/// A running daemon's intake of a folder that moves its files, and a file there that has its answer and was
/// left alone.
fn with_an_answer(settle: Duration) -> (Fixture<Intake<'static>>, TakenFile) {
    let mut fixture = Fixture::new(&[]);
    let folder = Folder {
        after: After::Move,
        ..fixture.folder.path().to_owned().into()
    };
    folder.prepare().unwrap();
    let path = folder.path.join("a.jpg");
    fs::write(&path, "some").unwrap();
    fixture.intake.options.selection = Selection::new(vec![folder], vec!["jpg".into()]);
    fixture.intake.options.settle = settle;
    let file = TakenFile {
        seen: Seen::of(&fs::symlink_metadata(&path).unwrap()),
        path,
        origin: Origin::now(),
    };
    fixture.record(&file);
    fixture
        .intake
        .on_hint(Instant::now(), Hint::Complete(file.path.clone()));
    assert_eq!(fixture.intake.next_file().path, file.path);
    fixture
        .intake
        .on_departure(file.path.clone(), Departure::Recorded);
    (fixture, file)
}

/// Has what waits become due.
fn wait(intake: &mut Intake) {
    let later = Instant::now() + Duration::from_hours(48);
    while let Some((path, delayed)) = intake.delayed.due(later) {
        intake.recheck(path, delayed);
        if !intake.errands.is_empty() || !intake.queue.is_empty() {
            return;
        }
    }
}

#[test]
fn a_file_with_its_answer_is_moved_when_it_was_left_alone_and_looked_at_once_more() {
    let (fixture, file) = with_an_answer(Duration::from_hours(1));
    let mut intake = fixture.intake;
    assert!(intake.errands.is_empty() && intake.delayed.contains(&file.path));
    wait(&mut intake);
    assert!(matches!(intake.next_errand(), Errand::Move(moved) if moved.path == file.path));

    // Whoever has it open at that moment keeps it where it is for longer.
    intake.on_departure(file.path.clone(), Departure::Busy);
    assert!(intake.errands.is_empty());
    wait(&mut intake);
    assert!(matches!(intake.next_errand(), Errand::Move(_)));

    // It is moved, and then changes: by its size, or by another one that takes its place.
    let mut writer = fixture.writer;
    let moved = fixture.folder.path().join("rejected/a.jpg");
    fs::rename(&file.path, &moved).unwrap();
    let rename = galmorph_catalog::Move {
        from: file.path.clone(),
        to: moved.clone(),
        stamp: file.seen.stamp,
    };
    writer.intend(std::slice::from_ref(&rename)).unwrap();
    writer.end_moves(&[rename], &[]).unwrap();
    intake.on_departure(file.path.clone(), Departure::Moved(moved.clone()));
    assert!(intake.delayed.contains(&moved) && intake.queue.is_empty());
    fs::write(&moved, "some more").unwrap();
    wait(&mut intake);
    // It is in motion, so it has to settle first.
    wait(&mut intake);
    assert_eq!(intake.next_file().path, moved);
}

#[test]
fn a_file_that_changes_while_it_waits_to_be_moved_is_read_again() {
    type Change = fn(&Path);
    let appended: Change = |path| fs::write(path, "some more").unwrap();
    let replaced: Change = |path| {
        let (next, time) = (
            path.with_extension("next"),
            path.metadata().unwrap().modified(),
        );
        fs::write(&next, "none").unwrap();
        fs::File::open(&next)
            .unwrap()
            .set_modified(time.unwrap())
            .unwrap();
        fs::rename(next, path).unwrap();
    };
    let timed: Change = |path| {
        let file = fs::File::open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    for change in [appended, replaced, timed] {
        // Seen when it is looked at again, or by a scan before that.
        for is_found in [false, true] {
            let (fixture, file) = with_an_answer(Duration::from_hours(1));
            let mut intake = fixture.intake;
            change(&file.path);
            if is_found {
                let metadata = fs::symlink_metadata(&file.path).unwrap();
                intake.consider(file.path.clone(), Seen::of(&metadata), Cause::Found);
            }
            while intake.queue.is_empty() {
                wait(&mut intake);
                assert!(intake.errands.is_empty(), "what nobody judged is moved");
            }
            assert_eq!(intake.next_file().path, file.path);
        }
    }
}

#[test]
fn an_empty_file_is_not_moved_and_one_that_was_left_alone_goes_at_once() {
    let (fixture, file) = with_an_answer(Duration::ZERO);
    let mut intake = fixture.intake;
    assert!(matches!(intake.next_errand(), Errand::Move(moved) if moved.path == file.path));
    let empty = Seen::of(&fs::File::create(&file.path).unwrap().metadata().unwrap());
    let mut writer = fixture.writer;
    let entry = Entry {
        path: file.path.clone(),
        parts: Vec::new(),
        stamp: empty.stamp,
        digest: None,
        dimensions: None,
        rendering: None,
        shown: None,
        stretch: None,
        novelty: None,
        prediction_set: None,
        camera: None,
        identity: galmorph_cutout::Identity::named("x".into()),
        attempts: 1,
        first_seen: file.origin.first_seen,
        verdict: Verdict::rejected(RejectReason::NotAnImage, "by the test"),
    };
    writer.record(&[entry]).unwrap();
    assert_eq!(intake.task(&file.path, &empty), None);
}

#[test]
fn a_file_that_is_written_to_and_not_closed_is_known_where_the_kernel_may_not_be_asked() {
    let written = BeingWritten::default();
    let path = Path::new("/in/a.jpg");
    assert!(!written.contains(path));
    written.insert(path.to_owned());
    assert!(written.contains(path) && !written.contains(Path::new("/in/b.jpg")));
    written.remove(path);
    assert!(!written.contains(path));
}
