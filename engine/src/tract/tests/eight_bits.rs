//! Networks that say of themselves that they are of eight bits (`QuantizeLinear` and `DequantizeLinear`), by this engine
//! and by tract, which rounds in f32.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

use super::foreign::value;
use super::*;
use crate::microkernel::dtype::to_whole;

const VIEWS: usize = 2;
const VIEW: [usize; 3] = [3, 21, 18];

/// A graph that is being written.
struct Writer {
    graph: GraphProto,
    random: ChaCha8Rng,
    count: usize,
}

impl Writer {
    fn new(seed: u64) -> Self {
        Self {
            graph: GraphProto::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            count: 0,
        }
    }

    fn constant(&mut self, kind: DataType, dims: &[usize], raw_data: Vec<u8>) -> String {
        self.count += 1;
        let name = format!("constant-{}", self.count);
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|n| *n as i64).collect(),
            data_type: kind as i32,
            raw_data,
            ..TensorProto::default()
        });
        name
    }

    fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(DataType::Float, dims, bytes)
    }

    fn node(&mut self, kind: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> String {
        self.count += 1;
        let output = format!("{kind}-{}", self.count);
        let attribute = attributes.iter().map(|(name, values)| AttributeProto {
            name: (*name).to_owned(),
            r#type: match values {
                [_] => AttributeType::Int as i32,
                _ => AttributeType::Ints as i32,
            },
            i: values[0],
            ints: if values.len() > 1 {
                values.to_vec()
            } else {
                Vec::new()
            },
            ..AttributeProto::default()
        });
        self.graph.node.push(NodeProto {
            op_type: kind.to_owned(),
            name: output.clone(),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.clone()],
            attribute: attribute.collect(),
            ..NodeProto::default()
        });
        output
    }

    /// Values, rounded.
    fn round(&mut self, x: &str, quantum: f32, zero_point: u8) -> String {
        let scale = self.floats(&[], &[quantum]);
        let zero = self.constant(DataType::Uint8, &[], vec![zero_point]);
        let rounded = self.node("QuantizeLinear", &[x, &scale, &zero], &[]);
        self.node("DequantizeLinear", &[&rounded, &scale, &zero], &[])
    }

    /// A convolution of values that were rounded to a quantum.
    fn convolution(
        &mut self,
        x: &str,
        quantum: f32,
        channels: [usize; 2],
        side: usize,
        stride: i64,
    ) -> String {
        self.in_groups(x, quantum, channels, side, stride, 1)
    }

    /// The same in groups.
    fn in_groups(
        &mut self,
        x: &str,
        quantum: f32,
        [inputs, outputs]: [usize; 2],
        side: usize,
        stride: i64,
        groups: usize,
    ) -> String {
        let inputs = inputs / groups;
        let of_channel = inputs * side * side;
        let steps: Vec<f32> = (0..outputs)
            .map(|n| (1.0 + (n % 3) as f32) * 0.01 / (of_channel as f32).sqrt())
            .collect();
        let weights = (0..outputs * of_channel)
            .map(|_| self.random.random())
            .collect();
        let weights = self.constant(DataType::Int8, &[outputs, inputs, side, side], weights);
        let zeros = self.constant(DataType::Int8, &[outputs], vec![0; outputs]);
        let scales = self.floats(&[outputs], &steps);
        let axis: &[(&str, &[i64])] = &[("axis", &[0])];
        let weights = self.node("DequantizeLinear", &[&weights, &scales, &zeros], axis);
        let units: Vec<f32> = steps.iter().map(|step| step * quantum).collect();
        let bias = (0..outputs).flat_map(|n| {
            let bias = self.random.random_range(-0.5..0.5) / units[n];
            (bias as i32).to_le_bytes()
        });
        let bias = bias.collect();
        let bias = self.constant(DataType::Int32, &[outputs], bias);
        let zeros = self.constant(DataType::Int32, &[outputs], vec![0; 4 * outputs]);
        let scales = self.floats(&[outputs], &units);
        let bias = self.node("DequantizeLinear", &[&bias, &scales, &zeros], axis);
        let before = (side as i64 - 1) / 2;
        let after = side as i64 - 1 - before;
        self.node(
            "Conv",
            &[x, &weights, &bias],
            &[
                ("group", &[groups as i64]),
                ("strides", &[stride, stride]),
                ("pads", &[before, before, after, after]),
            ],
        )
    }

    fn normalise(&mut self, x: &str, channels: usize) -> String {
        let mut some = |least: f32, most: f32| -> Vec<f32> {
            (0..channels)
                .map(|_| self.random.random_range(least..most))
                .collect()
        };
        let (scale, shift) = (some(-1.5, 1.5), some(-0.5, 0.5));
        let scale = self.floats(&[1, channels, 1, 1], &scale);
        let shift = self.floats(&[1, channels, 1, 1], &shift);
        let x = self.node("Mul", &[x, &scale], &[]);
        let x = self.node("Add", &[&x, &shift], &[]);
        self.node("Relu", &[&x], &[])
    }

    fn finish(mut self, outputs: &[&str]) -> ModelProto {
        self.graph.input = vec![value("views", Some("N"), &VIEW.map(|n| n as i64))];
        let output = |name: &&str| ValueInfoProto {
            name: (*name).to_owned(),
            ..ValueInfoProto::default()
        };
        self.graph.output = outputs.iter().map(output).collect();
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            graph: Some(self.graph),
            ..ModelProto::default()
        }
    }
}

