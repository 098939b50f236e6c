//! Which of the labelled galaxies a dataset is of: a split of the label file, or a fold.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::labels::{Label, Split};

/// One of five parts of the galaxies, by which a model can be measured on all of them: five networks are
/// each trained on four folds and answer the fifth.
///
/// A galaxy's fold is a hash of its id. So it is the same in every run and every label file, and no
/// galaxy changes its fold when others are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Fold(u8);

impl Fold {
    /// The number of folds.
    pub(crate) const COUNT: u8 = 5;

    /// The fold of a galaxy: the first eight bytes of the BLAKE3 hash of its id, as a little-endian
    /// number, modulo five.
    pub(crate) fn of(id: &str) -> Self {
        let hash = blake3::hash(id.as_bytes());
        let (numbers, _) = hash.as_bytes().as_chunks();
        Self((u64::from_le_bytes(numbers[0]) % u64::from(Self::COUNT)) as u8)
    }
}

/// One of five groups of galaxies for what is fitted to answers, such as thresholds: each group is measured
/// at what was fitted to the others.
///
/// It is another hash than that of the fold (the next eight bytes), so that the galaxies of one fold are in
/// all groups.
pub(crate) fn group(id: &str) -> u8 {
    let hash = blake3::hash(id.as_bytes());
    let (numbers, _) = hash.as_bytes().as_chunks();
    (u64::from_le_bytes(numbers[1]) % 5) as u8
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u8> for Fold {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number < Self::COUNT {
            Ok(Self(number))
        } else {
            Err(format!("fold {number}, must be 0 to {}", Self::COUNT - 1))
        }
    }
}

impl From<Fold> for u8 {
    fn from(fold: Fold) -> Self {
        fold.0
    }
}

impl FromStr for Fold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().and_then(|n: u8| Self::try_from(n).ok());
        number.ok_or_else(|| format!("must be 0 to {}", Self::COUNT - 1))
    }
}

/// Which of the labelled galaxies a dataset is of. Folds are of the training and the validation split
/// together; galaxies of the test split are in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A split of the label file.
    Split(Split),
    /// One fold.
    Fold(Fold),
    /// All folds but one.
    AllBut(Fold),
}

impl Part {
    /// The galaxies that a network learned from: the training split, or all folds but the one that it held
    /// out.
    pub(crate) fn learned(held_out: Option<Fold>) -> Self {
        held_out.map_or(Self::Split(Split::Train), Self::AllBut)
    }

    /// Whether a galaxy belongs to it.
    pub(super) fn contains(self, label: &Label) -> bool {
        match self {
            Self::Split(split) => label.split == split,
            Self::Fold(fold) => label.split != Split::Test && Fold::of(&label.id) == fold,
            Self::AllBut(fold) => label.split != Split::Test && Fold::of(&label.id) != fold,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(split) => split.fmt(f),
            Self::Fold(fold) => write!(f, "fold {fold}"),
            Self::AllBut(fold) => write!(f, "all folds but {fold}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use galmorph_cutout::Morphology;

    use super::*;

    fn label(id: u32, split: Split) -> Label {
        Label {
            id: id.to_string(),
            class: Morphology::Round,
            split,
            votes: None,
            row: 2,
        }
    }

    /// Models that were trained years apart must have held out the same galaxies. The numbers are those of
    /// Python's blake3.
    #[test]
    fn the_fold_of_a_galaxy_never_changes() {
        let folds: Vec<u8> = ["100053", "100122", "909652", "", "NGC 6976"]
            .map(|id| Fold::of(id).into())
            .to_vec();
        assert_eq!(folds, [1, 2, 2, 3, 3]);
    }

    #[test]
    fn folds_are_about_equal_and_each_galaxy_is_in_one() {
        let mut sizes = [0; Fold::COUNT as usize];
        for id in 100_000..110_000 {
            let label = label(id, Split::Train);
            let of = (0..Fold::COUNT).map(|n| Fold::try_from(n).unwrap());
            let inside: Vec<Fold> = of
                .clone()
                .filter(|f| Part::Fold(*f).contains(&label))
                .collect();
            assert_eq!(inside.len(), 1);
            for fold in of {
                assert_eq!(Part::AllBut(fold).contains(&label), fold != inside[0]);
            }
            sizes[usize::from(u8::from(inside[0]))] += 1;
        }
        assert!(
            sizes.iter().all(|size| (1850..2150).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn galaxies_of_the_test_split_are_in_no_fold() {
        for id in 0..50 {
            let label = label(id, Split::Test);
            let fold = Fold::of(&label.id);
            assert!(!Part::Fold(fold).contains(&label) && !Part::AllBut(fold).contains(&label));
            assert!(Part::Split(Split::Test).contains(&label));
        }
    }

    #[test]
    fn a_fold_is_a_number_below_five() {
        assert_eq!("4".parse(), Ok(Fold(4)));
        assert_eq!("5".parse::<Fold>().unwrap_err(), "must be 0 to 4");
        assert!("-1".parse::<Fold>().is_err());
        assert!(serde_json::from_str::<Fold>("5").is_err());
    }

    #[test]
    fn the_galaxies_of_a_fold_are_in_all_groups_alike() {
        let ids = (0..50_000_u32).map(|id| id.to_string());
        let mut counts = [0; 5];
        for id in ids.filter(|id| u8::from(Fold::of(id)) == 2) {
            counts[usize::from(group(&id))] += 1;
        }
        // 2,000 each, with a standard deviation of 40.
        assert!(
            counts.iter().all(|count| (1850..2150).contains(count)),
            "{counts:?}"
        );
    }
}
