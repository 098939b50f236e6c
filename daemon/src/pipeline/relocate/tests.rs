use super::super::decode::blank_entry;
use super::*;
use crate::file::Origin;
use galmorph_catalog::{ModelInUse, Reader, Verdict};
use galmorph_cutout::{Identity, RejectReason};

#[test]
fn a_rename_never_replaces() {
    let folder = tempfile::TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, "a").unwrap();
    fs::write(&b, "b").unwrap();
    let error = rename(&a, &b).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&b).unwrap(), b"b");
    fs::remove_file(&b).unwrap();
    rename(&a, &b).unwrap();
    assert_eq!(fs::read(&b).unwrap(), b"a");
}

fn stored(path: &Path, text: &str) -> TakenFile {
    fs::write(path, text).unwrap();
    TakenFile {
        path: path.to_owned(),
        seen: Seen::of(&fs::symlink_metadata(path).unwrap()),
        origin: Origin::now(),
    }
}

fn relocator(folder: &tempfile::TempDir) -> Relocator {
    let folders = vec![folder.path().to_owned().into()];
    Relocator::new(Selection::new(folders, vec!["jpg".into()]))
}

fn of(file: &TakenFile, to: &Path) -> Planned {
    Planned {
        seen: file.seen,
        file: Move {
            from: file.path.clone(),
            to: to.to_owned(),
            stamp: file.seen.stamp,
        },
    }
}

#[test]
fn only_the_file_that_was_left_alone_is_moved() {
    let folder = tempfile::TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name);
    let outcome = |file: &TakenFile, to: &str| {
        let mut outcomes = relocator(&folder).carry_out(vec![of(file, &place(to))]);
        outcomes.pop().unwrap().1
    };
    let file = stored(&place("a"), "some");
    let writer = File::options().append(true).open(place("a")).unwrap();
    assert_eq!(outcome(&file, "a2"), Departure::Busy);
    drop(writer);
    // Its content and its times are the old ones, and somebody was there.
    fs::hard_link(place("a"), place("a3")).unwrap();
    assert_eq!(outcome(&file, "a2"), Departure::Changed);
    assert!(place("a").exists() && !place("a2").exists());
    let file = stored(&place("b"), "some");
    assert_eq!(outcome(&file, "b2"), Departure::Moved(place("b2")));
    assert_eq!(outcome(&file, "b3"), Departure::Gone);
}

#[test]
fn a_file_is_not_moved_to_another_file_system() {
    let folder = tempfile::TempDir::new().unwrap();
    let (here, there) = (folder.path().join("a"), Path::new("/proc/a"));
    assert_eq!(can_move(&here, &folder.path().join("new/b")), Ok(()));
    assert!(folder.path().join("new").is_dir());
    let stays = can_move(&here, there);
    assert!(matches!(stays, Err(Departure::Transient(_))), "{stays:?}");
}

#[test]
fn what_a_killed_daemon_left_is_found_wherever_it_is() {
    let folder = tempfile::TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name);
    let model = ModelInUse {
        name: "m".into(),
        digest: blake3::hash(b"model"),
        card: "{}".into(),
        arithmetic: "f32".into(),
    };
    let mut writer = Writer::open(&place("c.sqlite"), &model).unwrap();
    let mut begin = |name: &str| {
        let file = stored(&place(name), name);
        let mut entry = blank_entry(&file, Identity::named("x".into()));
        entry.verdict = Verdict::rejected(RejectReason::Broken, "by the test");
        writer.record(&[entry]).unwrap();
        let to = place(&format!("{name}.moved"));
        let planned = of(&file, &to).file;
        writer.intend(&[planned]).unwrap();
        (file.path, to)
    };
    let (not_yet, _) = begin("not_yet");
    let (from, moved) = begin("moved");
    fs::rename(from, &moved).unwrap();
    // Its writer was not done, and somebody has put another file into the first place of one.
    let (from, written) = begin("written");
    fs::rename(from, &written).unwrap();
    fs::write(&written, "more of it").unwrap();
    let (from, followed) = begin("followed");
    fs::rename(&from, &followed).unwrap();
    fs::write(from, "another one").unwrap();
    let (gone, _) = begin("gone");
    fs::remove_file(&gone).unwrap();

    relocator(&folder).recover(&mut writer).unwrap();
    for path in [&not_yet, &moved, &written, &followed, &gone] {
        assert!(writer.has_row(path).unwrap(), "{path:?}");
    }
    assert!(writer.unfinished_moves().unwrap().is_empty());
    let reader = Reader::open(&place("c.sqlite")).unwrap();
    assert_eq!(reader.marked(Path::new(""), 10).unwrap(), [written]);
}
