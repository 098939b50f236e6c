//! What the environment says of the log, for all programs alike.

use std::env;

/// The environment variable that says what is logged.
const VARIABLE: &str = "GALMORPH_LOG";

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// What the environment variable `GALMORPH_LOG` asks to be logged: a level, or levels by module with commas between, as
/// in `galmorph=debug,warn`. `None` where it is not set, or empty.
///
/// # Errors
/// A line that names the part which is neither. The logger would take a word that it does not know for the name of a
/// module, and log nothing else.
pub fn log_levels() -> Result<Option<String>, String> {
    let Some(asked) = env::var_os(VARIABLE) else {
        return Ok(None);
    };
    let asked = asked.to_string_lossy();
    let mut parts = asked
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    if parts.clone().next().is_none() {
        return Ok(None);
    }
    match parts.find(|part| !is_level(part)) {
        None => Ok(Some(asked.into_owned())),
        Some(part) => Err(format!(
            "environment variable {VARIABLE}: '{part}' is neither a level ({}) nor a module with its level, such as \
             galmorph=debug",
            LEVELS.join(", ")
        )),
    }
}

/// Whether the logger takes this part as it is meant: it leaves blanks in a module's name.
fn is_level(part: &str) -> bool {
    let level = match part.split_once('=') {
        Some((module, _)) if module.is_empty() || module.contains(char::is_whitespace) => {
            return false;
        }
        Some((_, level)) => level,
        None => part,
    };
    LEVELS.iter().any(|name| name.eq_ignore_ascii_case(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_level_or_a_module_with_one() {
        for part in ["info", "OFF", "galmorph=debug", "galmorph::intake=trace"] {
            assert!(is_level(part), "{part}");
        }
        for part in [
            "banana",
            "galmorph",
            "galmorph=",
            "=info",
            "info/regex",
            "1",
            "galmorph=banana",
            "galmorph = trace",
            "galmorph= trace",
        ] {
            assert!(!is_level(part), "{part}");
        }
    }
}
