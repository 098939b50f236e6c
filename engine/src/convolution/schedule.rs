//! In which order a kernel adds up products in 16 bits, so that no sum of them leaves 16 bits.
//!
//! AVX2 multiplies bytes four at a time, and adds up two products in 16 bits:
//!
//! ```text
//!   a unit of inputs, 0 to 255      [ a  b ][ c  d ]
//!   its weights of a channel        [ w  x ][ y  z ]
//!   two sums of a channel            aw+bx   cy+dz     at most 255 (w + x), if both weights are positive
//! ```
//!
//! The instruction cuts off what does not fit 16 bits. So for each sum, two positive weights may be 128 together, and two
//! negative ones -128: 255 x 128 is 32,640. Where they are more, one step becomes two, and the second has what is too
//! much.
//!
//! Moving sums to 32 bits costs as much as a step does. So the steps of a k block are put together in runs, like things of
//! some size in boxes, and are added up in 16 bits: each step goes to the first run in which it fits for all channels of
//! the block. A sum can be anything between 255 times its negative weights and 255 times its positive ones. If the
//! weights of a run are 257 together, without their signs, these are 65,536 numbers, as many as 16 bits have. The sum
//! starts from such a number that they are those of 16 bits, and the bias takes it away again.
//!
//! Whole numbers can be added in any order, so the sums are exact, and those of all other kernels.

use std::cmp::Reverse;

use crate::microkernel::Unit;
use crate::microkernel::dtype::unit_of_four;
use crate::microkernel::gemm::{Runs, Schedule};

/// The greatest input.
const GREATEST: i32 = 255;

/// The most that two weights of one sign may be together, without it.
const MOST_OF_STEP: i32 = i16::MAX as i32 / GREATEST;

/// The most that the weights of a run may be together for one sum of 16 bits, without their signs.
const MOST_OF_RUN: u16 = u16::MAX / GREATEST as u16;

/// Sums of 16 bits of a block of channels, at most: two for each.
const SUMS: usize = 32;

/// How many runs a step is tried in: the last ones that were begun. More gain nothing.
const OPEN: usize = 32;

/// The most steps of a k block of `k_units` units.
pub(super) const fn most_steps(k_units: usize) -> usize {
    2 * k_units
}

/// What the weights of each sum are together, without their signs.
type Load = [u16; SUMS];

/// The weights that a unit of the inputs is multiplied with, or a part of them.
struct Step {
    offset: usize,
    weights: Vec<Unit>,
}

/// Puts the units of a k block, `[k unit][channel]`, and their offsets in order, and writes the weights of each step to
/// `weights`, `[step][channel]`.
pub(super) fn arrange(
    units: &[Unit],
    columns: usize,
    offsets: impl Iterator<Item = usize>,
    weights: &mut [Unit],
) -> Schedule {
    let mut runs: Vec<(Load, Vec<Step>)> = Vec::new();
    for (unit, offset) in units.chunks(columns).zip(offsets) {
        let (kept, excess): (Vec<Unit>, Vec<Unit>) = unit.iter().map(|unit| split(*unit)).unzip();
        for weights in [kept, excess] {
            // What is zero for all channels adds nothing.
            if weights.iter().all(|unit| *unit == 0) {
                continue;
            }
            let load = load(&weights);
            let step = Step { offset, weights };
            let open = runs.len().saturating_sub(OPEN);
            if let Some((sum, steps)) = runs[open..].iter_mut().find(|(sum, _)| fits(sum, &load)) {
                for (sum, load) in sum.iter_mut().zip(load) {
                    *sum += load;
                }
                steps.push(step);
            } else {
                runs.push((load, vec![step]));
            }
        }
    }
    // The same number of steps again and again is what a processor foresees.
    runs.sort_by_key(|(_, steps)| Reverse(steps.len()));
    let steps = runs.iter().map(|(_, steps)| steps.len()).sum();
    let mut schedule = Schedule {
        runs: Vec::new(),
        offsets: Vec::with_capacity(steps),
        starts: Vec::with_capacity(runs.len() * columns),
    };
    let mut targets = weights.chunks_mut(columns);
    for (_, steps) in &runs {
        schedule.starts.extend(starts(steps, columns));
        for (step, target) in steps.iter().zip(&mut targets) {
            target.copy_from_slice(&step.weights);
            schedule.offsets.push(step.offset);
        }
    }
    for runs in runs.chunk_by(|(_, one), (_, next)| one.len() == next.len()) {
        schedule.runs.push(Runs {
            steps: runs[0].1.len(),
            count: runs.len(),
        });
    }
    schedule
}

/// A sum and both numbers that its sums of 16 bits start from. It is right in the lowest 32 bits.
pub(super) fn add(sum: i32, start: Unit) -> i32 {
    let [first, second] = [start as i16, (start >> 16) as i16];
    sum.wrapping_add(i32::from(first) + i32::from(second))
}

fn weights_of(unit: Unit) -> [i32; 4] {
    unit.to_le_bytes().map(|byte| i32::from(byte.cast_signed()))
}

