//! A random convolution, computed by the definition in f64 and by a kernel.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smallvec::smallvec;

use super::super::layout::{Border, Layout, SLACK};
use super::super::{ConvSpec, Convolution, Scratch};
use crate::microkernel::Kernel;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::{DType, TypedSlice, TypedSliceMut, from_bf16, to_bf16};
use crate::microkernel::epilogue::{Activation, ChannelSlice, Epilogue, Grid, Output, Residual};
use std::ops::Range;

/// A convolution on random numbers, with everything that may be done to its sums.
pub(super) struct Case {
    pub(super) spec: ConvSpec,
    pub(super) input: Layout,
    image: Vec<f32>,
    weights: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    pub(super) residual: Vec<f32>,
    activation: Activation,
    relu: bool,
}

/// The largest dimensions that are drawn.
struct Most {
    window: usize,
    padding: usize,
    stride: usize,
    channels: usize,
    /// More than the window.
    side: usize,
    inputs: usize,
    images: usize,
    /// Of those that fill whole tiles.
    tile_channels: usize,
    tile_padding: usize,
    tiles: usize,
    tile_rows: usize,
    tile_inputs: usize,
}

/// Miri takes a thousand times as long, so it gets the smallest shapes that still have everything: blocks and units
/// that are not full, windows at each border, a second image and a second tile.
const MOST: Most = if cfg!(miri) {
    Most {
        window: 3,
        padding: 1,
        stride: 2,
        channels: 18,
        side: 1,
        inputs: 5,
        images: 2,
        tile_channels: 5,
        tile_padding: 1,
        tiles: 1,
        tile_rows: 2,
        tile_inputs: 3,
    }
} else {
    Most {
        window: 6,
        padding: 3,
        stride: 3,
        channels: 130,
        side: 12,
        inputs: 90,
        images: 3,
        tile_channels: 70,
        tile_padding: 2,
        tiles: 2,
        tile_rows: 8,
        tile_inputs: 40,
    }
};

impl Case {
    /// Each fourth one fills whole tiles.
    pub(super) fn some(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        if seed.is_multiple_of(4) {
            Self::wide(random)
        } else {
            Self::random(random)
        }
    }

    fn random(random: &mut ChaCha8Rng) -> Self {
        let window = [(); 2].map(|()| random.random_range(1..=MOST.window));
        let mut side = || random.random_range(0..=MOST.padding);
        let padding = Border {
            top: side(),
            left: side(),
            bottom: side(),
            right: side(),
        };
        let spec = ConvSpec {
            window,
            strides: [(); 2].map(|()| random.random_range(1..=MOST.stride)),
            padding,
            channels: random.random_range(1..=MOST.channels),
            pooling: [1, 1],
        };
        // More border than padding, as where another convolution pads more.
        let border = Border {
            top: padding.top + random.random_range(0..2),
            left: padding.left + random.random_range(0..2),
            bottom: padding.bottom + random.random_range(0..2),
            right: padding.right + random.random_range(0..2),
        };
        let input = Layout {
            border,
            ..Layout::plain(
                random.random_range(1..=MOST.images),
                random.random_range(window[0]..=window[0] + MOST.side),
                random.random_range(window[1]..=window[1] + MOST.side),
                random.random_range(1..=MOST.inputs),
            )
        };
        Self::of(random, spec, input)
    }

    /// One whose pixels fill whole tiles.
    fn wide(random: &mut ChaCha8Rng) -> Self {
        let around = random.random_range(0..=MOST.tile_padding);
        let padding = Border {
            top: around,
            left: around,
            bottom: around,
            right: around,
        };
        let spec = ConvSpec {
            window: [2 * around + 1; 2],
            strides: [1, 1],
            padding,
            channels: random.random_range(1..=MOST.tile_channels),
            pooling: [1, 1],
        };
        let width = 16 * random.random_range(1..=MOST.tiles);
        let input = Layout {
            border: padding,
            ..Layout::plain(
                random.random_range(1..=MOST.images.min(2)),
                2 * random.random_range(1..=MOST.tile_rows / 2),
                width,
                random.random_range(1..=MOST.tile_inputs),
            )
        };
        Self::of(random, spec, input)
    }

