//! Text for people, in which nothing is hidden.
//!
//! A file's name may hold any character. A terminal obeys control characters, a line break makes one line
//! two, and some characters of Unicode change the order in which a line is read. In every line that people
//! see (tables, logs, errors), these are written out. Formats for programs (CSV, JSON, the fields of the
//! journal) have their own rules, and keep names as they are.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use crate::path_text::path_text;

/// Whether a character does something else than to be seen: control characters, line breaks, and what
/// changes the direction of writing.
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2066}'..='\u{206F}'
                | '\u{FFF9}'..='\u{FFFB}'
        )
}

/// The text with its unseen characters written out, as `\n` or `\u{202e}`. So it is one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unseen(character) {
            write!(written, "{}", character.escape_default()).expect("a string takes any text");
        } else {
            written.push(character);
        }
    }
    Cow::Owned(written)
}

/// A path in a line for people: as the catalog writes it, with its unseen characters written out.
pub fn readable(path: impl AsRef<Path>) -> String {
    visible(&path_text(path.as_ref())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn a_terminal_obeys_no_name_of_a_file() {
        for (name, seen) in [
            ("a\u{1b}[2J\n.jpg", "a\\u{1b}[2J\\n.jpg"),
            ("\r\t\u{7}\u{7f}", "\\r\\t\\u{7}\\u{7f}"),
            // One byte in a terminal of eight bits: CSI.
            ("\u{9b}31m", "\\u{9b}31m"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            (
                "\u{2066}a\u{2069}\u{200f}\u{61c}",
                "\\u{2066}a\\u{2069}\\u{200f}\\u{61c}",
            ),
            ("two\u{2028}lines\u{85}", "two\\u{2028}lines\\u{85}"),
        ] {
            assert_eq!(visible(name), seen);
            // What was written out once stays as it is.
            assert_eq!(visible(seen), seen);
        }
        for name in ["né.jpg", "銀河.jpg", "مجرة.jpg", "👩‍🚀.jpg", "a\\b 'c'.jpg"] {
            assert_eq!(visible(name), name);
        }
        let path = Path::new(OsStr::from_bytes(b"/in/\xFF\x1b\n.jpg"));
        assert_eq!(readable(path), "/in/%FF\\u{1b}\\n.jpg");
    }
}
