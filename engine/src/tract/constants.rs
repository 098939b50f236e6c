//! The values of a model that depend on no input.
//!
//! tract computes such values once where they are small. Weights that are stored in 8 bits it would expand
//! again for each image. Here a value is computed when it is asked for, and not kept, so that of a large
//! model only one tensor of weights is expanded at a time.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::Mul;

use super::dequantize::Dequantize;
use super::pattern::Weights;

/// The constants of a model.
#[derive(Debug)]
pub(crate) struct Constants<'a> {
    pub(crate) model: &'a TypedModel,
    // For each node, whether its value is constant.
    is_constant: Vec<bool>,
}

impl<'a> Constants<'a> {
    pub(crate) fn find(model: &'a TypedModel) -> TractResult<Self> {
        let mut is_constant = vec![false; model.nodes().len()];
        for id in model.eval_order()? {
            let node = model.node(id);
            let [output] = node.outputs.as_slice() else {
                continue;
            };
            let follows =
                !node.inputs.is_empty() && node.inputs.iter().all(|input| is_constant[input.node]);
            is_constant[id] = output.fact.konst.is_some() || node.op_is::<Dequantize>() || follows;
        }
        Ok(Self { model, is_constant })
    }

    /// Whether a value is a constant.
    pub(crate) fn contains(&self, outlet: OutletId) -> bool {
        self.is_constant[outlet.node]
    }

    /// The value of a constant.
    ///
    /// # Errors
    ///
    /// It is no constant, or something that it depends on can't be computed.
    pub(crate) fn value(&self, outlet: OutletId) -> TractResult<Arc<Tensor>> {
        ensure!(self.contains(outlet), "{outlet:?} is no constant");
        let node = self.model.node(outlet.node);
        if let Some(value) = &node.outputs[0].fact.konst {
            return Ok(Arc::clone(value));
        }
        if let Some(dequantize) = node.op_as::<Dequantize>() {
            return Ok(dequantize.expand()?.into_arc_tensor());
        }
        let inputs = node.inputs.iter().map(|input| self.value(*input));
        let mut inputs = inputs.collect::<TractResult<TVec<_>>>()?;
        if is_product(node) && scale_rows(&mut inputs)? {
            return Ok(inputs.swap_remove(0));
        }
        let inputs = inputs.into_iter().map(IntoTValue::into_tvalue).collect();
        let values = node.op.eval_out_of_plan(inputs)?;
        let value = values.and_then(|mut values| values.pop());
        let value = value.with_context(|| format!("{node} has no value outside of a run"))?;
        Ok(value.into_arc_tensor())
    }
}

impl Constants<'_> {
    /// Weights, `[channels][input channels][rows][columns]`.
    ///
    /// # Errors
    ///
    /// As for [`value`](Self::value).
    pub(crate) fn weights(&self, weights: Weights) -> TractResult<Arc<Tensor>> {
        let Weights { outlet, transposed } = weights;
        let tensor = self.value(outlet)?;
        if !transposed {
            return Ok(tensor);
        }
        let permuted = Arc::unwrap_or_clone(tensor).permute_axes(&[1, 0])?;
        Ok(permuted.into_arc_tensor())
    }

    /// The step of each channel, where weights are whole numbers of eight bits of them.
    ///
    /// tract may have moved their axes since they were expanded, so it is looked at them whether they are.
    pub(crate) fn steps(&self, weights: Weights, channels: usize) -> Option<Vec<f32>> {
        let mut node = self.model.node(weights.outlet.node);
        while let &[before] = node.inputs.as_slice() {
            node = self.model.node(before.node);
        }
        let steps = node.op_as::<Dequantize>()?.steps()?;
        let values = self.weights(weights).ok()?;
        let values = values.try_as_plain_ram().ok()?;
        let values = values.as_slice::<f32>().ok()?;
        if steps.len() != channels || channels == 0 {
            return None;
        }
        let is_whole = |(values, step): (&[f32], &f32)| {
            values.iter().all(|value| {
                let count = value / step;
                let whole = count.round();
                (-128.0..=127.0).contains(&whole) && (count - whole).abs() < 1e-3
            })
        };
        let mut of_channels = values.chunks((values.len() / channels).max(1)).zip(&steps);
        of_channels.all(is_whole).then_some(steps)
    }
}

