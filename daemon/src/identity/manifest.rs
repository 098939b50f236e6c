//! Tables that came with the images: which object each file shows, where it is and how large.
//!
//! Several manifests of a folder are read as one. A fault in any of them is a fault of all: a table that is wrong in
//! one row may be wrong in others, and a wrong position looks like a right one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use galmorph_cutout::{FITS_EXTENSIONS, Position, name_and_extension};
use galmorph_inference::catch;
use galmorph_output::readable;
use galmorph_table::{Table, TableError};

use super::sky::{
    OBJECT_ID, check_degrees, check_unit, column, listing, no_column, object_id, position,
};
use crate::config::ManifestSettings;

/// The names of the columns that are looked for where none is configured, the first that is there.
const FILE: [&str; 5] = ["file", "filename", "file_name", "path", "file_loc"];
const RA: &str = "ra";
const DEC: &str = "dec";
const RADIUS: [&str; 2] = ["radius", "petror90"];

/// How the unit of radii is written.
const ARCSECONDS: [&str; 3] = ["arcsec", "arcsecond", "arcseconds"];

/// What the manifests of a folder say, by the name of the file.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// In the order of their names.
    rows: Vec<Listed>,
    /// How many radii are there and are none: zero, negative or no numbers.
    pub(crate) without_radius: u64,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    /// The name of the file, with or without its ending.
    name: Box<str>,
    pub(crate) object_id: Option<Box<str>>,
    pub(crate) position: Option<Position>,
    /// In arcsec.
    pub(crate) radius: Option<f64>,
    /// Which of the manifests it is in, and where.
    manifest: u32,
    row: u64,
}

/// What tells one state of a file from another.
pub(crate) type FileState = (u64, i64, i64, u64);

