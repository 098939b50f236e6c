//! What a part and a merged catalog say.

use crate::Archive;
use crate::common::postgres::Server;
use crate::common::program;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

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

#[test]
fn an_archive_goes_to_postgresql_as_any_catalog_does() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let archive = Archive::new(1);
    let plan = archive.plan(2, 7);
    for shard in 0..2 {
        program("run").arg(&plan).arg(shard.to_string()).succeeds();
    }
    let merged = archive.path("archive.sqlite");
    program("merge")
        .arg(&plan)
        .arg("--out")
        .arg(&merged)
        .succeeds();
    let ship = || {
        program("ship")
            .args(["--once", "--site", "archive", "--to"])
            .arg(server.address("owner"))
            .arg("--catalog")
            .arg(&merged)
            .succeeds()
    };
    ship();
    let files = archive.files as i64;
    assert_eq!(server.count("cutout WHERE site = 'archive'"), files);
    let ours = Connection::open(&merged).unwrap();
    let spiral = |path: &str| {
        let find = "SELECT p_spiral FROM catalog WHERE path = ?1";
        ours.query_row(find, [path], |row| row.get::<_, f64>(0))
    };
    let all = "SELECT path, p_spiral FROM catalog";
    let rows = server.client().query(all, &[]).unwrap();
    assert_eq!(rows.len() as i64, files - 2);
    for row in rows {
        assert_eq!(spiral(row.get(0)).unwrap(), row.get::<_, f64>(1));
    }
    // A merged catalog is whole: shipping it again changes nothing.
    ship();
    assert_eq!(server.count("cutout"), files);
}
