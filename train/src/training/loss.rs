//! The loss: cross-entropy with labels or with vote fractions.

use tch::{Reduction, Tensor};

/// The mean cross-entropy, in nats, of logits `[N, 5]` with classes `[N]` (i64) or with probabilities
/// `[N, 5]` (f32).
///
/// Label smoothing takes a fraction `s` of either target and spreads it evenly over the classes:
/// `(1 - s) p + s / 5` (Szegedy et al. 2016).
pub(super) fn cross_entropy(logits: &Tensor, targets: &Tensor, label_smoothing: f64) -> Tensor {
    // torch's default for the class to ignore. No class has it; with probabilities it has no meaning.
    let ignored = -100;
    logits.cross_entropy_loss::<Tensor>(targets, None, Reduction::Mean, ignored, label_smoothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const LOGITS: [f32; 10] = [2.0, 1.0, 0.0, -1.0, 0.5, 0.0, 0.0, 3.0, 0.0, 0.0];
    const VOTES: [f32; 10] = [0.6, 0.3, 0.0, 0.0, 0.1, 0.0, 0.25, 0.5, 0.25, 0.0];

    fn softmax(row: &[f32]) -> Vec<f64> {
        let exponentials: Vec<f64> = row.iter().map(|x| f64::from(*x).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        exponentials.iter().map(|x| x / sum).collect()
    }

    /// The loss and its gradient with respect to the logits, from their definitions.
    fn by_hand(targets: &[f32], smoothing: f64) -> (f64, Vec<f64>) {
        let (mut loss, mut gradient) = (0.0, Vec::new());
        for (logits, targets) in LOGITS.chunks(5).zip(targets.chunks(5)) {
            for (q, target) in softmax(logits).iter().zip(targets) {
                let p = (1.0 - smoothing) * f64::from(*target) + smoothing / 5.0;
                loss -= p * q.ln() / 2.0;
                gradient.push((q - p) / 2.0);
            }
        }
        (loss, gradient)
    }

    fn by_torch(targets: &Tensor, smoothing: f64) -> (f64, Vec<f64>) {
        tch::set_num_threads(1);
        let logits = Tensor::from_slice(&LOGITS)
            .view([2, 5])
            .set_requires_grad(true);
        let loss = cross_entropy(&logits, targets, smoothing);
        loss.backward();
        let gradient = logits.grad().view([-1]).to_kind(Kind::Double);
        (loss.double_value(&[]), Vec::try_from(gradient).unwrap())
    }

    fn assert_same(ours: &(f64, Vec<f64>), wanted: &(f64, Vec<f64>)) {
        assert!((ours.0 - wanted.0).abs() < 1e-6, "{ours:?} {wanted:?}");
        for (ours, wanted) in ours.1.iter().zip(&wanted.1) {
            assert!((ours - wanted).abs() < 1e-6, "{ours} {wanted}");
        }
    }

    #[test]
    fn the_loss_against_votes_is_that_of_its_definition_with_smoothing_and_without() {
        let votes = Tensor::from_slice(&VOTES).view([2, 5]);
        // Entropy apart: a first row worked out on paper, log-sum-exp(2, 1, 0, -1, 0.5) = 2.5744.
        let (loss, _) = by_hand(&VOTES, 0.0);
        let first = 2.574_44 - (0.6 * 2.0 + 0.3 * 1.0 + 0.1 * 0.5);
        let second = (4.0 + 3.0_f64.exp()).ln() - 0.5 * 3.0;
        assert!((2.0 * loss - (first + second)).abs() < 1e-4, "{loss}");
        for smoothing in [0.0, 0.1] {
            assert_same(&by_torch(&votes, smoothing), &by_hand(&VOTES, smoothing));
        }
    }

    #[test]
    fn votes_that_are_all_for_one_class_are_that_label() {
        let classes = Tensor::from_slice(&[0_i64, 2]);
        let sure = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        let votes = Tensor::from_slice(&sure.map(|x: f64| x as f32)).view([2, 5]);
        assert_eq!(votes.device(), Device::Cpu);
        for smoothing in [0.0, 0.1] {
            let labels = by_torch(&classes, smoothing);
            assert_same(&by_torch(&votes, smoothing), &labels);
            assert_same(&by_hand(&sure.map(|x| x as f32), smoothing), &labels);
        }
    }
}
