//! An archive in shards, and what can happen to the machines that run them: whatever it is, each shard has one part with
//! the same bytes, and every file of the plan is in it once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use common::{Program, end, program, samples, stop, wait_for};
use rusqlite::Connection;
use tempfile::TempDir;

/// An archive of some cutouts, and a plan for it.
struct Archive {
    folder: TempDir,
    files: usize,
}

impl Archive {
    /// `copies` of each sample, and two files that are no images.
    fn new(copies: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut files = 0;
        for sample in samples() {
            let bytes = fs::read(&sample).unwrap();
            let name = sample.file_stem().unwrap().to_str().unwrap();
            for copy in 0..copies {
                let night = data.join(format!("night-{copy}"));
                fs::create_dir_all(&night).unwrap();
                fs::write(night.join(format!("{name}.jpg")), &bytes).unwrap();
                files += 1;
            }
        }
        fs::write(data.join("broken.jpg"), b"no image").unwrap();
        fs::write(data.join("with a\nline break.jpg"), [0xFF, 0xD8]).unwrap();
        // These two are not taken.
        fs::write(data.join("notes.txt"), "").unwrap();
        fs::write(data.join(".hidden.jpg"), "").unwrap();
        Self {
            folder,
            files: files + 2,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, shards: usize, chunk: usize) -> PathBuf {
        let plan = self.path("plan");
        program("plan")
            .arg(self.path("data"))
            .args([
                "--shards",
                &shards.to_string(),
                "--chunk",
                &chunk.to_string(),
            ])
            .arg("--out")
            .arg(&plan)
            .succeeds();
        plan
    }

    /// Runs a shard by its own, on one core, and returns the bytes that its part must have.
    fn expected(&self, plan: &Path, shard: usize) -> Vec<u8> {
        let parts = self.path("expected");
        fs::create_dir_all(&parts).unwrap();
        run(plan, shard, &parts).args(["--workers", "1"]).succeeds();
        fs::read(part(&parts, shard)).unwrap()
    }

    fn parts(&self, name: &str) -> PathBuf {
        let parts = self.path(name);
        fs::create_dir(&parts).unwrap();
        parts
    }
}

fn run(plan: &Path, shard: usize, parts: &Path) -> Program {
    let mut run = program("run");
    run.arg(plan)
        .arg(shard.to_string())
        .arg("--parts")
        .arg(parts);
    run.args(["--patience", "0"]);
    run
}

fn part(parts: &Path, shard: usize) -> PathBuf {
    parts.join(format!("part-{shard:05}.sqlite"))
}

fn chunks(parts: &Path, shard: usize) -> usize {
    let entries = fs::read_dir(parts.join(format!("chunks-{shard:05}")));
    entries.map_or(0, |entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        let is_chunk = |name: &std::ffi::OsString| !name.as_encoded_bytes().starts_with(b".");
        names.filter(is_chunk).count()
    })
}

/// Nothing is left in the folder but the part.
fn assert_only_part(parts: &Path, shard: usize) {
    let names: Vec<PathBuf> = fs::read_dir(parts)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(names, [part(parts, shard)]);
}

#[test]
fn every_file_has_one_row_and_the_catalog_is_one_of_galmorph() {
    let archive = Archive::new(2);
    let plan = archive.plan(3, 7);
    for shard in 0..3 {
        program("run").arg(&plan).arg(shard.to_string()).succeeds();
    }
    let said = program("merge").arg("--check").arg(&plan).succeeds();
    assert!(
        said.starts_with(&format!("{} files are planned\n", archive.files)),
        "{said}"
    );
    assert!(
        said.contains(&format!("{:>12} classified\n", archive.files - 2)),
        "{said}"
    );
    assert!(
        said.contains("2 rejected (not_an_image 2)\n")
            || said.contains("2 rejected (broken 1, not_an_image 1)\n"),
        "{said}"
    );
    assert!(said.contains("           0 missing\n"), "{said}");

    let merged = archive.path("all.sqlite");
    program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&merged)
        .succeeds();
    let catalog = Connection::open(&merged).unwrap();
    let count = |what: &str| -> usize {
        let statement = format!("SELECT count(*) FROM {what}");
        catalog
            .query_row(&statement, [], |row| row.get::<_, i64>(0))
            .unwrap() as usize
    };
    assert_eq!(count("cutout"), archive.files);
    assert_eq!(count("catalog"), archive.files - 2);
    // The samples are drawn so that the label is what the file is named after.
    assert_eq!(
        count("catalog WHERE object_id LIKE label || '-%'"),
        archive.files - 2
    );
    // The same content has one answer.
    assert_eq!(count("classification"), (archive.files - 2) / 2);
    let reader = galmorph_catalog::Reader::open_to_check(&merged).unwrap();
    assert_eq!(reader.last_file().unwrap(), archive.files as i64);

    let table = archive.path("all.csv");
    program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&table)
        .succeeds();
    let lines = fs::read_to_string(&table).unwrap().lines().count();
    assert_eq!(lines, 1 + archive.files - 2);
    // Nothing is replaced by accident.
    let refused = program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&table)
        .fails(2);
    assert!(refused.contains("it exists"), "{refused}");
}

