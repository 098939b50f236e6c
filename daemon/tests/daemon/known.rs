//! Content that the model has answered for already.

use std::fs;

use crate::support::{Dir, digest, jpeg};

#[test]
fn content_that_has_its_answer_is_not_decoded_again_and_kept_to_the_limits() {
    let dir = Dir::new();
    let whole = jpeg(1);
    dir.old_file("whole.jpg", &whole);
    dir.drain().exits(0);

    // Half an image has its size in its header, and can't be decoded.
    let half = &whole[..whole.len() / 2];
    dir.old_file("half.jpg", half);
    dir.drain().exits(1);
    let reason = |name: &str| -> Option<String> {
        dir.ask(&format!(
            "SELECT reason || ': ' || message FROM cutout WHERE object_id = '{name}'"
        ))
    };
    assert!(reason("half").is_some_and(|reason| reason.starts_with("broken: ")));

    // Were there an answer for it, it would not be decoded.
    let columns: String =
        dir.ask("SELECT group_concat(name) FROM pragma_table_info('other_answer')");
    dir.catalog()
        .execute_batch(&format!(
            "CREATE TEMP TABLE answer AS SELECT * FROM cutout WHERE label IS NOT NULL;
             UPDATE answer SET digest = unhex('{}');
             INSERT INTO other_answer ({columns}) SELECT {columns} FROM answer;",
            digest(half)
        ))
        .unwrap();
    dir.old_file("again.jpg", half);
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    let size = "SELECT width || ' x ' || height FROM cutout WHERE object_id = 'again'";
    assert_eq!(dir.ask::<String>(size), "128 x 128");
    assert_eq!(reason("again"), None);

    // The limits of today are those that count.
    let config = dir.config("folders = ['inbox']\nmin_side = 200");
    let config = config.to_str().unwrap();
    dir.old_file("small.jpg", half);
    dir.run(&["watch", "--drain", "--config", config]).exits(1);
    let expected = "too_small: too small: 128 x 128 pixels, under 200 on a side";
    assert_eq!(reason("small").as_deref(), Some(expected));
}

#[test]
fn files_that_were_touched_are_known_by_their_content() {
    let dir = Dir::new();
    for seed in 0..5 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    let first: i64 = dir.ask("SELECT min(updated) FROM cutout");
    for seed in 0..5 {
        let path = dir.inbox(format!("{seed}.jpg"));
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
    }
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified(), (5, 5));
    assert_eq!(
        dir.count(&format!("cutout WHERE updated > {first} AND width = 128")),
        5
    );
    assert_eq!(dir.count("classification"), 5);
    dir.assert_sound();
}

#[test]
fn a_copy_is_known_where_it_is_moved_after_its_answer_too() {
    let dir = Dir::new();
    let config = dir.config("folders = ['inbox', { path = 'night', after = 'move' }]");
    let config = config.to_str().unwrap();
    fs::create_dir(dir.path("night")).unwrap();
    dir.old_file("a.jpg", &jpeg(1));
    dir.run(&["watch", "--drain", "--config", config]).exits(0);
    // Under another name, by a hard link, and in a folder whose files are moved.
    dir.old_file("copy.jpg", &jpeg(1));
    fs::hard_link(dir.inbox("a.jpg"), dir.inbox("link.jpg")).unwrap();
    fs::rename(
        dir.old_file("moved.part", &jpeg(1)),
        dir.path("night/moved.jpg"),
    )
    .unwrap();
    let ran = dir.run(&["watch", "--drain", "--config", config]).exits(0);
    assert_eq!(ran.classified_by_the_network(), 0);
    assert!(dir.path("night/done/moved.jpg").exists());
    assert_eq!(dir.count("catalog WHERE label IS NOT NULL"), 4);
    assert_eq!(
        dir.count("(SELECT DISTINCT label, p_spiral FROM catalog)"),
        1
    );
    dir.assert_sound();
}

#[test]
fn an_answer_of_other_settings_is_none_and_one_of_before_is_found_again() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    let other = ["watch", "inbox", "--drain", "--scales", "180"];
    let ran = dir.run(&other).exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    // A copy that comes later has the answers of both, and costs nothing.
    dir.old_file("b.jpg", &jpeg(1));
    assert_eq!(dir.run(&other).exits(0).classified_by_the_network(), 0);
    assert_eq!(dir.drain().exits(0).classified_by_the_network(), 0);
    assert_eq!(dir.count("classification"), 2);
}

#[test]
fn a_rejection_is_no_answer_for_a_copy() {
    let dir = Dir::new();
    let config = dir.config("folders = ['inbox']\nmin_side = 200");
    let config = config.to_str().unwrap();
    dir.old_file("a.jpg", &jpeg(1));
    dir.run(&["watch", "--drain", "--config", config]).exits(1);
    assert_eq!(dir.count("cutout WHERE reason = 'too_small'"), 1);
    // Were the first one's verdict taken over, the copy would be rejected by limits that are no longer set.
    dir.old_file("b.jpg", &jpeg(1));
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 1);
    assert_eq!(dir.count("catalog WHERE label IS NOT NULL"), 1);
}
