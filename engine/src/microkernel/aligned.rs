//! Memory that vectors and tiles are loaded from: it begins a cache line, and lies in huge pages where it is
//! large.
//!
//! Linux is asked for pages of 2 MiB instead of 4 KiB. The processor's TLB holds some thousand pages only,
//! and a network's weights are read from the first to the last for every batch. Also, a huge page fills a
//! cache evenly; small pages come from anywhere in physical memory, and some of them evict each other.
//!
//! The advice must come before the memory is touched, since a page that is in use stays small.
//! `vec![0; n]` of a primitive type is memory that the system hands out as untouched zeros. Memory that is
//! allocated with a larger alignment, as the crate `aligned-vec` does, is zeroed by writing to it: too late.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, of the longest vector, and of a tile's row.
pub(crate) const CACHE_LINE: usize = 64;

/// The bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// The fewest bytes for which huge pages are asked for.
const FEWEST_BYTES: usize = HUGE_PAGE / 32;

/// Numbers of which the first begins a cache line, so that no load of 64 bytes at a multiple of 64 crosses one.
#[derive(Debug, Default)]
pub(crate) struct AlignedVec<T> {
    // Longer than `len`, to leave room to begin at a line or a page.
    values: Vec<T>,
    // Where the first number is, in `values`.
    first: usize,
    len: usize,
}

impl<T: Copy + Default> AlignedVec<T> {
    /// Makes room for at least `len` numbers. Where it has to grow, all are zero afterwards, else they stay.
    pub(crate) fn grow(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        let bytes = len * size_of::<T>();
        let (align, whole) = if bytes < FEWEST_BYTES {
            (CACHE_LINE, bytes)
        } else {
            (HUGE_PAGE, bytes.next_multiple_of(HUGE_PAGE))
        };
        // The old memory is freed before the new is allocated: both together might not fit.
        self.values = Vec::new();
        self.values = vec![T::default(); (whole + align) / size_of::<T>()];
        self.first = self.values.as_ptr().align_offset(align);
        self.len = len;
        if align == HUGE_PAGE {
            let pages = self.first..self.first + whole / size_of::<T>();
            ask_for_huge_pages(&mut self.values[pages]);
        }
    }
}

impl<T> Deref for AlignedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.first..][..self.len]
    }
}

impl<T> DerefMut for AlignedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..][..self.len]
    }
}

impl<T: Copy + Default> From<&[T]> for AlignedVec<T> {
    fn from(values: &[T]) -> Self {
        let mut copy = Self::default();
        copy.grow(values.len());
        copy.copy_from_slice(values);
        copy
    }
}

// Not derived: the copied memory begins its cache lines elsewhere.
impl<T: Copy + Default> Clone for AlignedVec<T> {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

/// Asks the system to back these pages by huge ones. It may decline, and nothing is lost then.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages<T>(pages: &mut [T]) {
    use rustix::mm::{Advice, madvise};

    let range = pages.as_mut_ptr_range();
    // SAFETY: the range lies in the slice, which is borrowed exclusively. This advice changes how the pages are
    // backed and never what is in them.
    #[allow(unsafe_code, reason = "a system call about memory")]
    let _ = unsafe {
        madvise(
            range.start.cast(),
            size_of_val(pages),
            Advice::LinuxHugepage,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages<T>(_: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_begins_a_line_in_every_copy() {
        let numbers: Vec<u16> = (0..1000).collect();
        let aligned = AlignedVec::from(&numbers[..]);
        let copies: Vec<AlignedVec<u16>> = (0..8).map(|_| aligned.clone()).collect();
        for copy in copies.iter().chain([&aligned]) {
            assert!(copy.as_ptr().addr().is_multiple_of(CACHE_LINE));
            assert_eq!(copy[..], numbers[..]);
        }
    }

    #[test]
    fn large_memory_begins_a_huge_page() {
        let mut aligned = AlignedVec::<u16>::default();
        aligned.grow(FEWEST_BYTES);
        assert!(aligned.as_ptr().addr().is_multiple_of(HUGE_PAGE));
        assert!(aligned.iter().all(|number| *number == 0));
        aligned.fill(1);
        aligned.grow(3 * HUGE_PAGE);
        assert!(aligned.as_ptr().addr().is_multiple_of(HUGE_PAGE));
        assert_eq!(aligned.len(), 3 * HUGE_PAGE);
    }

    #[test]
    fn it_grows_and_never_shrinks() {
        let mut aligned = AlignedVec::<f32>::default();
        assert!(aligned.is_empty());
        for (wanted, len) in [(1, 1), (5000, 5000), (3, 5000)] {
            aligned.grow(wanted);
            assert_eq!(aligned.len(), len);
            assert!(aligned.as_ptr().addr().is_multiple_of(CACHE_LINE));
        }
    }
}
