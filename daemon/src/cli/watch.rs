//! `galmorph watch`: the daemon.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use galmorph_cutout::Morphology;
use indicatif::MultiProgress;

use super::{Outcome, catalog_path, load};
use crate::catalog::{CatalogError, Watched, Writer, bell};
use crate::config::{Config, meaning, scales};
use crate::errors::LastError;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::intake::{Plan, Selection};
use crate::pipeline::{self, Report};
use crate::progress::Progress;
use crate::retry::Backoff;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    pub(super) settings: Settings,

    /// End when everything in the folders is done
    #[arg(long)]
    drain: bool,
}

/// The configuration file, and the flags that override it.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Folders to watch, with all their sub-folders
    #[arg(value_name = "DIR")]
    pub(super) folders: Vec<PathBuf>,

    /// Configuration file (TOML); flags override it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = meaning("catalog"))]
    catalog: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help = meaning("model"))]
    model: Option<PathBuf>,

    #[arg(long, value_name = "COUNT", help = meaning("workers"),
          value_parser = clap::value_parser!(u16).range(0..=1024))]
    workers: Option<u16>,

    #[arg(long, value_name = "IMAGES", help = meaning("batch"),
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: Option<u16>,

    #[arg(long, value_name = "PIXELS", value_delimiter = ',', help = meaning("scales"))]
    scales: Vec<u32>,

    #[arg(long, help = meaning("poll"))]
    poll: bool,
}

impl Settings {
    /// The configuration with the flags in force. Faults are left in `faults`, a line each.
    pub(super) fn resolve(&self, faults: &mut Vec<String>) -> Config {
        let mut config = match self.config.as_deref().map(Config::read) {
            None => Config::default(),
            Some(Ok(config)) => config,
            Some(Err(found)) => {
                faults.extend(found);
                Config::default()
            }
        };
        if !self.folders.is_empty() {
            config.folders = self.folders.iter().cloned().map(Folder::from).collect();
        }
        if let Some(model) = &self.model {
            config.model = Some(model.clone());
        }
        if let Some(workers) = self.workers {
            config.workers = workers.into();
        }
        if let Some(batch) = self.batch {
            config.batch = batch.into();
        }
        if !self.scales.is_empty() {
            config.scales.clone_from(&self.scales);
            faults.extend(
                scales(&config.scales)
                    .err()
                    .map(|f| format!("--scales: {f}")),
            );
        }
        config.poll |= self.poll;
        config.catalog = Some(catalog_path(self.catalog.as_deref(), &config));
        config
    }
}

/// The folders by their true names, which the catalog's paths begin with.
pub(super) fn resolve_folders(config: &Config, faults: &mut Vec<String>) -> Vec<Folder> {
    if config.folders.is_empty() {
        faults.push("no folder to watch (name one, or set folders in the configuration)".into());
    }
    let mut folders = Vec::new();
    for folder in &config.folders {
        let name = folder.path.display();
        match folder
            .path
            .canonicalize()
            .and_then(|path| Ok((path.metadata()?, path)))
        {
            Ok((metadata, path)) if metadata.is_dir() => folders.push(Folder {
                path,
                after: folder.after,
            }),
            Ok(_) => faults.push(format!("cannot watch '{name}': not a folder")),
            Err(error) => faults.push(format!("cannot watch '{name}': {error}")),
        }
    }
    folders
}

impl Watch {
    pub(super) fn run(
        &self,
        screen: &MultiProgress,
        last_error: &LastError,
    ) -> Result<Outcome, Failure> {
        let mut faults = Vec::new();
        let config = self.settings.resolve(&mut faults);
        let folders = resolve_folders(&config, &mut faults);
        for folder in &folders {
            if let Err(error) = folder.prepare() {
                let name = folder.path.display();
                faults.push(format!("cannot move files in '{name}': {error}"));
            }
        }
        if !faults.is_empty() {
            return Err(Failure::Usage(faults.join("\n")));
        }
        // Before the slow things, so that an early signal is already a request and not an abortion.
        let stop = Stop::on_signals()
            .map_err(|error| Failure::Usage(format!("cannot handle signals: {error}")))?;
        let catalog = config.catalog.clone().unwrap_or_default();
        let model = load(config.model.as_deref(), &config.scales)?;
        let watched = Watched {
            folders: folders.clone(),
            extensions: config.extensions.clone(),
            reclassify: config.reclassify,
        };
        let open = || {
            let writer = Writer::open(&catalog, &model.digest, &model.card)?;
            let rejected = writer.enter(&watched, &config.limits())?;
            if rejected > 0 {
                log::warn!(
                    "{rejected} files are rejected under other limits than today's (galmorph retry --reason too_large --reason too_small tries them again)"
                );
            }
            Ok(writer)
        };
        let Some(writer) = self.patiently(&stop, open)? else {
            return Ok(Outcome::Fine);
        };
        log::info!(
            "model '{}' ({}), catalog '{}', {} workers",
            model.card.name,
            model.card.network,
            catalog.display(),
            config.worker_count()
        );

        let plan = Plan {
            selection: Selection::new(folders, config.extensions.clone()),
            settle: config.settle(),
            rescan_interval: config.rescan_interval(),
            order: config.order,
            poll: config.poll,
            drain: self.drain,
            // As the kernel calls it.
            bell: bell(&catalog)
                .canonicalize()
                .unwrap_or_else(|_| bell(&catalog)),
        };
        let progress = Progress::new(screen);
        let began = Instant::now();
        let report = pipeline::run(&config, plan, &model, writer, &stop, &progress, last_error);
        progress.finish();
        let report = report?;
        if !self.drain {
            return Ok(Outcome::Fine);
        }
        match write!(
            io::stdout(),
            "{}",
            summary(&report, began.elapsed(), &catalog)
        ) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Failure::Output(error));
            }
            _ => {}
        }
        let rejected = report.tally.rejected_total() > 0 || !report.intake.abandoned.is_empty();
        if rejected && !report.intake.interrupted {
            Ok(Outcome::SomeRejected)
        } else {
            Ok(Outcome::Fine)
        }
    }
}

