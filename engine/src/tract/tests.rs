//! Whole models, by this engine and by tract alone. They are unit tests because only those can emulate AMX.

mod batches;
mod blocks;
mod channels_last;
mod eight_bits;
mod foreign;
mod model_builder;

use model_builder::ModelBuilder;

use super::for_batches;
use super::network::{Network, NetworkState};
use super::op::FusedRegion;
use super::rewrite::rewrite;
use super::softmax::RowSoftmax;
use crate::graph::Kernels;
use crate::{DType, Kernel};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tract_onnx::onnx;
use tract_onnx::prelude::InferenceModelExt as _;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::PaddingSpec;
use tract_onnx::tract_core::ops::math::{add, mul, tanh};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, Softmax};

/// As [`super::accelerate`], but the portable kernel is used too: the others are held against it.
fn accelerate(model: &TypedModel, kernel: Kernel) -> TractResult<(TypedModel, usize)> {
    rewrite(model, Some(with_float(kernel)))
}

/// A kernel of floating point, and that of whole numbers which the others are held against.
fn with_float(float: Kernel) -> Kernels {
    let int8 = Kernel::PortableInt8;
    Kernels { float, int8 }
}

fn run(model: TypedModel, input: &Tensor) -> Vec<Vec<f32>> {
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let mut state = plan.spawn().unwrap();
    let mut answer = || -> Vec<Vec<f32>> {
        let outputs = state.run(tvec!(input.clone().into())).unwrap();
        let values = |output: &TValue| {
            output
                .to_plain_array_view::<f32>()
                .unwrap()
                .iter()
                .copied()
                .collect()
        };
        outputs.iter().map(values).collect()
    };
    let first = answer();
    // By bits, which are the same where a value is not a number, too.
    let bits = |outputs: &[Vec<f32>]| -> Vec<Vec<u32>> {
        let bits = |output: &Vec<f32>| output.iter().map(|value| value.to_bits()).collect();
        outputs.iter().map(bits).collect()
    };
    assert_eq!(
        bits(&answer()),
        bits(&first),
        "the second answer is the first"
    );
    first
}

/// Runs a model both ways, and with every kernel; returns how many convolutions were replaced.
#[track_caller]
fn compare(mut builder: ModelBuilder, outputs: &[OutletId]) -> usize {
    builder.model.select_output_outlets(outputs).unwrap();
    let model = builder.model.into_decluttered().unwrap();
    compare_model(&model, &mut builder.random)
}

#[track_caller]
fn compare_model(model: &TypedModel, random: &mut ChaCha8Rng) -> usize {
    let shape = model
        .input_fact(0)
        .unwrap()
        .shape
        .as_concrete()
        .unwrap()
        .to_vec();
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| random.random_range(-1.0..1.0)).collect();
    let input = Tensor::from_shape(&shape, &values).unwrap();
    let expected = run(model.clone(), &input);
    let mut replaced = 0;
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
    {
        let (accelerated, count) = accelerate(model, kernel).unwrap();
        replaced = count;
        let found = run(accelerated, &input);
        let tolerance = match kernel.dtype() {
            DType::F32 => 1e-4,
            DType::Bf16 => 0.1,
            DType::Int8 => unreachable!("none of these"),
        };
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < tolerance,
                    "{kernel}: {found}, not {expected}"
                );
            }
        }
    }
    replaced
}

fn views(builder: &mut ModelBuilder) -> OutletId {
    let fact = f32::fact([2, 3, 20, 17]);
    builder.model.add_source("views", fact).unwrap()
}

#[test]
fn residual_units_with_a_projection_and_with_a_stride() {
    let mut builder = ModelBuilder::new(1);
    let x = views(&mut builder);
    let spec = builder.spec(x, 6, 1, 20);
    let x = builder.convolution(x, spec);
    let x = builder.pool(x, true);
    let before = builder.normalise(x);
    let before = builder.relu(before);
    let projection = builder.same(before, 1, 50);
    let y = builder.same(before, 1, 10);
    let y = builder.normalise(y);
    let y = builder.relu(y);
    let y = builder.same(y, 3, 10);
    let y = builder.relu(y);
    let y = builder.same(y, 1, 50);
    let sum = builder.wire("sum", add(), &[projection, y]);
    let y = builder.normalise(sum);
    let y = builder.relu(y);
    let spec = builder.spec(y, 3, 2, 70);
    let y = builder.convolution(y, spec);
    assert_eq!(compare(builder, &[sum, y]), 6);
}

