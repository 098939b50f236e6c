//! Whatever happens to the machines that run a shard, it has one part with the same bytes.

use crate::common::{Mount, end, has, program, stop, wait_for};
use crate::{Archive, assert_only_part, chunks, part, run};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;

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
    if !has("strace") {
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
    let Some(_mount) = Mount::tmpfs(&parts, "512k") else {
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
    Mount::resize(&parts, "64m");
    run(&plan, 0, &parts).succeeds();
    assert_eq!(fs::read(part(&parts, 0)).unwrap(), expected);
    assert_only_part(&parts, 0);
}
