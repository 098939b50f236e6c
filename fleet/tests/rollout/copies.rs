//! Files of one content, more than are looked at at once, that show an earlier model though the one in use has answered them.

use std::collections::BTreeSet;
use std::fs;

use redis::cmd;

use crate::common::stream::Site;
use crate::{candidate, model, rolled_out, shown};

/// More than two pages of files.
const MANY: usize = 1100;

/// A site with model 2 in use, and so many copies of one of its files that show model 1. The answer of model 2 to their content lies
/// beside: it came for another file. With the number of the other files.
fn left_behind(copies: usize) -> Option<(Site, i64)> {
    let (site, files) = rolled_out(2)?;
    let mut client = site.server.client();
    let original = site.image(0);
    client
        .batch_execute(
            "CREATE TABLE original AS SELECT * FROM cutout WHERE path LIKE '%/0000.jpg';
             CREATE TABLE its_answer AS SELECT * FROM other_answer WHERE model = 2",
        )
        .unwrap();
    model(&site).args(["--use", "2"]).succeeds();
    let mut paths = Vec::new();
    for number in 0..copies {
        // It has the time of the original, too.
        let copy = site.image(100 + number);
        fs::hard_link(&original, &copy).unwrap();
        paths.push(copy.to_str().unwrap().to_owned());
    }
    let keys: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| blake3::hash(path.as_bytes()).as_bytes()[..16].to_vec())
        .collect();
    client
        .execute(
            "INSERT INTO cutout SELECT (jsonb_populate_record(original, jsonb_build_object('path', copy.path, 'path_key', copy.key))).*
             FROM original, unnest($1::text[], $2::bytea[]) AS copy (path, key)",
            &[&paths, &keys],
        )
        .unwrap();
    client
        .batch_execute("INSERT INTO other_answer SELECT * FROM its_answer ON CONFLICT DO NOTHING")
        .unwrap();
    Some((site, files))
}

/// The paths on the streams that models have of their own.
fn on_their_streams(site: &Site) -> Vec<String> {
    let mut connection = site.redis.connection();
    let mut keys = cmd("KEYS");
    let keys: Vec<String> = keys
        .arg("galmorph:survey:*")
        .query(&mut connection)
        .unwrap();
    let mut paths = Vec::new();
    for key in keys {
        let mut range = cmd("XRANGE");
        range.arg(key).arg("-").arg("+");
        let entries: Vec<(String, Vec<(String, String)>)> = range.query(&mut connection).unwrap();
        let fields = entries.into_iter().flat_map(|(_, fields)| fields);
        paths.extend(fields.filter_map(|(name, value)| (name == "path").then_some(value)));
    }
    paths
}

#[test]
fn files_whose_answer_lies_beside_are_counted() {
    let Some((site, files)) = left_behind(3) else {
        return;
    };
    let report = site.report();
    assert_eq!(report["answered"], files + 3);
    assert_eq!(
        (&report["beside"], &report["lacking"]),
        (&3.into(), &0.into())
    );
    let said = site.status().succeeds();
    assert!(
        said.contains(" 5 answered (0 lack the answer of the model in use, 3 have it beside: "),
        "{said}"
    );
    let said = site.status().args(["--format", "prometheus"]).succeeds();
    let sample = "galmorph_fleet_files_beside{site=\"survey\"} 3\n";
    assert!(said.contains(sample), "{said}");
    // One of them has no answer: they are not counted twice.
    let other = "UPDATE cutout SET rendering = 'another' WHERE path LIKE '%0100.jpg'";
    site.server.client().batch_execute(other).unwrap();
    let report = site.report();
    assert_eq!(
        (&report["beside"], &report["lacking"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn many_copies_of_one_content_are_fed_for_the_model_in_use_and_shown() {
    let Some((site, files)) = left_behind(MANY) else {
        return;
    };
    assert_eq!(shown(&site, "survey", 1), MANY as i64);
    // Of a model that is not in use, an answer beside is enough.
    assert_eq!(model(&site).args(["--feed", "1"]).succeeds(), "0 added\n");
    let said = model(&site).args(["--feed", "2"]).succeeds();
    assert_eq!(said, format!("{MANY} added\n"));
    let fed = on_their_streams(&site);
    let expected: BTreeSet<String> = (0..MANY)
        .map(|number| site.image(100 + number).to_str().unwrap().to_owned())
        .collect();
    assert_eq!(fed.len(), MANY);
    assert_eq!(fed.into_iter().collect::<BTreeSet<_>>(), expected);
    let mut work = site.drain();
    let said = candidate(work.arg("--beside")).succeeds();
    // Nobody looks at a picture again.
    assert_eq!(
        said,
        format!("0 answered, 0 rejected, {MANY} known already\n")
    );
    assert_eq!(shown(&site, "survey", 2), files + MANY as i64);
    assert_eq!(model(&site).args(["--feed", "2"]).succeeds(), "0 added\n");
    assert_eq!(site.report()["beside"], 0);
}
