//! Which nodes of a tract model the engine can compute, and what they are to it.

mod element_wise;

use tract_onnx::prelude::tract_itertools::izip;
#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::{Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::constants::Constants;
use super::prelu::Prelu;
use super::quantise::Quantise;
use crate::convolution::ConvSpec;
use crate::convolution::layout::{Border, Dims};
use crate::microkernel::epilogue::Activation;
use crate::microkernel::epilogue::function::Function;
use crate::program::Quantisation;
use crate::program::pool::{Pooling, Window};
use element_wise::{element_wise, function, prelu};

/// What a node computes of its image inputs.
#[derive(Debug)]
pub(crate) enum Pattern {
    Convolution {
        spec: ConvSpec,
        weights: Weights,
        bias: Vec<f32>,
        /// How many convolutions it is, each of as many channels as the others, side by side.
        groups: usize,
        /// The step of each output channel, where the weights are whole numbers of eight bits of them.
        steps: Option<Vec<f32>>,
    },
    /// A convolution of which each channel has a window of its own.
    Depthwise {
        window: Window,
        weights: Weights,
        bias: Vec<f32>,
    },
    Activate(Activation),
    Function(Function),
    Quantise(Quantisation),
    Add,
    /// A product of which the second factor may have one pixel.
    Multiply,
    /// The channels from this one on.
    Slice(usize),
    Pool {
        pooling: Pooling,
        window: Window,
    },
    Concat,
}

/// Where the weights of a convolution are in the model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    pub(crate) outlet: OutletId,
    /// Whether they are `[input channels][channels]`, not `[channels][input channels][rows][columns]`.
    pub(crate) transposed: bool,
}

/// A pattern, and the node's inputs that are images, in the pattern's order.
pub(crate) type Match = (Pattern, Vec<OutletId>);

/// Classifies a node: the pattern that it matches and its image inputs, or `None` if tract should compute it.
///
/// `is_squeezed` says of a value `[batch][channels]` whether it was an image of one pixel before ([`super::squeezed`]).
pub(crate) fn classify(
    constants: &Constants,
    node: &TypedNode,
    is_squeezed: &dyn Fn(OutletId) -> bool,
) -> Option<Match> {
    let model = constants.model;
    let [output] = node.outputs.as_slice() else {
        return None;
    };
    let dims = value_dims(&output.fact)?;
    let inputs = node.inputs.as_slice();
    let comes_from_image = inputs.iter().any(|input| {
        let fact = model.outlet_fact(*input).ok();
        is_squeezed(*input) || fact.and_then(image_dims).is_some()
    });
    if output.fact.rank() == 2 && !comes_from_image {
        return None;
    }
    let op = node.op();
    let found = if let Some(conv) = op.downcast_ref::<Conv>() {
        convolution(constants, conv, inputs, &dims)?
    } else if let Some(sum) = op.downcast_ref::<EinSum>() {
        pointwise(constants, sum, inputs, &dims)?
    } else if let Some(pool) = op.downcast_ref::<MaxPool>() {
        let window = window(model, &pool.pool_spec, inputs, &dims)?;
        let pooling = Pooling::Max;
        let is_ours = pool.with_index_outputs.is_none();
        is_ours.then(|| (Pattern::Pool { pooling, window }, inputs.to_vec()))?
    } else if let Some(pool) = op.downcast_ref::<SumPool>() {
        let window = window(model, &pool.pool_spec, inputs, &dims)?;
        let pooling = Pooling::Mean {
            counts_padding: pool.count_include_pad,
        };
        let is_ours = pool.normalize;
        is_ours.then(|| (Pattern::Pool { pooling, window }, inputs.to_vec()))?
    } else if let Some(downsample) = op.downcast_ref::<Downsample>() {
        let window = skipping_window(downsample)?;
        let pooling = Pooling::Max;
        (Pattern::Pool { pooling, window }, inputs.to_vec())
    } else if let Some(reduce) = op.downcast_ref::<Reduce>() {
        global_sum(model, reduce, inputs)?
    } else if let Some(concat) = op.downcast_ref::<TypedConcat>() {
        // Of channels. What is concatenated with itself stays tract's.
        let mut different = inputs.to_vec();
        different.sort();
        different.dedup();
        let is_ours = concat.axis == 1 && different.len() == inputs.len();
        is_ours.then(|| (Pattern::Concat, inputs.to_vec()))?
    } else if let Some(slice) = op.downcast_ref::<Slice>() {
        let first = slice.start.to_usize().ok()?;
        (slice.axis == 1).then(|| (Pattern::Slice(first), inputs.to_vec()))?
    } else if let Some(element_wise) = op.downcast_ref::<ElementWiseOp>() {
        (Pattern::Function(function(element_wise)?), inputs.to_vec())
    } else if let Some(quantise) = op.downcast_ref::<Quantise>() {
        (Pattern::Quantise(quantise.quantisation), inputs.to_vec())
    } else if op.is::<Prelu>() {
        prelu(constants, inputs, &dims)?
    } else if let Some(binary) = op.downcast_ref::<TypedBinOp>() {
        element_wise(constants, binary, inputs, &dims)?
    } else {
        return None;
    };
    let all_images = found.1.iter().all(|input| {
        model
            .outlet_fact(*input)
            .is_ok_and(|fact| image_dims(fact).is_some() || is_squeezed(*input))
            && !constants.contains(*input)
    });
    all_images.then_some(found)
}

