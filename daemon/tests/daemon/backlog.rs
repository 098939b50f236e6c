//! What lies there already, with `--drain`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::support::{Dir, PAPERS_MODEL, age, digest, file_counts, jpeg, png, wait_until};

#[test]
fn a_backlog_in_nested_folders_becomes_one_row_a_file() {
    let dir = Dir::new();
    for seed in 0..20 {
        dir.old_file(format!("night-{}/field/{seed}.jpg", seed % 3), &jpeg(seed));
    }
    dir.old_file("587722981741363294.PNG", &png(99));
    dir.old_file("README.txt", b"not for us");
    dir.old_file(".hidden.jpg", &jpeg(1));
    dir.old_file("upload.jpg.part", &jpeg(2));
    let ran = dir.drain().exits(0);

    assert_eq!(ran.classified_by_the_network(), 21);
    assert!(
        ran.stdout.contains("galmorph query --label "),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    assert_eq!(dir.count("cutout"), 21);
    assert_eq!(dir.count("catalog WHERE label IS NOT NULL"), 21);
    let path: String = dir.ask("SELECT path FROM catalog WHERE object_id = '587722981741363294'");
    assert_eq!(path, dir.inbox("587722981741363294.PNG").to_str().unwrap());
    dir.assert_sound();
}

#[test]
fn probabilities_sum_to_one_and_the_label_is_the_largest() {
    let dir = Dir::new();
    for seed in 0..5 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    let sums_and_labels = "catalog WHERE
        abs(p_round + p_in_between + p_cigar + p_edge_on + p_spiral - 1) < 1e-5
        AND confidence = max(p_round, p_in_between, p_cigar, p_edge_on, p_spiral)
        AND confidence = CASE label WHEN 'round' THEN p_round WHEN 'in_between' THEN p_in_between
            WHEN 'cigar' THEN p_cigar WHEN 'edge_on' THEN p_edge_on ELSE p_spiral END";
    assert_eq!(dir.count(sums_and_labels), 5);
}

#[test]
fn the_views_have_exactly_the_columns_that_others_query() {
    let dir = Dir::new();
    dir.old_file("1.jpg", &jpeg(1));
    dir.drain().exits(0);
    let columns = |view: &str| -> String {
        dir.ask(&format!(
            "SELECT group_concat(name, ' ') FROM pragma_table_info('{view}')"
        ))
    };
    assert_eq!(
        columns("catalog"),
        "path object_id ra dec label confidence p_round p_in_between p_cigar p_edge_on p_spiral \
         model classified_at framing frame_x frame_y frame_side flags position_from radius stretch \
         entropy margin first_seen model_digest arithmetic program_version healpix novelty prediction_set \
         label_balanced camera"
    );
    assert_eq!(
        columns("night"),
        "night model galaxies counted camera other_camera"
    );
    assert_eq!(
        columns("probability"),
        "path object_id model class_name probability ranking"
    );
    assert_eq!(
        columns("in_class_mix"),
        "path object_id model label label_in_mix p_round_in_mix p_in_between_in_mix p_cigar_in_mix p_edge_on_in_mix \
         p_spiral_in_mix"
    );
    let first: String = dir.ask("SELECT class_name FROM probability WHERE ranking = 1");
    assert_eq!(first, dir.ask::<String>("SELECT label FROM catalog"));
    let time: String = dir.ask("SELECT classified_at FROM catalog");
    assert!(
        time.len() == 23 && &time[10..11] == " " && &time[19..20] == ".",
        "{time}"
    );
}

#[test]
fn a_second_run_does_nothing_again() {
    let dir = Dir::new();
    for seed in 0..6 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.old_file("broken.jpg", b"text");
    dir.drain().exits(1);
    let times = "SELECT (SELECT group_concat(updated) FROM cutout) ||
                        (SELECT group_concat(classified_at) FROM classification)";
    let before: String = dir.ask(times);
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    assert!(
        ran.stdout.contains("already in the catalog: 7"),
        "{}",
        ran.stdout
    );
    assert_eq!(dir.ask::<String>(times), before);

    dir.old_file("new.jpg", &jpeg(100));
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (8, 7));
}

