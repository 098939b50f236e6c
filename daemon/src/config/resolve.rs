//! From the command line to settings that can be used: reads the configuration, overrides it by the flags,
//! and looks at everything that it names.

use std::path::{self, Path, PathBuf};

use clap::{Args, ValueHint};

use super::overrides::WatchOverrides;
use super::{Config, Folder, WatchSettings};
use crate::failure::{Failure, Faults};
use galmorph_catalog::{Condition, inspect};
use galmorph_cutout::Framing;
use galmorph_inference::{Model, Options};
use galmorph_output::readable;

/// The folders, the configuration file, and the flags that override it.
#[derive(Debug, Clone, Args)]
pub(crate) struct WatchArguments {
    /// Folders to watch, including their sub-folders
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folders: Vec<PathBuf>,

    /// Configuration file (TOML); flags override it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    #[command(flatten)]
    overrides: WatchOverrides,
}

/// Settings that can be used, and the model that they name.
pub(crate) struct Setup {
    pub(crate) settings: WatchSettings,
    pub(crate) model: Model,
}

/// Everything that can be said of some settings: `galmorph check` prints it, and a reload decides by it.
pub(crate) struct Examined {
    /// The settings, without those that have a fault.
    pub(crate) settings: WatchSettings,
    /// The model, if it can be used.
    pub(crate) model: Option<Model>,
    /// How the catalog is, if it can be used.
    pub(crate) condition: Option<Condition>,
    /// Everything that is wrong.
    pub(crate) faults: Faults,
}

impl WatchArguments {
    /// Reads what was configured. Faults are added to `faults`, a line each.
    fn read(&self, faults: &mut Vec<String>) -> WatchSettings {
        let config = self.configured(faults);
        // A configuration that could not be read may well have named some.
        if config.folders.is_empty() && faults.is_empty() {
            faults
                .push("no folder to watch (name one, or set folders in the configuration)".into());
        }
        config.resolve(faults)
    }

    /// What was configured, and of that what holds for the images of one folder, be it watched or not.
    pub(crate) fn for_images_in(&self, folder: &Path) -> Result<(Config, Folder), Failure> {
        let mut faults = Vec::new();
        let config = self.configured(&mut faults);
        let holds = |watched: &&Folder| {
            let watched = watched.path.canonicalize();
            matches!((watched, folder.canonicalize()), (Ok(watched), Ok(folder)) if folder.starts_with(&watched))
        };
        let outside = Folder::from(folder.to_owned());
        let watched = config.folders.iter().filter(holds);
        let watched = watched.max_by_key(|watched| watched.path.components().count());
        let own = watched.unwrap_or(&outside).clone();
        let framing = own.framing_or(config.framing);
        let own = Folder {
            framing: Some(framing.framing),
            ..own
        };
        let own = config.rendered(vec![own], &mut faults).remove(0);
        if let Err(fault) = own.validate(framing.framing) {
            faults.push(format!("folder '{}': {fault}", readable(folder)));
        }
        if faults.is_empty() {
            Ok((config, own))
        } else {
            Err(Failure::Usage(faults.join("\n")))
        }
    }

    fn configured(&self, faults: &mut Vec<String>) -> Config {
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
        self.overrides.apply(&mut config, faults);
        config
    }

    /// Makes ready what the daemon needs before it opens its catalog.
    pub(crate) fn set_up(&self) -> Result<Setup, Failure> {
        let mut faults = Vec::new();
        let settings = self.read(&mut faults);
        prepare(&settings.folders, &mut faults);
        if !faults.is_empty() {
            return Err(Failure::Usage(faults.join("\n")));
        }
        let model = settings.model.load()?;
        Ok(Setup { settings, model })
    }

    /// Looks at everything that the settings name, and finds every fault. Changes nothing.
    pub(crate) fn examine(&self) -> Examined {
        let mut faults = Faults::default();
        let settings = self.read(&mut faults.usage);
        for folder in &settings.folders {
            let name = readable(&folder.path);
            if let Err(error) = folder.path.read_dir() {
                let fault = format!("cannot watch '{name}': {error}");
                faults.usage.push(fault);
            } else if let Err(error) = folder.can_move() {
                let fault = format!("cannot move files in '{name}': {error}");
                faults.usage.push(fault);
            }
        }
        let model = settings.model.load();
        let model = model.map_err(|failure| faults.add(&failure)).ok();
        let condition = inspect(&settings.catalog);
        let condition = condition.map_err(|error| faults.add(&error.into())).ok();
        Examined {
            settings,
            model,
            condition,
            faults,
        }
    }
}

impl Examined {
    /// What a daemon can go on with that has the catalog `current` open, or every reason why it can't.
    pub(crate) fn into_setup(self, current: &Path) -> Result<Setup, Vec<String>> {
        let Self {
            settings,
            model,
            condition,
            mut faults,
        } = self;
        let is_ours = same_file(current, &settings.catalog);
        if condition == Some(Condition::InUse) && !is_ours {
            let catalog = readable(&settings.catalog);
            let fault = format!("catalog '{catalog}' is in use by another galmorph watch");
            faults.unusable.push(fault);
        }
        let mut faults = faults.into_lines();
        if faults.is_empty() {
            prepare(&settings.folders, &mut faults);
        }
        match model {
            Some(model) if faults.is_empty() => Ok(Setup { settings, model }),
            _ => Err(faults),
        }
    }
}

/// The folders by their true names, which the catalog's paths begin with. `framing` is that of folders that say
/// nothing of it.
pub(super) fn true_names(
    folders: &[Folder],
    framing: Framing,
    faults: &mut Vec<String>,
) -> Vec<Folder> {
    let mut found = Vec::new();
    for folder in folders {
        let name = readable(&folder.path);
        if let Err(fault) = folder.validate(framing) {
            faults.push(format!("folder '{name}': {fault}"));
            continue;
        }
        let mut framed = Folder {
            framing: Some(folder.framing.unwrap_or(framing)),
            ..folder.clone()
        };
        for manifest in &mut framed.manifests {
            // It may not be there yet, so it has no true name.
            if let Ok(path) = path::absolute(&manifest.path) {
                manifest.path = path;
            }
        }
        let true_name = folder.path.canonicalize();
        match true_name.and_then(|path| Ok((path.metadata()?, path))) {
            Ok((metadata, path)) if metadata.is_dir() => found.push(Folder { path, ..framed }),
            Ok(_) => faults.push(format!("cannot watch '{name}': not a folder")),
            Err(error) => faults.push(format!("cannot watch '{name}': {error}")),
        }
    }
    found
}

/// Makes the sub-folders that files are moved to.
fn prepare(folders: &[Folder], faults: &mut Vec<String>) {
    for folder in folders {
        if let Err(error) = folder.prepare() {
            let name = readable(&folder.path);
            faults.push(format!("cannot move files in '{name}': {error}"));
        }
    }
}

/// Whether two paths lead to one file that is there.
fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Reads a model, or the built-in one, and makes it ready to run.
pub(crate) fn load_model(path: Option<&Path>, options: Options<'_>) -> Result<Model, Failure> {
    Ok(Model::load(path, options)?)
}
