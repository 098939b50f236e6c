//! Conformal prediction: sets of classes that have the true one as often as was asked.
//!
//! The score of a class is its probability, and the most probable class is in every set. So no set is
//! empty, and where the labels alone are right often enough, each set is the label alone. A coverage below
//! the accuracy can't be had: the labels are right too often.

use galmorph_cutout::{
    ByClass, Conformal, Coverage, Estimate, Guarantee, Morphology, PredictionSet,
};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::interval::proportion;

/// The coverages that thresholds are fitted for.
const COVERAGES: [f64; 5] = [0.9, 0.95, 0.98, 0.99, 0.995];

/// The coverage that was asked, and what sets reach on galaxies that their thresholds were not fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoverageReport {
    /// The coverage that was asked.
    pub(crate) asked: f64,
    /// With one threshold for all classes.
    pub(crate) overall: Sets,
    /// With a threshold for each class.
    pub(crate) by_class: Sets,
}

/// How some sets do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sets {
    /// All galaxies.
    pub(crate) all: Reached,
    /// The galaxies of each class; `None` for a class that does not occur.
    pub(crate) of_class: ByClass<Option<Reached>>,
}

/// How the sets of some galaxies do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reached {
    /// The number of galaxies.
    pub(crate) images: u64,
    /// The fraction whose set has the true class, with Wilson's interval.
    pub(crate) covered: Estimate,
    /// The mean number of classes in a set.
    pub(crate) size: f64,
    /// The fraction whose set is a single class.
    pub(crate) single: f64,
}

/// Fits the thresholds to galaxies that the network was not trained on.
pub(crate) fn fit_conformal<'a>(
    predictions: impl IntoIterator<Item = &'a Prediction>,
) -> Conformal {
    let mut scores = ByClass([const { Vec::new() }; Morphology::COUNT]);
    for prediction in predictions {
        scores[prediction.truth].push(score(prediction));
    }
    let mut all: Vec<f64> = scores.0.iter().flatten().copied().collect();
    for scores in scores.0.iter_mut().chain([&mut all]) {
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
    }
    let level = |coverage: f64| Coverage {
        coverage,
        overall: threshold(&all, coverage),
        by_class: ByClass::from_fn(|class| threshold(&scores[class], coverage)),
    };
    Conformal {
        galaxies: ByClass::from_fn(|class| scores[class].len() as u64),
        levels: COVERAGES.map(level).to_vec(),
    }
}

/// What the threshold may be at most so that the true class is in the set. Without an answer no threshold
/// helps.
fn score(prediction: &Prediction) -> f64 {
    match prediction.answer {
        Some(_) if prediction.is_right() => f64::INFINITY,
        Some(_) => f64::from(prediction.probability(prediction.truth)),
        None => f64::NEG_INFINITY,
    }
}

/// The threshold that the true class of a further galaxy reaches with a probability of `coverage` (Vovk et
/// al. 2005; Angelopoulos & Bates 2023, equation 1.2): of n scores in falling order, that with the number
/// ⌈(n + 1) coverage⌉. There is none if that is more than n; then it is 0, which every class reaches.
fn threshold(falling: &[f64], coverage: f64) -> f64 {
    // Without the margin, 0.95 of 20 is 20 in decimal numbers and a little more in binary ones.
    let number = ((falling.len() + 1) as f64 * coverage - 1e-9).ceil() as usize;
    let score = falling.get(number - 1).copied().unwrap_or(0.0);
    // Fewer digits for the card. Downwards, so that the galaxy whose score it is stays covered.
    (score.clamp(0.0, 1.0) * 1e9).floor() / 1e9
}

/// Fits thresholds and measures the sets, each group of galaxies with thresholds that were fitted to all
/// other groups. `groups` has the group of each galaxy. Empty if there is only one group.
pub(crate) fn coverage(predictions: &[Prediction], groups: &[u8]) -> Vec<CoverageReport> {
    let mut distinct = groups.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 2 {
        return Vec::new();
    }
    let mut counts = COVERAGES.map(|_| [Counts::default(), Counts::default()]);
    for group in distinct {
        let grouped = || predictions.iter().zip(groups);
        let fitted = fit_conformal(grouped().filter(|(_, g)| **g != group).map(|(p, _)| p));
        for (asked, counts) in COVERAGES.iter().zip(&mut counts) {
            let kinds = [Guarantee::Overall, Guarantee::ByClass];
            for (guarantee, counts) in kinds.into_iter().zip(counts) {
                let least = fitted.thresholds(*asked, guarantee);
                let least = least.expect("thresholds are fitted for all of COVERAGES");
                for (prediction, _) in grouped().filter(|(_, g)| **g == group) {
                    counts.add(prediction, &least);
                }
            }
        }
    }
    let report = |(asked, [overall, by_class]): (&f64, [Counts; 2])| {
        Some(CoverageReport {
            asked: *asked,
            overall: overall.sets()?,
            by_class: by_class.sets()?,
        })
    };
    COVERAGES.iter().zip(counts).filter_map(report).collect()
}

