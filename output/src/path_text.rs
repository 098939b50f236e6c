//! Paths as text, one to one.
//!
//! The catalog keys files by path, and SQLite's text is UTF-8 while a path is any bytes. Bytes that
//! are not UTF-8 are written as `%` and two hexadecimal digits. So that two files never share a row,
//! a `%` that two hexadecimal digits follow is itself written `%25`; every other name, nearly all of
//! them, is written as it is. Ordinary percent-decoding leads back to the path.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The text that stands for a path in the catalog.
pub fn path_text(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        escape_percent(chunk.valid(), &mut text);
        for byte in chunk.invalid() {
            write!(text, "%{byte:02X}").expect("a string takes any text");
        }
    }
    text
}

/// The path that a text of [`path_text`] stands for: ordinary percent-decoding.
pub fn text_path(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes.get(at + 1..at + 3).and_then(hexadecimal) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    OsString::from_vec(decoded).into()
}

/// The byte that two hexadecimal digits stand for.
fn hexadecimal(two: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = *two else { return None };
    u8::try_from((digit(high)? << 4) | digit(low)?).ok()
}

fn escape_percent(valid: &str, text: &mut String) {
    for (position, character) in valid.char_indices() {
        text.push(character);
        let next = valid.as_bytes().get(position + 1..position + 3);
        let looks_encoded =
            character == '%' && next.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if looks_encoded {
            text.push_str("25");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn text(bytes: &[u8]) -> String {
        path_text(Path::new(OsStr::from_bytes(bytes)))
    }

    #[test]
    fn ordinary_names_are_written_as_they_are() {
        assert_eq!(
            text("/data/NGC 1300 né.jpg".as_bytes()),
            "/data/NGC 1300 né.jpg"
        );
        assert_eq!(text(b"/data/50%.jpg"), "/data/50%.jpg");
    }

    #[test]
    fn every_path_has_a_text_of_its_own_that_leads_back_to_it() {
        let paths: [&[u8]; 6] = [
            b"/a/\xFF.jpg",
            b"/a/%FF.jpg",
            b"/a/%25FF.jpg",
            b"/a/%\xFF",
            b"/a/%A\xFF",
            b"/a/100%",
        ];
        let mut texts: Vec<String> = paths.iter().map(|path| text(path)).collect();
        for (path, text) in paths.iter().zip(&texts) {
            assert_eq!(text_path(text).as_os_str().as_bytes(), *path, "{text}");
        }
        assert_eq!(texts[0], "/a/%FF.jpg");
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), paths.len());
    }
}
