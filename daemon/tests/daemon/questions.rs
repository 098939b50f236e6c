//! What `query` can be asked, and how a question that can't be asked is refused.

use crate::support::{Dir, Ran, jpeg};

fn with_catalog() -> Dir {
    let dir = Dir::new();
    for seed in 0..5 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    dir
}

fn query(dir: &Dir, flags: &[&str]) -> Ran {
    let words = ["query", "--format", "csv"].iter().chain(flags);
    Ran::from(dir.galmorph(words).output().unwrap())
}

/// The first column of the rows, as `0 1 2`.
fn objects(dir: &Dir, flags: &[&str]) -> String {
    let flags: Vec<&str> = ["--columns", "object_id"]
        .iter()
        .chain(flags)
        .copied()
        .collect();
    let ran = query(dir, &flags).exits(0);
    let objects: Vec<&str> = ran.stdout.lines().skip(1).collect();
    objects.join(" ")
}

#[test]
fn rows_are_chosen_and_ordered() {
    let dir = with_catalog();
    let now = "classified = 1000 * unixepoch('now')";
    dir.catalog()
        .execute_batch(&format!(
            "UPDATE cutout SET {now} - 7200000, flags = 'padded' WHERE object_id IN ('1', '3');
             UPDATE cutout SET ra = 185.73, dec = 15.82, healpix = 1 WHERE object_id = '4';"
        ))
        .unwrap();
    assert_eq!(objects(&dir, &[]), "0 1 2 3 4");
    assert_eq!(objects(&dir, &["--sort", "-path", "--limit", "2"]), "4 3");
    assert_eq!(objects(&dir, &["--since", "1h"]).len(), "0 2 4".len());
    assert_eq!(objects(&dir, &["--until", "1h"]), "1 3");
    assert_eq!(
        objects(
            &dir,
            &["--since", "3h", "--until", "90m", "--flag", "padded"]
        ),
        "1 3"
    );
    assert_eq!(objects(&dir, &["--no-flag", "padded"]), "0 2 4");
    assert_eq!(objects(&dir, &["--id", "2"]), "2");
    assert_eq!(
        objects(&dir, &["--sort", "confidence", "--limit", "5"])
            .split(' ')
            .count(),
        5
    );
    let least: f64 = dir.ask("SELECT min(confidence) FROM catalog");
    let ran = query(
        &dir,
        &[
            "--columns",
            "confidence",
            "--max-confidence",
            &least.to_string(),
        ],
    )
    .exits(0);
    assert_eq!(ran.stdout.lines().nth(1), Some(&*least.to_string()));
}

#[test]
fn a_question_in_sql_has_typed_columns() {
    let dir = with_catalog();
    let sql =
        "SELECT count(*) AS n, min(confidence) > 0 AS sure, 'a' AS text, NULL AS none FROM catalog";
    let ran = query(&dir, &["--sql", sql]).exits(0);
    assert_eq!(ran.stdout, "n,sure,text,none\n5,1,a,\n");
    let ran = dir
        .run(&["query", "--format", "jsonl", "--sql", sql])
        .exits(0);
    assert_eq!(
        ran.stdout,
        "{\"n\":5,\"sure\":1,\"text\":\"a\",\"none\":null}\n"
    );
    let ran = dir
        .run(&["query", "--sql", "SELECT path FROM rejected"])
        .exits(0);
    assert_eq!(ran.stdout, "path\n");
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_would_do() {
    let dir = with_catalog();
    for (flags, parts) in [
        (
            &["--flag", "paded"][..],
            &["unknown flag 'paded'", "did you mean 'padded'?"][..],
        ),
        (
            &["--sort", "confidense"],
            &["unknown column 'confidense'", "did you mean 'confidence'?"],
        ),
        (&["--since", "noon"], &["--since", "yesterday"]),
        (&["--cone", "10,91,1"], &["--cone", "declination"]),
        (&["--rejected", "--since", "1h"], &["cannot be used with"]),
        (
            &["--sql", "SELECT 1", "--limit", "3"],
            &["--sql says which rows"],
        ),
        (&["--sql", "DROP VIEW catalog"], &["must begin with SELECT"]),
        (
            &["--sql", "SELECT labl FROM catalog"],
            &["no such column: labl"],
        ),
    ] {
        let ran = query(&dir, flags).exits(2);
        for part in parts {
            assert!(ran.stderr.contains(part), "{flags:?}: {}", ran.stderr);
        }
    }
    let old = Dir::new();
    let version_1 = include_str!("../../../tests/corpus/catalog/version-1.sql");
    old.catalog().execute_batch(version_1).unwrap();
    query(&old, &["--since", "1h"])
        .exits(3)
        .says_in_one_line(&["version 1", "start galmorph watch once"]);
    query(&old, &["--max-confidence", "0.5"]).exits(0);
}

/// A model under other settings has another name, and going back to the first is one step.
#[test]
fn settings_of_one_model_are_told_apart_by_name() {
    let dir = with_catalog();
    dir.run(&["watch", "inbox", "--drain", "--scales", "200,220"])
        .exits(0);
    let names = || dir.ask::<String>("SELECT group_concat(DISTINCT model) FROM catalog");
    assert_eq!(names(), "zhu2019-small scales=200,220");
    let of_the_first = objects(&dir, &["--model", "zhu2019-small", "--sort", "path"]);
    assert_eq!(of_the_first, "0 1 2 3 4");
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 0, "{}", ran.stdout);
    assert_eq!(names(), "zhu2019-small");
    assert_eq!(dir.ask::<i64>("SELECT settling FROM watch"), 0);
    dir.run(&["check", "inbox", "--deep"]).exits(0);
}
