//! A row to a picture.
//!
//! No path comes from a request: a row's number does, and the row says where its file is. The file is shown only if it
//! lies in a folder that is watched, and still is the one that was classified: by its size and time, and by its content.
//! It is decoded by `cutout/`, within the limits of the last `galmorph watch`, and encoded anew. Where each band of an image
//! has a file, all this holds of each of them.

mod cache;
mod files;
mod seen;

use std::io::Cursor;

use blake3::Hash;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use galmorph_catalog::{FileRow, Reader, WatchedFolder};
use galmorph_cutout::{Frame, Limits, ModelCard, Preprocessing, Rendering, Stretch};
use galmorph_output::text_path;
use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::{ImageFormat, RgbImage};

use crate::catalog::AskError;
pub(crate) use cache::Cache;
use files::{Content, Files};
pub(crate) use seen::NotSeen;

/// The side of a thumbnail, in pixels.
const THUMBNAIL: u32 = 224;
/// The largest side of an image, in pixels: larger ones are shown smaller.
const LARGEST: u32 = 1280;
/// How large a pixel of a view is in the picture of the views, in pixels.
const ZOOM: u32 = 3;

/// What is shown of a galaxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What lies in the frame, small.
    Thumbnail,
    /// The whole image.
    Image,
    /// The views that the network saw.
    Views,
}

/// Why a galaxy is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotShown {
    /// There is no such row.
    NoRow,
    /// Its file is not there.
    Gone,
    /// Its file is another one by now.
    Changed,
    /// It lies in no folder that is watched.
    NotWatched,
    /// Nobody may read it, or the disk fails.
    Unreadable,
    /// It can't be decoded as it was.
    Undecodable,
}

impl NotShown {
    /// In a few words, for the place of the picture.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::NoRow => "no such galaxy",
            Self::Gone => "the file is gone",
            Self::Changed => "the file has changed",
            Self::NotWatched => "not in a watched folder",
            Self::Unreadable => "the file can't be read",
            Self::Undecodable => "the file can't be decoded",
        }
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{}", .0.why())]
    NotShown(NotShown),
}

impl From<NotShown> for PictureError {
    fn from(why: NotShown) -> Self {
        Self::NotShown(why)
    }
}

/// An image that may be shown: still the row's, in a watched folder.
pub(crate) struct Shown {
    row: FileRow,
    digest: Hash,
    files: Files,
    limits: Limits,
    folder: WatchedFolder,
    preprocessing: Preprocessing,
}

/// A picture as bytes of its own.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
}

impl Shown {
    /// Looks whether the galaxy of a row may be shown. No pixel is read.
    pub(crate) fn of(catalog: &Reader, id: i64) -> Result<Self, PictureError> {
        let ask = |error| PictureError::Ask(AskError::Catalog(error));
        let row = catalog
            .classified(id)
            .map_err(ask)?
            .ok_or(NotShown::NoRow)?;
        let digest = row.digest.ok_or(NotShown::NoRow)?;
        let watch = catalog.watch().map_err(ask)?.ok_or(NotShown::NotWatched)?;
        let limits = catalog.limits().map_err(ask)?.unwrap_or_default();
        let path = text_path(row.text("path").unwrap_or_default());
        let folder = (watch.watched.folder_of(&path)).ok_or(NotShown::NotWatched)?;
        let files = Files::open(&path, &watch.watched)?;
        files.check_stamp(row.stamp)?;
        let card = catalog.card(row.text("model")).map_err(ask)?;
        let card: Option<ModelCard> = card.and_then(|card| serde_json::from_str(&card).ok());
        Ok(Self {
            preprocessing: card.map_or_else(Preprocessing::default, |card| card.preprocessing),
            row,
            digest,
            files,
            limits,
            folder: folder.clone(),
        })
    }

    /// The row whose image it is.
    pub(crate) const fn row(&self) -> &FileRow {
        &self.row
    }

    /// What identifies its content.
    pub(crate) const fn digest(&self) -> &Hash {
        &self.digest
    }

    /// A word that is another one for every other picture.
    pub(crate) fn tag(&self, kind: Kind) -> String {
        let said = format!(
            "{} {} {kind:?} {:?} {:?} {THUMBNAIL} {LARGEST} {ZOOM} {:?}",
            env!("CARGO_PKG_VERSION"),
            self.digest,
            self.row.rendering,
            self.frame(),
            if kind == Kind::Views {
                Some(&self.preprocessing)
            } else {
                None
            },
        );
        blake3::hash(said.as_bytes()).to_hex()[..32].to_owned()
    }

    /// Where the network looked.
    fn frame(&self) -> Option<Frame> {
        let number = |column: &str| self.row.number(column);
        Some(Frame {
            framing: self.row.text("framing")?.parse().ok()?,
            x: number("frame_x")?,
            y: number("frame_y")?,
            side: number("frame_side")?,
        })
    }

    /// Draws it.
    pub(crate) fn draw(&mut self, kind: Kind) -> Result<Picture, PictureError> {
        let content = self.read()?;
        let image = content
            .decode(&self.limits, u32::MAX, &rendering_of(&self.row))
            .ok_or(NotShown::Undecodable)?;
        drop(content);
        let frame = self.frame();
        Ok(match kind {
            Kind::Thumbnail => {
                let image = image.to_rgb8();
                let part = part_of(frame.as_ref(), image.dimensions());
                let cut = imageops::crop_imm(&image, part.0, part.1, part.2, part.3).to_image();
                jpeg(&shrunk(cut, THUMBNAIL), 85)
            }
            Kind::Image => jpeg(&shrunk(image.to_rgb8(), LARGEST), 92),
            Kind::Views => {
                let frame = frame.ok_or(NotShown::Undecodable)?;
                png(&self.preprocessing.framed_picture(&image, &frame, ZOOM))
            }
        })
    }

