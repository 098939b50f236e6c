//! Images' views through the network, to an answer for each image.
//!
//! A run of the network has the views of several images, as many as there are and as there is room for
//! (see [`model`](crate::model)): all views of each, or, where some may be left out ([`EarlyStop`]), the next one
//! of each. Either way the answer depends on the image alone, and an image that makes the network fail or panic
//! harms no other: those it shared a run with are tried again, each by itself.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use galmorph_cutout::{
    Average, ByClass, EarlyStop, ModelCard, Morphology, PredictionSet, Probabilities, RejectReason,
    Residual, Scaling,
};
use galmorph_engine::{Network, NetworkState};
use tract_onnx::prelude::{TValue, TractResult};

use crate::catch;

/// One who runs the network. Each thread has its own; the network is shared.
#[derive(Debug)]
pub struct Classifier {
    network: Arc<Network>,
    state: Option<NetworkState>,
    // The numbers of a view.
    view_len: usize,
    scaling: Scaling,
    early_stop: EarlyStop,
    // The least probability of each class in a prediction set.
    least: Option<ByClass<f64>>,
    // What a residual means.
    residual: Option<Residual>,
    // The order in which an image's views are looked at.
    order: Vec<usize>,
}

/// Why there is no answer for an image.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The network failed or panicked.
    #[error("the network failed: {0}")]
    Inference(String),
    /// The network answered with something that is not a probability.
    #[error("the network's answer is not finite")]
    NoAnswer,
}

/// What the network says of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The probability of each class.
    pub probabilities: Probabilities,
    /// How unlike the training images it is, averaged over its views: what
    /// [`Novelty`](galmorph_cutout::Novelty) of the model's card is about. `None` if the model doesn't say.
    pub novelty: Option<f32>,
    /// The classes that are not ruled out at the coverage in use. `None` if the model has no thresholds for it.
    pub set: Option<PredictionSet>,
    /// Its rank among held-out galaxies of the same label by its [`Residual`], 0 to 1: about evenly spread for confident
    /// answers to the training's camera, near 1 for much worse seeing or another stretch. `None` if the model doesn't say.
    pub camera: Option<f32>,
}

/// An image's answer, or why there is none.
pub type Outcome = Result<Answer, Refusal>;

/// A view's probabilities.
type Row = [f32; Morphology::COUNT];

/// What a run says: a row for each view, and its novelty and residual if the model has them. There may be more rows
/// than views.
#[derive(Debug, Default)]
struct Outputs {
    rows: Vec<Row>,
    novelty: Option<Vec<f32>>,
    residual: Option<Vec<f32>>,
}

impl Refusal {
    /// The reason for which the image's file is rejected.
    pub const fn reason(&self) -> RejectReason {
        match self {
            Self::Inference(_) => RejectReason::Inference,
            Self::NoAnswer => RejectReason::NoAnswer,
        }
    }
}

impl Classifier {
    /// `least` is the least probability of each class in a prediction set; `None` for no sets. `residual` is what
    /// residuals mean; `None` for no ranks.
    pub(crate) fn new(
        network: Arc<Network>,
        card: &ModelCard,
        least: Option<ByClass<f64>>,
        residual: Option<Residual>,
    ) -> Self {
        let views = card.preprocessing.view_count();
        Self {
            network,
            state: None,
            view_len: card.preprocessing.view_len(),
            scaling: card.scaling(),
            early_stop: card.early_stop,
            least,
            residual,
            order: card.early_stop.order(views),
        }
    }

    /// Classifies one image from its views, `[n_scales, 3, crop, crop]`.
    pub fn classify(&mut self, views: &[f32]) -> Outcome {
        let mut group = self.group([views]);
        while group.is_open() {
            group.run();
        }
        group
            .outcomes()
            .next()
            .expect("a group of one image has one outcome")
    }

    /// Images that are to be classified, each by its views.
    pub fn group<'a>(&'a mut self, images: impl IntoIterator<Item = &'a [f32]>) -> Group<'a> {
        let image = |views| Image {
            views,
            average: Average::new(self.scaling),
            novelty: 0.0,
            residual: 0.0,
            is_alone: false,
            outcome: None,
        };
        Group {
            images: images.into_iter().map(image).collect(),
            classifier: self,
        }
    }

    /// Runs the network on views, at most as many as it has room for.
    fn run(&mut self, views: &[&[f32]]) -> Result<Outputs, String> {
        let outputs = catch(|| self.compute(views))?.map_err(|error| format!("{error:#}"))?;
        // Fewer or more numbers than views would be taken for those of other views.
        let views = outputs.rows.len();
        let others = [&outputs.novelty, &outputs.residual].into_iter().flatten();
        if let Some(found) = others.map(Vec::len).find(|found| *found != views) {
            return Err(format!("an output has {found} numbers for {views} views"));
        }
        Ok(outputs)
    }

    fn compute(&mut self, views: &[&[f32]]) -> TractResult<Outputs> {
        // A state that went through a failure is not trusted again: it is put back only afterwards.
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.network.state()?,
        };
        let groups = state.run(views)?;
        let mut outputs = Outputs::default();
        for of_group in &groups {
            let values = values(&of_group[0])?;
            outputs.rows.extend_from_slice(values.as_chunks().0);
            let more = of_group.get(1..).unwrap_or_default();
            for (output, all) in more
                .iter()
                .zip([&mut outputs.novelty, &mut outputs.residual])
            {
                all.get_or_insert_default().extend(self::values(output)?);
            }
        }
        self.state = Some(state);
        Ok(outputs)
    }
}

