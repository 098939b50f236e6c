//! The folders of which a worker takes files. A stream is an input from others: what lies elsewhere is not read.

use std::fs;
use std::path::{Path, PathBuf, absolute};

use galmorph_output::readable;

use crate::Failure;

/// A folder, as the stream names it and as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    named: PathBuf,
    here: PathBuf,
}

/// The folders of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roots(Vec<Root>);

impl Roots {
    /// `FOLDER`, or `NAMED=FOLDER` where other machines know it by another name.
    pub(crate) fn new(texts: &[PathBuf]) -> Result<Self, Failure> {
        let root = |text: &PathBuf| {
            let split = text.to_str().and_then(|text| text.split_once('='));
            let (named, here) = match split {
                Some((named, here)) if !text.exists() => (Path::new(named), Path::new(here)),
                _ => (text.as_path(), text.as_path()),
            };
            let full =
                |path: &Path| absolute(path).map_err(|error| Failure::io("name", path, &error));
            let root = Root {
                named: full(named)?,
                here: full(here)?,
            };
            if !root.here.is_dir() {
                let here = readable(&root.here);
                return Err(Failure::Usage(format!("'{here}' is not a folder")));
            }
            Ok(root)
        };
        texts.iter().map(root).collect::<Result<_, _>>().map(Self)
    }

    fn of<'a>(&'a self, path: &'a Path) -> Option<(&'a Root, &'a Path)> {
        let mut roots = self.0.iter();
        roots.find_map(|root| Some((root, path.strip_prefix(&root.named).ok()?)))
    }

    /// Where a file is on this machine; nothing for one that is in none of the folders.
    pub(crate) fn place(&self, path: &Path) -> Option<PathBuf> {
        self.of(path).map(|(root, below)| root.here.join(below))
    }

    /// Whether the folder of a file is there and has something in it. One that is not mounted is empty, or gone, and then
    /// no file of it is known to be missing.
    pub(crate) fn is_there(&self, path: &Path) -> bool {
        self.of(path).is_some_and(|(root, _)| {
            fs::read_dir(&root.here).is_ok_and(|mut entries| matches!(entries.next(), Some(Ok(_))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_under_its_other_name_and_none_outside() {
        let folder = tempfile::TempDir::new().unwrap();
        let here = folder.path().to_str().unwrap();
        let roots = Roots::new(&[PathBuf::from(format!("/far/data={here}"))]).unwrap();
        let place = |path: &str| roots.place(Path::new(path));
        assert_eq!(
            place("/far/data/n/a.jpg"),
            Some(folder.path().join("n/a.jpg"))
        );
        assert_eq!(place("/far/database/a.jpg"), None);
        assert_eq!(place("/etc/passwd"), None);
        let file = Path::new("/far/data/a.jpg");
        assert!(
            !roots.is_there(file),
            "an empty folder is a mount that is gone"
        );
        fs::write(folder.path().join("b.jpg"), "").unwrap();
        assert!(roots.is_there(file));
        assert!(Roots::new(&[PathBuf::from("/far/data=/not/there")]).is_err());
    }
}
