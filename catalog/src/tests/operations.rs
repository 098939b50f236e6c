//! What `status`, `retry` and the daemon's idle moments need of the catalog.

use super::*;

use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime};

use crate::{LoggedError, RejectedBefore, WatchedFolder};

fn watched(folder: &str) -> Watched {
    Watched {
        folders: vec![WatchedFolder {
            path: folder.into(),
            moves: false,
            framing: FramingSettings::default(),
            identified: false,
            ..WatchedFolder::default()
        }],
        extensions: vec!["jpg".into()],
        exclude: vec!["@eaDir".into()],
        reclassify: true,
        follow_links: false,
    }
}

#[test]
fn the_view_shows_the_answers_of_the_model_in_use_where_there_are_some() {
    let fixture = Fixture::new();
    let limits = galmorph_cutout::Limits::default();
    let shown = "SELECT group_concat(path || ' ' || model, ', ')
                 FROM (SELECT path, model FROM catalog ORDER BY path)";
    for (name, at_first, digests, then) in [
        ("first", "", vec!["d1", "d2"], "/d1 first, /d2 first"),
        (
            "second",
            "/d1 first, /d2 first",
            vec!["d1"],
            "/d1 second, /d2 first",
        ),
        (
            "third",
            "/d1 second, /d2 first",
            vec!["d1"],
            "/d1 third, /d2 first",
        ),
        (
            "second",
            "/d1 second, /d2 first",
            vec![],
            "/d1 second, /d2 first",
        ),
        (
            "first",
            "/d1 first, /d2 first",
            vec![],
            "/d1 first, /d2 first",
        ),
        // What has no answer of the model in use shows what it showed before.
        (
            "fourth",
            "/d1 first, /d2 first",
            vec![],
            "/d1 first, /d2 first",
        ),
        (
            "third",
            "/d1 third, /d2 first",
            vec!["d2"],
            "/d1 third, /d2 third",
        ),
    ] {
        let mut writer = fixture.writer(name);
        writer.record_watch(&watched("/in"), &limits).unwrap();
        let rows = || fixture.ask::<Option<String>>(shown).unwrap_or_default();
        // To readers it is one step, and the rows that follow change nothing.
        assert_eq!(rows(), at_first, "{name}");
        while writer.settle().unwrap() {
            assert_eq!(rows(), at_first, "{name}");
        }
        assert_eq!(rows(), at_first, "{name}");
        for digest in digests {
            let entry = entry(&format!("/{digest}"), digest, classified(ANSWER));
            writer.record(&[entry]).unwrap();
        }
        assert_eq!(rows(), then, "{name}");
        // And the fast view is there again, which is a start's own.
        let reader = Reader::open_to_check(&fixture.path()).unwrap();
        assert_eq!(reader.faults().unwrap(), Vec::<String>::new());
        assert_eq!(fixture.ask::<i64>("SELECT settling FROM watch"), 0);
    }
}

#[test]
fn many_rows_follow_a_change_of_the_model_in_steps_and_readers_see_none_of_them() {
    let fixture = Fixture::new();
    let limits = galmorph_cutout::Limits::default();
    let entries: Vec<Entry> = (0..700)
        .map(|number| {
            let name = format!("/{number}");
            entry(&name, &name, classified(ANSWER))
        })
        .collect();
    let shown = "SELECT count(*) FROM catalog WHERE model = 'first'";
    for (name, at_first, records) in [
        ("first", 0, true),
        ("second", 700, true),
        ("first", 700, false),
    ] {
        let mut writer = fixture.writer(name);
        writer.record_watch(&watched("/in"), &limits).unwrap();
        let mut steps = 0;
        assert_eq!(fixture.ask::<i64>(shown), at_first);
        while writer.settle().unwrap() {
            steps += 1;
            assert_eq!(fixture.ask::<i64>(shown), at_first);
            // What is new meanwhile has its place at once.
            let new = entry("/new", "new", classified(ANSWER));
            writer.record(&[new]).unwrap();
            writer
                .connection
                .execute("DELETE FROM cutout WHERE path = '/new'", [])
                .unwrap();
        }
        assert_eq!(steps, if records { 0 } else { 2 }, "{name}");
        assert_eq!(
            fixture.ask::<i64>("SELECT count(*) FROM cutout"),
            if at_first == 0 { 0 } else { 700 }
        );
        if records {
            writer.record(&entries).unwrap();
        }
    }
    let of_the_second = "SELECT count(*) FROM other_answer WHERE model = 2";
    assert_eq!(fixture.ask::<i64>(of_the_second), 700);
}

