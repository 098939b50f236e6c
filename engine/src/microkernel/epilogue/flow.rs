//! Where the values of a pixel come from, what is done to them, and where they go. Each combination becomes one loop.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use super::Epilogue;
use super::function::Function;
use super::vector::{Vector, for_each_vector};

/// Where the values of a pixel's channels come from, from the first to the last.
pub(super) trait Source<V>: Copy {
    /// Sends all values to a sink.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. The source's pointers are valid for its channels, and the
    /// sink has room for them.
    unsafe fn emit<S: Sink<V>>(self, sink: S);
}

/// Where the values of a pixel's channels go.
pub(super) trait Sink<V>: Copy {
    /// Takes the first `lanes` values, for the channels from `at` on.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. The sink has room for the channels `at` to `at + lanes`,
    /// and `lanes` is 1 to `LANES`.
    unsafe fn accept(self, values: V, at: usize, lanes: usize);
}

/// The row of scratch memory: a pointer to it, and how many channels to read. Whole vectors can be read.
#[derive(Clone, Copy)]
pub(super) struct ScratchRow(pub(super) *const f32, pub(super) usize);

impl<V: Vector> Source<V> for ScratchRow {
    #[inline(always)]
    unsafe fn emit<S: Sink<V>>(self, sink: S) {
        let Self(row, channels) = self;
        // SAFETY: the row holds whole vectors, so the last one can be read whole too; the sink has room for all
        // channels, of which `at` to `at + lanes` are some.
        unsafe {
            for_each_vector!(V, channels, |at, lanes| {
                sink.accept(V::load(row.add(at), V::LANES), at, lanes);
            });
        }
    }
}

/// The sums of a block of channels, in whole vectors.
pub(super) struct BlockSums {
    /// Those of the first pixel; each other one's are `columns` further.
    pub(super) sums: *const f32,
    pub(super) columns: usize,
    /// The block's first channel among those of the row.
    pub(super) first: usize,
    /// How many channels the block has; its other columns are padding.
    pub(super) channels: usize,
}

/// What is done to values after all that is added.
pub(super) trait Finish<V>: Copy {
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn finish(self, values: V) -> V;
}

impl<V> Finish<V> for () {
    #[inline(always)]
    unsafe fn finish(self, values: V) -> V {
        values
    }
}

#[derive(Clone, Copy)]
pub(super) struct Relu;

impl<V: Vector> Finish<V> for Relu {
    #[inline(always)]
    unsafe fn finish(self, values: V) -> V {
        // SAFETY: as the caller guarantees.
        unsafe { values.relu() }
    }
}

/// [`Function::Limit`].
#[derive(Clone, Copy)]
pub(super) struct Limit<V> {
    least: V,
    most: V,
}

impl<V: Vector> Limit<V> {
    /// That of an epilogue whose only function is one. A ReLU before it is part of it.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[inline(always)]
    pub(super) unsafe fn of(epilogue: &Epilogue<'_>) -> Option<Self> {
        let Function::Limit { least, most } = *epilogue.function? else {
            return None;
        };
        let least = if epilogue.relu {
            least.max(0.0).min(most)
        } else {
            least
        };
        // SAFETY: as the caller guarantees.
        unsafe {
            Some(Self {
                least: V::splat(least),
                most: V::splat(most),
            })
        }
    }
}

impl<V: Vector> Finish<V> for Limit<V> {
    #[inline(always)]
    unsafe fn finish(self, values: V) -> V {
        // SAFETY: as the caller guarantees.
        unsafe { values.limit(self.least, self.most) }
    }
}

/// The sums of a pixel, with the bias and perhaps a residual added, and finished.
#[derive(Clone, Copy)]
pub(super) struct PixelSums<'a, F, const HAS_RESIDUAL: bool> {
    pub(super) blocks: &'a [BlockSums],
    pub(super) pixel: usize,
    pub(super) bias: *const f32,
    pub(super) residual: *const f32,
    pub(super) finish: F,
}

impl<V: Vector, F: Finish<V>, const HAS_RESIDUAL: bool> Source<V>
    for PixelSums<'_, F, HAS_RESIDUAL>
{
    #[inline(always)]
    unsafe fn emit<S: Sink<V>>(self, sink: S) {
        for block in self.blocks {
            // SAFETY: sums and biases come in whole vectors, as `apply` has checked, so they are read whole;
            // the residual is not, and only its `lanes` values are read. The sink has room for all channels,
            // of which the block's are some.
            unsafe {
                let sums = block.sums.add(self.pixel * block.columns);
                for_each_vector!(V, block.channels, |of_block, lanes| {
                    let at = block.first + of_block;
                    let sums = V::load(sums.add(of_block), V::LANES);
                    let mut values = sums.add(V::load(self.bias.add(at), V::LANES));
                    if HAS_RESIDUAL {
                        values = values.add(V::load(self.residual.add(at), lanes));
                    }
                    sink.accept(self.finish.finish(values), at, lanes);
                });
            }
        }
    }
}

impl<V: Vector> Sink<V> for *mut f32 {
    #[inline(always)]
    unsafe fn accept(self, values: V, at: usize, lanes: usize) {
        // SAFETY: there is room for channels up to `at + lanes`.
        unsafe { values.store(self.add(at), lanes) }
    }
}

impl<V: Vector> Sink<V> for *mut u16 {
    #[inline(always)]
    unsafe fn accept(self, values: V, at: usize, lanes: usize) {
        // SAFETY: there is room for channels up to `at + lanes`.
        unsafe { values.store_bf16(self.add(at), lanes) }
    }
}

/// Sends values to two sinks.
#[derive(Clone, Copy)]
pub(super) struct Tee<A, B>(pub(super) A, pub(super) B);

impl<V: Vector, A: Sink<V>, B: Sink<V>> Sink<V> for Tee<A, B> {
    #[inline(always)]
    unsafe fn accept(self, values: V, at: usize, lanes: usize) {
        // SAFETY: a tee has the room that both of its sinks have.
        unsafe {
            self.0.accept(values, at, lanes);
            self.1.accept(values, at, lanes);
        }
    }
}

/// Applies a scale and a shift for each channel, and perhaps ReLU, before a sink.
#[derive(Clone, Copy)]
pub(super) struct Activated<S, const RELU: bool> {
    pub(super) scale: *const f32,
    pub(super) shift: *const f32,
    pub(super) sink: S,
}

impl<V: Vector, S: Sink<V>, const RELU: bool> Sink<V> for Activated<S, RELU> {
    #[inline(always)]
    unsafe fn accept(self, values: V, at: usize, lanes: usize) {
        // SAFETY: this has room for as many channels as the sink has, and as there are scales and shifts.
        unsafe {
            let scale = V::load(self.scale.add(at), lanes);
            let values = values.scale_shift(scale, V::load(self.shift.add(at), lanes));
            let values = if RELU { values.relu() } else { values };
            self.sink.accept(values, at, lanes);
        }
    }
}
