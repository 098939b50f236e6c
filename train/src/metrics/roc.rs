//! One class against the rest: the receiver operating characteristic and the area under it (section
//! 5.1).

use galmorph_cutout::{Estimate, Morphology};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::interval::proportion;

/// All images by their predicted probability of one class, the largest first. Sorted once, for the curve
/// and for every draw of the bootstrap.
pub(crate) struct Ranking {
    places: Vec<Place>,
}

struct Place {
    image: usize,
    probability: f32,
    positive: bool,
}

/// The curve of one class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    /// The class's short name.
    pub class: String,
    /// From no image accepted to every image accepted; empty without a positive or without a negative.
    pub points: Vec<RocPoint>,
}

/// The rates when every image is accepted whose probability reaches a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The threshold; `None` for the first point, which lies above every probability.
    pub threshold: Option<f32>,
    /// The fraction of the other classes' images that are accepted, with Wilson's interval.
    pub false_positive_rate: Estimate,
    /// The fraction of the class's images that are accepted, with Wilson's interval.
    pub true_positive_rate: Estimate,
}

/// The curves of all classes, in the order of their ids.
pub(crate) fn curves(predictions: &[Prediction]) -> Vec<Roc> {
    let curve = |class: Morphology| Roc {
        class: class.name().to_owned(),
        points: Ranking::new(predictions, class).curve(),
    };
    Morphology::ALL.map(curve).to_vec()
}

/// The number of accepted images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    positive: u64,
    negative: u64,
}

impl Ranking {
    /// Ranks all images by their probability of a class.
    pub(crate) fn new(predictions: &[Prediction], class: Morphology) -> Self {
        let mut places: Vec<Place> = (predictions.iter().enumerate())
            .map(|(image, prediction)| Place {
                image,
                probability: prediction.probability(class),
                positive: prediction.truth == class,
            })
            .collect();
        places.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Self { places }
    }

    /// The area under the curve when each image counts `times[image]` times: the probability that an
    /// image of the class ranks above one of the rest, where a tie is half a win. Undefined where there
    /// is no positive or no negative.
    pub(crate) fn auc(&self, times: &[u32]) -> Option<f64> {
        // Twice the number of wins, so that it stays a whole number.
        let (mut wins, mut above) = (0, Taken::default());
        for tie in self.ties() {
            let before = above;
            for place in tie {
                above.add(place, u64::from(times[place.image]));
            }
            wins += (above.negative - before.negative) * (above.positive + before.positive);
        }
        let pairs = above.positive * above.negative;
        (pairs > 0).then(|| wins as f64 / (2 * pairs) as f64)
    }

    /// The curve's corners: where it does not turn, no point is needed.
    pub(crate) fn curve(&self) -> Vec<RocPoint> {
        let mut corners = vec![(None, Taken::default())];
        let mut taken = Taken::default();
        for tie in self.ties() {
            for place in tie {
                taken.add(place, 1);
            }
            if let [.., (_, first), (_, second)] = corners.as_slice()
                && is_straight(*first, *second, taken)
            {
                corners.pop();
            }
            corners.push((tie.first().map(|place| place.probability), taken));
        }
        corners
            .into_iter()
            .filter_map(|(threshold, at)| {
                Some(RocPoint {
                    threshold,
                    false_positive_rate: proportion(at.negative, taken.negative)?,
                    true_positive_rate: proportion(at.positive, taken.positive)?,
                })
            })
            .collect()
    }

    /// Images of equal probability together.
    fn ties(&self) -> impl Iterator<Item = &[Place]> {
        self.places
            .chunk_by(|a, b| a.probability.total_cmp(&b.probability).is_eq())
    }
}

impl Taken {
    fn add(&mut self, place: &Place, times: u64) {
        if place.positive {
            self.positive += times;
        } else {
            self.negative += times;
        }
    }
}

/// Whether three points of a curve, in their order, lie on a line.
fn is_straight(first: Taken, second: Taken, third: Taken) -> bool {
    let step = |from: Taken, to: Taken| (to.negative - from.negative, to.positive - from.positive);
    let ((x, y), (next_x, next_y)) = (step(first, second), step(second, third));
    x * next_y == next_x * y
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Round, Spiral};

    fn ranking(images: &[(Morphology, f32)]) -> Ranking {
        let predictions: Vec<Prediction> = (images.iter())
            .map(|(truth, p)| prediction(*truth, [*p, 0.0, 0.0, 0.0, 1.0 - p]))
            .collect();
        Ranking::new(&predictions, Round)
    }

    #[test]
    fn a_tie_is_half_a_win() {
        let ranking = ranking(&[(Round, 0.9), (Round, 0.5), (Spiral, 0.5), (Spiral, 0.1)]);
        assert_eq!(ranking.auc(&[1; 4]), Some(3.5 / 4.0));
        assert_eq!(ranking.auc(&[2, 1, 3, 0]), Some(7.5 / 9.0));
    }

    #[test]
    fn without_a_positive_or_a_negative_it_is_undefined() {
        let ranking = ranking(&[(Round, 0.9), (Spiral, 0.5)]);
        assert_eq!(ranking.auc(&[0, 1]), None);
        assert_eq!(ranking.auc(&[1, 0]), None);
        let alone = Ranking::new(&[prediction(Spiral, [0.0, 0.0, 0.0, 0.0, 1.0])], Round);
        assert!(alone.curve().is_empty());
    }

    #[test]
    fn a_curve_keeps_its_corners_only() {
        let images: Vec<(Morphology, f32)> = (0..10)
            .map(|n| (if n < 5 { Round } else { Spiral }, 0.9 - 0.05 * n as f32))
            .collect();
        let curve = ranking(&images).curve();
        let corners: Vec<(f64, f64)> = (curve.iter())
            .map(|p| (p.false_positive_rate.value, p.true_positive_rate.value))
            .collect();
        assert_eq!(corners, [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]);
        assert_eq!(curve[0].threshold, None);
        assert!((curve[1].threshold.unwrap() - 0.7).abs() < 1e-6);
    }

    #[test]
    fn silence_is_the_worst_answer_for_either_side() {
        let silent = [
            prediction(Round, [0.8, 0.2, 0.0, 0.0, 0.0]),
            prediction(Round, [f32::NAN; 5]),
            prediction(Spiral, [0.1, 0.0, 0.0, 0.0, 0.9]),
            prediction(Spiral, [f32::NAN; 5]),
        ];
        // Of four pairs only that of the two answers is won.
        assert_eq!(Ranking::new(&silent, Round).auc(&[1; 4]), Some(0.25));
    }
}
