//! Properties that must hold for any bytes: the fuzz targets (`fuzz/`), and a test that feeds them every
//! input that once did harm.

use crate::config::Config;
use galmorph_inference::{Model, Options};

/// A configuration is read or refused in words, and one that was read can be used.
pub fn configuration(bytes: &[u8]) {
    match Config::parse(&String::from_utf8_lossy(bytes)) {
        Ok(config) => {
            // Folders are looked for on the disk, and what is there is no matter of the bytes.
            let folders = Vec::new();
            let settings = Config { folders, ..config }.resolve(&mut Vec::new());
            assert!(settings.batch >= 1 && settings.limits.max_bytes >= 1);
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            assert!(
                faults.iter().all(|fault| !fault.contains('\n')),
                "{faults:?}"
            );
        }
    }
}

/// A model is ready to run or refused in one line.
pub fn model(bytes: &[u8]) {
    if let Err(fault) = Model::from_bytes(bytes, Options::default()) {
        let fault = fault.to_string();
        assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Of the bits, a prime share: every place in a byte has its turn.
    const STRIDE: usize = 13;

    /// Every file of a target's corpus; there are some.
    fn each(target: &str, feed: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/corpus")
            .join(target);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            feed(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0);
    }

    #[test]
    fn fuzzing_inputs_that_did_harm_do_none() {
        each("configuration", configuration);
        each("model", model);
    }

    #[test]
    fn any_bit_of_a_model_and_of_a_configuration_can_be_flipped() {
        let flip = |target: &str, name: &str, feed: fn(&[u8])| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
            let whole = fs::read(path.join(target).join(name)).unwrap();
            for bit in (0..whole.len() * 8).step_by(STRIDE) {
                let mut damaged = whole.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                feed(&damaged);
            }
        };
        flip("model", "tiny.onnx", model);
        flip("configuration", "example.toml", configuration);
    }
}
