//! Names of files and folders that are left alone wherever they lie: those that storage devices, trash cans
//! and programs that synchronise folders make beside the files of others.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

/// Names, in which a `*` stands for any characters. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Exclusion {
    patterns: Arc<[String]>,
}

impl Exclusion {
    /// What these patterns leave alone.
    pub fn new(patterns: &[String]) -> Self {
        Self {
            patterns: patterns.into(),
        }
    }

    /// Whether this name is one of them, in upper or lower case.
    pub fn includes(&self, name: &OsStr) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    if name.len() < first.len() || !name[..first.len()].eq_ignore_ascii_case(first) {
        return false;
    }
    let mut rest = &name[first.len()..];
    let Some(last) = parts.next_back() else {
        // Without a star, the name has nothing more.
        return rest.is_empty();
    };
    for part in parts {
        match find(rest, part) {
            Some(end) => rest = &rest[end..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest[rest.len() - last.len()..].eq_ignore_ascii_case(last)
}

/// Where the first occurrence of a part ends.
fn find(name: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    let mut places = name.windows(part.len());
    let start = places.position(|place| place.eq_ignore_ascii_case(part))?;
    Some(start + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(pattern: &str, name: &str) -> bool {
        Exclusion::new(&[pattern.to_owned()]).includes(OsStr::new(name))
    }

    #[test]
    fn a_name_without_a_star_is_the_whole_name_in_any_case() {
        assert!(is_one("@eaDir", "@eaDir") && is_one("$RECYCLE.BIN", "$Recycle.Bin"));
        assert!(!is_one("@eaDir", "@eaDir2") && !is_one("@eaDir", "a@eaDir"));
        assert!(!is_one("a", "") && !is_one("", "a"));
    }

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        let sync = "*.sync-conflict-*";
        assert!(is_one(sync, "a.sync-conflict-20260101-120000-ABCDEFG.jpg"));
        assert!(is_one(sync, ".sync-conflict-") && !is_one(sync, "sync-conflict-a.jpg"));
        let copy = "* (*conflicted copy *";
        for name in [
            "a (conflicted copy 2026-01-01).jpg",
            "a (Ann's conflicted copy 2026-01-01).jpg",
        ] {
            assert!(is_one(copy, name), "{name}");
        }
        assert!(!is_one(copy, "conflicted copy .jpg"));
        assert!(is_one("*", "anything") && is_one("a*", "a") && is_one("*a", "a"));
        // What the first part took is not there for the last one.
        assert!(!is_one("ab*ba", "aba") && is_one("ab*ba", "abba"));
        assert!(is_one("*a*b*", "xaybz") && !is_one("*a*b*", "xbyaz"));
    }
}
