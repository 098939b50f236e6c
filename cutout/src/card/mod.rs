//! What a model file says of itself.
//!
//! The card travels *inside* the ONNX file, as JSON under [`ModelCard::METADATA_KEY`] of its
//! `metadata_props`, so it can't get lost as a second file could. This crate knows the card, not the
//! file format: the code that reads or writes ONNX passes it the properties.
//!
//! Format 2 has more parts than format 1: what the training images looked like, and how far the answers
//! can be trusted. A part that is not known is absent. Cards of format 1 are read as they are.

mod conformal;
mod measured;
mod novelty;
mod purity;
mod quantisation;
mod residual;

use serde::{Deserialize, Serialize};

pub use conformal::{Conformal, Coverage, Guarantee, UnknownCoverage};
pub use measured::{CalibrationError, Measurement, Recall, ScaleAccuracy, Training};
pub use novelty::{Novelty, NoveltyQuantile};
pub use purity::{Purity, PurityLevel};
pub use quantisation::{Quantisation, QuantisedArithmetic};
pub use residual::Residual;

use crate::{ByClass, EarlyStop, Framing, Morphology, Preprocessing, Scaling, Stretch};

/// A model's name, how to run it, how it was made and what it reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of this description; see [`ModelCard::FORMAT`].
    pub format: u32,
    /// The model's name, as it appears in the catalog.
    pub name: String,
    /// The network and its parameters, such as `zhu2019 k=0.25 N=2`.
    pub network: String,
    /// The names of the outputs, in their order: [`Morphology::names`].
    pub classes: Vec<String>,
    /// How an image becomes the network's inputs.
    pub preprocessing: Preprocessing,
    /// The temperature that calibrates the outputs; 1 when they were not calibrated.
    pub temperature: f32,
    /// Whether some test scales may be left out. Not written when none may.
    #[serde(default, skip_serializing_if = "EarlyStop::is_never")]
    pub early_stop: EarlyStop,
    /// How it was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// What it reached on images that it was not trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Measurement>,
    /// How the training images were framed. Format 2, like all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
    /// The stretch that the training images were drawn with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
    /// The fraction of each class in the training images. They sum to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<ByClass<f64>>,
    /// What is added to each class's logit, after the temperature; see [`Scaling`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<ByClass<f32>>,
    /// Thresholds for sets of classes with a known coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformal: Option<Conformal>,
    /// Thresholds for samples with a known purity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purity: Option<Purity>,
    /// What the graph's output `novelty` means, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty: Option<Novelty>,
    /// What the graph's output `residual` means, if it has one. A graph with it has the output `novelty` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<Residual>,
    /// How the network was rounded to 8-bit arithmetic, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
}

/// Why a model file can't be run.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// It was not exported by `galmorph-train`.
    #[error("no galmorph card in its metadata (exported by galmorph-train export?)")]
    Missing,
    /// The card is there but can't be read.
    #[error("its card can't be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer program wrote it, or one that is not ours.
    #[error("its card has format {found}, and this program reads formats 1 to {known}", known = ModelCard::FORMAT)]
    Format {
        /// The format that the card claims.
        found: u64,
    },
    /// It can be read, but not carried out.
    #[error("its card makes no sense: {0}")]
    Nonsense(String),
}

impl ModelCard {
    /// The format that this program writes. It reads all from 1 to this.
    pub const FORMAT: u32 = 2;

    /// The key of the `metadata_props` entry that holds the card.
    pub const METADATA_KEY: &'static str = "galmorph.card";

    /// A card of the format that this program writes, for a model of which nothing more is known: not
    /// calibrated, not measured, and without a record of its training.
    ///
    /// `name` is the model's name in the catalog, `network` the network and its parameters.
    pub fn new(name: &str, network: &str, preprocessing: Preprocessing) -> Self {
        Self {
            format: Self::FORMAT,
            name: name.to_owned(),
            network: network.to_owned(),
            classes: Morphology::names().map(String::from).to_vec(),
            preprocessing,
            temperature: 1.0,
            early_stop: EarlyStop::Never,
            training: None,
            validation: None,
            framing: None,
            stretch: None,
            prior: None,
            bias: None,
            conformal: None,
            purity: None,
            novelty: None,
            residual: None,
            quantisation: None,
        }
    }

