//! What a model file says of itself.
//!
//! The card travels *inside* the ONNX file, as JSON under [`ModelCard::METADATA_KEY`] of its
//! `metadata_props`, so it can't get lost as a second file could. This crate knows the card, not the
//! file format: the code that reads or writes ONNX passes it the properties.

use serde::{Deserialize, Serialize};

use crate::{EarlyStop, Morphology, Preprocessing};

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
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The number of images it was trained on.
    pub images: usize,
    /// The BLAKE3 digest, in hexadecimal, of the labels and the image files.
    pub data_digest: String,
    /// The same digest of the validation set, on which its epochs were compared and its temperature was
    /// fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_digest: Option<String>,
    /// The fold of the galaxies that was held out as the validation set, where the training was of folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u8>,
    /// The seed of everything random.
    pub seed: u64,
    /// The number of passes over the images.
    pub epochs: u32,
    /// The commit of the training program, or `unknown`.
    pub commit: String,
    /// The command line that trained it.
    pub command: String,
}

/// A measurement on one set of labelled images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The number of images.
    pub images: usize,
    /// The fraction classified correctly when the views are averaged.
    pub accuracy: f64,
    /// The fraction classified correctly from one view alone, for each test scale.
    pub per_scale: Vec<ScaleAccuracy>,
    /// The recall of each class, views averaged ("class accuracy" in the paper).
    pub per_class: Vec<Recall>,
    /// How well calibrated the confidence is; `None` when the temperature was not fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationError>,
}

/// The expected calibration error (Guo et al. 2017, with 15 bins of equal width), views averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// At a temperature of 1.
    pub before: f64,
    /// At the card's temperature, on the images that it was fitted on.
    pub after: f64,
    /// With each half of the images at the temperature that was fitted on the other half: the estimate
    /// for images that the temperature was not fitted on. `None` when a half has no best temperature.
    pub cross_fitted: Option<f64>,
}

/// The accuracy at one test scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleAccuracy {
    /// The test scale Q in pixels.
    pub scale: u32,
    /// The fraction classified correctly.
    pub accuracy: f64,
}

/// The recall of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// The class's short name.
    pub class: String,
    /// The number of images that the labels put in this class.
    pub images: usize,
    /// The fraction of those that were classified correctly.
    pub recall: f64,
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
    #[error("its card has format {found}, and this program reads format {known}", known = ModelCard::FORMAT)]
    Format {
        /// The format that the card claims.
        found: u64,
    },
    /// It can be read, but not carried out.
    #[error("its card makes no sense: {0}")]
    Nonsense(String),
}

impl ModelCard {
    /// The format that this program writes, and the only one that it reads.
    pub const FORMAT: u32 = 1;

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
            Some(found) if found != u64::from(Self::FORMAT) => {
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
            .map_err(|fault| CardError::Nonsense(fault.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> ModelCard {
        ModelCard::new("trial", "zhu2019 k=0.25 N=2", Preprocessing::default())
    }

    /// Old cards must be read, and the catalog tells models apart by this text.
    #[test]
    fn the_text_of_format_1_stays_what_it_was() {
        let json = r#"{"format":1,"name":"trial","network":"zhu2019 k=0.25 N=2","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[180,200,220,240],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0}"#;
        assert_eq!(card().to_json().unwrap(), json);
        assert_eq!(ModelCard::from_json(json).unwrap(), card());
    }

    fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value = serde_json::to_value(card()).unwrap();
        change(&mut value);
        ModelCard::from_json(&value.to_string())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_card_is_the_same_after_it_was_written_and_read() {
        let json = card().to_json().unwrap();
        let properties = [("producer", "x"), (ModelCard::METADATA_KEY, json.as_str())];
        assert_eq!(ModelCard::from_metadata(properties).unwrap(), card());
        // The catalog tells models apart by this text, so a model from before this field keeps it.
        assert!(!json.contains("early_stop"));
        let card = ModelCard {
            early_stop: EarlyStop::Confident(0.95),
            ..card()
        };
        assert_eq!(
            ModelCard::from_json(&card.to_json().unwrap()).unwrap(),
            card
        );
    }

    #[test]
    fn a_measurement_from_before_there_was_a_calibration_is_read() {
        let json = r#"{"images": 2, "accuracy": 0.5, "per_scale": [], "per_class": []}"#;
        let mut value = serde_json::to_value(card()).unwrap();
        value["validation"] = serde_json::from_str(json).unwrap();
        let card = ModelCard::from_json(&value.to_string()).unwrap();
        assert_eq!(card.validation.unwrap().calibration, None);
    }

    #[test]
    fn a_model_without_a_card_is_named_as_such() {
        let error = ModelCard::from_metadata([("producer", "x")]).unwrap_err();
        assert!(matches!(error, CardError::Missing));
    }

    #[test]
    fn cards_that_cannot_be_followed_are_refused_with_the_reason() {
        assert!(refusal(|c| c["format"] = 2.into()).contains("format 2"));
        assert!(refusal(|c| c["format"] = "1".into()).contains("no format"));
        assert!(refusal(|c| c["classes"][4] = "star".into()).contains("star"));
        assert!(refusal(|c| c["temperature"] = 0.0.into()).contains("temperature"));
        assert!(refusal(|c| c["early_stop"] = 0.2.into()).contains("a confidence above 0.5"));
        assert!(refusal(|c| c["name"] = " ".into()).contains("no name"));
        assert!(refusal(|c| c["preprocessing"]["crop"] = 800.into()).contains("crop"));
        assert!(refusal(|c| c["preprocessing"]["gamma"] = 2.into()).contains("gamma"));
        assert!(
            refusal(|c| c["preprocessing"]["resampling"] = "lanczos".into()).contains("lanczos")
        );
    }
}
