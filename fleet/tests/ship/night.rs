//! Nights that look like another camera's are those of the machine's catalog.

use crate::common::machine::{Machine, entry, model, probabilities};
use crate::common::postgres::Server;
use crate::common::program;
use crate::ship;
use galmorph_catalog::{Entry, ModelInUse, Verdict, Writer};
use rusqlite::Connection;

/// What a model's card says of its residuals, in several ways, and what is no card.
const CARDS: [&str; 4] = [
    r#"{"residual":{"confidence":0.7,"threshold":0.65}}"#,
    r#"{"residual":{"confidence":0.7,"threshold":0.4}}"#,
    r#"{"residual":{"confidence":0.7}}"#,
    "no card",
];

/// A machine on which a model with each of the cards answered for 400 files, in three nights. The ranks of each night are higher than
/// those of the one before, and the last one has a few files alone.
fn machine() -> Machine {
    let folder = tempfile::TempDir::new().unwrap();
    let mut writer = None;
    for (at, card) in (0_u32..).zip(CARDS) {
        drop(writer.take());
        let model = ModelInUse {
            card: card.to_owned(),
            ..model(&at.to_string())
        };
        let mut opened = Writer::open(&folder.path().join("galmorph.sqlite"), &model).unwrap();
        let entries = (at * 400..at * 400 + 400).map(|number| Entry {
            camera: (!number.is_multiple_of(7)).then_some(0.4 + (number % 400 / 190) as f32 * 0.2),
            verdict: Verdict::Classified(probabilities(number)),
            ..entry(number)
        });
        opened.record(&entries.collect::<Vec<Entry>>()).unwrap();
        writer = Some(opened);
    }
    // The evening of 2026-11-20, the last moment of that night, and two nights later at noon.
    Connection::open(folder.path().join("galmorph.sqlite"))
        .unwrap()
        .execute_batch(
            "UPDATE cutout SET classified = 1000 * unixepoch('2026-11-20 23:00') + 86400000 * ((id - 1) % 400 / 190);
             UPDATE cutout SET classified = 1000 * unixepoch('2026-11-21 12:00') - 1 WHERE (id - 1) % 400 = 0;
             UPDATE cutout SET classified = 1000 * unixepoch('2026-11-22 12:00') WHERE (id - 1) % 400 = 399;",
        )
        .unwrap();
    let writer = writer.unwrap();
    Machine { folder, writer }
}

type Night = (String, String, i64, i64, Option<String>, Option<bool>);

fn nights_here(machine: &Machine) -> Vec<Night> {
    let here = Connection::open(machine.catalog()).unwrap();
    let query = "SELECT night, model, galaxies, counted, format('%.6f', camera), other_camera FROM night ORDER BY 1, 2";
    let mut statement = here.prepare(query).unwrap();
    let rows = statement.query_map([], |row| {
        let counted: i64 = row.get(3)?;
        let camera: String = row.get(4)?;
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            counted,
            (counted > 0).then_some(camera),
            row.get(5)?,
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn nights_there(server: &Server) -> Vec<Night> {
    let query = "SELECT night::text, model, galaxies, counted, to_char(camera, 'FM0.000000'), other_camera FROM night
         WHERE site = 'north' ORDER BY 1, 2";
    let rows = server.client().query(query, &[]).unwrap();
    let night = |row: &postgres::Row| {
        (
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.get(5),
        )
    };
    rows.iter().map(night).collect()
}

#[test]
fn a_night_is_judged_as_in_sqlite_and_for_each_site() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = machine();
    for site in ["north", "south"] {
        ship(&server, &machine.catalog(), site)
            .arg("--once")
            .succeeds();
    }
    let here = nights_here(&machine);
    assert_eq!(here.len(), 12);
    assert_eq!(nights_there(&server), here);
    assert_eq!(server.count("night"), 24);
    let verdicts = |is: Option<bool>| here.iter().filter(|night| night.5 == is).count();
    assert_eq!(verdicts(Some(true)), 1, "{here:?}");
    assert_eq!(verdicts(Some(false)), 3, "{here:?}");
    let of_three = here.iter().filter(|night| night.0 == "2026-11-22");
    assert!(of_three.clone().all(|night| night.5.is_none()));
    assert_eq!(of_three.map(|night| night.2).sum::<i64>(), 80);
    assert_eq!(server.count("catalog WHERE camera IS NOT NULL"), 2742);
}

/// As version 6 left it: the view of what files show lacks the column, whichever of its two forms it has. A switch of models that is
/// not at its end shows the answers beside the rows.
#[test]
fn a_database_of_version_6_gets_the_column_and_the_view_also_while_models_are_switched() {
    for switching in [false, true] {
        let Some(server) = Server::start() else {
            return;
        };
        let server = server.with_schema();
        let machine = machine();
        ship(&server, &machine.catalog(), "north")
            .arg("--once")
            .succeeds();
        let here = nights_here(&machine);
        let shown = if switching {
            "SELECT cutout.*, CASE WHEN one.digest IS NULL THEN cutout.novelty ELSE one.novelty END AS last
             FROM cutout LEFT JOIN other_answer AS one ON one.digest = cutout.digest AND one.model <> cutout.model"
        } else {
            "SELECT * FROM cutout"
        };
        let view = include_str!("../../migrations/V6__label_balanced.sql");
        let view = view.split_once("CREATE OR REPLACE VIEW").unwrap().1;
        let cone = include_str!("../../migrations/V5__cone.sql");
        server
            .client()
            .batch_execute(&format!(
                "DROP VIEW catalog, shown, night CASCADE;
                 DROP FUNCTION residual_of;
                 CREATE TABLE ranks AS SELECT path_key, camera FROM cutout;
                 ALTER TABLE cutout DROP camera; ALTER TABLE other_answer DROP camera;
                 ALTER TABLE cutout ADD \"Field FROM \"\"ours\"\"\" text;
                 CREATE VIEW shown AS {shown};
                 CREATE VIEW {view}; {cone}
                 DELETE FROM schema_version WHERE version > 6;"
            ))
            .unwrap();
        program("schema")
            .args(["--to", &server.address("owner")])
            .succeeds();
        assert_eq!(server.count("catalog"), 1600);
        assert_eq!(server.count("catalog WHERE camera IS NOT NULL"), 0);
        assert_eq!(server.count("cone(0, 0, 180)"), 1600);
        server
            .client()
            .batch_execute(
                "UPDATE cutout SET camera = ranks.camera FROM ranks WHERE ranks.path_key = cutout.path_key;
                 INSERT INTO other_answer
                 SELECT digest, 2, rendering, label, confidence, p_round, p_in_between, p_cigar, p_edge_on, p_spiral, entropy,
                     classified, framing, frame_x, frame_y, frame_side, flags, stretch, program_version, novelty, prediction_set, 0.125
                 FROM cutout WHERE model = 1 LIMIT 7",
            )
            .unwrap();
        assert_eq!(nights_there(&server), here);
        let beside = if switching { 7 } else { 0 };
        assert_eq!(server.count("catalog WHERE camera = 0.125"), beside);
    }
}
