//! The training galaxies that are most like an image, by the features that a network makes of them.
//!
//! Alike are features of one direction: their cosine is near 1. They are the features that novelty is measured by,
//! averaged over an image's views.

use std::collections::HashMap;

use galmorph_cutout::Morphology;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::Cause;

/// The name of the tensor in a file of features.
const FEATURES: &str = "features";

/// The features of the galaxies that a network was trained on.
#[derive(Debug)]
pub(crate) struct TrainingFeatures {
    ids: Vec<String>,
    classes: Vec<Morphology>,
    /// `[galaxies, width]`, row-major.
    rows: Vec<f32>,
    width: usize,
}

/// What features were made of: features of another network, or of other images, say nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeaturesOrigin {
    /// The BLAKE3 digest of the model's file.
    pub(crate) model: String,
    /// The [digest](crate::data::Dataset::digest) of the galaxies.
    pub(crate) data: String,
}

/// A training galaxy, and how like an image it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) id: String,
    pub(crate) class: Morphology,
    /// The cosine of the features of both: 1 for the same direction.
    pub(crate) similarity: f64,
}

impl TrainingFeatures {
    /// `rows` are the features of each galaxy, one after the other.
    ///
    /// # Panics
    /// If the rows are not of equal length, or there are none.
    pub(crate) fn new(ids: Vec<String>, classes: Vec<Morphology>, rows: Vec<f32>) -> Self {
        let width = rows.len() / ids.len();
        assert_eq!(rows.len(), width * ids.len(), "rows of equal length");
        Self {
            ids,
            classes,
            rows,
            width,
        }
    }

    /// The galaxies most like an image, the most alike first. A galaxy of the id `except` is left out.
    ///
    /// # Panics
    /// If the features are those of another network.
    pub(crate) fn nearest(&self, features: &[f32], except: &str, count: usize) -> Vec<Neighbour> {
        assert_eq!(features.len(), self.width, "features of the same network");
        let mut all: Vec<(f64, usize)> = (self.rows.chunks_exact(self.width).enumerate())
            .filter(|(number, _)| self.ids[*number] != except)
            .map(|(number, row)| (cosine(features, row), number))
            .collect();
        // Of equal ones, the first in the label file.
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let neighbour = |(similarity, number): (f64, usize)| Neighbour {
            id: self.ids[number].clone(),
            class: self.classes[number],
            similarity,
        };
        all.into_iter().take(count).map(neighbour).collect()
    }

    /// A safetensors file of the features, which says what they were made of.
    pub(crate) fn to_bytes(&self, origin: &FeaturesOrigin) -> Result<Vec<u8>, Cause> {
        let values: Vec<u8> = self.rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        let shape = vec![self.ids.len(), self.width];
        let view = TensorView::new(Dtype::F32, shape, &values)?;
        let metadata = HashMap::from([
            ("model".to_owned(), origin.model.clone()),
            ("data".to_owned(), origin.data.clone()),
        ]);
        Ok(safetensors::serialize([(FEATURES, view)], &Some(metadata))?)
    }

    /// Reads the features of these galaxies back.
    pub(crate) fn parse(
        bytes: &[u8],
        origin: &FeaturesOrigin,
        ids: Vec<String>,
        classes: Vec<Morphology>,
    ) -> Result<Self, Cause> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let metadata = metadata.metadata().as_ref();
        let said = |key: &str| metadata.and_then(|entries| entries.get(key));
        let (Some(model), Some(data)) = (said("model"), said("data")) else {
            return Err("it has no features of galmorph-train visualise why".into());
        };
        for (what, found, wanted) in [
            ("another model", model, &origin.model),
            ("other galaxies or images", data, &origin.data),
        ] {
            if found != wanted {
                let fault = format!("its features are of {what} (remove it, or name another file)");
                return Err(fault.into());
            }
        }
        let file = SafeTensors::deserialize(bytes)?;
        let view = file.tensor(FEATURES)?;
        if view.dtype() != Dtype::F32 || !matches!(view.shape(), [n, _] if *n == ids.len()) {
            return Err("its features are not a row for each galaxy".into());
        }
        let (values, _) = view.data().as_chunks();
        let rows: Vec<f32> = values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        Ok(Self::new(ids, classes, rows))
    }
}

/// The cosine of the angle between two vectors; 0 if one has no length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 {
        product(a, b) / lengths
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{Cigar, Round, Spiral};

    fn galaxies() -> (Vec<String>, Vec<Morphology>) {
        let ids = ["7", "8", "9"].map(String::from).to_vec();
        (ids, vec![Round, Cigar, Spiral])
    }

    fn features() -> TrainingFeatures {
        let (ids, classes) = galaxies();
        TrainingFeatures::new(ids, classes, vec![3.0, 0.0, 1.0, 1.0, 0.0, 0.5])
    }

    fn origin(model: &str, data: &str) -> FeaturesOrigin {
        FeaturesOrigin {
            model: model.into(),
            data: data.into(),
        }
    }

    #[test]
    fn the_nearest_have_the_direction_of_the_image_whatever_their_length() {
        let found = features().nearest(&[0.0, 8.0], "", 2);
        let ids: Vec<&str> = found.iter().map(|n| n.id.as_str()).collect();
        assert_eq!(ids, ["9", "8"]);
        assert_eq!((found[0].class, found[0].similarity), (Spiral, 1.0));
        assert!((found[1].similarity - 0.5_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_copy_of_a_galaxy_is_nearest_to_it_and_the_galaxy_itself_is_left_out() {
        let nearest = |except: &str| features().nearest(&[1.0, 1.0], except, 5);
        assert_eq!(nearest("a copy of 8")[0].id, "8");
        assert!((nearest("a copy of 8")[0].similarity - 1.0).abs() < 1e-9);
        let ids: Vec<String> = nearest("8").into_iter().map(|n| n.id).collect();
        // Both are alike; the first of the file comes first.
        assert_eq!(ids, ["7", "9"]);
    }

    #[test]
    fn features_without_length_are_like_none() {
        let found = features().nearest(&[0.0, 0.0], "", 3);
        assert!(found.iter().all(|neighbour| neighbour.similarity == 0.0));
    }

    #[test]
    fn a_file_is_used_for_the_model_and_the_galaxies_that_it_is_of() {
        let bytes = features().to_bytes(&origin("m", "d")).unwrap();
        let parse = |bytes: &[u8], origin: &FeaturesOrigin| {
            let (ids, classes) = galaxies();
            TrainingFeatures::parse(bytes, origin, ids, classes)
        };
        let read = parse(&bytes, &origin("m", "d")).unwrap();
        assert_eq!(read.rows, features().rows);
        let fault = |model: &str, data: &str| {
            let fault = parse(&bytes, &origin(model, data)).unwrap_err();
            fault.to_string()
        };
        assert!(fault("n", "d").contains("of another model"));
        assert!(fault("m", "e").contains("of other galaxies or images"));
        assert!(parse(&bytes[..bytes.len() - 4], &origin("m", "d")).is_err());
        assert!(parse(b"{}", &origin("m", "d")).is_err());
    }
}
