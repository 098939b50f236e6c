//! Where the frame is in an image, and what is to be said of the image.

use super::{FRAME_RADIUS, FRAME_SIDE, Framing, Look, Plan};
use crate::{Flag, Flags, Image, Preprocessing};

/// Where in an image Galaxy Zoo's frame is, and how that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// How it was found. Never [`Framing::Auto`].
    pub framing: Framing,
    /// Where its middle is, in pixels from the left edge of the file's image: the first pixel reaches from 0 to 1.
    pub x: f64,
    /// The same from the upper edge.
    pub y: f64,
    /// Its side, in pixels of the image.
    pub side: f64,
}

/// How an image was shown to the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The frame that the views were cut from.
    pub frame: Frame,
    /// What was noticed.
    pub flags: Flags,
}

impl Frame {
    /// petroR90 of the object in pixels of the image, if the frame was cut out as Galaxy Zoo's is.
    pub fn radius(&self) -> f64 {
        self.side * FRAME_RADIUS / f64::from(FRAME_SIDE)
    }
}

impl Plan {
    /// Finds the frame in an image, or in the middle of it that was decoded, and looks for what is to be said of
    /// it. A size that can't be measured leaves the whole image for the frame.
    pub fn show(self, image: &Image, preprocessing: &Preprocessing) -> Shown {
        let (width, height) = image.file_dimensions();
        let at_the_centre = |framing, side| Frame {
            framing,
            x: f64::from(width) / 2.0,
            y: f64::from(height) / 2.0,
            side,
        };
        let whole = at_the_centre(Framing::Frame, f64::from(width.min(height)));
        let look = Look::at(image);
        let mut is_unmeasured = false;
        let frame = match self {
            Self::Paper => at_the_centre(Framing::Paper, f64::from(FRAME_SIDE)),
            Self::Frame => whole,
            Self::Radius { side } => at_the_centre(Framing::Radius, side),
            Self::Measured => {
                is_unmeasured = look.object.is_none();
                look.object.map_or(whole, |object| object.frame())
            }
        };
        let mut flags = Flags::of(image, &frame, &look, preprocessing);
        if is_unmeasured {
            flags.insert(Flag::UnmeasuredSize);
        }
        Shown { frame, flags }
    }
}
