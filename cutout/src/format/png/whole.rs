//! Whether the pixels of a PNG file are whole. The decoder stops at the last pixel, as libpng does: it looks at no
//! checksum that comes later, and at nothing behind it. So a file that was put together wrongly would pass.

use fdeflate::{DecompressionError, Decompressor};
use flate2::Crc;
use image::{DynamicImage, ImageFormat};

use super::SIGNATURE;

/// How far back compressed data may refer to.
const LOOKBACK: usize = 32 * 1024;
/// How much is unpacked at once.
const WINDOW: usize = 4 * LOOKBACK;

/// Where the data of the first chunk, the header, begins; and how long it is.
const HEADER: (usize, usize) = (16, 13);

/// The passes of an interlaced image: first column and row, and the steps.
const INTERLACED: [[u32; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// What the header says of the pixels.
#[derive(Debug, Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    /// Bits of a sample.
    depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    colour: u8,
    interlaced: bool,
}

/// Says what is wrong with the pixels of a file that the decoder took.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let header = Header::of(file).ok_or("it ends in its header")?;
    let parts: Vec<&[u8]> = chunks(file)
        .filter(|(name, _)| *name == b"IDAT")
        .map(|(_, data)| data)
        .collect();
    check_stream(&parts.concat(), header.unpacked_bytes())?;
    if header.colour == 3 {
        check_palette(file, header)?;
    }
    Ok(())
}

/// The chunks of a file: their names and data. It ends where a chunk does not fit.
fn chunks(file: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = file.get(SIGNATURE.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (data, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after.get(4..).unwrap_or_default();
        Some((name, data))
    })
}

/// Checks that the compressed pixels are as many bytes as `expected`, with the right checksum and nothing behind them.
fn check_stream(packed: &[u8], expected: u64) -> Result<(), String> {
    let mut decompressor = Decompressor::new();
    let mut window = vec![0; WINDOW];
    let (mut end, mut unpacked) = (0, 0);
    // The last byte by itself: if the end is found before it, something lies behind. What the decompressor says that it
    // has read may be a few bytes too many.
    let (last, most) = packed.split_last().ok_or("it has no pixels")?;
    for (mut part, is_last) in [(most, false), (std::slice::from_ref(last), true)] {
        loop {
            if end == WINDOW {
                window.copy_within(WINDOW - LOOKBACK.., 0);
                end = LOOKBACK;
            }
            let step = decompressor.read(part, &mut window, end, is_last);
            let (read, more) = step.map_err(describe)?;
            part = &part[read..];
            end += more;
            unpacked += more as u64;
            if unpacked > expected {
                return Err("it has more pixels than its header says".into());
            }
            if decompressor.is_done() || (!is_last && part.is_empty() && end < WINDOW) {
                break;
            }
        }
        if decompressor.is_done() && !is_last {
            return Err("something lies behind its pixels".into());
        }
    }
    if unpacked < expected {
        return Err("it has fewer pixels than its header says".into());
    }
    Ok(())
}

fn describe(fault: DecompressionError) -> String {
    match fault {
        DecompressionError::WrongChecksum => "the checksum of its pixels is wrong".into(),
        DecompressionError::InsufficientInput => "its pixels end without a checksum".into(),
        other => format!("its pixels can't be unpacked ({other:?})"),
    }
}

/// Checks that each pixel has a colour of the palette. The decoder would make it black.
fn check_palette(file: &[u8], header: Header) -> Result<(), String> {
    let palette = chunks(file).find(|(name, _)| *name == b"PLTE");
    let colours = palette.map_or(0, |(_, data)| data.len() / 3);
    let largest = (1 << header.depth) - 1;
    if colours > largest {
        return Ok(());
    }
    // The same pixels without the palette are grey, and grey says which number each has.
    let grey = image::load_from_memory_with_format(&as_grey(file), ImageFormat::Png);
    let Ok(DynamicImage::ImageLuma8(grey)) = grey else {
        return Err("the numbers of its colours can't be read".into());
    };
    let brightest = grey.iter().copied().max().unwrap_or(0);
    let number = usize::from(brightest) * largest / 255;
    if number < colours {
        Ok(())
    } else {
        Err(format!(
            "a pixel has the colour {number}, and its palette ends with {}",
            colours.saturating_sub(1)
        ))
    }
}

/// A file with a palette as one of grey levels.
fn as_grey(file: &[u8]) -> Vec<u8> {
    let mut grey = SIGNATURE.to_vec();
    for (name, data) in chunks(file) {
        let data = match name {
            b"IHDR" if data.len() == HEADER.1 => [&data[..9], &[0], &data[10..]].concat(),
            b"IDAT" | b"IEND" => data.to_vec(),
            _ => continue,
        };
        let mut checksum = Crc::new();
        checksum.update(name);
        checksum.update(&data);
        let length = u32::try_from(data.len()).expect("a chunk has a length of 32 bits");
        grey.extend(length.to_be_bytes());
        grey.extend(name);
        grey.extend(&data);
        grey.extend(checksum.sum().to_be_bytes());
    }
    grey
}

impl Header {
    fn of(file: &[u8]) -> Option<Self> {
        let data = file.get(HEADER.0..HEADER.0 + HEADER.1)?;
        let side = |at: usize| Some(u32::from_be_bytes(data[at..at + 4].try_into().ok()?));
        Some(Self {
            width: side(0)?,
            height: side(4)?,
            depth: data[8],
            colour: data[9],
            interlaced: data[12] == 1,
        })
    }

