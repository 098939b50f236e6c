//! Where the learned tensors of a network lie among all its learned values.
//!
//! The values of all tensors are one row. So the optimizer and the running average are a few operations a step, and not a
//! few for each tensor. The row begins with the weights, which alone decay. Then come the biases; then the scales and
//! shifts of batch normalisation, which alone are never rounded to bf16.

use tch::Tensor;

use crate::network::{Parameter, Role};

/// The places of the learned tensors.
#[derive(Clone)]
pub(crate) struct Layout {
    /// Each tensor with the place of its first value, in the order of the row.
    places: Vec<(Parameter, i64)>,
    /// The number of values with weight decay.
    decaying: i64,
    /// The number of all values.
    length: i64,
}

impl Layout {
    /// The layout for the parameters of a network.
    pub(super) fn of(parameters: &[Parameter]) -> Self {
        let mut layout = Self {
            places: Vec::new(),
            decaying: 0,
            length: 0,
        };
        layout.append(parameters, |role| matches!(role, Role::Weight { .. }));
        layout.decaying = layout.length;
        layout.append(parameters, |role| matches!(role, Role::Bias));
        layout.append(parameters, |role| matches!(role, Role::Offset { .. }));
        layout
    }

    fn append(&mut self, parameters: &[Parameter], belongs: impl Fn(Role) -> bool) {
        for parameter in parameters
            .iter()
            .filter(|parameter| belongs(parameter.role))
        {
            self.places.push((parameter.clone(), self.length));
            self.length += values_in(parameter);
        }
    }

    /// The number of all values.
    pub(super) const fn length(&self) -> i64 {
        self.length
    }

    /// The part of a row that decays.
    pub(crate) fn decaying(&self, row: &Tensor) -> Tensor {
        row.narrow(0, 0, self.decaying)
    }

    /// The tensors that share their values with a row, in its order.
    pub(crate) fn tensors(&self, row: &Tensor) -> impl Iterator<Item = (&Parameter, Tensor)> {
        self.places.iter().map(|(parameter, first)| {
            let values = row.narrow(0, *first, values_in(parameter));
            (parameter, shaped(&values, &parameter.shape))
        })
    }
}

fn values_in(parameter: &Parameter) -> i64 {
    parameter.shape.iter().product()
}

/// A part of a row in the shape of its tensor. Filters lie channels-last, as convolutions take them.
fn shaped(values: &Tensor, shape: &[i64]) -> Tensor {
    match *shape {
        [filters, channels, rows, columns] => values
            .view([filters, rows, columns, channels])
            .permute([0, 3, 1, 2]),
        _ => values.view(shape),
    }
}

/// The values of a tensor in the order in which they lie in a row.
pub(super) fn in_a_row(tensor: &Tensor) -> Tensor {
    let tensor = match tensor.dim() {
        4 => tensor.permute([0, 2, 3, 1]),
        _ => tensor.shallow_clone(),
    };
    tensor.reshape([-1])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::network::Architecture;

    #[test]
    fn each_value_has_one_place_and_filters_lie_channels_last() {
        let network = "zhu2019 k=0.1 N=1"
            .parse::<Architecture>()
            .unwrap()
            .describe();
        let layout = Layout::of(&network.parameters());
        assert_eq!(layout.length(), network.learned_values() as i64);
        let row = Tensor::arange(layout.length(), (Kind::Int64, Device::Cpu));
        let tensors: Vec<(&Parameter, Tensor)> = layout.tensors(&row).collect();
        let again: Vec<Tensor> = tensors.iter().map(|(_, tensor)| in_a_row(tensor)).collect();
        assert!(Tensor::cat(&again, 0).equal(&row));

        let decaying = layout.decaying(&row).size()[0];
        for (parameter, tensor) in &tensors {
            assert_eq!(tensor.size(), parameter.shape, "{}", parameter.name);
            let decays = matches!(parameter.role, Role::Weight { .. });
            assert_eq!(tensor.max().int64_value(&[]) < decaying, decays);
            if let [_, channels, _, columns] = parameter.shape[..] {
                assert_eq!(tensor.stride()[1..], [1, channels * columns, channels]);
            }
        }
    }
}
