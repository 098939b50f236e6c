//! The map of what an answer depends on: drawn of the answer that the catalog has, and of no other.

use galmorph_cutout::{Image, ModelCard};
use galmorph_inference::{Model, Options};
use galmorph_mock::Mock;

use super::*;

const AT: [&str; 2] = ["--listen", "127.0.0.1:0"];
/// A model that isn't the embedded one.
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/zhu2019-small.onnx");

/// A mock galaxy with the answer of the embedded model, as the daemon gets and writes it.
fn answered() -> Row {
    answered_by(None)
}

fn answered_by(model: Option<&Path>) -> Row {
    let model = Model::load(model, Options::default()).unwrap();
    let picture = Mock::new(7).galaxy(Morphology::Spiral, 1);
    let views = model
        .card
        .preprocessing
        .views(&Image::from(picture.clone()));
    Row {
        answer: model.classifier().classify(&views).unwrap().probabilities,
        model: ModelInUse {
            name: model.name().into(),
            digest: model.digest,
            card: model.card_in_use(),
            arithmetic: model.arithmetic().as_str().into(),
        },
        picture,
        ..Row::new()
    }
}

/// Asks for the map, which there isn't, and returns what the page says of that.
fn no_map(dir: &Dir, status: u16) -> String {
    let page = dir.serve_with(&AT);
    let (found, answer) = page.get("/galaxy/1/why");
    assert_eq!(found, 200);
    for part in ["view", "map"] {
        let (found, picture) = page.get(&format!("/galaxy/1/why/{part}"));
        assert_eq!(found, status, "{answer}");
        assert!(picture.contains("content-type: image/svg+xml"));
    }
    assert!(!answer.contains("Occlusion map") && !answer.contains("/why/map"));
    let why = answer.split_once("No map: ").expect("it says why").1;
    why.split_once("</p>").unwrap().0.to_owned()
}

#[test]
fn a_map_is_drawn_of_the_answer_that_the_catalog_has() {
    let row = answered();
    let label = row.answer.label();
    let dir = Dir::with(row);
    let page = dir.serve_with(&AT);
    let (_, galaxy) = page.get("/galaxy/1");
    assert!(galaxy.contains("href=\"/galaxy/1/why#why\"") && !galaxy.contains("Occlusion map"));
    let (status, answer) = page.get("/galaxy/1/why");
    assert_eq!(status, 200, "{answer}");
    let alt = answer
        .split_once("alt=\"Occlusion map of a &lt;b&gt;. ")
        .unwrap()
        .1;
    let class = label.name().replace('_', "-");
    let said = format!("The answer is {class}, with probability 0.");
    assert!(alt.starts_with(&said), "{alt}");
    // A mock galaxy lies in the middle of a dark sky.
    assert!(
        alt.contains("The square that matters most lies ") && alt.contains("the centre: "),
        "{alt}"
    );
    let mut pictures = Vec::new();
    for part in ["view", "map"] {
        let path = format!("/galaxy/1/why/{part}");
        assert!(answer.contains(&format!("src=\"{path}\"")));
        let (status, picture) = page.get(&path);
        assert_eq!(status, 200);
        assert!(picture.contains("content-type: image/png"));
        let tag = picture.lines().find(|line| line.starts_with("etag: "));
        let tag = tag.unwrap().strip_prefix("etag: ").unwrap().to_owned();
        let known = format!("If-None-Match: {tag}\r\n");
        assert_eq!(page.ask(&format!("GET {path}"), &known, "").0, 304);
        pictures.push(tag);
    }
    assert_ne!(pictures[0], pictures[1]);
    assert_eq!(page.get("/galaxy/2/why").0, 404);
    assert_eq!(page.get("/galaxy/x/why").0, 404);
    assert_eq!(page.get("/galaxy/1/why/x").0, 404);
    let form = format!(
        "Origin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        page.at
    );
    assert_eq!(page.ask("POST /galaxy/1/why", &form, "a=b").0, 405);
    assert_eq!(page.end(), Some(0));
}

