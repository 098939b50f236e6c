//! An image in memory: what every format decodes to, and what views are made of.

use image::{Rgb, RgbImage};

use crate::Stretch;

/// A file format that [`decode`](crate::decode) reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JPEG, 8 bits a sample.
    Jpeg,
    /// PNG, up to 16 bits a sample.
    Png,
    /// FITS, one band or several, packed or not.
    Fits,
}

/// An image of one plane (grey, or a single band) or of three (red, green and blue).
///
/// Values are f32 on the scale of 8-bit samples: 0 is black and 255 is white. They need not be whole
/// numbers: a 16-bit sample `v` has the value `v / 257`.
///
/// An image of one plane gives the same views, bit for bit, as its plane repeated three times.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    width: u32,
    height: u32,
    planes: usize,
    samples: Samples,
    origin: Option<Origin>,
}

/// What is known of the file that an image was decoded from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// The format of the file.
    pub format: Format,
    /// Width and height of the file's image in pixels. The image may be its middle alone.
    pub dimensions: (u32, u32),
    /// Bits of one decoded sample: 8 or 16, in FITS also 32 or 64. Narrower samples and palettes are decoded
    /// to 8 bits.
    pub bit_depth: u8,
    /// The stretch that made a picture of a FITS image; `None` for a file that is a picture.
    pub stretch: Option<Stretch>,
    /// Where the middle of a FITS image is on the sky, where the file says it.
    pub sky: Option<SkyCentre>,
}

/// Where the middle of an image is on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyCentre {
    /// Right ascension (ICRS), in degrees, from 0 to under 360.
    pub ra: f64,
    /// Declination (ICRS), in degrees.
    pub dec: f64,
    /// The side of a pixel, in arcseconds; of one that is no square, of a square of its area.
    pub pixel_scale: f64,
}

/// The values of an image, row by row.
///
/// 8-bit samples stay bytes: as f32 they would take four times the memory, which is what limits the
/// number of galaxies that a training holds, and a view reads only a few of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Samples {
    /// 8-bit samples `[height, width, planes]`, in the order in which decoders give them.
    Bytes(Vec<u8>),
    /// Values `[planes, height, width]`.
    Floats(Vec<f32>),
}

impl Image {
    /// An image from its values `[planes, height, width]`, 0..=255, row-major.
    ///
    /// # Panics
    /// If there are not values for exactly one or three planes.
    pub fn from_planes(width: u32, height: u32, values: Vec<f32>) -> Self {
        let area = width as usize * height as usize;
        let planes = if values.len() == area { 1 } else { 3 };
        Self::new((width, height), planes, Samples::Floats(values))
    }

    /// An image from 8-bit samples `[height, width, planes]`.
    pub(crate) fn from_bytes(size: (u32, u32), planes: usize, samples: Vec<u8>) -> Self {
        Self::new(size, planes, Samples::Bytes(samples))
    }

    fn new((width, height): (u32, u32), planes: usize, samples: Samples) -> Self {
        let count = match &samples {
            Samples::Bytes(values) => values.len(),
            Samples::Floats(values) => values.len(),
        };
        assert_eq!(
            count,
            planes * width as usize * height as usize,
            "samples of {planes} planes of {width} x {height} pixels"
        );
        Self {
            width,
            height,
            planes,
            samples,
            origin: None,
        }
    }

    /// The same image with a note of where it comes from.
    pub(crate) fn with_origin(self, origin: Origin) -> Self {
        Self {
            origin: Some(origin),
            ..self
        }
    }

    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Width and height in pixels.
    pub const fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// How many planes: 1 or 3.
    pub const fn planes(&self) -> usize {
        self.planes
    }

    /// What is known of the file; `None` for an image that was not decoded from one.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Width and height in pixels of the file's image, of which this one may be the middle.
    pub fn file_dimensions(&self) -> (u32, u32) {
        self.origin
            .map_or(self.dimensions(), |origin| origin.dimensions)
    }

