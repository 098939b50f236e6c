//! The tensors of a network.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::layout::Layout;
use super::transfer::read_back;
use crate::network::{Network, Parameter, Role};

/// The tensors of a network, f32, by name.
pub struct Weights {
    /// One tensor for each of `parameters`. The learned ones share their values with `row`.
    tensors: BTreeMap<String, Tensor>,
    parameters: Vec<Parameter>,
    /// The values of all learned tensors.
    row: Tensor,
    layout: Layout,
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

/// Whether all values of some tensors are numbers. Reads back from the device once.
pub(crate) fn are_finite<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> bool {
    let all: Vec<Tensor> = tensors.map(|tensor| tensor.flatten(0, -1)).collect();
    read_back(&Tensor::cat(&all, 0).isfinite().all()) == [1.0]
}

impl Weights {
    /// Random weights (He et al. 2015), drawn from torch's generator.
    pub fn start(network: &Network, device: Device) -> Self {
        let parameters = network.parameters();
        let layout = Layout::of(&parameters);
        // Drawn on the CPU, so that a seed gives the same weights on every device.
        let options = (Kind::Float, Device::Cpu);
        let row = Tensor::zeros([layout.length()], options);
        let weights = Self::over(row, layout, parameters, |parameter| {
            Tensor::zeros(parameter.shape.as_slice(), options)
        });
        for (parameter, tensor) in weights.iter() {
            let mut tensor = tensor.shallow_clone();
            match parameter.role {
                Role::Weight { deviation } => {
                    let shape = parameter.shape.as_slice();
                    tensor.copy_(&(Tensor::randn(shape, options) * deviation));
                }
                Role::Offset { start } | Role::Statistic { start } => {
                    let _ = tensor.fill_(start);
                }
                Role::Bias => {}
            }
        }
        weights.to_device(device)
    }

    /// Weights whose learned values are this row.
    fn over(
        row: Tensor,
        layout: Layout,
        parameters: Vec<Parameter>,
        statistic: impl Fn(&Parameter) -> Tensor,
    ) -> Self {
        let observed = parameters
            .iter()
            .filter(|parameter| matches!(parameter.role, Role::Statistic { .. }))
            .map(|parameter| (parameter.name.clone(), statistic(parameter)));
        let learned = layout
            .tensors(&row)
            .map(|(parameter, tensor)| (parameter.name.clone(), tensor));
        let tensors = observed.chain(learned).collect();
        Self {
            tensors,
            parameters,
            row,
            layout,
        }
    }

    /// A copy on a device.
    #[must_use]
    pub(crate) fn to_device(&self, device: Device) -> Self {
        let copy = |tensor: &Tensor| tensor.to_device_(device, Kind::Float, false, true);
        Self::over(
            copy(&self.row),
            self.layout.clone(),
            self.parameters.clone(),
            |parameter| copy(self.get(&parameter.name)),
        )
    }

    /// A copy on the same device.
    #[must_use]
    pub(crate) fn copy(&self) -> Self {
        self.to_device(self.row.device())
    }

    /// The same tensors with others in the place of the learned ones, in the order of the row.
    pub(super) fn with_learned(&self, learned: impl Iterator<Item = Tensor>) -> Self {
        let mut tensors: BTreeMap<String, Tensor> = (self.tensors.iter())
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        for ((parameter, _), tensor) in self.layout.tensors(&self.row).zip(learned) {
            tensors.insert(parameter.name.clone(), tensor);
        }
        Self {
            tensors,
            parameters: self.parameters.clone(),
            row: self.row.shallow_clone(),
            layout: self.layout.clone(),
        }
    }

    /// The values of all learned tensors. Who changes them changes the tensors.
    pub(crate) const fn row(&self) -> &Tensor {
        &self.row
    }

    /// Where the learned tensors lie in the row.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether all values are numbers. Waits for the device.
    pub(crate) fn is_finite(&self) -> bool {
        are_finite([&self.row].into_iter().chain(self.statistics()))
    }

    /// What batch normalisation observes.
    pub(crate) fn statistics(&self) -> impl Iterator<Item = &Tensor> {
        self.iter()
            .filter(|(parameter, _)| matches!(parameter.role, Role::Statistic { .. }))
            .map(|(_, tensor)| tensor)
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
            self.get(&parameter.name).shallow_clone().copy_(&value);
        }
        Ok(())
    }

    /// Takes over the values of these names. Tensors of other names stay as they are.
    ///
    /// # Panics
    /// If one has another shape.
    pub(crate) fn take(&mut self, values: &BTreeMap<String, Tensor>) {
        for parameter in &self.parameters {
            if let Some(value) = values.get(&parameter.name) {
                assert_eq!(value.size(), parameter.shape, "{}", parameter.name);
                self.get(&parameter.name).shallow_clone().copy_(value);
            }
        }
    }

    /// The tensor of this name.
    ///
    /// # Panics
    /// If the network has none.
    pub(crate) fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
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
