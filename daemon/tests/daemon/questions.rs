//! What `query` can be asked, and how a question that can't be asked is refused.

use std::fs;
use std::path::Path;

use crate::support::{Dir, PAPERS_MODEL, Ran, jpeg};
use crate::tiny;

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
    assert_eq!(names(), "galmorph-1 scales=200,220");
    let of_the_first = objects(&dir, &["--model", "galmorph-1", "--sort", "path"]);
    assert_eq!(of_the_first, "0 1 2 3 4");
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 0, "{}", ran.stdout);
    assert_eq!(names(), "galmorph-1");
    assert_eq!(dir.ask::<i64>("SELECT settling FROM watch"), 0);
    dir.run(&["check", "inbox", "--deep"]).exits(0);
}

const PROBABILITIES: &str = "max(p_round, p_in_between, p_cigar, p_edge_on, p_spiral)";

/// A model that says how far its answers can be trusted has that in each row, and rows are chosen by it.
#[test]
fn a_model_s_own_measure_of_its_answers_is_recorded_and_chosen_by() {
    let dir = Dir::new();
    tiny::write_one_with_trust(&dir.path("trust.onnx"));
    for seed in 0..40 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    let drain = |more: &[&str]| {
        let words = ["watch", "inbox", "--drain", "--model", "trust.onnx"]
            .iter()
            .chain(more);
        Ran::from(dir.galmorph(words).output().unwrap())
    };
    let ran = drain(&["--coverage", "0.99"]).exits(3);
    ran.says_in_one_line(&["no thresholds for a coverage of 0.99", "0.9, 0.95"]);
    drain(&["--coverage", "1.5"])
        .exits(2)
        .says_in_one_line(&["1.5 is not above 0 and below 1"]);
    drain(&[]).exits(0);
    assert_eq!(
        dir.count("catalog WHERE prediction_set IS NULL OR novelty IS NULL"),
        0
    );
    assert_eq!(
        dir.count(&format!(
            "catalog WHERE abs(novelty - {PROBABILITIES}) > 1e-6"
        )),
        0
    );
    assert_eq!(
        dir.count(&format!(
            "catalog WHERE camera IS NULL OR abs(camera - {PROBABILITIES}) > 1e-6"
        )),
        0
    );
    let camera: f64 = dir.ask("SELECT camera FROM night WHERE galaxies = 40 AND counted = 40");
    let mean: f64 = dir.ask("SELECT avg(confidence) FROM catalog");
    assert!((camera - mean).abs() < 1e-6, "{camera} {mean}");
    // The label is the first of its set, and a set has every class that reaches 0.15.
    let reach = ["round", "in_between", "cigar", "edge_on", "spiral"]
        .map(|class| format!("(p_{class} >= 0.15 OR label = '{class}')"))
        .join(" + ");
    let size = "1 + length(prediction_set) - length(replace(prediction_set, '|', ''))";
    let wrong = format!(
        "catalog WHERE {reach} <> {size} OR instr(prediction_set || '|', label || '|') <> 1"
    );
    assert_eq!(dir.count(&wrong), 0);

    let set: String = dir.ask("SELECT prediction_set FROM catalog ORDER BY path LIMIT 1");
    let reversed: Vec<&str> = set.split('|').rev().collect();
    let found = objects(&dir, &["--set", &reversed.join(","), "--sort", "path"]);
    assert!(
        found.split(' ').any(|object| object == "0"),
        "{set}: {found}"
    );
    let novel = dir.count("catalog WHERE novelty >= 0.5");
    let found = objects(&dir, &["--novelty", "limit"]);
    assert_eq!(
        found.split_whitespace().count(),
        usize::try_from(novel).unwrap()
    );
    // The classes are equally common in what this model was trained on.
    assert_eq!(dir.count("catalog WHERE label_balanced IS NOT label"), 0);
    let class: String = dir.ask("SELECT label FROM catalog ORDER BY confidence DESC LIMIT 1");
    let balanced = dir.count(&format!("catalog WHERE label = '{class}'"));
    let found = objects(&dir, &["--label-balanced", &class]);
    assert_eq!(
        found.split_whitespace().count(),
        usize::try_from(balanced).unwrap()
    );
    let pure = dir.count(&format!("catalog WHERE p_{class} >= 0.4"));
    let found = objects(&dir, &["--purity", &format!("{class}=0.9")]);
    assert_eq!(
        found.split_whitespace().count(),
        usize::try_from(pure).unwrap()
    );
    query(&dir, &["--purity", &format!("{class}=0.99")])
        .exits(2)
        .says_in_one_line(&["reaches no purity of 0.99"]);

    // Another coverage is for what comes from then on.
    dir.old_file("new.jpg", &jpeg(99));
    drain(&["--coverage", "0.9"]).exits(0);
    assert_eq!(dir.count("model"), 1);
    let ran = dir
        .run(&[
            "classify",
            "inbox/0.jpg",
            "--model",
            "trust.onnx",
            "--format",
            "csv",
        ])
        .exits(0);
    assert!(ran.stdout.contains(&set), "{}", ran.stdout);
}

