//! A network in 8-bit arithmetic, as ONNX: in the QDQ form, which runtimes recognise.
//!
//! Each rounding is a `QuantizeLinear` to u8 and a `DequantizeLinear`. Each weight is an s8 constant with a step for
//! each output channel behind a `DequantizeLinear`, and each bias an s32 constant whose steps are those of the weights
//! times that of the input. The operators between are those of the exact network. A runtime that knows the form takes
//! a convolution together with what stands around it, and multiplies the whole numbers; any other computes
//! nearly the same in f32.

use std::collections::HashMap;

use tch::{Kind, Tensor};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::decode::{floats as read_floats, of_kind, unreadable};
use super::proto::{floats, int8_bytes, integer};
use super::quantised;
use super::writer::Writer;
use crate::torch::{TensorError, Weights, values};

impl Writer<'_> {
    /// Appends the weights and the biases of a convolution, and the operators that expand them.
    pub(super) fn convolution_in_8_bits(&mut self, index: usize, weights: &Weights) {
        let node = &self.network.nodes[index];
        let name = |part: &str| format!("{}/{part}", node.name);
        let input = &self.network.nodes[node.inputs[0]].name;
        let steps = weights.get(&name("weight/step"));
        let bias_steps = steps * weights.get(&format!("{input}/step"));

        let weight = weights.get(&name("weight"));
        let whole = (weight / steps.view([-1, 1, 1, 1])).round();
        let whole = int8_bytes(&whole.to_kind(Kind::Int8));
        let values_name = quantised::names(&name("weight")).0;
        let whole = whole_numbers(values_name, DataType::Int8, weight.size(), whole);
        self.expanded(&name("weight"), whole, steps);

        let whole = whole_biases(weights.get(&name("bias")), &bias_steps);
        let whole = whole.iter().flat_map(|n| n.to_le_bytes()).collect();
        let values_name = biases_name(&name("bias"));
        let whole = whole_numbers(values_name, DataType::Int32, steps.size(), whole);
        self.expanded(&name("bias"), whole, &bias_steps);
    }

    /// Appends whole numbers and their steps, and the operator that multiplies them. The result has this name.
    fn expanded(&mut self, name: &str, whole: TensorProto, steps: &Tensor) {
        // Zero is zero. Some runtimes want it said.
        let kind = whole.data_type;
        let zeros = TensorProto {
            name: format!("{name}/zero_point"),
            dims: steps.size(),
            data_type: kind,
            raw_data: vec![0; steps.numel() * if kind == DataType::Int32 as i32 { 4 } else { 1 }],
            ..TensorProto::default()
        };
        let inputs = [whole, floats(&format!("{name}/step"), steps), zeros];
        let inputs = inputs.map(|constant| self.constant(constant)).to_vec();
        let axis = vec![integer("axis", 0)];
        self.operator("DequantizeLinear", name, inputs, axis);
    }

    /// Appends the step and the zero point of a rounding.
    pub(super) fn range(&mut self, index: usize, weights: &Weights) {
        let name = &self.network.nodes[index].name;
        let [step, zero_point] = ["step", "zero_point"].map(|part| format!("{name}/{part}"));
        let whole = values(weights.get(&zero_point))[0] as u8;
        self.constant(floats(&step, weights.get(&step)));
        self.constant(whole_numbers(
            zero_point,
            DataType::Uint8,
            vec![],
            vec![whole],
        ));
    }
}

fn whole_numbers(name: String, kind: DataType, dims: Vec<i64>, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name,
        dims,
        data_type: kind as i32,
        raw_data: bytes,
        ..TensorProto::default()
    }
}

/// Biases in their steps.
fn whole_biases(biases: &Tensor, steps: &Tensor) -> Vec<i32> {
    let pairs = values(biases).into_iter().zip(values(steps));
    pairs
        .map(|(bias, step)| (f64::from(bias) / f64::from(step)).round() as i32)
        .collect()
}

fn biases_name(parameter: &str) -> String {
    format!("{parameter}/int32")
}

/// The biases of this name, if the file has them as whole numbers.
pub(super) fn read_biases(
    tensors: &HashMap<&str, &TensorProto>,
    name: &str,
) -> Result<Option<Tensor>, TensorError> {
    let steps = format!("{name}/step");
    let (Some(whole), Some(steps)) = (
        tensors.get(biases_name(name).as_str()),
        tensors.get(steps.as_str()),
    ) else {
        return Ok(None);
    };
    let whole = of_kind(whole, DataType::Int32, Kind::Int)?;
    let steps = read_floats(steps)?;
    if whole.size() != steps.size() {
        return Err(unreadable(
            name,
            "it has another number of steps than channels",
        ));
    }
    // A product of f64, so that the bias is the one that was written.
    let exact = whole.to_kind(Kind::Double) * steps.to_kind(Kind::Double);
    Ok(Some(exact.to_kind(Kind::Float)))
}
