//! A network that loses what is sent, in one way.

use std::thread;
use std::time::Duration;

use crate::common::network::{Branch, Peer, Way};
use crate::common::stream::{Site, finish};
use crate::common::{is_long, wait_for};

/// One of two workers is cut off from a server until the other one has done all the work and something that it has sent was lost,
/// and in the long form ten seconds at least. Then it is back, with whatever it had in its hands and on its connections.
fn cut(peer: Peer, way: Way) {
    let Some(branch) = Branch::new() else { return };
    let Some(site) = Site::start_open_to(&branch) else {
        return;
    };
    let files = site.images(if is_long() { 2000 } else { 150 });
    site.feed().succeeds();
    let far = site
        .work_on(&branch)
        .args(["--batch", "20"])
        .spawn_under(&branch.wrapper());
    site.wait_for_rows("cutout", 20);
    site.wait_for_work();
    let sent_again = branch.sent_again();
    branch.cut(peer, way);
    if is_long() {
        thread::sleep(Duration::from_secs(10));
    }
    site.drain().args(["--batch", "20"]).succeeds();
    assert_eq!(site.server.count("cutout"), files);
    wait_for(|| branch.sent_again() > sent_again);
    branch.mend(peer, way);
    // It works again: of a new file it is the only one that can write the row.
    let new = site.root().join("new.jpg");
    std::fs::copy(site.image(0), &new).unwrap();
    site.feed().succeeds();
    site.wait_for_rows("cutout", files + 1);
    wait_for(|| site.length() == 0);
    finish(far);
    site.assert_all_done(files + 1);
}

#[test]
fn a_worker_that_redis_does_not_hear_is_taken_over_from_and_comes_back() {
    cut(Peer::Redis, Way::There);
}

#[test]
fn a_worker_that_does_not_hear_redis_is_taken_over_from_and_comes_back() {
    cut(Peer::Redis, Way::Back);
}

#[test]
fn a_worker_that_postgresql_does_not_hear_is_taken_over_from_and_comes_back() {
    cut(Peer::Postgres, Way::There);
}

#[test]
fn a_worker_that_does_not_hear_postgresql_is_taken_over_from_and_comes_back() {
    cut(Peer::Postgres, Way::Back);
}
