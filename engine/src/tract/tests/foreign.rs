//! Networks that are not ours: ONNX as other programs write it.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use super::*;

const VIEW: [usize; 3] = [2, 6, 5];
const VIEWS: usize = 2;

/// A graph whose nodes are given in order; the last one's output is the graph's.
#[derive(Default)]
struct Network(GraphProto);

impl Network {
    fn constant(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.0.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            float_data: values.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    fn node(mut self, kind: &str, inputs: &[&str], output: &str, integers: &[(&str, i64)]) -> Self {
        let attribute = integers.iter().map(|(name, value)| AttributeProto {
            name: (*name).to_owned(),
            r#type: AttributeType::Int as i32,
            i: *value,
            ..AttributeProto::default()
        });
        self.0.node.push(NodeProto {
            op_type: kind.to_owned(),
            name: output.to_owned(),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attribute.collect(),
            ..NodeProto::default()
        });
        self
    }

    /// A 3 x 3 convolution of the views to three channels, or to two, each of one of the view's. No value is near
    /// zero.
    fn convolution(self, output: &str, is_depthwise: bool, scale: f32) -> Self {
        let (outputs, inputs) = if is_depthwise { (2, 1) } else { (3, 2) };
        let weights: Vec<f32> = (0..outputs * inputs * 9)
            .map(|n| ((n * 7 % 11) as f32 - 4.5) * scale)
            .collect();
        let groups = if is_depthwise { 2 } else { 1 };
        self.constant("weights", &[outputs, inputs, 3, 3], &weights)
            .constant("bias", &[outputs], &vec![20.0; outputs as usize])
            .node(
                "Conv",
                &["views", "weights", "bias"],
                output,
                &[("group", groups)],
            )
    }

    fn proto(mut self) -> ModelProto {
        let output = self.0.node.last().unwrap().output[0].clone();
        self.0.input = vec![value("views", Some("N"), &VIEW.map(|n| n as i64))];
        self.0.output = vec![ValueInfoProto {
            name: output,
            ..ValueInfoProto::default()
        }];
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            graph: Some(self.0),
            ..ModelProto::default()
        }
    }

    /// What tract alone and every kernel answer. They agree.
    fn answer(self) -> Vec<f32> {
        answer(&self.proto())
    }
}