#[test]
fn the_same_bytes_are_computed_once_and_every_path_has_the_answer() {
    let dir = Dir::new();
    for name in ["a.jpg", "b.jpg", "c/d.jpg", "c/e.jpg"] {
        dir.old_file(name, &jpeg(1));
    }
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified(), (4, 3));
    assert_eq!((dir.count("cutout"), dir.count("classification")), (4, 1));
    assert_eq!(dir.count("catalog WHERE label IS NOT NULL"), 4);
    let digests: i64 = dir.ask("SELECT count(DISTINCT digest || width || height) FROM cutout");
    assert_eq!(digests, 1);

    dir.old_file("later.jpg", &jpeg(1));
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (5, 1));
}

#[test]
fn many_copies_are_recorded_in_groups_of_bounded_size() {
    let dir = Dir::new();
    for name in 0..600 {
        dir.old_file(format!("{name}.jpg"), &jpeg(1));
    }
    let ran = dir.run(&["watch", "inbox", "--drain", "-vv"]).exits(0);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (600, 1));
    let sizes: Vec<u32> = ran
        .stderr
        .lines()
        .filter_map(|line| line.split_once("recorded ")?.1.split(' ').next())
        .map(|size| size.parse().unwrap())
        .collect();
    assert_eq!(sizes.iter().sum::<u32>(), 600);
    assert!(sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    dir.assert_sound();
}

#[test]
fn a_changed_file_is_classified_again_and_keeps_its_row() {
    let dir = Dir::new();
    let path = dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    let first_seen: String = dir.ask("SELECT first_seen FROM catalog");
    fs::write(&path, jpeg(2)).unwrap();
    age(&path);
    dir.drain().exits(0);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (1, 2));
    assert_eq!(
        dir.ask::<String>("SELECT lower(hex(digest)) FROM cutout"),
        digest(&jpeg(2))
    );
    assert_eq!(
        dir.ask::<String>("SELECT first_seen FROM catalog"),
        first_seen
    );
}

#[test]
fn a_young_file_is_waited_for() {
    let dir = Dir::new();
    let config = dir.config("settle_seconds = 0.2");
    fs::write(dir.inbox("young.jpg"), jpeg(1)).unwrap();
    let config = config.to_str().unwrap();
    dir.run(&["watch", "inbox", "--drain", "--config", config])
        .exits(0);
    assert_eq!(dir.count("classification"), 1);
}

#[test]
fn names_that_are_not_utf_8_have_rows_of_their_own() {
    let dir = Dir::new();
    dir.old_file(OsStr::from_bytes(b"\xFF.jpg"), &jpeg(1));
    dir.old_file("%FF.jpg", &jpeg(2));
    dir.drain().exits(0);
    let names =
        "SELECT group_concat(object_id, ' ') FROM (SELECT object_id FROM cutout ORDER BY 1)";
    assert_eq!(dir.ask::<String>(names), "%25FF %FF");
    let ran = dir.drain().exits(0);
    assert!(
        ran.stdout.contains("already in the catalog: 2"),
        "{}",
        ran.stdout
    );
}

#[test]
fn fewer_scales_are_another_model_and_answers_of_both_are_kept() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    dir.run(&["watch", "inbox", "--drain", "--scales", "180,200"])
        .exits(0);
    assert_eq!((dir.count("model"), dir.count("classification")), (2, 2));
    assert_eq!((dir.count("cutout"), dir.count("catalog")), (1, 1));
    let newest = "SELECT json_extract(card, '$.preprocessing.test_scales') FROM model WHERE id = 2";
    assert_eq!(dir.ask::<String>(newest), "[180,200]");
}