fn values(output: &TValue) -> TractResult<Vec<f32>> {
    Ok(output
        .to_plain_array_view::<f32>()?
        .iter()
        .copied()
        .collect())
}

/// Images on their way to their answers.
#[derive(Debug)]
pub struct Group<'a> {
    classifier: &'a mut Classifier,
    images: Vec<Image<'a>>,
}

#[derive(Debug)]
struct Image<'a> {
    views: &'a [f32],
    average: Average,
    // The sums over the views that the average has seen.
    novelty: f64,
    residual: f64,
    // Whether it must share no run.
    is_alone: bool,
    outcome: Option<Outcome>,
}

impl Image<'_> {
    /// The answer from the views so far, with or without their novelty, a set and a rank.
    fn answer(
        &self,
        has_novelty: bool,
        least: Option<&ByClass<f64>>,
        ranks: Option<&Residual>,
    ) -> Outcome {
        let probabilities = self.average.answer().ok_or(Refusal::NoAnswer)?;
        let mean = |sum: f64| (sum / self.average.seen() as f64) as f32;
        let (novelty, residual) = (mean(self.novelty), mean(self.residual));
        if !novelty.is_finite() || !residual.is_finite() {
            return Err(Refusal::NoAnswer);
        }
        Ok(Answer {
            probabilities,
            novelty: has_novelty.then_some(novelty),
            set: least.map(|least| PredictionSet::new(&probabilities, least)),
            camera: ranks.map(|ranks| ranks.rank(probabilities.label(), residual) as f32),
        })
    }
}

/// A view of an image, by their numbers.
type Choice = (usize, usize);

impl<'a> Group<'a> {
    /// Whether there are images without an answer.
    pub fn is_open(&self) -> bool {
        self.images.iter().any(|image| image.outcome.is_none())
    }

    /// Runs the network once, and returns on how many views.
    pub fn run(&mut self) -> usize {
        let choices = self.choose();
        let outputs = self
            .views(&choices)
            .and_then(|views| self.classifier.run(&views));
        match outputs {
            Ok(outputs) => self.learn(&choices, &outputs),
            Err(fault) => self.blame(&choices, fault),
        }
        choices.len()
    }

    /// The outcomes, in the order of the images. To be called when the group is no longer open.
    pub fn outcomes(self) -> impl Iterator<Item = Outcome> {
        let outcome = |image: Image<'a>| image.outcome.expect("the group was run until it closed");
        self.images.into_iter().map(outcome)
    }

    /// Which views the next run has, while there is room: all views of each image without an answer; or, where some
    /// may be left out, the next one of each. If a run costs the same with fewer views, it is filled up with another
    /// one of each, and so on.
    fn choose(&self) -> Vec<Choice> {
        let Classifier {
            network,
            early_stop,
            order,
            ..
        } = &*self.classifier;
        let open = self.images.iter().enumerate();
        let mut open = open.filter(|(_, image)| image.outcome.is_none());
        let sharing: Vec<_> = match open.next() {
            Some(first) if first.1.is_alone => vec![first],
            first => first
                .into_iter()
                .chain(open.filter(|(_, image)| !image.is_alone))
                .collect(),
        };
        if early_stop.is_never() {
            let whole = sharing.iter().take(network.room() / order.len());
            let views = whole.flat_map(|(number, _)| order.iter().map(|view| (*number, *view)));
            return views.collect();
        }
        let rounds = if network.is_by_view() { 1 } else { order.len() };
        let mut choices = Vec::with_capacity(network.room());
        for more in 0..rounds {
            for (number, image) in &sharing {
                if let Some(view) = order.get(image.average.seen() + more) {
                    choices.push((*number, *view));
                }
            }
        }
        choices.truncate(network.room());
        choices
    }

    /// What the network is run on.
    fn views(&self, choices: &[Choice]) -> Result<Vec<&'a [f32]>, String> {
        let (batch, len) = (self.classifier.order.len(), self.classifier.view_len);
        let view = |(image, view): &Choice| {
            let views = self.images[*image].views;
            let found = views.len();
            if found == batch * len {
                Ok(&views[view * len..][..len])
            } else {
                Err(format!("{found} values are not {batch} views"))
            }
        };
        choices.iter().map(view).collect()
    }

    /// Takes in the network's answers. What was computed and not needed is not looked at.
    fn learn(&mut self, choices: &[Choice], outputs: &Outputs) {
        let Classifier {
            early_stop,
            least,
            residual: ranks,
            order,
            ..
        } = &*self.classifier;
        let of_view =
            |all: &Option<Vec<f32>>, number: usize| all.as_ref().map(|all| f64::from(all[number]));
        for (number, ((image, _), row)) in choices.iter().zip(&outputs.rows).enumerate() {
            let image = &mut self.images[*image];
            if image.outcome.is_none() {
                image.average.add(row);
                let novelty = of_view(&outputs.novelty, number);
                image.novelty += novelty.unwrap_or_default();
                image.residual += of_view(&outputs.residual, number).unwrap_or_default();
                if early_stop.is_enough(&image.average, order.len()) {
                    let answer = image.answer(novelty.is_some(), least.as_ref(), ranks.as_ref());
                    image.outcome = Some(answer);
                }
            }
        }
    }

    /// Refuses the image that made the network fail; if it was one of several, each is tried by itself.
    fn blame(&mut self, choices: &[Choice], fault: String) {
        let mut images: Vec<usize> = choices.iter().map(|(image, _)| *image).collect();
        images.sort_unstable();
        images.dedup();
        if let [image] = images[..] {
            self.images[image].outcome = Some(Err(Refusal::Inference(fault)));
            return;
        }
        for image in images {
            self.images[image].is_alone = true;
        }
    }
}
