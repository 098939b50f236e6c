//! The five classes of Table 1. Nothing else in the workspace spells a class name.

use std::fmt;
use std::str::FromStr;

/// A galaxy's morphological class, in the order and with the ids of the paper's Table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Morphology {
    /// Completely round smooth.
    Round = 0,
    /// In-between smooth: between completely round and cigar-shaped.
    InBetween = 1,
    /// Cigar-shaped smooth.
    Cigar = 2,
    /// A disk seen edge-on.
    EdgeOn = 3,
    /// A disk seen at an angle that shows its spiral arms.
    Spiral = 4,
}

impl Morphology {
    /// How many classes there are.
    pub const COUNT: usize = 5;

    /// All classes, in the order of their ids.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Round,
        Self::InBetween,
        Self::Cigar,
        Self::EdgeOn,
        Self::Spiral,
    ];

    /// The id of the paper's Table 1, 0 to 4.
    pub const fn id(self) -> usize {
        self as usize
    }

    /// The class with this id, if there is one.
    pub fn from_id(id: usize) -> Option<Self> {
        Self::ALL.get(id).copied()
    }

    /// The name used in every output: `round`, `in_between`, `cigar`, `edge_on`, `spiral`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::InBetween => "in_between",
            Self::Cigar => "cigar",
            Self::EdgeOn => "edge_on",
            Self::Spiral => "spiral",
        }
    }

    /// The paper's name for it, for people.
    pub const fn long_name(self) -> &'static str {
        match self {
            Self::Round => "completely round smooth",
            Self::InBetween => "in-between smooth",
            Self::Cigar => "cigar-shaped smooth",
            Self::EdgeOn => "edge-on",
            Self::Spiral => "spiral",
        }
    }

    /// The short names of all classes, in the order of their ids.
    pub fn names() -> [&'static str; Self::COUNT] {
        Self::ALL.map(Self::name)
    }
}

impl fmt::Display for Morphology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of the five classes'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown class '{0}' (one of {names})", names = Morphology::names().join(", "))]
pub struct UnknownMorphology(pub String);

impl FromStr for Morphology {
    type Err = UnknownMorphology;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.name() == name)
            .ok_or_else(|| UnknownMorphology(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_papers_and_lead_back_to_their_class() {
        for (id, class) in Morphology::ALL.into_iter().enumerate() {
            assert_eq!(class.id(), id);
            assert_eq!(Morphology::from_id(id), Some(class));
        }
        assert_eq!(Morphology::from_id(5), None);
    }

    #[test]
    fn names_lead_back_to_their_class() {
        for class in Morphology::ALL {
            assert_eq!(class.name().parse(), Ok(class));
        }
        let error = "Spiral".parse::<Morphology>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown class 'Spiral' (one of round, in_between, cigar, edge_on, spiral)"
        );
    }
}
