//! Which nodes of a tract model this engine computes, and what they are to it.

use tract_onnx::prelude::tract_itertools::izip;
#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Max, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use crate::convolution::Shape;
use crate::convolution::layout::Border;
use crate::graph::{Pooling, Size, Weights, Window};
use crate::microkernel::epilogue::Activation;
use crate::tract::constants::Constants;

/// What a node computes, for those of its inputs that are images, in their order.
#[derive(Debug)]
pub(crate) enum Found {
    Convolution {
        shape: Shape,
        weights: Weights,
        bias: Vec<f32>,
    },
    Activate(Activation),
    Add,
    Pool {
        pooling: Pooling,
        window: Window,
    },
    Concat,
}

type Looked = Option<(Found, Vec<OutletId>)>;

/// What a node is to this engine, and which of its inputs are images; none if it is tract's.
pub(crate) fn look(constants: &Constants, node: &TypedNode) -> Looked {
    let model = constants.model;
    let size = size(&node.outputs.first()?.fact)?;
    if node.outputs.len() != 1 {
        return None;
    }
    let inputs = node.inputs.as_slice();
    let op = node.op();
    let found = if let Some(conv) = op.downcast_ref::<Conv>() {
        convolution(constants, conv, inputs, &size)?
    } else if let Some(sum) = op.downcast_ref::<EinSum>() {
        pointwise(constants, sum, inputs, &size)?
    } else if let Some(pool) = op.downcast_ref::<MaxPool>() {
        let window = window(model, &pool.pool_spec, inputs, &size)?;
        let found = Found::Pool {
            pooling: Pooling::Max,
            window,
        };
        pool.with_index_outputs
            .is_none()
            .then_some((found, inputs.to_vec()))?
    } else if let Some(pool) = op.downcast_ref::<SumPool>() {
        let pooling = Pooling::Mean {
            counts_padding: pool.count_include_pad,
        };
        let window = window(model, &pool.pool_spec, inputs, &size)?;
        let found = Found::Pool { pooling, window };
        pool.normalize.then_some((found, inputs.to_vec()))?
    } else if let Some(reduce) = op.downcast_ref::<Reduce>() {
        sum_of_all(model, reduce, inputs)?
    } else if let Some(concat) = op.downcast_ref::<TypedConcat>() {
        let mut different = inputs.to_vec();
        different.sort();
        different.dedup();
        let is_ours = concat.axis == 1 && different.len() == inputs.len();
        is_ours.then(|| (Found::Concat, inputs.to_vec()))?
    } else if let Some(binary) = op.downcast_ref::<TypedBinOp>() {
        element_wise(constants, binary, inputs, &size)?
    } else {
        return None;
    };
    let all_images = found.1.iter().all(|input| {
        model
            .outlet_fact(*input)
            .is_ok_and(|fact| self::size(fact).is_some() && !constants.contains(*input))
    });
    all_images.then_some(found)
}

/// The size of f32 images, if a value is that.
pub(crate) fn size(fact: &TypedFact) -> Option<Size> {
    if fact.datum_type != f32::datum_type() || fact.is_exotic() {
        return None;
    }
    match *fact.shape.as_concrete()? {
        [batch, channels, height, width] => Some(Size {
            batch,
            height,
            width,
            channels,
        }),
        _ => None,
    }
}

fn convolution(constants: &Constants, conv: &Conv, inputs: &[OutletId], size: &Size) -> Looked {
    let &[image, weights, bias] = inputs else {
        return None;
    };
    let spec = &conv.pool_spec;
    let is_ours =
        conv.group == 1 && conv.q_params.is_none() && conv.kernel_fmt == KernelFormat::OIHW;
    if !is_ours {
        return None;
    }
    let Window {
        size: window,
        strides,
        padding,
    } = self::window(constants.model, spec, &[image], size)?;
    let shape = Shape {
        window,
        strides,
        padding,
        channels: spec.output_channels,
        pooling: [1, 1],
    };
    let found = Found::Convolution {
        weights: self::weights(constants, weights, false)?,
        bias: spread(constant(constants, bias)?, spec.output_channels)?,
        shape,
    };
    Some((found, vec![image]))
}

