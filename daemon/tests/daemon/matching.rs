//! Another table's objects in the catalog.

use std::fs;

use crate::support::{Dir, Ran, jpeg};

/// Files a, b and c in a line of one arcsec steps, d at the other side of 0 h, near the pole, and e without a place.
fn with_places() -> Dir {
    let dir = Dir::new();
    for (seed, name) in (0..).zip(["a", "b", "c", "d", "e"]) {
        dir.old_file(format!("{name}.jpg"), &jpeg(seed));
    }
    let manifest = "file,ra,dec\na,10,60\nb,10,60.00027778\nc,10,60.00055556\nd,359.9,89.9999\n";
    fs::write(dir.path("m.csv"), manifest).unwrap();
    let config =
        dir.config("folders = [{ path = 'inbox', manifest = 'm.csv' }]\nsettle_seconds = 0\n");
    let words = ["watch", "--drain", "--config", config.to_str().unwrap()];
    Ran::from(dir.galmorph(words).output().unwrap()).exits(0);
    dir
}

/// What a table has in the catalog: `id row path separation` of each match.
fn matches(dir: &Dir, table: &str, flags: &[&str]) -> Ran {
    fs::write(dir.path("t.csv"), table).unwrap();
    let columns = "match_id,match_row,object_id,separation";
    let words = [
        "query",
        "--format",
        "csv",
        "--columns",
        columns,
        "--match",
        "t.csv",
    ];
    Ran::from(dir.galmorph(words.iter().chain(flags)).output().unwrap())
}

#[test]
fn each_row_has_the_nearest_object() {
    let dir = with_places();
    let table =
        "name,RA,DEC,id\n,10,60.0001,x\n,10,60.0005,y\n,0.1,89.9999,z\n,,,nowhere\n,200,-5,far\n";
    let ran = matches(&dir, table, &[]).exits(0);
    let rows: Vec<&str> = ran.stdout.lines().skip(1).collect();
    let begin = |row: usize, text: &str| assert!(rows[row].starts_with(text), "{rows:?}");
    assert_eq!(rows.len(), 3, "{rows:?}");
    begin(0, "x,2,a,0.36");
    begin(1, "y,3,c,0.2");
    begin(2, "z,4,d,0.001");
    assert!(
        ran.stderr
            .contains("3 of 5 rows have a match, 1 have no position"),
        "{}",
        ran.stderr
    );
    // Filters choose first: the nearest of those that are left.
    let label: String = dir.ask("SELECT label FROM catalog WHERE object_id = 'a'");
    dir.catalog()
        .execute(
            "UPDATE cutout SET flags = 'padded' WHERE object_id = 'a'",
            [],
        )
        .unwrap();
    let ran = matches(&dir, "ra,dec\n10,60\n", &["--no-flag", "padded"]).exits(0);
    assert_eq!(
        ran.stdout.lines().nth(1).unwrap().split(',').nth(2),
        Some("b")
    );
    let ran = matches(
        &dir,
        "ra,dec\n10,60\n",
        &["--label", &label, "--flag", "padded"],
    )
    .exits(0);
    assert!(
        ran.stdout.lines().nth(1).unwrap().starts_with(",2,a,"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_radius_and_the_columns_can_be_told() {
    let dir = with_places();
    let count = |table: &str, flags: &[&str]| {
        let ran = matches(&dir, table, flags).exits(0);
        ran.stdout.lines().count() - 1
    };
    let table = "a,b\n10,59.99928\n10,59.9999\n";
    let named = ["--match-columns", "a,b"];
    assert_eq!(count(table, &named), 1);
    assert_eq!(count(table, &[&named[..], &["--radius", "3"]].concat()), 2);
    assert_eq!(
        count(table, &[&named[..], &["--radius", "0.05'"]].concat()),
        2
    );
    assert_eq!(
        count(
            table,
            &[&named[..], &["--radius", "3", "--limit", "1"]].concat()
        ),
        1
    );
    let with_id = matches(&dir, "ra,x,b\n10,one,60\n", &["--match-columns", "ra,b,x"]).exits(0);
    assert!(
        with_id.stdout.contains("\none,2,a,0\n"),
        "{}",
        with_id.stdout
    );
}

#[test]
fn a_match_can_be_exported() {
    let dir = with_places();
    fs::write(dir.path("t.csv"), "ra,dec\n10,60\n1,2\n").unwrap();
    let words = ["export", "out.ecsv", "--match", "t.csv"];
    let ran = Ran::from(dir.galmorph(words).output().unwrap()).exits(0);
    assert!(ran.stdout.contains("1 rows") && ran.stdout.contains("1 of 2 rows have a match"));
    let text = fs::read_to_string(dir.path("out.ecsv")).unwrap();
    assert!(
        text.contains("name: \"separation\", unit: arcsec"),
        "{text}"
    );
}

#[test]
fn a_table_that_cannot_be_matched_is_refused() {
    let dir = with_places();
    for (table, flags, fault) in [
        ("x,y\n1,2\n", &[][..], "has no column 'ra' (it has x, y)"),
        ("ra,y\n1,2\n", &[], "has no column 'dec' (it has ra, y)"),
        (
            "ra,dec\n1,2\n",
            &["--match-columns", "ra,de"],
            "has no column 'de'",
        ),
        (
            "ra,dec\n1,2\n",
            &["--match-columns", "ra"],
            "must be RA,DEC",
        ),
        (
            "ra,dec\n1,92\n",
            &[],
            "row 2: ra 1, dec 92 is no place on the sky",
        ),
        (
            "ra,dec\n10:20:30,2\n",
            &[],
            "row 2: ra '10:20:30' is not a number of degrees",
        ),
        ("ra,dec\n1\n", &[], "t.csv"),
        ("ra,dec\n1,2\n", &["--radius", "0"], "--radius"),
        ("ra,dec\n1,2\n", &["--cone", "1,2,3"], "--cone"),
        ("ra,dec\n1,2\n", &["--rejected"], "--rejected"),
    ] {
        let ran = matches(&dir, table, flags).exits(2);
        assert!(ran.stderr.contains(fault), "{table}: {}", ran.stderr);
    }
    let words = ["query", "--radius", "3"];
    let ran = Ran::from(dir.galmorph(words).output().unwrap()).exits(2);
    assert!(ran.stderr.contains("--match"), "{}", ran.stderr);
}
