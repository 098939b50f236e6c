//! Every kernel that this processor has against the sums written down naively, in f64.

use super::*;
use crate::convolution::layout::{NumbersMut, from_bf16, to_bf16};
use crate::microkernel::Number;
use crate::microkernel::epilogue::{Activation, Output, Place, store};
use crate::program::buffers::Buffers;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tract_onnx::prelude::tvec;

/// A convolution on random numbers, with everything that may be done to its sums.
struct Case {
    shape: Shape,
    input: Layout,
    image: Vec<f32>,
    weights: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    activation: Activation,
    relu: bool,
}

impl Case {
    /// Each fourth one fills whole tiles.
    fn some(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        if seed.is_multiple_of(4) {
            Self::wide(random)
        } else {
            Self::random(random)
        }
    }

    fn random(random: &mut ChaCha8Rng) -> Self {
        let window = [random.random_range(1..=6), random.random_range(1..=6)];
        let mut side = || random.random_range(0..=3);
        let padding = Border {
            top: side(),
            left: side(),
            bottom: side(),
            right: side(),
        };
        let shape = Shape {
            window,
            strides: [random.random_range(1..=3), random.random_range(1..=3)],
            padding,
            channels: random.random_range(1..=130),
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
                random.random_range(1..=3),
                random.random_range(window[0]..=window[0] + 12),
                random.random_range(window[1]..=window[1] + 12),
                random.random_range(1..=90),
            )
        };
        Self::of(random, shape, input)
    }

    /// One whose pixels fill whole tiles.
    fn wide(random: &mut ChaCha8Rng) -> Self {
        let around = random.random_range(0..=2);
        let padding = Border {
            top: around,
            left: around,
            bottom: around,
            right: around,
        };
        let shape = Shape {
            window: [2 * around + 1; 2],
            strides: [1, 1],
            padding,
            channels: random.random_range(1..=70),
            pooling: [1, 1],
        };
        let width = [16, 32][random.random_range(0..2)];
        let input = Layout {
            border: padding,
            ..Layout::plain(
                random.random_range(1..=2),
                2 * random.random_range(1..=4),
                width,
                random.random_range(1..=40),
            )
        };
        Self::of(random, shape, input)
    }

    /// Random numbers for a convolution, with a pooling that fits.
    fn of(random: &mut ChaCha8Rng, mut shape: Shape, input: Layout) -> Self {
        let convolved = shape.output(input.height, input.width);
        let poolings = [[1, 1], [1, 2], [2, 1], [2, 2], [2, 4], [4, 4], [8, 1]];
        let mut fitting = poolings.to_vec();
        fitting.retain(|[rows, columns]| *rows <= convolved[0] && *columns <= convolved[1]);
        shape.pooling = fitting[random.random_range(0..fitting.len())];
        let [height, width] = shape.output(input.height, input.width);
        let pixels = input.batch * height * width;
        let mut numbers = |count: usize, scale: f32| -> Vec<f32> {
            // As bf16 has them, so that both kinds of kernel multiply the same.
            let number = |_| from_bf16(to_bf16(random.random_range(-scale..scale)));
            (0..count).map(number).collect()
        };
        let inputs = shape.window[0] * shape.window[1] * input.channels;
        Self {
            shape,
            input,
            image: numbers(input.pixels() * input.channels, 1.0),
            weights: numbers(shape.channels * inputs, 1.0 / (inputs as f32).sqrt()),
            // Powers of two, which leave a bf16 one.
            scale: (0..shape.channels)
                .map(|channel| [0.5, 1.0, 2.0][channel % 3])
                .collect(),
            bias: numbers(shape.channels, 1.0),
            residual: numbers(pixels * shape.channels, 1.0),
            activation: Activation {
                scale: numbers(shape.channels, 2.0),
                shift: numbers(shape.channels, 1.0),
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
        let [rows, columns] = self.shape.window;
        let [out_height, out_width] = self.unpooled().output(height, width);
        let mut sums = Vec::new();
        for image in 0..batch {
            for y in 0..out_height {
                for x in 0..out_width {
                    for output in 0..self.shape.channels {
                        let mut sum = f64::from(self.bias[output]);
                        for row in 0..rows {
                            for column in 0..columns {
                                let [down, across] = self.shape.strides;
                                let Border { top, left, .. } = self.shape.padding;
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

    fn unpooled(&self) -> Shape {
        Shape {
            pooling: [1, 1],
            ..self.shape
        }
    }

    /// What of the convolution is kept, with the residual, and the same activated, by the definition.
    fn expected(&self) -> (Vec<f64>, Vec<f64>) {
        let convolved = self.convolved();
        let Layout { height, width, .. } = self.input;
        let [of_rows, of_columns] = self.unpooled().output(height, width);
        let [out_height, out_width] = self.shape.output(height, width);
        let [rows, columns] = self.shape.pooling;
        let (mut plain, mut activated) = (Vec::new(), Vec::new());
        for image in 0..self.input.batch {
            for y in 0..out_height {
                for x in 0..out_width {
                    for channel in 0..self.shape.channels {
                        let mut value = f64::NEG_INFINITY;
                        for y in y * rows..(y + 1) * rows {
                            for x in x * columns..(x + 1) * columns {
                                let pixel = (image * of_rows + y) * of_columns + x;
                                value = value.max(convolved[pixel * self.shape.channels + channel]);
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

    fn run(&self, kernel: Kernel) -> (Vec<f32>, Vec<f32>) {
        let all = 0..self.input.channels;
        self.run_in_terms(kernel, std::slice::from_ref(&all))
    }

    /// The same as a sum over some of the input's channels each.
    fn run_in_terms(&self, kernel: Kernel, terms: &[Range<usize>]) -> (Vec<f32>, Vec<f32>) {
        let input = |channels: &Range<usize>| Layout {
            channels: channels.len(),
            ..self.input
        };
        let shapes: Vec<_> = terms.iter().map(|term| (self.shape, input(term))).collect();
        let convolution = Convolution::new(kernel, &shapes, &self.bias);
        let mut weights = Aligned::default();
        weights.grow(convolution.weights());
        let all = self.input.channels;
        let window = self.shape.window[0] * self.shape.window[1];
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
        let mut layouts: Vec<_> = terms
            .iter()
            .map(|term| (input(term), kernel.number()))
            .collect();
        let count = layouts.len();
        layouts.extend([(padded, Number::F32), (layout, Number::F32)]);
        let buffers = Buffers::new(&layouts);
        let mut arena = buffers.arena();
        let names: Vec<usize> = (0..layouts.len()).collect();
        let mut apart = arena.apart(&buffers, &names);
        let mut inputs: Vec<NumbersMut<'_>> = (0..count).map(|buffer| apart.take(buffer)).collect();
        let [plain, activated] = [count, count + 1].map(|buffer| apart.take(buffer));
        drop(apart);
        for (input, (channels, (layout, _))) in inputs.iter_mut().zip(terms.iter().zip(&layouts)) {
            for (start, values) in layout.starts().zip(self.image.chunks(all)) {
                store(input, start, &values[channels.clone()]);
            }
        }
        let inputs: Vec<Numbers<'_>> = inputs.iter().map(NumbersMut::shared).collect();
        let starts = |layout: Layout| layout.starts().collect::<Vec<usize>>();
        let (at, at_padded) = (starts(layout), starts(padded));
        let places = |activation| {
            [Place {
                offset: 0,
                activation,
            }]
        };
        let as_they_are = places(None);
        let scaled = places(Some(self.activation.clone()));
        let outputs = tvec![
            Output {
                values: plain,
                starts: &at_padded,
                places: &as_they_are,
            },
            Output {
                values: activated,
                starts: &at,
                places: &scaled,
            },
        ];
        convolution.run(
            &weights,
            &inputs,
            &mut Scratch::default(),
            &mut Finish {
                residual: Some((&self.residual, &at)),
                relu: self.relu,
                outputs,
            },
        );
        let apart = arena.apart(&buffers, &[count, count + 1]);
        let values = |buffer: usize| -> Vec<f32> {
            let Numbers::F32(values) = apart.get(buffer) else {
                unreachable!("made as f32 above")
            };
            let of_pixel = |start: usize| values[start..][..layout.channels].to_vec();
            buffers.layout(buffer).starts().flat_map(of_pixel).collect()
        };
        (values(count), values(count + 1))
    }
}

#[track_caller]
fn assert_near(kernel: Kernel, what: &str, values: &[f32], expected: &[f64]) {
    assert_eq!(values.len(), expected.len(), "{kernel}: {what}");
    for (position, (value, expected)) in values.iter().zip(expected).enumerate() {
        let error = (f64::from(*value) - expected).abs();
        assert!(
            error < 2e-5 * (1.0 + expected.abs()),
            "{kernel}: {what} {position}: {value}, not {expected}"
        );
    }
}

#[test]
fn every_kernel_gives_the_sums_of_the_definition() {
    let kernels: Vec<Kernel> = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
        .collect();
    println!("kernels of this processor: {kernels:?}");
    for seed in 0..80 {
        let case = Case::some(seed);
        let (plain, activated) = case.expected();
        for kernel in &kernels {
            let found = case.run(*kernel);
            assert_near(*kernel, &format!("seed {seed}: plain"), &found.0, &plain);
            assert_near(
                *kernel,
                &format!("seed {seed}: activated"),
                &found.1,
                &activated,
            );
        }
    }
}

#[test]
fn a_sum_of_convolutions_is_that_over_the_inputs_of_all() {
    let mut some = 0;
    for seed in 0..100 {
        let case = Case::some(seed);
        let channels = case.input.channels;
        if case.shape.pooling != [1, 1] || channels < 3 {
            continue;
        }
        some += 1;
        let (plain, activated) = case.expected();
        let (first, second) = (1 + channels / 5, channels / 2 + 1);
        let terms = [0..first, first..second, second..channels];
        for kernel in Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.is_supported())
        {
            let found = case.run_in_terms(kernel, &terms);
            assert_near(kernel, &format!("seed {seed}: plain"), &found.0, &plain);
            assert_near(
                kernel,
                &format!("seed {seed}: activated"),
                &found.1,
                &activated,
            );
        }
    }
    assert!(some > 5, "{some} cases");
}

#[test]
fn pooling_on_the_way_gives_the_same_bits_as_pooling_afterwards() {
    let mut pooled = 0;
    for seed in 0..40 {
        let mut case = Case::some(seed);
        let Layout { height, width, .. } = case.input;
        let [of_rows, of_columns] = case.unpooled().output(height, width);
        let [out_height, out_width] = case.shape.output(height, width);
        let channels = case.shape.channels;
        case.residual = vec![0.0; case.input.batch * of_rows * of_columns * channels];
        pooled += usize::from(case.shape != case.unpooled());
        for kernel in Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.is_supported())
        {
            let (found, _) = case.run(kernel);
            let Case { shape, .. } = case;
            case.shape = case.unpooled();
            let (all, _) = case.run(kernel);
            case.shape = shape;
            let [rows, columns] = shape.pooling;
            for (at, value) in found.iter().enumerate() {
                let (pixel, channel) = (at / channels, at % channels);
                let (row, column) = (pixel / out_width, pixel % out_width);
                let (image, row) = (row / out_height, row % out_height);
                let window = (0..rows * columns).map(|place| {
                    let row = image * of_rows + row * rows + place / columns;
                    let column = column * columns + place % columns;
                    all[(row * of_columns + column) * channels + channel]
                });
                let most = window.fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(*value, most, "{kernel}, seed {seed}: value {at}");
            }
        }
    }
    assert!(pooled > 10, "{pooled} cases pool");
}

#[test]
fn runs_are_cut_into_parts_and_nothing_is_lost() {
    let runs = [
        Run {
            offset: 0,
            units: 1000,
        },
        Run {
            offset: 8000,
            units: 20,
        },
    ];
    let parts = pack::parts(&runs, 384);
    let sizes: Vec<usize> = parts
        .iter()
        .map(|part| part.iter().map(|run| run.units).sum())
        .collect();
    assert_eq!(sizes, [384, 384, 1020 - 2 * 384]);
    assert_eq!(parts[1][0].offset, 4 * 384);
    assert_eq!(parts[2][1], runs[1]);
}

#[test]
#[should_panic(expected = "border is too narrow")]
fn an_input_without_room_for_the_padding_is_refused() {
    let shape = Shape {
        window: [3, 3],
        strides: [1, 1],
        padding: Border {
            top: 1,
            ..Border::default()
        },
        channels: 1,
        pooling: [1, 1],
    };
    let _ = Convolution::new(
        Kernel::Portable,
        &[(shape, Layout::plain(1, 4, 4, 1))],
        &[0.0],
    );
}
