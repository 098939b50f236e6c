//! What the daemon can be told, and what it makes of it.
//!
//! In two steps, as ripgrep does it. A [`Config`] is what was *read*: the settings of the table below, from
//! a file and from flags, each of the right type and within its range. [`WatchSettings`] are what is
//! *used*: folders by their true names, times as durations, defaults filled in. The rest of the daemon sees
//! only these.
//!
//! The table is the only list of the settings. The struct, the reader of the file, the flags with their
//! help and their completions, and the test of the example file follow from it. To add a setting, add its
//! entry here and to `data/galmorph.toml`; where it acts, add it to [`WatchSettings`] and to
//! [`Config::resolve`].
//!
//! | file | |
//! |---|---|
//! | `table` | what the entries below become |
//! | `value` | the types that a setting can have, and their faults in plain words |
//! | `check` | the ranges |
//! | `overrides` | the flags |
//! | `folder`, `band_files`, `manifest`, `order`, `endpoint` | settings with a type of their own |
//! | `resolve` | reading, checking and preparing everything that the settings name |

mod band_files;
mod check;
mod folder;
mod manifest;
mod order;
mod overrides;
mod resolve;
mod table;
mod value;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, thread};

use galmorph_catalog::Watched;
use galmorph_cutout::{
    BandFiles, EarlyStop, FITS_EXTENSIONS, Framing, Limits, Rendering, Stretch, name_and_extension,
};
use galmorph_inference::{Model, Options, Precision};
use galmorph_output::{Endpoint, readable};

use crate::failure::Failure;
use check::{
    a_part, anything, at_least_a_moment, bands, between, colours, extensions, names, scales,
    seconds,
};
use overrides::{flag, image_flag, model_flag};

pub(crate) use band_files::BandPattern;
pub(crate) use folder::{After, Folder};
#[cfg(test)]
pub(crate) use manifest::ColumnNames;
pub(crate) use manifest::ManifestSettings;
pub(crate) use order::Order;
pub(crate) use overrides::{ImageOverrides, ModelOverrides, Overrides};
pub(crate) use resolve::{Examined, Setup, WatchArguments, load_model};

