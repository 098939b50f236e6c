//! An answer depends on its view alone: not on the other views of the batch, nor on its position in it.

use super::*;

#[test]
fn a_batch_of_one_view_is_computed_as_any_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let network = onnx().model_for_path(path).unwrap();
    let model = for_batches(network, 1, [3, 64, 64]).unwrap();
    let replaced = compare_model(&model, &mut ChaCha8Rng::seed_from_u64(8));
    assert_eq!(replaced, 29);
}

#[test]
fn a_view_has_the_same_answer_wherever_it_is_in_a_batch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let network = onnx().model_for_path(path).unwrap();
    let model = for_batches(network, 3, [3, 64, 64]).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let view = 3 * 64 * 64;
    let mut values: Vec<f32> = (0..3 * view)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
    {
        let (accelerated, _) = accelerate(&model, kernel).unwrap();
        let mut answers = Vec::new();
        for _ in 0..3 {
            let input = Tensor::from_shape(&[3, 3, 64, 64], &values).unwrap();
            let [answer] = &run(accelerated.clone(), &input)[..] else {
                panic!("it has one output")
            };
            answers.push(answer.clone());
            values.rotate_left(view);
        }
        for (turn, answer) in answers.iter().enumerate() {
            let mut expected = answers[0].clone();
            expected.rotate_left(5 * turn);
            assert_eq!(*answer, expected, "{kernel}");
        }
    }
}

/// What a network answers for views, a row each.
fn rows(state: &mut NetworkState, views: &[&[f32]], row: usize) -> Vec<Vec<f32>> {
    let groups = state.run(views).unwrap();
    let rows = groups.iter().flat_map(|outputs| {
        let values = outputs[0].to_plain_array_view::<f32>().unwrap();
        let values = values.as_slice().unwrap().chunks(row);
        values.map(<[f32]>::to_vec).collect::<Vec<_>>()
    });
    rows.take(views.len()).collect()
}

#[test]
fn a_view_has_the_same_answer_however_many_share_its_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let network = onnx().model_for_path(path).unwrap();
    let model = for_batches(network, 2, [3, 64, 64]).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(10);
    let views: Vec<Vec<f32>> = (0..5)
        .map(|_| {
            (0..3 * 64 * 64)
                .map(|_| random.random_range(-1.0..1.0))
                .collect()
        })
        .collect();
    let views: Vec<&[f32]> = views.iter().map(Vec::as_slice).collect();
    let broken = vec![f32::NAN; 3 * 64 * 64];
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported() && *kernel != Kernel::Portable)
    {
        let network = Arc::new(Network::new(&model, kernel, 3).unwrap());
        assert!(network.room() == 6 && network.is_by_view());
        let mut state = network.state().unwrap();
        let expected = rows(&mut state, &views, 5);
        // As the operator within a model of tract's has it.
        let alone = Network::new(&model, kernel, 1).unwrap();
        let mut alone = Arc::new(alone).state().unwrap();
        for (pair, expected) in views.chunks(2).zip(expected.chunks(2)) {
            assert_eq!(rows(&mut alone, pair, 5), expected, "{kernel}");
        }
        // All places, so that these are behind the next ones' last.
        let found = rows(&mut state, &[&*broken; 6], 5);
        assert!(found.iter().flatten().all(|value| value.is_nan()));
        for count in [1, 2, 3] {
            let found = rows(&mut state, &views[5 - count..], 5);
            assert_eq!(found, expected[5 - count..], "{kernel}, {count} views");
        }
        assert!(state.run(&[views[0]; 7]).is_err());
        assert!(state.run(&[&views[0][1..]]).is_err());
    }
}

/// Runs three groups of two views together and alone, with each kernel. They have the same answers. Returns with how many
/// kernels they could share a run.
#[track_caller]
pub(super) fn compare_groups(model: &TypedModel, random: &mut ChaCha8Rng) -> usize {
    let len = 3 * 20 * 17;
    let views: Vec<f32> = (0..6 * len)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    let views: Vec<&[f32]> = views.chunks(len).collect();
    let values = |outputs: &TVec<TValue>| -> Vec<u32> {
        let values = outputs[0].to_plain_array_view::<f32>().unwrap();
        values.iter().map(|value| value.to_bits()).collect()
    };
    let mut shared = 0;
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported() && *kernel != Kernel::Portable)
    {
        let network = Arc::new(Network::new(model, kernel, 3).unwrap());
        let mut state = network.state().unwrap();
        let alone: Vec<Vec<u32>> = views
            .chunks(2)
            .map(|views| values(&state.run(views).unwrap()[0]))
            .collect();
        if network.room() == 6 {
            shared += 1;
            let together = state.run(&views).unwrap();
            let together: Vec<_> = together.iter().map(values).collect();
            assert_eq!(together, alone, "{kernel}");
        }
    }
    shared
}

#[test]
fn random_networks_answer_each_group_of_views_as_if_it_were_alone() {
    let mut shared = 0;
    for seed in 10..25 {
        let (mut builder, [output, _]) = random_chain(seed);
        builder.model.select_output_outlets(&[output]).unwrap();
        let model = builder.model.into_decluttered().unwrap();
        shared += compare_groups(&model, &mut builder.random);
    }
    assert!(shared > 10, "{shared} share runs");
}

