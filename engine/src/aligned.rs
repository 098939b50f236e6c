//! Memory for numbers that vectors and tiles are loaded from.
//!
//! Where there is much of it, Linux is asked for pages of 2 MiB instead of 4 KiB: a network's weights are
//! read from the first to the last for every batch, and the processor knows the places of some thousand
//! pages only.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, of the longest vector, and of a tile's row.
pub(crate) const LINE: usize = 64;

/// What is smaller is not worth a page of 2 MiB.
const MUCH: usize = 4 << 20;

/// Numbers of which the first begins a cache line: what is loaded 64 bytes at a time is then never on two.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    // One line more than is needed, which leaves room to begin at one.
    values: Vec<T>,
}

impl<T: Copy + Default> Aligned<T> {
    const SPARE: usize = LINE / size_of::<T>();

    /// Makes it so many numbers at least. What they are is anything that was there before, or zero.
    pub(crate) fn grow(&mut self, len: usize) {
        let len = len + Self::SPARE;
        if len > self.values.len() {
            // What was there goes first, and no copy of it is made.
            self.values = Vec::new();
            self.values = vec![T::default(); len];
            ask_for_large_pages(&mut self.values);
        }
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
        copy.grow(values.len());
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

/// Asks the system to keep this memory, if it is much, in pages as large as it has. It may decline, and
/// nothing is lost then.
#[cfg(target_os = "linux")]
fn ask_for_large_pages<T>(values: &mut [T]) {
    use rustix::mm::{Advice, madvise};

    let range = values.as_mut_ptr_range();
    let page = rustix::param::page_size();
    let begin = range.start.cast::<u8>().align_offset(page);
    let Some(whole) = size_of_val(values).checked_sub(begin) else {
        return;
    };
    let whole = whole - whole % page;
    if whole < MUCH {
        return;
    }
    // SAFETY: the pages are wholly within the slice, and what is in them stays as it is: the advice is about
    // how they are kept.
    #[allow(unsafe_code, reason = "a call to the system about memory")]
    let _ = unsafe {
        madvise(
            range.start.cast::<u8>().add(begin).cast(),
            whole,
            Advice::LinuxHugepage,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages<T>(_: &mut [T]) {}

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
    fn it_grows_and_never_shrinks() {
        let mut aligned = Aligned::<f32>::default();
        assert!(aligned.is_empty());
        for (wanted, len) in [(1, 1), (5000, 5000), (3, 5000)] {
            aligned.grow(wanted);
            assert_eq!(aligned.len(), len);
            assert!(aligned.as_ptr().addr().is_multiple_of(LINE));
        }
    }
}
