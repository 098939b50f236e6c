use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::ColumnNames;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn manifest(&self, name: &str, text: &str) -> ManifestSettings {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.into()
    }
}

fn read(text: &str) -> Result<Manifest, String> {
    let folder = Folder::new();
    Manifest::read(&[folder.manifest("m.csv", text)])
}

/// A fault without the place of the file.
fn fault(text: &str) -> String {
    let fault = read(text).unwrap_err();
    assert_eq!(fault.lines().count(), 1, "{fault}");
    fault.split_once("m.csv").unwrap().1.to_owned()
}

type Found<'a> = (Option<&'a str>, Option<(f64, f64)>, Option<f64>);

fn find<'a>(manifest: &'a Manifest, name: &str) -> Option<Found<'a>> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let listed = manifest.find(name, stem)?;
    let position = listed.position.map(|at| (at.ra(), at.dec()));
    Some((listed.object_id.as_deref(), position, listed.radius))
}

#[test]
fn a_file_is_found_by_its_name_and_then_by_its_name_without_the_ending() {
    let manifest = read(
        "Path,ID_STR,RA,Dec,petroR90\n/far/away/a.jpg,A,1,2,3.5\nb,587722981741363294,4,-5,\nc.png,,,,7\n",
    )
    .unwrap();
    let a = (Some("A"), Some((1.0, 2.0)), Some(3.5));
    assert_eq!(find(&manifest, "a.jpg"), Some(a));
    assert_eq!(find(&manifest, "a.png"), None, "another file");
    let b = (Some("587722981741363294"), Some((4.0, -5.0)), None);
    assert_eq!(find(&manifest, "b.png"), Some(b));
    assert_eq!(find(&manifest, "c.png"), Some((None, None, Some(7.0))));
    assert_eq!(find(&manifest, "d.png"), None);
    assert_eq!(manifest.len(), 3);
    // Where only objects are named, so are the files.
    let manifest = read("objid,ra,dec\n17,1,2\n").unwrap();
    let found = (Some("17"), Some((1.0, 2.0)), None);
    assert_eq!(find(&manifest, "17.jpg"), Some(found));
}

#[test]
fn columns_may_have_other_names() {
    let folder = Folder::new();
    let mut manifest = folder.manifest("m.csv", "asset_id,id,RAJ2000,DEJ2000,ra\n16,x,1,2,9\n");
    let name = |text: &str| Some(text.to_owned());
    manifest.columns = ColumnNames {
        file: name("asset_id"),
        ra: name("RAJ2000"),
        dec: name("DEJ2000"),
        ..ColumnNames::default()
    };
    let read = Manifest::read(std::slice::from_ref(&manifest)).unwrap();
    let found = (Some("x"), Some((1.0, 2.0)), None);
    assert_eq!(find(&read, "16.jpg"), Some(found));
    manifest.columns.radius = name("r90");
    let fault = Manifest::read(&[manifest]).unwrap_err();
    assert!(
        fault.ends_with("m.csv' has no column 'r90' (it has asset_id, id, RAJ2000, DEJ2000, ra)")
    );
}

#[test]
fn a_fault_names_the_file_and_the_row() {
    let with = |cells: &str| {
        fault(&format!(
            "file,object_id,ra,dec,radius\na.jpg,,1,2,3\n{cells}\n"
        ))
    };
    for (ra, dec) in [
        ("360.5", "0"),
        ("-1", "0"),
        ("0", "-90.1"),
        ("NaN", "0"),
        ("inf", "0"),
    ] {
        let expected = format!("', row 3: ra {ra}, dec {dec} is no place on the sky");
        assert_eq!(with(&format!("b.jpg,,{ra},{dec},3")), expected);
    }
    let sexagesimal = "', row 3: ra '10:20:30' is not a number of degrees";
    assert_eq!(with("b.jpg,,10:20:30,2,3"), sexagesimal);
    assert_eq!(
        with("b.jpg,,,2,3"),
        "', row 3: ra '' is not a number of degrees"
    );
    assert_eq!(
        with("b.jpg,,1,,3"),
        "', row 3: dec '' is not a number of degrees"
    );
    assert_eq!(with(",x,1,2,3"), "', row 3: no name of a file");
    assert_eq!(with("b/,x,1,2,3"), "', row 3: no name of a file");
    assert_eq!(with("x/a.jpg,,1,2,3"), "', row 3: 'a.jpg' is in row 2 too");
    let rounded = with("b.jpg,5.87732E+17,1,2,3");
    assert!(rounded.starts_with("', row 3: the id '5.87732E+17' was rounded"));
    assert_eq!(
        with("b.jpg,,1,2,big"),
        "', row 3: the radius 'big' is not a number of arcsec"
    );
    assert!(with("b.jpg,,1").contains("line: 3"));
}