// An entry: the meaning, which is also the help of the flag; name, type and default; the check; the flag.
table::settings! {
    /// Folders to watch, including their sub-folders. { path = "...", after = "move" } moves files that
    /// are done, and were left alone for as long as files must settle, to its sub-folders done and rejected.
    /// name = "cutout_{ra}_{dec}" and manifest = "..." say which objects its files show.
    folders: Vec<Folder> = Vec::new(), anything;
    /// How the part of an image is found that the network looks at: "auto", "paper", "frame", "radius" or
    /// "measured". A folder may have another: { path = "...", framing = "frame" }. It may also give the radius of
    /// its objects and the scale of a pixel, in arcsec; then the part follows from these.
    framing: Framing = Framing::Auto, anything, flag("--framing FRAMING");
    /// The catalog, an SQLite file, created if it does not exist. Default: galmorph.sqlite in systemd's
    /// state directory, or in the current folder.
    catalog: Option<PathBuf> = None, anything, flag("--catalog FILE");
    /// The model, an ONNX file exported by galmorph-train. Default: the built-in model.
    model: Option<PathBuf> = None, anything, model_flag("--model FILE");
    /// Test scales: sides, in pixels, of the squares that are cut from an image and averaged. Fewer are
    /// faster and less accurate. Default: the model's own.
    scales: Vec<u32> = Vec::new(), scales, model_flag("--scales PIXELS");
    /// Arithmetic of the network: "auto" (bf16, about 3 significant digits, where that is faster) or
    /// "f32". A model of eight bits has its own.
    precision: Precision = Precision::Auto, anything, model_flag("--precision PRECISION");
    /// When to skip test scales of an image: "never"; "settled", when the remaining scales cannot change
    /// the label; or a confidence above 0.5 and below 1, when the average so far has it, or the label is
    /// settled. Default: the model's own, "never" for those that ship.
    early_stop: Option<EarlyStop> = None, anything, model_flag("--early-stop WHEN");
    /// How often the true class is to be in an image's prediction set: a number above 0 and below 1 for which the
    /// model has thresholds. Default: 0.95, if the model has them.
    coverage: Option<f64> = None, a_part, model_flag("--coverage FRACTION");
    /// Threads that run the network; 0 for one per core.
    workers: usize = 0, between(0, 1024), flag("--workers COUNT");
    /// Images that are handed to a worker and recorded together.
    batch: usize = 8, between(1, 1024), flag("--batch IMAGES");
    /// How long an image may wait for its batch to fill, in seconds.
    max_delay_seconds: f64 = 0.02, seconds;
    /// How long a file must stay unchanged before it is read, in seconds. Files that are seen to be closed
    /// after writing are read at once. So long must a file be left alone, too, before it is moved.
    settle_seconds: f64 = 2.0, seconds;
    /// Pause between two full scans of the folders, in seconds; or nine times the duration of a scan, if
    /// that is longer.
    rescan_interval_seconds: f64 = 60.0, at_least_a_moment;
    /// Which files of a backlog go first: "newest" or "oldest", by the time they arrived in the folder.
    order: Order = Order::Newest, anything;
    /// Also reclassify files that only another model has classified, or the model with another framing or
    /// stretch, after all other work.
    reclassify: bool = true, anything;
    /// Rely on scans alone: for network file systems, where inotify does not report changes made by other
    /// machines.
    poll: bool = false, anything, flag("--poll");
    /// Also take symbolic links to files, under the link's name, if the target lies in a watched folder.
    follow_links: bool = false, anything;
    /// Which files are taken, by their extension in upper or lower case.
    /// Of FITS files, those that are packed, too: a.fits.gz, a.fits.fz.
    extensions: Vec<String> = EXTENSIONS.map(String::from).to_vec(), extensions;
    /// How FITS images become pictures: "legacy" (as the Legacy Surveys' viewer), "sdss" (nearly as SDSS), "lupton",
    /// alone or with its numbers as in "lupton stretch=5 q=8 minimum=0 weights=1,1,1", "asinh", "zscale" or "linear".
    /// Default: by what the file says of itself.
    stretch: Option<Stretch> = None, anything, image_flag("--stretch STRETCH");
    /// The names of the bands in FITS images, in the order of the file. Default: the file's own. Of bands that are
    /// files, as the names of the files have them.
    bands: Vec<String> = Vec::new(), bands, image_flag("--bands NAMES");
    /// Which bands of FITS images are shown as red, green and blue; one for grey. Default: by wavelength.
    colours: Vec<String> = Vec::new(), colours, image_flag("--colours NAMES");
    /// How FITS files are named that have one band each: "cutout_{ra}_{dec}_{band}.fits". Those whose names differ in
    /// the band alone are one image. It needs the bands.
    band_files: Option<BandPattern> = None, anything, image_flag("--band-files PATTERN");
    /// How long an image of which files are missing waits for them, in seconds since anything about its files was
    /// changed. Then it is taken with the bands that are there, and again when another one comes.
    band_wait_seconds: f64 = 60.0, seconds;
    /// Files and folders that are left alone, with all that is in them, by their name in upper or lower
    /// case; a * stands for any characters.
    exclude: Vec<String> = EXCLUDED.map(String::from).to_vec(), names;
    /// The largest file that is read, in bytes.
    max_bytes: u64 = Limits::default().max_bytes, between(1, 1 << 30);
    /// The largest width or height of an image, in pixels.
    max_side: u32 = Limits::default().max_side, between(1, 65_536);
    /// The largest width times height of an image, in pixels.
    max_pixels: u64 = Limits::default().max_pixels, between(1, 1 << 30);
    /// The smallest width or height of an image, in pixels.
    min_side: u32 = Limits::default().min_side, between(1, 65_536);
    /// Where to serve metrics for Prometheus: "unix:PATH", or a local port, such as "127.0.0.1:9150".
    /// Default: no metrics.
    metrics: Option<Endpoint> = None, anything, flag("--metrics ENDPOINT");
}

