//! What people say of images, and pages of rows.

use super::*;

use std::collections::BTreeSet;

use crate::{Judgement, NewReview, Order, Turn, Unreviewed};
use galmorph_cutout::Morphology::{EdgeOn, Round, Spiral};

/// A catalog of this many files; each seventh is as sure as the one before.
fn many(count: u32) -> Fixture {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("m");
    for number in 0..count {
        let confidence = 0.5 + 0.4 * ((number - u32::from(number % 7 == 6)) as f32 / count as f32);
        let rest = (1.0 - confidence) / 4.0;
        let mut answer = [rest; 5];
        answer[if number % 3 == 0 { 0 } else { 4 }] = confidence;
        let path = format!("/{number:03}");
        let entry = Entry {
            novelty: (number % 4 != 0).then_some(number as f32 / 100.0),
            ..entry(&path, &path, classified(answer))
        };
        writer.record(&[entry]).unwrap();
    }
    fixture
}

fn say(
    fixture: &Fixture,
    path: &str,
    reviewer: &str,
    word: Option<Judgement>,
) -> Option<Judgement> {
    let new = NewReview {
        digest: hash(path),
        reviewer: reviewer.into(),
        judgement: word,
        queue: Some("random".into()),
        note: None,
    };
    review(&fixture.path(), &new).unwrap()
}

fn order(column: &str, descending: bool) -> Filter {
    Filter {
        order: Some(Order {
            column: column.into(),
            descending,
        }),
        ..Filter::default()
    }
}

/// All pages of a filter, forwards, and then back again.
fn turned(reader: &Reader, filter: &Filter) -> (Vec<i64>, Vec<i64>) {
    let (mut forwards, mut turn) = (Vec::new(), Turn::First);
    let mut last = loop {
        let page = reader.page(filter, None, &turn, 4).unwrap();
        forwards.extend(page.rows.iter().map(|row| row.id));
        match page.next.clone() {
            // Through its word, as in an address.
            Some(place) => turn = Turn::After(Place::from_word(&place.to_word()).unwrap()),
            None => break page,
        }
    };
    let mut backwards: Vec<i64> = last.rows.iter().rev().map(|row| row.id).collect();
    while let Some(place) = last.previous {
        last = reader.page(filter, None, &Turn::Before(place), 4).unwrap();
        backwards.extend(last.rows.iter().rev().map(|row| row.id));
    }
    backwards.reverse();
    (forwards, backwards)
}

#[test]
fn pages_have_every_row_once_in_every_order_and_in_both_directions() {
    let fixture = many(30);
    let reader = Reader::open(&fixture.path()).unwrap();
    for column in [
        "confidence",
        "classified_at",
        "path",
        "object_id",
        "novelty",
        "prediction_set",
        "ra",
    ] {
        for descending in [false, true] {
            let filter = order(column, descending);
            let (forwards, backwards) = turned(&reader, &filter);
            assert_eq!(forwards.len(), 30, "{column}");
            assert_eq!(
                forwards.iter().collect::<BTreeSet<_>>().len(),
                30,
                "{column}"
            );
            assert_eq!(forwards, backwards, "{column} {descending}");
            let sql = format!(
                "SELECT id FROM (SELECT catalog.*, cutout.id FROM catalog JOIN cutout USING (path)) ORDER BY {column} {0}, id {0}",
                if descending { "DESC" } else { "ASC" }
            );
            let mut statement = reader.connection.prepare(&sql).unwrap();
            let all: Vec<i64> = (statement.query_map([], |row| row.get(0)).unwrap())
                .map(Result::unwrap)
                .collect();
            assert_eq!(forwards, all, "{column} {descending}");
        }
    }
    let mut spirals = order("confidence", true);
    spirals.label = Some(Spiral);
    spirals.min_confidence = Some(0.6);
    let (forwards, backwards) = turned(&reader, &spirals);
    let rows = forwards
        .iter()
        .map(|id| reader.classified(*id).unwrap().unwrap());
    assert!(
        rows.into_iter()
            .all(|row| row.label() == Some(Spiral) && row.number("confidence") >= Some(0.6))
    );
    assert!(!forwards.is_empty() && forwards == backwards);
    spirals.model = Some("m".into());
    assert_eq!(turned(&reader, &spirals).0, forwards);
}

#[test]
fn rows_that_arrive_move_none_to_another_page() {
    let fixture = many(12);
    let reader = Reader::open(&fixture.path()).unwrap();
    let filter = order("confidence", false);
    let first = reader.page(&filter, None, &Turn::First, 4).unwrap();
    let place = Turn::After(first.next.unwrap());
    let ids = |turn: &Turn| -> Vec<i64> {
        let page = reader.page(&filter, None, turn, 4).unwrap();
        page.rows.iter().map(|row| row.id).collect()
    };
    let before = ids(&place);
    let least_sure = entry("/new", "new", classified([0.21, 0.2, 0.2, 0.2, 0.19]));
    fixture.writer("m").record(&[least_sure]).unwrap();
    assert_eq!(ids(&place), before);
    assert_ne!(ids(&Turn::First), before);
    assert_eq!(Place::from_word("nonsense"), None);
    assert_eq!(Place::from_word(""), None);
}

