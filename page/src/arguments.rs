//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueHint};
use galmorph_output::Endpoint;

use crate::failure::EXIT_CODES;

/// Shows a catalog of galaxies in a browser, and takes what people say of them.
///
/// The page is for this machine alone: it listens on the loopback interface or a Unix socket, and knows no passwords.
#[derive(Debug, Clone, Parser)]
#[command(name = "galmorph-page", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The catalog, an SQLite file that galmorph watch made
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub catalog: PathBuf,

    /// Where to listen: an address and port of the loopback interface, or unix:PATH. Port 0 takes any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8150")]
    pub listen: Endpoint,

    /// The path at which a reverse proxy shows the page, such as /galaxies. The proxy must leave it in the requests
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, value_parser = base_path)]
    pub base_path: String,

    /// A name by which browsers may ask for the page, besides localhost: that of a reverse proxy. May be given again
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    pub hosts: Vec<String>,

    /// The model file that answers when somebody asks why a galaxy has its class. Answers of other models are not
    /// explained. Default: the model that is built in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "export")]
    pub model: Option<PathBuf>,

    /// Where to keep thumbnails. Default: systemd's cache directory, else nowhere
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,

    /// How much room thumbnails may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub cache_size: u64,

    /// Write a selection as one page that stands alone, and end. At most 500 galaxies
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Option<PathBuf>,

    /// What to write with --export: what stands behind the ? in a gallery's address, as label=spiral&sort=-confidence
    #[arg(
        long,
        value_name = "SELECTION",
        default_value = "",
        hide_default_value = true,
        requires = "export"
    )]
    pub select: String,

    /// At most so many galaxies with --export
    #[arg(long, value_name = "COUNT", default_value_t = 100, requires = "export",
          value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,

    /// Replace the file of --export if it exists
    #[arg(long, requires = "export")]
    pub force: bool,
}

/// A path that begins with a slash and doesn't end with one; nothing for none.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    if path.is_empty()
        || (path.starts_with('/') && path.bytes().all(is_plain) && !path.contains("//"))
    {
        Ok(path.to_owned())
    } else {
        Err("must be a path of letters, digits and -_.~, such as /galaxies".into())
    }
}

/// The name of a host, without a port.
fn host(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be the name of a host, without a port".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_one_that_needs_no_quoting() {
        assert_eq!(base_path("/"), Ok(String::new()));
        assert_eq!(base_path("/a/b/"), Ok("/a/b".into()));
        for text in ["a", "//a", "/a//b", "/a\"", "/a?b", "/<"] {
            assert!(base_path(text).is_err(), "{text}");
        }
    }
}
