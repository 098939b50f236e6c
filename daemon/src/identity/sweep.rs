//! Rows are brought up to date with what is known now of their objects.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use galmorph_catalog::{CatalogError, Described, Entry, Revision, Writer};
use galmorph_cutout::Framing;

use super::Identities;

/// The folders of which rows have still to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Each with the last file that was looked at.
    folders: VecDeque<(PathBuf, Option<PathBuf>)>,
}

impl Sweep {
    /// Has the rows of a folder looked at, from the first on.
    pub(crate) fn begin(&mut self, folder: PathBuf) {
        self.folders.retain(|(other, _)| *other != folder);
        self.folders.push_back((folder, None));
    }

    /// Whether all rows were looked at.
    pub(crate) fn is_done(&self) -> bool {
        self.folders.is_empty()
    }

    /// Looks at some more rows. Returns whether there are more. `reclassify` says whether files are read again that
    /// would be shown in another way.
    pub(crate) fn step(
        &mut self,
        writer: &mut Writer,
        identities: &Identities,
        reclassify: bool,
    ) -> Result<bool, CatalogError> {
        let Some((folder, last)) = self.folders.front_mut() else {
            return Ok(false);
        };
        let rows = writer.described_below(folder, last.as_deref())?;
        let Some(end) = rows.last().map(|row| row.path.clone()) else {
            self.folders.pop_front();
            return Ok(!self.folders.is_empty());
        };
        revise(writer, identities, reclassify, &rows)?;
        *last = Some(end);
        Ok(true)
    }
}

impl Identities {
    /// What a row is to say; `None` when that is what it says.
    fn revision(
        &self,
        row: &Described,
        reclassify: bool,
        has_row: impl Fn(&Path) -> bool,
    ) -> Option<Revision> {
        let folder = self.selection.folder_of(&row.path)?;
        // What a manifest said that is gone for now stays.
        if !self.sources_of(&row.path)?.is_ready() {
            return None;
        }
        let mut identity = self.of(&row.path, has_row);
        let said = row.identity.position;
        identity.complete(said.filter(|(_, source)| source.is_content()));
        if identity == row.identity {
            return None;
        }
        // The content may say where it is, and was not asked so far.
        let is_lost = said.is_some() && identity.position.is_none();
        let framing = folder.framing();
        // Only the file itself knows its scale.
        let is_shown_otherwise = identity.radius != row.identity.radius
            && reclassify
            && row.is_fits
            && framing.pixel_scale.is_none()
            && matches!(framing.framing, Framing::Auto | Framing::Radius);
        Some(Revision {
            path: row.path.clone(),
            identity,
            read_again: !row.is_rejected && (is_lost || is_shown_otherwise),
        })
    }

    /// Looks once more at what was just recorded: a manifest may have been read since the file was.
    pub(crate) fn check_recorded(
        &self,
        writer: &mut Writer,
        reclassify: bool,
        entries: &[Entry],
    ) -> Result<(), CatalogError> {
        let mut late = Vec::new();
        for entry in entries {
            let mut identity = self.of(&entry.path, |path| writer.has_row(path).unwrap_or(false));
            let said = entry.identity.position;
            identity.complete(said.filter(|(_, source)| source.is_content()));
            if identity != entry.identity {
                late.extend(writer.described(&entry.path)?);
            }
        }
        revise(writer, self, reclassify, &late)
    }
}

fn revise(
    writer: &mut Writer,
    identities: &Identities,
    reclassify: bool,
    rows: &[Described],
) -> Result<(), CatalogError> {
    let has_row = |path: &Path| writer.has_row(path).unwrap_or(false);
    let revisions = rows.iter();
    let revisions: Vec<Revision> = revisions
        .filter_map(|row| identities.revision(row, reclassify, has_row))
        .collect();
    if revisions.is_empty() {
        return Ok(());
    }
    writer.revise(&revisions)
}
