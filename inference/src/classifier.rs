//! Images' views through the network, to an answer for each image.
//!
//! The network is compiled for as many views as an image has (see [`model`](crate::model) for why).
//! Where all of them are averaged, each image is a run of its own. Where some may be left out
//! ([`EarlyStop`]), a run has views of several images: the next one of each, in turn, so that no room of
//! a run stays empty while there are images enough. Either way the answer depends on the image alone, and
//! an image that makes the network fail or panic harms no other: those it shared a run with are tried
//! again, each by itself.

use std::sync::Arc;

use galmorph_cutout::{
    Average, ByClass, EarlyStop, ModelCard, Morphology, PredictionSet, Probabilities, RejectReason,
    Scaling,
};
use tract_onnx::prelude::*;

use crate::catch;

/// An optimised network, shared by all who run it.
pub(crate) type Plan = Arc<TypedRunnableModel>;

/// One who runs the network. Each thread has its own; the plan is shared.
#[derive(Debug)]
pub struct Classifier {
    plan: Plan,
    state: Option<TypedSimpleState>,
    // What the network takes, used again for the next run.
    input: Option<Tensor>,
    // Of what the network takes at once: views, channels, rows, columns.
    shape: [usize; 4],
    scaling: Scaling,
    early_stop: EarlyStop,
    // The least probability of each class in a prediction set.
    least: Option<ByClass<f64>>,
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
}

/// An image's answer, or why there is none.
pub type Outcome = Result<Answer, Refusal>;

/// A view's probabilities.
type Row = [f32; Morphology::COUNT];

/// What a run says: a row for each view, and its novelty if the model has one.
#[derive(Debug)]
struct Outputs {
    rows: Vec<Row>,
    novelty: Option<Vec<f32>>,
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
    /// `least` is the least probability of each class in a prediction set; `None` for no sets.
    pub(crate) fn new(plan: Plan, card: &ModelCard, least: Option<ByClass<f64>>) -> Self {
        let [channels, height, width] = card.preprocessing.view_shape();
        let views = card.preprocessing.view_count();
        Self {
            plan,
            state: None,
            input: None,
            shape: [views, channels, height, width],
            scaling: card.scaling(),
            early_stop: card.early_stop,
            least,
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
            is_alone: self.early_stop.is_never(),
            outcome: None,
        };
        Group {
            images: images.into_iter().map(image).collect(),
            classifier: self,
        }
    }

    /// Runs the network on views, at most as many as it takes. The rest is black.
    fn run(&mut self, views: &[&[f32]]) -> Result<Outputs, String> {
        catch(|| self.compute(views))?.map_err(|error| format!("{error:#}"))
    }

    fn compute(&mut self, views: &[&[f32]]) -> TractResult<Outputs> {
        let mut input = match self.input.take() {
            Some(input) => input,
            None => Tensor::zero::<f32>(&self.shape)?,
        };
        fill(input.try_as_plain_ram_mut()?.as_slice_mut()?, views);
        // A state that went through a failure is not trusted again: it is put back only afterwards.
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.plan.spawn()?,
        };
        let input = input.into_tvalue();
        let outputs = state.run(tvec!(input.clone()))?;
        let values = |output: &TValue| -> TractResult<Vec<f32>> {
            Ok(output
                .to_plain_array_view::<f32>()?
                .iter()
                .copied()
                .collect())
        };
        let rows = values(&outputs[0])?.as_chunks().0.to_vec();
        let novelty = outputs.get(1).map(values).transpose()?;
        self.state = Some(state);
        self.input = Some(input.into_tensor());
        Ok(Outputs { rows, novelty })
    }
}

/// Puts views one after the other, and zeros behind them.
fn fill(mut places: &mut [f32], views: &[&[f32]]) {
    for view in views {
        let (place, rest) = places.split_at_mut(view.len());
        place.copy_from_slice(view);
        places = rest;
    }
    places.fill(0.0);
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
    // The sum over the views that the average has seen.
    novelty: f64,
    // Whether it must share no run.
    is_alone: bool,
    outcome: Option<Outcome>,
}

