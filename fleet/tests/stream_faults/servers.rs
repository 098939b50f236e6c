//! Servers that stop, are lost, or have no room.

use crate::common::postgres::Server;
use crate::common::redis::Redis;
use crate::common::stream::{Site, finish, wait_for_words};
use crate::common::{Mount, end, stop, wait_for};
use std::fs;

#[test]
fn postgresql_that_is_stopped_is_waited_for() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let files = site.images(200);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--batch", "20"]).spawn_saying(&said);
    site.wait_for_rows("cutout", 20);
    // It stands still until the server is gone, so it is in the middle then.
    let worker = stop(worker);
    let rows = site.server.count("cutout");
    site.server.stop("-INT");
    let worker = worker.wakes();
    wait_for_words(&said, "trying again in 2 s");
    // What may have been committed and not acknowledged is one batch.
    let left = site.length();
    assert!(
        left >= files - rows,
        "{left} of {files} are left with {rows} rows"
    );
    assert!(left > 0, "the worker was to be in the middle");
    site.server.run();
    end(worker, Some(0));
    site.assert_all_done(files);
    // One that isn't there when a worker and a feeder begin.
    site.server.stop("-QUIT");
    let new = site.root().join("new.jpg");
    fs::copy(site.image(0), new).unwrap();
    let [feeding, working] = ["feeding", "working"].map(|name| site.folder.path().join(name));
    let feeder = site.feed().spawn_saying(&feeding);
    let worker = site.work().spawn_saying(&working);
    for said in [&feeding, &working] {
        wait_for_words(said, "trying again");
    }
    site.server.run();
    end(feeder, Some(0));
    site.wait_for_rows("cutout", files + 1);
    finish(worker);
    site.assert_all_done(files + 1);
}

#[test]
fn redis_that_is_killed_is_waited_for_and_one_that_is_lost_is_fed_again() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let files = site.images(250);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let worker = site.work().args(["--batch", "10"]).spawn_saying(&said);
    // With its file, it goes on where it was.
    site.wait_for_rows("cutout", 20);
    site.redis.kill();
    wait_for_words(&said, "trying again");
    site.redis.run();
    site.wait_for_rows("cutout", 80);
    // Without, what was on it is gone, and feeding once more brings back what has no row.
    site.redis.kill();
    site.redis.wipe();
    site.redis.run();
    let feeding = site.feed().succeeds();
    assert!(!feeding.contains(" 0 added"), "{feeding}");
    site.wait_for_rows("cutout", files);
    wait_for(|| site.length() == 0);
    // And a stream that is emptied while workers wait for it.
    redis::cmd("FLUSHALL")
        .query::<()>(&mut site.redis.connection())
        .unwrap();
    fs::copy(site.image(0), site.root().join("new.jpg")).unwrap();
    site.feed().succeeds();
    site.wait_for_rows("cutout", files + 1);
    finish(worker);
    site.assert_all_done(files + 1);
}

#[test]
fn a_full_disk_of_postgresql_is_waited_for() {
    let mut mount = None;
    let server = Server::start_in(|disk| {
        mount = Mount::tmpfs(disk, "80m");
        mount.is_some()
    });
    let Some(server) = server else { return };
    let Some(redis) = Redis::start() else { return };
    let mut site = Site::of(redis, server);
    let files = site.images(200);
    site.feed().succeeds();
    let disk = site.server.data().parent().unwrap().to_owned();
    // Somebody else's file takes all the room.
    let taken = disk.join("taken");
    let all = fs::write(&taken, vec![0_u8; 100 << 20]).unwrap_err();
    assert_eq!(all.kind(), std::io::ErrorKind::StorageFull);
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--batch", "50"]).spawn_saying(&said);
    wait_for_words(&said, "No space left on device");
    assert!(site.length() > 0);
    fs::remove_file(&taken).unwrap();
    // The server may have crashed on it, and not have been able to recover.
    site.server.run_if_ended();
    end(worker, Some(0));
    site.assert_all_done(files);
    drop(site);
}
