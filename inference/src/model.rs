//! A model file, read and made ready to run.
//!
//! A model comes from outside, so everything in it is doubted: the card must be one that we follow,
//! the input and output must be the contract's, and the network must answer once before it is
//! trusted with an image.
//!
//! A different set of test scales gives a different answer, and so does leaving out some of them, so a
//! model is identified by the digest of its file *and* the card as it is used.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use blake3::Hash;
use galmorph_cutout::{
    ByClass, CardError, EarlyStop, Guarantee, ModelCard, Morphology, PreprocessingError,
};
use galmorph_engine::{DType, Kernel, Network};
use galmorph_output::readable;
use serde::Serialize;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;

use crate::catch;
use crate::classifier::Classifier;

/// The model that is used when none is named.
const EMBEDDED: &[u8] = include_bytes!("../../models/galmorph-1.onnx");

/// The names of the contract between `galmorph-train export` and the daemon.
const INPUT: &str = "views";
const OUTPUT: &str = "probabilities";
const NOVELTY: &str = "novelty";
const RESIDUAL: &str = "residual";

/// Which numbers convolutions may multiply. A model of eight bits says so itself: what it rounds is bytes, and all else f32, in any
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// bf16 where the processor is faster with it, f32 elsewhere
    #[default]
    Auto,
    /// f32 everywhere
    F32,
}

impl Precision {
    /// Every choice, in the order of the help.
    pub const ALL: [Self; 2] = [Self::Auto, Self::F32];

    /// Its name on the command line and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
        }
    }
}

/// Which numbers a model's convolutions do multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// 32-bit floating point.
    F32,
    /// bf16: eight bits of exponent, eight of precision.
    Bf16,
    /// Eight bits, added as whole numbers: of a model that is quantised.
    Int8,
}

impl Arithmetic {
    /// The name in catalogs and cards.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    fn of(kernel: Kernel) -> Self {
        match kernel.dtype() {
            DType::F32 => Self::F32,
            DType::Bf16 => Self::Bf16,
            DType::Int8 => Self::Int8,
        }
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for a reference"
    )]
    fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// The card as a catalog keeps it: with all that changes an answer. f32 is what a card means that says
/// nothing of it.
#[derive(Debug, Serialize)]
struct CardInUse<'a> {
    #[serde(flatten)]
    card: &'a ModelCard,
    #[serde(skip_serializing_if = "Arithmetic::is_f32")]
    arithmetic: Arithmetic,
}

/// How a model is to be run. What is not said here is said by the model itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Test scales in place of its own, unless there are none.
    pub scales: &'a [u32],
    /// When to leave out scales.
    pub early_stop: Option<EarlyStop>,
    /// What numbers are multiplied.
    pub precision: Precision,
    /// How often the true class is to be in an image's prediction set, above 0 and below 1: one of the coverages in
    /// the card. Without one, it is 0.95 if the card has that.
    pub coverage: Option<f64>,
}

/// The coverage of prediction sets where none is asked for.
const COVERAGE: f64 = 0.95;

/// A network that is ready to run, and what is known of it.
#[derive(Debug)]
pub struct Model {
    /// What the file says of itself, with the test scales in use, and when some are left out.
    pub card: ModelCard,
    /// The BLAKE3 digest of the file.
    pub digest: Hash,
    /// What computes its convolutions.
    pub kernel: Kernel,
    name: String,
    least: Option<ByClass<f64>>,
    network: Arc<Network>,
}