    /// How many bytes the pixels have when they are unpacked: each row of each pass, and a byte before it.
    fn unpacked_bytes(self) -> u64 {
        let samples = match self.colour {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        let bits = samples * u64::from(self.depth);
        let whole = [[0, 0, 1, 1]];
        let passes = if self.interlaced {
            &INTERLACED[..]
        } else {
            &whole
        };
        let bytes = passes.iter().map(|[left, top, right, down]| {
            let columns = u64::from(self.width.saturating_sub(*left).div_ceil(*right));
            let rows = u64::from(self.height.saturating_sub(*top).div_ceil(*down));
            match columns {
                0 => 0,
                _ => rows * (1 + (columns * bits).div_ceil(8)),
            }
        });
        bytes.sum()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use image::GrayImage;

    use super::*;
    use crate::format::png::decode;
    use crate::{DecodeError, Limits};

    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        let mut checksum = Crc::new();
        checksum.update(&name);
        checksum.update(data);
        let length = (data.len() as u32).to_be_bytes();
        [&length, &name, data, &checksum.sum().to_be_bytes()].concat()
    }

    fn compressed(rows: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(rows).unwrap();
        encoder.finish().unwrap()
    }

    /// A file of 20 x 16 pixels, of one sample each.
    fn file(depth: u8, colour: u8, palette: &[u8], pixels: &[u8]) -> Vec<u8> {
        let header = [0, 0, 0, 20, 0, 0, 0, 16, depth, colour, 0, 0, 0];
        let chunks = [
            chunk(*b"IHDR", &header),
            match palette {
                [] => Vec::new(),
                colours => chunk(*b"PLTE", colours),
            },
            chunk(*b"IDAT", pixels),
            chunk(*b"IEND", &[]),
        ];
        [SIGNATURE, &chunks.concat()].concat()
    }

    /// Rows of grey pixels, each after a byte without a filter.
    fn rows(count: usize) -> Vec<u8> {
        (0..count * 21)
            .map(|at| if at % 21 == 0 { 0 } else { at as u8 })
            .collect()
    }

    fn fault(file: &[u8]) -> String {
        match decode(file, &Limits::default()) {
            Err(DecodeError::Broken(fault)) => fault,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_the_decoder_does_not_look_at_is_broken() {
        let whole = compressed(&rows(16));
        assert!(decode(&file(8, 0, &[], &whole), &Limits::default()).is_ok());
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let cut = &whole[..whole.len() - 4];
        let behind = [1, 4, 9].map(|count| [&whole[..], &[7; 9][..count]].concat());
        for (pixels, expected) in [
            (&wrong[..], "the checksum of its pixels is wrong"),
            (cut, "its pixels end without a checksum"),
            (
                &compressed(&rows(17)),
                "it has more pixels than its header says",
            ),
            (&behind[0], "something lies behind its pixels"),
            (&behind[1], "something lies behind its pixels"),
            (&behind[2], "something lies behind its pixels"),
        ] {
            assert_eq!(fault(&file(8, 0, &[], pixels)), expected);
        }
    }

    #[test]
    fn a_colour_that_the_palette_does_not_have_is_broken() {
        for depth in [1_u8, 2, 4, 8] {
            let row = 1 + (20 * usize::from(depth)).div_ceil(8);
            let last = (1_usize << depth) - 1;
            let mut bytes = vec![0; row * 16];
            // The first pixel of the last row has the largest number.
            bytes[row * 15 + 1] = (last << (8 - depth)) as u8;
            let of = |colours: usize| file(depth, 3, &vec![90; 3 * colours], &compressed(&bytes));
            assert!(decode(&of(last + 1), &Limits::default()).is_ok());
            let expected = format!(
                "a pixel has the colour {last}, and its palette ends with {}",
                last - 1
            );
            assert_eq!(fault(&of(last)), expected);
        }
    }

    #[test]
    fn what_other_programs_write_is_whole() {
        for (width, height) in [(1, 1), (7, 5), (300, 200)] {
            let grey = GrayImage::from_fn(width, height, |x, y| image::Luma([(x * y) as u8]));
            let mut bytes = Cursor::new(Vec::new());
            grey.write_to(&mut bytes, ImageFormat::Png).unwrap();
            assert_eq!(check(bytes.get_ref()), Ok(()));
        }
    }

    #[test]
    fn interlaced_pixels_are_counted_pass_by_pass() {
        let header = |width, height, depth, colour, interlaced| Header {
            width,
            height,
            depth,
            colour,
            interlaced,
        };
        assert_eq!(header(424, 424, 8, 2, false).unpacked_bytes(), 424 * 1273);
        assert_eq!(header(20, 16, 1, 0, false).unpacked_bytes(), 16 * 4);
        // The first pass has one pixel; no other has any.
        assert_eq!(header(1, 1, 16, 6, true).unpacked_bytes(), 9);
        // 1, 1, 2, 4, 8, 16 and 32 pixels in 1, 1, 1, 2, 2, 4 and 4 rows.
        assert_eq!(header(8, 8, 8, 0, true).unpacked_bytes(), 64 + 15);
    }
}
