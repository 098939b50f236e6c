//! Aligned columns, for people. It holds all rows until the end, to know how wide they are.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;

use super::{Export, Value};

pub(super) struct Table<W: Write> {
    output: W,
    table: comfy_table::Table,
}

impl<W: Write> Table<W> {
    pub(super) fn new(output: W) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        Self { output, table }
    }
}

impl<W: Write> Export for Table<W> {
    fn header(&mut self, columns: &[&str]) -> io::Result<()> {
        self.table.set_header(columns);
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.table.add_row(values.iter().map(|value| match value {
            Value::Real(real) => format!("{real:.3}"),
            other => other.to_string(),
        }));
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        for line in self.table.lines() {
            writeln!(self.output, "{}", line.trim_end())?;
        }
        self.output.flush()
    }
}
