//! What a model file says of its input.

use std::error::Error;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

/// The shape of a view, `[channels, rows, columns]`, as the file states it.
pub(crate) fn view_shape(model: &InferenceModel) -> Result<[usize; 3], Box<dyn Error>> {
    let shape = &model.input_fact(0)?.shape;
    let length = |axis| {
        let length = shape.dim(axis).and_then(|length| length.concretize());
        let length = length.ok_or("the model's input has no fixed size")?;
        Ok::<_, Box<dyn Error>>(usize::try_from(length.to_i64()?)?)
    };
    Ok([length(1)?, length(2)?, length(3)?])
}
