//! Files to shards. Which shard a file is in depends on the file alone, or on where on the sky its object is.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use clap::ValueEnum;
use galmorph_catalog::healpix_cell;
use galmorph_cutout::PositionSource;
use serde::{Deserialize, Serialize};

use super::{Item, Shard, Sorter, shard_path};
use crate::Failure;

/// How files are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Division {
    /// By a hash of their paths: shards of nearly the same size, and each has files from all folders
    #[default]
    Hash,
    /// By where their objects are: a shard is a piece of the sky. Every file needs a position (--table)
    Healpix,
}

/// How fine the sky is cut: order 9 has 3,145,728 cells of 6.9'.
const ORDER: u32 = 9;

/// How much text of all manifests together waits to be written, in bytes.
const BUFFERS: usize = 64 << 20;

/// Writes the manifests of `count` shards into a folder.
pub(crate) fn divide(
    mut files: Sorter,
    folder: &Path,
    division: Division,
    count: usize,
) -> Result<Vec<Shard>, Failure> {
    let cells = match division {
        Division::Hash => Vec::new(),
        Division::Healpix => last_cells(&mut files, count)?,
    };
    let mut writers: Vec<Writer> = (0..count).map(|_| Writer::default()).collect();
    let most = (BUFFERS / count).max(1 << 12);
    let twice = files.each(|item| {
        let number = match division {
            Division::Hash => by_hash(&item.path, count),
            Division::Healpix => {
                let cell = cell_of(&item).ok_or_else(|| no_position(&item))?;
                cells.partition_point(|last| *last < cell).min(count - 1)
            }
        };
        let writer = &mut writers[number];
        writer.add(&item);
        if writer.waiting.len() >= most {
            writer.flush(folder, number)?;
        }
        Ok::<_, Fault>(())
    });
    let twice = twice.map_err(|fault| fault.failure(folder))?;
    if twice > 0 {
        log::warn!("{twice} files were named twice; each is planned once");
    }
    let mut shards = Vec::new();
    for (number, mut writer) in writers.into_iter().enumerate() {
        // One without files has an empty manifest.
        writer
            .flush(folder, number)
            .map_err(|error| Fault::from(error).failure(folder))?;
        shards.push(Shard {
            files: writer.files,
            manifest: writer.hasher.finalize().to_string(),
        });
    }
    Ok(shards)
}

/// The shard of a path: the first eight bytes of its digest, divided among so many.
fn by_hash(path: &str, count: usize) -> usize {
    let digest = blake3::hash(path.as_bytes());
    let first = digest
        .as_bytes()
        .first_chunk()
        .expect("a digest has 32 bytes");
    (u64::from_le_bytes(*first) % count as u64) as usize
}

/// The cell of an item's position.
fn cell_of(item: &Item) -> Option<u32> {
    let identity = item.identity(String::new());
    let (position, _) = identity
        .position
        .filter(|(_, source)| *source == PositionSource::Manifest)?;
    let fine = healpix_cell(position.ra(), position.dec());
    let coarse = fine >> (2 * (29 - ORDER));
    Some(u32::try_from(coarse).expect("order 9 has 3,145,728 cells"))
}

/// The last cell of each shard but the last one, so that all have about as many files. Cells that lie together have
/// numbers that lie together.
fn last_cells(files: &mut Sorter, count: usize) -> Result<Vec<u32>, Failure> {
    let mut counts = vec![0_u64; 12 << (2 * ORDER)];
    let mut all = 0;
    files
        .each(|item| {
            let cell = cell_of(&item).ok_or_else(|| no_position(&item))?;
            counts[cell as usize] += 1;
            all += 1;
            Ok::<_, Fault>(())
        })
        .map_err(|fault| fault.failure(Path::new(".")))?;
    let mut last = Vec::new();
    let mut so_far = 0;
    for (cell, files) in (0..).zip(&counts) {
        so_far += files;
        while last.len() + 1 < count && so_far * count as u64 >= all * (last.len() as u64 + 1) {
            last.push(cell);
        }
    }
    Ok(last)
}

