//! Tables made here byte by byte, after the standard. `scripts/reference` compares a real one with
//! astropy.

use super::*;

/// Headers and data come in blocks of this many bytes (section 3.1).
const BLOCK: usize = 2880;

fn header(cards: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in cards {
        let value = if value.starts_with('\'') {
            format!("{value:<20}")
        } else {
            format!("{value:>20}")
        };
        bytes.extend(format!("{:<80}", format!("{key:<8}= {value} / a comment")).bytes());
    }
    bytes.extend(format!("{:<80}", "COMMENT = no value").bytes());
    bytes.extend(format!("{:<80}", "END").bytes());
    padded(bytes, b' ')
}

fn padded(mut bytes: Vec<u8>, with: u8) -> Vec<u8> {
    bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, with);
    bytes
}

fn primary() -> Vec<u8> {
    header(&[("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0")])
}

/// Name, TFORM, and other keywords.
type ColumnSpec<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A file with a table of these columns, whose rows are these bytes.
fn file(columns: &[ColumnSpec], row_bytes: usize, rows: &[u8]) -> Vec<u8> {
    let count = rows.len().checked_div(row_bytes).unwrap_or_default();
    let mut cards: Vec<(String, String)> = [
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", &row_bytes.to_string()),
        ("NAXIS2", &count.to_string()),
        ("PCOUNT", "0"),
        ("GCOUNT", "1"),
        ("TFIELDS", &columns.len().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    for (number, (name, form, others)) in (1..).zip(columns) {
        cards.push((format!("TTYPE{number}"), format!("'{name}'")));
        cards.push((format!("TFORM{number}"), format!("'{form}'")));
        for (key, value) in *others {
            cards.push((format!("{key}{number}"), (*value).to_owned()));
        }
    }
    let cards: Vec<(&str, &str)> = (cards.iter())
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    [primary(), header(&cards), padded(rows.to_vec(), 0)].concat()
}

fn open(bytes: &[u8]) -> Result<BinaryTable, TableError> {
    BinaryTable::open(bytes)
}

fn fault(bytes: &[u8]) -> String {
    open(bytes).err().unwrap().to_string()
}

/// The text of the only cell of a table.
fn cell(form: &str, others: &[(&str, &str)], bytes: &[u8]) -> String {
    let bytes = file(&[("x", form, others)], bytes.len(), bytes);
    let row = open(&bytes).unwrap().next_row(&[0]).unwrap();
    row.unwrap().cells.remove(0)
}

fn row(number: u64, cell: &str) -> Row {
    let cells = vec![cell.to_owned()];
    Row { number, cells }
}

#[test]
fn a_column_says_its_unit() {
    let bytes = file(
        &[("ra", "D", &[("TUNIT", "'deg'")]), ("n", "B", &[])],
        9,
        &[0; 9],
    );
    let units = open(&bytes)
        .unwrap()
        .columns()
        .into_iter()
        .map(|column| column.unit);
    assert_eq!(units.collect::<Vec<_>>(), [Some("deg".to_owned()), None]);
}

#[test]
fn every_format_of_one_value_is_read() {
    assert_eq!(cell("L", &[], b"T"), "T");
    assert_eq!(cell("B", &[], &[200]), "200");
    assert_eq!(cell("1I", &[], &(-2_i16).to_be_bytes()), "-2");
    assert_eq!(cell("J", &[], &70_000_i32.to_be_bytes()), "70000");
    assert_eq!(cell("E", &[], &0.602_f32.to_be_bytes()), "0.602");
    assert_eq!(cell("D", &[], &0.1_f64.to_be_bytes()), "0.1");
    assert_eq!(cell("E", &[], &f32::NAN.to_be_bytes()), "NaN");
    assert_eq!(cell("8A", &[], b"J0123   "), "J0123");
    assert_eq!(cell("8A", &[], b"J012\0xyz"), "J012");
}

#[test]
fn a_real_number_that_may_be_rounded_has_a_point() {
    let id = 587_722_981_741_363_294_f64;
    assert_eq!(cell("D", &[], &id.to_be_bytes()), "587722981741363328.0");
    assert_eq!(cell("E", &[], &16_777_216_f32.to_be_bytes()), "16777216.0");
    assert_eq!(cell("D", &[], &16_777_216_f64.to_be_bytes()), "16777216");
    assert_eq!(
        cell("K", &[("TSCAL", "2.0")], &(1_i64 << 53).to_be_bytes()),
        "18014398509481984.0"
    );
}

#[test]
fn ids_of_18_digits_are_exact_with_and_without_a_sign() {
    let id = 587_732_591_714_893_851_i64;
    assert_eq!(cell("K", &[], &id.to_be_bytes()), id.to_string());
    let large = u64::MAX - 1;
    let stored = (large ^ (1 << 63)) as i64;
    for zero in ["9223372036854775808", "9.223372036854775808E18"] {
        let text = cell("K", &[("TZERO", zero)], &stored.to_be_bytes());
        assert_eq!(text, large.to_string());
    }
}

#[test]
fn scaled_values_are_scaled_and_null_is_no_value() {
    let scaled = [("TSCAL", "0.001"), ("TZERO", "0.5")];
    assert_eq!(cell("I", &scaled, &102_i16.to_be_bytes()), "0.602");
    assert_eq!(
        cell("E", &[("TSCAL", "2.0D0")], &0.25_f32.to_be_bytes()),
        "0.5"
    );
    let null = [("TNULL", "-9"), ("TSCAL", "0.125")];
    assert_eq!(cell("I", &null, &(-9_i16).to_be_bytes()), "");
    assert_eq!(cell("I", &null, &9_i16.to_be_bytes()), "1.125");
}

#[test]
fn columns_are_found_behind_those_that_are_not_read() {
    let columns: [ColumnSpec; 5] = [
        ("bits", "11X", &[]),
        ("heap", "1PE(3)", &[]),
        ("it''s", "2E", &[]),
        ("none", "0A", &[]),
        ("id", "K", &[]),
    ];
    let mut rows = Vec::new();
    for id in [5_i64, 6] {
        rows.extend([0xff; 2 + 8 + 8]);
        rows.extend(id.to_be_bytes());
    }
    let bytes = file(&columns, 26, &rows);
    let mut table = open(&bytes).unwrap();
    let names: Vec<String> = (table.columns().into_iter())
        .map(|column| column.name)
        .collect();
    assert_eq!(names, ["bits", "heap", "it's", "none", "id"]);
    assert_eq!(table.next_row(&[4]).unwrap(), Some(row(1, "5")));
    assert_eq!(table.next_row(&[4]).unwrap(), Some(row(2, "6")));
    assert_eq!(table.next_row(&[4]).unwrap(), None);

    let refused = |column| {
        let fault = open(&bytes).unwrap().next_row(&[column]).unwrap_err();
        fault.to_string()
    };
    assert_eq!(refused(2), "column 'it's': 2 values in a cell");
    assert_eq!(refused(1), "column 'heap': its format is not read");
}

#[test]
fn images_and_compressed_images_before_the_table_are_passed_over() {
    let table = file(&[("x", "B", &[])], 1, &[7]);
    let image = header(&[
        ("SIMPLE", "T"),
        ("BITPIX", "-32"),
        ("NAXIS", "2"),
        ("NAXIS1", "100"),
        ("NAXIS2", "50"),
    ]);
    let compressed = header(&[
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", "8"),
        ("NAXIS2", "1"),
        ("PCOUNT", "3000"),
        ("GCOUNT", "1"),
        ("TFIELDS", "1"),
        ("TFORM1", "'1PB(3)  '"),
        ("ZIMAGE", "T"),
        ("ZBITPIX", "16"),
        ("ZNAXIS", "1"),
        ("ZNAXIS1", "10"),
        ("ZCMPTYPE", "'RICE_1  '"),
    ]);
    let parts: [&[u8]; 5] = [
        &image,
        &padded(vec![9; 100 * 50 * 4], 0),
        &compressed,
        &padded(vec![9; 3008], 0),
        &table[BLOCK..],
    ];
    let bytes = parts.concat();
    let mut table = open(&bytes).unwrap();
    assert_eq!(table.next_row(&[0]).unwrap(), Some(row(1, "7")));
}

#[test]
fn a_file_that_is_cut_off_is_an_error_wherever_it_ends() {
    let bytes = file(&[("x", "K", &[])], 8, &[0; 800]);
    let data = bytes.len() - BLOCK;
    assert_eq!(fault(&bytes[..BLOCK]), "it holds no binary table");
    assert_eq!(fault(&bytes[..data - 1]), "it holds no binary table");
    assert_eq!(fault(&bytes[..data + 8 * 42 + 3]), "it ends too early");
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let with = |from: &str, to: &str| {
        let bytes = file(&[("x", "K", &[])], 8, &[0; 8]);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(from.len(), to.len());
        fault(text.replace(from, to).as_bytes())
    };
    assert!(with("'K'  ", "'5Z' ").contains("invalid header value"));
    assert!(with("'K'  ", "'2K' ").contains("rows have 8 bytes (NAXIS1)"));
    assert!(with("TFORM1", "TFORM2").contains("TFORM"));
    let huge = with("'K'                 ", "'99999999999999999A'");
    assert!(huge.contains("rows have 8 bytes"), "{huge}");
    assert!(with("'K'                 ", "'999999999999999999'").contains("invalid header value"));
    with(
        "NAXIS2  =                    1",
        "NAXIS2  =                   -1",
    );
}
