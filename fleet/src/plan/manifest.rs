//! A shard's list of files: one a line, in the order of their paths.
//!
//! A line is the path as the catalog writes it, and, where a table said more, the object's name, right ascension, declination
//! and radius behind tabs. A line break or a tab in a name is written as `%` and two hexadecimal digits, as bytes that are no
//! UTF-8 are. So ordinary percent-decoding leads back to the path.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use galmorph_cutout::{Identity, Position, PositionSource};
use galmorph_output::{path_text, readable, text_path};

use crate::Failure;

/// A file of a shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// The path as the catalog writes it.
    pub(crate) path: String,
    /// What a table said of its object; empty for nothing.
    pub(super) more: String,
}

impl Item {
    pub(crate) fn new(path: String, more: String) -> Self {
        Self { path, more }
    }

    /// Where the file is.
    pub(crate) fn file(&self) -> PathBuf {
        text_path(&self.path)
    }

    /// The object that it shows, whose name is `named` where nothing else is known.
    pub(crate) fn identity(&self, named: String) -> Identity {
        let mut cells = self.more.split('\t');
        let mut number = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
        let place = number().zip(number());
        let radius = number();
        let id = cells.next().filter(|id| !id.is_empty());
        let position = place.and_then(|(ra, dec)| Position::new(ra, dec));
        Identity {
            object_id: id.map_or(named, |id| path_text(&text_path(id))),
            position: position.map(|at| (at, PositionSource::Manifest)),
            radius,
        }
    }

    /// The line that stands for it, without its end.
    pub(crate) fn line(&self) -> String {
        match &*self.more {
            "" => escaped(&self.path).into_owned(),
            more => format!("{}\t{more}", escaped(&self.path)),
        }
    }
}

/// What a table says of an object, as a line has it; empty if it says nothing.
pub(crate) fn described(place: Option<Position>, radius: Option<f64>, id: Option<&str>) -> String {
    if place.is_none() && radius.is_none() && id.is_none() {
        return String::new();
    }
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    let id = id.map_or_else(String::new, |id| {
        escaped(&path_text(Path::new(id))).into_owned()
    });
    format!(
        "{}\t{}\t{}\t{id}",
        number(place.map(Position::ra)),
        number(place.map(Position::dec)),
        number(radius)
    )
}

const ESCAPES: [(char, &str); 3] = [('\n', "%0A"), ('\r', "%0D"), ('\t', "%09")];

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r', '\t']) {
        return Cow::Borrowed(text);
    }
    let all = ESCAPES.iter();
    all.fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
        .into()
}

/// What [`escaped`] made of it. No path's text has these digits otherwise: they would stand behind `%25`.
fn unescaped(text: &str) -> String {
    if !text.contains("%0") {
        return text.to_owned();
    }
    let all = ESCAPES.iter();
    all.fold(text.to_owned(), |text, (to, from)| {
        text.replace(from, &to.to_string())
    })
}

/// An open manifest.
pub(crate) struct Manifest {
    path: PathBuf,
    lines: BufReader<File>,
}

impl Manifest {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            lines: BufReader::with_capacity(1 << 16, file),
        })
    }

    /// The next file; nothing behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Failure> {
        let mut line = String::new();
        let bytes = (self.lines.read_line(&mut line))
            .map_err(|error| Failure::io("read", &self.path, &error))?;
        if bytes == 0 {
            return Ok(None);
        }
        let Some(line) = line.strip_suffix('\n') else {
            let path = readable(&self.path);
            return Err(Failure::Unusable(format!(
                "manifest '{path}' ends in the middle of a line"
            )));
        };
        let (path, more) = line.split_once('\t').unwrap_or((line, ""));
        Ok(Some(Item::new(unescaped(path), more.to_owned())))
    }

    /// All files that are left.
    pub(crate) fn rest(mut self) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        while let Some(item) = self.next()? {
            items.push(item);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn a_line_leads_back_to_the_file_and_its_object() {
        let names: [&[u8]; 5] = [
            b"/a/b.jpg",
            b"/a/\n\t\r.jpg",
            b"/a/%0A.jpg",
            b"/a/\xFF%09",
            b"/a/50%",
        ];
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("manifest");
        let place = Position::new(150.123_456_789_012_3, -2.5);
        for name in names {
            let text = path_text(Path::new(OsStr::from_bytes(name)));
            for more in [
                String::new(),
                described(place, Some(3.25), Some("an id\twith %0A")),
                described(None, None, Some("7")),
            ] {
                let item = Item::new(text.clone(), more);
                std::fs::write(&path, format!("{}\n", item.line())).unwrap();
                let read = Manifest::open(&path).unwrap().rest().unwrap();
                assert_eq!(read, [item]);
                assert_eq!(read[0].file().as_os_str().as_bytes(), name);
            }
        }
        let item = Item::new("/a".into(), described(place, Some(3.25), Some("an id")));
        let identity = item.identity("a".into());
        assert_eq!(identity.object_id, "an id");
        assert_eq!(
            identity.position,
            place.map(|at| (at, PositionSource::Manifest))
        );
        assert_eq!(identity.radius, Some(3.25));
        let item = Item::new("/a".into(), described(None, None, Some("7")));
        assert_eq!(item.identity("a".into()), Identity::named("7".into()));
        let plain = Item::new("/a".into(), String::new());
        assert_eq!(plain.identity("a".into()), Identity::named("a".into()));
    }

    #[test]
    fn a_manifest_that_is_not_whole_is_a_fault() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("manifest");
        std::fs::write(&path, "/a\n/b").unwrap();
        let fault = Manifest::open(&path).unwrap().rest().unwrap_err();
        assert!(fault.to_string().contains("in the middle of a line"));
    }
}
