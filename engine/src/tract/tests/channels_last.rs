//! The blocks of `ConvNeXt`: layer normalisation, and linear layers on images whose channels are the last axis.

use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{erf, sub};
use tract_onnx::tract_core::ops::nn::RmsNorm;
use tract_onnx::tract_core::ops::nn::gelu_exact::gelu_exact;

use super::*;

fn is_of_regions(model: &TypedModel) -> bool {
    let is_region = |node: &TypedNode| node.op_is::<FusedRegion>() || node.inputs.is_empty();
    model.nodes().iter().all(is_region)
}

/// The model, if each kernel answers as tract, and whether it is a single region.
#[track_caller]
fn compare_with_regions(mut builder: ModelBuilder, outputs: &[OutletId]) -> (usize, bool) {
    builder.model.select_output_outlets(outputs).unwrap();
    let model = builder.model.into_decluttered().unwrap();
    let (accelerated, _) = accelerate(&model, Kernel::Portable).unwrap();
    let is_whole = is_of_regions(&accelerated);
    (compare_model(&model, &mut builder.random), is_whole)
}

fn shape(builder: &ModelBuilder, x: OutletId) -> Vec<usize> {
    let shape = &builder.model.outlet_fact(x).unwrap().shape;
    shape.as_concrete().unwrap().to_vec()
}

/// A constant with a value for each position of an axis.
fn along(builder: &mut ModelBuilder, x: OutletId, axis: usize) -> OutletId {
    let mut of_axis = vec![1; 4];
    of_axis[axis] = shape(builder, x)[axis];
    builder.constant(&of_axis, 1.0)
}

/// Layer normalisation along an axis, as tract reads it.
fn layer_norm(builder: &mut ModelBuilder, x: OutletId, axis: usize) -> OutletId {
    let count = shape(builder, x)[axis] as f32;
    let difference = less_mean(builder, x, axis, 1.0 / count);
    let eps = rctensor0(1e-6_f32);
    let y = builder.wire("norm", RmsNorm { axis, eps }, &[difference]);
    let scale = along(builder, x, axis);
    let y = builder.wire("scale", mul(), &[y, scale]);
    let shift = along(builder, x, axis);
    builder.wire("shift", add(), &[y, shift])
}

/// Values less their sum along an axis, times a factor.
fn less_mean(builder: &mut ModelBuilder, x: OutletId, axis: usize, factor: f32) -> OutletId {
    let sum = Reduce {
        axes: tvec!(axis),
        reducer: Reducer::Sum,
    };
    let sum = builder.wire("sum", sum, &[x]);
    let name = builder.name("factor");
    let factor = Tensor::from_shape(&[1, 1, 1, 1], &[factor]).unwrap();
    let factor = builder.model.add_const(name, factor).unwrap();
    let mean = builder.wire("mean", mul(), &[sum, factor]);
    builder.wire("difference", sub(), &[x, mean])
}

fn last(builder: &mut ModelBuilder, x: OutletId) -> OutletId {
    builder.wire("last", AxisOp::Move(1, 3), &[x])
}

fn first(builder: &mut ModelBuilder, x: OutletId) -> OutletId {
    builder.wire("first", AxisOp::Move(3, 1), &[x])
}

/// A linear layer of an image whose channels are last.
fn linear(builder: &mut ModelBuilder, x: OutletId, outputs: usize) -> OutletId {
    let y = product(builder, x, outputs);
    let bias = along(builder, y, 3);
    builder.wire("bias", add(), &[y, bias])
}

/// The same without a bias.
fn product(builder: &mut ModelBuilder, x: OutletId, outputs: usize) -> OutletId {
    let inputs = shape(builder, x)[3];
    let weights = builder.constant(&[inputs, outputs], 1.0 / (inputs as f32).sqrt());
    let axes: AxesMapping = "abmk,kn->abmn".parse().unwrap();
    let sum = EinSum::new(axes, f32::datum_type());
    builder.wire("product", sum, &[x, weights])
}

/// A block of `ConvNeXt`. `middle` is called with the value between its linear layers.
fn block(
    builder: &mut ModelBuilder,
    x: OutletId,
    middle: impl Fn(&mut ModelBuilder, OutletId) -> OutletId,
) -> OutletId {
    let channels = builder.channels(x);
    let y = builder.same_in_groups(x, 7, channels, channels);
    let y = last(builder, y);
    let y = layer_norm(builder, y, 3);
    let y = linear(builder, y, 4 * channels);
    let y = builder.wire("gelu", gelu_exact(), &[y]);
    let y = middle(builder, y);
    let y = linear(builder, y, channels);
    let y = first(builder, y);
    let scale = along(builder, y, 1);
    let y = builder.wire("scaled", mul(), &[y, scale]);
    builder.wire("sum", add(), &[y, x])
}

