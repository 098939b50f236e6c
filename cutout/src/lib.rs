//! What a galaxy cutout is, for the trainer and the daemon alike.
//!
//! Both programs must agree, bit for bit, on what a network sees and on what its answer means. This
//! crate is the one place that says so. It knows the classes ([`Morphology`]), decodes bytes to an
//! [`Image`] within hard limits ([`decode`]), finds the part of it that the network is to see ([`Framing`]), makes
//! the network's inputs of that ([`Preprocessing`]), notes what is odd about it ([`Flags`]), turns
//! the network's outputs into an answer ([`Probabilities`]), names the reasons for which a file is
//! rejected ([`RejectReason`]), and describes a model file ([`ModelCard`]). It knows nothing of files,
//! networks or databases.
//!
//! References to sections, tables and figures are to Zhu et al. 2019, *Galaxy morphology
//! classification with deep convolutional neural networks*, Astrophysics and Space Science 364, 55.

mod antialias;
mod band_files;
mod blank;
mod by_class;
mod card;
mod class_mix;
mod early_stop;
mod estimate;
mod file_name;
mod flags;
mod format;
mod framing;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod image;
mod morphology;
mod name_pattern;
mod occlusion;
mod prediction_set;
mod preprocessing;
mod probabilities;
mod reject_reason;
mod resize;
mod scaling;
mod stretch;
mod tap_weights;
mod taps;
mod view;

/// An 8-bit picture, as the `image` crate has it: what images are drawn as and shown as.
pub use ::image::RgbImage;
pub use antialias::Outside;
pub use band_files::{BandFiles, BandFilesFault, BandSet};
pub use by_class::ByClass;
pub use card::{
    CalibrationError, CardError, Conformal, Coverage, Guarantee, Measurement, ModelCard, Novelty,
    NoveltyQuantile, Purity, PurityLevel, Quantisation, QuantisedArithmetic, Recall, Residual,
    ScaleAccuracy, Training, UnknownCoverage,
};
pub use class_mix::ClassMix;
pub use early_stop::{EarlyStop, EarlyStopError};
pub use estimate::Estimate;
pub use file_name::{FITS_EXTENSIONS, name_and_extension};
pub use flags::{Flag, Flags, UnknownFlag};
pub use format::{
    BandBytes, DecodeError, ImageHeader, Limits, Rendering, decode, decode_bands, decode_centre,
    decode_rendered, dimensions, header, header_of_bands,
};
pub use framing::{
    FRAME_RADIUS, FRAME_SIDE, Frame, Framing, FramingFault, FramingSettings, Look, Measured, Plan,
    Shown, UnknownFraming,
};
pub use identity::{Identity, Position, PositionSource};
pub use image::{Format, Image, Origin, SkyCentre};
pub use morphology::{Morphology, UnknownMorphology};
pub use name_pattern::{NamePattern, PatternFault};
pub use occlusion::{Covered, Occlusion, OcclusionMap};
pub use prediction_set::PredictionSet;
pub use preprocessing::{Preprocessing, PreprocessingError, Resampling, Whitening};
pub use probabilities::{Average, Probabilities, shortest};
pub use reject_reason::{RejectReason, UnknownRejectReason};
pub use resize::{Window, resize_window};
pub use scaling::Scaling;
pub use stretch::{Lupton, Stretch, UnknownStretch};
pub use tap_weights::Taps;
pub use view::Sampling;
