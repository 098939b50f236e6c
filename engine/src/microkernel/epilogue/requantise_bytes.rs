//! The epilogue of sums of whole numbers as nearly all convolutions on eight bits have it: only bytes are stored, once as
//! they are, once scaled and shifted, or both, and if a residual is added, it is bytes too.
//!
//! [`requantise_simd`](super::requantise_simd), which does everything, asks for each vector what there is to do. Here
//! the answers are part of the function's type, and bounds that follow each other are made one.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::ops::Range;

use super::super::dtype::TypedSlice;
use super::requantise_simd::{BlockSums, Destination, Limits, Target};
use super::vector::{Int8Vector, for_each_vector};
use super::{Bounds, Grid, PoolGroups, Residual};

/// Sums, and what they are rescaled with.
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    pub(super) pixels: &'a Range<usize>,
    pub(super) pooling: &'a PoolGroups,
    pub(super) blocks: &'a [BlockSums],
    pub(super) bias: &'a [i32],
    pub(super) scale: &'a [f32],
    /// Those of the residual, and how many there are.
    pub(super) first: usize,
    pub(super) channels: usize,
}

/// A residual of bytes.
#[derive(Clone, Copy)]
struct Added<'a, V> {
    values: &'a [u8],
    pixel_offsets: &'a [usize],
    before: Limits<V>,
    factors: [V; 2],
    // Less what stands for zero.
    zero: V,
}

/// Bytes that are stored.
#[derive(Clone, Copy)]
struct Bytes<'a, V> {
    values: *mut u8,
    len: usize,
    pixel_offsets: &'a [usize],
    offset: usize,
    zero_point: V,
}

impl<V> Bytes<'_, V> {
    /// Where the first of a pixel's channels is.
    fn at(&self, pixel: usize, channels: usize) -> *mut u8 {
        let at = self.pixel_offsets[pixel] + self.offset;
        assert!(at + channels <= self.len);
        self.values.wrapping_add(at)
    }
}

/// Bytes that are scaled and shifted before.
#[derive(Clone, Copy)]
struct Scaled<'a, V> {
    bytes: Bytes<'a, V>,
    scale: *const f32,
    shift: *const f32,
    ends: Limits<V>,
}

/// What the values become.
struct Epilogue<'a, V> {
    added: Option<Added<'a, V>>,
    bounds: Limits<V>,
    plain: Option<Bytes<'a, V>>,
    scaled: Option<Scaled<'a, V>>,
}

impl Bounds {
    /// The bounds of what is rounded within these and then within others. The ends of all are whole numbers.
    fn then(self, next: Self) -> Self {
        Self {
            least: self.least.clamp(next.least, next.most),
            most: self.most.clamp(next.least, next.most),
        }
    }
}