pub(super) fn value(name: &str, batch: Option<&str>, lengths: &[i64]) -> ValueInfoProto {
    let batch = match batch {
        Some(name) => dimension::Value::DimParam(name.to_owned()),
        None => dimension::Value::DimValue(1),
    };
    let lengths = lengths.iter().map(|n| dimension::Value::DimValue(*n));
    let dim = std::iter::once(batch)
        .chain(lengths)
        .map(|value| Dimension {
            value: Some(value),
            ..Dimension::default()
        });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto { dim: dim.collect() }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn answer(proto: &ModelProto) -> Vec<f32> {
    let network = crate::reader().model_for_proto_model(proto).unwrap();
    let model = for_batches(network, VIEWS, VIEW).unwrap();
    let count = VIEWS * VIEW.iter().product::<usize>();
    let values: Vec<f32> = (0..count)
        .map(|n| (n * 5 % 17) as f32 / 8.0 - 1.0)
        .collect();
    let [channels, rows, columns] = VIEW;
    let input = Tensor::from_shape(&[VIEWS, channels, rows, columns], &values).unwrap();
    let (alone, _) = rewrite(&model, None).unwrap();
    let [expected] = &run(alone, &input)[..] else {
        panic!("it has one output")
    };
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
    {
        let (accelerated, _) = accelerate(&model, kernel).unwrap();
        let [found] = &run(accelerated, &input)[..] else {
            panic!("it has one output")
        };
        let tolerance = match kernel.dtype() {
            DType::F32 => 1e-4,
            DType::Bf16 => 0.05,
            DType::Int8 => unreachable!("none of these"),
        };
        for (found, expected) in found.iter().zip(expected) {
            let is_same = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
            let both_nan = found.is_nan() && expected.is_nan();
            assert!(is_same || both_nan, "{kernel}: {found}, not {expected}");
        }
    }
    expected.clone()
}

#[test]
fn a_constant_minus_or_divided_by_a_convolution_is_right() {
    for is_depthwise in [false, true] {
        let convolution = || Network::default().convolution("y", is_depthwise, 0.1);
        let before = convolution().answer();
        let channels = if is_depthwise { 2 } else { 3 };
        let area = before.len() / VIEWS / channels;
        let per_channel = &[1.5, -0.25, 2.0][..channels];
        let cases: [(&[i64], &[f32]); 4] = [
            (&[], &[2.0]),
            (&[1], &[-3.0]),
            (&[1, channels as i64, 1, 1], per_channel),
            (&[channels as i64, 1, 1], per_channel),
        ];
        for (dims, values) in cases {
            let constant = |n: usize| values[n / area % channels % values.len()];
            let network = |kind| {
                let network = convolution().constant("c", dims, values);
                network.node(kind, &["c", "y"], "z", &[]).answer()
            };
            for (n, (found, y)) in network("Sub").iter().zip(&before).enumerate() {
                let expected = constant(n) - y;
                assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
            }
            for (n, (found, y)) in network("Div").iter().zip(&before).enumerate() {
                let expected = constant(n) / y;
                let error = (found - expected).abs() / expected.abs();
                assert!(error < 1e-4, "{found}, not {expected}");
            }
        }
    }
}

#[test]
fn a_convolution_minus_or_divided_by_a_constant_is_right() {
    let convolution = || Network::default().convolution("y", false, 0.1);
    let before = convolution().answer();
    let network = |kind| {
        let network = convolution().constant("c", &[1, 3, 1, 1], &[1.5, -0.25, 2.0]);
        network.node(kind, &["y", "c"], "z", &[]).answer()
    };
    let area = before.len() / VIEWS / 3;
    let constant = |n: usize| [1.5, -0.25, 2.0][n / area % 3];
    let (differences, quotients) = (network("Sub"), network("Div"));
    for (n, y) in before.iter().enumerate() {
        assert!((differences[n] - (y - constant(n))).abs() < 1e-5);
        assert!((quotients[n] - y / constant(n)).abs() < 1e-4);
    }
}

/// How many nodes are left where a network of one region is accelerated: its input and the region.
const OF_ONE_REGION: usize = 2;

fn nodes_left(proto: &ModelProto) -> usize {
    let network = crate::reader().model_for_proto_model(proto).unwrap();
    let model = for_batches(network, VIEWS, VIEW).unwrap();
    let (accelerated, count) = accelerate(&model, Kernel::Portable).unwrap();
    assert_eq!(count, 1);
    accelerated.into_decluttered().unwrap().nodes().len()
}

#[test]
fn slopes_of_negative_values_are_those_of_each_channel() {
    for is_depthwise in [false, true] {
        // Without the bias, half of the values are negative.
        let convolution = || {
            let network = Network::default().convolution("x", is_depthwise, 0.5);
            network.constant("shift", &[1, 1, 1, 1], &[-20.0]).node(
                "Add",
                &["x", "shift"],
                "y",
                &[],
            )
        };
        let channels = if is_depthwise { 2 } else { 3 };
        let before = convolution().answer();
        let negative = before.iter().filter(|value| **value < 0.0).count();
        assert!(negative > before.len() / 5 && negative < before.len() * 4 / 5);
        let area = before.len() / VIEWS / channels;
        let per_channel = &[0.25, -0.5, 3.0][..channels];
        let cases: [(&[i64], &[f32]); 4] = [
            (&[], &[0.1]),
            (&[1], &[0.3]),
            (&[channels as i64, 1, 1], per_channel),
            (&[1, channels as i64, 1, 1], per_channel),
        ];
        for (dims, slopes) in cases {
            let network = || {
                let network = convolution().constant("slopes", dims, slopes);
                network.node("PRelu", &["y", "slopes"], "z", &[])
            };
            for (n, (found, y)) in network().answer().iter().zip(&before).enumerate() {
                let slope = slopes[n / area % channels % slopes.len()];
                let expected = if *y < 0.0 { y * slope } else { *y };
                assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
            }
            assert_eq!(nodes_left(&network().proto()), OF_ONE_REGION, "{dims:?}");
        }
    }
}

/// A slope for each column is none of ours, and right all the same.
#[test]
fn slopes_along_another_axis_stay_tracts() {
    let network = Network::default().convolution("y", false, 0.5);
    let before = Network::default().convolution("y", false, 0.5).answer();
    let network = network
        .constant("shift", &[1, 1, 1, 1], &[-20.0])
        .node("Add", &["y", "shift"], "x", &[])
        .constant("slopes", &[3], &[0.25, -0.5, 3.0])
        .node("PRelu", &["x", "slopes"], "z", &[]);
    for (n, (found, y)) in network.answer().iter().zip(&before).enumerate() {
        let x = y - 20.0;
        let expected = if x < 0.0 {
            x * [0.25, -0.5, 3.0][n % 3]
        } else {
            x
        };
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }
}

#[test]
fn hard_sigmoid_and_hard_swish_are_part_of_a_region() {
    let convolution = || {
        let network = Network::default().convolution("x", false, 0.5);
        network
            .constant("shift", &[1, 1, 1, 1], &[-20.0])
            .node("Add", &["x", "shift"], "y", &[])
    };
    let before = convolution().answer();
    let hard = |x: f32, slope: f32| (x * slope + 0.5).clamp(0.0, 1.0);
    let cases: [(&str, &dyn Fn(f32) -> f32); 2] = [
        // ONNX's own slope.
        ("HardSigmoid", &|x| hard(x, 0.2)),
        ("HardSwish", &|x| x * hard(x, 1.0 / 6.0)),
    ];
    for (kind, of) in cases {
        let network = || convolution().node(kind, &["y"], "z", &[]);
        for (found, y) in network().answer().iter().zip(&before) {
            assert!((found - of(*y)).abs() < 1e-4, "{kind} of {y}: {found}");
        }
        assert_eq!(nodes_left(&network().proto()), OF_ONE_REGION, "{kind}");
    }
}

/// Shape inference of other programs writes these notes, each with a name of its own for the batch, or for one
/// image.
#[test]
fn shapes_that_another_program_noted_are_ignored() {
    let network = || {
        let network = Network::default().convolution("y", false, 0.1);
        network.node("Relu", &["y"], "z", &[])
    };
    let expected = network().answer();
    for batch in [Some("N"), Some("batch_size"), None] {
        let mut proto = network().proto();
        let graph = proto.graph.as_mut().unwrap();
        graph.value_info = vec![value("y", batch, &[3, 4, 3])];
        graph.output = vec![value("z", batch, &[3, 4, 3])];
        assert_eq!(answer(&proto), expected, "{batch:?}");
    }
}

/// A network with broken weights must not have an answer, whichever operator comes behind them.
#[test]
fn what_is_not_a_number_stays_so() {
    for is_depthwise in [false, true] {
        let network = || Network::default().convolution("y", is_depthwise, f32::NAN);
        for network in [
            network().node("Relu", &["y"], "z", &[]),
            network()
                .constant("low", &[], &[0.0])
                .constant("high", &[], &[6.0])
                .node("Clip", &["y", "low", "high"], "z", &[]),
            network()
                .constant("slope", &[1], &[0.5])
                .node("PRelu", &["y", "slope"], "z", &[]),
            network()
                .constant("c", &[1, 1, 1, 1], &[0.5])
                .node("Max", &["c", "y"], "z", &[]),
            network()
                .node("Relu", &["y"], "x", &[])
                .node("Min", &["x", "y"], "z", &[]),
        ] {
            assert!(network.answer().iter().all(|value| value.is_nan()));
        }
    }
}