    /// How the outputs are calibrated.
    pub const fn scaling(&self) -> Scaling {
        Scaling {
            temperature: self.temperature,
            bias: self.bias,
        }
    }

    /// The card as JSON, for [`METADATA_KEY`](Self::METADATA_KEY).
    pub fn to_json(&self) -> Result<String, CardError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads and checks a card.
    pub fn from_json(json: &str) -> Result<Self, CardError> {
        // The format first: a card of another format may lack every other field.
        let value: serde_json::Value = serde_json::from_str(json)?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        match format {
            Some(found) if !(1..=u64::from(Self::FORMAT)).contains(&found) => {
                return Err(CardError::Format { found });
            }
            Some(_) => {}
            None => return Err(CardError::Nonsense("it states no format".into())),
        }
        let card: Self = serde_json::from_value(value)?;
        card.check()?;
        Ok(card)
    }

    /// Finds the card among an ONNX file's `metadata_props`.
    pub fn from_metadata<'a>(
        properties: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, CardError> {
        properties
            .into_iter()
            .find(|(key, _)| *key == Self::METADATA_KEY)
            .ok_or(CardError::Missing)
            .and_then(|(_, json)| Self::from_json(json))
    }

    fn check(&self) -> Result<(), CardError> {
        if self.name.trim().is_empty() {
            return Err(CardError::Nonsense("the model has no name".into()));
        }
        if self.classes != Morphology::names() {
            return Err(CardError::Nonsense(format!(
                "its classes are [{}], not [{}]",
                self.classes.join(", "),
                Morphology::names().join(", ")
            )));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(CardError::Nonsense(format!(
                "a temperature of {}",
                self.temperature
            )));
        }
        self.preprocessing
            .validate()
            .map_err(|fault| CardError::Nonsense(fault.to_string()))?;
        self.check_parts()
    }

    /// Checks the parts of format 2.
    fn check_parts(&self) -> Result<(), CardError> {
        let parts = [
            ("framing", self.framing.is_some()),
            ("stretch", self.stretch.is_some()),
            ("prior", self.prior.is_some()),
            ("bias", self.bias.is_some()),
            ("conformal", self.conformal.is_some()),
            ("purity", self.purity.is_some()),
            ("novelty", self.novelty.is_some()),
            ("residual", self.residual.is_some()),
            ("quantisation", self.quantisation.is_some()),
        ];
        let part = parts.iter().find(|(_, is_there)| *is_there);
        if let (1, Some((part, _))) = (self.format, part) {
            let fault = format!("its format is 1, and '{part}' is of format 2");
            return Err(CardError::Nonsense(fault));
        }
        if let Some(prior) = &self.prior {
            check_prior(prior)?;
        }
        for bias in self.bias.iter().flat_map(|bias| &bias.0) {
            // Beyond that a factor of a probability is none.
            if !(-20.0..=20.0).contains(bias) {
                return Err(CardError::Nonsense(format!(
                    "a bias of {bias}, must be -20 to 20"
                )));
            }
        }
        self.conformal.as_ref().map_or(Ok(()), Conformal::check)?;
        self.purity.as_ref().map_or(Ok(()), Purity::check)?;
        self.novelty.as_ref().map_or(Ok(()), Novelty::check)?;
        self.residual.as_ref().map_or(Ok(()), Residual::check)?;
        if self.residual.is_some() && self.novelty.is_none() {
            let fault = "it has a residual and no novelty";
            return Err(CardError::Nonsense(fault.into()));
        }
        (self.quantisation.as_ref()).map_or(Ok(()), Quantisation::check)
    }
}

fn check_prior(prior: &ByClass<f64>) -> Result<(), CardError> {
    for (class, fraction) in prior.iter() {
        if !(*fraction > 0.0 && *fraction <= 1.0) {
            return Err(CardError::Nonsense(format!(
                "prior: {fraction} of the galaxies are {class}, must be above 0 and at most 1"
            )));
        }
    }
    let sum: f64 = prior.0.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(CardError::Nonsense(format!(
            "prior: the fractions sum to {sum}, must be 1"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
