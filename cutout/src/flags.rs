//! What is to be said of an image that the network has an answer for all the same.
//!
//! A new flag is one line in the table below, and its rule in `framing/notice.rs`. `examples/flags.rs` says how often each is
//! raised in a set of images: of images as the network was trained on, at most one in two hundred may have it.

use std::fmt;
use std::str::FromStr;

/// Makes [`Flag`] from one line a flag.
macro_rules! flags {
    ($($flag:ident, $name:literal, $explanation:literal;)+) => {
        /// Something about an image that makes its answer less certain.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Flag {
            $(#[doc = $explanation] $flag,)+
        }

        impl Flag {
            /// All flags, in the order in which they are listed.
            pub const ALL: &[Self] = &[$(Self::$flag),+];

            /// The name, stable enough to query by.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$flag => $name,)+
                }
            }

            /// What it means, in a sentence for documentation and help texts.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$flag => $explanation,)+
                }
            }
        }
    };
}

flags! {
    Padded, "padded", "A view reaches beyond the image, or into a border of one colour.";
    Upsampled, "upsampled", "The frame is smaller than 189 pixels of the image: it has less than 0.45 of Galaxy Zoo's pixels a side.";
    SingleBand, "single_band", "The image is grey: the network was trained on colours.";
    Inverted, "inverted", "The sky is bright and the object dark, as in a negative.";
    Saturated, "saturated", "Much of the object is white, cut off at the largest value.";
    OffCentre, "off_centre", "The object is far from the centre of what the network looks at.";
    SwappedBands, "swapped_bands", "The object is bluer than galaxies are: red and blue may be exchanged.";
    UnusualSize, "unusual_size", "The object is more than twice as large, or as small, as the frame was made for.";
    UnmeasuredSize, "unmeasured_size", "The size of the object could not be measured, so the whole image was taken for the frame.";
}

/// The flags of an image: any number of [`Flag`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Adds one.
    pub fn insert(&mut self, flag: Flag) {
        self.0 |= Self::bit(flag);
    }

    /// Whether it is among them.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & Self::bit(flag) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        let all = Flag::ALL.iter().copied();
        all.filter(move |flag| self.contains(*flag))
    }

    const fn bit(flag: Flag) -> u16 {
        1 << flag as u16
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<T: IntoIterator<Item = Flag>>(flags: T) -> Self {
        let mut all = Self::default();
        flags.into_iter().for_each(|flag| all.insert(flag));
        all
    }
}

/// The names with commas between them; nothing where there is no flag.
impl fmt::Display for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Flag::as_str).collect();
        formatter.pad(&names.join(","))
    }
}

/// A name that no flag has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown flag '{0}'")]
pub struct UnknownFlag(pub String);

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.iter().copied();
        all.find(|flag| flag.as_str() == name)
            .ok_or_else(|| UnknownFlag(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catalogs and scripts have these names, so they stay. New ones may come at the end.
    #[test]
    fn the_names_are_what_they_always_were() {
        let all: Flags = Flag::ALL.iter().copied().collect();
        assert_eq!(
            all.to_string(),
            "padded,upsampled,single_band,inverted,saturated,off_centre,swapped_bands,unusual_size,\
             unmeasured_size"
        );
        for flag in Flag::ALL {
            assert_eq!(flag.as_str().parse(), Ok(*flag));
        }
    }

    #[test]
    fn flags_are_those_that_were_added() {
        let mut flags = Flags::default();
        assert!(flags.is_empty() && flags.to_string().is_empty());
        flags.insert(Flag::OffCentre);
        flags.insert(Flag::Padded);
        flags.insert(Flag::Padded);
        assert_eq!(flags.to_string(), "padded,off_centre");
        assert!(flags.contains(Flag::Padded) && !flags.contains(Flag::Inverted));
    }
}
