//! Samples of one class: which threshold of its probability gives which purity and completeness.

use galmorph_cutout::{ByClass, Morphology, PurityLevel};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::interval::proportion;

/// The purities that thresholds are sought for.
const WANTED: [f64; 11] = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995];

/// The points of a curve at most. A drawing shows no more.
const POINTS: usize = 200;

/// Purity and completeness of the samples of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PurityCurve {
    /// The class's short name.
    pub(crate) class: String,
    /// For each wanted purity that is reached, the threshold that was fitted to all galaxies, and what such
    /// thresholds come to on galaxies that they were not fitted to.
    pub(crate) levels: Vec<PurityLevel>,
    /// Threshold, purity and completeness by rising threshold, on all galaxies.
    pub(crate) points: Vec<[f64; 3]>,
}

/// The levels of all classes. `groups` has the group of each galaxy; each group is measured at the
/// thresholds that were fitted to all others.
pub(crate) fn purity(predictions: &[Prediction], groups: &[u8]) -> ByClass<Vec<PurityLevel>> {
    ByClass::from_fn(|class| levels(predictions, groups, class))
}

/// Levels and curves of all classes.
pub(crate) fn purity_curves(predictions: &[Prediction], groups: &[u8]) -> Vec<PurityCurve> {
    let curve = |class: Morphology| PurityCurve {
        class: class.name().to_owned(),
        levels: levels(predictions, groups, class),
        points: points(predictions, class),
    };
    Morphology::ALL.map(curve).to_vec()
}

fn levels(predictions: &[Prediction], groups: &[u8], class: Morphology) -> Vec<PurityLevel> {
    let mut distinct = groups.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 2 {
        return Vec::new();
    }
    let of_class = predictions.iter().filter(|p| p.truth == class).count() as u64;
    let mut counts = [(0_u64, 0_u64); WANTED.len()];
    for group in distinct {
        let grouped = || predictions.iter().zip(groups);
        let others = grouped().filter(|(_, g)| **g != group).map(|(p, _)| p);
        let fitted = fit(others, class);
        for ((right, selected), threshold) in counts.iter_mut().zip(fitted) {
            let Some(threshold) = threshold else { continue };
            for (prediction, _) in grouped().filter(|(_, g)| **g == group) {
                if probability(prediction, class).is_some_and(|p| p >= threshold) {
                    *selected += 1;
                    *right += u64::from(prediction.truth == class);
                }
            }
        }
    }
    let level = |((wanted, threshold), (right, selected)): ((f64, Option<f64>), (u64, u64))| {
        let level = PurityLevel {
            wanted,
            threshold: threshold?,
            purity: proportion(right, selected)?,
            completeness: proportion(right, of_class)?,
        };
        // Where other galaxies contradict the threshold, there is none.
        (level.purity.high >= wanted).then_some(level)
    };
    let fitted = WANTED.into_iter().zip(fit(predictions, class));
    fitted.zip(counts).filter_map(level).collect()
}

/// The lowest threshold at which a sample of these galaxies has each of the wanted purities; `None` where
/// none has. A sample in which less than one galaxy may be wrong says nothing: it is no sample of 100 that
/// shows a purity of 0.995.
fn fit<'a>(
    predictions: impl IntoIterator<Item = &'a Prediction>,
    class: Morphology,
) -> [Option<f64>; WANTED.len()] {
    let mut found = [None; WANTED.len()];
    for [threshold, right, selected] in samples(predictions, class) {
        for (found, wanted) in found.iter_mut().zip(WANTED) {
            // With a margin, because 1 - 0.9 is a little less than a tenth.
            let may_be_wrong = (1.0 - wanted) * selected + 1e-9;
            if may_be_wrong >= 1.0 && selected - right <= may_be_wrong {
                // Fewer digits for the card. Downwards, so that the galaxy stays in the sample.
                *found = Some((threshold * 1e6).floor() / 1e6);
            }
        }
    }
    found
}

/// The lowest threshold at which a sample of these galaxies has one of the wanted purities.
#[cfg(test)]
pub(super) fn lowest_threshold(
    predictions: &[Prediction],
    class: Morphology,
    wanted: f64,
) -> Option<f64> {
    let place = WANTED.iter().position(|w| *w == wanted);
    fit(predictions, class)[place.unwrap()]
}

/// For each threshold that makes a difference, by falling threshold: the threshold, how many galaxies of
/// the class reach it, and how many of all.
fn samples<'a>(
    predictions: impl IntoIterator<Item = &'a Prediction>,
    class: Morphology,
) -> Vec<[f64; 3]> {
    let mut scored: Vec<(f64, bool)> = (predictions.into_iter())
        .filter_map(|p| Some((probability(p, class)?, p.truth == class)))
        .collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut selected) = (0.0, 0.0);
    let mut samples = Vec::new();
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        selected += tied.len() as f64;
        right += tied.iter().filter(|(_, is_right)| *is_right).count() as f64;
        samples.push([tied[0].0, right, selected]);
    }
    samples
}

