//! The epilogue of sums of whole numbers by vectors of any length: a pixel's values go from the sums to all buffers, a
//! vector at a time.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use smallvec::SmallVec;

use super::super::dtype::{TypedSlice, TypedSliceMut};
use super::vector::{Int8Vector, for_each_vector};
use super::{Accumulators, Bounds, ChannelBlock, Epilogue, Output, requantise_bytes};

/// Bounds in vectors.
#[derive(Clone, Copy)]
pub(super) struct Limits<V> {
    pub(super) least: V,
    pub(super) most: V,
}

impl<V: Int8Vector> Limits<V> {
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[inline(always)]
    pub(super) unsafe fn of(bounds: Bounds) -> Self {
        // SAFETY: as the caller guarantees.
        unsafe {
            Self {
                least: V::splat(bounds.least),
                most: V::splat(bounds.most),
            }
        }
    }

    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[inline(always)]
    pub(super) unsafe fn round(self, values: V) -> V {
        // SAFETY: as the caller guarantees.
        unsafe { values.clamp(self.least, self.most).to_whole() }
    }
}

/// Where a buffer's numbers begin.
#[derive(Clone, Copy)]
pub(super) enum Target {
    F32(*mut f32),
    U8(*mut u8, u8),
}

/// Channels of a buffer that values are stored as, and what is applied before. What all vectors need is held in
/// vectors: to make them anew for each one took half as long as all else.
pub(super) struct Destination<'a, V> {
    pub(super) pixel_offsets: &'a [usize],
    // How far the first stored channel is behind the pixel's first.
    pub(super) offset: usize,
    pub(super) target: Target,
    // How many numbers the buffer holds.
    pub(super) len: usize,
    // As many of both as channels are stored.
    pub(super) scale_and_shift: Option<(*const f32, *const f32)>,
    pub(super) relu: bool,
    // And then a factor.
    pub(super) rounding: Option<(Limits<V>, V)>,
    // Of bytes: their bounds, and what stands for zero, in i32.
    pub(super) ends: Limits<V>,
    pub(super) zero_point: V,
}

