//! Accuracy against the number of labels: what more labels would bring.

use galmorph_cutout::{Estimate, Morphology, Probabilities, Scaling};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::Examples;
use super::choice::{choose, chosen};
use super::gain::rows;
use super::layer::{CLASSES, LastLayer, Logits};
use crate::data::in_parallel;
use crate::error::{Error, Result};
use crate::metrics::Bootstrap;

/// The fewest galaxies that anything is measured on.
const LEAST_MEASURED: usize = 10;

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// The model as it is.
    Unchanged,
    /// The model with its last layer adapted.
    Adapted,
    /// A last layer that began from nothing, on the same features.
    FromNothing,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Unchanged, Self::Adapted, Self::FromNothing];
}

/// The curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Curve {
    /// The number of labelled galaxies.
    pub(crate) galaxies: usize,
    /// How many of them each draw measures on.
    pub(crate) measured: usize,
    /// The number of draws.
    pub(crate) draws: usize,
    /// One point for each number of labels and each way.
    pub(crate) points: Vec<Point>,
}

/// What some labels come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Point {
    /// The number of labels.
    pub(crate) labels: usize,
    /// What answers.
    pub(crate) way: Way,
    /// The mean accuracy over the draws, with an interval: galaxies are results again, each with its mean over the
    /// draws.
    pub(crate) accuracy: Estimate,
    /// The standard deviation of the accuracy from draw to draw.
    pub(crate) deviation: f64,
    /// The mean recall over the classes that occur, averaged over the draws.
    pub(crate) mean_recall: f64,
    /// The accuracy minus that of the unchanged model on the same galaxies.
    pub(crate) advantage: Estimate,
}

/// The galaxies that one draw measures on, and whether each is right: by size, then by way.
struct Draw {
    galaxies: Vec<usize>,
    right: Vec<[Vec<bool>; 3]>,
}

/// How many of so many galaxies are left to measure on.
///
/// # Errors
/// When they are too few.
pub(crate) fn measured(galaxies: usize, sizes: &[usize]) -> Result<usize> {
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let measured = galaxies.saturating_sub(largest);
    if measured < LEAST_MEASURED {
        return Err(Error::Input(format!(
            "{galaxies} galaxies with labels leave {measured} to measure on beside {largest} to adapt to; at least \
             {LEAST_MEASURED} are needed (smaller --sizes, or more labels)"
        )));
    }
    Ok(measured)
}

/// Measures the curve. In each draw, the galaxies are shuffled; the first are those that have labels, and the
/// last, as many as the largest of `sizes` leaves, are measured at every size. So no galaxy that is measured is
/// adapted to.
///
/// # Errors
/// When there are too few galaxies for the largest size.
pub(crate) fn curve(
    examples: &Examples,
    start: &LastLayer,
    log_prior: &Logits,
    sizes: &[usize],
    (draws, seed): (usize, u64),
    threads: usize,
) -> Result<Curve> {
    let measured = measured(examples.len(), sizes)?;
    let largest = examples.len() - measured;
    let results = in_parallel(draws, threads, |number| {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        order.sort_by(|a, b| examples.ids[*a].cmp(&examples.ids[*b]));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number as u64);
        order.shuffle(&mut random);
        let galaxies = order[largest..].to_vec();
        let right = sizes.iter().map(|size| {
            let of = &order[..*size];
            let adapted = |from: &LastLayer| {
                let choice = choose(examples, of, from, log_prior, seed);
                chosen(examples, of, from, log_prior, &choice)
            };
            let nothing = LastLayer::ignorant(start.features(), log_prior);
            [start.clone(), adapted(start), adapted(&nothing)].map(|layer| {
                galaxies
                    .iter()
                    .map(|g| is_right(examples, *g, &layer))
                    .collect()
            })
        });
        let right = right.collect();
        Ok(Draw { galaxies, right })
    })?;
    let points = (sizes.iter().enumerate())
        .flat_map(|(place, labels)| {
            let results = &results;
            Way::ALL.map(|way| point(examples, results, place, *labels, way))
        })
        .collect::<Option<Vec<_>>>();
    Ok(Curve {
        galaxies: examples.len(),
        measured,
        draws,
        points: points.ok_or_else(|| Error::Input("there is no draw".into()))?,
    })
}

fn is_right(examples: &Examples, galaxy: usize, layer: &LastLayer) -> bool {
    let rows = rows(&examples.logits(galaxy, layer));
    let answer = Probabilities::average(&rows, Scaling::NONE);
    answer.is_some_and(|answer| answer.label() == examples.classes[galaxy])
}

