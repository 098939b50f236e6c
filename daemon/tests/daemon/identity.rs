//! Which object a row is of, and where that is: from a manifest, the name of the file, or its content, in this order.

use std::fs;

use crate::fits::{LEGACY, cube};
use crate::poison::scene;
use crate::support::{Dir, Ran, png, wait_until};

/// A FITS image of 128 x 128 pixels of 0.36 arcsec, whose middle is at 150, 2.
fn on_the_sky(seed: u32) -> Vec<u8> {
    let wcs = [
        ("CTYPE1", "'RA---TAN'"),
        ("CTYPE2", "'DEC--TAN'"),
        ("CRPIX1", "64.5"),
        ("CRPIX2", "64.5"),
        ("CRVAL1", "150.0"),
        ("CRVAL2", "2.0"),
        ("CD1_1", "-0.0001"),
        ("CD2_2", "0.0001"),
    ];
    cube(seed, &[&LEGACY[..], &wcs].concat())
}

/// Object id, position and radius of a file, in one line; what is not known is left out.
fn row(dir: &Dir, name: &str) -> String {
    dir.ask(&format!(
        "SELECT concat_ws(' ', object_id, ra, dec, position_from, radius) FROM catalog WHERE path LIKE '%/{name}'"
    ))
}

/// The framing of a file and the side of its frame.
fn frame(dir: &Dir, name: &str) -> String {
    dir.ask(&format!(
        "SELECT framing || ' ' || frame_side FROM catalog WHERE path LIKE '%/{name}'"
    ))
}

/// Drains the inbox with these settings of the folder, and others.
fn drain(dir: &Dir, folder: &str, others: &str) -> Ran {
    let config = dir.config(&format!(
        "folders = [{{ path = 'inbox'{folder} }}]\nsettle_seconds = 0\n{others}"
    ));
    let config = config.to_str().unwrap();
    let model = ["--model", "tiny.onnx"];
    let arguments = ["watch", "--drain", "--config", config];
    Ran::from(
        dir.galmorph(arguments.iter().chain(&model))
            .output()
            .unwrap(),
    )
}

fn check(dir: &Dir, folder: &str) -> Ran {
    let config = dir.config(&format!("folders = [{{ path = 'inbox'{folder} }}]"));
    dir.run(&["check", "--config", config.to_str().unwrap()])
}

const MANIFEST: &str = ", manifest = 'm.csv'";
const BOTH: &str = ", manifest = 'm.csv', name = '{object_id}_{ra}_{dec}'";

#[test]
fn the_first_source_that_has_a_position_is_taken() {
    let dir = scene();
    dir.old_file("a_1.5_-2.5.fits", &on_the_sky(1));
    dir.old_file("b_1.5_-2.5.fits", &on_the_sky(2));
    dir.old_file("c.fits", &on_the_sky(3));
    dir.old_file("d.png", &png(4));
    let manifest = "path,id,ra,dec,radius\nx/a_1.5_-2.5.fits,A,10,-20,\nc.fits,C,,,\n";
    fs::write(dir.path("m.csv"), manifest).unwrap();
    let ran = drain(&dir, BOTH, "").exits(0);
    assert_eq!(row(&dir, "a_1.5_-2.5.fits"), "A 10.0 -20.0 manifest");
    assert_eq!(row(&dir, "b_1.5_-2.5.fits"), "b 1.5 -2.5 name");
    assert_eq!(row(&dir, "c.fits"), "C 150.0 2.0 wcs");
    assert_eq!(row(&dir, "d.png"), "d");
    assert!(ran.stderr.contains("1 files of"), "{}", ran.stderr);
    // The cell is that of the position.
    let near = |cone: &str| {
        let ran = dir.run(&["query", "--cone", cone, "--format", "csv"]);
        ran.exits(0).stdout.lines().count() - 1
    };
    for (cone, expected) in [
        ("10,-20,1", 1),
        ("1.5,-2.5,1", 1),
        ("150,2,1", 1),
        ("0,0,1", 0),
    ] {
        assert_eq!(near(cone), expected, "{cone}");
    }
    dir.assert_sound();
}

#[test]
fn files_of_one_content_each_have_its_position_and_their_own_name() {
    let dir = scene();
    for name in ["1_10_20", "x", "y"] {
        dir.old_file(format!("{name}.fits"), &on_the_sky(1));
    }
    let ran = drain(&dir, BOTH, "").exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    dir.old_file("late.fits", &on_the_sky(1));
    assert_eq!(drain(&dir, BOTH, "").exits(0).classified(), (1, 1));
    assert_eq!(row(&dir, "1_10_20.fits"), "1 10.0 20.0 name");
    for name in ["x", "y", "late"] {
        assert_eq!(
            row(&dir, &format!("{name}.fits")),
            format!("{name} 150.0 2.0 wcs")
        );
    }
}

