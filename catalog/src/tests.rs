mod class_mix;
mod identity;
mod migration;
mod night;
mod operations;
mod plans;
mod presence;
mod questions;
mod review;
mod settings;

use super::*;

use std::path::{Path, PathBuf};

use blake3::Hash;
use galmorph_cutout::{
    Framing, FramingSettings, Identity, Morphology, Probabilities, RejectReason, Rendering,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::connect::check_library;
use crate::error::{fault, opening_fault};
use std::fs::File;
use std::time::SystemTime;

/// When a file was last changed that was left alone since.
const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

/// The framing of a folder of which nothing is said.
const AUTO: FramingSettings = FramingSettings {
    framing: Framing::Auto,
    radius: None,
    pixel_scale: None,
};

fn state(stamp: Stamp) -> FileState {
    FileState {
        stamp,
        changed: LONG_AGO,
        is_whole: true,
    }
}

/// An image of a folder that says nothing of FITS.
fn shown(framing: &FramingSettings) -> RequiredPicture<'_> {
    const PLAIN: &Rendering = &Rendering::DEFAULT;
    RequiredPicture {
        framing,
        rendering: PLAIN,
    }
}

const ANSWER: [f32; 5] = [0.1, 0.3, 0.05, 0.25, 0.3];

fn model(name: &str) -> ModelInUse {
    ModelInUse {
        name: name.into(),
        digest: blake3::hash(b"model"),
        card: format!("{{\"name\":\"{name}\"}}"),
        arithmetic: "f32".into(),
    }
}

fn hash(content: &str) -> Hash {
    blake3::hash(content.as_bytes())
}

fn stamp() -> Stamp {
    Stamp {
        bytes: 12,
        modified: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn entry(path: &str, digest: &str, verdict: Verdict) -> Entry {
    Entry {
        path: path.into(),
        parts: Vec::new(),
        stamp: stamp(),
        digest: Some(hash(digest)),
        dimensions: Some((424, 424)),
        rendering: Some("paper".into()),
        shown: None,
        stretch: None,
        novelty: None,
        prediction_set: None,
        camera: None,
        identity: Identity::named("1".into()),
        attempts: 1,
        first_seen: Timestamp::now(),
        verdict,
    }
}

fn classified(answer: [f32; 5]) -> Verdict {
    Verdict::Classified(Probabilities::average([&answer], 1.0).unwrap())
}

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("c #1%25?.sqlite")
    }

    fn writer(&self, model: &str) -> Writer {
        Writer::open(&self.path(), &self::model(model)).unwrap()
    }

    fn refusal(&self) -> String {
        match Writer::open(&self.path(), &model("m")).unwrap_err() {
            CatalogError::Unusable(fault) => fault.to_string(),
            CatalogError::Transient(fault)
            | CatalogError::Lost(fault)
            | CatalogError::Stuck(fault) => {
                panic!("no refusal: {fault}")
            }
        }
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let connection = Connection::open(self.path()).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn the_bundled_sqlite_is_recent_enough_and_an_older_one_is_refused() {
    check_library(rusqlite::version_number()).unwrap();
    let error = check_library(3_051_002).unwrap_err().to_string();
    assert!(error.contains("can lose commits"), "{error}");
}

#[test]
fn a_catalog_is_durable_and_says_whose_it_is() {
    let fixture = Fixture::new();
    let writer = fixture.writer("m");
    let pragma = |name: &str| -> i64 {
        writer
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(pragma("synchronous"), 2);
    assert_eq!(pragma("foreign_keys"), 1);
    assert_eq!(pragma("user_version"), i64::from(schema::VERSION));
    assert_eq!(pragma("application_id"), i64::from(schema::APPLICATION_ID));
    assert_eq!(fixture.ask::<String>("PRAGMA journal_mode"), "wal");
}

fn required_model(model: i64) -> RequiredModel {
    RequiredModel {
        model,
        reclassify: true,
    }
}

#[test]
fn a_file_is_done_when_its_size_time_and_model_are_those_recorded() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let rejected = Verdict::Rejected {
        reason: RejectReason::Broken,
        message: "it is".into(),
    };
    writer
        .record(&[
            entry("/a", "d1", classified(ANSWER)),
            entry("/b", "d2", rejected),
        ])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let time = "2026-01-01T00:00:00.000000000Z";
    let done = |path: &str, bytes, time: &str, model| {
        let modified = time.parse().unwrap();
        let stamp = Stamp { bytes, modified };
        let standing = reader.file_status(
            Path::new(path),
            &state(stamp),
            required_model(model),
            shown(&AUTO),
        );
        matches!(standing.unwrap(), FileStatus::Done { .. })
    };
    assert!(done("/a", 12, time, writer.model()));
    assert!(done("/b", 12, time, writer.model()));
    assert!(!done("/a", 13, time, writer.model()));
    assert!(!done(
        "/a",
        12,
        "2026-01-01T00:00:00.000000001Z",
        writer.model()
    ));
    assert!(!done("/a", 12, time, writer.model() + 1));
    let any_model = RequiredModel {
        reclassify: false,
        ..required_model(writer.model() + 1)
    };
    let standing = reader.file_status(Path::new("/a"), &state(stamp()), any_model, shown(&AUTO));
    assert_eq!(standing.unwrap(), FileStatus::Done { rejected: false });
    assert!(!done("/c", 12, time, writer.model()));
    assert_eq!(
        fixture.ask::<String>("SELECT reason || ': ' || message FROM rejected WHERE path = '/b'"),
        "broken: it is"
    );
}

#[test]
fn a_changed_file_takes_the_new_digest_and_the_old_answer_is_kept() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    writer
        .record(&[entry("/a", "d1", classified(ANSWER))])
        .unwrap();
    let first_seen: String = fixture.ask("SELECT first_seen FROM catalog");
    writer
        .record(&[entry("/a", "d2", classified(ANSWER))])
        .unwrap();
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM cutout"), 1);
    let digest = fixture.ask::<String>("SELECT lower(hex(digest)) FROM cutout");
    assert_eq!(digest, hash("d2").to_string());
    assert_eq!(
        fixture.ask::<String>("SELECT first_seen FROM catalog"),
        first_seen
    );
    let other = fixture.ask::<String>("SELECT lower(hex(digest)) FROM other_answer");
    assert_eq!(other, hash("d1").to_string());
    // The old content is known when it comes back.
    writer.record(&[entry("/a", "d1", Verdict::Known)]).unwrap();
}

#[test]
fn the_long_form_ranks_the_classes_and_breaks_ties_by_id() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    writer
        .record(&[entry("/a", "d1", classified(ANSWER))])
        .unwrap();
    let order: String = fixture.ask(
        "SELECT group_concat(class_name, ' ') FROM (SELECT class_name FROM probability ORDER BY ranking)",
    );
    assert_eq!(order, "in_between spiral edge_on round cigar");
    assert_eq!(
        fixture.ask::<String>("SELECT label FROM catalog"),
        "in_between"
    );
    let probability: f64 = fixture.ask("SELECT probability FROM probability WHERE ranking = 1");
    assert_eq!(probability.to_string(), "0.3");
}

