//! The operator that expands weights that are stored in 8 bits.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

/// ONNX's `DequantizeLinear` of a constant, with one scale for each row: `(value - zero point) * scale`. A
/// row is all values that have the same first index (an output channel, where they are the weights of a
/// convolution).
///
/// tract would make three operators of it, compute their values again at each of its simplifications, and
/// discard those that are large. This one has no value until it is asked for it, and no inputs that tract
/// would try to transpose.
#[derive(Debug, Clone)]
pub(crate) struct Dequantize {
    rows: Arc<Tensor>,
    scales: Vec<f32>,
    zero_points: Vec<f32>,
}

impl Dequantize {
    /// For rows of 8 bits with a scale each; `None` if the constants are something else.
    pub(crate) fn new(
        rows: &Arc<Tensor>,
        scales: &Tensor,
        zero_points: Option<&Tensor>,
    ) -> Option<Self> {
        let count = *rows.shape().first()?;
        let is_narrow = [i8::datum_type(), u8::datum_type()].contains(&rows.datum_type());
        let read = |tensor: &Tensor| -> Option<Vec<f32>> {
            let floats = tensor.cast_to::<f32>().ok()?;
            let floats = floats.try_as_plain_ram().ok()?;
            Some(floats.as_slice::<f32>().ok()?.to_vec())
        };
        let zero_points = match zero_points {
            Some(zero_points) => read(zero_points)?,
            None => vec![0.0; count],
        };
        let scales = read(scales)?;
        let is_for_rows = scales.len() == count && zero_points.len() == count;
        (is_narrow && is_for_rows).then(|| Self {
            rows: Arc::clone(rows),
            scales,
            zero_points,
        })
    }

    /// The step of each row, if the values are signed whole numbers of them.
    pub(crate) fn steps(&self) -> Option<Vec<f32>> {
        let is_signed = self.rows.datum_type() == i8::datum_type();
        let is_plain = self.zero_points.iter().all(|zero| *zero == 0.0);
        // A step so small or great that its products with quanta are no longer numbers would lose them.
        let is_ours = |step: &f32| (1e-20..1e20).contains(step);
        let is_ours = is_signed && is_plain && self.scales.iter().all(is_ours);
        is_ours.then(|| self.scales.clone())
    }

    /// The expanded values.
    ///
    /// # Errors
    ///
    /// There is no memory for them, or the rows are not in plain memory.
    pub(crate) fn expand(&self) -> TractResult<Tensor> {
        let mut expanded = Tensor::zero::<f32>(self.rows.shape())?;
        let values = self.rows.try_as_plain_ram()?;
        let mut target = expanded.try_as_plain_ram_mut()?;
        let floats = target.as_slice_mut::<f32>()?;
        if self.rows.datum_type() == i8::datum_type() {
            self.fill(floats, values.as_slice::<i8>()?);
        } else {
            self.fill(floats, values.as_slice::<u8>()?);
        }
        Ok(expanded)
    }

    fn fill<T: Copy + Into<f32>>(&self, floats: &mut [f32], values: &[T]) {
        let length = (values.len() / self.scales.len()).max(1);
        let rows = floats.chunks_mut(length).zip(values.chunks(length));
        for ((floats, values), (scale, zero_point)) in
            rows.zip(self.scales.iter().zip(&self.zero_points))
        {
            for (float, value) in floats.iter_mut().zip(values) {
                *float = ((*value).into() - zero_point) * scale;
            }
        }
    }
}

// Operators are equal if they share the weights.
impl PartialEq for Dequantize {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
            && self.scales == other.scales
            && self.zero_points == other.zero_points
    }
}

impl Eq for Dequantize {}

impl Op for Dequantize {
    fn name(&self) -> StaticName {
        "Dequantize".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dequantize {
    not_out_of_plan!();

    fn eval(&self, _: &EvalContext, _: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec![self.expand()?.into_tvalue()])
    }
}

impl TypedOp for Dequantize {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(self.rows.shape())])
    }

    as_op!();
}
