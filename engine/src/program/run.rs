//! How a program's steps are run: for a full batch or a part of it, image by image or all together.

use std::ops::Range;

use smallvec::SmallVec;

use super::pool::{Pooling, Window, pool, pool_to_greatest, pool_to_sums};
use super::store::{self, Source, Store};
use super::{Action, BufferId, Operand, Program, Rows, Step, Workspace};
use crate::convolution::Scratch;
use crate::convolution::layout::{Dims, Layout};
use crate::microkernel::dtype::{Stored, TypedSlice};
use crate::microkernel::epilogue::{Epilogue, Output, Residual};
use crate::microkernel::pixels::{add, apply, multiply, standardise};

impl Program {
    /// Where a place of the batch, or all of them, are in a buffer. A buffer for one image holds just the one that is
    /// computed.
    fn places_in(&self, buffer: BufferId, places: &Range<usize>) -> Range<usize> {
        let layout = self.buffers.layout(buffer);
        if layout.batch == places.len() {
            layout.image_range(&(0..places.len()))
        } else {
            layout.image_range(places)
        }
    }

    /// Computes the outputs of `images` images. They are `[image][channels][rows][columns]`, as each input's images
    /// are `[channels][rows][columns]`.
    ///
    /// An image's values are the same, to the last bit, however many there are.
    ///
    /// # Panics
    ///
    /// Panics if there is no room for so many, or if an input has fewer.
    pub(crate) fn run(
        &self,
        images: usize,
        workspace: &mut Workspace,
        inputs: &[&[&[f32]]],
        outputs: &mut [&mut [f32]],
    ) {
        assert!(images <= self.batch, "{images} images");
        workspace.store.begin(self.batch);
        let (by_image, together) = self.steps.split_at(self.by_image);
        if !by_image.is_empty() {
            for image in 0..images {
                let place = image..image + 1;
                for step in by_image {
                    self.run_step(step, 1, &place, workspace, inputs);
                }
            }
        }
        let all = 0..self.batch;
        for step in together {
            self.run_step(step, images, &all, workspace, inputs);
        }
        for ((dims, buffer), output) in self.outputs.iter().zip(outputs) {
            let disjoint = workspace.arena.disjoint(&self.buffers, &[*buffer]);
            let TypedSlice::F32(values) = disjoint.get(*buffer) else {
                unreachable!("outputs are stored as f32")
            };
            let len = dims.image_len();
            let area = dims.height * dims.width;
            let offsets = &self.pixel_offsets[*buffer][..images * area];
            let step = store::together(dims.channels);
            let of_images = offsets
                .chunks(area.max(1))
                .zip(output.chunks_mut(len.max(1)));
            for (offsets, output) in of_images {
                for (block, offsets) in offsets.chunks(step).enumerate() {
                    for channel in 0..dims.channels {
                        let target = &mut output[channel * area + block * step..];
                        for (target, offset) in target.iter_mut().zip(offsets) {
                            *target = values[offset + channel];
                        }
                    }
                }
            }
            // Eight bits can't say that a value is not a number.
            for image in workspace.store.lost_images(images) {
                output[image * len..][..len].fill(f32::NAN);
            }
        }
    }

