//! The learning rate as a function of the step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate changes during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Schedule {
    /// The paper's schedule (section 4.5), scaled to the length of the run: a tenth of the rate from step
    /// 30,000 of 72,000 on, a hundredth from step 60,000 on.
    Steps,
    /// One cycle (Smith & Topin 2018): from 1/25 of the rate up to the rate over the first fifth of the
    /// run, then down to zero along a cosine.
    OneCycle,
}

/// The fraction of a one-cycle run in which the rate rises.
const CLIMB: f64 = 0.2;

/// The first rate of a one-cycle run, as a fraction of its largest.
const FIRST: f64 = 0.04;

impl Schedule {
    /// The learning rate at `step` (from 0) of `total` steps; `peak` is the largest rate of the run.
    pub(super) fn rate(self, step: u64, total: u64, peak: f64) -> f64 {
        let progress = step as f64 / total.max(1) as f64;
        match self {
            Self::Steps if progress < 30.0 / 72.0 => peak,
            Self::Steps if progress < 60.0 / 72.0 => peak * 0.1,
            Self::Steps => peak * 0.01,
            Self::OneCycle if progress < CLIMB => peak * (FIRST + (1.0 - FIRST) * progress / CLIMB),
            Self::OneCycle => {
                let descent = (progress - CLIMB) / (1.0 - CLIMB);
                peak * 0.5 * (1.0 + (PI * descent).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_steps_are_at_30k_and_60k_of_72k() {
        let rate = |step| Schedule::Steps.rate(step, 72_000, 0.1);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(rate(0), 0.1);
        close(rate(29_999), 0.1);
        close(rate(30_000), 0.01);
        close(rate(59_999), 0.01);
        close(rate(60_000), 0.001);
        close(rate(71_999), 0.001);
    }

    #[test]
    fn one_cycle_climbs_to_its_peak_and_falls_to_nothing() {
        let rates: Vec<f64> = (0..1000)
            .map(|step| Schedule::OneCycle.rate(step, 1000, 0.2))
            .collect();
        assert!((rates[0] - 0.008).abs() < 1e-12);
        assert!((rates[200] - 0.2).abs() < 1e-12);
        assert!(rates[..200].is_sorted());
        assert!(rates[200..].is_sorted_by(|a, b| a > b));
        assert!(rates[999] < 1e-5);
    }
}
