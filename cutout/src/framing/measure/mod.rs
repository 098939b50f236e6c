//! Finds the galaxy in the middle of an image, and measures its size as Galaxy Zoo's frame is defined by it.
//!
//! Galaxy Zoo's frame is scaled by petroR90, which is measured on calibrated fluxes. A picture has none: its stretch is
//! unknown. So the size is measured by what a stretch changes little: the mean distance of the light from the middle,
//! within the isophote at a twentieth of the peak. Of what was tried (areas of isophotes, second moments, the radius of
//! half and of nine tenths of the light, Petrosian radii on grey, and fits of several of these), it is the one that
//! agrees best with petroR90 where that is known, and that is 0.07 dex. `docs/decisions.md` has the figures.

mod object;
mod raster;
mod sky;

use crate::Image;
use object::{Isophote, Light};
use raster::{Part, Raster};
use sky::Sky;

use super::{FRAME_RADIUS, FRAME_SIDE, Frame, Framing};

/// The isophote that the size is taken from, in parts of the peak.
const PART: f32 = 0.05;

/// The least radius of an isophote that says anything of a size, in pixels of the raster.
const LEAST_RADIUS: f32 = 2.0;

/// An object whose isophote has a radius of fewer pixels of the raster is looked at again on a finer one, of so many
/// of its radii, and so often at most.
const FINE: f32 = 6.0;
const AROUND: f32 = 12.0;
const CLOSER: usize = 4;

/// petroR90 in mean distances of the light from the middle. In Galaxy Zoo's own frames, 1.45 is right in the median.
/// With a tenth less, the network is right more often: it loses less by a frame that is somewhat too small than by
/// one that is too large.
const RADIUS: f64 = 1.3;

/// An isophote with more of the border than this is that of an object larger than the image.
const AT_THE_BORDER: f32 = 0.25;

/// What is seen in an image before any question is asked of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The level of the sky in the middle, 0 to 255.
    pub sky: f32,
    /// The part of the image that is not a border of one colour: left, top, right, bottom, in pixels of the file's
    /// image.
    pub data: [f64; 4],
    /// How far the middle is above the sky, in levels; negative for a negative.
    pub height: f32,
    /// The object in the middle, if its size could be measured.
    pub object: Option<Measured>,
}

/// The object in the middle of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Where its middle is, in pixels from the left edge of the file's image.
    pub x: f64,
    /// The same from the upper edge.
    pub y: f64,
    /// petroR90 in pixels, as near as it can be told.
    pub radius: f64,
    /// By how much it is redder than it is blue, (red - blue) / (red + blue) above the sky, -1 to 1; `None` for an
    /// image of one plane.
    pub redness: Option<f64>,
}

impl Look {
    /// Looks at an image, or at the middle of one that was decoded.
    pub fn at(image: &Image) -> Self {
        let (left, top) = image.offset();
        let offset = [f64::from(left), f64::from(top)];
        let mut part = Part::whole(image);
        if !part.is_enough() {
            let [width, height] = [image.width(), image.height()].map(f64::from);
            return Self {
                sky: 0.0,
                data: [offset[0], offset[1], offset[0] + width, offset[1] + height],
                height: 0.0,
                object: None,
            };
        }
        let mut seen = Seen::of(image, part);
        let mut look = Self {
            sky: seen.sky.level(),
            data: seen.data(image, offset),
            height: seen.height(),
            object: None,
        };
        // A small object is looked at again, closer, as long as there are more pixels to be seen.
        for _ in 0..CLOSER {
            let Some(object) = seen.object() else {
                return look;
            };
            look.object = seen.measured(image, offset, &object);
            if object.radius >= FINE || seen.raster.step == 1 {
                return look;
            }
            let (x, y) = seen.place(object.x, object.y);
            let side = f64::from(object.radius * seen.raster.step as f32 * AROUND);
            let closer = Part::around(image, x, y, side);
            if closer.step() == part.step() || !closer.is_enough() {
                return look;
            }
            part = closer;
            seen = Seen::of(image, part);
        }
        look
    }
}

/// A raster with its sky.
#[derive(Debug)]
struct Seen {
    /// Without the sky.
    raster: Raster,
    smooth: Vec<f32>,
    sky: Sky,
    /// The standard deviation of a smoothed pixel.
    noise: f32,
}

impl Seen {
    fn of(image: &Image, part: Part) -> Self {
        let mut raster = Raster::of(image, part);
        raster.trim();
        let sky = Sky::of(&raster);
        sky.subtract(&mut raster);
        let smooth = raster.smoothed();
        let noise = sky::noise((raster.width, raster.height), &smooth);
        Self {
            raster,
            smooth,
            sky,
            noise,
        }
    }

