//! The parts of an ONNX file: attributes, tensors, values.

use tch::{Device, Tensor};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

use crate::torch::little_endian;

pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

pub(super) fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|value| *value as i64).collect(),
        ..AttributeProto::default()
    }
}

pub(super) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: value as f32,
        ..AttributeProto::default()
    }
}

/// Adds a node with one output, which has the node's name.
pub(super) fn operator(
    graph: &mut GraphProto,
    kind: &str,
    name: &str,
    inputs: &[&str],
    attribute: Vec<AttributeProto>,
) {
    graph.node.push(NodeProto {
        name: name.to_owned(),
        op_type: kind.to_owned(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![name.to_owned()],
        attribute,
        ..NodeProto::default()
    });
}

/// Takes away an output with its nodes and constants, whose names begin with its own and a colon.
pub(super) fn remove_output(graph: &mut GraphProto, output: &str) {
    let is_of_it = |name: &str| {
        let rest = name.strip_prefix(output);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    graph.node.retain(|node| !is_of_it(&node.name));
    graph.initializer.retain(|tensor| !is_of_it(&tensor.name));
    graph.output.retain(|output| !is_of_it(&output.name));
}

/// The numbers of axes, for an operator that takes them as an input.
pub(super) fn axes(name: &str, axes: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![axes.len() as i64],
        data_type: DataType::Int64 as i32,
        raw_data: axes.iter().flat_map(|axis| axis.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

pub(super) fn floats(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: tensor.size(),
        data_type: DataType::Float as i32,
        raw_data: little_endian(tensor),
        ..TensorProto::default()
    }
}

pub(super) fn int8_bytes(tensor: &Tensor) -> Vec<u8> {
    let flat = tensor.to_device(Device::Cpu).contiguous().view(-1);
    let mut values = vec![0_i8; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values.into_iter().map(i8::cast_unsigned).collect()
}

/// A float value of the graph; a dimension of `None` is the batch.
pub(super) fn value(name: &str, shape: &[Option<i64>]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|length| Dimension {
            value: Some(match length {
                Some(length) => dimension::Value::DimValue(*length),
                None => dimension::Value::DimParam("N".into()),
            }),
            ..Dimension::default()
        })
        .collect();
    ValueInfoProto {
        name: name.to_owned(),
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
