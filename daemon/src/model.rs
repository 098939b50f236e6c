//! A model file, read and made ready to run.
//!
//! A model comes from outside, so everything in it is doubted: the card must be one that we follow,
//! the input and output must be the contract's, and the network must answer once before it is
//! trusted with an image.
//!
//! A different set of test scales gives a different answer, and so does leaving out some of them, so a
//! model is identified by the digest of its file *and* the card as it is used.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use galmorph_cutout::{CardError, EarlyStop, ModelCard, Morphology, PreprocessingError};
use galmorph_engine::Kernel;
use serde::Deserialize;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use crate::classifier::{Classifier, Plan};
use crate::panics::catch;

/// The model that is used when none is named.
const EMBEDDED: &[u8] = include_bytes!("../../models/zhu2019-small.onnx");

/// The names of the contract between `galmorph-train export` and the daemon.
const INPUT: &str = "views";
const OUTPUT: &str = "probabilities";

/// What numbers convolutions multiply. They add in f32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    /// bf16 where the processor is faster with it, f32 elsewhere
    #[default]
    Auto,
    /// f32 everywhere
    F32,
}

/// How a model is to be run. What is not said here is said by the model itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// Test scales in place of its own, unless there are none.
    pub(crate) scales: &'a [u32],
    /// When to leave out scales.
    pub(crate) early_stop: Option<EarlyStop>,
    /// What numbers are multiplied.
    pub(crate) precision: Precision,
}