/// A convolution with a window of one pixel, as tract writes it.
fn pointwise(constants: &Constants, sum: &EinSum, inputs: &[OutletId], size: &Size) -> Looked {
    let &[image, inputs_and_outputs] = inputs else {
        return None;
    };
    let at = |axis: &Axis| -> Option<[Option<usize>; 3]> {
        let one = |places: &TVec<usize>| match places.as_slice() {
            [] => Some(None),
            [place] => Some(Some(*place)),
            _ => None,
        };
        Some([
            one(&axis.inputs[0])?,
            one(&axis.inputs[1])?,
            one(&axis.outputs[0])?,
        ])
    };
    // Which dimension each of its axes is of the image, the weights and the output.
    let mut axes = sum
        .axes
        .iter_all_axes()
        .map(at)
        .collect::<Option<Vec<_>>>()?;
    axes.sort();
    // Rows and columns of a window of one by one, which weights of a convolution may still have.
    let fact = constants.model.outlet_fact(inputs_and_outputs).ok()?;
    let is_single = |dimension: usize| fact.shape.get(dimension).is_some_and(TDim::is_one);
    axes.retain(|axis| !matches!(axis, [None, Some(dimension), None] if is_single(*dimension)));
    let (of_inputs, of_outputs) = match axes.as_slice() {
        [
            [None, Some(outputs), Some(1)],
            [Some(0), None, Some(0)],
            [Some(1), Some(inputs), None],
            [Some(2), None, Some(2)],
            [Some(3), None, Some(3)],
        ] => (*inputs, *outputs),
        _ => return None,
    };
    let turned = of_outputs > of_inputs;
    if sum.q_params.is_some() || turned && fact.rank() != 2 {
        return None;
    }
    let shape = Shape {
        window: [1, 1],
        strides: [1, 1],
        padding: Border::default(),
        channels: size.channels,
        pooling: [1, 1],
    };
    let found = Found::Convolution {
        shape,
        weights: weights(constants, inputs_and_outputs, turned)?,
        bias: vec![0.0; size.channels],
    };
    Some((found, vec![image]))
}

/// The window of a convolution or pooling whose output has the size that it is said to have.
fn window(model: &TypedModel, spec: &PoolSpec, inputs: &[OutletId], size: &Size) -> Option<Window> {
    let input = self::size(model.outlet_fact(*inputs.first()?).ok()?)?;
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
        [size.height, size.width],
    )
    .all(|(size, padding, window, stride, output)| {
        let room = padding.pad_before + size + padding.pad_after;
        room >= window && (room - window) / stride + 1 == output && padding.pad_before < window
    });
    fits.then_some(window)
}

/// The sum of each channel: with a scale, what tract makes of a global mean.
fn sum_of_all(model: &TypedModel, reduce: &Reduce, inputs: &[OutletId]) -> Looked {
    let input = size(model.outlet_fact(*inputs.first()?).ok()?)?;
    let window = Window {
        size: [input.height, input.width],
        strides: [1, 1],
        padding: Border::default(),
    };
    let pooling = Pooling::Sum;
    let is_ours = reduce.axes[..] == [2, 3] && reduce.reducer == Reducer::Sum;
    is_ours.then(|| (Found::Pool { pooling, window }, inputs.to_vec()))
}

/// Sums, and scales, shifts and ReLU by constants.
fn element_wise(
    constants: &Constants,
    op: &TypedBinOp,
    inputs: &[OutletId],
    size: &Size,
) -> Looked {
    let &[left, right] = inputs else {
        return None;
    };
    let fact = |outlet| constants.model.outlet_fact(outlet).ok();
    let (image, other) = match (constants.contains(left), constants.contains(right)) {
        (false, false) => {
            let same = fact(left)?.shape == fact(right)?.shape && op.0.is::<Add>();
            return same.then(|| (Found::Add, vec![left, right]));
        }
        (false, true) => (left, right),
        (true, false) => (right, left),
        (true, true) => return None,
    };
    let other_fact = fact(other)?;
    let shape = other_fact.shape.as_concrete()?;
    let per_channel = matches!(*shape, [1, channels, 1, 1] if channels == size.channels);
    if !(per_channel || *shape == [1, 1, 1, 1]) || self::size(fact(image)?)? != *size {
        return None;
    }
    let values = spread(constant(constants, other)?, size.channels)?;
    let (zeros, ones) = (vec![0.0; size.channels], vec![1.0; size.channels]);
    let (scale, shift, relu) = if op.0.is::<Mul>() {
        (values, zeros, false)
    } else if op.0.is::<Add>() {
        (ones, values, false)
    } else if op.0.is::<Max>() && values.iter().all(|value| *value == 0.0) {
        (ones, zeros, true)
    } else {
        return None;
    };
    let activation = Activation { scale, shift, relu };
    Some((Found::Activate(activation), vec![image]))
}

/// Weights, if they are constants of f32.
fn weights(constants: &Constants, outlet: OutletId, turned: bool) -> Option<Weights> {
    let fact = constants.model.outlet_fact(outlet).ok()?;
    let are_ours = constants.contains(outlet) && fact.datum_type == f32::datum_type();
    are_ours.then_some(Weights { outlet, turned })
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

/// One value for each channel, where there may be one for all.
fn spread(values: Vec<f32>, channels: usize) -> Option<Vec<f32>> {
    match values.len() {
        1 => Some(vec![values[0]; channels]),
        count => (count == channels).then_some(values),
    }
}
