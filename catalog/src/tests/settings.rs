//! Which rows a changed setting makes stale, and what becomes of the rows of files that belong together.

use super::*;
use crate::WatchedFolder;

fn rendering(stretch: &str, bands: &[&str]) -> Rendering {
    Rendering {
        stretch: Some(stretch.parse().unwrap()),
        bands: bands.iter().map(|band| (*band).to_owned()).collect(),
        colours: Vec::new(),
    }
}

#[test]
fn another_stretch_is_another_answer_for_fits_images_alone() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let mut record = |path: &str, rendering: &str, stretch: Option<&str>| {
        let mut entry = entry(path, path, classified(ANSWER));
        entry.rendering = Some(rendering.into());
        entry.stretch = stretch.map(str::to_owned);
        writer.record(&[entry]).unwrap();
    };
    record("/plain.fits", "paper", Some("asinh"));
    record("/legacy.fits", "paper; legacy; bands g,r,z", Some("legacy"));
    // Earlier versions wrote the setting down for every image.
    record("/a.jpg", "paper; legacy; bands g,r,z", None);
    let reader = Reader::open(&fixture.path()).unwrap();
    let stands = |path: &str, rendering: &Rendering, reclassify| {
        let wanted = RequiredModel {
            model: 1,
            reclassify,
        };
        let picture = RequiredPicture {
            framing: &AUTO,
            rendering,
        };
        let status = reader.file_status(Path::new(path), &state(stamp()), wanted, picture);
        status.unwrap()
    };
    let done = FileStatus::Done { rejected: false };
    let stale = FileStatus::Stale {
        rejected: false,
        reason: StaleReason::OtherAnswer,
    };
    let legacy = rendering("legacy", &["g", "r", "z"]);
    for (rendering, expected) in [
        (&Rendering::DEFAULT, [done, stale, done]),
        (&legacy, [stale, done, done]),
        (
            &self::rendering("legacy", &["g", "r", "i"]),
            [stale, stale, done],
        ),
        (
            &self::rendering("sdss", &["g", "r", "z"]),
            [stale, stale, done],
        ),
    ] {
        let files = ["/plain.fits", "/legacy.fits", "/a.jpg"];
        assert_eq!(files.map(|path| stands(path, rendering, true)), expected);
        assert_eq!(files.map(|path| stands(path, rendering, false)), [done; 3]);
    }
}

#[test]
fn rejections_that_depend_on_the_bands_are_counted_when_their_settings_change() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let rejected = |path: &str, reason| entry(path, path, Verdict::rejected(reason, "it is"));
    writer
        .record(&[
            rejected("/a", RejectReason::MissingBands),
            rejected("/b", RejectReason::Unsupported),
            rejected("/c", RejectReason::Broken),
        ])
        .unwrap();
    let limits = galmorph_cutout::Limits::default();
    let mut count = |rendering: Rendering, band_files: Option<&str>| {
        let watched = Watched {
            folders: vec![WatchedFolder {
                path: "/in".into(),
                rendering,
                band_files: band_files.map(str::to_owned),
                ..WatchedFolder::default()
            }],
            ..Watched::default()
        };
        let rejected = writer.record_watch(&watched, &limits).unwrap();
        assert_eq!(rejected.other_limits, 0);
        rejected.other_rendering
    };
    let legacy = || rendering("legacy", &["g", "r", "z"]);
    assert_eq!(count(Rendering::default(), None), 0);
    assert_eq!(count(legacy(), None), 2);
    assert_eq!(count(legacy(), None), 0);
    assert_eq!(count(legacy(), Some("{object_id}_{band}.fits")), 2);
}

#[test]
fn the_row_of_an_image_takes_the_place_of_those_of_its_parts() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    let alone = ["/a_g", "/a_r", "/b_r"].map(|path| entry(path, path, classified(ANSWER)));
    writer.record(&alone).unwrap();
    let mut whole = entry("/a_g", "all", classified(ANSWER));
    whole.parts = ["/a_r", "/a_z"].map(PathBuf::from).to_vec();
    writer.record(&[whole]).unwrap();
    let paths = "SELECT group_concat(path, ' ') FROM (SELECT path FROM cutout ORDER BY path)";
    assert_eq!(fixture.ask::<String>(paths), "/a_g /b_r");
    // Their answers stay.
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM other_answer"), 2);
    assert_eq!(
        Reader::open(&fixture.path()).unwrap().faults().unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn an_image_that_lost_some_of_its_files_keeps_its_row() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    writer
        .record(&[entry("/a_g", "a", classified(ANSWER))])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let stands = |bytes, is_whole, changed| {
        let now = FileState {
            stamp: Stamp { bytes, ..stamp() },
            changed,
            is_whole,
        };
        let path = Path::new("/a_g");
        let status = reader.file_status(path, &now, required_model(1), shown(&AUTO));
        matches!(status.unwrap(), FileStatus::Done { .. })
    };
    assert!(stands(8, false, LONG_AGO));
    // Something is new about what is left, or there is more than there was.
    assert!(!stands(8, false, SystemTime::now()));
    assert!(!stands(13, false, LONG_AGO));
    assert!(!stands(8, true, LONG_AGO));
}