impl Watch {
    /// Opens the catalog, and waits where a fault may pass. None if the end is asked for meanwhile.
    fn patiently(
        &self,
        stop: &Stop,
        open: impl Fn() -> Result<Writer, CatalogError>,
    ) -> Result<Option<Writer>, Failure> {
        let mut backoff = Backoff::new(self.drain);
        loop {
            match open() {
                Ok(writer) => return Ok(Some(writer)),
                Err(CatalogError::Transient(fault)) if !stop.requested() => {
                    backoff.wait(&fault, stop)?;
                }
                Err(CatalogError::Transient(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if stop.requested() {
                return Ok(None);
            }
        }
    }
}

/// What a drain did, for the person who asked for it.
fn summary(report: &Report, elapsed: Duration, catalog: &Path) -> String {
    let (tally, intake) = (&report.tally, &report.intake);
    let classified = tally.classified_total();
    let seconds = elapsed.as_secs_f64();
    let mut lines = vec![format!(
        "classified {classified} cutouts in {seconds:.1} s ({:.0} images/s)",
        classified as f64 / seconds.max(1e-9)
    )];
    for class in Morphology::ALL {
        let count = tally.classified[class.id()];
        lines.push(format!("  {:<24}{count:>8}", class.long_name()));
    }
    if tally.known > 0 {
        lines.push(format!("same content as others: {}", tally.known));
    }
    if intake.unchanged > 0 {
        lines.push(format!("already in the catalog: {}", intake.unchanged));
    }
    lines.extend(rejections(&tally.rejected));
    if !intake.abandoned.is_empty() {
        lines.push(format!("could not be read: {}", intake.abandoned.len()));
        lines.extend(intake.abandoned.iter().map(|fault| format!("  {fault}")));
    }
    if intake.interrupted {
        lines.push("interrupted; the same command goes on from here".into());
    }
    let shown = std::path::absolute(catalog).unwrap_or_else(|_| catalog.to_owned());
    lines.push(format!("catalog: {}", shown.display()));
    lines.push(format!(
        "next:    {}",
        next_command(tally.classified, catalog)
    ));
    lines.join("\n") + "\n"
}

fn rejections(rejected: &BTreeMap<&str, u64>) -> Vec<String> {
    if rejected.is_empty() {
        return Vec::new();
    }
    let total: u64 = rejected.values().sum();
    let mut lines = vec![format!(
        "rejected {total} (galmorph query --rejected says why)"
    )];
    let kinds = rejected.iter();
    lines.extend(kinds.map(|(kind, count)| format!("  {kind:<24}{count:>8}")));
    lines
}

/// A query that is sure to show something: the most frequent class, or what is there at all.
fn next_command(classified: [u64; Morphology::COUNT], catalog: &Path) -> String {
    let mut frequent = Morphology::Spiral;
    for class in Morphology::ALL {
        if classified[class.id()] > classified[frequent.id()] {
            frequent = class;
        }
    }
    let place = if catalog == Path::new(super::DEFAULT_CATALOG) {
        String::new()
    } else {
        format!(" --catalog '{}'", catalog.display())
    };
    let label = if classified[frequent.id()] > 0 {
        format!(" --label {frequent}")
    } else {
        String::new()
    };
    format!("galmorph query{label} --limit 10{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_asks_for_what_is_there() {
        let default = Path::new(crate::cli::DEFAULT_CATALOG);
        assert_eq!(next_command([0; 5], default), "galmorph query --limit 10");
        assert_eq!(
            next_command([1, 0, 7, 0, 0], Path::new("/a b")),
            "galmorph query --label cigar --limit 10 --catalog '/a b'"
        );
    }
}
