//! The view that all sites share: it is the slow one as long as any of them needs it, and never takes back what it showed.

use postgres::Transaction;

use crate::common::machine::Machine;
use crate::common::stream::{Site, finish, wait_for_words};
use crate::common::{end, program, wait_for};
use crate::{
    WRITE, is_settling, model, model_at, rolled_out, says_that_it_waits, shown, wait_for_a_lock,
};

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

/// Takes the answer of model 2 to the first file away, and keeps it in a table. Returns the statement that brings it back.
fn without_one_answer(site: &Site) -> &'static str {
    let one = "CREATE TABLE late AS SELECT * FROM other_answer
            WHERE model = 2 AND digest = (SELECT digest FROM cutout ORDER BY path_key LIMIT 1);
         DELETE FROM other_answer WHERE model = 2 AND digest IN (SELECT digest FROM late)";
    site.server.client().batch_execute(one).unwrap();
    "INSERT INTO other_answer SELECT * FROM late"
}

/// It is shown when it is brought to its row.
#[test]
fn an_answer_that_comes_during_a_switch_is_not_taken_back() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let answer = without_one_answer(&site);
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let switch = model(&site).args(["--use", "2"]).spawn();
    wait_for(|| shown(&site, "survey", 2) == files - 1);
    wait_for_a_lock(&site);
    // For another file of the same content.
    site.server.client().batch_execute(answer).unwrap();
    assert_eq!(shown(&site, "survey", 2), files - 1);
    held.rollback().unwrap();
    end(switch, Some(0));
    assert_eq!(shown(&site, "survey", 2), files - 1);
    assert!(!is_settling(&site));
    assert_eq!(site.report()["beside"], 1);
    let said = model(&site).args(["--use", "2"]).succeeds();
    assert_eq!(said, format!("{files} files show it now\n"));
}

/// A worker that was there before the switch doesn't know of it, and leaves its answer beside.
#[test]
fn an_answer_that_is_written_as_a_switch_begins_is_shown_with_the_others() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let answer = without_one_answer(&site);
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let mut worker = site.server.client();
    let mut commit = worker.transaction().unwrap();
    commit.batch_execute(WRITE).unwrap();
    let switch = model(&site).args(["--use", "2"]).spawn();
    wait_for_a_lock(&site);
    commit.batch_execute(answer).unwrap();
    commit.commit().unwrap();
    let mut seen = 0;
    wait_for(|| {
        seen = shown(&site, "survey", 2);
        seen > 0
    });
    assert_eq!(seen, files);
    held.rollback().unwrap();
    end(switch, Some(0));
    assert_eq!(shown(&site, "survey", 2), files);
}

/// Whoever writes after the beginning brings the answers to its own rows.
#[test]
fn a_switch_comes_to_its_end_while_somebody_writes() {
    let Some((site, files)) = rolled_out(10) else {
        return;
    };
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT path FROM cutout FOR UPDATE", &[])
        .unwrap();
    let said = site.folder.path().join("said");
    let mut switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    wait_for(|| shown(&site, "survey", 2) == files);
    wait_for_a_lock(&site);
    let mut worker = site.server.client();
    let mut writes = worker.transaction().unwrap();
    writes.batch_execute(WRITE).unwrap();
    held.rollback().unwrap();
    wait_for(|| says_that_it_waits(&said) || switch.try_wait().unwrap().is_some());
    assert!(!says_that_it_waits(&said));
    end(switch, Some(0));
    assert!(!is_settling(&site));
    writes.rollback().unwrap();
    assert_eq!(shown(&site, "survey", 2), files);
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
fn a_switch_waits_for_a_ship_that_writes() {
    let Some((site, files)) = rolled_out(3) else {
        return;
    };
    let machine = Machine::new(3);
    let mut client = site.server.client();
    let mut held = client.transaction().unwrap();
    // A ship has written its rows, and is not at the end of its transaction.
    held.batch_execute("LOCK TABLE block IN SHARE MODE")
        .unwrap();
    let ship = program("ship")
        .args(["--once", "--site", "north", "--to"])
        .arg(site.server.address("north"))
        .arg("--catalog")
        .arg(machine.catalog())
        .spawn();
    wait_for_a_lock(&site);
    let said = site.folder.path().join("said");
    let mut switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    wait_for(|| says_that_it_waits(&said) || switch.try_wait().unwrap().is_some());
    assert_eq!(shown(&site, "survey", 1), files);
    held.rollback().unwrap();
    end(ship, Some(0));
    end(switch, Some(0));
    assert_eq!(shown(&site, "survey", 2), files);
    let shipped = "SELECT count(*) FROM cutout WHERE site = 'north'";
    assert_eq!(site.number(shipped), 3);
}

/// Whether a switch waits for the view, and whether it holds up those who write.
fn waits_for_the_view(site: &Site) -> (bool, bool) {
    let find = "SELECT coalesce(bool_or(locktype = 'relation' AND NOT granted), false),
             coalesce(bool_or(locktype = 'advisory' AND objid = x'676C6D74'::int), false)
         FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'galmorph-fleet'";
    let row = site.server.client().query_one(find, &[]).unwrap();
    (row.get(0), row.get(1))
}

/// The question has half of the patience that the program has with other locks.
#[test]
fn a_switch_waits_for_a_long_question_and_holds_up_no_short_one_and_nobody_who_writes() {
    let Some((site, files)) = rolled_out(3) else {
        return;
    };
    let mut client = site.server.client();
    // Somebody reads for long.
    let mut reader = client.transaction().unwrap();
    let count = "SELECT count(*) FROM catalog";
    let all = |client: &mut Transaction| client.query_one(count, &[]).unwrap().get::<_, i64>(0);
    assert_eq!(all(&mut reader), files);
    let said = site.folder.path().join("said");
    let switch = model(&site).args(["--use", "2"]).spawn_saying(&said);
    let mut writers_wait = false;
    wait_for(|| {
        let (waits, holds) = waits_for_the_view(&site);
        writers_wait = holds;
        waits
    });
    assert!(!writers_wait);
    // Whoever asks now waits behind the switch.
    let mut other = site.server.client();
    let mut question = other.transaction().unwrap();
    question
        .batch_execute("SET LOCAL lock_timeout = '30s'")
        .unwrap();
    assert_eq!(all(&mut question), files);
    question.commit().unwrap();
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
