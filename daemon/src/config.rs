//! The configuration, and the one table that documents it.
//!
//! Every setting is declared once, below: its name, meaning, default and check. The struct, the reader
//! of TOML files, the help of the flags and the tests of the example file all come from that table.
//! Settings that are unknown, of the wrong type or out of range are faults; *all* of them are found in
//! one go, since an operator who fixes a file wants to fix it once.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use galmorph_cutout::{EarlyStop, Limits, Preprocessing};

use crate::folder::Folder;
use crate::intake::Order;
use crate::metrics::Endpoint;
use crate::model::{Options, Precision};

macro_rules! settings {
    ($($(#[doc = $meaning:literal])+ $name:ident: $kind:ty = $default:expr, $check:expr;)+) => {
        /// What the daemon can be told.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct Config {
            $($(#[doc = $meaning])+ pub(crate) $name: $kind,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Every setting's name and meaning, in the order of the documentation.
        pub(crate) const SETTINGS: &[(&str, &str)] = &[$((stringify!($name), concat!($($meaning),+)),)+];

        impl Config {
            /// Takes over what `table` sets; whatever can't be is a fault.
            fn apply(&mut self, table: toml::Table, faults: &mut Vec<String>) {
                for (key, value) in table {
                    match key.as_str() {
                        $(stringify!($name) => match value.try_into::<$kind>() {
                            Ok(value) => match $check(&value) {
                                Ok(()) => self.$name = value,
                                Err(fault) => faults.push(one_line(&format!("{key}: {fault}"))),
                            },
                            Err(fault) => faults.push(format!("{key}: {}", one_line(&fault))),
                        },)+
                        _ => faults.push(unknown(&key)),
                    }
                }
            }
        }
    };
}

settings! {
    /// Folders to watch, with all their sub-folders. { path = "...", after = "move" } moves files that
    /// have their answer to the folder's sub-folders done and rejected.
    folders: Vec<Folder> = Vec::new(), anything;
    /// The catalog, an SQLite file; made when it is not there. Default: galmorph.sqlite in systemd's
    /// state directory, or in the current folder.
    catalog: Option<PathBuf> = None, anything;
    /// The model, an ONNX file with a galmorph card. Default: the one in the program.
    model: Option<PathBuf> = None, anything;
    /// Test scales in pixels, in place of the model's own: fewer are faster and less accurate.
    scales: Vec<u32> = Vec::new(), scales;
    /// What numbers the network multiplies: "auto" (bf16 where the processor is faster with that; it
    /// keeps three digits of a weight), or "f32".
    precision: Precision = Precision::Auto, anything;
    /// When to leave out test scales of an image: "never"; "settled", when they can't change its label
    /// any more; or 0.95 or the like, when that is its confidence already, settled or not. Default: the
    /// model's own, "never" for those that ship.
    early_stop: Option<EarlyStop> = None, anything;
    /// Threads that run the network; 0 for one per core.
    workers: usize = 0, at_most(1024);
    /// Images that are handed to a worker at once, and recorded together.
    batch: usize = 8, between(1, 1024);
    /// How long an image may wait for its batch to fill, in seconds.
    max_delay_seconds: f64 = 0.02, seconds;
    /// A file that nobody was seen to close is taken when it was left alone for so long, in seconds.
    settle_seconds: f64 = 2.0, seconds;
    /// Time between two full scans of the folders, in seconds.
    rescan_interval_seconds: f64 = 60.0, at_least_a_moment;
    /// Which files of a backlog go first: "newest" or "oldest", by when they came to be where they are.
    order: Order = Order::Newest, anything;
    /// Classify anew, behind everything else, what only another model has answered for.
    reclassify: bool = true, anything;
    /// Rely on scans alone: for network file systems, where inotify is silent.
    poll: bool = false, anything;
    /// Take links to files, too, each by its own name, if what they lead to lies in a watched folder.
    follow_links: bool = false, anything;
    /// Which files are taken, by the end of their name, whatever its case.
    extensions: Vec<String> = ["jpg", "jpeg", "png"].map(String::from).to_vec(), extensions;
    /// The largest file that is read, in bytes.
    max_bytes: u64 = Limits::default().max_bytes, between(1, 1 << 30);
    /// The largest width or height of an image, in pixels.
    max_side: u32 = Limits::default().max_side, between(1, 65_536);
    /// The largest width times height of an image, in pixels.
    max_pixels: u64 = Limits::default().max_pixels, between(1, 1 << 30);
    /// The smallest width or height of an image, in pixels.
    min_side: u32 = Limits::default().min_side, between(1, 65_536);
    /// Where Prometheus finds metrics: "unix:PATH", or a port of this machine as "127.0.0.1:9150". Default:
    /// nowhere.
    metrics: Option<Endpoint> = None, anything;
}

impl Config {
    /// Reads a configuration file; the faults are one line each.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<String>> {
        let file = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| vec![format!("cannot read configuration '{file}': {error}")])?;
        Self::parse(&text).map_err(|faults| {
            let name = |fault: String| format!("configuration '{file}': {fault}");
            faults.into_iter().map(name).collect()
        })
    }

    /// Reads a configuration; the faults are one line each.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| vec![syntax_fault(text, &error)])?;
        let mut config = Self::default();
        let mut faults = Vec::new();
        config.apply(table, &mut faults);
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faults)
        }
    }

    /// The threads that run the network, at least one.
    pub(crate) fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }

    /// What an image may cost.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes,
            max_side: self.max_side,
            max_pixels: self.max_pixels,
            min_side: self.min_side,
        }
    }

    /// How the model is run.
    pub(crate) fn model_options(&self) -> Options<'_> {
        Options {
            scales: &self.scales,
            early_stop: self.early_stop,
            precision: self.precision,
        }
    }

    pub(crate) fn max_delay(&self) -> Duration {
        Duration::from_secs_f64(self.max_delay_seconds)
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs_f64(self.settle_seconds)
    }

    pub(crate) fn rescan_interval(&self) -> Duration {
        Duration::from_secs_f64(self.rescan_interval_seconds)
    }
}