/// Splits the weights of a channel in such that fit alone, and the rest, which does too.
fn split(unit: Unit) -> (Unit, Unit) {
    let mut kept = weights_of(unit);
    let mut excess = [0; 4];
    for at in [0, 2] {
        let sum = kept[at] + kept[at + 1];
        // Both weights have its sign, and it is no more than either.
        excess[at] = sum - sum.clamp(-MOST_OF_STEP, MOST_OF_STEP);
        kept[at] -= excess[at];
    }
    let unit = |weights: [i32; 4]| unit_of_four(weights.map(|weight| weight as i8));
    (unit(kept), unit(excess))
}

fn load(units: &[Unit]) -> Load {
    let mut load = [0; SUMS];
    for (load, unit) in load.chunks_mut(2).zip(units) {
        let [w, x, y, z] = unit
            .to_le_bytes()
            .map(|byte| u16::from(byte.cast_signed().unsigned_abs()));
        load.copy_from_slice(&[w + x, y + z]);
    }
    load
}

fn fits(sum: &Load, load: &Load) -> bool {
    let sums = sum.iter().zip(load);
    // A loop without an early end is one of vectors.
    let most = sums.fold(0, |most: u16, (sum, load)| most.max(sum + load));
    most <= MOST_OF_RUN
}

/// The numbers that the sums of a run start from: the greatest sum is the greatest number of 16 bits.
fn starts(steps: &[Step], columns: usize) -> impl Iterator<Item = Unit> {
    (0..columns).map(move |channel| {
        let mut positive = [0; 2];
        for step in steps {
            let [w, x, y, z] = weights_of(step.weights[channel]).map(|weight| weight.max(0));
            positive[0] += w + x;
            positive[1] += y + z;
        }
        let [first, second] = positive.map(|weights| {
            let start = i32::from(i16::MAX) - GREATEST * weights;
            Unit::from((start as i16).cast_unsigned())
        });
        second << 16 | first
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn no_sum_leaves_16_bits_and_no_weight_is_lost() {
        const WHOLE: [i32; 2] = [i16::MIN as i32, i16::MAX as i32];
        let random = &mut ChaCha8Rng::seed_from_u64(7);
        let mut merged = 0;
        for most in [1, 20, 64, 127, 128] {
            let (k_units, columns) = (50, [8, 16][random.random_range(0..2)]);
            let weight = |random: &mut ChaCha8Rng| match most {
                // The ends alone.
                128 => [-128, 127][random.random_range(0..2)],
                most => random.random_range(-most..=most) as i8,
            };
            let units: Vec<Unit> = (0..k_units * columns)
                .map(|_| unit_of_four([(); 4].map(|()| weight(random))))
                .collect();
            let mut packed = vec![0; most_steps(units.len())];
            let offsets = (0..k_units).map(|unit| 4 * unit);
            let schedule = arrange(&units, columns, offsets, &mut packed);

            let lengths = |runs: &Runs| vec![runs.steps; runs.count];
            let lengths: Vec<usize> = schedule.runs.iter().flat_map(lengths).collect();
            assert_eq!(lengths.iter().sum::<usize>(), schedule.offsets.len());
            assert_eq!(schedule.starts.len(), lengths.len() * columns);
            merged += usize::from(lengths.len() < schedule.offsets.len());
            let mut found: HashMap<(usize, usize), [i32; 4]> = HashMap::new();
            let mut steps = schedule.offsets.iter().zip(packed.chunks(columns));
            for (starts, length) in schedule.starts.chunks(columns).zip(lengths) {
                let begin = |start: &Unit| [*start as i16, (*start >> 16) as i16].map(i32::from);
                // The least and the most that each sum can be.
                let mut sums: Vec<[[i32; 2]; 2]> = starts.iter().map(|of| [begin(of); 2]).collect();
                for (offset, weights) in steps.by_ref().take(length) {
                    for (channel, unit) in weights.iter().enumerate() {
                        let weights = weights_of(*unit);
                        let all = found.entry((*offset, channel)).or_default();
                        for (all, weight) in all.iter_mut().zip(weights) {
                            *all += weight;
                        }
                        for (half, pair) in weights.as_chunks::<2>().0.iter().enumerate() {
                            let least: i32 = pair.iter().map(|of| GREATEST * of.min(&0)).sum();
                            let most: i32 = pair.iter().map(|of| GREATEST * of.max(&0)).sum();
                            assert!(WHOLE[0] <= least && most <= WHOLE[1], "{pair:?}");
                            sums[channel][0][half] += least;
                            sums[channel][1][half] += most;
                        }
                    }
                }
                for [least, most] in sums {
                    assert!(least.iter().all(|sum| *sum >= WHOLE[0]), "{least:?}");
                    assert!(most.iter().all(|sum| *sum <= WHOLE[1]), "{most:?}");
                }
            }
            for (at, unit) in units.iter().enumerate() {
                let place = (4 * (at / columns), at % columns);
                let found = found.get(&place).copied().unwrap_or_default();
                assert_eq!(found, weights_of(*unit), "{place:?}");
            }
        }
        assert!(merged > 2, "{merged} schedules have runs of several steps");
    }
}