/// The dimensions of a value that is a batch of f32 images, NCHW, of known size; `None` if it is something
/// else.
pub(crate) fn image_dims(fact: &TypedFact) -> Option<Dims> {
    if fact.datum_type != f32::datum_type() || fact.is_exotic() {
        return None;
    }
    match *fact.shape.as_concrete()? {
        [batch, channels, height, width] => Some(Dims {
            batch,
            height,
            width,
            channels,
        }),
        _ => None,
    }
}

/// The dimensions of a value that is a batch of images, or of images of one pixel without their rows and columns.
pub(crate) fn value_dims(fact: &TypedFact) -> Option<Dims> {
    if fact.rank() != 2 || fact.datum_type != f32::datum_type() || fact.is_exotic() {
        return image_dims(fact);
    }
    match *fact.shape.as_concrete()? {
        [batch, channels] => Some(Dims {
            batch,
            height: 1,
            width: 1,
            channels,
        }),
        _ => None,
    }
}

fn convolution(
    constants: &Constants,
    conv: &Conv,
    inputs: &[OutletId],
    dims: &Dims,
) -> Option<Match> {
    let &[image, weights_of, bias] = inputs else {
        return None;
    };
    let pool_spec = &conv.pool_spec;
    if conv.q_params.is_some() || conv.kernel_fmt != KernelFormat::OIHW {
        return None;
    }
    let window = self::window(constants.model, pool_spec, &[image], dims)?;
    if [pool_spec.input_channels, pool_spec.output_channels] == [conv.group; 2] && conv.group > 1 {
        let pattern = Pattern::Depthwise {
            window,
            weights: weights(constants, weights_of, false)?,
            bias: broadcast(constant(constants, bias)?, dims.channels)?,
        };
        return Some((pattern, vec![image]));
    }
    let Window {
        size: window,
        strides,
        padding,
    } = window;
    let spec = ConvSpec {
        window,
        strides,
        padding,
        channels: pool_spec.output_channels,
        pooling: [1, 1],
    };
    let weights = weights(constants, weights_of, false)?;
    let pattern = Pattern::Convolution {
        // Sums of bytes are of one convolution.
        steps: constants
            .steps(weights, spec.channels)
            .filter(|_| conv.group == 1),
        weights,
        bias: broadcast(constant(constants, bias)?, spec.channels)?,
        groups: conv.group,
        spec,
    };
    Some((pattern, vec![image]))
}

/// A convolution with a window of one pixel, which tract writes as an `EinSum` of image and matrix.
fn pointwise(
    constants: &Constants,
    sum: &EinSum,
    inputs: &[OutletId],
    dims: &Dims,
) -> Option<Match> {
    let &[image, matrix] = inputs else {
        return None;
    };
    // For each axis of the sum, its dimension in the image, in the matrix and in the output.
    let dimensions = |axis: &Axis| -> Option<[Option<usize>; 3]> {
        let single = |dimensions: &TVec<usize>| match dimensions.as_slice() {
            [] => Some(None),
            [dimension] => Some(Some(*dimension)),
            _ => None,
        };
        Some([
            single(&axis.inputs[0])?,
            single(&axis.inputs[1])?,
            single(&axis.outputs[0])?,
        ])
    };
    let mut axes = sum
        .axes
        .iter_all_axes()
        .map(dimensions)
        .collect::<Option<Vec<_>>>()?;
    axes.sort();
    // A matrix that was the weights of a convolution may still have the window's rows and columns, of size one.
    let fact = constants.model.outlet_fact(matrix).ok()?;
    let is_single = |dimension: usize| fact.shape.get(dimension).is_some_and(TDim::is_one);
    axes.retain(|axis| !matches!(axis, [None, Some(dimension), None] if is_single(*dimension)));
    // Nor need an image of one pixel have them.
    let is_pixel = constants.model.outlet_fact(image).ok().and_then(value_dims);
    let is_pixel = is_pixel.is_some_and(|image| [image.height, image.width] == [1, 1]);
    if is_pixel && [dims.height, dims.width] == [1, 1] {
        axes.retain(|axis| !matches!(axis, [Some(2 | 3), None, _] | [_, None, Some(2 | 3)]));
    }
    let (of_inputs, of_outputs) = match axes.as_slice() {
        [
            [None, Some(outputs), Some(1)], // output channels
            [Some(0), None, Some(0)],       // batch
            [Some(1), Some(inputs), None],  // input channels, summed over
        ] if is_pixel => (*inputs, *outputs),
        [
            [None, Some(outputs), Some(1)], // output channels
            [Some(0), None, Some(0)],       // batch
            [Some(1), Some(inputs), None],  // input channels, summed over
            [Some(2), None, Some(2)],       // rows
            [Some(3), None, Some(3)],       // columns
        ] => (*inputs, *outputs),
        _ => return None,
    };
    let transposed = of_outputs > of_inputs;
    if sum.q_params.is_some() || transposed && fact.rank() != 2 {
        return None;
    }
    let spec = ConvSpec {
        window: [1, 1],
        strides: [1, 1],
        padding: Border::default(),
        channels: dims.channels,
        pooling: [1, 1],
    };
    let weights = weights(constants, matrix, transposed)?;
    let pattern = Pattern::Convolution {
        spec,
        steps: constants.steps(weights, spec.channels),
        weights,
        groups: 1,
        bias: vec![0.0; dims.channels],
    };
    Some((pattern, vec![image]))
}

