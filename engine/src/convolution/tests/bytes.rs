//! Every kernel of whole numbers against exact sums, and against the rounding that the epilogue is to do.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smallvec::{SmallVec, smallvec};

use super::super::layout::{Border, Layout, SLACK};
use super::super::{ConvSpec, Convolution, Scratch};
use super::case::Case;
use super::{count_of, tried};
use crate::microkernel::Kernel;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::{TypedSlice, TypedSliceMut};
use crate::microkernel::epilogue::{
    Activation, Bounds, ChannelSlice, Epilogue, Grid, Output, Rescaling, Residual, Rounding,
};

/// A convolution of random bytes, with everything that may be done to its sums.
struct Bytes {
    spec: ConvSpec,
    input: Layout,
    image: Vec<u8>,
    zero_point: u8,
    weights: Vec<i8>,
    rescaling: Rescaling,
    grid: Grid,
    relu: bool,
    residual: Option<Vec<u8>>,
    activation: Activation,
    target_zero: u8,
}

impl Bytes {
    fn some(seed: u64) -> Self {
        // The shapes of the cases in floating point.
        let Case { spec, input, .. } = Case::some(seed);
        let random = &mut ChaCha8Rng::seed_from_u64(1000 + seed);
        let [height, width] = spec.output(input.height, input.width);
        let pixels = input.batch * height * width;
        let inputs = spec.window[0] * spec.window[1] * input.channels;
        let is_extreme = random.random_range(0..4) == 0;
        let image = (0..input.pixels() * input.channels)
            .map(|_| if is_extreme { 255 } else { random.random() })
            .collect();
        let weights = (0..spec.channels * inputs)
            .map(|_| {
                if is_extreme {
                    [-128, 127][random.random_range(0..2)]
                } else {
                    random.random()
                }
            })
            .collect();
        // Such that values are some hundred, at both ends of what eight bits can say.
        let typical = 1.0 / (70.0 * (inputs as f32).sqrt());
        let channels = 0..spec.channels;
        let rescaling = Rescaling {
            bias: channels
                .clone()
                .map(|_| random.random_range(-9000..9000))
                .collect(),
            scale: channels
                .clone()
                .map(|_| typical * random.random_range(0.1..2.0))
                .collect(),
            shift: channels
                .clone()
                .map(|_| [0.0, random.random_range(-3.0..3.0)][usize::from(seed.is_multiple_of(3))])
                .collect(),
        };
        // Where zero is the least, it makes a ReLU superfluous.
        let bounds = |random: &mut ChaCha8Rng| {
            let zero_point = random.random();
            Bounds::of([0, zero_point][random.random_range(0..2)])
        };
        let grid = Grid {
            before: random.random::<bool>().then(|| bounds(random)),
            factors: [random.random_range(0.3..2.0), random.random_range(0.3..2.0)],
            residual_zero: random.random(),
            after: random.random::<bool>().then(|| bounds(random)),
        };
        let is_added = random.random::<bool>();
        Self {
            spec,
            input,
            image,
            zero_point: random.random(),
            weights,
            rescaling,
            grid,
            relu: random.random(),
            residual: is_added.then(|| {
                (0..pixels * spec.channels)
                    .map(|_| random.random())
                    .collect()
            }),
            activation: Activation {
                scale: channels
                    .clone()
                    .map(|_| random.random_range(-1.0..1.0))
                    .collect(),
                shift: channels.map(|_| random.random_range(-9.0..9.0)).collect(),
                relu: random.random(),
            },
            target_zero: [0, random.random()][random.random_range(0..2)],
        }
    }

    /// The exact sum of a computed pixel and channel. The padding is what stands for zero.
    fn sum(&self, image: usize, [y, x]: [usize; 2], channel: usize) -> i64 {
        let Layout {
            height,
            width,
            channels,
            ..
        } = self.input;
        let [rows, columns] = self.spec.window;
        let Border { top, left, .. } = self.spec.padding;
        let mut sum = 0;
        for row in 0..rows {
            for column in 0..columns {
                let y = (y * self.spec.strides[0] + row).checked_sub(top);
                let x = (x * self.spec.strides[1] + column).checked_sub(left);
                let (Some(y), Some(x)) = (y.filter(|y| *y < height), x.filter(|x| *x < width))
                else {
                    continue;
                };
                for input in 0..channels {
                    let value = self.image[((image * height + y) * width + x) * channels + input];
                    let at = ((channel * channels + input) * rows + row) * columns + column;
                    sum += (i64::from(value) - i64::from(self.zero_point))
                        * i64::from(self.weights[at]);
                }
            }
        }
        sum
    }

