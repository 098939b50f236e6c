//! Every figure is a valid drawing that shows its data, even if there are few or none.

use galmorph_cutout::{
    Measurement, Morphology, OcclusionMap, Preprocessing, Probabilities, Resampling, RgbImage,
};
use galmorph_mock::Mock;
use roxmltree::Document;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::evaluation::{EpochRecord, Neighbour};
use crate::metrics::PurityCurve;
use crate::network::{Architecture, Network};
use crate::torch::{Weights, activations};
use crate::training::{Augmentation, AugmentationName};

/// All text of a drawing; fails where it is no XML, reaches outside of itself, or is drawn at another
/// size than it says.
fn text(figure: &Figure) -> String {
    let document = Document::parse(figure.svg()).unwrap();
    for node in document.descendants() {
        for attribute in node.attributes() {
            let outside =
                attribute.name() == "href" && !attribute.value().starts_with("data:image/");
            assert!(!outside, "{attribute:?}");
            let lost = matches!(attribute.name(), "width" | "height") && attribute.value() == "0";
            assert!(!lost, "{node:?} does not show");
        }
    }
    let root = document.root_element();
    let (width, height) = figure.size();
    assert_eq!(root.attribute("width"), Some(width.to_string().as_str()));
    assert_eq!(root.attribute("height"), Some(height.to_string().as_str()));
    let png = image::load_from_memory(&figure.png().unwrap()).unwrap();
    assert_eq!((png.width(), png.height()), (2 * width, 2 * height));
    let colours = png
        .to_rgb8()
        .pixels()
        .map(|pixel| pixel.0)
        .collect::<std::collections::HashSet<_>>();
    assert!(colours.len() > 2, "the PNG is empty");

    let lines = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let lines = lines.filter_map(|node| node.text()).map(str::trim);
    lines.collect::<Vec<_>>().join("\n")
}

fn assert_says(figure: &Figure, parts: &[&str]) {
    let text = text(figure);
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in\n{text}");
    }
}

fn pictures(figure: &Figure) -> usize {
    let document = Document::parse(figure.svg()).unwrap();
    document
        .descendants()
        .filter(|node| node.has_tag_name("image"))
        .count()
}

fn galaxy(class: Morphology, number: u32) -> RgbImage {
    Mock::new(5).with_side(128).galaxy(class, number)
}

fn network() -> (Network, Weights) {
    tch::set_num_threads(1);
    tch::manual_seed(2);
    let network = "zhu2019 k=0.1 N=1"
        .parse::<Architecture>()
        .unwrap()
        .describe();
    let weights = Weights::start(&network, Device::Cpu);
    (network, weights)
}

#[test]
fn class_counts_have_every_class_with_its_number() {
    let counts = |round| {
        let split = |split: &str, counts| SplitCounts {
            split: split.into(),
            counts,
        };
        class_counts(&[
            split("train", [round, 7, 0, 2, 3]),
            split("test", [1, 1, 0, 1, 1]),
        ])
        .unwrap()
    };
    let figure = counts(40);
    assert_says(
        &figure,
        &["completely round smooth", "cigar-shaped smooth", "spiral"],
    );
    assert_says(
        &figure,
        &["56 in all", "41", "train 40, test 1", "train 0, test 0"],
    );
    assert_ne!(figure.svg(), counts(30).svg());
    assert_says(&class_counts(&[]).unwrap(), &["0 in all", "edge-on"]);
}

#[test]
fn a_sample_grid_has_a_row_a_class_and_says_where_there_is_none() {
    let row = |class, count: u32| ClassSamples {
        class,
        samples: (0..count)
            .map(|number| Sample {
                id: format!("{class}-<{number}>&"),
                image: galaxy(class, number),
            })
            .collect(),
    };
    let grid = |spirals| {
        sample_grid(&[
            row(Morphology::Spiral, spirals),
            row(Morphology::Cigar, 0),
            row(Morphology::EdgeOn, 1),
        ])
    };
    let figure = grid(3);
    assert_says(&figure, &["spiral-<0>&", "spiral-<2>&", "edge_on-<0>&"]);
    assert_says(&figure, &["cigar-shaped smooth", "no galaxy of this class"]);
    assert_eq!(pictures(&figure), 4);
    assert_ne!(figure.svg(), grid(2).svg());
}

