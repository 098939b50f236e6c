//! Clocks that are five minutes off. They say when something happened, and decide nothing.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::common::clock::clock_off;
use crate::common::stream::{Site, finish};
use crate::common::{samples, stop, wait_for};

fn words(wrapper: &[String]) -> Vec<&str> {
    wrapper.iter().map(String::as_str).collect()
}

#[test]
fn machines_whose_clocks_are_off_lose_and_double_nothing() {
    let (Some(ahead), Some(behind)) = (clock_off("+5m"), clock_off("-5m")) else {
        return;
    };
    let (ahead, behind) = (words(&ahead), words(&behind));
    let Some(site) = Site::start() else { return };
    let files = site.images(200);
    assert!(site.feed().under(&behind).success());
    assert_eq!(site.length(), files);
    // Their clocks are ten minutes apart, and one of them is killed with something in its hands.
    let mut first = site.work().args(["--batch", "20"]).spawn_under(&ahead);
    site.wait_for_rows("cutout", 20);
    site.wait_for_work();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(
        site.drain()
            .args(["--batch", "20"])
            .under(&behind)
            .success()
    );
    let apart = "SELECT extract(epoch FROM max(first_seen) - min(first_seen))::bigint FROM cutout";
    assert!(site.number(apart) > 500, "the clocks were off");
    site.assert_all_done(files);
    assert!(site.feed().under(&ahead).success());
    assert_eq!(site.length(), 0);
    // What is newer is what was there when the file was read. Here, the first answer says that it is from the future.
    let changed = site.image(0);
    for (text, clock) in [("no image any more", &ahead), ("none at all", &behind)] {
        fs::write(&changed, text).unwrap();
        assert!(site.feed().under(&ahead).success());
        assert!(site.drain().under(clock).success());
    }
    let found = format!(
        "SELECT bytes FROM cutout WHERE path = '{}'",
        changed.to_str().unwrap()
    );
    assert_eq!(site.number(&found), "none at all".len() as i64);
    assert_eq!(site.server.count("cutout"), files);
}

#[test]
fn a_clock_of_redis_that_is_set_forward_has_workers_taken_over_from_and_doubles_nothing() {
    let Some(site) = Site::start() else { return };
    let files = site.images(250);
    site.feed().succeeds();
    // They may be silent for longer than this test takes.
    let worker = site.work_silent_for("250").args(["--batch", "20"]).spawn();
    site.wait_for_rows("cutout", 20);
    site.wait_for_work();
    let worker = stop(worker);
    // Its clock can't be set here, but what that does can: all that is held was held for five minutes.
    let held = site.set_back(300_000);
    assert!(held > 0);
    let said = site
        .work_silent_for("250")
        .args(["--drain", "-vv"])
        .ends(0)
        .1;
    assert!(said.contains("over from"), "{said}");
    assert_eq!(site.length(), 0);
    // It was alive all the time, and has in its hands what others have done.
    finish(worker.wakes());
    site.assert_all_done(files);
}

#[test]
fn a_file_that_is_being_rewritten_is_accounted_for_by_its_row() {
    // For a feeder whose clock stands still where 2030 begins, it is being written for ever.
    let Some(clock) = clock_off("2030-01-01 00:00:00") else {
        return;
    };
    let Some(site) = Site::start() else { return };
    let files = site.images(5);
    site.feed().succeeds();
    site.drain().succeeds();
    for (number, sample) in [(2, 7), (5, 8)] {
        fs::copy(&samples()[sample], site.image(number)).unwrap();
        let file = File::options().write(true).open(site.image(number));
        let time = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 21_915);
        file.unwrap().set_modified(time).unwrap();
    }
    let looked = "SELECT (extract(epoch FROM max(looked)) * 1e6)::bigint FROM feeder";
    let before = site.number(looked);
    let mut feed = site.feed();
    let feeder = feed.args(["--watch", "1"]).spawn_under(&words(&clock));
    wait_for(|| site.number(looked) > before);
    finish(feeder);
    // The one has a row of what it was; the other one is new, and is fed when it is whole.
    assert_eq!(site.length(), 0);
    let report = site.report();
    assert_eq!(report["fed"], files);
    assert_eq!(report["unaccounted"], 0);
}
