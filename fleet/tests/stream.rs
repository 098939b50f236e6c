//! Files that go through a stream: each has one row in the end, whatever it is, and is worked on once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, and what they are made of"
)]

mod common;

use std::fs;
use std::process::Command;

use common::expect::rows_as_of_an_archive;
use common::machine::Machine;
use common::stream::{Site, finish, wait_for_words};
use common::{end, program, wait_for};

#[test]
fn what_is_fed_is_answered_as_run_answers_it_and_feeding_again_adds_nothing() {
    let Some(site) = Site::start() else { return };
    site.images(20);
    fs::write(site.image(20), "no image").unwrap();
    let other = site.root().join("a b%41\u{e9}.jpg");
    fs::copy(site.image(0), &other).unwrap();
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 0 answered, 0 rejected, 0 waiting, 22 added\n"
    );
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 0 answered, 0 rejected, 22 waiting, 0 added\n"
    );
    let report = site.report();
    assert_eq!(
        (&report["waiting"], &report["unaccounted"]),
        (&22.into(), &0.into())
    );
    assert_eq!(
        site.drain().succeeds(),
        "21 answered, 1 rejected, 0 known already\n"
    );
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 21 answered, 1 rejected, 0 waiting, 0 added\n"
    );
    site.assert_all_done(22);

    rows_as_of_an_archive(&site.server, &site.root(), site.folder.path());

    let page = site.folder.path().join("page.prom");
    site.status()
        .args(["--format", "prometheus", "--out"])
        .arg(&page)
        .succeeds();
    let page = fs::read_to_string(page).unwrap();
    for line in [
        r#"galmorph_fleet_files{site="survey",state="answered"} 21"#,
        r#"galmorph_fleet_files{site="survey",state="unaccounted"} 0"#,
        r#"galmorph_fleet_files_rejected{site="survey",reason="not_an_image"} 1"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{page}");
    }
    let said = site.status().succeeds();
    assert!(said.contains("1 rejected (not_an_image 1)"), "{said}");
}

#[test]
fn two_workers_share_and_none_does_what_the_other_does() {
    let Some(site) = Site::start() else { return };
    let files = site.images(300);
    // However slow the machine is, neither takes over from the other.
    let work = || site.work_silent_for("600").args(["--batch", "8"]).spawn();
    let workers = [work(), work()];
    // Both are there before there is anything to do.
    site.wait_for_rows("worker", 2);
    site.feed().succeeds();
    site.wait_for_rows("cutout", files);
    for worker in workers {
        finish(worker);
    }
    site.assert_all_done(files);
    assert_eq!(
        site.number("SELECT count(*) FROM worker WHERE answered > 0 AND known = 0"),
        2
    );
    assert_eq!(
        site.number("SELECT count(*) FROM worker WHERE ended IS NULL"),
        0
    );
}

#[test]
fn a_worker_that_is_asked_to_end_finishes_what_it_has() {
    let Some(site) = Site::start() else { return };
    let files = site.images(300);
    site.feed().succeeds();
    let worker = site.work().spawn();
    site.wait_for_rows("cutout", 1);
    finish(worker);
    // What it took has rows and is gone from the stream, and the rest waits.
    assert_eq!(site.held(), []);
    let rows = site.server.count("cutout");
    assert!(rows < files, "the worker was to end before the stream does");
    assert_eq!(rows + site.length(), files);
    site.drain().succeeds();
    site.assert_all_done(files);
}

#[test]
fn a_file_that_comes_late_is_waited_for_and_one_that_never_comes_has_a_row() {
    let Some(site) = Site::start() else { return };
    site.images(3);
    let [late, never] = ["late", "never"].map(|name| site.root().join(format!("{name}.jpg")));
    let list = site.folder.path().join("list");
    let names: Vec<String> = [&site.image(0), &late, &site.image(1), &never]
        .iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    fs::write(&list, names.join("\n")).unwrap();
    let feed = || {
        let mut feed = site.feed_list(&list);
        feed.succeeds()
    };
    assert!(feed().ends_with("4 added\n"));
    let worker = site.drain().args(["--patience", "8"]).spawn();
    // The others don't wait for them. They are acknowledged after they are committed.
    site.wait_for_rows("cutout", 2);
    wait_for(|| site.length() == 2);
    fs::copy(site.image(2), &late).unwrap();
    end(worker, Some(0));
    site.assert_all_done(4);
    assert!(site.row(&late).0.is_some());
    assert_eq!(site.row(&never).1.as_deref(), Some("unreadable"));
    // It is not fed again as long as it isn't there, and is when it is.
    assert!(feed().ends_with("0 added\n"));
    fs::copy(site.image(2), &never).unwrap();
    assert!(feed().ends_with("1 added\n"));
    site.drain().succeeds();
    assert!(site.row(&never).0.is_some());
    assert_eq!(site.server.count("cutout"), 4);
}