#[test]
fn what_is_watched_is_one_row_that_a_start_without_change_only_reads() {
    let fixture = Fixture::new();
    let limits = galmorph_cutout::Limits::default();
    let mut writer = fixture.writer("m");
    let reader = Reader::open_current(&fixture.path()).unwrap();
    assert_eq!(reader.watch().unwrap(), None);
    // Names that are not UTF-8 come back as they went.
    let odd = std::ffi::OsStr::from_bytes(b"/in/\xFF%25");
    for folder in [Path::new("/in"), Path::new(odd)] {
        let watched = Watched {
            folders: vec![WatchedFolder {
                path: folder.to_owned(),
                moves: true,
                framing: FramingSettings {
                    framing: Framing::Radius,
                    radius: Some(3.7),
                    pixel_scale: Some(0.262),
                },
                identified: true,
                rendering: Rendering {
                    stretch: Some("lupton q=10".parse().unwrap()),
                    bands: ["g", "r"].map(String::from).to_vec(),
                    ..Rendering::default()
                },
                band_files: Some("{object_id}_{band}.fits".into()),
            }],
            follow_links: true,
            ..watched("")
        };
        assert_eq!(
            writer.record_watch(&watched, &limits).unwrap(),
            RejectedBefore::default()
        );
        let expected = Watch {
            model: writer.model(),
            watched,
            error: None,
        };
        assert_eq!(reader.watch().unwrap(), Some(expected));
    }
    let error = LoggedError {
        message: "no".into(),
        at: "2026-01-01T00:00:00.123Z".parse().unwrap(),
    };
    writer.note_error(&error).unwrap();
    writer.record_watch(&watched("/a"), &limits).unwrap();
    assert_eq!(reader.watch().unwrap().unwrap().error, Some(error));

    let mut holder = Connection::open(fixture.path()).unwrap();
    let lock = holder
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    writer.record_watch(&watched("/a"), &limits).unwrap();
    let error = writer.record_watch(&watched("/b"), &limits).unwrap_err();
    assert!(matches!(error, CatalogError::Transient(_)), "{error}");
    drop(lock);
}

#[test]
fn a_start_under_other_limits_counts_what_was_rejected_under_the_old_ones_once() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let limits = galmorph_cutout::Limits::default();
    let wider = galmorph_cutout::Limits {
        max_side: 10_000,
        ..limits
    };
    writer.record_watch(&watched("/a"), &limits).unwrap();
    let rejected = |kind| Verdict::rejected(kind, "it is");
    writer
        .record(&[
            entry("/a", "d1", rejected(RejectReason::TooLarge)),
            entry("/b", "d2", rejected(RejectReason::TooSmall)),
            entry("/c", "d3", rejected(RejectReason::Broken)),
        ])
        .unwrap();
    let mut count = |limits| {
        let rejected = writer.record_watch(&watched("/a"), limits).unwrap();
        assert_eq!(rejected.other_rendering, 0);
        rejected.other_limits
    };
    assert_eq!([count(&limits), count(&wider), count(&wider)], [0, 2, 0]);
}