/// JPEG, PNG and FITS.
const EXTENSIONS: [&str; 6] = {
    let [fits, fit, fts] = FITS_EXTENSIONS;
    ["jpg", "jpeg", "png", fits, fit, fts]
};

/// What storage devices, trash cans and programs that synchronise folders make beside the files of others.
const EXCLUDED: [&str; 12] = [
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "@Recycle",
    "@Recently-Snapshot",
    "@tmp",
    "#snapshot",
    "lost+found",
    "System Volume Information",
    "*.sync-conflict-*",
    "* (*conflicted copy*",
    "* (SFConflict *",
];

/// Settings that are ready for use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WatchSettings {
    /// The watched folders by their true names, which the catalog's paths begin with.
    pub(crate) folders: Vec<Folder>,
    /// Which files are taken, by their extension.
    pub(crate) extensions: Vec<String>,
    /// Which files and folders are left alone, by their name.
    pub(crate) exclude: Vec<String>,
    /// Whether links to files are taken.
    pub(crate) follow_links: bool,
    /// The catalog.
    pub(crate) catalog: PathBuf,
    /// Which model is run, and how.
    pub(crate) model: ModelSettings,
    /// Threads that run the network.
    pub(crate) workers: NonZeroUsize,
    /// Images that are handed to a worker and recorded together, at least one.
    pub(crate) batch: usize,
    /// How long an image may wait for its batch to fill.
    pub(crate) max_delay: Duration,
    /// How long a file must stay unchanged before it is read.
    pub(crate) settle: Duration,
    /// How long an image waits for files of it that are missing.
    pub(crate) band_wait: Duration,
    /// The pause between two full scans, at least.
    pub(crate) rescan_interval: Duration,
    /// Which files of a backlog go first.
    pub(crate) order: Order,
    /// Whether files are taken that only another model has classified, or the same with another framing or stretch.
    pub(crate) reclassify: bool,
    /// Whether there are scans only, and no notifications.
    pub(crate) poll: bool,
    /// What an image may cost.
    pub(crate) limits: Limits,
    /// Where metrics are served.
    pub(crate) metrics: Option<Endpoint>,
}

/// Which model is run, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelSettings {
    /// Its file; `None` for the built-in model.
    path: Option<PathBuf>,
    /// Test scales in pixels; none for the model's own.
    scales: Vec<u32>,
    /// When to skip test scales; `None` when the model says it.
    early_stop: Option<EarlyStop>,
    precision: Precision,
    /// The coverage of prediction sets; `None` for the usual one.
    coverage: Option<f64>,
}

impl Config {
    /// Makes the settings ready for use. A folder that can't be watched is left out, and named in `faults`.
    pub(crate) fn resolve(self, faults: &mut Vec<String>) -> WatchSettings {
        let folders = resolve::true_names(&self.folders, self.framing, faults);
        WatchSettings {
            folders: self.rendered(folders, faults),
            catalog: catalog_path(None, &self),
            workers: worker_count(self.workers),
            batch: self.batch,
            max_delay: Duration::from_secs_f64(self.max_delay_seconds),
            settle: Duration::from_secs_f64(self.settle_seconds),
            band_wait: Duration::from_secs_f64(self.band_wait_seconds),
            rescan_interval: Duration::from_secs_f64(self.rescan_interval_seconds),
            order: self.order,
            reclassify: self.reclassify,
            poll: self.poll,
            limits: self.limits(),
            model: self.model_settings(),
            extensions: self.extensions,
            exclude: self.exclude,
            follow_links: self.follow_links,
            metrics: self.metrics,
        }
    }

