//! What the steps that are no convolutions read and store.

use smallvec::SmallVec;

use super::Quantisation;
use crate::convolution::layout::Dims;

use crate::microkernel::dtype::{TypedSlice, TypedSliceMut};
use crate::microkernel::epilogue::{ChannelSlice, Output};
use crate::microkernel::pixels::{interleave, quantise};

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
    // Values pixel by pixel.
    pixels: Vec<f32>,
    // Bytes channel by channel, and pixel by pixel.
    byte_planes: Vec<u8>,
    byte_pixels: Vec<u8>,
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
    // Whether all of them have the values as they are, but for their number type.
    is_plain: bool,
    // The quantisation, if all of them are bytes of it.
    of_bytes: Option<Quantisation>,
    scratch: &'a mut Scratch,
    // The place of the first image in the batch, the pixels of each, and those of a row.
    place: usize,
    area: usize,
    width: usize,
}

impl<'a> Store<'a> {
    /// For values that are rounded first, or not; `place` is that of the first image in the batch, and each has these
    /// dimensions.
    pub(super) fn new(
        quantisation: Option<Quantisation>,
        outputs: SmallVec<[Output<'a>; 4]>,
        scratch: &'a mut Scratch,
        place: usize,
        dims: Dims,
    ) -> Self {
        let is_kept = |slice: &ChannelSlice| slice.activation.is_none() && slice.rounding.is_none();
        let is_plain = outputs
            .iter()
            .all(|output| output.slices.iter().all(is_kept));
        let is_of = |zero_point: u8| {
            let is_of = |output: &Output<'_>| matches!(output.values, TypedSliceMut::U8(_, zero) if zero == zero_point);
            is_plain && outputs.iter().all(is_of)
        };
        let is_rounded = |output: &Output<'_>| {
            let is_rounded = |slice: &ChannelSlice| slice.rounding.is_some();
            matches!(output.values, TypedSliceMut::U8(..)) || output.slices.iter().any(is_rounded)
        };
        Self {
            quantisation,
            is_rounded: outputs.iter().any(is_rounded),
            is_plain,
            of_bytes: quantisation.filter(|of| is_of(of.zero_point)),
            outputs,
            scratch,
            place,
            area: dims.height * dims.width,
            width: dims.width,
        }
    }

    /// Stores all pixels of an image, `[channel][pixel]`.
    pub(super) fn image(&mut self, image: usize, values: &[f32]) {
        let channels = values.len() / self.area.max(1);
        // Whole rows, as far as they fit.
        let rows = (together(channels) / self.width.max(1)).max(1);
        for first in (0..self.area).step_by(rows * self.width.max(1)) {
            let count = (rows * self.width).min(self.area - first);
            if let Some(quantisation) = self.of_bytes {
                self.image_bytes(image, first, count, values, quantisation);
            } else if self.is_plain && self.quantisation.is_none() {
                self.image_values(image, first, count, values);
            } else {
                self.image_channels(image, first, count, values);
            }
        }
    }

    /// Stores `count` pixels of an image from pixel `first` on, channel by channel.
    fn image_channels(&mut self, image: usize, first: usize, count: usize, values: &[f32]) {
        for (channel, values) in values.chunks(self.area).enumerate() {
            let values = &values[first..][..count];
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

    /// Stores them as they are.
    fn image_values(&mut self, image: usize, first: usize, count: usize, values: &[f32]) {
        let channels = values.len() / self.area;
        for values in values.chunks(self.area) {
            self.check(image, &values[first..][..count]);
        }
        let Scratch {
            values: planes,
            pixels,
            ..
        } = &mut *self.scratch;
        planes.clear();
        for values in values.chunks(self.area) {
            planes.extend_from_slice(&values[first..][..count]);
        }
        pixels.resize(channels * count, 0.0);
        interleave(channels, planes, pixels);
        for output in &mut self.outputs {
            let offsets = &output.pixel_offsets[image * self.area + first..][..count];
            for slice in output.slices {
                let mut from = pixels.as_slice();
                for run in runs(offsets, self.width, channels) {
                    let (values, others) = from.split_at(run.len() * channels);
                    output.values.write(run[0] + slice.offset, values);
                    from = others;
                }
            }
        }
    }

    /// Stores them as bytes, if nothing is done to them before.
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
        let channels = values.len() / self.area;
        let Scratch {
            byte_planes: planes,
            byte_pixels: pixels,
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
                    let mut from = pixels.as_slice();
                    for run in runs(offsets, self.width, channels) {
                        let (bytes, others) = from.split_at(run.len() * channels);
                        target[run[0] + slice.offset..][..bytes.len()].copy_from_slice(bytes);
                        from = others;
                    }
                }
            }
        }
    }

    /// Stores the channels of a pixel.
    pub(super) fn pixel(&mut self, pixel: usize, values: &[f32]) {
        if let Some(of) = self.of_bytes {
            let bytes = &mut self.scratch.byte_pixels;
            bytes.resize(values.len(), 0);
            let is_lost = quantise(values, of.quantum, of.zero_point, bytes);
            self.scratch.is_lost[self.place + pixel / self.area] |= is_lost;
            store_bytes(&mut self.outputs, pixel, &self.scratch.byte_pixels);
            return;
        }
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
        self.of_bytes.is_some_and(is_kept)
    }

    /// Stores bytes as they are, as the channels of a pixel.
    pub(super) fn bytes(&mut self, pixel: usize, bytes: &[u8]) {
        store_bytes(&mut self.outputs, pixel, bytes);
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

/// Stores bytes as the channels of a pixel in all outputs, which are of bytes.
fn store_bytes(outputs: &mut [Output<'_>], pixel: usize, bytes: &[u8]) {
    for output in outputs {
        if let TypedSliceMut::U8(target, _) = &mut output.values {
            for slice in output.slices {
                let at = output.pixel_offsets[pixel] + slice.offset;
                target[at..][..bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

/// The offsets of pixels, cut into runs that lie side by side: rows of `width` pixels, where nothing lies between the
/// `channels` of one and the next, and single pixels elsewhere.
fn runs(offsets: &[usize], width: usize, channels: usize) -> impl Iterator<Item = &[usize]> {
    offsets.chunks(width.max(1)).flat_map(move |row| {
        let last = row.len() - 1;
        let is_together = row[last] - row[0] == last * channels;
        row.chunks(if is_together { row.len() } else { 1 })
    })
}
