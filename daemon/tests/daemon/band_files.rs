//! Images of which each band is a file: when they are taken, and what becomes of them when a file comes, changes or goes.

use std::fs;
use std::path::PathBuf;

use crate::fits::{LEGACY, cube, plane};
use crate::poison::scene;
use crate::support::{Dir, Ran, age, wait_until};

const BANDS: [&str; 3] = ["g", "r", "z"];

/// What the configuration says of the inbox, and of all folders.
fn config(dir: &Dir, folder: &str, settings: &str) -> String {
    let inbox = dir.path("inbox");
    let sets = "bands = ['g', 'r', 'z'], band_files = '{object_id}_{band}.fits'";
    let config = dir.config(&format!(
        "folders = [{{ path = '{}', {sets}, {folder} }}]\nmodel = 'tiny.onnx'\nsettle_seconds = 0.05\n{settings}",
        inbox.display()
    ));
    config.to_str().unwrap().to_owned()
}

/// With a stretch that needs all bands, and without patience.
fn drain(dir: &Dir) -> Ran {
    drain_with(dir, "stretch = 'legacy'")
}

fn drain_with(dir: &Dir, folder: &str) -> Ran {
    let config = config(dir, folder, "band_wait_seconds = 0");
    dir.run(&["watch", "--drain", "--config", &config])
}

fn name(object: &str, band: usize) -> String {
    format!("{object}_{}.fits", BANDS[band])
}

/// Puts a band of a galaxy into the inbox.
fn put(dir: &Dir, object: &str, seed: u32, band: usize) -> PathBuf {
    dir.old_file(name(object, band), &plane(seed, 2 - band, &[]))
}

fn put_all(dir: &Dir, object: &str, seed: u32) {
    for band in 0..3 {
        put(dir, object, seed, band);
    }
}

