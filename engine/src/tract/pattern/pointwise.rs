//! Sums over the channels of each pixel: convolutions with a window of one pixel, and linear layers.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

use super::{Found, Pattern, weights};
use crate::convolution::ConvSpec;
use crate::convolution::layout::{Border, Dims};
use crate::tract::constants::Constants;
use crate::tract::forms::{Form, Images};

/// A convolution with a window of one pixel, or a linear layer, which tract writes as an `EinSum` of image and matrix.
pub(super) fn pointwise(
    constants: &Constants,
    images: Images<'_>,
    sum: &EinSum,
    inputs: &[OutletId],
    output: &TypedFact,
) -> Option<(Form, Found)> {
    let &[image, matrix] = inputs else {
        return None;
    };
    // For each axis of the sum, its dimension in the image, in the matrix and in the output.
    let dimensions = |axis: &Axis| -> Option<SumAxis> {
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
    // A matrix that was the weights of a convolution may still have the window's rows and columns, of size one.
    let fact = constants.model.outlet_fact(matrix).ok()?;
    let is_single = |dimension: usize| fact.shape.get(dimension).is_some_and(TDim::is_one);
    axes.retain(|axis| !matches!(axis, [None, Some(dimension), None] if is_single(*dimension)));
    let (of_image, reads) = (images.dims(image)?, images.form(image));
    let forms = [Form::ChannelsFirst, Form::ChannelsLast, Form::Pixel];
    let (form, dims, [of_inputs, of_outputs]) = forms.into_iter().find_map(|form| {
        let dims = form.dims(output)?;
        let is_pixel = |dims: &Dims| [dims.height, dims.width] == [1, 1];
        let is_pixel = is_pixel(&of_image) && is_pixel(&dims);
        let of_matrix = matrix_axes(&axes, reads, form, is_pixel)?;
        Some((form, dims, of_matrix))
    })?;
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
    Some((form, (pattern, vec![image])))
}

/// An axis of a sum: its dimension in the image, in the matrix and in the output, where it is in them.
type SumAxis = [Option<usize>; 3];

/// Where a matrix has the inputs and the outputs of a sum of all channels of each pixel, if that is what it is.
fn matrix_axes(axes: &[SumAxis], reads: Form, writes: Form, is_pixel: bool) -> Option<[usize; 2]> {
    let mut axes = axes.to_vec();
    let mut take = |is_wanted: &dyn Fn(&SumAxis) -> bool| {
        let at = axes.iter().position(is_wanted)?;
        Some(axes.swap_remove(at))
    };
    take(&|axis| *axis == [Some(0), None, Some(0)])?;
    let channels = [reads, writes].map(|form| Some(form.channels()));
    let inputs = take(&|axis| matches!(axis, [of, Some(_), None] if *of == channels[0]))?;
    let outputs = take(&|axis| matches!(axis, [None, Some(_), of] if *of == channels[1]))?;
    if is_pixel {
        // Nor need an image of one pixel have its rows and columns.
        axes.retain(|axis| axis[1].is_some());
    } else {
        for (from, to) in reads.space().into_iter().zip(writes.space()) {
            take(&|axis| *axis == [Some(from), None, Some(to)])?;
        }
    }
    axes.is_empty().then_some([inputs[1]?, outputs[1]?])
}
