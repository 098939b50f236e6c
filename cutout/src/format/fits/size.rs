//! What a header claims of the data after it, before anything is allocated for them (FITS standard 4.0, sections 3, 4.4
//! and 10.1). The faults continue "its header ...".

use super::header::Header;

/// Headers and data come in blocks of this many bytes (section 3.1).
pub(super) const BLOCK: usize = 2880;

/// A line of a header.
const CARD: usize = 80;

/// No header of an image is nearly as long: 36,000 lines.
const MOST_HEADER_BLOCKS: usize = 1000;

/// As many axes, and columns of a table, as the standard allows.
const MOST: i64 = 999;

/// The length of the header that these bytes begin with, in whole blocks.
pub(super) fn header_length(bytes: &[u8]) -> Result<usize, String> {
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        if number == MOST_HEADER_BLOCKS {
            return Err(format!("has no END in {} lines", number * BLOCK / CARD));
        }
        let is_end = |card: &[u8]| card.starts_with(b"END") && card[3..].iter().all(|b| *b == b' ');
        let ends = block.chunks_exact(CARD).any(is_end);
        if block.len() < BLOCK {
            return Err(if ends {
                "is cut off after its END".into()
            } else {
                "has no END: the file is cut off in it, or damaged".into()
            });
        }
        if ends {
            return Ok((number + 1) * BLOCK);
        }
    }
    Err("has no END: the file is cut off in it, or damaged".into())
}

/// How large the data after a header are.
pub(super) struct Size {
    /// In the file.
    pub(super) bytes: u64,
    /// When they are unpacked, of an image that is compressed; else the same.
    pub(super) unpacked: u64,
    /// The axes, of an image.
    pub(super) image: Option<Vec<usize>>,
    /// How many pixels a tile has at most, of an image that is compressed.
    pub(super) tile: Option<u64>,
}

impl Size {
    /// Computes it as section 4.4.1 says. A fault continues "its header ...".
    pub(super) fn of(header: &Header, is_primary: bool) -> Result<Self, String> {
        let kind = header.text("XTENSION").unwrap_or_default();
        let axes = lengths(header, "NAXIS")?;
        let value_bytes = value_bytes(header, "BITPIX")?;
        let count = |key: &str, default: u64| match header.integer(key) {
            None if header.has(key) => Err(format!("has a {key} that is no whole number")),
            None => Ok(default),
            Some(number) => u64::try_from(number).map_err(|_| format!("has {key} = {number}")),
        };
        let groups = is_primary && header.is_true("GROUPS") && axes.first() == Some(&0);
        let (parameters, repeats) = if is_primary && !groups {
            (0, 1)
        } else {
            (count("PCOUNT", 0)?, count("GCOUNT", 1)?)
        };
        let of_data = if groups { &axes[1..] } else { &axes[..] };
        let values = if axes.is_empty() {
            Some(0)
        } else {
            product(of_data)
        };
        let bytes = values
            .and_then(|values| values.checked_add(parameters))
            .and_then(|values| values.checked_mul(repeats))
            .and_then(|values| values.checked_mul(value_bytes))
            .filter(|bytes| *bytes < 1 << 62)
            .ok_or("claims more data than any file has")?;
        let plain = |image| Self {
            bytes,
            unpacked: bytes,
            image,
            tile: None,
        };
        if groups {
            return Ok(plain(None));
        }
        if is_primary || kind == "IMAGE" {
            if (parameters, repeats) != (0, 1) {
                return Err(format!(
                    "is an image's and has PCOUNT = {parameters}, GCOUNT = {repeats}"
                ));
            }
            let has_data = axes.len() > 1 && bytes > 0;
            return Ok(plain(has_data.then_some(axes)));
        }
        if kind == "BINTABLE" {
            let fields = header.integer("TFIELDS");
            if !fields.is_some_and(|fields| (0..=MOST).contains(&fields)) {
                return Err("has no TFIELDS from 0 to 999".into());
            }
            if repeats != 1 || axes.len() != 2 {
                return Err("is a table's and has not two axes and GCOUNT = 1".into());
            }
            if header.is_true("ZIMAGE") {
                return Self::compressed(header, bytes);
            }
        }
        Ok(plain(None))
    }

    /// Of an image in compressed tiles (section 10.1).
    fn compressed(header: &Header, bytes: u64) -> Result<Self, String> {
        let axes = lengths(header, "ZNAXIS")?;
        let (mut tile, mut tiles) = (1_u64, 1_u64);
        for (index, length) in axes.iter().enumerate() {
            let key = format!("ZTILE{}", index + 1);
            let length = *length as u64;
            // By default a tile is a row.
            let default = if index == 0 { length } else { 1 };
            let side = match header.integer(&key) {
                Some(side) => u64::try_from(side).unwrap_or(0),
                None => default,
            };
            if length > 0 && !(1..=length).contains(&side) {
                return Err(format!("has a {key} that is not from 1 to {length}"));
            }
            tile = tile.saturating_mul(side.max(1));
            tiles = tiles.saturating_mul(length.div_ceil(side.max(1)));
        }
        check_rice(header)?;
        let rows = header.integer("NAXIS2").unwrap_or_default();
        if u64::try_from(rows) != Ok(tiles) {
            return Err(format!("has NAXIS2 = {rows} for {tiles} tiles"));
        }
        let value = value_bytes(header, "ZBITPIX")?;
        let unpacked = product(&axes)
            .and_then(|values| values.checked_mul(value))
            .ok_or("claims more pixels than any file has")?;
        let has_data = axes.len() > 1 && unpacked > 0;
        Ok(Self {
            bytes,
            unpacked,
            image: has_data.then_some(axes),
            tile: Some(tile),
        })
    }
}

/// Checks the parameters of Rice's algorithm: pixels of a block, and bytes of a pixel (section 10.4.1). With blocks of
/// no pixels the crate would never come to an end.
fn check_rice(header: &Header) -> Result<(), String> {
    if !header
        .text("ZCMPTYPE")
        .is_some_and(|name| name.starts_with("RICE"))
    {
        return Ok(());
    }
    for (key, known) in [("ZVAL1", &[16, 32][..]), ("ZVAL2", &[1, 2, 4, 8])] {
        let is_known = header
            .integer(key)
            .is_some_and(|value| known.contains(&value));
        if header.has(key) && !is_known {
            return Err(format!("has a {key} that Rice's algorithm does not have"));
        }
    }
    Ok(())
}

/// The lengths of the axes that `NAXIS` or `ZNAXIS` counts.
fn lengths(header: &Header, name: &str) -> Result<Vec<usize>, String> {
    let count = header.integer(name).ok_or(format!("has no {name}"))?;
    if !(0..=MOST).contains(&count) {
        return Err(format!("has {name} = {count}"));
    }
    let length = |axis: i64| {
        let key = format!("{name}{axis}");
        let length = header.integer(&key).ok_or(format!("has no {key}"))?;
        usize::try_from(length).map_err(|_| format!("has {key} = {length}"))
    };
    (1..=count).map(length).collect()
}

/// The bytes of one value.
fn value_bytes(header: &Header, key: &str) -> Result<u64, String> {
    match header.integer(key) {
        Some(bits @ (8 | 16 | 32 | 64 | -32 | -64)) => Ok(bits.unsigned_abs() / 8),
        Some(bits) => Err(format!("has {key} = {bits}")),
        None => Err(format!("has no {key}")),
    }
}

fn product(lengths: &[usize]) -> Option<u64> {
    let mut lengths = lengths.iter();
    lengths.try_fold(1_u64, |all, length| all.checked_mul(*length as u64))
}
