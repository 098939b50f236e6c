//! Which nodes of a tract model the engine can compute, and what they are to it.

mod composed;
mod element_wise;
mod pointwise;

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
use super::forms::{Form, Images};
use super::prelu::Prelu;
use super::quantise::Quantise;
use crate::convolution::ConvSpec;
use crate::convolution::layout::{Border, Dims};
use crate::microkernel::epilogue::Activation;
use crate::microkernel::epilogue::function::Function;
use crate::program::Quantisation;
use crate::program::pool::{Pooling, Window};
use composed::{gelu, layer_norm};
use element_wise::{element_wise, function, prelu};
use pointwise::pointwise;

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
    /// Layer normalisation, without scale and shift.
    LayerNorm {
        epsilon: f32,
    },
    /// Nothing: another form of the same image.
    Identity,
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

/// A node that the engine can compute.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) pattern: Pattern,
    /// The inputs that are images, in the pattern's order, and the form that tract writes them in.
    pub(crate) images: Vec<OutletId>,
    pub(crate) reads: Form,
    /// The dimensions and the form of what it computes.
    pub(crate) dims: Dims,
    pub(crate) form: Form,
}

/// A pattern, and its images.
type Found = (Pattern, Vec<OutletId>);

/// Classifies a node: the pattern that it matches and its image inputs, or `None` if tract should compute it.
pub(super) fn classify(
    constants: &Constants,
    node: &TypedNode,
    images: Images<'_>,
) -> Option<Match> {
    let [output] = node.outputs.as_slice() else {
        return None;
    };
    let inputs = node.inputs.as_slice();
    let first = inputs.iter().find(|input| !constants.contains(**input))?;
    let reads = images.form(*first);
    let (form, (pattern, of_images)) = if let Some(sum) = node.op_as::<EinSum>() {
        pointwise(constants, images, sum, inputs, &output.fact)?
    } else if let Some(axes) = node.op_as::<AxisOp>() {
        let form = match (axes, reads) {
            (AxisOp::Move(1, 3), Form::ChannelsFirst) => Form::ChannelsLast,
            (AxisOp::Move(3, 1), Form::ChannelsLast) => Form::ChannelsFirst,
            _ => return None,
        };
        (form, (Pattern::Identity, inputs.to_vec()))
    } else if let Some(found) =
        layer_norm(constants, images, node).or_else(|| gelu(constants, images, node))
    {
        found
    } else {
        let dims = reads.dims(&output.fact)?;
        let by_value = by_value(constants, images, node, (reads, &dims));
        // What looks at rows and columns is ours where they are behind the channels.
        let is_last = reads == Form::ChannelsLast;
        let found = by_value
            .or_else(|| (!is_last).then(|| by_windows(constants, images, node, &dims))?)?;
        (reads, found)
    };
    let reads = images.form(*of_images.first()?);
    let is_image = |image: &OutletId| {
        images.dims(*image).is_some() && images.form(*image) == reads && !constants.contains(*image)
    };
    let dims = form.dims(&output.fact)?;
    of_images.iter().all(is_image).then_some(Match {
        pattern,
        images: of_images,
        reads,
        dims,
        form,
    })
}

/// A node that computes each pixel from the same pixels of its inputs, which it may have in any form.
fn by_value(
    constants: &Constants,
    images: Images<'_>,
    node: &TypedNode,
    (form, dims): (Form, &Dims),
) -> Option<Found> {
    let inputs = node.inputs.as_slice();
    if let Some(element_wise) = node.op_as::<ElementWiseOp>() {
        Some((Pattern::Function(function(element_wise)?), inputs.to_vec()))
    } else if let Some(quantise) = node.op_as::<Quantise>() {
        Some((Pattern::Quantise(quantise.quantisation), inputs.to_vec()))
    } else if node.op_is::<Prelu>() {
        prelu(constants, inputs, (form, dims))
    } else if let Some(binary) = node.op_as::<TypedBinOp>() {
        element_wise(constants, images, binary, inputs, (form, dims))
    } else {
        None
    }
}

/// A node that reads other pixels than those it computes, or other channels.
fn by_windows(
    constants: &Constants,
    images: Images<'_>,
    node: &TypedNode,
    dims: &Dims,
) -> Option<Found> {
    let inputs = node.inputs.as_slice();
    if let Some(conv) = node.op_as::<Conv>() {
        convolution(constants, images, conv, inputs, dims)
    } else if let Some(pool) = node.op_as::<MaxPool>() {
        let window = window(images, &pool.pool_spec, inputs, dims)?;
        let pooling = Pooling::Max;
        let is_ours = pool.with_index_outputs.is_none();
        is_ours.then(|| (Pattern::Pool { pooling, window }, inputs.to_vec()))
    } else if let Some(pool) = node.op_as::<SumPool>() {
        let window = window(images, &pool.pool_spec, inputs, dims)?;
        let pooling = Pooling::Mean {
            counts_padding: pool.count_include_pad,
        };
        let is_ours = pool.normalize;
        is_ours.then(|| (Pattern::Pool { pooling, window }, inputs.to_vec()))
    } else if let Some(downsample) = node.op_as::<Downsample>() {
        let window = skipping_window(downsample)?;
        let pooling = Pooling::Max;
        Some((Pattern::Pool { pooling, window }, inputs.to_vec()))
    } else if let Some(reduce) = node.op_as::<Reduce>() {
        global_sum(images, reduce, inputs)
    } else if let Some(concat) = node.op_as::<TypedConcat>() {
        // Of channels. What is concatenated with itself stays tract's.
        let mut different = inputs.to_vec();
        different.sort();
        different.dedup();
        let is_ours = concat.axis == 1 && different.len() == inputs.len();
        is_ours.then(|| (Pattern::Concat, inputs.to_vec()))
    } else if let Some(slice) = node.op_as::<Slice>() {
        let first = slice.start.to_usize().ok()?;
        (slice.axis == 1).then(|| (Pattern::Slice(first), inputs.to_vec()))
    } else {
        None
    }
}

fn convolution(
    constants: &Constants,
    images: Images<'_>,
    conv: &Conv,
    inputs: &[OutletId],
    dims: &Dims,
) -> Option<Found> {
    let &[image, weights_of, bias] = inputs else {
        return None;
    };
    let pool_spec = &conv.pool_spec;
    if conv.q_params.is_some() || conv.kernel_fmt != KernelFormat::OIHW {
        return None;
    }
    let window = self::window(images, pool_spec, &[image], dims)?;
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

/// The window of a convolution or pooling, without dilation and of two dimensions, if it gives an output of
/// these dimensions.
fn window(images: Images<'_>, spec: &PoolSpec, inputs: &[OutletId], dims: &Dims) -> Option<Window> {
    let input = images.dims(*inputs.first()?)?;
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
fn global_sum(images: Images<'_>, reduce: &Reduce, inputs: &[OutletId]) -> Option<Found> {
    let input = images.dims(*inputs.first()?)?;
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
