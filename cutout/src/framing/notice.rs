//! When each flag is raised.
//!
//! Limits are set where fewer than one in 200 of the images is beyond them that the network was trained on.

use super::{FRAME_RADIUS, FRAME_SIDE, Frame, Look, resolution};
use crate::flags::{Flag, Flags};
use crate::{Image, Preprocessing};

/// The most by which the values of a pixel's planes may differ in an image that is grey, in levels.
const GREY: f32 = 2.0;

/// About how many pixels are looked at.
const SAMPLE: u32 = 1000;

/// The sky of a negative is at least this bright, and its object at least this much darker, in levels.
const BRIGHT_SKY: f32 = 100.0;
const DARKER: f32 = 30.0;

/// A value from which on a plane is cut off, and the part of what the smallest test scale sees that may be.
const WHITE: f32 = 253.0;
const SATURATED: f64 = 0.02;

/// Pixels of the image for each of the frame: below this, the 180 pixels of the paper's smallest view are fewer than the 80 that
/// it is resized to.
const COARSE: f64 = 80.0 / 180.0;

/// How far from the centre of the frame the object may be, in parts of the frame's side.
const OFF_CENTRE: f64 = 0.06;

/// The least redness of an object: (red - blue) / (red + blue).
const REDNESS: f64 = -0.2;

/// How many times as large, or as small, as petroR90 of the frame the object may be.
const SIZE: f64 = 2.0;

impl Flags {
    /// What is to be said of an image that is shown in this frame.
    pub(crate) fn of(
        image: &Image,
        frame: &Frame,
        look: &Look,
        preprocessing: &Preprocessing,
    ) -> Self {
        let object = look.object.as_ref();
        let is_far = object.is_some_and(|object| {
            (object.x - frame.x).hypot(object.y - frame.y) > OFF_CENTRE * frame.side
        });
        let is_odd = object.is_some_and(|object| {
            let times = object.radius * f64::from(FRAME_SIDE) / (FRAME_RADIUS * frame.side);
            !(1.0 / SIZE..=SIZE).contains(&times)
        });
        let is_blue = object
            .and_then(|object| object.redness)
            .is_some_and(|redness| redness < REDNESS);
        let raised = [
            (Flag::Padded, is_padded(frame, look, preprocessing)),
            (Flag::Upsampled, is_upsampled(frame)),
            (Flag::SingleBand, image.is_grey()),
            (
                Flag::Inverted,
                look.sky > BRIGHT_SKY && look.height < -DARKER,
            ),
            (
                Flag::Saturated,
                saturated(image, frame, preprocessing) > SATURATED,
            ),
            (Flag::OffCentre, is_far),
            (Flag::SwappedBands, is_blue && !image.is_grey()),
            (Flag::UnusualSize, is_odd),
        ];
        let raised = raised.into_iter().filter(|(_, is_raised)| *is_raised);
        raised.map(|(flag, _)| flag).collect()
    }
}

/// Whether the largest view reaches beyond the data by more than a pixel of the frame.
fn is_padded(frame: &Frame, look: &Look, preprocessing: &Preprocessing) -> bool {
    let pixel = frame.side / f64::from(FRAME_SIDE);
    let half = (f64::from(preprocessing.largest_scale()) / 2.0 - 1.0) * pixel;
    let [left, top, right, bottom] = look.data;
    frame.x - half < left
        || frame.y - half < top
        || frame.x + half > right
        || frame.y + half > bottom
}

/// Whether the image has fewer pixels than even the paper's views need. A view that is somewhat larger than its part of the
/// image loses nothing.
fn is_upsampled(frame: &Frame) -> bool {
    resolution(frame.side).1 < COARSE
}

/// The part of what the smallest view shows in which all planes are cut off.
fn saturated(image: &Image, frame: &Frame, preprocessing: &Preprocessing) -> f64 {
    let smallest = preprocessing.test_scales.iter().min();
    let scale = f64::from(smallest.copied().unwrap_or_default());
    let half = scale * frame.side / f64::from(FRAME_SIDE) / 2.0;
    let (left, top) = image.offset();
    let span = |middle: f64, offset: u32, length: u32| {
        let place = |at: f64| (at - f64::from(offset)).clamp(0.0, f64::from(length)) as u32;
        place(middle - half)..place(middle + half)
    };
    let columns = span(frame.x, left, image.width());
    let rows = span(frame.y, top, image.height());
    let step = ((columns.len() * rows.len()) as f64 / f64::from(SAMPLE)).sqrt();
    let step = (step as usize).max(1);
    let (mut all, mut white) = (0_u32, 0_u32);
    for y in rows.step_by(step) {
        for x in columns.clone().step_by(step) {
            all += 1;
            let is_white = (0..image.planes()).all(|plane| image.value(plane, x, y) >= WHITE);
            white += u32::from(is_white);
        }
    }
    if all == 0 {
        return 0.0;
    }
    f64::from(white) / f64::from(all)
}

