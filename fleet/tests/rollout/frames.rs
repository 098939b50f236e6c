//! One content, asked for in different frames.

use std::fs;

use crate::common::stream::{Site, finish, wait_for_words};
use crate::common::{Program, end, wait_for};
use crate::{candidate, lacks, model, with_candidate};

/// A worker that takes files one by one. The radius of an object says its frame.
fn one_by_one(mut work: Program) -> Program {
    work.args(["--pixel-scale", "0.396", "--batch", "1"]);
    work
}

fn add(site: &Site, number: usize, radius: &str) {
    fs::copy(site.image(0), site.image(number)).unwrap();
    let path = site.image(number);
    site.add(&[("path", path.to_str().unwrap()), ("radius", radius)]);
}

/// What the files show: their renderings, and how many answers.
fn frames(site: &Site) -> (String, i64) {
    let find =
        "SELECT string_agg(rendering, ', ' ORDER BY path), count(DISTINCT p_spiral) FROM cutout";
    let row = site.server.client().query_one(find, &[]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn a_content_in_two_frames_has_an_answer_for_each() {
    let Some(site) = Site::start() else { return };
    site.images(1);
    add(&site, 1, "8");
    add(&site, 2, "12");
    end(one_by_one(site.drain()).spawn(), Some(0));
    let before = frames(&site);
    assert_eq!(before.1, 2, "{before:?}");

    let mut work = one_by_one(site.work());
    let beside = with_candidate(work.arg("--beside"));
    site.wait_for_rows("model", 2);
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "2 added\n");
    wait_for(|| lacks(&site, 0));
    assert_eq!(
        site.number("SELECT count(*) FROM other_answer WHERE model = 2"),
        2
    );
    // A third frame lacks an answer, though its content has two.
    add(&site, 3, "10");
    end(one_by_one(site.drain()).spawn(), Some(0));
    assert!(lacks(&site, 1));
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "1 added\n");
    wait_for(|| lacks(&site, 0));
    finish(beside);

    let before = frames(&site);
    let said = model(&site).args(["--use", "2"]).succeeds();
    assert_eq!(said, "3 files show it now\n");
    let after = frames(&site);
    assert_eq!(after.0, before.0);
    assert_eq!(after.1, 3, "{after:?}");
}

#[test]
fn a_worker_that_frames_otherwise_says_so_and_its_answers_do_not_count() {
    let Some(site) = Site::start() else { return };
    site.images(1);
    add(&site, 1, "8");
    end(one_by_one(site.drain()).spawn(), Some(0));
    let said = site.folder.path().join("said");
    // It doesn't know how large a pixel is.
    let mut work = site.work();
    let beside = candidate(work.arg("--beside")).spawn_saying(&said);
    site.wait_for_rows("model", 2);
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "1 added\n");
    wait_for_words(&said, "to other frames than the files show: 1 ");
    site.wait_for_rows("other_answer", 1);
    assert!(lacks(&site, 1));
    let said = model(&site).args(["--use", "2"]).succeeds();
    assert!(said.starts_with("0 files show it now, 1 lack it"), "{said}");
    finish(beside);
}
