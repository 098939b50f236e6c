//! Decodes images with our decoder, and writes the pixels and the views as `.npy` files:
//!
//!     dump_pixels OUTPUT-FOLDER IMAGE...
//!
//! For each image it writes `<name>.pixels.npy`, uint8 `[height, width, 3]`, and `<name>.views.npy`,
//! float32 `[scales, 3, 64, 64]`, made with the paper's preprocessing. `scripts/reference` compares both
//! with TensorFlow's.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use galmorph_cutout::{Limits, Preprocessing, decode};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let output = arguments
        .next()
        .ok_or("usage: dump_pixels OUTPUT-FOLDER IMAGE...")?;
    for path in arguments {
        dump(&path, &output)
            .map_err(|e| format!("{}: {e}", path.to_string_lossy().escape_debug()))?;
    }
    Ok(())
}

fn dump(path: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let name = path
        .file_stem()
        .ok_or("not a file")?
        .to_string_lossy()
        .into_owned();
    let image = decode(&fs::read(path)?, &Limits::default())?;
    let (width, height) = image.dimensions();
    let shape = format!("{height}, {width}, 3");
    let pixels = npy("|u1", &shape, image.to_rgb8().as_raw());
    fs::write(output.join(format!("{name}.pixels.npy")), pixels)?;

    let preprocessing = Preprocessing::default();
    let [channels, rows, columns] = preprocessing.view_shape();
    let scales = preprocessing.view_count();
    let values: Vec<u8> = preprocessing
        .views(&image)
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let shape = format!("{scales}, {channels}, {rows}, {columns}");
    fs::write(
        output.join(format!("{name}.views.npy")),
        npy("<f4", &shape, &values),
    )?;
    Ok(())
}

/// A `.npy` file, version 1.0: magic, a header that is padded to 128 bytes in all, and the values.
fn npy(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").into_bytes());
    bytes.extend(values);
    bytes
}
