//! Loss and right answers, summed on the device.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::torch::read_back;
use crate::training::checkpoint::State;

/// What came together since the last reading.
pub(in crate::training) struct Sums {
    /// The loss and the right answers, `[2]`, f64.
    values: Tensor,
    images: u64,
}

impl Sums {
    /// Sums of nothing.
    pub(in crate::training) fn new(device: Device) -> Self {
        Self {
            values: Tensor::zeros([2], (Kind::Double, device)),
            images: 0,
        }
    }

    /// Adds a batch: its mean loss, and how many answers are right. Waits for nothing.
    pub(in crate::training) fn add(&mut self, mean_loss: &Tensor, right: &Tensor, images: usize) {
        tch::no_grad(|| {
            let loss = mean_loss.to_kind(Kind::Double) * images as f64;
            let _ = (self.values).g_add_(&Tensor::stack(&[&loss, &right.to_kind(Kind::Double)], 0));
        });
        self.images += images as u64;
    }

    /// Reads the sums, adds them to the state's, and begins anew. Waits for the device.
    ///
    /// # Errors
    /// When the loss is no longer a number.
    pub(in crate::training) fn read(&mut self, state: &mut State) -> Result<()> {
        if self.images == 0 {
            return Ok(());
        }
        let [loss, right] = [0, 1].map(|place| read_back(&self.values.select(0, place)));
        if !loss.is_finite() {
            return Err(Error::Diverged {
                step: state.step.saturating_sub(1),
                loss,
            });
        }
        state.running.loss += loss;
        state.running.right += right;
        state.running.images += self.images;
        self.images = 0;
        let _ = self.values.zero_();
        Ok(())
    }
}
