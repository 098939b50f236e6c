//! Enhanced character-separated values (ECSV 1.0, APE 6): CSV behind comment lines that describe the columns
//! in YAML. JSON strings are YAML, too, so the text in them is quoted as JSON quotes it.

use std::io::{self, Write};

use super::csv::Csv;
use super::{Export, Provenance, Value};
use crate::columns::{Column, Kind};

pub(super) struct Ecsv<W: Write> {
    /// Until the columns are described.
    output: Option<W>,
    /// From then on.
    rows: Option<Csv<W>>,
    provenance: Vec<(&'static str, String)>,
}

impl<W: Write> Ecsv<W> {
    pub(super) fn new(output: W, provenance: &Provenance) -> Self {
        Self {
            output: Some(output),
            rows: None,
            provenance: provenance.entries(),
        }
    }
}

impl<W: Write> Export for Ecsv<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        let mut lines = vec![
            "%ECSV 1.0".to_owned(),
            "---".to_owned(),
            "delimiter: ','".to_owned(),
            "datatype:".to_owned(),
        ];
        lines.extend(columns.iter().map(describe));
        lines.push("meta: !!omap".to_owned());
        // One key can be there once; several models are one list.
        let (models, others): (Vec<_>, Vec<_>) =
            (self.provenance.iter()).partition(|(name, _)| *name == "model");
        lines.extend(
            others
                .iter()
                .map(|(name, value)| format!("- {name}: {}", quoted(value))),
        );
        if !models.is_empty() {
            let models: Vec<String> = models.iter().map(|(_, model)| quoted(model)).collect();
            lines.push(format!("- models: [{}]", models.join(", ")));
        }
        lines.push("schema: astropy-2.0".to_owned());
        let mut output = self.output.take().expect("a table has one header");
        for line in lines {
            writeln!(output, "# {line}")?;
        }
        self.rows.insert(Csv::new(output)).header(columns)
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.rows
            .as_mut()
            .expect("rows come after the header")
            .row(values)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.rows.as_mut().map_or(Ok(()), Csv::finish)
    }
}

fn describe(column: &Column) -> String {
    let datatype = match column.kind {
        Kind::Integer => "int64",
        Kind::Real => "float64",
        Kind::Text | Kind::Time => "string",
    };
    let mut parts = vec![format!("name: {}", quoted(&column.name))];
    parts.extend(column.unit.map(|unit| format!("unit: {unit}")));
    parts.push(format!("datatype: {datatype}"));
    if !column.meaning.is_empty() {
        parts.push(format!("description: {}", quoted(&column.meaning)));
    }
    parts.extend(
        column
            .ucd
            .map(|ucd| format!("meta: !!omap [{{ucd: {}}}]", quoted(ucd))),
    );
    format!("- {{{}}}", parts.join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
