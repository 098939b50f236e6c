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
//! are equally far apart in memory: where windows are not, the inputs are a panel that they were copied into
//! ([`convolution::panel`](crate::convolution)).

use std::marker::PhantomData;

use super::Run;

/// Pixels of a block.
pub(crate) const ROWS: usize = 2 * SIDE;

/// Output channels of a block.
pub(crate) const COLUMNS: usize = 2 * SIDE;

/// The units that are multiplied in a step.
pub(crate) const DEPTH: usize = SIDE;

/// The rows of a tile, and its columns of 4 bytes.
pub(crate) const SIDE: usize = 16;

/// What is to be computed: for each pixel and channel, the sum of input times weight over all runs.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    /// Where the inputs are.
    pub(crate) inputs: &'a [u16],
    /// Where the window of each tile's first pixel begins, in bytes; an even number of tiles.
    pub(crate) tiles: &'a [usize],
    /// How many bytes it is from there to the next pixel's.
    pub(crate) stride: usize,
    /// What to sum over: whole steps of [`DEPTH`] units.
    pub(crate) runs: &'a [Run],
    /// For each unit of the runs a pair of bf16 for each of [`COLUMNS`] channels.
    pub(crate) weights: &'a [f32],
    /// Weights that are wanted next: as many of them as there are of these are fetched meanwhile.
    pub(crate) next: &'a [f32],
    /// Where the sums go, `[pixels][COLUMNS]`.
    pub(crate) sums: &'a mut [f32],
    /// Whether to add to what is there.
    pub(crate) adds: bool,
}

/// The tile registers, while they are in use.
///
/// They belong to a thread, and this stays on the one that began it.
#[derive(Debug)]
pub(crate) struct Registers(PhantomData<*const ()>);

impl Registers {
    /// Makes the registers whole tiles.
    ///
    /// # Panics
    ///
    /// Panics if the processor has none.
    pub(crate) fn begin() -> Self {
        #[cfg(target_arch = "x86_64")]
        if super::has_tiles() {
            super::amx::begin();
            return Self(PhantomData);
        }
        #[cfg(not(test))]
        unreachable!("this processor has no tiles");
        #[cfg(test)]
        Self(PhantomData)
    }

    /// Computes a panel.
    ///
    /// # Panics
    ///
    /// Panics if the panel's lengths don't fit each other.
    #[allow(clippy::unused_self, reason = "whoever has it may use the registers")]
    pub(crate) fn multiply(&self, panel: &mut Panel<'_>) {
        #[cfg(target_arch = "x86_64")]
        if super::has_tiles() {
            // SAFETY: `begin` has made them whole tiles, and they are no others while this lives.
            #[allow(unsafe_code, reason = "tile instructions")]
            return unsafe { super::amx::multiply(panel) };
        }
        #[cfg(test)]
        super::emulated::multiply(panel);
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if super::has_tiles() {
            super::amx::end();
        }
    }
}

impl Panel<'_> {
    /// Sees that everything that is read and written is there: who computes a panel relies on it.
    ///
    /// # Panics
    ///
    /// Panics if it is not.
    pub(super) fn check(&self) {
        let units: usize = self.runs.iter().map(|run| run.units).sum();
        let is_whole = |run: &Run| run.units > 0 && run.units.is_multiple_of(DEPTH);
        assert!(!self.runs.is_empty() && self.runs.iter().all(is_whole));
        assert_eq!(self.weights.len(), units * COLUMNS);
        assert_eq!(self.sums.len(), self.tiles.len() * SIDE * COLUMNS);
        assert!(self.tiles.len().is_multiple_of(2));
        let reach = self.runs.iter().map(|run| run.offset + 4 * run.units).max();
        let last = self.tiles.iter().max();
        let end = |(reach, last)| last + (SIDE - 1) * self.stride + reach;
        assert!(reach.zip(last).map_or(0, end) <= size_of_val(self.inputs));
    }
}