impl<'a, V: Int8Vector> Epilogue<'a, V> {
    /// None if it needs more than this module can do.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    #[inline(always)]
    unsafe fn new(
        grid: &Grid,
        relu: bool,
        residual: Option<Residual<'a>>,
        destinations: &'a [Destination<'_, V>],
    ) -> Option<Self> {
        let [first, others @ ..] = destinations else {
            return None;
        };
        let (plain, scaled) = match others {
            [] if first.scale_and_shift.is_none() => (Some(first), None),
            [] => (None, Some(first)),
            [second] if first.scale_and_shift.is_none() => (Some(first), Some(second)),
            _ => return None,
        };
        let ends = plain.map(Destination::bounds);
        // What is stored as it is needs no rounding but that of the store, and what is scaled one before.
        let after = match (plain, scaled, grid.after) {
            (Some(_), None, after) => {
                let ends = ends??;
                after.map_or(ends, |after| after.then(ends))
            }
            (Some(_), Some(_), Some(after)) if ends? == Some(after) => after,
            (None, Some(_), Some(after)) => after,
            _ => return None,
        };
        // The bounds that follow a ReLU make it superfluous where they leave out what is negative.
        let least = grid.after.map_or(after.least, |after| after.least);
        if relu && least < 0.0 {
            return None;
        }
        let bytes = |of: &'a Destination<'_, V>| match of.target {
            Target::U8(values, _) if of.rounding.is_none() => Some(Bytes {
                values,
                len: of.len,
                pixel_offsets: of.pixel_offsets,
                offset: of.offset,
                zero_point: of.zero_point,
            }),
            _ => None,
        };
        let plain = match plain {
            Some(plain) => Some(bytes(plain)?),
            None => None,
        };
        let scaled = match scaled {
            Some(scaled) => {
                let (scale, shift) = scaled.scale_and_shift?;
                if scaled.relu && scaled.bounds()?.least < 0.0 {
                    return None;
                }
                Some(Scaled {
                    bytes: bytes(scaled)?,
                    scale,
                    shift,
                    ends: scaled.ends,
                })
            }
            None => None,
        };
        // SAFETY: as the caller guarantees.
        let (added, bounds) = unsafe {
            match (residual, grid.before) {
                (None, before) => (None, before.map_or(after, |before| before.then(after))),
                (Some(residual), Some(before)) => {
                    let TypedSlice::U8(values) = residual.values else {
                        return None;
                    };
                    let added = Added {
                        values,
                        pixel_offsets: residual.pixel_offsets,
                        before: Limits::of(before),
                        factors: grid.factors.map(|factor| V::splat(factor)),
                        zero: V::splat(-f32::from(grid.residual_zero)),
                    };
                    (Some(added), after)
                }
                (Some(_), None) => return None,
            }
        };
        Some(Self {
            added,
            // SAFETY: as the caller guarantees.
            bounds: unsafe { Limits::of(bounds) },
            plain,
            scaled,
        })
    }
}

