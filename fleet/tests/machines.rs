//! The catalogs of several machines in one, with nothing but files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

mod common;

use std::path::Path;

use common::machine::{Machine, entry, probabilities};
use common::program;
use galmorph_catalog::{Entry, Verdict};
use rusqlite::Connection;
use tempfile::TempDir;

fn numbers(catalog: &Path, statement: &str) -> Vec<i64> {
    let catalog = Connection::open(catalog).unwrap();
    let mut statement = catalog.prepare(statement).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn number(catalog: &Path, statement: &str) -> i64 {
    let found = numbers(catalog, statement);
    assert_eq!(found.len(), 1);
    found[0]
}

#[test]
fn folders_that_were_divided_by_hand_are_one_catalog_in_the_end() {
    let mut machines = [Machine::new(0), Machine::new(0), Machine::new(0)];
    for (machine, first) in machines.iter_mut().zip([0, 1000, 2000]) {
        machine.add(first..first + 1000);
    }
    let folder = TempDir::new().unwrap();
    let all = folder.path().join("all.sqlite");
    let mut merge = program("merge");
    for machine in &machines {
        // A daemon has it open.
        merge.arg(machine.catalog());
    }
    let said = merge.arg("--out").arg(&all).succeeds();
    assert!(said.contains("3000 files of 3 catalogs"), "{said}");
    // As if one machine had done all.
    let mut one = Machine::new(0);
    one.add(0..3000);
    let rows = "SELECT count(*) FROM (SELECT path, object_id, ra, dec, label, confidence, p_spiral, entropy, model_digest FROM catalog)";
    assert_eq!(number(&all, rows), number(&one.catalog(), rows));
    let sum = "SELECT CAST(1e6 * sum(confidence + p_round * ra) AS INTEGER) FROM catalog";
    assert_eq!(number(&all, sum), number(&one.catalog(), sum));
    assert_eq!(
        number(&all, "SELECT count(*) FROM rejected"),
        number(&one.catalog(), "SELECT count(*) FROM rejected")
    );
    assert_eq!(number(&all, "SELECT count(*) FROM model"), 1);
    galmorph_catalog::Reader::open_to_check(&all).unwrap();
    // Again, with one of them twice: nothing is doubled.
    let twice = folder.path().join("twice.sqlite");
    program("merge")
        .arg(&all)
        .arg(machines[1].catalog())
        .arg("--out")
        .arg(&twice)
        .succeeds();
    assert_eq!(number(&twice, "SELECT count(*) FROM cutout"), 3000);
}

#[test]
fn two_machines_that_say_different_things_of_one_path_are_told_apart() {
    let mut machines = [Machine::new(10), Machine::new(10)];
    let other = Entry {
        digest: Some(blake3::hash(b"another content")),
        verdict: Verdict::Classified(probabilities(77)),
        ..entry(3)
    };
    machines[1].writer.record(&[other]).unwrap();
    let folder = TempDir::new().unwrap();
    let all = folder.path().join("all.sqlite");
    let merge = |sites: [&str; 2]| {
        let mut merge = program("merge");
        for (machine, site) in machines.iter().zip(sites) {
            merge.arg(format!("{site}{}", machine.catalog().to_str().unwrap()));
        }
        merge.arg("--force").arg("--out").arg(&all);
        merge
    };
    let said = merge(["", ""]).fails(3);
    assert!(
        said.contains("has another row of '/data/night/0000003.jpg'"),
        "{said}"
    );
    assert!(!all.exists());
    merge(["north=", "south="]).succeeds();
    assert_eq!(number(&all, "SELECT count(*) FROM cutout"), 20);
    assert_eq!(
        number(
            &all,
            "SELECT count(*) FROM cutout WHERE path LIKE 'south:/data/%'"
        ),
        10
    );
    merge(["", ""]).args(["--newest"]).succeeds();
    assert_eq!(number(&all, "SELECT count(*) FROM cutout"), 10);
    let digest = blake3::hash(b"another content").to_hex();
    let newest = format!(
        "SELECT count(*) FROM cutout WHERE path LIKE '%03.jpg' AND lower(hex(digest)) = '{digest}'"
    );
    assert_eq!(number(&all, &newest), 1);
    // No answer is lost: that to the content which no file has any more is kept.
    let answers = "SELECT count(*) FROM classification";
    assert_eq!(number(&all, answers), 11);
}

#[test]
fn answers_of_two_models_and_reviews_travel() {
    // One machine has gone over to another model, and keeps the answers of the first.
    let mut one = Machine::new(100).reopen("two");
    one.add(0..100);
    let two = Machine::new(150);
    let review = |machine: &Machine, label: Option<&str>, at: i64| {
        let catalog = Connection::open(machine.catalog()).unwrap();
        let statement =
            "INSERT INTO review (digest, reviewer, label, reviewed) VALUES (?1, 'anna', ?2, ?3)";
        let digest = blake3::hash(&7_u32.to_le_bytes());
        catalog
            .execute(statement, rusqlite::params![digest.as_bytes(), label, at])
            .unwrap();
    };
    review(&one, Some("spiral"), 3000);
    review(&two, Some("round"), 1000);
    review(&one, None, 2000);
    let folder = TempDir::new().unwrap();
    let merge = |name: &str, machines: [&Machine; 2]| {
        let all = folder.path().join(name);
        let mut merge = program("merge");
        for machine in machines {
            merge.arg(machine.catalog());
        }
        merge.args(["--newest", "--out"]).arg(&all).succeeds();
        all
    };
    for all in [
        merge("a.sqlite", [&one, &two]),
        merge("b.sqlite", [&two, &one]),
    ] {
        assert_eq!(number(&all, "SELECT count(*) FROM cutout"), 150);
        // 2 and 3 of a hundred are rejected.
        let first = number(&two.catalog(), "SELECT count(*) FROM catalog");
        let second = number(&one.catalog(), "SELECT count(*) FROM catalog");
        assert_eq!(
            number(&all, "SELECT count(*) FROM classification"),
            first + second
        );
        assert_eq!(
            number(
                &all,
                "SELECT count(DISTINCT class_name || path || model) FROM probability"
            ),
            5 * (first + second)
        );
        assert_eq!(
            number(&all, "SELECT count(*) FROM probability"),
            5 * (first + second)
        );
        // The newest counts, and it has the highest id.
        assert_eq!(
            numbers(&all, "SELECT reviewed FROM review ORDER BY id"),
            [1000, 2000, 3000]
        );
    }
}
