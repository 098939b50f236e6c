//! The graph's second output: how unlike the training images a view is.
//!
//! It is the cosine distance of the view's features from the nearest of some reference features: 1 minus the
//! largest product of unit vectors. Plain operators of ONNX compute it, and the linear layer has the form of
//! the network's last one. The references are stored in 8 bits.

use galmorph_cutout::ModelCard;
use prost::Message;
use tch::{Kind, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use super::decode::of_kind;
use super::proto::{axes, floats, int8_bytes, integer, integers, operator, remove_output, value};
use super::{DecodeError, quantised, with_card};

/// The graph's second output, `[N]`.
const NOVELTY: &str = "novelty";

/// The constants that hold the references.
const VALUES: &str = "novelty:references/int8";
const STEPS: &str = "novelty:references/step";

/// Reference features as a file holds them: in 8 bits, and yet each of length 1.
pub(crate) struct References {
    /// int8, `[references, features]`.
    values: Tensor,
    /// f32, `[references]`: what the values of a reference are multiplied by.
    steps: Tensor,
}

impl References {
    /// Stores references `[references, features]` in 8 bits.
    pub(crate) fn new(references: &Tensor) -> Self {
        let (values, _) = quantised::quantise(references);
        // The step that makes the length 1 exactly, whatever the rounding did to it.
        let squares = values.to_kind(Kind::Float).square();
        let steps = squares
            .sum_dim_intlist([1].as_slice(), false, Kind::Float)
            .rsqrt();
        Self { values, steps }
    }

    /// The references of a model file; `None` if it has no second output.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let model = ModelProto::decode(bytes)?;
        let graph = model.graph.as_ref().ok_or(DecodeError::NoGraph)?;
        let find = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
        let (Some(values), Some(steps)) = (find(VALUES), find(STEPS)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            values: of_kind(values, DataType::Int8, Kind::Int8)?,
            steps: of_kind(steps, DataType::Float, Kind::Float)?,
        }))
    }

    /// The novelty `[N]` of features `[N, features]`, as the graph computes it.
    pub(crate) fn novelty(&self, features: &Tensor) -> Tensor {
        let references = self.values.to_kind(Kind::Float) * self.steps.view([-1, 1]);
        let squares = features.square();
        let lengths = (squares.sum_dim_intlist([1].as_slice(), true, Kind::Float) + TINY).sqrt();
        let nearest = (features / lengths).matmul(&references.tr());
        -nearest.amax([1].as_slice(), false) + 1.0
    }
}

/// Keeps features of length 0 from being divided by it.
const TINY: f64 = 1e-12;

/// The same model file with the second output, and with a card that says what it means. `features` is the
/// name of the node whose outputs are the features.
pub(crate) fn with_novelty(
    bytes: &[u8],
    features: &str,
    references: &References,
    card: &ModelCard,
) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    let graph = model.graph.as_mut().ok_or(DecodeError::NoGraph)?;
    remove_output(graph, NOVELTY);
    graph.initializer.extend([
        TensorProto {
            name: VALUES.into(),
            dims: references.values.size(),
            data_type: DataType::Int8 as i32,
            raw_data: int8_bytes(&references.values),
            ..TensorProto::default()
        },
        floats(STEPS, &references.steps),
        floats("novelty:bias", &references.steps.zeros_like()),
        floats("novelty:tiny", &Tensor::from_slice(&[TINY as f32])),
        floats("novelty:one", &Tensor::from_slice(&[1.0_f32])),
        axes("novelty:axes", &[1]),
    ]);
    let axis = |axis| vec![integer("axis", axis)];
    operator(
        graph,
        "DequantizeLinear",
        "novelty:references",
        &[VALUES, STEPS],
        axis(0),
    );
    operator(graph, "Flatten", "novelty:features", &[features], axis(1));
    operator(
        graph,
        "Mul",
        "novelty:squares",
        &["novelty:features", "novelty:features"],
        vec![],
    );
    let sum = ["novelty:squares", "novelty:axes"];
    operator(
        graph,
        "ReduceSum",
        "novelty:sum",
        &sum,
        vec![integer("keepdims", 1)],
    );
    operator(
        graph,
        "Add",
        "novelty:square",
        &["novelty:sum", "novelty:tiny"],
        vec![],
    );
    operator(graph, "Sqrt", "novelty:length", &["novelty:square"], vec![]);
    let divided = ["novelty:features", "novelty:length"];
    operator(graph, "Div", "novelty:direction", &divided, vec![]);
    operator(
        graph,
        "Gemm",
        "novelty:cosines",
        &["novelty:direction", "novelty:references", "novelty:bias"],
        vec![integer("transB", 1)],
    );
    operator(
        graph,
        "ReduceMax",
        "novelty:nearest",
        &["novelty:cosines"],
        vec![integers("axes", &[1]), integer("keepdims", 0)],
    );
    operator(
        graph,
        "Sub",
        NOVELTY,
        &["novelty:one", "novelty:nearest"],
        vec![],
    );
    graph.output.push(value(NOVELTY, &[None]));
    with_card(&model.encode_to_vec(), card)
}
