//! Reads the fuzzing corpus, for the unit tests of each crate that has fuzz targets. They include this
//! file by its path.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder `tests/`, seen from a crate at the top of the repository.
fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

/// Feeds `check` every file of a target's corpus. A corpus without a file is a failure.
pub(super) fn feed_corpus(target: &str, check: fn(&[u8])) {
    let folder = tests_folder().join("corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

/// Feeds `check` a file of `tests/` again and again, each time with another bit flipped: every
/// `stride`-th bit has its turn.
pub(super) fn flip_bits(file: &str, stride: usize, check: fn(&[u8])) {
    let whole = fs::read(tests_folder().join(file)).unwrap();
    for bit in (0..whole.len() * 8).step_by(stride) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        check(&damaged);
    }
}