    /// What is stored as f32, and in eight bits after an activation, by the definition.
    fn expected(&self) -> (Vec<f32>, Vec<u8>) {
        let [height, width] = self.spec.output(self.input.height, self.input.width);
        let [rows, columns] = self.spec.pooling;
        let round = |bounds: Option<Bounds>, value: f32| match bounds {
            Some(Bounds { least, most }) => value.clamp(least, most).round_ties_even(),
            None => value,
        };
        let relu = |is_relu: bool, value: f32| if is_relu { value.max(0.0) } else { value };
        let (mut plain, mut activated) = (Vec::new(), Vec::new());
        for image in 0..self.input.batch {
            for at in 0..height * width {
                for channel in 0..self.spec.channels {
                    let pooled = (0..rows * columns).map(|place| {
                        let y = at / width * rows + place / columns;
                        let x = at % width * columns + place % columns;
                        self.sum(image, [y, x], channel)
                    });
                    let sum = pooled.max().unwrap() + i64::from(self.rescaling.bias[channel]);
                    let sum = i32::try_from(sum).unwrap() as f32;
                    let value = sum * self.rescaling.scale[channel] + self.rescaling.shift[channel];
                    let mut value = round(self.grid.before, value);
                    if let Some(residual) = &self.residual {
                        let zero = f32::from(self.grid.residual_zero);
                        let residual = f32::from(residual[plain.len()]) - zero;
                        value = value * self.grid.factors[0] + residual * self.grid.factors[1];
                    }
                    let value = round(self.grid.after, relu(self.relu, value));
                    plain.push(value);
                    let Activation {
                        scale,
                        shift,
                        relu: is_relu,
                    } = &self.activation;
                    let value = relu(*is_relu, value * scale[channel] + shift[channel]);
                    let value = round(Some(Bounds::of(120)), value) * 0.7;
                    let value = round(Some(Bounds::of(self.target_zero)), value);
                    activated.push((value + f32::from(self.target_zero)) as u8);
                }
            }
        }
        (plain, activated)
    }

