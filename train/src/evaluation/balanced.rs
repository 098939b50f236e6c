//! The decision by equal recall: the class that is most probable where all classes are equally common.

use galmorph_cutout::{ByClass, Estimate, Morphology};
use serde::{Deserialize, Serialize};

use crate::metrics::{Confusion, Prediction};

/// What the decision by equal recall comes to. The label of the other decision is the most probable class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Balanced {
    /// The fraction that is right.
    pub(crate) accuracy: Option<Estimate>,
    /// The mean recall of the classes, with the most probable class as label.
    pub(crate) mean_recall_of_label: f64,
    /// The same with this decision.
    pub(crate) mean_recall: f64,
    /// The recall of each class.
    pub(crate) recall: ByClass<Option<Estimate>>,
    /// The precision of each class.
    pub(crate) precision: ByClass<Option<Estimate>>,
}

impl Balanced {
    /// Measures the decision. Where the classes are rare is taken from these predictions' own truths: they
    /// are a part of the sample that the network was trained on. `None` if a class does not occur, since
    /// nothing is known of how rare it is.
    pub(crate) fn of(predictions: &[Prediction]) -> Option<Self> {
        let images = Confusion::of(predictions);
        let counts = Morphology::ALL.map(|class| images.of_class(class));
        if counts.contains(&0) {
            return None;
        }
        let prior = ByClass(counts.map(|count| count as f64 / predictions.len() as f64));
        let mut balanced = Confusion::default();
        for prediction in predictions {
            let label = prediction
                .answer
                .map(|answer| answer.label_balanced(&prior));
            balanced.add(prediction.truth, label, 1);
        }
        let mean = |confusion: &Confusion| {
            let recall = Morphology::ALL.map(|class| confusion.recall(class));
            let values = recall.into_iter().flatten().map(|recall| recall.value);
            values.sum::<f64>() / Morphology::COUNT as f64
        };
        Some(Self {
            accuracy: balanced.accuracy(),
            mean_recall_of_label: mean(&images),
            mean_recall: mean(&balanced),
            recall: ByClass::from_fn(|class| balanced.recall(class)),
            precision: ByClass::from_fn(|class| balanced.precision(class)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{Cigar, EdgeOn};
    use galmorph_cutout::Probabilities;

    #[test]
    fn a_rare_class_is_found_at_the_cost_of_a_common_one() {
        let galaxy = |truth, cigar: f32| Prediction {
            truth,
            answer: Some(Probabilities::from_values([
                0.0,
                0.0,
                cigar,
                1.0 - cigar,
                0.0,
            ])),
        };
        let mut all: Vec<Prediction> = (Morphology::ALL.into_iter())
            .filter(|class| ![Cigar, EdgeOn].contains(class))
            .map(|class| {
                let mut row = [0.0; Morphology::COUNT];
                row[class.id()] = 1.0;
                Prediction {
                    truth: class,
                    answer: Some(Probabilities::from_values(row)),
                }
            })
            .collect();
        assert_eq!(Balanced::of(&all), None);
        // Of those that are a cigar with 0.25, a quarter are; there are nine edge-on galaxies to one cigar.
        all.extend(vec![galaxy(Cigar, 0.25); 10]);
        all.extend(vec![galaxy(EdgeOn, 0.25); 30]);
        all.extend(vec![galaxy(EdgeOn, 0.0); 60]);
        let found = Balanced::of(&all).unwrap();
        assert_eq!(found.recall[Cigar].unwrap().value, 1.0);
        assert_eq!(found.recall[EdgeOn].unwrap().value, 60.0 / 90.0);
        assert_eq!(found.precision[Cigar].unwrap().value, 0.25);
        assert_eq!(found.mean_recall_of_label, 0.8);
        assert!((found.mean_recall - (4.0 + 2.0 / 3.0) / 5.0).abs() < 1e-12);
    }
}
