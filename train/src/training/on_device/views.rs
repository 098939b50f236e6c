//! Pixels and a plan to training views: what `cutout::view`, `telescope`, `distortion` and `augmentation` do to one view
//! on the host, for a whole batch.

use galmorph_cutout::{Preprocessing, Whitening};
use tch::{Device, Kind, Tensor};

use super::Pixels;
use super::plan::{COLOURS, EDGE, Group, Plan};
use crate::torch::upload;
use crate::training::augmentation::Symmetry;

/// Makes views from pixels that are on the device.
pub(in crate::training) struct ViewMaker {
    pixels: Pixels,
    device: Device,
    /// The side of a view, in pixels.
    side: i64,
    whitening: Whitening,
    /// Where the pixels of a view come from in each of the eight symmetries, `[8, side x side]`.
    sources: Tensor,
}

impl ViewMaker {
    /// Makes views of these pixels.
    pub(in crate::training) fn new(
        pixels: Pixels,
        preprocessing: &Preprocessing,
        device: Device,
    ) -> Self {
        let side = preprocessing.crop as usize;
        let sources: Vec<Tensor> = Symmetry::all()
            .map(|symmetry| Tensor::from_slice(&symmetry.sources(side)))
            .collect();
        Self {
            pixels,
            device,
            side: side as i64,
            whitening: preprocessing.whitening,
            sources: Tensor::stack(&sources, 0).to_device(device),
        }
    }

    /// The views of a plan, `[views, 3, side, side]`.
    pub(in crate::training) fn views(&self, plan: &Plan) -> Tensor {
        tch::no_grad(|| {
            let views = self.resampled(plan);
            let views = self.stretched(views, plan);
            let views = self.noisy(views, plan);
            let views = self.cut_off(views, plan);
            let views = self.coloured(&views, plan);
            let views = self.turned(&views, plan);
            let views = self.whitened(&views);
            self.mixed(views, plan)
        })
    }

    /// Crop, resize, seeing and window: two products of matrices a view.
    fn resampled(&self, plan: &Plan) -> Tensor {
        let (height, width) = (self.pixels.height, self.pixels.width);
        let images = upload(&Tensor::from_slice(&plan.images), self.device);
        let rows = plan.rows.matrices(self.side, height, self.device);
        let columns = plan.columns.matrices(self.side, width, self.device);
        let pixels = self.pixels.bytes.index_select(0, &images);
        let pixels = pixels.to_kind(Kind::Float).view([-1, height, width * 3]);
        let lines = rows
            .bmm(&pixels)
            .view([-1, self.side, width, 3])
            .permute([0, 3, 1, 2])
            .reshape([-1, 3 * self.side, width]);
        lines
            .bmm(&columns.transpose(1, 2))
            .view([-1, 3, self.side, self.side])
    }

    fn stretched(&self, views: Tensor, plan: &Plan) -> Tensor {
        let views = self.of_group(views, &plan.powers, |values, exponents| {
            let part = (values / 255.0).clamp_min(0.0);
            part.pow(&each(exponents, 0)) * 255.0
        });
        let views = self.of_group(views, &plan.softenings, |values, softenings| {
            let softening = each(softenings, 0);
            let white = softening.asinh().reciprocal() * 255.0;
            (values / 255.0 * softening).asinh() * white
        });
        self.of_group(views, &plan.greys, |values, _| {
            values
                .mean_dim([1].as_slice(), true, None)
                .expand_as(values)
        })
    }

    fn noisy(&self, views: Tensor, plan: &Plan) -> Tensor {
        self.of_group(views, &plan.noises, |values, factors| {
            let sums = upload(&Tensor::from_slice(&plan.noise_sums), self.device);
            values + sums.view_as(values).to_kind(Kind::Float) * each(factors, 0)
        })
    }

    /// Black beyond the edge of a field.
    fn cut_off(&self, views: Tensor, plan: &Plan) -> Tensor {
        debug_assert_eq!(
            plan.edges.numbers.len() as i64,
            EDGE * plan.edges.views.len() as i64
        );
        self.of_group(views, &plan.edges, |values, lines| {
            let from_centre = Tensor::arange(self.side, (Kind::Float, self.device))
                + (0.5 - self.side as f64 / 2.0);
            let [sin, cos, distance] = [0, 1, 2].map(|number| each(lines, number));
            let beyond = from_centre.view([-1, 1]) * sin - distance;
            let beyond = from_centre.view([1, -1]) * cos + beyond;
            values * beyond.le(0.0).to_kind(Kind::Float)
        })
    }

    /// One matrix and one offset a view, of the means of its colours.
    fn coloured(&self, views: &Tensor, plan: &Plan) -> Tensor {
        let numbers = upload(&Tensor::from_slice(&plan.colours), self.device).view([-1, COLOURS]);
        let matrices = numbers.narrow(1, 0, 9).reshape([-1, 3, 3]);
        let contrast = numbers.narrow(1, 9, 1).unsqueeze(2);
        let brightness = numbers.narrow(1, 10, 1).unsqueeze(2);
        let planes = views.flatten(2, 3);
        let means = planes.mean_dim([2].as_slice(), true, None);
        let kept = means * (1.0 - &contrast) + brightness;
        let offsets = matrices.bmm(&kept);
        let changed = (matrices * contrast).bmm(&planes) + offsets;
        changed.view_as(views)
    }

    /// Rotated by quarter turns, and mirrored.
    fn turned(&self, views: &Tensor, plan: &Plan) -> Tensor {
        let symmetries = upload(&Tensor::from_slice(&plan.symmetries), self.device);
        let planes = views.flatten(2, 3);
        let sources = self.sources.index_select(0, &symmetries).unsqueeze(1);
        planes
            .gather(2, &sources.expand_as(&planes), false)
            .view_as(views)
    }

    fn whitened(&self, views: &Tensor) -> Tensor {
        match self.whitening {
            Whitening::PerImage => {
                let values = views.flatten(1, 3);
                let count = values.size()[1] as f64;
                let mean = values.mean_dim([1].as_slice(), true, Kind::Double);
                let centred = values - mean.to_kind(Kind::Float);
                let variance = centred
                    .square()
                    .mean_dim([1].as_slice(), true, Kind::Double);
                let scale = variance.sqrt().clamp_min(1.0 / count.sqrt()).reciprocal();
                (centred * scale.to_kind(Kind::Float)).view_as(views)
            }
        }
    }

    /// Each view with a share of the next one, and the last with the first.
    fn mixed(&self, views: Tensor, plan: &Plan) -> Tensor {
        let Some(shares) = &plan.shares else {
            return views;
        };
        let shares = upload(&Tensor::from_slice(shares), self.device).view([-1, 1, 1, 1]);
        let next = views.roll([-1], [0]);
        &views + shares * (next - &views)
    }

    /// The views with those of a group changed.
    fn of_group(
        &self,
        views: Tensor,
        group: &Group,
        change: impl FnOnce(&Tensor, &Tensor) -> Tensor,
    ) -> Tensor {
        let Some((places, numbers)) = group.tensors(self.device) else {
            return views;
        };
        let changed = change(&views.index_select(0, &places), &numbers);
        views.index_copy(0, &places, &changed)
    }
}

/// The number at this place of each view's numbers, to be combined with views.
fn each(numbers: &Tensor, place: i64) -> Tensor {
    numbers.narrow(1, place, 1).reshape([-1, 1, 1, 1])
}
