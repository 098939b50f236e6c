//! What must hold for any bytes at all. A fuzz target (`fuzz/`) calls this, and a test does with some bytes.

use smallvec::SmallVec;

use crate::Kernel;
use crate::convolution::layout::{Border, Layout, SLACK};
use crate::convolution::{ConvSpec, Convolution, Scratch, can_pool};
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::{TypedSlice, TypedSliceMut};
use crate::microkernel::epilogue::{
    Activation, Bounds, ChannelSlice, Epilogue, Grid, Output, Rescaling, Residual, Rounding,
};

/// Numbers that are drawn from bytes. When those have ended, they are random.
struct Numbers<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        if let Some((first, others)) = self.bytes.split_first() {
            self.bytes = others;
            self.state = self.state.wrapping_mul(31).wrapping_add(u64::from(*first));
            return *first;
        }
        // Marsaglia's xorshift.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as u8
    }

    /// From `least` to `most`.
    fn between(&mut self, least: usize, most: usize) -> usize {
        least + usize::from(self.byte()) % (most - least + 1)
    }

    fn bool(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn list<T>(&mut self, count: usize, of: impl Fn(u8) -> T) -> Vec<T> {
        (0..count).map(|_| of(self.byte())).collect()
    }

    fn border(&mut self, most: usize) -> Border {
        Border {
            top: self.between(0, most),
            left: self.between(0, most),
            bottom: self.between(0, most),
            right: self.between(0, most),
        }
    }

    fn bounds(&mut self) -> Option<Bounds> {
        self.bool().then(|| Bounds::of(self.byte()))
    }
}

/// A convolution of bytes, and all that its epilogue may do.
struct Case {
    spec: ConvSpec,
    input: Layout,
    zero_point: u8,
    image: Vec<u8>,
    weights: Vec<f32>,
    rescaling: Rescaling,
    grid: Grid,
    relu: bool,
    residual: Option<Vec<u8>>,
    activation: Activation,
    rounding: Option<Rounding>,
    // Whether values are stored in each of three ways, and what stands for zero in two of them.
    stores: [bool; 3],
    zeros: [u8; 2],
}

impl Case {
    fn new(numbers: &mut Numbers<'_>) -> Self {
        let window = [numbers.between(1, 5), numbers.between(1, 5)];
        let pooling = [numbers.between(1, 2), numbers.between(1, 2)];
        let spec = ConvSpec {
            window,
            strides: [numbers.between(1, 3), numbers.between(1, 3)],
            padding: numbers.border(2),
            channels: numbers.between(1, 70),
            pooling: if can_pool(pooling) { pooling } else { [1, 1] },
        };
        let input = Layout {
            border: spec.padding.union(numbers.border(2)),
            ..Layout::plain(
                numbers.between(1, 3),
                numbers.between(window[0], 20),
                numbers.between(window[1], 20),
                numbers.between(1, 40),
            )
        };
        let channels = spec.channels;
        let [height, width] = spec.output(input.height, input.width);
        let values = input.batch * height * width * channels;
        let inputs = window[0] * window[1] * input.channels;
        let typical = 1.0 / (4000.0 * (inputs as f32).sqrt());
        let signed = |byte: u8| f32::from(byte.cast_signed());
        Self {
            zero_point: numbers.byte(),
            rescaling: Rescaling {
                bias: numbers.list(channels, |byte| 50 * i32::from(byte.cast_signed())),
                scale: numbers.list(channels, |byte| typical * f32::from(byte)),
                shift: if numbers.bool() {
                    numbers.list(channels, |byte| signed(byte) / 16.0)
                } else {
                    vec![0.0; channels]
                },
            },
            grid: Grid {
                before: numbers.bounds(),
                factors: [numbers.byte(), numbers.byte()].map(|byte| f32::from(byte) / 99.0),
                residual_zero: numbers.byte(),
                after: numbers.bounds(),
            },
            relu: numbers.bool(),
            residual: numbers.bool().then(|| numbers.list(values, |byte| byte)),
            activation: Activation {
                scale: numbers.list(channels, |byte| signed(byte) / 70.0),
                shift: numbers.list(channels, signed),
                relu: numbers.bool(),
            },
            rounding: numbers.bounds().map(|bounds| Rounding {
                bounds,
                factor: 0.7,
            }),
            stores: [(); 3].map(|()| numbers.bool()),
            zeros: [numbers.byte(), numbers.byte()],
            image: numbers.list(
                input.batch * input.height * input.width * input.channels,
                |byte| byte,
            ),
            weights: numbers.list(channels * inputs, signed),
            spec,
            input,
        }
    }

