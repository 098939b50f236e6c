//! The files of an archive: what folders have, or what a list says.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf, absolute};

use galmorph_cutout::{Position, name_and_extension};
use galmorph_output::{path_text, readable};
use galmorph_table::Table;
use walkdir::WalkDir;

use super::manifest::described;
use super::{Item, Sorter};
use crate::Failure;

/// Where the files are told.
#[derive(Debug)]
pub(crate) enum Source {
    /// Everything below these folders with one of these endings. Hidden files and folders are left out, and links are not
    /// followed, as in `galmorph watch`.
    Folders {
        roots: Vec<PathBuf>,
        extensions: Vec<String>,
    },
    /// A path a line; `-` is standard input.
    List(PathBuf),
    /// A table with a column `path`, and maybe `object_id`, `ra`, `dec` (degrees) and `radius` (arcsec).
    Table(PathBuf),
}

/// Gathers them.
pub(crate) fn gather(source: &Source) -> Result<Sorter, Failure> {
    let mut sorter = Sorter::default();
    match source {
        Source::Folders { roots, extensions } => {
            for root in roots {
                walk(root, extensions, &mut sorter)?;
            }
        }
        Source::List(list) => read_list(list, &mut sorter)?,
        Source::Table(table) => read_table(table, &mut sorter)?,
    }
    Ok(sorter)
}

fn keep(sorter: &mut Sorter, path: &Path, more: String) -> Result<(), Failure> {
    let full = absolute(path).map_err(|error| Failure::io("name", path, &error))?;
    let item = Item::new(path_text(&full), more);
    sorter
        .push(item)
        .map_err(|error| Failure::io("write the list of files in", &std::env::temp_dir(), &error))
}

fn walk(root: &Path, extensions: &[String], sorter: &mut Sorter) -> Result<(), Failure> {
    // Links in its name stay: every machine is to find the files by it.
    let root = absolute(root).map_err(|error| Failure::io("read folder", root, &error))?;
    if !root.is_dir() {
        let root = readable(&root);
        return Err(Failure::Usage(format!("'{root}' is not a folder")));
    }
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let entries = WalkDir::new(&root)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    for entry in entries {
        let entry = entry.map_err(|error| {
            // A folder that can't be read would be files that are missing without a word.
            let path = error.path().unwrap_or(&root).to_owned();
            Failure::io("read folder", &path, &error.into())
        })?;
        if entry.file_type().is_file() && is_chosen(entry.path(), extensions) {
            keep(sorter, entry.path(), String::new())?;
        }
    }
    Ok(())
}

fn is_chosen(path: &Path, extensions: &[String]) -> bool {
    let (_, extension) = name_and_extension(path);
    let extension = extension.and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        let mut all = extensions.iter();
        all.any(|chosen| chosen.eq_ignore_ascii_case(extension))
    })
}

fn read_list(list: &Path, sorter: &mut Sorter) -> Result<(), Failure> {
    let fault = |error: &io::Error| Failure::io("read list", list, error);
    let input: Box<dyn Read> = if list.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(list).map_err(|error| fault(&error))?)
    };
    for line in BufReader::new(input).split(b'\n') {
        use std::os::unix::ffi::OsStringExt as _;
        let mut line = line.map_err(|error| fault(&error))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.is_empty() {
            let path = PathBuf::from(std::ffi::OsString::from_vec(line));
            keep(sorter, &path, String::new())?;
        }
    }
    Ok(())
}

const COLUMNS: [&str; 5] = ["path", "object_id", "ra", "dec", "radius"];

fn read_table(path: &Path, sorter: &mut Sorter) -> Result<(), Failure> {
    let fault = |what: &dyn std::fmt::Display| {
        let path = readable(path);
        Failure::Usage(format!("cannot read the table '{path}': {what}"))
    };
    let mut table = Table::open(path).map_err(|error| fault(&error))?;
    let mut wanted = Vec::new();
    let mut places = [None; COLUMNS.len()];
    for (name, place) in COLUMNS.iter().zip(&mut places) {
        if let Some(at) = table.find(name).map_err(|two| fault(&two))? {
            *place = Some(wanted.len());
            wanted.push(at);
        }
    }
    let [Some(_), ..] = places else {
        return Err(fault(&"it has no column 'path'"));
    };
    if places[2].is_some() != places[3].is_some() {
        return Err(fault(&"ra and dec need each other"));
    }
    while let Some(row) = table.next_row(&wanted).map_err(|error| fault(&error))? {
        let cell = |at: usize| {
            let cell = places[at].map(|place| row.cells[place].trim());
            cell.filter(|cell| !cell.is_empty())
        };
        let wrong = |what: &str| fault(&format!("row {}: {what}", row.number));
        let number = |at: usize| match cell(at).map(str::parse::<f64>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(wrong(&format!("{} is no number", COLUMNS[at]))),
        };
        let file = cell(0).ok_or_else(|| wrong("it has no path"))?;
        let place = match number(2)?.zip(number(3)?) {
            None => None,
            Some((ra, dec)) => Some(
                Position::new(ra, dec)
                    .ok_or_else(|| wrong(&format!("{ra}, {dec} is no position in degrees")))?,
            ),
        };
        let radius = number(4)?;
        if radius.is_some_and(|radius| !(radius.is_finite() && radius > 0.0)) {
            return Err(wrong("radius must be a number above 0"));
        }
        keep(sorter, Path::new(file), described(place, radius, cell(1)))?;
    }
    Ok(())
}
