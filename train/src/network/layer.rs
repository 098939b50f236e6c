//! What the nodes of a network can compute.

/// The size of one image's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels, or features.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// How many images each view has become; see [`Layer::Viewpoints`]. 1 in most networks.
    pub viewpoints: usize,
}

impl Shape {
    /// As many channels of `side` x `side` pixels.
    pub const fn square(channels: usize, side: usize) -> Self {
        Self {
            channels,
            height: side,
            width: side,
            viewpoints: 1,
        }
    }

    /// How many values one image has.
    pub const fn size(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// What a node computes. Images are `[N, channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layer {
    /// The views, whitened.
    Input,
    /// A 2-D convolution.
    Convolution(Convolution),
    /// Batch normalisation over each channel, with a scale and a shift; see [`BATCH_NORM_EPSILON`].
    BatchNorm,
    /// `max(x, 0)`.
    Relu,
    /// The largest value of each square. With a size of 1 it takes every `stride`th pixel.
    MaxPool(Pool),
    /// The mean of each square, of the pixels that are in the image.
    AveragePool(Pool),
    /// The mean of each channel: `[N, channels, 1, 1]`.
    GlobalAveragePool,
    /// Division by what the neighbouring channels have in the same pixel.
    LocalResponseNorm(LocalResponseNorm),
    /// The sum of two inputs of the same shape.
    Add,
    /// The channels of all inputs, one input after the other.
    Concatenate,
    /// While training, zeroes each value with this probability and scales the rest up; otherwise
    /// nothing.
    Dropout {
        /// The probability to *drop* a value (the paper's 0.8 is TensorFlow's probability to keep).
        drop_probability: f64,
    },
    /// A matrix and a bias over all values of the input: `[N, outputs]`.
    Linear {
        /// How many outputs.
        outputs: usize,
    },
    /// Splits features into pieces of equal length, and takes the largest of the pieces' values:
    /// `[N, features / pieces]`. With a linear layer before it, Goodfellow et al. 2013's maxout.
    Maxout {
        /// How many values the largest is taken of.
        pieces: usize,
    },
    /// A square image turned counterclockwise about its centre, interpolated bilinearly; see
    /// [`viewpoint`](super::viewpoint).
    Rotate {
        /// The angle, in degrees.
        degrees: f64,
    },
    /// Eight viewpoints of each input, cut from the four corners of the square image and of its mirror
    /// image; see [`viewpoint`](super::viewpoint). They become the batch, `[viewpoints x N, channels,
    /// crop, crop]`, all viewpoints of an image one after the other.
    Viewpoints {
        /// The side of a viewpoint, in pixels.
        crop: usize,
    },
    /// The values of all viewpoints of a view, one after the other: `[N, viewpoints x values]`.
    JoinViewpoints,
}

/// The parameters of a convolution: made by [`new`](Self::new) or [`square`](Self::square), and then
/// changed where it isn't the plainest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub filters: usize,
    /// The rows and the columns of the kernel, in pixels.
    pub kernel: [usize; 2],
    /// The distance between outputs, in pixels.
    pub stride: usize,
    /// Zeros added before and after: above and below, left and right.
    pub padding: [(usize, usize); 2],
    /// Whether something is added to each output channel. Batch normalisation would take it away again.
    pub bias: bool,
}

impl Convolution {
    /// A convolution of stride 1 with a bias and without padding.
    pub const fn new(filters: usize, kernel: [usize; 2]) -> Self {
        Self {
            filters,
            kernel,
            stride: 1,
            padding: [(0, 0); 2],
            bias: true,
        }
    }

    /// One with a kernel of `side` x `side` pixels.
    pub const fn square(filters: usize, side: usize) -> Self {
        Self::new(filters, [side; 2])
    }

    /// Padded so that a stride of 1 keeps the image's size. An even kernel gets the odd zero after the
    /// image, as in TensorFlow.
    #[must_use]
    pub fn same(self) -> Self {
        Self {
            padding: self.kernel.map(|length| ((length - 1) / 2, length / 2)),
            ..self
        }
    }

    /// With this distance between outputs.
    #[must_use]
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Without a bias, since a batch normalisation follows.
    #[must_use]
    pub const fn without_bias(self) -> Self {
        Self {
            bias: false,
            ..self
        }
    }

    /// Multiply-adds for one value of the output; `channels` are those of the input.
    pub(super) const fn fan_in(&self, channels: usize) -> usize {
        channels * self.kernel[0] * self.kernel[1]
    }
}

/// Squares that are reduced to a value each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The side of a square, in pixels.
    pub size: usize,
    /// The distance between squares, in pixels.
    pub stride: usize,
    /// How far the squares may reach over each edge, in pixels. What is there doesn't count.
    pub padding: usize,
}

impl Pool {
    /// Squares inside the image.
    pub const fn new(size: usize, stride: usize) -> Self {
        Self {
            size,
            stride,
            padding: 0,
        }
    }

    /// Squares, of an odd size, around every `stride`th pixel: a stride of 1 keeps the image's size.
    #[must_use]
    pub const fn same(self) -> Self {
        Self {
            padding: self.size / 2,
            ..self
        }
    }
}

/// Krizhevsky et al. 2012, section 3.3: `x / (bias + alpha / size * sum)^beta`, where the sum is over
/// the squares of `size` channels, of which the value's own is in the middle.
///
/// As in torch and ONNX, `alpha` is divided by the size; theirs isn't.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm {
    /// How many channels; an odd number.
    pub size: usize,
    /// The weight of the mean of squares.
    pub alpha: f64,
    /// The exponent.
    pub beta: f64,
    /// What keeps the divisor from zero; their k.
    pub bias: f64,
}

/// Added to the variance, as in the authors' code.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// How much of the running mean and variance is kept at each training step, as in the authors' code;
/// less at the start of a run.
pub const BATCH_NORM_DECAY: f64 = 0.997;
