//! Which values 8 bits hold, at each place where a network rounds to them.
//!
//! The 256 values lie evenly between a lowest and a highest one, and zero is among them. What lies beyond becomes the
//! nearest of them. A range that holds all that was seen may have steps that are coarse for the sake of few values. So
//! it is the one with the least mean squared error, of those whose ends are a part of the way from zero to the lowest
//! and to the highest value that were seen; and then a quarter wider. That costs little, and other images have values
//! that these did not have: without it, a few answers are far from those of the exact network (docs/experiments.md).

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::network::{Layer, Network};
use crate::progress::Progress;
use crate::torch::{Weights, watch};

/// The number of bins in which values are counted.
const BINS: i64 = 2048;

/// The number of parts of the way from zero that are tried as the ends of a range.
const PARTS: u32 = 64;

/// How much wider a range is than the images ask for from which it is found.
const HEADROOM: f64 = 1.25;

/// The largest of the 256 whole numbers.
const HIGHEST: f64 = 255.0;

/// What was seen in one place.
struct Seen {
    lowest: f64,
    highest: f64,
    /// How many values lay in each of [`BINS`] equal parts of what lies between.
    counts: Tensor,
}

/// A range of 256 values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    step: f64,
    zero_point: f64,
}

/// Steps and zero points by the names that they have in `description`, which is that of `exact` in 8-bit arithmetic.
pub(super) fn of(
    (exact, weights): (&Network, &Weights),
    description: &Network,
    views: &[Tensor],
) -> BTreeMap<String, Tensor> {
    // The places, by the name of the node whose output is rounded there.
    let places = (description.nodes.iter().enumerate())
        .filter(|(index, node)| {
            node.layer == Layer::Quantise && description.range_of(*index) == *index
        })
        .map(|(_, node)| description.nodes[node.inputs[0]].name.as_str());
    let mut all: BTreeMap<&str, Seen> = places.map(|name| (name, Seen::nothing())).collect();
    let progress = Progress::new("finding the ranges of", 2 * views.len() as u64, "batches");
    for pass in [Seen::widen, Seen::count] {
        for batch in views {
            watch(exact, weights, batch, |index, output| {
                if let Some(seen) = all.get_mut(exact.nodes[index].name.as_str()) {
                    pass(seen, output);
                }
            });
            progress.advance(1);
        }
    }
    progress.finish();

    let ranges: BTreeMap<&str, Range> = all
        .iter()
        .map(|(name, seen)| (*name, seen.range()))
        .collect();
    let mut values = BTreeMap::new();
    for (index, node) in description.nodes.iter().enumerate() {
        if node.layer == Layer::Quantise {
            let of = &description.nodes[description.range_of(index)];
            let Range { step, zero_point } = ranges[description.nodes[of.inputs[0]].name.as_str()];
            for (part, value) in [("step", step), ("zero_point", zero_point)] {
                values.insert(format!("{}/{part}", node.name), Tensor::from(value as f32));
            }
        }
    }
    values
}

impl Seen {
    fn nothing() -> Self {
        Self {
            lowest: 0.0,
            highest: 0.0,
            counts: Tensor::zeros([BINS], (Kind::Int64, tch::Device::Cpu)),
        }
    }

    /// Looks for the lowest and the highest value. They stay on their sides of zero.
    fn widen(&mut self, values: &Tensor) {
        self.lowest = self.lowest.min(values.min().double_value(&[]));
        self.highest = self.highest.max(values.max().double_value(&[]));
    }

    /// Counts values between the two.
    fn count(&mut self, values: &Tensor) {
        let width = (self.highest - self.lowest).max(f64::MIN_POSITIVE);
        let bins = ((values - self.lowest) * (BINS as f64 / width)).to_kind(Kind::Int64);
        let bins = bins.clamp(0, BINS - 1).flatten(0, -1);
        self.counts += bins.bincount::<Tensor>(None, BINS);
    }

    /// The middles of the bins that aren't empty, and their counts.
    fn bins(&self) -> Vec<(f64, f64)> {
        let width = (self.highest - self.lowest) / BINS as f64;
        let counts: Vec<i64> = (0..BINS)
            .map(|bin| self.counts.int64_value(&[bin]))
            .collect();
        (counts.into_iter().zip(0..BINS))
            .filter(|(count, _)| *count > 0)
            .map(|(count, bin)| (self.lowest + width * (bin as f64 + 0.5), count as f64))
            .collect()
    }

    /// The range with the least mean squared error, and its headroom.
    fn range(&self) -> Range {
        let bins = self.bins();
        let parts = |end: f64| -> Vec<f64> {
            if end == 0.0 {
                return vec![0.0];
            }
            (1..=PARTS)
                .map(|part| end * f64::from(part) / f64::from(PARTS))
                .collect()
        };
        let mut best = (Range::between(self.lowest, self.highest), f64::INFINITY);
        for lowest in parts(self.lowest) {
            for highest in parts(self.highest) {
                let range = Range::between(lowest, highest);
                let error = range.error(&bins, best.1);
                if error < best.1 {
                    best = (range, error);
                }
            }
        }
        best.0.times(HEADROOM)
    }
}

impl Range {
    /// The range from a value that isn't above zero to one that isn't below it.
    fn between(lowest: f64, highest: f64) -> Self {
        let width = highest - lowest;
        let step = if width > 0.0 { width / HIGHEST } else { 1.0 };
        Self {
            step,
            zero_point: (-lowest / step).round(),
        }
    }

    /// The same zero point, and steps that are longer by a factor.
    fn times(self, factor: f64) -> Self {
        Self {
            step: self.step * factor,
            ..self
        }
    }

    /// The sum of the squares of the errors of what is counted; at least `enough` if it is more than that.
    fn error(self, bins: &[(f64, f64)], enough: f64) -> f64 {
        let mut sum = 0.0;
        for (value, count) in bins {
            let whole = (value / self.step + self.zero_point).round();
            let rounded = (whole.clamp(0.0, HIGHEST) - self.zero_point) * self.step;
            sum += count * (rounded - value).powi(2);
            if sum >= enough {
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[f32]) -> Seen {
        let values = Tensor::from_slice(values);
        let mut seen = Seen::nothing();
        seen.widen(&values);
        seen.count(&values);
        seen
    }

    #[test]
    fn zero_is_zero_and_what_was_seen_is_in_the_range() {
        for values in [[0.5_f32, 3.0], [-1.0, 3.0], [-2.0, -0.5], [0.0, 0.0]] {
            let Range { step, zero_point } = seen(&values).range();
            assert_eq!(zero_point.round(), zero_point);
            assert!((0.0..=HIGHEST).contains(&zero_point) && step > 0.0);
            for value in values.map(f64::from) {
                let whole = (value / step + zero_point).round().clamp(0.0, HIGHEST);
                let off = ((whole - zero_point) * step - value).abs();
                assert!(off <= step, "{values:?}: {value} is off by {off}");
            }
        }
        // After a ReLU.
        assert_eq!(seen(&[0.0, 3.0]).range().zero_point, 0.0);
    }

    #[test]
    fn a_single_value_far_away_is_cut_off_and_a_few_are_not() {
        let mut values: Vec<f32> = (0..1_000_000).map(|n| (n % 1000) as f32 / 1000.0).collect();
        values[0] = 8.0;
        let highest = |values: &[f32]| HIGHEST * seen(values).range().step;
        let with_one = highest(&values);
        assert!((1.0..8.0).contains(&with_one), "{with_one}");
        values[..2000].fill(8.0);
        let with_some = highest(&values);
        assert!(with_some > with_one, "{with_some}");
    }
}
