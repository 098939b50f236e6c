//! What the steps that are no convolutions read and store.

use smallvec::SmallVec;

use super::Quantisation;
use crate::microkernel::bytes::{interleave, quantise};
use crate::microkernel::dtype::{TypedSlice, TypedSliceMut};
use crate::microkernel::epilogue::{ChannelSlice, Output};

/// How many pixels of all channels fit the first-level cache, where an image's channels and pixels are exchanged. One
/// channel of the whole image at a time, each value would be a cache line of its own, and gone before the next channel.
pub(super) fn together(channels: usize) -> usize {
    const VALUES: usize = 1 << 12;
    (VALUES / channels.max(1)).clamp(16, 1024)
}

/// A buffer that a step reads.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) values: TypedSlice<'a>,
    pub(super) pixel_offsets: &'a [usize],
    /// Of eight bits: what one is, and what stands for zero.
    pub(super) quantum: f32,
    pub(super) zero_point: u8,
}

impl<'a> Source<'a> {
    /// The channels of a pixel. `row` is scratch memory for them.
    pub(super) fn read(&self, pixel: usize, row: &'a mut [f32]) -> &'a [f32] {
        let at = self.pixel_offsets[pixel];
        match self.values {
            TypedSlice::F32(values) => &values[at..][..row.len()],
            TypedSlice::U8(values) => {
                self.expand(&values[at..][..row.len()], row);
                row
            }
            TypedSlice::Bf16(_) => unreachable!("what is not multiplied is stored as f32"),
        }
    }

    /// The values of some bytes.
    pub(super) fn expand(&self, bytes: &[u8], values: &mut [f32]) {
        let zero = i32::from(self.zero_point);
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = (i32::from(*byte) - zero) as f32 * self.quantum;
        }
    }
}

/// What stays from one step to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    values: Vec<f32>,
    // The same as bytes, once channel by channel, once pixel by pixel.
    planes: Vec<u8>,
    pixels: Vec<u8>,
    // For each image, whether a value was no number where it was rounded to eight bits, which can't say so.
    is_lost: Vec<bool>,
}

impl Scratch {
    /// Begins a run of up to `images` images.
    pub(super) fn begin(&mut self, images: usize) {
        self.is_lost.clear();
        self.is_lost.resize(images, false);
    }

    /// The images, of the first `images`, of which a value was no number.
    pub(super) fn lost_images(&self, images: usize) -> impl Iterator<Item = usize> {
        (0..images).filter(|image| self.is_lost[*image])
    }
}

/// Where a step stores its values.
pub(super) struct Store<'a> {
    quantisation: Option<Quantisation>,
    pub(super) outputs: SmallVec<[Output<'a>; 4]>,
    // Whether some of them are rounded.
    is_rounded: bool,
    scratch: &'a mut Scratch,
    // The place of the first image in the batch, and the pixels of each.
    place: usize,
    area: usize,
}

impl<'a> Store<'a> {
    /// For values that are rounded first, or not; `place` is that of the first image in the batch, and each has `area`
    /// pixels.
    pub(super) fn new(
        quantisation: Option<Quantisation>,
        outputs: SmallVec<[Output<'a>; 4]>,
        scratch: &'a mut Scratch,
        place: usize,
        area: usize,
    ) -> Self {
        let is_rounded = |output: &Output<'_>| {
            let is_rounded = |slice: &ChannelSlice| slice.rounding.is_some();
            matches!(output.values, TypedSliceMut::U8(..)) || output.slices.iter().any(is_rounded)
        };
        Self {
            quantisation,
            is_rounded: outputs.iter().any(is_rounded),
            outputs,
            scratch,
            place,
            area,
        }
    }

    /// Stores all pixels of an image, `[channel][pixel]`.
    pub(super) fn image(&mut self, image: usize, values: &[f32]) {
        let channels = values.len() / self.area.max(1);
        let step = together(channels);
        let of_bytes = self
            .quantisation
            .filter(|of| self.keeps(of.quantum, of.zero_point));
        for first in (0..self.area).step_by(step) {
            if let Some(quantisation) = of_bytes {
                self.image_bytes(image, first, step, values, quantisation);
                continue;
            }
            for (channel, values) in values.chunks(self.area).enumerate() {
                let values = &values[first..(first + step).min(self.area)];
                let values = if self.quantisation.is_some() {
                    self.round(image, values.iter().copied());
                    &self.scratch.values
                } else {
                    self.check(image, values);
                    values
                };
                for output in &mut self.outputs {
                    output.store_channel(image * self.area + first, channel, values);
                }
            }
        }
    }

