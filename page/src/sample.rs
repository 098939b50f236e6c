//! Random rows that are the same for everybody.
//!
//! A purity needs a sample in which each galaxy is as likely as any other, and two reviewers agree or not only on
//! galaxies that both have seen. So the sample is a fixed sequence of row numbers: the k-th is a hash of k, below the
//! power of two that no row's number reaches. A number that no classified file has is passed over. While the catalog grows
//! below that power of two, its new rows take their places in the sequence, and the others keep theirs.

use galmorph_catalog::{CatalogError, Reader};

/// The numbers of the sequence, for a catalog whose last row has this number.
pub(crate) fn sequence(last_id: i64) -> impl Iterator<Item = i64> {
    let bits = 64 - last_id.max(1).leading_zeros();
    let mask = u64::MAX >> (64 - bits);
    (0_u64..).map(move |place| {
        let hash = blake3::hash(&place.to_le_bytes());
        let bytes = hash.as_bytes()[..8]
            .try_into()
            .expect("a digest has 32 bytes");
        (u64::from_le_bytes(bytes) & mask) as i64
    })
}

/// How many numbers are looked at before a sample is given up: more than enough for a catalog in which every twentieth
/// row is classified.
pub(crate) const LOOKS: usize = 200_000;

/// The first `count` rows of the sample, each once.
pub(crate) fn sample(catalog: &Reader, count: usize) -> Result<Vec<i64>, CatalogError> {
    let last = catalog.last_id()?;
    let mut known = std::collections::HashSet::new();
    let mut found = Vec::new();
    for id in sequence(last).take(LOOKS.max(4 * count)) {
        if found.len() == count {
            break;
        }
        if known.insert(id) && catalog.is_classified(id)? {
            found.push(id);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_that_grows_keeps_the_order_of_its_sample() {
        let of = |last| -> Vec<i64> { sequence(last).filter(|id| *id <= 600).take(100).collect() };
        assert_eq!(of(600), of(1000));
        assert!(sequence(5).take(100).all(|id| (0..8).contains(&id)));
        assert!(sequence(0).take(10).all(|id| (0..2).contains(&id)));
    }

    #[test]
    fn each_row_is_as_likely_as_any_other() {
        let mut counts = [0_i32; 16];
        for id in sequence(15).take(16_000) {
            counts[id as usize] += 1;
        }
        // Chi-squared with 15 degrees of freedom: 37.7 is passed once in a thousand.
        let squared: f64 = counts
            .iter()
            .map(|count| f64::from(count - 1000).powi(2) / 1000.0)
            .sum();
        assert!(squared < 37.7, "{squared} {counts:?}");
    }
}
