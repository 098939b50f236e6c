//! The epilogue in plain Rust, and the stores of the steps that are no convolutions.

use super::super::dtype::{TypedSlice, TypedSliceMut, to_bf16, to_u8};
use super::super::pixels::scale_and_shift;
use super::{
    Accumulators, Activation, ChannelBlock, Epilogue, Output, Residual, Rounding, max_assign, relu,
};

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
        if let Some(residual) = epilogue.residual {
            let residual = &residual.f32s()[residual.pixel_offsets[pixel] + first..];
            for (value, residual) in row.iter_mut().zip(residual) {
                *value += residual;
            }
        }
        if epilogue.relu {
            relu(row);
        }
        if let Some(function) = epilogue.function {
            function.apply(first, row);
        }
        for output in &mut epilogue.outputs {
            output.store_pixel(pixel, first, row);
        }
    }
}

impl<'a> Residual<'a> {
    /// The values, which are f32 wherever sums are.
    pub(in crate::microkernel) fn f32s(&self) -> &'a [f32] {
        match self.values {
            TypedSlice::F32(values) => values,
            TypedSlice::Bf16(_) | TypedSlice::U8(_) => {
                unreachable!("what is added to f32 is stored as f32")
            }
        }
    }
}

impl Accumulators<'_> {
    /// The sums of a block, from the first one for an output pixel on.
    pub(super) fn of_block(&self, pixel: usize, block: &ChannelBlock) -> &[f32] {
        let of_block = (block.first - self.first_channel()) * self.mc;
        &self.sums[of_block + self.pooling.first(pixel) * block.columns..]
    }
}

impl Output<'_> {
    /// Stores channels of a pixel, from channel `first` on.
    pub(crate) fn store_pixel(&mut self, pixel: usize, first: usize, values: &[f32]) {
        for slice in self.slices {
            let at = self.pixel_offsets[pixel] + slice.offset + first;
            if let (Some(activation), None, TypedSliceMut::F32(target)) =
                (&slice.activation, slice.rounding, &mut self.values)
            {
                let (scale, shift) = (&activation.scale[first..], &activation.shift[first..]);
                let target = &mut target[at..][..values.len()];
                scale_and_shift(values, scale, shift, activation.relu, target);
                continue;
            }
            let mut store = |number: usize, values: &[f32]| match slice.rounding {
                None => self.values.write(at + number, values),
                Some(rounding) => rounding.apply(values, |further, values| {
                    self.values.write(at + number + further, values);
                }),
            };
            match &slice.activation {
                None => store(0, values),
                Some(activation) => activation.apply(first, values, store),
            }
        }
    }

    /// Stores one channel of some pixels, from pixel `first` on.
    pub(crate) fn store_channel(&mut self, first: usize, channel: usize, values: &[f32]) {
        for slice in self.slices {
            let offsets = self.pixel_offsets[first..].iter();
            let offsets = offsets.map(|offset| offset + slice.offset + channel);
            let activated = |value: &f32| {
                let value = match &slice.activation {
                    None => *value,
                    Some(activation) => activation.apply_to_one(channel, *value),
                };
                slice
                    .rounding
                    .map_or(value, |rounding| rounding.apply_to_one(value))
            };
            let values = values.iter().map(activated);
            match &mut self.values {
                TypedSliceMut::F32(target) => offsets
                    .zip(values)
                    .for_each(|(at, value)| target[at] = value),
                TypedSliceMut::Bf16(target) => offsets
                    .zip(values)
                    .for_each(|(at, value)| target[at] = to_bf16(value)),
                TypedSliceMut::U8(target, zero_point) => offsets
                    .zip(values)
                    .for_each(|(at, value)| target[at] = to_u8(value, *zero_point)),
            }
        }
    }
}

impl Rounding {
    /// Applies it to values. Calls `store` with [`WIDTH`] results at a time, and with the position of their first.
    fn apply(self, values: &[f32], mut store: impl FnMut(usize, &[f32])) {
        let mut rounded = [0.0; WIDTH];
        for (number, values) in values.chunks(WIDTH).enumerate() {
            let rounded = &mut rounded[..values.len()];
            for (rounded, value) in rounded.iter_mut().zip(values) {
                *rounded = self.apply_to_one(*value);
            }
            store(number * WIDTH, rounded);
        }
    }

    fn apply_to_one(self, value: f32) -> f32 {
        self.bounds.round(value) * self.factor
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
            scale_and_shift(values, &scale[first..], &shift[first..], self.relu, scaled);
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
