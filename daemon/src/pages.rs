//! What the manual pages say of the settings. `examples/pages` asks for it; the program never does.

use crate::config::{Config, SETTINGS};

/// Each setting's name and meaning, in the order of the documentation.
pub fn settings() -> impl Iterator<Item = (&'static str, String)> {
    SETTINGS
        .iter()
        .map(|setting| (setting.name, setting.meaning().to_owned()))
}

/// What the reader of configuration files finds wrong in `toml`, a line each.
pub fn faults(toml: &str) -> Vec<String> {
    Config::parse(toml).err().unwrap_or_default()
}