/// The rows: their paths below the inbox, what they show, and what came of it.
fn rows(dir: &Dir) -> Vec<String> {
    let connection = dir.catalog();
    let mut statement = connection
        .prepare(
            "SELECT path, object_id || ' ' || ifnull(reason, state || ' ' || stretch) FROM cutout ORDER BY path",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap()
        .map(|row| {
            let (path, rest): (String, String) = row.unwrap();
            let path = PathBuf::from(path);
            let path = path.strip_prefix(dir.path("inbox")).unwrap().to_owned();
            format!("{} {rest}", path.display())
        })
        .collect()
}

fn answer(dir: &Dir) -> String {
    dir.ask(
        "SELECT concat_ws(' ', p_round, p_in_between, p_cigar, p_edge_on, p_spiral) FROM catalog",
    )
}

fn waiting(dir: &Dir) -> u64 {
    dir.status()["files"]["waiting"].as_u64().unwrap()
}

/// The answer for a galaxy as one file.
fn answer_for_cube(seed: u32) -> String {
    let dir = scene();
    dir.old_file("a.fits", &cube(seed, &LEGACY));
    let arguments = [
        "watch",
        "inbox",
        "--drain",
        "--model",
        "tiny.onnx",
        "--stretch",
        "legacy",
    ];
    dir.run(&arguments).exits(0);
    answer(&dir)
}

#[test]
fn a_galaxy_of_which_each_band_is_a_file_is_one_image_and_one_row() {
    let dir = scene();
    put_all(&dir, "a", 1);
    put_all(&dir, "below/b", 2);
    dir.old_file("alone.fits", &cube(3, &LEGACY));
    let ran = drain(&dir).exits(0);
    assert_eq!(ran.classified_by_the_network(), 3);
    assert_eq!(
        rows(&dir),
        [
            "a_g.fits a classified legacy",
            "alone.fits alone classified legacy",
            "below/b_g.fits b classified legacy"
        ]
    );
    let by_bands: String = dir.ask(
        "SELECT concat_ws(' ', p_round, p_in_between, p_cigar, p_edge_on, p_spiral) FROM catalog
         WHERE object_id = 'a'",
    );
    assert_eq!(by_bands, answer_for_cube(1));
    assert_eq!(drain(&dir).exits(0).classified(), (0, 0));
    let status = dir.status();
    assert_eq!(status["files"]["seen"].as_u64(), Some(3));
    let config = dir.path("galmorph.toml");
    let deep = dir.run(&["check", "--deep", "--config", config.to_str().unwrap()]);
    let deep = deep.exits(0);
    assert!(
        deep.stdout.contains("2 of 2 files have all bands"),
        "{}",
        deep.stdout
    );
    assert!(
        deep.stdout.contains("2 of 3 files are named like this"),
        "{}",
        deep.stdout
    );
    dir.assert_sound();
}

#[test]
fn what_is_there_is_taken_and_a_late_band_brings_the_row_up_to_date() {
    let dir = scene();
    // Without its first band, too.
    put(&dir, "a", 1, 1);
    put(&dir, "a", 1, 2);
    drain(&dir).exits(1);
    assert_eq!(rows(&dir), ["a_g.fits a missing_bands"]);
    // Where no stretch is asked for, what is there is shown as grey.
    let config = config(&dir, "", "band_wait_seconds = 0");
    let retry = dir.run(&["retry", "inbox/a_r.fits"]).exits(0);
    assert!(
        retry.stdout.contains("queued 1 rejected file"),
        "{}",
        retry.stdout
    );
    dir.run(&["watch", "--drain", "--config", &config]).exits(0);
    assert_eq!(rows(&dir), ["a_g.fits a classified asinh"]);
    let flags: String = dir.ask("SELECT flags FROM catalog");
    assert!(flags.contains("single_band"), "{flags}");
    assert_eq!(waiting(&dir), 0);

    put(&dir, "a", 1, 0);
    assert_eq!(waiting(&dir), 1);
    assert_eq!(drain(&dir).exits(0).classified_by_the_network(), 1);
    assert_eq!(rows(&dir), ["a_g.fits a classified legacy"]);
    assert_eq!(answer(&dir), answer_for_cube(1));
    assert_eq!(drain(&dir).exits(0).classified(), (0, 0));
    dir.assert_sound();
}

#[test]
fn a_daemon_that_is_killed_while_a_galaxy_waits_for_a_band_loses_nothing() {
    let dir = scene();
    let config = config(&dir, "stretch = 'legacy'", "band_wait_seconds = 3600");
    let write = |band: usize| {
        fs::write(dir.inbox(name("a", band)), plane(1, 2 - band, &[])).unwrap();
    };
    let start = || {
        let arguments = ["watch", "-vv", "--config", &config];
        let mut command = dir.galmorph(arguments);
        let daemon = crate::support::Daemon::spawn(&dir, &mut command);
        daemon.wait_until_ready();
        daemon
    };
    let waits = "waits for its other bands";
    let mut daemon = start();
    write(1);
    daemon.wait_for_line(waits);
    write(0);
    daemon.wait_for_line(waits);
    daemon.signal("-KILL");
    daemon.wait();
    assert_eq!(dir.count("cutout"), 0);
    assert_eq!(waiting(&dir), 1);
    // It waits on, and the wait ends with the last band.
    let mut daemon = start();
    daemon.wait_for_line(waits);
    write(2);
    wait_until("the image is classified", || dir.count("catalog") == 1);
    assert_eq!(rows(&dir), ["a_g.fits a classified legacy"]);
    assert_eq!(answer(&dir), answer_for_cube(1));
    // Killed with the answer, it has nothing to do.
    daemon.signal("-KILL");
    daemon.wait();
    assert_eq!(waiting(&dir), 0);
    assert_eq!(drain(&dir).exits(0).classified(), (0, 0));
    // A band that comes while nobody listens.
    write(0);
    start().end();
    dir.assert_sound();
}

#[test]
fn a_wait_ends_after_its_time() {
    let dir = scene();
    let config = config(&dir, "stretch = 'legacy'", "band_wait_seconds = 0.3");
    put(&dir, "a", 1, 1);
    put(&dir, "a", 1, 2);
    // A drain waits, too: it is to end with everything done.
    dir.run(&["watch", "--drain", "--config", &config]).exits(1);
    assert_eq!(rows(&dir), ["a_g.fits a missing_bands"]);
}

#[test]
fn a_band_that_changes_has_the_image_classified_again_and_one_that_goes_has_not() {
    let dir = scene();
    put_all(&dir, "a", 1);
    drain(&dir).exits(0);
    let before = answer(&dir);
    // The same size, and the same time.
    put(&dir, "a", 2, 1);
    assert_eq!(drain(&dir).exits(0).classified_by_the_network(), 1);
    assert_ne!(answer(&dir), before);
    put(&dir, "a", 1, 1);
    assert_eq!(drain(&dir).exits(0).classified(), (1, 1));
    assert_eq!(answer(&dir), before);

    // What is gone keeps its row, whichever file it is.
    fs::remove_file(dir.inbox(name("a", 0))).unwrap();
    assert_eq!(waiting(&dir), 0);
    assert_eq!(drain(&dir).exits(0).classified(), (0, 0));
    fs::remove_file(dir.inbox(name("a", 2))).unwrap();
    assert_eq!(drain(&dir).exits(0).classified(), (0, 0));
    assert_eq!(rows(&dir), ["a_g.fits a classified legacy"]);
    assert_eq!(answer(&dir), before);
    // It comes back as another one.
    put(&dir, "a", 3, 2);
    drain(&dir).exits(1);
    assert_eq!(rows(&dir), ["a_g.fits a missing_bands"]);
    dir.assert_sound();
}

#[test]
fn a_band_under_the_name_of_another_object_is_that_ones() {
    let dir = scene();
    put_all(&dir, "a", 1);
    put(&dir, "b", 1, 0);
    put(&dir, "b", 1, 1);
    drain(&dir).exits(1);
    assert_eq!(
        rows(&dir),
        ["a_g.fits a classified legacy", "b_g.fits b missing_bands"]
    );
    fs::rename(dir.inbox("a_z.fits"), dir.inbox("b_z.fits")).unwrap();
    assert_eq!(drain(&dir).exits(0).classified(), (1, 1));
    assert_eq!(
        rows(&dir),
        [
            "a_g.fits a classified legacy",
            "b_g.fits b classified legacy"
        ]
    );
    dir.assert_sound();
}

#[test]
fn the_setting_makes_one_row_of_several_and_several_of_one_without_it() {
    let dir = scene();
    put_all(&dir, "a", 1);
    let without = ["watch", "inbox", "--drain", "--model", "tiny.onnx"];
    let alone = [
        // Its first band alone has one colour.
        "a_g.fits a_g blank",
        "a_r.fits a_r classified asinh",
        "a_z.fits a_z classified asinh",
    ];
    dir.run(&without).exits(1);
    assert_eq!(rows(&dir), alone);
    assert_eq!(drain(&dir).exits(0).classified_by_the_network(), 1);
    assert_eq!(rows(&dir), ["a_g.fits a classified legacy"]);
    // Their answers are known.
    assert_eq!(dir.run(&without).exits(1).classified(), (2, 2));
    assert_eq!(rows(&dir), alone);
    dir.assert_sound();
}

#[test]
fn bands_that_do_not_fit_together_are_told_apart_and_the_second_copy_is_known() {
    let dir = scene();
    put_all(&dir, "a", 1);
    put_all(&dir, "copy", 1);
    put_all(&dir, "cut", 2);
    let path = dir.inbox("cut_r.fits");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..4000]).unwrap();
    age(&path);
    dir.old_file("empty_g.fits", b"");
    put(&dir, "empty", 1, 1);
    put(&dir, "empty", 1, 2);
    put_all(&dir, "odd", 1);
    dir.old_file("odd_z.fits", &plane(1, 0, &[("BUNIT", "'adu'")]));
    dir.old_file("odd_g.fits", &plane(1, 2, &[("BUNIT", "'nmgy'")]));
    let ran = drain(&dir).exits(1);
    assert_eq!(ran.classified(), (2, 1));
    assert_eq!(
        rows(&dir),
        [
            "a_g.fits a classified legacy",
            "copy_g.fits copy classified legacy",
            "cut_g.fits cut broken",
            "empty_g.fits empty not_an_image",
            "odd_g.fits odd unsupported"
        ]
    );
    let said = |object: &str| -> String {
        dir.ask(&format!(
            "SELECT message FROM cutout WHERE object_id = '{object}'"
        ))
    };
    assert!(
        said("cut").contains("the file of band r: the data end"),
        "{}",
        said("cut")
    );
    assert!(
        said("empty").contains("the file of band g: not a FITS"),
        "{}",
        said("empty")
    );
    assert!(
        said("odd").contains("band z: it is in adu"),
        "{}",
        said("odd")
    );
    dir.assert_sound();
}