#[test]
fn the_wide_view_shows_the_last_answer_of_each_file_and_no_rejected_ones() {
    let fixture = Fixture::new();
    let mut first = fixture.writer("first");
    first
        .record(&[entry("/a", "d1", classified(ANSWER))])
        .unwrap();
    drop(first);
    let mut second = fixture.writer("second");
    second
        .record(&[
            entry("/a", "d1", classified([0.0, 0.0, 1.0, 0.0, 0.0])),
            entry(
                "/b",
                "d2",
                Verdict::Rejected {
                    reason: RejectReason::Broken,
                    message: String::new(),
                },
            ),
        ])
        .unwrap();
    drop(second);
    let mut again = fixture.writer("first");
    again.record(&[entry("/c", "d1", Verdict::Known)]).unwrap();
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM model"), 2);
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM catalog"), 2);
    assert_eq!(fixture.ask::<String>("SELECT path FROM rejected"), "/b");
    assert_eq!(
        fixture.ask::<String>("SELECT model FROM catalog WHERE path = '/a'"),
        "second"
    );
    assert_eq!(
        fixture.ask::<String>("SELECT label FROM catalog WHERE path = '/c'"),
        "in_between"
    );
    // Each file has the answers of both models to its content.
    for path in ["/a", "/c"] {
        let labels = format!(
            "SELECT group_concat(model || ' ' || class_name, ', ')
             FROM (SELECT * FROM probability WHERE path = '{path}' AND ranking = 1 ORDER BY model)"
        );
        assert_eq!(
            fixture.ask::<String>(&labels),
            "first in_between, second cigar"
        );
    }
}

