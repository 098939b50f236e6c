//! What the network saw of an image, made anew as the daemon made it.
//!
//! The row keeps the frame to a hundredth of a pixel, which is enough to look at and too little to compute with. So the
//! way is that of the daemon's decoder, from the bytes: header, settings of the folder, plan, middle, frame, views. It
//! leads to what the network saw only if the settings still are those of the row, which its rendering says.

use galmorph_catalog::rendering_key;
use galmorph_cutout::Preprocessing;
use image::RgbImage;

use super::{NotShown, Shown, ZOOM};

/// What the network saw.
pub(crate) struct Seen {
    /// Its inputs, one view after the other.
    pub(crate) views: Vec<f32>,
    /// The widest view, to be looked at: each pixel several pixels wide.
    pub(crate) widest: RgbImage,
}

/// Why it can't be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotSeen {
    /// The image can't be shown at all.
    NotShown(NotShown),
    /// It would be shown to the network in another way by now.
    Otherwise {
        /// How the row was answered.
        then: String,
        /// How the settings have it.
        now: String,
    },
}

impl From<NotShown> for NotSeen {
    fn from(why: NotShown) -> Self {
        Self::NotShown(why)
    }
}

impl Shown {
    /// Makes the views for a network.
    pub(crate) fn seen(&self, preprocessing: &Preprocessing) -> Result<Seen, NotSeen> {
        let content = self.read()?;
        let rendering = &self.folder.rendering;
        let header = content.header(&self.limits, rendering);
        let header = header.ok_or(NotShown::Undecodable)?;
        let framing = &self.folder.framing;
        let framing = framing.of_image(self.row.number("radius"), header.pixel_scale);
        let plan = framing.plan(header.dimensions);
        let now = rendering_key(plan, content.is_fits().then_some(rendering));
        let then = self.row.rendering.clone().unwrap_or_default();
        if now != then {
            return Err(NotSeen::Otherwise { then, now });
        }
        let side = plan.decoded_side(preprocessing, header.dimensions);
        let image = content.decode(&self.limits, side, rendering);
        let image = image.ok_or(NotShown::Undecodable)?;
        drop(content);
        let frame = plan.show(&image, preprocessing).frame;
        Ok(Seen {
            views: preprocessing.framed_views(&image, &frame),
            widest: preprocessing.widest().framed_picture(&image, &frame, ZOOM),
        })
    }
}
