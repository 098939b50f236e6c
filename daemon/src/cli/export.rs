//! `galmorph export`: the catalog as a file for other tools.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_catalog::export::Format;
use galmorph_catalog::files_of;
use galmorph_output::{Output, readable};

use super::Outcome;
use super::args::CatalogArguments;
use super::filter::{FilterArguments, provenance};
use super::rows::{Columns, Rows, formats};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write. Its ending says the format: .csv, .ecsv, .jsonl, .vot (VOTable), .xml (VOTable with
    /// its rows as text), .fits, .parquet. It appears when it is complete; - is standard output
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The format, in place of the one that the ending of FILE says
    #[arg(long, value_parser = formats(|_| true))]
    format: Option<Format>,

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
        let format = self.format()?;
        let path = self.catalog.path()?;
        let question = self.filter.open(&path)?;
        let columns = Columns {
            all: question.columns.clone(),
            whole: question.columns.len(),
            on_a_terminal: &[],
        };
        let chosen = columns.choose(&self.columns, false)?;
        let inputs = files_of(&path);
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        let output = Output::at(&self.file, self.force, &inputs)?;

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

    fn format(&self) -> Result<Format, Failure> {
        if let Some(format) = self.format {
            return Ok(format);
        }
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
