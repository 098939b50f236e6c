//! Every kernel that this processor has against the sums written down naively, in f64.

mod bytes;
mod case;

use super::*;
use case::Case;

/// How many cases are tried: under Miri, which takes a thousand times as long, as many as it has time for.
fn count_of(cases: u64) -> u64 {
    if cfg!(miri) { cases / 10 } else { cases }
}

/// Those of some kernels that are tried: all that this processor has. Miri leaves out those of tiles, which are emulated
/// for it by safe code that takes most of its time.
fn tried(kernels: [Kernel; 5]) -> Vec<Kernel> {
    let mut tried = kernels.to_vec();
    tried.retain(|kernel| kernel.is_supported() && !(cfg!(miri) && kernel.is_of_tiles()));
    println!("kernels of this processor: {tried:?}");
    tried
}

#[track_caller]
fn assert_near(kernel: Kernel, what: &str, values: &[f32], expected: &[f64]) {
    assert_eq!(values.len(), expected.len(), "{kernel}: {what}");
    for (position, (value, expected)) in values.iter().zip(expected).enumerate() {
        let error = (f64::from(*value) - expected).abs();
        assert!(
            error < 2e-5 * (1.0 + expected.abs()),
            "{kernel}: {what} {position}: {value}, not {expected}"
        );
    }
}

#[test]
fn every_kernel_gives_the_sums_of_the_definition() {
    let kernels = tried(Kernel::ALL);
    for seed in 0..count_of(80) {
        let case = Case::some(seed);
        let (plain, activated) = case.expected();
        for kernel in &kernels {
            let found = case.run(*kernel);
            assert_near(*kernel, &format!("seed {seed}: plain"), &found.0, &plain);
            assert_near(
                *kernel,
                &format!("seed {seed}: activated"),
                &found.1,
                &activated,
            );
        }
    }
}

#[test]
fn a_sum_of_convolutions_is_that_over_the_inputs_of_all() {
    let kernels = tried(Kernel::ALL);
    let mut some = 0;
    for seed in 0..count_of(100) {
        let case = Case::some(seed);
        let channels = case.input.channels;
        if case.spec.pooling != [1, 1] || channels < 3 {
            continue;
        }
        some += 1;
        let (plain, activated) = case.expected();
        let (first, second) = (1 + channels / 5, channels / 2 + 1);
        let terms = [0..first, first..second, second..channels];
        for kernel in kernels.iter().copied() {
            let found = case.run_in_terms(kernel, &terms);
            assert_near(kernel, &format!("seed {seed}: plain"), &found.0, &plain);
            assert_near(
                kernel,
                &format!("seed {seed}: activated"),
                &found.1,
                &activated,
            );
        }
    }
    assert!(cfg!(miri) || some > 5, "{some} cases");
}

#[test]
fn pooling_on_the_way_gives_the_same_bits_as_pooling_afterwards() {
    let kernels = tried(Kernel::ALL);
    let mut pooled = 0;
    for seed in 0..count_of(40) {
        let mut case = Case::some(seed);
        let Layout { height, width, .. } = case.input;
        let [of_rows, of_columns] = case.unpooled().output(height, width);
        let [out_height, out_width] = case.spec.output(height, width);
        let channels = case.spec.channels;
        case.residual = vec![0.0; case.input.batch * of_rows * of_columns * channels];
        pooled += usize::from(case.spec != case.unpooled());
        for kernel in kernels.iter().copied() {
            let (found, _) = case.run(kernel);
            let Case { spec, .. } = case;
            case.spec = case.unpooled();
            let (all, _) = case.run(kernel);
            case.spec = spec;
            let [rows, columns] = spec.pooling;
            for (at, value) in found.iter().enumerate() {
                let (pixel, channel) = (at / channels, at % channels);
                let (row, column) = (pixel / out_width, pixel % out_width);
                let (image, row) = (row / out_height, row % out_height);
                let window = (0..rows * columns).map(|place| {
                    let row = image * of_rows + row * rows + place / columns;
                    let column = column * columns + place % columns;
                    all[(row * of_columns + column) * channels + channel]
                });
                let most = window.fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(*value, most, "{kernel}, seed {seed}: value {at}");
            }
        }
    }
    assert!(cfg!(miri) || pooled > 10, "{pooled} cases pool");
}

#[test]
#[should_panic(expected = "border is too narrow")]
fn an_input_without_room_for_the_padding_is_refused() {
    let spec = ConvSpec {
        window: [3, 3],
        strides: [1, 1],
        padding: Border {
            top: 1,
            ..Border::default()
        },
        channels: 1,
        pooling: [1, 1],
    };
    let _ = Convolution::new(
        Kernel::Portable,
        &[(spec, Layout::plain(1, 4, 4, 1))],
        &[0.0],
    );
}
