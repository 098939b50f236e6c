//! FITS: one band or several, in a cube of any order or in extensions; packed as a whole (`.gz`) or in tiles
//! (`.fz`).
//!
//! | file | |
//! |---|---|
//! | `gzip` | unpacks a file, within the limits |
//! | `file` | the file as its images; the only place that knows the crate that reads them |
//! | `size` | what a header claims, and whether that can be |
//! | `header` | keywords |
//! | `bands` | which planes are which bands |
//! | `names` | what bands are called, and which of them are shown as which colour |
//! | `rendering` | which bands are shown, and through which stretch, where nobody says it |
//! | `stretch/` | from the bands to a picture |
//! | `wcs` | where the middle of the image is on the sky |
//!
//! FITS counts rows from the bottom. The picture has its last row on top, as every viewer shows it; it is not
//! turned north up.

mod bands;
mod file;
mod gzip;
mod header;
mod names;
mod rendering;
mod size;
mod stretch;
mod wcs;

use std::borrow::Cow;

pub use rendering::Rendering;

use super::{DecodeError, Format, ImageHeader, Limits};
use crate::image::{Origin, centre};
use crate::{Image, Position, PositionSource};
use bands::Bands;
use file::FitsFile;
use stretch::Band;

/// What every FITS file begins with.
const SIGNATURE: &[u8] = b"SIMPLE  =";

/// Whether bytes begin like a FITS file, packed or not.
pub(super) fn is_fits(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE) || gzip::begins_with(bytes, SIGNATURE)
}

/// What the headers of a file say.
pub(super) fn header(
    bytes: &[u8],
    limits: &Limits,
    rendering: &Rendering,
) -> Result<ImageHeader, DecodeError> {
    let bytes = unpacked(bytes, limits)?;
    let file = FitsFile::open(&bytes, limits)?;
    let bands = Bands::of(&file, &rendering.bands)?;
    let dimensions = (bands.width, bands.height);
    limits.check_dimensions(dimensions.0, dimensions.1)?;
    let first = &bands.planes[0];
    let sky = wcs::centre(&file.images[first.image].header, first.axes, dimensions);
    Ok(ImageHeader {
        dimensions,
        position: sky.and_then(|sky| {
            let position = Position::new(sky.ra, sky.dec)?;
            Some((position, PositionSource::Wcs))
        }),
        pixel_scale: sky.map(|sky| sky.pixel_scale),
    })
}

/// Decodes a file to the part that [`Image::keep_centre`] keeps of it.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, DecodeError> {
    let bytes = unpacked(bytes, limits)?;
    let file = FitsFile::open(&bytes, limits)?;
    let bands = Bands::of(&file, &rendering.bands)?;
    let whole = (bands.width, bands.height);
    limits.check_dimensions(whole.0, whole.1)?;
    let first = &bands.planes[0];
    let header = &file.images[first.image].header;
    let (stretch, chosen) = rendering
        .choose(header, &bands.names())
        .map_err(DecodeError::MissingBands)?;

    let shown = read(&file, &bands, &chosen)?;
    let levels = stretch::levels(stretch, &shown).map_err(DecodeError::MissingBands)?;
    let kept = (centre(whole.0, side), centre(whole.1, side));
    let cut = |band: Band| middle(band.pixels, whole, kept);
    let pixels: Vec<Vec<f32>> = shown.into_iter().map(cut).collect();
    let image = Image::from_planes(kept.0, kept.1, levels.draw(&pixels));
    let bits = header
        .integer("ZBITPIX")
        .or_else(|| header.integer("BITPIX"));
    Ok(image.with_origin(Origin {
        format: Format::Fits,
        dimensions: whole,
        bit_depth: bits.map_or(0, |bits| bits.unsigned_abs() as u8),
        stretch: Some(stretch),
        sky: wcs::centre(header, first.axes, whole),
    }))
}

fn unpacked<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, DecodeError> {
    if bytes.starts_with(SIGNATURE) {
        Ok(Cow::Borrowed(bytes))
    } else {
        gzip::unpack(bytes, limits).map(Cow::Owned)
    }
}

/// Reads some bands of a file, each image once.
fn read(file: &FitsFile, bands: &Bands, wanted: &[usize]) -> Result<Vec<Band>, DecodeError> {
    let mut read: Vec<Option<Band>> = wanted.iter().map(|_| None).collect();
    for (number, image) in file.images.iter().enumerate() {
        let is_here = |wanted: &usize| bands.planes[*wanted].image == number;
        if !wanted.iter().any(is_here) {
            continue;
        }
        let values = file.read(image)?;
        for (slot, wanted) in read.iter_mut().zip(wanted) {
            let plane = &bands.planes[*wanted];
            if plane.image == number {
                *slot = Some(Band {
                    name: plane.name.clone(),
                    width: bands.width as usize,
                    pixels: plane.cut(&image.axes, &values),
                });
            }
        }
    }
    let band = |band: Option<Band>| band.expect("every plane is in one of the file's images");
    Ok(read.into_iter().map(band).collect())
}

/// The middle of a plane. Odd differences are halved downwards, as [`Image::keep_centre`] does.
fn middle(pixels: Vec<f32>, size: (u32, u32), kept: (u32, u32)) -> Vec<f32> {
    if size == kept {
        return pixels;
    }
    let (width, left) = (size.0 as usize, (size.0 - kept.0) as usize / 2);
    let top = (size.1 - kept.1) as usize / 2;
    let rows = pixels.chunks_exact(width).skip(top).take(kept.1 as usize);
    rows.flat_map(|row| &row[left..left + kept.0 as usize])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests;