#[test]
fn sums_of_convolutions_with_other_windows_and_strides() {
    let mut builder = ModelBuilder::new(7);
    // Its pixels fill whole tiles where there is no border between them, and none where there is.
    let fact = f32::fact([2, 3, 8, 8]);
    let x = builder.model.add_source("views", fact).unwrap();
    let y = builder.same(x, 3, 20);
    let y = builder.relu(y);
    let y = builder.same(y, 3, 30);
    let projection = builder.same(x, 1, 10);
    let projection = builder.relu(projection);
    let projection = builder.same(projection, 1, 30);
    let sum = builder.wire("sum", add(), &[projection, y]);
    let x = builder.relu(sum);
    let mut halves = [1, 3, 5].map(|side| {
        let mut spec = builder.spec(x, side, 2, 40);
        spec.padding = PaddingSpec::SameUpper;
        builder.convolution(x, spec)
    });
    halves.rotate_left(1);
    let sum = builder.wire("sum", add(), &halves[..2]);
    let sum = builder.wire("sum", add(), &[sum, halves[2]]);
    assert_eq!(compare(builder, &[sum]), 7);
}

/// The units of a residual network: the first has strides in its convolution and in its shortcut, whose window is
/// one pixel. tract makes other operators of that.
#[test]
fn a_residual_network_is_one_region() {
    let mut builder = ModelBuilder::new(16);
    let mut x = views(&mut builder);
    for (stride, outputs) in [(1, 20), (2, 40), (3, 33)] {
        let mut spec = builder.spec(x, 3, stride, outputs);
        spec.padding = PaddingSpec::Explicit(tvec!(1, 1), tvec!(1, 1));
        let y = builder.convolution(x, spec);
        let y = builder.relu(y);
        let y = builder.same(y, 3, outputs);
        let mut spec = builder.spec(x, 1, stride, outputs);
        spec.padding = PaddingSpec::Valid;
        let shortcut = builder.convolution(x, spec);
        let sum = builder.wire("sum", add(), &[y, shortcut]);
        x = builder.relu(sum);
    }
    builder.model.select_output_outlets(&[x]).unwrap();
    let model = builder.model.clone().into_decluttered().unwrap();
    let (accelerated, _) = accelerate(&model, Kernel::Portable).unwrap();
    let operators: Vec<String> = accelerated
        .nodes()
        .iter()
        .filter_map(|node| node.op_as::<FusedRegion>())
        .map(|region| format!("{region:?}"))
        .collect();
    assert_eq!(operators, ["9 convolutions, 0 poolings"]);
    assert_eq!(compare(builder, &[x]), 9);
}

#[test]
fn a_scale_after_a_relu_stays_after_it() {
    let mut builder = ModelBuilder::new(4);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 8);
    let x = builder.relu(x);
    let x = builder.normalise(x);
    let x = builder.normalise(x);
    let y = builder.same(x, 3, 8);
    let sum = builder.wire("sum", add(), &[x, y]);
    let y = builder.relu(sum);
    assert_eq!(compare(builder, &[y]), 2);
}

#[test]
fn branches_that_are_put_together() {
    let mut builder = ModelBuilder::new(2);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 13);
    let left = builder.same(x, 1, 7);
    let left = builder.relu(left);
    let right = builder.same(x, 5, 9);
    let last = builder.same(right, 3, 4);
    let inner = builder.wire("inner", TypedConcat { axis: 1 }, &[last, right]);
    let all = builder.wire("all", TypedConcat { axis: 1 }, &[left, inner, x]);
    let y = builder.normalise(all);
    let y = builder.relu(y);
    let y = builder.same(y, 3, 21);
    let mean = builder.pool(all, false);
    assert_eq!(compare(builder, &[y, mean]), 5);
}

