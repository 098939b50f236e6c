//! Bad input: files that are no cutouts, and arguments that can't be used.

use std::fs;
use std::os::unix::fs::symlink;

use image::{GrayImage, ImageFormat};
use tempfile::TempDir;

use crate::support::{Dir, encoded, jpeg, png};

#[test]
fn each_bad_file_is_rejected_with_its_reason_and_the_next_is_classified() {
    let dir = Dir::new();
    let whole = jpeg(1);
    let broken_png = png(2);
    dir.old_file("a-truncated.jpg", &whole[..whole.len() / 2]);
    dir.old_file("b-truncated.png", &broken_png[..broken_png.len() / 2]);
    dir.old_file("c-text.jpg", b"<html>404 Not Found</html>");
    dir.old_file("d-empty.jpg", b"");
    let wide = GrayImage::new(8193, 16);
    dir.old_file("e-wide.png", &encoded(wide, ImageFormat::Png));
    dir.old_file(
        "f-tiny.png",
        &encoded(GrayImage::new(8, 8), ImageFormat::Png),
    );
    let giant = dir.old_file("g-giant.jpg", &whole);
    let file = fs::File::options().append(true).open(&giant).unwrap();
    file.set_len(1 << 35).unwrap();
    drop(file);
    crate::support::age(&giant);
    dir.old_file("z-good.jpg", &whole);

    // One worker and one batch for all, so that the good one shares everything with the bad.
    let ran = dir
        .run(&[
            "watch",
            "inbox",
            "--drain",
            "--workers",
            "1",
            "--batch",
            "16",
        ])
        .exits(1);
    assert_eq!(ran.classified_by_the_network(), 1);
    assert!(ran.stdout.contains("rejected 7"), "{}", ran.stdout);
    let reason = |name: &str| -> String {
        dir.ask(&format!(
            "SELECT reason || ': ' || message FROM cutout WHERE object_id = '{name}'"
        ))
    };
    assert!(reason("a-truncated").starts_with("broken: "));
    assert!(reason("b-truncated").starts_with("broken: "));
    let not_an_image = "not_an_image: not a JPEG, PNG or FITS image";
    assert_eq!(reason("c-text"), not_an_image);
    assert_eq!(reason("d-empty"), not_an_image);
    assert!(reason("e-wide").contains("8193 x 16 pixels"));
    assert!(reason("f-tiny").starts_with("too_small: "));
    assert!(reason("g-giant").starts_with("too_large: "));
    assert_eq!(
        dir.count("catalog WHERE object_id = 'z-good' AND label IS NOT NULL"),
        1
    );

    let listed = dir
        .run(&["query", "--rejected", "--format", "csv"])
        .exits(0);
    assert_eq!(listed.stdout.lines().count(), 8, "{}", listed.stdout);
    dir.assert_sound();
}

#[test]
fn a_file_that_was_mended_is_classified() {
    let dir = Dir::new();
    dir.old_file("a.jpg", b"half an upl");
    dir.drain().exits(1);
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    assert_eq!(
        dir.count("cutout WHERE state = 'classified' AND reason IS NULL"),
        1
    );
}

#[test]
fn links_are_not_followed() {
    let dir = Dir::new();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("a.jpg"), jpeg(1)).unwrap();
    symlink(outside.path(), dir.inbox("folder")).unwrap();
    symlink(outside.path().join("a.jpg"), dir.inbox("file.jpg")).unwrap();
    symlink(dir.path("inbox"), dir.inbox("loop")).unwrap();
    dir.drain().exits(0);
    assert_eq!(dir.count("cutout"), 0);
}

#[test]
fn a_missing_folder_is_one_clear_line() {
    let dir = Dir::new();
    let ran = dir.run(&["watch", "nowhere", "--drain"]).exits(2);
    ran.says_in_one_line(&["'nowhere'", "No such file"]);
    fs::write(dir.path("file"), "").unwrap();
    let ran = dir.run(&["watch", "file"]).exits(2);
    ran.says_in_one_line(&["'file'", "not a folder"]);
    dir.run(&["watch"])
        .exits(2)
        .says_in_one_line(&["no folder to watch"]);
    assert!(!dir.path("galmorph.sqlite").exists());
}

#[test]
fn a_file_that_is_no_model_is_one_clear_line() {
    let dir = Dir::new();
    fs::write(dir.path("x.onnx"), "text").unwrap();
    let ran = dir
        .run(&["watch", "inbox", "--drain", "--model", "x.onnx"])
        .exits(3);
    ran.says_in_one_line(&["'x.onnx'", "not an ONNX file"]);
    let ran = dir
        .run(&["watch", "inbox", "--drain", "--model", "y.onnx"])
        .exits(3);
    ran.says_in_one_line(&["'y.onnx'", "No such file"]);
}

