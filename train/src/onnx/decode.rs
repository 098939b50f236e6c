//! Reads back what `export` wrote: the card, the network that the card names, and the weights.
//!
//! This is no reader for ONNX in general. It doesn't interpret the graph: the card names a network that
//! this program describes, and the file's initialisers are the network's tensors by name.

use std::collections::HashMap;

use galmorph_cutout::{CardError, ModelCard};
use prost::Message;
use tch::{Device, Kind, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use super::quantised;
use crate::network::{Architecture, ArchitectureError, Network};
use crate::torch::{TensorError, Weights};

/// The contents of a model file.
pub struct Decoded {
    /// What the file says of itself.
    pub card: ModelCard,
    /// The network that the card names.
    pub(crate) architecture: Architecture,
    /// The network's description.
    pub network: Network,
    /// The weights, f32. Weights in 8 bits are expanded.
    pub weights: Weights,
}

/// Why a file is no model of this program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Its bytes are not those of an ONNX file.
    #[error("not an ONNX file: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// It is an ONNX file in form, but holds no graph.
    #[error("not an ONNX file: it has no graph")]
    NoGraph,
    /// It has no card, or one that can't be used.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The card names a network that this program doesn't know.
    #[error("its card names a network that this program doesn't know: {0}")]
    Architecture(#[from] ArchitectureError),
    /// A tensor of the network is missing or wrong.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Reads the bytes of a file that [`encode`](super::encode) wrote.
pub fn decode(bytes: &[u8], device: Device) -> Result<Decoded, DecodeError> {
    let model = ModelProto::decode(bytes)?;
    let graph = model.graph.as_ref().ok_or(DecodeError::NoGraph)?;
    let properties = model.metadata_props.iter();
    let card = ModelCard::from_metadata(properties.map(|p| (p.key.as_str(), p.value.as_str())))?;
    let architecture: Architecture = card.network.parse()?;
    let network = architecture.describe();

    let tensors: HashMap<&str, &TensorProto> = (graph.initializer.iter())
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut weights = Weights::start(&network, device);
    weights.fill(|name| {
        if let Some(tensor) = tensors.get(name) {
            return floats(tensor);
        }
        let (values, steps) = quantised::names(name);
        let (Some(values), Some(steps)) =
            (tensors.get(values.as_str()), tensors.get(steps.as_str()))
        else {
            return Err(TensorError::Missing(name.to_owned()));
        };
        let values = of_kind(values, DataType::Int8, Kind::Int8)?;
        let expanded = quantised::expand(&values, &floats(steps)?);
        expanded.ok_or_else(|| unreadable(name, "it has another number of steps than channels"))
    })?;
    Ok(Decoded {
        card,
        architecture,
        network,
        weights,
    })
}

fn floats(tensor: &TensorProto) -> Result<Tensor, TensorError> {
    of_kind(tensor, DataType::Float, Kind::Float)
}

/// A tensor whose values lie in `raw_data`, as `encode` writes them.
pub(super) fn of_kind(
    tensor: &TensorProto,
    data_type: DataType,
    kind: Kind,
) -> Result<Tensor, TensorError> {
    if tensor.data_type != data_type as i32 {
        return Err(unreadable(&tensor.name, "it is of another data type"));
    }
    let values: Option<usize> =
        (tensor.dims.iter()).try_fold(1_usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
    let length = values.and_then(|n| n.checked_mul(kind.elt_size_in_bytes()));
    if length != Some(tensor.raw_data.len()) {
        return Err(unreadable(&tensor.name, "its data don't fill its shape"));
    }
    Ok(Tensor::from_data_size(&tensor.raw_data, &tensor.dims, kind))
}

fn unreadable(name: &str, reason: &'static str) -> TensorError {
    TensorError::Unreadable(name.to_owned(), reason)
}