#[test]
fn preprocessing_shows_every_step_and_training_views() {
    let figure = preprocessing("237308", &galaxy(Morphology::Spiral, 1).into(), 100, 1);
    assert_says(
        &figure,
        &[
            "galaxy 237308",
            "original, 128 × 128",
            "centre crop, 100 × 100",
        ],
    );
    assert_says(
        &figure,
        &["resized, 80 × 80", "whitened, 64 × 64", "rotation and flip"],
    );
    assert_eq!(pictures(&figure), 15);
    let other = preprocessing("237308", &galaxy(Morphology::Round, 1).into(), 100, 1);
    assert_ne!(figure.svg(), other.svg());
    let uniform = RgbImage::from_pixel(20, 30, image::Rgb([9; 3]));
    assert_says(
        &preprocessing("1", &uniform.into(), 220, 1),
        &["original, 20 × 30"],
    );
}

#[test]
fn training_views_show_the_test_view_and_what_the_run_sees() {
    let preprocessing = Preprocessing {
        test_scales: vec![100],
        resampling: Resampling::Antialiased,
        ..Preprocessing::default()
    };
    let views = |name| {
        let augmentation = Augmentation::named(name, &preprocessing).unwrap();
        let image = galaxy(Morphology::Spiral, 1).into();
        training_views("237308", &image, &preprocessing, &augmentation, 1)
    };
    let plain = views(AugmentationName::Paper);
    assert_says(&plain, &["galaxy 237308", "test, 100 pixels", "epoch 31"]);
    assert_eq!(pictures(&plain), 32);
    assert_ne!(plain.svg(), views(AugmentationName::Telescope).svg());
}

#[test]
fn roc_curves_carry_their_area_and_may_be_undefined() {
    let curve = |class, points: &[(f64, f64)], area| Roc {
        class,
        points: points.to_vec(),
        area,
    };
    let good = [(0.0, 0.0), (0.0, 0.93), (0.02, 0.97), (1.0, 1.0)];
    let figure = |area| {
        roc(&[
            curve(Morphology::Round, &good, Some(area)),
            curve(Morphology::Cigar, &[], None),
        ])
        .unwrap()
    };
    assert_says(&figure(0.987), &["completely round smooth (AUC 0.9870)"]);
    assert_says(
        &figure(0.987),
        &["cigar-shaped smooth (undefined)", "false positive rate"],
    );
    assert_ne!(figure(0.987).svg(), figure(0.5).svg());
    assert_says(&roc(&[]).unwrap(), &["true positive rate"]);
}

fn history(epochs: u32) -> Vec<EpochRecord> {
    let record = |epoch: u32| EpochRecord {
        epoch,
        rate: 0.1 / f64::from(epoch),
        loss: 1.6 / f64::from(epoch),
        training_accuracy: 1.0 - 0.5 / f64::from(epoch),
        validation: Measurement {
            of: None,
            images: 10,
            accuracy: 1.0 - 0.4 / f64::from(epoch),
            per_scale: vec![],
            per_class: vec![],
            calibration: None,
        },
        images_per_second: 100.0,
        waiting: 0.0,
    };
    (1..=epochs).map(record).collect()
}

#[test]
fn training_curves_are_drawn_of_many_epochs_of_one_and_of_none() {
    let figures = [0, 1, 12].map(|epochs| training_curves(&history(epochs)).unwrap());
    for figure in &figures {
        let parts = [
            "Loss",
            "Accuracy",
            "Learning rate",
            "epoch",
            "validation, scales averaged",
        ];
        assert_says(figure, &parts);
    }
    assert_ne!(figures[1].svg(), figures[2].svg());
    let mut diverged = history(4);
    diverged[2].loss = f64::NAN;
    assert_says(&training_curves(&diverged).unwrap(), &["Loss"]);
}

