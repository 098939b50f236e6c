//! Catalogs of earlier versions come to be what a new one is, whole, whenever it is stopped.

use super::*;

use rusqlite::types::ValueRef;

/// A catalog as an earlier version left it.
fn earlier(version: i32) -> Fixture {
    let fixture = Fixture::new();
    let text = match version {
        1 => include_str!("../../../tests/corpus/catalog/version-1.sql"),
        6 => include_str!("../../../tests/corpus/catalog/version-6.sql"),
        7 => include_str!("../../../tests/corpus/catalog/version-7.sql"),
        8 => include_str!("../../../tests/corpus/catalog/version-8.sql"),
        _ => panic!("no catalog of this version is kept"),
    };
    let connection = Connection::open(fixture.path()).unwrap();
    connection.execute_batch(text).unwrap();
    assert_eq!(fixture.ask::<i32>("PRAGMA user_version"), version);
    fixture
}

/// All rows that a statement gives, a line each.
fn rows(fixture: &Fixture, statement: &str) -> Vec<String> {
    let connection = Connection::open(fixture.path()).unwrap();
    let mut statement = connection.prepare(statement).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells = (0..columns).map(|column| match row.get_ref_unwrap(column) {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        });
        lines.push(cells.collect::<Vec<_>>().join(" | "));
    }
    lines
}

/// The views of an earlier version and of this one, asked for the same: the columns that both have, and a time to
/// the second, which both write alike but for one character.
fn views(fixture: &Fixture) -> [Vec<String>; 2] {
    let catalog = "SELECT path, object_id, ra, dec, label, confidence, p_round, p_in_between, p_cigar, p_edge_on,
                       p_spiral, model, replace(substr(classified_at, 1, 23), 'T', ' '), framing, frame_x, frame_y,
                       frame_side, flags, position_from, radius, stretch
                   FROM catalog WHERE label IS NOT NULL ORDER BY path";
    let probability =
        "SELECT path, object_id, model, class_name, probability, ranking FROM probability
                       ORDER BY 1, 2, 3, 4, 5";
    [catalog, probability].map(|statement| rows(fixture, statement))
}

#[test]
fn every_row_of_an_earlier_version_is_there_afterwards() {
    let fixture = earlier(6);
    // No version 6 knew a position, but its columns were there for others to fill.
    let positions = "UPDATE cutout SET ra = 10.5, dec = -3.25 WHERE path LIKE '%round-1%'";
    Connection::open(fixture.path())
        .unwrap()
        .execute_batch(positions)
        .unwrap();
    let before = views(&fixture);
    let names = |model: &str| {
        let reader = Reader::open(&fixture.path()).unwrap();
        let filter = Filter {
            model: Some(model.into()),
            ..Filter::default()
        };
        let mut paths = Vec::new();
        let query = Query::classified(&reader, &filter).unwrap();
        reader
            .run(&query, |values| -> Result<(), CatalogError> {
                paths.push(values[0].to_string());
                Ok(())
            })
            .unwrap();
        paths
    };
    drop(fixture.writer("m"));
    assert_eq!(views(&fixture), before);
    assert_eq!(before[0].len(), 6);
    let cells = rows(
        &fixture,
        "SELECT ra, dec, healpix FROM catalog WHERE healpix IS NOT NULL",
    );
    let cell = healpix::cell(10.5, -3.25);
    assert_eq!(
        cells,
        [format!("Real(10.5) | Real(-3.25) | Integer({cell})")]
    );
    assert_eq!(names("zhu2019-small").len(), 6);
    let rejected = "SELECT path, reason, message, bytes, modified FROM rejected
                    WHERE path NOT LIKE '%retry%' ORDER BY path";
    assert_eq!(
        rows(&fixture, rejected),
        [
            "/srv/in/broken.jpg | not_an_image | not a JPEG, PNG or FITS image | Integer(3) | 2026-11-27 03:09:00.073",
            "/srv/in/huge.jpg | too_large | it has 9000000000 bytes | Integer(9000000000) | 2400-01-02T03:04:05.678901234Z",
        ]
    );
    let marks = "SELECT path, retry IS NOT NULL, move_to FROM cutout
                 WHERE retry IS NOT NULL OR move_to IS NOT NULL ORDER BY path";
    assert_eq!(
        rows(&fixture, marks),
        [
            "/srv/in/retry.jpg | Integer(1) | Null",
            "/srv/in/round-1.jpg | Integer(0) | /srv/done/round-1.jpg",
        ]
    );
}

