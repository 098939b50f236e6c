//! The catalog on the disk is the catalog in use, and one daemon has it.

use super::*;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::in_use;

/// What is done to a catalog that is open, and what `Loss` says of it.
type Harm = (&'static str, fn(&Place), &'static str);

/// A catalog in a folder of its own, called by a link. Beside the folder are a backup and a copy of the idle file.
struct Place {
    root: TempDir,
}

impl Place {
    /// With one row in the backup and in the copy, and another in the catalog's write-ahead log.
    fn new() -> (Self, Writer) {
        let place = Self {
            root: TempDir::new().unwrap(),
        };
        fs::create_dir(place.path("db")).unwrap();
        symlink("db/c.sqlite", place.path("link")).unwrap();
        let mut writer = place.open("link");
        record(&mut writer, "/a").unwrap();
        let reader = Reader::open(&place.path("link")).unwrap();
        reader.back_up(&place.path("backup")).unwrap();
        drop(reader);
        assert!(writer.empty_log().unwrap());
        fs::copy(place.path("link"), place.path("copy")).unwrap();
        record(&mut writer, "/a").unwrap();
        assert!(writer.empty_log().unwrap());
        record(&mut writer, "/b").unwrap();
        assert!(sizes(&place.path("link")).unwrap().1 > 0);
        (place, writer)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn open(&self, name: &str) -> Writer {
        Writer::open(&self.path(name), &model("m")).unwrap()
    }

    /// Has SQLite write a database into the catalog.
    fn restore(&self, name: &str) {
        let from = Connection::open(self.path(name)).unwrap();
        let mut to = Connection::open(self.path("db/c.sqlite")).unwrap();
        let restoring = rusqlite::backup::Backup::new(&from, &mut to).unwrap();
        assert_eq!(
            restoring.step(-1).unwrap(),
            rusqlite::backup::StepResult::Done
        );
    }

    /// The rows of a database as SQLite finds it.
    fn rows(&self, name: &str) -> String {
        let connection = Connection::open(self.path(name)).unwrap();
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
        assert_eq!(ask("PRAGMA integrity_check").unwrap(), "ok");
        ask("SELECT ifnull(group_concat(path, ' '), '') FROM (SELECT path FROM cutout ORDER BY path)")
            .unwrap()
    }
}

fn record(writer: &mut Writer, path: &str) -> Result<(), CatalogError> {
    writer.record(&[entry(path, path, classified(ANSWER))])
}

const HARMS: [Harm; 15] = [
    (
        "removed",
        |at| fs::remove_file(at.path("db/c.sqlite")).unwrap(),
        "removed or renamed",
    ),
    (
        "renamed",
        |at| fs::rename(at.path("db/c.sqlite"), at.path("db/old")).unwrap(),
        "removed or renamed",
    ),
    (
        "its folder renamed",
        |at| fs::rename(at.path("db"), at.path("elsewhere")).unwrap(),
        "removed or renamed",
    ),
    (
        "its folder renamed, and a file in the folder's place",
        |at| {
            fs::rename(at.path("db"), at.path("elsewhere")).unwrap();
            fs::write(at.path("db"), "").unwrap();
        },
        "removed or renamed",
    ),
    (
        "its link removed",
        |at| fs::remove_file(at.path("link")).unwrap(),
        "removed or renamed",
    ),
    (
        "its link changed",
        |at| {
            fs::remove_file(at.path("link")).unwrap();
            symlink("backup", at.path("link")).unwrap();
        },
        "another file",
    ),
    (
        "a backup moved over it",
        |at| fs::rename(at.path("backup"), at.path("db/c.sqlite")).unwrap(),
        "another file",
    ),
    (
        "its folder replaced",
        |at| {
            fs::rename(at.path("db"), at.path("elsewhere")).unwrap();
            fs::create_dir(at.path("db")).unwrap();
            fs::copy(at.path("backup"), at.path("db/c.sqlite")).unwrap();
        },
        "another file",
    ),
    (
        "a backup copied into it",
        |at| assert!(fs::copy(at.path("backup"), at.path("db/c.sqlite")).unwrap() > 0),
        "written over",
    ),
    (
        "a copy of the idle file copied back into it",
        |at| assert!(fs::copy(at.path("copy"), at.path("db/c.sqlite")).unwrap() > 0),
        "written over",
    ),
    (
        "moved, with a link in its place",
        |at| {
            fs::create_dir(at.path("elsewhere")).unwrap();
            fs::rename(at.path("db/c.sqlite"), at.path("elsewhere/c.sqlite")).unwrap();
            symlink("../elsewhere/c.sqlite", at.path("db/c.sqlite")).unwrap();
        },
        "it was moved",
    ),
    (
        "a backup restored into it",
        |at| at.restore("backup"),
        "restored into it",
    ),
    (
        "emptied",
        |at| fs::write(at.path("db/c.sqlite"), "").unwrap(),
        "written over",
    ),
    (
        "its log removed",
        |at| fs::remove_file(at.path("db/c.sqlite-wal")).unwrap(),
        "-wal or -shm",
    ),
    (
        "its index removed",
        |at| fs::remove_file(at.path("db/c.sqlite-shm")).unwrap(),
        "-wal or -shm",
    ),
];

#[test]
fn a_loss_is_noticed_at_the_next_commit_and_at_a_look() {
    for (what, harm, said) in HARMS {
        let (place, mut writer) = Place::new();
        writer.verify().unwrap();
        harm(&place);
        let watched = Watched {
            folders: Vec::new(),
            extensions: Vec::new(),
            exclude: Vec::new(),
            reclassify: true,
            follow_links: false,
        };
        let error = crate::LoggedError {
            message: "no".into(),
            at: Timestamp::now(),
        };
        for outcome in [
            record(&mut writer, "/c"),
            writer.verify(),
            writer.intend(&[]),
            writer.note_error(&error),
            writer.empty_log().map(drop),
            writer
                .record_watch(&watched, &galmorph_cutout::Limits::default())
                .map(drop),
        ] {
            match outcome {
                Err(CatalogError::Lost(fault)) => {
                    assert!(fault.to_string().contains(said), "{what}: {fault}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_loss_during_a_commit_is_noticed_before_it_counts() {
    for (what, harm, _) in HARMS {
        let (place, writer) = Place::new();
        let outcome = writer.write("write to", |connection| {
            connection.execute("UPDATE cutout SET attempts = 2", [])?;
            harm(&place);
            Ok(())
        });
        assert!(
            matches!(outcome, Err(CatalogError::Lost(_))),
            "{what}: {outcome:?}"
        );
    }
}

#[test]
fn a_restore_between_the_look_and_the_transaction_is_noticed_in_the_transaction() {
    let (place, writer) = Place::new();
    let outcome = writer.write("write to", |connection| {
        place.restore("backup");
        writer.presence.transact(connection, |transaction| {
            transaction.execute("UPDATE cutout SET attempts = 99", [])
        })
    });
    assert!(matches!(outcome, Err(CatalogError::Lost(_))), "{outcome:?}");
    drop(writer);
    let connection = Connection::open(place.path("link")).unwrap();
    let attempts = "SELECT count(*) FROM cutout WHERE attempts = 99";
    let written: i64 = connection
        .query_row(attempts, [], |row| row.get(0))
        .unwrap();
    assert_eq!(written, 0);
}

#[test]
fn what_took_the_place_of_a_catalog_is_not_harmed_by_the_old_log() {
    for (what, harm, _) in HARMS {
        let (place, mut writer) = Place::new();
        harm(&place);
        record(&mut writer, "/c").unwrap_err();
        drop(writer);
        let expected = match what {
            "a backup moved over it"
            | "its folder replaced"
            | "a backup copied into it"
            | "a copy of the idle file copied back into it"
            | "a backup restored into it"
            | "its link changed" => Some("/a"),
            "its log removed" | "its index removed" | "moved, with a link in its place" => {
                Some("/a /b")
            }
            _ => None,
        };
        if let Some(rows) = expected {
            assert_eq!(place.rows("link"), rows, "{what}");
            // And the next start can use it.
            let mut writer = place.open("link");
            record(&mut writer, "/c").unwrap();
            drop(writer);
            assert_eq!(place.rows("link"), rows.to_owned() + " /c", "{what}");
        }
        // Whoever looks for the lost file finds all that was recorded in it.
        match what {
            "renamed" => {
                assert!(!place.path("db/c.sqlite-wal").exists());
                assert_eq!(place.rows("db/old"), "/a /b");
            }
            "its link removed" | "its link changed" => {
                assert!(place.path("db/c.sqlite-wal").exists());
                assert_eq!(place.rows("db/c.sqlite"), "/a /b");
            }
            "its folder renamed" | "its folder replaced" => {
                assert_eq!(place.rows("elsewhere/c.sqlite"), "/a /b");
            }
            _ => {}
        }
    }
}

#[test]
fn no_answer_gets_the_name_of_the_model_of_a_catalog_that_was_restored() {
    let (place, mut writer) = Place::new();
    let mut other = Writer::open(&place.path("other"), &model("n")).unwrap();
    record(&mut other, "/z").unwrap();
    drop(other);
    place.restore("other");
    let outcome = record(&mut writer, "/c");
    assert!(matches!(outcome, Err(CatalogError::Lost(_))), "{outcome:?}");
    drop(writer);
    assert_eq!(place.rows("link"), "/z");
    let mut writer = place.open("link");
    record(&mut writer, "/c").unwrap();
    drop(writer);
    let connection = Connection::open(place.path("link")).unwrap();
    let models: String = connection
        .query_row(
            "SELECT group_concat(path || ' ' || name, ', ')
             FROM (SELECT path, name FROM cutout JOIN model ON model.id = model ORDER BY path)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(models, "/c m, /z n");
}

#[test]
fn a_catalog_that_is_moved_and_written_to_in_its_new_place_is_not_harmed_by_the_old_log() {
    let (place, mut writer) = Place::new();
    let (_, harm, _) = HARMS[10];
    harm(&place);
    // Another program would have to do it: in one process, SQLite finds the log all the same.
    let file = File::options().append(true).open(place.path("link"));
    let later = SystemTime::now() + Duration::from_secs(1);
    file.unwrap().set_modified(later).unwrap();
    record(&mut writer, "/c").unwrap_err();
    drop(writer);
    // What was only in the old log is classified again.
    assert_eq!(place.rows("link"), "/a");
    assert!(!place.path("db/c.sqlite-wal").exists());
}

#[test]
fn a_log_that_a_crash_left_is_no_loss_when_it_moves_into_the_file() {
    let (place, writer) = Place::new();
    fs::create_dir(place.path("crashed")).unwrap();
    for ending in ["", "-wal"] {
        let from = place.path(&format!("db/c.sqlite{ending}"));
        fs::copy(from, place.path(&format!("crashed/c.sqlite{ending}"))).unwrap();
    }
    drop(writer);
    let mut writer = place.open("crashed/c.sqlite");
    writer.verify().unwrap();
    assert!(writer.empty_log().unwrap());
    Connection::open(place.path("crashed/c.sqlite"))
        .unwrap()
        .execute_batch("CREATE TABLE mine (x); DROP VIEW catalog; VACUUM")
        .unwrap();
    for path in ["/c", "/d"] {
        writer.verify().unwrap();
        assert!(writer.empty_log().unwrap());
        record(&mut writer, path).unwrap();
    }
    assert!(writer.empty_log().unwrap());
    drop(writer);
    assert_eq!(place.rows("crashed/c.sqlite"), "/a /b /c /d");
}

#[test]
fn what_other_programs_do_through_sqlite_is_no_loss() {
    let (place, mut writer) = Place::new();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    for work in [
        "UPDATE cutout SET attempts = 3",
        checkpoint,
        "CREATE TABLE mine (x); CREATE INDEX my_index ON mine (x)",
        "VACUUM",
        checkpoint,
        "DROP TABLE mine; VACUUM",
        "VACUUM",
    ] {
        Connection::open(place.path("link"))
            .unwrap()
            .execute_batch(work)
            .unwrap();
        writer.verify().unwrap();
        record(&mut writer, "/c").unwrap();
        writer.empty_log().unwrap();
        writer.verify().unwrap();
    }
    // And it still knows what is.
    fs::copy(place.path("copy"), place.path("db/c.sqlite")).unwrap();
    let outcome = writer.verify();
    assert!(matches!(outcome, Err(CatalogError::Lost(_))), "{outcome:?}");
}

#[test]
fn a_catalog_that_another_daemon_made_under_the_old_name_keeps_its_log() {
    let (place, first) = Place::new();
    fs::rename(place.path("db"), place.path("elsewhere")).unwrap();
    fs::create_dir(place.path("db")).unwrap();
    let mut second = place.open("link");
    record(&mut second, "/z").unwrap();
    drop(first);
    record(&mut second, "/y").unwrap();
    drop(second);
    assert_eq!(place.rows("db/c.sqlite"), "/y /z");
    assert_eq!(place.rows("elsewhere/c.sqlite"), "/a /b");
}

#[test]
fn one_daemon_has_a_catalog_by_whatever_name_it_is_called() {
    let (place, writer) = Place::new();
    symlink(place.path("link"), place.path("chain")).unwrap();
    symlink("db", place.path("folder")).unwrap();
    fs::hard_link(place.path("db/c.sqlite"), place.path("hard")).unwrap();
    let names = [
        "link",
        "db/c.sqlite",
        "db/../db/c.sqlite",
        "chain",
        "folder/c.sqlite",
        "hard",
    ];
    for name in names {
        let error = Writer::open(&place.path(name), &model("m")).unwrap_err();
        assert!(
            error.to_string().contains("in use by another"),
            "{name}: {error}"
        );
        assert!(in_use(&place.path(name)).unwrap(), "{name}");
    }
    // A second name damages it without a second daemon, too.
    for refused in [
        inspect(&place.path("hard")).map(drop),
        retry(&place.path("hard"), &[], &[], |_| crate::Chance::Good)
            .map(drop)
            .map_err(|error| match error {
                crate::RetryError::Catalog(error) => error,
                other @ crate::RetryError::NoSuchFile(_) => panic!("{other}"),
            }),
        Reader::open_to_check(&place.path("hard")).map(drop),
        // Whoever reads by the second name does not find the log.
        Reader::open(&place.path("hard")).map(drop),
        Reader::open_current(&place.path("hard")).map(drop),
        Reader::open_finished(&place.path("hard")).map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("2 names"), "{error}");
    }
    for ending in ["-wal", "-shm"] {
        assert!(!place.path(&format!("hard{ending}")).exists(), "{ending}");
    }
    // What never had a log may have names, as copies of a whole archive have.
    fs::hard_link(place.path("backup"), place.path("backup-2")).unwrap();
    drop(Reader::open_finished(&place.path("backup-2")).unwrap());
    fs::remove_file(place.path("hard")).unwrap();
    // The daemon has not noticed yet.
    fs::rename(place.path("db/c.sqlite"), place.path("db/new")).unwrap();
    let error = Writer::open(&place.path("db/new"), &model("m")).unwrap_err();
    assert!(error.to_string().contains("in use by another"), "{error}");
    drop(writer);
    assert!(!in_use(&place.path("db/new")).unwrap());
    drop(place.open("db/new"));
    assert_eq!(place.rows("db/new"), "/a /b");
}

#[test]
fn what_is_no_regular_file_is_no_catalog_and_is_not_waited_for() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("c.sqlite");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    for refused in [
        Writer::open(&path, &model("m")).map(drop),
        Reader::open(&path).map(drop),
        inspect(&path).map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
    assert!(!in_use(&path).unwrap());
}

#[test]
fn views_and_indexes_are_made_again_at_a_start_and_the_check_says_what_differs() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    record(&mut writer, "/a").unwrap();
    drop(writer);
    let shape = "SELECT group_concat(type || name || sql, char(10))
                 FROM (SELECT * FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name)";
    let whole: String = fixture.ask(shape);
    let found = || {
        Reader::open_to_check(&fixture.path())
            .unwrap()
            .faults()
            .unwrap()
    };
    assert!(found().is_empty());
    for (harm, fault) in [
        ("DROP VIEW catalog", "view 'catalog' is missing ("),
        ("DROP VIEW probability", "view 'probability' is missing ("),
        (
            "DROP VIEW catalog; CREATE VIEW catalog AS SELECT path FROM cutout",
            "view 'catalog' was changed (",
        ),
        (
            "DROP INDEX cutout_reason",
            "index 'cutout_reason' is missing (",
        ),
        (
            "DROP INDEX cutout_digest; CREATE INDEX cutout_digest ON cutout (path)",
            "index 'cutout_digest' was changed (",
        ),
    ] {
        Connection::open(fixture.path())
            .unwrap()
            .execute_batch(harm)
            .unwrap();
        let faults = found();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(fault), "{faults:?}");
        drop(fixture.writer("m"));
        assert!(found().is_empty(), "{harm}");
        assert_eq!(fixture.ask::<String>(shape), whole, "{harm}");
    }
    // What someone adds is theirs.
    Connection::open(fixture.path())
        .unwrap()
        .execute_batch("CREATE VIEW mine AS SELECT 1; CREATE TABLE notes (x)")
        .unwrap();
    drop(fixture.writer("m"));
    assert!(found().is_empty());
    assert_eq!(fixture.ask::<i64>("SELECT * FROM mine"), 1);
    // A table can't be made again: its rows are gone, or not as they were.
    for (harm, fault) in [
        (
            "ALTER TABLE watch DROP COLUMN moving",
            "column 'moving' of table 'watch' is missing",
        ),
        ("DROP TABLE watch", "table 'watch' is missing"),
    ] {
        Connection::open(fixture.path())
            .unwrap()
            .execute_batch(harm)
            .unwrap();
        assert_eq!(found(), [fault]);
    }
}
