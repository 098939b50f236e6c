//! JPEG: baseline, extended sequential and progressive, with Huffman coding and 8 bits a sample.
//!
//! The pixels are those of libjpeg-turbo, bit for bit. The decoder is our own for two reasons. It is strict:
//! others fill what is missing or damaged with grey, and half a transfer would become half a galaxy with a
//! confident class. And it transforms only the blocks that are asked for, as views look at no more than the
//! middle of an image; the codes of all others are read and checked.
//!
//! References: ITU-T T.81 (the format), T.871 (JFIF), and the Independent JPEG Group's description of what
//! decoders have agreed upon since.

#![allow(
    clippy::inline_always,
    reason = "loops become part of functions with vector instructions"
)]

mod bits;
mod colour;
mod frame;
mod huffman;
mod idct;
mod planes;
mod progressive;
mod scan;
mod sequential;

use self::frame::{Colours, Frame, Tables};
use self::planes::{Plane, Region};
use self::progressive::{Coefficients, Progressive};
use self::scan::ScanHeader;
use self::sequential::Sequential;
use super::{DecodeError, Format, ImageHeader, Limits};
use crate::Image;
use crate::image::{Origin, centre};

/// What every JPEG file begins with: the marker SOI, and the first byte of the next marker.
pub(super) const SIGNATURE: &[u8] = &[0xFF, SOI, 0xFF];

/// Start of image.
const SOI: u8 = 0xD8;
/// End of image.
const EOI: u8 = 0xD9;
/// Start of scan: compressed data follows its header.
const SOS: u8 = 0xDA;
/// Metadata of programs: EXIF, XMP.
const APP1: u8 = 0xE1;
/// What an XMP packet begins with in its segment.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Quantisation tables.
const DQT: u8 = 0xDB;
/// Huffman tables.
const DHT: u8 = 0xC4;
/// Restart interval.
const DRI: u8 = 0xDD;

/// Why a file can't be decoded.
#[derive(Debug)]
enum Fault {
    Broken(&'static str),
    Unsupported(&'static str),
}

impl Fault {
    const fn broken(what: &'static str) -> Self {
        Self::Broken(what)
    }

    const fn unsupported(what: &'static str) -> Self {
        Self::Unsupported(what)
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Broken(what) => Self::Broken(what.into()),
            Fault::Unsupported(what) => Self::Unsupported(what.into()),
        }
    }
}

/// Decodes the middle of an image: what [`Image::keep_centre`] would keep of it.
pub(super) fn decode(bytes: &[u8], limits: &Limits, side: u32) -> Result<Image, DecodeError> {
    let mut file = File::open(bytes)?;
    let frame = file.read_header()?;
    let (width, height) = (frame.width as u32, frame.height as u32);
    limits.check_dimensions(width, height)?;
    let (kept_width, kept_height) = (centre(width, side), centre(height, side));
    let region = Region {
        left: ((width - kept_width) / 2) as usize,
        top: ((height - kept_height) / 2) as usize,
        width: kept_width as usize,
        height: kept_height as usize,
    };
    let colours = file.tables.colours(&frame)?;
    let planes = file.read_scans(frame, region)?;
    let channels = if colours == Colours::Grey { 1 } else { 3 };
    let mut pixels = vec![0; channels * region.width * region.height];
    to_pixels(&planes, colours, region, &mut pixels);
    let origin = Origin {
        format: Format::Jpeg,
        dimensions: (width, height),
        bit_depth: 8,
        stretch: None,
        sky: None,
    };
    Ok(Image::from_bytes((kept_width, kept_height), channels, pixels).with_origin(origin))
}

/// What the header claims.
pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<ImageHeader, DecodeError> {
    let frame = File::open(bytes)?.read_header()?;
    let size = (frame.width as u32, frame.height as u32);
    limits.check_dimensions(size.0, size.1)?;
    Ok(ImageHeader::of_picture(size, xmp(bytes)))
}

/// The XMP packet before the picture, if there is one.
fn xmp(bytes: &[u8]) -> Option<&[u8]> {
    let mut file = File::open(bytes).ok()?;
    loop {
        match file.next_segment().ok()? {
            (APP1, segment) if segment.starts_with(XMP) => return Some(&segment[XMP.len()..]),
            (SOS, _) => return None,
            _ => {}
        }
    }
}

/// A file, and how far it was read.
struct File<'a> {
    bytes: &'a [u8],
    position: usize,
    tables: Tables,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(Fault::broken("the JPEG has no beginning"));
        }
        Ok(Self {
            bytes,
            position: 2,
            tables: Tables::default(),
        })
    }

    /// The next marker, and its segment if it is one that has any.
    fn next_segment(&mut self) -> Result<(u8, &'a [u8]), Fault> {
        let (marker, position) = marker_at(self.bytes, self.position)?;
        self.position = position;
        // TEM, restart markers, SOI and EOI stand alone.
        if marker == 0x01 || (0xD0..=EOI).contains(&marker) {
            return Ok((marker, &[]));
        }
        let rest = &self.bytes[position..];
        let length = rest
            .first_chunk()
            .map(|length| usize::from(u16::from_be_bytes(*length)));
        let length = length
            .filter(|length| *length >= 2)
            .ok_or_else(ends_early)?;
        let segment = rest.get(2..length).ok_or_else(ends_early)?;
        self.position += length;
        Ok((marker, segment))
    }

    /// Reads to the frame's header.
    fn read_header(&mut self) -> Result<Frame, Fault> {
        loop {
            let (marker, segment) = self.next_segment()?;
            if is_frame(marker) {
                return Frame::read(marker, segment);
            }
            if marker == SOS || marker == EOI {
                return Err(Fault::broken("the JPEG has no frame"));
            }
            self.read_tables(marker, segment)?;
        }
    }

    /// Reads the scans to the end of the image. Samples are there for all blocks that the region needs.
    fn read_scans(&mut self, mut frame: Frame, region: Region) -> Result<Vec<Plane>, Fault> {
        let plane = |component| Plane::new(component, &frame, region);
        let mut planes: Vec<Plane> = frame.components.iter().map(plane).collect();
        let mut coefficients = frame.progressive.then(|| Coefficients::new(&frame));
        loop {
            let (marker, segment) = self.next_segment()?;
            match marker {
                EOI => break,
                SOS => self.read_scan(segment, &mut frame, &mut planes, coefficients.as_mut())?,
                _ if is_frame(marker) => return Err(Fault::broken("the JPEG has two frames")),
                _ => self.read_tables(marker, segment)?,
            }
        }
        if !frame.is_complete() {
            return Err(Fault::broken(
                "the JPEG ends before all of its scans have come",
            ));
        }
        if let Some(coefficients) = coefficients {
            coefficients.check(&frame)?;
            for (number, plane) in planes.iter_mut().enumerate() {
                let quantisation = frame.components[number]
                    .quantisation
                    .expect("its scans have latched it");
                for (column, row) in plane.blocks() {
                    plane.store_block(
                        column,
                        row,
                        coefficients.block(number, column, row),
                        &quantisation,
                    );
                }
            }
        }
        Ok(planes)
    }

    fn read_scan(
        &mut self,
        segment: &[u8],
        frame: &mut Frame,
        planes: &mut [Plane],
        coefficients: Option<&mut Coefficients>,
    ) -> Result<(), Fault> {
        let header = ScanHeader::read(segment, frame, &self.tables)?;
        let (start, interval) = (self.position, self.tables.restart_interval);
        self.position = if let Some(coefficients) = coefficients {
            let mut decoder = Progressive::new(&header, &self.tables, coefficients)?;
            scan::decode(self.bytes, start, frame, &header, interval, &mut decoder)
        } else {
            let mut decoder = Sequential::new(&header, frame, &self.tables, planes)?;
            scan::decode(self.bytes, start, frame, &header, interval, &mut decoder)
        }?;
        Ok(())
    }

    /// Reads a segment that is neither a frame nor a scan.
    fn read_tables(&mut self, marker: u8, segment: &[u8]) -> Result<(), Fault> {
        match marker {
            DQT => self.tables.read_quantisation(segment),
            DHT => self.tables.read_huffman(segment),
            DRI => self.tables.read_restart_interval(segment),
            SOI => Err(Fault::broken("another image begins before this one ends")),
            // Arithmetic conditioning, number of lines, hierarchical progression and expansion, comments, and
            // markers that stand alone.
            0x01 | 0xCC | 0xD0..=0xD7 | 0xDC | 0xDE | 0xDF | 0xFE => Ok(()),
            0xE0..=0xEF => self.tables.read_application(marker, segment),
            _ => Err(Fault::broken("the JPEG has a marker that is none")),
        }
    }
}