#[test]
fn two_that_run_one_shard_at_once_make_one_part() {
    let archive = Archive::new(3);
    let plan = archive.plan(1, 5);
    let expected = archive.expected(&plan, 0);
    let parts = archive.parts("parts");
    let both: Vec<Child> = (0..2)
        .map(|_| run(&plan, 0, &parts).args(["--workers", "2"]).spawn())
        .collect();
    for child in both {
        end(child, Some(0));
    }
    assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
    assert_only_part(&parts, 0);
}

#[test]
fn a_run_that_is_killed_after_any_chunk_is_gone_on_with() {
    let archive = Archive::new(3);
    let plan = archive.plan(1, 10);
    let expected = archive.expected(&plan, 0);
    let all = archive.files.div_ceil(10);
    let parts = archive.parts("parts");
    let mut killed = 0;
    for done in 1..=all {
        let mut child = run(&plan, 0, &parts).args(["--workers", "1"]).spawn();
        wait_for(|| {
            chunks(&parts, 0) >= done
                || part(&parts, 0).exists()
                || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().signal() == Some(9));
        assert!(chunks(&parts, 0) >= done || part(&parts, 0).exists());
    }
    assert!(killed >= all - 1, "{killed} of {all}");
    run(&plan, 0, &parts).succeeds();
    assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
}

/// At each rename and each removal of a file: before it, and all that follows.
#[test]
fn a_run_that_is_killed_at_any_step_leaves_no_part_that_is_not_whole() {
    if !common::has("strace") {
        eprintln!("skipped: there is no strace");
        return;
    }
    let archive = Archive::new(1);
    let plan = archive.plan(1, 12);
    let expected = archive.expected(&plan, 0);
    for call in ["rename", "unlink", "fsync"] {
        let mut died = 0;
        for at in 1.. {
            let parts = archive.parts(&format!("{call}-{at}"));
            let mut traced = run(&plan, 0, &parts);
            traced.args(["--workers", "1"]);
            let status = traced.under(&[
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &format!("trace=/^{call}"),
                "-e",
                &format!("inject=/^{call}:signal=KILL:when={at}"),
            ]);
            let whole = fs::read(part(&parts, 0)).ok();
            assert!(
                whole.is_none() || whole.as_ref() == Some(&expected),
                "{call} {at}"
            );
            run(&plan, 0, &parts).succeeds();
            assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected, "{call} {at}");
            fs::remove_dir_all(&parts).unwrap();
            if status.success() {
                break;
            }
            died += 1;
        }
        assert!(died >= 3, "{call}: {died}");
    }
}

/// The node is lost, the scheduler runs the shard elsewhere, and the process on the lost node goes on all the same.
#[test]
fn an_orphan_that_writes_on_does_no_harm() {
    let archive = Archive::new(3);
    let plan = archive.plan(1, 10);
    let expected = archive.expected(&plan, 0);
    for done in [1, 4] {
        let parts = archive.parts(&format!("parts-{done}"));
        let orphan = run(&plan, 0, &parts).args(["--workers", "1"]).spawn();
        wait_for(|| chunks(&parts, 0) >= done);
        let orphan = stop(orphan);
        run(&plan, 0, &parts).succeeds();
        assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
        orphan.go_on(Some(0));
        assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
        let said = program("merge")
            .arg("--check")
            .arg(&plan)
            .arg("--parts")
            .arg(&parts)
            .succeeds();
        assert!(said.contains("           0 missing\n"), "{said}");
    }
}

