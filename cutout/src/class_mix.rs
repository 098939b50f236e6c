//! How common the classes are in a survey, from a network's answers.
//!
//! Counting labels is biased: a network that was trained where cigars are rare calls few galaxies cigars,
//! also where they are not rare. Saerens, Latinne & Decaestecker 2002 (Neural Computation 14, 21) correct
//! this without any label. It rests on two things: the probabilities are calibrated, and a galaxy of a class
//! looks the same in both samples. Another seeing or another depth breaks the second.

use crate::{ByClass, Estimate, Morphology, Probabilities};

const COUNT: usize = Morphology::COUNT;

/// How often expectation and maximisation are repeated at most. Some 50 times are usual.
const ITERATIONS: usize = 2000;

/// The change of a fraction at which they end.
const TOLERANCE: f64 = 1e-8;

/// The logarithm of the likelihood at the ends of a 95 % interval, below its maximum: half of the 95 %
/// quantile of the chi-squared distribution with one degree of freedom.
const DROP: f64 = 3.841_458_820_694_124 / 2.0;

/// The estimated fraction of each class in a sample of galaxies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMix {
    /// The number of galaxies.
    pub galaxies: u64,
    /// The fraction of each class, with the 95 % interval of the likelihood ratio. The interval says how
    /// much the number of galaxies leaves open. It doesn't know how well the network is calibrated.
    pub fractions: ByClass<Estimate>,
}

/// Each answer's probabilities, divided by the prior: the likelihood of the classes but for a factor.
struct Likelihoods(Vec<[f32; COUNT]>);

impl ClassMix {
    /// Estimates the class mix of the galaxies with these answers. `prior` is the class mix of the training
    /// sample, from the model's card ([`ModelCard::prior`](crate::ModelCard::prior)).
    ///
    /// The answers are kept while it computes: 20 bytes each. `None` without an answer.
    pub fn estimate(
        answers: impl IntoIterator<Item = Probabilities>,
        prior: &ByClass<f64>,
    ) -> Option<Self> {
        let divided = |answer: Probabilities| {
            let p = answer.values();
            std::array::from_fn(|k| (f64::from(p[k]) / prior.0[k]) as f32)
        };
        let likelihoods = Likelihoods(answers.into_iter().map(divided).collect());
        if likelihoods.0.is_empty() {
            return None;
        }
        let mix = likelihoods.maximise(prior.0);
        let directions = likelihoods.directions(&mix);
        let estimates = Morphology::ALL.map(|class| {
            let (value, direction) = (mix[class.id()], &directions[class.id()]);
            let end = |sign: f64| likelihoods.end(&mix, direction, class.id(), sign);
            Estimate {
                value,
                low: end(-1.0).clamp(0.0, value),
                high: end(1.0).clamp(value, 1.0),
            }
        });
        Some(Self {
            galaxies: likelihoods.0.len() as u64,
            fractions: ByClass(estimates),
        })
    }

    /// The fractions alone.
    pub fn values(&self) -> ByClass<f64> {
        ByClass(self.fractions.0.map(|fraction| fraction.value))
    }
}

impl Probabilities {
    /// The probabilities where the classes have the fractions `mix`, of a network that was trained where
    /// they have the fractions `prior` (Saerens et al. 2002, equation 2.4). Unchanged if no class of `mix`
    /// is possible.
    #[must_use]
    pub fn in_mix(&self, mix: &ByClass<f64>, prior: &ByClass<f64>) -> Self {
        let weighted: [f64; COUNT] =
            std::array::from_fn(|k| f64::from(self.values()[k]) * mix.0[k] / prior.0[k]);
        let sum: f64 = weighted.iter().sum();
        if sum > 0.0 {
            Self::from_values(weighted.map(|p| (p / sum) as f32))
        } else {
            *self
        }
    }

    /// The class that is most probable where all classes are equally common: the one with the largest
    /// probability divided by its `prior`, the class mix of the training sample; of equals, that with the lowest
    /// id. If the probabilities are calibrated, this rule has the largest mean recall of the classes; the label has
    /// the largest accuracy.
    ///
    /// It divides the probabilities [as they are written](Self::as_written), so that the catalog's SQL decides alike.
    pub fn label_balanced(&self, prior: &ByClass<f64>) -> Morphology {
        let probabilities = self.as_written();
        let likelihood = |class: Morphology| probabilities[class.id()] / prior[class];
        let mut best = Morphology::Round;
        for class in Morphology::ALL {
            if likelihood(class) > likelihood(best) {
                best = class;
            }
        }
        best
    }
}

