//! The epilogue in plain Rust, and the stores of the steps that are no convolutions.

use super::super::dtype::{TypedSliceMut, to_bf16};
use super::{Accumulators, Activation, ChannelBlock, Epilogue, Output, max_assign, relu};

/// How many values are scaled at once.
const WIDTH: usize = 64;

/// Applies an epilogue.
pub(crate) fn apply(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    let row = std::mem::take(&mut sums.row);
    let first = sums.first_channel();
    for (number, pixel) in sums.pixels.clone().enumerate() {
        for block in sums.blocks {
            let of_block = sums.of_block(number, block);
            let row = &mut row[block.first - first..][..block.columns];
            row.copy_from_slice(&of_block[..block.columns]);
            // Pooled before bias and ReLU, which keep the order of values: that is the same, and less work.
            for other in &sums.pooling.others {
                max_assign(row, &of_block[other * block.columns..]);
            }
        }
        let row = &mut row[..sums.channels];
        for (value, bias) in row.iter_mut().zip(sums.bias) {
            *value += bias;
        }
        if let Some((residual, pixel_offsets)) = epilogue.residual {
            let residual = &residual[pixel_offsets[pixel] + first..];
            for (value, residual) in row.iter_mut().zip(residual) {
                *value += residual;
            }
        }
        if epilogue.relu {
            relu(row);
        }
        for output in &mut epilogue.outputs {
            output.store_pixel(pixel, first, row);
        }
    }
}

impl Accumulators<'_> {
    /// The sums of a block, from the first one for an output pixel on.
    fn of_block(&self, pixel: usize, block: &ChannelBlock) -> &[f32] {
        let of_block = (block.first - self.first_channel()) * self.mc;
        &self.sums[of_block + self.pooling.first(pixel) * block.columns..]
    }
}

impl Output<'_> {
    /// Stores channels of a pixel, from channel `first` on.
    pub(crate) fn store_pixel(&mut self, pixel: usize, first: usize, values: &[f32]) {
        for slice in self.slices {
            let at = self.pixel_offsets[pixel] + slice.offset + first;
            match &slice.activation {
                None => self.values.write(at, values),
                Some(activation) => activation.apply(first, values, |number, values| {
                    self.values.write(at + number, values);
                }),
            }
        }
    }

    /// Stores one channel of some pixels, from pixel `first` on.
    pub(crate) fn store_channel(&mut self, first: usize, channel: usize, values: &[f32]) {
        for slice in self.slices {
            let offsets = self.pixel_offsets[first..].iter();
            let offsets = offsets.map(|offset| offset + slice.offset + channel);
            let activated = |value: &f32| match &slice.activation {
                None => *value,
                Some(activation) => activation.apply_to_one(channel, *value),
            };
            let values = values.iter().map(activated);
            match &mut self.values {
                TypedSliceMut::F32(target) => offsets
                    .zip(values)
                    .for_each(|(at, value)| target[at] = value),
                TypedSliceMut::Bf16(target) => offsets
                    .zip(values)
                    .for_each(|(at, value)| target[at] = to_bf16(value)),
            }
        }
    }
}

impl Activation {
    /// Applies it to the values of channels from `first` on. Calls `store` with [`WIDTH`] results at a time,
    /// and with the position of their first among the values.
    fn apply(&self, first: usize, values: &[f32], mut store: impl FnMut(usize, &[f32])) {
        let (scale, shift) = (&self.scale[first..], &self.shift[first..]);
        let mut scaled = [0.0; WIDTH];
        for (number, values) in values.chunks(WIDTH).enumerate() {
            let first = number * WIDTH;
            let scaled = &mut scaled[..values.len()];
            let of_channels = scale[first..].iter().zip(&shift[first..]);
            for ((scaled, value), (scale, shift)) in scaled.iter_mut().zip(values).zip(of_channels)
            {
                *scaled = value * scale + shift;
            }
            if self.relu {
                relu(scaled);
            }
            store(first, scaled);
        }
    }

    /// Applies it to one value of a channel.
    fn apply_to_one(&self, channel: usize, value: f32) -> f32 {
        let mut value = [value * self.scale[channel] + self.shift[channel]];
        if self.relu {
            relu(&mut value);
        }
        value[0]
    }
}
