//! Reading of ONNX files without expanding weights that are stored in 8 bits.

use std::sync::LazyLock;

use tract_onnx::Onnx;
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::onnx;
#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_hir::tract_core::ops::quant::{QuantizeLinearI8, QuantizeLinearU8};

use super::dequantize::Dequantize;
use super::prelu::ReadPrelu;
use super::quantise::Quantise;
use super::reversed::Reversible;

const DEQUANTIZE: &str = "DequantizeLinear";

/// tract's reader of ONNX, to be used in place of [`onnx`]. It reads the same networks, and those with
/// weights in 8 bits in half the time.
///
/// It ignores the shapes that a file gives for the values between its nodes, and for its outputs: they are
/// notes of another program's shape inference, whose name for the batch, or number of it, need not be ours.
///
/// While it infers shapes, tract computes all values that depend on constants only, again in each pass, and
/// discards those that are large. Of weights in 8 bits only the shape is needed there, so this reader makes
/// them an operator that tract can't compute early.
#[must_use]
pub fn reader() -> Onnx {
    let mut reader = onnx()
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true);
    reader.op_register.insert(DEQUANTIZE, dequantize);
    reader
        .op_register
        .insert("PRelu", |_, _| Ok((expand(ReadPrelu), vec![])));
    reader.op_register.insert("Sub", |_, _| {
        Ok((expand(Reversible::subtraction()), vec![]))
    });
    reader
        .op_register
        .insert("Div", |_, _| Ok((expand(Reversible::division()), vec![])));
    reader
}

fn dequantize(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    static TRACT: LazyLock<OnnxOpRegister> = LazyLock::new(|| onnx().op_register);
    let builder = TRACT.0.get(DEQUANTIZE);
    let builder = builder.with_context(|| format!("{DEQUANTIZE} is unknown to tract"))?;
    let (operator, inputs) = builder(context, node)?;
    let operator = match operator.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(of_tract) => expand(PerRowDequantize {
            of_tract: of_tract.clone(),
            // ONNX's default is the second axis.
            is_per_row: node.get_attr_opt::<i64>("axis")? == Some(0),
        }),
        None => operator,
    };
    Ok((operator, inputs))
}

/// `DequantizeLinear`: [`Dequantize`] where the values are constants with a scale for each row, [`Quantise`] where they
/// have just been rounded to eight bits, and tract's own operators elsewhere.
#[derive(Debug, Clone)]
struct PerRowDequantize {
    of_tract: Box<dyn Expansion>,
    is_per_row: bool,
}

