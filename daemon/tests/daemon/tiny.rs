//! A model that costs nothing to run: a mean of each of sixteen tiles and a linear layer. For tests that
//! start the program hundreds of times, or show it thousands of images.

use std::fs;
use std::path::Path;

use galmorph_cutout::{ModelCard, Morphology, Preprocessing};
use prost::Message as _;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// Values of a view after the pooling: three channels of four by four tiles.
const FEATURES: usize = 3 * 4 * 4;

/// Writes the model to a file.
pub(crate) fn write(path: &Path) {
    fs::write(path, model().encode_to_vec()).unwrap();
}

/// Writes one whose card says how far its answers can be trusted. Its novelty, its residual and the
/// residual's rank are the largest probability.
pub(crate) fn write_one_with_trust(path: &Path) {
    let mut model = model();
    let graph = model.graph.as_mut().unwrap();
    let axes = AttributeProto {
        name: "axes".into(),
        r#type: AttributeType::Ints as i32,
        ints: vec![1],
        ..AttributeProto::default()
    };
    let flat = AttributeProto {
        name: "keepdims".into(),
        r#type: AttributeType::Int as i32,
        ..AttributeProto::default()
    };
    for output in ["novelty", "residual"] {
        let largest = vec![axes.clone(), flat.clone()];
        let largest = node("ReduceMax", &["probabilities"], output, largest);
        graph.node.push(largest);
        graph.output.push(value(output, &[]));
    }
    let mut card: serde_json::Value = serde_json::from_str(&card().to_json().unwrap()).unwrap();
    let all = |value: f64| Morphology::names().map(|name| (name.to_owned(), value.into()));
    let all = |value: f64| serde_json::Map::<String, serde_json::Value>::from_iter(all(value));
    let level = |coverage: f64, least: f64| serde_json::json!({ "coverage": coverage, "overall": least, "by_class": all(least) });
    let purity = serde_json::json!([{
        "wanted": 0.9,
        "threshold": 0.4,
        "purity": { "value": 0.92, "low": 0.9, "high": 0.94 },
        "completeness": { "value": 0.5, "low": 0.4, "high": 0.6 },
    }]);
    let purity = Morphology::names().map(|name| (name.to_owned(), purity.clone()));
    card["format"] = 2.into();
    card["conformal"] = serde_json::json!({
        "galaxies": all(100.0).into_iter().map(|(name, _)| (name, 100.into())).collect::<serde_json::Map<_, serde_json::Value>>(),
        "levels": [level(0.9, 0.3), level(0.95, 0.15)],
    });
    card["purity"] = serde_json::json!({ "clean": serde_json::Map::from_iter(purity) });
    card["prior"] = all(0.2).into();
    card["novelty"] = serde_json::json!({
        "threshold": 0.5,
        "quantiles": [{ "fraction": 0.5, "novelty": 0.25 }],
    });
    let quantiles = Morphology::names().map(|name| (name.to_owned(), [0.0, 1.0].into()));
    card["residual"] = serde_json::json!({
        "confidence": 0.2,
        "threshold": 0.5,
        "quantiles": serde_json::Map::from_iter(quantiles),
    });
    model.metadata_props[0].value = card.to_string();
    fs::write(path, model.encode_to_vec()).unwrap();
}

/// Writes one that divides by zero when the brightest value of a view is between 5 and 6, in an operator
/// of tract's that panics then.
pub(crate) fn write_one_that_panics(path: &Path) {
    let mut model = model();
    let graph = model.graph.as_mut().unwrap();
    let number = |name: &str, value: i64| AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    };
    let to = |kind: DataType| vec![number("to", kind as i64)];
    let axes = AttributeProto {
        name: "axes".into(),
        r#type: AttributeType::Ints as i32,
        ints: vec![1, 2, 3],
        ..AttributeProto::default()
    };
    graph.initializer.push(TensorProto {
        name: "five".into(),
        dims: vec![1, 1],
        data_type: DataType::Int64 as i32,
        raw_data: 5_i64.to_le_bytes().to_vec(),
        ..TensorProto::default()
    });
    graph.node.truncate(3);
    graph.node.extend([
        node(
            "ReduceMax",
            &["views"],
            "brightest",
            vec![axes, number("keepdims", 1)],
        ),
        node("Flatten", &["brightest"], "of_view", vec![]),
        node("Cast", &["of_view"], "whole", to(DataType::Int64)),
        node("Sub", &["whole", "five"], "divisor", vec![]),
        node("Mod", &["whole", "divisor"], "rest", vec![]),
        node("Cast", &["rest"], "shift", to(DataType::Float)),
        node("Add", &["logits", "shift"], "shifted", vec![]),
        node("Softmax", &["shifted"], "probabilities", vec![]),
    ]);
    fs::write(path, model.encode_to_vec()).unwrap();
}

fn model() -> ModelProto {
    let tiles = ["kernel_shape", "strides"].map(|name| AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: vec![16, 16],
        ..AttributeProto::default()
    });
    // Any weights will do, as long as different images have different answers.
    let weights: Vec<f32> = (0..FEATURES * Morphology::COUNT)
        .map(|n| ((n * 37 % 23) as f32 - 11.0) / 23.0)
        .collect();
    let graph = GraphProto {
        name: "tiny".into(),
        node: vec![
            node("AveragePool", &["views"], "tiles", tiles.to_vec()),
            node("Flatten", &["tiles"], "flat", vec![]),
            node("MatMul", &["flat", "weights"], "logits", vec![]),
            node("Softmax", &["logits"], "probabilities", vec![]),
        ],
        initializer: vec![TensorProto {
            name: "weights".into(),
            dims: vec![FEATURES as i64, Morphology::COUNT as i64],
            data_type: DataType::Float as i32,
            raw_data: weights.iter().flat_map(|w| w.to_le_bytes()).collect(),
            ..TensorProto::default()
        }],
        input: vec![value("views", &[3, 64, 64])],
        output: vec![value("probabilities", &[Morphology::COUNT as i64])],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 13,
        }],
        graph: Some(graph),
        metadata_props: vec![StringStringEntryProto {
            key: ModelCard::METADATA_KEY.into(),
            value: card().to_json().unwrap(),
        }],
        ..ModelProto::default()
    }
}

fn card() -> ModelCard {
    let preprocessing = Preprocessing {
        test_scales: vec![64],
        resize: 64,
        ..Preprocessing::default()
    };
    ModelCard::new("tiny", "tiles", preprocessing)
}

fn node(kind: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: output.into(),
        op_type: kind.into(),
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        attribute,
        ..NodeProto::default()
    }
}

/// Floats of this shape, after the batch.
fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
    let batch = dimension::Value::DimParam("N".into());
    let lengths = shape.iter().map(|n| dimension::Value::DimValue(*n));
    let dim = std::iter::once(batch)
        .chain(lengths)
        .map(|value| Dimension {
            value: Some(value),
            ..Dimension::default()
        })
        .collect();
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
