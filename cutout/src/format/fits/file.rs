//! A FITS file as its images: the one place that knows the crate which reads them.
//!
//! The crate is told what to read only after the headers were looked at in `size`. It would take a negative length
//! for a huge one, reserve memory for as many axes as a header claims, unpack a tile to any size, and fill an image
//! with zeros whose tiles are missing. So every length is checked first, against the file and against the limits, and
//! a file that is not whole is refused with what is wrong with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fitsio_pure::bintable::{BinaryColumnType, parse_binary_table_columns};
use fitsio_pure::hdu::Hdu;
use fitsio_pure::header::parse_header_blocks;
use fitsio_pure::image::{ImageData, read_image_data};

use super::gzip;
use super::header::Header;
use super::size::{BLOCK, Size, header_length};
use crate::{DecodeError, Limits};

/// The most bytes of a value.
const LARGEST_VALUE: u64 = 8;

/// A file whose headers are sound and whose data are all there.
pub(super) struct FitsFile<'a> {
    bytes: &'a [u8],
    /// Its images, in the order of the file.
    pub(super) images: Vec<ImageUnit>,
}

/// One image of a file: the primary one or an extension.
#[derive(Debug)]
pub(super) struct ImageUnit {
    /// Its keywords.
    pub(super) header: Header,
    /// The lengths of its axes, the fastest first, as NAXIS1, NAXIS2 and so on have them.
    pub(super) axes: Vec<usize>,
    unit: Hdu,
    /// How many pixels a tile has at most; `None` for an image that is not compressed.
    tile: Option<u64>,
}

impl<'a> FitsFile<'a> {
    /// Reads and checks all headers. No pixel is read.
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut images = Vec::new();
        let (mut start, mut number) = (0, 0);
        while number == 0 || is_extension(&bytes[start..], number)? {
            let broken = |fault: String| {
                DecodeError::Broken(match number {
                    0 => format!("its header {fault}"),
                    _ => format!("the header of its extension {number} {fault}"),
                })
            };
            let unreadable = |fault| broken(format!("can't be read: {fault}"));
            let data_start = start + header_length(&bytes[start..]).map_err(broken)?;
            let cards =
                guarded(|| parse_header_blocks(&bytes[start..data_start])).map_err(unreadable)?;
            let header = Header::new(&cards);
            let size = Size::of(&header, number == 0).map_err(broken)?;
            let there = (bytes.len() - data_start) as u64;
            if size.bytes > there {
                let whose = match number {
                    0 => String::new(),
                    _ => format!(" of extension {number}"),
                };
                return Err(DecodeError::Broken(format!(
                    "the data{whose} end after {there} of {} bytes",
                    size.bytes
                )));
            }
            if let Some(axes) = size.image {
                if size.unpacked > limits.max_bytes {
                    return Err(DecodeError::TooLarge(format!(
                        "{} bytes when unpacked, over {}",
                        size.unpacked, limits.max_bytes
                    )));
                }
                let unit = guarded(|| Hdu::from_cards(cards, start, data_start));
                images.push(ImageUnit {
                    header,
                    axes,
                    unit: unit.map_err(unreadable)?,
                    tile: size.tile,
                });
            }
            // The last block need not be filled up.
            let padded = (size.bytes as usize).div_ceil(BLOCK) * BLOCK;
            start = (data_start + padded).min(bytes.len());
            number += 1;
        }
        Ok(Self { bytes, images })
    }

    /// The values of an image, the fastest axis first, scaled as its header says. A pixel without a value is
    /// not a number.
    pub(super) fn read(&self, image: &ImageUnit) -> Result<Vec<f32>, DecodeError> {
        self.check_tiles(image)?;
        let data =
            guarded(|| read_image_data(self.bytes, &image.unit)).map_err(DecodeError::Broken)?;
        let header = &image.header;
        let scale = header.number("BSCALE").unwrap_or(1.0);
        let zero = header.number("BZERO").unwrap_or(0.0);
        let blank = header.integer("BLANK").or_else(|| header.integer("ZBLANK"));
        let is_scaled = (scale, zero) != (1.0, 0.0);
        let real = |value: f64| {
            let value = if is_scaled {
                value * scale + zero
            } else {
                value
            };
            value as f32
        };
        let whole = |value: i64| {
            if blank == Some(value) {
                f32::NAN
            } else {
                real(value as f64)
            }
        };
        let values: Vec<f32> = match data {
            ImageData::U8(data) => data.iter().map(|v| whole(i64::from(*v))).collect(),
            ImageData::I16(data) => data.iter().map(|v| whole(i64::from(*v))).collect(),
            ImageData::I32(data) => data.iter().map(|v| whole(i64::from(*v))).collect(),
            ImageData::I64(data) => data.iter().map(|v| whole(*v)).collect(),
            ImageData::F32(data) if !is_scaled => data,
            ImageData::F32(data) => data.iter().map(|v| real(f64::from(*v))).collect(),
            ImageData::F64(data) => data.iter().map(|v| real(*v)).collect(),
        };
        let expected: usize = image.axes.iter().product();
        if values.len() != expected {
            return Err(DecodeError::Broken(format!(
                "{} of its {expected} values are there",
                values.len()
            )));
        }
        Ok(values)
    }

    /// Refuses an image of which a tile unpacks to more than a tile has. The crate would unpack it to its end.
    fn check_tiles(&self, image: &ImageUnit) -> Result<(), DecodeError> {
        let Some(tile) = image.tile else {
            return Ok(());
        };
        let header = &image.header;
        let number = |key| header.integer(key).map_or(0, |number| number as usize);
        let (row, rows) = (number("NAXIS1"), number("NAXIS2"));
        let cards = &image.unit.cards;
        let columns = guarded(|| parse_binary_table_columns(cards, number("TFIELDS")));
        let columns = columns.map_err(DecodeError::Broken)?;
        let width: Option<usize> =
            (columns.iter()).try_fold(0_usize, |all, column| all.checked_add(column.byte_width));
        if width != Some(row) {
            let fault = format!("its columns are not the {row} bytes of a row");
            return Err(DecodeError::Broken(fault));
        }
        let limits = Limits {
            max_bytes: tile * LARGEST_VALUE,
            ..Limits::default()
        };
        let data = &self.bytes[image.unit.data_start..];
        let mut offset = 0;
        for column in &columns {
            let (is_long, element) = match &column.col_type {
                BinaryColumnType::VarArrayP(element) => (false, *element),
                BinaryColumnType::VarArrayQ(element) => (true, *element),
                _ => (false, ' '),
            };
            if element == 'B' && column.repeat == 1 {
                for at in (0..rows).map(|index| index * row + offset) {
                    let packed = heap_bytes(data, at, is_long, row * rows);
                    let packed = packed.ok_or(DecodeError::Broken(
                        "a tile lies outside of the file".into(),
                    ))?;
                    if gzip::is_packed(packed) {
                        gzip::unpack(packed, &limits)?;
                    }
                }
            }
            offset += column.byte_width;
        }
        Ok(())
    }
}