/// The window of a convolution or pooling, without dilation and of two dimensions, if it gives an output of
/// these dimensions.
fn window(model: &TypedModel, spec: &PoolSpec, inputs: &[OutletId], dims: &Dims) -> Option<Window> {
    let input = image_dims(model.outlet_fact(*inputs.first()?).ok()?)?;
    let is_ours = spec.data_format == DataFormat::NCHW
        && spec.rank() == 2
        && spec.dilations().iter().all(|dilation| *dilation == 1)
        && !matches!(spec.padding, PaddingSpec::ExplicitOnnxPool(..));
    if !is_ours {
        return None;
    }
    let strides = spec.strides();
    let computed = spec.padding.compute(
        &[input.height, input.width],
        &spec.kernel_shape,
        &spec.dilations(),
        &strides,
    );
    let [rows, columns] = computed.as_slice() else {
        return None;
    };
    let window = Window {
        size: [spec.kernel_shape[0], spec.kernel_shape[1]],
        strides: [strides[0], strides[1]],
        padding: Border {
            top: rows.pad_before,
            bottom: rows.pad_after,
            left: columns.pad_before,
            right: columns.pad_after,
        },
    };
    let fits = izip!(
        [input.height, input.width],
        [rows, columns],
        window.size,
        window.strides,
        [dims.height, dims.width],
    )
    .all(|(size, padding, window, stride, output)| {
        let room = padding.pad_before + size + padding.pad_after;
        room >= window && (room - window) / stride + 1 == output && padding.pad_before < window
    });
    fits.then_some(window)
}

/// The window of one pixel that takes every so many rows or columns, from the first on. tract writes a strided
/// convolution with such a window as this and one without strides.
fn skipping_window(downsample: &Downsample) -> Option<Window> {
    let stride = usize::try_from(downsample.stride).ok()?;
    let strides = match (downsample.axis, downsample.modulo) {
        (2, 0) => [stride, 1],
        (3, 0) => [1, stride],
        _ => return None,
    };
    Some(Window {
        size: [1, 1],
        strides,
        padding: Border::default(),
    })
}

/// The sum of each channel over the whole image. tract writes a global mean as this and a scale.
fn global_sum(model: &TypedModel, reduce: &Reduce, inputs: &[OutletId]) -> Option<Match> {
    let input = image_dims(model.outlet_fact(*inputs.first()?).ok()?)?;
    let window = Window {
        size: [input.height, input.width],
        strides: [1, 1],
        padding: Border::default(),
    };
    let pooling = Pooling::Sum;
    let is_ours = reduce.axes[..] == [2, 3] && reduce.reducer == Reducer::Sum;
    is_ours.then(|| (Pattern::Pool { pooling, window }, inputs.to_vec()))
}

/// Weights, if they are constants of f32.
fn weights(constants: &Constants, outlet: OutletId, transposed: bool) -> Option<Weights> {
    let fact = constants.model.outlet_fact(outlet).ok()?;
    let is_ours = constants.contains(outlet) && fact.datum_type == f32::datum_type();
    is_ours.then_some(Weights { outlet, transposed })
}

/// The values of a constant of f32.
fn constant(constants: &Constants, outlet: OutletId) -> Option<Vec<f32>> {
    if !constants.contains(outlet) {
        return None;
    }
    let tensor = constants.value(outlet).ok()?;
    let values = tensor.to_plain_array_view::<f32>().ok()?;
    Some(values.iter().copied().collect())
}

/// One value for each channel, from as many or from a single one.
fn broadcast(values: Vec<f32>, channels: usize) -> Option<Vec<f32>> {
    match values.len() {
        1 => Some(vec![values[0]; channels]),
        count => (count == channels).then_some(values),
    }
}
