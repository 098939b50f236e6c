//! The settings of `galmorph watch`, from a file and from flags, and whether they can be used.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::EarlyStop;

use super::{Config, Folder, choice, meaning, scales};
use crate::failure::Failure;
use crate::observe::metrics::Endpoint;
use galmorph_catalog::{Condition, inspect};
use galmorph_inference::{Model, Options, Precision};

/// The catalog's name where none is given.
pub(crate) const DEFAULT_CATALOG: &str = "galmorph.sqlite";

/// The configuration file, and the flags that override it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Folders to watch, with all their sub-folders
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,

    /// Configuration file (TOML); flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

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

    #[arg(long, value_parser = choice(&Precision::ALL, Precision::name), help = meaning("precision"))]
    precision: Option<Precision>,

    #[arg(long, value_name = "WHEN", help = meaning("early_stop"))]
    early_stop: Option<EarlyStop>,

    #[arg(long, help = meaning("poll"))]
    poll: bool,

    #[arg(long, value_name = "ENDPOINT", help = meaning("metrics"))]
    metrics: Option<Endpoint>,
}

impl Settings {
    /// The configuration with the flags in force. Faults are left in `faults`, a line each.
    fn resolve(&self, faults: &mut Vec<String>) -> Config {
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
        config.precision = self.precision.unwrap_or(config.precision);
        config.early_stop = self.early_stop.or(config.early_stop);
        if !self.scales.is_empty() {
            config.scales.clone_from(&self.scales);
            faults.extend(
                scales(&config.scales)
                    .err()
                    .map(|f| format!("--scales: {f}")),
            );
        }
        config.poll |= self.poll;
        if self.metrics.is_some() {
            config.metrics.clone_from(&self.metrics);
        }
        config.catalog = Some(catalog_path(self.catalog.as_deref(), &config));
        config
    }
}

/// The folders by their true names, which the catalog's paths begin with.
fn resolve_folders(config: &Config, faults: &mut Vec<String>) -> Vec<Folder> {
    // A configuration that could not be read may well have named some.
    if config.folders.is_empty() && faults.is_empty() {
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

/// Makes the places that files are moved to.
fn prepare(folders: &[Folder], faults: &mut Vec<String>) {
    for folder in folders {
        if let Err(error) = folder.prepare() {
            let name = folder.path.display();
            faults.push(format!("cannot move files in '{name}': {error}"));
        }
    }
}

/// Settings that can be used, and the model that they name.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) folders: Vec<Folder>,
    pub(crate) catalog: PathBuf,
    pub(crate) model: Model,
}

/// What there is to be said of some settings: what `galmorph check` prints, and a reload goes by.
pub(crate) struct Examined {
    pub(crate) config: Config,
    pub(crate) folders: Vec<Folder>,
    pub(crate) catalog: PathBuf,
    pub(crate) model: Option<Model>,
    pub(crate) condition: Option<Condition>,
    /// Faults of the settings and the folders, a line each.
    pub(crate) usage: Vec<String>,
    /// Faults of the model and the catalog, a line each.
    pub(crate) unusable: Vec<String>,
}

impl Settings {
    /// What the daemon needs before it opens its catalog.
    pub(crate) fn set_up(&self) -> Result<Setup, Failure> {
        let mut faults = Vec::new();
        let config = self.resolve(&mut faults);
        let folders = resolve_folders(&config, &mut faults);
        prepare(&folders, &mut faults);
        if !faults.is_empty() {
            return Err(Failure::Usage(faults.join("\n")));
        }
        let model = load_model(config.model.as_deref(), config.model_options())?;
        Ok(Setup {
            catalog: config.catalog.clone().unwrap_or_default(),
            config,
            folders,
            model,
        })
    }

    /// Looks at everything that the settings name, and finds every fault.
    pub(crate) fn examine(&self) -> Examined {
        let (mut usage, mut unusable) = (Vec::new(), Vec::new());
        let config = self.resolve(&mut usage);
        let folders = resolve_folders(&config, &mut usage);
        for folder in &folders {
            let name = folder.path.display();
            if let Err(error) = folder.path.read_dir() {
                usage.push(format!("cannot watch '{name}': {error}"));
            } else if let Err(error) = folder.can_move() {
                usage.push(format!("cannot move files in '{name}': {error}"));
            }
        }
        let model = load_model(config.model.as_deref(), config.model_options())
            .map_err(|failure| unusable.extend(failure.lines()))
            .ok();
        let catalog = config.catalog.clone().unwrap_or_default();
        let condition = inspect(&catalog)
            .map_err(|error| unusable.extend(Failure::from(error).lines()))
            .ok();
        Examined {
            config,
            folders,
            catalog,
            model,
            condition,
            usage,
            unusable,
        }
    }
}

impl Examined {
    /// What a daemon that has `current` open can go on with, or every reason why it can't.
    pub(crate) fn into_setup(mut self, current: &Path) -> Result<Setup, Vec<String>> {
        let is_ours = same_file(current, &self.catalog);
        if self.condition == Some(Condition::InUse) && !is_ours {
            let fault = format!(
                "catalog '{}' is in use by another galmorph watch",
                self.catalog.display()
            );
            self.unusable.push(fault);
        }
        let mut faults = self.usage;
        faults.extend(self.unusable);
        if faults.is_empty() {
            prepare(&self.folders, &mut faults);
        }
        match self.model {
            Some(model) if faults.is_empty() => Ok(Setup {
                config: self.config,
                folders: self.folders,
                catalog: self.catalog,
                model,
            }),
            _ => Err(faults),
        }
    }
}

/// Whether two paths lead to one file that is there.
fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

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

pub(crate) fn load_model(path: Option<&Path>, options: Options<'_>) -> Result<Model, Failure> {
    Model::load(path, options).map_err(|error| Failure::Unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_configuration() {
        let mut config = Config::default();
        assert_eq!(catalog_path(None, &config), Path::new(DEFAULT_CATALOG));
        config.catalog = Some("/configured".into());
        assert_eq!(catalog_path(None, &config), Path::new("/configured"));
        let flag = Path::new("/flag");
        assert_eq!(catalog_path(Some(flag), &config), flag);
    }
}