#[test]
fn reliability_names_each_curve_with_its_error() {
    let curve = |name: &str, error| Reliability {
        name: name.into(),
        error,
        bins: vec![
            Bin {
                range: (0.8, 0.9),
                count: 0,
                confidence: f64::NAN,
                accuracy: f64::NAN,
                interval: (0.0, 1.0),
            },
            Bin {
                range: (0.7, 0.8),
                count: 1,
                confidence: 0.75,
                accuracy: 0.0,
                interval: (0.0, 0.79),
            },
            Bin {
                range: (0.9, 1.0),
                count: 9000,
                confidence: 0.95,
                accuracy: 0.9,
                interval: (0.75, 0.97),
            },
        ],
    };
    let both =
        reliability(&[curve("as trained", 0.05), curve("at temperature 1.3", 0.01)]).unwrap();
    assert_says(
        &both,
        &["as trained (ECE 0.0500)", "at temperature 1.3 (ECE 0.0100)"],
    );
    let one = reliability(&[curve("as trained", 0.05)]).unwrap();
    assert_ne!(both.svg(), one.svg());
    assert!(!one.svg().contains("NaN"));
    assert_says(&reliability(&[]).unwrap(), &["perfectly calibrated"]);
}

#[test]
fn purity_has_a_curve_for_each_class_in_both_panels() {
    let curve = |class: Morphology| PurityCurve {
        class: class.name().into(),
        levels: Vec::new(),
        points: vec![[0.1, 0.5, 1.0], [0.9, 1.0, 0.25]],
    };
    let curves = Morphology::ALL.map(curve);
    let all = purity(&curves).unwrap();
    for class in Morphology::ALL {
        assert_says(&all, &[class.long_name()]);
        assert_eq!(all.svg().matches(class.long_name()).count(), 2);
    }
    assert_ne!(purity(&curves[..4]).unwrap().svg(), all.svg());
}

#[test]
fn filters_are_shown_layer_by_layer_with_number_and_size() {
    let (network, weights) = network();
    let layers = Filters::of(&network, &weights, &convolutions(&network)).unwrap();
    let figure = filters(&layers);
    assert_says(&figure, &["conv1 (64 filters, 6 × 6, in colour)"]);
    assert_says(
        &figure,
        &["conv2/unit1/conv3x3 (6 filters, 3 × 3, channels 0, 3, 5)"],
    );
    assert_eq!(pictures(&figure), 1 + 4 * 3);
    let other = Weights::start(&network, Device::Cpu);
    let others = Filters::of(&network, &other, &convolutions(&network)).unwrap();
    assert_ne!(figure.svg(), filters(&others).svg());
    let fault = Filters::of(&network, &weights, &[2])
        .unwrap_err()
        .to_string();
    assert!(fault.contains("'pool1' is no convolution"), "{fault}");
}

#[test]
fn feature_maps_are_shown_layer_by_layer_with_number_and_size() {
    let (network, weights) = network();
    let nodes = feature_layers(&network);
    let drawing = |seed| {
        tch::manual_seed(seed);
        let view = Tensor::randn([1, 3, 64, 64], (Kind::Float, Device::Cpu));
        let outputs = activations(&network, &weights, &view, &nodes);
        let maps: Vec<FeatureMaps> = (nodes.iter().zip(&outputs))
            .map(|(node, output)| FeatureMaps::of(&network.nodes[*node], output))
            .collect();
        let values: Vec<f32> = Vec::try_from(view.view(-1)).unwrap();
        feature_maps("Activations on galaxy 909652", &values, 64, &maps)
    };
    let figure = drawing(1);
    assert_says(
        &figure,
        &["galaxy 909652", "input after whitening (64 × 64)"],
    );
    assert_says(
        &figure,
        &["conv1 (64 maps, 64 × 64)", "pool1 (64 maps, 32 × 32)"],
    );
    assert_says(
        &figure,
        &["conv5/unit1/add (205 maps, 4 × 4, the first 64 shown)"],
    );
    assert_eq!(pictures(&figure), 1 + nodes.len());
    assert_ne!(figure.svg(), drawing(2).svg());
}

