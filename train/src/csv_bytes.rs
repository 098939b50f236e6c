//! CSV files that are made in memory.

/// The bytes of a CSV file: a header and rows of as many fields.
///
/// # Panics
/// If a row has another number of fields than the header.
#[expect(
    clippy::expect_used,
    reason = "memory takes every byte, and a ragged table is a defect of the caller"
)]
pub(crate) fn csv_bytes<Row, Field>(header: Row, rows: impl IntoIterator<Item = Row>) -> Vec<u8>
where
    Row: IntoIterator<Item = Field>,
    Field: AsRef<[u8]>,
{
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        table.write_record(row).expect("rows are of equal length");
    }
    table.into_inner().expect("memory can be flushed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_header_and_its_rows() {
        let bytes = csv_bytes(["id", "note"], [["1", "a, b"], ["2", ""]]);
        assert_eq!(bytes, b"id,note\n1,\"a, b\"\n2,\n");
        assert_eq!(csv_bytes(["id"], []), b"id\n");
    }

    #[test]
    #[should_panic(expected = "equal length")]
    fn a_ragged_table_is_a_defect() {
        csv_bytes(vec!["id", "note"], [vec!["1"]]);
    }
}
