//! Labelled cutouts in memory.
//!
//! Every image is decoded once, before training starts. Of each, the pixels that the largest crop needs
//! are kept: 173 kB an image, 4.5 GB for the paper's whole training set. So every fault of the input
//! shows at once, and an epoch reads no file.

mod column;
mod framed;
mod images;
mod labels;
mod part;
mod targets;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use galmorph_cutout::{Image, Morphology, Rendering};
use galmorph_output::readable;

use crate::error::{Error, Result};
use crate::progress::Progress;

pub(crate) use column::ColumnValues;
pub(crate) use framed::Framed;
pub(crate) use images::{ImageIndex, Images, decode_file};
pub use labels::Split;
pub(crate) use labels::{Label, Labels, vote_column};
pub(crate) use part::{Fold, Part, group};
pub(crate) use targets::Targets;

/// How many galaxies without an image a message names.
const MISSING_NAMED: usize = 5;

/// Labelled images of one split or fold.
pub(crate) struct Dataset {
    /// The galaxies' ids, as in the label file.
    pub(crate) ids: Vec<String>,
    /// Their classes.
    pub(crate) classes: Vec<Morphology>,
    /// The vote fractions of the classes, which sum to 1; `None` unless votes are learned.
    pub(crate) votes: Option<Vec<[f32; Morphology::COUNT]>>,
    /// Their pixels: the central part that the largest crop needs.
    pub(crate) images: Vec<Image>,
    /// The BLAKE3 digest, in hexadecimal, over ids, classes, votes (if they are learned) and image
    /// files, in the order of the ids; and over how FITS images are shown, if that is said.
    pub(crate) digest: String,
}

/// Where labelled images come from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// A CSV file with the columns `GalaxyID`, `label` and `split`.
    pub(crate) labels: PathBuf,
    /// Images named `<GalaxyID>.jpg` (or `.jpeg`, `.png`, `.fits`), or as their bands' files are.
    pub(crate) images: Images,
    /// What is learned from the labels. [`Targets::Votes`] needs the columns `p_round` to `p_spiral`.
    pub(crate) targets: Targets,
    /// Whether galaxies without an image are left out, with a warning. Otherwise they are an error.
    pub(crate) allow_missing: bool,
}

/// A label file that was read, and the images that were found.
pub(crate) struct LabelledImages {
    source: Source,
    labels: Labels,
    index: ImageIndex,
}

impl Source {
    /// Reads the label file and lists the images. Checks that the parts have galaxies, and that each of
    /// these galaxies has an image.
    ///
    /// # Errors
    /// When galaxies lack their images, one error counts them and names the first five.
    pub(crate) fn open(self, parts: &[Part]) -> Result<LabelledImages> {
        let labels = Labels::read(&self.labels, self.targets)?;
        let mut wanted = Vec::new();
        for part in parts {
            wanted.extend(labels.of(*part)?);
        }
        let index = ImageIndex::open(&self.images)?;
        let mut missing: Vec<&Label> = (wanted.iter().copied())
            .filter(|label| index.find(&label.id).is_none())
            .collect();
        missing.sort_by_key(|label| label.row);
        if !missing.is_empty() {
            let message = without_image(&readable(&self.labels), &missing, wanted.len(), &index);
            if !self.allow_missing {
                return Err(Error::Input(message));
            }
            if missing.len() == wanted.len() {
                return Err(Error::Input(format!("{message}: nothing is left")));
            }
            log::warn!("{message}; left out");
        }
        Ok(LabelledImages {
            source: self,
            labels,
            index,
        })
    }
}

/// Says which galaxies lack their image: how many, and the first five.
fn without_image(file: &str, missing: &[&Label], wanted: usize, index: &ImageIndex) -> String {
    if let [label] = missing {
        return format!(
            "'{file}' row {}: galaxy {} has {} in {}",
            label.row,
            label.id,
            index.missing(&label.id),
            index.describe()
        );
    }
    let named: Vec<String> = (missing.iter().take(MISSING_NAMED))
        .map(|label| format!("{} (row {})", label.id, label.row))
        .collect();
    let more = if missing.len() > MISSING_NAMED {
        ", ..."
    } else {
        ""
    };
    format!(
        "'{file}': {} of {wanted} galaxies have no image in {}: {}{more}",
        missing.len(),
        index.describe(),
        named.join(", ")
    )
}

impl LabelledImages {
    /// The labels of a part that have an image, in the order of the file.
    fn labels_of(&self, part: Part) -> Result<Vec<&Label>> {
        let mut labels = self.labels.of(part)?;
        labels.retain(|label| self.index.find(&label.id).is_some());
        if labels.is_empty() {
            return Err(Error::Input(format!(
                "no galaxy of '{}' in {part} has an image in {}",
                readable(&self.source.labels),
                self.index.describe()
            )));
        }
        Ok(labels)
    }

    /// The ids and the classes of the galaxies of a part, in the order of the file.
    pub(crate) fn galaxies(&self, part: Part) -> Result<(Vec<String>, Vec<Morphology>)> {
        let labels = self.labels_of(part)?;
        Ok((labels.iter())
            .map(|label| (label.id.clone(), label.class))
            .unzip())
    }