#[test]
fn a_manifest_may_come_later_be_replaced_and_go() {
    let dir = scene();
    dir.old_file("a.fits", &on_the_sky(1));
    dir.old_file("b.png", &png(2));
    drain(&dir, MANIFEST, "").exits(0);
    assert_eq!(row(&dir, "a.fits"), "a 150.0 2.0 wcs");

    fs::write(
        dir.path("m.csv"),
        "file,object_id,ra,dec\na.fits,A,1,2\nb,B,3,4\n",
    )
    .unwrap();
    let ran = drain(&dir, MANIFEST, "").exits(0);
    assert_eq!(
        ran.classified(),
        (0, 0),
        "rows are brought up to date, no more"
    );
    assert_eq!(row(&dir, "a.fits"), "A 1.0 2.0 manifest");
    assert_eq!(row(&dir, "b.png"), "B 3.0 4.0 manifest");

    // What it says no longer, the content says again: then it is read, and not classified.
    fs::write(dir.path("m.csv"), "file,object_id,ra,dec\nb.png,B,5,6\n").unwrap();
    let ran = drain(&dir, MANIFEST, "").exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    assert_eq!(row(&dir, "a.fits"), "a 150.0 2.0 wcs");
    assert_eq!(row(&dir, "b.png"), "B 5.0 6.0 manifest");

    // A file that is gone says nothing; that it is no longer asked for does.
    fs::remove_file(dir.path("m.csv")).unwrap();
    drain(&dir, MANIFEST, "").exits(0);
    assert_eq!(row(&dir, "b.png"), "B 5.0 6.0 manifest");
    let ran = drain(&dir, "", "").exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    assert_eq!(row(&dir, "b.png"), "b");
    assert_eq!(drain(&dir, "", "").exits(0).classified(), (0, 0));
    dir.assert_sound();
}

