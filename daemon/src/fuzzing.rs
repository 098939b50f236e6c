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
#[path = "../../tests/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::{feed_corpus, flip_bits};
    use super::*;

    /// Every 13th bit: a prime, so that every position within a byte has its turn.
    const STRIDE: usize = 13;

    #[test]
    fn fuzzing_inputs_that_did_harm_do_none() {
        feed_corpus("configuration", configuration);
        feed_corpus("model", model);
    }

    #[test]
    fn any_bit_of_a_model_and_of_a_configuration_can_be_flipped() {
        flip_bits("corpus/model/tiny.onnx", STRIDE, model);
        flip_bits("corpus/configuration/example.toml", STRIDE, configuration);
    }
}