#[test]
fn a_network_of_transposed_linear_layers_is_one_region() {
    let mut builder = ModelBuilder::new(1);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 19);
    let x = layer_norm(&mut builder, x, 1);
    let x = block(&mut builder, x, |_, y| y);
    let x = block(&mut builder, x, |_, y| y);
    let x = layer_norm(&mut builder, x, 1);
    let x = builder.pool(x, false);
    builder.model.select_output_outlets(&[x]).unwrap();
    let model = builder.model.clone().into_decluttered().unwrap();
    let shared = batches::compare_groups(&model, &mut builder.random);
    let is_vector = |kernel: &Kernel| kernel.is_supported() && *kernel != Kernel::Portable;
    let kernels = Kernel::ALL.into_iter().filter(is_vector);
    assert_eq!(shared, kernels.count());
    assert_eq!(compare_with_regions(builder, &[x]), (7, true));
}

/// What tract computes or needs with the channels last is not read as if they came first, even where all sides are alike.
#[test]
fn what_tract_reads_with_channels_last_stays_its_own() {
    const SIDE: usize = 8;
    let network = |seed| {
        let mut builder = ModelBuilder::new(seed);
        let fact = f32::fact([2, SIDE, SIDE, SIDE]);
        let x = builder.model.add_source("views", fact).unwrap();
        let x = builder.same(x, 3, SIDE);
        (builder, x)
    };
    // A function that isn't ours.
    let (mut builder, x) = network(2);
    let y = block(&mut builder, x, |builder, y| {
        builder.wire("tanh", tanh(), &[y])
    });
    let y = builder.same(y, 3, 4);
    assert!(!compare_with_regions(builder, &[y]).1);

    // A shift and a slope for each row.
    for of_rows in [add(), mul()] {
        let (mut builder, x) = network(3);
        let y = last(&mut builder, x);
        let y = product(&mut builder, y, SIDE);
        let rows = along(&mut builder, y, 1);
        let y = builder.wire("rows", of_rows, &[y, rows]);
        let y = product(&mut builder, y, SIDE);
        let y = first(&mut builder, y);
        let y = builder.same(y, 3, 4);
        assert!(!compare_with_regions(builder, &[y]).1);
    }

    // Means of rows, and what is not quite a mean of channels.
    for (of_mean, axis, factor) in [
        (1, 1, 1.0),
        (1, 3, 1.0),
        (2, 3, 1.0),
        (3, 2, 1.0),
        (3, 3, 1.02),
    ] {
        let (mut builder, x) = network(4);
        let y = last(&mut builder, x);
        let y = less_mean(&mut builder, y, of_mean, factor / SIDE as f32);
        let eps = rctensor0(1e-6_f32);
        let y = builder.wire("norm", RmsNorm { axis, eps }, &[y]);
        let y = linear(&mut builder, y, SIDE);
        let y = first(&mut builder, y);
        let y = builder.same(y, 3, 4);
        let is_whole = compare_with_regions(builder, &[y]).1;
        assert!(!is_whole, "{of_mean}, {axis}, {factor}");
    }

    // Values that are outputs, too.
    let (mut builder, x) = network(5);
    let y = last(&mut builder, x);
    let y = linear(&mut builder, y, SIDE);
    let z = builder.wire("gelu", gelu_exact(), &[y]);
    let z = linear(&mut builder, z, SIDE);
    let z = first(&mut builder, z);
    let z = builder.wire("sum", add(), &[z, x]);
    compare_with_regions(builder, &[z, y]);
}

/// The parts of a layer normalisation that something else needs are there.
#[test]
fn means_and_differences_can_be_outputs() {
    for number in 0..3 {
        let mut builder = ModelBuilder::new(6);
        let x = views(&mut builder);
        let x = builder.same(x, 3, 9);
        let difference = less_mean(&mut builder, x, 1, 1.0 / 9.0);
        let norm = RmsNorm {
            axis: 1,
            eps: rctensor0(0.5_f32),
        };
        let y = builder.wire("norm", norm, &[difference]);
        let mean = builder.model.node(difference.node).inputs[1];
        let y = builder.same(y, 3, 5);
        let also = [x, mean, difference][number];
        let outputs = match builder.random.random_range(0..2) {
            0 => vec![y, also],
            _ => vec![also, y],
        };
        assert_eq!(compare_with_regions(builder, &outputs).0, 2);
    }
}