    /// The label of a galaxy, if it has one.
    pub(crate) fn label(&self, id: &str) -> Option<&Label> {
        self.labels.all().iter().find(|label| label.id == id)
    }

    /// Decodes a galaxy's image.
    ///
    /// # Errors
    /// As those of [`ImageIndex::decode`].
    pub(crate) fn decode(&self, id: &str) -> Result<Image> {
        self.index.decode(id)
    }

    /// Where a label's image is, for an error.
    fn place(&self, label: &Label) -> Result<String> {
        Ok(format!(
            "'{}' row {}: galaxy {}: {}",
            readable(&self.source.labels),
            label.row,
            label.id,
            self.index.name(self.index.require(&label.id)?)
        ))
    }

    /// Decodes all images of a part. `largest_crop` is in pixels of the images.
    ///
    /// # Errors
    /// Names the row and the file of the first image that can't be decoded.
    pub(crate) fn load(&self, part: Part, largest_crop: u32, threads: usize) -> Result<Dataset> {
        let labels = self.labels_of(part)?;
        self.load_these(&labels, part, largest_crop, threads)
    }

    /// Decodes `count` images of a part, or all if there are fewer: those whose ids have the smallest hashes, so that
    /// they are the same ones whatever the order of the labels.
    ///
    /// # Errors
    /// As those of [`load`](Self::load).
    pub(crate) fn load_some(
        &self,
        part: Part,
        count: usize,
        largest_crop: u32,
        threads: usize,
    ) -> Result<Dataset> {
        let mut labels = self.labels_of(part)?;
        labels.sort_by_cached_key(|label| *blake3::hash(label.id.as_bytes()).as_bytes());
        labels.truncate(count);
        self.load_these(&labels, part, largest_crop, threads)
    }

    /// The digest that the [`Dataset`] of a part has. No image is decoded for it.
    pub(crate) fn digest(&self, part: Part, threads: usize) -> Result<String> {
        let labels = self.labels_of(part)?;
        let progress = Progress::new(&format!("reading {part}"), labels.len() as u64, "images");
        let hashes = in_parallel(labels.len(), threads, |number| {
            let content = self
                .index
                .content(self.index.require(&labels[number].id)?)?;
            progress.advance(1);
            Ok(content.hash())
        })?;
        progress.finish();
        let rendering = &self.source.images.rendering;
        Ok(digest(&labels, hashes.iter(), rendering))
    }

    fn load_these(
        &self,
        labels: &[&Label],
        part: Part,
        largest_crop: u32,
        threads: usize,
    ) -> Result<Dataset> {
        let progress = Progress::new(&format!("decoding {part}"), labels.len() as u64, "images");
        let decode_one = |number: usize| -> Result<(Image, blake3::Hash)> {
            let label = labels[number];
            let place = self.index.require(&label.id)?;
            let content = self.index.content(place)?;
            let image = content
                .decode(largest_crop)
                .map_err(Error::input_at(self.place(label)?))?;
            progress.advance(1);
            Ok((image, content.hash()))
        };
        let decoded = in_parallel(labels.len(), threads, decode_one)?;
        progress.finish();

        let hashes = decoded.iter().map(|(_, hash)| hash);
        let digest = digest(labels, hashes, &self.source.images.rendering);
        Ok(Dataset {
            classes: labels.iter().map(|label| label.class).collect(),
            votes: labels.iter().map(|label| label.votes).collect(),
            ids: labels.iter().map(|label| label.id.clone()).collect(),
            images: decoded.into_iter().map(|(image, _)| image).collect(),
            digest,
        })
    }
}

impl Dataset {
    /// The number of galaxies.
    pub(crate) fn len(&self) -> usize {
        self.images.len()
    }
}

/// Computes `count` values on several threads, and returns them in order. If some fail, the error is
/// that of the smallest number, whatever the threads' timing.
pub(crate) fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    compute: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let (compute, next) = (&compute, &next);
    let work = move || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            let result = compute(number);
            if result.is_err() {
                // Numbers given out before this one are still finished by their threads.
                next.store(count, Ordering::Relaxed);
            }
            done.push((number, result));
        }
    };
    let mut all: Vec<(usize, Result<T>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

fn digest<'a>(
    labels: &[&Label],
    hashes: impl Iterator<Item = &'a blake3::Hash>,
    rendering: &Rendering,
) -> String {
    let mut all = blake3::Hasher::new();
    for (label, hash) in labels.iter().zip(hashes) {
        all.update(label.id.as_bytes());
        all.update(&[0, label.class.id() as u8]);
        for vote in label.votes.iter().flatten() {
            all.update(&vote.to_le_bytes());
        }
        all.update(hash.as_bytes());
    }
    if let Some(rendering) = rendering.key() {
        all.update(rendering.as_bytes());
    }
    all.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_results_are_in_order_and_the_first_failure_is_reported() {
        let squares = in_parallel(100, 3, |n| Ok(n * n)).unwrap();
        assert_eq!(squares[99], 99 * 99);
        let failure = in_parallel(100, 3, |n| match n {
            0..40 => Ok(n),
            _ => Err(Error::Input(format!("number {n}"))),
        });
        assert_eq!(failure.unwrap_err().to_string(), "number 40");
    }
}
