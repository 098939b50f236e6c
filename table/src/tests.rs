use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

use super::*;

struct Written {
    _folder: TempDir,
    path: PathBuf,
}

fn written(bytes: &[u8]) -> Written {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("table");
    fs::write(&path, bytes).unwrap();
    Written {
        _folder: folder,
        path,
    }
}

/// The columns of these names as rows, each with its number in front.
fn rows(bytes: &[u8], names: &[&str]) -> Result<Vec<String>, TableError> {
    let file = written(bytes);
    let mut table = Table::open(&file.path)?;
    let wanted: Vec<usize> = names
        .iter()
        .map(|name| table.find(name).unwrap().unwrap())
        .collect();
    let mut rows = Vec::new();
    while let Some(row) = table.next_row(&wanted)? {
        rows.push(format!("{}: {}", row.number, row.cells.join("|")));
    }
    Ok(rows)
}

fn fault(bytes: &[u8], names: &[&str]) -> String {
    rows(bytes, names).unwrap_err().to_string()
}

#[test]
fn csv_is_read_with_and_without_a_mark_of_its_encoding_and_packed() {
    let text = "ID, name ,ra\r\n1,\"a, b\",0.5\r\n587722981741363294,c,\r\n";
    let expected = ["2: 0.5|1|a, b", "3: |587722981741363294|c"];
    let names = ["RA", "id", "name"];
    assert_eq!(rows(text.as_bytes(), &names).unwrap(), expected);
    assert_eq!(
        rows(format!("\u{feff}{text}").as_bytes(), &names).unwrap(),
        expected
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(rows(&packed, &names).unwrap(), expected);
    assert!(
        rows(&packed[..packed.len() - 4], &names).is_err(),
        "cut off"
    );
    assert!(fault(b"a,b\n1\n", &["a"]).contains("line: 2"));
    assert!(fault(b"PK\x03\x04", &[]).contains("zip archive"));
}

#[test]
fn two_columns_of_one_name_are_a_fault_of_that_name_alone() {
    let file = written(b"ra,RA,dec\n");
    let table = Table::open(&file.path).unwrap();
    assert_eq!(
        table.find("Ra").unwrap_err().to_string(),
        "two columns 'Ra'"
    );
    assert_eq!(table.find("dec"), Ok(Some(2)));
    assert_eq!(table.find("de"), Ok(None));
}

/// As astropy 8.0 writes it.
const ECSV: &str = "# %ECSV 1.0
# ---
# datatype:
# - {name: file_name, datatype: string, description: 'where it is, in {braces}'}
# - {name: ra, unit: deg, datatype: float64, description: a long description that astropy breaks into
#     two lines}
# - {name: dec, datatype: float64, unit: \"hourangle\"}
# meta: !!omap
# - {unit: none of these}
# schema: astropy-2.0
file_name ra dec
\"a b.jpg\" 1.5 -2.0
c.jpg \"\" 3.0
";

#[test]
fn ecsv_says_its_delimiter_and_the_units_of_its_columns() {
    let expected = ["12: a b.jpg|1.5|-2.0", "13: c.jpg||3.0"];
    assert_eq!(
        rows(ECSV.as_bytes(), &["file_name", "ra", "dec"]).unwrap(),
        expected
    );
    let file = written(ECSV.as_bytes());
    let table = Table::open(&file.path).unwrap();
    let units: Vec<_> = table
        .columns()
        .iter()
        .map(|column| column.unit.as_deref())
        .collect();
    assert_eq!(units, [None, Some("deg"), Some("hourangle")]);

    let commas = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: \"a, b\", unit: m}\n\"a, b\",c\n1,2\n";
    assert_eq!(rows(commas.as_bytes(), &["c", "a, b"]).unwrap(), ["7: 2|1"]);
    let file = written(commas.as_bytes());
    let table = Table::open(&file.path).unwrap();
    assert_eq!(table.columns()[0].unit.as_deref(), Some("m"));
    let bars = "# %ECSV 1.0\n# delimiter: '|'\na|b\n";
    assert!(fault(bars.as_bytes(), &[]).contains("'|' is neither a space nor a comma"));
}

fn parquet_file() -> Vec<u8> {
    let schema = "message schema {
        REQUIRED BYTE_ARRAY name (UTF8);
        OPTIONAL DOUBLE ra;
        REQUIRED INT64 id;
        OPTIONAL group list (LIST) { REPEATED group list { OPTIONAL INT64 item; } }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::new());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let names = ["a.jpg", "b.jpg"].map(ByteArray::from);
    column
        .typed::<ByteArrayType>()
        .write_batch(&names, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<DoubleType>()
        .write_batch(&[587_722_981_741_363_294.0], Some(&[1, 0]), None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids = [587_732_591_714_893_851, 7];
    column
        .typed::<Int64Type>()
        .write_batch(&ids, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels: [&[i16]; 2] = [&[3, 3], &[0, 0]];
    column
        .typed::<Int64Type>()
        .write_batch(&[1, 2], Some(levels[0]), Some(levels[1]))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_is_read_column_by_name_and_a_list_is_no_cell() {
    let bytes = parquet_file();
    // The real number is rounded, and shows it.
    let expected = [
        "1: 587732591714893851|587722981741363328.0|a.jpg",
        "2: 7||b.jpg",
    ];
    assert_eq!(rows(&bytes, &["ID", "ra", "name"]).unwrap(), expected);
    assert!(fault(&bytes, &["list"]).contains("column 'list': more than one value in a cell"));
    assert!(rows(&bytes[..bytes.len() / 2], &["id"]).is_err(), "cut off");
}
