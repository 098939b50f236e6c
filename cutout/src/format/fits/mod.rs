//! FITS: one band or several, in a cube of any order, in extensions, or in files of their own; packed as a whole
//! (`.gz`) or in tiles (`.fz`).
//!
//! | file | |
//! |---|---|
//! | `gzip` | unpacks a file, within the limits |
//! | `file` | the file as its images; the only place that knows the crate that reads them |
//! | `size` | what a header claims, and whether that can be |
//! | `header` | keywords |
//! | `bands` | which planes are which bands |
//! | `alike` | whether several images show the same part of the sky |
//! | `names` | what bands are called, and which of them are shown as which colour |
//! | `rendering` | which bands are shown, and through which stretch, where nobody says it |
//! | `stretch/` | from the bands to a picture |
//! | `wcs` | where the middle of the image is on the sky |
//!
//! FITS counts rows from the bottom. The picture has its last row on top, as every viewer shows it; it is not
//! turned north up.

mod alike;
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

use super::{BandBytes, DecodeError, Format, ImageHeader, Limits};
use crate::image::{Origin, centre};
use crate::{Image, Position, PositionSource, SkyCentre};
use bands::Bands;
use file::FitsFile;
use names::list;
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
    describe(&[file], &bands, limits)
}

/// What the headers of files of one band each say.
pub(super) fn header_of_bands(
    files: &[BandBytes],
    limits: &Limits,
) -> Result<ImageHeader, DecodeError> {
    let unpacked = unpacked_bands(files, limits)?;
    let opened = open_bands(&unpacked, limits)?;
    let bands = Bands::of_files(&opened)?;
    let files: Vec<FitsFile> = opened.into_iter().map(|(_, file)| file).collect();
    describe(&files, &bands, limits)
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
    draw(&[file], &bands, limits, side, rendering)
}

/// Decodes files of one band each to that part.
pub(super) fn decode_bands(
    files: &[BandBytes],
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, DecodeError> {
    let unpacked = unpacked_bands(files, limits)?;
    let opened = open_bands(&unpacked, limits)?;
    let bands = Bands::of_files(&opened)?;
    let files: Vec<FitsFile> = opened.into_iter().map(|(_, file)| file).collect();
    draw(&files, &bands, limits, side, rendering)
}

/// A band's name, and the bytes of its file.
type Unpacked<'a> = (&'a str, Cow<'a, [u8]>);

fn unpacked_bands<'a>(
    files: &[BandBytes<'a>],
    limits: &Limits,
) -> Result<Vec<Unpacked<'a>>, DecodeError> {
    let total = |lengths: &mut dyn Iterator<Item = usize>| {
        limits.check_bytes(lengths.map(|length| length as u64).sum())
    };
    total(&mut files.iter().map(|file| file.bytes.len()))?;
    let unpack = |file: &BandBytes<'a>| {
        if !is_fits(file.bytes) {
            return Err(DecodeError::NotAnImage.of_band(file.band));
        }
        let bytes = unpacked(file.bytes, limits).map_err(|fault| fault.of_band(file.band))?;
        Ok((file.band, bytes))
    };
    let unpacked = files.iter().map(unpack).collect::<Result<Vec<_>, _>>()?;
    total(&mut unpacked.iter().map(|(_, bytes)| bytes.len()))?;
    Ok(unpacked)
}

fn open_bands<'a>(
    files: &'a [Unpacked<'a>],
    limits: &Limits,
) -> Result<Vec<(&'a str, FitsFile<'a>)>, DecodeError> {
    let open = |(band, bytes): &'a Unpacked<'a>| {
        let file = FitsFile::open(bytes, limits).map_err(|fault| fault.of_band(band))?;
        Ok((*band, file))
    };
    files.iter().map(open).collect()
}

/// What the headers say of the image whose bands are these.
fn describe(
    files: &[FitsFile],
    bands: &Bands,
    limits: &Limits,
) -> Result<ImageHeader, DecodeError> {
    let dimensions = (bands.width, bands.height);
    limits.check_dimensions(dimensions.0, dimensions.1)?;
    let sky = centre_of(files, bands);
    Ok(ImageHeader {
        dimensions,
        position: sky.and_then(|sky| {
            let position = Position::new(sky.ra, sky.dec)?;
            Some((position, PositionSource::Wcs))
        }),
        pixel_scale: sky.map(|sky| sky.pixel_scale),
    })
}

/// Where the middle is on the sky, as the first band says it.
fn centre_of(files: &[FitsFile], bands: &Bands) -> Option<SkyCentre> {
    let first = &bands.planes[0];
    let header = &files[first.file].images[first.image].header;
    wcs::centre(header, first.axes, (bands.width, bands.height))
}

/// Makes a picture of the bands.
fn draw(
    files: &[FitsFile],
    bands: &Bands,
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, DecodeError> {
    let whole = (bands.width, bands.height);
    limits.check_dimensions(whole.0, whole.1)?;
    let first = &bands.planes[0];
    let header = &files[first.file].images[first.image].header;
    let (stretch, chosen) = rendering
        .choose(header, &bands.names())
        .map_err(DecodeError::MissingBands)?;

    let shown = read(files, bands, &chosen)?;
    if let Some(what) = shown.iter().map(uniform).collect::<Option<Vec<_>>>() {
        return Err(DecodeError::Blank(nothing_in(&what, &bands.names())));
    }
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
        sky: centre_of(files, bands),
    }))
}

fn unpacked<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, DecodeError> {
    if bytes.starts_with(SIGNATURE) {
        Ok(Cow::Borrowed(bytes))
    } else {
        gzip::unpack(bytes, limits).map(Cow::Owned)
    }
}

/// Reads some bands, each image once.
fn read(files: &[FitsFile], bands: &Bands, wanted: &[usize]) -> Result<Vec<Band>, DecodeError> {
    let mut read: Vec<Option<Band>> = wanted.iter().map(|_| None).collect();
    let units = files.iter().enumerate();
    let units = units.flat_map(|(number, file)| {
        let images = file.images.iter().enumerate();
        images.map(move |(image, unit)| ((number, image), file, unit))
    });
    for (place, file, unit) in units {
        let is_here = |plane: &bands::Plane| (plane.file, plane.image) == place;
        if !wanted.iter().any(|wanted| is_here(&bands.planes[*wanted])) {
            continue;
        }
        let values = file.read(unit)?;
        for (slot, wanted) in read.iter_mut().zip(wanted) {
            let plane = &bands.planes[*wanted];
            if is_here(plane) {
                *slot = Some(Band {
                    name: plane.name.clone(),
                    width: bands.width as usize,
                    pixels: plane.cut(&unit.axes, &values),
                });
            }
        }
    }
    let band = |band: Option<Band>| band.expect("every plane is in one of the files' images");
    Ok(read.into_iter().map(band).collect())
}

/// What a band has everywhere, if that is the same: in words, with its name. What is not finite is no value.
fn uniform(band: &Band) -> Option<String> {
    let name = match &band.name {
        Some(name) => format!("band {name}"),
        None => "the band that is shown".to_owned(),
    };
    let mut values = band.pixels.iter().filter(|value| value.is_finite());
    match values.next() {
        None => Some(format!("{name} has no value")),
        Some(first) => (values.all(|value| value == first))
            .then(|| format!("{name} has the value {first} and no other")),
    }
}

/// Why nothing is to be seen in these bands, and that there are others.
fn nothing_in(what: &[String], names: &[Option<&str>]) -> String {
    let what = what.join(", ");
    if names.len() > 1 {
        let names = list(names);
        format!("{what} (of the bands {names}; colours says which to show)")
    } else {
        what
    }
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