impl Image {
    /// Whether it has one plane, or three that are the same but for what compression does.
    pub fn is_grey(&self) -> bool {
        if self.planes() == 1 {
            return true;
        }
        let (width, height) = self.dimensions();
        let count = width * height;
        // An odd step meets all columns.
        let step = (count / SAMPLE).max(1) | 1;
        (0..count).step_by(step as usize).all(|pixel| {
            let (x, y) = (pixel % width, pixel / width);
            let [red, green, blue] = [0, 1, 2].map(|plane| self.value(plane, x, y));
            let (least, most) = (red.min(green).min(blue), red.max(green).max(blue));
            most - least <= GREY
        })
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::{Framing, FramingSettings};

    /// A galaxy in the middle of an image, `scale` times as large as in Galaxy Zoo's frame of that size, and at a place.
    fn galaxy(side: u32, scale: f64, (x, y): (f64, f64), colours: [f64; 3]) -> RgbImage {
        let length = f64::from(side) * scale / 22.0;
        RgbImage::from_fn(side, side, |column, row| {
            let at = |pixel: u32, part: f64| f64::from(pixel) + 0.5 - part * f64::from(side);
            let light = 230.0 * (-at(column, x).hypot(at(row, y) / 0.7) / length).exp();
            let noise =
                (column.wrapping_mul(2_654_435_761) ^ row.wrapping_mul(2_246_822_519)) >> 11;
            let value = |share: f64| (9.0 + share * light) as u8 + (noise % 13) as u8;
            Rgb(colours.map(value))
        })
    }

    const MIDDLE: (f64, f64) = (0.5, 0.5);
    const RED: [f64; 3] = [1.0, 0.85, 0.65];

    fn flags(picture: RgbImage, framing: Framing) -> String {
        let image = Image::from(picture);
        let settings = FramingSettings {
            framing,
            ..FramingSettings::default()
        };
        let plan = settings.plan(image.dimensions());
        plan.show(&image, &Preprocessing::default())
            .flags
            .to_string()
    }

    #[test]
    fn an_image_as_the_network_knows_it_has_no_flag() {
        assert_eq!(flags(galaxy(424, 1.0, MIDDLE, RED), Framing::Auto), "");
        assert_eq!(flags(galaxy(600, 0.7, MIDDLE, RED), Framing::Auto), "");
    }

    #[test]
    fn each_flag_is_raised_by_what_it_is_for_alone() {
        let known = || galaxy(424, 1.0, MIDDLE, RED);
        let paper = Framing::Paper;
        let grey = galaxy(424, 1.0, MIDDLE, [1.0; 3]);
        let blue = galaxy(424, 1.0, MIDDLE, [0.5, 0.8, 1.0]);
        let mut negative = known();
        negative.iter_mut().for_each(|value| *value = 255 - *value);
        let mut white = known();
        white
            .iter_mut()
            .for_each(|value| *value = value.saturating_mul(7));
        let corner = galaxy(424, 1.0, (0.6, 0.42), RED);
        let sky = galaxy(424, 1.0, (9.0, 9.0), RED);
        for (picture, framing, expected) in [
            (galaxy(200, 2.12, MIDDLE, RED), paper, "padded"),
            (galaxy(96, 1.0, MIDDLE, RED), Framing::Frame, "upsampled"),
            (grey, paper, "single_band"),
            (blue, paper, "swapped_bands"),
            (corner, paper, "off_centre"),
            (galaxy(424, 0.2, MIDDLE, RED), paper, "unusual_size"),
            // The sky alone is grey.
            (sky, Framing::Measured, "single_band,unmeasured_size"),
        ] {
            assert_eq!(flags(picture, framing), expected);
        }
        assert!(flags(negative, paper).contains("inverted"));
        assert!(flags(white, paper).contains("saturated"));
    }

    #[test]
    fn a_border_of_one_colour_is_padding_and_a_sky_of_one_colour_is_not() {
        let bordered = |picture: RgbImage, edge: u32| {
            RgbImage::from_fn(424, 424, |x, y| {
                let is_inside = |at: u32| (edge..424 - edge).contains(&at);
                if is_inside(x) && is_inside(y) {
                    *picture.get_pixel(x, y)
                } else {
                    Rgb([0; 3])
                }
            })
        };
        let known = galaxy(424, 1.0, MIDDLE, RED);
        assert_eq!(
            flags(bordered(known.clone(), 120), Framing::Paper),
            "padded"
        );
        let mut clipped = known;
        clipped
            .iter_mut()
            .for_each(|value| *value = value.saturating_sub(30));
        let raised = flags(clipped, Framing::Paper);
        assert!(!raised.contains("padded"), "{raised}");
    }
}
