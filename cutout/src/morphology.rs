//! The five classes of Table 1. Nothing else in the workspace spells a class name.

use std::fmt;
use std::str::FromStr;

/// Makes [`Morphology`] from one line a class.
macro_rules! classes {
    ($($class:ident = $id:literal, $name:literal, $long_name:literal, $meaning:literal;)+) => {
        /// A galaxy's morphological class, in the order and with the ids of the paper's Table 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Morphology {
            $(#[doc = $meaning] $class = $id,)+
        }

        impl Morphology {
            /// How many classes there are.
            pub const COUNT: usize = [$($id),+].len();

            /// All classes, in the order of their ids.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$class),+];

            /// The short name, which every output uses.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$class => $name,)+
                }
            }

            /// The paper's name, for people.
            pub const fn long_name(self) -> &'static str {
                match self {
                    $(Self::$class => $long_name,)+
                }
            }
        }
    };
}

classes! {
    // Class = id, short name, the paper's name, meaning.
    Round = 0, "round", "completely round smooth", "Completely round smooth.";
    InBetween = 1, "in_between", "in-between smooth", "In-between smooth: between completely round and cigar-shaped.";
    Cigar = 2, "cigar", "cigar-shaped smooth", "Cigar-shaped smooth.";
    EdgeOn = 3, "edge_on", "edge-on", "A disk seen edge-on.";
    Spiral = 4, "spiral", "spiral", "A disk seen at an angle that shows its spiral arms.";
}

impl Morphology {
    /// The id of the paper's Table 1, 0 to 4.
    pub const fn id(self) -> usize {
        self as usize
    }

    /// The class with this id; `None` when there is no such class.
    pub fn from_id(id: usize) -> Option<Self> {
        Self::ALL.get(id).copied()
    }

    /// The short names of all classes, in the order of their ids.
    pub fn names() -> [&'static str; Self::COUNT] {
        Self::ALL.map(Self::name)
    }
}

impl fmt::Display for Morphology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A name that no class has. The message lists the known ones.
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