impl Likelihoods {
    /// The mix that makes the answers most likely, by expectation and maximisation from `mix`.
    fn maximise(&self, mut mix: [f64; COUNT]) -> [f64; COUNT] {
        for _ in 0..ITERATIONS {
            let mut next = [0.0; COUNT];
            for row in &self.0 {
                let joint: [f64; COUNT] = std::array::from_fn(|k| mix[k] * f64::from(row[k]));
                let sum: f64 = joint.iter().sum();
                if sum > 0.0 {
                    for k in 0..COUNT {
                        next[k] += joint[k] / sum;
                    }
                }
            }
            let sum: f64 = next.iter().sum();
            // No class that is left in the mix explains any answer: nothing can be learned.
            if sum <= 0.0 {
                return mix;
            }
            let next = next.map(|part| part / sum);
            let change = (0..COUNT).map(|k| (next[k] - mix[k]).abs());
            let change = change.fold(0.0, f64::max);
            mix = next;
            if change < TOLERANCE {
                break;
            }
        }
        mix
    }

    fn log_likelihood(&self, mix: &[f64; COUNT]) -> f64 {
        let of = |row: &[f32; COUNT]| -> f64 {
            let sum: f64 = (0..COUNT).map(|k| mix[k] * f64::from(row[k])).sum();
            sum.max(f64::MIN_POSITIVE).ln()
        };
        self.0.iter().map(of).sum()
    }

    /// For each class, how the mix changes with the fraction of that class if the other fractions follow
    /// as the likelihood has it: the columns of the inverse Fisher information under the constraint that
    /// the fractions sum to 1, divided by their diagonal.
    fn directions(&self, mix: &[f64; COUNT]) -> [[f64; COUNT]; COUNT] {
        let mut information = [[0.0; COUNT]; COUNT];
        for row in &self.0 {
            let row = row.map(f64::from);
            let sum: f64 = (0..COUNT).map(|k| mix[k] * row[k]).sum();
            if sum > 0.0 {
                for (k, line) in information.iter_mut().enumerate() {
                    for (l, cell) in line.iter_mut().enumerate() {
                        *cell += row[k] * row[l] / (sum * sum);
                    }
                }
            }
        }
        // A class that no answer tells anything of would make the matrix singular.
        let scale = (0..COUNT).map(|k| information[k][k]).fold(1.0, f64::max);
        for (k, line) in information.iter_mut().enumerate() {
            line[k] += 1e-9 * scale;
        }
        let inverse = inverse(information);
        let sums = inverse.map(|line| line.iter().sum::<f64>());
        let all: f64 = sums.iter().sum();
        std::array::from_fn(|k| {
            let column: [f64; COUNT] =
                std::array::from_fn(|l| inverse[l][k] - sums[l] * sums[k] / all);
            let own = column[k];
            column.map(|value| value / own)
        })
    }