/// The last quantum of [`residual_network`].
const LAST: f32 = 0.020_17;

/// Everything that a quantised network of ours has: a pooling, units whose shortcut stays as it is before the
/// normalisation, strides, a projection, and a head in f32.
fn residual_network(seed: u64) -> ModelProto {
    let mut writer = Writer::new(seed);
    let x = writer.round("views", 0.008, 120);
    let x = writer.convolution(&x, 0.008, [3, 20], 6, 1);
    let x = writer.node("Relu", &[&x], &[]);
    let x = writer.round(&x, 0.01, 0);
    let pool: &[(&str, &[i64])] = &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])];
    let x = writer.node("MaxPool", &[&x], pool);
    let x = writer.round(&x, 0.01, 0);
    let a = writer.normalise(&x, 20);
    let a = writer.round(&a, 0.015, 0);
    let shortcut = writer.convolution(&a, 0.015, [20, 50], 1, 1);
    let shortcut = writer.round(&shortcut, 0.016_13, 131);
    let y = writer.convolution(&a, 0.015, [20, 10], 3, 1);
    let y = writer.node("Relu", &[&y], &[]);
    let y = writer.round(&y, 0.01, 0);
    let y = writer.convolution(&y, 0.01, [10, 50], 1, 1);
    let y = writer.round(&y, 0.013_97, 118);
    let sum = writer.node("Add", &[&shortcut, &y], &[]);
    let sum = writer.round(&sum, 0.020_11, 125);
    let b = writer.normalise(&sum, 50);
    let b = writer.round(&b, 0.015, 0);
    let y = writer.convolution(&b, 0.015, [50, 33], 3, 2);
    let y = writer.node("Relu", &[&y], &[]);
    let y = writer.round(&y, 0.01, 0);
    let y = writer.convolution(&y, 0.01, [33, 70], 3, 1);
    let y = writer.round(&y, 0.014_09, 140);
    let shortcut = writer.convolution(&sum, 0.020_11, [50, 70], 1, 2);
    let shortcut = writer.round(&shortcut, 0.015_23, 128);
    let sum = writer.node("Add", &[&y, &shortcut], &[]);
    let sum = writer.node("Relu", &[&sum], &[]);
    let last = writer.round(&sum, LAST, 0);
    let head = writer.normalise(&last, 70);
    let head = writer.node("GlobalAveragePool", &[&head], &[]);
    writer.finish(&[&last, &head])
}

fn model(proto: &ModelProto) -> TypedModel {
    let network = crate::reader().model_for_proto_model(proto).unwrap();
    for_batches(network, VIEWS, VIEW).unwrap()
}

fn views(seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = VIEWS * VIEW.iter().product::<usize>();
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_shape(&[VIEWS, VIEW[0], VIEW[1], VIEW[2]], values).unwrap()
}

fn kernels() -> impl Iterator<Item = Kernels> {
    let int8 = Kernel::INT8.into_iter();
    let int8 = int8.filter(|kernel| kernel.is_supported());
    int8.map(|int8| Kernels {
        float: Kernel::Portable,
        int8,
    })
}