impl Expansion for PerRowDequantize {
    fn name(&self) -> StaticName {
        self.of_tract.as_ref().name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.of_tract.as_ref().rules(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let constants = inputs
            .iter()
            .map(|input| model.outlet_fact(*input).ok()?.konst.clone())
            .collect::<Option<Vec<_>>>();
        if self.is_per_row
            && let Some([rows, scales, zero_points @ ..]) = constants.as_deref()
            && let zero_points = zero_points.first().map(|tensor| &**tensor)
            && let Some(ours) = Dequantize::new(rows, scales, zero_points)
        {
            return model.wire_node(prefix, ours, &[]);
        }
        if let Some((rounded, quantise)) = rounded(model, inputs) {
            // Once, if it has several users of its own.
            let users = &model.node(rounded.node).outputs[rounded.slot].successors;
            let mut alike = users.iter().map(|user| model.node(user.node));
            if let Some(same) = alike.find(|user| user.op_as() == Some(&quantise)) {
                return Ok(tvec!(same.id.into()));
            }
            return model.wire_node(prefix, quantise, &[rounded]);
        }
        self.of_tract.as_ref().wire(prefix, model, inputs)
    }

    fn runs_out_of_plan(&self) -> bool {
        false
    }
}

/// What `QuantizeLinear` has rounded with the same scale and zero point, and the operator for both; `None` if the
/// values come from elsewhere.
fn rounded(model: &TypedModel, inputs: &[OutletId]) -> Option<(OutletId, Quantise)> {
    let &[values, ref constants @ ..] = inputs else {
        return None;
    };
    let constant = |outlet: &OutletId| model.outlet_fact(*outlet).ok()?.konst.clone();
    let constants = constants.iter().map(constant).collect::<Option<Vec<_>>>()?;
    let (scale, zero_point) = constants.split_first()?;
    let quantise = Quantise::new(scale, zero_point.first().map(|tensor| &**tensor))?;
    let node = model.node(values.node);
    let before = &node.op_as::<ElementWiseOp>()?.0;
    // Without a zero point, it is 0 of the bytes' own type. Signed ones say it with every exporter that we know.
    if zero_point.is_empty() && before.is::<QuantizeLinearI8>() {
        return None;
    }
    let recip = quantise.quantisation.quantum.recip();
    let zero = quantise.quantisation.zero_point;
    let is_same = if let Some(unsigned) = before.downcast_ref::<QuantizeLinearU8>() {
        unsigned.scale == recip && unsigned.zero_point == zero
    } else {
        let signed = before.downcast_ref::<QuantizeLinearI8>()?;
        signed.scale == recip && signed.zero_point.cast_unsigned() ^ 0x80 == zero
    };
    let input = *node.inputs.first()?;
    let is_float = model.outlet_fact(input).ok()?.datum_type == f32::datum_type();
    (is_same && is_float).then_some((input, quantise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_proto::DataType;
    use tract_onnx::pb::{
        AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, attribute_proto,
    };

    fn initializer(name: &str, kind: DataType, dims: &[i64], raw_data: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: kind as i32,
            raw_data,
            ..TensorProto::default()
        }
    }

    /// A graph that gives 3 by 4 by 5 weights of 8 bits, expanded, with scales along an axis or one for all.
    fn model(kind: DataType, axis: Option<i64>, has_zero_points: bool) -> ModelProto {
        let scales: Vec<f32> = match axis {
            Some(0) => vec![0.3, -1.7, 1e-3],
            Some(_) => vec![0.1, 0.2, 0.3, 0.4],
            None => vec![0.25],
        };
        let along: Vec<i64> = axis.map(|_| scales.len() as i64).into_iter().collect();
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut initializers = vec![
            initializer("rows", kind, &[3, 4, 5], (0..60).map(|n| n * 4).collect()),
            initializer("scales", DataType::Float, &along, bytes(&scales)),
        ];
        let mut inputs = vec!["rows".to_owned(), "scales".to_owned()];
        if has_zero_points {
            let zero_points = (0..scales.len() as u8).map(|n| 100 + n).collect();
            initializers.push(initializer("zero_points", kind, &along, zero_points));
            inputs.push("zero_points".to_owned());
        }
        let attribute = axis.map(|axis| AttributeProto {
            name: "axis".to_owned(),
            r#type: attribute_proto::AttributeType::Int as i32,
            i: axis,
            ..AttributeProto::default()
        });
        let node = NodeProto {
            op_type: DEQUANTIZE.to_owned(),
            name: "expanded".to_owned(),
            input: inputs,
            output: vec!["expanded".to_owned()],
            attribute: attribute.into_iter().collect(),
            ..NodeProto::default()
        };
        let output = ValueInfoProto {
            name: "expanded".to_owned(),
            ..ValueInfoProto::default()
        };
        ModelProto {
            ir_version: 7,
            graph: Some(GraphProto {
                node: vec![node],
                initializer: initializers,
                output: vec![output],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    #[test]
    fn weights_are_expanded_to_the_values_that_tract_has() {
        let mut ours = 0;
        for kind in [DataType::Int8, DataType::Uint8] {
            for axis in [Some(0), Some(1), None] {
                for has_zero_points in [false, true] {
                    // Without zero points tract takes them for unsigned.
                    let model = model(kind, axis, has_zero_points);
                    let typed = |reader: Onnx| {
                        let network = reader.model_for_proto_model(&model).unwrap();
                        network.into_typed().unwrap().into_decluttered().unwrap()
                    };
                    let value = |model: TypedModel| {
                        let values = model.into_runnable().unwrap().run(tvec![]).unwrap();
                        values[0].clone().into_tensor()
                    };
                    let read = typed(reader());
                    ours += usize::from(read.nodes().iter().any(TypedNode::op_is::<Dequantize>));
                    let what = format!("{kind:?}, {axis:?}, {has_zero_points}");
                    assert_eq!(value(read), value(typed(onnx())), "{what}");
                }
            }
        }
        assert_eq!(ours, 4, "with an axis of 0");
    }
}