/// Of each row, the label where all classes are equally common, by the card of the model that answered.
fn labels_balanced(fixture: &Fixture) -> Vec<String> {
    let connection = Connection::open(fixture.path()).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT path, card, p_round, p_in_between, p_cigar, p_edge_on, p_spiral
             FROM cutout JOIN model ON model.id = cutout.model WHERE label IS NOT NULL ORDER BY path",
        )
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            let card: String = row.get(1)?;
            let mut card: serde_json::Value = serde_json::from_str(&card).unwrap();
            let prior = card.get_mut("prior").map(serde_json::Value::take);
            let mut values = [0.0; 5];
            for (at, value) in values.iter_mut().enumerate() {
                *value = row.get(2 + at)?;
            }
            let label = prior.map(|prior| {
                let prior = serde_json::from_value(prior).unwrap();
                Probabilities::from_values(values).label_balanced(&prior)
            });
            let label = label.map_or("Null", Morphology::name);
            Ok(format!("{} | {label}", row.get::<_, String>(0)?))
        })
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Has a catalog brought up to date, and checks that all its rows say what they said. Returns how many the view `catalog` has.
fn keeps_its_rows(fixture: &Fixture) -> usize {
    let all = |view: &str, order: &str| {
        let names = format!("SELECT name FROM pragma_table_info('{view}')");
        let columns = rows(fixture, &names).join(", ");
        format!("SELECT {columns} FROM {view} ORDER BY {order}")
    };
    let all = [
        all("catalog", "path"),
        all("rejected", "path"),
        all("probability", "1, 2, 3, 4"),
        all("classification", "digest, model, rendering"),
        all("review", "id"),
        "SELECT id, name, digest, card, first_used, arithmetic FROM model ORDER BY id".to_owned(),
    ];
    let before: Vec<Vec<String>> = all.iter().map(|sql| rows(fixture, sql)).collect();
    assert!(Reader::open_current(&fixture.path()).is_err());
    drop(fixture.writer("m"));
    assert_eq!(fixture.ask::<i32>("PRAGMA user_version"), schema::VERSION);
    let mut after: Vec<Vec<String>> = all.iter().map(|sql| rows(fixture, sql)).collect();
    let new = after.last_mut().and_then(Vec::pop).unwrap();
    assert!(new.contains(" | m | "), "the writer's own model: {new}");
    assert_eq!(after, before);
    before[0].len()
}

/// The columns that one who only reads sees without a value in any row.
fn empty_columns(fixture: &Fixture) -> Vec<String> {
    let reader = Reader::open(&fixture.path()).unwrap();
    let query = Query::classified(&reader, &Filter::default()).unwrap();
    let names = query.columns().iter().map(|column| column.name.clone());
    let mut empty: Vec<Option<String>> = names.map(Some).collect();
    reader
        .run(&query, |values| -> Result<(), CatalogError> {
            for (value, name) in values.iter().zip(&mut empty) {
                if *value != export::Value::Nothing {
                    *name = None;
                }
            }
            Ok(())
        })
        .unwrap();
    empty.into_iter().flatten().collect()
}

#[test]
fn a_catalog_of_version_8_keeps_its_rows_and_gets_the_rank_of_new_answers() {
    let fixture = earlier(8);
    assert!(empty_columns(&fixture).contains(&"camera".to_owned()));
    let mixes = rows(&fixture, "SELECT * FROM class_mix");
    assert_eq!(mixes.len(), 1);
    assert_eq!(keeps_its_rows(&fixture), 14);
    assert_eq!(rows(&fixture, "SELECT * FROM class_mix"), mixes);
    // The label of equally common classes is that of the cards, as before.
    let labels = "SELECT path, label_balanced FROM catalog ORDER BY path";
    assert_eq!(rows(&fixture, labels), labels_balanced(&fixture));
    let ranked = Entry {
        camera: Some(0.25),
        ..entry("/new", "new", classified(ANSWER))
    };
    fixture.writer("m").record(&[ranked]).unwrap();
    let ranks = "SELECT path, camera FROM catalog WHERE camera IS NOT NULL";
    assert_eq!(rows(&fixture, ranks), ["/new | Real(0.25)"]);
    let nights = "SELECT sum(galaxies), count(camera), count(other_camera) FROM night";
    assert_eq!(
        rows(&fixture, nights),
        ["Integer(15) | Integer(0) | Integer(0)"]
    );
}

