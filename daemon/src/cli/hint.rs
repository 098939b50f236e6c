//! Commands that the program suggests, written so that they can be pasted into a shell as they are.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::config::DEFAULT_CATALOG;
use galmorph_output::is_unseen;

/// A command of this program, with these arguments, on this catalog.
pub(super) fn command(arguments: &str, catalog: &Path) -> String {
    let called = env::args_os().next().unwrap_or_default();
    let here = env::current_dir().ok();
    let program = program(Path::new(&called), here.as_deref());
    let place = if catalog == Path::new(DEFAULT_CATALOG) {
        String::new()
    } else {
        format!(" --catalog {}", quote(catalog.as_os_str()))
    };
    format!("{} {arguments}{place}", quote(program.as_os_str()))
}

/// The name by which the program can be called again from the current folder, `here`.
fn program(called: &Path, here: Option<&Path>) -> PathBuf {
    if !called.as_os_str().as_bytes().contains(&b'/') {
        // Found on the PATH, by whatever name.
        return match called.file_name() {
            Some(name) => name.into(),
            None => "galmorph".into(),
        };
    }
    // What lies below the root is no shorter without it, and right in any folder with it.
    let below = here
        .filter(|here| *here != Path::new("/"))
        .and_then(|here| called.strip_prefix(here).ok());
    match below {
        Some(name) if name.components().count() == 1 => Path::new(".").join(name),
        Some(path) => path.to_owned(),
        None => called.to_owned(),
    }
}

/// A word as a shell reads it.
fn quote(word: &OsStr) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./+=:@%,".contains(&byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.bytes().all(is_plain) => text.to_owned(),
        Some(text) if !text.contains(is_unseen) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // As bash, zsh and ksh write bytes that can't be typed.
        _ => {
            let mut text = "$'".to_owned();
            for byte in word.as_bytes() {
                match byte {
                    b'\'' | b'\\' => {
                        text.push('\\');
                        text.push(char::from(*byte));
                    }
                    b' '..=b'~' => text.push(char::from(*byte)),
                    // Always three digits, so that a digit may follow.
                    _ => write!(text, "\\{byte:03o}").expect("a string takes all that is written"),
                }
            }
            text + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_program_is_named_as_it_can_be_called_again() {
        let here = Path::new("/home/me/galmorph");
        let name = |called: &str| {
            program(Path::new(called), Some(here))
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(name("galmorph"), "galmorph");
        assert_eq!(name(""), "galmorph");
        assert_eq!(name("target/release/galmorph"), "target/release/galmorph");
        assert_eq!(
            name("/home/me/galmorph/target/debug/galmorph"),
            "target/debug/galmorph"
        );
        assert_eq!(name("/home/me/galmorph/galmorph"), "./galmorph");
        assert_eq!(name("./galmorph"), "./galmorph");
        assert_eq!(name("/usr/bin/galmorph"), "/usr/bin/galmorph");
        let root = program(Path::new("/usr/bin/galmorph"), Some(Path::new("/")));
        assert_eq!(root, Path::new("/usr/bin/galmorph"));
    }

    #[test]
    fn a_shell_reads_every_word_as_it_was() {
        for word in [
            &b"/data/c.sqlite"[..],
            b"",
            b"/a b/it's $HOME.sqlite",
            b"a\nb\t'c\\",
            b"\xFF1\xC3\xA9",
            "/né*/c;rm -rf".as_bytes(),
            "/gpj.\u{202e}\u{2066}1".as_bytes(),
        ] {
            let quoted = quote(OsStr::from_bytes(word));
            let said = Command::new("bash")
                .args(["-c", &format!("printf %s {quoted}")])
                .output()
                .unwrap();
            assert_eq!(said.stdout, word, "{quoted}");
        }
        assert_eq!(quote(OsStr::new("/data/c.sqlite")), "/data/c.sqlite");
        let hidden = quote(OsStr::new("\u{1b}[2J\u{202e}\n"));
        assert!(!hidden.contains(is_unseen), "{hidden}");
    }
}
