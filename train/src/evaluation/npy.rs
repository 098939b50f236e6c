//! `NumPy`'s `.npy` format, version 1.0: a magic, a small header that is a Python dictionary padded to a
//! multiple of 64 bytes, and the values; float32, row-major.

/// The bytes of an array with these rows, which are of equal length.
pub(super) fn bytes(rows: &[Vec<f32>]) -> Vec<u8> {
    const PREAMBLE: usize = 10;
    let columns = rows.first().map_or(0, Vec::len);
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {columns}), }}",
        rows.len()
    );
    let whole = (PREAMBLE + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(whole - PREAMBLE - header.len() - 1));
    header.push('\n');

    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // Two numbers of 20 digits at most fit in any case.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_fills_64_bytes_and_the_values_follow() {
        let bytes = bytes(&[vec![1.0, -2.5], vec![0.0, 4.0]]);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let header = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"));
        assert!(header.ends_with(" \n"));
        assert_eq!(bytes[128..136], [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        assert_eq!(bytes.len(), 128 + 16);
    }
}
