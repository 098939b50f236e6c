//! Answers where the classes are as common as in no training sample: what SQL says of them is what Rust says.

use galmorph_cutout::{ByClass, ClassMix, Estimate};

use super::*;

/// That of galmorph-1, and one with which equals are frequent.
const PRIORS: [ByClass<f64>; 2] = [
    ByClass([
        0.292_996_994_069_380_1,
        0.280_242_099_276_951_8,
        0.020_107_238_605_898_123,
        0.135_551_222_682_589_98,
        0.271_102_445_365_179_97,
    ]),
    ByClass([0.25, 0.25, 0.125, 0.125, 0.25]),
];

fn with_prior(name: &str, prior: &ByClass<f64>) -> ModelInUse {
    ModelInUse {
        digest: blake3::hash(name.as_bytes()),
        card: serde_json::json!({ "name": name, "prior": prior }).to_string(),
        ..model(name)
    }
}

/// Made-up probabilities: every other one in steps of 1/64, where equals are frequent; the others with most of it in one or two
/// classes, as networks answer.
fn made_up(count: u32) -> Vec<Probabilities> {
    let mut state = 1_u64;
    let mut random = move || {
        // Knuth's generator; its upper bits are good.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..count)
        .map(|number| {
            let mut values = [0.0_f32; Morphology::COUNT];
            if number % 2 == 0 {
                for _ in 0..64 {
                    values[(random() * 5.0) as usize] += 1.0 / 64.0;
                }
            } else {
                values = values.map(|_| random().powi(6));
                let sum: f32 = values.iter().sum();
                values = values.map(|value| value / sum);
            }
            Probabilities::from_values(values)
        })
        .collect()
}

/// Records answers of a model. The path of each is its number, with the model's name in front.
fn record(fixture: &Fixture, model: &ModelInUse, answers: &[Probabilities]) {
    let mut writer = Writer::open(&fixture.path(), model).unwrap();
    let entries: Vec<Entry> = answers
        .iter()
        .enumerate()
        .map(|(number, answer)| {
            let path = format!("{}/{number:06}", model.name);
            entry(&path, &path, Verdict::Classified(*answer))
        })
        .collect();
    writer.record(&entries).unwrap();
}

fn labels(fixture: &Fixture, sql: &str) -> Vec<Option<Morphology>> {
    let connection = Connection::open(fixture.path()).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0));
    let label =
        |row: rusqlite::Result<Option<String>>| row.unwrap().map(|name| name.parse().unwrap());
    rows.unwrap().map(label).collect()
}