    /// Stores up to `count` pixels of an image from pixel `first` on as bytes, and nothing is done to them before.
    fn image_bytes(
        &mut self,
        image: usize,
        first: usize,
        count: usize,
        values: &[f32],
        Quantisation {
            quantum,
            zero_point,
        }: Quantisation,
    ) {
        let count = count.min(self.area - first);
        let channels = values.len() / self.area;
        let Scratch {
            planes,
            pixels,
            is_lost,
            ..
        } = &mut *self.scratch;
        planes.resize(channels * count, 0);
        pixels.resize(channels * count, 0);
        for (values, plane) in values.chunks(self.area).zip(planes.chunks_mut(count)) {
            let values = &values[first..][..count];
            is_lost[self.place + image] |= quantise(values, quantum, zero_point, plane);
        }
        interleave(channels, planes, pixels);
        for output in &mut self.outputs {
            let offsets = &output.pixel_offsets[image * self.area + first..][..count];
            if let TypedSliceMut::U8(target, _) = &mut output.values {
                for slice in output.slices {
                    // Pixels side by side are copied together.
                    let rows = offsets.chunk_by(|left, right| left + channels == *right);
                    let mut from = pixels.as_slice();
                    for row in rows {
                        let (bytes, others) = from.split_at(row.len() * channels);
                        target[row[0] + slice.offset..][..bytes.len()].copy_from_slice(bytes);
                        from = others;
                    }
                }
            }
        }
    }

    /// Stores the channels of a pixel.
    pub(super) fn pixel(&mut self, pixel: usize, values: &[f32]) {
        if self.quantisation.is_some() {
            self.values(pixel, values.iter().copied());
            return;
        }
        self.check(pixel / self.area, values);
        for output in &mut self.outputs {
            output.store_pixel(pixel, 0, values);
        }
    }

    /// Stores values as the channels of a pixel.
    pub(super) fn values(&mut self, pixel: usize, values: impl Iterator<Item = f32>) {
        self.round(pixel / self.area, values);
        for output in &mut self.outputs {
            output.store_pixel(pixel, 0, &self.scratch.values);
        }
    }

    /// Whether bytes of this quantum and zero point are stored as they are.
    pub(super) fn keeps(&self, quantum: f32, zero_point: u8) -> bool {
        let is_kept = |of: Quantisation| of.quantum == quantum && of.zero_point == zero_point;
        let is_plain = |output: &Output<'_>| {
            matches!(output.values, TypedSliceMut::U8(_, zero) if zero == zero_point)
                && output
                    .slices
                    .iter()
                    .all(|slice| slice.activation.is_none() && slice.rounding.is_none())
        };
        self.quantisation.is_some_and(is_kept) && self.outputs.iter().all(is_plain)
    }

    /// Stores bytes as they are, as the channels of a pixel.
    pub(super) fn bytes(&mut self, pixel: usize, bytes: &[u8]) {
        for output in &mut self.outputs {
            if let TypedSliceMut::U8(target, _) = &mut output.values {
                for slice in output.slices {
                    let at = output.pixel_offsets[pixel] + slice.offset;
                    target[at..][..bytes.len()].copy_from_slice(bytes);
                }
            }
        }
    }

    /// Puts values of an image into the scratch memory, rounded to whole quanta.
    fn round(&mut self, image: usize, values: impl Iterator<Item = f32>) {
        let target = &mut self.scratch.values;
        target.clear();
        target.extend(values);
        let mut is_lost = false;
        if let Some(quantisation) = self.quantisation {
            let bounds = quantisation.bounds();
            for value in target {
                is_lost |= value.is_nan();
                *value = bounds.round(*value / quantisation.quantum);
            }
        } else if self.is_rounded {
            is_lost = target.iter().any(|value| value.is_nan());
        }
        self.scratch.is_lost[self.place + image] |= is_lost;
    }

    /// Takes note of values that are no numbers, if they are rounded when they are stored.
    fn check(&mut self, image: usize, values: &[f32]) {
        if self.is_rounded {
            let is_lost = values.iter().any(|value| value.is_nan());
            self.scratch.is_lost[self.place + image] |= is_lost;
        }
    }
}
