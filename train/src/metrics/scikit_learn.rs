//! Our metrics are those of scikit-learn, on random answers with every awkward case: ties, certainty,
//! classes that do not occur, classes that are never predicted.

use std::path::Path;
use std::process::Command;

use galmorph_cutout::{Morphology, Probabilities};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{
    Confusion, Difference, Estimate, Metrics, Pair, Prediction, Ranking, Views, calibration,
    calibration_error, compare, curves, fit, fit_biased, fit_conformal, log_loss, lowest_threshold,
    metrics, perfectly_calibrated,
};

const TOLERANCE: f64 = 1e-9;

type Row = [f32; Morphology::COUNT];

/// Random answers of a network, and the truth.
struct Case {
    truth: Vec<Morphology>,
    views: Vec<Vec<Row>>,
}

impl Case {
    /// The network answers with `row`, which is given the truth.
    fn new(
        seed: u64,
        images: usize,
        views: usize,
        classes: &[Morphology],
        row: impl Fn(&mut ChaCha8Rng, Morphology) -> Row,
    ) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let truth: Vec<Morphology> = (0..images)
            .map(|_| classes[random.random_range(0..classes.len())])
            .collect();
        let views = (truth.iter())
            .map(|truth| (0..views).map(|_| row(&mut random, *truth)).collect())
            .collect();
        Self { truth, views }
    }

    fn views(&self) -> Vec<Views<'_>> {
        (self.truth.iter().zip(&self.views))
            .map(|(truth, rows)| Views {
                truth: *truth,
                rows,
            })
            .collect()
    }

    fn predictions(&self) -> Vec<Prediction> {
        self.views().iter().map(|views| views.at(1.0)).collect()
    }

    /// The labels of another model: those of the last view.
    fn others(&self) -> Vec<Morphology> {
        let last = self.views.iter().map(|rows| &rows[rows.len() - 1]);
        last.map(|row| Probabilities::average([row], 1.0).unwrap().label())
            .collect()
    }

    fn to_json(&self) -> Value {
        let answers = self.predictions();
        let rows: Vec<&Row> = answers
            .iter()
            .map(|p| p.answer.as_ref().unwrap().values())
            .collect();
        let truth: Vec<usize> = self.truth.iter().map(|class| class.id()).collect();
        let others: Vec<usize> = self.others().iter().map(|class| class.id()).collect();
        json!({"truth": truth, "probabilities": rows, "views": self.views, "others": others})
    }
}

/// A softmax that leans to the truth, and is too sure of itself by `sharpness`.
fn softmax(sharpness: f32) -> impl Fn(&mut ChaCha8Rng, Morphology) -> Row {
    move |random, truth| {
        let mut logits: Row = std::array::from_fn(|_| random.random_range(-2.0..2.0_f32));
        logits[truth.id()] += 1.5;
        let powers = logits.map(|logit| (sharpness * logit).exp());
        let total: f32 = powers.iter().sum();
        powers.map(|power| power / total)
    }
}

/// Eight counters dealt out to the classes: many ties, zeros, and certainty.
fn counters(random: &mut ChaCha8Rng, truth: Morphology) -> Row {
    let mut row = [0.0; Morphology::COUNT];
    for _ in 0..8 {
        let class = if random.random_bool(0.5) {
            truth.id()
        } else {
            random.random_range(0..Morphology::COUNT)
        };
        row[class] += 0.125;
    }
    row
}

/// Never an edge-on galaxy, whatever the truth.
fn blind(random: &mut ChaCha8Rng, truth: Morphology) -> Row {
    let mut row = softmax(2.0)(random, truth);
    row[Morphology::EdgeOn.id()] = 0.0;
    let total: f32 = row.iter().sum();
    row.map(|p| p / total)
}