#[test]
fn a_quantised_network_gives_what_tract_rounds_and_the_same_bits_with_every_kernel() {
    for seed in 0..4 {
        let model = model(&residual_network(seed));
        let input = tensor(&views(seed));
        let (alone, _) = rewrite(&model, None).unwrap();
        let expected = run(alone, &input);
        let mut first: Option<Vec<Vec<f32>>> = None;
        for kernels in kernels() {
            let (accelerated, count) = rewrite(&model, Some(kernels)).unwrap();
            assert_eq!(count, 7);
            let nodes = accelerated.nodes().iter();
            let regions = nodes.filter_map(|node| node.op_as::<FusedRegion>());
            let regions: Vec<String> = regions.map(|region| format!("{region:?}")).collect();
            assert_eq!(regions, ["7 convolutions, 1 poolings, 7 of eight bits"]);
            let found = run(accelerated, &input);
            // Sums of f32 are not exact, so what lies between two quanta may become the other one.
            let quanta = |value: f32| to_whole(value / LAST, 0.0, 255.0);
            let pairs = found[0].iter().zip(&expected[0]);
            let apart: Vec<f32> = pairs
                .map(|(a, b)| (quanta(*a) - quanta(*b)).abs())
                .collect();
            let count = apart.iter().filter(|apart| **apart > 0.0).count();
            let what = format!("{}, seed {seed}: {count} of {}", kernels.int8, apart.len());
            assert!(apart.iter().all(|apart| *apart <= 1.0), "{what}");
            assert!(count * 200 <= apart.len(), "{what}");
            assert!(expected[0].iter().filter(|value| **value > 0.0).count() > apart.len() / 5);
            for (found, expected) in found[1].iter().zip(&expected[1]) {
                assert!(
                    (found - expected).abs() < 1e-3,
                    "{what}: {found}, {expected}"
                );
            }
            assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "{what}");
        }
    }
}

/// Layers in any order, of any size.
fn random_network(seed: u64) -> ModelProto {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut writer = Writer::new(seed);
    let mut quantum = 0.008;
    let mut x = writer.round("views", quantum, 120);
    let [mut channels, mut height, mut width] = VIEW;
    for _ in 0..random.random_range(1..6) {
        let next = random.random_range(0.004..0.03);
        let zero_point = [0, random.random()][random.random_range(0..2)];
        let outputs = random.random_range(1..70);
        let side = random.random_range(1..6);
        match random.random_range(0..5) {
            0 if height.min(width) >= 2 => {
                let window: &[(&str, &[i64])] = &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])];
                let pooled = writer.node("MaxPool", &[&x], window);
                x = writer.round(&pooled, next, zero_point);
                [height, width] = [height / 2, width / 2];
            }
            1 => {
                let normalised = writer.normalise(&x, channels);
                x = writer.round(&normalised, next, 0);
            }
            2 => {
                let y = writer.convolution(&x, quantum, [channels, outputs], side, 1);
                let y = writer.node("Relu", &[&y], &[]);
                let y = writer.round(&y, next, 0);
                let y = writer.convolution(&y, next, [outputs, channels], 3, 1);
                let y = writer.round(&y, 0.016, 120);
                let sum = writer.node("Add", &[&x, &y], &[]);
                x = writer.round(&sum, next, zero_point);
            }
            _ => {
                let stride = random.random_range(1..4);
                let y = writer.convolution(&x, quantum, [channels, outputs], side, stride as i64);
                let y = if random.random() {
                    writer.node("Relu", &[&y], &[])
                } else {
                    y
                };
                x = writer.round(&y, next, zero_point);
                channels = outputs;
                [height, width] = [height, width].map(|side| (side - 1) / stride + 1);
            }
        }
        quantum = next;
    }
    let mean = writer.node("GlobalAveragePool", &[&x], &[]);
    writer.finish(&[&x, &mean])
}

/// `GALMORPH_CASES` of them, for whoever has changed a kernel and wants to be sure.
#[test]
fn random_quantised_networks_give_the_same_bits_with_every_kernel() {
    let cases = std::env::var("GALMORPH_CASES").map_or(12, |count| count.parse().unwrap());
    let mut convolutions = 0;
    for seed in 0..cases {
        let model = model(&random_network(seed));
        let input = tensor(&views(seed));
        let of_kernel = |int8| {
            let kernels = Kernels {
                float: Kernel::Portable,
                int8,
            };
            let (accelerated, count) = rewrite(&model, Some(kernels)).unwrap();
            (run(accelerated, &input), count)
        };
        let (expected, count) = of_kernel(Kernel::PortableInt8);
        convolutions += count;
        for kernels in kernels() {
            let (found, _) = of_kernel(kernels.int8);
            assert!(found == expected, "{}, seed {seed}", kernels.int8);
        }
    }
    assert!(convolutions > 10, "{convolutions} convolutions");
}

