//! The layers that a network can be made of.

/// The size of one image's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels, or features.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// The number of images that each view has become; see [`Layer::Viewpoints`]. 1 in most networks.
    pub viewpoints: usize,
}

impl Shape {
    /// Channels of `side` x `side` pixels.
    pub const fn square(channels: usize, side: usize) -> Self {
        Self {
            channels,
            height: side,
            width: side,
            viewpoints: 1,
        }
    }

    /// The number of values of one image.
    pub const fn size(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// The computation of a node. Images are `[N, channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layer {
    /// The views, whitened.
    Input,
    /// A 2-D convolution.
    Convolution(Convolution),
    /// Batch normalisation over each channel, with a scale and a shift; see `BATCH_NORM_EPSILON`.
    BatchNorm,
    /// `max(x, 0)`.
    Relu,
    /// The largest value of each square. With a size of 1, this is every `stride`th pixel.
    MaxPool(Pool),
    /// The mean of each square, over its pixels within the image.
    AveragePool(Pool),
    /// The mean of each channel: `[N, channels, 1, 1]`.
    GlobalAveragePool,
    /// Local response normalisation: a division by the neighbouring channels in the same pixel.
    LocalResponseNorm(LocalResponseNorm),
    /// The sum of two inputs of the same shape.
    Add,
    /// The channels of all inputs, input by input.
    Concatenate,
    /// In training, sets each value to zero with this probability, and scales the others up. Otherwise
    /// does nothing.
    Dropout {
        /// The probability to *drop* a value. (The paper's 0.8 is TensorFlow's probability to keep one.)
        drop_probability: f64,
    },
    /// A matrix and a bias over all values of the input: `[N, outputs]`.
    Linear {
        /// The number of outputs.
        outputs: usize,
    },
    /// Splits the features into pieces of equal length, and takes the maximum over the pieces: `[N,
    /// features / pieces]`. After a linear layer, this is the maxout of Goodfellow et al. 2013.
    Maxout {
        /// The number of pieces.
        pieces: usize,
    },
    /// A square image rotated counterclockwise about its centre, with bilinear interpolation; see
    /// `viewpoint.rs`.
    Rotate {
        /// The angle, in degrees.
        degrees: f64,
    },
    /// Eight viewpoints of each input, cut from the four corners of the square image and of its mirror
    /// image; see `viewpoint.rs`. They become the batch: `[viewpoints x N, channels,
    /// crop, crop]`. The viewpoints of one image follow one another.
    Viewpoints {
        /// The side of a viewpoint, in pixels.
        crop: usize,
    },
    /// The values of all viewpoints of a view in one row: `[N, viewpoints x values]`.
    JoinViewpoints,
    /// Rounds to what 8 bits can hold: `step x (n - zero point)` for whole numbers n of 0 to 255. What lies
    /// beyond becomes the nearest of them. See `eight_bits.rs`.
    Quantise,
}

/// The parameters of a convolution. [`new`](Self::new) and [`square`](Self::square) make the plainest
/// one, and the other methods change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub filters: usize,
    /// The rows and the columns of the kernel, in pixels.
    pub kernel: [usize; 2],
    /// The distance between outputs, in pixels.
    pub stride: usize,
    /// Zeros added above and below, and left and right.
    pub padding: [(usize, usize); 2],
    /// Whether it adds a bias to each output channel. A batch normalisation that follows would subtract
    /// it again.
    pub bias: bool,
    /// Whether its weights are whole numbers of -127 to 127 times a step for each output channel, and its
    /// biases whole numbers times the product of that step and the input's. See `eight_bits.rs`.
    pub(crate) eight_bits: bool,
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
            eight_bits: false,
        }
    }

    /// A convolution of stride 1 with a kernel of `side` x `side` pixels, with a bias and without padding.
    pub const fn square(filters: usize, side: usize) -> Self {
        Self::new(filters, [side; 2])
    }

    /// Adds padding so that a stride of 1 keeps the image's size. An even kernel gets the odd zero after
    /// the image, as in TensorFlow.
    #[must_use]
    pub fn same(self) -> Self {
        Self {
            padding: self.kernel.map(|length| ((length - 1) / 2, length / 2)),
            ..self
        }
    }

    /// Sets the distance between outputs, in pixels.
    #[must_use]
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Removes the bias, for a batch normalisation that follows.
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

/// The squares of a pooling, each of which becomes one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The side of a square, in pixels.
    pub size: usize,
    /// The distance between squares, in pixels.
    pub stride: usize,
    /// How far the squares extend beyond each edge, in pixels. Pixels out there don't count.
    pub padding: usize,
}

impl Pool {
    /// Squares within the image.
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
    /// The number of channels in the sum; an odd number.
    pub size: usize,
    /// The weight of the mean of squares.
    pub alpha: f64,
    /// The exponent.
    pub beta: f64,
    /// The constant that keeps the divisor from zero; their k.
    pub bias: f64,
}

/// The constant that is added to the variance, as in the authors' code.
pub(crate) const BATCH_NORM_EPSILON: f64 = 1e-5;

/// The fraction of the running mean and variance that each training step keeps, as in the authors' code.
/// It is smaller at the start of a run.
pub(crate) const BATCH_NORM_DECAY: f64 = 0.997;
