//! The graph's third output: how far a view's features lie from what the features of the training images span.
//!
//! What they span is their mean and their principal directions. A view's features, without the mean, have a part along
//! these directions and a part that is orthogonal to them; the output is the length of the latter. By Pythagoras it needs no
//! other directions than the principal ones. (It is the residual of `ViM`, Wang et al. 2022.)

use galmorph_cutout::ModelCard;
use prost::Message;
use tch::{Kind, Tensor};
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::decode::of_kind;
use super::proto::{axes, floats, integer, operator, remove_output, value};
use super::{DecodeError, with_card};

/// The graph's third output, `[N]`.
const RESIDUAL: &str = "residual";

/// The constants that hold what the training images span.
const MEAN: &str = "residual:mean";
const DIRECTIONS: &str = "residual:directions";

/// The most directions that are kept. With as many, most of what differs between galaxies of one camera is along them.
const MOST: i64 = 64;

/// What the features of the training images span.
pub(crate) struct Span {
    /// f32, `[features]`.
    mean: Tensor,
    /// f32, `[directions, features]`, orthogonal and of length 1.
    directions: Tensor,
}

impl Span {
    /// The mean and the principal directions of features `[N, features]`: the [`MOST`] with the largest variance, or half
    /// as many as there are features.
    pub(crate) fn of(features: &Tensor) -> Self {
        let features = features.to_kind(Kind::Double);
        let mean = features.mean_dim([0].as_slice(), true, Kind::Double);
        let centred = features - &mean;
        let (_, vectors) = centred.tr().matmul(&centred).linalg_eigh("L");
        // The columns, by rising variance.
        let count = vectors.size()[1];
        let kept = MOST.min(count / 2);
        let directions = vectors.narrow(1, count - kept, kept).tr();
        Self {
            mean: mean.view(-1).to_kind(Kind::Float),
            directions: directions.to_kind(Kind::Float).contiguous(),
        }
    }

    /// What a model file holds; `None` if it has no third output.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let model = ModelProto::decode(bytes)?;
        let graph = model.graph.as_ref().ok_or(DecodeError::NoGraph)?;
        let find = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
        let (Some(mean), Some(directions)) = (find(MEAN), find(DIRECTIONS)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            mean: of_kind(mean, DataType::Float, Kind::Float)?,
            directions: of_kind(directions, DataType::Float, Kind::Float)?,
        }))
    }

    /// The residual `[N]` of features `[N, features]`, as the graph computes it.
    pub(crate) fn residual(&self, features: &Tensor) -> Tensor {
        let square = |values: &Tensor| {
            let squares = values.square();
            squares.sum_dim_intlist([1].as_slice(), false, Kind::Float)
        };
        let centred = features - &self.mean;
        let along = centred.matmul(&self.directions.tr());
        (square(&centred) - square(&along)).relu().sqrt()
    }
}

/// The same model file with the third output, and with a card that says what it means. `features` is the name of the
/// node whose outputs are the features.
pub(crate) fn with_residual(
    bytes: &[u8],
    features: &str,
    span: &Span,
    card: &ModelCard,
) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    let graph = model.graph.as_mut().ok_or(DecodeError::NoGraph)?;
    remove_output(graph, RESIDUAL);
    graph.initializer.extend([
        floats(MEAN, &span.mean),
        floats(DIRECTIONS, &span.directions),
        floats("residual:bias", &span.directions.select(1, 0).zeros_like()),
        axes("residual:axes", &[1]),
    ]);
    let mut add = |kind: &str, name: &str, inputs: &[&str], attribute| {
        operator(graph, kind, &format!("residual{name}"), inputs, attribute);
    };
    add(
        "Flatten",
        ":features",
        &[features],
        vec![integer("axis", 1)],
    );
    add("Sub", ":centred", &["residual:features", MEAN], vec![]);
    let along = ["residual:centred", DIRECTIONS, "residual:bias"];
    add("Gemm", ":along", &along, vec![integer("transB", 1)]);
    for part in ["centred", "along"] {
        let (values, squares) = (
            format!("residual:{part}"),
            format!("residual:{part}/squares"),
        );
        add(
            "Mul",
            &format!(":{part}/squares"),
            &[&values, &values],
            vec![],
        );
        let sum = [squares.as_str(), "residual:axes"];
        let keep = vec![integer("keepdims", 0)];
        add("ReduceSum", &format!(":{part}/square"), &sum, keep);
    }
    let squares = ["residual:centred/square", "residual:along/square"];
    add("Sub", ":difference", &squares, vec![]);
    // Rounding may leave less than nothing.
    add("Relu", ":square", &["residual:difference"], vec![]);
    add("Sqrt", "", &["residual:square"], vec![]);
    graph.output.push(value(RESIDUAL, &[None]));
    with_card(&model.encode_to_vec(), card)
}

/// The same model file without the third output. Its card must not speak of it.
pub(crate) fn without_residual(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    let graph = model.graph.as_mut().ok_or(DecodeError::NoGraph)?;
    remove_output(graph, RESIDUAL);
    Ok(model.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 400 features in a plane of 8 dimensions, with a little of the ninth.
    fn features() -> Tensor {
        let values: Vec<f32> = (0..400 * 8)
            .map(|n| ((n * 7919) % 1009) as f32 / 1009.0 * (1 + n % 4) as f32)
            .collect();
        Tensor::from_slice(&values).view([400, 8])
    }

    #[test]
    fn the_residual_is_the_length_of_what_is_orthogonal_to_the_principal_directions() {
        let features = features();
        let span = Span::of(&features);
        assert_eq!(span.directions.size(), [4, 8]);
        let products = span.directions.matmul(&span.directions.tr());
        let identity = Tensor::eye(4, (Kind::Float, tch::Device::Cpu));
        assert!((products - identity).abs().max().double_value(&[]) < 1e-5);

        // Along the directions the residual stays, and orthogonal to them it grows.
        let mean = &span.mean;
        let along = span.directions.select(0, 1) * 3.0 + mean;
        assert!(span.residual(&along.view([1, 8])).double_value(&[0]) < 1e-2);
        let direction = Tensor::from_slice(&[1.0_f32, -1.0, 2.0, 0.5, 0.0, 1.0, -2.0, 1.0]);
        let inside = span
            .directions
            .tr()
            .matmul(&span.directions.matmul(&direction));
        let outside = direction - inside;
        let length = outside.square().sum(Kind::Float).sqrt().double_value(&[]);
        let found = span.residual(&(outside * 2.0 + mean).view([1, 8]));
        assert!(
            (found.double_value(&[0]) - 2.0 * length).abs() < 1e-3,
            "{length}"
        );
    }

    #[test]
    fn the_kept_directions_leave_the_least_of_the_training_features() {
        let features = features();
        let span = Span::of(&features);
        let others = Span {
            mean: span.mean.shallow_clone(),
            directions: Tensor::eye(8, (Kind::Float, tch::Device::Cpu)).narrow(0, 0, 4),
        };
        let left = |span: &Span| {
            span.residual(&features)
                .square()
                .sum(Kind::Double)
                .double_value(&[])
        };
        assert!(
            left(&span) < left(&others),
            "{} {}",
            left(&span),
            left(&others)
        );
    }
}
