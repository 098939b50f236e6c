//! Which object a row is of, and how that is brought up to date.

use super::*;

use galmorph_cutout::{Position, PositionSource};
use galmorph_output::path_text;

fn at(ra: f64, dec: f64, source: PositionSource) -> Identity {
    Identity {
        object_id: "x".into(),
        position: Position::new(ra, dec).map(|position| (position, source)),
        radius: Some(2.5),
    }
}

const ROW: &str =
    "SELECT concat_ws(' ', object_id, ra, dec, position_from, radius, healpix) FROM cutout";

#[test]
fn a_row_says_which_object_it_is_of() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let mut entry = entry("/in/a", "a", classified(ANSWER));
    entry.identity = at(150.0, 2.0, PositionSource::Wcs);
    writer.record(&[entry.clone()]).unwrap();
    let cell = healpix::cell(150.0, 2.0);
    let expected = format!("x 150.0 2.0 wcs 2.5 {cell}");
    assert_eq!(fixture.ask::<String>(ROW), expected);
    let found = writer.described(Path::new("/in/a")).unwrap().unwrap();
    assert_eq!(found.identity, entry.identity);
    assert!(!found.is_rejected && !found.is_fits);
    // A row that is written again says what is known then.
    entry.identity = Identity::named("y".into());
    writer.record(&[entry]).unwrap();
    assert_eq!(fixture.ask::<String>(ROW), "y");
}

#[test]
fn rows_are_revised_below_their_folder_alone_and_step_by_step() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let inside: Vec<String> = (0..600).map(|number| format!("/in/{number:03}")).collect();
    let outside = ["/in", "/in.a", "/in0", "/other/a"].map(String::from);
    let entries: Vec<Entry> = (inside.iter().chain(&outside))
        .map(|path| entry(path, path, classified(ANSWER)))
        .collect();
    writer.record(&entries).unwrap();
    let (mut seen, mut last) = (Vec::new(), None);
    loop {
        let rows = writer
            .described_below(Path::new("/in"), last.as_deref())
            .unwrap();
        let Some(end) = rows.last() else {
            break;
        };
        assert!(rows.len() <= 256);
        last = Some(end.path.clone());
        seen.extend(rows.iter().map(|row| path_text(&row.path)));
    }
    assert_eq!(seen, inside);

    let before: i64 = fixture.ask("SELECT sum(classified) FROM cutout");
    let revision = |path: &str, read_again| Revision {
        path: path.into(),
        identity: at(10.0, 20.0, PositionSource::Manifest),
        read_again,
    };
    writer
        .revise(&[revision("/in/000", false), revision("/in/001", true)])
        .unwrap();
    let with =
        |what: &str| fixture.ask::<i64>(&format!("SELECT count(*) FROM cutout WHERE {what}"));
    assert_eq!(with("ra = 10 AND healpix IS NOT NULL AND radius = 2.5"), 2);
    assert_eq!(with("retry IS NOT NULL"), 1);
    assert_eq!(
        fixture.ask::<i64>("SELECT sum(classified) FROM cutout"),
        before
    );
    assert!(
        Reader::open(&fixture.path())
            .unwrap()
            .faults()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_position_outside_of_the_sphere_is_damage() {
    for change in [
        "ra = 400, dec = 0, healpix = 1",
        "ra = 4, dec = 0",
        "ra = 4, healpix = 1",
    ] {
        let fixture = Fixture::new();
        let mut writer = fixture.writer("m");
        writer
            .record(&[entry("/a", "a", classified(ANSWER))])
            .unwrap();
        let change = format!("UPDATE cutout SET {change}");
        writer.connection.execute(&change, []).unwrap();
        let faults = Reader::open(&fixture.path()).unwrap().faults().unwrap();
        assert_eq!(faults.len(), 1, "{change}: {faults:?}");
        assert!(faults[0].contains("has a position"));
    }
}

#[test]
fn a_row_that_is_framed_by_a_radius_is_done_by_its_own_radius() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let mut record = |rendering: &str, radius: Option<f64>| {
        let mut entry = entry("/a", "a", classified(ANSWER));
        entry.rendering = Some(rendering.into());
        entry.identity.radius = radius;
        writer.record(&[entry]).unwrap();
        writer.model()
    };
    let is_done = |model, pixel_scale| {
        let reader = Reader::open(&fixture.path()).unwrap();
        let wanted = RequiredModel {
            model,
            reclassify: true,
        };
        let framing = FramingSettings {
            pixel_scale,
            ..AUTO
        };
        let status = reader.file_status(Path::new("/a"), &state(stamp()), wanted, shown(&framing));
        matches!(status.unwrap(), FileStatus::Done { .. })
    };
    // 10 arcsec at 0.5 arcsec a pixel: 20 pixels, of which the frame has 8.48.
    let model = record("radius 169.60", Some(10.0));
    assert!(is_done(model, Some(0.5)));
    assert!(!is_done(model, Some(0.4)));
    // The scale may be the file's own.
    assert!(is_done(model, None));
    let model = record("radius 169.60", None);
    assert!(!is_done(model, None) && !is_done(model, Some(0.5)));
    // The file may have none.
    let model = record("paper", Some(10.0));
    assert!(is_done(model, None));
    assert!(!is_done(model, Some(0.5)));
    let model = record("frame", Some(10.0));
    assert!(!is_done(model, None));
}

#[test]
fn a_file_whose_object_became_better_known_is_read_again_once() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let entry = entry("/a", "a", classified(ANSWER));
    writer.record(std::slice::from_ref(&entry)).unwrap();
    let status = |reclassify| {
        let reader = Reader::open(&fixture.path()).unwrap();
        let wanted = RequiredModel {
            model: 1,
            reclassify,
        };
        let status = reader.file_status(Path::new("/a"), &state(stamp()), wanted, shown(&AUTO));
        status.unwrap()
    };
    assert!(matches!(status(true), FileStatus::Done { .. }));
    let revision = Revision {
        path: "/a".into(),
        identity: entry.identity.clone(),
        read_again: true,
    };
    writer.revise(&[revision]).unwrap();
    let again = FileStatus::Stale {
        rejected: false,
        reason: StaleReason::Retry,
    };
    assert_eq!((status(true), status(false)), (again, again));
    writer.record(&[entry]).unwrap();
    assert!(matches!(status(true), FileStatus::Done { .. }));
}

#[test]
fn a_folder_stays_identified_until_it_is_watched_no_longer() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let mut record = |path: &str, identified| {
        let watched = Watched {
            folders: vec![WatchedFolder {
                path: path.into(),
                moves: false,
                framing: AUTO,
                identified,
                ..WatchedFolder::default()
            }],
            ..Watched::default()
        };
        writer
            .record_watch(&watched, &galmorph_cutout::Limits::default())
            .unwrap();
        writer.identified().len()
    };
    assert_eq!(record("/in", false), 0);
    assert_eq!(record("/in", true), 1);
    assert_eq!(record("/in", false), 1);
    assert_eq!(record("/in", false), 1);
    assert_eq!(record("/other", false), 0);
}
