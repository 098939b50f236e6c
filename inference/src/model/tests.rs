use super::*;
use std::io::Write as _;
use tract_onnx::pb;

fn fault(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Model::load(Some(file.path()), Options::default())
        .unwrap_err()
        .to_string()
}

/// A model with four views and no novelty, that isn't calibrated.
const PLAIN: &[u8] = include_bytes!("../../../models/zhu2019-small.onnx");

fn changed(change: impl FnOnce(&mut pb::ModelProto)) -> Vec<u8> {
    let mut proto = onnx().proto_model_for_read(&mut &*PLAIN).unwrap();
    change(&mut proto);
    encode(&proto)
}

fn encode(proto: &pb::ModelProto) -> Vec<u8> {
    use prost::Message as _;
    proto.encode_to_vec()
}

/// The same tensor with nothing but one value in it, if its values are floats.
fn filled_with(value: f32, tensor: &pb::TensorProto) -> pb::TensorProto {
    let mut filled = tensor.clone();
    if tensor.data_type == DataType::Float as i32 {
        let count = usize::try_from(tensor.dims.iter().product::<i64>()).unwrap();
        filled.float_data = Vec::new();
        filled.raw_data = value.to_le_bytes().repeat(count);
    }
    filled
}

#[test]
fn the_embedded_model_answers_with_probabilities_a_set_and_a_novelty() {
    let model = Model::load(None, Options::default()).unwrap();
    let preprocessing = &model.card.preprocessing;
    let views = vec![0.5; preprocessing.view_count() * preprocessing.view_len()];
    let answer = model.classifier().classify(&views).unwrap();
    // Nothing is less like a galaxy than one colour.
    let usual = model.card.novelty.as_ref().unwrap().threshold;
    assert!(answer.novelty.unwrap() > usual as f32, "{answer:?}");
    assert!(answer.set.is_some());
    let total: f32 = answer.probabilities.values().iter().sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
}

#[test]
fn what_a_model_says_of_itself_is_what_it_is_loaded_as() {
    let about = Model::about(None).unwrap();
    let model = Model::load(None, Options::default()).unwrap();
    assert_eq!((&*about.name, about.digest), (model.name(), model.digest));
    let none = Model::about(Some(Path::new("none.onnx"))).unwrap_err();
    assert!(
        none.to_string()
            .starts_with("cannot read model 'none.onnx': ")
    );
}

/// A model whose card speaks of novelty and residual. Their outputs are the largest probability of each view, if they
/// are there.
fn with_parts(outputs: &[&str]) -> Vec<u8> {
    changed(|model| {
        let properties = &mut model.metadata_props;
        let card = properties
            .iter_mut()
            .find(|p| p.key == ModelCard::METADATA_KEY);
        let card = &mut card.unwrap().value;
        let mut json: serde_json::Value = serde_json::from_str(card).unwrap();
        json["format"] = 2.into();
        json["novelty"] = serde_json::json!({
            "threshold": 0.5,
            "quantiles": [{"fraction": 0.5, "novelty": 0.25}],
        });
        let quantiles = ByClass::from_fn(|_| [0.0, 1.0]);
        json["residual"] =
            serde_json::json!({"confidence": 0.9, "threshold": 0.65, "quantiles": quantiles});
        *card = json.to_string();
        let integer = |name: &str, ints: Vec<i64>, i: i64, kind: i32| pb::AttributeProto {
            name: name.into(),
            r#type: kind,
            ints,
            i,
            ..pb::AttributeProto::default()
        };
        let graph = model.graph.as_mut().unwrap();
        for name in outputs {
            graph.node.push(pb::NodeProto {
                name: (*name).into(),
                op_type: "ReduceMax".into(),
                input: vec![OUTPUT.into()],
                output: vec![(*name).into()],
                attribute: vec![
                    integer("axes", vec![1], 0, 7),
                    integer("keepdims", vec![], 0, 2),
                ],
                ..pb::NodeProto::default()
            });
            graph.output.push(pb::ValueInfoProto {
                name: (*name).into(),
                ..pb::ValueInfoProto::default()
            });
        }
    })
}

#[test]
fn novelty_and_camera_of_an_image_are_of_the_mean_over_its_views() {
    let file = with_parts(&[NOVELTY, RESIDUAL]);
    let model = Model::from_bytes(&file, Options::default()).unwrap();
    let preprocessing = &model.card.preprocessing;
    let (count, len) = (preprocessing.view_count(), preprocessing.view_len());
    let value = |n: usize| ((n * 7919) % 4801) as f32 / 4801.0 * (n / len) as f32;
    let views: Vec<f32> = (0..count * len).map(value).collect();
    let found = model.classifier().classify(&views).unwrap();

    // Each view alone, in all places.
    let alone = |view: &[f32]| {
        let answer = model.classifier().classify(&view.repeat(count)).unwrap();
        let largest = answer.probabilities.confidence();
        assert!(
            (answer.novelty.unwrap() - largest).abs() < 1e-6,
            "{answer:?}"
        );
        largest
    };
    let sum: f32 = views.chunks(len).map(alone).sum();
    let novelty = found.novelty.unwrap();
    assert!((novelty - sum / count as f32).abs() < 1e-5, "{novelty}");
    // Of these quantiles the rank is the residual, which is the same number here.
    assert_eq!(found.camera, found.novelty);

    let plain = Model::from_bytes(PLAIN, Options::default()).unwrap();
    let plain = plain.classifier().classify(&views).unwrap();
    assert_eq!(plain.probabilities, found.probabilities);
    assert_eq!((plain.novelty, plain.camera), (None, None));

    // Ranks are those of the settings that they were found with.
    let other = Options {
        scales: &[180, 200],
        ..Options::default()
    };
    let other = Model::from_bytes(&file, other).unwrap();
    let views = &views[..2 * len];
    let answer = other.classifier().classify(views).unwrap();
    assert!(answer.novelty.is_some() && answer.camera.is_none());
}