#[test]
fn while_a_folder_is_away_none_of_its_files_is_missing() {
    let Some(site) = Site::start() else { return };
    let files = site.images(5);
    site.feed().succeeds();
    // As a mount that is gone: the folder is empty.
    let (root, aside) = (site.root(), site.folder.path().join("aside"));
    fs::rename(&root, &aside).unwrap();
    site.root();
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--patience", "0"]).spawn_saying(&said);
    wait_for_words(&said, "waiting for it");
    assert_eq!(site.server.count("cutout"), 0);
    fs::remove_dir(&root).unwrap();
    fs::rename(&aside, &root).unwrap();
    end(worker, Some(0));
    site.assert_all_done(files);
}

#[test]
fn a_stream_does_not_grow_beyond_its_length() {
    let Some(site) = Site::start() else { return };
    let files = site.images(60);
    let feeder = site.feed().args(["--longest", "25"]).spawn();
    wait_for(|| site.length() == 25);
    let worker = site.work().args(["--batch", "4"]).spawn();
    // It goes on as there is room, and ends.
    let longest = {
        let mut longest = 0;
        wait_for(|| {
            longest = longest.max(site.length());
            site.server.count("cutout") == files
        });
        longest
    };
    end(feeder, Some(0));
    finish(worker);
    assert_eq!(longest, 25);
    site.assert_all_done(files);
}

#[test]
fn what_is_no_reference_and_what_lies_elsewhere_is_not_read() {
    let Some(site) = Site::start() else { return };
    let files = site.images(2);
    site.feed().succeeds();
    site.add(&[("name", "no path")]);
    site.add(&[("path", "relative.jpg")]);
    let pipe = site.root().join("pipe.jpg");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    site.add(&[("path", pipe.to_str().unwrap())]);
    let elsewhere = site.folder.path().join("elsewhere.jpg");
    fs::copy(site.image(0), &elsewhere).unwrap();
    let address = format!("file://{}", elsewhere.to_str().unwrap());
    site.add(&[
        ("path", &address),
        ("object_id", "7"),
        ("ra", "150.5"),
        ("dec", "2.25"),
    ]);
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--patience", "0"]).spawn_saying(&said);
    end(worker, Some(0));
    let said = fs::read_to_string(said).unwrap();
    assert!(said.contains("it has no path"), "{said}");
    assert!(
        said.contains("is in none of this worker's folders"),
        "{said}"
    );
    assert_eq!(site.row(&pipe).1.as_deref(), Some("unreadable"));
    // No worker has its folder, so it is given up in the end. What the stream said of it is kept.
    assert_eq!(site.row(&elsewhere).1.as_deref(), Some("given_up"));
    let of_object = "SELECT count(*) FROM cutout WHERE object_id = '7' AND ra = 150.5 AND dec = 2.25 AND digest IS NULL";
    assert_eq!(site.number(of_object), 1);
    assert_eq!(site.server.count("cutout"), files + 2);
    assert_eq!(site.length(), 0);
    // Its folder under another name.
    let mut work = site.drain();
    work.arg(format!("/far={}", site.root().to_str().unwrap()));
    site.add(&[("path", "/far/0000.jpg")]);
    work.succeeds();
    assert!(site.row("/far/0000.jpg".as_ref()).0.is_some());
}

#[test]
fn roles_with_the_rights_that_the_page_names_can_work_and_read() {
    let page = include_str!("../../docs/fleet.md");
    let mut blocks = page
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let rights = blocks
        .find(|block| block.contains("TO writers;"))
        .expect("docs/fleet.md gives rights");
    let rights = rights.replace("writers", "galmorph_writer");
    let rights = rights.replace("readers", "galmorph_reader");
    let Some(site) = Site::start_with(|server| {
        let schema = ["--no-roles", "--to", &server.address("owner")];
        program("schema").args(schema).succeeds();
        let mut client = server.client();
        let roles = "CREATE ROLE galmorph_writer; CREATE ROLE galmorph_reader; CREATE ROLE anna LOGIN IN ROLE galmorph_reader";
        client.batch_execute(roles).unwrap();
        client.batch_execute(&rights).unwrap();
    }) else {
        return;
    };
    let files = site.images(5);
    site.feed().succeeds();
    site.drain().succeeds();
    site.assert_all_done(files);
    let said = site.of_build(program("model")).succeeds();
    assert!(said.contains(", in use: 5 show it"), "{said}");
    let machine = Machine::new(10);
    let mut ship = program("ship");
    ship.arg("--catalog").arg(machine.catalog());
    ship.args([
        "--once",
        "--site",
        "far",
        "--to",
        &site.server.address("north"),
    ])
    .succeeds();
    let report = site.report();
    let catalog = &report["catalogs"][0];
    assert_eq!(
        (&catalog["site"], &catalog["name"]),
        (&"far".into(), &"".into())
    );
    assert!(catalog["seconds_ago"].as_f64().is_some(), "{report}");
    let said = site.status().succeeds();
    assert!(
        said.contains("\nshipped from far: its last rows came "),
        "{said}"
    );
    let anna = site.server.address("anna");
    let mut anna = postgres::Client::connect(&anna, postgres::NoTls).unwrap();
    for view in ["catalog", "rejected", "probability"] {
        let count = format!("SELECT count(*) FROM {view}");
        anna.query_one(&count, &[]).unwrap();
    }
    assert!(anna.batch_execute("DELETE FROM cutout").is_err());
}
