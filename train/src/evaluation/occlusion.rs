//! What an answer depends on: the parts of an image are covered, one after the other, and answered again.

use galmorph_cutout::{Occlusion, OcclusionMap, Preprocessing, Probabilities, Scaling};

use super::answers::{Classifier, VIEWS_AT_ONCE};

impl Classifier<'_> {
    /// How far the probability of an image's class falls where the image is covered. `views` are those of one
    /// image. `None` where the network gives no answer.
    pub(crate) fn occlusion(
        &self,
        views: &[f32],
        preprocessing: &Preprocessing,
        scaling: Scaling,
    ) -> Option<OcclusionMap> {
        let each = preprocessing.view_count();
        let shape = preprocessing.view_shape();
        let answers = |views: &[f32]| {
            let rows = self.probabilities(views, shape);
            let answers = rows
                .chunks(each)
                .map(|rows| Probabilities::average(rows, scaling));
            answers.collect::<Option<Vec<_>>>().ok_or(())
        };
        let at_once = (VIEWS_AT_ONCE / each).max(1);
        Occlusion::of(preprocessing)
            .map(views, at_once, answers)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use galmorph_cutout::Morphology;
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::network::Builder;
    use crate::torch::{Precision, TensorError, Weights};

    /// A network that looks at one pixel of the view, at (column 40, row 24) of all planes.
    #[test]
    fn the_map_of_a_network_that_looks_at_one_place_has_its_maximum_there() {
        let (mut builder, input) = Builder::of_the_paper();
        builder.linear("logits", input, Morphology::COUNT);
        let network = builder.finish();
        let mut weights = Weights::start(&network, Device::Cpu);
        let fill = |name: &str| -> Result<Tensor, TensorError> {
            let options = (Kind::Float, Device::Cpu);
            if name.ends_with("bias") {
                return Ok(Tensor::zeros([5], options));
            }
            let matrix = Tensor::zeros([5, 3 * 64 * 64], options);
            for plane in 0..3 {
                let pixel = plane * 64 * 64 + 24 * 64 + 40;
                let _ = matrix
                    .get(Morphology::Cigar.id() as i64)
                    .get(pixel)
                    .fill_(1.0);
            }
            Ok(matrix)
        };
        weights.fill(fill).unwrap();
        let preprocessing = Preprocessing {
            test_scales: vec![200],
            ..Preprocessing::default()
        };
        let classifier = Classifier {
            network: &network,
            weights: &weights,
            precision: Precision::F32,
            device: Device::Cpu,
        };
        let views = vec![1.0; preprocessing.view_len()];
        let map = classifier.occlusion(&views, &preprocessing, Scaling::NONE);
        let map = map.unwrap();
        assert_eq!(map.answer.label(), Morphology::Cigar);
        // Without the pixel, all classes are equal.
        let wanted = 3.0_f32.exp() / (3.0_f32.exp() + 4.0) - 0.2;
        let most = map.most();
        assert!((most.fall - wanted).abs() < 1e-5, "{most:?}");
        for (place, fall) in map.falls.iter().enumerate() {
            let count = map.corners.len();
            let covers = |first: u32, pixel: u32| (first..first + map.patch).contains(&pixel);
            let matters =
                covers(map.corners[place % count], 40) && covers(map.corners[place / count], 24);
            assert!((fall - if matters { wanted } else { 0.0 }).abs() < 1e-5);
        }

        // A network without an answer has no map.
        let broken = vec![f32::NAN; preprocessing.view_len()];
        assert!(
            classifier
                .occlusion(&broken, &preprocessing, Scaling::NONE)
                .is_none()
        );
    }
}
