//! `galmorph export`: which rows and columns, which format, and what a wrong name says. What is in the files
//! is compared with other programs' readers by `scripts/reference`.

use std::fs;

use crate::fits::plane;
use crate::poison::scene;
use crate::support::{Dir, jpeg};

fn with_catalog() -> Dir {
    let dir = Dir::new();
    for seed in 0..3 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.old_file("bad.jpg", b"no image");
    dir.drain().exits(1);
    dir
}

#[test]
fn the_ending_says_the_format_unless_the_flag_does() {
    let dir = with_catalog();
    let starts: [(&str, &[u8]); 7] = [
        ("a.csv", b"path,object_id,ra,dec,label,"),
        ("a.ecsv", b"# %ECSV 1.0\n"),
        ("a.jsonl", b"{\"path\":"),
        ("a.vot", b"<?xml version"),
        ("a.XML", b"<?xml version"),
        ("a.fits", b"SIMPLE  =                    T"),
        ("a.parquet", b"PAR1"),
    ];
    for (name, start) in starts {
        let ran = dir.run(&["export", name]).exits(0);
        let bytes = fs::read(dir.path(name)).unwrap();
        assert!(bytes.starts_with(start), "{name}");
        let said = format!("wrote '{name}': 3 rows, {} bytes\n", bytes.len());
        assert_eq!(ran.stdout, said);
    }
    dir.run(&["export", "b.txt", "--format", "csv"]).exits(0);
    let ours = fs::read(dir.path("b.txt")).unwrap();
    assert_eq!(ours, fs::read(dir.path("a.csv")).unwrap());

    let ran = dir.run(&["export", "a.cvs"]).exits(2);
    ran.says_in_one_line(&["'a.cvs'", "--format", ".csv", ".parquet"]);
    assert!(!dir.path("a.cvs").exists());
    let ran = dir.run(&["export", "-"]).exits(2);
    ran.says_in_one_line(&["--format"]);
}

#[test]
fn rows_and_columns_are_chosen_as_for_query() {
    let dir = with_catalog();
    for flags in [
        &["--limit", "2"][..],
        &["--min-confidence", "0.5"],
        &["--rejected"],
        &["--columns", "label,path"],
    ] {
        let run = |start: &[&str]| {
            let arguments: Vec<&str> = start.iter().chain(flags).copied().collect();
            dir.run(&arguments).exits(0).stdout
        };
        let exported = run(&["export", "-", "--format", "csv"]);
        assert_eq!(exported, run(&["query", "--format", "csv"]), "{flags:?}");
        assert!(exported.lines().count() >= 2, "{exported}");
    }
    let ran = dir.run(&["export", "a.csv", "--columns", "lable"]).exits(2);
    ran.says_in_one_line(&["unknown column 'lable'", "did you mean 'label'"]);
    let ran = dir.run(&["export", "a.csv", "--model", "none"]).exits(2);
    ran.says_in_one_line(&["unknown model 'none'"]);
    assert!(!dir.path("a.csv").exists());
}

#[test]
fn a_file_says_where_its_rows_come_from() {
    let dir = with_catalog();
    dir.run(&["export", "a.vot", "--limit", "2"]).exits(0);
    let text = fs::read_to_string(dir.path("a.vot")).unwrap();
    for part in [
        "<INFO name=\"creator\" value=\"galmorph ",
        "<INFO name=\"query\" value=\"galmorph export a.vot --limit 2\"/>",
        "<INFO name=\"catalog\" value=\"galmorph.sqlite\"/>",
        "<INFO name=\"model\" value=\"galmorph-1 (BLAKE3 ",
        "<INFO name=\"rows\" value=\"2\"/>",
        "<COOSYS ID=\"icrs\" system=\"ICRS\"/>",
        "<FIELD name=\"ra\" datatype=\"double\" unit=\"deg\" ucd=\"pos.eq.ra;meta.main\" ref=\"icrs\">",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// The page lists the columns as the program writes them.
#[test]
fn the_documentation_has_every_column() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/catalog.md");
    let page = fs::read_to_string(page).unwrap();
    for column in galmorph_catalog::columns::classified_columns() {
        let [unit, ucd] = [column.unit, column.ucd].map(Option::unwrap_or_default);
        let kind = format!("{:?}", column.kind).to_lowercase();
        let cells = [
            format!("`{}`", column.name),
            kind,
            unit.into(),
            ucd.into(),
            column.meaning,
            column.since.to_string(),
        ];
        let line = format!("| {} |", cells.join(" | ")).replace("  ", " ");
        assert!(page.contains(&line), "{line}");
    }
}

#[test]
fn labels_are_what_reviewers_agree_on() {
    let dir = with_catalog();
    let catalog = rusqlite::Connection::open(dir.path("galmorph.sqlite")).unwrap();
    let say = |file: &str, reviewer: &str, label: Option<&str>| {
        let statement = "INSERT INTO review (digest, reviewer, label, reviewed)
             SELECT digest, ?2, ?3, 0 FROM cutout WHERE path LIKE '%/' || ?1";
        let said = catalog.execute(statement, (file, reviewer, label)).unwrap();
        assert_eq!(said, 1);
    };
    say("0.jpg", "Ana", Some("cigar"));
    say("0.jpg", "Bo", Some("cigar"));
    say("1.jpg", "Ana", Some("spiral"));
    say("1.jpg", "Bo", Some("none"));
    say("2.jpg", "Ana", Some("round"));
    say("2.jpg", "Ana", Some("edge_on"));
    let labels = |more: &[&str]| {
        let all = [&["export", "labels.csv", "--format", "labels"], more].concat();
        dir.run(&all)
    };
    let ran = labels(&["--reviewed"]).exits(0);
    assert!(
        ran.stdout.contains("2 galaxies; left out: 1 on which"),
        "{}",
        ran.stdout
    );
    let written = fs::read_to_string(dir.path("labels.csv")).unwrap();
    assert_eq!(
        written,
        "GalaxyID,label,split\n0,cigar,train\n2,edge_on,train\n"
    );
    labels(&[]).exits(2).says_in_one_line(&["--reviewed"]);
    labels(&["--reviewed", "--label", "spiral"]).exits(2);
    // What was there is not replaced by accident, here as elsewhere.
    labels(&["--reviewed"])
        .exits(2)
        .says_in_one_line(&["--force"]);
}

#[test]
fn labels_of_images_with_a_file_for_each_band_are_by_what_their_names_have_in_common() {
    let dir = scene();
    for (band, name) in ["a_g.fits", "a_r.fits"].iter().enumerate() {
        dir.old_file(name, &plane(1, 2 - band, &[]));
    }
    let config = dir.config(&format!(
        "folders = [{{ path = '{}', bands = ['g', 'r'], band_files = '{{object_id}}_{{band}}.fits' }}]
         model = 'tiny.onnx'\nsettle_seconds = 0.05",
        dir.path("inbox").display()
    ));
    dir.run(&["watch", "--drain", "--config", config.to_str().unwrap()])
        .exits(0);
    let catalog = rusqlite::Connection::open(dir.path("galmorph.sqlite")).unwrap();
    let review = "INSERT INTO review (digest, reviewer, label, reviewed) SELECT digest, 'Ana', 'spiral', 0 FROM cutout";
    assert_eq!(catalog.execute(review, []).unwrap(), 1);
    dir.run(&["export", "labels.csv", "--format", "labels", "--reviewed"])
        .exits(0);
    let written = fs::read_to_string(dir.path("labels.csv")).unwrap();
    assert_eq!(written, "GalaxyID,label,split\na,spiral,train\n");
}
