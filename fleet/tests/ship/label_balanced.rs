//! The label where all classes are equally common is what the machine's catalog says.

use crate::common::machine::{Machine, entry, model};
use crate::common::postgres::Server;
use crate::common::program;
use crate::ship;
use galmorph_catalog::{Entry, ModelInUse, Verdict, Writer};
use galmorph_cutout::Probabilities;
use rusqlite::Connection;

/// Priors with which equals are frequent, and with which they are not; a card without one, and what is no card.
const CARDS: [&str; 4] = [
    r#"{"prior":{"round":0.25,"in_between":0.25,"cigar":0.125,"edge_on":0.125,"spiral":0.25}}"#,
    r#"{"prior":{"round":0.2929969940693801,"in_between":0.2802420992769518,"cigar":0.020107238605898123,"edge_on":0.13555122268258998,"spiral":0.27110244536517997}}"#,
    r#"{"prior":null}"#,
    "no card",
];

/// Probabilities in steps of 1/16.
fn answer(number: u32) -> Probabilities {
    let mut values = [0.0; 5];
    let mut state = number.wrapping_mul(2_654_435_761);
    for _ in 0..16 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        values[(state >> 16) as usize % 5] += 1.0 / 16.0;
    }
    Probabilities::from_values(values)
}

/// A machine on which a model with each of the cards answered for 200 files.
fn machine() -> Machine {
    let folder = tempfile::TempDir::new().unwrap();
    let mut writer = None;
    for (at, card) in (0..).zip(CARDS) {
        drop(writer.take());
        let model = ModelInUse {
            card: card.to_owned(),
            ..model(&at.to_string())
        };
        let mut opened = Writer::open(&folder.path().join("galmorph.sqlite"), &model).unwrap();
        let entries = (at * 200..at * 200 + 200).map(|number| Entry {
            verdict: Verdict::Classified(answer(number)),
            ..entry(number)
        });
        opened.record(&entries.collect::<Vec<Entry>>()).unwrap();
        writer = Some(opened);
    }
    let writer = writer.unwrap();
    Machine { folder, writer }
}

fn labels_here(machine: &Machine) -> Vec<(String, Option<String>)> {
    let here = Connection::open(machine.catalog()).unwrap();
    let mut statement = here
        .prepare("SELECT path, label_balanced FROM catalog ORDER BY path")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn labels_there(server: &Server) -> Vec<(String, Option<String>)> {
    let query = "SELECT path, label_balanced FROM catalog ORDER BY path COLLATE \"C\"";
    let rows = server.client().query(query, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn the_label_where_classes_are_equally_common_is_as_in_sqlite() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = machine();
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    let here = labels_here(&machine);
    assert_eq!(here.len(), 800);
    assert_eq!(labels_there(&server), here);
    let known = here.iter().filter(|(_, label)| label.is_some());
    assert_eq!(known.count(), 400);
    assert!(server.count("catalog WHERE label_balanced <> label") > 50);
}

/// What was shipped before there was the column has it, too.
#[test]
fn a_database_of_version_5_gets_the_column() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = machine();
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    // As version 5 left it.
    let view = include_str!("../../migrations/V3__model_in_use.sql");
    let view = view.split_once("CREATE OR REPLACE VIEW").unwrap().1;
    let cone = include_str!("../../migrations/V5__cone.sql");
    server
        .client()
        .batch_execute(&format!(
            "DROP VIEW catalog, shown, night CASCADE;
             ALTER TABLE cutout DROP camera; ALTER TABLE other_answer DROP camera;
             CREATE VIEW shown AS SELECT * FROM cutout;
             CREATE VIEW {view}; {cone}
             ALTER TABLE model DROP prior_round, DROP prior_in_between, DROP prior_cigar, DROP prior_edge_on, DROP prior_spiral;
             DROP FUNCTION prior_of;
             DELETE FROM schema_version WHERE version > 5;"
        ))
        .unwrap();
    program("schema")
        .args(["--to", &server.address("owner")])
        .succeeds();
    assert_eq!(labels_there(&server), labels_here(&machine));
    assert_eq!(server.count("cone(0, 0, 180)"), 800);
}
