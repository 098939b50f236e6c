//! Nights whose images look like another camera's than the training images.

use super::*;

use crate::Night;

/// Answers count from this confidence on, and the mean rank of another camera's is above 0.65.
const CARD: &str = r#"{"residual":{"confidence":0.9,"threshold":0.65,"quantiles":{}}}"#;

const SURE: f32 = 0.95;
const UNSURE: f32 = 0.85;

fn writer(fixture: &Fixture, name: &str, card: &str) -> Writer {
    let model = ModelInUse {
        card: card.into(),
        ..model(name)
    };
    Writer::open(&fixture.path(), &model).unwrap()
}

/// Records answers of this confidence with these ranks, as of this time.
fn record(writer: &mut Writer, time: &str, confidence: f32, ranks: &[Option<f32>]) {
    let rest = (1.0 - confidence) / 4.0;
    let name = format!("{}-{time}-{confidence}", writer.model());
    let entries = ranks.iter().enumerate().map(|(number, rank)| {
        let path = format!("/{name}/{number}");
        Entry {
            camera: *rank,
            ..entry(
                &path,
                &path,
                classified([rest, rest, rest, rest, confidence]),
            )
        }
    });
    let entries: Vec<Entry> = entries.collect();
    writer.record(&entries).unwrap();
    let time: Timestamp = time.parse().unwrap();
    let changed = writer.connection.execute(
        "UPDATE cutout SET classified = ?1 WHERE path LIKE '/' || ?2 || '/%'",
        params![time.as_millisecond(), name],
    );
    assert_eq!(changed.unwrap(), ranks.len());
}

/// So many ranks, evenly spread from here to there.
fn ranks(count: usize, low: f32, high: f32) -> Vec<Option<f32>> {
    let step = (high - low) / count as f32;
    let rank = |number| low + (number as f32 + 0.5) * step;
    (0..count).map(|number| Some(rank(number))).collect()
}

fn nights(fixture: &Fixture) -> Vec<Night> {
    let reader = Reader::open(&fixture.path()).unwrap();
    reader.last_nights().unwrap()
}

/// A night in a line: date, model, galaxies, counted, mean rank and verdict.
fn line(night: &Night) -> String {
    let camera = night.camera.map_or("-".into(), |rank| format!("{rank:.2}"));
    let verdict = night.other_camera.map_or("-".into(), |is| is.to_string());
    let Night {
        date,
        model,
        galaxies,
        counted,
        ..
    } = night;
    format!("{date} {model} {galaxies} {counted} {camera} {verdict}")
}

fn lines(fixture: &Fixture) -> Vec<String> {
    nights(fixture).iter().map(line).collect()
}

#[test]
fn the_rank_of_an_answer_goes_where_the_answer_goes() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    let ranked = Entry {
        camera: Some(0.1),
        ..entry("/a", "d1", classified(ANSWER))
    };
    writer
        .record(&[ranked, entry("/b", "d2", classified(ANSWER))])
        .unwrap();
    // As its shortest text, which is no other number.
    let ranks = "SELECT group_concat(ifnull(camera, '-'), ' ') FROM (SELECT camera FROM catalog ORDER BY path)";
    assert_eq!(fixture.ask::<String>(ranks), "0.1 -");
    // The answer to the earlier content is kept with it, and found again.
    writer
        .record(&[entry("/a", "d3", classified(ANSWER))])
        .unwrap();
    assert_eq!(fixture.ask::<String>(ranks), "- -");
    let kept = "SELECT camera FROM classification WHERE camera IS NOT NULL";
    assert_eq!(fixture.ask::<f64>(kept).to_string(), "0.1");
    writer.record(&[entry("/c", "d1", Verdict::Known)]).unwrap();
    assert_eq!(fixture.ask::<String>(ranks), "- - 0.1");
}

#[test]
fn a_night_looks_like_another_cameras_if_its_mean_rank_is_surely_above_the_threshold() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    for (time, ranks) in [
        ("2026-11-20T23:00:00Z", ranks(100, 0.0, 1.0)),
        ("2026-11-21T23:00:00Z", ranks(100, 0.5, 1.0)),
        // A mean of 0.7 is above, but surely so only of many.
        ("2026-11-22T23:00:00Z", ranks(100, 0.4, 1.0)),
        ("2026-11-23T23:00:00Z", ranks(400, 0.4, 1.0)),
        // And one that is below the threshold is no other camera's, of however many.
        ("2026-11-24T23:00:00Z", ranks(1000, 0.0, 0.2)),
    ] {
        record(&mut writer, time, SURE, &ranks);
    }
    assert_eq!(
        lines(&fixture),
        [
            "2026-11-24 m 1000 1000 0.10 false",
            "2026-11-23 m 400 400 0.70 true",
            "2026-11-22 m 100 100 0.70 false",
            "2026-11-21 m 100 100 0.75 true",
            "2026-11-20 m 100 100 0.50 false",
        ]
    );
}