#[test]
fn a_table_that_lacks_a_column_is_refused() {
    assert_eq!(
        fault("file,ra\n"),
        "' has no column 'dec' (it has file, ra)"
    );
    assert_eq!(
        fault("file,dec\n"),
        "' has no column 'ra' (it has file, dec)"
    );
    assert!(
        fault("name,ra,dec\n")
            .starts_with("' has no column with the names of the files: none of file")
    );
    assert!(fault("file,label\n").starts_with("' has no column ra and dec, radius or object_id"));
    assert!(fault("object_id\n").starts_with("' has no column ra and dec"));
    assert_eq!(fault("file,ra,RA,dec\n"), "' has two columns 'ra'");
    let missing = PathBuf::from("/none/m.csv");
    let fault = Manifest::read(&[missing.into()]).unwrap_err();
    assert!(
        fault.starts_with("manifest '/none/m.csv': No such file"),
        "{fault}"
    );
}

#[test]
fn coordinates_in_another_unit_are_refused() {
    let ecsv = |ra: &str, radius: &str| {
        format!(
            "# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: file}}\n# - {{name: ra, unit: {ra}}}\n# - {{name: dec, unit: deg}}\n\
             # - {{name: radius, unit: {radius}}}\nfile ra dec radius\na.jpg 1 2 3\n"
        )
    };
    let found = (None, Some((1.0, 2.0)), Some(3.0));
    assert_eq!(
        find(&read(&ecsv("deg", "arcsec")).unwrap(), "a.jpg"),
        Some(found)
    );
    let hours = fault(&ecsv("hourangle", "arcsec"));
    assert_eq!(
        hours,
        "': column 'ra' is in 'hourangle', and not in degrees"
    );
    let minutes = fault(&ecsv("deg", "arcmin"));
    assert_eq!(
        minutes,
        "': column 'radius' is in 'arcmin', and not in arcsec"
    );
}

#[test]
fn a_radius_that_is_none_is_not_known_and_counted() {
    let manifest = read("file,radius\na.jpg,-9999\nb.jpg,NaN\nc.jpg,0\nd.jpg,\ne.jpg,2\n").unwrap();
    assert_eq!(manifest.without_radius, 3);
    assert_eq!(find(&manifest, "a.jpg"), Some((None, None, None)));
    assert_eq!(find(&manifest, "e.jpg"), Some((None, None, Some(2.0))));
}

#[test]
fn two_manifests_complete_each_other_and_must_agree() {
    let folder = Folder::new();
    let positions = folder.manifest("p.csv", "file,ra,dec\na.jpg,1,2\nb.jpg,3,4\n");
    let radii = folder.manifest("r.csv", "file,radius,ra,dec\nb.jpg,5,3,4\na.jpg,6,,\n");
    let both = Manifest::read(&[positions.clone(), radii]).unwrap();
    assert_eq!(both.len(), 2);
    let b = (None, Some((3.0, 4.0)), Some(5.0));
    assert_eq!(find(&both, "b.jpg"), Some(b));
    assert_eq!(find(&both, "a.jpg").unwrap().2, Some(6.0));
    let others = folder.manifest("o.csv", "file,ra,dec\nc.jpg,1,2\nb.jpg,3,4.1\n");
    let fault = Manifest::read(&[positions, others]).unwrap_err();
    assert!(
        fault.contains("o.csv', row 3: 'b.jpg' has another position in '"),
        "{fault}"
    );
    assert!(fault.ends_with("p.csv', row 3"), "{fault}");
}

#[test]
fn a_name_with_its_ending_and_one_without_are_of_one_file() {
    let folder = Folder::new();
    let positions = folder.manifest("p.csv", "file,ra,dec\na.jpg,1,2\nJ1.2,3,4\nb.FITS.fz,5,6\n");
    let radii = folder.manifest("r.csv", "objid,radius\na,7\nJ1,8\nb,9\n");
    let both = Manifest::read(&[positions, radii.clone()]).unwrap();
    assert_eq!(
        find(&both, "a.jpg"),
        Some((Some("a"), Some((1.0, 2.0)), Some(7.0)))
    );
    assert_eq!(find(&both, "b.FITS.fz").unwrap().2, Some(9.0));
    // No ending of an image: two objects.
    assert_eq!(find(&both, "J1.2").unwrap().2, None);
    let others = folder.manifest("o.csv", "file,radius\na.jpg,7.5\n");
    let fault = Manifest::read(&[others, radii]).unwrap_err();
    assert!(
        fault.contains("o.csv', row 2: 'a.jpg' has another radius than 'a' in '"),
        "{fault}"
    );
    let fault = self::fault("file,ra,dec\na.jpg,1,2\na,3,4\n");
    assert!(
        fault.contains("row 2: 'a.jpg' has another position than 'a' in '"),
        "{fault}"
    );
}

#[test]
fn an_id_that_was_rounded_is_refused() {
    for id in [
        "5.87722981741363E+17",
        "6E+17",
        "587722981741363300.0",
        "12.0",
    ] {
        let fault = fault(&format!("file,objid\na.jpg,{id}\n"));
        assert!(fault.contains("was rounded to a decimal number"), "{fault}");
    }
    for id in ["587722981741363294", "+x", "J1.2+3", "12e4"] {
        let found = read(&format!("file,objid\na.jpg,{id}\n")).unwrap();
        assert_eq!(find(&found, "a.jpg").unwrap().0, Some(id));
    }
}
