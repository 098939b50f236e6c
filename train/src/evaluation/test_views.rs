//! The test views of a dataset, made once for a network that is measured after each epoch.

use galmorph_cutout::Preprocessing;
use tch::{Device, Kind, Tensor};

use super::answers::tensor_of;
use crate::data::{Dataset, in_parallel};
use crate::error::Result;
use crate::torch::upload;

/// Images whose views are made and brought to the device together.
const AT_ONCE: usize = 512;

/// The views of all images at all test scales, on a device.
pub(crate) struct TestViews {
    /// `[images x scales, channels, height, width]`, f32.
    pub(super) views: Tensor,
    /// The test scales, in pixels.
    pub(super) scales: Vec<u32>,
}

impl TestViews {
    /// Makes the views of a dataset on several threads.
    pub(crate) fn of(
        dataset: &Dataset,
        preprocessing: &Preprocessing,
        device: Device,
        threads: usize,
    ) -> Result<Self> {
        let shape = preprocessing.view_shape();
        let each = preprocessing.view_count();
        let count = dataset.len() * each;
        let all = [count, shape[0], shape[1], shape[2]].map(|n| n as i64);
        let views = Tensor::empty(all, (Kind::Float, device));
        for (number, images) in dataset.images.chunks(AT_ONCE).enumerate() {
            let views_of = |image: usize| Ok(preprocessing.views(&images[image]));
            let made = in_parallel(images.len(), threads, views_of)?.concat();
            let first = number * AT_ONCE * each;
            let mut place = views.narrow(0, first as i64, (images.len() * each) as i64);
            place.copy_(&upload(&tensor_of(&made, shape), device));
        }
        Ok(Self {
            views,
            scales: preprocessing.test_scales.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use galmorph_cutout::{Image, Morphology};
    use galmorph_mock::Mock;

    use super::*;
    use crate::torch::values;

    #[test]
    fn they_are_the_views_of_each_image_in_turn() {
        let image =
            |number: u32| -> Image { Mock::new(2).galaxy(Morphology::EdgeOn, number).into() };
        let count = AT_ONCE + 3;
        let dataset = Dataset {
            ids: (0..count).map(|n| n.to_string()).collect(),
            classes: vec![Morphology::EdgeOn; count],
            votes: None,
            images: (0..count).map(|n| image(n as u32 % 5)).collect(),
            digest: String::new(),
        };
        let preprocessing = Preprocessing {
            test_scales: vec![190, 210],
            resize: 20,
            crop: 16,
            ..Preprocessing::default()
        };
        let made = TestViews::of(&dataset, &preprocessing, Device::Cpu, 3).unwrap();
        let wanted: Vec<f32> = (dataset.images.iter())
            .flat_map(|image| preprocessing.views(image))
            .collect();
        assert!(values(&made.views) == wanted);
        assert_eq!(made.views.size(), [2 * count as i64, 3, 16, 16]);
        assert_eq!(made.scales, [190, 210]);
    }
}
