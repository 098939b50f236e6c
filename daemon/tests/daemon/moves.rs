//! Folders that move their files when those have their answer.

use std::fs;
use std::path::PathBuf;

use crate::support::{Dir, Ran, age, file_counts, jpeg, png, wait_until};

/// A configuration in which the inbox moves its files.
fn moving(dir: &Dir) -> String {
    let inbox = dir.path("inbox");
    let config = dir.config(&format!(
        "folders = [{{ path = '{}', after = 'move' }}]\nsettle_seconds = 0.05",
        inbox.display()
    ));
    config.to_str().unwrap().to_owned()
}

fn drain(dir: &Dir, config: &str) -> Ran {
    dir.run(&["watch", "--config", config, "--drain"])
}

/// The paths of all files below the inbox, from there, in order.
fn files(dir: &Dir) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![dir.path("inbox")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(dir.path("inbox")).unwrap();
                files.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The paths of all rows, from the inbox, in order.
fn rows(dir: &Dir) -> Vec<String> {
    let connection = dir.catalog();
    let mut statement = connection
        .prepare("SELECT path FROM cutout ORDER BY path")
        .unwrap();
    let paths = statement.query_map([], |row| row.get::<_, String>(0));
    paths
        .unwrap()
        .map(|path| {
            let path = PathBuf::from(path.unwrap());
            let below = path.strip_prefix(dir.path("inbox")).unwrap();
            below.to_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn files_with_an_answer_go_to_done_and_rejected_and_their_rows_follow() {
    let dir = Dir::new();
    let config = moving(&dir);
    dir.old_file("1.jpg", &jpeg(1));
    dir.old_file("a/b/2.png", &png(2));
    dir.old_file("a/copy.jpg", &jpeg(1));
    dir.old_file("a/text.jpg", b"text");
    dir.old_file("a/notes.txt", b"not ours");
    drain(&dir, &config).exits(1);
    let expected = [
        "done/1.jpg",
        "done/a/b/2.png",
        "done/a/copy.jpg",
        "rejected/a/text.jpg",
    ];
    assert_eq!(rows(&dir), expected);
    let mut there = files(&dir);
    there.retain(|name| name != "a/notes.txt");
    assert_eq!(there, expected);
    assert_eq!(dir.count("cutout WHERE move_to IS NOT NULL"), 0);
    assert_eq!(fs::read(dir.inbox("done/1.jpg")).unwrap(), jpeg(1));
    dir.assert_sound();

    // What was moved is not watched, and is not gone.
    assert_eq!(file_counts(&dir.status()), [4, 3, 1, 0]);
    drain(&dir, &config).exits(0);
    assert_eq!(rows(&dir), expected);
    let checked = dir.run(&["check", "--deep", "--config", &config]).exits(0);
    assert!(!checked.stdout.contains("gone"), "{}", checked.stdout);
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_nothing_is_replaced() {
    let dir = Dir::new();
    let config = moving(&dir);
    // A file that nobody recorded, and a row whose file is gone.
    fs::create_dir_all(dir.inbox("done")).unwrap();
    fs::write(dir.inbox("done/1.jpg"), "an older one").unwrap();
    dir.old_file("1.jpg", &jpeg(1));
    dir.old_file("2.jpg", &jpeg(2));
    drain(&dir, &config).exits(0);
    fs::remove_file(dir.inbox("done/2.jpg")).unwrap();
    dir.old_file("1.jpg", &jpeg(11));
    dir.old_file("2.jpg", &jpeg(12));
    drain(&dir, &config).exits(0);
    assert_eq!(
        files(&dir),
        ["done/1.1.jpg", "done/1.2.jpg", "done/1.jpg", "done/2.1.jpg"]
    );
    assert_eq!(
        rows(&dir),
        ["done/1.1.jpg", "done/1.2.jpg", "done/2.1.jpg", "done/2.jpg"]
    );
    assert_eq!(fs::read(dir.inbox("done/1.jpg")).unwrap(), b"an older one");
    assert_eq!(fs::read(dir.inbox("done/1.2.jpg")).unwrap(), jpeg(11));
}

#[test]
fn what_was_done_before_the_folder_moves_is_moved_too() {
    let dir = Dir::new();
    dir.old_file("1.jpg", &jpeg(1));
    dir.drain().exits(0);
    let classified: String = dir.ask("SELECT classified_at FROM classification");
    drain(&dir, &moving(&dir)).exits(0);
    assert_eq!(rows(&dir), ["done/1.jpg"]);
    assert_eq!(files(&dir), ["done/1.jpg"]);
    assert_eq!(
        dir.ask::<String>("SELECT group_concat(classified_at) FROM classification"),
        classified
    );
}

#[test]
fn a_move_that_was_cut_off_is_finished_or_begun_anew() {
    let dir = Dir::new();
    let config = moving(&dir);
    for (name, seed) in [("1.jpg", 1), ("2.jpg", 2)] {
        dir.old_file(name, &jpeg(seed));
    }
    drain(&dir, &config).exits(0);
    // As a kill leaves it: before the rename of one, and after that of the other.
    fs::rename(dir.inbox("done/1.jpg"), dir.inbox("1.jpg")).unwrap();
    dir.catalog()
        .execute_batch("UPDATE cutout SET move_to = path, path = replace(path, '/done/', '/')")
        .unwrap();
    assert_eq!(rows(&dir), ["1.jpg", "2.jpg"]);
    drain(&dir, &config).exits(0);
    assert_eq!(rows(&dir), ["done/1.jpg", "done/2.jpg"]);
    assert_eq!(files(&dir), ["done/1.jpg", "done/2.jpg"]);
    assert_eq!(dir.count("cutout WHERE move_to IS NOT NULL"), 0);
    assert_eq!(dir.count("classification"), 2);
}

#[test]
fn a_rejected_file_that_is_to_be_tried_again_goes_back_and_then_to_done() {
    let dir = Dir::new();
    let config = moving(&dir);
    let limited = fs::read_to_string(&config).unwrap() + "\nmax_side = 100";
    fs::write(&config, &limited).unwrap();
    dir.old_file("a/1.jpg", &jpeg(1));
    drain(&dir, &config).exits(1);
    assert_eq!(files(&dir), ["rejected/a/1.jpg"]);
    dir.run(&["retry", "--reason", "too_large"]).exits(0);

    let config = moving(&dir);
    drain(&dir, &config).exits(0);
    assert_eq!(files(&dir), ["done/a/1.jpg"]);
    assert_eq!(rows(&dir), ["done/a/1.jpg"]);
    assert_eq!(dir.count("cutout WHERE state = 'classified'"), 1);
}

#[test]
fn a_file_that_was_moved_is_queued_by_the_name_that_it_had() {
    let dir = Dir::new();
    let config = moving(&dir);
    dir.old_file("a/1.jpg", b"text");
    dir.old_file("a/2.jpg", b"text, too");
    dir.old_file("3.jpg", &jpeg(3));
    drain(&dir, &config).exits(1);
    let queued = |path: &str| {
        let ran = dir.run(&["retry", path, "--config", &config]).exits(0);
        let paths = dir.ask::<String>(
            "SELECT ifnull(group_concat(path, ' '), '') FROM cutout WHERE retry IS NOT NULL",
        );
        (ran.stdout.lines().next().unwrap().to_owned(), paths)
    };
    let (said, first) = queued("inbox/a/1.jpg");
    assert_eq!(said, "queued 1 rejected file");
    assert!(first.ends_with("/inbox/rejected/a/1.jpg"), "{first}");
    assert_eq!(queued("inbox/a").0, "queued 1 rejected file");
    // This one is done, and was moved, too.
    assert_eq!(queued("inbox/3.jpg").0, "queued 0 rejected files");
    let gone = dir.run(&["retry", "inbox/4.jpg"]).exits(2);
    gone.says_in_one_line(&["has no file at or below", "/inbox/4.jpg'"]);
}

#[test]
fn a_running_daemon_moves_files_and_puts_them_back() {
    let dir = Dir::new();
    let config = moving(&dir);
    let daemon = dir.daemon_on(&[], &["--config", &config]);
    fs::write(dir.path("1.jpg"), jpeg(1)).unwrap();
    fs::rename(dir.path("1.jpg"), dir.inbox("1.jpg")).unwrap();
    fs::write(dir.path("2.jpg"), "text").unwrap();
    fs::rename(dir.path("2.jpg"), dir.inbox("2.jpg")).unwrap();
    let both = ["done/1.jpg", "rejected/2.jpg"];
    wait_until("both are moved", || {
        files(&dir) == both && rows(&dir) == both
    });
    let updated: String = dir.ask("SELECT updated FROM rejected");
    dir.run(&["retry"]).exits(0);
    // It is still no image; so it went back, was judged again, and is where it was.
    wait_until("it is judged again", || {
        dir.ask::<String>("SELECT updated FROM rejected") > updated
            && rows(&dir) == both
            && files(&dir) == both
    });
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_folder_that_can_not_move_its_files_is_one_clear_line() {
    let dir = Dir::new();
    let config = moving(&dir);
    fs::write(dir.inbox("done"), "").unwrap();
    for command in ["watch", "check"] {
        let ran = dir.run(&[command, "--config", &config]).exits(2);
        ran.says_in_one_line(&["cannot move files in", "'done' in it is not a folder"]);
    }
    fs::remove_file(dir.inbox("done")).unwrap();
    let odd = dir.config("folders = [{ path = '/in', after = 'delete' }]");
    let ran = dir.run(&["check", "--config", odd.to_str().unwrap(), "inbox"]);
    ran.exits(2)
        .says_in_one_line(&["folders: ", "\"delete\" is not one of keep, move"]);
}

#[test]
fn a_file_that_comes_under_the_same_name_while_the_first_is_judged_is_judged_too() {
    let dir = Dir::new();
    let config = moving(&dir);
    let daemon = dir.daemon_on(&[], &["--config", &config]);
    for seed in 0..10 {
        let path = dir.inbox("same.jpg");
        fs::write(dir.path("next.jpg"), jpeg(seed)).unwrap();
        age(&dir.path("next.jpg"));
        fs::rename(dir.path("next.jpg"), &path).unwrap();
        if seed % 2 == 0 {
            // Every other one is given the time to be moved; those between may be overwritten.
            wait_until("it is moved", || !path.exists());
        }
    }
    wait_until("nothing is left", || {
        !dir.inbox("same.jpg").exists() && dir.count("cutout WHERE move_to IS NOT NULL") == 0
    });
    daemon.end();
    drain(&dir, &config).exits(0);
    assert_eq!(files(&dir), rows(&dir));
    for name in files(&dir) {
        let digest = crate::support::digest(&fs::read(dir.inbox(&name)).unwrap());
        let recorded =
            format!("cutout WHERE path LIKE '%/{name}' AND lower(hex(digest)) = '{digest}'");
        assert_eq!(dir.count(&recorded), 1, "{name}");
    }
    dir.assert_sound();
}
