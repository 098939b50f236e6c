//! Mixed training examples (Zhang et al. 2018, "mixup: beyond empirical risk minimization"): each view
//! is a weighted mean of two, and its target is the same mean of theirs. The network answers in between
//! for what lies in between, and is less sure of what it has learned by heart.

use galmorph_cutout::Morphology;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The target of one view: a probability for each class.
pub(super) type Target = [f32; Morphology::COUNT];

/// Draws for each of `count` views the share of the next one in its mixture; for the last, that of the first.
///
/// A share is at most a half, so a view stays mostly what it was. It has the distribution Beta(`alpha`,
/// `alpha`), folded at one half. `seed` is the place in the run.
pub(super) fn shares(alpha: f64, seed: [u8; 32], count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::from_seed(seed);
    let share = |_| {
        let share = beta(alpha, &mut random);
        share.min(1.0 - share) as f32
    };
    (0..count).map(share).collect()
}

/// Mixes each row of `values` with the next one, and the last with the first, in place. There are as many
/// rows as shares.
pub(super) fn mix(shares: &[f32], values: &mut [f32]) {
    let row_len = values.len() / shares.len();
    let first = values[..row_len].to_vec();
    for (number, share) in shares.iter().enumerate() {
        let (before, after) = values.split_at_mut((number + 1) * row_len);
        let row = &mut before[number * row_len..];
        blend(row, after.get(..row_len).unwrap_or(&first), *share);
    }
}

fn blend(values: &mut [f32], others: &[f32], share: f32) {
    for (value, other) in values.iter_mut().zip(others) {
        *value += share * (other - *value);
    }
}

/// A value of the distribution Beta(`alpha`, `alpha`) with `alpha` up to 1 (Jöhnk 1964).
fn beta(alpha: f64, random: &mut ChaCha8Rng) -> f64 {
    loop {
        let a = random.random::<f64>().powf(1.0 / alpha);
        let b = random.random::<f64>().powf(1.0 / alpha);
        // Both can be too small for a number when alpha is tiny.
        if a + b <= 1.0 && a + b > 0.0 {
            return a / (a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_mean_and_the_variance_of_the_distribution() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for alpha in [0.2, 1.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut random)).collect();
            let mean = drawn.iter().sum::<f64>() / 20_000.0;
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            let wanted = 0.25 / (2.0 * alpha + 1.0);
            assert!((variance - wanted).abs() < 0.005, "{variance}");
        }
    }

    #[test]
    fn a_view_and_its_target_are_mixed_alike_with_the_next_one() {
        let one_hot = |class: usize| {
            let mut target = [0.0; Morphology::COUNT];
            target[class] = 1.0;
            target
        };
        let mut targets: Vec<Target> = (0..4).map(one_hot).collect();
        // View n has n everywhere.
        let mut views: Vec<f32> = (0..4).flat_map(|n| [n as f32; 6]).collect();
        let shares = shares(1.0, [7; 32], 4);
        mix(&shares, &mut views);
        mix(&shares, targets.as_flattened_mut());
        for (number, (view, target)) in views.chunks_exact(6).zip(&targets).enumerate() {
            let other = (number + 1) % 4;
            let share = target[other];
            assert!((share - shares[number]).abs() < 1e-6);
            assert!((0.0..=0.5).contains(&share));
            assert!((target[number] - (1.0 - share)).abs() < 1e-6);
            let wanted = number as f32 + share * (other as f32 - number as f32);
            assert!(view.iter().all(|value| (value - wanted).abs() < 1e-5));
        }
        assert!(
            targets
                .iter()
                .any(|target| target.iter().all(|p| *p < 0.999))
        );
    }
}
