//! What a training view costs on one core. A network of k = 0.25 takes some 3 ms of a core for an image
//! forward and backward, so a view should stay under a tenth of that.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use galmorph_cutout::{Image, Morphology, Preprocessing};
use galmorph_mock::Mock;
use galmorph_train::training::{Augmentation, Key};

fn view(criterion: &mut Criterion) {
    let image = Image::from(Mock::new(1).with_side(240).galaxy(Morphology::Spiral, 1));
    let preprocessing = Preprocessing::default();
    let augmentation = Augmentation::default();
    let mut output = vec![0.0; preprocessing.view_len()];
    let mut number = 0;
    criterion.bench_function("training view", |b| {
        b.iter(|| {
            number += 1;
            let key = Key {
                seed: 1,
                epoch: 0,
                image: number,
            };
            augmentation.view_into(&preprocessing, black_box(&image), key, &mut output);
        });
    });
}

criterion_group!(benches, view);
criterion_main!(benches);
