//! A model is rolled out beside the one in use, and the views change in one step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, and what they are made of"
)]

mod common;

use std::fs;
use std::path::Path;

use common::stream::{Site, finish};
use common::{Program, end, program, wait_for};

fn model(site: &Site) -> Program {
    let mut model = program("model");
    model.args(["--site", "survey", "--to", &site.server.address("owner")]);
    model.args(["--stream", &site.redis.address()]);
    model
}

/// Of each file all but when it was answered: files of one content share the answer that is kept.
const FILES: &str = "(SELECT path, digest, bytes, modified, reason, first_seen, updated, label, confidence, p_round, p_in_between,
    p_cigar, p_edge_on, p_spiral, entropy, model, rendering, framing, frame_x, flags, program_version FROM cutout)";

/// The digest of rows, by path.
fn rows(site: &Site, of: &str) -> String {
    let rows = format!("SELECT md5(string_agg(one::text, ' ' ORDER BY path)) FROM {of} AS one");
    site.server.client().query_one(&rows, &[]).unwrap().get(0)
}

#[test]
fn a_model_answers_beside_is_shown_in_one_step_and_taken_back() {
    let Some(site) = Site::start() else { return };
    let files = site.images(120);
    fs::write(site.root().join("broken.jpg"), "no image").unwrap();
    site.feed().succeeds();
    site.drain().succeeds();
    let candidate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/galmorph-1.onnx");
    let with_candidate = |work: &mut Program| work.arg("--model").arg(&candidate).spawn();
    // The answers that it is to give.
    let expected = {
        let other = Site::start().unwrap();
        let mut work = other.work_on_folder(&site.root());
        other.feed_folder(&site.root()).succeeds();
        end(with_candidate(work.arg("--drain")), Some(0));
        rows(
            &other,
            "(SELECT path, label, confidence, p_spiral, entropy, model FROM catalog)",
        )
    };
    let (before, shown) = (rows(&site, FILES), rows(&site, "catalog"));

    model(&site).args(["--feed", "2"]).fails(2);
    let beside = with_candidate(site.work().arg("--beside"));
    site.wait_for_rows("model", 2);
    let said = model(&site).args(["--feed", "2"]).succeeds();
    assert_eq!(said, format!("{files} added\n"));
    let is_done = || {
        let said = model(&site).succeeds();
        said.contains(&format!("0 show it, {files} have it beside, 0 lack it"))
    };
    wait_for(is_done);
    assert_eq!(rows(&site, FILES), before);
    assert_eq!(rows(&site, "catalog"), shown);
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "0 added\n");

    // In the middle of it, when no row is changed yet, the views show the new answers already.
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let switch = model(&site).args(["--use", "2"]).spawn();
    let new_ones =
        "SELECT count(*) FROM catalog JOIN model ON model.name = catalog.model WHERE model.id = 2";
    wait_for(|| site.number(new_ones) == files);
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE model = 2"),
        0
    );
    let answers = "(SELECT path, label, confidence, p_spiral, entropy, model FROM catalog)";
    assert_eq!(rows(&site, answers), expected);
    held.rollback().unwrap();
    end(switch, Some(0));
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE model = 2"),
        files
    );
    assert_eq!(rows(&site, answers), expected);
    // Both answers are kept.
    assert_eq!(
        site.number("SELECT count(*) FROM (SELECT DISTINCT path, model FROM probability) AS one"),
        2 * files
    );

    // A worker that still has the other model changes none of them.
    let work = site.work().spawn();
    site.add(&[("path", site.image(3).to_str().unwrap())]);
    wait_for(|| site.length() == 0);
    assert_eq!(rows(&site, answers), expected);
    // But a new file is answered by whoever takes it.
    fs::copy(site.image(3), site.root().join("new.jpg")).unwrap();
    site.feed().succeeds();
    wait_for(|| site.length() == 0);
    finish(work);
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE model = 1"),
        1
    );
    assert_eq!(site.report()["unaccounted"], 0);

    // Back, with the rows as they were.
    fs::remove_file(site.root().join("new.jpg")).unwrap();
    let remove = "DELETE FROM cutout WHERE path LIKE '%/new.jpg'";
    client.batch_execute(remove).unwrap();
    let said = model(&site).args(["--use", "1"]).succeeds();
    assert_eq!(said, format!("{files} files show it now\n"));
    assert_eq!(rows(&site, FILES), before);
    finish(beside);
}
