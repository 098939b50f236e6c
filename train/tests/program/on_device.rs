//! Views that the device makes train the network that views of the host train. Here the device is the CPU.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

use crate::support::{Dir, run};

/// The weights of a checkpoint.
fn weights(checkpoint: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(checkpoint).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors
        .filter(|(name, _)| !name.starts_with("velocity/"))
        .map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            (
                name,
                values.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            )
        })
        .collect()
}

/// How often the run has read a value back by the end of each epoch.
fn read_backs(log: &str) -> Vec<u64> {
    let said = log
        .lines()
        .filter(|line| line.contains(" read-backs so far"));
    said.map(|line| {
        let before = line.split(" read-backs").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    })
    .collect()
}

#[test]
fn the_weights_are_the_hosts_and_no_step_is_waited_for() {
    let dir = Dir::with_galaxies();
    let train = |output: &str, place: &str| {
        let mut command = dir.train(output, 2);
        command
            .args([
                "--augment-on",
                place,
                "--precision",
                "f32",
                "--rate",
                "0.01",
            ])
            .args(["--resampling", "antialiased", "--test-scales", "210"])
            .args(["--mixup", "0.2"])
            .env("GALMORPH_LOG", "debug");
        let output = run(&mut command, 0);
        read_backs(&String::from_utf8_lossy(&output.stderr))
    };
    // Two epochs of five steps. The outcomes of an epoch are read once, and a checkpoint looks at its values once.
    assert_eq!(train("device", "device"), [1, 3]);
    assert_eq!(train("host", "host"), [1, 3]);

    let (ours, wanted) = (
        weights(&dir.checkpoint("device")),
        weights(&dir.checkpoint("host")),
    );
    assert_eq!(ours.len(), wanted.len());
    for (name, wanted) in &wanted {
        let largest = wanted
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        for (ours, wanted) in ours[name].iter().zip(wanted) {
            assert!(
                (ours - wanted).abs() <= 1e-3 * largest.max(1e-3),
                "{name}: {ours} {wanted}"
            );
        }
    }
}
