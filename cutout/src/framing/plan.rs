//! What was asked for, and what that means for an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{FRAME_RADIUS, FRAME_SIDE};
use crate::Preprocessing;

/// How the frame is found that Galaxy Zoo would have cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// By the radius where that is known; as in the paper for 424 x 424 pixels; measured for all others.
    #[default]
    Auto,
    /// A pixel of the image is a pixel of the frame, whatever the image's size.
    Paper,
    /// The whole image is the frame, whatever its number of pixels. Of an oblong one, the middle.
    Frame,
    /// From the object's radius and the pixel scale, where both are known; as [`Auto`](Self::Auto) where they aren't.
    Radius,
    /// The galaxy in the middle is found in the image, and its size is measured.
    Measured,
}

impl Framing {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Paper,
        Self::Frame,
        Self::Radius,
        Self::Measured,
    ];

    /// The name in configurations and catalogs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Paper => "paper",
            Self::Frame => "frame",
            Self::Radius => "radius",
            Self::Measured => "measured",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A name that no framing has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown framing '{0}' (one of auto, paper, frame, radius, measured)")]
pub struct UnknownFraming(pub String);

impl FromStr for Framing {
    type Err = UnknownFraming;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|framing| framing.as_str() == name)
            .ok_or_else(|| UnknownFraming(name.to_owned()))
    }
}

/// How images are framed, and what is known of the object that they show.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FramingSettings {
    /// How the frame is found.
    pub framing: Framing,
    /// The radius of the object, petroR90, in arcsec.
    pub radius: Option<f64>,
    /// How much of the sky a pixel of the image shows, in arcsec.
    pub pixel_scale: Option<f64>,
}

/// Settings that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// The radius is asked for, and isn't known.
    #[error("framing \"radius\" needs a radius and a pixel_scale")]
    UnknownRadius,
    /// A length is zero, negative or no number.
    #[error("{0} must be a number above 0")]
    NotPositive(&'static str),
}

impl FramingSettings {
    /// Looks for lengths that are none.
    ///
    /// # Errors
    /// See [`FramingFault::NotPositive`].
    pub fn validate_lengths(&self) -> Result<(), FramingFault> {
        for (value, name) in [(self.radius, "radius"), (self.pixel_scale, "pixel_scale")] {
            if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                return Err(FramingFault::NotPositive(name));
            }
        }
        Ok(())
    }

    /// Looks for what can't work, where all that is known of the images are these settings.
    ///
    /// # Errors
    /// See [`FramingFault`].
    pub fn validate(&self) -> Result<(), FramingFault> {
        self.validate_lengths()?;
        if self.framing == Framing::Radius && self.frame_side().is_none() {
            return Err(FramingFault::UnknownRadius);
        }
        Ok(())
    }

    /// The same for one image: `radius` is its object's, and takes the place of that of all objects;
    /// `pixel_scale` is what the file says of itself, and counts where the settings don't say it.
    #[must_use]
    pub fn of_image(&self, radius: Option<f64>, pixel_scale: Option<f64>) -> Self {
        Self {
            framing: self.framing,
            radius: radius.or(self.radius),
            pixel_scale: self.pixel_scale.or(pixel_scale),
        }
    }

    /// What they mean for an image of this width and height, in pixels. A radius that no galaxy in such an image can have
    /// counts as unknown.
    pub fn plan(&self, (width, height): (u32, u32)) -> Plan {
        let longest = f64::from(width.max(height)) * LARGEST_FRAME;
        let is_usable = |side: &f64| (SMALLEST_FRAME..=longest).contains(side);
        let by_radius = (self.frame_side().filter(is_usable)).map(|side| Plan::Radius { side });
        match self.framing {
            Framing::Paper => Plan::Paper,
            Framing::Frame => Plan::Frame,
            Framing::Measured => Plan::Measured,
            Framing::Radius | Framing::Auto => by_radius.unwrap_or({
                if (width, height) == (FRAME_SIDE, FRAME_SIDE) {
                    Plan::Paper
                } else {
                    Plan::Measured
                }
            }),
        }
    }

    /// The side of the frame in pixels of the image, if the radius and the pixel scale are known.
    fn frame_side(&self) -> Option<f64> {
        let radius = self.radius? / self.pixel_scale?;
        Some(radius * f64::from(FRAME_SIDE) / FRAME_RADIUS)
    }
}

/// The least side of a frame, in pixels of the image: below it, the network sees less than five of them.
const SMALLEST_FRAME: f64 = 8.0;

/// How many times as long as the image a frame may be. The radius of a larger one is a placeholder, such as 9999, or in
/// another unit.
const LARGEST_FRAME: f64 = 10.0;

/// How the frame of one image is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// See [`Framing::Paper`].
    Paper,
    /// See [`Framing::Frame`].
    Frame,
    /// See [`Framing::Radius`].
    Radius {
        /// The frame's side in pixels of the image.
        side: f64,
    },
    /// See [`Framing::Measured`].
    Measured,
}

/// The version of the measurement. One that gives other frames has a higher number, so that answers by an
/// earlier one are told from its own.
const MEASUREMENT: u32 = 2;

