//! Files of other kinds: they lie in the watched folders, and their names end in nothing that we take.
//!
//! They are counted by extension, so that a folder full of FITS files is not passed over in silence. Names
//! come from outside, so only a few kinds are told apart, however many there are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How many extensions are told apart.
const KINDS: usize = 16;

/// An extension that is longer is none.
const LONGEST: usize = 8;

/// Files without an extension, and those whose extension is not told apart.
const NONE: &str = "none";
const OTHER: &str = "other";

/// Endings that say how a file is packed, not what it holds.
const PACKED: [&str; 6] = ["gz", "fz", "bz2", "xz", "zst", "z"];

/// The number of files of other kinds, by extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OtherFiles {
    by_extension: BTreeMap<String, u64>,
}

impl OtherFiles {
    /// Counts one more.
    pub(super) fn add(&mut self, path: &Path) {
        self.add_many(&extension(path), 1);
    }

    /// Counts the files of `others`, too.
    pub(super) fn merge(&mut self, others: &Self) {
        for (extension, count) in &others.by_extension {
            self.add_many(extension, *count);
        }
    }

    fn add_many(&mut self, extension: &str, count: u64) {
        if let Some(counted) = self.by_extension.get_mut(extension) {
            *counted += count;
        } else {
            let is_full = self.by_extension.len() >= KINDS;
            let extension = if is_full { OTHER } else { extension };
            *self.by_extension.entry(extension.to_owned()).or_default() += count;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_extension.is_empty()
    }

    /// The counts, by extension in lower case.
    pub(crate) fn by_extension(&self) -> &BTreeMap<String, u64> {
        &self.by_extension
    }

    /// Whether all its kinds are among those of `known`.
    pub(super) fn is_known_to(&self, known: &Self) -> bool {
        let mut kinds = self.by_extension.keys();
        kinds.all(|kind| known.by_extension.contains_key(kind))
    }

    /// What is said of these files: "5 .fits, 1 .tif (extensions = [...] decides)".
    pub(crate) fn explain(&self, extensions: &[String]) -> String {
        format!("{self} (extensions = {extensions:?} decides)")
    }
}

/// "5 .fits, 1 .tif", the most frequent first.
impl fmt::Display for OtherFiles {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut kinds: Vec<(&str, u64)> = self
            .by_extension
            .iter()
            .map(|(extension, count)| (&**extension, *count))
            .collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let texts: Vec<String> = kinds
            .into_iter()
            .map(|(extension, count)| match extension {
                NONE => format!("{count} without an extension"),
                OTHER => format!("{count} others"),
                _ => format!("{count} .{extension}"),
            })
            .collect();
        f.write_str(&texts.join(", "))
    }
}

/// A file's extension in lower case; with the one before it if the file is packed, as in `fits.gz`.
fn extension(path: &Path) -> String {
    let plain = |path: &Path| {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let is_one = extension.len() <= LONGEST
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            // A number is a part of the name.
            && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_one.then_some(extension)
    };
    if path.extension().is_none() {
        return NONE.into();
    }
    let Some(last) = plain(path) else {
        return OTHER.into();
    };
    match path.file_stem().map(Path::new).and_then(plain) {
        Some(before) if PACKED.contains(&&*last) => format!("{before}.{last}"),
        _ => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(names: &[&str]) -> OtherFiles {
        let mut others = OtherFiles::default();
        for name in names {
            others.add(Path::new(name));
        }
        others
    }

    #[test]
    fn files_are_counted_by_extension_the_most_frequent_first() {
        let mut others = counted(&["/a/1.FITS", "b.tif", "README", "2.fits", "m51.fits.gz"]);
        assert_eq!(
            others.to_string(),
            "2 .fits, 1 .fits.gz, 1 without an extension, 1 .tif"
        );
        others.merge(&counted(&["c.tif", "d.tif"]));
        assert!(others.to_string().starts_with("3 .tif, 2 .fits"));
        assert!(counted(&["x.tif"]).is_known_to(&others));
        assert!(!counted(&["x.tif", "x.gif"]).is_known_to(&others));
        assert_eq!(
            counted(&["a.fits"]).explain(&["jpg".into()]),
            "1 .fits (extensions = [\"jpg\"] decides)"
        );
    }

    #[test]
    fn names_from_outside_cost_no_more_than_a_few_kinds() {
        let names: Vec<String> = (0..1000).map(|number| format!("a.x{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let others = counted(&names);
        assert!(others.by_extension.len() <= KINDS + 1);
        assert_eq!(others.by_extension.values().sum::<u64>(), 1000);
        for odd in ["a.587722981741363294", "a.\u{1b}[2J", "a.with a blank"] {
            assert_eq!(counted(&[odd]).to_string(), "1 others");
        }
    }
}
