//! Memory for numbers that vectors and tiles are loaded from.
//!
//! Where there is much of it, Linux is asked for pages of 2 MiB instead of 4 KiB. The processor knows the
//! places of some thousand pages only, and a network's weights are read from the first to the last for every
//! batch. And what lies in one large page fills a cache evenly; small pages come from anywhere, and some of
//! them take each other's place.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, of the longest vector, and of a tile's row.
pub(crate) const LINE: usize = 64;

/// The bytes of a large page.
const LARGE: usize = 2 << 20;

/// What is smaller is not worth a large page.
const MUCH: usize = LARGE / 32;

/// Numbers of which the first begins a cache line: what is loaded 64 bytes at a time is then never on two.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    // More than is needed, which leaves room to begin at a line or a page.
    values: Vec<T>,
    first: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Makes it so many numbers at least. What they are is anything that was there before, or zero.
    pub(crate) fn grow(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        let bytes = len * size_of::<T>();
        let (align, whole) = if bytes < MUCH {
            (LINE, bytes)
        } else {
            (LARGE, bytes.next_multiple_of(LARGE))
        };
        // What was there goes first, and no copy of it is made.
        self.values = Vec::new();
        self.values = vec![T::default(); (whole + align) / size_of::<T>()];
        self.first = self.values.as_ptr().align_offset(align);
        self.len = len;
        if align == LARGE {
            let pages = self.first..self.first + whole / size_of::<T>();
            ask_for_large_pages(&mut self.values[pages]);
        }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.first..][..self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..][..self.len]
    }
}

impl<T: Copy + Default> From<&[T]> for Aligned<T> {
    fn from(values: &[T]) -> Self {
        let mut copy = Self::default();
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

/// Asks the system to keep these pages as large ones. It may decline, and nothing is lost then.
#[cfg(target_os = "linux")]
fn ask_for_large_pages<T>(pages: &mut [T]) {
    use rustix::mm::{Advice, madvise};

    let range = pages.as_mut_ptr_range();
    // SAFETY: these are whole pages of the slice, and what is in them stays as it is: the advice is about how
    // they are kept.
    #[allow(unsafe_code, reason = "a call to the system about memory")]
    let _ = unsafe {
        madvise(
            range.start.cast(),
            size_of_val(pages),
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
    fn much_of_it_begins_a_large_page() {
        let mut aligned = Aligned::<u16>::default();
        aligned.grow(MUCH);
        assert!(aligned.as_ptr().addr().is_multiple_of(LARGE));
        assert!(aligned.iter().all(|number| *number == 0));
        aligned.fill(1);
        aligned.grow(3 * LARGE);
        assert!(aligned.as_ptr().addr().is_multiple_of(LARGE));
        assert_eq!(aligned.len(), 3 * LARGE);
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
