//! Writes a [`Network`] as ONNX, and reads such a file back.
//!
//! Opset 13 and IR version 8, which current runtimes read. The batch `N` is symbolic. Batch
//! normalisation is not folded into convolutions: the file holds the trained weights and nothing derived
//! from them, in 32 or in 8 bits ([`Storage`]). A network that was rounded to 8-bit arithmetic is another one,
//! in which it is (`network/eight_bits.rs`); `eight_bits.rs` writes it. The graph's input is `views`, its output
//! `probabilities`, after a softmax. It may have a second one, `novelty`, and a third,
//! `residual`.

mod adapted;
mod decode;
mod eight_bits;
mod novelty;
mod proto;
mod quantised;
mod residual;
mod writer;

use galmorph_cutout::{CardError, ModelCard, Morphology};
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};

pub(crate) use adapted::{Adapted, adaptation, with_adaptation, with_last_layer};
pub use decode::{DecodeError, Decoded, decode};
pub(crate) use novelty::{References, with_novelty};
pub(crate) use residual::{Span, with_residual, without_residual};

use crate::network::{Convolution, Layer, Network};
use crate::torch::Weights;
use proto::{floats, integer, value};
use writer::Writer;

/// The graph's input, `[N, 3, 64, 64]`.
const INPUT: &str = "views";

/// The graph's output, `[N, 5]`.
const OUTPUT: &str = "probabilities";

const OPSET: i64 = 13;
const IR_VERSION: i64 = 8;

/// How the weights of convolutions and linear layers are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// 32 bits, as they were trained.
    #[default]
    F32,
    /// 8 bits and a scale for each output channel, expanded to f32 on loading.
    Int8,
}

/// The bytes of an ONNX file that holds the network, its weights and the card.
pub fn encode(
    network: &Network,
    weights: &Weights,
    card: &ModelCard,
    storage: Storage,
) -> Result<Vec<u8>, CardError> {
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "galmorph-train".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: vec![StringStringEntryProto {
            key: ModelCard::METADATA_KEY.into(),
            value: card.to_json()?,
        }],
        graph: Some(graph(network, weights, &card.name, storage)),
        ..ModelProto::default()
    };
    Ok(model.encode_to_vec())
}

/// The card of a model file.
pub(crate) fn card(bytes: &[u8]) -> Result<ModelCard, DecodeError> {
    let model = ModelProto::decode(bytes)?;
    let properties = model.metadata_props.iter();
    let properties = properties.map(|p| (p.key.as_str(), p.value.as_str()));
    Ok(ModelCard::from_metadata(properties)?)
}

/// The same model file with another card.
pub(crate) fn with_card(bytes: &[u8], card: &ModelCard) -> Result<Vec<u8>, DecodeError> {
    let mut model = ModelProto::decode(bytes)?;
    let json = card.to_json()?;
    // What is written can be read: a wrong value is found here, not by whom the file is given to.
    ModelCard::from_json(&json)?;
    model
        .metadata_props
        .retain(|property| property.key != ModelCard::METADATA_KEY);
    model.metadata_props.push(StringStringEntryProto {
        key: ModelCard::METADATA_KEY.into(),
        value: json,
    });
    Ok(model.encode_to_vec())
}

fn graph(network: &Network, weights: &Weights, name: &str, storage: Storage) -> GraphProto {
    let mut writer = Writer::new(network);
    for (index, node) in network.nodes.iter().enumerate() {
        match node.layer {
            Layer::Convolution(Convolution {
                eight_bits: true, ..
            }) => writer.convolution_in_8_bits(index, weights),
            Layer::Quantise => writer.range(index, weights),
            _ => {
                for parameter in network.parameters_of(index) {
                    let tensor = weights.get(&parameter.name);
                    if storage == Storage::Int8 && quantised::applies_to(&parameter) {
                        writer.eight_bits(&parameter, tensor);
                    } else {
                        writer.constants.push(floats(&parameter.name, tensor));
                    }
                }
            }
        }
    }
    for index in 0..network.nodes.len() {
        writer.write(index);
    }
    let logits = network.nodes.last().map_or(INPUT, |node| &node.name);
    let softmax = vec![integer("axis", 1)];
    writer.operator("Softmax", OUTPUT, vec![logits.to_owned()], softmax);

    let side = |shape: usize| Some(shape as i64);
    let input = network.nodes[0].shape;
    GraphProto {
        name: name.to_owned(),
        node: writer.nodes,
        initializer: writer.constants,
        input: vec![value(
            INPUT,
            &[
                None,
                side(input.channels),
                side(input.height),
                side(input.width),
            ],
        )],
        output: vec![value(OUTPUT, &[None, side(Morphology::COUNT)])],
        ..GraphProto::default()
    }
}