/// The marker at a position, and the position behind it. Any number of 0xFF may stand before it; other bytes
/// are left-over data.
fn marker_at(bytes: &[u8], position: usize) -> Result<(u8, usize), Fault> {
    let rest = bytes.get(position..).unwrap_or_default();
    let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
    match rest.get(fill) {
        None => Err(ends_early()),
        Some(0) => Err(Fault::broken("there is more compressed data than pixels")),
        Some(_) if fill == 0 => Err(Fault::broken("there are bytes between two segments")),
        Some(marker) => Ok((*marker, position + fill + 1)),
    }
}

/// Whether a marker begins a frame, of whatever kind.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF | 0xF7) && !matches!(marker, DHT | 0xC8 | 0xCC)
}

fn ends_early() -> Fault {
    Fault::broken("the JPEG ends early")
}

/// Interpolates the samples, and converts them to interleaved pixels, grey or RGB.
fn to_pixels(planes: &[Plane], colours: Colours, region: Region, pixels: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        #[allow(unsafe_code, reason = "the compiler makes vectors of its loops")]
        return unsafe { to_pixels_avx2(planes, colours, region, pixels) };
    }
    to_pixels_portable(planes, colours, region, pixels);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn to_pixels_avx2(planes: &[Plane], colours: Colours, region: Region, pixels: &mut [u8]) {
    to_pixels_portable(planes, colours, region, pixels);
}

#[inline(always)]
fn to_pixels_portable(planes: &[Plane], colours: Colours, region: Region, pixels: &mut [u8]) {
    let mut sums = Vec::new();
    let mut rows = vec![vec![0; region.width]; planes.len()];
    let stride = pixels.len() / region.height;
    for (number, pixels) in pixels.chunks_exact_mut(stride).enumerate() {
        for (plane, row) in planes.iter().zip(&mut rows) {
            plane.upsample(region.left, region.top + number, &mut sums, row);
        }
        colour::convert(colours, &mut rows, pixels);
    }
}
