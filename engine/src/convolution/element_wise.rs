//! What follows a convolution, of values that are there already: activations, functions and sums by the epilogue of a
//! kernel, whose vectors do more at once than plain loops.

use super::Scratch;
use super::layout::{Border, Layout};
use crate::microkernel::Kernel;
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::epilogue::{Accumulators, ChannelBlock, Epilogue, PoolGroups};

/// All kernels' vectors have as many values, or a part of them.
const LANES: usize = 16;

/// A pass over a buffer of f32 without a border.
#[derive(Debug, Clone)]
pub(crate) struct ElementWise {
    kernel: Kernel,
    // The pixels of an image.
    area: usize,
    // How many channels of each pixel are taken, from the first on.
    channels: usize,
    // One, with all channels that a pixel has in the buffer.
    block: ChannelBlock,
    // Zero for each of them.
    bias: Vec<f32>,
    // None.
    pooling: PoolGroups,
}

impl ElementWise {
    /// Prepares a pass over the first `channels` channels of all pixels; `None` if they are not side by side, or not in
    /// whole vectors.
    pub(crate) fn new(kernel: Kernel, input: &Layout, channels: usize) -> Option<Self> {
        let columns = input.channels;
        let is_whole = columns.is_multiple_of(LANES) && columns > 0;
        let is_dense = input.border == Border::default() && input.gap == 0;
        (is_whole && is_dense).then(|| Self {
            kernel,
            area: input.height * input.width,
            channels,
            block: ChannelBlock { first: 0, columns },
            bias: vec![0.0; columns],
            pooling: PoolGroups::none(),
        })
    }

    /// Applies an epilogue to all pixels of the first `images` images.
    pub(crate) fn run(
        &self,
        images: usize,
        input: TypedSlice<'_>,
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        let TypedSlice::F32(input) = input else {
            unreachable!("what is not multiplied is stored as f32")
        };
        let columns = self.block.columns;
        scratch.row.grow(columns);
        let mut accumulators = Accumulators {
            pixels: 0..images * self.area,
            pooling: &self.pooling,
            blocks: &[self.block],
            mc: images * self.area,
            sums: input,
            channels: self.channels,
            row: &mut scratch.row[..columns],
            bias: &self.bias,
            rescaling: None,
        };
        self.kernel.epilogue(&mut accumulators, epilogue);
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::convolution::layout::SLACK;
    use crate::microkernel::DType;
    use crate::microkernel::dtype::TypedSliceMut;
    use crate::microkernel::epilogue::function::Function;
    use crate::microkernel::epilogue::{ChannelSlice, Output};

    /// What a kernel makes of all channels of a pixel.
    fn run(kernel: Kernel, function: &Function, values: &[f32]) -> Vec<f32> {
        let layout = Layout::plain(1, 1, 1, values.len());
        let mut input = values.to_vec();
        input.resize(values.len() + SLACK, 0.0);
        let mut found = vec![9.0; values.len()];
        let slices = [ChannelSlice {
            offset: 0,
            activation: None,
            rounding: None,
        }];
        let mut epilogue = Epilogue {
            function: Some(function),
            outputs: smallvec![Output {
                values: TypedSliceMut::F32(&mut found),
                pixel_offsets: &[0],
                slices: &slices,
            }],
            ..Epilogue::default()
        };
        let pass = ElementWise::new(kernel, &layout, values.len()).unwrap();
        pass.run(
            1,
            TypedSlice::F32(&input),
            &mut Scratch::default(),
            &mut epilogue,
        );
        drop(epilogue);
        found
    }

    #[test]
    fn every_kernel_has_the_same_functions() {
        // Miri takes long for each.
        let step = if cfg!(miri) { 331 } else { 1 };
        let steps = (-10_000..10_000).step_by(step);
        let mut values: Vec<f32> = steps.map(|n| n as f32 / 99.0).collect();
        let infinity = f32::INFINITY;
        values.extend([f32::NAN, infinity, -infinity, 1e30, -1e30, -0.0, 1e-40]);
        values.resize(values.len().next_multiple_of(LANES), 0.5);
        let is_float = |kernel: &Kernel| kernel.is_supported() && kernel.dtype() != DType::Int8;
        for function in [
            Function::Sigmoid,
            Function::Silu,
            Function::HardSwish,
            Function::Gelu,
            Function::GeluByTanh,
            Function::LeakyRelu { slope: 0.1 },
        ] {
            let mut expected = values.clone();
            function.apply(0, &mut expected);
            for kernel in Kernel::ALL.into_iter().filter(is_float) {
                let found = run(kernel, &function, &values);
                for ((found, expected), value) in found.iter().zip(&expected).zip(&values) {
                    let error = (found - expected).abs() / expected.abs().max(1.0);
                    let is_same = found == expected || found.is_nan() && expected.is_nan();
                    let what =
                        format!("{kernel}, {function:?} of {value}: {found}, not {expected}");
                    assert!(is_same || error < 1e-6, "{what}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_side_by_side_or_in_whole_vectors_is_left_alone() {
        let plain = Layout::plain(2, 3, 3, 32);
        let is_ours = |layout: &Layout| ElementWise::new(Kernel::Portable, layout, 20).is_some();
        assert!(is_ours(&plain));
        let border = Border {
            right: 1,
            ..Border::default()
        };
        for other in [
            Layout { border, ..plain },
            Layout { gap: 32, ..plain },
            Layout {
                channels: 24,
                ..plain
            },
        ] {
            assert!(!is_ours(&other), "{other:?}");
        }
    }
}