    /// The fraction of class `k` at which the likelihood, along a direction from its maximum at `mix`, is
    /// that of the end of the interval. Fractions of other classes stop at 0.
    fn end(&self, mix: &[f64; COUNT], direction: &[f64; COUNT], k: usize, sign: f64) -> f64 {
        let at = |step: f64| {
            let mut moved: [f64; COUNT] =
                std::array::from_fn(|l| (mix[l] + sign * step * direction[l]).max(0.0));
            // What stopped at 0 is taken from the other classes.
            let wanted = (mix[k] + sign * step).clamp(0.0, 1.0);
            moved[k] = wanted;
            let others: f64 = moved.iter().sum::<f64>() - wanted;
            for (l, part) in moved.iter_mut().enumerate() {
                if l != k {
                    *part = if others > 0.0 {
                        *part * (1.0 - wanted) / others
                    } else {
                        (1.0 - wanted) / (COUNT - 1) as f64
                    };
                }
            }
            moved
        };
        let least = self.log_likelihood(mix) - DROP;
        let is_inside = |step: f64| self.log_likelihood(&at(step)) >= least;
        let room = if sign < 0.0 { mix[k] } else { 1.0 - mix[k] };
        let mut outside = (1.0 / self.0.len() as f64).min(room);
        let mut inside = 0.0;
        while is_inside(outside) {
            if outside >= room {
                return mix[k] + sign * room;
            }
            inside = outside;
            outside = (2.0 * outside).min(room);
        }
        // To a thousandth of the distance.
        while outside - inside > 1e-3 * outside {
            let middle = f64::midpoint(inside, outside);
            if is_inside(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        mix[k] + sign * inside
    }
}

/// The inverse of a positive definite matrix, by Gauss and Jordan.
fn inverse(mut matrix: [[f64; COUNT]; COUNT]) -> [[f64; COUNT]; COUNT] {
    let mut inverse: [[f64; COUNT]; COUNT] =
        std::array::from_fn(|k| std::array::from_fn(|l| f64::from(u8::from(k == l))));
    for pivot in 0..COUNT {
        let factor = 1.0 / matrix[pivot][pivot];
        for half in [&mut matrix, &mut inverse] {
            half[pivot] = half[pivot].map(|value| value * factor);
        }
        for line in (0..COUNT).filter(|line| *line != pivot) {
            let factor = matrix[line][pivot];
            for half in [&mut matrix, &mut inverse] {
                let above = half[pivot];
                for (value, above) in half[line].iter_mut().zip(above) {
                    *value -= factor * above;
                }
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: ByClass<f64> = ByClass([0.3, 0.3, 0.02, 0.13, 0.25]);

    /// Answers of a perfect network, which sees one of eleven things in each galaxy: one of five that a
    /// class alone shows, one of five that it shares with the next class, or one that tells nothing.
    fn answers(mix: [f64; COUNT], galaxies: usize) -> Vec<Probabilities> {
        let mut all = Vec::new();
        let mut add = |likelihood: [f64; COUNT]| {
            let expected: f64 = (0..COUNT).map(|k| mix[k] * likelihood[k]).sum();
            let joint: [f64; COUNT] = std::array::from_fn(|k| PRIOR.0[k] * likelihood[k]);
            let sum: f64 = joint.iter().sum();
            let answer = Probabilities::from_values(joint.map(|p| (p / sum) as f32));
            let count = (expected * galaxies as f64).round() as usize;
            all.extend(std::iter::repeat_n(answer, count));
        };
        for k in 0..COUNT {
            let mut own = [0.0; COUNT];
            own[k] = 0.7;
            add(own);
            let mut shared = [0.0; COUNT];
            shared[k] = 0.1;
            shared[(k + 1) % COUNT] = 0.1;
            add(shared);
        }
        add([0.1; COUNT]);
        all
    }

    #[test]
    fn the_mix_of_another_survey_is_found() {
        let mix = [0.1, 0.2, 0.4, 0.25, 0.05];
        let found = ClassMix::estimate(answers(mix, 100_000), &PRIOR).unwrap();
        for (estimate, wanted) in found.fractions.0.iter().zip(mix) {
            assert!((estimate.value - wanted).abs() < 1e-4, "{found:?}");
            assert!(estimate.low < wanted && wanted < estimate.high);
            // Counting galaxies of known class would have sqrt(p (1 - p) / n); these are not all known.
            let least = 1.96 * (wanted * (1.0 - wanted) / 1e5).sqrt();
            let half = (estimate.high - estimate.low) / 2.0;
            assert!(half > least && half < 1.4 * least, "{half} {least}");
        }
    }

    #[test]
    fn a_class_that_is_not_there_has_an_interval_from_nothing() {
        let mix = [0.3, 0.3, 0.0, 0.2, 0.2];
        let found = ClassMix::estimate(answers(mix, 10_000), &PRIOR).unwrap();
        let cigars = found.fractions[Morphology::Cigar];
        assert!(cigars.value < 1e-5 && cigars.low == 0.0, "{cigars:?}");
        // Of n galaxies with none, at most 1.92 / n; nearly as much if three quarters are known.
        assert!((1.5e-4..1e-3).contains(&cigars.high), "{cigars:?}");
    }

    #[test]
    fn without_an_answer_there_is_no_mix_and_one_answer_says_little() {
        assert_eq!(ClassMix::estimate([], &PRIOR), None);
        let one = Probabilities::from_values([0.0, 0.0, 0.0, 0.0, 1.0]);
        let found = ClassMix::estimate([one], &PRIOR).unwrap();
        let spirals = found.fractions[Morphology::Spiral];
        assert!(spirals.value > 0.999 && spirals.low < 0.2, "{spirals:?}");
        assert!(found.fractions[Morphology::Round].high > 0.5);
    }

    #[test]
    fn probabilities_follow_the_mix_and_the_balanced_label_the_likelihood() {
        let answer = Probabilities::from_values([0.0, 0.0, 0.25, 0.75, 0.0]);
        assert_eq!(answer.in_mix(&PRIOR, &PRIOR).values(), answer.values());
        // Where cigars are as common as edge-on disks: 0.25 / 0.02 against 0.75 / 0.13.
        let equal = ByClass([0.0, 0.0, 0.5, 0.5, 0.0]);
        let cigar = f64::from(answer.in_mix(&equal, &PRIOR).values()[2]);
        assert!((cigar - 12.5 / (12.5 + 0.75 / 0.13)).abs() < 1e-6);
        assert_eq!(answer.label(), Morphology::EdgeOn);
        assert_eq!(answer.label_balanced(&PRIOR), Morphology::Cigar);
        // 0.15 / 0.3 and 0.01 / 0.02 are one number.
        let equals = Probabilities::from_values([0.0, 0.15, 0.01, 0.0, 0.0]);
        assert_eq!(equals.label_balanced(&PRIOR), Morphology::InBetween);
        let nothing_possible = ByClass([0.5, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(answer.in_mix(&nothing_possible, &PRIOR), answer);
    }
}