fn point(
    examples: &Examples,
    results: &[Draw],
    place: usize,
    labels: usize,
    way: Way,
) -> Option<Point> {
    // Of each galaxy: how often it was measured, how often it was right, and by how much more often than by
    // the unchanged model.
    let mut of = vec![[0.0; 3]; examples.len()];
    let (mut accuracies, mut recalls) = (Vec::new(), Vec::new());
    for draw in results {
        let [own, unchanged] = [way, Way::Unchanged].map(|way| &draw.right[place][way as usize]);
        let mut by_class = [[0.0; 2]; CLASSES];
        for (number, galaxy) in draw.galaxies.iter().enumerate() {
            let [right, before] = [own, unchanged].map(|of| f64::from(u8::from(of[number])));
            let counts = &mut of[*galaxy];
            counts[0] += 1.0;
            counts[1] += right;
            counts[2] += right - before;
            let by_class = &mut by_class[examples.classes[*galaxy].id()];
            by_class[0] += 1.0;
            by_class[1] += right;
        }
        let right: f64 = by_class.iter().map(|[_, right]| right).sum();
        accuracies.push(right / draw.galaxies.len() as f64);
        let occur = Morphology::ALL.map(|class| by_class[class.id()]);
        let occur: Vec<f64> = (occur.iter().filter(|[all, _]| *all > 0.0))
            .map(|[all, right]| right / all)
            .collect();
        recalls.push(occur.iter().sum::<f64>() / occur.len() as f64);
    }
    let statistics = |times: &dyn Fn(usize) -> f64| {
        let mut sums = [0.0; 3];
        for (galaxy, counts) in of.iter().enumerate() {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += times(galaxy) * count;
            }
        }
        [sums[1] / sums[0], sums[2] / sums[0]]
    };
    let bootstrap = Bootstrap::new(of.len(), |times| {
        let found = statistics(&|galaxy| f64::from(times[galaxy]));
        found
            .map(|value| value.is_finite().then_some(value))
            .to_vec()
    });
    let found = statistics(&|_| 1.0);
    let estimate = |number: usize| {
        let interval = bootstrap.percentile(number)?;
        Some(Estimate {
            value: found[number],
            low: interval.low,
            high: interval.high,
        })
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let middle = mean(&accuracies);
    let squares = accuracies.iter().map(|a| (a - middle).powi(2)).sum::<f64>();
    Some(Point {
        labels,
        way,
        accuracy: estimate(0)?,
        deviation: (squares / (accuracies.len().max(2) - 1) as f64).sqrt(),
        mean_recall: mean(&recalls),
        advantage: estimate(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::examples;
    use super::*;

    const EVEN: Logits = [0.0; CLASSES];

    #[test]
    fn more_labels_bring_more_and_the_unchanged_model_stays_the_same() {
        let examples = examples([60; CLASSES], 0.8, 9);
        let bad = LastLayer {
            weight: (0..15)
                .map(|n| f64::from(n * 7 % 11) / 10.0 - 0.5)
                .collect(),
            bias: EVEN,
        };
        let found = curve(&examples, &bad, &EVEN, &[25, 200], (4, 1), 2).unwrap();
        assert_eq!((found.measured, found.points.len()), (100, 6));
        let at = |labels, way| {
            let mut all = found.points.iter();
            all.find(|p| p.labels == labels && p.way == way).unwrap()
        };
        let unchanged = at(25, Way::Unchanged);
        assert_eq!(unchanged.accuracy, at(200, Way::Unchanged).accuracy);
        assert_eq!(
            (unchanged.advantage.low, unchanged.advantage.high),
            (0.0, 0.0)
        );
        let [few, many] = [25, 200].map(|labels| at(labels, Way::Adapted).accuracy.value);
        assert!(unchanged.accuracy.value < few && few <= many, "{found:?}");
        assert!(at(200, Way::FromNothing).advantage.low > 0.0, "{found:?}");
        assert_eq!(
            curve(&examples, &bad, &EVEN, &[25, 200], (4, 1), 1).unwrap(),
            found
        );
    }

    #[test]
    fn galaxies_to_measure_on_must_remain() {
        let examples = examples([10; CLASSES], 1.0, 9);
        let layer = LastLayer::ignorant(3, &EVEN);
        let fault = curve(&examples, &layer, &EVEN, &[20, 45], (2, 1), 1).unwrap_err();
        assert!(
            fault.to_string().contains("leave 5 to measure on"),
            "{fault}"
        );
    }
}
