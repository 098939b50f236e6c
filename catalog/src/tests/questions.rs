//! Rows by filters and orders, and questions in SQL.

use super::*;

use crate::{Cone, Order, SqlError};
use galmorph_cutout::Flag;

/// A catalog of six files, a minute apart, with positions and flags.
pub(super) fn sky() -> Fixture {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    for (number, confidence) in [0.9_f32, 0.5, 0.7, 0.6, 0.8, 0.95].into_iter().enumerate() {
        let rest = (1.0 - confidence) / 4.0;
        let mut answer = [rest; 5];
        answer[if number % 2 == 0 { 4 } else { 0 }] = confidence;
        let path = format!("/{number}");
        writer
            .record(&[entry(&path, &path, classified(answer))])
            .unwrap();
    }
    for (number, (ra, dec, flags)) in [
        (0.0005, 10.0, "padded"),
        (359.9995, 10.0, "padded,saturated"),
        (0.0, 10.01, ""),
        (120.0, 89.9999, "off_centre"),
        (300.0, 89.9999, "saturated"),
        (180.0, -45.0, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let minute = i64::try_from(number).unwrap() * 60_000 + 1_700_000_000_000;
        writer
            .connection
            .execute(
                "UPDATE cutout SET ra = ?2, dec = ?3, healpix = ?4, flags = ?5, classified = ?6 WHERE path = ?1",
                params![format!("/{number}"), ra, dec, healpix::cell(ra, dec), flags, minute],
            )
            .unwrap();
    }
    fixture
}

fn paths(fixture: &Fixture, filter: &Filter) -> String {
    let reader = Reader::open(&fixture.path()).unwrap();
    let query = Query::classified(&reader, filter).unwrap();
    let mut paths = String::new();
    reader
        .run(&query, |values| -> Result<(), CatalogError> {
            paths += &values[0].to_string();
            Ok(())
        })
        .unwrap();
    paths
}

/// Checks which files a filter leaves, among the newest answers and among those of a model.
#[track_caller]
fn leaves(fixture: &Fixture, filter: Filter, expected: &str) {
    assert_eq!(paths(fixture, &filter), expected, "{filter:?}");
    let of_a_model = Filter {
        model: Some("m".into()),
        ..filter
    };
    assert_eq!(paths(fixture, &of_a_model), expected, "{of_a_model:?}");
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn each_filter_leaves_what_it_says() {
    let fixture = sky();
    let with = |change: &dyn Fn(&mut Filter), expected: &str| {
        let mut filter = Filter::default();
        change(&mut filter);
        leaves(&fixture, filter, expected);
    };
    with(&|_| {}, "/0/1/2/3/4/5");
    with(&|filter| filter.max_confidence = Some(0.7), "/1/2/3");
    with(&|filter| filter.min_confidence = Some(0.7), "/0/2/4/5");
    with(&|filter| filter.label = Some(Morphology::Round), "/1/3/5");
    with(
        &|filter| filter.since = Some(at("2023-11-14T22:15:20Z")),
        "/2/3/4/5",
    );
    with(
        &|filter| filter.until = Some(at("2023-11-14T22:15:20Z")),
        "/0/1",
    );
    with(
        &|filter| filter.object_id = Some("1".into()),
        "/0/1/2/3/4/5",
    );
    with(&|filter| filter.object_id = Some("2".into()), "");
    with(&|filter| filter.flags = vec![Flag::Padded], "/0/1");
    with(
        &|filter| filter.flags = vec![Flag::Padded, Flag::Saturated],
        "/1",
    );
    with(
        &|filter| filter.no_flags = vec![Flag::Padded, Flag::OffCentre],
        "/2/4/5",
    );
    with(&|filter| filter.with_position = true, "/0/1/2/3/4/5");
    with(&|filter| filter.reviewed = true, "");
    let review = "INSERT INTO review (digest, reviewer, label, reviewed)
                  SELECT digest, 'me', 'spiral', 0 FROM cutout WHERE path = '/3'";
    Connection::open(fixture.path())
        .unwrap()
        .execute_batch(review)
        .unwrap();
    with(&|filter| filter.reviewed = true, "/3");
}

#[test]
fn a_file_without_a_position_is_in_no_cone() {
    let fixture = sky();
    let forget = "UPDATE cutout SET ra = NULL, dec = NULL, healpix = NULL WHERE path = '/2'";
    Connection::open(fixture.path())
        .unwrap()
        .execute_batch(forget)
        .unwrap();
    let filter = Filter {
        with_position: true,
        ..Filter::default()
    };
    leaves(&fixture, filter, "/0/1/3/4/5");
    let cone = Some(Cone {
        ra: 0.0,
        dec: 0.0,
        radius: 180.0,
    });
    let filter = Filter {
        cone,
        ..Filter::default()
    };
    leaves(&fixture, filter, "/0/1/3/4/5");
}

#[test]
fn filters_add_up() {
    let fixture = sky();
    let filter = Filter {
        min_confidence: Some(0.7),
        max_confidence: Some(0.9),
        ..Filter::default()
    };
    leaves(&fixture, filter.clone(), "/0/2/4");
    let spirals = Filter {
        label: Some(Morphology::Spiral),
        since: Some(at("2023-11-14T22:14:00Z")),
        no_flags: vec![Flag::Saturated],
        ..filter
    };
    leaves(&fixture, spirals, "/2");
}

#[test]
fn a_cone_is_exact_across_0_h_and_at_the_pole() {
    let fixture = sky();
    let second = 1.0 / 3600.0;
    for (ra, dec, radius, expected) in [
        (0.0, 10.0, 2.0 * second, "/0/1"),
        (359.9995, 10.0, 1.0 * second, "/1"),
        (359.9995, 10.0, 3.7 * second, "/0/1"),
        (0.0, 10.0, 36.1 * second, "/0/1/2"),
        (77.0, 90.0, 0.4 * second, "/3/4"),
        (120.0, 89.9999, 0.7 * second, "/3"),
        (0.0, 0.0, 180.0, "/0/1/2/3/4/5"),
        (180.0, -45.0, second, "/5"),
        (90.0, -45.0, second, ""),
    ] {
        let cone = Some(Cone { ra, dec, radius });
        let filter = Filter {
            cone,
            ..Filter::default()
        };
        assert_eq!(paths(&fixture, &filter), expected, "{filter:?}");
    }
}

#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    let fixture = sky();
    for (column, descending, limit, expected) in [
        ("path", false, None, "/0/1/2/3/4/5"),
        ("path", true, Some(2), "/5/4"),
        ("confidence", false, None, "/1/3/2/4/0/5"),
        ("confidence", true, Some(2), "/5/0"),
        ("classified_at", true, Some(3), "/5/4/3"),
        ("margin", false, Some(1), "/1"),
        ("p_round", true, Some(1), "/5"),
    ] {
        let order = Some(Order {
            column: column.into(),
            descending,
        });
        let filter = Filter {
            order,
            limit,
            ..Filter::default()
        };
        assert_eq!(paths(&fixture, &filter), expected, "{filter:?}");
    }
}

#[test]
fn a_question_in_sql_reads_and_does_nothing_else() {
    let fixture = sky();
    let reader = Reader::open(&fixture.path()).unwrap();
    let ask = |sql: &str| {
        let query = Query::of_sql(&reader, sql)?;
        let names: Vec<String> = query
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let mut rows = vec![names.join(" ")];
        reader.run(&query, |values| -> Result<(), CatalogError> {
            let cells: Vec<String> = values.iter().map(ToString::to_string).collect();
            rows.push(cells.join(" "));
            Ok(())
        })?;
        Ok::<_, SqlError>(rows.join("; "))
    };
    assert_eq!(
        ask("SELECT label, count(*) AS n FROM catalog GROUP BY label;").unwrap(),
        "label n; round 3; spiral 3"
    );
    assert_eq!(
        ask(" with one AS (SELECT 1) SELECT classified_at FROM catalog ORDER BY 1 LIMIT 1")
            .unwrap(),
        "classified_at; 2023-11-14 22:13:20.000"
    );
    assert_eq!(
        ask("SELECT round(separation(10, 0, 10, 1), 6), separation(1, 2, NULL, 3)")
            .unwrap()
            .split("; ")
            .nth(1),
        Some("1 ")
    );
    for (sql, fault) in [
        ("", "must begin with SELECT"),
        ("DELETE FROM cutout", "must begin with SELECT"),
        ("VACUUM INTO '/tmp/x'", "must begin with SELECT"),
        ("ATTACH '/tmp/x' AS y", "must begin with SELECT"),
        ("PRAGMA journal_mode = DELETE", "must begin with SELECT"),
        (
            "WITH one AS (SELECT 1) DELETE FROM cutout",
            "must only read",
        ),
        ("SELECT 1; DELETE FROM cutout", "one thing at a time"),
        ("SELECT nope FROM catalog", "no such column: nope"),
        ("SELECT * FROM nowhere", "no such table: nowhere"),
    ] {
        let error = ask(sql).unwrap_err().to_string();
        assert!(error.contains(fault), "{sql}: {error}");
    }
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM cutout"), 6);
}

#[test]
fn a_query_filters_and_keeps_the_order_of_paths() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    writer
        .record(&[
            entry("/b", "d1", classified(ANSWER)),
            entry("/a", "d2", classified([0.9, 0.1, 0.0, 0.0, 0.0])),
            entry("/c", "d3", classified([0.6, 0.4, 0.0, 0.0, 0.0])),
        ])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let paths = |filter: &Filter| {
        let mut paths = Vec::new();
        let row = |values: Vec<crate::export::Value>| -> Result<(), CatalogError> {
            paths.push(values[0].to_string());
            Ok(())
        };
        let query = Query::classified(&reader, filter).unwrap();
        reader.run(&query, row).unwrap();
        paths
    };
    let all = Filter::default();
    assert_eq!(paths(&all), ["/a", "/b", "/c"]);
    assert_eq!(
        paths(&Filter {
            limit: Some(2),
            ..all.clone()
        }),
        ["/a", "/b"]
    );
    let round = Filter {
        label: Some(Morphology::Round),
        ..all.clone()
    };
    assert_eq!(paths(&round), ["/a", "/c"]);
    assert_eq!(
        paths(&Filter {
            min_confidence: Some(0.7),
            ..round
        }),
        ["/a"]
    );
    let of = |model: &str| Filter {
        model: Some(model.into()),
        ..all.clone()
    };
    assert!(paths(&of("x")).is_empty());
    drop(writer);

    // A later model's answers don't hide those of the one that is asked for.
    let mut later = fixture.writer("later");
    later
        .record(&[entry("/a", "d2", classified(ANSWER))])
        .unwrap();
    assert_eq!(paths(&of("m")), ["/a", "/b", "/c"]);
    assert_eq!(paths(&of("later")), ["/a"]);
    let round = |model| Filter {
        label: Some(Morphology::Round),
        ..of(model)
    };
    assert_eq!(paths(&round("m")), ["/a", "/c"]);
    assert!(paths(&round("later")).is_empty());
    assert_eq!(reader.model_names().unwrap(), ["later", "m"]);
}

#[test]
fn a_query_has_the_columns_of_the_view() {
    let fixture = Fixture::new();
    drop(fixture.writer("m"));
    let view = "SELECT group_concat(name, ' ') FROM pragma_table_info('catalog')";
    let reader = Reader::open(&fixture.path()).unwrap();
    let query = Query::classified(&reader, &Filter::default()).unwrap();
    let names: Vec<&str> = query.columns().iter().map(|column| &*column.name).collect();
    assert_eq!(fixture.ask::<String>(view), names.join(" "));
}
