//! Memory for numbers that vectors and tiles are loaded from.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, of the longest vector, and of a tile's row.
const LINE: usize = 64;

/// Numbers of which the first begins a cache line: what is loaded 64 bytes at a time is then never on two.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    // One line more than is needed, which leaves room to begin at one.
    values: Vec<T>,
}

impl<T: Copy + Default> Aligned<T> {
    const SPARE: usize = LINE / size_of::<T>();

    /// Makes it so many numbers. What they are is anything that was there before, or zero.
    pub(crate) fn resize(&mut self, len: usize) {
        self.values.resize(len + Self::SPARE, T::default());
    }

    /// The first number of a line, and how many there are from there on.
    fn place(&self) -> (usize, usize) {
        let first = self.values.as_ptr().align_offset(LINE).min(Self::SPARE);
        (first, self.values.len().saturating_sub(Self::SPARE))
    }
}

impl<T: Copy + Default> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let (first, len) = self.place();
        self.values.get(first..first + len).unwrap_or_default()
    }
}

impl<T: Copy + Default> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let (first, len) = self.place();
        self.values.get_mut(first..first + len).unwrap_or_default()
    }
}

impl<T: Copy + Default> From<&[T]> for Aligned<T> {
    fn from(values: &[T]) -> Self {
        let mut copy = Self { values: Vec::new() };
        copy.resize(values.len());
        copy.copy_from_slice(values);
        copy
    }
}

// The lines of other memory begin elsewhere.
impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_begins_a_line_in_every_copy() {
        let numbers: Vec<u16> = (0..1000).collect();
        let aligned = Aligned::from(&numbers[..]);
        let copies: Vec<Aligned<u16>> = (0..8).map(|_| aligned.clone()).collect();
        for copy in copies.iter().chain([&aligned]) {
            assert!(copy.as_ptr().addr().is_multiple_of(LINE));
            assert_eq!(copy[..], numbers[..]);
        }
    }

    #[test]
    fn it_grows_and_shrinks() {
        let mut aligned = Aligned::<f32>::default();
        assert!(aligned.is_empty());
        for len in [1, 5000, 3] {
            aligned.resize(len);
            assert_eq!(aligned.len(), len);
            assert!(aligned.as_ptr().addr().is_multiple_of(LINE));
        }
    }
}