#[test]
fn a_catalog_of_version_7_keeps_its_rows_and_gets_the_class_mix_of_each_model() {
    let fixture = earlier(7);
    // One who only reads sees no label where there is no column for it.
    let empty = empty_columns(&fixture);
    assert!(
        empty.ends_with(&["label_balanced".into(), "camera".into()]),
        "{empty:?}"
    );
    assert_eq!(keeps_its_rows(&fixture), 12);
    let labels = rows(
        &fixture,
        "SELECT path, label_balanced FROM catalog ORDER BY path",
    );
    assert_eq!(labels, labels_balanced(&fixture));
    // The paper's model doesn't say; of the other one's answers, the one differs that was made to.
    let summary = "SELECT model, count(*), count(label_balanced), sum(label_balanced <> label) FROM catalog GROUP BY 1";
    assert_eq!(
        rows(&fixture, summary),
        [
            "galmorph-1 | Integer(6) | Integer(6) | Integer(1)",
            "zhu2019-small | Integer(6) | Integer(0) | Null"
        ]
    );
    let changed = "SELECT label, label_balanced FROM catalog WHERE label_balanced <> label";
    assert_eq!(rows(&fixture, changed), ["in_between | cigar"]);
}

/// It is one transaction, so a kill leaves the one or the other. The views of a catalog that goes back to an earlier model stay
/// those that look for its answers.
#[test]
fn a_catalog_of_version_7_that_is_settling_goes_on_with_it() {
    let fixture = earlier(7);
    let connection = Connection::open(fixture.path()).unwrap();
    connection
        .execute_batch(
            "INSERT INTO other_answer
                 SELECT digest, 'cigar', 0.5, 0.2, 0.2, 0.5, 0.05, 0.05, 1.2, 1, rendering, 0, framing, frame_x, frame_y,
                     frame_side, flags, stretch, program_version, NULL, NULL
                 FROM cutout WHERE path = '/srv/new/spiral-4.jpg';
             UPDATE watch SET model = 1, settling = 1;",
        )
        .unwrap();
    drop(connection);
    drop(fixture.writer("m"));
    let sql =
        "SELECT label, model, label_balanced FROM catalog WHERE path = '/srv/new/spiral-4.jpg'";
    assert_eq!(rows(&fixture, sql), ["cigar | zhu2019-small | Null"]);
    let reader = Reader::open_to_check(&fixture.path()).unwrap();
    assert_eq!(reader.faults().unwrap(), Vec::<String>::new());
}

