//! Which part of an image the network looks at, and what the catalog says of it.

use std::fs;

use image::{ImageFormat, Rgb, RgbImage};

use crate::support::{Dir, encoded};

/// A galaxy whose frame has this side, in the middle of an image of another side.
fn galaxy(frame: u32, side: u32) -> Vec<u8> {
    let radius = f64::from(frame) / 424.0 * 20.0;
    let picture = RgbImage::from_fn(side, side, |x, y| {
        let middle = f64::from(side) / 2.0 - 0.5;
        let (dx, dy) = (f64::from(x) - middle, (f64::from(y) - middle) / 0.6);
        let light = 200.0 * (-dx.hypot(dy) / radius).exp();
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) % 5;
        let value = |share: f64| (8.0 + share * light) as u8 + noise as u8;
        Rgb([value(1.0), value(0.9), value(0.7)])
    });
    encoded(picture, ImageFormat::Png)
}

fn row(dir: &Dir, name: &str) -> (String, f64, f64, String) {
    let columns = "framing, frame_x, frame_side, flags";
    dir.catalog()
        .query_row(
            &format!("SELECT {columns} FROM catalog WHERE object_id = ?1"),
            [name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap()
}

#[test]
fn a_galaxy_of_any_size_is_shown_as_large_as_the_network_knows_it() {
    let dir = Dir::new();
    dir.old_file("paper.png", &galaxy(424, 424));
    for (name, frame, side) in [("small", 96, 96), ("large", 900, 900), ("part", 300, 200)] {
        dir.old_file(format!("{name}.png"), &galaxy(frame, side));
    }
    dir.drain().exits(0);
    assert_eq!(
        row(&dir, "paper"),
        ("paper".into(), 212.0, 424.0, String::new())
    );
    let sides: Vec<f64> = ["small", "large", "part"]
        .iter()
        .map(|name| {
            let (framing, middle, side, _) = row(&dir, name);
            assert_eq!(framing, "measured", "{name}");
            assert!(middle > 0.0);
            side
        })
        .collect();
    // They are one galaxy at three sizes. Whatever its size is taken for, it is in proportion.
    let parts = [sides[0] / 96.0, sides[1] / 900.0, sides[2] / 300.0];
    for part in parts {
        assert!((part / parts[0] - 1.0).abs() < 0.12, "{parts:?}");
    }
    let labels = "SELECT count(DISTINCT label) FROM catalog";
    assert_eq!(dir.ask::<i64>(labels), 1);
}

#[test]
fn another_framing_is_another_answer_and_the_earlier_one_is_kept() {
    let dir = Dir::new();
    dir.old_file("a.png", &galaxy(96, 96));
    dir.old_file("b.png", &galaxy(424, 424));
    let drain = |framing: &str| {
        dir.run(&["watch", "inbox", "--drain", "--framing", framing])
            .exits(0)
    };
    assert_eq!(drain("auto").classified_by_the_network(), 2);
    let before = row(&dir, "a");
    assert_eq!(drain("auto").classified(), (0, 0));

    // 424 x 424 pixels are framed as in the paper in both cases.
    assert_eq!(drain("paper").classified_by_the_network(), 1);
    assert_eq!(row(&dir, "a").0, "paper");
    assert!(row(&dir, "a").3.contains("padded"));
    assert_eq!(dir.count("classification"), 3);
    assert_eq!(dir.count("probability"), 2 * 5);

    // Back again: the network need not see it.
    let back = drain("auto");
    assert_eq!(back.classified(), (1, 1));
    assert_eq!(row(&dir, "a"), before);
    assert_eq!(dir.count("classification"), 3);
    dir.assert_sound();
    let config = dir.config("folders = ['inbox']\nreclassify = false\nframing = 'frame'");
    let config = config.to_str().unwrap();
    let kept = dir.run(&["watch", "--drain", "--config", config]).exits(0);
    assert_eq!(kept.classified(), (0, 0));
    assert_eq!(row(&dir, "a"), before);
}

#[test]
fn each_folder_has_its_framing_and_so_has_the_same_content_in_two_of_them() {
    let dir = Dir::new();
    let bytes = galaxy(96, 96);
    for folder in ["frame", "paper", "radius"] {
        dir.old_file(format!("{folder}/{folder}.png"), &bytes);
    }
    let folders = dir.path("inbox").display().to_string();
    let config = dir.config(&format!(
        "folders = [
             {{ path = '{folders}/frame', framing = 'frame' }},
             {{ path = '{folders}/paper', framing = 'paper' }},
             {{ path = '{folders}/radius', radius = 5, pixel_scale = 0.5 }},
         ]"
    ));
    let config = config.to_str().unwrap();
    let watch = ["watch", "--drain", "--config", config];
    assert_eq!(dir.run(&watch).exits(0).classified_by_the_network(), 3);
    let shown = |name: &str| {
        let (framing, _, side, _) = row(&dir, name);
        (framing, side)
    };
    assert_eq!(shown("frame"), ("frame".into(), 96.0));
    assert_eq!(shown("paper"), ("paper".into(), 424.0));
    // petroR90 is 10 pixels here and 50 in the paper's frame.
    assert_eq!(shown("radius"), ("radius".into(), 84.8));
    assert_eq!(dir.count("classification"), 3);
    assert_eq!(dir.run(&watch).exits(0).classified(), (0, 0));
    // Who asks from outside knows the folders' framings, too.
    let waiting = dir.status()["files"]["waiting"].as_u64();
    assert_eq!(waiting, Some(0));
    dir.run(&["check", "--deep", "--config", config]).exits(0);
}

#[test]
fn a_framing_that_cannot_work_is_refused_before_any_work() {
    let dir = Dir::new();
    for (setting, fault) in [
        (
            "framing = 'radius'",
            "framing \"radius\" needs a radius and a pixel_scale",
        ),
        ("radius = 0", "radius must be a number above 0"),
        (
            "framing = 'radius', radius = 3",
            "needs a radius and a pixel_scale",
        ),
        (
            "framing = 'whole'",
            "\"whole\" is not one of auto, paper, frame, radius, measured",
        ),
    ] {
        let config = dir.config(&format!("folders = [{{ path = 'inbox', {setting} }}]"));
        let config = config.to_str().unwrap();
        let ran = dir.run(&["watch", "--drain", "--config", config]).exits(2);
        ran.says_in_one_line(&[fault]);
    }
    dir.old_file("a.png", &galaxy(96, 96));
    let ran = dir
        .run(&["classify", "inbox/a.png", "--framing", "radius"])
        .exits(2);
    ran.says_in_one_line(&["needs a radius and a pixel_scale"]);
}

#[test]
fn classify_and_views_frame_as_they_are_told() {
    let dir = Dir::new();
    dir.old_file("a.png", &galaxy(96, 96));
    let classify = |arguments: &[&str]| {
        let all = ["classify", "inbox/a.png", "--format", "csv", "--columns"];
        let all = [&all[..], &["framing,frame_side"], arguments].concat();
        let ran = dir.run(&all).exits(0);
        ran.stdout.lines().nth(1).unwrap().to_owned()
    };
    assert!(classify(&[]).starts_with("measured,"));
    assert_eq!(classify(&["--framing", "frame"]), "frame,96");
    assert_eq!(
        classify(&["--radius", "10", "--pixel-scale", "1"]),
        "radius,84.8"
    );
    let views = |name: &str, framing: &str| {
        let arguments = ["views", "inbox/a.png", "--npy", name, "--framing", framing];
        dir.run(&arguments).exits(0);
        fs::read(dir.path(name)).unwrap()
    };
    assert_ne!(views("paper.npy", "paper"), views("frame.npy", "frame"));
    assert_eq!(views("again.npy", "frame"), views("frame2.npy", "frame"));
}

#[test]
fn an_image_without_an_object_is_said_to_be_unmeasured() {
    let dir = Dir::new();
    // Noise of a few levels, and a gradient: something to see, and no galaxy in the middle.
    let picture = RgbImage::from_fn(150, 150, |x, y| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
        Rgb([(20 + x / 10 + noise % 9) as u8; 3])
    });
    dir.old_file("sky.png", &encoded(picture, ImageFormat::Png));
    dir.drain().exits(0);
    let (framing, _, side, flags) = row(&dir, "sky");
    assert_eq!((&*framing, side), ("frame", 150.0));
    assert!(flags.contains("unmeasured_size"), "{flags}");
}
