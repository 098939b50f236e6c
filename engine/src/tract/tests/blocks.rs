//! The blocks of `MobileNet`, `EfficientNet` and YOLO: depthwise convolutions, functions that aren't ReLU, slices, and
//! squeeze-and-excitation.

use tract_onnx::tract_core::ops::array::Slice;
use tract_onnx::tract_core::ops::math::{max, min};
use tract_onnx::tract_core::ops::nn::gelu_approximate::gelu_approximate;
use tract_onnx::tract_core::ops::nn::gelu_exact::gelu_exact;
use tract_onnx::tract_core::ops::nn::{hard_swish, leaky_relu, sigmoid, silu::silu};

use tract_onnx::prelude::tract_itertools::iproduct;

use super::*;

/// A value no less than one bound and no more than the other, as tract reads ONNX's `Clip`.
fn clip(builder: &mut ModelBuilder, x: OutletId, least: f32, most: f32) -> OutletId {
    let mut bound = |value: f32| {
        let name = builder.name("bound");
        let tensor = Tensor::from_shape(&[1, 1, 1, 1], &[value]).unwrap();
        builder.model.add_const(name, tensor).unwrap()
    };
    let (least, most) = (bound(least), bound(most));
    let x = builder.wire("least", max(), &[x, least]);
    builder.wire("most", min(), &[x, most])
}

/// One of the functions.
fn function(builder: &mut ModelBuilder, x: OutletId, number: u32) -> OutletId {
    match number {
        0 => builder.wire("silu", silu(), &[x]),
        1 => builder.wire("sigmoid", sigmoid(), &[x]),
        2 => builder.wire("hard swish", hard_swish(), &[x]),
        3 => builder.wire("leaky", leaky_relu(0.2), &[x]),
        4 => clip(builder, x, 0.0, 0.7),
        5 => builder.prelu(x),
        6 => builder.wire("gelu", gelu_exact(), &[x]),
        7 => builder.wire("gelu", gelu_approximate(false), &[x]),
        _ => clip(builder, x, -0.3, 0.4),
    }
}

const FUNCTIONS: u32 = 9;

/// The mean of each channel.
fn mean(builder: &mut ModelBuilder, x: OutletId) -> OutletId {
    let shape = builder.model.outlet_fact(x).unwrap().shape.as_concrete();
    let area = shape.unwrap()[2..].iter().product::<usize>();
    let sum = Reduce {
        axes: tvec!(2, 3),
        reducer: Reducer::Sum,
    };
    let sum = builder.wire("sum", sum, &[x]);
    let name = builder.name("area");
    let part = Tensor::from_shape(&[1, 1, 1, 1], &[1.0 / area as f32]).unwrap();
    let part = builder.model.add_const(name, part).unwrap();
    builder.wire("mean", mul(), &[sum, part])
}

/// The mean of each channel, two products and a factor for each channel.
fn excite(builder: &mut ModelBuilder, x: OutletId) -> OutletId {
    let mean = mean(builder, x);
    let fewer = builder.same(mean, 1, 3);
    let fewer = builder.wire("silu", silu(), &[fewer]);
    let channels = builder.channels(x);
    let factors = builder.same(fewer, 1, channels);
    let factors = builder.wire("sigmoid", sigmoid(), &[factors]);
    builder.wire("excited", mul(), &[factors, x])
}

#[test]
fn inverted_residual_units_are_one_region() {
    for number in 0..FUNCTIONS {
        let mut builder = ModelBuilder::new(u64::from(number));
        let x = views(&mut builder);
        let x = builder.same(x, 3, 9);
        let y = builder.same(x, 1, 37);
        let y = function(&mut builder, y, number);
        let y = builder.depthwise(y, 3, 1);
        let y = builder.normalise(y);
        let y = function(&mut builder, y, number);
        let y = excite(&mut builder, y);
        let y = builder.same(y, 1, 9);
        assert_eq!(compare(builder, &[y]), 6, "function {number}");
    }
}

/// What is normalised in the layers of a dense block besides the outputs of the layers before.
#[derive(Debug, Clone, Copy)]
enum Also {
    Nothing,
    /// What is pooled as it is, too.
    Whole,
    /// What a depthwise convolution reads.
    Windows,
    /// What has an activation of its own.
    Activated,
    /// The outputs of a layer with more weights than values, from which on images are computed together.
    Heavy,
}