/// The files below the inbox, in order.
fn files(dir: &Dir) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["", "done", "rejected"] {
        for entry in fs::read_dir(dir.inbox(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let below = path.strip_prefix(dir.path("inbox")).unwrap();
                files.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

const MOVE: &str = "after = 'move', stretch = 'legacy'";

#[test]
fn the_files_of_an_image_are_moved_together_when_all_are_there() {
    let dir = scene();
    put_all(&dir, "a", 1);
    put(&dir, "b", 2, 0);
    put(&dir, "b", 2, 2);
    put_all(&dir, "c", 3);
    fs::write(dir.inbox("c_z.fits"), "no image").unwrap();
    age(&dir.inbox("c_z.fits"));
    drain_with(&dir, MOVE).exits(1);
    let moved = |folder: &str, object: &str, number: &str| {
        BANDS.map(|band| format!("{folder}/{object}_{band}{number}.fits"))
    };
    let mut expected = ["b_g.fits", "b_z.fits"].map(String::from).to_vec();
    expected.extend(moved("done", "a", ""));
    expected.extend(moved("rejected", "c", ""));
    assert_eq!(files(&dir), expected);
    assert_eq!(
        rows(&dir),
        [
            "b_g.fits b missing_bands",
            "done/a_g.fits a classified legacy",
            "rejected/c_g.fits c not_an_image"
        ]
    );
    // The late band lets them go, and another galaxy of a known name gets a number.
    put(&dir, "b", 2, 1);
    put_all(&dir, "a", 4);
    drain_with(&dir, MOVE).exits(0);
    let mut expected = moved("done", "a", "").to_vec();
    expected.extend(moved("done", "a", ".1"));
    expected.extend(moved("done", "b", ""));
    expected.extend(moved("rejected", "c", ""));
    expected.sort();
    assert_eq!(files(&dir), expected);
    assert_eq!(
        rows(&dir),
        [
            "done/a_g.1.fits a classified legacy",
            "done/a_g.fits a classified legacy",
            "done/b_g.fits b classified legacy",
            "rejected/c_g.fits c not_an_image"
        ]
    );
    // A rejected one is tried again where it is, by the name of any of its files.
    dir.old_file("rejected/c_z.fits", &plane(3, 0, &[]));
    dir.run(&["retry", "inbox/c_r.fits"]).exits(0);
    drain_with(&dir, MOVE).exits(0);
    assert!(rows(&dir).contains(&"done/c_g.fits c classified legacy".to_owned()));
    assert!(files(&dir).contains(&"done/c_z.fits".to_owned()));
    assert_eq!(drain_with(&dir, MOVE).exits(0).classified(), (0, 0));
    dir.assert_sound();
}

#[test]
fn a_move_that_was_cut_off_between_two_files_is_undone_or_finished() {
    for moved in [vec![2], vec![2, 1], vec![2, 1, 0]] {
        let dir = scene();
        put_all(&dir, "a", 1);
        drain(&dir).exits(0);
        fs::create_dir(dir.inbox("done")).unwrap();
        let (from, to) = (dir.inbox("a_g.fits"), dir.inbox("done/a_g.fits"));
        let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
        dir.catalog()
            .execute("UPDATE cutout SET move_to = ?2 WHERE path = ?1", [from, to])
            .unwrap();
        for band in &moved {
            let name = name("a", *band);
            fs::rename(dir.inbox(&name), dir.inbox("done").join(&name)).unwrap();
        }
        let ran = drain_with(&dir, MOVE).exits(0);
        assert_eq!(ran.classified_by_the_network(), 0, "{moved:?}");
        let expected = BANDS.map(|band| format!("done/a_{band}.fits"));
        assert_eq!(files(&dir), expected, "{moved:?}");
        assert_eq!(rows(&dir), ["done/a_g.fits a classified legacy"]);
        dir.assert_sound();
    }
}

#[test]
fn commands_without_a_catalog_take_one_file_for_its_image() {
    let dir = scene();
    put_all(&dir, "a", 1);
    put(&dir, "b", 2, 1);
    put(&dir, "b", 2, 2);
    let sets = [
        "--band-files",
        "{object_id}_{band}.fits",
        "--bands",
        "g,r,z",
    ];
    let files = ["inbox/a_g.fits", "inbox/a_z.fits", "inbox/b_r.fits"];
    let classify = |files: &[&str], more: &[&str]| {
        let arguments = [
            "classify",
            "--model",
            "tiny.onnx",
            "--format",
            "csv",
            "--columns",
        ];
        let arguments = [
            &arguments[..],
            &["object_id,path,flags"],
            files,
            &sets,
            more,
        ]
        .concat();
        dir.run(&arguments)
    };
    let ran = classify(&files, &["--stretch", "legacy"]).exits(1);
    let lines: Vec<&str> = ran.stdout.lines().skip(1).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("a,inbox/a_g.fits,"),
        "{lines:?}"
    );
    ran.says_in_one_line(&["inbox/b_g.fits", "needs the bands g, r and z"]);
    let ran = classify(&files[2..], &[]).exits(0);
    assert!(ran.stdout.contains("b,inbox/b_g.fits") && ran.stdout.contains("single_band"));
    let views = [&["views", "inbox/a_r.fits", "--npy", "a.npy"], &sets[..]].concat();
    dir.run(&views).exits(0);
    let few = [
        "views",
        "inbox/a_r.fits",
        "--npy",
        "b.npy",
        "--band-files",
        sets[1],
    ];
    dir.run(&few)
        .exits(2)
        .says_in_one_line(&["--band-files: it needs the names of two bands or more in bands"]);

    let config = config(&dir, "stretch = 'legacy'", "");
    let found = dir.run(&[
        "check", "--images", "inbox", "--config", &config, "--format", "json",
    ]);
    let found: serde_json::Value = serde_json::from_str(&found.exits(1).stdout).unwrap();
    assert_eq!(found["files"].as_u64(), Some(2));
    assert_eq!(
        found["rejected"]["missing_bands"]["images"].as_u64(),
        Some(1)
    );
    assert_eq!(found["sizes"]["128x128"].as_u64(), Some(1));
}

#[test]
fn settings_of_sets_that_cannot_work_are_refused_before_any_work() {
    let dir = Dir::new();
    let refused = |settings: &str| {
        let config = dir.config(&format!("folders = [{{ path = 'inbox', {settings} }}]"));
        dir.run(&["check", "--config", config.to_str().unwrap()])
            .exits(2)
    };
    for (settings, fault) in [
        (
            "band_files = '{object_id}_{band}.fits'",
            "band_files: it needs the names of two bands or more in bands",
        ),
        (
            "band_files = '{object_id}_{band}', bands = ['g', 'r']",
            "band_files: files named '{object_id}_{band}' are not taken",
        ),
        (
            "band_files = '{object_id}_{band}.fits', bands = ['g', 'g']",
            "band_files: the band 'g' twice in bands",
        ),
        (
            "band_files = '{object_id}_{band}.fits', bands = ['g', 'r'], name = '{object_id}'",
            "leave out name",
        ),
        (
            "band_files = 'a_{band}.fits'",
            "band_files: none of {object_id}",
        ),
    ] {
        let ran = refused(settings);
        assert!(ran.stderr.contains(fault), "{}", ran.stderr);
    }
    dir.old_file("a-g.fits", b"");
    let ran = refused("band_files = '{object_id}_{band}.fits', bands = ['g', 'r']");
    assert!(
        ran.stderr.contains("0 of 1 files are named like this"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_manifest_names_any_file_of_an_image_or_its_object() {
    let dir = scene();
    for (object, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        put_all(&dir, object, seed);
    }
    let manifest = dir.path("m.csv");
    fs::write(
        &manifest,
        "file,object_id,ra,dec\na_r.fits,NGC 1,10,20\nb,NGC 2,11,21\n",
    )
    .unwrap();
    let folder = format!("stretch = 'legacy', manifest = '{}'", manifest.display());
    drain_with(&dir, &folder).exits(0);
    let objects = "SELECT group_concat(object_id || ' ' || ifnull(ra, ''), ',') FROM
                   (SELECT object_id, ra FROM cutout ORDER BY path)";
    assert_eq!(dir.ask::<String>(objects), "NGC 1 10.0,NGC 2 11.0,c ");
}