    fn light(&self) -> Light<'_> {
        Light {
            width: self.raster.width,
            height: self.raster.height,
            values: &self.raster.values,
            smooth: &self.smooth,
            noise: self.noise,
        }
    }

    /// The part of the image that has data, in pixels of the file's image.
    fn data(&self, image: &Image, [left, top]: [f64; 2]) -> [f64; 4] {
        let raster = &self.raster;
        let step = f64::from(raster.step);
        // A remainder of less than a pixel of the raster, on each side, belongs to it.
        let span = |first: u32, count: usize, length: u32| {
            let (first, length) = (f64::from(first), f64::from(length));
            let end = first + count as f64 * step;
            (
                if first < step { 0.0 } else { first },
                if end > length - step { length } else { end },
            )
        };
        let (first_x, end_x) = span(raster.left, raster.width, image.width());
        let (first_y, end_y) = span(raster.top, raster.height, image.height());
        [left + first_x, top + first_y, left + end_x, top + end_y]
    }

    /// How far the middle is above the sky: of the nine smoothed pixels there, the one that is farthest from it.
    fn height(&self) -> f32 {
        let (width, height) = (self.raster.width, self.raster.height);
        let mut farthest = 0.0_f32;
        for y in height / 2 - 1..=height / 2 + 1 {
            for x in width / 2 - 1..=width / 2 + 1 {
                let value = self.smooth[y * width + x];
                if value.abs() > farthest.abs() {
                    farthest = value;
                }
            }
        }
        farthest
    }

    /// The object in the middle, by its isophote.
    fn object(&self) -> Option<Isophote> {
        let light = self.light();
        let peak = light.peak()?;
        light.isophote(peak, light.core(peak), PART)
    }

    /// An object in pixels of the file's image, if that is large enough and the object not too large.
    fn measured(&self, image: &Image, offset: [f64; 2], object: &Isophote) -> Option<Measured> {
        if object.radius < LEAST_RADIUS || object.at_the_border > AT_THE_BORDER {
            return None;
        }
        let (x, y) = self.place(object.x, object.y);
        Some(Measured {
            x: x + offset[0],
            y: y + offset[1],
            radius: RADIUS * f64::from(object.spread) * f64::from(self.raster.step),
            redness: self.redness(image, object),
        })
    }

    /// Of the light within half of the isophote, how much redder than blue it is.
    fn redness(&self, image: &Image, object: &Isophote) -> Option<f64> {
        if image.planes() < 3 {
            return None;
        }
        let Raster {
            step,
            left,
            top,
            width,
            height,
            ..
        } = self.raster;
        // The pixel of the image in the middle of one of the raster.
        let values = |column: usize, row: usize| {
            let place = |first: u32, at: usize| first + at as u32 * step + step / 2;
            [0, 2].map(|plane| image.value(plane, place(left, column), place(top, row)))
        };
        let rows = (1..height - 1).flat_map(|row| [(0, row), (width - 1, row)]);
        let columns = (0..width).flat_map(|column| [(column, 0), (column, height - 1)]);
        let mut sky = [Vec::new(), Vec::new()];
        for (column, row) in rows.chain(columns) {
            for (sky, value) in sky.iter_mut().zip(values(column, row)) {
                sky.push(value);
            }
        }
        let (x, y, half) = (object.x, object.y, object.radius / 2.0);
        let span = |middle: f32, length: usize| {
            let place = |at: f32| at.clamp(0.0, length as f32) as usize;
            place(middle - half)..place(middle + half + 2.0)
        };
        let (mut light, mut count) = ([0.0_f32; 2], 0.0);
        for row in span(y, height) {
            for column in span(x, width) {
                let (far_x, far_y) = (column as f32 - x, row as f32 - y);
                if far_x * far_x + far_y * far_y <= half * half {
                    count += 1.0;
                    for (light, value) in light.iter_mut().zip(values(column, row)) {
                        *light += value;
                    }
                }
            }
        }
        let [red, blue] =
            [0, 1].map(|band: usize| (light[band] / count - sky::median(&mut sky[band])).max(0.0));
        (count > 0.0 && red + blue > 0.0).then(|| f64::from((red - blue) / (red + blue)))
    }

    /// Where a place of the raster is in the image, in pixels from its edges.
    fn place(&self, x: f32, y: f32) -> (f64, f64) {
        let Raster {
            step, left, top, ..
        } = self.raster;
        let place =
            |first: u32, at: f32| f64::from(first) + (f64::from(at) + 0.5) * f64::from(step);
        (place(left, x), place(top, y))
    }
}

impl Measured {
    /// Galaxy Zoo's frame around it.
    pub fn frame(&self) -> Frame {
        Frame {
            framing: Framing::Measured,
            x: self.x,
            y: self.y,
            side: self.radius * f64::from(FRAME_SIDE) / FRAME_RADIUS,
        }
    }
}