fn cases() -> Vec<Case> {
    use Morphology::{Cigar, InBetween, Round, Spiral};
    let all = Morphology::ALL;
    vec![
        Case::new(1, 300, 4, &all, softmax(3.0)),
        Case::new(2, 300, 4, &all, softmax(0.5)),
        Case::new(3, 200, 1, &all, softmax(1.5)),
        Case::new(4, 400, 1, &all, counters),
        Case::new(5, 200, 2, &all, counters),
        Case::new(6, 300, 2, &all, blind),
        // Classes that do not occur, though they are predicted.
        Case::new(7, 150, 1, &[Round, InBetween, Spiral], softmax(1.0)),
        Case::new(8, 60, 1, &[Cigar], counters),
        Case::new(9, 1, 1, &all, softmax(1.0)),
    ]
}

fn in_scikit_learn(cases: &[Case]) -> Vec<Value> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = package.join("../.venv/bin/python");
    assert!(python.exists(), "no .venv/: run scripts/setup");
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.json"), dir.path().join("out.json"));
    let json: Vec<Value> = cases.iter().map(Case::to_json).collect();
    std::fs::write(&input, serde_json::to_vec(&json).unwrap()).unwrap();
    let status = Command::new(python)
        .arg(package.join("tests/python/metrics.py"))
        .args([&input, &output])
        .status()
        .unwrap();
    assert!(status.success());
    serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap()
}

#[track_caller]
fn assert_same(ours: Option<f64>, theirs: &Value, tolerance: f64, what: &str) {
    match (ours, theirs.as_f64()) {
        (None, None) => assert!(theirs.is_null(), "{what}: {theirs}"),
        (Some(ours), Some(theirs)) if (ours - theirs).abs() <= tolerance => {}
        _ => panic!("{what}: {ours:?} here, {theirs} there"),
    }
}

fn value(estimate: Option<Estimate>) -> Option<f64> {
    estimate.map(|estimate| estimate.value)
}

fn compare_classification(ours: &Metrics, theirs: &Value) {
    let same = |ours, theirs: &Value, what: &str| assert_same(ours, theirs, TOLERANCE, what);
    same(value(ours.accuracy), &theirs["accuracy"], "accuracy");
    let weighted = [
        ours.weighted.precision,
        ours.weighted.recall,
        ours.weighted.f1,
    ];
    for (number, estimate) in weighted.into_iter().enumerate() {
        same(value(estimate), &theirs["weighted"][number], "weighted");
    }
    assert_eq!(json!(ours.confusion.counts), theirs["confusion"]);
    let (mut auc, mut images) = (0.0, 0.0);
    for (id, class) in ours.per_class.iter().enumerate() {
        assert_eq!(json!(class.images), theirs["support"][id]);
        same(
            value(class.precision),
            &theirs["precision"][id],
            "precision",
        );
        same(value(class.recall), &theirs["recall"][id], "recall");
        same(value(class.f1), &theirs["f1"][id], "f1");
        let area = &theirs["against_rest"][id]["auc"];
        same(value(class.auc), area, "auc");
        if let Some(area) = area.as_f64() {
            auc += area * class.images as f64;
            images += class.images as f64;
        }
    }
    let weighted = (images > 0.0).then(|| auc / images);
    same(value(ours.weighted.auc), &json!(weighted), "weighted auc");
}