#[test]
fn layers_of_a_dense_block_normalise_all_layers_before() {
    let also = [
        Also::Nothing,
        Also::Whole,
        Also::Windows,
        Also::Activated,
        Also::Heavy,
    ];
    // Whole vectors of channels, and others.
    for (also, [first, few]) in iproduct!(also, [[9, 5], [32, 16]]) {
        let mut builder = ModelBuilder::new(11);
        let x = views(&mut builder);
        let x = builder.same(x, 3, first);
        let x = builder.pool(x, true);
        let mut parts = vec![x];
        let mut outputs = Vec::new();
        for layer in 0..4 {
            let mut some = parts.clone();
            if matches!(also, Also::Activated) && layer == 2 {
                some[1] = builder.relu(some[1]);
            }
            let all = builder.wire("all", TypedConcat { axis: 1 }, &some);
            if matches!(also, Also::Whole) && layer == 2 {
                outputs.push(builder.pool(all, false));
            }
            if matches!(also, Also::Windows) && layer == 2 {
                outputs.push(builder.depthwise(all, 3, 1));
            }
            let y = builder.normalise(all);
            let y = builder.relu(y);
            let is_heavy = matches!(also, Also::Heavy) && layer == 2;
            let [few, more] = if is_heavy { [40, 90] } else { [few, 21] };
            let y = builder.same(y, 1, more);
            let y = builder.normalise(y);
            let y = builder.relu(y);
            parts.push(builder.same(y, 3, few));
        }
        let all = builder.wire("all", TypedConcat { axis: 1 }, &parts);
        let all = builder.normalise(all);
        outputs.push(builder.relu(all));
        let count = 9 + usize::from(matches!(also, Also::Windows));
        assert_eq!(
            compare(builder, &outputs),
            count,
            "{also:?}, {few} channels"
        );
    }
}

/// A concatenation begins another one, of which a part is what comes of the first.
#[test]
fn what_is_read_of_a_concatenation_can_be_a_part_of_a_longer_one() {
    for channels in [5, 16] {
        let mut builder = ModelBuilder::new(12);
        let x = views(&mut builder);
        let [a, b] = [3, 1].map(|side| builder.same(x, side, channels));
        let short = builder.wire("short", TypedConcat { axis: 1 }, &[a, b]);
        let bent = builder.normalise(short);
        let bent = builder.relu(bent);
        let long = builder.wire("long", TypedConcat { axis: 1 }, &[a, b, bent]);
        let inner = builder.wire("inner", TypedConcat { axis: 1 }, &[bent, a]);
        let whole = builder.wire("whole", TypedConcat { axis: 1 }, &[a, b, inner]);
        let outputs = [long, whole].map(|all| {
            let y = builder.normalise(all);
            builder.same(y, 3, 7)
        });
        assert_eq!(compare(builder, &outputs), 4);
    }
}

/// A concatenation is read for one image at a time, and its beginning for all of them, by layers with many weights.
#[test]
fn what_begins_a_concatenation_can_be_read_later() {
    for channels in [5, 16] {
        let mut builder = ModelBuilder::new(14);
        let fact = f32::fact([3, 3, 4, 4]);
        let x = builder.model.add_source("views", fact).unwrap();
        let normalised = |builder: &mut ModelBuilder, x| {
            let y = builder.normalise(x);
            builder.relu(y)
        };
        let [left, right] = [1, 1].map(|side| builder.same(x, side, channels));
        let short = builder.wire("short", TypedConcat { axis: 1 }, &[left, right]);
        let y = normalised(&mut builder, short);
        let last = builder.same(y, 1, channels);
        let long = builder.wire("long", TypedConcat { axis: 1 }, &[left, right, last]);
        let y = normalised(&mut builder, long);
        let y = builder.same(y, 3, 64);
        let heavy = builder.relu(y);
        let y = normalised(&mut builder, short);
        let late = builder.same(y, 1, 64);
        let sum = builder.wire("sum", add(), &[heavy, late]);
        assert_eq!(compare(builder, &[sum]), 5);
    }
}

/// As in `ResNeXt`, with functions that the parts take over, and one value that something else needs, too.
#[test]
fn convolutions_in_groups_are_part_of_a_region() {
    for groups in [2, 3, 8] {
        for number in 0..FUNCTIONS {
            let mut builder = ModelBuilder::new(u64::from(number) + 10);
            let x = views(&mut builder);
            let x = builder.same(x, 3, 48);
            let x = function(&mut builder, x, number);
            let y = builder.same_in_groups(x, 3, groups, 24);
            let y = builder.normalise(y);
            let y = builder.relu(y);
            let z = builder.same_in_groups(y, 1, groups, 48);
            let z = function(&mut builder, z, number);
            let sum = builder.wire("sum", add(), &[x, z]);
            let last = builder.same_in_groups(sum, 5, groups, 2 * groups);
            let bent = function(&mut builder, last, number);
            let found = compare(builder, &[bent, last]);
            assert_eq!(found, 4, "{groups} groups, function {number}");
        }
    }
}