#[test]
fn views_that_tract_reads_as_well_have_runs_of_their_own() {
    let mut builder = ModelBuilder::new(15);
    let fact = f32::fact([2, 3, 8, 8]);
    let x = builder.model.add_source("views", fact).unwrap();
    let y = builder.same(x, 3, 3);
    // The slope is no ReLU, so this stays tract's.
    let x = builder.wire("tanh", tanh(), &[x]);
    let sum = builder.wire("sum", add(), &[x, y]);
    let output = builder.same(sum, 1, 4);
    builder.model.select_output_outlets(&[output]).unwrap();
    let model = builder.model.into_decluttered().unwrap();
    let views: Vec<f32> = (0..2 * 192).map(|n| (n % 23) as f32 / 23.0).collect();
    let input = Tensor::from_shape(&[2, 3, 8, 8], &views).unwrap();
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported() && *kernel != Kernel::Portable)
    {
        let network = Arc::new(Network::new(&model, kernel, 4).unwrap());
        assert!(network.room() == 2 && !network.is_by_view());
        let views: Vec<&[f32]> = views.chunks(192).collect();
        let found = rows(&mut network.state().unwrap(), &views, 4 * 64);
        let (accelerated, replaced) = accelerate(&model, kernel).unwrap();
        assert_eq!(replaced, 2);
        assert_eq!(found.concat(), run(accelerated, &input)[0], "{kernel}");
    }
}

/// Two convolutions, of which each reads beyond its windows where a kernel multiplies pairs or tiles of bf16:
/// the rows of the windows have odd lengths, and there is no border behind an image.
fn model_that_reads_beyond_windows(seed: u64, side: usize) -> TypedModel {
    let mut builder = ModelBuilder::new(seed);
    let fact = f32::fact([4, 3, 8, 8]);
    let x = builder.model.add_source("views", fact).unwrap();
    let mut valid = |x, outputs| {
        let mut spec = builder.spec(x, side, 1, outputs);
        spec.padding = PaddingSpec::Valid;
        let y = builder.convolution(x, spec);
        builder.relu(y)
    };
    let y = valid(x, 21);
    let y = valid(y, 7);
    builder.model.select_output_outlets(&[y]).unwrap();
    builder.model.into_decluttered().unwrap()
}

#[test]
fn a_view_that_is_not_finite_leaves_the_others_alone() {
    for (seed, side) in [(13, 1), (14, 3)] {
        let model = model_that_reads_beyond_windows(seed, side);
        let view = 3 * 8 * 8;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..4 * view)
            .map(|_| random.random_range(-1.0..1.0))
            .collect();
        for kernel in Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.is_supported())
        {
            let (accelerated, replaced) = accelerate(&model, kernel).unwrap();
            assert_eq!(replaced, 2);
            let plan = accelerated.into_optimized().unwrap();
            let mut state = plan.into_runnable().unwrap().spawn().unwrap();
            let mut answers = |values: &[f32]| -> Vec<Vec<f32>> {
                let input = Tensor::from_shape(&[4, 3, 8, 8], values).unwrap();
                let output = state.run(tvec!(input.into())).unwrap().remove(0);
                let output = output.to_plain_array_view::<f32>().unwrap();
                let output = output.as_slice().unwrap();
                output
                    .chunks(output.len() / 4)
                    .map(<[f32]>::to_vec)
                    .collect()
            };
            let expected = answers(&values);
            for (broken, value) in [(1, f32::NAN), (2, f32::INFINITY), (3, f32::NAN)] {
                let mut values = values.clone();
                values[broken * view..][..view].fill(value);
                let found = answers(&values);
                assert!(found[broken].iter().any(|value| !value.is_finite()));
                for number in (0..4).filter(|number| *number != broken) {
                    let what = format!("{kernel}, window {side}, view {number} of {broken}");
                    assert!(found[number] == expected[number], "{what}");
                }
            }
            // And nothing of it is left for the next run in the same memory.
            assert!(answers(&values) == expected, "{kernel}, window {side}");
        }
    }
}

#[test]
fn a_row_has_the_same_softmax_wherever_it_is() {
    let mut builder = ModelBuilder::new(11);
    let fact = f32::fact([100, 5]);
    let x = builder.model.add_source("rows", fact).unwrap();
    let softmax = Softmax {
        axes: tvec!(1),
        ..Softmax::default()
    };
    let y = builder.wire("softmax", softmax, &[x]);
    builder.model.select_output_outlets(&[y]).unwrap();
    let (model, _) = accelerate(&builder.model, Kernel::Portable).unwrap();
    let mut values: Vec<f32> = (0..500)
        .map(|_| builder.random.random_range(-5.0..5.0))
        .collect();
    let answer = |model: &TypedModel, values: &[f32]| {
        let input = Tensor::from_shape(&[100, 5], values).unwrap();
        run(model.clone(), &input).remove(0)
    };
    let expected = answer(&builder.model, &values);
    let mut found = answer(&model, &values);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    values.rotate_left(5);
    found.rotate_left(5);
    assert_eq!(answer(&model, &values), found);
}
