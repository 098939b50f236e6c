//! A set of classes in place of a single label.

use std::fmt;

use crate::{ByClass, Morphology, Probabilities};

/// The classes that an image may be of, the most probable first; never empty.
///
/// Its text is the classes' short names with `|` between them, such as `spiral|edge_on`.
///
/// ```
/// # use galmorph_cutout::{ByClass, Coverage, Conformal, Guarantee, PredictionSet, Probabilities};
/// # let conformal = Conformal {
/// #     galaxies: ByClass([100; 5]),
/// #     levels: vec![Coverage { coverage: 0.95, overall: 0.2, by_class: ByClass([0.2; 5]) }],
/// # };
/// // Once: `conformal` is a part of the model's card.
/// let least = conformal.thresholds(0.95, Guarantee::ByClass)?;
/// // For each image:
/// # let answer = Probabilities::average([&[0.01, 0.02, 0.02, 0.3, 0.65]], 1.0).unwrap();
/// assert_eq!(PredictionSet::new(&answer, &least).to_string(), "spiral|edge_on");
/// # Ok::<(), galmorph_cutout::UnknownCoverage>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PredictionSet {
    // The classes of the set, then those that are not in it.
    classes: [Morphology; Morphology::COUNT],
    len: usize,
}

impl PredictionSet {
    /// The most probable class, and each other class whose probability is at least its threshold in `least`
    /// (see [`Conformal::thresholds`](crate::Conformal::thresholds)).
    pub fn new(answer: &Probabilities, least: &ByClass<f64>) -> Self {
        let label = answer.label();
        let probability = |class: &Morphology| answer.values()[class.id()];
        let is_in =
            |class: &Morphology| *class == label || f64::from(probability(class)) >= least[*class];
        let mut classes = Morphology::ALL;
        // The sort keeps the order of equals, so the label stays before classes that are as probable.
        classes.sort_by(|a, b| {
            let key = |class| (is_in(class), probability(class));
            let ((a_in, a), (b_in, b)) = (key(a), key(b));
            b_in.cmp(&a_in).then(b.total_cmp(&a))
        });
        let len = Morphology::ALL.iter().filter(|class| is_in(class)).count();
        Self { classes, len }
    }

    /// Its classes, the most probable first.
    pub fn classes(&self) -> &[Morphology] {
        &self.classes[..self.len]
    }

    /// Whether a class is in it.
    pub fn contains(&self, class: Morphology) -> bool {
        self.classes().contains(&class)
    }
}

impl fmt::Display for PredictionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(
            &self
                .classes()
                .iter()
                .map(|class| class.name())
                .collect::<Vec<_>>()
                .join("|"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(row: [f32; 5], least: [f64; 5]) -> String {
        let answer = Probabilities::average([&row], 1.0).unwrap();
        PredictionSet::new(&answer, &ByClass(least)).to_string()
    }

    #[test]
    fn it_has_the_classes_that_reach_their_thresholds_by_falling_probability() {
        let row = [0.125, 0.25, 0.0625, 0.5, 0.0625];
        assert_eq!(set(row, [0.125; 5]), "edge_on|in_between|round");
        let of_its_own = [0.2, 0.3, 0.05, 0.3, 0.1];
        assert_eq!(set(row, of_its_own), "edge_on|cigar");
        assert_eq!(set(row, [0.0; 5]), "edge_on|in_between|round|cigar|spiral");
    }

    #[test]
    fn it_always_has_the_label() {
        assert_eq!(set([0.125, 0.25, 0.0625, 0.5, 0.0625], [1.0; 5]), "edge_on");
        assert_eq!(set([0.25, 0.0, 0.25, 0.25, 0.25], [1.0; 5]), "round");
        // As probable as the label, and in the set: behind it.
        assert_eq!(set([0.5, 0.0, 0.5, 0.0, 0.0], [0.5; 5]), "round|cigar");
    }
}