/// Each of our corners is a point of theirs, and the area beneath them is the same.
fn compare_curves(predictions: &[Prediction], theirs: &Value) {
    for (roc, theirs) in curves(predictions).iter().zip(theirs.as_array().unwrap()) {
        let list = |name: &str| -> Vec<f64> {
            let values = theirs[name].as_array().unwrap();
            values.iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (false_positive, true_positive) =
            (list("false_positive_rate"), list("true_positive_rate"));
        let corners: Vec<(f64, f64)> = (roc.points.iter())
            .map(|p| (p.false_positive_rate.value, p.true_positive_rate.value))
            .collect();
        for (x, y) in &corners {
            let is_there = (false_positive.iter().zip(&true_positive))
                .any(|(a, b)| (a - x).abs() < TOLERANCE && (b - y).abs() < TOLERANCE);
            assert!(is_there, "{}: no point ({x}, {y})", roc.class);
        }
        let trapezoid =
            |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0;
        let area: f64 = corners.windows(2).map(trapezoid).sum();
        let area = (!corners.is_empty()).then_some(area);
        assert_same(area, &theirs["auc"], TOLERANCE, &roc.class);
    }
}

fn compare_calibration(case: &Case, theirs: &Value) {
    let predictions = case.predictions();
    let ours = calibration(&predictions, 1.0).unwrap();
    let same = |ours: Estimate, theirs: &str, value: &Value| {
        assert_same(Some(ours.value), &value[theirs], TOLERANCE, theirs);
    };
    same(ours.negative_log_likelihood, "log_loss", theirs);
    same(ours.brier_score, "brier_score", theirs);
    same(ours.error, "calibration_error", theirs);
    assert_eq!(calibration_error(&predictions), Some(ours.error.value));

    // Near its least, the loss is so flat that the place is found less exactly than the value.
    let temperature = fit(&case.views());
    let found = temperature.map(f64::from);
    assert_same(
        found,
        &theirs["temperature"],
        0.002 * found.unwrap_or(1.0),
        "temperature",
    );
    let loss = temperature.map(|temperature| {
        let softened: Vec<Prediction> = (case.views().iter())
            .map(|views| views.at(temperature))
            .collect();
        let loss = calibration(&softened, temperature).unwrap();
        loss.negative_log_likelihood.value
    });
    assert_same(loss, &theirs["least_log_loss"], 1e-6, "least log loss");
}

fn compare_biases(case: &Case, theirs: &Value) {
    let views = case.views();
    let loss = fit_biased(&views).map(|scaling| {
        let softened: Vec<Prediction> = views.iter().map(|views| views.at(scaling)).collect();
        // The last class's bias is the reference.
        let bias = scaling.bias.unwrap().0.map(f64::from);
        let squares: f64 = bias.iter().map(|b| (b - bias[4]).powi(2)).sum();
        log_loss(&softened) + squares / 2.0 / views.len() as f64
    });
    // Null is also where the best temperature is beyond our limits. The loss is flat there, and how far a
    // search goes is chance.
    if !theirs.is_null() {
        assert_same(loss, theirs, 1e-5, "least log loss with biases");
    }
}

fn compare_thresholds(predictions: &[Prediction], theirs: &Value) {
    let fitted = fit_conformal(predictions);
    let same = |ours: f64, theirs: &Value, what: &str| {
        // Ours are rounded down, to nine digits.
        assert_same(Some(ours), theirs, 2e-9, what);
    };
    for (level, theirs) in (fitted.levels.iter()).zip(theirs["conformal"].as_array().unwrap()) {
        same(level.overall, &theirs[0], "overall");
        for (class, threshold) in level.by_class.iter() {
            same(*threshold, &theirs[1 + class.id()], class.name());
        }
    }
    for class in Morphology::ALL {
        for (number, wanted) in [0.6, 0.9, 0.98].into_iter().enumerate() {
            let ours = lowest_threshold(predictions, class, wanted);
            let theirs = &theirs["purest"][class.id()][number];
            assert_same(ours, theirs, 2e-6, "a pure sample");
        }
    }
    // Both come from random draws.
    let ours = perfectly_calibrated(predictions).unwrap();
    let theirs = &theirs["perfect"];
    let scale = ours.value.max(1e-3);
    assert_same(Some(ours.value), &theirs[0], 0.05 * scale, "perfect");
    for (ours, theirs) in [(ours.low, &theirs[1]), (ours.high, &theirs[2])] {
        assert_same(Some(ours), theirs, 0.15 * scale, "range of perfect");
    }
}

fn compare_pairs(case: &Case, theirs: &Value) {
    let predictions = case.predictions();
    let pairs: Vec<Pair> = (predictions.iter().zip(case.others()))
        .map(|(prediction, other)| Pair {
            truth: prediction.truth,
            label: prediction.label(),
            other: Some(other),
        })
        .collect();
    let ours = compare(&pairs).unwrap();
    let same = |found: &Difference, theirs: &Value, what: &str| {
        assert_eq!(
            json!([found.only_here, found.only_there]),
            theirs["only"],
            "{what}"
        );
        let value = Some(found.advantage.value);
        assert_same(value, &theirs["difference"], TOLERANCE, what);
        assert_same(Some(found.p_value), &theirs["p_value"], TOLERANCE, what);
    };
    same(&ours.all, &theirs["all"], "all");
    for (found, theirs) in ours
        .per_class
        .iter()
        .zip(theirs["per_class"].as_array().unwrap())
    {
        match found {
            Some(found) => same(found, theirs, "of a class"),
            None => assert!(theirs.is_null()),
        }
    }
    let mean = Some(ours.mean_recall.value);
    assert_same(mean, &theirs["mean_recall"], TOLERANCE, "mean recall");
    // Both intervals come from random draws.
    let Estimate { low, high, .. } = ours.all.advantage;
    for (ours, theirs) in [low, high]
        .into_iter()
        .zip(theirs["interval"].as_array().unwrap())
    {
        let steps = 2.0 / pairs.len() as f64;
        assert_same(Some(ours), theirs, steps.max(0.005), "interval");
    }
}

#[test]
fn they_are_those_of_scikit_learn() {
    let cases = cases();
    let theirs = in_scikit_learn(&cases);
    assert_eq!(theirs.len(), cases.len());
    for (case, theirs) in cases.iter().zip(&theirs) {
        let predictions = case.predictions();
        compare_classification(&metrics(&predictions), theirs);
        compare_curves(&predictions, &theirs["against_rest"]);
        compare_calibration(case, theirs);
        compare_biases(case, &theirs["biased"]);
        compare_thresholds(&predictions, theirs);
        compare_pairs(case, &theirs["paired"]);
    }
}

#[test]
fn the_cases_are_as_awkward_as_they_should_be() {
    let cases = cases();
    let found: Vec<Metrics> = cases
        .iter()
        .map(|case| metrics(&case.predictions()))
        .collect();
    let classes = || found.iter().flat_map(|metrics| &metrics.per_class);
    assert!(classes().any(|class| class.images > 0 && class.precision.is_none()));
    assert!(classes().any(|class| class.images == 0 && class.labelled > 0));
    assert!(classes().any(|class| class.images > 0 && class.auc.is_none()));
    let fitted = |case: &Case| fit(&case.views());
    assert!(cases.iter().any(|case| fitted(case).is_none()));
    assert!(
        cases
            .iter()
            .filter_map(fitted)
            .any(|temperature| temperature < 0.9)
    );
    assert!(
        cases
            .iter()
            .filter_map(fitted)
            .any(|temperature| temperature > 1.1)
    );
}

/// Of many sets drawn from one truth, an interval of 95 % misses it in about one of twenty.
#[test]
fn intervals_cover_the_truth_about_as_often_as_they_say() {
    let draw = |seed, images| Case::new(seed, images, 1, &Morphology::ALL, softmax(1.5));
    let whole = draw(1000, 100_000).predictions();
    let confusion = Confusion::of(&whole);
    let once = vec![1; whole.len()];
    let wanted = [
        value(confusion.accuracy()),
        confusion.weighted_mean(|class| confusion.f1(class)),
        confusion.weighted_mean(|class| Ranking::new(&whole, class).auc(&once)),
    ];
    let mut held = [0; 3];
    for seed in 0..100 {
        let set = metrics(&draw(seed, 200).predictions());
        let estimates = [set.accuracy, set.weighted.f1, set.weighted.auc];
        for ((held, estimate), wanted) in held.iter_mut().zip(estimates).zip(wanted) {
            let Estimate { low, high, .. } = estimate.unwrap();
            *held += u32::from((low..=high).contains(&wanted.unwrap()));
        }
    }
    for count in held {
        assert!((88..100).contains(&count), "{held:?} of 100");
    }
}