    /// Where this image begins in the file's image: how many columns and rows are before it.
    pub(crate) fn offset(&self) -> (u32, u32) {
        let (width, height) = self.file_dimensions();
        // A surplus is kept even, so this is whole.
        (
            width.saturating_sub(self.width) / 2,
            height.saturating_sub(self.height) / 2,
        )
    }

    /// One value, 0..=255. The only plane of a grey image stands for all three.
    ///
    /// # Panics
    /// If there is no such plane or pixel.
    pub fn value(&self, plane: usize, x: u32, y: u32) -> f32 {
        assert!(plane < 3 && x < self.width && y < self.height);
        let plane = plane % self.planes;
        let pixel = y as usize * self.width as usize + x as usize;
        match &self.samples {
            Samples::Bytes(values) => f32::from(values[pixel * self.planes + plane]),
            Samples::Floats(values) => values[plane * self.area() + pixel],
        }
    }

    /// The samples `[height, width, planes]` of an image that has 8 bits a sample; `None` for others.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.samples {
            Samples::Bytes(values) => Some(values),
            Samples::Floats(_) => None,
        }
    }

    /// The image as an 8-bit picture, to be shown. Values are rounded, and cut off at 0 and 255.
    pub fn to_rgb8(&self) -> RgbImage {
        if let (Samples::Bytes(values), 3) = (&self.samples, self.planes) {
            return RgbImage::from_raw(self.width, self.height, values.clone())
                .expect("an image has three bytes for each of its pixels");
        }
        RgbImage::from_fn(self.width, self.height, |x, y| {
            Rgb([0, 1, 2].map(|plane| self.value(plane, x, y).round() as u8))
        })
    }

    /// The part of the image that centre crops of up to `side` x `side` pixels see. Views at such a
    /// scale are the same, bit for bit, as views of the whole image.
    ///
    /// One more row or column is kept where the surplus is odd, so that the centre stays where it is.
    #[must_use]
    pub fn keep_centre(self, side: u32) -> Self {
        let kept = (centre(self.width, side), centre(self.height, side));
        if kept == self.dimensions() {
            return self;
        }
        self.recentred(kept.0, kept.1)
    }

    /// The image cut, or padded with black, to this size around its centre. Odd differences are halved
    /// downwards, as TensorFlow does.
    pub(crate) fn recentred(&self, width: u32, height: u32) -> Self {
        let columns = Overlap::new(self.width, width);
        let rows = Overlap::new(self.height, height);
        let samples = match &self.samples {
            Samples::Bytes(values) => {
                Samples::Bytes(recentre(values, self.planes, &columns, &rows))
            }
            Samples::Floats(values) => {
                let planes = values.chunks_exact(self.area().max(1));
                let moved = planes.flat_map(|plane| recentre(plane, 1, &columns, &rows));
                Samples::Floats(moved.collect())
            }
        };
        Self {
            width,
            height,
            samples,
            ..*self
        }
    }

    pub(crate) const fn samples(&self) -> &Samples {
        &self.samples
    }

    const fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl From<RgbImage> for Image {
    /// Takes over the samples without copying them.
    fn from(picture: RgbImage) -> Self {
        Self::from_bytes(picture.dimensions(), 3, picture.into_raw())
    }
}

/// The length that [`Image::keep_centre`] keeps of a length.
pub(crate) const fn centre(length: u32, side: u32) -> u32 {
    match length.checked_sub(side) {
        Some(surplus) => side + surplus % 2,
        None => length,
    }
}

/// Along one axis, what an image and the image that it is cut or padded to have in common.
struct Overlap {
    old_length: usize,
    new_length: usize,
    /// Where the common part begins in the old image, and in the new one.
    old_start: usize,
    new_start: usize,
    length: usize,
}