#[test]
fn a_card_that_speaks_of_novelty_and_residual_needs_the_outputs() {
    assert!(fault(&with_parts(&[])).contains("no output 'novelty'"));
    assert!(fault(&with_parts(&[NOVELTY])).contains("no output 'residual'"));
}

#[test]
fn an_output_of_more_numbers_than_views_is_refused() {
    let mut model = parse(&with_parts(&[NOVELTY, RESIDUAL])).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let residual = graph.node.iter_mut().find(|node| node.name == RESIDUAL);
    // Five numbers for each view.
    let residual = residual.unwrap();
    residual.op_type = "Identity".into();
    residual.attribute.clear();
    let found = fault(&encode(&model));
    assert!(
        found.contains("an output has 20 numbers for 4 views"),
        "{found}"
    );
}

#[test]
fn other_scales_are_another_card_of_the_same_file() {
    let scales = |scales| Options {
        scales,
        early_stop: Some(EarlyStop::Settled),
        ..Options::default()
    };
    let model = Model::load(None, scales(&[200])).unwrap();
    assert_eq!(model.card.preprocessing.test_scales, [200]);
    assert_eq!(model.card.early_stop, EarlyStop::Never);
    let several = Model::load(None, scales(&[180, 200])).unwrap();
    assert_eq!(several.card.early_stop, EarlyStop::Settled);
    assert_eq!(
        model.digest,
        Model::load(None, Options::default()).unwrap().digest
    );
    let error = Model::load(None, scales(&[0])).unwrap_err().to_string();
    assert!(error.contains("a side of 0 pixels"), "{error}");
}

#[test]
fn the_numbers_that_are_multiplied_are_part_of_the_model_in_use() {
    let model = |precision| {
        let options = Options {
            precision,
            ..Options::default()
        };
        Model::load(None, options).unwrap()
    };
    let (exact, fastest) = (model(Precision::F32), model(Precision::Auto));
    assert_eq!(exact.arithmetic(), Arithmetic::F32);
    // As it was written before there was another: answers of then keep their model.
    assert_eq!(exact.card_in_use(), exact.card.to_json().unwrap());
    assert_eq!(exact.digest, fastest.digest);
    let is_bf16 = fastest.arithmetic() == Arithmetic::Bf16;
    assert_eq!(exact.card_in_use() != fastest.card_in_use(), is_bf16);
    let card: serde_json::Value = serde_json::from_str(&fastest.card_in_use()).unwrap();
    assert_eq!(card.get("arithmetic").is_some(), is_bf16);
}

#[test]
fn a_model_that_rounds_to_eight_bits_says_so_whatever_the_precision() {
    let rounding = |kind: &str, input: &str, output: &str| pb::NodeProto {
        op_type: kind.to_owned(),
        name: output.to_owned(),
        input: [input, "quantum", "zero"].map(str::to_owned).to_vec(),
        output: vec![output.to_owned()],
        ..pb::NodeProto::default()
    };
    let bytes = changed(|model| {
        let graph = model.graph.as_mut().unwrap();
        let inputs = graph.node.iter_mut().flat_map(|node| &mut node.input);
        for input in inputs.filter(|input| *input == "views") {
            "rounded".clone_into(input);
        }
        graph.initializer.push(pb::TensorProto {
            name: "quantum".to_owned(),
            data_type: DataType::Float as i32,
            float_data: vec![0.01],
            ..pb::TensorProto::default()
        });
        graph.initializer.push(pb::TensorProto {
            name: "zero".to_owned(),
            data_type: DataType::Uint8 as i32,
            raw_data: vec![100],
            ..pb::TensorProto::default()
        });
        let nodes = [
            rounding("QuantizeLinear", "views", "bytes"),
            rounding("DequantizeLinear", "bytes", "rounded"),
        ];
        graph.node.splice(0..0, nodes);
    });
    for precision in Precision::ALL {
        let options = Options {
            precision,
            ..Options::default()
        };
        let model = Model::from_bytes(&bytes, options).unwrap();
        assert_eq!(model.arithmetic(), Arithmetic::Int8);
        let card: serde_json::Value = serde_json::from_str(&model.card_in_use()).unwrap();
        assert_eq!(card["arithmetic"], "int8");
    }
}

#[test]
fn files_that_are_no_model_of_ours_are_refused_with_the_reason() {
    assert!(fault(b"<html>not found</html>").ends_with("not an ONNX file"));
    assert!(fault(b"").ends_with("not an ONNX file"));
    assert!(fault(&EMBEDDED[..EMBEDDED.len() / 2]).ends_with("not an ONNX file"));
    let bare = changed(|model| model.metadata_props.clear());
    assert!(fault(&bare).contains("no galmorph card in its metadata"));
    let renamed = changed(|model| model.graph.as_mut().unwrap().output[0].name = "y".into());
    assert!(fault(&renamed).contains("no output 'probabilities'"));
    let filled = |value: f32| {
        changed(|model| {
            for weights in &mut model.graph.as_mut().unwrap().initializer {
                *weights = filled_with(value, weights);
            }
        })
    };
    assert!(fault(&filled(f32::NAN)).ends_with("are not numbers"));
    assert!(fault(&filled(f32::MAX)).ends_with("the network's answer is not finite"));
    let headless = changed(|model| model.graph.as_mut().unwrap().node.clear());
    assert!(fault(&headless).starts_with("cannot use model '"));
}
