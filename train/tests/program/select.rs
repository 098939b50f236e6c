//! `select` as a user runs it: from votes to labels, and the messages for votes that can't be used.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Dir, TRAIN, program, run};

const HEADER: &str =
    "GalaxyID,Class1.1,Class1.2,Class2.1,Class2.2,Class4.1,Class7.1,Class7.2,Class7.3\n";
/// One clean galaxy of each class, one of none and one of two.
const ROWS: &str = "\
11,0.9,0.1,0,0.1,0,0.6,0.2,0.1
12,0.9,0.1,0,0.1,0,0.2,0.6,0.1
13,0.9,0.1,0,0.1,0,0.1,0.2,0.6
14,0.1,0.9,0.8,0.1,0,0.1,0,0
15,0.1,0.9,0.1,0.8,0.7,0.1,0,0
16,0.5,0.5,0.3,0.2,0.1,0.2,0.2,0.1
17,0.6,0.7,0.602,0.1,0,0.5,0.1,0
";

struct Votes {
    folder: TempDir,
}

impl Votes {
    fn new(table: impl AsRef<[u8]>) -> Self {
        let votes = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(votes.path("votes.csv"), table).unwrap();
        votes
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `select`, and gives what it printed.
    fn select(&self, more: &[&str], code: i32) -> (String, String) {
        let mut command = program(Path::new(TRAIN));
        command.current_dir(self.folder.path());
        command.args(["--quiet", "select", "--votes", "votes.csv"]);
        let output = run(command.args(["--output", "labels.csv"]).args(more), code);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }

    fn labels(&self) -> String {
        fs::read_to_string(self.path("labels.csv")).unwrap()
    }

    /// The one line that `select` ends with, having written nothing.
    fn complaint(&self, more: &[&str]) -> String {
        let before = fs::read_dir(self.folder.path()).unwrap().count();
        let (_, message) = self.select(more, 2);
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        let after = fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(before, after, "a file was left behind");
        message
    }
}

/// The message for a table with this last row.
fn complaint_of_row(row: &str) -> String {
    Votes::new(format!("{HEADER}{ROWS}{row}\n")).complaint(&[])
}

#[test]
fn a_table_becomes_labels_and_a_report_of_what_was_taken() {
    let votes = Votes::new(format!("{HEADER}{ROWS}"));
    let (report, _) = votes.select(&["--fraction", "0"], 0);
    assert_eq!(
        votes.labels(),
        "GalaxyID,label,split\n11,0,train\n12,1,train\n13,2,train\n14,3,train\n15,4,train\n"
    );
    assert!(report.contains("Kaggle's cumulative fractions"), "{report}");
    assert!(report.contains("ids from GalaxyID"), "{report}");
    let words: Vec<Vec<&str>> = (report.lines())
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(words.contains(&vec!["spiral", "1", "0", "1"]), "{report}");
    assert!(words.contains(&vec!["clean", "sample", "5", "0", "5"]));
    assert!(words.contains(&vec!["in", "no", "class", "1"]));
    assert!(words.contains(&vec!["in", "two,", "left", "out", "1"]));
    assert!(words.contains(&vec!["galaxies", "7"]));
}

#[test]
fn adding_rows_never_changes_the_row_of_another_galaxy() {
    let row = |id: u32| {
        let cells = ROWS.lines().nth(id as usize % 5).unwrap();
        format!("{id}{}\n", &cells[2..])
    };
    let few = Votes::new(
        (100..300)
            .step_by(3)
            .fold(HEADER.to_owned(), |t, id| t + &row(id)),
    );
    let many = Votes::new(
        (90..400)
            .rev()
            .fold(HEADER.to_owned(), |t, id| t + &row(id)),
    );
    for votes in [&few, &many] {
        votes.select(&["--soft-targets"], 0);
    }
    let many = many.labels();
    assert_eq!(many.lines().count(), 311);
    let validation = many.lines().filter(|row| row.contains("validation"));
    assert!((1..100).contains(&validation.count()));
    for row in few.labels().lines() {
        assert!(many.lines().any(|other| other == row), "{row}");
    }
}

#[test]
fn soft_targets_are_the_shares_of_the_classes_and_can_be_trained_on() {
    let dir = Dir::with_galaxies();
    let labels = fs::read_to_string(dir.labels()).unwrap();
    let rows = labels.lines().skip(1).map(|row| {
        let [id, class, _] = row.split(',').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let votes = ROWS.lines().nth(class.parse().unwrap()).unwrap();
        format!("{id}{}\n", &votes[2..])
    });
    let votes = Votes::new(HEADER.to_owned() + &rows.collect::<String>());
    votes.select(&["--soft-targets", "--fraction", "0.3"], 0);
    let selected = votes.labels();
    let (header, rows) = selected.split_once('\n').unwrap();
    assert_eq!(
        header,
        "GalaxyID,label,split,p_round,p_in_between,p_cigar,p_edge_on,p_spiral"
    );
    // 0.6, 0.2 and 0.1 of the smooth, which sum to 0.9.
    let first = rows.lines().next().unwrap();
    assert!(
        first.ends_with(",0.666667,0.222222,0.111111,0.000000,0.000000"),
        "{first}"
    );

    // Training needs the votes, and learns something else from them than from the labels.
    let command = |output: &str| {
        let mut command = dir.train(output, 1);
        command.args(["--targets", "votes"]);
        command
    };
    let message = String::from_utf8(run(&mut command("none"), 2).stderr).unwrap();
    assert!(
        message.contains("no column 'p_round' of votes to learn from"),
        "{message}"
    );
    assert!(!dir.path("none").exists());
    fs::write(dir.labels(), &selected).unwrap();
    run(&mut command("votes"), 0);
    run(&mut dir.train("labels", 1), 0);
    let weights = |output: &str| fs::read(dir.checkpoint(output)).unwrap();
    assert!(weights("votes") != weights("labels"));
    // The same run with other targets is another run.
    let message = String::from_utf8(run(&mut dir.train("votes", 1), 2).stderr).unwrap();
    assert!(
        message.contains(r#"targets ("labels" here, "votes" there)"#),
        "{message}"
    );
}

#[test]
fn cuts_of_another_survey_are_read_from_a_file() {
    let votes = Votes::new(format!("{HEADER}{ROWS}"));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/zhu2019-cuts.toml");
    let cuts = fs::read_to_string(shipped).unwrap();
    fs::write(votes.path("cuts.toml"), cuts.replace("0.50", "0.2")).unwrap();
    let (report, _) = votes.select(&["--cuts", "cuts.toml", "--fraction", "0"], 0);
    assert!(report.contains("'cuts.toml'"), "{report}");
    // With 0.2 for each shape, all smooth galaxies but 13 and 16 are of two classes.
    assert_eq!(
        votes.labels(),
        "GalaxyID,label,split\n14,3,train\n15,4,train\n17,0,train\n".replace("17,0,train\n", "")
    );

    fs::write(votes.path("cuts.toml"), cuts.replace("[cigar]", "[merger]")).unwrap();
    let before = votes.labels();
    let message = votes.complaint(&["--cuts", "cuts.toml", "--force"]);
    assert!(
        message.contains("'cuts.toml': unknown class 'merger'"),
        "{message}"
    );
    assert_eq!(votes.labels(), before);
    let message = votes.complaint(&["--cuts", "none.toml", "--force"]);
    assert!(
        message.contains("cannot read cuts 'none.toml'"),
        "{message}"
    );
}

#[test]
fn a_missing_column_is_named() {
    let table = format!("{HEADER}{ROWS}").replace("Class7.2", "Other");
    let message = Votes::new(table).complaint(&[]);
    assert!(
        message.contains("'votes.csv' has no column 'Class7.2'"),
        "{message}"
    );
    let message = Votes::new(format!("{HEADER}{ROWS}")).complaint(&["--id-column", "name"]);
    assert!(
        message.contains("'votes.csv' has no column 'name'"),
        "{message}"
    );
}

#[test]
fn a_galaxy_that_is_there_twice_names_both_rows() {
    let message = complaint_of_row("16,0.5,0.5,0.3,0.2,0.1,0.2,0.2,0.1");
    assert!(
        message.contains("'votes.csv' row 9, column 'GalaxyID': galaxy 16 is in row 7 too"),
        "{message}"
    );
}

#[test]
fn a_fraction_that_is_none_names_its_row_and_column() {
    for bad in ["1.5", "-0.1", "NaN"] {
        let message = complaint_of_row(&format!("18,0.5,0.5,{bad},0.2,0.1,0.2,0.2,0.1"));
        let wanted =
            format!("'votes.csv' row 9, column 'Class2.1': '{bad}' is not a fraction from 0 to 1");
        assert!(message.contains(&wanted), "{message}");
    }
    assert!(complaint_of_row("18,0.5,,0,0,0,0,0,0").contains("column 'Class1.2': no value"));
    assert!(complaint_of_row("18,0.5").contains("cannot read votes 'votes.csv'"));
}

#[test]
fn what_is_no_table_of_votes_is_refused() {
    let refused = |bytes: &[u8], wanted: &str| {
        let message = Votes::new(bytes).complaint(&[]);
        assert!(message.contains(wanted), "{message}");
    };
    refused(
        b"GalaxyID,label,split\n1,0,train\n",
        "'votes.csv' has no column of votes",
    );
    refused(b"", "'votes.csv' has no column of votes");
    refused(b"PK\x03\x04...", "unpack it first");
    refused(b"\x1f\x8b\x08\x00", "cannot read votes 'votes.csv'");
    refused(
        b"SIMPLE  = ",
        "cannot read votes 'votes.csv': it ends too early",
    );
    refused(HEADER.as_bytes(), "none of the 0 galaxies");
    let only = "16,0.5,0.5,0.3,0.2,0.1,0.2,0.2,0.1\n";
    refused(
        format!("{HEADER}{only}").as_bytes(),
        "none of the 1 galaxies in 'votes.csv' meets",
    );
}

#[test]
fn votes_are_not_overwritten_by_labels() {
    let votes = Votes::new(format!("{HEADER}{ROWS}"));
    let message = votes.complaint(&["--output", "./votes.csv"]);
    assert!(
        message.contains("it is what the command reads"),
        "{message}"
    );
    assert_eq!(
        fs::read_to_string(votes.path("votes.csv")).unwrap(),
        format!("{HEADER}{ROWS}")
    );
    let message = votes.complaint(&["--fraction", "1"]);
    assert!(message.contains("from 0 to below 1, not 1"), "{message}");
}