/// Applies an epilogue, if it is one that this module can. Says whether it was.
///
/// # Safety
///
/// The processor has the vector's instructions. Each block has, in whole vectors, as many biases and scales as columns,
/// and sums for all pixels and those that are pooled with them; and each destination as many scales and shifts as
/// there are channels.
#[inline(always)]
pub(super) unsafe fn apply<V: Int8Vector>(
    sums: Sums<'_>,
    grid: &Grid,
    relu: bool,
    residual: Option<Residual<'_>>,
    destinations: &[Destination<'_, V>],
) -> bool {
    // SAFETY: as the caller guarantees.
    unsafe {
        let Some(Epilogue {
            added,
            bounds,
            plain,
            scaled,
        }) = Epilogue::new(grid, relu, residual, destinations)
        else {
            return false;
        };
        // Each arm becomes loops of its own, in which nothing is asked.
        match (added, plain, scaled) {
            (None, plain @ Some(_), None) => store(sums, None, bounds, plain, None),
            (None, None, scaled @ Some(_)) => store(sums, None, bounds, None, scaled),
            (None, plain @ Some(_), scaled @ Some(_)) => store(sums, None, bounds, plain, scaled),
            (added @ Some(_), plain @ Some(_), None) => store(sums, added, bounds, plain, None),
            (added @ Some(_), None, scaled @ Some(_)) => store(sums, added, bounds, None, scaled),
            (added @ Some(_), plain @ Some(_), scaled @ Some(_)) => {
                store(sums, added, bounds, plain, scaled);
            }
            (_, None, None) => return false,
        }
    }
    true
}

/// Stores all pixels and channels: two vectors of channels of all pixels at a time, so that what the channels need stays in
/// registers, and what is left of each block.
///
/// # Safety
///
/// As for [`apply`].
#[inline(always)]
unsafe fn store<V: Int8Vector>(
    sums: Sums<'_>,
    added: Option<Added<'_, V>>,
    bounds: Limits<V>,
    plain: Option<Bytes<'_, V>>,
    scaled: Option<Scaled<'_, V>>,
) {
    let Sums {
        pooling, channels, ..
    } = sums;
    let others = pooling.others.as_slice();
    let (bias, scale) = (sums.bias.as_ptr().cast::<f32>(), sums.scale.as_ptr());
    for block in sums.blocks {
        // What some vectors of channels need, and then what becomes of them in each pixel. It is a macro as
        // `for_each_vector` is: `$count` vectors from channel `$from` of the block on, of which the last has `$lanes`.
        macro_rules! store {
            ($count:literal, $from:expr, $lanes:expr, |$values:ident, $zero_point:ident, $to:ident| $store:expr) => {{
                let (from, lanes) = ($from, $lanes);
                // SAFETY: the caller guarantees the vector's instructions; in whole vectors, sums for all pixels and those
                // that are pooled with them, biases and scales for all columns of a block; and scales and shifts of
                // the destination for all channels, of which a block's are some. For each pixel it is checked that
                // the residual and the destinations have as many bytes. An i32 has the size of an f32.
                unsafe {
                    let load = |of: *const f32, lanes| {
                        let mut vectors = [bounds.least; $count];
                        for (number, vector) in vectors.iter_mut().enumerate() {
                            *vector = V::load(of.add(block.first + from + number * V::LANES), lanes);
                        }
                        vectors
                    };
                    let (bias, scale) = (load(bias, V::LANES), load(scale, V::LANES));
                    let of_scaled = scaled.map(|of| (load(of.scale, lanes), load(of.shift, lanes)));
                    for (number, pixel) in sums.pixels.clone().enumerate() {
                        let of_pixel = block.sums.add(pooling.first(number) * block.columns + from);
                        let of_added = added.map(|added| {
                            let at = added.pixel_offsets[pixel] + sums.first;
                            let of_pixel = added.values[at..][..channels].as_ptr();
                            of_pixel.add(block.first + from)
                        });
                        let mut stored = [bounds.least; $count];
                        for vector in 0..$count {
                            let at = of_pixel.add(vector * V::LANES);
                            let mut sum = V::load(at, V::LANES);
                            // Pooled before all else, which keeps the order of values: that is the same, and less work.
                            for other in others {
                                sum = sum.max_i32(V::load(at.add(other * block.columns), V::LANES));
                            }
                            let mut values = sum.add_i32(bias[vector]).i32_to_f32().mul(scale[vector]);
                            if let (Some(added), Some(from)) = (&added, of_added) {
                                let residual = V::load_u8(from.add(vector * V::LANES), lanes);
                                let residual = residual.add(added.zero);
                                values = added.before.round(values).mul(added.factors[0]);
                                values = values.add(residual.mul(added.factors[1]));
                            }
                            stored[vector] = values.clamp(bounds.least, bounds.most);
                        }
                        if let Some(plain) = &plain {
                            let $to = plain.at(pixel, channels).add(block.first + from);
                            let ($values, $zero_point) = (stored, plain.zero_point);
                            $store;
                        }
                        if let (Some(scaled), Some((scale, shift))) = (&scaled, of_scaled) {
                            for vector in 0..$count {
                                let values = stored[vector].to_whole().mul(scale[vector]);
                                let values = values.add(shift[vector]);
                                stored[vector] = values.clamp(scaled.ends.least, scaled.ends.most);
                            }
                            let $to = scaled.bytes.at(pixel, channels).add(block.first + from);
                            let ($values, $zero_point) = (stored, scaled.bytes.zero_point);
                            $store;
                        }
                    }
                }
            }};
        }
        let of_two = 2 * V::LANES;
        let in_twos = block.channels / of_two * of_two;
        for from in (0..in_twos).step_by(of_two) {
            store!(2, from, V::LANES, |values, zero_point, to| {
                V::store_two_u8(values, zero_point, to);
            });
        }
        for_each_vector!(V, block.channels - in_twos, |rest, lanes| {
            store!(1, in_twos + rest, lanes, |values, zero_point, to| {
                values[0].store_u8(zero_point, to, lanes);
            });
        });
    }
}