/// How a manifest now is; `None` when it is not there.
pub(crate) fn state(path: &Path) -> io::Result<Option<FileState>> {
    match fs::metadata(path) {
        // A pipe would be waited for.
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is not a file")),
        Ok(metadata) => {
            let time = (metadata.mtime(), metadata.mtime_nsec());
            Ok(Some((metadata.len(), time.0, time.1, metadata.ino())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How long a manifest must still be left alone before it counts as written to its end.
pub(crate) fn unsettled(path: &Path, settle: Duration) -> Option<Duration> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(modified).ok()?;
    settle.checked_sub(age).filter(|rest| !rest.is_zero())
}

impl Manifest {
    /// Reads the manifests of a folder. The fault names the file, and the row if it is in one.
    pub(crate) fn read(manifests: &[ManifestSettings]) -> Result<Self, String> {
        let mut all = Self::default();
        for (number, manifest) in (0..).zip(manifests) {
            // The readers of other people's formats may give up in their own way.
            catch(|| all.add(number, manifest))
                .unwrap_or_else(Err)
                .map_err(|fault| format!("manifest '{}'{fault}", readable(&manifest.path)))?;
        }
        let place = |listed: &Listed| (listed.manifest, listed.row);
        all.rows.sort_unstable_by(|one, other| {
            let by_name = one.name.cmp(&other.name);
            by_name.then(place(one).cmp(&place(other)))
        });
        all.merge(manifests)?;
        all.complete(manifests)?;
        all.rows.shrink_to_fit();
        Ok(all)
    }

    /// How many files it names.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a file: under its name, or else under its name without the ending.
    pub(crate) fn find(&self, name: &str, stem: &str) -> Option<&Listed> {
        let find = |wanted: &str| {
            let found = self.rows.binary_search_by(|row| (*row.name).cmp(wanted));
            found.ok().map(|index| &self.rows[index])
        };
        find(name).or_else(|| find(stem))
    }

    /// Adds the rows of one manifest. A fault goes on after its name.
    fn add(&mut self, number: u32, manifest: &ManifestSettings) -> Result<(), String> {
        let fault = |fault: TableError| format!(": {fault}");
        let mut table = Table::open(&manifest.path).map_err(fault)?;
        let columns = Columns::find(&table, manifest)?;
        while let Some(row) = table.next_row(&columns.wanted).map_err(fault)? {
            let listed = columns.listed(&row.cells, &mut self.without_radius);
            let (name, object_id, position, radius) =
                listed.map_err(|fault| format!(", row {}: {fault}", row.number))?;
            self.rows.push(Listed {
                name,
                object_id,
                position,
                radius,
                manifest: number,
                row: row.number,
            });
        }
        Ok(())
    }

    /// Has a file's row under its whole name take over what is said under its name without the ending: both are its own.
    fn complete(&mut self, manifests: &[ManifestSettings]) -> Result<(), String> {
        for at in 0..self.rows.len() {
            let Some(stem) = without_ending(&self.rows[at].name) else {
                continue;
            };
            let found = self.rows.binary_search_by(|row| (*row.name).cmp(stem));
            let Ok(found) = found else {
                continue;
            };
            let mut other = self.rows[found].clone();
            let row = &mut self.rows[at];
            row.take_over(&mut other).map_err(|what| {
                let name_of = |row: &Listed| readable(&manifests[row.manifest as usize].path);
                format!(
                    "manifest '{}', row {}: '{}' has another {what} than '{}' in '{}', row {}",
                    name_of(row),
                    row.row,
                    row.name,
                    other.name,
                    name_of(&other),
                    other.row
                )
            })?;
        }
        Ok(())
    }

    /// Makes one row of those of one name. In one manifest, no name may be there twice; in two, they must agree.
    fn merge(&mut self, manifests: &[ManifestSettings]) -> Result<(), String> {
        let name_of = |row: &Listed| readable(&manifests[row.manifest as usize].path);
        let mut fault = None;
        self.rows.dedup_by(|later, first| {
            if later.name != first.name || fault.is_some() {
                return false;
            }
            if later.manifest == first.manifest {
                fault = Some(format!(
                    "manifest '{}', row {}: '{}' is in row {} too",
                    name_of(later),
                    later.row,
                    later.name,
                    first.row
                ));
            } else if let Err(what) = first.take_over(later) {
                fault = Some(format!(
                    "manifest '{}', row {}: '{}' has another {what} in '{}', row {}",
                    name_of(later),
                    later.row,
                    later.name,
                    name_of(first),
                    first.row
                ));
            }
            true
        });
        fault.map_or(Ok(()), Err)
    }
}

/// The name of an image file without its ending; `None` for a name that has none. What stands behind the last point of an
/// object's name is no ending.
fn without_ending(name: &str) -> Option<&str> {
    const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];
    let (stem, ending) = name_and_extension(Path::new(name));
    let ending = ending?;
    let mut known = PICTURES.iter().chain(&FITS_EXTENSIONS);
    let is_image = known.any(|known| ending.eq_ignore_ascii_case(known));
    stem.filter(|_| is_image)?.to_str()
}

impl Listed {
    /// Takes over what another row of the same file says beyond this one. The fault is what they disagree on.
    fn take_over(&mut self, other: &mut Self) -> Result<(), &'static str> {
        fn one<T: PartialEq>(own: &mut Option<T>, other: Option<T>) -> Result<(), ()> {
            if own.is_none() {
                *own = other;
            } else if other.is_some() && *own != other {
                return Err(());
            }
            Ok(())
        }
        one(&mut self.object_id, other.object_id.take()).map_err(|()| "object id")?;
        one(&mut self.position, other.position).map_err(|()| "position")?;
        one(&mut self.radius, other.radius).map_err(|()| "radius")
    }
}

/// Where in the rows everything is.
#[derive(Debug)]
struct Columns {
    /// The columns that are read.
    wanted: Vec<usize>,
    /// Each as a place in `wanted`; that of the file's name is 0.
    object_id: Option<usize>,
    position: Option<(usize, usize)>,
    radius: Option<usize>,
}

/// Name, object id, position and radius.
type Cells = (Box<str>, Option<Box<str>>, Option<Position>, Option<f64>);

impl Columns {
    /// A fault goes on after the manifest's name.
    fn find(table: &Table, manifest: &ManifestSettings) -> Result<Self, String> {
        let find = |configured: &Option<String>, known: &[&str]| match configured {
            Some(name) => column(table, &[name])?
                .ok_or_else(|| no_column(table, name))
                .map(Some),
            None => column(table, known),
        };
        let columns = &manifest.columns;
        let object_id = find(&columns.object_id, &OBJECT_ID)?;
        // Where only the object is named, so are the files.
        let Some(file) = find(&columns.file, &FILE)?.or(object_id) else {
            let known = [FILE, OBJECT_ID].concat().join(", ");
            return Err(format!(
                " has no column with the names of the files: none of {known} ({})",
                listing(table)
            ));
        };
        let position = match (find(&columns.ra, &[RA])?, find(&columns.dec, &[DEC])?) {
            (Some(ra), Some(dec)) => Some((ra, dec)),
            (None, None) => None,
            (Some(_), None) => return Err(no_column(table, DEC)),
            (None, Some(_)) => return Err(no_column(table, RA)),
        };
        let radius = find(&columns.radius, &RADIUS)?;
        if position.is_none() && radius.is_none() && object_id.is_none_or(|id| id == file) {
            return Err(format!(
                " has no column ra and dec, radius or object_id ({})",
                listing(table)
            ));
        }
        if let Some((ra, dec)) = position {
            for column in [ra, dec] {
                check_degrees(table, column)?;
            }
        }
        if let Some(column) = radius {
            check_unit(table, column, &ARCSECONDS, "arcsec")?;
        }
        let mut wanted = vec![file];
        let mut place = |column: usize| {
            wanted.push(column);
            wanted.len() - 1
        };
        Ok(Self {
            object_id: object_id.map(&mut place),
            position: position.map(|(ra, dec)| (place(ra), place(dec))),
            radius: radius.map(&mut place),
            wanted,
        })
    }

    fn listed(&self, cells: &[String], without_radius: &mut u64) -> Result<Cells, String> {
        let name = cells[0].rsplit('/').next().unwrap_or_default();
        if name.is_empty() {
            return Err("no name of a file".into());
        }
        let id = match self.object_id {
            Some(place) => object_id(&cells[place])?,
            None => None,
        };
        let position = match self.position {
            Some((ra, dec)) => position(&cells[ra], &cells[dec])?,
            None => None,
        };
        let radius = match self.radius.map(|place| &*cells[place]) {
            None | Some("") => None,
            Some(text) => {
                let fault = || format!("the radius '{text}' is not a number of arcsec");
                let radius: f64 = text.parse().map_err(|_| fault())?;
                if radius == f64::INFINITY {
                    return Err(fault());
                }
                // Surveys write -9999 and the like for one that could not be measured.
                let is_one = radius > 0.0;
                *without_radius += u64::from(!is_one);
                is_one.then_some(radius)
            }
        };
        Ok((name.into(), id.map(Into::into), position, radius))
    }
}

#[cfg(test)]
mod tests;