#[test]
fn orders_by_confidence_and_by_time_follow_their_index_from_the_place_on() {
    let fixture = many(3);
    let reader = Reader::open(&fixture.path()).unwrap();
    for (column, index) in [
        ("confidence", "cutout_confidence (confidence>?)"),
        ("classified_at", "cutout_time (<expr>>?)"),
    ] {
        let filter = order(column, false);
        let first = reader.page(&filter, None, &Turn::First, 1).unwrap();
        let (sql, values) = reader.page_statement(&filter, &Turn::After(first.next.unwrap()));
        let mut statement = reader
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let plan: Vec<String> = (statement
            .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
            .unwrap())
        .map(Result::unwrap)
        .collect();
        let plan = plan.join("\n");
        assert!(
            plan.contains(index) && !plan.contains("TEMP B-TREE"),
            "{plan}"
        );
    }
}

#[test]
fn the_newest_word_of_a_reviewer_counts_and_can_be_taken_back() {
    let fixture = many(3);
    let class = |class| Some(Judgement::Class(class));
    assert_eq!(say(&fixture, "/000", "Ana", class(Round)), None);
    assert_eq!(say(&fixture, "/000", "Ana", class(Spiral)), class(Round));
    assert_eq!(
        say(&fixture, "/000", "Bo", Some(Judgement::NoneOfThese)),
        None
    );
    let reader = Reader::open(&fixture.path()).unwrap();
    let words = reader.reviews(&hash("/000")).unwrap();
    let words: Vec<_> = words
        .iter()
        .map(|word| (&*word.reviewer, word.judgement))
        .collect();
    assert_eq!(
        words,
        [("Bo", Some(Judgement::NoneOfThese)), ("Ana", class(Spiral))]
    );
    assert_eq!(
        reader.reviewers().unwrap(),
        [("Ana".into(), 1), ("Bo".into(), 1)]
    );

    let left = |reviewer: &str| {
        let unreviewed = Some(Unreviewed { by: reviewer });
        let page = reader
            .page(&Filter::default(), unreviewed, &Turn::First, 9)
            .unwrap();
        page.rows.len()
    };
    assert_eq!((left("Ana"), left("Cleo")), (2, 3));
    assert_eq!(say(&fixture, "/000", "Ana", None), class(Spiral));
    assert_eq!(left("Ana"), 3);
    assert!(reader.words_in_queue("Ana", "random").unwrap().is_empty());
    assert_eq!(reader.words_in_queue("Bo", "random").unwrap().len(), 1);
    assert_eq!(reader.reviewers().unwrap(), [("Bo".into(), 1)]);
    // Nothing is overwritten.
    let rows: i64 = reader
        .connection
        .query_row("SELECT count(*) FROM review", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 4);
}

#[test]
fn labels_are_those_that_all_reviewers_agree_on() {
    let fixture = many(5);
    let class = |class| Some(Judgement::Class(class));
    for (path, reviewer, word) in [
        ("/000", "Ana", class(Round)),
        ("/000", "Bo", class(Round)),
        ("/001", "Ana", class(Round)),
        ("/001", "Bo", class(EdgeOn)),
        ("/002", "Ana", Some(Judgement::NoneOfThese)),
        ("/003", "Bo", class(Spiral)),
        ("/004", "Ana", class(Spiral)),
        ("/004", "Ana", None),
    ] {
        say(&fixture, path, reviewer, word);
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let labels = reviewed_labels(&reader).unwrap();
    assert_eq!(
        labels.agreed,
        [("/000".into(), Round), ("/003".into(), Spiral)]
    );
    assert_eq!((labels.disputed, labels.none), (1, 1));
    let pairs = reader.agreement().unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].reviewers, ["Ana".to_owned(), "Bo".to_owned()]);
    assert_eq!(pairs[0].counts.values().sum::<u64>(), 2);
}

#[test]
fn the_overview_counts_what_the_views_show() {
    let fixture = many(9);
    let mut writer = fixture.writer("m");
    let rejected = Verdict::rejected(RejectReason::Broken, "cut");
    writer
        .record(&[entry("/broken", "broken", rejected)])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let found = reader.overview().unwrap();
    assert_eq!(found.by_class, [3, 0, 0, 0, 6]);
    assert_eq!(found.by_reason, [("broken".to_owned(), 1)].into());
    let days = reader.by_day("2020-01-01").unwrap();
    assert_eq!(days.iter().map(|day| day.by_class[4]).sum::<u64>(), 6);
    assert_eq!(
        reader
            .rejected_page(Some("broken"), &Turn::First, 5)
            .unwrap()
            .rows
            .len(),
        1
    );
    assert!(
        reader
            .rejected_page(Some("blank"), &Turn::First, 5)
            .unwrap()
            .rows
            .is_empty()
    );
}