    /// The content, if it is the row's.
    fn read(&self) -> Result<Content, NotShown> {
        let stamp = self.row.stamp;
        self.limits
            .check_bytes(stamp.bytes)
            .map_err(|_| NotShown::Undecodable)?;
        let content = self.files.read(stamp.bytes)?;
        self.files.check_stamp(stamp)?;
        if content.digest() == self.digest {
            Ok(content)
        } else {
            Err(NotShown::Changed)
        }
    }
}

/// How a FITS image was rendered, as far as the row says it: the stretch, and the lists of bands and colours.
fn rendering_of(row: &FileRow) -> Rendering {
    let stretch = row
        .text("stretch")
        .and_then(|text| text.parse::<Stretch>().ok());
    let parts = row
        .rendering
        .as_deref()
        .unwrap_or_default()
        .split("; ")
        .skip(1);
    let mut rendering = Rendering {
        stretch,
        ..Rendering::DEFAULT
    };
    let mut is_configured = false;
    for part in parts {
        is_configured = true;
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        if let Some(bands) = part.strip_prefix("bands ") {
            rendering.bands = list(bands);
        } else if let Some(colours) = part.strip_prefix("colours ") {
            rendering.colours = list(colours);
        }
    }
    if is_configured {
        rendering
    } else {
        // What a file says of itself decides, as it did.
        Rendering::DEFAULT
    }
}

/// The part of an image that lies in the frame: its first column and row, its width and height. All of it where the frame
/// is unknown.
fn part_of(frame: Option<&Frame>, (width, height): (u32, u32)) -> (u32, u32, u32, u32) {
    let whole = (0, 0, width, height);
    let Some(frame) = frame else { return whole };
    let along = |middle: f64, length: u32| {
        let first = (middle - frame.side / 2.0)
            .round()
            .clamp(0.0, f64::from(length));
        let last = (middle + frame.side / 2.0)
            .round()
            .clamp(0.0, f64::from(length));
        (first as u32, (last - first) as u32)
    };
    let ((left, columns), (top, rows)) = (along(frame.x, width), along(frame.y, height));
    if columns == 0 || rows == 0 {
        return whole;
    }
    (left, top, columns, rows)
}

/// The image at this side at most.
fn shrunk(image: RgbImage, most: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longest = width.max(height);
    if longest <= most {
        return image;
    }
    let side = |length: u32| {
        let side = f64::from(length) * f64::from(most) / f64::from(longest);
        (side.round() as u32).max(1)
    };
    let mut smaller = RgbImage::new(side(width), side(height));
    let (new_width, new_height) = smaller.dimensions();
    let whole = TypedImageRef::<U8x3>::from_buffer(width, height, &image);
    let part = TypedImage::<U8x3>::from_buffer(new_width, new_height, &mut smaller);
    let (whole, mut part) = whole
        .ok()
        .zip(part.ok())
        .expect("a picture has three bytes for each of its pixels");
    // Each pixel is the mean of those that it covers.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    // `resize` would compile every kind of pixel into this crate: three minutes, and 4 MB of code.
    Resizer::new()
        .resize_typed(&whole, &mut part, &options)
        .expect("a picture lies within itself");
    drop(part);
    smaller
}

fn jpeg(image: &RgbImage, quality: u8) -> Picture {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(image)
        .expect("a picture in memory is written to memory");
    Picture {
        bytes,
        media_type: "image/jpeg",
    }
}

pub(crate) fn png(image: &RgbImage) -> Picture {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("a picture in memory is written to memory");
    Picture {
        bytes: bytes.into_inner(),
        media_type: "image/png",
    }
}

/// Says in the place of a picture why there is none, in a few words.
pub(crate) fn placeholder(why: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 224 224\" width=\"224\" height=\"224\">\
         <rect width=\"224\" height=\"224\" fill=\"#23272f\"/>\
         <circle cx=\"112\" cy=\"92\" r=\"30\" fill=\"none\" stroke=\"#8b95a5\" stroke-width=\"2\"/>\
         <path d=\"M91 113 133 71\" stroke=\"#8b95a5\" stroke-width=\"2\"/>\
         <text x=\"112\" y=\"154\" fill=\"#c3cad6\" font-family=\"sans-serif\" font-size=\"15\" \
         text-anchor=\"middle\">{}</text></svg>",
        why.replace('\'', "&#39;")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_cutout::Framing;

    #[test]
    fn a_thumbnail_shows_what_lies_in_the_frame_and_in_the_image() {
        let part_in = |x, y, side, size| {
            let framing = Framing::Measured;
            part_of(
                Some(&Frame {
                    framing,
                    x,
                    y,
                    side,
                }),
                size,
            )
        };
        assert_eq!(part_in(50.0, 60.0, 40.0, (100, 100)), (30, 40, 40, 40));
        assert_eq!(part_in(10.0, 60.0, 40.0, (100, 70)), (0, 40, 30, 30));
        assert_eq!(part_in(50.0, 50.0, 400.0, (100, 70)), (0, 0, 100, 70));
        assert_eq!(part_in(900.0, 50.0, 40.0, (100, 70)), (0, 0, 100, 70));
        assert_eq!(part_in(f64::NAN, 50.0, 40.0, (100, 70)), (0, 0, 100, 70));
        assert_eq!(part_of(None, (100, 70)), (0, 0, 100, 70));
    }

    #[test]
    fn an_image_is_made_smaller_and_never_larger() {
        let sides = |width, height| shrunk(RgbImage::new(width, height), 100).dimensions();
        assert_eq!(sides(50, 20), (50, 20));
        assert_eq!(sides(200, 100), (100, 50));
        assert_eq!(sides(8000, 16), (100, 1));
    }
}
