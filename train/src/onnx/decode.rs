//! Reads back what `export` wrote: the card, the network that it names, and its weights.
//!
//! Not a reader of ONNX at large. The graph is not interpreted: the card names the network, which is
//! described in this program, and the file's initialisers are its tensors by name.

use std::collections::HashMap;

use galmorph_cutout::ModelCard;
use prost::Message;
use tch::{Device, Kind, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use crate::network::{Architecture, Network};
use crate::onnx::quantised;
use crate::torch::Weights;

/// A model file's contents.
pub struct Decoded {
    /// What the file says of itself.
    pub card: ModelCard,
    /// The network that the card names.
    pub architecture: Architecture,
    /// Its description.
    pub network: Network,
    /// The weights, f32; 8-bit ones are expanded.
    pub weights: Weights,
}

/// Reads the bytes of a file that [`encode`](super::encode) wrote.
///
/// # Errors
/// What is wrong with it, as a part of a sentence.
pub fn decode(bytes: &[u8], device: Device) -> Result<Decoded, String> {
    let model = ModelProto::decode(bytes).map_err(|_| "not an ONNX file".to_owned())?;
    let graph = model.graph.as_ref().ok_or("not an ONNX file")?;
    let properties = model.metadata_props.iter();
    let card = ModelCard::from_metadata(properties.map(|p| (p.key.as_str(), p.value.as_str())))
        .map_err(|error| error.to_string())?;
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
        match (tensors.get(values.as_str()), tensors.get(steps.as_str())) {
            (Some(values), Some(steps)) => quantised::expand(&bytes_of(values)?, &floats(steps)?),
            _ => Err(format!("it has no tensor '{name}'")),
        }
    })?;
    Ok(Decoded {
        card,
        architecture,
        network,
        weights,
    })
}

fn floats(tensor: &TensorProto) -> Result<Tensor, String> {
    of_kind(tensor, DataType::Float, Kind::Float)
}

fn bytes_of(tensor: &TensorProto) -> Result<Tensor, String> {
    of_kind(tensor, DataType::Int8, Kind::Int8)
}

/// A tensor whose values lie in `raw_data`, as ours do.
fn of_kind(tensor: &TensorProto, data_type: DataType, kind: Kind) -> Result<Tensor, String> {
    let values: Option<usize> =
        (tensor.dims.iter()).try_fold(1_usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
    let length = values.and_then(|n| n.checked_mul(kind.elt_size_in_bytes()));
    if tensor.data_type != data_type as i32 || length != Some(tensor.raw_data.len()) {
        return Err(format!("its tensor '{}' can't be read", tensor.name));
    }
    Ok(Tensor::from_data_size(&tensor.raw_data, &tensor.dims, kind))
}
