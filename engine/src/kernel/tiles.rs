//! Blocks of sums by products of tiles, 32 pixels by 32 channels at once.
//!
//! ```text
//!                          weights of 16 units
//!                   .---- 16 channels ----.---- 16 channels ----.
//!   inputs          |                     |                     |
//!   of 16 units     '---------------------'---------------------'
//!  .-----------.    .---------------------.---------------------.
//!  | 16 pixels |    |        sums         |        sums         |     one step: 4 tiles are loaded,
//!  :-----------:    :---------------------:---------------------:     and each sum gets 32 products
//!  | 16 pixels |    |        sums         |        sums         |     of bf16
//!  '-----------'    '---------------------'---------------------'
//! ```
//!
//! A tile is 16 rows of 64 bytes: 16 units of 16 pixels, 16 channels of 16 units, or sums in f32. Its rows
//! are equally far apart in memory, so the inputs are a panel that windows were copied into
//! ([`convolution::panel`](crate::convolution)).

/// Pixels of a block.
pub(crate) const ROWS: usize = 2 * SIDE;

/// Output channels of a block.
pub(crate) const COLUMNS: usize = 2 * SIDE;

/// The units that are multiplied in a step.
pub(crate) const DEPTH: usize = SIDE;

/// The rows of a tile, and its columns of 4 bytes.
pub(super) const SIDE: usize = 16;

/// What is to be computed: for each pixel and channel, the sum of input times weight.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    /// For each pixel, the bf16 of its window, at every [`stride`](Self::stride) of them.
    pub(crate) inputs: &'a [u16],
    /// How many bf16 it is from one pixel to the next.
    pub(crate) stride: usize,
    /// For each unit a pair of bf16 for each of [`COLUMNS`] channels; a multiple of [`DEPTH`] units.
    pub(crate) weights: &'a [f32],
    /// Where the sums go, `[pixels][COLUMNS]`; a multiple of [`ROWS`] pixels.
    pub(crate) sums: &'a mut [f32],
    /// Whether to add to what is there.
    pub(crate) adds: bool,
}

impl Panel<'_> {
    /// How many steps there are for each block of pixels.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or the lengths don't fit each other: who computes a panel relies on it.
    pub(super) fn steps(&self) -> usize {
        let (pixels, steps) = (
            self.sums.len() / COLUMNS,
            self.weights.len() / (DEPTH * COLUMNS),
        );
        assert!(steps > 0 && self.weights.len() == steps * DEPTH * COLUMNS);
        assert!(self.sums.len() == pixels * COLUMNS && pixels.is_multiple_of(ROWS));
        assert!(self.stride >= 2 * DEPTH * steps);
        assert_eq!(self.inputs.len(), pixels * self.stride);
        steps
    }
}