    /// How FITS images are shown where a folder does not say it.
    pub(crate) fn rendering(&self) -> Rendering {
        Rendering {
            stretch: self.stretch,
            bands: self.bands.clone(),
            colours: self.colours.clone(),
        }
    }

    /// The folders, each with what it does not say itself of how its images are shown.
    fn rendered(&self, mut folders: Vec<Folder>, faults: &mut Vec<String>) -> Vec<Folder> {
        for folder in &mut folders {
            let pattern = folder.band_pattern.clone().or(self.band_files.clone());
            let own = &mut folder.rendering;
            own.stretch = own.stretch.or(self.stretch);
            if own.bands.is_empty() {
                own.bands.clone_from(&self.bands);
            }
            if own.colours.is_empty() {
                own.colours.clone_from(&self.colours);
            }
            if let Some(pattern) = pattern {
                let files = self.band_files_of(&pattern, folder);
                let name = readable(&folder.path);
                let named = |fault: String| format!("folder '{name}': band_files: {fault}");
                folder.band_files = files.map_err(|fault| faults.push(named(fault))).ok();
            }
        }
        folders
    }

    /// The sets of files in a folder, if its settings fit together.
    fn band_files_of(&self, pattern: &BandPattern, folder: &Folder) -> Result<BandFiles, String> {
        if folder.name.is_some() {
            return Err("it reads the names, too: leave out name".into());
        }
        let pattern_name = Path::new(pattern.as_str());
        let extension = name_and_extension(pattern_name).1.unwrap_or_default();
        let mut taken = self.extensions.iter();
        if !taken.any(|taken| extension.eq_ignore_ascii_case(taken)) {
            return Err(format!(
                "files named '{}' are not taken (extensions = {:?})",
                pattern.as_str(),
                self.extensions
            ));
        }
        pattern.of_bands(&folder.rendering.bands)
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

    /// Which model is run, and how.
    pub(crate) fn model_settings(&self) -> ModelSettings {
        ModelSettings {
            path: self.model.clone(),
            scales: self.scales.clone(),
            early_stop: self.early_stop,
            precision: self.precision,
            coverage: self.coverage,
        }
    }
}

impl WatchSettings {
    /// What the catalog keeps of them: all that decides which files wait.
    pub(crate) fn watched(&self) -> Watched {
        Watched {
            folders: self.folders.iter().map(Into::into).collect(),
            extensions: self.extensions.clone(),
            exclude: self.exclude.clone(),
            reclassify: self.reclassify,
            follow_links: self.follow_links,
        }
    }
}

impl ModelSettings {
    /// Reads the model and makes it ready to run.
    pub(crate) fn load(&self) -> Result<Model, Failure> {
        let options = Options {
            scales: &self.scales,
            early_stop: self.early_stop,
            precision: self.precision,
            coverage: self.coverage,
        };
        load_model(self.path.as_deref(), options)
    }
}

/// The catalog's name where none is given.
pub(crate) const DEFAULT_CATALOG: &str = "galmorph.sqlite";

/// Where the catalog is: as named, or in systemd's state directory, or in the current folder.
pub(crate) fn catalog_path(flag: Option<&Path>, config: &Config) -> PathBuf {
    if let Some(path) = flag.or(config.catalog.as_deref()) {
        return path.to_owned();
    }
    // systemd separates several state directories by colons; the first is the unit's own.
    env::var_os("STATE_DIRECTORY")
        .and_then(|folders| env::split_paths(&folders).next())
        .map_or_else(
            || PathBuf::from(DEFAULT_CATALOG),
            |folder| folder.join(DEFAULT_CATALOG),
        )
}

/// The number of threads that run the network: as configured, or one per core.
fn worker_count(configured: usize) -> NonZeroUsize {
    NonZeroUsize::new(configured).unwrap_or_else(|| {
        thread::available_parallelism().unwrap_or_else(|error| {
            log::warn!("cannot count the cores: {error}; one worker runs (set workers)");
            NonZeroUsize::MIN
        })
    })
}

#[cfg(test)]
mod tests;