/// A network that is ready to run, and what is known of it.
#[derive(Debug)]
pub(crate) struct Model {
    /// What the file says of itself, with the test scales in use, and when some are left out.
    pub(crate) card: ModelCard,
    /// The BLAKE3 digest of the file, in lower-case hexadecimal.
    pub(crate) digest: String,
    /// What computes its convolutions.
    pub(crate) kernel: Kernel,
    plan: Plan,
}

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {file}: {fault}")]
pub(crate) struct ModelError {
    verb: &'static str,
    file: String,
    fault: Fault,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Read(#[from] std::io::Error),
    #[error("not an ONNX file")]
    NotOnnx,
    #[error("{}", one_line(.0))]
    Card(#[from] CardError),
    #[error("{0}")]
    Scales(#[from] PreprocessingError),
    #[error("{}", one_line(.0))]
    Contract(String),
    #[error("{}", one_line(.0))]
    Network(#[from] TractError),
}

impl Model {
    /// Reads a model, or the embedded one.
    pub(crate) fn load(path: Option<&Path>, options: Options<'_>) -> Result<Self, ModelError> {
        let file = path.map_or_else(
            || "the embedded model".to_owned(),
            |path| format!("model '{}'", path.display()),
        );
        let fail = |verb, fault| ModelError {
            verb,
            file: file.clone(),
            fault,
        };
        match path {
            Some(path) => {
                let bytes = fs::read(path).map_err(|error| fail("read", error.into()))?;
                Self::from_bytes(bytes, options)
            }
            None => Self::from_bytes(EMBEDDED, options),
        }
        .map_err(|fault| fail("use", fault))
    }

    /// Nothing that was made of a file stays longer than it is needed: a large network's weights would be
    /// there as often as there are steps.
    pub(crate) fn from_bytes(bytes: impl AsRef<[u8]>, options: Options<'_>) -> Result<Self, Fault> {
        let proto = catch(|| onnx().proto_model_for_read(&mut bytes.as_ref()))
            .map_err(Fault::Contract)?
            .ok()
            .filter(|proto| proto.graph.is_some())
            .ok_or(Fault::NotOnnx)?;
        let card = card_in_use(&proto, options)?;
        check_interface(&proto)?;
        let digest = blake3::hash(bytes.as_ref()).to_hex().to_string();
        drop(bytes);
        let kernel = Kernel::fastest(options.precision == Precision::F32);
        let plan = catch(|| prepare(proto, &card, kernel)).map_err(Fault::Contract)??;
        let model = Self {
            card,
            digest,
            kernel,
            plan,
        };
        model.try_out()?;
        Ok(model)
    }

    /// What an answer is the average of, for people.
    pub(crate) fn averages(&self) -> String {
        let scales = &self.card.preprocessing.test_scales;
        match self.card.early_stop {
            EarlyStop::Never => format!("test scales {scales:?}"),
            stop => format!("test scales {scales:?}, early stop {stop}"),
        }
    }

    /// One who runs the network: a thread's own, since a run needs scratch space.
    pub(crate) fn classifier(&self) -> Classifier {
        Classifier::new(Arc::clone(&self.plan), &self.card)
    }

    /// A network that can't answer for a black image can't answer at all. It also makes the first real
    /// image as quick as the others.
    fn try_out(&self) -> Result<(), Fault> {
        let preprocessing = &self.card.preprocessing;
        let black = vec![0.0; preprocessing.view_count() * preprocessing.view_len()];
        self.classifier()
            .classify(&black)
            .map(|_| ())
            .map_err(|refusal| Fault::Contract(refusal.to_string()))
    }
}

/// A model's own words may have line ends in them.
fn one_line(fault: &impl ToString) -> String {
    fault.to_string().replace(['\n', '\r'], " ")
}

fn card_in_use(proto: &ModelProto, options: Options<'_>) -> Result<ModelCard, Fault> {
    let properties = proto
        .metadata_props
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.as_str()));
    let mut card = ModelCard::from_metadata(properties)?;
    if !options.scales.is_empty() {
        card.preprocessing.test_scales = options.scales.to_vec();
        card.preprocessing.validate()?;
    }
    if let Some(early_stop) = options.early_stop {
        card.early_stop = early_stop;
    }
    // Of a single scale there is nothing to leave out: it is the same model.
    if card.preprocessing.view_count() == 1 {
        card.early_stop = EarlyStop::Never;
    }
    Ok(card)
}

/// The contract names one input and one output; the network's weights may be listed as inputs too.
fn check_interface(proto: &ModelProto) -> Result<(), Fault> {
    let Some(graph) = &proto.graph else {
        return Err(Fault::NotOnnx);
    };
    if !graph.input.iter().any(|input| input.name == INPUT) {
        return Err(Fault::Contract(format!("it has no input '{INPUT}'")));
    }
    if !graph.output.iter().any(|output| output.name == OUTPUT) {
        return Err(Fault::Contract(format!("it has no output '{OUTPUT}'")));
    }
    Ok(())
}

/// Compiles the network for one image at a time, all its views together.
///
/// tract runs a fixed batch some 12 % faster than a symbolic one, and gains nothing from a larger one. So
/// where all views are averaged, an answer depends on nothing else, by construction.
fn prepare(proto: ModelProto, card: &ModelCard, kernel: Kernel) -> Result<Plan, Fault> {
    let views = card.preprocessing.view_count();
    let mut network = galmorph_engine::reader().model_for_proto_model(&proto)?;
    drop(proto);
    // By name: what is not an input of the graph proper has a value, and is none here either.
    let input = network
        .input_outlets()?
        .iter()
        .position(|outlet| network.node(outlet.node).name == INPUT);
    if network.input_outlets()?.len() != 1 || input != Some(0) {
        return Err(Fault::Contract(format!("'{INPUT}' is not its only input")));
    }
    network.select_outputs_by_name([OUTPUT])?;
    let network = galmorph_engine::for_batches(network, views, card.preprocessing.view_shape())?;
    let (accelerated, _) = galmorph_engine::accelerate(&network, kernel)?;
    drop(network);
    let network = accelerated.into_optimized()?;
    let output = network.output_fact(0)?.clone();
    if output.shape.as_concrete() != Some(&[views, Morphology::COUNT]) {
        return Err(Fault::Contract(format!(
            "its output is {output:?}, not {views} x {} probabilities",
            Morphology::COUNT
        )));
    }
    Ok(network.into_runnable()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use tract_onnx::pb;

    fn fault(bytes: &[u8]) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Model::load(Some(file.path()), Options::default())
            .unwrap_err()
            .to_string()
    }

    fn changed(change: impl FnOnce(&mut pb::ModelProto)) -> Vec<u8> {
        let mut proto = onnx().proto_model_for_read(&mut &*EMBEDDED).unwrap();
        change(&mut proto);
        encode(&proto)
    }

    fn encode(proto: &pb::ModelProto) -> Vec<u8> {
        use prost::Message as _;
        proto.encode_to_vec()
    }

    /// The same tensor with nothing but NaN in it, if its values are floats.
    fn not_a_number(tensor: &pb::TensorProto) -> pb::TensorProto {
        let mut poisoned = tensor.clone();
        if tensor.data_type == pb::tensor_proto::DataType::Float as i32 {
            let count = usize::try_from(tensor.dims.iter().product::<i64>()).unwrap();
            poisoned.float_data = Vec::new();
            poisoned.raw_data = f32::NAN.to_le_bytes().repeat(count);
        }
        poisoned
    }

    #[test]
    fn the_embedded_model_answers_with_probabilities() {
        let model = Model::load(None, Options::default()).unwrap();
        assert_eq!(model.digest.len(), 64);
        let preprocessing = &model.card.preprocessing;
        let views = vec![0.5; preprocessing.view_count() * preprocessing.view_len()];
        let answer = model.classifier().classify(&views).unwrap();
        let total: f32 = answer.values().iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }

    #[test]
    fn other_scales_are_another_card_of_the_same_file() {
        let scales = |scales| Options {
            scales,
            early_stop: Some(EarlyStop::Settled),
            ..Options::default()
        };
        let model = Model::load(None, scales(&[200])).unwrap();
        assert_eq!(model.card.preprocessing.test_scales, [200]);
        assert_eq!(model.card.early_stop, EarlyStop::Never);
        let several = Model::load(None, scales(&[])).unwrap();
        assert_eq!(several.card.early_stop, EarlyStop::Settled);
        assert_eq!(
            model.digest,
            Model::load(None, Options::default()).unwrap().digest
        );
        let error = Model::load(None, scales(&[0])).unwrap_err().to_string();
        assert!(error.contains("a side of 0 pixels"), "{error}");
    }

    #[test]
    fn files_that_are_no_model_of_ours_are_refused_with_the_reason() {
        assert!(fault(b"<html>not found</html>").ends_with("not an ONNX file"));
        assert!(fault(b"").ends_with("not an ONNX file"));
        assert!(fault(&EMBEDDED[..EMBEDDED.len() / 2]).ends_with("not an ONNX file"));
        let bare = changed(|model| model.metadata_props.clear());
        assert!(fault(&bare).contains("no galmorph card in its metadata"));
        let renamed = changed(|model| model.graph.as_mut().unwrap().output[0].name = "y".into());
        assert!(fault(&renamed).contains("no output 'probabilities'"));
        let poisoned = changed(|model| {
            for weights in &mut model.graph.as_mut().unwrap().initializer {
                *weights = not_a_number(weights);
            }
        });
        assert!(fault(&poisoned).ends_with("the network's answer is not finite"));
        let headless = changed(|model| model.graph.as_mut().unwrap().node.clear());
        assert!(fault(&headless).starts_with("cannot use model '"));
    }
}
