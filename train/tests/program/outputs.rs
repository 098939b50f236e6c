//! Files that commands write replace nothing by accident. Each rule is tried with every command that writes
//! a file under a name that the user chose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dir, TRAIN, program, run};

/// A folder with a trained and evaluated network, and a table of votes.
fn scene() -> Dir {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    run(
        dir.evaluate("run")
            .arg("--output")
            .arg(dir.path("evaluation")),
        0,
    );
    let votes = "GalaxyID,Class1.1,Class1.2,Class2.1,Class2.2,Class4.1,Class7.1,Class7.2,Class7.3\n\
                 11,0.9,0.1,0,0.1,0,0.6,0.2,0.1\n";
    fs::write(dir.path("votes.csv"), votes).unwrap();
    dir
}

/// A command that writes one file.
struct Writer {
    arguments: Vec<PathBuf>,
    /// What the file is called.
    output: &'static str,
    /// What it begins with; empty if that may be anything.
    start: &'static str,
}

fn writers(dir: &Dir) -> [Writer; 4] {
    let arguments =
        |parts: &[&dyn AsRef<Path>]| parts.iter().map(|part| part.as_ref().into()).collect();
    [
        Writer {
            arguments: arguments(&[&"select", &"--votes", &dir.path("votes.csv")]),
            output: "labels-out.csv",
            start: "GalaxyID,",
        },
        Writer {
            arguments: arguments(&[
                &"export",
                &"--name",
                &"mine",
                &"--checkpoint",
                &dir.checkpoint("run"),
            ]),
            output: "out.onnx",
            start: "",
        },
        Writer {
            arguments: arguments(&[&"report", &dir.path("evaluation")]),
            output: "out.html",
            start: "<!DOCTYPE html>",
        },
        Writer {
            arguments: arguments(&[
                &"visualise",
                &"roc",
                &"--evaluation",
                &dir.path("evaluation"),
            ]),
            output: "out.svg",
            start: "<svg",
        },
    ]
}

impl Writer {
    fn to(&self, output: &Path) -> Command {
        let mut command = program(Path::new(TRAIN));
        command.args(&self.arguments).arg("--output").arg(output);
        command
    }
}

/// The one line that a command ends with when it refuses.
fn refusal(command: &mut Command) -> String {
    let output = run(command, 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

#[test]
fn an_existing_file_is_replaced_with_force_alone() {
    let dir = scene();
    for writer in writers(&dir) {
        let path = dir.path(writer.output);
        fs::write(&path, "precious").unwrap();
        let message = refusal(&mut writer.to(&path));
        assert!(
            message.contains("it exists") && message.contains("--force"),
            "{message}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        run(writer.to(&path).arg("--force"), 0);
        let written = fs::read(&path).unwrap();
        assert_ne!(written, b"precious");
        assert!(
            written.starts_with(writer.start.as_bytes()),
            "{}",
            writer.output
        );
    }
}

#[test]
fn a_link_stays_and_a_fifo_is_never_replaced() {
    let dir = scene();
    for writer in writers(&dir) {
        let (target, link) = (dir.path("target"), dir.path(writer.output));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        refusal(&mut writer.to(&link));
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        run(writer.to(&link).arg("--force"), 0);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_ne!(fs::read(&target).unwrap(), b"precious");

        fs::remove_file(&link).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&link)
                .status()
                .unwrap()
                .success()
        );
        let message = refusal(writer.to(&link).arg("--force"));
        assert!(message.contains("it is a FIFO"), "{message}");
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn what_a_command_reads_is_never_its_output() {
    let dir = scene();
    let [select, export, ..] = writers(&dir);
    let cases = [
        (select, dir.path("votes.csv")),
        (export, dir.checkpoint("run")),
    ];
    for (writer, input) in cases {
        let before = fs::read(&input).unwrap();
        let message = refusal(writer.to(&input).arg("--force"));
        assert!(
            message.contains("it is what the command reads"),
            "{message}"
        );
        assert_eq!(fs::read(&input).unwrap(), before);
    }
}

#[test]
fn evaluations_images_and_labels_are_no_outputs_of_what_reads_them() {
    let dir = scene();
    let [_, _, report, visualise] = writers(&dir);
    let evaluation = dir.path("evaluation");
    let image = fs::read_dir(dir.images()).unwrap().next().unwrap().unwrap();
    fs::create_dir(dir.path("other")).unwrap();
    let links = [
        (evaluation.join("evaluation.json"), "page.html"),
        (evaluation.join("predictions.csv"), "figure.svg"),
        (image.path(), "other/predictions.csv"),
        (dir.labels(), "other/history.csv"),
    ];
    for (input, link) in &links {
        fs::hard_link(input, dir.path(link)).unwrap();
    }
    let before = links.each_ref().map(|(input, _)| fs::read(input).unwrap());
    for mut command in [
        report.to(&dir.path("page.html")),
        visualise.to(&dir.path("figure.svg")),
        {
            let mut evaluate = dir.evaluate("run");
            evaluate.arg("--output").arg(dir.path("other"));
            evaluate
        },
    ] {
        let message = refusal(command.arg("--force"));
        assert!(
            message.contains("it is what the command reads"),
            "{message}"
        );
    }
    let message = refusal(&mut dir.train("other", 1));
    assert!(
        message.contains("it is what the command reads"),
        "{message}"
    );
    for ((_, link), before) in links.iter().zip(before) {
        assert_eq!(fs::read(dir.path(link)).unwrap(), before, "{link}");
    }
}

#[test]
fn a_dash_is_standard_output() {
    let dir = scene();
    let [select, export, report, visualise] = writers(&dir);
    for writer in [select, export, report] {
        let path = dir.path(writer.output);
        run(&mut writer.to(&path), 0);
        let printed = run(&mut writer.to(Path::new("-")), 0).stdout;
        assert_eq!(printed, fs::read(&path).unwrap(), "{}", writer.output);
    }
    let message = refusal(&mut visualise.to(Path::new("-")));
    assert!(message.contains(".svg or .png"), "{message}");
}

/// All files of an evaluation are looked at before the first is written, and before the work.
#[test]
fn an_evaluation_replaces_another_with_force_alone() {
    let dir = scene();
    let folder = dir.path("evaluation");
    let table = folder.join("table5.csv");
    for kept in ["predictions.csv", "evaluation.json"] {
        fs::remove_file(folder.join(kept)).unwrap();
    }
    fs::write(&table, "precious").unwrap();
    let message = refusal(dir.evaluate("run").arg("--output").arg(&folder));
    assert!(message.contains("it exists"), "{message}");
    assert_eq!(fs::read(&table).unwrap(), b"precious");
    assert!(!folder.join("predictions.csv").exists());
    run(
        dir.evaluate("run")
            .arg("--output")
            .arg(&folder)
            .arg("--force"),
        0,
    );
    assert_ne!(fs::read(&table).unwrap(), b"precious");
    assert!(folder.join("evaluation.json").exists());
}