#[test]
fn mistakes_are_sorted_by_confidence() {
    let mistake = |id: &str, probability| Mistake {
        id: id.into(),
        truth: Morphology::Cigar,
        answer: Morphology::EdgeOn,
        probability,
        image: galaxy(Morphology::Cigar, 0),
    };
    let figure = wrong(&[mistake("unsure", 0.51), mistake("sure", 0.998)]);
    assert_says(
        &figure,
        &[
            "label: cigar",
            "answer: edge_on, 99.80 %",
            "answer: edge_on, 51.00 %",
        ],
    );
    let text = text(&figure);
    assert!(text.find("\nsure") < text.find("\nunsure"), "{text}");
    assert_eq!(pictures(&figure), 2);
    assert_says(&wrong(&[]), &["no answer is wrong"]);
}

#[test]
fn why_shows_view_map_probabilities_and_the_nearest_galaxies() {
    let view = |class, number| {
        let side = Preprocessing::PAPER_CROP;
        Mock::new(5).with_side(side).galaxy(class, number)
    };
    let neighbour = |id: &str, class, similarity| {
        let id = id.to_owned();
        let neighbour = Neighbour {
            id,
            class,
            similarity,
        };
        (neighbour, view(class, 3))
    };
    let explained = |fall: f32, nearest| Explained {
        id: "100428 <&".into(),
        label: Some(Morphology::Cigar),
        view: view(Morphology::Cigar, 1),
        map: OcclusionMap {
            answer: Probabilities::from_values([0.0, 0.125, 0.0, 0.75, 0.125]),
            side: 64,
            patch: 32,
            corners: vec![0, 32],
            falls: vec![0.0, fall, -0.25, 0.0],
        },
        nearest,
    };
    let draw = |images: &[Explained]| why("Why this class: m", &Preprocessing::default(), images);
    let nearest = vec![
        neighbour("7", Morphology::EdgeOn, 0.98765),
        neighbour("8", Morphology::Cigar, 0.5),
    ];
    let figure = draw(&[explained(0.5, nearest), explained(0.0001, Vec::new())]);
    assert_says(
        &figure,
        &[
            "Why this class: m",
            "100428 <&: label cigar, answer edge_on with 75.0 %",
            "as the network sees it: 192 px wide",
            "falls by 50.0 points at most (square)",
            "full colour: 50 points",
            "12.5",
            "0.9877",
            "covered anywhere, it stays edge_on",
            "full colour: 25 points",
            "and not why",
        ],
    );
    assert_eq!(pictures(&figure), 2 * 2 + 2);
    let without = draw(&[explained(0.0, Vec::new())]);
    assert!(
        !without.svg().contains("stroke="),
        "no square where nothing falls"
    );
    assert_says(&draw(&[]), &["Why this class: m"]);
}

#[test]
fn a_figure_is_saved_as_its_ending_says_or_as_both_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let figure = wrong(&[]);
    let folder = dir.path().join("new/figures");
    let written = figure.save(&folder, "wrong", false, &[]).unwrap();
    assert_eq!(
        written,
        [folder.join("wrong.svg"), folder.join("wrong.png")]
    );
    assert_eq!(std::fs::read_to_string(&written[0]).unwrap(), figure.svg());
    image::open(&written[1]).unwrap();

    let file = dir.path().join("alone.PNG");
    assert_eq!(
        figure.save(&file, "wrong", false, &[]).unwrap(),
        vec![file.clone()]
    );
    assert_eq!(std::fs::read(&file).unwrap(), figure.png().unwrap());
    let fault = figure
        .save(&dir.path().join("page.pdf"), "wrong", false, &[])
        .unwrap_err();
    assert!(
        fault.to_string().contains(".svg or .png, not .pdf"),
        "{fault}"
    );
    assert!(!dir.path().join("page.pdf").exists());
}
