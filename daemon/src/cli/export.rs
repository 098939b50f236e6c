//! `galmorph export`: the catalog as a file for other tools.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use galmorph_catalog::export::Format;
use galmorph_catalog::{Reader, reviewed_labels};
use galmorph_cutout::name_and_extension;
use galmorph_output::{Output, readable, text_path};

use super::Outcome;
use super::args::CatalogArguments;
use super::filter::{FilterArguments, provenance};
use super::rows::{Columns, Rows};
use crate::failure::Failure;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Rows(Format),
    Labels,
}

fn formats_and_labels() -> impl TypedValueParser<Value = Wanted> {
    let formats = Format::ALL
        .iter()
        .map(|format| (format.name(), format.meaning()));
    let labels = (
        "labels",
        "the label file of galmorph-train, of the classes that reviewers agree on",
    );
    let values = formats.chain([labels]);
    PossibleValuesParser::new(values.map(|(name, meaning)| PossibleValue::new(name).help(meaning)))
        .map(|name| {
            let mut formats = Format::ALL.iter().copied();
            let format = formats.find(|format| format.name() == name);
            format.map_or(Wanted::Labels, Wanted::Rows)
        })
}

/// Whether a name can stand in a label file as it is, and is the one that `galmorph-train` gives to the file.
fn is_an_id(name: &str) -> bool {
    let is_odd = |letter: char| letter.is_control() || letter == ',' || letter == '"';
    !name.is_empty() && name.trim() == name && !name.starts_with('.') && !name.contains(is_odd)
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write. Its ending says the format: .csv, .ecsv, .jsonl, .vot (VOTable), .xml (VOTable with
    /// its rows as text), .fits, .parquet. It appears when it is complete; - is standard output
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The format, in place of the one that the ending of FILE says. labels, with --reviewed, writes the classes that
    /// people agree on, as galmorph-train --labels reads them
    #[arg(long, value_parser = formats_and_labels())]
    format: Option<Wanted>,

    /// Write only these columns, in this order: names separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_hint = ValueHint::Other)]
    columns: Vec<String>,

    /// Replace FILE if it exists. Of a link, the file that it leads to is replaced; what is no regular file
    /// never is
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    filter: FilterArguments,

    #[command(flatten)]
    catalog: CatalogArguments,
}

impl Export {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        let format = match self.format {
            Some(Wanted::Labels) => return self.labels(quiet),
            Some(Wanted::Rows(format)) => format,
            None => self.format()?,
        };
        let path = self.catalog.path()?;
        let question = self.filter.open(&path)?;
        let columns = Columns {
            all: question.columns.clone(),
            whole: question.columns.len(),
            on_a_terminal: &[],
        };
        let chosen = columns.choose(&self.columns, false)?;
        let output = self.output(&path)?;

        let mut file = output.begin(".galmorph-export-")?;
        let exporter = format.exporter(BufWriter::new(&mut file), &provenance(&question.catalog)?);
        let mut rows = Rows::new(exporter, &columns, chosen);
        // What can't be written is the output's fault, not standard output's.
        let fault = |failure: Failure| match failure {
            Failure::Output(error) => output.refusal(&error).into(),
            other => other,
        };
        rows.header().map_err(fault)?;
        let matches = question.answer(|values| rows.row(&values).map_err(fault))?;
        let count = rows.finish().map_err(|error| output.refusal(&error))?;
        let is_file = output.target().is_some();
        let bytes = output.keep(file)?;
        if !quiet && is_file {
            let file = readable(&self.file);
            let matches = matches.map_or_else(String::new, |matches| format!("; {matches}"));
            writeln!(
                io::stdout(),
                "wrote '{file}': {count} rows, {bytes} bytes{matches}"
            )
            .map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }

    /// The classes that reviewers agree on. `GalaxyID` is the name of the file without its ending, by which
    /// `galmorph-train --images` finds it; where each band is a file, it is what their names have in common, as for
    /// `galmorph-train --band-files`. All of them are for training, of which folds are made by the id.
    fn labels(&self, quiet: bool) -> Result<Outcome, Failure> {
        if !self.filter.is_reviewed_alone() || !self.columns.is_empty() {
            let fault =
                "--format labels goes with --reviewed and with no other choice of rows or columns";
            return Err(Failure::Usage(fault.into()));
        }
        let path = self.catalog.path()?;
        let reader = Reader::open_current(&path)?;
        let labels = reviewed_labels(&reader)?;
        let watched = reader.watch()?.map(|watch| watch.watched);
        let mut known = BTreeMap::new();
        let mut lines = vec!["GalaxyID,label,split".to_owned()];
        for (file, class) in &labels.agreed {
            let file = text_path(file);
            let set = watched.as_ref().and_then(|watched| watched.set_of(&file));
            let name = match &set {
                Some(set) => OsStr::new(&set.identity.object_id),
                None => name_and_extension(&file).0.unwrap_or_default(),
            };
            let name = name.to_str().filter(|name| is_an_id(name)).ok_or_else(|| {
                let fault = "its name is none that galmorph-train can find it by (rename the file, and have it classified again)";
                Failure::Usage(format!("cannot write a label for '{}': {fault}", readable(&file)))
            })?;
            if let Some(other) = known.insert(name.to_owned(), file.clone()) {
                let (one, other) = (readable(&file), readable(&other));
                let fault = format!(
                    "'{other}' and '{one}' have the same name without folder and ending, and labels are by that name"
                );
                return Err(Failure::Usage(fault));
            }
            lines.push(format!("{name},{class},train"));
        }
        lines.push(String::new());
        let output = self.output(&path)?;
        let is_file = output.target().is_some();
        output.write(".galmorph-export-", lines.join("\n").as_bytes())?;
        if !quiet && is_file {
            let file = readable(&self.file);
            let (count, disputed, none) = (labels.agreed.len(), labels.disputed, labels.none);
            writeln!(
                io::stdout(),
                "wrote '{file}': {count} galaxies; left out: {disputed} on which reviewers disagree, {none} of none of the classes"
            )
            .map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }

    /// Where it goes: not to what is read for it.
    fn output(&self, catalog: &Path) -> Result<Output, Failure> {
        let mut inputs = self.catalog.inputs(catalog);
        inputs.extend(self.filter.table().map(Path::to_owned));
        Ok(Output::at(&self.file, self.force, &inputs)?)
    }

    fn format(&self) -> Result<Format, Failure> {
        let known = || {
            let endings = Format::ALL.iter().flat_map(|format| format.endings());
            endings
                .map(|ending| format!(".{ending}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        Format::of_file(&self.file).ok_or_else(|| {
            let file = readable(&self.file);
            Failure::Usage(if self.file.as_os_str() == OsStr::new("-") {
                "standard output has no ending that says the format: name it with --format".to_owned()
            } else {
                format!("the ending of '{file}' is that of no format: name it with --format, or end it in {}", known())
            })
        })
    }
}
