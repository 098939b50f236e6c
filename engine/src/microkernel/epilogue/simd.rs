//! The epilogue by vectors of any length.
//!
//! A pixel's values flow from a [`Source`] to a [`Sink`](super::flow::Sink), a vector at a time. The common cases, one buffer or
//! the two at the end of a residual unit, go from the sums straight to the buffers. All others go through a
//! row of scratch memory that holds a pixel's channels, in short loops that do one thing each.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::ops::Range;

use smallvec::SmallVec;

use super::super::dtype::TypedSliceMut;
use super::flow::{Activated, BlockSums, Limit, PixelSums, Relu, ScratchRow, Source, Tee};
use super::function::Function;
use super::smooth::{apply_to_row, with_finish};
use super::vector::{Vector, for_each_vector};
use super::{Accumulators, Epilogue, Output, PoolGroups};
/// The place of a pixel's first channel in a buffer.
#[derive(Clone, Copy)]
enum TypedPointer {
    F32(*mut f32),
    Bf16(*mut u16),
}

/// Channels of a buffer that values are stored as, and what is applied before.
struct Destination<'a> {
    pixel_offsets: &'a [usize],
    // How far the first stored channel is behind the pixel's first.
    offset: usize,
    // The beginning of the buffer, and how many numbers it holds.
    buffer: TypedPointer,
    len: usize,
    // As many of both as channels are stored.
    scale_and_shift: Option<(*const f32, *const f32)>,
    relu: bool,
}

impl<'a> Destination<'a> {
    /// All destinations, for `channels` channels from `first` on.
    fn all(outputs: &'a mut [Output<'_>], first: usize, channels: usize) -> SmallVec<[Self; 4]> {
        let mut all = SmallVec::new();
        for output in outputs {
            let (buffer, len) = match &mut output.values {
                TypedSliceMut::F32(values) => {
                    (TypedPointer::F32(values.as_mut_ptr()), values.len())
                }
                TypedSliceMut::Bf16(values) => {
                    (TypedPointer::Bf16(values.as_mut_ptr()), values.len())
                }
                TypedSliceMut::U8(..) => {
                    unreachable!("sums of f32 are not stored in eight bits")
                }
            };
            for slice in output.slices {
                let of_channels = |values: &[f32]| values[first..][..channels].as_ptr();
                let activation = slice.activation.as_ref();
                all.push(Self {
                    pixel_offsets: output.pixel_offsets,
                    offset: slice.offset + first,
                    buffer,
                    len,
                    scale_and_shift: activation
                        .map(|of| (of_channels(&of.scale), of_channels(&of.shift))),
                    relu: activation.is_some_and(|activation| activation.relu),
                });
            }
        }
        all
    }

    /// Where a pixel's channels go. There is room for `channels` of them.
    #[inline(always)]
    fn at(&self, pixel: usize, channels: usize) -> TypedPointer {
        let at = self.pixel_offsets[pixel] + self.offset;
        assert!(at + channels <= self.len);
        // SAFETY: `at` is within the buffer, as was just checked.
        unsafe {
            match self.buffer {
                TypedPointer::F32(buffer) => TypedPointer::F32(buffer.add(at)),
                TypedPointer::Bf16(buffer) => TypedPointer::Bf16(buffer.add(at)),
            }
        }
    }

    /// Stores a pixel's channels.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. The source's pointers are valid for its channels, of
    /// which there are `channels`, as many as this destination was made for.
    #[inline(always)]
    unsafe fn store<V: Vector, S: Source<V>>(&self, source: S, pixel: usize, channels: usize) {
        let target = self.at(pixel, channels);
        // SAFETY: the source is valid, as the caller guarantees. `at` has checked that the target has room for
        // `channels`, and `all` has taken as many scales and shifts.
        unsafe {
            match (target, self.scale_and_shift, self.relu) {
                (TypedPointer::F32(sink), None, _) => source.emit(sink),
                (TypedPointer::Bf16(sink), None, _) => source.emit(sink),
                (TypedPointer::F32(sink), Some((scale, shift)), true) => {
                    source.emit(Activated::<_, true> { scale, shift, sink });
                }
                (TypedPointer::Bf16(sink), Some((scale, shift)), true) => {
                    source.emit(Activated::<_, true> { scale, shift, sink });
                }
                (TypedPointer::F32(sink), Some((scale, shift)), false) => {
                    source.emit(Activated::<_, false> { scale, shift, sink });
                }
                (TypedPointer::Bf16(sink), Some((scale, shift)), false) => {
                    source.emit(Activated::<_, false> { scale, shift, sink });
                }
            }
        }
    }
}

