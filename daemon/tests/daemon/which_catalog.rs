//! Which catalog a command asks: the one of --catalog, of --config, of systemd, or of the current folder.

use std::fs;

use crate::support::{Dir, Ran, jpeg};

const FLAG: &str = "flag.sqlite";
const CONFIGURED: &str = "configured.sqlite";
const STATE: &str = "state/galmorph.sqlite";
const DEFAULT: &str = "galmorph.sqlite";

/// Four catalogs, each with a file of its own that was rejected.
fn with_catalogs() -> Dir {
    let dir = Dir::new();
    fs::create_dir(dir.path("state")).unwrap();
    for (number, catalog) in [FLAG, CONFIGURED, STATE, DEFAULT].iter().enumerate() {
        let folder = format!("in-{number}");
        fs::create_dir(dir.path(&folder)).unwrap();
        fs::write(dir.path(&folder).join(format!("{number}.jpg")), "text").unwrap();
        dir.run(&["watch", &folder, "--drain", "--catalog", catalog])
            .exits(1);
    }
    dir.config("catalog = 'configured.sqlite'");
    dir
}

#[test]
fn each_command_asks_the_catalog_that_is_named_first() {
    let dir = with_catalogs();
    let config = ["--config", "galmorph.toml"];
    let flag = ["--catalog", FLAG];
    let ways: [(Vec<&str>, bool, &str); 5] = [
        ([flag, config].concat(), true, "in-0/0.jpg"),
        (config.to_vec(), true, "in-1/1.jpg"),
        (config.to_vec(), false, "in-1/1.jpg"),
        (vec![], true, "in-2/2.jpg"),
        (vec![], false, "in-3/3.jpg"),
    ];
    for (arguments, has_state, file) in ways {
        let start = |command: &[&str]| {
            let mut program = dir.galmorph(command.iter().chain(&arguments));
            if has_state {
                program.env("STATE_DIRECTORY", dir.path("state"));
            }
            Ran::from(program.output().unwrap())
        };
        let run = |command: &[&str]| start(command).exits(0).stdout;
        let path = dir.path(file).to_str().unwrap().to_owned();
        let rejected = run(&[
            "query",
            "--rejected",
            "--columns",
            "path",
            "--format",
            "csv",
        ]);
        assert_eq!(rejected, format!("path\n{path}\n"), "{arguments:?}");
        let folder = path.rsplit_once('/').unwrap().0;
        assert!(run(&["status"]).contains(folder), "{arguments:?}");
        let queued = run(&["retry", &path]);
        assert!(queued.starts_with("queued 1 "), "{arguments:?}: {queued}");
        run(&["backup", "copy.sqlite", "--force"]);
        let copy = dir.run(&["query", "--rejected", "--catalog", "copy.sqlite"]);
        assert!(copy.stdout.contains(&path), "{arguments:?}");
        // For the next way to the same catalog.
        start(&["watch", folder, "--drain"]).exits(1);
    }
}

#[test]
fn a_configuration_with_faults_is_reported_with_all_of_them() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    dir.config("batch = 0\nworkrs = 1");
    for command in [
        &["query"][..],
        &["status"],
        &["retry"],
        &["backup", "copy.sqlite"],
    ] {
        let arguments = command.iter().chain(&["--config", "galmorph.toml"]);
        let ran = Ran::from(dir.galmorph(arguments).output().unwrap()).exits(2);
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("workrs: unknown setting"));
    }
    let ran = dir.run(&["status", "--config", "none.toml"]).exits(2);
    ran.says_in_one_line(&["cannot read configuration 'none.toml'"]);
}