#[test]
fn convolutions_that_pool() {
    let mut builder = ModelBuilder::new(5);
    let x = views(&mut builder);
    // 20 by 17: a column is left over.
    let x = builder.same(x, 5, 50);
    let x = builder.relu(x);
    let x = builder.pool_apart(x, 2);
    let y = builder.same(x, 3, 20);
    let y = builder.pool_apart(y, 2);
    // Some of the scales are negative.
    let before = builder.normalise(y);
    let before = builder.relu(before);
    let y = builder.same(before, 3, 20);
    let sum = builder.wire("sum", add(), &[y, before]);
    // Of a sum, which pools by itself, and of three by three.
    let halved = builder.pool_apart(sum, 2);
    let y = builder.same(sum, 1, 6);
    let y = builder.pool_apart(y, 3);
    assert_eq!(compare(builder, &[halved, y]), 4);
}

#[test]
fn the_small_networks_pooling_is_part_of_its_first_convolution() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let mut model = onnx().model_for_path(path).unwrap();
    let fact = f32::fact([2, 3, 64, 64]).into();
    model.set_input_fact(0, fact).unwrap();
    let model = model.into_typed().unwrap().into_decluttered().unwrap();
    let (accelerated, _) = accelerate(&model, Kernel::Portable).unwrap();
    let ops = accelerated.nodes().iter().map(TypedNode::op);
    let regions: Vec<String> = ops
        .filter_map(|op| op.downcast_ref::<FusedRegion>())
        .map(|region| format!("{region:?}"))
        .collect();
    // Three take every second pixel of a sum, for a shortcut; the last is the mean of the whole image.
    assert_eq!(regions, ["29 convolutions, 4 poolings"]);
    compare_model(&model, &mut ChaCha8Rng::seed_from_u64(6));
}

#[test]
fn the_mean_of_whole_images() {
    let mut builder = ModelBuilder::new(12);
    let x = views(&mut builder);
    let y = builder.same(x, 3, 21);
    let factor = Tensor::from_shape(&[1, 1, 1, 1], &[1.0_f32 / 340.0]).unwrap();
    let factor = builder.model.add_const("factor", factor).unwrap();
    let mut mean = |x| {
        let sum = Reduce {
            axes: tvec!(2, 3),
            reducer: Reducer::Sum,
        };
        let sum = builder.wire("sum", sum, &[x]);
        builder.wire("mean", mul(), &[sum, factor])
    };
    let (of_input, of_output) = (mean(x), mean(y));
    let y = builder.same(of_output, 1, 4);
    builder.model.select_output_outlets(&[of_input, y]).unwrap();
    let (accelerated, _) = accelerate(&builder.model, Kernel::Portable).unwrap();
    let is_tracts = |node: &TypedNode| node.op_is::<Reduce>() || node.op_is::<TypedBinOp>();
    assert!(!accelerated.nodes().iter().any(is_tracts));
    assert_eq!(compare(builder, &[of_input, y]), 2);
}

#[test]
fn convolutions_stay_tracts_where_no_vector_kernel_fits_the_processor() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let network = onnx().model_for_path(path).unwrap();
    let model = for_batches(network, 2, [3, 64, 64]).unwrap();
    let is_ours = |node: &TypedNode| node.op_is::<FusedRegion>();
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
    {
        let (accelerated, replaced) = super::accelerate(&model, kernel).unwrap();
        let is_accelerated = kernel != Kernel::Portable;
        assert_eq!(replaced, if is_accelerated { 29 } else { 0 }, "{kernel}");
        assert_eq!(accelerated.nodes().iter().any(is_ours), is_accelerated);
        // The softmax is this crate's on every processor.
        assert!(
            accelerated
                .nodes()
                .iter()
                .any(TypedNode::op_is::<RowSoftmax>)
        );
    }
    let (plain, _) = super::accelerate(&model, Kernel::Portable).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(15);
    let values: Vec<f32> = (0..2 * 3 * 64 * 64)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    let input = Tensor::from_shape(&[2, 3, 64, 64], &values).unwrap();
    let (found, expected) = (&run(plain, &input)[0], &run(model, &input)[0]);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}

