//! Purity, completeness and agreement, with their intervals.

use std::collections::BTreeMap;

use galmorph_catalog::Judgement;
use galmorph_cutout::{Estimate, Morphology};

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A fraction with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fraction {
    /// How many of them.
    pub(crate) hits: u64,
    /// Of how many.
    pub(crate) of: u64,
    /// The fraction, and Wilson's score interval (Wilson 1927, JASA 22, 209). It stays within 0 to 1, and says something
    /// for a handful of galaxies and for fractions of 0 and 1, too.
    pub(crate) estimate: Estimate,
}

impl Fraction {
    /// `None` of nothing.
    pub(crate) fn new(hits: u64, of: u64) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let (n, p) = (of as f64, hits as f64 / of as f64);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Some(Self {
            hits,
            of,
            estimate: Estimate {
                value: p,
                // At the ends rounding would leave a hair.
                low: if hits == 0 {
                    0.0
                } else {
                    (middle - half) / scale
                },
                high: if hits == of {
                    1.0
                } else {
                    (middle + half) / scale
                },
            },
        })
    }
}

/// How far the labels of a class can be trusted, by a random sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OfClass {
    pub(crate) class: Morphology,
    /// Of the galaxies with this label, those that are of the class.
    pub(crate) purity: Option<Fraction>,
    /// Of the galaxies of the class, those with this label.
    pub(crate) completeness: Option<Fraction>,
}

/// Purity and completeness of each class, from the labels and a person's words on a random sample. A galaxy that is of
/// none of the classes spoils the purity of its label and belongs to no class.
pub(crate) fn by_class(sample: &[(Morphology, Judgement)]) -> [OfClass; Morphology::COUNT] {
    let count = |is_it: &dyn Fn(&(Morphology, Judgement)) -> bool| {
        sample.iter().filter(|galaxy| is_it(galaxy)).count() as u64
    };
    Morphology::ALL.map(|class| {
        let labelled = count(&|(label, _)| *label == class);
        let is_of = count(&|(_, word)| word.class() == Some(class));
        let both = count(&|(label, word)| *label == class && word.class() == Some(class));
        OfClass {
            class,
            purity: Fraction::new(both, labelled),
            completeness: Fraction::new(both, is_of),
        }
    })
}

/// How many galaxies two reviewers have both judged, and how many of them alike.
pub(crate) fn agreed(counts: &BTreeMap<(Judgement, Judgement), u64>) -> Option<Fraction> {
    let alike = counts.iter().filter(|((one, other), _)| one == other);
    Fraction::new(alike.map(|(_, count)| count).sum(), counts.values().sum())
}

/// Cohen's kappa (1960): the agreement beyond what chance alone would give; 1 where they always agree. `None` where chance
/// alone gives agreement, since each of them said one and the same thing.
pub(crate) fn kappa(counts: &BTreeMap<(Judgement, Judgement), u64>) -> Option<f64> {
    let total: u64 = counts.values().sum();
    let agreed = agreed(counts)?.estimate.value;
    let mut sides: [BTreeMap<Judgement, f64>; 2] = Default::default();
    for ((one, other), count) in counts {
        *sides[0].entry(*one).or_default() += *count as f64;
        *sides[1].entry(*other).or_default() += *count as f64;
    }
    let share = |side: usize, word: &Judgement| sides[side].get(word).copied().unwrap_or(0.0);
    let words = sides[0].keys();
    let chance: f64 = words.map(|word| share(0, word) * share(1, word)).sum();
    let chance = chance / (total as f64).powi(2);
    (chance < 1.0).then(|| (agreed - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Judgement::{Class, NoneOfThese};
    use Morphology::{Cigar, EdgeOn, Round, Spiral};

    const SCIPY: [(u64, u64, f64, f64); 9] = [
        (0, 1, 0.0, 0.793_450_685_622_762_6),
        (1, 1, 0.206_549_314_377_237_45, 1.0),
        (0, 10, 0.0, 0.277_532_799_862_889_26),
        (10, 10, 0.722_467_200_137_110_9, 1.0),
        (3, 7, 0.158_219_855_251_469_7, 0.749_541_635_472_342_8),
        (17, 20, 0.639_581_135_259_243_1, 0.947_631_254_103_783_5),
        (98, 100, 0.929_988_209_271_456_1, 0.994_498_032_449_837_7),
        (500, 1000, 0.469_069_600_368_104_2, 0.530_930_399_631_895_8),
        (
            1,
            100_000,
            1.765_247_730_378_316e-06,
            5.664_709_659_040_965e-05,
        ),
    ];
    const SKLEARN: f64 = 0.392_022_008_253_094_86;

    /// The numbers are those of `scipy.stats.binomtest(hits, of).proportion_ci(method="wilson")`, scipy 1.17.1.
    #[test]
    fn intervals_are_scipys() {
        for (hits, of, low, high) in SCIPY {
            let estimate = Fraction::new(hits, of).unwrap().estimate;
            assert!(
                (estimate.low - low).abs() < 1e-12,
                "{hits}/{of} {estimate:?}"
            );
            assert!(
                (estimate.high - high).abs() < 1e-12,
                "{hits}/{of} {estimate:?}"
            );
        }
        assert_eq!(Fraction::new(0, 0), None);
    }

    /// `sklearn.metrics.cohen_kappa_score` of the same words, scikit-learn 1.9.1.
    #[test]
    fn kappa_is_scikit_learns() {
        let counts = BTreeMap::from([
            ((Class(Spiral), Class(Spiral)), 20),
            ((Class(Spiral), Class(EdgeOn)), 5),
            ((Class(EdgeOn), Class(Spiral)), 10),
            ((Class(EdgeOn), Class(EdgeOn)), 15),
            ((NoneOfThese, Class(Round)), 2),
        ]);
        assert!(
            (kappa(&counts).unwrap() - SKLEARN).abs() < 1e-12,
            "{:?}",
            kappa(&counts)
        );
        assert_eq!(
            agreed(&counts).map(|found| (found.hits, found.of)),
            Some((35, 52))
        );
        let one_word = BTreeMap::from([((Class(Round), Class(Round)), 9)]);
        assert_eq!(kappa(&one_word), None);
        assert_eq!(kappa(&BTreeMap::new()), None);
    }

    #[test]
    fn a_galaxy_of_no_class_spoils_the_purity_and_is_missed_by_nobody() {
        let sample = [
            (Spiral, Class(Spiral)),
            (Spiral, Class(EdgeOn)),
            (Spiral, NoneOfThese),
            (EdgeOn, Class(Spiral)),
        ];
        let found = by_class(&sample);
        let of = |fraction: Option<Fraction>| fraction.map(|found| (found.hits, found.of));
        let spiral = found[Spiral.id()];
        assert_eq!(
            (of(spiral.purity), of(spiral.completeness)),
            (Some((1, 3)), Some((1, 2)))
        );
        let edge_on = found[EdgeOn.id()];
        assert_eq!(
            (of(edge_on.purity), of(edge_on.completeness)),
            (Some((0, 1)), Some((0, 1)))
        );
        assert_eq!(
            (
                of(found[Cigar.id()].purity),
                of(found[Cigar.id()].completeness)
            ),
            (None, None)
        );
    }
}
