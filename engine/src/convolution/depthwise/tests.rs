//! Depthwise convolutions of random shapes, against plain loops.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smallvec::smallvec;

use super::*;
use crate::convolution::layout::SLACK;
use crate::microkernel::DType;
use crate::microkernel::dtype::TypedSliceMut;
use crate::microkernel::epilogue::function::Function;
use crate::microkernel::epilogue::{ChannelSlice, Output};

/// A case: a batch of images, a window, and the kernel's answer beside that of plain loops in f64.
fn compare(kernel: Kernel, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let size: [usize; 2] = [random.random_range(1..6), random.random_range(1..8)];
    let strides = [random.random_range(1..4), random.random_range(1..3)];
    let padding = Border {
        top: random.random_range(0..size[0]),
        left: random.random_range(0..size[1]),
        bottom: random.random_range(0..size[0]),
        right: random.random_range(0..size[1]),
    };
    // Miri takes a thousand times as long.
    let [height, width, channels] = if cfg!(miri) {
        [size[0] + 1, size[1] + 1, 18]
    } else {
        [12, 20, 80]
    };
    let mut input = Layout::plain(
        random.random_range(1..4),
        random.random_range(size[0]..height),
        random.random_range(size[1]..width),
        random.random_range(1..channels),
    );
    // Of another convolution that reads the same.
    let wider = Border {
        top: random.random_range(0..3),
        left: random.random_range(0..3),
        ..Border::default()
    };
    input.border = padding.union(wider);
    let mut values = vec![0.0_f32; input.len() + SLACK];
    for offset in input.pixel_offsets() {
        for value in &mut values[offset..][..input.channels] {
            *value = random.random_range(-1.0..1.0);
        }
    }
    let mut numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let weights = numbers(input.channels * size[0] * size[1]);
    let (scale, bias) = (numbers(input.channels), numbers(input.channels));
    let mut depthwise = Depthwise::new(kernel, size, strides, padding, &input, &bias);
    depthwise.pack(&weights, &scale);

    let rows = (padding.top + input.height + padding.bottom - size[0]) / strides[0] + 1;
    let columns = (padding.left + input.width + padding.right - size[1]) / strides[1] + 1;
    let output = Layout::plain(input.batch, rows, columns, input.channels);
    let offsets: Vec<usize> = output.pixel_offsets().collect();
    let mut found = vec![f32::NAN; output.len() + SLACK];
    let slices = [ChannelSlice {
        offset: 0,
        activation: None,
        rounding: None,
    }];
    let mut epilogue = Epilogue {
        function: Some(&Function::LeakyRelu { slope: 0.5 }),
        outputs: smallvec![Output {
            values: TypedSliceMut::F32(&mut found),
            pixel_offsets: &offsets,
            slices: &slices,
        }],
        ..Epilogue::default()
    };
    depthwise.run(
        input.batch,
        TypedSlice::F32(&values),
        &mut Scratch::default(),
        &mut epilogue,
    );
    drop(epilogue);

    for (pixel, offset) in offsets.iter().enumerate() {
        let (image, at) = (pixel / (rows * columns), pixel % (rows * columns));
        for channel in 0..input.channels {
            let mut sum = f64::from(bias[channel]);
            for row in 0..size[0] {
                for column in 0..size[1] {
                    let from = input.offset(
                        image,
                        at / columns * strides[0] + row + input.border.top - padding.top,
                        at % columns * strides[1] + column + input.border.left - padding.left,
                    );
                    let weight = weights[(channel * size[0] + row) * size[1] + column];
                    let weight = f64::from(weight) * f64::from(scale[channel]);
                    sum += f64::from(values[from + channel]) * weight;
                }
            }
            let expected = if sum < 0.0 { 0.5 * sum } else { sum };
            let error = (f64::from(found[offset + channel]) - expected).abs();
            assert!(error < 1e-5, "{kernel}, seed {seed}: {error}");
        }
    }
    let behind = &found[output.len()..];
    assert!(behind.iter().all(|value| value.is_nan()), "it wrote behind");
}

#[test]
fn random_shapes_are_as_plain_loops_compute_them() {
    for kernel in Kernel::ALL {
        // Emulated tiles have an epilogue of their own, which is tested with them.
        if kernel.is_supported() && kernel.dtype() == DType::F32 {
            for seed in 0..if cfg!(miri) { 4 } else { 150 } {
                compare(kernel, seed);
            }
        }
    }
}