fn no_position(item: &Item) -> Fault {
    let path = galmorph_output::visible(&item.path).into_owned();
    Fault::Usage(format!(
        "'{path}' has no position, which a division by HEALPix needs (--table FILE with the columns path, ra and dec)"
    ))
}

enum Fault {
    Io(io::Error),
    Usage(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    fn failure(self, folder: &Path) -> Failure {
        match self {
            Self::Io(error) => Failure::io("write the plan in", folder, &error),
            Self::Usage(message) => Failure::Usage(message),
        }
    }
}

/// A manifest in the making. It is opened for each piece of text: there may be more shards than a process may have open files.
#[derive(Default)]
struct Writer {
    files: u64,
    waiting: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Writer {
    fn add(&mut self, item: &Item) {
        self.waiting.extend_from_slice(item.line().as_bytes());
        self.waiting.push(b'\n');
        self.files += 1;
    }

    fn flush(&mut self, folder: &Path, number: usize) -> io::Result<()> {
        let path = shard_path(folder, number);
        let mut file = File::options().create(true).append(true).open(path)?;
        file.write_all(&self.waiting)?;
        self.hasher.update(&self.waiting);
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Manifest, described};
    use super::*;
    use galmorph_cutout::Position;

    fn shards(division: Division, items: &[Item], count: usize) -> Vec<Vec<Item>> {
        let folder = tempfile::TempDir::new().unwrap();
        let mut sorter = Sorter::default();
        for item in items.iter().rev() {
            sorter.push(item.clone()).unwrap();
        }
        let shards = divide(sorter, folder.path(), division, count).unwrap();
        assert_eq!(shards.len(), count);
        let read = |(number, shard): (usize, &Shard)| {
            let items = Manifest::open(&shard_path(folder.path(), number)).unwrap();
            let items = items.rest().unwrap();
            assert_eq!(items.len() as u64, shard.files);
            assert!(items.is_sorted_by(|one, other| one.path < other.path));
            items
        };
        shards.iter().enumerate().map(read).collect()
    }

    #[test]
    fn every_file_is_in_one_shard() {
        let items: Vec<Item> = (0..5000)
            .map(|n| Item::new(format!("/data/{n:06}.jpg"), String::new()))
            .collect();
        let shards = shards(Division::Hash, &items, 7);
        assert!(shards.iter().all(|shard| (600..830).contains(&shard.len())));
        let mut all: Vec<Item> = shards.concat();
        all.sort_by(|one, other| one.path.cmp(&other.path));
        assert_eq!(all, items);
    }

    #[test]
    fn shards_by_healpix_are_pieces_of_the_sky_of_about_one_size() {
        let items: Vec<Item> = (0..4000_u32)
            .map(|n| {
                // A strip and a field.
                let (ra, dec) = if n % 2 == 0 {
                    (f64::from(n) * 0.09, -1.0 + f64::from(n % 7) * 0.3)
                } else {
                    (
                        150.0 + f64::from(n % 61) * 0.02,
                        2.0 + f64::from(n % 59) * 0.02,
                    )
                };
                let place = Position::new(ra, dec);
                Item::new(format!("/{n:05}.jpg"), described(place, None, None))
            })
            .collect();
        let shards = shards(Division::Healpix, &items, 8);
        assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), 4000);
        assert!(shards.iter().all(|shard| (300..800).contains(&shard.len())));
        let cells = |shard: &Vec<Item>| {
            let mut cells: Vec<u32> = shard.iter().map(|item| cell_of(item).unwrap()).collect();
            cells.sort_unstable();
            (cells[0], *cells.last().unwrap())
        };
        let ranges: Vec<(u32, u32)> = shards.iter().map(cells).collect();
        assert!(
            ranges.is_sorted_by(|one, other| one.1 < other.0),
            "{ranges:?}"
        );
    }

    #[test]
    fn a_file_without_a_position_can_not_be_divided_by_it() {
        let mut sorter = Sorter::default();
        sorter
            .push(Item::new("/a.jpg".into(), String::new()))
            .unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let fault = divide(sorter, folder.path(), Division::Healpix, 2).unwrap_err();
        assert!(
            fault.to_string().starts_with("'/a.jpg' has no position"),
            "{fault}"
        );
    }
}
