//! An image's views through the network, to an answer.
//!
//! One image a run, whatever the batch: an image that makes the network fail or panic harms nobody
//! else. See [`model`](crate::model) for what that costs (nothing, with tract).

use std::sync::Arc;

use galmorph_cutout::{ModelCard, Morphology, Probabilities};
use tract_onnx::prelude::*;

use crate::panics::catch;

/// An optimised network, shared by all who run it.
pub(crate) type Plan = Arc<TypedRunnableModel>;

/// One who runs the network. Each thread has its own; the plan is shared.
#[derive(Debug)]
pub(crate) struct Classifier {
    plan: Plan,
    state: Option<TypedSimpleState>,
    shape: [usize; 4],
    temperature: f32,
}

/// Why there is no answer for an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The network failed or panicked.
    #[error("the network failed: {0}")]
    Inference(String),
    /// The network answered with something that is not a probability.
    #[error("the network's answer is not finite")]
    NoAnswer,
}

impl Refusal {
    /// A short name, stable enough to query by.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Inference(_) => "inference",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl Classifier {
    pub(crate) fn new(plan: Plan, card: &ModelCard) -> Self {
        let [channels, height, width] = card.preprocessing.view_shape();
        Self {
            plan,
            state: None,
            shape: [card.preprocessing.view_count(), channels, height, width],
            temperature: card.temperature,
        }
    }

    /// Classifies one image from its views, `[n_scales, 3, crop, crop]`.
    pub(crate) fn classify(&mut self, views: &[f32]) -> Result<Probabilities, Refusal> {
        // A state that went through a failure is not trusted again: it is put back only afterwards.
        let state = self.state.take();
        let outcome = catch(|| self.run(state, views)).map_err(Refusal::Inference)?;
        let (state, rows) = outcome.map_err(|error| Refusal::Inference(format!("{error:#}")))?;
        self.state = Some(state);
        Probabilities::average(&rows, self.temperature).ok_or(Refusal::NoAnswer)
    }

    fn run(
        &self,
        state: Option<TypedSimpleState>,
        views: &[f32],
    ) -> TractResult<(TypedSimpleState, Vec<[f32; Morphology::COUNT]>)> {
        let mut state = match state {
            Some(state) => state,
            None => self.plan.spawn()?,
        };
        let input = Tensor::from_shape(&self.shape, views)?;
        let outputs = state.run(tvec!(input.into()))?;
        let values = outputs[0].to_plain_array_view::<f32>()?;
        let flat: Vec<f32> = values.iter().copied().collect();
        let (rows, _) = flat.as_chunks();
        Ok((state, rows.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Model, Precision};

    #[test]
    fn an_image_that_the_network_fails_on_harms_no_other() {
        let model = Model::load(None, &[], Precision::Auto).unwrap();
        let preprocessing = &model.card.preprocessing;
        let views: Vec<f32> = (0..preprocessing.view_count() * preprocessing.view_len())
            .map(|n| (n % 97) as f32 / 97.0)
            .collect();
        let mut classifier = model.classifier();
        let before = classifier.classify(&views).unwrap();
        let refusal = classifier.classify(&views[1..]).unwrap_err();
        assert_eq!(refusal.kind(), "inference");
        assert_eq!(classifier.classify(&views).unwrap(), before);
    }
}