#[test]
fn the_label_where_classes_are_equally_common_is_that_of_the_model_that_answered() {
    let fixture = Fixture::new();
    let answers = made_up(4000);
    for (name, prior) in ["a", "b"].into_iter().zip(&PRIORS) {
        record(&fixture, &with_prior(name, prior), &answers);
        let sql =
            format!("SELECT label_balanced FROM catalog WHERE model = '{name}' ORDER BY path");
        let expected: Vec<Option<Morphology>> = answers
            .iter()
            .map(|answer| Some(answer.label_balanced(prior)))
            .collect();
        assert_eq!(labels(&fixture, &sql), expected);
        // It is another one than the label, and there are equals.
        let others = format!("catalog WHERE model = '{name}' AND label_balanced <> label");
        assert!(fixture.ask::<i64>(&format!("SELECT count(*) FROM {others}")) > 200);
    }
    let likelihoods = |answer: &Probabilities| {
        let mut likelihoods = [0.0; Morphology::COUNT];
        for class in Morphology::ALL {
            likelihoods[class.id()] = answer.as_written()[class.id()] / PRIORS[1][class];
        }
        likelihoods.sort_by(f64::total_cmp);
        likelihoods
    };
    let has_equals = |answer: &&Probabilities| matches!(likelihoods(answer), [.., one, other] if one.to_bits() == other.to_bits());
    assert!(answers.iter().filter(has_equals).count() > 100);

    // A model that says no class mix, or one that is none.
    for (name, card) in [
        ("c", "{}"),
        ("d", "no card"),
        ("e", r#"{"prior": {"round": 1.0}}"#),
        (
            "f",
            r#"{"prior": {"round": 0, "in_between": 0.25, "cigar": 0.25, "edge_on": 0.25, "spiral": 0.25}}"#,
        ),
    ] {
        let model = ModelInUse {
            card: card.into(),
            ..model(name)
        };
        record(&fixture, &model, &answers[..2]);
        let sql = format!("SELECT label_balanced FROM catalog WHERE model = '{name}'");
        assert_eq!(labels(&fixture, &sql), [None, None]);
    }
}

/// A model's answers are chosen by it, those of a model that is not in use too.
#[test]
fn rows_are_chosen_by_the_label_where_classes_are_equally_common() {
    let fixture = Fixture::new();
    let answers = made_up(400);
    record(&fixture, &with_prior("a", &PRIORS[0]), &answers);
    for name in [None, Some("a")] {
        let reader = Reader::open(&fixture.path()).unwrap();
        let filter = Filter {
            label_balanced: Some(Morphology::Cigar),
            model: name.map(str::to_owned),
            ..Filter::default()
        };
        let mut found = 0;
        let query = Query::classified(&reader, &filter).unwrap();
        reader
            .run(&query, |_| -> Result<(), CatalogError> {
                found += 1;
                Ok(())
            })
            .unwrap();
        let cigars = answers
            .iter()
            .filter(|answer| answer.label_balanced(&PRIORS[0]) == Morphology::Cigar);
        assert_eq!(found, cigars.count());
    }
}

fn keep(fixture: &Fixture, model: &ModelInUse, fractions: [f64; 5], selection: &str) {
    let estimate = |value: f64| Estimate {
        value,
        low: value / 2.0,
        high: value.midpoint(1.0),
    };
    let mix = ClassMix {
        galaxies: 1000,
        fractions: ByClass(fractions.map(estimate)),
    };
    let digest = model.digest.to_hex();
    let new = NewClassMix {
        model: &model.name,
        model_digest: digest.as_str(),
        mix: &mix,
        selection,
    };
    keep_class_mix(&fixture.path(), &new).unwrap();
}

#[test]
fn probabilities_in_a_class_mix_that_is_kept_are_those_of_rust() {
    let fixture = Fixture::new();
    let answers = made_up(2000);
    let [one, other] = [with_prior("a", &PRIORS[0]), with_prior("b", &PRIORS[1])];
    record(&fixture, &one, &answers);
    record(&fixture, &other, &answers[..10]);
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM in_class_mix"), 0);
    keep(&fixture, &one, [0.2; 5], "all");
    // The last one counts. One class is not there.
    let mix = [0.1, 0.3, 0.4, 0.2, 0.0];
    keep(&fixture, &one, mix, "galmorph query --class-mix --keep");
    assert_eq!(fixture.ask::<i64>("SELECT count(*) FROM class_mix"), 1);
    let kept: String = fixture.ask(
        "SELECT model || ' ' || galaxies || ' ' || selection || ' ' || fraction_cigar || ' ' || fraction_low_cigar || ' '
             || fraction_high_cigar || ' ' || (estimated_at > datetime('now', '-1 hour'))
         FROM class_mix",
    );
    assert_eq!(
        kept,
        "a 1000 galmorph query --class-mix --keep 0.4 0.2 0.7 1"
    );

    let connection = Connection::open(fixture.path()).unwrap();
    let mut statement = connection
        .prepare("SELECT * FROM in_class_mix ORDER BY path")
        .unwrap();
    let names: Vec<&str> = statement.column_names().collect();
    let names = names.join(" ");
    let probabilities = Morphology::names().map(|name| format!("p_{name}_in_mix"));
    assert_eq!(
        names,
        format!(
            "path object_id model label label_in_mix {}",
            probabilities.join(" ")
        )
    );
    let mut rows = statement.query([]).unwrap();
    let (mut changed, mut impossible) = (0, 0);
    for answer in &answers {
        let row = rows.next().unwrap().unwrap();
        let expected = answer.in_mix(&ByClass(mix), &PRIORS[0]);
        for class in Morphology::ALL {
            let found: f64 = row.get(5 + class.id()).unwrap();
            let wanted = f64::from(expected.values()[class.id()]);
            assert!(
                (found - wanted).abs() < 1e-6,
                "{answer:?}: {found} {wanted}"
            );
        }
        assert_eq!(row.get::<_, String>(2).unwrap(), "a");
        assert_eq!(row.get::<_, String>(3).unwrap(), answer.label().name());
        assert_eq!(row.get::<_, String>(4).unwrap(), expected.label().name());
        changed += i32::from(expected.label() != answer.label());
        impossible += i32::from(answer.values()[4] > 0.999_999);
    }
    assert!(rows.next().unwrap().is_none());
    assert!(changed > 500 && impossible == 0, "{changed} {impossible}");
}

#[test]
fn an_answer_for_which_the_mix_has_no_class_stays_as_it_is() {
    let fixture = Fixture::new();
    let one = with_prior("a", &PRIORS[0]);
    let spiral = Probabilities::from_values([0.0, 0.0, 0.0, 0.0, 1.0]);
    record(&fixture, &one, &[spiral]);
    keep(&fixture, &one, [0.25, 0.25, 0.25, 0.25, 0.0], "all");
    let found: String = fixture.ask(
        "SELECT label_in_mix || ' ' || p_spiral_in_mix || ' ' || p_round_in_mix FROM in_class_mix",
    );
    assert_eq!(found, "spiral 1.0 0.0");
}

/// What is asked of one row reads no other, and no model but its own.
#[test]
fn models_and_mixes_are_found_by_their_keys() {
    let fixture = Fixture::new();
    let one = with_prior("a", &PRIORS[0]);
    record(&fixture, &one, &made_up(10));
    keep(&fixture, &one, [0.2; 5], "all");
    let connection = Connection::open(fixture.path()).unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let steps = statement.query_map([], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
        steps.join("\n")
    };
    for sql in [
        "SELECT * FROM catalog WHERE path = 'a/000001'",
        "SELECT * FROM in_class_mix WHERE path = 'a/000001'",
    ] {
        let plan = plan(sql);
        assert!(plan.contains("cutout USING INDEX cutout_path"), "{plan}");
        assert!(plan.contains("model USING INTEGER PRIMARY KEY"), "{plan}");
        assert!(
            !plan.contains("SCAN cutout") && !plan.contains("SCAN model"),
            "{plan}"
        );
        assert!(!plan.contains("SCAN class_mix"), "{plan}");
    }
    let plan = plan("SELECT * FROM in_class_mix");
    let first = plan.lines().next().unwrap();
    assert!(first.contains("cutout"), "{plan}");
    assert!(plan.contains("class_mix USING PRIMARY KEY"), "{plan}");
    // Who doesn't ask for it doesn't pay for it.
    let count = "EXPLAIN QUERY PLAN SELECT count(*) FROM catalog WHERE label = 'spiral'";
    let steps: i64 = connection
        .prepare(count)
        .unwrap()
        .query_map([], |_| Ok(()))
        .unwrap()
        .count()
        .try_into()
        .unwrap();
    assert_eq!(steps, 1);
}

#[test]
fn a_class_mix_is_kept_in_no_earlier_catalog() {
    let fixture = Fixture::new();
    let text = include_str!("../../../tests/corpus/catalog/version-7.sql");
    let connection = Connection::open(fixture.path()).unwrap();
    connection.execute_batch(text).unwrap();
    drop(connection);
    let fraction = Estimate {
        value: 0.2,
        low: 0.0,
        high: 1.0,
    };
    let mix = ClassMix {
        galaxies: 1,
        fractions: ByClass([fraction; Morphology::COUNT]),
    };
    let new = NewClassMix {
        model: "m",
        model_digest: "",
        mix: &mix,
        selection: "",
    };
    let error = keep_class_mix(&fixture.path(), &new).unwrap_err();
    assert!(error.to_string().contains("has version 7"), "{error}");
}
