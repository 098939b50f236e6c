//! What SQLite does to answer: questions stay quick only as long as an index serves them.

use super::questions::{at, sky};
use super::*;

use crate::{Cone, Order};
use galmorph_cutout::Flag;
use rusqlite::StatementStatus;

/// Whatever is asked, an index finds it: nothing reads every row to find a few, and nothing sorts many.
#[test]
fn an_index_serves_every_common_question() {
    let fixture = sky();
    let connection = Connection::open(fixture.path()).unwrap();
    for (question, index) in [
        (
            "SELECT label, count(*) FROM catalog GROUP BY label",
            "COVERING INDEX cutout_label",
        ),
        (
            "SELECT label, count(*), avg(confidence) FROM catalog GROUP BY label",
            "COVERING INDEX cutout_label",
        ),
        (
            "SELECT model, label, count(*) FROM catalog GROUP BY 1, 2",
            "COVERING INDEX cutout_label",
        ),
        (
            "SELECT * FROM catalog ORDER BY classified_at DESC LIMIT 5",
            "INDEX cutout_time",
        ),
        (
            "SELECT * FROM catalog WHERE classified_at > datetime('now', '-1 day')",
            "INDEX cutout_time (<expr>>?)",
        ),
        (
            "SELECT * FROM catalog ORDER BY confidence LIMIT 5",
            "INDEX cutout_confidence",
        ),
        (
            "SELECT * FROM catalog WHERE label = 'spiral' ORDER BY confidence DESC LIMIT 5",
            "INDEX cutout_label (label=?)",
        ),
        (
            "SELECT * FROM catalog WHERE label = 'spiral' ORDER BY classified_at DESC LIMIT 5",
            "INDEX cutout_label_time (label=?)",
        ),
        (
            "SELECT * FROM catalog WHERE label = 'spiral' AND classified_at > datetime('now', '-1 day')",
            "INDEX cutout_label_time (label=? AND <expr>>?)",
        ),
        (
            "SELECT * FROM catalog WHERE object_id = '1'",
            "INDEX cutout_object (object_id=?)",
        ),
        (
            "SELECT * FROM catalog WHERE path = '/1'",
            "INDEX cutout_path (path=?)",
        ),
        (
            "SELECT * FROM catalog WHERE healpix BETWEEN 1 AND 2",
            "INDEX cutout_healpix (healpix>? AND healpix<?)",
        ),
        (
            "SELECT * FROM catalog WHERE flags > '' AND instr(flags, 'padded')",
            "INDEX cutout_flags",
        ),
        (
            "SELECT reason, count(*) FROM rejected GROUP BY reason",
            "COVERING INDEX cutout_reason",
        ),
    ] {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {question}"))
            .unwrap();
        let steps = statement
            .query_map([], |row| row.get::<_, String>(3))
            .unwrap();
        let plan: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
        assert!(plan[0].contains(index), "{question}: {plan:?}");
        let sorts = plan
            .iter()
            .any(|step| step.contains("TEMP B-TREE FOR ORDER"));
        assert!(!sorts, "{question}: {plan:?}");
    }
}

/// The rows of other nights than those that are asked for are not read.
#[test]
fn a_question_for_the_last_nights_costs_no_more_with_more_nights_before() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let entries: Vec<Entry> = (0..400)
        .map(|number| {
            entry(
                &format!("/{number}"),
                &number.to_string(),
                classified(ANSWER),
            )
        })
        .collect();
    writer.record(&entries).unwrap();
    let connection = Connection::open(fixture.path()).unwrap();
    // Ten an evening, the last on 2023-11-14.
    let times = "UPDATE cutout SET classified = 1700000000000 - 86400000 * (id / 10)";
    assert_eq!(connection.execute(times, []).unwrap(), 400);
    let steps = |question: &str| {
        let mut statement = connection.prepare(question).unwrap();
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        statement.get_status(StatementStatus::VmStep)
    };
    let all = steps("SELECT * FROM night");
    for last in [
        "SELECT * FROM night WHERE night = '2023-11-14'",
        "SELECT * FROM night WHERE night >= '2023-11-13' ORDER BY night DESC, model",
    ] {
        let few = steps(last);
        assert!(4 * few < all, "{few} of {all} steps: {last}");
    }
}

/// A filter that leaves few rows finds them by its index, in whatever order they are wanted.
#[test]
fn few_rows_are_found_by_an_index_and_sorted() {
    let fixture = sky();
    let reader = Reader::open(&fixture.path()).unwrap();
    let any = Filter::default;
    for (filter, index) in [
        (
            Filter {
                object_id: Some("1".into()),
                ..any()
            },
            "cutout_object",
        ),
        (
            Filter {
                cone: Some(Cone {
                    ra: 150.1,
                    dec: 2.2,
                    radius: 1.0,
                }),
                ..any()
            },
            "cutout_healpix",
        ),
        (
            Filter {
                since: Some(at("2023-11-14T22:14:00Z")),
                ..any()
            },
            "cutout_time",
        ),
        (
            Filter {
                label: Some(Morphology::Spiral),
                ..any()
            },
            "cutout_label",
        ),
        (
            Filter {
                max_confidence: Some(0.3),
                ..any()
            },
            "cutout_confidence",
        ),
        (
            Filter {
                flags: vec![Flag::Saturated],
                ..any()
            },
            "cutout_flags",
        ),
    ] {
        for column in ["path", "confidence", "classified_at", "margin"] {
            let filter = Filter {
                order: Some(Order {
                    column: column.into(),
                    descending: true,
                }),
                ..filter.clone()
            };
            let query = Query::classified(&reader, &filter).unwrap();
            let mut statement = (reader.connection)
                .prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql))
                .unwrap();
            let steps = statement
                .query_map(rusqlite::params_from_iter(&query.values), |row| {
                    row.get::<_, String>(3)
                })
                .unwrap();
            let plan: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            let index = format!("INDEX {index}");
            assert!(
                plan.iter().any(|step| step.contains(&index)),
                "{filter:?}: {plan:?}"
            );
            let reads_all =
                |step: &String| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE");
            assert!(!plan.iter().any(reads_all), "{filter:?}: {plan:?}");
        }
    }
}
