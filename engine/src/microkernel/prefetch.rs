//! Fetching the weights that come next into the second-level cache while the current ones are multiplied.

#![allow(unsafe_code, reason = "the prefetch instruction")]

use super::Unit;

/// Units in a cache line.
const LINE: usize = 16;

/// Asks the processor to bring these units into its second-level cache.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "an instruction of the innermost loops"
)]
pub(super) fn prefetch(units: &[Unit]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for line in units.chunks(LINE) {
        // SAFETY: every x86-64 processor has this instruction. It is a hint: it changes the cache and nothing
        // else, and any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

/// The cache lines to fetch while one tile is computed.
///
/// The lines that come next are divided among the tiles of a call, and a tile fetches one line a unit. Fetched
/// all at once they would queue up, and the tile's own loads behind them.
pub(super) struct Prefetcher<'a> {
    lines: std::slice::Iter<'a, [Unit; LINE]>,
}

impl<'a> Prefetcher<'a> {
    /// The share of tile number `tile` of `tiles`.
    pub(super) fn new(next: &'a [Unit], tile: usize, tiles: usize) -> Self {
        let (lines, _) = next.as_chunks::<LINE>();
        let part = |number: usize| lines.len() * number / tiles;
        Self {
            lines: lines[part(tile)..part(tile + 1)].iter(),
        }
    }

    /// Fetches all lines at once.
    pub(super) fn fetch_all(self) {
        self.lines.for_each(|line| prefetch(line));
    }

    /// Fetches the next line, if one is left.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "part of the innermost loops")]
    pub(super) fn fetch_one(&mut self) {
        if let Some(line) = self.lines.next() {
            prefetch(line);
        }
    }
}