impl Overlap {
    const fn new(old_length: u32, new_length: u32) -> Self {
        let (old_length, new_length) = (old_length as usize, new_length as usize);
        let length = if old_length < new_length {
            old_length
        } else {
            new_length
        };
        Self {
            old_length,
            new_length,
            old_start: old_length.saturating_sub(new_length) / 2,
            new_start: new_length.saturating_sub(old_length) / 2,
            length,
        }
    }
}

/// Copies the common part of an image whose pixels have `planes` samples each; the rest is black.
fn recentre<T: Copy + Default>(
    samples: &[T],
    planes: usize,
    columns: &Overlap,
    rows: &Overlap,
) -> Vec<T> {
    let new_width = columns.new_length * planes;
    let length = columns.length * planes;
    let mut moved = vec![T::default(); rows.new_length * new_width];
    for row in 0..rows.length {
        let from = ((rows.old_start + row) * columns.old_length + columns.old_start) * planes;
        let to = (rows.new_start + row) * new_width + columns.new_start * planes;
        moved[to..to + length].copy_from_slice(&samples[from..from + length]);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preprocessing;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 7) as u8, (y * 3) as u8, (x * y) as u8])
        })
    }

    /// The same values, as planes of f32.
    fn as_floats(image: &Image) -> Image {
        let (width, height) = image.dimensions();
        let rows = (0..image.planes()).flat_map(|plane| (0..height).map(move |y| (plane, y)));
        let values = rows.flat_map(|(plane, y)| (0..width).map(move |x| image.value(plane, x, y)));
        Image::from_planes(width, height, values.collect())
    }

    #[test]
    fn values_are_those_of_the_picture_and_lead_back_to_it() {
        let picture = picture(31, 17);
        let image = Image::from(picture.clone());
        assert_eq!((image.planes(), image.dimensions()), (3, (31, 17)));
        assert_eq!(
            image.value(1, 30, 16),
            f32::from(picture.get_pixel(30, 16)[1])
        );
        assert_eq!(image.to_rgb8(), picture);
        assert_eq!(as_floats(&image).to_rgb8(), picture);
    }

    #[test]
    fn what_is_kept_gives_the_views_of_the_whole() {
        for (width, height) in [(424, 424), (425, 301), (240, 260), (200, 431)] {
            let image = Image::from(picture(width, height));
            let preprocessing = Preprocessing::default();
            let views = preprocessing.views(&image);
            for image in [&image, &as_floats(&image)] {
                let kept = image.clone().keep_centre(240);
                assert!(kept.width() <= 241 && kept.height() <= 241);
                assert!(preprocessing.views(&kept) == views);
            }
        }
    }

    #[test]
    fn bytes_and_floats_give_the_same_views() {
        // The last two are padded: at some scales, and at all.
        for (width, height) in [(424, 424), (301, 257), (200, 230), (97, 311)] {
            let image = Image::from(picture(width, height));
            let views = Preprocessing::default().views(&image);
            assert!(views == Preprocessing::default().views(&as_floats(&image)));
        }
    }

    #[test]
    fn one_plane_gives_the_views_of_three_equal_ones() {
        for (width, height) in [(424, 424), (200, 230)] {
            let plane: Vec<u8> = picture(width, height).pixels().map(|p| p[2]).collect();
            let grey = Image::from_bytes((width, height), 1, plane.clone());
            let tripled = plane.iter().flat_map(|value| [*value; 3]).collect();
            let rgb = Image::from_bytes((width, height), 3, tripled);
            let views = Preprocessing::default().views(&rgb);
            assert!(views == Preprocessing::default().views(&grey));
            assert!(views == Preprocessing::default().views(&as_floats(&grey)));
        }
    }

    #[test]
    #[should_panic(expected = "samples of 3 planes of 4 x 4 pixels")]
    fn two_planes_are_no_image() {
        Image::from_planes(4, 4, vec![0.0; 32]);
    }
}
