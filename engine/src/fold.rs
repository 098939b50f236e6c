//! Computes what depends on no input, once and for all.
//!
//! tract does so where the result is small. Weights that are stored in 8 bits are not: it would expand
//! them anew for each image.

use std::collections::HashMap;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

/// The same model with every node whose inputs are constants as a constant.
pub(crate) fn fold(model: &TypedModel) -> TractResult<TypedModel> {
    let mut target = TypedModel::default();
    let mut mapped: HashMap<OutletId, OutletId> = HashMap::new();
    for input in model.input_outlets()? {
        let node = model.node(input.node);
        let source = target.add_source(&node.name, node.outputs[0].fact.clone())?;
        mapped.insert(*input, source);
    }
    for id in model.eval_order()? {
        let node = model.node(id);
        if mapped.contains_key(&id.into()) {
            continue;
        }
        let inputs: TVec<OutletId> = node.inputs.iter().map(|input| mapped[input]).collect();
        let outputs = match constant(&target, node, &inputs)? {
            Some(value) => tvec!(target.add_const(&node.name, value)?),
            None => target.wire_node(&node.name, node.op.clone(), &inputs)?,
        };
        for (slot, output) in outputs.into_iter().enumerate() {
            mapped.insert(OutletId::new(id, slot), output);
        }
    }
    let outputs = model.output_outlets()?.iter().map(|output| mapped[output]);
    target.select_output_outlets(&outputs.collect::<TVec<_>>())?;
    // The constants that became part of others are not kept.
    target.compact()?;
    Ok(target)
}

fn constant(
    model: &TypedModel,
    node: &TypedNode,
    inputs: &[OutletId],
) -> TractResult<Option<Arc<Tensor>>> {
    if inputs.is_empty() || node.outputs.len() != 1 {
        return Ok(None);
    }
    let mut values: TVec<TValue> = tvec!();
    for input in inputs {
        match &model.outlet_fact(*input)?.konst {
            Some(value) => values.push(value.clone().into_tvalue()),
            None => return Ok(None),
        }
    }
    let found = node.op.eval_out_of_plan(values)?;
    Ok(found
        .and_then(|mut values| values.pop())
        .map(TValue::into_arc_tensor))
}