#[test]
fn a_file_whose_known_answer_is_gone_gets_no_row_and_others_do() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    writer
        .record(&[
            entry("/a", "never", Verdict::Known),
            entry("/b", "d1", classified(ANSWER)),
        ])
        .unwrap();
    let paths = "SELECT group_concat(path) FROM cutout";
    assert_eq!(fixture.ask::<String>(paths), "/b");
}

#[test]
fn content_that_is_rejected_now_has_no_answer_though_it_had_one() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let rejected = Verdict::rejected(RejectReason::TooSmall, "under new limits");
    writer
        .record(&[
            entry("/a", "d1", classified(ANSWER)),
            entry("/b", "d1", rejected),
        ])
        .unwrap();
    let rows = "SELECT group_concat(path || ifnull(label, '-'), ' ')
                FROM (SELECT path, label FROM catalog ORDER BY path)";
    assert_eq!(fixture.ask::<String>(rows), "/ain_between");
    let paths = "SELECT group_concat(DISTINCT path) FROM probability";
    assert_eq!(fixture.ask::<String>(paths), "/a");
}

#[test]
fn a_locked_catalog_is_a_transient_fault_unless_nothing_is_to_be_written() {
    let fixture = Fixture::new();
    drop(fixture.writer("known"));
    let mut holder = Connection::open(fixture.path()).unwrap();
    let lock = holder
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    drop(fixture.writer("known"));
    let error = Writer::open(&fixture.path(), &model("new")).unwrap_err();
    assert!(matches!(error, CatalogError::Transient(_)), "{error}");
    drop(lock);
    assert_eq!(fixture.writer("new").model(), 2);
}

#[test]
fn what_is_forbidden_is_final_at_the_start_and_may_pass_later() {
    let path = Path::new("c.sqlite");
    for code in [rusqlite::ffi::SQLITE_CANTOPEN, rusqlite::ffi::SQLITE_PERM] {
        let error = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let (start, later) = (opening_fault(path, error()), fault(path, "read", error()));
        assert!(matches!(start, CatalogError::Unusable(_)), "{start}");
        assert!(matches!(later, CatalogError::Transient(_)), "{later}");
    }
}

#[test]
fn a_look_at_a_catalog_says_what_it_is_and_changes_nothing() {
    let fixture = Fixture::new();
    let look = || {
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(fixture.folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let before = names();
        let condition = inspect(&fixture.path());
        assert_eq!(names(), before);
        condition.map_err(|error| error.to_string())
    };
    assert_eq!(look(), Ok(Condition::New));
    std::fs::write(fixture.path(), "").unwrap();
    assert_eq!(look(), Ok(Condition::New));
    let writer = fixture.writer("m");
    assert_eq!(look(), Ok(Condition::InUse));
    drop(writer);
    assert_eq!(look(), Ok(Condition::Ready));

    let mut permissions = std::fs::metadata(fixture.path()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(fixture.path(), permissions).unwrap();
    // Root may write to it all the same.
    if File::options().append(true).open(fixture.path()).is_err() {
        assert!(look().unwrap_err().contains("can't be opened for writing"));
        assert!(fixture.refusal().contains("can't be opened for writing"));
    }
}

#[test]
fn another_card_of_the_same_file_is_another_model() {
    let fixture = Fixture::new();
    let first = fixture.writer("m").model();
    let fewer = ModelInUse {
        card: "{\"name\":\"m\",\"test_scales\":[200]}".into(),
        ..model("m")
    };
    let second = Writer::open(&fixture.path(), &fewer).unwrap().model();
    assert_ne!(first, second);
    assert_eq!(fixture.writer("m").model(), first);
}

#[test]
fn only_one_daemon_has_a_catalog() {
    let fixture = Fixture::new();
    let _first = fixture.writer("m");
    assert!(
        fixture
            .refusal()
            .contains("in use by another galmorph watch")
    );
}

#[test]
fn a_newer_catalog_and_foreign_files_are_refused() {
    let fixture = Fixture::new();
    drop(fixture.writer("m"));
    let connection = Connection::open(fixture.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(fixture.refusal().contains("has version 99"));
    connection.pragma_update(None, "application_id", 7).unwrap();
    assert!(fixture.refusal().contains("a database of another program"));
    drop(connection);

    let text = Fixture::new();
    std::fs::write(
        text.path(),
        "not a database, but long enough to be looked at as one".repeat(20),
    )
    .unwrap();
    assert!(text.refusal().contains("file is not a database"));
    let nothing = Fixture::new();
    let error = Reader::open(&nothing.path()).unwrap_err().to_string();
    assert!(error.starts_with("no catalog '"), "{error}");
}