#[test]
fn a_migrated_catalog_is_what_a_new_one_is() {
    for version in [1, 6, 7, 8] {
        let fixture = earlier(version);
        drop(fixture.writer("m"));
        let reader = Reader::open_to_check(&fixture.path()).unwrap();
        assert_eq!(reader.faults().unwrap(), Vec::<String>::new());
        let new = Fixture::new();
        drop(new.writer("m"));
        let names =
            "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2";
        assert_eq!(rows(&fixture, names), rows(&new, names));
        assert_eq!(fixture.ask::<i32>("PRAGMA user_version"), schema::VERSION);
        assert_eq!(
            rows(&fixture, "PRAGMA foreign_key_check"),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_migration_goes_on_wherever_it_was_stopped_and_readers_see_the_old_rows_until_it_ends() {
    for version in [1, 6] {
        let whole = earlier(version);
        drop(whole.writer("m"));
        let expected = rows(&whole, "SELECT * FROM cutout ORDER BY id");
        let others = rows(&whole, "SELECT * FROM other_answer ORDER BY 1, 2, 3");
        let fixture = earlier(version);
        let before = rows(
            &fixture,
            "SELECT path, label FROM catalog WHERE label IS NOT NULL ORDER BY 1",
        );
        let mut stops = 0;
        // Each start does one step more than the one before.
        loop {
            let mut done = 0;
            let opened = Writer::open_supervised(&fixture.path(), &model("m"), &mut |_| {
                done += 1;
                done <= stops
            });
            let Err(error) = opened else { break };
            assert!(matches!(error, CatalogError::Transient(_)), "{error}");
            let reader = Reader::open(&fixture.path()).unwrap();
            let query = Query::classified(&reader, &Filter::default()).unwrap();
            let mut seen = 0;
            reader
                .run(&query, |_| -> Result<(), CatalogError> {
                    seen += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(seen, before.len());
            assert!(Reader::open_current(&fixture.path()).is_err());
            stops += 1;
        }
        assert!(stops > 10, "{stops} steps");
        assert_eq!(rows(&fixture, "SELECT * FROM cutout ORDER BY id"), expected);
        assert_eq!(
            rows(&fixture, "SELECT * FROM other_answer ORDER BY 1, 2, 3"),
            others
        );
    }
}

/// Its new tables lack the column that came later.
#[test]
fn a_migration_that_the_program_before_began_is_gone_on_with() {
    let whole = earlier(6);
    drop(whole.writer("m"));
    let fixture = earlier(6);
    let mut steps = 0;
    let opened = Writer::open_supervised(&fixture.path(), &model("m"), &mut |_| {
        steps += 1;
        steps < 5
    });
    assert!(opened.is_err());
    let connection = Connection::open(fixture.path()).unwrap();
    connection
        .execute_batch(
            "ALTER TABLE cutout_7 DROP COLUMN camera;
             ALTER TABLE other_answer_7 DROP COLUMN camera;
             PRAGMA user_version = 8;",
        )
        .unwrap();
    drop(connection);
    drop(fixture.writer("m"));
    for table in ["cutout", "other_answer"] {
        let names = format!("SELECT group_concat(name, ', ') FROM pragma_table_info('{table}')");
        let every = format!(
            "SELECT {} FROM {table} ORDER BY 1, 2, 3",
            fixture.ask::<String>(&names)
        );
        assert_eq!(rows(&fixture, &every), rows(&whole, &every));
    }
    let reader = Reader::open_to_check(&fixture.path()).unwrap();
    assert_eq!(reader.faults().unwrap(), Vec::<String>::new());
}

#[test]
fn a_row_without_the_answer_that_it_speaks_of_is_left_out_and_others_are_not() {
    let fixture = earlier(6);
    let connection = Connection::open(fixture.path()).unwrap();
    let damage = "DELETE FROM classification WHERE digest = (SELECT digest FROM cutout WHERE path LIKE '%cigar-1%')";
    connection.execute_batch(damage).unwrap();
    drop(connection);
    drop(fixture.writer("m"));
    let paths = rows(&fixture, "SELECT path FROM cutout");
    assert_eq!(paths.len(), 8);
    assert!(!paths.iter().any(|path| path.contains("cigar-1")));
}

/// Every answer that there ever was is found for each file of its content, whichever file shows it.
#[test]
fn files_of_one_content_have_each_others_answers() {
    let fixture = Fixture::new();
    let limits = galmorph_cutout::Limits::default();
    let watched = Watched::default();
    let answers = "SELECT path, model, label FROM (SELECT path, model, class_name AS label, ranking FROM probability)
                   WHERE ranking = 1 ORDER BY 1, 2";
    let record = |model: &str, paths: &[&str], answer: [f32; 5]| {
        let mut writer = fixture.writer(model);
        writer.record_watch(&watched, &limits).unwrap();
        while writer.settle().unwrap() {}
        for path in paths {
            writer
                .record(&[entry(path, "same", classified(answer))])
                .unwrap();
        }
    };
    let cigar = [0.0, 0.0, 1.0, 0.0, 0.0];
    let spiral = [0.0, 0.0, 0.0, 0.0, 1.0];
    record("a", &["/1", "/2", "/3"], cigar);
    // A file that is new shows b; the others still show a.
    record("b", &["/4"], spiral);
    let both = |path: &str| {
        [
            format!("{path} | a | cigar"),
            format!("{path} | b | spiral"),
        ]
    };
    let expected: Vec<String> = ["/1", "/2", "/3", "/4"]
        .into_iter()
        .flat_map(both)
        .collect();
    assert_eq!(rows(&fixture, answers), expected);
    record("b", &["/1", "/2", "/3"], spiral);
    assert_eq!(rows(&fixture, answers), expected);
    record("a", &["/5"], cigar);
    let expected: Vec<String> = ["/1", "/2", "/3", "/4", "/5"]
        .into_iter()
        .flat_map(both)
        .collect();
    assert_eq!(rows(&fixture, answers), expected);
    let shown = rows(&fixture, "SELECT DISTINCT model FROM catalog");
    assert_eq!(shown, ["a"]);
}
