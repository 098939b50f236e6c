//! References among features: the centres of their clusters.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

/// The rounds of Lloyd's algorithm. Novelty changes little after the first.
const ROUNDS: usize = 8;

/// The centres `[count, features]` of the clusters of features `[N, features]`, all of length 1: spherical
/// k-means (Dhillon & Modha 2001), begun as k-means++ does (Arthur & Vassilvitskii 2007). `None` if there are
/// fewer features than centres.
pub(crate) fn centres(features: &Tensor, count: usize, seed: u64) -> Option<Tensor> {
    let images = features.size()[0];
    if images < count as i64 {
        return None;
    }
    tch::no_grad(|| {
        let features = unit(features);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut chosen = vec![random.random_range(0..images)];
        let mut distance = distances(&features, &features.get(chosen[0]));
        while chosen.len() < count {
            // With a probability that is proportional to the distance from those that were chosen.
            let sums = distance.cumsum(0, Kind::Double);
            let all = sums.double_value(&[images - 1]);
            let place = Tensor::from_slice(&[random.random::<f64>() * all]);
            let next = place.searchsorted(&sums, false, true, "right", None::<Tensor>);
            let next = next.int64_value(&[0]).min(images - 1);
            distance = distance.minimum(&distances(&features, &features.get(next)));
            chosen.push(next);
        }
        let mut centres = features.index_select(0, &Tensor::from_slice(&chosen));
        for _ in 0..ROUNDS {
            let nearest = features.matmul(&centres.tr()).argmax(1, false);
            // A centre that lost all its features stays where it is.
            let own = centres.shallow_clone() * 1e-6;
            centres = unit(&own.index_add(0, &nearest, &features));
        }
        Some(centres)
    })
}

fn distances(features: &Tensor, centre: &Tensor) -> Tensor {
    (-features.mv(centre) + 1.0).clamp_min(0.0)
}

fn unit(rows: &Tensor) -> Tensor {
    let squares = rows
        .square()
        .sum_dim_intlist([1].as_slice(), true, Kind::Float);
    rows / (squares + 1e-12).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn each_cluster_has_a_centre_of_its_own() {
        tch::manual_seed(3);
        let options = (Kind::Float, Device::Cpu);
        // Ten directions, 30 features along each, of any length.
        let directions = Tensor::eye(10, options).repeat([30, 1]);
        let lengths = Tensor::rand([300, 1], options) + 0.5;
        let features = (directions + 0.001 * Tensor::randn([300, 10], options)) * lengths;
        let found = centres(&features, 10, 1).unwrap();
        assert_eq!(found.size(), [10, 10]);
        let largest = found.amax([1].as_slice(), false);
        assert!(largest.min().double_value(&[]) > 0.99, "{found:?}");
        let places = found.argmax(1, false);
        let mut places: Vec<i64> = (0..10).map(|n| places.int64_value(&[n])).collect();
        places.sort_unstable();
        assert_eq!(places, (0..10).collect::<Vec<_>>());
        assert!(centres(&features.narrow(0, 0, 9), 10, 1).is_none());
    }
}