#[test]
fn an_early_stop_is_another_model_and_says_what_it_saved() {
    let dir = Dir::new();
    for seed in 0..8 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    let shown = "SELECT group_concat(object_id || ' ' || confidence, char(10))
                 FROM (SELECT object_id, confidence FROM catalog ORDER BY object_id)";
    let watch = ["watch", "inbox", "--drain", "--model", PAPERS_MODEL];
    dir.run(&watch).exits(0);
    let before: String = dir.ask(shown);
    // They are of one batch.
    dir.config("max_delay_seconds = 60\nbatch = 8\nearly_stop = 0.51");
    let ran = dir
        .run(&[&watch[..], &["--config", "galmorph.toml"]].concat())
        .exits(0);
    assert_ne!(dir.ask::<String>(shown), before);
    assert_eq!((dir.count("model"), dir.count("classification")), (2, 16));
    let newest = "SELECT json_extract(card, '$.early_stop') FROM model WHERE id = 2";
    assert_eq!(dir.ask::<f64>(newest), 0.51);
    let line = ran.stdout.lines().find_map(|line| {
        let rest = line.strip_prefix("early stop 0.51: ")?;
        rest.strip_suffix(" views for 8 cutouts")
    });
    let views: u32 = line.expect(&ran.stdout).parse().unwrap();
    assert!((8..32).contains(&views), "{views}");

    let again = dir
        .run(&[&watch[..], &["--early-stop", "never"]].concat())
        .exits(0);
    assert!(again.stdout.contains("already in the catalog: 8"));
    assert_eq!(dir.ask::<String>(shown), before);
    dir.run(&["watch", "inbox", "--drain", "--early-stop", "soon"])
        .exits(2);
}

#[test]
fn without_reclassify_a_new_model_answers_for_new_files_alone() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    dir.old_file("b.jpg", &jpeg(2));
    let config = dir.config("reclassify = false\nscales = [200]");
    let config = config.to_str().unwrap();
    dir.run(&["watch", "inbox", "--drain", "--config", config])
        .exits(0);
    let models = "SELECT group_concat(model, ' ') FROM
                  (SELECT model FROM classification ORDER BY classified_at, model)";
    assert_eq!(dir.ask::<String>(models), "1 2");
    assert_eq!(file_counts(&dir.status()), [2, 2, 0, 0]);

    dir.run(&["watch", "inbox", "--drain", "--scales", "200"])
        .exits(0);
    assert_eq!(dir.ask::<String>(models), "1 2 2");
}

#[test]
fn a_backlog_goes_newest_or_oldest_first() {
    for (order, expected) in [("newest", "c b d a"), ("oldest", "d b c a")] {
        let dir = Dir::new();
        // One that another model has answered for goes last, though it is the oldest of all.
        dir.old_file("a.jpg", &jpeg(0));
        dir.run(&["watch", "inbox", "--drain", "--scales", "200"])
            .exits(0);
        let changed = |path: &Path| {
            let metadata = path.metadata().unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        let mut before = (0, 0);
        for (seed, name) in [(1, "d"), (2, "b"), (3, "c")] {
            let path = dir.old_file(format!("{name}.jpg"), &jpeg(seed));
            // The kernel's clock for files goes in steps.
            wait_until("the clock of the files has moved on", || {
                age(&path);
                changed(&path) > before
            });
            before = changed(&path);
        }
        let config = dir.config(&format!("order = '{order}'\nworkers = 1\nbatch = 1"));
        let ran = dir.run(&[
            "watch",
            "inbox",
            "--drain",
            "-vv",
            "--config",
            config.to_str().unwrap(),
        ]);
        let ran = ran.exits(0);
        let names: Vec<&str> = ran
            .stderr
            .lines()
            .filter_map(|line| line.split_once("takes '")?.1.split_once(".jpg'"))
            .map(|(path, _)| path.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(names.join(" "), expected, "{order}");
    }
}

#[test]
fn under_systemd_the_catalog_is_in_the_state_directory() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    let state = dir.path("state");
    fs::create_dir(&state).unwrap();
    let status = dir
        .galmorph([
            "watch",
            "inbox",
            "--drain",
            "--workers",
            "1",
            "--batch",
            "1",
        ])
        .env("STATE_DIRECTORY", &state)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    assert!(state.join("galmorph.sqlite").exists());
    assert!(!dir.path("galmorph.sqlite").exists());
}