#[test]
fn what_is_put_together_with_itself() {
    let mut builder = ModelBuilder::new(7);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 13);
    let positive = builder.relu(x);
    let normal = builder.normalise(x);
    let parts = [positive, x, normal];
    let all = builder.wire("all", TypedConcat { axis: 1 }, &parts);
    let nested = builder.wire("nested", TypedConcat { axis: 1 }, &[x, all]);
    let y = builder.same(nested, 3, 5);
    assert_eq!(compare(builder, &[y]), 2);
}

#[test]
fn what_is_not_ours_stays_between_what_is() {
    let mut builder = ModelBuilder::new(3);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 8);
    let y = builder.wire("tanh", tract_onnx::tract_core::ops::math::tanh(), &[x]);
    let y = builder.same(y, 3, 8);
    // By way of the tangent and past it.
    let sum = builder.wire("sum", add(), &[x, y]);
    let z = builder.same(sum, 3, 5);
    assert_eq!(compare(builder, &[z, x]), 3);
}

#[test]
fn random_chains_of_everything() {
    for seed in 10..40 {
        let (builder, outputs) = random_chain(seed);
        compare(builder, &outputs);
    }
}

/// A random model, and two of its values.
fn random_chain(seed: u64) -> (ModelBuilder, [OutletId; 2]) {
    let mut builder = ModelBuilder::new(seed);
    let mut x = views(&mut builder);
    let mut earlier = vec![x];
    for _ in 0..builder.random.random_range(3..12) {
        let from = earlier[builder
            .random
            .random_range(earlier.len().saturating_sub(3)..earlier.len())];
        let shape = |x| {
            builder
                .model
                .outlet_fact(x)
                .unwrap()
                .shape
                .as_concrete()
                .unwrap()
                .to_vec()
        };
        let (height, width) = (shape(from)[2], shape(from)[3]);
        let alike: Vec<OutletId> = earlier
            .iter()
            .copied()
            .filter(|e| shape(*e) == shape(from))
            .collect();
        let other = alike[builder.random.random_range(0..alike.len())];
        let outputs = builder.random.random_range(1..60);
        let side = builder.random.random_range(1..=4);
        let stride = builder.random.random_range(1..=2);
        x = match builder.random.random_range(0..9) {
            0 | 1 => builder.same(from, side, outputs),
            2 if height > side && width > side => {
                let spec = builder.spec(from, side, stride, outputs);
                builder.convolution(from, spec)
            }
            3 if height > 3 && width > 3 => {
                let is_max = builder.random.random();
                builder.pool(from, is_max)
            }
            4 => builder.normalise(from),
            5 => builder.wire("sum", add(), &[from, other]),
            6 if height > 3 && width > 3 => builder.pool_apart(from, side),
            7 => builder.wire("both", TypedConcat { axis: 1 }, &[from, other]),
            _ => builder.relu(from),
        };
        earlier.push(x);
    }
    let middle = earlier[earlier.len() / 2];
    (builder, [x, middle])
}

/// tract's own nodes are mapped one after the other, however many lie between two of ours.
#[test]
fn a_long_network_needs_no_deep_stack() {
    let mut builder = ModelBuilder::new(30);
    let x = views(&mut builder);
    let mut x = builder.same(x, 3, 4);
    for _ in 0..3000 {
        x = builder.wire("tanh", tanh(), &[x]);
    }
    let output = builder.same(x, 3, 4);
    builder.model.select_output_outlets(&[output]).unwrap();
    let model = builder.model;
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let replaced = thread.spawn(move || accelerate(&model, Kernel::Portable).unwrap().1);
    assert_eq!(replaced.unwrap().join().unwrap(), 2);
}
