//! From one model to another, and back.

use std::fs;

use crate::common::stream::{Site, finish, wait_for_words};
use crate::common::{end, is_asked_to_end, terminate, wait_for};
use crate::{
    ANSWERS, FILES, is_settling, lacks, model, rolled_out, rows, shown, wait_for_a_lock,
    with_candidate,
};

#[test]
fn a_model_answers_beside_is_shown_in_one_step_and_taken_back() {
    let Some(site) = Site::start() else { return };
    let files = site.images(120);
    fs::write(site.root().join("broken.jpg"), "no image").unwrap();
    site.feed().succeeds();
    site.drain().succeeds();
    // The answers that it is to give.
    let expected = {
        let other = Site::start().unwrap();
        let mut work = other.work_on_folder(&site.root());
        other.feed_folder(&site.root()).succeeds();
        end(with_candidate(work.arg("--drain")), Some(0));
        rows(&other, ANSWERS)
    };
    let (before, catalog) = (rows(&site, FILES), rows(&site, "catalog"));

    model(&site).args(["--feed", "2"]).fails(2);
    let beside = with_candidate(site.work().arg("--beside"));
    site.wait_for_rows("model", 2);
    let said = model(&site).args(["--feed", "2"]).succeeds();
    assert_eq!(said, format!("{files} added\n"));
    wait_for(|| lacks(&site, 0));
    let said = model(&site).succeeds();
    let counts = format!("0 show it, {files} have it beside, 0 lack it");
    assert!(said.contains(&counts), "{said}");
    assert_eq!(rows(&site, FILES), before);
    assert_eq!(rows(&site, "catalog"), catalog);
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "0 added\n");

    // In the middle of it, when no row is changed yet, the views show the new answers already.
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let switch = model(&site).args(["--use", "2"]).spawn();
    wait_for(|| shown(&site, "survey", 2) == files);
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE model = 2"),
        0
    );
    assert_eq!(rows(&site, ANSWERS), expected);
    held.rollback().unwrap();
    end(switch, Some(0));
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE model = 2"),
        files
    );
    assert_eq!(rows(&site, ANSWERS), expected);
    // Both answers are kept.
    assert_eq!(
        site.number("SELECT count(*) FROM (SELECT DISTINCT path, model FROM probability) AS one"),
        2 * files
    );

    // Back, with the rows as they were.
    let said = model(&site).args(["--use", "1"]).succeeds();
    assert_eq!(said, format!("{files} files show it now\n"));
    assert_eq!(rows(&site, FILES), before);
    finish(beside);
}

#[test]
fn a_switch_that_is_asked_to_end_says_so_and_is_gone_on_with() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let said = site.folder.path().join("said");
    let switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    wait_for_a_lock(&site);
    terminate(&switch);
    wait_for(|| is_asked_to_end(&switch));
    held.rollback().unwrap();
    end(switch, Some(75));
    wait_for_words(&said, "the same command goes on with it");
    assert!(is_settling(&site));
    assert_eq!(shown(&site, "survey", 2), files);
    // The number is that of all files, whoever brought them.
    let said = model(&site).args(["--use", "2"]).succeeds();
    assert_eq!(said, format!("{files} files show it now\n"));
    assert!(!is_settling(&site));
    assert_eq!(shown(&site, "survey", 2), files);
}

#[test]
fn a_switch_says_how_many_files_lack_an_answer() {
    let Some((site, files)) = rolled_out(5) else {
        return;
    };
    let mut client = site.server.client();
    let one = "DELETE FROM other_answer WHERE digest = (SELECT digest FROM cutout ORDER BY path_key LIMIT 1)";
    client.batch_execute(one).unwrap();
    let said = model(&site).args(["--use", "2"]).succeeds();
    let rest = files - 1;
    assert_eq!(
        said,
        format!("{rest} files show it now, 1 lack it (--feed 2 has them answered)\n")
    );
}