/// What a model says of itself before it is made ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The name of its card.
    pub name: String,
    /// The BLAKE3 digest of the file.
    pub digest: Hash,
}

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {file}: {fault}")]
pub struct ModelError {
    verb: &'static str,
    file: String,
    fault: Fault,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file can't be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is no ONNX file.
    #[error("not an ONNX file")]
    NotOnnx,
    /// Its card can't be used.
    #[error("{}", one_line(.0))]
    Card(#[from] CardError),
    /// The test scales that were asked for make no views.
    #[error("{0}")]
    Scales(#[from] PreprocessingError),
    /// Its inputs, outputs or answers are not what the card promises.
    #[error("{}", one_line(.0))]
    Contract(String),
    /// tract can't run it.
    #[error("{}", one_line(.0))]
    Network(#[from] TractError),
}

impl Model {
    /// Reads a model, or the embedded one.
    pub fn load(path: Option<&Path>, options: Options<'_>) -> Result<Self, ModelError> {
        read(path, |bytes| Self::from_bytes(bytes, options))
    }

    /// Reads what a model, or the embedded one, says of itself. Its network is not looked at, so this takes
    /// milliseconds and says nothing of whether it can run.
    pub fn about(path: Option<&Path>) -> Result<About, ModelError> {
        read(path, |bytes| {
            let card = card_in_use(&parse(&bytes)?, Options::default())?;
            Ok(About {
                name: card.name,
                digest: blake3::hash(&bytes),
            })
        })
    }

    /// Nothing that was made of a file stays longer than it is needed: a large network's weights would be
    /// there as often as there are steps.
    pub fn from_bytes(bytes: impl AsRef<[u8]>, options: Options<'_>) -> Result<Self, Fault> {
        let proto = parse(bytes.as_ref())?;
        let card = card_in_use(&proto, options)?;
        let name = name_in_use(&card, &card_in_use(&proto, Options::default())?);
        let least = thresholds(&card, name == card.name, options.coverage)?;
        check_interface(&proto, &card)?;
        check_weights(&proto)?;
        let digest = blake3::hash(bytes.as_ref());
        drop(bytes);
        let kernel = Kernel::fastest(options.precision == Precision::F32);
        let network = catch(|| prepare(proto, &card, kernel)).map_err(Fault::Contract)??;
        let kernel = if network.is_of_eight_bits() {
            Kernel::fastest_int8()
        } else {
            kernel
        };
        let model = Self {
            card,
            digest,
            kernel,
            name,
            least,
            network: Arc::new(network),
        };
        model.try_out()?;
        Ok(model)
    }

    /// Which numbers its convolutions multiply.
    pub fn arithmetic(&self) -> Arithmetic {
        // On any processor: it is the model that rounds.
        if self.network.is_of_eight_bits() {
            Arithmetic::Int8
        } else {
            Arithmetic::of(self.kernel)
        }
    }

    /// The card with all settings in use that change an answer, as JSON. With the digest of the file, it
    /// identifies the model in a catalog.
    pub fn card_in_use(&self) -> String {
        let card = CardInUse {
            card: &self.card,
            arithmetic: self.arithmetic(),
        };
        serde_json::to_string(&card).expect("a card is a tree of plain values")
    }

    /// The name of the card, and behind it the settings that are not those of the file's own card, as in
    /// `galmorph-1 scales=200,220`. So answers under other settings can be told apart.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What an answer is the average of, for people.
    pub fn averages(&self) -> String {
        let scales = &self.card.preprocessing.test_scales;
        match self.card.early_stop {
            EarlyStop::Never => format!("test scales {scales:?}"),
            stop => format!("test scales {scales:?}, early stop {stop}"),
        }
    }

    /// One who runs the network: a thread's own, since a run needs scratch space.
    pub fn classifier(&self) -> Classifier {
        // Ranks, as sets, hold for the settings that they were found with.
        let residual = self.card.residual.clone();
        let residual = residual.filter(|_| self.name == self.card.name);
        Classifier::new(Arc::clone(&self.network), &self.card, self.least, residual)
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

/// Does something with the bytes of a file, or with those of the embedded model. A fault names the file.
fn read<T>(
    path: Option<&Path>,
    work: impl FnOnce(Cow<'static, [u8]>) -> Result<T, Fault>,
) -> Result<T, ModelError> {
    let fail = |verb| {
        move |fault| ModelError {
            verb,
            file: path.map_or_else(
                || "the embedded model".to_owned(),
                |path| format!("model '{}'", readable(path)),
            ),
            fault,
        }
    };
    let bytes = match path {
        Some(path) => fs::read(path).map_err(Fault::from).map_err(fail("read"))?,
        None => return work(EMBEDDED.into()).map_err(fail("use")),
    };
    work(bytes.into()).map_err(fail("use"))
}

fn parse(mut bytes: &[u8]) -> Result<ModelProto, Fault> {
    catch(|| onnx().proto_model_for_read(&mut bytes))
        .map_err(Fault::Contract)?
        .ok()
        .filter(|proto| proto.graph.is_some())
        .ok_or(Fault::NotOnnx)
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

/// The least probability of each class in a prediction set. They hold for the settings that they were fitted with, so
/// under others there are none.
fn thresholds(
    card: &ModelCard,
    has_own_settings: bool,
    coverage: Option<f64>,
) -> Result<Option<ByClass<f64>>, Fault> {
    let conformal = card.conformal.as_ref().filter(|_| has_own_settings);
    match (conformal, coverage) {
        (Some(conformal), Some(coverage)) => conformal
            .thresholds(coverage, Guarantee::ByClass)
            .map(Some)
            .map_err(|unknown| Fault::Contract(unknown.to_string())),
        (Some(conformal), None) => Ok(conformal.thresholds(COVERAGE, Guarantee::ByClass).ok()),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let what = if has_own_settings {
                "the model has no thresholds for prediction sets"
            } else {
                "the model's thresholds for prediction sets hold for its own scales and early stop alone"
            };
            Err(Fault::Contract(format!("{what}: leave out the coverage")))
        }
    }
}

fn name_in_use(card: &ModelCard, of_the_file: &ModelCard) -> String {
    let mut name = card.name.clone();
    let scales = &card.preprocessing.test_scales;
    if *scales != of_the_file.preprocessing.test_scales {
        let scales: Vec<String> = scales.iter().map(ToString::to_string).collect();
        name = format!("{name} scales={}", scales.join(","));
    }
    if card.early_stop != of_the_file.early_stop {
        name = format!("{name} early_stop={}", card.early_stop);
    }
    name
}

/// The contract names one input and one output, and others if the card speaks of novelty and residual. The network's
/// weights may be listed as inputs too.
fn check_interface(proto: &ModelProto, card: &ModelCard) -> Result<(), Fault> {
    let Some(graph) = &proto.graph else {
        return Err(Fault::NotOnnx);
    };
    if !graph.input.iter().any(|input| input.name == INPUT) {
        return Err(Fault::Contract(format!("it has no input '{INPUT}'")));
    }
    for name in outputs(card) {
        if !graph.output.iter().any(|output| output.name == *name) {
            return Err(Fault::Contract(format!("it has no output '{name}'")));
        }
    }
    Ok(())
}

/// The outputs that are asked of a network, in the order in which they are read.
fn outputs(card: &ModelCard) -> &'static [&'static str] {
    match (&card.novelty, &card.residual) {
        (None, _) => &[OUTPUT],
        (Some(_), None) => &[OUTPUT, NOVELTY],
        (Some(_), Some(_)) => &[OUTPUT, NOVELTY, RESIDUAL],
    }
}

/// Refuses weights that are not numbers. An operator may drop them, as a maximum of them and a number does, and
/// the network would have an answer.
fn check_weights(proto: &ModelProto) -> Result<(), Fault> {
    let tensors = proto.graph.iter().flat_map(|graph| {
        let of_nodes = graph.node.iter().flat_map(|node| &node.attribute);
        let constants = of_nodes.filter_map(|attribute| attribute.t.as_ref());
        graph.initializer.iter().chain(constants)
    });
    for tensor in tensors.filter(|tensor| tensor.data_type == DataType::Float as i32) {
        let (raw, _) = tensor.raw_data.as_chunks::<4>();
        let is_broken = tensor.float_data.iter().any(|value| value.is_nan())
            || raw.iter().any(|bytes| f32::from_le_bytes(*bytes).is_nan());
        if is_broken {
            let fault = format!("some of its weights '{}' are not numbers", tensor.name);
            return Err(Fault::Contract(fault));
        }
    }
    Ok(())
}

/// How many images share a run, where there are as many. By tiles, a network spends much of its time on reading its
/// weights; vectors multiply too slowly to wait long for them. `docs/performance.md` has the times and the memory.
fn images_a_run(kernel: Kernel, views: usize) -> usize {
    let views_a_run = match kernel {
        Kernel::AmxBf16 => 8,
        Kernel::Avx512 => 4,
        Kernel::Avx512Bf16
        | Kernel::Avx2
        | Kernel::Portable
        | Kernel::AmxInt8
        | Kernel::Avx512Int8
        | Kernel::AvxVnniInt8
        | Kernel::Avx2Int8
        | Kernel::PortableInt8 => 1,
    };
    (views_a_run / views).max(1)
}

/// Compiles the network: what reads the views for those of several images, the rest for those of one
/// ([`Network`]). So where all views are averaged, an answer depends on nothing else, by construction.
fn prepare(proto: ModelProto, card: &ModelCard, kernel: Kernel) -> Result<Network, Fault> {
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
    network.select_outputs_by_name(outputs(card))?;
    let network = galmorph_engine::for_batches(network, views, card.preprocessing.view_shape())?;
    let network = Network::new(&network, kernel, images_a_run(kernel, views))?;
    let output = network.output_fact(0)?.clone();
    if output.shape.as_concrete() != Some(&[views, Morphology::COUNT]) {
        return Err(Fault::Contract(format!(
            "its output is {output:?}, not {views} x {} probabilities",
            Morphology::COUNT
        )));
    }
    if card.novelty.is_some() {
        let novelty = network.output_fact(1)?;
        if novelty.shape.as_concrete() != Some(&[views]) {
            let fault = format!("its novelty is {novelty:?}, not {views} values");
            return Err(Fault::Contract(fault));
        }
    }
    Ok(network)
}