    /// Runs a step on the first `images` of some places of the batch.
    fn run_step(
        &self,
        step: &Step,
        images: usize,
        places: &Range<usize>,
        workspace: &mut Workspace,
        inputs: &[&[&[f32]]],
    ) {
        let Workspace {
            arena,
            scratch,
            rows,
            store,
        } = workspace;
        let mut disjoint = arena.disjoint(&self.buffers, &step.buffers);
        let mut outputs: SmallVec<[Output<'_>; 4]> = SmallVec::new();
        for output in &step.outputs {
            let values = disjoint.take(output.buffer);
            outputs.push(Output {
                values: values.range(self.places_in(output.buffer, places)),
                pixel_offsets: &self.pixel_offsets[output.buffer],
                slices: &output.slices,
            });
        }
        let read = |buffer: BufferId| {
            let values = disjoint.get(buffer);
            values.range(self.places_in(buffer, places))
        };
        let source = |operand: &Operand| Source {
            values: read(operand.buffer),
            pixel_offsets: &self.pixel_offsets[operand.buffer],
            quantum: operand.quantum,
            zero_point: match self.buffers.stored(operand.buffer) {
                Stored::U8 { zero_point } => zero_point,
                Stored::F32 | Stored::Bf16 => 0,
            },
        };
        let area = step.dims.height * step.dims.width;
        let pixels = 0..images * area;
        let channels = step.dims.channels;
        rows.first.resize(channels, 0.0);
        rows.second.resize(channels, 0.0);
        rows.result.resize(channels, 0.0);
        let mut to = Store::new(step.quantisation, outputs, store, places.start, step.dims);
        match &step.action {
            Action::Load(input) => {
                for image in 0..images {
                    let values = inputs[*input][places.start + image];
                    to.image(image, &values[..channels * area]);
                }
            }
            Action::Convolution { .. } | Action::Depthwise { .. } | Action::ElementWise { .. } => {
                self.run_by_epilogue(&step.action, images, read, scratch, to.outputs);
            }
            Action::Pool {
                input,
                pooling,
                window,
            } => {
                let layout = self.buffers.layout(input.buffer);
                let source = source(input);
                run_pooling(
                    (*pooling, window),
                    layout,
                    &source,
                    step.dims,
                    pixels,
                    rows,
                    &mut to,
                );
            }
            _ => self.run_by_pixels(step, pixels, source, rows, &mut to),
        }
    }

    /// Runs a step whose values are stored by a kernel's epilogue.
    fn run_by_epilogue<'a>(
        &'a self,
        action: &'a Action,
        images: usize,
        read: impl Fn(BufferId) -> TypedSlice<'a>,
        scratch: &mut Scratch,
        outputs: SmallVec<[Output<'a>; 4]>,
    ) {
        let added = |residual: &Option<BufferId>| {
            residual.map(|buffer| Residual {
                values: read(buffer),
                pixel_offsets: &self.pixel_offsets[buffer],
            })
        };
        match action {
            Action::Convolution {
                convolution,
                weights,
                inputs,
                residual,
                relu,
                function,
                grid,
            } => {
                let mut epilogue = Epilogue {
                    residual: added(residual),
                    relu: *relu,
                    function: function.as_ref(),
                    grid: *grid,
                    outputs,
                };
                // Not cut off at the end: what follows is prefetched.
                let weights = &self.weights[*weights..];
                let inputs: SmallVec<[TypedSlice<'_>; 4]> =
                    inputs.iter().map(|input| read(*input)).collect();
                convolution.run(images, weights, &inputs, scratch, &mut epilogue);
            }
            Action::Depthwise {
                depthwise,
                input,
                relu,
                function,
            } => {
                let mut epilogue = Epilogue {
                    relu: *relu,
                    function: function.as_ref(),
                    outputs,
                    ..Epilogue::default()
                };
                depthwise.run(images, read(*input), scratch, &mut epilogue);
            }
            Action::ElementWise {
                element_wise,
                input,
                residual,
                function,
            } => {
                let mut epilogue = Epilogue {
                    residual: added(residual),
                    function: function.as_ref(),
                    outputs,
                    ..Epilogue::default()
                };
                element_wise.run(images, read(*input), scratch, &mut epilogue);
            }
            _ => unreachable!("the other steps store their values by themselves"),
        }
    }

    /// Runs a step that computes each pixel of the same pixel of its inputs.
    fn run_by_pixels<'a>(
        &self,
        step: &Step,
        pixels: Range<usize>,
        source: impl Fn(&Operand) -> Source<'a>,
        rows: &mut Rows,
        to: &mut Store<'_>,
    ) {
        let channels = step.dims.channels;
        let area = step.dims.height * step.dims.width;
        match &step.action {
            Action::Copy(input) => {
                let source = source(input);
                for pixel in pixels {
                    to.pixel(pixel, source.read(pixel, &mut rows.first));
                }
            }
            Action::Function(input, function) => {
                let source = source(input);
                for pixel in pixels {
                    let values = source.read(pixel, &mut rows.first);
                    rows.result.copy_from_slice(values);
                    apply(function, &mut rows.result);
                    to.pixel(pixel, &rows.result);
                }
            }
            Action::LayerNorm(input, epsilon) => {
                let source = source(input);
                for pixel in pixels {
                    let values = source.read(pixel, &mut rows.first);
                    standardise(values, *epsilon, &mut rows.result);
                    to.pixel(pixel, &rows.result);
                }
            }
            Action::Slice(input, first) => {
                let layout = self.buffers.layout(input.buffer);
                rows.first.resize(layout.channels, 0.0);
                let source = source(input);
                for pixel in pixels {
                    let values = source.read(pixel, &mut rows.first);
                    to.pixel(pixel, &values[*first..][..channels]);
                }
            }
            Action::Multiply(left, right) => {
                let layout = self.buffers.layout(right.buffer);
                let is_single = layout.height * layout.width == 1;
                let (left, right) = (source(left), source(right));
                for pixel in pixels {
                    let of_right = if is_single { pixel / area } else { pixel };
                    let left = left.read(pixel, &mut rows.first);
                    let right = right.read(of_right, &mut rows.second);
                    multiply(left, right, &mut rows.result);
                    to.pixel(pixel, &rows.result);
                }
            }
            Action::Add(left, right) => {
                let (left, right) = (source(left), source(right));
                for pixel in pixels {
                    let left = left.read(pixel, &mut rows.first);
                    let right = right.read(pixel, &mut rows.second);
                    add(left, right, &mut rows.result);
                    to.pixel(pixel, &rows.result);
                }
            }
            Action::Load(_)
            | Action::Convolution { .. }
            | Action::Depthwise { .. }
            | Action::ElementWise { .. }
            | Action::Pool { .. } => unreachable!("these read other pixels"),
        }
    }
}

/// Pools the windows of all pixels.
fn run_pooling(
    (pooling, window): (Pooling, &Window),
    layout: &Layout,
    source: &Source<'_>,
    dims: Dims,
    pixels: Range<usize>,
    rows: &mut Rows,
    to: &mut Store<'_>,
) {
    let area = dims.height * dims.width;
    let per_image = layout.height * layout.width;
    let is_kept = to.keeps(source.quantum, source.zero_point);
    rows.bytes.resize(dims.channels, 0);
    rows.sums.resize(dims.channels, 0);
    let row = &mut rows.first;
    for pixel in pixels {
        let (image, at) = (pixel / area, pixel % area);
        let of_image = &source.pixel_offsets[image * per_image..][..per_image];
        let at = [at / dims.width, at % dims.width];
        match source.values {
            TypedSlice::U8(values) if pooling == Pooling::Max => {
                let bytes = &mut rows.bytes;
                let most = pool_to_greatest(window, layout, values, of_image, at, bytes);
                if is_kept {
                    to.bytes(pixel, most);
                } else {
                    source.expand(most, row);
                    to.pixel(pixel, row);
                }
            }
            TypedSlice::U8(values) => {
                let bytes = (values, source.zero_point, source.quantum);
                let sums = (&mut *rows.sums, &mut **row);
                pool_to_sums(pooling, window, layout, bytes, of_image, at, sums);
                to.pixel(pixel, row);
            }
            TypedSlice::F32(values) => {
                let pooled = pool(pooling, window, layout, values, of_image, at, row);
                to.pixel(pixel, pooled);
            }
            TypedSlice::Bf16(_) => unreachable!("what is not multiplied is stored as f32"),
        }
    }
}