/// The meaning of a setting, for the help of the flag that overrides it.
pub(crate) fn meaning(name: &str) -> String {
    let found = SETTINGS.iter().find(|(setting, _)| *setting == name);
    let text = found.map_or("", |(_, meaning)| meaning);
    text.trim().trim_end_matches('.').to_owned()
}

/// Checks test scales as the preprocessing would.
#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
pub(crate) fn scales(scales: &Vec<u32>) -> Result<(), String> {
    if scales.is_empty() {
        return Ok(());
    }
    let preprocessing = Preprocessing {
        test_scales: scales.clone(),
        ..Preprocessing::default()
    };
    preprocessing.validate().map_err(|fault| fault.to_string())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it stands where a check is asked for"
)]
fn anything<T>(_: &T) -> Result<(), String> {
    Ok(())
}

fn between<T: PartialOrd + Display>(low: T, high: T) -> impl Fn(&T) -> Result<(), String> {
    move |value| {
        if (&low..=&high).contains(&value) {
            Ok(())
        } else {
            Err(format!("{value} is not between {low} and {high}"))
        }
    }
}

fn at_most(high: usize) -> impl Fn(&usize) -> Result<(), String> {
    between(0, high)
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "every check takes a reference"
)]
fn seconds(value: &f64) -> Result<(), String> {
    between(0.0, 86_400.0)(value)
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "every check takes a reference"
)]
fn at_least_a_moment(value: &f64) -> Result<(), String> {
    between(0.01, 86_400.0)(value)
}

#[allow(clippy::ptr_arg, reason = "a check takes a setting as it is stored")]
fn extensions(names: &Vec<String>) -> Result<(), String> {
    if names.is_empty() {
        return Err("no file would ever be taken".into());
    }
    match names
        .iter()
        .find(|name| name.is_empty() || name.contains(['.', '/']))
    {
        Some(name) => Err(format!("'{name}' (write it without a dot, as \"jpg\")")),
        None => Ok(()),
    }
}

fn unknown(key: &str) -> String {
    let names: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    one_line(&format!(
        "{key}: unknown setting (one of {})",
        names.join(", ")
    ))
}

fn syntax_fault(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", one_line(&error.message()))
}

fn one_line(fault: &impl ToString) -> String {
    fault.to_string().trim().replace(['\n', '\r'], ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../data/galmorph.toml");

    #[test]
    fn flags_override_nothing_that_was_not_set() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let config = Config::parse("batch = 3\nsettle_seconds = 1\n").unwrap();
        assert_eq!((config.batch, config.settle()), (3, Duration::from_secs(1)));
    }

    #[test]
    fn every_fault_is_found_in_one_go() {
        let text = "workrs = 2\nbatch = 0\nsettle_seconds = 'long'\nscales = [0]\nextensions = ['.jpg']\nearly_stop = 2.5";
        let faults = Config::parse(text).unwrap_err();
        assert_eq!(faults.len(), 6, "{faults:?}");
        let all = faults.join("\n");
        for expected in [
            "workrs: unknown setting (one of folders, catalog",
            "batch: 0 is not between 1 and 1024",
            "settle_seconds: ",
            "scales: preprocessing: a side of 0 pixels",
            "early_stop: ",
            "extensions: '.jpg' (write it without a dot",
        ] {
            assert!(all.contains(expected), "{expected} in {all}");
        }
    }

    #[test]
    fn a_fault_of_syntax_names_its_line() {
        let faults = Config::parse("batch = 3\nscales = [1,\n\n= 2").unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("line 4: "), "{faults:?}");
    }

    #[test]
    fn the_example_is_the_default_and_names_every_setting() {
        let example = Config::parse(EXAMPLE).unwrap();
        assert_eq!(example, Config::default());
        // What it shows commented out must be as valid as what it sets.
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting)
                    if SETTINGS
                        .iter()
                        .any(|(name, _)| setting.starts_with(&format!("{name} ="))) =>
                {
                    setting
                }
                _ => line,
            })
            .fold(String::new(), |text, line| text + line + "\n");
        let table: toml::Table = toml::from_str(&uncommented).unwrap();
        for (name, _) in SETTINGS {
            assert!(table.contains_key(*name), "the example lacks {name}");
        }
        Config::parse(&uncommented).unwrap();
    }
}
