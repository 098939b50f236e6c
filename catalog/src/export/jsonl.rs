//! One JSON object a line.

use std::io::{self, Write};

use serde::ser::{SerializeMap as _, Serializer as _};

use super::{Export, Value};
use crate::columns::Column;

pub(super) struct JsonLines<W: Write> {
    output: W,
    columns: Vec<String>,
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            output,
            columns: Vec::new(),
        }
    }
}

impl<W: Write> Export for JsonLines<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.iter().map(|column| column.name.clone()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let mut serializer = serde_json::Serializer::new(&mut self.output);
        let mut object = serializer.serialize_map(Some(values.len()))?;
        for (column, value) in self.columns.iter().zip(values) {
            match value {
                Value::Nothing => object.serialize_entry(column, &())?,
                Value::Integer(integer) => object.serialize_entry(column, integer)?,
                Value::Real(real) => object.serialize_entry(column, real)?,
                Value::Text(text) => object.serialize_entry(column, text)?,
            }
        }
        object.end()?;
        self.output.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
