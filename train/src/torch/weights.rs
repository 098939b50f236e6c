//! The tensors of a network.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::layers::channels_last;
use crate::network::{Network, Parameter, Role};

/// The tensors of a network, f32, by name.
pub struct Weights {
    /// One tensor for each of `parameters`.
    tensors: BTreeMap<String, Tensor>,
    parameters: Vec<Parameter>,
}

/// Why [`Weights`] can't be filled from a file.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The file has no tensor of this name.
    #[error("it has no tensor '{0}'")]
    Missing(String),
    /// The tensor of this name can't be read, for this reason.
    #[error("its tensor '{0}' can't be read: {1}")]
    Unreadable(String, &'static str),
    /// The network has a tensor of another shape.
    #[error("its tensor '{name}' has shape {found:?}, not {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<i64>,
        /// The shape in the network.
        expected: Vec<i64>,
    },
}

impl Weights {
    /// Random weights (He et al. 2015), drawn from torch's generator.
    pub fn start(network: &Network, device: Device) -> Self {
        let parameters = network.parameters();
        let tensors = parameters
            .iter()
            .map(|parameter| {
                let shape = parameter.shape.as_slice();
                // Drawn on the CPU, so that a seed gives the same weights on every device.
                let options = (Kind::Float, Device::Cpu);
                let tensor = match parameter.role {
                    Role::Weight { deviation } => Tensor::randn(shape, options) * deviation,
                    Role::Offset { start } | Role::Statistic { start } => {
                        Tensor::full(shape, start, options)
                    }
                };
                (parameter.name.clone(), placed(&tensor, device))
            })
            .collect();
        let weights = Self {
            tensors,
            parameters,
        };
        weights.require_gradients()
    }

    /// A trainable copy of the weights on a device.
    #[must_use]
    pub(crate) fn to_device(&self, device: Device) -> Self {
        let tensors = (self.tensors.iter())
            .map(|(name, tensor)| (name.clone(), placed(&tensor.detach(), device).copy()))
            .collect();
        let parameters = self.parameters.clone();
        Self {
            tensors,
            parameters,
        }
        .require_gradients()
    }

    /// A copy on the same device, without gradients.
    #[must_use]
    pub(crate) fn detached_copy(&self) -> Self {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.detach().copy()))
            .collect();
        Self {
            tensors,
            parameters: self.parameters.clone(),
        }
    }

    /// Every tensor with its description, in the network's order.
    pub fn iter(&self) -> impl Iterator<Item = (&Parameter, &Tensor)> {
        self.parameters
            .iter()
            .map(|parameter| (parameter, self.get(&parameter.name)))
    }

    /// Replaces every tensor by what `source` returns for its name, in the network's order.
    ///
    /// # Errors
    /// The error of `source`; or the name of a tensor whose shape is another.
    pub fn fill<E: From<TensorError>>(
        &mut self,
        mut source: impl FnMut(&str) -> Result<Tensor, E>,
    ) -> Result<(), E> {
        for parameter in &self.parameters {
            let value = source(&parameter.name)?;
            if value.size() != parameter.shape {
                return Err(TensorError::Shape {
                    name: parameter.name.clone(),
                    found: value.size(),
                    expected: parameter.shape.clone(),
                }
                .into());
            }
            let mut tensor = self.get(&parameter.name).shallow_clone();
            tch::no_grad(|| tensor.copy_(&value));
        }
        Ok(())
    }

    fn require_gradients(self) -> Self {
        for parameter in &self.parameters {
            if !matches!(parameter.role, Role::Statistic { .. }) {
                // Changes the tensor itself, not a copy.
                let _ = self.get(&parameter.name).set_requires_grad(true);
            }
        }
        self
    }

    /// The tensor of this name.
    ///
    /// # Panics
    /// If the network has none.
    pub(super) fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }
}

/// A tensor on a device. A GPU gets filters channels-last, as its convolutions take them, so that no step has to turn
/// them.
fn placed(tensor: &Tensor, device: Device) -> Tensor {
    let tensor = tensor.to_device(device);
    if device.is_cuda() && tensor.dim() == 4 {
        channels_last(&tensor)
    } else {
        tensor
    }
}

/// A tensor's values in row-major order, as f32 in little-endian bytes.
pub(crate) fn little_endian(tensor: &Tensor) -> Vec<u8> {
    let values = values(tensor);
    let mut bytes = vec![0; 4 * values.len()];
    for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// A tensor's values in row-major order, as f32.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor
        .detach()
        .to_device(Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous()
        .view(-1);
    let mut values = vec![0.0_f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
}