#[test]
fn who_goes_away_ends_the_work_and_leaves_the_way_free() {
    let dir = Dir::with(answered_by(Some(Path::new(OTHER))));
    let page = dir.serve_with(&[AT[0], AT[1], "--model", OTHER]);
    let host = page.at.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = "GET /galaxy/1/why HTTP/1.1";
    write!(stream, "{request}\r\nHost: {host}\r\n\r\n").unwrap();
    // What came before was begun before this is answered. This model needs 900 runs for a map.
    assert_eq!(page.get("/galaxy/1").0, 200);
    drop(stream);
    let gone = "nobody waits for a map any more";
    assert!(page.log.iter().any(|line| line.contains(gone)));
    let (status, answer) = page.get("/galaxy/1/why");
    assert!(
        status == 200 && answer.contains("Occlusion map of"),
        "{answer}"
    );
}

#[test]
fn another_models_answer_is_not_explained() {
    let dir = Dir::new();
    let page = dir.serve_with(&AT);
    let (_, galaxy) = page.get("/galaxy/1");
    assert!(!galaxy.contains("/why#why"), "it isn't even offered");
    assert!(galaxy.contains("No map: this answer is by m (BLAKE3 "));
    assert!(galaxy.contains("and this page has galmorph-1 ("));
    drop(page);
    assert!(no_map(&dir, 409).contains("this answer is by m"));

    // The page's model is named, and isn't the one that answered.
    let dir = Dir::with(answered());
    let page = dir.serve_with(&["--listen", "127.0.0.1:0", "--model", OTHER]);
    let (_, galaxy) = page.get("/galaxy/1/why");
    assert!(galaxy.contains("this answer is by galmorph-1"), "{galaxy}");
    assert!(galaxy.contains("this page has zhu2019-small"));
}

#[test]
fn a_model_that_was_used_otherwise_is_not_explained() {
    let mut row = answered();
    row.model.arithmetic = "int4".into();
    row.model.card = row.model.card.replace("\"bf16\"", "\"int4\"");
    assert!(no_map(&Dir::with(row), 409).contains("was computed in int4"));

    let mut row = answered();
    row.model.card = "{}".into();
    assert!(no_map(&Dir::with(row), 409).contains("does not say how the model was used"));

    let mut row = answered();
    let mut card: ModelCard = serde_json::from_str(&row.model.card).unwrap();
    card.temperature *= 2.0;
    row.model.card = serde_json::to_string(&card).unwrap();
    assert!(no_map(&Dir::with(row), 409).contains("does not say how the model was used"));
}

#[test]
fn an_answer_that_the_model_does_not_give_is_not_explained() {
    let mut row = answered();
    let mut values = row.answer.values().map(|value| value * 0.98);
    values[0] += 0.02;
    row.answer = Probabilities::from_values(values);
    assert!(no_map(&Dir::with(row), 409).contains("another answer to this image here"));
}

#[test]
fn an_image_that_was_shown_otherwise_or_is_another_one_is_not_explained() {
    let mut row = answered();
    row.rendering = "radius 84.80";
    let said = no_map(&Dir::with(row), 409);
    assert!(
        said.contains("“radius 84.80”") && said.contains("“paper”"),
        "{said}"
    );

    let dir = Dir::with(answered());
    let time = dir.image().metadata().unwrap().modified().unwrap();
    let mut bytes = fs::read(dir.image()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(dir.image(), &bytes).unwrap();
    let file = fs::File::options().write(true).open(dir.image()).unwrap();
    file.set_modified(time).unwrap();
    assert!(no_map(&dir, 409).contains("the file has changed"));
    fs::remove_file(dir.image()).unwrap();
    assert!(no_map(&dir, 404).contains("the file is gone"));
}

#[test]
fn a_model_that_cannot_be_used_is_a_fault_of_the_start() {
    let dir = Dir::new();
    let none = dir.0.path().join("none.onnx");
    let arguments = ["--listen", "127.0.0.1:0", "--model", none.to_str().unwrap()];
    let ended = command(&dir.catalog(), &arguments).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("cannot read model") && said.contains("none.onnx"),
        "{said}"
    );
}
