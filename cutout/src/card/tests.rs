use super::*;
use crate::Estimate;

fn card() -> ModelCard {
    ModelCard::new("trial", "zhu2019 k=0.25 N=2", Preprocessing::default())
}

/// Old cards must be read, and the catalog tells models apart by this text.
#[test]
fn the_text_of_format_1_stays_what_it_was() {
    let json = r#"{"format":1,"name":"trial","network":"zhu2019 k=0.25 N=2","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[180,200,220,240],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0}"#;
    let old = ModelCard {
        format: 1,
        ..card()
    };
    assert_eq!(old.to_json().unwrap(), json);
    assert_eq!(ModelCard::from_json(json).unwrap(), old);
    assert_eq!(
        card().to_json().unwrap(),
        json.replace("\"format\":1", "\"format\":2")
    );
}

/// A card with every part.
fn full() -> ModelCard {
    let level = |coverage, threshold| Coverage {
        coverage,
        overall: threshold,
        by_class: ByClass([threshold; 5]),
    };
    let fraction = |value| Estimate {
        value,
        low: value - 0.01,
        high: value + 0.01,
    };
    let pure = |wanted, threshold| PurityLevel {
        wanted,
        threshold,
        purity: fraction(wanted),
        completeness: fraction(0.5),
    };
    let quantile = |fraction, novelty| NoveltyQuantile { fraction, novelty };
    ModelCard {
        framing: Some(Framing::Paper),
        stretch: Some(Stretch::Sdss),
        prior: Some(ByClass([0.3, 0.3, 0.02, 0.13, 0.25])),
        bias: Some(ByClass([-0.25, -0.25, 0.5, 0.0, 0.0])),
        conformal: Some(Conformal {
            galaxies: ByClass([380, 363, 26, 176, 351]),
            levels: vec![level(0.9, 0.5), level(0.98, 0.25)],
        }),
        purity: Some(Purity {
            clean: ByClass([(); 5].map(|()| vec![pure(0.9, 0.5), pure(0.98, 0.75)])),
            representative: None,
        }),
        novelty: Some(Novelty {
            threshold: 0.25,
            quantiles: vec![
                quantile(0.5, 0.125),
                quantile(0.75, 0.25),
                quantile(1.0, 0.5),
            ],
        }),
        residual: Some(Residual {
            confidence: 0.9,
            threshold: 0.65,
            quantiles: ByClass([(); 5].map(|()| vec![1.0, 2.0, 2.0, 4.0, 8.0])),
        }),
        quantisation: Some(Quantisation {
            arithmetic: QuantisedArithmetic::Int8,
            images: 512,
            weight_bits: 7,
        }),
        ..card()
    }
}