#[test]
fn only_sure_answers_with_a_rank_count_and_a_few_of_them_say_nothing() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    record(
        &mut writer,
        "2026-11-20T23:00:00Z",
        SURE,
        &ranks(19, 0.9, 1.0),
    );
    record(
        &mut writer,
        "2026-11-21T23:00:00Z",
        SURE,
        &ranks(20, 0.9, 1.0),
    );
    record(
        &mut writer,
        "2026-11-21T23:00:00Z",
        UNSURE,
        &ranks(50, 0.0, 0.1),
    );
    record(&mut writer, "2026-11-21T22:00:00Z", SURE, &[None; 5]);
    let rejected = Verdict::rejected(RejectReason::Broken, "it is");
    writer.record(&[entry("/x", "x", rejected)]).unwrap();
    assert_eq!(
        lines(&fixture),
        ["2026-11-21 m 75 20 0.95 true", "2026-11-20 m 19 19 0.95 -",]
    );
    // Exactly as sure as the card asks is sure enough.
    let connection = Connection::open(fixture.path()).unwrap();
    let exact = "UPDATE cutout SET confidence = 0.9, p_spiral = 0.9 WHERE path LIKE '%-0.85/%'";
    assert_eq!(connection.execute(exact, []).unwrap(), 50);
    assert_eq!(lines(&fixture)[0], "2026-11-21 m 75 70 0.31 false");
}

#[test]
fn each_model_has_its_own_row_and_one_whose_card_says_nothing_has_no_verdict() {
    let fixture = Fixture::new();
    for (name, card) in [
        ("says", CARD),
        ("says-not", r#"{"name":"m"}"#),
        ("has-no-card", "no card"),
        ("has-half", r#"{"residual":{"confidence":0.9}}"#),
        (
            "is-strict",
            r#"{"residual":{"confidence":0.9,"threshold":0.99}}"#,
        ),
    ] {
        let mut writer = writer(&fixture, name, card);
        record(
            &mut writer,
            "2026-11-21T23:00:00Z",
            SURE,
            &ranks(100, 0.9, 1.0),
        );
    }
    assert_eq!(
        lines(&fixture),
        [
            "2026-11-21 has-half 100 100 0.95 -",
            "2026-11-21 has-no-card 100 0 - -",
            "2026-11-21 is-strict 100 100 0.95 false",
            "2026-11-21 says 100 100 0.95 true",
            "2026-11-21 says-not 100 0 - -",
        ]
    );
}

#[test]
fn a_file_whose_answers_are_of_two_arithmetics_is_one_model() {
    let fixture = Fixture::new();
    let of_bf16 = CARD.replacen('{', r#"{"arithmetic":"bf16","#, 1);
    for (card, low) in [(CARD, 0.8), (&of_bf16, 0.9)] {
        let mut writer = writer(&fixture, "m", card);
        let ranks = ranks(15, low, low + 0.1);
        record(
            &mut writer,
            "2026-11-21T23:00:00Z",
            SURE - low / 100.0,
            &ranks,
        );
    }
    assert_eq!(lines(&fixture), ["2026-11-21 m 30 30 0.90 true"]);
}

#[test]
fn an_answer_of_a_clock_that_was_ahead_hides_no_night() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    for time in ["2026-11-21T23:00:00Z", "2999-01-01T23:00:00Z"] {
        record(&mut writer, time, SURE, &ranks(20, 0.9, 1.0));
    }
    assert_eq!(
        lines(&fixture),
        [
            "2999-01-01 m 20 20 0.95 true",
            "2026-11-21 m 20 20 0.95 true"
        ]
    );
}

#[test]
fn a_night_lasts_from_noon_to_noon() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    for time in [
        "2026-02-28T11:59:59.999Z",
        "2026-02-28T12:00:00Z",
        "2026-03-01T00:00:00Z",
        "2026-03-01T11:59:59.999Z",
        "2026-03-01T12:00:00Z",
    ] {
        record(&mut writer, time, SURE, &[None]);
    }
    assert_eq!(
        lines(&fixture),
        [
            "2026-03-01 m 1 0 - -",
            "2026-02-28 m 3 0 - -",
            "2026-02-27 m 1 0 - -",
        ]
    );
}

#[test]
fn the_last_nights_are_those_of_the_last_week_that_has_answers_and_the_view_has_all() {
    let fixture = Fixture::new();
    let mut writer = writer(&fixture, "m", CARD);
    assert_eq!(nights(&fixture), []);
    for time in [
        "1999-12-31T23:00:00Z",
        "2026-11-13T23:00:00Z",
        "2026-11-14T23:00:00Z",
        "2026-11-20T23:00:00Z",
    ] {
        record(&mut writer, time, SURE, &[None]);
    }
    let dates: Vec<String> = nights(&fixture)
        .into_iter()
        .map(|night| night.date)
        .collect();
    assert_eq!(dates, ["2026-11-20", "2026-11-14"]);
    let all = "SELECT group_concat(night, ' ') FROM night";
    assert_eq!(
        fixture.ask::<String>(all),
        "1999-12-31 2026-11-13 2026-11-14 2026-11-20"
    );
}