#[test]
fn a_full_quota_loses_nothing() {
    let archive = Archive::new(3);
    let plan = archive.plan(1, 10);
    let expected = archive.expected(&plan, 0);
    let parts = archive.parts("parts");
    let Some(_mount) = common::Mount::tmpfs(&parts, "512k") else {
        eprintln!("skipped: this user can't mount a small disk");
        return;
    };
    let said = run(&plan, 0, &parts).fails(75);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(!part(&parts, 0).exists());
    let kept = chunks(&parts, 0);
    assert!(
        kept > 0 && kept < archive.files.div_ceil(10),
        "{kept} chunks"
    );
    common::Mount::resize(&parts, "64m");
    run(&plan, 0, &parts).succeeds();
    assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
    assert_only_part(&parts, 0);
}

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

#[test]
fn positions_of_a_table_travel_into_the_part() {
    let archive = Archive::new(1);
    let table = archive.path("table.csv");
    let file = archive.path("data/night-0/round-1.jpg");
    fs::write(
        &table,
        format!(
            "path,object_id,ra,dec,radius\n{},NGC 1,150.5,-2.25,3.5\n",
            file.to_str().unwrap()
        ),
    )
    .unwrap();
    let plan = archive.path("plan");
    program("plan")
        .arg("--table")
        .arg(&table)
        .args(["--by", "healpix", "--shards", "2", "--out"])
        .arg(&plan)
        .succeeds();
    for shard in 0..2 {
        program("run").arg(&plan).arg(shard.to_string()).succeeds();
    }
    let all = archive.path("all.sqlite");
    program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&all)
        .succeeds();
    let row = Connection::open(&all)
        .unwrap()
        .query_row(
            "SELECT object_id, ra, dec, radius, position_from, healpix IS NOT NULL FROM catalog",
            [],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, f64>(1)?,
                    row.get::<_, f64>(2)?,
                    row.get::<_, f64>(3)?,
                    row.get::<_, String>(4)?,
                    row.get::<_, bool>(5)?,
                ))
            },
        )
        .unwrap();
    assert_eq!(
        row,
        ("NGC 1".into(), 150.5, -2.25, 3.5, "manifest".into(), true)
    );
}

/// The daemon's rows and these are the same to the last bit, but for the times.
#[test]
fn the_answers_are_those_of_the_daemon() {
    let here = Path::new(env!("CARGO_BIN_EXE_galmorph-fleet"));
    let daemon = here.with_file_name("galmorph");
    if !daemon.exists() {
        eprintln!("skipped: there is no {daemon:?} (cargo build -p galmorph)");
        return;
    }
    let archive = Archive::new(1);
    let fits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/fits");
    for file in fs::read_dir(fits).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), archive.path("data").join(file.file_name())).unwrap();
    }
    let watched = archive.path("watched.sqlite");
    let status = std::process::Command::new(daemon)
        .args([
            "--quiet",
            "watch",
            "--drain",
            "--precision",
            "f32",
            "--catalog",
        ])
        .arg(&watched)
        .arg(archive.path("data"))
        .status();
    assert!(matches!(status.unwrap().code(), Some(0 | 1)));
    let plan = archive.plan(2, 9);
    for shard in 0..2 {
        program("run").arg(&plan).arg(shard.to_string()).succeeds();
    }
    let merged = archive.path("merged.sqlite");
    program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&merged)
        .succeeds();
    let rows = |catalog: &Path| -> Vec<Vec<rusqlite::types::Value>> {
        let catalog = Connection::open(catalog).unwrap();
        let columns: Vec<String> = galmorph_catalog::file_columns();
        let clocks = [
            "id",
            "first_seen",
            "updated",
            "classified",
            "attempts",
            "model",
        ];
        let compared = columns
            .into_iter()
            .filter(|column| !clocks.contains(&&**column));
        let compared = compared.collect::<Vec<_>>().join(", ");
        let query = format!(
            "SELECT {compared}, (SELECT digest || card || arithmetic FROM model WHERE id = model) FROM cutout ORDER BY path"
        );
        let mut statement = catalog.prepare(&query).unwrap();
        let width = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..width).map(|at| row.get(at)).collect())
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let (expected, found) = (rows(&watched), rows(&merged));
    assert_eq!(found.len(), archive.files + 5);
    assert_eq!(found, expected);
}