/// Stores a pixel's channels in the one or two destinations that [`is_direct`] allows.
///
/// # Safety
///
/// As for [`Destination::store`].
#[inline(always)]
unsafe fn store_directly<V: Vector, S: Source<V>>(
    source: S,
    destinations: &[Destination<'_>],
    pixel: usize,
    channels: usize,
) {
    // SAFETY: the source is valid, as the caller guarantees. `at` has checked that each target has room for
    // `channels`, and `Destination::all` has taken as many scales and shifts.
    unsafe {
        if let [plain, other] = destinations
            && let TypedPointer::F32(plain) = plain.at(pixel, channels)
            && let Some((scale, shift)) = other.scale_and_shift
        {
            match other.at(pixel, channels) {
                TypedPointer::F32(sink) => {
                    source.emit(Tee(plain, Activated::<_, true> { scale, shift, sink }));
                }
                TypedPointer::Bf16(sink) => {
                    source.emit(Tee(plain, Activated::<_, true> { scale, shift, sink }));
                }
            }
        } else {
            destinations[0].store(source, pixel, channels);
        }
    }
}

/// The sums of some pixels, and what is added to them.
#[derive(Clone, Copy)]
struct Summed<'a> {
    blocks: &'a [BlockSums],
    pooling: &'a PoolGroups,
    // One value for each column of the blocks.
    bias: *const f32,
    // The first channel, and how many there are.
    first: usize,
    channels: usize,
}

impl Summed<'_> {
    /// Stores all pixels in one buffer, if their function is a smooth one; returns whether it is.
    ///
    /// # Safety
    ///
    /// As for [`Destination::store`]: the blocks and biases are valid for the pixels and channels. Nothing is pooled.
    #[inline(always)]
    unsafe fn store_smooth<V: Vector>(
        self,
        function: Option<&Function>,
        pixels: &Range<usize>,
        destination: &Destination<'_>,
    ) -> bool {
        with_finish!(
            function,
            |finish| {
                for (number, pixel) in pixels.clone().enumerate() {
                    let source = PixelSums::<_, false> {
                        blocks: self.blocks,
                        finish,
                        pixel: number,
                        bias: self.bias,
                        // Never read.
                        residual: self.bias,
                    };
                    // SAFETY: as the caller guarantees; `at` has checked that the target has room.
                    unsafe {
                        match destination.at(pixel, self.channels) {
                            TypedPointer::F32(sink) => Source::<V>::emit(source, sink),
                            TypedPointer::Bf16(sink) => Source::<V>::emit(source, sink),
                        }
                    }
                }
                true
            },
            false
        )
    }

    /// Puts the values of a pixel into the row of scratch memory. `of_pixel` is the first of its sums.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. The blocks and biases are valid for the pixel and those that are pooled
    /// with it, and the residual for the channels; the row has room for all columns.
    #[inline(always)]
    unsafe fn fill_row<V: Vector>(
        self,
        of_pixel: usize,
        residual: Option<*const f32>,
        (relu, function): (bool, Option<&Function>),
        row: *mut f32,
    ) {
        // SAFETY: as the caller guarantees.
        unsafe {
            for block in self.blocks {
                let sums = block.sums.add(of_pixel * block.columns);
                for_each_vector!(V, block.columns, |of_block, lanes| {
                    let at = block.first + of_block;
                    let mut values = V::load(sums.add(of_block), lanes);
                    // Pooled before bias and ReLU, which keep the order of values: that is the same, and less
                    // work.
                    for other in &self.pooling.others {
                        let other = sums.add(other * block.columns + of_block);
                        values = values.max(V::load(other, lanes));
                    }
                    let values = values.add(V::load(self.bias.add(at), lanes));
                    values.store(row.add(at), lanes);
                });
            }
            if let Some(residual) = residual {
                for_each_vector!(V, self.channels, |at, lanes| {
                    let values = V::load(row.add(at), V::LANES);
                    let values = values.add(V::load(residual.add(at), lanes));
                    values.store(row.add(at), V::LANES);
                });
            }
            if relu {
                for_each_vector!(V, self.channels, |at, _lanes| {
                    let values = V::load(row.add(at), V::LANES).relu();
                    values.store(row.add(at), V::LANES);
                });
            }
            if let Some(function) = function {
                apply_to_row::<V>(function, self.first, row, self.channels);
            }
        }
    }
}