fn is_product(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>()
        .is_some_and(|op| op.0.is::<Mul>())
}

/// Multiplies each row of the first tensor, along its first axis, with the one value that the second has for
/// it. Returns `false` and leaves them alone if they are no such pair.
///
/// In this way a normalisation becomes part of the convolution before it. tract does it value by value, which
/// took most of the time of loading a model.
fn scale_rows(factors: &mut [Arc<Tensor>]) -> TractResult<bool> {
    let [values, scales] = factors else {
        return Ok(false);
    };
    // A tensor without axes has no rows.
    let rows = values.shape().first().copied().unwrap_or_default();
    let is_one_a_row = values.rank() == scales.rank()
        && scales.shape().first() == Some(&rows)
        && scales.len() == rows
        && values.len() > 0;
    let are_floats = [&*values, &*scales]
        .iter()
        .all(|tensor| tensor.datum_type() == f32::datum_type());
    if !is_one_a_row || !are_floats {
        return Ok(false);
    }
    let length = values.len() / rows;
    let scales = scales.try_as_plain_ram()?;
    let mut values = Arc::make_mut(values).try_as_plain_ram_mut()?;
    let rows = values.as_slice_mut::<f32>()?.chunks_exact_mut(length);
    for (row, scale) in rows.zip(scales.as_slice::<f32>()?) {
        for value in row {
            *value *= scale;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::tract_core::ops::cast::cast;
    use tract_onnx::tract_core::ops::math::{add, mul};

    fn weights(scales: Tensor) -> TypedModel {
        let mut model = TypedModel::default();
        let bytes: Vec<i8> = (-18..18).collect();
        let bytes = Tensor::from_shape(&[3, 4, 1, 3], &bytes).unwrap();
        let bytes = model.add_const("bytes", bytes).unwrap();
        let scales = model.add_const("scales", scales).unwrap();
        let floats = model
            .wire_node("floats", cast(f32::datum_type()), &[bytes])
            .unwrap();
        let product = model
            .wire_node("product", mul(), &[floats[0], scales])
            .unwrap();
        // tract has computed what is as small as this; of large weights it knows no value.
        for outlet in [floats[0], product[0]] {
            let fact = model.outlet_fact(outlet).unwrap().without_value();
            model.set_outlet_fact(outlet, fact).unwrap();
        }
        model.select_output_outlets(&product).unwrap();
        model
    }

    #[test]
    fn expanded_weights_are_those_of_tract() {
        let along_rows = Tensor::from_shape(&[3, 1, 1, 1], &[0.3_f32, -1.7, 1e-3]).unwrap();
        let along_columns = Tensor::from_shape(&[1, 1, 1, 3], &[0.3_f32, -1.7, 1e-3]).unwrap();
        let single = Tensor::from_shape(&[1, 1, 1, 1], &[0.3_f32]).unwrap();
        for scales in [along_rows, along_columns, single] {
            let model = weights(scales);
            let constants = Constants::find(&model).unwrap();
            let output = model.output_outlets().unwrap()[0];
            assert!(constants.contains(output));
            let found = constants.value(output).unwrap();
            let expected = model.into_runnable().unwrap().run(tvec![]).unwrap();
            assert_eq!(*found, *expected[0]);
        }
    }

    #[test]
    fn what_an_input_is_part_of_is_no_constant() {
        let mut model = TypedModel::default();
        let input = model.add_source("input", f32::fact([2_usize, 1])).unwrap();
        let single = model.add_const("single", tensor2(&[[1.0_f32]])).unwrap();
        let sum = model.wire_node("sum", add(), &[input, single]).unwrap()[0];
        model.select_output_outlets(&[sum]).unwrap();
        let constants = Constants::find(&model).unwrap();
        assert!(
            constants.contains(single) && !constants.contains(input) && !constants.contains(sum)
        );
        assert!(constants.value(sum).is_err());
    }
}
