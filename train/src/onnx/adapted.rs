//! A model file whose last layer is another one.
//!
//! Everything else stays, byte for byte: the other weights as they are stored, and the outputs `novelty` and `residual`,
//! which are made of the same features.

use galmorph_cutout::ModelCard;
use prost::Message;
use tch::Tensor;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use super::proto::floats;
use super::{DecodeError, quantised, with_card};
use crate::torch::TensorError;

/// The key of the metadata that says how a model was adapted: JSON beside the card.
pub(crate) const ADAPTATION: &str = "galmorph.adaptation";

/// How the model in a file was adapted, as JSON; `None` if it was not.
pub(crate) fn adaptation(bytes: &[u8]) -> Result<Option<String>, DecodeError> {
    let model = ModelProto::decode(bytes)?;
    let mut properties = model.metadata_props.into_iter();
    Ok(properties
        .find(|property| property.key == ADAPTATION)
        .map(|property| property.value))
}

/// The same model file with this record of how it was adapted.
pub(crate) fn with_adaptation(bytes: &[u8], record: &str) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    set_adaptation(&mut model, record);
    Ok(model.encode_to_vec())
}

fn set_adaptation(model: &mut ModelProto, record: &str) {
    let properties = &mut model.metadata_props;
    properties.retain(|property| property.key != ADAPTATION);
    properties.push(StringStringEntryProto {
        key: ADAPTATION.into(),
        value: record.to_owned(),
    });
}

/// What takes the place of what was in the file.
pub(crate) struct Adapted<'a> {
    /// The name of the last layer's node.
    pub(crate) node: &'a str,
    /// Its weights, f32 `[classes, features]`. They are stored in 32 bits, whatever the others are.
    pub(crate) weight: &'a Tensor,
    /// Its biases, f32 `[classes]`.
    pub(crate) bias: &'a Tensor,
    /// The card.
    pub(crate) card: &'a ModelCard,
    /// How the model was adapted, as JSON.
    pub(crate) record: &'a str,
}

/// The same model file with another last layer and another card.
pub(crate) fn with_last_layer(bytes: &[u8], adapted: &Adapted) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    let graph = model.graph.as_mut().ok_or(DecodeError::NoGraph)?;
    let (weight, bias) = (
        format!("{}/weight", adapted.node),
        format!("{}/bias", adapted.node),
    );
    let (values, steps) = quantised::names(&weight);
    let before = graph.initializer.len();
    graph.initializer.retain(|tensor| {
        let name = tensor.name.as_str();
        ![weight.as_str(), &bias, &values, &steps].contains(&name)
    });
    // A weight and a bias; or values, steps and a bias.
    if before - graph.initializer.len() < 2 {
        return Err(TensorError::Missing(weight).into());
    }
    graph.node.retain(|node| !node.output.contains(&weight));
    graph
        .initializer
        .extend([floats(&weight, adapted.weight), floats(&bias, adapted.bias)]);
    set_adaptation(&mut model, adapted.record);
    with_card(&model.encode_to_vec(), adapted.card)
}
