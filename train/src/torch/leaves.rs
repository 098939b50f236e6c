//! The tensors that a training step differentiates by.

use tch::{Kind, Tensor};

use super::{Precision, Weights};
use crate::network::Role;

/// Weights in the precision in which a network computes with them.
///
/// In f32 they share the memory of the weights that they were made of. In bf16 they are a copy of them, which is rounded in
/// one operation where the layers would need one for each tensor. What batch normalisation learns and observes is
/// shared in either case.
pub(crate) struct Leaves {
    weights: Weights,
    /// The learned tensors, in their order in a row.
    learned: Vec<Tensor>,
    /// All learned values, and the same in bf16.
    rounded: Option<(Tensor, Tensor)>,
}

impl Leaves {
    /// The leaves of these weights.
    pub(crate) fn of(weights: &Weights, precision: Precision) -> Self {
        let row = weights.row();
        let rounded = match precision {
            Precision::F32 => None,
            Precision::Bf16 => Some((row.shallow_clone(), row.to_kind(Kind::BFloat16))),
        };
        let layout = weights.layout();
        let in_either = rounded.as_ref().map_or(row, |(_, rounded)| rounded);
        let learned: Vec<Tensor> = (layout.tensors(row).zip(layout.tensors(in_either)))
            .map(|((parameter, exact), (_, rounded))| match parameter.role {
                Role::Offset { .. } => exact,
                _ => rounded,
            })
            .map(|tensor| tensor.detach().set_requires_grad(true))
            .collect();
        let leaves = learned.iter().map(Tensor::shallow_clone);
        Self {
            weights: weights.with_learned(leaves),
            learned,
            rounded,
        }
    }

    /// What [`forward`](super::forward) takes.
    pub(crate) const fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Takes over the values of the weights, which have changed.
    pub(crate) fn refresh(&mut self) {
        if let Some((exact, rounded)) = &mut self.rounded {
            tch::no_grad(|| rounded.copy_(exact));
        }
    }

    /// The gradient of a loss, f32, in a row as the weights.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Tensor {
        let gradients = Tensor::run_backward(&[loss], &self.learned, false, false);
        self.weights.layout().row_of(&gradients)
    }
}
