//! Which values are of eight bits, and which convolutions multiply them.
//!
//! A network says it by rounding: to a whole number of quanta, which 256 bytes can tell apart. What a convolution reads
//! is rounded then, and its weights are whole numbers of steps. So its sums are whole numbers of `quantum * step`, and
//! exact. What is computed of the sums is f32, until it is rounded again.

use super::{FusedConvolution, Graph, NodeId, Op, Term};
use crate::microkernel::epilogue::{Grid, Rescaling};
use crate::program::Quantisation;
use crate::program::pool::Pooling;

/// The most weights of an output channel: with the greatest byte and weight, the sum stays far below the end of i32.
const MOST_WEIGHTS: usize = 1 << 15;

/// The greatest bias, in whole numbers: above 2^29, where `galmorph-train export` ends.
const GREATEST_BIAS: f32 = 5.5e8;

/// A convolution that multiplies bytes.
pub(super) struct EightBits<'a> {
    pub(super) term: &'a Term,
    /// The step of the weights of each channel.
    pub(super) steps: &'a [f32],
    /// Of the input.
    pub(super) input: Quantisation,
}

impl Graph {
    /// How a node's values are rounded, if they are.
    pub(super) fn quantisation_of(&self, id: NodeId) -> Option<Quantisation> {
        let node = &self.nodes[id];
        node.quantisation.or_else(|| match &node.op {
            // One of the values of the input.
            Op::Pool {
                input,
                pooling: Pooling::Max,
                ..
            } => self.quantisation_of(*input),
            Op::Concat(parts) => {
                let mut all = parts.iter().map(|part| self.quantisation_of(*part));
                let first = all.next()??;
                all.all(|other| other == Some(first)).then_some(first)
            }
            _ => None,
        })
    }

    /// What a convolution is if it multiplies bytes; `None` if it multiplies numbers of another type.
    pub(super) fn eight_bits<'a>(
        &self,
        convolution: &'a FusedConvolution,
    ) -> Option<EightBits<'a>> {
        let [term] = convolution.terms.as_slice() else {
            return None;
        };
        let steps = term.steps.as_deref()?;
        let input = self.quantisation_of(term.input)?;
        // The epilogue of whole numbers knows ReLU only.
        if convolution.function.is_some() {
            return None;
        }
        let found = EightBits { term, steps, input };
        let inputs = self.nodes[term.input].dims.channels;
        let is_exact = term.spec.weight_count(inputs) / term.spec.channels.max(1) <= MOST_WEIGHTS;
        let is_in_order = |scale: &f32| *scale >= 0.0 || !convolution.is_pooled();
        let is_small = |(unit, bias): (f32, &f32)| {
            unit.is_finite() && (unit == 0.0 || (bias / unit).abs() < GREATEST_BIAS)
        };
        let is_ours = is_exact
            && term.scale.iter().all(is_in_order)
            && found.units().zip(&convolution.bias).all(is_small);
        is_ours.then_some(found)
    }
}

impl EightBits<'_> {
    /// What one is in the sums of each channel.
    fn units(&self) -> impl Iterator<Item = f32> {
        let channels = self.steps.iter().zip(&self.term.scale);
        channels.map(|(step, scale)| self.input.quantum * step * scale)
    }

    /// How sums become values in a unit.
    pub(super) fn rescaling(&self, bias: &[f32], unit: f32) -> Rescaling {
        let mut rescaling = Rescaling {
            bias: Vec::new(),
            scale: Vec::new(),
            shift: Vec::new(),
        };
        for (of_sums, bias) in self.units().zip(bias) {
            let whole = if of_sums == 0.0 {
                0.0
            } else {
                (f64::from(*bias) / f64::from(of_sums)).round()
            };
            let rest = f64::from(*bias) - whole * f64::from(of_sums);
            // A bias of whole numbers that was stored as f32 is one up to rounding.
            let rounding = f64::from(f32::EPSILON) * f64::from(bias.abs());
            let rest = if rest.abs() <= 4.0 * rounding {
                0.0
            } else {
                rest
            };
            rescaling.bias.push(whole as i32);
            rescaling.scale.push(of_sums / unit);
            rescaling.shift.push((rest / f64::from(unit)) as f32);
        }
        rescaling
    }
}

/// What a convolution of eight bits rounds. A residual is in units of its own.
pub(super) fn grid(
    convolution: &FusedConvolution,
    quantisation: Option<Quantisation>,
    residual: Option<Quantisation>,
) -> Grid {
    let unit = quantisation.map_or(1.0, |of| of.quantum);
    let before = convolution.rounding;
    let after = quantisation.map(|of| {
        let mut bounds = of.bounds();
        if convolution.relu {
            bounds.least = 0.0;
        }
        bounds
    });
    Grid {
        before: before.map(Quantisation::bounds),
        factors: [
            before.map_or(1.0, |of| of.quantum / unit),
            residual.map_or(1.0, |of| of.quantum) / unit,
        ],
        residual_zero: residual.map_or(0, |of| of.zero_point),
        after,
    }
}