    /// Runs the convolution with a kernel, and stores what comes out.
    fn convolve<'a>(&'a self, kernel: Kernel, at: &'a [usize], outputs: SmallVec<[Output<'a>; 4]>) {
        let zeros = vec![0.0; self.spec.channels];
        let convolution = Convolution::new(kernel, &[(self.spec, self.input)], &zeros);
        let mut convolution = convolution.rescaled(self.rescaling.clone());
        let mut packed = AlignedVec::default();
        packed.grow(convolution.packed_len());
        // As they are in a model: times a step, in f32.
        let steps: Vec<f32> = (1..=self.spec.channels).map(|n| 0.37 / n as f32).collect();
        let of_channel = self.weights.len() / self.spec.channels;
        let weights = self.weights.chunks(of_channel).zip(&steps);
        let weights: Vec<f32> = weights
            .flat_map(|(weights, step)| weights.iter().map(move |of| f32::from(*of) * step))
            .collect();
        convolution.pack_steps(&weights, &steps, self.zero_point, &mut packed);
        let mut image = vec![self.zero_point; self.input.len() + SLACK];
        for (offset, values) in self
            .input
            .pixel_offsets()
            .zip(self.image.chunks(self.input.channels))
        {
            image[offset..][..values.len()].copy_from_slice(values);
        }
        let residual = self.residual.as_ref().map(|values| Residual {
            values: TypedSlice::U8(values),
            pixel_offsets: at,
        });
        let mut epilogue = Epilogue {
            residual,
            relu: self.relu,
            function: None,
            grid: self.grid,
            outputs,
        };
        let inputs = [TypedSlice::U8(&image)];
        let scratch = &mut Scratch::default();
        convolution.run(self.input.batch, &packed, &inputs, scratch, &mut epilogue);
    }

    /// Where the values of the output are, and where in a buffer with a border and more channels.
    fn layouts(&self) -> [Layout; 2] {
        let [height, width] = self.spec.output(self.input.height, self.input.width);
        let layout = Layout::plain(self.input.batch, height, width, self.spec.channels);
        let padded = Layout {
            border: Border {
                top: 1,
                left: 2,
                bottom: 3,
                right: 0,
            },
            channels: layout.channels + 5,
            ..layout
        };
        [layout, padded]
    }

    fn run(&self, kernel: Kernel) -> (Vec<f32>, Vec<u8>) {
        let [layout, padded] = self.layouts();
        let offsets = |layout: Layout| layout.pixel_offsets().collect::<Vec<usize>>();
        let (at, at_padded) = (offsets(layout), offsets(padded));
        let mut plain = vec![f32::NAN; layout.len()];
        let mut bytes = vec![77; padded.len()];
        let as_they_are = [ChannelSlice {
            offset: 0,
            activation: None,
            rounding: None,
        }];
        let activated = [ChannelSlice {
            offset: 3,
            activation: Some(self.activation.clone()),
            rounding: Some(Rounding {
                bounds: Bounds::of(120),
                factor: 0.7,
            }),
        }];
        let outputs = smallvec![
            Output {
                values: TypedSliceMut::F32(&mut plain),
                pixel_offsets: &at,
                slices: &as_they_are,
            },
            Output {
                values: TypedSliceMut::U8(&mut bytes, self.target_zero),
                pixel_offsets: &at_padded,
                slices: &activated,
            },
        ];
        self.convolve(kernel, &at, outputs);
        let mut stored = Vec::new();
        for at in &at_padded {
            let pixel = &mut bytes[*at..][..padded.channels];
            stored.extend_from_slice(&pixel[3..][..layout.channels]);
            pixel[3..][..layout.channels].fill(77);
        }
        assert!(
            bytes.iter().all(|byte| *byte == 77),
            "{kernel} writes elsewhere"
        );
        (plain, stored)
    }

    /// The bytes of the values as they are, and activated without a rounding between; both are stored, or either.
    fn run_to_bytes(&self, kernel: Kernel, [is_plain, is_scaled]: [bool; 2]) -> [Vec<u8>; 2] {
        let [layout, _] = self.layouts();
        let at: Vec<usize> = layout.pixel_offsets().collect();
        let mut stored = [vec![77; layout.len()], vec![77; layout.len()]];
        let slices = [None, Some(self.activation.clone())].map(|activation| {
            [ChannelSlice {
                offset: 0,
                activation,
                rounding: None,
            }]
        });
        let zeros = [self.plain_zero(), self.target_zero];
        let is_stored = [is_plain, is_scaled];
        let outputs = stored.iter_mut().zip(&slices).zip(zeros).zip(is_stored);
        let outputs = outputs
            .filter(|(_, is_stored)| *is_stored)
            .map(|(((values, slices), zero), _)| Output {
                values: TypedSliceMut::U8(values, zero),
                pixel_offsets: &at,
                slices,
            })
            .collect();
        self.convolve(kernel, &at, outputs);
        stored
    }

    /// What stands for zero among bytes that are stored as they are: the same as where they are rounded.
    fn plain_zero(&self) -> u8 {
        self.grid
            .after
            .map_or(31, |Bounds { least, .. }| -least as u8)
    }

    /// What [`run_to_bytes`](Self::run_to_bytes) stores, by the definition, of the values as they are.
    fn expected_bytes(&self, plain: &[f32]) -> [Vec<u8>; 2] {
        let byte = |value: f32, zero: u8| {
            let Bounds { least, most } = Bounds::of(zero);
            (value.clamp(least, most).round_ties_even() + f32::from(zero)) as u8
        };
        let Activation { scale, shift, relu } = &self.activation;
        let activated = plain.iter().enumerate().map(|(at, value)| {
            let channel = at % self.spec.channels;
            let value = value * scale[channel] + shift[channel];
            byte(if *relu { value.max(0.0) } else { value }, self.target_zero)
        });
        let plain = plain.iter().map(|value| byte(*value, self.plain_zero()));
        [plain.collect(), activated.collect()]
    }
}

#[test]
fn every_kernel_of_whole_numbers_is_exact() {
    let kernels = tried(Kernel::INT8);
    let mut ends = [0, 0];
    for seed in 0..count_of(120) {
        let case = Bytes::some(seed);
        let (plain, activated) = case.expected();
        ends[0] += usize::from(activated.contains(&0));
        ends[1] += usize::from(activated.contains(&255));
        for kernel in &kernels {
            let found = case.run(*kernel);
            assert!(found.0 == plain, "{kernel}, seed {seed}: f32");
            assert!(found.1 == activated, "{kernel}, seed {seed}: bytes");
            let bytes = case.expected_bytes(&plain);
            for stored in [[true, false], [false, true], [true, true]] {
                let found = case.run_to_bytes(*kernel, stored);
                for (number, is_stored) in stored.into_iter().enumerate() {
                    let is_right = found[number] == bytes[number];
                    assert!(
                        is_right || !is_stored,
                        "{kernel}, seed {seed}: {number} of {stored:?}"
                    );
                }
            }
        }
    }
    assert!(
        cfg!(miri) || ends.iter().all(|count| *count > 5),
        "{ends:?} cases reach the ends"
    );
}
