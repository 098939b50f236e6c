//! The weights of one pixel of a view.

/// The weights of one output pixel along one axis of the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    /// The first pixel of the image that counts.
    pub first: usize,
    /// The weight of this pixel and of those after it. Empty where the crop is outside the image.
    pub weights: Vec<f32>,
}
