//! Which galaxies are kept for validation: a hash of the id decides.
//!
//! A galaxy's split depends on its own id alone: not on the other rows, their order, the cuts or the
//! galaxy's class. So it stays the same when the survey grows or the votes are debiased anew, and no
//! network is measured on galaxies that an earlier one was trained on. A larger fraction only moves
//! galaxies from training to validation.
//!
//! A hash splits every class in about the same ratio. The number for validation has the spread of a
//! binomial distribution: a tenth of 579 cigars are 58, give or take 7. No rule can have an exact ratio
//! and be stable as well. Where a new galaxy moves the quota of its class across a whole number, some
//! galaxy would have to follow; and a rule that counts would make a galaxy's split depend on the rows
//! before it.

use crate::data::Split;
use crate::error::{Error, Result};

/// Keeps these hashes apart from all other hashes of the same ids. Changing it changes every split.
const CONTEXT: &str = "galmorph 2026-01 split of galaxies by id";

/// Splits galaxies into training and validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Splitter {
    fraction: f64,
    seed: u64,
}

impl Splitter {
    /// Keeps a fraction (0 to below 1) for validation. Another seed gives another split.
    pub fn new(fraction: f64, seed: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(Error::Input(format!(
                "the fraction for validation must be from 0 to below 1, not {fraction}"
            )));
        }
        Ok(Self { fraction, seed })
    }

    /// The split of a galaxy. BLAKE3 in `derive_key` mode hashes the seed (eight bytes, little-endian)
    /// and the text of the id. The first eight bytes of the hash make a number from 0 to below 1. If it
    /// is below the fraction, the galaxy is for validation.
    pub fn split(&self, id: &str) -> Split {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(id.as_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        // The 53 bits of a double's mantissa.
        let number = (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64;
        if number < self.fraction {
            Split::Validation
        } else {
            Split::Train
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splitter(fraction: f64) -> Splitter {
        Splitter::new(fraction, 1).unwrap()
    }

    /// Label files that people have rest on these. Python's blake3 gives the same.
    #[test]
    fn the_split_of_a_galaxy_never_changes() {
        let validation: Vec<u32> = (100_000..100_060)
            .filter(|id| splitter(0.1).split(&id.to_string()) == Split::Validation)
            .collect();
        let wanted = [17, 20, 21, 22, 23, 27, 31, 33, 57].map(|id| 100_000 + id);
        assert_eq!(validation, wanted);
    }

    #[test]
    fn a_tenth_is_for_validation_give_or_take_chance() {
        let count = (0..100_000)
            .filter(|id| splitter(0.1).split(&id.to_string()) == Split::Validation)
            .count();
        // Four standard deviations of sqrt(100,000 * 0.1 * 0.9).
        assert!(count.abs_diff(10_000) < 380, "{count}");
    }

    #[test]
    fn a_larger_fraction_takes_from_training_only_and_another_seed_is_another_split() {
        let other = Splitter::new(0.1, 2).unwrap();
        let mut differ = 0;
        for id in (0..2000).map(|id| id.to_string()) {
            let split = splitter(0.1).split(&id);
            assert!(split == Split::Train || splitter(0.2).split(&id) == Split::Validation);
            assert_eq!(splitter(0.0).split(&id), Split::Train);
            differ += usize::from(split != other.split(&id));
        }
        assert!(differ > 200, "{differ}");
    }

    #[test]
    fn what_is_no_fraction_is_refused() {
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(Splitter::new(fraction, 1).is_err());
        }
    }
}
