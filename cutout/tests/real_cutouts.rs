//! What only real cutouts can show. They are other people's and not in the repository. These tests run
//! where the environment variable `GALMORPH_SHARED` names a folder that holds them (by default
//! `../shared` beside the repository). Elsewhere they say that they were skipped.

#![allow(clippy::panic, clippy::unwrap_used)] // A helper of a test fails the test.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use galmorph_cutout::{Image, Limits, Preprocessing, decode};

fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GALMORPH_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {}", path.to_string_lossy());
    None
}

fn decoded(bytes: &[u8], name: &str) -> Image {
    decode(bytes, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The originals in the folder, by file name.
fn originals(folder: &Path) -> HashMap<String, Image> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let image = decoded(&fs::read(&path).unwrap(), &name);
            (name, image)
        })
        .collect()
}

#[test]
fn every_real_cutout_decodes_and_is_whitened() {
    let preprocessing = Preprocessing::default();
    for folder in ["galaxyzoo/full424", "galaxyzoo/unclean424"] {
        let Some(folder) = shared(folder) else {
            continue;
        };
        for (name, image) in originals(&folder) {
            assert_eq!(image.dimensions(), (424, 424), "{name}");
            let views = preprocessing.views(&image);
            for view in views.chunks_exact(preprocessing.view_len()) {
                let count = view.len() as f32;
                let mean = view.iter().sum::<f32>() / count;
                let variance = view.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
                assert!(
                    mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-3,
                    "{name}: mean {mean}, variance {variance}"
                );
            }
        }
    }
}

/// Networks are trained on losslessly cropped files of 264 x 264 pixels and run on the originals of
/// 424 x 424: what the network sees must be the same.
#[test]
fn a_network_sees_the_same_in_a_training_crop_and_in_its_original() {
    let (Some(folder), Some(first)) = (
        shared("galaxyzoo/full424"),
        shared("galaxyzoo/crop264-0.tar"),
    ) else {
        return;
    };
    let originals = originals(&folder);
    let preprocessing = Preprocessing::default();
    let mut compared = 0;
    for number in 0.. {
        let path = first.with_file_name(format!("crop264-{number}.tar"));
        let Ok(file) = File::open(&path) else { break };
        for entry in tar::Archive::new(file).entries_with_seek().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let Some(original) = originals.get(&name) else {
                continue;
            };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let crop = decoded(&bytes, &name);
            assert_eq!(crop.dimensions(), (264, 264), "{name}");
            assert!(
                preprocessing.views(&crop) == preprocessing.views(original),
                "{name} looks different in {}",
                path.to_string_lossy()
            );
            compared += 1;
        }
    }
    assert_eq!(compared, originals.len(), "originals without their crop");
}