#[test]
fn a_model_without_a_card_is_one_clear_line() {
    use prost::Message as _;
    use tract_onnx::pb::ModelProto;

    let dir = Dir::new();
    let model = ModelProto {
        ir_version: 8,
        graph: Some(tract_onnx::pb::GraphProto::default()),
        ..ModelProto::default()
    };
    fs::write(dir.path("bare.onnx"), model.encode_to_vec()).unwrap();
    let ran = dir
        .run(&["classify", "--model", "bare.onnx", "a.jpg"])
        .exits(3);
    ran.says_in_one_line(&["'bare.onnx'", "no galmorph card", "galmorph-train export"]);
}

#[test]
fn a_catalog_of_a_newer_version_is_left_alone() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    dir.catalog()
        .pragma_update(None, "user_version", 1000)
        .unwrap();
    for command in [
        &["watch", "inbox", "--drain"][..],
        &["query"],
        &["check", "inbox"],
    ] {
        let ran = dir.run(command).exits(3);
        ran.says_in_one_line(&["galmorph.sqlite", "version 1000", "update galmorph"]);
    }
    assert_eq!(dir.count("cutout"), 1);
}

#[test]
fn a_catalog_that_cannot_be_written_is_one_clear_line() {
    let dir = Dir::new();
    fs::write(dir.path("file"), "").unwrap();
    // Root may write anywhere, but not into /proc, and not into a file.
    for place in ["/proc/galmorph.sqlite", "file/galmorph.sqlite"] {
        let ran = dir
            .run(&["watch", "inbox", "--drain", "--catalog", place])
            .exits(3);
        ran.says_in_one_line(&[place, "cannot write"]);
    }
    let ran = dir.run(&["query", "--catalog", "none.sqlite"]).exits(3);
    ran.says_in_one_line(&["no catalog 'none.sqlite'"]);
}

#[test]
fn two_daemons_do_not_share_a_catalog() {
    let dir = Dir::new();
    let daemon = dir.daemon(&[]);
    let ran = dir.drain().exits(3);
    ran.says_in_one_line(&["galmorph.sqlite", "in use by another galmorph watch"]);
    daemon.end();
    dir.drain().exits(0);
}

#[test]
fn check_explains_every_fault_at_once() {
    let dir = Dir::new();
    let config = dir
        .config("folders = ['nowhere', 'inbox']\nbatch = 0\nworkrs = 3\nsettle_seconds = 'soon'\n");
    let config = config.to_str().unwrap();
    fs::write(dir.path("x.onnx"), "text").unwrap();
    let ran = dir
        .run(&[
            "check",
            "--config",
            config,
            "--model",
            "x.onnx",
            "--catalog",
            "/proc/c.sqlite",
            "gone",
        ])
        .exits(2);
    for fault in [
        "batch: 0 is not between 1 and 1024",
        "workrs: unknown setting",
        "settle_seconds: ",
        "'gone'",
        "not an ONNX file",
        "/proc/c.sqlite",
    ] {
        let lines = ran
            .stderr
            .lines()
            .filter(|line| line.contains(fault))
            .count();
        assert_eq!(lines, 1, "'{fault}' in {}", ran.stderr);
    }
    let ran = dir
        .run(&["watch", "inbox", "--drain", "--config", config])
        .exits(2);
    assert_eq!(ran.stderr.lines().count(), 3, "{}", ran.stderr);
}

#[test]
fn check_is_content_with_a_folder_and_the_defaults() {
    let dir = Dir::new();
    let ran = dir.run(&["check", "inbox"]).exits(0);
    assert_eq!(
        ran.stdout
            .lines()
            .filter(|line| line.starts_with("ok: "))
            .count(),
        3
    );
    assert!(!dir.path("galmorph.sqlite").exists());
}

#[test]
fn check_is_content_with_what_watch_can_use() {
    let dir = Dir::new();
    fs::write(dir.path("galmorph.sqlite"), "").unwrap();
    let ran = dir.run(&["check", "inbox"]).exits(0);
    assert!(
        ran.stdout.contains("galmorph.sqlite', to be made"),
        "{}",
        ran.stdout
    );
    let daemon = dir.daemon(&[]);
    let ran = dir.run(&["check", "inbox"]).exits(0);
    assert!(
        ran.stdout.contains("in use by a galmorph watch"),
        "{}",
        ran.stdout
    );
    daemon.end();
    let ran = dir.run(&["check", "inbox"]).exits(0);
    assert!(ran.stdout.contains("galmorph.sqlite'\n"), "{}", ran.stdout);

    // SQLite would say that it can't be opened, and of a FIFO nothing at all.
    for command in ["check", "watch"] {
        let ran = dir.run(&[command, "inbox", "--catalog", "inbox"]).exits(3);
        ran.says_in_one_line(&["catalog 'inbox'", "not a regular file"]);
    }
}

#[test]
fn workers_on_the_command_line_are_bounded_as_in_the_configuration() {
    let dir = Dir::new();
    let ran = dir.run(&["check", "inbox", "--workers", "1025"]).exits(2);
    assert!(
        ran.stderr
            .contains("--workers: 1025 is not between 0 and 1024"),
        "{}",
        ran.stderr
    );
    dir.run(&["check", "inbox", "--workers", "1024"]).exits(0);
}