    /// Random numbers for a convolution, with a pooling that fits.
    fn of(random: &mut ChaCha8Rng, mut spec: ConvSpec, input: Layout) -> Self {
        let convolved = spec.output(input.height, input.width);
        let poolings = [[1, 1], [1, 2], [2, 1], [2, 2], [2, 4], [4, 4], [8, 1]];
        let mut fitting = poolings.to_vec();
        fitting.retain(|[rows, columns]| *rows <= convolved[0] && *columns <= convolved[1]);
        spec.pooling = fitting[random.random_range(0..fitting.len())];
        let [height, width] = spec.output(input.height, input.width);
        let pixels = input.batch * height * width;
        let mut numbers = |count: usize, scale: f32| -> Vec<f32> {
            // As bf16 has them, so that both kinds of kernel multiply the same.
            let number = |_| from_bf16(to_bf16(random.random_range(-scale..scale)));
            (0..count).map(number).collect()
        };
        let inputs = spec.window[0] * spec.window[1] * input.channels;
        Self {
            spec,
            input,
            image: numbers(input.pixels() * input.channels, 1.0),
            weights: numbers(spec.channels * inputs, 1.0 / (inputs as f32).sqrt()),
            // Powers of two, which leave a bf16 one.
            scale: (0..spec.channels)
                .map(|channel| [0.5, 1.0, 2.0][channel % 3])
                .collect(),
            bias: numbers(spec.channels, 1.0),
            residual: numbers(pixels * spec.channels, 1.0),
            activation: Activation {
                scale: numbers(spec.channels, 2.0),
                shift: numbers(spec.channels, 1.0),
                relu: true,
            },
            relu: random.random(),
        }
    }

    /// The convolution with its bias, `[pixels][channels]`, by the definition.
    fn convolved(&self) -> Vec<f64> {
        let Layout {
            batch,
            height,
            width,
            channels,
            ..
        } = self.input;
        let [rows, columns] = self.spec.window;
        let [out_height, out_width] = self.unpooled().output(height, width);
        let mut sums = Vec::new();
        for image in 0..batch {
            for y in 0..out_height {
                for x in 0..out_width {
                    for output in 0..self.spec.channels {
                        let mut sum = f64::from(self.bias[output]);
                        for row in 0..rows {
                            for column in 0..columns {
                                let [down, across] = self.spec.strides;
                                let Border { top, left, .. } = self.spec.padding;
                                let inside = |at: &usize, size| *at < size;
                                let y = (y * down + row).checked_sub(top);
                                let x = (x * across + column).checked_sub(left);
                                let (Some(y), Some(x)) = (
                                    y.filter(|y| inside(y, height)),
                                    x.filter(|x| inside(x, width)),
                                ) else {
                                    continue;
                                };
                                for channel in 0..channels {
                                    let input =
                                        ((image * height + y) * width + x) * channels + channel;
                                    let weight = ((output * channels + channel) * rows + row)
                                        * columns
                                        + column;
                                    sum += f64::from(self.image[input])
                                        * f64::from(self.weights[weight])
                                        * f64::from(self.scale[output]);
                                }
                            }
                        }
                        sums.push(sum);
                    }
                }
            }
        }
        sums
    }

    pub(super) fn unpooled(&self) -> ConvSpec {
        ConvSpec {
            pooling: [1, 1],
            ..self.spec
        }
    }

    /// What of the convolution is kept, with the residual, and the same activated, by the definition.
    pub(super) fn expected(&self) -> (Vec<f64>, Vec<f64>) {
        let convolved = self.convolved();
        let Layout { height, width, .. } = self.input;
        let [of_rows, of_columns] = self.unpooled().output(height, width);
        let [out_height, out_width] = self.spec.output(height, width);
        let [rows, columns] = self.spec.pooling;
        let (mut plain, mut activated) = (Vec::new(), Vec::new());
        for image in 0..self.input.batch {
            for y in 0..out_height {
                for x in 0..out_width {
                    for channel in 0..self.spec.channels {
                        let mut value = f64::NEG_INFINITY;
                        for y in y * rows..(y + 1) * rows {
                            for x in x * columns..(x + 1) * columns {
                                let pixel = (image * of_rows + y) * of_columns + x;
                                value = value.max(convolved[pixel * self.spec.channels + channel]);
                            }
                        }
                        value += f64::from(self.residual[plain.len()]);
                        if self.relu {
                            value = value.max(0.0);
                        }
                        plain.push(value);
                        let scale = f64::from(self.activation.scale[channel]);
                        let shift = f64::from(self.activation.shift[channel]);
                        activated.push((value * scale + shift).max(0.0));
                    }
                }
            }
        }
        (plain, activated)
    }

    pub(super) fn run(&self, kernel: Kernel) -> (Vec<f32>, Vec<f32>) {
        let all = 0..self.input.channels;
        self.run_in_terms(kernel, std::slice::from_ref(&all))
    }

