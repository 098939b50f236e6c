//! `NumPy`'s `.npy` format, version 1.0: a magic, a small header that is a Python dictionary padded to a
//! multiple of 64 bytes, and the values. Only what `galmorph views` writes: float32, row-major.

use std::io::{self, Write};

/// Writes `values` as an array of `shape`.
pub(crate) fn write(output: &mut impl Write, shape: &[usize], values: &[f32]) -> io::Result<()> {
    const PREAMBLE: usize = 10;
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    // Python's tuple of one needs its comma.
    let comma = if sides.len() == 1 { "," } else { "" };
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}",
        sides.join(", ")
    );
    let whole = (PREAMBLE + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(whole - PREAMBLE - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(header.len())
        .map_err(|_| io::Error::other("an array of too many dimensions"))?;

    output.write_all(b"\x93NUMPY\x01\x00")?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(header.as_bytes())?;
    for value in values {
        output.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_fills_64_bytes_and_the_values_follow() {
        let mut bytes = Vec::new();
        write(&mut bytes, &[2, 1], &[1.0, -2.5]).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let header = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"));
        assert!(header.ends_with(" \n"));
        assert_eq!(bytes[128..], [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
    }
}
