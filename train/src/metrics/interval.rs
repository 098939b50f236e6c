//! 95 % intervals: Wilson's for proportions, otherwise the bootstrap.

use galmorph_cutout::Estimate;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The number of draws of the bootstrap. Each end of a 95 % interval then rests on 50 draws.
pub(crate) const RESAMPLES: usize = 2000;

/// The seed of the draws, so that the same images give the same intervals.
const SEED: u64 = 2019;

/// A 95 % interval, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A value in its interval; `None` if either is undefined.
pub(super) fn measured(value: Option<f64>, interval: Option<Interval>) -> Option<Estimate> {
    let (value, Interval { low, high }) = (value?, interval?);
    Some(Estimate { value, low, high })
}

/// Wilson's score interval for a proportion (Wilson 1927, without continuity correction); `None` without
/// trials.
pub(crate) fn wilson(successes: u64, trials: u64) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let shrink = 1.0 + Z * Z / n;
    let centre = (p + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Without a success, or without a failure, that end is exact. Rounding must not move it.
    let low = if successes == 0 { 0.0 } else { centre - half };
    let high = if successes == trials {
        1.0
    } else {
        centre + half
    };
    Some(Interval { low, high })
}

/// A proportion with Wilson's interval; `None` without trials.
pub(crate) fn proportion(successes: u64, trials: u64) -> Option<Estimate> {
    let value = successes as f64 / trials as f64;
    measured(Some(value), wilson(successes, trials))
}

/// The mean of `values`, each of which counts `times` times; `None` if none counts.
pub(super) fn mean(values: &[f64], times: &[u32]) -> Option<f64> {
    let images: u32 = times.iter().sum();
    let sum: f64 = values
        .iter()
        .zip(times)
        .map(|(v, n)| v * f64::from(*n))
        .sum();
    (images > 0).then(|| sum / f64::from(images))
}

/// The values of some statistics when images are drawn again, with replacement (Efron 1979).
///
/// A draw that leaves a statistic undefined (a rare class was not drawn) does not count for that
/// statistic.
pub(crate) struct Bootstrap {
    /// For each statistic, its values over the draws in ascending order.
    draws: Vec<Vec<f64>>,
}

impl Bootstrap {
    /// Draws [`RESAMPLES`] times from `images` images. `statistics` takes how often each image was
    /// drawn, and always returns the same number of values.
    pub(crate) fn new(images: usize, statistics: impl Fn(&[u32]) -> Vec<Option<f64>>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut times = vec![0; images];
        let mut draws: Vec<Vec<f64>> = Vec::new();
        for _ in 0..RESAMPLES {
            times.fill(0);
            for _ in 0..images {
                times[random.random_range(0..images)] += 1;
            }
            let values = statistics(&times);
            draws.resize_with(values.len(), Vec::new);
            for (draws, value) in draws.iter_mut().zip(values) {
                draws.extend(value);
            }
        }
        for draws in &mut draws {
            draws.sort_unstable_by(f64::total_cmp);
        }
        Self { draws }
    }

    /// The percentile interval of a statistic: from its 2.5 % to its 97.5 % quantile.
    pub(crate) fn percentile(&self, statistic: usize) -> Option<Interval> {
        let draws = self.draws.get(statistic)?;
        Some(Interval {
            low: ascending_quantile(draws, 0.025)?,
            high: ascending_quantile(draws, 0.975)?,
        })
    }

    /// The basic interval (Davison and Hinkley 1997, section 5.2): the percentile interval mirrored at
    /// the measured value. It is for statistics whose draws all lie to one side, because the noise of
    /// drawing can only raise them. The percentile interval of such a statistic may not even contain the
    /// measured value.
    pub(crate) fn basic(&self, statistic: usize, value: f64) -> Option<Interval> {
        let Interval { low, high } = self.percentile(statistic)?;
        Some(Interval {
            low: 2.0 * value - high,
            high: 2.0 * value - low,
        })
    }
}

/// A quantile of ascending values, interpolated linearly between neighbours.
pub(super) fn ascending_quantile(ascending: &[f64], fraction: f64) -> Option<f64> {
    let place = fraction * ascending.len().checked_sub(1)? as f64;
    let below = ascending[place.floor() as usize];
    let above = ascending[place.ceil() as usize];
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(interval: Option<Interval>, low: f64, high: f64, tolerance: f64) {
        let found = interval.unwrap();
        let close = (found.low - low).abs() < tolerance && (found.high - high).abs() < tolerance;
        assert!(close, "{found:?}");
    }

    #[test]
    fn wilson_is_that_of_the_literature() {
        // Newcombe 1998, Statistics in Medicine 17, 857, table I, method 3.
        near(wilson(81, 263), 0.2553, 0.3662, 5e-5);
        near(wilson(15, 148), 0.0624, 0.1605, 5e-5);
        near(wilson(0, 20), 0.0, 0.1611, 5e-5);
        near(wilson(1, 29), 0.0061, 0.1718, 5e-5);
        assert_eq!(wilson(7, 7).unwrap().high, 1.0);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_bootstrap_of_a_proportion_is_near_wilson() {
        let (right, all) = (900_u64, 1000_u64);
        let bootstrap = Bootstrap::new(all as usize, |times| {
            let right: u32 = times[..right as usize].iter().sum();
            vec![Some(f64::from(right) / all as f64)]
        });
        let wilson = wilson(right, all).unwrap();
        near(bootstrap.percentile(0), wilson.low, wilson.high, 0.003);
    }

    #[test]
    fn a_basic_interval_is_mirrored_and_draws_without_a_value_do_not_count() {
        // Whether the one image of its kind was drawn; undefined where it was not.
        let bootstrap = Bootstrap::new(3, |times| {
            vec![(times[0] > 0).then(|| f64::from(times[0])), None]
        });
        near(bootstrap.percentile(0), 1.0, 3.0, 1e-9);
        near(bootstrap.basic(0, 1.5), 0.0, 2.0, 1e-9);
        assert_eq!(bootstrap.percentile(1), None);
        assert_eq!(bootstrap.percentile(2), None);
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(ascending_quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(ascending_quantile(&[5.0], 0.3), Some(5.0));
        assert_eq!(ascending_quantile(&[], 0.5), None);
    }
}
