//! Which file of an archive is in which shard, and how all of them are to be classified.
//!
//! A plan is a folder: `plan.json`, and a manifest for each shard. It is made once and never changed. It fixes the model, its
//! arithmetic, the framing and a time, so that a shard's part is the same bytes on whatever machine it is made.
//!
//! | file | |
//! |---|---|
//! | `gather` | the files, from folders or from a list |
//! | `sort` | in the order of their paths, whatever their number |
//! | `divide` | to shards |
//! | `manifest` | a shard's list |
//! | `script` | what schedulers are told |

mod divide;
mod gather;
mod manifest;
mod script;
mod sort;

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use galmorph_cutout::FramingSettings;
use galmorph_output::readable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Failure;
pub(crate) use divide::{Division, divide};
pub(crate) use gather::{Source, gather};
pub(crate) use manifest::{Item, Manifest, described};
use script::scripts;
pub(crate) use sort::Sorter;

/// The version of the format.
const FORMAT: u32 = 1;

/// How the header is named.
const HEADER: &str = "plan.json";

/// What a plan says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) format: u32,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// When it was made. The parts have this time as that of their answers.
    #[serde(with = "moment")]
    pub(crate) made: Timestamp,
    pub(crate) model: PlannedModel,
    pub(crate) framing: FramingSettings,
    pub(crate) division: Division,
    /// Files in a chunk: what is lost at most when a run is killed.
    pub(crate) chunk: usize,
    pub(crate) shards: Vec<Shard>,
}

/// The model of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedModel {
    /// The file; none for the one that is built in.
    pub(crate) file: Option<PathBuf>,
    pub(crate) name: String,
    /// The BLAKE3 digest of the file.
    pub(crate) digest: String,
    /// The card with the settings in use, and the arithmetic if it isn't f32.
    pub(crate) card: String,
    pub(crate) arithmetic: String,
}

/// A time as text.
mod moment {
    use galmorph_catalog::time::to_millisecond;
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_millisecond(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What a plan says of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) files: u64,
    /// The BLAKE3 digest of its manifest.
    pub(crate) manifest: String,
}

impl Plan {
    /// Reads the header of a plan.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(HEADER);
        let file = File::open(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let plan: Self = serde_json::from_reader(BufReader::new(file)).map_err(|error| {
            Failure::Unusable(format!("'{}' is no plan: {error}", readable(&path)))
        })?;
        if plan.format != FORMAT {
            return Err(Failure::Unusable(format!(
                "plan '{}' has format {}, and this program knows format {FORMAT}",
                readable(folder),
                plan.format
            )));
        }
        Ok(plan)
    }

    /// Whether a folder is one.
    pub(crate) fn is_one(folder: &Path) -> bool {
        folder.join(HEADER).is_file()
    }

    /// The number of files.
    pub(crate) fn files(&self) -> u64 {
        self.shards.iter().map(|shard| shard.files).sum()
    }

    /// The files that it is made of, and that a merge reads.
    pub(crate) fn inputs(&self, folder: &Path) -> Vec<PathBuf> {
        let manifests = (0..self.shards.len()).map(|number| shard_path(folder, number));
        manifests.chain([folder.join(HEADER)]).collect()
    }

    /// Opens a shard's manifest, and checks that it is the one that was planned.
    pub(crate) fn manifest(&self, folder: &Path, number: usize) -> Result<Manifest, Failure> {
        let path = shard_path(folder, number);
        let shard = &self.shards[number];
        let read = || -> std::io::Result<String> {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(&path)?)?;
            Ok(hasher.finalize().to_string())
        };
        let found = read().map_err(|error| Failure::io("read", &path, &error))?;
        if found != shard.manifest {
            return Err(Failure::Unusable(format!(
                "manifest '{}' is not the one that was planned: it was changed, or is not whole",
                readable(&path)
            )));
        }
        Manifest::open(&path)
    }
}

/// A plan in the making.
pub(crate) struct Draft {
    pub(crate) model: PlannedModel,
    pub(crate) framing: FramingSettings,
    pub(crate) division: Division,
    pub(crate) chunk: usize,
}

impl Draft {
    /// Makes the plan in a folder that is not there yet.
    pub(crate) fn write(
        self,
        folder: &Path,
        files: Sorter,
        shards: usize,
        array: usize,
    ) -> Result<Plan, Failure> {
        let fault = |error: &std::io::Error| Failure::io("write", folder, error);
        if folder.exists() {
            return Err(Failure::Usage(format!(
                "'{}' exists (name another folder for the plan)",
                readable(folder)
            )));
        }
        let above = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let draft = tempfile::Builder::new()
            .prefix(".plan-")
            .tempdir_in(above)
            .map_err(|error| fault(&error))?;
        let shards = divide(files, draft.path(), self.division, shards)?;
        let plan = Plan {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made: now(),
            model: self.model,
            framing: self.framing,
            division: self.division,
            chunk: self.chunk,
            shards,
        };
        for (name, text) in scripts(folder, plan.shards.len(), array)? {
            let path = draft.path().join(name);
            fs::write(&path, text).map_err(|error| Failure::io("write", &path, &error))?;
        }
        let header = draft.path().join(HEADER);
        let text = serde_json::to_string_pretty(&plan).expect("a plan is a tree of plain values");
        fs::write(&header, text).map_err(|error| Failure::io("write", &header, &error))?;
        let parts = draft.path().join(PARTS);
        fs::create_dir(&parts).map_err(|error| Failure::io("make", &parts, &error))?;
        // A temporary folder is private; a plan is read by those who may read the folder above it.
        let open = fs::Permissions::from_mode(0o775);
        fs::set_permissions(draft.path(), open).map_err(|error| fault(&error))?;
        fs::rename(draft.keep(), folder).map_err(|error| fault(&error))?;
        Ok(plan)
    }
}

/// The present to the millisecond, which is what a catalog keeps.
fn now() -> Timestamp {
    let milliseconds = Timestamp::now().as_millisecond();
    Timestamp::from_millisecond(milliseconds).expect("the present is on the calendar")
}

/// Where parts are, below a plan.
const PARTS: &str = "parts";

/// Where the parts of a plan are, unless another folder is named.
pub(crate) fn parts_folder(plan: &Path) -> PathBuf {
    plan.join(PARTS)
}

fn shard_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("shard-{number:05}"))
}

/// The name of a shard's part.
pub(crate) fn part_path(parts: &Path, number: usize) -> PathBuf {
    parts.join(format!("part-{number:05}.sqlite"))
}
