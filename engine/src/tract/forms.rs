//! The forms in which tract writes images.
//!
//! To a region, all of them are images. Its inputs and outputs are NCHW; other forms are ours where tract neither reads
//! nor writes them.
//!
//! - *Channels last*: linear layers and layer normalisation work on the last axis, so a network transposes its images
//!   before them and back behind them. tract lets the products do that:
//!
//!   ```text
//!     [batch][channels][rows][columns] -> EinSum -> [batch][rows][columns][more] -> GELU -> EinSum -> [batch][channels]...
//!   ```
//! - *A pixel*: squeeze-and-excitation takes the mean of each channel, and computes from that a factor for each. tract
//!   removes rows and columns between the two products that are in there:
//!
//!   ```text
//!     [batch][channels][1][1] -> EinSum -> [batch][fewer] -> ReLU -> EinSum -> [batch][channels][1][1]
//!   ```

use std::collections::HashMap;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::pattern::Match;
use crate::convolution::layout::Dims;

/// In which order an image's axes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// NCHW
    ChannelsFirst,
    /// NHWC
    ChannelsLast,
    /// One pixel, without rows and columns.
    Pixel,
}

impl Form {
    /// The axis of the channels.
    pub(super) const fn channels(self) -> usize {
        match self {
            Self::ChannelsFirst | Self::Pixel => 1,
            Self::ChannelsLast => 3,
        }
    }

    /// The axes of rows and columns, where an image has them.
    pub(super) const fn space(self) -> [usize; 2] {
        match self {
            Self::ChannelsFirst | Self::Pixel => [2, 3],
            Self::ChannelsLast => [1, 2],
        }
    }

    /// The dimensions of a batch of f32 images, of known size, that is written so; `None` if it is something else.
    pub(super) fn dims(self, fact: &TypedFact) -> Option<Dims> {
        if fact.datum_type != f32::datum_type() || fact.is_exotic() {
            return None;
        }
        let [batch, height, width, channels] = match (self, fact.shape.as_concrete()?) {
            (Self::ChannelsFirst, &[batch, channels, height, width])
            | (Self::ChannelsLast, &[batch, height, width, channels]) => {
                [batch, height, width, channels]
            }
            (Self::Pixel, &[batch, channels]) => [batch, 1, 1, channels],
            _ => return None,
        };
        Some(Dims {
            batch,
            height,
            width,
            channels,
        })
    }
}

/// The values of a model that may be images, while its nodes are looked at.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) model: &'a TypedModel,
    /// The nodes that are ours.
    pub(super) found: &'a HashMap<usize, Match>,
}

impl Images<'_> {
    /// How a value is written, if it is of images. What tract computes has its channels first.
    pub(super) fn form(&self, outlet: OutletId) -> Form {
        let of_ours = self.found.get(&outlet.node);
        of_ours.map_or(Form::ChannelsFirst, |matched| matched.form)
    }

    /// The dimensions of a value that is of images.
    pub(super) fn dims(&self, outlet: OutletId) -> Option<Dims> {
        match self.found.get(&outlet.node) {
            Some(matched) => Some(matched.dims),
            None => Form::ChannelsFirst.dims(self.model.outlet_fact(outlet).ok()?),
        }
    }
}