#[test]
fn a_mark_makes_a_rejected_file_stand_again_until_its_next_verdict() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let broken = || {
        entry(
            "/in/b",
            "d2",
            Verdict::rejected(RejectReason::Broken, "it is"),
        )
    };
    writer
        .record(&[entry("/in/a", "d1", classified(ANSWER)), broken()])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let standing = |path: &str| {
        let path = Path::new(path);
        reader
            .file_status(
                path,
                &state(stamp()),
                required_model(writer.model()),
                shown(&AUTO),
            )
            .unwrap()
    };
    assert_eq!(standing("/in/b"), FileStatus::Done { rejected: true });
    let wanted = |path: &str, moved: &[&str]| crate::Wanted {
        path: path.into(),
        moved: moved.iter().map(PathBuf::from).collect(),
    };
    for missing in ["/i", "/in/", "/in/b/c", "/inn", "/in0"].map(|path| wanted(path, &[])) {
        let known = missing.path == Path::new("/in/");
        let refused = retry(
            &fixture.path(),
            &[RejectReason::TooLarge],
            &[missing],
            |_| Chance::Good,
        );
        assert_eq!(refused.is_ok(), known, "{refused:?}");
    }
    // One path that leads nowhere, and nothing is queued.
    let some = [wanted("/in", &[]), wanted("/gone", &["/done"])];
    let error = retry(&fixture.path(), &[], &some, |_| Chance::Good).unwrap_err();
    assert!(error.to_string().contains("'/gone'"), "{error}");
    assert_eq!(standing("/in/b"), FileStatus::Done { rejected: true });
    // A file is found where it was moved to.
    let moved = [wanted("/b", &["/done/b", "/in/b"])];
    let queued = retry(&fixture.path(), &[], &moved, |_| Chance::Good)
        .unwrap()
        .queued;
    assert_eq!(queued, ByReason::from([("broken".to_owned(), 1)]));
    let again = FileStatus::Stale {
        rejected: true,
        reason: StaleReason::Retry,
    };
    assert_eq!(
        ["/in/a", "/in/b", "/in/c"].map(standing),
        [FileStatus::Done { rejected: false }, again, FileStatus::New]
    );
    let rows = reader.rows().unwrap();
    assert_eq!((rows.classified, rows.rejected), (1, 1));
    writer.record(&[broken()]).unwrap();
    let stands = reader.file_status(
        Path::new("/in/b"),
        &state(stamp()),
        required_model(writer.model()),
        shown(&AUTO),
    );
    assert_eq!(stands.unwrap(), FileStatus::Done { rejected: true });
}

#[test]
fn a_rate_counts_the_answers_of_its_period_alone() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let answered = |name: &str| entry(name, name, classified(ANSWER));
    writer
        .record(&[answered("/a"), answered("/b"), answered("/c")])
        .unwrap();
    for (digest, minutes) in [("/b", 3), ("/c", 30)] {
        let ago = SystemTime::now() - Duration::from_mins(minutes);
        writer
            .connection
            .execute(
                "UPDATE cutout SET classified = ?1 WHERE digest = ?2",
                params![
                    crate::time::milliseconds(crate::time::nearest(ago)),
                    hash(digest).as_bytes()
                ],
            )
            .unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let answers = |minutes| {
        let period = Duration::from_mins(minutes);
        (reader.rate(period).unwrap() * period.as_secs_f64()).round()
    };
    assert_eq!([1, 5, 60].map(answers), [1.0, 2.0, 3.0]);
}

#[test]
fn the_log_is_emptied_unless_a_reader_needs_it_and_waits_for_nobody() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let log = |fixture: &Fixture| sizes(&fixture.path()).unwrap().1;
    let mut holder = Connection::open(fixture.path()).unwrap();
    let snapshot = holder.transaction().unwrap();
    let count: i64 = snapshot
        .query_row("SELECT count(*) FROM cutout", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
    writer
        .record(&[entry("/a", "d1", classified(ANSWER))])
        .unwrap();
    assert!(!writer.empty_log().unwrap());
    assert!(log(&fixture) > 0);
    drop(snapshot);
    assert!(writer.empty_log().unwrap());
    assert_eq!(log(&fixture), 0);
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM cutout"), 1);
}