/// The bytes of a tile in the heap, which begins at `heap`: the descriptor at `at` has their number and place
/// (FITS standard 4.0, section 7.3.5).
fn heap_bytes(data: &[u8], at: usize, is_long: bool, heap: usize) -> Option<&[u8]> {
    let (count, place) = if is_long {
        let number = |at: usize| Some(u64::from_be_bytes(*data.get(at..)?.first_chunk()?));
        (number(at)?, number(at + 8)?)
    } else {
        let number = |at: usize| Some(u32::from_be_bytes(*data.get(at..)?.first_chunk()?));
        (u64::from(number(at)?), u64::from(number(at + 4)?))
    };
    let start = heap.checked_add(usize::try_from(place).ok()?)?;
    let end = start.checked_add(usize::try_from(count).ok()?)?;
    data.get(start..end)
}

/// Whether an extension follows after `parts` parts of a file; nothing, or blanks, may follow as well. The
/// standard allows records of another kind there (section 3.5), and no program writes them: they are an extension
/// whose first line is damaged, and with it a band would be lost.
fn is_extension(rest: &[u8], parts: usize) -> Result<bool, DecodeError> {
    if rest.starts_with(b"XTENSION") {
        return Ok(true);
    }
    if rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(false);
    }
    Err(DecodeError::Broken(format!(
        "what follows after {parts} of its parts is no extension"
    )))
}

/// Runs the crate's code. A panic of it is a fault of the file.
fn guarded<T>(work: impl FnOnce() -> fitsio_pure::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(read) => read.map_err(|fault| fault.to_string()),
        Err(_) => Err("the FITS reader gave up on it".into()),
    }
}
