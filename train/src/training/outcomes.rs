//! What came of training steps: their losses and answers, left on the device until somebody wants to know.

use tch::{Kind, Tensor};

use super::checkpoint::State;
use crate::error::{Error, Result};
use crate::torch::read_back;

/// The outcomes of the steps since the last reading. A step adds to them without any operation on the device.
#[derive(Default)]
pub(super) struct Outcomes {
    /// The mean loss of each step, a scalar.
    losses: Vec<Tensor>,
    /// The logits `[batch, 5]` of each step.
    logits: Vec<Tensor>,
    /// The classes `[batch]` of each step.
    classes: Vec<Tensor>,
}

impl Outcomes {
    /// The number of steps that nobody has looked at yet.
    pub(super) fn unread(&self) -> usize {
        self.losses.len()
    }

    /// Adds a step. Waits for nothing.
    pub(super) fn add(&mut self, mean_loss: &Tensor, logits: &Tensor, classes: Tensor) {
        self.losses.push(mean_loss.detach());
        self.logits.push(logits.detach());
        self.classes.push(classes);
    }

    /// Waits for the steps, and adds their outcomes to the state's, step by step: so the sums don't depend on when
    /// somebody reads them. The steps are the last ones of the state.
    ///
    /// # Errors
    /// When a loss is no number.
    pub(super) fn read(&mut self, state: &mut State) -> Result<()> {
        if self.losses.is_empty() {
            return Ok(());
        }
        let Self {
            losses,
            logits,
            classes,
        } = std::mem::take(self);
        let classes = Tensor::stack(&classes, 0);
        let images = classes.size()[1] as u64;
        let answers = Tensor::stack(&logits, 0).argmax(2, false);
        let right =
            answers
                .eq_tensor(&classes)
                .sum_dim_intlist([1].as_slice(), false, Kind::Double);
        let losses = Tensor::stack(&losses, 0).to_kind(Kind::Double);
        let outcomes = read_back(&Tensor::stack(&[losses, right], 0));
        let (losses, right) = outcomes.split_at(outcomes.len() / 2);
        let first = state.step - losses.len() as u64;
        for (step, (loss, right)) in (first..).zip(losses.iter().zip(right)) {
            if !loss.is_finite() {
                return Err(Error::Diverged { step, loss: *loss });
            }
            state.running.loss += loss * images as f64;
            state.running.right += right;
            state.running.images += images;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::training::checkpoint::{Run, Running};
    use crate::training::example_settings;

    fn state() -> State {
        let settings = example_settings();
        let network = settings.network.describe();
        Run::start(settings, &network, Device::Cpu).state
    }

    /// Takes steps with these losses, each with a batch of two images of which one is right.
    fn take(steps: &[f32], outcomes: &mut Outcomes, state: &mut State) {
        let logits =
            Tensor::from_slice2(&[[0.0_f32, 0.0, 2.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]]);
        for loss in steps {
            let classes = Tensor::from_slice(&[2_i64, 0]);
            outcomes.add(&Tensor::from(*loss), &logits, classes);
            state.step += 1;
        }
    }

    #[test]
    fn sums_are_the_same_however_often_somebody_reads_them() {
        let losses: Vec<f32> = (1..20).map(|n| 1.0 / n as f32).collect();
        let sums = |readings: &[usize]| -> Running {
            let (mut state, mut outcomes) = (state(), Outcomes::default());
            let mut rest = losses.as_slice();
            for count in readings {
                let (steps, later) = rest.split_at(*count);
                rest = later;
                take(steps, &mut outcomes, &mut state);
                assert_eq!(outcomes.unread(), *count);
                outcomes.read(&mut state).unwrap();
                assert_eq!(outcomes.unread(), 0);
            }
            state.running
        };
        let once = sums(&[19]);
        assert_eq!((once.right, once.images), (19.0, 38));
        let mut loss = 0.0;
        for step in &losses {
            loss += 2.0 * f64::from(*step);
        }
        assert_eq!(once.loss, loss);
        assert_eq!(once, sums(&[1; 19]));
        assert_eq!(once, sums(&[4, 0, 15]));
    }

    #[test]
    fn the_first_step_whose_loss_is_no_number_is_named() {
        let (mut state, mut outcomes) = (state(), Outcomes::default());
        state.step = 100;
        take(&[1.0, 0.5], &mut outcomes, &mut state);
        outcomes.read(&mut state).unwrap();
        take(&[0.4, f32::INFINITY, f32::NAN], &mut outcomes, &mut state);
        match outcomes.read(&mut state) {
            Err(Error::Diverged { step, loss }) => assert_eq!((step, loss), (103, f64::INFINITY)),
            other => panic!("{other:?}"),
        }
    }
}