#[test]
fn channels_are_taken_apart_and_put_together() {
    let mut builder = ModelBuilder::new(3);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 24);
    let x = builder.wire("silu", silu(), &[x]);
    let left = builder.wire("left", Slice::new(1, 0, 11), &[x]);
    let right = builder.wire("right", Slice::new(1, 11, 24), &[x]);
    let y = builder.same(right, 3, 11);
    let y = builder.wire("silu", silu(), &[y]);
    let y = builder.wire("sum", add(), &[left, y]);
    let all = builder.wire("all", TypedConcat { axis: 1 }, &[left, right, y]);
    let z = builder.same(all, 1, 5);
    // tract makes a sum of three convolutions of the last one.
    assert_eq!(compare(builder, &[z]), 5);
}

#[test]
fn what_tract_reads_between_the_products_of_an_excitation_stays_its_own() {
    let mut builder = ModelBuilder::new(4);
    let x = views(&mut builder);
    let x = builder.same(x, 3, 8);
    let mean = mean(&mut builder, x);
    let fewer = builder.same(mean, 1, 3);
    let bent = builder.wire("tanh", tanh(), &[fewer]);
    let factors = builder.same(bent, 1, 8);
    let y = builder.wire("excited", mul(), &[factors, x]);
    compare(builder, &[y, fewer]);
}

#[test]
fn random_chains_of_blocks() {
    for seed in 100..140 {
        let mut builder = ModelBuilder::new(seed);
        let mut x = views(&mut builder);
        x = builder.same(x, 3, 16);
        let mut earlier = vec![x];
        for _ in 0..builder.random.random_range(4..10) {
            let number = builder.random.random_range(0..FUNCTIONS);
            let channels = builder.channels(x);
            let other = earlier[builder.random.random_range(0..earlier.len())];
            let shape = |x| builder.model.outlet_fact(x).unwrap().shape.clone();
            let is_alike = shape(other) == shape(x);
            let is_large = shape(x).as_concrete().unwrap()[3] > 6;
            x = match builder.random.random_range(0..10) {
                0 => {
                    let outputs = builder.random.random_range(2..50);
                    builder.same(x, 1, outputs)
                }
                1 => builder.depthwise(x, 3, 1),
                2 if is_large => builder.depthwise(x, 5, 2),
                3 => excite(&mut builder, x),
                4 if channels > 3 => {
                    let first = builder.random.random_range(0..channels / 2);
                    builder.wire("some", Slice::new(1, first, channels - 1), &[x])
                }
                5 if is_alike => {
                    let factor = builder.wire("sigmoid", sigmoid(), &[other]);
                    builder.wire("product", mul(), &[x, factor])
                }
                6 if is_alike => builder.wire("sum", add(), &[x, other]),
                7 => builder.normalise(x),
                8 if channels.is_multiple_of(2) => {
                    let outputs = 2 * builder.random.random_range(1..20);
                    builder.same_in_groups(x, 3, 2, outputs)
                }
                _ => function(&mut builder, x, number),
            };
            earlier.push(x);
        }
        // Sums of sums are large, and bf16 is so many digits of them.
        let [x, middle] =
            [x, earlier[earlier.len() / 2]].map(|x| builder.wire("small", sigmoid(), &[x]));
        compare(builder, &[x, middle]);
    }
}

/// A convolution of one pixel with few channels is as fast by tract, and its image would have to be converted twice.
#[test]
fn a_region_that_would_not_pay_stays_tracts() {
    for (side, channels, is_depthwise, replaced) in [
        (1, 32, false, 0),
        (1, 256, false, 1),
        (3, 32, false, 1),
        (3, 2, false, 0),
        (3, 32, true, 0),
        (5, 32, true, 1),
        (7, 32, true, 1),
    ] {
        let mut builder = ModelBuilder::new(5);
        let fact = f32::fact([1, channels, 96, 96]);
        let x = builder.model.add_source("views", fact).unwrap();
        let y = if is_depthwise {
            builder.depthwise(x, side, 1)
        } else {
            builder.same(x, side, channels)
        };
        builder.model.select_output_outlets(&[y]).unwrap();
        let model = builder.model.into_decluttered().unwrap();
        let (_, count) = accelerate(&model, Kernel::Portable).unwrap();
        assert_eq!(
            count, replaced,
            "{side} x {side}, {channels} channels, {is_depthwise}"
        );
    }
}
