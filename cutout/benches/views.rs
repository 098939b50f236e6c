//! From a file's bytes to a network's inputs, on one core. The goal is under 1 ms an image for the
//! whole path.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use galmorph_cutout::{
    Image, Limits, Morphology, Plan, Preprocessing, RgbImage, decode, decode_centre,
};
use galmorph_mock::{Mock, jpeg};

fn views(criterion: &mut Criterion) {
    let limits = Limits::default();
    let preprocessing = Preprocessing::default();
    let image = Mock::new(1).galaxy(Morphology::Spiral, 1);
    // About as large a file as Galaxy Zoo's: 14 kB.
    let file = jpeg(&image, 65);
    let mock = image.clone();
    let image = Image::from(image);

    let mut group = criterion.benchmark_group("mock 424x424");
    let side = preprocessing.largest_scale();
    group.bench_function("decode", |b| {
        b.iter(|| decode(black_box(&file), &limits));
    });
    group.bench_function("decode the middle", |b| {
        b.iter(|| decode_centre(black_box(&file), &limits, side));
    });
    group.bench_function("four views", |b| {
        b.iter(|| preprocessing.views(black_box(&image)));
    });
    group.bench_function("decode the middle and four views", |b| {
        b.iter(|| {
            let image = decode_centre(black_box(&file), &limits, side);
            image.map(|image| preprocessing.views(&image))
        });
    });
    group.finish();

    // What the flags of an image as in the paper cost: of such a one, the middle is decoded.
    let mut group = criterion.benchmark_group("flags");
    let middle = image.keep_centre(side);
    group.bench_function("424x424", |b| {
        b.iter(|| Plan::Paper.show(black_box(&middle), &preprocessing));
    });
    group.finish();

    // What framing costs besides decoding: to find the galaxy, and to make the views of its frame.
    let mut group = criterion.benchmark_group("framing");
    for side in [64, 128, 256, 424, 1024] {
        let picture = RgbImage::from_fn(side, side, |x, y| {
            let pixel = |at: u32| at * 424 / side;
            *mock.get_pixel(pixel(x), pixel(y))
        });
        let image = Image::from(picture);
        let plan = Plan::Measured;
        let frame = plan.show(&image, &preprocessing).frame;
        group.bench_function(format!("measure {side}x{side}"), |b| {
            b.iter(|| plan.show(black_box(&image), &preprocessing));
        });
        group.bench_function(format!("views {side}x{side}"), |b| {
            b.iter(|| preprocessing.framed_views(black_box(&image), &frame));
        });
    }
    group.finish();
}

criterion_group!(benches, views);
criterion_main!(benches);
