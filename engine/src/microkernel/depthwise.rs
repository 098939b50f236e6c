//! Sums of products for convolutions of which each channel has a window of its own (depthwise).
//!
//! Nothing is multiplied twice but the weights, so there is nothing to pack or to block: a few pixels of one vector of
//! channels are in registers, while the taps of their windows are added.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

#[cfg(target_arch = "x86_64")]
use super::epilogue::vector::Vector;

/// How many pixels are computed at once.
#[cfg(target_arch = "x86_64")]
const PIXELS: usize = 6;

/// The sums of some pixels.
#[derive(Debug)]
pub(crate) struct DepthwiseSums<'a> {
    pub(crate) input: &'a [f32],
    /// Where the window of each pixel begins in the input.
    pub(crate) windows: &'a [usize],
    /// How far each tap of a window is behind that.
    pub(crate) taps: &'a [usize],
    /// The channels, filled up to whole vectors. What is read and computed for those means nothing.
    pub(crate) columns: usize,
    /// `[tap][column]`
    pub(crate) weights: &'a [f32],
    /// `[pixel][column]`
    pub(crate) sums: &'a mut [f32],
}

impl DepthwiseSums<'_> {
    /// # Panics
    ///
    /// Panics if something would be read or written that isn't there.
    fn check(&self) {
        let greatest = |all: &[usize]| all.iter().copied().max().unwrap_or_default();
        let end = greatest(self.windows) + greatest(self.taps) + self.columns;
        assert!(end <= self.input.len());
        assert!(self.weights.len() >= self.taps.len() * self.columns);
        assert!(self.sums.len() >= self.windows.len() * self.columns);
    }

    /// By plain loops.
    pub(super) fn by_loops(&mut self) {
        self.check();
        let columns = self.columns.max(1);
        for (window, sums) in self.windows.iter().zip(self.sums.chunks_mut(columns)) {
            sums.fill(0.0);
            for (tap, weights) in self.taps.iter().zip(self.weights.chunks(columns)) {
                let values = &self.input[window + tap..];
                for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                    *sum += value * weight;
                }
            }
        }
    }

    /// By vectors.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) unsafe fn by_vectors<V: Vector>(&mut self) {
        self.check();
        assert!(self.columns.is_multiple_of(V::LANES));
        let whole = self.windows.len() / PIXELS * PIXELS;
        for column in (0..self.columns).step_by(V::LANES) {
            for pixel in (0..whole).step_by(PIXELS) {
                // SAFETY: `column` and `pixel` are such as these need, and the caller guarantees the rest.
                unsafe { self.tile::<V, PIXELS>(pixel, column) };
            }
            for pixel in whole..self.windows.len() {
                // SAFETY: as above.
                unsafe { self.tile::<V, 1>(pixel, column) };
            }
        }
    }

    /// The sums of `COUNT` pixels from `pixel` on, and of a vector of channels from `column` on.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions, [`check`](Self::check) has passed, and there are as many pixels and
    /// columns.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn tile<V: Vector, const COUNT: usize>(&mut self, pixel: usize, column: usize) {
        let zeros = [0.0_f32; 16];
        const { assert!(V::LANES <= 16) };
        // SAFETY: for each window and tap, `columns` values from their sum on are in the input; there are as many
        // weights for each tap, and as many sums for each pixel. `column + LANES` is at most `columns`.
        unsafe {
            let mut sums = [V::load(zeros.as_ptr(), V::LANES); COUNT];
            let input = self.input.as_ptr().add(column);
            let weights = self.weights.as_ptr().add(column);
            let windows = self.windows.as_ptr().add(pixel);
            for (number, tap) in self.taps.iter().enumerate() {
                let weight = V::load(weights.add(number * self.columns), V::LANES);
                for of_pixel in 0..COUNT {
                    let at = *windows.add(of_pixel) + tap;
                    let value = V::load(input.add(at), V::LANES);
                    sums[of_pixel] = value.scale_shift(weight, sums[of_pixel]);
                }
            }
            let to = self.sums.as_mut_ptr().add(pixel * self.columns + column);
            for (of_pixel, sum) in sums.into_iter().enumerate() {
                sum.store(to.add(of_pixel * self.columns), V::LANES);
            }
        }
    }
}