fn points(predictions: &[Prediction], class: Morphology) -> Vec<[f64; 3]> {
    let of_class = predictions.iter().filter(|p| p.truth == class).count();
    if of_class == 0 {
        return Vec::new();
    }
    let samples = samples(predictions, class);
    let mut points: Vec<[f64; 3]> = (samples.iter())
        .map(|[threshold, right, selected]| [*threshold, right / selected, right / of_class as f64])
        .collect();
    points.reverse();
    // Evenly along the completeness, which is one axis of the drawing.
    let mut kept: Vec<[f64; 3]> = Vec::new();
    for point in points {
        let far = |last: &[f64; 3]| (last[2] - point[2]).abs() >= 1.0 / POINTS as f64;
        if kept.last().is_none_or(far) {
            kept.push(point);
        }
    }
    kept
}

/// The predicted probability of a class; `None` without an answer, which is in no sample.
fn probability(prediction: &Prediction, class: Morphology) -> Option<f64> {
    let answer = prediction.answer?;
    Some(f64::from(answer.values()[class.id()]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Cigar, EdgeOn};

    /// A galaxy that is a cigar with this probability.
    fn galaxy(truth: Morphology, probability: f32) -> Prediction {
        prediction(truth, [0.0, 0.0, probability, 1.0 - probability, 0.0])
    }

    #[test]
    fn a_threshold_is_the_lowest_with_the_purity() {
        let rows = [
            (Cigar, 0.9),
            (Cigar, 0.8),
            (EdgeOn, 0.7),
            (Cigar, 0.6),
            (Cigar, 0.5),
            (EdgeOn, 0.4),
            (EdgeOn, 0.3),
        ];
        let hundred = |(truth, p)| vec![galaxy(truth, p); 100];
        let galaxies: Vec<Prediction> = rows.into_iter().flat_map(hundred).collect();
        let found = fit(&galaxies, Cigar);
        let at = |wanted| {
            let place = WANTED.iter().position(|w| *w == wanted).unwrap();
            found[place].unwrap()
        };
        // 4 of 5 at 0.5, 4 of 7 at 0.3. And ties: what reaches 0.8 is all that does.
        assert!((at(0.8) - 0.5).abs() < 1e-6);
        assert!((at(0.5) - 0.3).abs() < 1e-6);
        assert!((at(0.995) - 0.8).abs() < 1e-6);
        let tied = [galaxy(Cigar, 0.9), galaxy(EdgeOn, 0.9)];
        assert_eq!(fit(&tied, Cigar)[0], Some(0.899_999));
        assert_eq!(fit(&tied, Cigar)[1], None);
        // Of 19 galaxies not one may be wrong, so they can't show a purity of 0.95.
        let place = WANTED.iter().position(|wanted| *wanted == 0.95).unwrap();
        assert_eq!(fit(&vec![galaxy(Cigar, 0.9); 19], Cigar)[place], None);
        assert!(fit(&vec![galaxy(Cigar, 0.9); 20], Cigar)[place].is_some());
    }

    #[test]
    fn purity_is_measured_on_other_galaxies_than_the_threshold_was_chosen_by() {
        // In the first group all above 0.5 are cigars, in the second half of them are.
        let mut galaxies = vec![galaxy(Cigar, 0.75); 20];
        galaxies.extend(
            [
                vec![galaxy(Cigar, 0.75); 10],
                vec![galaxy(EdgeOn, 0.75); 10],
            ]
            .concat(),
        );
        galaxies.push(prediction(Cigar, [f32::NAN; 5]));
        let groups: Vec<u8> = (0..41).map(|n| u8::from(n >= 20)).collect();
        let levels = levels(&galaxies, &groups, Cigar);
        // 30 of 40 are cigars; beyond that the second group has no threshold and selects nothing.
        let last = levels.last().unwrap();
        assert_eq!((last.wanted, last.threshold), (0.7, 0.75));
        assert_eq!(last.purity.value, 0.5);
        // Only the second group is measured: 10 of all 31 cigars, one of them without an answer.
        assert!((last.completeness.value - 10.0 / 31.0).abs() < 1e-12);
        let first = &levels[0];
        assert_eq!((first.wanted, first.purity.value), (0.5, 0.75));
    }

    #[test]
    fn a_curve_ends_with_all_galaxies() {
        let galaxies = [
            galaxy(Cigar, 0.75),
            galaxy(EdgeOn, 0.5),
            galaxy(Cigar, 0.25),
        ];
        let points = points(&galaxies, Cigar);
        assert_eq!(points, [[0.25, 2.0 / 3.0, 1.0], [0.5, 0.5, 0.5]]);
        assert!(super::points(&galaxies, Morphology::Spiral).is_empty());
    }
}