#[test]
fn every_part_of_format_2_is_the_same_after_it_was_written_and_read() {
    let json = full().to_json().unwrap();
    assert_eq!(ModelCard::from_json(&json).unwrap(), full());
    assert!(json.contains(r#""framing":"paper","stretch":"sdss","prior":{"round":0.3,"#));
}

#[test]
fn parts_that_make_no_sense_are_refused_with_the_reason() {
    let refusal = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::to_value(full()).unwrap();
        change(&mut value);
        let error = ModelCard::from_json(&value.to_string()).unwrap_err();
        error.to_string()
    };
    assert!(refusal(&|c| c["format"] = 1.into()).contains("'framing' is of format 2"));
    assert!(refusal(&|c| c["stretch"] = "log".into()).contains("unknown stretch 'log'"));
    assert!(refusal(&|c| c["framing"] = "tight".into()).contains("tight"));
    assert!(refusal(&|c| c["prior"]["cigar"] = 0.0.into()).contains("0 of the galaxies are cigar"));
    assert!(refusal(&|c| c["prior"]["cigar"] = 0.1.into()).contains("sum to 1.08"));
    let prior = |name: &str| serde_json::json!({name: 1.0});
    assert!(refusal(&|c| c["prior"] = prior("star")).contains("unknown class 'star'"));
    assert!(
        refusal(&|c| c["prior"] = prior("round")).contains("no value for the class in_between")
    );

    assert!(refusal(&|c| c["bias"]["cigar"] = 21.0.into()).contains("a bias of 21"));

    let conformal = |change: &dyn Fn(&mut serde_json::Value)| {
        refusal(&|c| change(&mut c["conformal"]["levels"]))
    };
    assert!(conformal(&|l| *l = serde_json::json!([])).contains("no coverage"));
    assert!(conformal(&|l| l[0]["coverage"] = 1.0.into()).contains("a coverage of 1"));
    assert!(conformal(&|l| l[0]["coverage"] = 0.98.into()).contains("0.98 comes before 0.98"));
    assert!(conformal(&|l| l[0]["overall"] = 1.5.into()).contains("a threshold of 1.5"));
    assert!(conformal(&|l| l[1]["by_class"]["cigar"] = 0.75.into()).contains("threshold rises"));
    assert!(conformal(&|l| l[1]["by_class"]["star"] = 0.75.into()).contains("star"));
    assert!(conformal(&|l| l[1]["thresold"] = 0.75.into()).contains("thresold"));

    let purity = |change: &dyn Fn(&mut serde_json::Value)| {
        refusal(&|c| change(&mut c["purity"]["clean"]["cigar"]))
    };
    assert!(purity(&|p| p[0]["wanted"] = 0.0.into()).contains("purity of cigar: a purity of 0"));
    assert!(purity(&|p| p[0]["threshold"] = 0.9.into()).contains("0.9 for 0.9 comes before"));
    assert!(purity(&|p| p[0]["purity"]["low"] = 0.95.into()).contains("interval 0.95"));
    assert!(purity(&|p| p[0]["completeness"]["high"] = 1.5.into()).contains("to 1.5"));

    let novelty = |change: &dyn Fn(&mut serde_json::Value)| refusal(&|c| change(&mut c["novelty"]));
    assert!(novelty(&|n| n["threshold"] = (-1.0).into()).contains("a threshold of -1"));
    assert!(novelty(&|n| n["quantiles"] = serde_json::json!([])).contains("no quantiles"));
    let falling = |n: &mut serde_json::Value| n["quantiles"][0]["fraction"] = 0.8.into();
    assert!(novelty(&falling).contains("the quantile 0.8 comes before 0.75"));

    let residual =
        |change: &dyn Fn(&mut serde_json::Value)| refusal(&|c| change(&mut c["residual"]));
    assert!(residual(&|r| r["confidence"] = 1.5.into()).contains("a confidence of 1.5"));
    assert!(residual(&|r| r["threshold"] = 0.25.into()).contains("a threshold of 0.25"));
    let quantiles =
        |quantiles: serde_json::Value| residual(&|r| r["quantiles"]["edge_on"] = quantiles.clone());
    assert!(quantiles(serde_json::json!([1.0])).contains("edge_on has 1 quantiles"));
    assert!(quantiles(serde_json::json!([2.0, 1.0])).contains("edge_on are not lengths that rise"));
    assert!(quantiles(serde_json::json!([-1.0, 1.0])).contains("edge_on are not lengths"));
    assert!(refusal(&|c| c["novelty"] = serde_json::Value::Null).contains("no novelty"));
    let bits = refusal(&|c| c["quantisation"]["weight_bits"] = 4.into());
    assert!(bits.contains("weights of 4 bits"), "{bits}");
}

#[test]
fn thresholds_are_found_for_the_coverages_that_they_were_fitted_for_only() {
    let conformal = full().conformal.unwrap();
    let found = conformal.thresholds(0.98, Guarantee::ByClass).unwrap();
    assert_eq!(found, ByClass([0.25; 5]));
    let found = conformal.thresholds(0.9, Guarantee::Overall).unwrap();
    assert_eq!(found, ByClass([0.5; 5]));
    let error = conformal.thresholds(0.95, Guarantee::Overall).unwrap_err();
    let text = "the model has no thresholds for a coverage of 0.95 (it has 0.9, 0.98)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_purity_is_that_of_the_next_level() {
    let purity = full().purity.unwrap();
    let threshold = |wanted| Some(purity.level(Morphology::Cigar, wanted)?.threshold);
    assert_eq!([threshold(0.5), threshold(0.9)], [Some(0.5); 2]);
    assert_eq!([threshold(0.95), threshold(0.98)], [Some(0.75); 2]);
    assert_eq!(threshold(0.99), None);
}

#[test]
fn a_novelty_has_its_rank_among_held_out_galaxies() {
    let novelty = full().novelty.unwrap();
    let ranks = [0.0, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75].map(|n| novelty.rank(n).unwrap());
    assert_eq!(ranks, [0.5, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0]);
    assert_eq!(novelty.rank(f32::NAN), None);
    assert!(novelty.is_novel(f32::NAN) && novelty.is_novel(0.3) && !novelty.is_novel(0.25));
}

#[test]
fn a_residual_has_its_rank_among_held_out_galaxies_of_the_label() {
    let mut residual = full().residual.unwrap();
    residual.quantiles[Morphology::Cigar] = vec![1.0, 100.0];
    let ranks = [0.5, 1.0, 1.5, 2.0, 3.0, 6.0, 8.0, 9.0, f32::NAN];
    let found = ranks.map(|value| residual.rank(Morphology::Spiral, value));
    assert_eq!(found, [0.0, 0.0, 0.125, 0.25, 0.625, 0.875, 1.0, 1.0, 1.0]);
    assert_eq!(residual.rank(Morphology::Cigar, 50.5), 0.5);
}

fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(card()).unwrap();
    change(&mut value);
    ModelCard::from_json(&value.to_string())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_card_is_the_same_after_it_was_written_and_read() {
    let json = card().to_json().unwrap();
    let properties = [("producer", "x"), (ModelCard::METADATA_KEY, json.as_str())];
    assert_eq!(ModelCard::from_metadata(properties).unwrap(), card());
    // The catalog tells models apart by this text, so a model from before this field keeps it.
    assert!(!json.contains("early_stop"));
    let card = ModelCard {
        early_stop: EarlyStop::Confident(0.95),
        ..card()
    };
    assert_eq!(
        ModelCard::from_json(&card.to_json().unwrap()).unwrap(),
        card
    );
}

#[test]
fn a_measurement_from_before_there_was_a_calibration_is_read() {
    let json = r#"{"images": 2, "accuracy": 0.5, "per_scale": [], "per_class": []}"#;
    let mut value = serde_json::to_value(card()).unwrap();
    value["validation"] = serde_json::from_str(json).unwrap();
    let card = ModelCard::from_json(&value.to_string()).unwrap();
    assert_eq!(card.validation.unwrap().calibration, None);
}

#[test]
fn a_model_without_a_card_is_named_as_such() {
    let error = ModelCard::from_metadata([("producer", "x")]).unwrap_err();
    assert!(matches!(error, CardError::Missing));
}

#[test]
fn cards_that_cannot_be_followed_are_refused_with_the_reason() {
    assert!(refusal(|c| c["format"] = 3.into()).contains("format 3"));
    assert!(refusal(|c| c["format"] = 0.into()).contains("format 0"));
    assert!(refusal(|c| c["format"] = "1".into()).contains("no format"));
    assert!(refusal(|c| c["classes"][4] = "star".into()).contains("star"));
    assert!(refusal(|c| c["temperature"] = 0.0.into()).contains("temperature"));
    assert!(refusal(|c| c["early_stop"] = 0.2.into()).contains("a confidence above 0.5"));
    assert!(refusal(|c| c["name"] = " ".into()).contains("no name"));
    assert!(refusal(|c| c["preprocessing"]["crop"] = 800.into()).contains("crop"));
    assert!(refusal(|c| c["preprocessing"]["gamma"] = 2.into()).contains("gamma"));
    assert!(refusal(|c| c["preprocessing"]["resampling"] = "lanczos".into()).contains("lanczos"));
}