#[test]
fn the_class_mix_is_estimated_from_the_probabilities_of_what_is_asked_for() {
    let dir = Dir::new();
    tiny::write_one_with_trust(&dir.path("trust.onnx"));
    for seed in 0..40 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.run(&["watch", "inbox", "--drain", "--model", "trust.onnx"])
        .exits(0);
    let mix = |flags: &[&str]| -> Vec<(String, i64, [f64; 4])> {
        let flags: Vec<&str> = ["--class-mix"].iter().chain(flags).copied().collect();
        let ran = query(&dir, &flags).exits(0);
        let mut rows = csv::Reader::from_reader(ran.stdout.as_bytes());
        rows.deserialize().map(Result::unwrap).collect()
    };
    let whole = mix(&[]);
    let names: Vec<&str> = whole.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(names, galmorph_cutout::Morphology::names());
    let mut sum = 0.0;
    for (name, labels, [labelled, fraction, low, high]) in &whole {
        assert_eq!(
            *labels,
            dir.count(&format!("catalog WHERE label = '{name}'"))
        );
        assert!((*labels as f64 / 40.0 - labelled).abs() < 1e-9);
        assert!(low <= fraction && fraction <= high && *low >= 0.0 && *high <= 1.0);
        sum += fraction;
    }
    assert!((sum - 1.0).abs() < 1e-6);
    // With the mix of the training images as it is here, one step of the estimate is the mean probability; so the
    // estimate differs from it where the sample differs from that mix.
    let mean: f64 = dir.ask("SELECT avg(p_spiral) FROM catalog");
    let spiral = whole.iter().find(|(name, ..)| name == "spiral").unwrap().2[1];
    assert!((spiral - mean).abs() > 1e-3, "{spiral} {mean}");
    // Of fewer galaxies, less is known.
    let some = mix(&["--limit", "10"]);
    assert_eq!(some.iter().map(|row| row.1).sum::<i64>(), 10);
    let width =
        |mix: &[(String, i64, [f64; 4])]| mix.iter().map(|row| row.2[3] - row.2[2]).sum::<f64>();
    assert!(width(&some) > width(&whole));

    // It is kept where that is asked for, and only then.
    assert_eq!(dir.count("class_mix"), 0);
    mix(&["--keep", "--limit", "10"]);
    assert_eq!(mix(&["--keep"]), whole);
    let kept: String =
        dir.ask("SELECT model || ' ' || galaxies || ' ' || selection FROM class_mix");
    assert!(
        kept.starts_with("tiny 40 galmorph query") && kept.contains("--class-mix --keep"),
        "{kept}"
    );
    for (name, _, [_, fraction, low, high]) in &whole {
        let columns = format!("fraction_{name}, fraction_low_{name}, fraction_high_{name}");
        let found =
            dir.catalog()
                .query_row(&format!("SELECT {columns} FROM class_mix"), [], |row| {
                    Ok([row.get(0)?, row.get(1)?, row.get(2)?])
                });
        let found: [f64; 3] = found.unwrap();
        for (found, printed) in found.iter().zip([fraction, low, high]) {
            assert!((found - printed).abs() < 1e-9, "{name}: {found} {printed}");
        }
    }
    // In the mix that the probabilities tell of, their mean is that mix.
    assert_eq!(dir.count("in_class_mix"), 40);
    let mean: f64 = dir.ask("SELECT avg(p_spiral_in_mix) FROM in_class_mix");
    assert!((mean - spiral).abs() < 1e-5, "{mean} {spiral}");
    query(&dir, &["--keep"]).exits(2);

    query(&dir, &["--class-mix", "--id", "nobody"])
        .exits(2)
        .says_in_one_line(&["no galaxy is asked for"]);
    query(&dir, &["--class-mix", "--model", "nobody"]).exits(2);
    // Rows of another model are not of this one's mix.
    let config = dir.config("reclassify = false");
    dir.old_file("later.jpg", &jpeg(99));
    let config = config.to_str().unwrap();
    let later = [
        "--model",
        "trust.onnx",
        "--scales",
        "180",
        "--config",
        config,
    ];
    let ran = dir.run(&[&["watch", "inbox", "--drain"][..], &later].concat());
    ran.exits(0);
    query(&dir, &["--class-mix"])
        .exits(2)
        .says_in_one_line(&["the answers are of 2 models", "--model NAME"]);
    // An answer can't be asked for by the answer.
    query(&dir, &["--class-mix", "--label", "spiral"]).exits(2);
}

