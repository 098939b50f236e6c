//! Teachers: trained networks whose answers a run learns beside the labels (Hinton et al. 2015, "Distilling the knowledge
//! in a neural network").
//!
//! Teacher and student see the same view, mixed views too, and the run is long: a student gains by that as long as it is
//! trained (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent").

use galmorph_cutout::{Morphology, Preprocessing};
use tch::{Kind, Tensor};

use crate::data::Fold;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::torch::{Leaves, Mode, Precision, Weights, forward};

/// A network that was trained before.
pub(crate) struct Teacher {
    /// Its name, for messages.
    pub(crate) name: String,
    /// The BLAKE3 digest of its file, in lower-case hexadecimal.
    pub(crate) digest: String,
    /// Its description.
    pub(crate) network: Network,
    /// Its weights, f32.
    pub(crate) weights: Weights,
    /// How an image becomes its input.
    pub(crate) preprocessing: Preprocessing,
    /// The fold that it never saw; `None` for the split `validation`.
    pub(crate) held_out: Option<Fold>,
}

impl Teacher {
    /// Checks that it can teach a run whose views are made so, and that holds out this fold, or the split `validation`.
    ///
    /// # Errors
    /// When it has other views; or when it may have learned the galaxies that the run is measured on.
    pub(crate) fn require(&self, preprocessing: &Preprocessing, fold: Option<Fold>) -> Result<()> {
        let name = &self.name;
        if self.preprocessing != *preprocessing {
            return Err(Error::Input(format!(
                "teacher '{name}' has other views than this run; both must have the same --test-scales, --resize, \
                 --resampling and side"
            )));
        }
        if self.held_out != fold {
            let of = |fold: Option<Fold>| {
                fold.map_or_else(
                    || "the split validation".into(),
                    |fold| format!("fold {fold}"),
                )
            };
            return Err(Error::Input(format!(
                "teacher '{name}' held out {}, and this run holds out {}: it would tell of galaxies that the run is \
                 measured on",
                of(self.held_out),
                of(fold)
            )));
        }
        Ok(())
    }
}

/// Networks whose mean answer is learned.
pub(super) struct Teachers<'a> {
    networks: Vec<(&'a Network, Leaves)>,
    precision: Precision,
    /// The share of their answer in a target, from 0 to 1.
    share: f64,
}

impl<'a> Teachers<'a> {
    /// These networks, which are not changed.
    pub(super) fn new(teachers: &'a [Teacher], precision: Precision, share: f64) -> Self {
        let networks = teachers.iter().map(|teacher| {
            let leaves = Leaves::of(&teacher.weights, precision);
            (&teacher.network, leaves)
        });
        Self {
            networks: networks.collect(),
            precision,
            share,
        }
    }

    /// The targets `[N, 5]` of these views: the teachers' answer with its share, and the labels with the rest. Labels are
    /// classes `[N]` (i64) or probabilities `[N, 5]` (f32). Without teachers, they are returned as they are.
    pub(super) fn targets(&self, views: &Tensor, labels: &Tensor) -> Tensor {
        if self.networks.is_empty() {
            return labels.shallow_clone();
        }
        tch::no_grad(|| {
            let answers: Vec<Tensor> = (self.networks.iter())
                .map(|(network, leaves)| {
                    let mode = Mode::Inference;
                    forward(network, leaves.weights(), views, self.precision, mode)
                        .softmax(-1, Kind::Float)
                })
                .collect();
            let answer = Tensor::stack(&answers, 0).mean_dim(0_i64, false, Kind::Float);
            let labels = if labels.kind() == Kind::Int64 {
                labels
                    .one_hot(Morphology::COUNT as i64)
                    .to_kind(Kind::Float)
            } else {
                labels.shallow_clone()
            };
            labels.lerp(&answer, self.share)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.allclose(b, 0.0, 1e-6, false)
    }

    #[test]
    fn a_target_is_the_mean_answer_of_the_teachers_with_its_share() {
        tch::manual_seed(3);
        let network = "zhu2019 k=0.0625 N=1"
            .parse::<crate::network::Architecture>()
            .unwrap()
            .describe();
        let weights = [0, 1].map(|_| Weights::start(&network, Device::Cpu));
        let views = Tensor::randn([3, 3, 64, 64], (Kind::Float, Device::Cpu));
        let teachers = |share| Teachers {
            networks: (weights.iter())
                .map(|weights| (&network, Leaves::of(weights, Precision::F32)))
                .collect(),
            precision: Precision::F32,
            share,
        };
        let answers = weights.each_ref().map(|weights| {
            forward(&network, weights, &views, Precision::F32, Mode::Inference)
                .softmax(-1, Kind::Float)
        });
        assert!(!close(&answers[0], &answers[1]));
        let mean = (&answers[0] + &answers[1]) / 2.0;

        let classes = Tensor::from_slice(&[4_i64, 0, 2]);
        let labels = classes.one_hot(5).to_kind(Kind::Float);
        assert!(close(&teachers(1.0).targets(&views, &classes), &mean));
        assert!(close(&teachers(0.0).targets(&views, &classes), &labels));
        let mixed = &labels * 0.75 + &mean * 0.25;
        for labels in [&classes, &labels] {
            let targets = teachers(0.25).targets(&views, labels);
            assert!(close(&targets, &mixed));
            assert!(!targets.requires_grad());
        }
    }
}
