//! Why this class: the map of an image, and the training galaxies that are most like it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Dir, TRAIN, program, run};

fn command(dir: &Dir, model: &str, output: &Path) -> Command {
    let mut command = program(Path::new(TRAIN));
    command.args(["visualise", "why", "--threads", "1", "--device", "cpu"]);
    command.arg("--model").arg(dir.checkpoint(model));
    command.arg("--labels").arg(dir.labels());
    command.arg("--images").arg(dir.images());
    command.arg("--output").arg(output);
    command
}

fn numbers(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn nearest(galaxy: &Value) -> Vec<(String, f64)> {
    let nearest = galaxy["nearest"].as_array().unwrap().iter();
    let pair = |n: &Value| {
        (
            n["id"].as_str().unwrap().into(),
            n["cosine"].as_f64().unwrap(),
        )
    };
    nearest.map(pair).collect()
}

/// Galaxies 100 to 107, 200 to 207 and so on are of the training split.
#[test]
fn a_copy_is_most_like_its_original_and_no_galaxy_is_its_own_neighbour() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    let copy: PathBuf = dir.path("copy.jpg");
    fs::copy(dir.images().join("303.jpg"), &copy).unwrap();
    let (figures, features) = (dir.path("figures"), dir.path("features.safetensors"));
    let mut first = command(&dir, "run", &figures);
    first.args(["--galaxy", "303", "408", "--framing", "paper", "--file"]);
    first.arg(&copy).arg("--features").arg(&features);
    run(&mut first, 0);
    for ending in ["svg", "png"] {
        assert!(figures.join("why").with_extension(ending).exists());
    }

    let written = numbers(&figures.join("why.json"));
    let galaxies = written["galaxies"].as_array().unwrap();
    let [own, validation, copied] = &galaxies[..] else {
        panic!("{galaxies:?}")
    };
    assert_eq!(
        (&own["id"], &own["label"]),
        (&"303".into(), &"cigar".into())
    );
    assert_eq!((&copied["id"], copied.get("label")), (&"copy".into(), None));
    assert_eq!(validation["label"], "edge_on");
    for galaxy in galaxies {
        let near = nearest(galaxy);
        assert_eq!(near.len(), 5);
        assert!(
            near.windows(2).all(|pair| pair[0].1 >= pair[1].1),
            "{near:?}"
        );
        let trained = |id: &str| id.parse::<u32>().unwrap() % 100 < 8;
        assert!(near.iter().all(|(id, _)| trained(id)), "{near:?}");
        // 15 x 15 patches, and the falls are of the answer's probability.
        let falls = galaxy["falls"].as_array().unwrap();
        assert_eq!((falls.len(), falls[0].as_array().unwrap().len()), (15, 15));
        let answer = galaxy["answer"].as_str().unwrap();
        let probability = galaxy["probabilities"][answer].as_f64().unwrap();
        let all = falls.iter().flat_map(|row| row.as_array().unwrap());
        assert!(
            all.map(|fall| fall.as_f64().unwrap())
                .all(|fall| fall <= probability)
        );
    }
    assert!(nearest(own).iter().all(|(id, _)| id != "303"));
    let (id, cosine) = &nearest(copied)[0];
    assert_eq!(id, "303");
    assert!((cosine - 1.0).abs() < 1e-5, "{cosine}");
    // But for the copied galaxy, both are near to the same ones.
    assert_eq!(nearest(copied)[1].0, nearest(own)[0].0);
    assert_eq!(copied["falls"], own["falls"]);

    // The features are read the next time, and the answer is the same.
    let again = dir.path("again.svg");
    let mut second = command(&dir, "run", &again);
    second
        .args(["--galaxy", "303", "--features"])
        .arg(&features);
    run(&mut second, 0);
    assert_eq!(&numbers(&dir.path("again.json"))["galaxies"][0], own);

    // Nothing is replaced by accident, the numbers neither.
    fs::remove_file(&again).unwrap();
    let refused = String::from_utf8(run(&mut second, 2).stderr).unwrap();
    assert!(refused.contains("again.json"), "{refused}");

    // Features of other galaxies, or of another network, are no use.
    let labels = fs::read_to_string(dir.labels()).unwrap();
    fs::write(dir.labels(), labels.replace("100,0,train\n", "")).unwrap();
    let mut other = command(&dir, "run", &dir.path("other.svg"));
    other.args(["--galaxy", "303", "--features"]).arg(&features);
    let refused = String::from_utf8(run(&mut other, 3).stderr).unwrap();
    assert!(refused.contains("of other galaxies or images"), "{refused}");
    fs::write(dir.labels(), labels).unwrap();
    run(dir.train("second", 1).args(["--seed", "2"]), 0);
    let mut other = command(&dir, "second", &dir.path("other.svg"));
    other.args(["--galaxy", "303", "--features"]).arg(&features);
    let refused = String::from_utf8(run(&mut other, 3).stderr).unwrap();
    assert!(refused.contains("of another model"), "{refused}");
    assert!(!dir.path("other.svg").exists());
}

#[test]
fn what_cannot_be_explained_is_named() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    let output = dir.path("why.svg");
    let complaint = |arguments: &[&str]| {
        let mut command = command(&dir, "run", &output);
        String::from_utf8(run(command.args(arguments), 2).stderr).unwrap()
    };
    assert!(complaint(&[]).contains("--galaxy"));
    assert!(complaint(&["--galaxy", "99"]).contains("galaxy 99 has no image"));
    assert!(complaint(&["--galaxy", "303", "--framing", "radius"]).contains("radius"));
    assert!(!output.exists());
}