/// Sums over the galaxies of each class.
#[derive(Debug, Clone, Copy, Default)]
struct Counts([Count; Morphology::COUNT]);

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    images: u64,
    covered: u64,
    classes: u64,
    single: u64,
}

impl Counts {
    fn add(&mut self, prediction: &Prediction, least: &ByClass<f64>) {
        let count = &mut self.0[prediction.truth.id()];
        count.images += 1;
        let Some(answer) = &prediction.answer else {
            return;
        };
        let set = PredictionSet::new(answer, least);
        let size = set.classes().len();
        count.covered += u64::from(set.contains(prediction.truth));
        count.classes += size as u64;
        count.single += u64::from(size == 1);
    }

    fn sets(&self) -> Option<Sets> {
        let all = self.0.iter().fold(Count::default(), |all, one| Count {
            images: all.images + one.images,
            covered: all.covered + one.covered,
            classes: all.classes + one.classes,
            single: all.single + one.single,
        });
        Some(Sets {
            all: all.reached()?,
            of_class: ByClass(self.0.map(|count| count.reached())),
        })
    }
}

impl Count {
    fn reached(&self) -> Option<Reached> {
        let images = self.images as f64;
        Some(Reached {
            images: self.images,
            covered: proportion(self.covered, self.images)?,
            size: self.classes as f64 / images,
            single: self.single as f64 / images,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Cigar, Round, Spiral};

    /// Galaxies of a class that is given these probabilities; a spiral is what it is mistaken for.
    fn of(truth: Morphology, probabilities: &[f32]) -> Vec<Prediction> {
        let answer = |p: &f32| {
            let mut row = [0.0; Morphology::COUNT];
            row[truth.id()] = *p;
            row[Spiral.id()] = 1.0 - p;
            prediction(truth, row)
        };
        probabilities.iter().map(answer).collect()
    }

    #[test]
    fn a_threshold_is_the_score_of_the_galaxy_that_completes_the_coverage() {
        // 0.01 to 0.49: all are taken for spirals.
        let wrong: Vec<f32> = (1..50).map(|n| n as f32 / 100.0).collect();
        let fitted = fit_conformal(&of(Round, &wrong));
        assert_eq!(fitted.galaxies[Round], 49);
        let at = |coverage| {
            let least = fitted.thresholds(coverage, Guarantee::ByClass).unwrap();
            least[Round]
        };
        // ⌈50 x 0.9⌉ = 45: the fifth from below.
        assert!((at(0.9) - 0.05).abs() < 1e-8);
        // ⌈50 x 0.98⌉ = 49: the least of all. And there is no fiftieth.
        assert!((at(0.98) - 0.01).abs() < 1e-8);
        assert_eq!([at(0.99), at(0.995)], [0.0, 0.0]);
        let least = fitted.thresholds(0.9, Guarantee::Overall).unwrap();
        assert_eq!(least, ByClass([at(0.9); Morphology::COUNT]));
        // Of a class without a galaxy nothing is known, so that it is in every set.
        let least = fitted.thresholds(0.9, Guarantee::ByClass).unwrap();
        assert_eq!(least[Cigar], 0.0);
    }

    #[test]
    fn where_labels_are_right_often_enough_a_set_is_the_label() {
        let mut galaxies = of(Round, &[0.9; 98]);
        galaxies.extend(of(Round, &[0.25; 2]));
        let fitted = fit_conformal(&galaxies);
        let overall = |coverage| fitted.thresholds(coverage, Guarantee::Overall).unwrap().0[0];
        assert_eq!([overall(0.9), overall(0.95)], [1.0, 1.0]);
        assert_eq!(overall(0.98), 0.25);
    }

    #[test]
    fn what_gets_no_answer_is_never_covered() {
        let mut galaxies = of(Round, &[0.9; 90]);
        galaxies.extend(vec![prediction(Round, [f32::NAN; 5]); 10]);
        let fitted = fit_conformal(&galaxies);
        assert_eq!(fitted.levels[1].overall, 0.0);
        let groups: Vec<u8> = (0..100).map(|n| n % 2).collect();
        let found = coverage(&galaxies, &groups);
        assert_eq!(found[4].overall.all.covered.value, 0.9);
    }

    #[test]
    fn sets_are_measured_on_other_galaxies_than_they_were_fitted_to() {
        // Each group alone would be covered by its own threshold. By that of the other it is not.
        let galaxies = [of(Round, &[0.4; 100]), of(Round, &[0.2; 100])].concat();
        let groups: Vec<u8> = (0..200).map(|n| u8::from(n >= 100)).collect();
        let found = coverage(&galaxies, &groups);
        let Sets { all, of_class } = &found[0].overall;
        assert_eq!((all.images, all.covered.value), (200, 0.5));
        // The covered half has the spiral and the true class.
        assert_eq!((all.size, all.single), (1.5, 0.5));
        assert_eq!(of_class[Round], Some(all.clone()));
        assert_eq!(of_class[Cigar], None);
        assert!(coverage(&galaxies, &[0; 200]).is_empty());
    }
}