/// Whether values go from the sums straight to their destinations: to one, or to the two at the end of a
/// residual unit, as they are (f32) and with an activation that has a ReLU.
fn is_direct(destinations: &[Destination<'_>]) -> bool {
    match destinations {
        [_] => true,
        [plain, other] => {
            matches!(plain.buffer, TypedPointer::F32(_))
                && plain.scale_and_shift.is_none()
                && other.relu
        }
        _ => false,
    }
}

/// Applies an epilogue.
///
/// The row of scratch memory is written and read in whole vectors, the last one as well: a load that covers
/// more than the store before it can't be forwarded from the store buffer, and waits.
///
/// # Safety
///
/// The processor has the vector's instructions.
#[inline(always)]
pub(in crate::microkernel) unsafe fn apply<V: Vector>(
    sums: &mut Accumulators<'_>,
    epilogue: &mut Epilogue<'_>,
) {
    let (first, channels, bias) = (sums.first_channel(), sums.channels, sums.bias);
    let row = std::mem::take(&mut sums.row);
    assert!(row.len() == bias.len() && channels <= row.len());
    assert!(row.len().is_multiple_of(V::LANES));
    let pooling = sums.pooling;
    // How many pixels are read of each block: the furthest is the last pixel of the last pooling window.
    let furthest = pooling.others.last().copied().unwrap_or_default();
    let last = sums.pixels.len().checked_sub(1);
    let end = last.map_or(0, |last| pooling.first(last) + furthest + 1);
    let mut blocks: SmallVec<[BlockSums; 4]> = SmallVec::new();
    for block in sums.blocks {
        let (from, columns) = (block.first - first, block.columns);
        assert!(columns.is_multiple_of(V::LANES) && from + columns <= row.len());
        let sums = &sums.sums[from * sums.mc..][..end * columns];
        blocks.push(BlockSums {
            sums: sums.as_ptr(),
            columns,
            first: from,
            channels: columns.min(channels - from),
        });
    }
    // SAFETY: as the caller guarantees.
    let limit = unsafe { Limit::<V>::of(epilogue) };
    let destinations = Destination::all(&mut epilogue.outputs, first, channels);
    let is_finished = epilogue.function.is_none() || limit.is_some();
    let is_direct = pooling.others.is_empty() && is_finished && is_direct(&destinations);
    let (bias, row) = (bias.as_ptr(), row.as_mut_ptr());
    let summed = Summed {
        blocks: &blocks,
        pooling,
        bias,
        first,
        channels,
    };
    let is_bent = epilogue.residual.is_none() && !epilogue.relu && pooling.others.is_empty();
    if let [destination] = destinations.as_slice()
        && is_bent
        && destination.scale_and_shift.is_none()
    {
        // SAFETY: as below.
        if unsafe { summed.store_smooth::<V>(epilogue.function, &sums.pixels, destination) } {
            return;
        }
    }
    for (number, pixel) in sums.pixels.clone().enumerate() {
        let of_pixel = pooling.first(number);
        let residual = epilogue.residual.map(|residual| {
            let residual = &residual.f32s()[residual.pixel_offsets[pixel] + first..];
            residual[..channels].as_ptr()
        });
        // SAFETY: checked above: each block has sums for `end` pixels, among them this one and those that are
        // pooled with it; there are as many biases as columns, and as much room in the row, all in whole
        // vectors; and the residual has `channels` values.
        unsafe {
            if is_direct {
                let blocks = blocks.as_slice();
                macro_rules! store {
                    ($has_residual:literal, $finish:expr) => {{
                        let source = PixelSums::<_, $has_residual> {
                            blocks,
                            finish: $finish,
                            pixel: of_pixel,
                            bias,
                            // Without a residual this is never read.
                            residual: residual.unwrap_or(bias),
                        };
                        store_directly::<V, _>(source, &destinations, pixel, channels);
                    }};
                }
                match (residual.is_some(), limit, epilogue.relu) {
                    (true, Some(limit), _) => store!(true, limit),
                    (true, None, true) => store!(true, Relu),
                    (true, None, false) => store!(true, ()),
                    (false, Some(limit), _) => store!(false, limit),
                    (false, None, true) => store!(false, Relu),
                    (false, None, false) => store!(false, ()),
                }
                continue;
            }
            let after = (epilogue.relu, epilogue.function);
            summed.fill_row::<V>(of_pixel, residual, after, row);
            for destination in &destinations {
                destination.store::<V, _>(ScratchRow(row, channels), pixel, channels);
            }
        }
    }
}
