//! `galmorph check --images`: what a folder's images are like.

use image::{ImageFormat, RgbImage};

use crate::support::{Dir, encoded, galaxy};

fn findings(dir: &Dir, code: i32) -> serde_json::Value {
    let arguments = ["check", "--images", "inbox", "--format", "json"];
    let ran = dir.run(&arguments).exits(code);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn it_counts_sizes_flags_and_what_cannot_be_read_and_suggests_settings() {
    let dir = Dir::new();
    for seed in 0..25 {
        let picture = galaxy(7 * seed);
        dir.old_file(format!("{seed}.png"), &encoded(picture, ImageFormat::Png));
    }
    dir.old_file("broken.jpg", b"text");
    let blank = RgbImage::new(64, 64);
    dir.old_file("blank.png", &encoded(blank, ImageFormat::Png));
    dir.old_file("scan.tiff", b"II*");
    let found = findings(&dir, 1);
    assert_eq!(
        (&found["files"], &found["sampled"]),
        (&27.into(), &27.into())
    );
    assert_eq!(found["sizes"]["128x128"], 25);
    assert_eq!(found["rejected"]["not_an_image"]["images"], 1);
    assert_eq!(found["rejected"]["blank"]["images"], 1);
    let example = found["rejected"]["blank"]["example"].as_str().unwrap();
    assert!(example.ends_with("inbox/blank.png"), "{example}");
    assert_eq!(found["other_files"]["tiff"], 1);
    assert_eq!(found["framing"]["measured"], 25);
    let side = &found["measured"]["frame_side"];
    let at = |name: &str| side[name].as_f64().unwrap();
    assert!(at("low") <= at("median") && at("median") <= at("high"));
    let suggestion = found["suggestions"][0]["setting"].as_str().unwrap();
    assert!(suggestion.starts_with("framing = "), "{suggestion}");

    let text = dir.run(&["check", "--images", "inbox", "--sample", "3"]);
    assert!(
        text.stdout.contains("27 image files, 3 looked at"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("1 .tiff"), "{}", text.stdout);
}

#[test]
fn it_frames_as_the_folder_is_configured_and_needs_no_catalog() {
    let dir = Dir::new();
    dir.old_file("a.png", &encoded(galaxy(1), ImageFormat::Png));
    dir.config("folders = [{ path = 'inbox', framing = 'frame' }]\ncatalog = '/no/such/folder/c'");
    let arguments = ["check", "--images", "inbox", "--config", "galmorph.toml"];
    let ran = dir.run(&arguments).exits(0);
    assert!(ran.stdout.contains("1 frame"), "{}", ran.stdout);
    assert_eq!(findings(&dir, 0)["framing"]["measured"], 1);
    assert!(!dir.path("galmorph.sqlite").exists());
}

#[test]
fn a_folder_without_images_and_one_that_is_not_there_are_said_to_be_so() {
    let dir = Dir::new();
    dir.old_file("scan.tiff", b"II*");
    let ran = dir.run(&["check", "--images", "inbox"]).exits(1);
    assert!(ran.stdout.contains("no image file"), "{}", ran.stdout);
    let ran = dir.run(&["check", "--images", "nowhere"]).exits(2);
    ran.says_in_one_line(&["cannot look at 'nowhere'"]);
}
