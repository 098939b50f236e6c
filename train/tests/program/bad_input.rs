//! Input that is wrong is one line that names it, before training starts.

use std::fs;
use std::path::Path;

use crate::support::{Dir, TRAIN, program, run};

/// Changes a good folder, and returns the one line that training ends with.
fn complaint(change: impl FnOnce(&Dir)) -> String {
    let dir = Dir::with_galaxies();
    change(&dir);
    let output = run(dir.train("run", 1).arg("--quiet"), 2);
    assert!(!dir.path("run").exists(), "a run was begun");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

fn append_label(dir: &Dir, row: &str) {
    let labels = fs::read_to_string(dir.labels()).unwrap();
    fs::write(dir.labels(), format!("{labels}{row}\n")).unwrap();
}

#[test]
fn a_label_without_an_image_names_its_row() {
    let message = complaint(|dir| append_label(dir, "777,0,train"));
    assert!(
        message.contains("labels.csv' row 52: galaxy 777 has no image"),
        "{message}"
    );
}

#[test]
fn labels_without_images_are_counted_and_the_first_five_are_named() {
    let message = complaint(|dir| {
        // Of both splits, which one error is for.
        for id in [509, 100, 101, 108, 205, 400, 507] {
            fs::remove_file(dir.images().join(format!("{id}.jpg"))).unwrap();
        }
    });
    let counted = "labels.csv': 7 of 50 galaxies have no image in '";
    assert!(message.contains(counted), "{message}");
    let named = "': 100 (row 2), 101 (row 3), 108 (row 10), 205 (row 17), 400 (row 32), ...";
    assert!(message.contains(named), "{message}");
}

#[test]
fn a_broken_jpeg_names_its_row_and_file() {
    let message = complaint(|dir| {
        let image = dir.images().join("103.jpg");
        let bytes = fs::read(&image).unwrap();
        fs::write(image, &bytes[..bytes.len() / 4]).unwrap();
    });
    assert!(
        message.contains("labels.csv' row 5: galaxy 103"),
        "{message}"
    );
    assert!(message.contains("103.jpg': broken image"), "{message}");
}

#[test]
fn an_unknown_class_names_its_row() {
    let message = complaint(|dir| append_label(dir, "100777,irregular,train"));
    assert!(
        message.contains("row 52, column 'label': unknown class 'irregular'"),
        "{message}"
    );
}

#[test]
fn an_empty_split_is_named() {
    let message = complaint(|dir| {
        let labels = fs::read_to_string(dir.labels()).unwrap();
        fs::write(dir.labels(), labels.replace("validation", "test")).unwrap();
    });
    assert!(
        message.contains("no galaxy in the split 'validation'"),
        "{message}"
    );
}

#[test]
fn too_few_images_for_a_batch_are_counted() {
    let dir = Dir::with_galaxies();
    let output = run(dir.train("run", 1).args(["--batch", "64"]), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("40 training images do not fill a batch of 64"),
        "{message}"
    );
}

#[test]
fn diverged_training_is_no_fault_of_the_input_and_has_its_own_exit_code() {
    let dir = Dir::with_galaxies();
    let output = run(dir.train("run", 1).args(["--rate", "1e30"]), 1);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("training diverged: the loss is"),
        "{message}"
    );
    assert!(message.contains("try a smaller --rate"), "{message}");
}

#[test]
fn what_is_no_checkpoint_is_not_exported() {
    let dir = Dir::with_galaxies();
    let file = dir.path("checkpoint.safetensors");
    fs::write(&file, "not tensors").unwrap();
    let model = dir.path("model.onnx");
    let mut export = program(Path::new(TRAIN));
    export.arg("export").arg("--checkpoint").arg(&file);
    let output = run(export.arg("--output").arg(&model), 3);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot use checkpoint"), "{message}");
    assert!(!model.exists());
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let dir = Dir::with_galaxies();
    let mut train = dir.train("run", 1);
    let output = run(train.args(["--device", "gpu"]), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("auto, cpu, cuda:N"), "{message}");
}
