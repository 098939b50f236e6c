//! What is missing is named, and nothing is replaced by accident.

use crate::common::program;
use crate::{Archive, chunks, part, run};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

#[test]
fn a_merge_replaces_nothing_by_accident_and_never_what_it_reads() {
    let archive = Archive::new(1);
    let plan = archive.plan(1, 100);
    run(&plan, 0, &plan.join("parts")).succeeds();
    let part = part(&plan.join("parts"), 0);
    let alias = archive.path("alias.csv");
    fs::hard_link(plan.join("shard-00000"), &alias).unwrap();
    let merge = |option: &str, output: &Path| {
        let mut program = program("merge");
        let check = (option == "--missing").then_some("--check");
        program.arg(&plan).args(check).arg(option).arg(output);
        program
    };
    for (option, input) in [
        ("--missing", plan.join("plan.json")),
        ("--missing", part.clone()),
        ("--out", part.clone()),
        ("--out", alias),
    ] {
        let before = fs::read(&input).unwrap();
        let said = merge(option, &input).arg("--force").fails(2);
        assert!(said.contains("it is what the command reads"), "{said}");
        assert_eq!(fs::read(&input).unwrap(), before);
    }
    let list = archive.path("list");
    fs::write(&list, "precious").unwrap();
    let said = merge("--missing", &list).fails(2);
    assert!(said.contains("it exists"), "{said}");
    assert_eq!(fs::read(&list).unwrap(), b"precious");
    merge("--missing", &list).arg("--force").succeeds();
    assert_eq!(fs::read(&list).unwrap(), b"");

    // Catalogs of machines: their logs and locks, too.
    let lock = archive.path("plan/parts/part-00000.sqlite.lock");
    fs::write(&lock, "").unwrap();
    fs::hard_link(&lock, archive.path("lock.sqlite")).unwrap();
    let mut machines = program("merge");
    machines
        .arg(&part)
        .arg("--out")
        .arg(archive.path("lock.sqlite"));
    let said = machines.arg("--force").fails(2);
    assert!(said.contains("it is what the command reads"), "{said}");
}

#[test]
fn files_that_are_missing_are_named() {
    let archive = Archive::new(1);
    let plan = archive.plan(2, 4);
    let data = archive.path("data");
    let gone = [
        data.join("night-0/round-1.jpg"),
        data.join("night-0/spiral-2.jpg"),
    ];
    let away = archive.path("away.jpg");
    fs::rename(&gone[0], &away).unwrap();
    fs::remove_file(&gone[1]).unwrap();
    let parts = archive.path("plan/parts");
    let mut without = 0;
    for shard in 0..2 {
        let program = run(&plan, shard, &parts).run();
        without += usize::from(program.status.code() == Some(1));
    }
    assert!(without >= 1);
    let list = archive.path("missing");
    let check = |code| {
        program("merge")
            .arg("--check")
            .arg(&plan)
            .arg("--missing")
            .arg(&list)
            .arg("--force")
            .ends(code)
            .0
    };
    let said = check(1);
    assert!(said.contains("           2 could not be read\n"), "{said}");
    let listed = fs::read_to_string(&list).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let expected: Vec<&str> = gone.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(listed, expected);

    // A part that is lost is all missing.
    let lost = part(&parts, 1);
    let kept = archive.path("kept.sqlite");
    fs::rename(&lost, &kept).unwrap();
    let said = check(1);
    assert!(said.contains("shard 1 has no part"), "{said}");
    let refused = program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(archive.path("x.sqlite"))
        .fails(1);
    assert!(refused.contains("nothing was written"), "{refused}");
    // One that is another shard's has files that the plan doesn't have there.
    fs::copy(part(&parts, 0), &lost).unwrap();
    let said = check(1);
    assert!(said.contains("are not in the plan, such as"), "{said}");
    fs::rename(&kept, &lost).unwrap();

    // What is there again is a plan of its own.
    fs::rename(&away, &gone[0]).unwrap();
    check(1);
    let second = archive.path("second");
    program("plan")
        .arg("--list")
        .arg(&list)
        .args(["--shards", "1", "--out"])
        .arg(&second)
        .succeeds();
    run(&second, 0, &archive.path("second/parts")).ends(1);
    let one = archive.path("one.sqlite");
    let two = archive.path("two.sqlite");
    program("merge")
        .arg(&plan)
        .args(["--incomplete", "--out"])
        .arg(&one)
        .ends(1);
    program("merge")
        .arg(&second)
        .args(["--incomplete", "--out"])
        .arg(&two)
        .ends(1);
    let all = archive.path("all.sqlite");
    program("merge")
        .arg(&one)
        .arg(&two)
        .arg("--out")
        .arg(&all)
        .succeeds();
    let rows: i64 = Connection::open(&all)
        .unwrap()
        .query_row("SELECT count(*) FROM cutout", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows as usize, archive.files - 1);
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let archive = Archive::new(1);
    let plan = archive.plan(1, 100);
    let manifest = plan.join("shard-00000");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.split_once('\n').unwrap().1).unwrap();
    let said = run(&plan, 0, &archive.parts("parts")).fails(3);
    assert!(said.contains("is not the one that was planned"), "{said}");
    let said = program("run").arg(&plan).arg("1").fails(2);
    assert!(said.contains("has no shard 1: they are 0 to 0"), "{said}");
    // A plan for another model than the one that is here.
    fs::write(&manifest, text).unwrap();
    let header = plan.join("plan.json");
    let text = fs::read_to_string(&header).unwrap();
    let (before, digest) = text.split_once("\"digest\": \"").unwrap();
    let other = format!("{before}\"digest\": \"{}{}", "0".repeat(8), &digest[8..]);
    fs::write(&header, other).unwrap();
    let said = run(&plan, 0, &archive.path("parts")).fails(3);
    assert!(said.contains("the plan was made for model"), "{said}");
    assert_eq!(chunks(&archive.path("parts"), 0), 0);
}
