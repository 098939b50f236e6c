//! What a galaxy cutout is, for the trainer and the daemon alike.
//!
//! Both programs must agree, bit for bit, on what a network sees and on what its answer means; this
//! crate is the one place that says so. It knows the classes ([`Morphology`]), turns bytes into
//! pixels within hard limits ([`decode`]), pixels into network inputs ([`Preprocessing`]), network
//! outputs into an answer ([`Probabilities`]), and describes a model file ([`ModelCard`]). It knows
//! nothing of files, networks or databases.
//!
//! References to sections, tables and figures are to Zhu et al. 2019, *Galaxy morphology
//! classification with deep convolutional neural networks*, Astrophysics and Space Science 364, 55.

mod card;
mod decode;
mod early_stop;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod jpeg;
mod morphology;
mod preprocessing;
mod probabilities;
mod resize;

pub use card::{
    CalibrationError, CardError, Measurement, ModelCard, Recall, ScaleAccuracy, Training,
};
pub use decode::{DecodeError, Limits, decode, dimensions};
pub use early_stop::{EarlyStop, EarlyStopError};
pub use image::RgbImage;
pub use morphology::{Morphology, UnknownMorphology};
pub use preprocessing::{Preprocessing, PreprocessingError, Resampling, Whitening, whiten};
pub use probabilities::{Average, Probabilities};
pub use resize::{Window, resize_window};
