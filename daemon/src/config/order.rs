//! Which files of a backlog go first.

use super::value::Choice;

/// Which files of a backlog go first, by the time they arrived in their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Tonight's before last year's.
    Newest,
    /// In the order of arrival.
    Oldest,
}

impl Choice for Order {
    const ALL: &[Self] = &[Self::Newest, Self::Oldest];

    fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}