#[test]
fn a_running_daemon_takes_a_manifest_that_comes() {
    let dir = scene();
    dir.old_file("a.png", &png(1));
    let config = dir.config(
        "folders = [{ path = 'inbox', manifest = 'm.csv' }]\nmodel = 'tiny.onnx'\n\
         settle_seconds = 0\nrescan_interval_seconds = 0.05",
    );
    let daemon = dir.daemon_on(&[], &["--config", config.to_str().unwrap()]);
    wait_until("the file has its row", || dir.count("catalog") == 1);
    assert_eq!(row(&dir, "a.png"), "a");
    fs::write(dir.path("new.csv"), "file,ra,dec\na.png,1,2\n").unwrap();
    fs::rename(dir.path("new.csv"), dir.path("m.csv")).unwrap();
    wait_until("it has its position", || {
        row(&dir, "a.png") == "a 1.0 2.0 manifest"
    });
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_radius_and_a_scale_frame_the_image_when_they_are_known() {
    let dir = scene();
    dir.old_file("a.fits", &on_the_sky(1));
    dir.old_file("b.png", &png(2));
    drain(&dir, MANIFEST, "").exits(0);
    let before = frame(&dir, "a.fits");
    assert!(before.starts_with("measured "), "{before}");

    // The FITS image has its own scale of 0.36 arcsec; the other one has none.
    fs::write(dir.path("m.csv"), "file,radius\na.fits,3.6\nb.png,3.6\n").unwrap();
    let kept = drain(&dir, MANIFEST, "reclassify = false").exits(0);
    assert_eq!(kept.classified(), (0, 0));
    assert_eq!(row(&dir, "a.fits"), "a 150.0 2.0 wcs 3.6");
    assert_eq!(frame(&dir, "a.fits"), before);
    fs::write(dir.path("m.csv"), "file,radius\na.fits,1.8\nb.png,1.8\n").unwrap();
    let ran = drain(&dir, MANIFEST, "").exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    assert_eq!(frame(&dir, "a.fits"), "radius 42.4");
    assert!(frame(&dir, "b.png").starts_with("measured "));
    assert_eq!(drain(&dir, MANIFEST, "").exits(0).classified(), (0, 0));

    // A scale of the folder goes before the file's own.
    let scaled = ", manifest = 'm.csv', pixel_scale = 0.18";
    let ran = drain(&dir, scaled, "framing = 'radius'").exits(0);
    assert_eq!(ran.classified_by_the_network(), 2);
    assert_eq!(frame(&dir, "a.fits"), "radius 84.8");
    assert_eq!(frame(&dir, "b.png"), "radius 84.8");
    assert_eq!(
        drain(&dir, scaled, "framing = 'radius'")
            .exits(0)
            .classified(),
        (0, 0)
    );
    // Another radius is another frame, found by the rows alone.
    fs::write(dir.path("m.csv"), "file,radius\na.fits,2.7\nb.png,1.8\n").unwrap();
    let ran = drain(&dir, scaled, "framing = 'radius'").exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    assert_eq!(frame(&dir, "a.fits"), "radius 127.2");
    dir.assert_sound();
}

#[test]
fn a_manifest_with_a_fault_is_told_with_its_row_and_nothing_of_it_is_used() {
    let dir = scene();
    dir.old_file("a.png", &png(1));
    for (text, expected) in [
        (
            "file,ra,dec\na.png,1,2\nb.png,1,91\n",
            "m.csv', row 3: ra 1, dec 91 is no place on the sky",
        ),
        (
            "file,ra,dec\na.png,1,2\na.png,1,2\n",
            "m.csv', row 3: 'a.png' is in row 2 too",
        ),
        (
            "file,ra\na.png,1\n",
            "m.csv' has no column 'dec' (it has file, ra)",
        ),
    ] {
        fs::write(dir.path("m.csv"), text).unwrap();
        let ran = drain(&dir, MANIFEST, "").exits(0);
        let lines = ran.stderr.lines().filter(|line| line.contains(expected));
        assert_eq!(lines.count(), 1, "{}", ran.stderr);
        assert_eq!(row(&dir, "a.png"), "a");
        check(&dir, MANIFEST).exits(2).says_in_one_line(&[expected]);
    }
    fs::write(dir.path("n.csv"), "file,ra,dec\na.png,1,3\n").unwrap();
    fs::write(dir.path("m.csv"), "file,ra,dec\na.png,1,2\n").unwrap();
    let two = ", manifest = ['m.csv', 'n.csv']";
    let expected = "n.csv', row 2: 'a.png' has another position in '";
    assert!(drain(&dir, two, "").exits(0).stderr.contains(expected));
    assert_eq!(row(&dir, "a.png"), "a");
    check(&dir, two).exits(2).says_in_one_line(&[expected]);
}

#[test]
fn check_says_which_files_a_pattern_and_a_manifest_fit() {
    let dir = Dir::new();
    dir.old_file("cutout_1_2.png", &png(1));
    dir.old_file("other.png", &png(2));
    let legacy = ", name = 'cutout_{ra}_{dec}'";
    let ran = check(&dir, legacy).exits(0);
    let expected = "name 'cutout_{ra}_{dec}' of '";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("': 1 of 2 files are named like this, not '")
    );
    dir.old_file("more/sky.fits", &on_the_sky(3));
    let config = dir.config("folders = [{ path = 'inbox', name = 'cutout_{ra}_{dec}' }]");
    let config = config.to_str().unwrap();
    let images = ["check", "--config", config, "--images"];
    let all = [&images[..], &["inbox"]].concat();
    let ran = dir.run(&all).exits(0);
    assert!(
        ran.stdout.contains("positions             1 name, 1 wcs"),
        "{}",
        ran.stdout
    );
    fs::remove_dir_all(dir.inbox("more")).unwrap();
    let ran = check(&dir, ", name = 'J{iau}'").exits(2);
    assert!(
        ran.stderr
            .contains("0 of 2 files are named like this, not '")
    );
    check(&dir, ", name = 'cutout_{ra}'")
        .exits(2)
        .says_in_one_line(&["name: {ra} and {dec} need each other"]);

    let ran = check(&dir, MANIFEST).exits(0);
    assert!(
        ran.stdout
            .contains("m.csv' is not there (it may still come)")
    );
    fs::write(dir.path("m.csv"), "file,ra,dec\nother,1,2\nnone.png,3,4\n").unwrap();
    let ran = check(&dir, MANIFEST).exits(0);
    assert!(
        ran.stdout.contains("': 1 of 2 files are in it, not '"),
        "{}",
        ran.stdout
    );
    fs::write(dir.path("m.csv"), "file,ra,dec\nnone.png,3,4\n").unwrap();
    let ran = check(&dir, MANIFEST).exits(2);
    assert!(ran.stderr.contains("0 of 2 files are in it, not '"));
}