/// Until a new model has answered, the rows show the answers of the model before it. Their class mix follows from what that one was
/// trained on.
#[test]
fn a_class_mix_is_estimated_by_the_model_that_answered() {
    let dir = Dir::new();
    tiny::write_one_with_trust(&dir.path("trust.onnx"));
    for seed in 0..10 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.run(&["watch", "inbox", "--drain", "--model", "trust.onnx"])
        .exits(0);
    let before = query(&dir, &["--class-mix"]).exits(0).stdout;
    let config = dir.config("reclassify = false");
    let config = config.to_str().unwrap();
    // This one says no class mix.
    let words = ["watch", "inbox", "--drain", "--config", config];
    dir.run(&[&words[..], &["--model", PAPERS_MODEL]].concat())
        .exits(0);
    assert_eq!(dir.count("catalog WHERE model = 'tiny'"), 10);
    assert_eq!(query(&dir, &["--class-mix"]).exits(0).stdout, before);
}

#[test]
fn what_the_model_does_not_say_cannot_be_asked_for() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    let watch = ["watch", "inbox", "--drain", "--model", PAPERS_MODEL];
    dir.run(&watch).exits(0);
    for (flags, what) in [
        (["--purity", "spiral=0.98"], "says nothing of the purity"),
        (["--set", "spiral"], "says nothing of sets"),
        (["--novelty", "0.3"], "says nothing of how novel"),
        (
            ["--label-balanced", "cigar"],
            "says nothing of the class mix on which it was trained",
        ),
    ] {
        query(&dir, &flags).exits(2).says_in_one_line(&[what]);
    }
    let ran = query(&dir, &["--class-mix"]).exits(2);
    ran.says_in_one_line(&["does not say on which class mix it was trained"]);
    assert_eq!(dir.count("catalog WHERE label_balanced IS NULL"), 1);
    let ran = dir
        .run(&[&watch[..], &["--coverage", "0.9"]].concat())
        .exits(3);
    ran.says_in_one_line(&["no thresholds for prediction sets"]);
}

/// What the documentation asks a catalog in SQL can be asked.
#[test]
fn questions_of_the_documentation_have_answers() {
    let dir = with_catalog();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let pages = ["README.md", "docs/catalog.md", "docs/operations.md"];
    let text = pages.map(|page| fs::read_to_string(root.join(page)).unwrap());
    let text = text.concat();
    let asked = |begin: &str| -> Vec<String> {
        let questions = text.split(begin).skip(1);
        let questions = questions.map(|rest| rest.split('"').next().unwrap().to_owned());
        questions.collect()
    };
    let ours = asked("galmorph query --sql \"");
    let others = asked("sqlite3 galmorph.sqlite \"");
    assert!(!ours.is_empty() && others.len() >= 3, "{others:?}");
    // No class mix is kept here.
    let may_be_empty = |sql: &str| sql.contains("margin") || sql.contains("in_class_mix");
    let connection = dir.catalog();
    for sql in ours.iter().chain(&others) {
        let mut statement = connection.prepare(sql).expect(sql);
        let mut rows = statement.query([]).expect(sql);
        assert!(
            rows.next().expect(sql).is_some() || may_be_empty(sql),
            "{sql}"
        );
    }
    // A day ago is a day ago: nothing is that is two hours older.
    dir.catalog()
        .execute(
            "UPDATE cutout SET classified = 1000 * unixepoch('now', '-26 hours')",
            [],
        )
        .unwrap();
    for sql in others.iter().filter(|sql| sql.contains("'-1 day'")) {
        let mut statement = connection.prepare(sql).expect(sql);
        let mut rows = statement.query([]).expect(sql);
        assert!(rows.next().expect(sql).is_none(), "{sql}");
    }
}
