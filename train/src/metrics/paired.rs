//! Two models on the same images.
//!
//! On some thousand galaxies two models that differ by half a point have intervals that overlap, and one
//! may still be surely better: both fail on the same hard galaxies, and only those count on which they
//! differ. So models are compared image by image: McNemar's test, and the bootstrap of the difference.

use galmorph_cutout::{Estimate, Morphology};

use super::interval::{Bootstrap, measured};

/// An image's class and the labels that two models gave it; `None` where a model has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The class of the image's label.
    pub(crate) truth: Morphology,
    /// The label of the model that is judged.
    pub(crate) label: Option<Morphology>,
    /// The label of the model that it is compared with.
    pub(crate) other: Option<Morphology>,
}

/// How two models differ on some images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The number of images.
    pub(crate) images: u64,
    /// The fraction that the model gets right.
    pub(crate) here: f64,
    /// The fraction that the other model gets right.
    pub(crate) there: f64,
    /// The former minus the latter, with the percentile bootstrap's interval: images are drawn again,
    /// each with the labels of both models.
    pub(crate) advantage: Estimate,
    /// Images that only the model gets right.
    pub(crate) only_here: u64,
    /// Images that only the other model gets right.
    pub(crate) only_there: u64,
    /// The probability that equally good models differ as much as this or more (McNemar 1947, exact and
    /// two-sided).
    pub(crate) p_value: f64,
}

/// The comparison of two models on the same images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    /// On all images.
    pub(crate) all: Difference,
    /// The difference of the mean recall over the classes that occur, with the bootstrap's interval.
    pub(crate) mean_recall: Estimate,
    /// On the images of each class, in the order of their ids; `None` for a class that does not occur.
    pub(crate) per_class: Vec<Option<Difference>>,
}

/// Compares two models; `None` without images.
pub(crate) fn compare(pairs: &[Pair]) -> Option<Comparison> {
    // Statistic 0 is of all images, 1 to 5 of the classes, 6 the mean over the classes.
    let bootstrap = Bootstrap::new(pairs.len(), |times| {
        let mut counts = Counts::default();
        for (pair, times) in pairs.iter().zip(times) {
            counts.add(*pair, u64::from(*times));
        }
        counts.statistics()
    });
    let mut counts = Counts::default();
    for pair in pairs {
        counts.add(*pair, 1);
    }
    let statistics = counts.statistics();
    let estimate = |number: usize| measured(statistics[number], bootstrap.percentile(number));
    let difference = |of: Count, number: usize| {
        Some(Difference {
            images: of.images,
            here: of.here as f64 / of.images as f64,
            there: of.there as f64 / of.images as f64,
            advantage: estimate(number)?,
            only_here: of.here - of.both,
            only_there: of.there - of.both,
            p_value: mcnemar(of.here - of.both, of.there - of.both),
        })
    };
    let classes = counts.of_class.into_iter().zip(1..);
    Some(Comparison {
        all: difference(counts.all(), 0)?,
        mean_recall: estimate(1 + Morphology::COUNT)?,
        per_class: classes.map(|(of, number)| difference(of, number)).collect(),
    })
}

/// What two models get right of some images.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    images: u64,
    here: u64,
    there: u64,
    both: u64,
}

impl Count {
    /// The difference of the two fractions; `None` without images.
    fn difference(self) -> Option<f64> {
        let difference = self.here as f64 - self.there as f64;
        (self.images > 0).then(|| difference / self.images as f64)
    }
}

#[derive(Default)]
struct Counts {
    of_class: [Count; Morphology::COUNT],
}

impl Counts {
    fn add(&mut self, pair: Pair, times: u64) {
        let here = pair.label == Some(pair.truth);
        let there = pair.other == Some(pair.truth);
        let of = &mut self.of_class[pair.truth.id()];
        of.images += times;
        of.here += times * u64::from(here);
        of.there += times * u64::from(there);
        of.both += times * u64::from(here && there);
    }

