//! Where the learned tensors of a network lie among all its learned values.
//!
//! The values of all tensors are one row. So the optimizer and the running average are a few operations a step, and not a
//! few for each tensor. The row begins with the weights, which alone decay. Then come the biases; then the scales and
//! shifts of batch normalisation, which alone are never rounded to bf16. Between two tensors there may be a few zeros.

use tch::{Kind, Tensor};

use crate::network::{Parameter, Role};

/// Each tensor begins at a multiple of this many values: the fast kernels of a GPU read 16 bytes at once.
const ALIGNMENT: i64 = 8;

/// The places of the learned tensors.
#[derive(Clone)]
pub(crate) struct Layout {
    /// Each tensor with the place of its first value, in the order of the row.
    places: Vec<(Parameter, i64)>,
    /// The number of values with weight decay.
    decaying: i64,
    /// The number of all values, and of the zeros between them.
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
            let first = (self.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            self.places.push((parameter.clone(), first));
            self.length = first + values_in(parameter);
        }
    }

    /// The length of a row.
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

    /// A row, f32, made of its tensors.
    pub(super) fn row_of(&self, tensors: &[Tensor]) -> Tensor {
        let mut pieces = Vec::new();
        let mut length = 0;
        for ((parameter, first), tensor) in self.places.iter().zip(tensors) {
            if *first > length {
                let options = (tensor.kind(), tensor.device());
                pieces.push(Tensor::zeros([first - length], options));
            }
            pieces.push(in_a_row(tensor));
            length = first + values_in(parameter);
        }
        // Pieces of one kind are put together in one operation.
        let parts: Vec<Tensor> = pieces
            .chunk_by(|a, b| a.kind() == b.kind())
            .map(|pieces| Tensor::cat(pieces, 0).to_kind(Kind::Float))
            .collect();
        match &parts[..] {
            [one] => one.shallow_clone(),
            several => Tensor::cat(several, 0),
        }
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
fn in_a_row(tensor: &Tensor) -> Tensor {
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
        let text = "zhu2019 k=0.1 N=1";
        let network = text.parse::<Architecture>().unwrap().describe();
        let layout = Layout::of(&network.parameters());
        let row = Tensor::arange(layout.length(), (Kind::Float, Device::Cpu));
        let tensors: Vec<(&Parameter, Tensor)> = layout.tensors(&row).collect();
        let mut places: Vec<i64> = Vec::new();
        let decaying = layout.decaying(&row).size()[0];
        for (parameter, tensor) in &tensors {
            assert_eq!(tensor.size(), parameter.shape, "{}", parameter.name);
            assert_eq!(tensor.min().int64_value(&[]) % ALIGNMENT, 0);
            let decays = matches!(parameter.role, Role::Weight { .. });
            assert_eq!(tensor.max().int64_value(&[]) < decaying, decays);
            if let [_, channels, _, columns] = parameter.shape[..] {
                assert_eq!(tensor.stride()[1..], [1, channels * columns, channels]);
            }
            let values = tensor.reshape([-1]).to_kind(Kind::Int64);
            places.extend(Vec::<i64>::try_from(values).unwrap());
        }
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), network.learned_values());
        assert!(places.len() < row.numel(), "no tensor needed an alignment");
    }

    #[test]
    fn a_row_is_made_of_its_tensors_and_of_zeros() {
        let text = "zhu2019 k=0.1 N=1";
        let network = text.parse::<Architecture>().unwrap().describe();
        let layout = Layout::of(&network.parameters());
        let row = Tensor::arange(layout.length(), (Kind::Float, Device::Cpu)) + 1.0;
        let tensors: Vec<Tensor> = layout.tensors(&row).map(|(_, tensor)| tensor).collect();
        let again = layout.row_of(&tensors);
        assert_eq!(again.size(), row.size());
        let between = again.eq(0.0);
        assert!(between.any().int64_value(&[]) == 1);
        let zeros = Tensor::zeros_like(&row);
        assert!(row.where_self(&between.logical_not(), &zeros).equal(&again));
        for ((parameter, tensor), wanted) in layout.tensors(&again).zip(&tensors) {
            assert!(tensor.equal(wanted), "{}", parameter.name);
        }
    }
}
