//! Layers for which torch has no function, or none that suits channels-last activations.

use tch::{Kind, Tensor};

use super::transfer::upload;
use crate::network::{LocalResponseNorm, Pool, viewpoint};

/// The same `[N, C, H, W]` tensor, laid out in memory as `[N, H, W, C]`. One that lies so already is not copied.
pub(super) fn channels_last(tensor: &Tensor) -> Tensor {
    let last = tensor.permute([0, 2, 3, 1]);
    if last.is_contiguous() {
        return tensor.shallow_clone();
    }
    last.contiguous().permute([0, 3, 1, 2])
}

/// `[N, C, H, W]` as `[N, H x W, C]`: no copy where the tensor is channels-last.
fn pixels(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).flatten(1, 2)
}

/// `[N, H x W, C]` as `[N, C, H, W]`, channels-last; `like` has the image's size.
fn image(pixels: &Tensor, like: &Tensor) -> Tensor {
    let size = like.size();
    let (height, width) = (size[2], size[3]);
    pixels
        .view([-1, height, width, size[1]])
        .permute([0, 3, 1, 2])
}

pub(super) fn max_pool(input: &Tensor, pool: Pool) -> Tensor {
    let [size, stride, padding] = squares(pool);
    input.max_pool2d(size, stride, padding, [1, 1], false)
}

pub(super) fn average_pool(input: &Tensor, pool: Pool) -> Tensor {
    let [size, stride, padding] = squares(pool);
    input.avg_pool2d(size, stride, padding, false, false, None)
}

fn squares(pool: Pool) -> [[i64; 2]; 3] {
    [pool.size, pool.stride, pool.padding].map(|length| [length as i64; 2])
}

/// The divisor is computed in f32, because bf16 would lose most of it next to the bias. Torch's own
/// function pools over three dimensions of a copy; this one pools over the innermost dimension of the
/// tensor itself.
pub(super) fn local_response_norm(input: &Tensor, norm: LocalResponseNorm) -> Tensor {
    let size = norm.size as i64;
    let mean = pixels(input).to_kind(Kind::Float).square().avg_pool1d(
        [size],
        [1],
        [size / 2],
        false,
        true,
    );
    let divisor = (mean * norm.alpha + norm.bias).pow_tensor_scalar(norm.beta);
    (input / image(&divisor, input)).to_kind(input.kind())
}

/// The largest of `pieces` values for each feature.
pub(super) fn maxout(input: &Tensor, pieces: usize) -> Tensor {
    let features = input.flatten(1, -1);
    let length = features.size()[1] / pieces as i64;
    features
        .view([-1, pieces as i64, length])
        .amax([1].as_slice(), false)
}

pub(super) fn rotate(input: &Tensor, degrees: f64) -> Tensor {
    let side = input.size()[2];
    let rotation = viewpoint::rotation(side as usize, degrees);
    let (taps, area) = (viewpoint::TAPS as i64, side * side);
    let weights = Tensor::from_slice(&rotation.weights)
        .view([taps, area, 1])
        .to_kind(input.kind());
    let weights = upload(&weights, input.device());
    let taken = pixels(input).index_select(1, &indices(&rotation.indices, input));
    let mixed = taken.view([-1, taps, area, input.size()[1]]) * weights;
    let sum = mixed.sum_dim_intlist([1].as_slice(), false, None);
    image(&sum, input)
}

/// The viewpoints of all inputs, those of one image one after the other.
pub(super) fn viewpoints(inputs: &[&Tensor], crop: usize) -> Tensor {
    let shape = inputs[0].size();
    let (channels, side) = (shape[1], shape[2]);
    let corners = viewpoint::corners(side as usize, crop);
    let corners = indices(&corners, inputs[0]);
    let cut: Vec<Tensor> = inputs
        .iter()
        .map(|input| pixels(input).index_select(1, &corners))
        .collect();
    Tensor::cat(&cut, 1)
        .view([-1, crop as i64, crop as i64, channels])
        .permute([0, 3, 1, 2])
}

fn indices(indices: &[i64], input: &Tensor) -> Tensor {
    upload(&Tensor::from_slice(indices), input.device())
}

/// The nearest of the 256 values `step x (n - zero point)`, as ONNX's `QuantizeLinear` and `DequantizeLinear` make
/// them: half a step is rounded to the even number.
pub(super) fn quantise(input: &Tensor, step: &Tensor, zero_point: &Tensor) -> Tensor {
    let whole = (input.to_kind(Kind::Float) / step).round() + zero_point;
    let rounded = (whole.clamp(0.0, 255.0) - zero_point) * step;
    rounded.to_kind(input.kind())
}
