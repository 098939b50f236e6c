//! A selection as a file, in every format of `galmorph export`.
//!
//! The file is written whole before its first byte is sent. So a fault is said, a file that arrives is complete, and a
//! client that is slow keeps no reader of the catalog waiting.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};

use galmorph_catalog::export::Format;
use galmorph_catalog::{CatalogError, Query, Reader};
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use hyper::{Response, StatusCode};

use crate::answer::{Body, file_body, with_type};
use crate::problem::{Problem, resolve};
use crate::selection::Selection;

/// The most rows of a download.
pub(crate) const MOST_ROWS: u64 = 1_000_000;

/// The formats, with their files' endings.
pub(crate) fn formats() -> impl Iterator<Item = (Format, &'static str)> {
    let formats = Format::ALL
        .iter()
        .filter(|format| **format != Format::Table);
    formats.filter_map(|format| Some((*format, *format.endings().first()?)))
}

enum Fault {
    Problem(Problem),
    Io(io::Error),
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        Self::Problem(error.into())
    }
}

/// Writes the rows, and answers with the file.
pub(crate) fn response(
    catalog: &Reader,
    selection: &Selection,
    format: &str,
) -> Result<Response<Body>, Problem> {
    let known = formats().find(|(format_, _)| format_.name() == format);
    let (format, ending) = known.ok_or_else(|| Problem::bad("There is no format of this name."))?;
    let mut filter = resolve(selection, catalog)?;
    filter.limit = Some(MOST_ROWS + 1);
    let written = write(catalog, &filter, format, &selection.address());
    let (file, length) = written.map_err(|fault| match fault {
        Fault::Problem(problem) => problem,
        Fault::Io(error) => {
            log::warn!("a download can't be written: {error}");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The file can't be written just now.",
            )
        }
    })?;
    let mut response = with_type(StatusCode::OK, media_type(format), file_body(file, length));
    let name = format!("attachment; filename=\"galaxies.{ending}\"");
    let name = HeaderValue::from_str(&name).expect("endings are letters");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

fn write(
    catalog: &Reader,
    filter: &galmorph_catalog::Filter,
    format: Format,
    address: &str,
) -> Result<(File, u64), Fault> {
    let program = concat!("galmorph-page ", env!("CARGO_PKG_VERSION"));
    let provenance = catalog.provenance(program, &format!("/galaxies?{address}"))?;
    let mut file = tempfile::tempfile().map_err(Fault::Io)?;
    let query = Query::classified(catalog, filter)?;
    let mut buffer = BufWriter::new(&mut file);
    let mut exporter = format.exporter(&mut buffer, &provenance);
    exporter.header(query.columns()).map_err(Fault::Io)?;
    let mut count = 0;
    catalog.run(&query, |row| {
        count += 1;
        if count > MOST_ROWS {
            let text = format!(
                "This selection has more than {MOST_ROWS} rows. galmorph export writes any number."
            );
            return Err(Fault::Problem(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                text,
            )));
        }
        exporter.row(&row).map_err(Fault::Io)
    })?;
    exporter.finish().map_err(Fault::Io)?;
    drop(exporter);
    buffer.flush().map_err(Fault::Io)?;
    drop(buffer);
    file.rewind().map_err(Fault::Io)?;
    let length = file.metadata().map_err(Fault::Io)?.len();
    Ok((file, length))
}

const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Csv | Format::Ecsv => "text/csv; charset=utf-8",
        Format::Jsonl => "application/x-ndjson",
        Format::Votable | Format::VotableText => "application/x-votable+xml",
        Format::Fits => "application/fits",
        Format::Parquet => "application/vnd.apache.parquet",
        Format::Table => "text/plain; charset=utf-8",
    }
}
