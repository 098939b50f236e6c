//! A model is rolled out beside the one in use, and the views change in one step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, and what they are made of"
)]

#[path = "../common/mod.rs"]
mod common;

mod copies;
mod frames;
mod mixed;
mod switch;
mod views;

use std::path::Path;
use std::process::Child;

use common::stream::{Site, finish};
use common::{Program, end, program, wait_for};

/// `model`, of the site.
fn model(site: &Site) -> Program {
    model_at(site, "survey")
}

/// The same of a site with another name.
fn model_at(site: &Site, name: &str) -> Program {
    let mut model = program("model");
    model.args(["--site", name, "--to", &site.server.address("owner")]);
    model.args(["--stream", &site.redis.address()]);
    model
}

/// A worker with the model that is rolled out: its number is 2.
fn candidate(work: &mut Program) -> &mut Program {
    let candidate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zhu2019-small.onnx");
    work.arg("--model").arg(candidate)
}

/// The same, started.
fn with_candidate(work: &mut Program) -> Child {
    candidate(work).spawn()
}

/// A site whose files show the answers of model 1, and have those of model 2 beside; with the number of the files.
fn rolled_out(count: usize) -> Option<(Site, i64)> {
    let site = Site::start()?;
    let files = site.images(count);
    site.feed().succeeds();
    site.drain().succeeds();
    let beside = with_candidate(site.work().arg("--beside"));
    site.wait_for_rows("model", 2);
    let said = model(&site).args(["--feed", "2"]).succeeds();
    assert_eq!(said, format!("{files} added\n"));
    wait_for(|| lacks(&site, 0));
    finish(beside);
    Some((site, files))
}

/// Whether so many files lack an answer of model 2.
fn lacks(site: &Site, files: i64) -> bool {
    let said = model(site).succeeds();
    let mut lines = said.lines();
    let line = lines.find(|line| line.starts_with("model 2: ")).unwrap();
    line.ends_with(&format!(" {files} lack it"))
}

/// How many files show a model in the catalog.
fn shown(site: &Site, name: &str, model: i32) -> i64 {
    let count = "SELECT count(*) FROM catalog JOIN model ON model.name = catalog.model WHERE site = $1 AND model.id = $2";
    let row = site.server.client().query_one(count, &[&name, &model]);
    row.unwrap().get(0)
}

/// Whether the views look for answers beside the rows.
fn is_settling(site: &Site) -> bool {
    let view = "SELECT pg_get_viewdef('shown'::regclass) LIKE '%other_answer%'";
    site.server.client().query_one(view, &[]).unwrap().get(0)
}

/// Waits until a switch waits for somebody else's lock.
fn wait_for_a_lock(site: &Site) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'galmorph-fleet' AND wait_event_type = 'Lock'";
    wait_for(|| site.number(waits) > 0);
}

/// Whether a switch has said that it waits for others.
fn says_that_it_waits(said: &Path) -> bool {
    let said = std::fs::read_to_string(said).unwrap();
    said.contains("waiting for a long question")
}

/// What has somebody write rows or answers, until the transaction ends.
const WRITE: &str = "SELECT pg_advisory_xact_lock_shared(x'676C6D74'::int)";

/// Of each file all but when it was answered: files of one content share the answer that is kept.
const FILES: &str = "(SELECT path, digest, bytes, modified, reason, first_seen, updated, label, confidence, p_round, p_in_between,
    p_cigar, p_edge_on, p_spiral, entropy, model, rendering, framing, frame_x, flags, program_version FROM cutout)";

/// What the catalog says of files.
const ANSWERS: &str = "(SELECT path, label, confidence, p_spiral, entropy, model FROM catalog)";

/// The digest of rows, by path.
fn rows(site: &Site, of: &str) -> String {
    let rows = format!("SELECT md5(string_agg(one::text, ' ' ORDER BY path)) FROM {of} AS one");
    site.server.client().query_one(&rows, &[]).unwrap().get(0)
}

/// Runs a worker to its end.
fn drain_with_candidate(site: &Site) {
    end(with_candidate(&mut site.drain()), Some(0));
}
