//! Models with random weights, built node by node.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::math::{add, max, mul};
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::super::prelu::Prelu;

/// A model that is being built.
pub(super) struct ModelBuilder {
    pub(super) model: TypedModel,
    pub(super) random: ChaCha8Rng,
    count: usize,
}

impl ModelBuilder {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            model: TypedModel::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            count: 0,
        }
    }

    pub(super) fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    pub(super) fn channels(&self, x: OutletId) -> usize {
        self.model
            .outlet_fact(x)
            .unwrap()
            .shape
            .as_concrete()
            .unwrap()[1]
    }

    pub(super) fn constant(&mut self, shape: &[usize], scale: f32) -> OutletId {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| self.random.random_range(-scale..scale))
            .collect();
        let name = self.name("constant");
        let tensor = Tensor::from_shape(shape, &values).unwrap();
        self.model.add_const(name, tensor).unwrap()
    }

    pub(super) fn wire(
        &mut self,
        what: &str,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> OutletId {
        let name = self.name(what);
        self.model.wire_node(name, op, inputs).unwrap()[0]
    }

    pub(super) fn spec(
        &mut self,
        x: OutletId,
        side: usize,
        stride: usize,
        outputs: usize,
    ) -> PoolSpec {
        let before = self.random.random_range(0..side);
        let after = self.random.random_range(0..side);
        PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: tvec!(side, side),
            padding: PaddingSpec::Explicit(tvec!(before, after), tvec!(after, before)),
            dilations: None,
            strides: Some(tvec!(stride, stride)),
            input_channels: self.channels(x),
            output_channels: outputs,
        }
    }

    pub(super) fn convolution(&mut self, x: OutletId, spec: PoolSpec) -> OutletId {
        let (inputs, outputs, side) = (
            spec.input_channels,
            spec.output_channels,
            spec.kernel_shape[0],
        );
        self.grouped(x, spec, 1, (outputs, inputs, side))
    }

    /// A convolution of which each channel has a window of its own.
    pub(super) fn depthwise(&mut self, x: OutletId, side: usize, stride: usize) -> OutletId {
        let channels = self.channels(x);
        let spec = self.spec(x, side, stride, channels);
        self.grouped(x, spec, channels, (channels, 1, side))
    }

    /// A convolution in groups that keeps the image size.
    pub(super) fn same_in_groups(
        &mut self,
        x: OutletId,
        side: usize,
        groups: usize,
        outputs: usize,
    ) -> OutletId {
        let mut spec = self.spec(x, side, 1, outputs);
        spec.padding = PaddingSpec::SameUpper;
        let inputs = spec.input_channels / groups;
        self.grouped(x, spec, groups, (outputs, inputs, side))
    }

    fn grouped(
        &mut self,
        x: OutletId,
        pool_spec: PoolSpec,
        group: usize,
        (outputs, inputs, side): (usize, usize, usize),
    ) -> OutletId {
        let scale = 1.0 / ((inputs * side * side) as f32).sqrt();
        let weights = self.constant(&[outputs, inputs, side, side], scale);
        let bias = self.constant(&[outputs], 1.0);
        let conv = Conv {
            pool_spec,
            kernel_fmt: KernelFormat::OIHW,
            group,
            q_params: None,
        };
        self.wire("conv", conv, &[x, weights, bias])
    }

    /// A convolution that keeps the image size.
    pub(super) fn same(&mut self, x: OutletId, side: usize, outputs: usize) -> OutletId {
        let mut spec = self.spec(x, side, 1, outputs);
        spec.padding = PaddingSpec::SameUpper;
        self.convolution(x, spec)
    }

    pub(super) fn normalise(&mut self, x: OutletId) -> OutletId {
        let channels = self.channels(x);
        let (scale, shift) = (
            self.constant(&[1, channels, 1, 1], 2.0),
            self.constant(&[1, channels, 1, 1], 1.0),
        );
        let x = self.wire("scale", mul(), &[x, scale]);
        self.wire("shift", add(), &[x, shift])
    }

    /// Negative values times a slope of their channel.
    pub(super) fn prelu(&mut self, x: OutletId) -> OutletId {
        let channels = self.channels(x);
        let slopes = self.constant(&[1, channels, 1, 1], 1.0);
        self.wire("prelu", Prelu, &[x, slopes])
    }

    pub(super) fn relu(&mut self, x: OutletId) -> OutletId {
        let name = self.name("zero");
        let zero = Tensor::zero::<f32>(&[1, 1, 1, 1]).unwrap();
        let zero = self.model.add_const(name, zero).unwrap();
        self.wire("relu", max(), &[x, zero])
    }

    /// The greatest values of windows side by side.
    pub(super) fn pool_apart(&mut self, x: OutletId, side: usize) -> OutletId {
        let channels = self.channels(x);
        let mut pool_spec = self.spec(x, side, side, channels);
        pool_spec.padding = PaddingSpec::Valid;
        let pool = MaxPool {
            pool_spec,
            with_index_outputs: None,
        };
        self.wire("max", pool, &[x])
    }

    pub(super) fn pool(&mut self, x: OutletId, is_max: bool) -> OutletId {
        let channels = self.channels(x);
        let pool_spec = self.spec(x, 3, 2, channels);
        if is_max {
            let with_index_outputs = None;
            self.wire(
                "max",
                MaxPool {
                    pool_spec,
                    with_index_outputs,
                },
                &[x],
            )
        } else {
            let count_include_pad = self.random.random();
            let pool = SumPool {
                pool_spec,
                count_include_pad,
                normalize: true,
            };
            self.wire("mean", pool, &[x])
        }
    }
}
