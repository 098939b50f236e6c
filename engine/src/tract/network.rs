//! A network in two parts, so that a run holds as many views as there are.
//!
//! ```text
//!    views, up to `room`         .-------.    features, in groups     .------.
//!    .---.---.---.---.---.  -->  | trunk |  -->  .---.---.  .---.---. | rest |  -->  answers
//!    '---'---'---'---'---'       '-------'       '---'---'  '---'---' '------'
//! ```
//!
//! The *trunk* is the region that reads the views, mostly all convolutions. Its program takes any number of views,
//! and gives each the same values, to the last bit, whatever the number. So many views can share one pass over the
//! weights, and a single one doesn't pay for the room that it leaves empty.
//!
//! The *rest* is tract's, mostly a linear layer and a softmax. It is compiled for one group of views and run for each
//! group alone: tract chooses its kernels by the number of rows, so their last bits depend on it.

use std::fmt;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::forms::Form;
use super::rewrite;
use crate::convolution::layout::Dims;
use crate::microkernel::Kernel;
use crate::program::{Program, Workspace};

/// A network that is ready to run.
#[derive(Debug)]
pub struct Network {
    trunk: Option<Program>,
    rest: Arc<TypedRunnableModel>,
    // What one group of views is.
    views: Dims,
    is_of_eight_bits: bool,
}

/// The memory that a network runs in. Each thread has its own.
pub struct NetworkState {
    network: Arc<Network>,
    workspace: Option<Workspace>,
    rest: TypedSimpleState,
    // For each input of the rest, the values of all views of a run.
    features: Vec<Vec<f32>>,
    // The inputs of the rest, used again for the next group.
    inputs: TVec<Tensor>,
}

impl Network {
    /// Prepares a model for groups of as many views as it is made for
    /// ([`for_batches`](crate::for_batches)), with room for `groups` of them in a run.
    ///
    /// There is room for one only if tract computes something of the views themselves, as it does with
    /// [`Kernel::Portable`].
    ///
    /// # Errors
    ///
    /// Errors are those of tract on a model that is not sound, and that its only input is no batch of images.
    ///
    /// # Panics
    ///
    /// Panics if the processor doesn't support the kernel.
    pub fn new(model: &TypedModel, kernel: Kernel, groups: usize) -> TractResult<Self> {
        let &[input] = model.input_outlets()? else {
            bail!("the network has several inputs");
        };
        let views = Form::ChannelsFirst.dims(model.outlet_fact(input)?);
        let views = views.context("views of a known size")?;
        let room = groups.max(1) * views.batch;
        let (trunk, rest) = rewrite::split(model, super::kernels(model, kernel), room)?;
        Ok(Self {
            trunk,
            rest: rest.into_optimized()?.into_runnable()?,
            views,
            is_of_eight_bits: super::is_of_eight_bits(model),
        })
    }

    /// The most views of a run.
    pub fn room(&self) -> usize {
        self.trunk.as_ref().map_or(self.views.batch, Program::batch)
    }

    /// Whether a run takes less time the fewer views it has. If not, it takes as long as for [all](Self::room).
    pub fn is_by_view(&self) -> bool {
        self.trunk.is_some()
    }

    /// Whether the model says that it is of eight bits: it rounds values to bytes. Convolutions between them multiply bytes, and all
    /// others f32. (Where the processor has no kernel for bytes, f32 computes the same, up to a quantum.)
    pub fn is_of_eight_bits(&self) -> bool {
        self.is_of_eight_bits
    }

    /// What an output is for a group of views.
    ///
    /// # Errors
    ///
    /// There is no such output.
    pub fn output_fact(&self, slot: usize) -> TractResult<&TypedFact> {
        self.rest.model().output_fact(slot)
    }

    /// Memory to run in.
    ///
    /// # Errors
    ///
    /// Errors are those of tract.
    pub fn state(self: &Arc<Self>) -> TractResult<NetworkState> {
        let model = self.rest.model();
        let mut inputs = tvec!();
        for number in 0..model.input_outlets()?.len() {
            let shape = model.input_fact(number)?.shape.as_concrete();
            inputs.push(Tensor::zero::<f32>(shape.context("a known size")?)?);
        }
        Ok(NetworkState {
            network: Arc::clone(self),
            workspace: self.trunk.as_ref().map(Program::workspace),
            rest: self.rest.spawn()?,
            features: Vec::new(),
            inputs,
        })
    }

    /// The numbers of a view.
    fn view_len(&self) -> usize {
        self.views.channels * self.views.height * self.views.width
    }
}

impl NetworkState {
    /// Runs the network on views, `[channels][rows][columns]` each, and returns the outputs of each group. The last
    /// group may have fewer views than the others; what its outputs say of the missing ones means nothing.
    ///
    /// After an error or a panic the state must not be used again.
    ///
    /// # Errors
    ///
    /// There are more views than there is [room](Network::room) for, one has another size, or tract fails.
    pub fn run(&mut self, views: &[&[f32]]) -> TractResult<Vec<TVec<TValue>>> {
        let network = Arc::clone(&self.network);
        let len = network.view_len();
        ensure!(views.len() <= network.room(), "{} views", views.len());
        for view in views {
            ensure!(view.len() == len, "{} values are no view", view.len());
        }
        let group = network.views.batch;
        let groups = (0..views.len()).step_by(group);
        if let (Some(trunk), Some(workspace)) = (&network.trunk, &mut self.workspace) {
            let lens = trunk.output_dims().map(|dims| dims.image_len());
            self.features = lens.map(|len| vec![0.0; len * views.len()]).collect();
            let mut features: Vec<&mut [f32]> =
                self.features.iter_mut().map(Vec::as_mut_slice).collect();
            trunk.run(views.len(), workspace, &[views], &mut features);
            groups
                .map(|first| self.run_rest(first, views.len()))
                .collect()
        } else {
            let run = |first: usize| {
                let group = views.iter().skip(first).take(group);
                fill(&mut self.inputs[0], group.copied())?;
                self.run_inputs()
            };
            groups.map(run).collect()
        }
    }

    /// Runs the rest on the features of a group of views, from the view with number `first` on.
    fn run_rest(&mut self, first: usize, views: usize) -> TractResult<TVec<TValue>> {
        let group = self.network.views.batch;
        for (features, input) in self.features.iter().zip(&mut self.inputs) {
            let of_views = features.chunks((features.len() / views).max(1));
            fill(input, of_views.skip(first).take(group))?;
        }
        self.run_inputs()
    }

    fn run_inputs(&mut self) -> TractResult<TVec<TValue>> {
        let inputs: TVec<TValue> = self.inputs.drain(..).map(Tensor::into_tvalue).collect();
        let outputs = self.rest.run(inputs.clone())?;
        self.inputs = inputs.into_iter().map(TValue::into_tensor).collect();
        Ok(outputs)
    }
}

/// Puts values one after the other, and zeros behind them.
fn fill<'a>(target: &mut Tensor, values: impl Iterator<Item = &'a [f32]>) -> TractResult<()> {
    let mut target = target.try_as_plain_ram_mut()?;
    let mut places = target.as_slice_mut::<f32>()?;
    for values in values {
        let (place, rest) = places.split_at_mut(values.len());
        place.copy_from_slice(values);
        places = rest;
    }
    places.fill(0.0);
    Ok(())
}

impl fmt::Debug for NetworkState {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("NetworkState")
    }
}