    /// The same as a sum over some of the input's channels each.
    pub(super) fn run_in_terms(
        &self,
        kernel: Kernel,
        terms: &[Range<usize>],
    ) -> (Vec<f32>, Vec<f32>) {
        let input = |channels: &Range<usize>| Layout {
            channels: channels.len(),
            gap: Layout::gap_for(self.spec.overread(kernel, channels.len()), self.input.batch),
            ..self.input
        };
        let specs: Vec<_> = terms.iter().map(|term| (self.spec, input(term))).collect();
        let convolution = Convolution::new(kernel, &specs, &self.bias);
        let mut weights = AlignedVec::default();
        weights.grow(convolution.packed_len());
        let all = self.input.channels;
        let window = self.spec.window[0] * self.spec.window[1];
        for (number, channels) in terms.iter().enumerate() {
            let of_output =
                |weights: &[f32]| weights[channels.start * window..channels.end * window].to_vec();
            let some: Vec<f32> = self
                .weights
                .chunks(all * window)
                .flat_map(of_output)
                .collect();
            convolution.pack(number, &some, &self.scale, &mut weights);
        }
        let layout = convolution.output;
        let padded = Layout {
            border: Border {
                top: 1,
                left: 2,
                bottom: 3,
                right: 0,
            },
            ..layout
        };
        let mut inputs: Vec<Buffer> = Vec::new();
        for channels in terms {
            let mut buffer = Buffer::new(input(channels), kernel.dtype());
            for (offset, values) in buffer.layout.pixel_offsets().zip(self.image.chunks(all)) {
                buffer.slice_mut().write(offset, &values[channels.clone()]);
            }
            inputs.push(buffer);
        }
        let inputs: Vec<TypedSlice<'_>> = inputs.iter().map(Buffer::slice).collect();
        let mut plain = Buffer::new(padded, DType::F32);
        let mut activated = Buffer::new(layout, DType::F32);
        let offsets = |layout: Layout| layout.pixel_offsets().collect::<Vec<usize>>();
        let (at, at_padded) = (offsets(layout), offsets(padded));
        let slices = |activation| {
            [ChannelSlice {
                offset: 0,
                activation,
                rounding: None,
            }]
        };
        let as_they_are = slices(None);
        let scaled = slices(Some(self.activation.clone()));
        let outputs = smallvec![
            Output {
                values: plain.slice_mut(),
                pixel_offsets: &at_padded,
                slices: &as_they_are,
            },
            Output {
                values: activated.slice_mut(),
                pixel_offsets: &at,
                slices: &scaled,
            },
        ];
        convolution.run(
            self.input.batch,
            &weights,
            &inputs,
            &mut Scratch::default(),
            &mut Epilogue {
                residual: Some(Residual {
                    values: TypedSlice::F32(&self.residual),
                    pixel_offsets: &at,
                }),
                relu: self.relu,
                function: None,
                grid: Grid::default(),
                outputs,
            },
        );
        (plain.pixels(), activated.pixels())
    }
}

/// The numbers of a layout, zero at first.
struct Buffer {
    layout: Layout,
    f32s: Vec<f32>,
    bf16s: Vec<u16>,
    dtype: DType,
}

impl Buffer {
    fn new(layout: Layout, dtype: DType) -> Self {
        let len = layout.len() + SLACK;
        Self {
            layout,
            f32s: vec![0.0; if dtype == DType::F32 { len } else { 0 }],
            bf16s: vec![0; if dtype == DType::Bf16 { len } else { 0 }],
            dtype,
        }
    }

    fn slice(&self) -> TypedSlice<'_> {
        match self.dtype {
            DType::F32 => TypedSlice::F32(&self.f32s),
            DType::Bf16 => TypedSlice::Bf16(&self.bf16s),
            DType::Int8 => unreachable!("bytes have tests of their own"),
        }
    }

    fn slice_mut(&mut self) -> TypedSliceMut<'_> {
        match self.dtype {
            DType::F32 => TypedSliceMut::F32(&mut self.f32s),
            DType::Bf16 => TypedSliceMut::Bf16(&mut self.bf16s),
            DType::Int8 => unreachable!("bytes have tests of their own"),
        }
    }

    /// The channels of all pixels, without the border.
    fn pixels(&self) -> Vec<f32> {
        let of_pixel = |offset: usize| self.f32s[offset..][..self.layout.channels].to_vec();
        self.layout.pixel_offsets().flat_map(of_pixel).collect()
    }
}
