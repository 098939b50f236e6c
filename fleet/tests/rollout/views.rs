//! The view that all sites share: it is the slow one as long as any of them needs it, and never takes back what it showed.

use crate::common::stream::{Site, finish, wait_for_words};
use crate::common::{end, wait_for};
use crate::{is_settling, model, model_at, rolled_out, shown, wait_for_a_lock};

#[test]
fn a_switch_of_one_site_takes_nothing_back_at_another() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let mut client = site.server.client();
    // Another site that has the same images.
    client
        .batch_execute(
            "INSERT INTO source (site, name, catalog) VALUES ('other', 'stream', 'stream');
             CREATE TEMPORARY TABLE theirs AS SELECT * FROM cutout;
             UPDATE theirs SET site = 'other', source = (SELECT id FROM source WHERE site = 'other');
             INSERT INTO cutout SELECT * FROM theirs;
             INSERT INTO model_in_use VALUES ('other', 1, now())",
        )
        .unwrap();
    // Its switch is killed before a row is brought.
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let mut switch = model_at(&site, "other").args(["--use", "2"]).spawn();
    wait_for_a_lock(&site);
    switch.kill().unwrap();
    switch.wait().unwrap();
    held.rollback().unwrap();
    let connected =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'galmorph-fleet'";
    wait_for(|| site.number(connected) == 0);
    let brought = "SELECT count(*) FROM cutout WHERE site = 'other' AND model = 2";
    assert_eq!(site.number(brought), 0);
    assert_eq!(shown(&site, "other", 2), files);

    let (out, said) = model(&site).args(["--use", "2"]).ends(0);
    assert_eq!(out, format!("{files} files show it now\n"));
    assert_eq!(shown(&site, "survey", 2), files);
    assert_eq!(shown(&site, "other", 2), files);
    assert!(
        said.contains("a switch at 'other' is not at its end"),
        "{said}"
    );
    // Until that, too, is at its end.
    model_at(&site, "other").args(["--use", "2"]).succeeds();
    assert!(!is_settling(&site));
    assert_eq!(shown(&site, "other", 2), files);
}

#[test]
fn an_answer_that_comes_during_a_switch_is_not_taken_back() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let mut client = site.server.client();
    client
        .batch_execute(
            "CREATE TABLE late AS SELECT * FROM other_answer
             WHERE digest = (SELECT digest FROM cutout ORDER BY path_key LIMIT 1);
             DELETE FROM other_answer WHERE digest IN (SELECT digest FROM late)",
        )
        .unwrap();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let said = site.folder.path().join("said");
    let mut switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    wait_for(|| shown(&site, "survey", 2) == files - 1);
    wait_for_a_lock(&site);
    // A worker is about to commit the last answer when the rows are brought.
    let mut worker = site.server.client();
    let mut commit = worker.transaction().unwrap();
    commit
        .batch_execute(&format!(
            "SELECT pg_advisory_xact_lock_shared({}); INSERT INTO other_answer SELECT * FROM late",
            0x676C_6D74
        ))
        .unwrap();
    held.rollback().unwrap();
    let is_waiting = || {
        std::fs::read_to_string(&said)
            .unwrap()
            .contains("waiting for")
    };
    wait_for(|| is_waiting() || switch.try_wait().unwrap().is_some());
    commit.commit().unwrap();
    assert_eq!(shown(&site, "survey", 2), files);
    end(switch, Some(0));
    assert_eq!(shown(&site, "survey", 2), files);
    assert!(!is_settling(&site));
}

/// What the change of the view holds alone, a worker holds with all others before it writes.
#[test]
fn a_worker_writes_nothing_while_the_view_changes() {
    let Some(site) = Site::start() else { return };
    let files = site.images(3);
    site.feed().succeeds();
    let mut client = site.server.client();
    let mut alone = client.transaction().unwrap();
    let hold = format!("SELECT pg_advisory_xact_lock({})", 0x676C_6D74);
    alone.batch_execute(&hold).unwrap();
    let work = site.work().spawn();
    wait_for_a_lock(&site);
    let rows = "SELECT count(*) FROM cutout";
    assert_eq!(site.number(rows), 0);
    alone.rollback().unwrap();
    wait_for(|| site.number(rows) == files);
    finish(work);
}

#[test]
fn a_switch_waits_for_a_long_question_and_holds_up_no_short_one() {
    let Some((site, files)) = rolled_out(3) else {
        return;
    };
    let mut client = site.server.client();
    // Somebody reads for long.
    let mut reader = client.transaction().unwrap();
    let count = "SELECT count(*) FROM catalog";
    assert_eq!(
        reader.query_one(count, &[]).unwrap().get::<_, i64>(0),
        files
    );
    let said = site.folder.path().join("said");
    let switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    wait_for_words(&said, "waiting for a long question");
    assert_eq!(shown(&site, "survey", 1), files);
    reader.commit().unwrap();
    end(switch, Some(0));
    assert_eq!(shown(&site, "survey", 2), files);
}

#[test]
fn a_column_of_somebody_else_may_have_any_name() {
    let Some((site, files)) = rolled_out(3) else {
        return;
    };
    let add = r#"ALTER TABLE cutout ADD COLUMN "Field, of ""ours""" text DEFAULT 'north'"#;
    site.server.client().batch_execute(add).unwrap();
    model(&site).args(["--use", "2"]).succeeds();
    assert_eq!(shown(&site, "survey", 2), files);
}