    /// What a kernel stores in the three ways.
    fn run(&self, kernel: Kernel) -> (Vec<u32>, Vec<u8>, Vec<u8>) {
        let channels = self.spec.channels;
        let inputs = [(self.spec, self.input)];
        let convolution = Convolution::new(kernel, &inputs, &vec![0.0; channels]);
        let mut convolution = convolution.rescaled(self.rescaling.clone());
        let mut packed = AlignedVec::default();
        packed.grow(convolution.packed_len());
        convolution.pack_steps(
            &self.weights,
            &vec![1.0; channels],
            self.zero_point,
            &mut packed,
        );
        let mut image = vec![self.zero_point; self.input.len() + SLACK];
        let pixels = self.image.chunks(self.input.channels);
        for (at, pixel) in self.input.pixel_offsets().zip(pixels) {
            image[at..][..pixel.len()].copy_from_slice(pixel);
        }
        let [height, width] = self.spec.output(self.input.height, self.input.width);
        let output = Layout::plain(self.input.batch, height, width, channels);
        let at: Vec<usize> = output.pixel_offsets().collect();
        let slices = [
            (None, None),
            (None, None),
            (Some(self.activation.clone()), self.rounding),
        ];
        let slices = slices.map(|(activation, rounding)| {
            [ChannelSlice {
                offset: 0,
                activation,
                rounding,
            }]
        });
        let mut values = vec![0.0; output.len()];
        let mut bytes = [vec![0; output.len()], vec![0; output.len()]];
        let mut outputs = SmallVec::new();
        let [plain, activated] = &mut bytes;
        let targets = [
            TypedSliceMut::F32(&mut values),
            TypedSliceMut::U8(plain, self.zeros[0]),
            TypedSliceMut::U8(activated, self.zeros[1]),
        ];
        for ((values, slices), is_stored) in targets.into_iter().zip(&slices).zip(self.stores) {
            if is_stored {
                outputs.push(Output {
                    values,
                    pixel_offsets: &at,
                    slices,
                });
            }
        }
        let mut epilogue = Epilogue {
            residual: self.residual.as_ref().map(|values| Residual {
                values: TypedSlice::U8(values),
                pixel_offsets: &at,
            }),
            relu: self.relu,
            function: None,
            grid: self.grid,
            outputs,
        };
        convolution.run(
            self.input.batch,
            &packed,
            &[TypedSlice::U8(&image)],
            &mut Scratch::default(),
            &mut epilogue,
        );
        drop(epilogue);
        // A zero may have either sign.
        let bits = |value: &f32| (value + 0.0).to_bits();
        let [plain, activated] = bytes;
        (values.iter().map(bits).collect(), plain, activated)
    }
}

/// A convolution on eight bits, and all that may be done to its sums: each kernel of this processor gives the same as
/// plain loops.
pub fn convolution(bytes: &[u8]) {
    let mut numbers = Numbers { bytes, state: 1 };
    let case = Case::new(&mut numbers);
    let expected = case.run(Kernel::PortableInt8);
    for kernel in Kernel::INT8 {
        if kernel.is_supported() && kernel != Kernel::PortableInt8 {
            let found = case.run(kernel);
            assert!(found == expected, "{kernel}, {:?}", case.spec);
        }
    }
}

#[cfg(test)]
#[path = "../../tests/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::{feed_corpus, flip_bits};

    #[test]
    #[cfg_attr(
        miri,
        ignore = "the tests of `convolution` have smaller cases of the same"
    )]
    fn fuzzing_inputs_have_the_same_answer_with_every_kernel() {
        feed_corpus("convolution", super::convolution);
        flip_bits("corpus/convolution/three-by-three", 5, super::convolution);
    }
}
