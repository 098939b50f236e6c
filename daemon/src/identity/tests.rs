use std::fs;

use galmorph_cutout::Position;
use tempfile::TempDir;

use super::*;
use crate::config::After;

const AT_ONCE: Duration = Duration::ZERO;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn identities(&self, pattern: &str) -> Identities {
        let folder = Folder {
            after: After::Move,
            name: Some(pattern.parse().unwrap()),
            manifests: vec![self.path("m.csv").into()],
            ..self.folder.path().to_owned().into()
        };
        Identities::new(Selection::new(vec![folder], vec!["jpg".into()]))
    }

    /// Writes the manifest, with a size of its own each time.
    fn write(&self, text: &str) {
        fs::write(self.path("m.csv"), text).unwrap();
    }
}

fn refreshed(identities: &Identities) -> usize {
    identities.refresh(false, AT_ONCE, &Shutdown::new()).len()
}

fn position(ra: f64, dec: f64, source: PositionSource) -> Option<(Position, PositionSource)> {
    Position::new(ra, dec).map(|at| (at, source))
}

#[test]
fn the_manifest_goes_before_the_name_and_each_says_what_the_other_does_not() {
    let fixture = Fixture::new();
    let identities = fixture.identities("{object_id}_{ra}_{dec}");
    let of = |name: &str| identities.of(&fixture.path(name), |_| false);
    assert_eq!(refreshed(&identities), 0);
    let by_name = of("a_1_2.jpg");
    assert_eq!(by_name.object_id, "a");
    assert_eq!(by_name.position, position(1.0, 2.0, PositionSource::Name));
    assert_eq!(of("other.jpg"), Identity::named("other".into()));

    fixture
        .write("file,object_id,ra,dec,radius\na_1_2.jpg,,3,4,5\nother.jpg,O,,,6\nb_1_2.jpg,B,,,\n");
    assert_eq!(refreshed(&identities), 1);
    assert_eq!(refreshed(&identities), 0, "it has not changed");
    let both = of("a_1_2.jpg");
    assert_eq!(both.object_id, "a");
    assert_eq!(both.position, position(3.0, 4.0, PositionSource::Manifest));
    assert_eq!(both.radius, Some(5.0));
    assert_eq!(of("b_1_2.jpg").object_id, "B");
    let of_name = position(1.0, 2.0, PositionSource::Name);
    assert_eq!(of("b_1_2.jpg").position, of_name);
    assert_eq!(
        (of("other.jpg").position, of("other.jpg").radius),
        (None, Some(6.0))
    );
}

#[test]
fn a_manifest_with_a_fault_or_that_is_gone_leaves_the_earlier_one_in_use() {
    let fixture = Fixture::new();
    let identities = fixture.identities("{object_id}");
    let radius = || identities.of(&fixture.path("a.jpg"), |_| false).radius;
    fixture.write("file,radius\na.jpg,many\n");
    assert_eq!(refreshed(&identities), 0);
    assert_eq!(radius(), None);
    fixture.write("file,radius\na.jpg,5\n");
    assert_eq!(refreshed(&identities), 1);
    fixture.write("file,radius\na.jpg,6\na.jpg,6\n");
    assert_eq!(refreshed(&identities), 0);
    assert_eq!(radius(), Some(5.0));
    fs::remove_file(fixture.path("m.csv")).unwrap();
    assert_eq!(refreshed(&identities), 0);
    assert_eq!(radius(), Some(5.0));
    fixture.write("file,radius\na.jpg,7.5\n");
    assert_eq!(refreshed(&identities), 1);
    assert_eq!(radius(), Some(7.5));
}

#[test]
fn one_that_is_being_written_waits_for_the_next_scan() {
    let fixture = Fixture::new();
    let identities = fixture.identities("{object_id}");
    fixture.write("file,radius\na.jpg,5\n");
    let long = Duration::from_hours(1);
    let stop = Shutdown::new();
    assert_eq!(identities.refresh(false, long, &stop).len(), 0);
    assert_eq!(refreshed(&identities), 1);
}

#[test]
fn the_number_of_a_moved_file_is_no_part_of_its_name() {
    let fixture = Fixture::new();
    let identities = fixture.identities("cutout_{ra}_{dec}");
    let of = |name: &str, others: &[&str]| {
        let others: Vec<PathBuf> = others.iter().map(|name| fixture.path(name)).collect();
        let has_row = |path: &Path| others.iter().any(|other| other == path);
        let found = identities.of(&fixture.path(name), has_row);
        found.position.map(|(at, _)| at.dec())
    };
    // Moved, when there was a file of its name.
    let moved = "done/cutout_1_33.1.jpg";
    assert_eq!(of(moved, &["done/cutout_1_33.jpg"]), Some(33.0));
    // Its own name.
    assert_eq!(of(moved, &[]), Some(33.1));
    assert_eq!(of("cutout_1_33.1.jpg", &["cutout_1_33.jpg"]), Some(33.1));
}