/// A number times or added to a value.
fn with_number(builder: &mut ModelBuilder, op: TypedBinOp, x: OutletId, number: f32) -> OutletId {
    let name = builder.name("number");
    let number = Tensor::from_shape(&[1, 1, 1, 1], &[number]).unwrap();
    let number = builder.model.add_const(name, number).unwrap();
    builder.wire("with number", op, &[number, x])
}

/// A GELU as `PyTorch` writes it, of these numbers.
fn gelu_in_parts(builder: &mut ModelBuilder, x: OutletId, numbers: [f32; 3]) -> OutletId {
    let [scale, one, half] = numbers;
    let y = with_number(builder, mul(), x, scale);
    let y = builder.wire("erf", erf(), &[y]);
    let y = with_number(builder, add(), y, one);
    let y = with_number(builder, mul(), y, half);
    builder.wire("product", mul(), &[x, y])
}

#[test]
fn a_gelu_in_parts_is_one_function() {
    let scale = std::f32::consts::FRAC_1_SQRT_2;
    for (numbers, is_gelu) in [
        ([scale, 1.0, 0.5], true),
        ([0.7, 1.0, 0.5], false),
        ([scale, 1.1, 0.5], false),
        ([scale, 1.0, 0.4], false),
    ] {
        for is_last in [false, true] {
            let mut builder = ModelBuilder::new(7);
            let x = views(&mut builder);
            let x = builder.same(x, 3, 9);
            let y = if is_last {
                let y = last(&mut builder, x);
                let y = linear(&mut builder, y, 12);
                let y = gelu_in_parts(&mut builder, y, numbers);
                let y = linear(&mut builder, y, 9);
                first(&mut builder, y)
            } else {
                gelu_in_parts(&mut builder, x, numbers)
            };
            let y = builder.same(y, 3, 5);
            let (_, is_whole) = compare_with_regions(builder, &[y]);
            assert_eq!(is_whole, is_gelu, "{numbers:?}, {is_last}");
        }
    }
}

/// Where a layer normalisation is in no region that pays, tract needs all of its parts, of which some could be ours.
#[test]
fn a_layer_normalisation_that_does_not_pay_stays_tracts() {
    let mut builder = ModelBuilder::new(8);
    let fact = f32::fact([1, 3, 96, 96]);
    let x = builder.model.add_source("views", fact).unwrap();
    let x = builder.same(x, 1, 16);
    let y = layer_norm(&mut builder, x, 1);
    let y = builder.wire("tanh", tanh(), &[y]);
    let y = builder.same(y, 7, 16);
    assert_eq!(compare_with_regions(builder, &[y]), (1, false));
}

#[test]
fn random_chains_of_both_forms() {
    for seed in 200..240 {
        let mut builder = ModelBuilder::new(seed);
        let mut x = views(&mut builder);
        x = builder.same(x, 3, 8);
        let mut is_last = false;
        let mut sums = vec![];
        for _ in 0..builder.random.random_range(5..14) {
            let axis = if is_last { 3 } else { 1 };
            let outputs = builder.random.random_range(2..30);
            x = match builder.random.random_range(0..9) {
                0 | 1 => {
                    is_last = !is_last;
                    let turn = if is_last { last } else { first };
                    turn(&mut builder, x)
                }
                2 => layer_norm(&mut builder, x, axis),
                3 => builder.wire("gelu", gelu_exact(), &[x]),
                4 if !is_last => builder.depthwise(x, 1, 1),
                5 if !is_last => block(&mut builder, x, |_, y| y),
                6 => {
                    let axis = builder.random.random_range(1..4);
                    let shift = along(&mut builder, x, axis);
                    builder.wire("shift", add(), &[x, shift])
                }
                7 if outputs < 5 => builder.wire("tanh", tanh(), &[x]),
                _ if is_last => linear(&mut builder, x, outputs),
                _ => builder.same(x, 3, outputs),
            };
            if builder.random.random_range(0..4) == 0 {
                sums.push(x);
            }
            let alike = sums.iter().copied();
            let mut alike = alike.filter(|y| shape(&builder, *y) == shape(&builder, x) && *y != x);
            if let Some(other) = alike.next() {
                x = builder.wire("sum", add(), &[x, other]);
            }
        }
        // Sums of sums are large, and bf16 is so many digits of them.
        x = layer_norm(&mut builder, x, if is_last { 3 } else { 1 });
        x = builder.wire("small", tanh(), &[x]);
        let mut outputs = vec![x];
        if let Some(sum) = sums.first() {
            outputs.push(builder.wire("small", tanh(), &[*sum]));
        }
        compare(builder, &outputs);
    }
}
