//! One catalog, or one table, of many.

use std::io::BufWriter;
use std::path::PathBuf;

use galmorph_catalog::export::{Format, ModelOrigin, Provenance};
use galmorph_catalog::{Assembly, Collision, Filter, Query, Reader, Taken, time};
use galmorph_output::Output;

use crate::Failure;

/// A catalog, and the machine that it comes from where that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) site: Option<String>,
    pub(crate) catalog: PathBuf,
}

/// Writes one catalog of many. It is there when it is complete.
pub(crate) fn write_catalog(
    machines: &[Machine],
    output: Output,
    collision: Collision,
) -> Result<Taken, Failure> {
    if output.target().is_none() {
        return Err(Failure::Usage(
            "a catalog can't be written to standard output".to_owned(),
        ));
    }
    let file = output.begin(".galmorph-merge-")?;
    let assembly = Assembly::begin(file.path())?;
    let mut all = Taken::default();
    for machine in machines {
        let source = Reader::open_finished(&machine.catalog)?;
        let site = machine.site.as_deref();
        // All that is read of one catalog is of one moment, also while a daemon writes to it.
        let taken = source.at_one_moment(|| assembly.take(&source, site, collision))?;
        all.files += taken.files;
        all.again += taken.again;
    }
    assembly.finish()?;
    output.keep(file)?;
    Ok(all)
}

/// Writes the classified cutouts of many catalogs as one table, catalog by catalog. Returns the number of rows.
pub(crate) fn write_table(
    catalogs: &[PathBuf],
    output: Output,
    format: Format,
) -> Result<u64, Failure> {
    let mut file = output.begin(".galmorph-merge-")?;
    let fault = |error: &std::io::Error| Failure::Transient(output.refusal(error).to_string());
    let mut models: Vec<ModelOrigin> = Vec::new();
    for path in catalogs {
        for model in Reader::open_finished(path)?.models()? {
            if !models.iter().any(|known| known.digest == model.digest) {
                models.push(ModelOrigin {
                    name: model.name,
                    digest: model.digest,
                });
            }
        }
    }
    let provenance = Provenance {
        program: format!("galmorph-fleet {}", env!("CARGO_PKG_VERSION")),
        time: time::now(),
        catalog: format!("{} catalogs", catalogs.len()),
        query: "merge".to_owned(),
        models,
    };
    let mut exporter = format.exporter(BufWriter::new(&mut file), &provenance);
    let mut rows = 0;
    for (number, path) in catalogs.iter().enumerate() {
        let reader = Reader::open_finished(path)?;
        let query = Query::classified(&reader, &Filter::default())?;
        if number == 0 {
            exporter
                .header(query.columns())
                .map_err(|error| fault(&error))?;
        }
        reader.run(&query, |values| {
            rows += 1;
            exporter.row(&values).map_err(|error| fault(&error))
        })?;
    }
    exporter.finish().map_err(|error| fault(&error))?;
    drop(exporter);
    output.keep(file)?;
    Ok(rows)
}
