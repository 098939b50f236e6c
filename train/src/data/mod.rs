//! Labelled cutouts in memory.
//!
//! Every image is decoded once, before training starts, and the pixels that the largest crop needs are
//! kept: 173 kB an image, 4.5 GB for the paper's whole training set. So whatever is wrong with an input
//! shows at once, and an epoch reads no file.

mod images;
mod labels;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use galmorph_cutout::{Image, Limits, Morphology, decode};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::targets::Targets;

pub use images::ImageIndex;
pub use labels::{Label, Labels, Split, vote_column};

/// Labelled images of one split.
pub struct Dataset {
    /// The galaxies' ids, as the label file has them.
    pub ids: Vec<String>,
    /// Their classes.
    pub classes: Vec<Morphology>,
    /// The volunteers' votes for the classes, which sum to 1, where they are learned from.
    pub votes: Option<Vec<[f32; Morphology::COUNT]>>,
    /// Their pixels: the central part that the largest crop needs.
    pub images: Vec<Image>,
    /// The BLAKE3 digest, in hexadecimal, over ids, classes, votes (where they are learned from) and
    /// image files, in the order of the ids.
    pub digest: String,
}

/// Where labelled images come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// A CSV file with the columns `GalaxyID`, `label` and `split`.
    pub labels: PathBuf,
    /// Folders and tar files with images named `<GalaxyID>.jpg` (or `.jpeg`, `.png`).
    pub images: Vec<PathBuf>,
    /// What is learned from the labels; [`Targets::Votes`] needs the columns `p_round` to `p_spiral`.
    pub targets: Targets,
}

impl Source {
    /// Decodes all images of a split; `largest_crop` is in pixels.
    ///
    /// # Errors
    /// Names the row and the file of the first label that has no image and of the first image that
    /// can't be decoded; a split without a galaxy is an error too.
    pub fn load(&self, split: Split, largest_crop: u32, threads: usize) -> Result<Dataset> {
        let labels = Labels::read(&self.labels, self.targets)?.of(split)?;
        let index = ImageIndex::open(&self.images)?;
        let places = labels
            .iter()
            .map(|label| {
                index.find(&label.id).ok_or_else(|| {
                    Error::Input(format!(
                        "'{}' row {}: galaxy {} has no image in {}",
                        self.labels.display(),
                        label.row,
                        label.id,
                        index.describe()
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()?;

        let progress = Progress::new(&format!("decoding {split}"), labels.len() as u64, "images");
        let decode_one = |number: usize| -> Result<(Image, blake3::Hash)> {
            let bytes = index.read(places[number])?;
            let image = decode(&bytes, &Limits::default()).map_err(|fault| {
                Error::Input(format!(
                    "'{}' row {}: galaxy {}: {}: {fault}",
                    self.labels.display(),
                    labels[number].row,
                    labels[number].id,
                    index.name(places[number])
                ))
            })?;
            progress.advance(1);
            Ok((image.keep_centre(largest_crop), blake3::hash(&bytes)))
        };
        let decoded = in_parallel(labels.len(), threads, decode_one)?;
        progress.finish();

        let digest = digest(&labels, decoded.iter().map(|(_, hash)| hash));
        Ok(Dataset {
            classes: labels.iter().map(|label| label.class).collect(),
            votes: labels.iter().map(|label| label.votes).collect(),
            ids: labels.into_iter().map(|label| label.id).collect(),
            images: decoded.into_iter().map(|(image, _)| image).collect(),
            digest,
        })
    }
}

impl Dataset {
    /// How many galaxies.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

/// Computes `count` values on some threads, in order. The first failure by number is the one
/// returned, whatever the threads' timing.
fn in_parallel<T: Send>(
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

fn digest<'a>(labels: &[Label], hashes: impl Iterator<Item = &'a blake3::Hash>) -> String {
    let mut all = blake3::Hasher::new();
    for (label, hash) in labels.iter().zip(hashes) {
        all.update(label.id.as_bytes());
        all.update(&[0, label.class.id() as u8]);
        for vote in label.votes.iter().flatten() {
            all.update(&vote.to_le_bytes());
        }
        all.update(hash.as_bytes());
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
