//! Figures and the report, as a user asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dir, TRAIN, program, run};

/// A folder with a trained and evaluated network.
fn evaluated() -> Dir {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 2), 0);
    let folder = dir.path("evaluation");
    run(dir.evaluate("run").arg("--output").arg(folder), 0);
    dir
}

fn visualise(figure: &str, output: &Path) -> Command {
    let mut command = program(Path::new(TRAIN));
    command
        .args(["visualise", figure])
        .arg("--output")
        .arg(output);
    command
}

fn message(command: &mut Command, code: i32) -> String {
    let output = run(command, code);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

fn report(dir: &Dir) -> Command {
    let mut command = program(Path::new(TRAIN));
    command
        .arg("report")
        .arg(dir.path("evaluation"))
        .arg("--output")
        .arg(dir.path("report.html"));
    command
}

#[test]
fn every_figure_is_drawn_as_svg_and_png() {
    let dir = evaluated();
    let (labels, images) = (dir.labels(), dir.images());
    let (model, evaluation) = (dir.checkpoint("run"), dir.path("evaluation"));
    let galaxy = PathBuf::from("503");
    let inputs: [(&str, &[(&str, &PathBuf)]); 9] = [
        ("class-counts", &[("--labels", &labels)]),
        (
            "sample-grid",
            &[("--labels", &labels), ("--images", &images)],
        ),
        (
            "preprocessing",
            &[("--images", &images), ("--galaxy", &galaxy)],
        ),
        ("roc", &[("--evaluation", &evaluation)]),
        ("filters", &[("--model", &model)]),
        (
            "feature-maps",
            &[
                ("--model", &model),
                ("--images", &images),
                ("--galaxy", &galaxy),
            ],
        ),
        ("training-curves", &[("--evaluation", &evaluation)]),
        ("reliability", &[("--evaluation", &evaluation)]),
        (
            "wrong",
            &[("--evaluation", &evaluation), ("--images", &images)],
        ),
    ];
    let figures = dir.path("figures");
    for (name, flags) in inputs {
        let mut command = visualise(name, &figures);
        for (flag, value) in flags {
            command.arg(flag).arg(value);
        }
        run(&mut command, 0);
        let svg = std::fs::read_to_string(figures.join(format!("{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("<text"), "{name}");
        let png = std::fs::read(figures.join(format!("{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{name}");
    }
}

#[test]
fn layers_are_chosen_by_name() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    let file = dir.path("filters.svg");
    let with_layers = |layers: &str| {
        let mut command = visualise("filters", &file);
        command.arg("--model").arg(dir.checkpoint("run"));
        command.args(["--layers", layers]);
        command
    };
    run(&mut with_layers("conv2/unit1/conv3x3,conv1"), 0);
    let svg = std::fs::read_to_string(&file).unwrap();
    let place = |text: &str| svg.find(text).unwrap();
    assert!(place("conv2/unit1/conv3x3 (") < place("conv1 (64 filters"));
    assert!(!svg.contains("conv5"));
    let fault = message(&mut with_layers("conv7"), 2);
    assert!(fault.contains("no layer 'conv7'"), "{fault}");
    let fault = message(&mut with_layers("pool1"), 2);
    assert!(fault.contains("'pool1' is no convolution"), "{fault}");
}

#[test]
fn input_that_is_wrong_is_one_line_that_names_it() {
    let dir = Dir::with_galaxies();
    let missing = dir.path("nowhere");
    let fault = message(
        visualise("roc", &dir.path("x.svg"))
            .arg("--evaluation")
            .arg(&missing),
        3,
    );
    assert!(fault.contains("nowhere"), "{fault}");

    let empty = dir.path("evaluation.json");
    std::fs::write(&empty, "{}").unwrap();
    let fault = message(
        visualise("roc", &dir.path("x.svg"))
            .arg("--evaluation")
            .arg(&empty),
        3,
    );
    assert!(fault.contains("evaluation.json'"), "{fault}");

    let mut unknown = visualise("preprocessing", &dir.path("x.svg"));
    unknown
        .args(["--galaxy", "777"])
        .arg("--images")
        .arg(dir.images());
    let fault = message(&mut unknown, 2);
    assert!(fault.contains("galaxy 777 has no image in"), "{fault}");

    std::fs::write(dir.images().join("999.jpg"), "no JPEG").unwrap();
    let mut broken = visualise("preprocessing", &dir.path("x.svg"));
    broken
        .args(["--galaxy", "999"])
        .arg("--images")
        .arg(dir.images());
    let fault = message(&mut broken, 2);
    assert!(
        fault.contains("999.jpg': not a JPEG, PNG or FITS image"),
        "{fault}"
    );

    let mut ending = visualise("class-counts", &dir.path("x.pdf"));
    let fault = message(ending.arg("--labels").arg(dir.labels()), 2);
    assert!(fault.contains(".svg or .png, not .pdf"), "{fault}");
    assert!(!dir.path("x.svg").exists() && !dir.path("x.pdf").exists());
}

#[test]
fn a_report_is_one_page_that_stands_alone_in_a_browser() {
    let dir = evaluated();
    let mut whole = report(&dir);
    whole
        .arg(dir.path("evaluation"))
        .arg("--labels")
        .arg(dir.labels());
    whole.arg("--images").arg(dir.images());
    whole.arg("--model").arg(dir.checkpoint("run"));
    run(&mut whole, 0);
    let page = std::fs::read_to_string(dir.path("report.html")).unwrap();
    for part in [
        "<h2>Summary</h2>",
        "Confusion matrix",
        "Each test scale",
        "the paper's Zhu et al.",
        "95.21 %",
        "ROC of each class",
        "perfectly calibrated",
        "training views",
        "Filters, from the first layer to the last",
        "input after whitening",
        "Galaxies of each class",
        "Preprocessing of galaxy",
        "The most confidently wrong answers",
        "@media print",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(part), "'{part}' is not in the page");
    }
    assert!(!page.contains("<script"));
    assert!(
        page.contains("default-src 'none'"),
        "the page may ask others for something"
    );
    for attribute in ["src=\"", "href=\"", "url(", "@import"] {
        for (at, _) in page.match_indices(attribute) {
            let target = &page[at + attribute.len()..];
            let inside = target.starts_with('#') || target.starts_with("data:image/");
            assert!(inside, "{}", &page[at..at + 80]);
        }
    }

    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser/check-page");
    let output = run(Command::new(check).arg(dir.path("report.html")), 0);
    let found = String::from_utf8(output.stdout).unwrap();
    print!("{found}");
    // Summary, two networks, one model, the galaxies, the mistakes.
    let whole = found.contains("\"sections\":6,\"drawings\":17,");
    assert!(found.starts_with("skipped") || whole, "{found}");
}

#[test]
fn a_report_without_data_has_no_galaxy_in_it() {
    let dir = evaluated();
    run(&mut report(&dir), 0);
    let page = std::fs::read_to_string(dir.path("report.html")).unwrap();
    assert!(page.contains("Confusion matrix"));
    assert!(!page.contains("data:image/"));
    assert!(!page.contains("The galaxies"));
}