impl Plan {
    /// The plan as text. Of one image and one model, there is one answer for each key.
    pub fn key(self) -> String {
        match self {
            Self::Paper => "paper".into(),
            Self::Frame => "frame".into(),
            Self::Radius { side } => format!("radius {side:.2}"),
            Self::Measured => format!("measured {MEASUREMENT}"),
        }
    }

    /// How much of the middle of an image has to be decoded, as a side in pixels.
    pub fn decoded_side(self, preprocessing: &Preprocessing, dimensions: (u32, u32)) -> u32 {
        let largest = preprocessing.largest_scale();
        let part = |side: f64| (side * f64::from(largest) / f64::from(FRAME_SIDE)).ceil();
        match self {
            Self::Paper => largest,
            // A few pixels more than needed: the view may be averaged over some pixels.
            Self::Frame => part(f64::from(dimensions.0.min(dimensions.1))) as u32 + 64,
            Self::Radius { side } => (part(side) as u32).saturating_add(64),
            Self::Measured => u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(framing: Framing) -> FramingSettings {
        FramingSettings {
            framing,
            ..FramingSettings::default()
        }
    }

    #[test]
    fn names_lead_back_to_their_framing() {
        for framing in Framing::ALL {
            assert_eq!(framing.as_str().parse(), Ok(framing));
        }
        assert!("Paper".parse::<Framing>().is_err());
    }

    #[test]
    fn a_radius_that_no_galaxy_in_the_image_can_have_is_none() {
        let plan = |framing, radius| {
            let settings = FramingSettings {
                framing,
                radius: Some(radius),
                pixel_scale: Some(0.1),
            };
            settings.plan((300, 200))
        };
        // In pixels, the frame is 84.8 times as large as these numbers of arcsec.
        for radius in [1e-9, 0.09, 36.0, 9999.0, 1e300] {
            for framing in [Framing::Auto, Framing::Radius] {
                assert_eq!(plan(framing, radius), Plan::Measured, "{radius}");
            }
        }
        for radius in [0.1, 2.0, 35.0] {
            assert!(
                matches!(plan(Framing::Auto, radius), Plan::Radius { .. }),
                "{radius}"
            );
        }
    }

    #[test]
    fn auto_takes_the_radius_then_the_size_of_the_paper_then_a_measurement() {
        let mut auto = settings(Framing::Auto);
        assert_eq!(auto.plan((424, 424)), Plan::Paper);
        for other in [(424, 423), (425, 424), (64, 64), (1024, 1024)] {
            assert_eq!(auto.plan(other), Plan::Measured, "{other:?}");
        }
        // One alone says nothing of the size in pixels.
        auto.radius = Some(10.0);
        assert_eq!(auto.plan((64, 64)), Plan::Measured);
        auto.pixel_scale = Some(0.25);
        let Plan::Radius { side } = auto.plan((424, 424)) else {
            panic!("the radius is known");
        };
        // 40 pixels of petroR90 are 50 pixels of the frame.
        assert!((side - 424.0 * 40.0 / 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_radius_of_the_object_and_the_scale_of_the_settings_go_first() {
        let mut known = settings(Framing::Auto);
        let side = |known: FramingSettings| match known.plan((424, 424)) {
            Plan::Radius { side } => Some((side / 8.48).round()),
            _ => None,
        };
        assert_eq!(side(known.of_image(Some(10.0), None)), None);
        assert_eq!(side(known.of_image(None, Some(0.5))), None);
        assert_eq!(side(known.of_image(Some(10.0), Some(0.5))), Some(20.0));
        known.radius = Some(3.0);
        known.pixel_scale = Some(0.1);
        assert_eq!(side(known.of_image(Some(10.0), Some(0.5))), Some(100.0));
        assert_eq!(side(known.of_image(None, None)), Some(30.0));
        let wanted = settings(Framing::Radius);
        assert_eq!(wanted.plan((64, 64)), Plan::Measured);
        assert_eq!(side(wanted.of_image(Some(10.0), Some(0.5))), Some(20.0));
    }

    #[test]
    fn an_explicit_framing_is_taken_whatever_the_size() {
        for size in [(424, 424), (64, 64)] {
            assert_eq!(settings(Framing::Paper).plan(size), Plan::Paper);
            assert_eq!(settings(Framing::Frame).plan(size), Plan::Frame);
            assert_eq!(settings(Framing::Measured).plan(size), Plan::Measured);
        }
    }

    #[test]
    fn a_radius_that_is_asked_for_must_be_known_and_lengths_must_be_lengths() {
        let mut wanted = settings(Framing::Radius);
        assert_eq!(wanted.validate(), Err(FramingFault::UnknownRadius));
        wanted.radius = Some(3.0);
        assert_eq!(wanted.validate(), Err(FramingFault::UnknownRadius));
        wanted.pixel_scale = Some(0.4);
        assert_eq!(wanted.validate(), Ok(()));
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            wanted.pixel_scale = Some(odd);
            let fault = wanted.validate();
            assert_eq!(fault, Err(FramingFault::NotPositive("pixel_scale")));
        }
    }

    #[test]
    fn plans_that_show_something_else_have_another_key() {
        let plans = [
            Plan::Paper,
            Plan::Frame,
            Plan::Measured,
            Plan::Radius { side: 100.0 },
            Plan::Radius { side: 100.5 },
        ];
        let mut keys: Vec<String> = plans.iter().map(|plan| plan.key()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), plans.len());
    }
}
