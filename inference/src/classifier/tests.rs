use super::*;
use crate::model::{Model, Options, Precision};

/// One that looks at four views of an image.
fn model(early_stop: EarlyStop) -> Model {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");
    let options = Options {
        early_stop: Some(early_stop),
        ..Options::default()
    };
    Model::load(Some(path.as_ref()), options).unwrap()
}

/// Some images, each with views that differ, and differ from those of the others.
fn images(model: &Model, count: usize) -> Vec<Vec<f32>> {
    let preprocessing = &model.card.preprocessing;
    let len = preprocessing.view_count() * preprocessing.view_len();
    let image = |number: usize| {
        let (period, tilt) = (29 + 7 * number, 1e-5 * number as f32);
        let value = |n: usize| (n % period) as f32 / period as f32 - tilt * (n % 12_288) as f32;
        (0..len).map(value).collect()
    };
    (0..count).map(image).collect()
}

/// What becomes of images that are classified together, and on how many views the network is run for it.
fn outcomes(classifier: &mut Classifier, images: &[Vec<f32>]) -> (Vec<Outcome>, usize) {
    let mut group = classifier.group(images.iter().map(|views| &**views));
    let mut seen = 0;
    while group.is_open() {
        seen += group.run();
    }
    (group.outcomes().collect(), seen)
}

fn answers(classifier: &mut Classifier, images: &[Vec<f32>]) -> (Vec<Answer>, usize) {
    let (outcomes, seen) = outcomes(classifier, images);
    (outcomes.into_iter().map(Result::unwrap).collect(), seen)
}

#[test]
fn an_image_that_the_network_fails_on_harms_no_other() {
    for early_stop in [EarlyStop::Never, EarlyStop::Confident(0.51)] {
        let model = model(early_stop);
        let mut images = images(&model, 5);
        let mut classifier = model.classifier();
        let (before, _) = answers(&mut classifier, &images);
        let whole = images[2].clone();
        images[2].pop();
        let (mut after, _) = outcomes(&mut classifier, &images);
        let refusal = after.remove(2).unwrap_err();
        assert_eq!(refusal.reason(), RejectReason::Inference);
        let after: Vec<_> = after.into_iter().map(Result::unwrap).collect();
        assert_eq!(after, [&before[..2], &before[3..]].concat());
        assert_eq!(classifier.classify(&whole).unwrap(), before[2]);
    }
}

#[test]
fn an_answer_that_comes_early_is_that_of_the_middle_scales_and_depends_on_nothing_else() {
    let full = model(EarlyStop::Never);
    let early = model(EarlyStop::Confident(0.6));
    let images = images(&full, 9);
    let len = full.card.preprocessing.view_len();
    let mut classifier = full.classifier();
    let mut expected = Vec::new();
    for image in &images {
        let mut average = Average::new(full.card.scaling());
        let views: Vec<&[f32]> = image.chunks(len).collect();
        let rows = classifier.run(&views).unwrap().rows;
        for view in [1, 2, 0, 3] {
            average.add(&rows[view]);
            if early.card.early_stop.is_enough(&average, 4) {
                break;
            }
        }
        expected.push(average);
    }
    let needed: usize = expected.iter().map(Average::seen).sum();
    let expected: Vec<_> = expected
        .iter()
        .map(|average| Answer {
            probabilities: average.answer().unwrap(),
            set: None,
            camera: None,
            novelty: None,
        })
        .collect();

    let mut classifier = early.classifier();
    let (together, seen) = answers(&mut classifier, &images);
    assert_eq!(together, expected);
    if classifier.network.is_by_view() {
        assert_eq!(seen, needed);
    }
    let alone = images
        .iter()
        .map(|image| classifier.classify(image).unwrap());
    assert_eq!(alone.collect::<Vec<_>>(), expected);
    // Or there would have been nothing to leave out.
    assert!(needed < 4 * images.len(), "{needed} views");
}

#[test]
fn an_image_has_the_same_answer_alone_and_in_any_company() {
    let models = ["galmorph-1", "zhu2019-small"];
    for (name, precision) in models
        .iter()
        .flat_map(|name| Precision::ALL.map(|p| (name, p)))
    {
        let path = format!("{}/../models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        let options = Options {
            precision,
            ..Options::default()
        };
        let model = Model::load(Some(path.as_ref()), options).unwrap();
        let images = images(&model, 11);
        let mut classifier = model.classifier();
        let alone: Vec<Answer> = images
            .iter()
            .map(|image| classifier.classify(image).unwrap())
            .collect();
        for count in [2, 3, 4, 5, 11] {
            let (together, _) = answers(&mut classifier, &images[..count]);
            assert_eq!(together, alone[..count], "{name}");
        }
        let backwards: Vec<_> = images.iter().rev().cloned().collect();
        let (mut together, _) = answers(&mut model.classifier(), &backwards);
        together.reverse();
        assert_eq!(together, alone, "{name}");
    }
}

#[test]
fn a_run_has_all_views_of_as_many_images_as_it_has_room_for() {
    let model = model(EarlyStop::Never);
    let images = images(&model, 5);
    let mut classifier = model.classifier();
    let views = model.card.preprocessing.view_count();
    let (all, room) = (5 * views, classifier.network.room());
    let mut group = classifier.group(images.iter().map(|views| &**views));
    let mut seen = Vec::new();
    while group.is_open() {
        seen.push(group.run());
    }
    assert_eq!(seen.iter().sum::<usize>(), all);
    assert_eq!(seen.len(), all.div_ceil(room / views * views));
}