#[test]
fn a_view_that_is_no_number_has_no_answer_and_leaves_the_others_alone() {
    let model = model(&residual_network(2));
    let values = views(2);
    let len = values.len() / VIEWS;
    for kernels in kernels() {
        let (accelerated, _) = rewrite(&model, Some(kernels)).unwrap();
        let expected = run(accelerated.clone(), &tensor(&values));
        let mut broken = values.clone();
        broken[len / 2] = f32::NAN;
        let found = run(accelerated, &tensor(&broken));
        for (found, expected) in found.iter().zip(&expected) {
            let (first, second) = found.split_at(found.len() / 2);
            assert!(first.iter().all(|value| value.is_nan()));
            assert_eq!(*second, expected[found.len() / 2..]);
        }
    }
}

#[test]
fn what_is_not_rounded_beside_eight_bits_is_f32_with_every_kernel() {
    let mut writer = Writer::new(6);
    let x = writer.round("views", 0.008, 120);
    // The first multiplies bytes, and the second reads what was not rounded.
    let y = writer.convolution(&x, 0.008, [3, 16], 3, 1);
    let z = writer.convolution(&y, 0.01, [16, 8], 3, 1);
    let model = model(&writer.finish(&[&z]));
    let input = tensor(&views(6));
    let (alone, _) = rewrite(&model, None).unwrap();
    let expected = run(alone, &input);
    let supported = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported());
    for kernel in supported.filter(|kernel| *kernel != Kernel::Portable) {
        let (accelerated, count) = crate::accelerate(&model, kernel).unwrap();
        assert_eq!(count, 2);
        let found = run(accelerated, &input);
        // bf16 would be a thousand times as far away.
        for (found, expected) in found[0].iter().zip(&expected[0]) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{kernel}: {found}, {expected}"
            );
        }
    }
}

#[test]
fn what_is_rounded_otherwise_stays_right() {
    // Weights with one step for all, no rounding before the convolution, and two quanta for one value.
    let mut writer = Writer::new(5);
    let plain = writer.convolution("views", 0.01, [3, 8], 3, 1);
    let x = writer.round(&plain, 0.02, 128);
    let y = writer.round(&plain, 0.03, 100);
    let y = writer.convolution(&y, 0.03, [8, 8], 3, 1);
    let both = writer.node("Concat", &[&x, &y], &[("axis", &[1])]);
    let both = writer.round(&both, 0.02, 128);
    // Groups, and slopes of channels.
    let bent = writer.in_groups(&both, 0.02, [16, 12], 3, 1, 4);
    let slopes: Vec<f32> = (0..12).map(|n| n as f32 / 8.0 - 0.5).collect();
    let slopes = writer.floats(&[12, 1, 1], &slopes);
    let bent = writer.node("PRelu", &[&bent, &slopes], &[]);
    let bent = writer.round(&bent, 0.02, 100);
    let z = writer.convolution(&bent, 0.02, [12, 5], 3, 1);
    let z = writer.node("Sigmoid", &[&z], &[]);
    let model = model(&writer.finish(&[&z, &both]));
    let input = tensor(&views(5));
    let (alone, _) = rewrite(&model, None).unwrap();
    let expected = run(alone, &input);
    for kernels in kernels() {
        let (accelerated, count) = rewrite(&model, Some(kernels)).unwrap();
        assert_eq!(count, 4);
        let found = run(accelerated, &input);
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let tolerance = [0.01, 0.021][number];
            let pairs = found.iter().zip(expected);
            let apart: Vec<f32> = pairs.map(|(a, b)| (a - b).abs()).collect();
            assert!(
                apart.iter().all(|apart| *apart <= tolerance),
                "output {number}"
            );
            let count = apart.iter().filter(|apart| **apart > 1e-3).count();
            assert!(count * 100 <= apart.len(), "output {number}: {count}");
        }
    }
}