    fn all(&self) -> Count {
        let sum = |value: fn(&Count) -> u64| self.of_class.iter().map(value).sum();
        Count {
            images: sum(|of| of.images),
            here: sum(|of| of.here),
            there: sum(|of| of.there),
            both: sum(|of| of.both),
        }
    }

    fn statistics(&self) -> Vec<Option<f64>> {
        let of_class = self.of_class.map(Count::difference);
        let defined: Vec<f64> = of_class.iter().copied().flatten().collect();
        let mean = defined.iter().sum::<f64>() / defined.len() as f64;
        let mut all = vec![self.all().difference()];
        all.extend(of_class);
        all.push((!defined.is_empty()).then_some(mean));
        all
    }
}

/// The exact two-sided p-value of McNemar's test: of a fair coin, the probability to fall as unevenly as
/// `a` against `b`, or more so.
fn mcnemar(a: u64, b: u64) -> f64 {
    let (fewer, all) = (a.min(b), a + b);
    // The logarithm of the probability of exactly `k` of `all`, from one k to the next.
    let mut log = -(all as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=fewer {
        tail += log.exp();
        log += ((all - k) as f64 / (k + 1) as f64).ln();
    }
    // Twice the tail counts the middle twice where both are equal.
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{Cigar, Round, Spiral};

    fn pairs(of: &[(Morphology, bool, bool, usize)]) -> Vec<Pair> {
        let label = |truth: Morphology, right: bool| {
            let wrong = if truth == Round { Spiral } else { Round };
            Some(if right { truth } else { wrong })
        };
        of.iter()
            .flat_map(|(truth, here, there, times)| {
                let pair = Pair {
                    truth: *truth,
                    label: label(*truth, *here),
                    other: label(*truth, *there),
                };
                std::iter::repeat_n(pair, *times)
            })
            .collect()
    }

    #[test]
    fn mcnemar_is_the_sign_test() {
        // Of ten throws: 2 (1 + 10 + 45) / 1024.
        assert!((mcnemar(2, 8) - 0.109_375).abs() < 1e-12);
        assert!((mcnemar(8, 2) - 0.109_375).abs() < 1e-12);
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(5, 5), 1.0);
        assert!((mcnemar(0, 1) - 1.0).abs() < 1e-12);
        // Too many for the powers of two.
        let p = mcnemar(2400, 2600);
        assert!((0.004..0.006).contains(&p), "{p}");
    }

    #[test]
    fn only_images_on_which_the_models_differ_decide() {
        let pairs = pairs(&[
            (Round, true, true, 900),
            (Round, true, false, 30),
            (Spiral, false, true, 10),
            (Spiral, false, false, 60),
        ]);
        let found = compare(&pairs).unwrap();
        assert_eq!(
            (found.all.images, found.all.only_here, found.all.only_there),
            (1000, 30, 10)
        );
        assert!((found.all.here - 0.93).abs() < 1e-12 && (found.all.there - 0.91).abs() < 1e-12);
        let Estimate { value, low, high } = found.all.advantage;
        assert!((value - 0.02).abs() < 1e-12);
        // 1.96 standard errors of the sum of +1 and -1: sqrt(40 - 400 / 1000) / 1000.
        assert!(
            (low - 0.0077).abs() < 0.002 && (high - 0.0323).abs() < 0.002,
            "{low} {high}"
        );
        assert!(found.all.p_value < 0.003);

        let spiral = found.per_class[Spiral.id()].as_ref().unwrap();
        assert_eq!((spiral.images, spiral.only_there), (70, 10));
        assert!((spiral.advantage.value + 1.0 / 7.0).abs() < 1e-12);
        assert_eq!(found.per_class[Cigar.id()], None);
        let mean = (30.0 / 930.0 - 10.0 / 70.0) / 2.0;
        assert!((found.mean_recall.value - mean).abs() < 1e-12);
    }

    #[test]
    fn no_answer_is_never_right_and_no_image_is_no_comparison() {
        let silent = Pair {
            truth: Round,
            label: None,
            other: Some(Round),
        };
        assert_eq!(compare(&[silent]).unwrap().all.only_there, 1);
        assert_eq!(compare(&[]), None);
    }
}
