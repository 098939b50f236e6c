//! Features and classes of labelled galaxies, and their folds.

use galmorph_cutout::Morphology;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::layer::{CLASSES, LastLayer, Logits};

/// The fewest labels that anything is learned from.
pub(crate) const LEAST_LABELS: usize = 20;

/// The number of folds.
pub(super) const FOLDS: usize = 5;

/// A class with fewer labels than this counts for less than the others, so that one galaxy alone does not
/// decide.
const FULL_WEIGHT: usize = 10;

/// Labelled galaxies as the network sees them.
#[derive(Debug, Clone)]
pub(crate) struct Examples {
    /// The galaxies' ids.
    pub(crate) ids: Vec<String>,
    /// Their classes.
    pub(crate) classes: Vec<Morphology>,
    /// The number of views of each galaxy.
    pub(crate) views: usize,
    /// The features of each galaxy's views: `[galaxies x views, features]`.
    pub(crate) features: Vec<f64>,
}

impl Examples {
    /// The number of galaxies.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of galaxies of each class, among some of them.
    pub(crate) fn counts(&self, of: &[usize]) -> [usize; CLASSES] {
        let mut counts = [0; CLASSES];
        for galaxy in of {
            counts[self.classes[*galaxy].id()] += 1;
        }
        counts
    }

    /// What each galaxy counts in a mean over some of them, in which each class counts alike. The weights sum
    /// to 1.
    pub(crate) fn weights(&self, of: &[usize]) -> Vec<f64> {
        let counts = self.counts(of).map(|count| count.max(FULL_WEIGHT) as f64);
        let weights = of.iter().map(|g| counts[self.classes[*g].id()].recip());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    /// The fold of each of some galaxies, so that each class is spread evenly. It depends on the ids and the
    /// seed, and not on the order of the galaxies.
    pub(super) fn folds(&self, of: &[usize], seed: u64) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut folds = vec![0; of.len()];
        let mut dealt = 0;
        for class in Morphology::ALL {
            let is_of_class = |place: &usize| self.classes[of[*place]] == class;
            let mut places: Vec<usize> = (0..of.len()).filter(is_of_class).collect();
            places.sort_by(|a, b| self.ids[of[*a]].cmp(&self.ids[of[*b]]));
            places.shuffle(&mut random);
            for place in places {
                folds[place] = dealt % FOLDS;
                dealt += 1;
            }
        }
        folds
    }

    /// The features of a galaxy's views, one after the other.
    pub(crate) fn views_of(&self, galaxy: usize) -> impl Iterator<Item = &[f64]> {
        let features = self.features.len() / (self.len() * self.views);
        let all = self.views * features;
        self.features[galaxy * all..(galaxy + 1) * all].chunks_exact(features)
    }

    /// The logits of a galaxy's views.
    pub(crate) fn logits(&self, galaxy: usize, layer: &LastLayer) -> Vec<Logits> {
        self.views_of(galaxy)
            .map(|view| layer.logits(view))
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::Rng;

    /// Galaxies with three features: `apart` times a corner for each class, and noise.
    pub(in crate::tuning) fn examples(counts: [usize; CLASSES], apart: f64, seed: u64) -> Examples {
        let corners = [
            [1.0, 1.0, 1.0],
            [1.0, -1.0, -1.0],
            [-1.0, 1.0, -1.0],
            [-1.0, -1.0, 1.0],
            [0.0, 0.0, -2.0],
        ];
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut made = Examples {
            ids: Vec::new(),
            classes: Vec::new(),
            views: 2,
            features: Vec::new(),
        };
        for class in Morphology::ALL {
            for number in 0..counts[class.id()] {
                made.ids.push(format!("{class}-{number}"));
                made.classes.push(class);
                let own: [f64; 3] = std::array::from_fn(|_| random.random_range(-1.0..1.0));
                for _ in 0..2 {
                    for (corner, own) in corners[class.id()].iter().zip(own) {
                        let noise: f64 = random.random_range(-0.2..0.2);
                        made.features.push(apart * corner + own + noise);
                    }
                }
            }
        }
        made
    }

    #[test]
    fn folds_hold_each_class_evenly_and_do_not_depend_on_the_order() {
        let examples = examples([50, 20, 3, 0, 12], 1.0, 1);
        let forwards: Vec<usize> = (0..examples.len()).collect();
        let folds = examples.folds(&forwards, 7);
        for class in Morphology::ALL {
            let all = forwards.iter().zip(&folds);
            let own: Vec<usize> = all
                .filter(|(g, _)| examples.classes[**g] == class)
                .map(|(_, fold)| *fold)
                .collect();
            let of = |fold| own.iter().filter(|f| **f == fold).count();
            let (least, most) = (own.len() / FOLDS, own.len().div_ceil(FOLDS));
            assert!((0..FOLDS).all(|fold| (least..=most).contains(&of(fold))));
        }
        let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
        let mut turned = examples.folds(&backwards, 7);
        turned.reverse();
        assert_eq!(turned, folds);
        assert_ne!(examples.folds(&forwards, 8), folds);
    }

    #[test]
    fn each_class_counts_alike_but_for_one_with_few_labels() {
        let examples = examples([100, 20, 1, 0, 0], 1.0, 1);
        let all: Vec<usize> = (0..examples.len()).collect();
        let weights = examples.weights(&all);
        let of = |class| -> f64 {
            let all = all.iter().filter(|g| examples.classes[**g] == class);
            all.map(|g| weights[*g]).sum()
        };
        let [round, in_between, cigar] =
            [Morphology::Round, Morphology::InBetween, Morphology::Cigar].map(of);
        assert!((round - in_between).abs() < 1e-12);
        assert!((cigar - round / 10.0).abs() < 1e-12);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