impl Image<'_> {
    /// The answer from the views so far, with or without their novelty and a set.
    fn answer(&self, has_novelty: bool, least: Option<&ByClass<f64>>) -> Outcome {
        let probabilities = self.average.answer().ok_or(Refusal::NoAnswer)?;
        let novelty = (self.novelty / self.average.seen() as f64) as f32;
        if !novelty.is_finite() {
            return Err(Refusal::NoAnswer);
        }
        Ok(Answer {
            probabilities,
            novelty: has_novelty.then_some(novelty),
            set: least.map(|least| PredictionSet::new(&probabilities, least)),
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

    /// Runs the network once.
    pub fn run(&mut self) {
        let choices = self.choose();
        let outputs = self
            .views(&choices)
            .and_then(|views| self.classifier.run(&views));
        match outputs {
            Ok(outputs) => self.learn(&choices, &outputs),
            Err(fault) => self.blame(&choices, fault),
        }
    }

    /// The outcomes, in the order of the images. To be called when the group is no longer open.
    pub fn outcomes(self) -> impl Iterator<Item = Outcome> {
        let outcome = |image: Image<'a>| image.outcome.expect("the group was run until it closed");
        self.images.into_iter().map(outcome)
    }

    /// Which views the next run has: first one of each image without an answer, then another one of each,
    /// and so on, while there is room.
    fn choose(&self) -> Vec<Choice> {
        let order = &self.classifier.order;
        let open = self.images.iter().enumerate();
        let mut open = open.filter(|(_, image)| image.outcome.is_none());
        let sharing: Vec<_> = match open.next() {
            Some(first) if first.1.is_alone => vec![first],
            first => first
                .into_iter()
                .chain(open.filter(|(_, image)| !image.is_alone))
                .collect(),
        };
        let mut choices = Vec::with_capacity(order.len());
        for more in 0..order.len() {
            for (number, image) in &sharing {
                if let Some(view) = order.get(image.average.seen() + more) {
                    choices.push((*number, *view));
                }
            }
        }
        choices.truncate(order.len());
        choices
    }

    /// What the network is run on.
    fn views(&self, choices: &[Choice]) -> Result<Vec<&'a [f32]>, String> {
        let [batch, view @ ..] = self.classifier.shape;
        let len: usize = view.iter().product();
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
            order,
            ..
        } = &*self.classifier;
        for (number, ((image, _), row)) in choices.iter().zip(&outputs.rows).enumerate() {
            let image = &mut self.images[*image];
            if image.outcome.is_none() {
                image.average.add(row);
                let novelty = outputs.novelty.as_ref().map(|novelty| novelty[number]);
                image.novelty += f64::from(novelty.unwrap_or_default());
                if early_stop.is_enough(&image.average, order.len()) {
                    image.outcome = Some(image.answer(novelty.is_some(), least.as_ref()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Options};

    /// One that looks at four views of an image.
    fn model(early_stop: EarlyStop) -> Model {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
        let options = Options {
            early_stop: Some(early_stop),
            ..Options::default()
        };
        Model::load(Some(path.as_ref()), options).unwrap()
    }

    /// Some images, each with views that differ, and differ from those of the others.
    fn images(model: &Model, count: usize) -> Vec<Vec<f32>> {
        let preprocessing = &model.card.preprocessing;
        let len = preprocessing.view_count() * preprocessing.view_len();
        let image = |number: usize| {
            let (period, tilt) = (29 + 7 * number, 1e-5 * number as f32);
            let value = |n: usize| (n % period) as f32 / period as f32 - tilt * (n % 12_288) as f32;
            (0..len).map(value).collect()
        };
        (0..count).map(image).collect()
    }

    fn outcomes(classifier: &mut Classifier, images: &[Vec<f32>]) -> (Vec<Outcome>, usize) {
        let mut group = classifier.group(images.iter().map(|views| &**views));
        let mut runs = 0;
        while group.is_open() {
            group.run();
            runs += 1;
        }
        (group.outcomes().collect(), runs)
    }

    fn answers(classifier: &mut Classifier, images: &[Vec<f32>]) -> (Vec<Answer>, usize) {
        let (outcomes, runs) = outcomes(classifier, images);
        (outcomes.into_iter().map(Result::unwrap).collect(), runs)
    }

    #[test]
    fn an_image_that_the_network_fails_on_harms_no_other() {
        for early_stop in [EarlyStop::Never, EarlyStop::Confident(0.51)] {
            let model = model(early_stop);
            let mut images = images(&model, 5);
            let mut classifier = model.classifier();
            let (before, _) = answers(&mut classifier, &images);
            let whole = images[2].clone();
            images[2].pop();
            let (mut after, _) = outcomes(&mut classifier, &images);
            let refusal = after.remove(2).unwrap_err();
            assert_eq!(refusal.reason(), RejectReason::Inference);
            let after: Vec<_> = after.into_iter().map(Result::unwrap).collect();
            assert_eq!(after, [&before[..2], &before[3..]].concat());
            assert_eq!(classifier.classify(&whole).unwrap(), before[2]);
        }
    }

    #[test]
    fn an_answer_that_comes_early_is_that_of_the_middle_scales_and_depends_on_nothing_else() {
        let full = model(EarlyStop::Never);
        let early = model(EarlyStop::Confident(0.6));
        let images = images(&full, 9);
        let len = full.card.preprocessing.view_len();
        let mut classifier = full.classifier();
        let mut expected = Vec::new();
        for image in &images {
            let mut average = Average::new(full.card.scaling());
            let views: Vec<&[f32]> = image.chunks(len).collect();
            let rows = classifier.run(&views).unwrap().rows;
            for view in [1, 2, 0, 3] {
                average.add(&rows[view]);
                if early.card.early_stop.is_enough(&average, 4) {
                    break;
                }
            }
            expected.push(average);
        }
        let needed: usize = expected.iter().map(Average::seen).sum();
        let expected: Vec<_> = expected
            .iter()
            .map(|average| Answer {
                probabilities: average.answer().unwrap(),
                set: None,
                novelty: None,
            })
            .collect();

        let mut classifier = early.classifier();
        let (together, runs) = answers(&mut classifier, &images);
        assert_eq!(together, expected);
        assert!(runs * 4 >= needed && runs < images.len(), "{runs} runs");
        let alone = images
            .iter()
            .map(|image| classifier.classify(image).unwrap());
        assert_eq!(alone.collect::<Vec<_>>(), expected);
        // Or there would have been nothing to leave out.
        assert!(needed < 4 * images.len(), "{needed} views");
    }

    #[test]
    fn all_views_are_averaged_unless_it_is_asked_for_less() {
        let model = model(EarlyStop::Never);
        let images = images(&model, 3);
        let (_, runs) = answers(&mut model.classifier(), &images);
        assert_eq!(runs, images.len());
    }
}
