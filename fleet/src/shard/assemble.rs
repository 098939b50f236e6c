//! Chunks and parts: catalogs that are put together on the machine's own disk, and copied to the shared folder as plain files.

use std::fs::File;
use std::path::Path;

use galmorph_catalog::{Assembly, Collision, Reader};
use galmorph_output::readable;
use tempfile::TempDir;

use super::Shard;
use crate::answer::Fate;
use crate::{Failure, whole_file};

/// What a part has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Files with a row: classified or rejected.
    pub(crate) rows: u64,
    /// Files that could not be read.
    pub(crate) unread: u64,
}

/// A folder on the machine's own disk.
fn local_folder() -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("galmorph-fleet-")
        .tempdir()
        .map_err(|error| Failure::io("make a folder in", &std::env::temp_dir(), &error))
}

/// Has `fill` put a catalog together, and puts that in its place.
pub(crate) fn put_together<T>(
    target: &Path,
    fill: impl FnOnce(&Assembly) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let local = local_folder()?;
    let path = local.path().join("catalog.sqlite");
    let assembly = Assembly::begin(&path)?;
    let filled = fill(&assembly)?;
    assembly.finish()?;
    let mut made = File::open(&path).map_err(|error| Failure::io("read", &path, &error))?;
    whole_file::copy(&mut made, target)?;
    Ok(filled)
}

/// Writes a chunk.
pub(super) fn write_chunk(
    shard: &Shard,
    chunk: usize,
    answered: &[Option<Fate>],
) -> Result<(), Failure> {
    put_together(&shard.path(chunk), |assembly| {
        let model = assembly.model(&shard.model, shard.time)?;
        for (item, fate) in shard.items(chunk).iter().zip(answered) {
            match fate {
                Some(Fate::Row(entry)) => assembly.record(model, entry, shard.time)?,
                Some(Fate::Unread(fault)) => assembly.note_unread(&item.path, fault)?,
                None => unreachable!("a chunk is written when all its files were answered for"),
            }
        }
        Ok(())
    })
}

/// Makes the part of all chunks.
pub(super) fn write_part(shard: &Shard, part: &Path) -> Result<Counts, Failure> {
    put_together(part, |assembly| {
        assembly.model(&shard.model, shard.time)?;
        let mut counts = Counts::default();
        for chunk in 0..shard.count() {
            let path = shard.path(chunk);
            let source = Reader::open_finished(&path)?;
            let taken = assembly.take(&source, None, Collision::Refuse)?;
            counts.rows += taken.files;
            for (path, fault) in source.unread()? {
                assembly.note_unread(&path, &fault)?;
                counts.unread += 1;
            }
        }
        if counts.rows + counts.unread != shard.items.len() as u64 {
            return Err(Failure::Unusable(format!(
                "the chunks in '{}' have {} files and the shard has {}: remove that folder and run the shard again",
                readable(&shard.chunks),
                counts.rows + counts.unread,
                shard.items.len()
            )));
        }
        Ok(counts)
    })
}

/// Counts what a part has.
pub(super) fn count(part: &Path) -> Result<Counts, Failure> {
    let reader = Reader::open_finished(part)?;
    let mut rows = 0;
    reader.each_path_text(|_| {
        rows += 1;
        Ok::<_, Failure>(())
    })?;
    Ok(Counts {
        rows,
        unread: reader.unread()?.len() as u64,
    })
}