impl<'a, V: Int8Vector> Destination<'a, V> {
    /// All destinations, for `channels` channels from `first` on.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[inline(always)]
    unsafe fn all(
        outputs: &'a mut [Output<'_>],
        first: usize,
        channels: usize,
    ) -> SmallVec<[Self; 4]> {
        let mut all = SmallVec::new();
        for output in outputs {
            let (target, len) = match &mut output.values {
                TypedSliceMut::F32(values) => (Target::F32(values.as_mut_ptr()), values.len()),
                TypedSliceMut::U8(values, zero_point) => {
                    (Target::U8(values.as_mut_ptr(), *zero_point), values.len())
                }
                TypedSliceMut::Bf16(_) => {
                    unreachable!("sums of whole numbers are not stored as bf16")
                }
            };
            for slice in output.slices {
                let of_channels = |values: &[f32]| values[first..][..channels].as_ptr();
                let activation = slice.activation.as_ref();
                let zero_point = match target {
                    Target::F32(_) => 0,
                    Target::U8(_, zero_point) => zero_point,
                };
                // SAFETY: as the caller guarantees.
                let (rounding, ends, zero_point) = unsafe {
                    let rounding = slice
                        .rounding
                        .map(|of| (Limits::of(of.bounds), V::splat(of.factor)));
                    let whole = f32::from_bits(u32::from(zero_point));
                    (
                        rounding,
                        Limits::of(Bounds::of(zero_point)),
                        V::splat(whole),
                    )
                };
                all.push(Self {
                    pixel_offsets: output.pixel_offsets,
                    offset: slice.offset + first,
                    target,
                    len,
                    scale_and_shift: activation
                        .map(|of| (of_channels(&of.scale), of_channels(&of.shift))),
                    relu: activation.is_some_and(|activation| activation.relu),
                    rounding,
                    ends,
                    zero_point,
                });
            }
        }
        all
    }

    /// The bounds of what is stored, of bytes.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        match self.target {
            Target::F32(_) => None,
            Target::U8(_, zero_point) => Some(Bounds::of(zero_point)),
        }
    }

    /// Whether storing rounds within these bounds, and nothing comes before.
    fn rounds_alone(&self, bounds: Bounds) -> bool {
        let is_plain = self.scale_and_shift.is_none() && self.rounding.is_none();
        is_plain && self.bounds() == Some(bounds)
    }

    /// Stores `lanes` channels from `at` on, where the pixel's first stored channel is at `of_pixel`.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. The buffer has numbers for these channels from `of_pixel` on,
    /// and there are as many scales and shifts.
    #[inline(always)]
    unsafe fn store(&self, values: V, of_pixel: usize, at: usize, lanes: usize) {
        let mut values = values;
        // SAFETY: as the caller guarantees.
        unsafe {
            if let Some((scale, shift)) = self.scale_and_shift {
                let scaled = values.mul(V::load(scale.add(at), lanes));
                values = scaled.add(V::load(shift.add(at), lanes));
                if self.relu {
                    values = values.relu();
                }
            }
            if let Some((limits, factor)) = self.rounding {
                values = limits.round(values).mul(factor);
            }
            match self.target {
                Target::F32(buffer) => values.store(buffer.add(of_pixel + at), lanes),
                Target::U8(buffer, _) => {
                    let values = values.clamp(self.ends.least, self.ends.most);
                    values.store_u8(self.zero_point, buffer.add(of_pixel + at), lanes);
                }
            }
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

impl BlockSums {
    /// All blocks. Each has sums for all pixels, and for those that are pooled with them.
    fn all<V: Int8Vector>(sums: &Accumulators<'_>) -> SmallVec<[Self; 4]> {
        let (first, width) = (sums.first_channel(), sums.row.len());
        // How many pixels are read of each block: the furthest is the last pixel of the last pooling window.
        let furthest = sums.pooling.others.last().copied().unwrap_or_default();
        let last = sums.pixels.len().checked_sub(1);
        let end = last.map_or(0, |last| sums.pooling.first(last) + furthest + 1);
        let of_block = |block: &ChannelBlock| {
            let (from, columns) = (block.first - first, block.columns);
            assert!(columns.is_multiple_of(V::LANES) && from + columns <= width);
            let of_block = &sums.sums[from * sums.mc..][..end * columns];
            Self {
                sums: of_block.as_ptr(),
                columns,
                first: from,
                channels: columns.min(sums.channels - from),
            }
        };
        sums.blocks.iter().map(of_block).collect()
    }
}

/// Where the first channel of a pixel is among the values that are added.
#[derive(Clone, Copy)]
enum Added {
    Nothing,
    F32(*const f32),
    U8(*const u8),
}

/// Applies an epilogue.
///
/// # Safety
///
/// The processor has the vector's instructions.
///
/// # Panics
///
/// Panics if the sums are not of whole numbers.
#[allow(
    clippy::expect_used,
    reason = "sums without their scales have no meaning"
)]
#[inline(always)]
pub(in crate::microkernel) unsafe fn apply<V: Int8Vector>(
    sums: &mut Accumulators<'_>,
    epilogue: &mut Epilogue<'_>,
) {
    let rescaling = sums.rescaling.expect("sums of whole numbers have scales");
    let (first, channels) = (sums.first_channel(), sums.channels);
    let all = first..first + sums.row.len();
    let (bias, scale) = (&rescaling.bias[all.clone()], &rescaling.scale[all.clone()]);
    let shift = &rescaling.shift[all];
    let has_shift = shift.iter().any(|shift| *shift != 0.0);
    assert!(channels <= bias.len() && bias.len().is_multiple_of(V::LANES));
    let pooling = sums.pooling;
    let blocks = BlockSums::all::<V>(sums);
    let (grid, relu) = (epilogue.grid, epilogue.relu);
    // SAFETY: as the caller guarantees.
    let destinations = unsafe { Destination::<V>::all(&mut epilogue.outputs, first, channels) };
    // SAFETY: as the caller guarantees. Checked above: `BlockSums::all` checks that each block has sums for all of these
    // pixels and those that are pooled with them, and as many biases and scales as columns, all in whole vectors.
    // `Destination::all` has as many scales and shifts as channels.
    let is_done = !has_shift
        && unsafe {
            let sums = requantise_bytes::Sums {
                pixels: &sums.pixels,
                pooling,
                blocks: &blocks,
                bias,
                scale,
                first,
                channels,
            };
            requantise_bytes::apply(sums, &grid, relu, epilogue.residual, &destinations)
        };
    if is_done {
        return;
    }
    let is_rounded_by_stores = |bounds: &Bounds| {
        let mut all = destinations.iter();
        all.all(|destination| destination.rounds_alone(*bounds))
    };
    let after = grid.after.filter(|bounds| !is_rounded_by_stores(bounds));
    let mut places: SmallVec<[usize; 4]> = SmallVec::from_elem(0, destinations.len());
    // SAFETY: the processor has the instructions, as the caller guarantees.
    let (before, after, factors, residual_zero) = unsafe {
        (
            grid.before.map(|bounds| Limits::<V>::of(bounds)),
            after.map(|bounds| Limits::<V>::of(bounds)),
            grid.factors.map(|factor| V::splat(factor)),
            V::splat(-f32::from(grid.residual_zero)),
        )
    };
    for (number, pixel) in sums.pixels.clone().enumerate() {
        let of_pixel = pooling.first(number);
        for (place, destination) in places.iter_mut().zip(&destinations) {
            *place = destination.pixel_offsets[pixel] + destination.offset;
            assert!(*place + channels <= destination.len);
        }
        let added = match epilogue.residual {
            None => Added::Nothing,
            Some(residual) => {
                let channels = residual.pixel_offsets[pixel] + first..;
                let channels = channels.start..channels.start + sums.channels;
                match residual.values {
                    TypedSlice::F32(values) => Added::F32(values[channels].as_ptr()),
                    TypedSlice::U8(values) => Added::U8(values[channels].as_ptr()),
                    TypedSlice::Bf16(_) => unreachable!("what is added is no operand of bf16"),
                }
            }
        };
        for block in &blocks {
            // SAFETY: checked above: each block has sums for this pixel and those that are
            // pooled with it, and as many biases, scales and shifts as columns, all in whole vectors; the residual
            // has `channels` values, and each destination room for as many from its place on, with as many scales
            // and shifts (`Destination::all`). An i32 has the size of an f32.
            unsafe {
                let of_pixel = block.sums.add(of_pixel * block.columns);
                for_each_vector!(V, block.channels, |of_block, lanes| {
                    let at = block.first + of_block;
                    let mut sum = V::load(of_pixel.add(of_block), V::LANES);
                    // Pooled before all else, which keeps the order of values: that is the same, and less work.
                    for other in &pooling.others {
                        let other = of_pixel.add(other * block.columns + of_block);
                        sum = sum.max_i32(V::load(other, V::LANES));
                    }
                    let sum = sum.add_i32(V::load(bias.as_ptr().cast::<f32>().add(at), V::LANES));
                    let mut values = sum.i32_to_f32();
                    values = values.mul(V::load(scale.as_ptr().add(at), V::LANES));
                    if has_shift {
                        values = values.add(V::load(shift.as_ptr().add(at), V::LANES));
                    }
                    if let Some(limits) = before {
                        values = limits.round(values);
                    }
                    let residual = match added {
                        Added::Nothing => None,
                        Added::F32(from) => Some(V::load(from.add(at), lanes)),
                        Added::U8(from) => Some(V::load_u8(from.add(at), lanes).add(residual_zero)),
                    };
                    if let Some(residual) = residual {
                        values = values.mul(factors[0]).add(residual.mul(factors[1]));
                    }
                    if relu {
                        values = values.relu();
                    }
                    if let Some(limits) = after {
                        values = limits.round(values);
                    }
                    for (destination, place) in destinations.iter().zip(&places) {
                        destination.store(values, *place, at, lanes);
                    }
                });
            }
        }
    }
}
