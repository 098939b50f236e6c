//! Workers with different models at one site.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::common::stream::{Site, finish};
use crate::common::{program, samples, wait_for};
use crate::{ANSWERS, FILES, drain_with_candidate, lacks, model, rolled_out, rows, with_candidate};

#[test]
fn the_first_answer_of_a_site_takes_its_model_into_use() {
    let Some(site) = Site::start() else { return };
    let files = site.images(10);
    let in_use = "SELECT coalesce(sum(model), 0)::bigint FROM model_in_use";
    site.feed().succeeds();
    // None by one that answers nothing.
    fs::write(site.image(0), "no image").unwrap();
    site.drain().args(["--batch", "1"]).succeeds();
    assert_eq!(site.number(in_use), 1);
    let before = rows(&site, FILES);
    // A worker with another model gets the same files.
    for number in 0..10 {
        site.add(&[("path", site.image(number).to_str().unwrap())]);
    }
    drain_with_candidate(&site);
    assert_eq!(rows(&site, FILES), before);
    let beside = "SELECT count(*) FROM other_answer WHERE model = 2";
    assert_eq!(site.number(beside), files - 1);
    let said = model(&site).succeeds();
    assert!(said.contains(", in use: 9 show it"), "{said}");
    // A site of an earlier version has the model that most of its files show.
    let view = include_str!("../../migrations/V3__model_in_use.sql");
    let view = view.split_once("CREATE OR REPLACE VIEW").unwrap().1;
    site.server
        .client()
        .batch_execute(&format!(
            "DROP VIEW catalog, night CASCADE; CREATE VIEW {view}
             DELETE FROM model_in_use; DROP INDEX cutout_model; DELETE FROM schema_version WHERE version >= 4"
        ))
        .unwrap();
    program("schema")
        .args(["--to", &site.server.address("owner")])
        .succeeds();
    assert_eq!(site.number(in_use), 1);
}

#[test]
fn what_an_earlier_worker_writes_after_a_switch_shows_the_model_in_use() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    model(&site).args(["--use", "2"]).succeeds();
    let expected = rows(&site, ANSWERS);
    let others = "SELECT count(*) FROM cutout WHERE model <> 2 OR model IS NULL";

    // The same files again.
    for number in 0..10 {
        site.add(&[("path", site.image(number).to_str().unwrap())]);
    }
    site.drain().succeeds();
    assert_eq!(rows(&site, ANSWERS), expected);

    // One that seems to end each worker.
    site.add_in_vain(&site.image(2));
    site.drain().succeeds();
    assert_eq!(rows(&site, ANSWERS), expected);

    // One that was touched.
    let touched = File::options().write(true).open(site.image(3)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    touched.set_modified(time).unwrap();
    assert!(site.feed().succeeds().ends_with(" 1 added\n"));
    site.drain().succeeds();
    assert_eq!(site.number(others), 0);
    assert_eq!(rows(&site, ANSWERS), expected);
    assert!(site.feed().succeeds().ends_with(" 0 added\n"));

    // One that could not be read for a while.
    let away = site.folder.path().join("away");
    fs::rename(site.image(4), &away).unwrap();
    site.add(&[("path", site.image(4).to_str().unwrap())]);
    site.drain().args(["--patience", "0"]).succeeds();
    assert_eq!(site.row(&site.image(4)).1.as_deref(), Some("unreadable"));
    fs::rename(&away, site.image(4)).unwrap();
    assert!(site.feed().succeeds().ends_with(" 1 added\n"));
    site.drain().succeeds();
    assert_eq!(site.number(others), 0);
    assert_eq!(rows(&site, ANSWERS), expected);

    // A new file with a content that is known.
    fs::copy(site.image(5), site.image(10)).unwrap();
    site.feed().succeeds();
    site.drain().succeeds();
    assert_eq!(site.number(others), 0);

    // Contents that the model in use has not seen: that is said, and fed, and then shown without another switch.
    let new = samples()[20].clone();
    fs::copy(&new, site.image(6)).unwrap();
    fs::copy(&new, site.image(11)).unwrap();
    assert!(site.feed().succeeds().ends_with(" 2 added\n"));
    site.drain().succeeds();
    assert_eq!(site.number(others), 2);
    assert!(lacks(&site, 2));
    assert_eq!(site.report()["lacking"], 2);
    let beside = with_candidate(site.work().arg("--beside"));
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "2 added\n");
    wait_for(|| site.number(others) == 0);
    finish(beside);
    assert_eq!(site.report()["lacking"], 0);
    let said = model(&site).args(["--use", "2"]).succeeds();
    assert_eq!(said, format!("{} files show it now\n", files + 2));
}
