//! The arguments of one call of a microkernel: `C += A B` for some pixels (m), one block of channels (n) and
//! one block of inputs (k).

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "other processors have plain loops alone")
)]

use super::dtype::{DType, TypedSlice};
use super::tile_registers::{K_STEP, NR, SIDE};
use super::{UNIT_BYTES, Unit};

/// Inputs that lie next to each other: a row of a pixel's window, or a part of one.
///
/// The fields keep this order because the AMX kernel reads them in assembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Segment {
    /// Where it begins, in bytes from the beginning of the pixel's window.
    pub(crate) offset: usize,
    /// Its length in units.
    pub(crate) k_units: usize,
}

impl Segment {
    /// Where it ends, in bytes from the beginning of the pixel's window.
    pub(crate) fn end(&self) -> usize {
        self.offset + UNIT_BYTES * self.k_units
    }
}

/// Runs of as many steps along k, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runs {
    /// The steps of each, at least one.
    pub(crate) steps: usize,
    /// How many runs.
    pub(crate) count: usize,
}

/// The steps of a k block in the order in which [`Avx2Int8`](super::Kernel::Avx2Int8) takes them.
///
/// A step is one unit of every pixel's window, and its weights. The products of a run of steps are added up in 16 bits,
/// two sums for each channel, and these go to the sum of 32 bits. Whatever the inputs are, they fit: the floor above sees
/// to it, and chooses the numbers from which a run's sums start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The runs, those of equal length together.
    pub(crate) runs: Vec<Runs>,
    /// For each step, where its unit is, in bytes from the beginning of the pixel's window.
    pub(crate) offsets: Vec<usize>,
    /// From what the sums start, `[run][channel]`: two numbers of 16 bits in a unit.
    pub(crate) starts: Vec<Unit>,
}

/// The arguments of a vector kernel: for each pixel and channel, the sum of input times weight over all
/// segments.
///
/// A is not packed: row m of A is the segments of pixel m's window, where they lie in the input's buffer.
#[derive(Debug)]
pub(crate) struct VectorGemm<'a> {
    /// The first byte of the input.
    pub(crate) input: *const u8,
    /// Where each pixel's window begins, in bytes from `input`.
    pub(crate) pixels: &'a [usize],
    /// The same for every pixel.
    pub(crate) segments: &'a [Segment],
    /// The same units in another order, for the kernel that [has one](super::Kernel::has_schedule).
    pub(crate) schedule: &'a Schedule,
    /// B, packed `[k unit][channel]`, or `[step][channel]` if there is a schedule.
    pub(crate) weights: *const Unit,
    /// How many channels.
    pub(crate) columns: usize,
    /// Weights to prefetch meanwhile.
    pub(crate) next: &'a [Unit],
    /// C, `[pixel][channel]`; with kernels of whole numbers, the bits of an i32 each.
    pub(crate) sums: *mut f32,
    /// Whether to add to the sums that are there, or to begin with zero.
    pub(crate) accumulate: bool,
}

/// The arguments of the tile kernel: the same, for tiles of [`SIDE`] pixels that are equally far apart in
/// memory, and [`NR`] channels.
#[derive(Debug)]
pub(crate) struct TileGemm<'a> {
    /// The input's buffer, or a copy of the pixels' windows: bf16 or bytes.
    pub(crate) inputs: TypedSlice<'a>,
    /// Where the window of each tile's first pixel begins, in bytes. The number of tiles is even.
    pub(crate) tiles: &'a [usize],
    /// The distance from one pixel of a tile to the next, in bytes.
    pub(crate) stride: usize,
    /// The same for every pixel; each is a multiple of [`K_STEP`] units long.
    pub(crate) segments: &'a [Segment],
    /// B, packed `[k unit][channel]`.
    pub(crate) weights: &'a [Unit],
    /// Weights to prefetch meanwhile; what is longer than `weights` is ignored.
    pub(crate) next: &'a [Unit],
    /// C, `[pixel][channel]`; of bytes, the bits of an i32 each.
    pub(crate) sums: &'a mut [f32],
    /// Whether to add to the sums that are there, or to begin with zero.
    pub(crate) accumulate: bool,
}

impl TileGemm<'_> {
    /// What is multiplied.
    pub(super) fn dtype(&self) -> DType {
        match self.inputs {
            TypedSlice::F32(_) => DType::F32,
            TypedSlice::Bf16(_) => DType::Bf16,
            TypedSlice::U8(_) => DType::Int8,
        }
    }

    /// Checks that the lengths fit each other and that every address lies inside its slice. The kernel's
    /// safety rests on this.
    ///
    /// # Panics
    ///
    /// Panics if they do not.
    pub(super) fn check(&self) {
        let k_units: usize = self.segments.iter().map(|segment| segment.k_units).sum();
        let is_whole =
            |segment: &Segment| segment.k_units > 0 && segment.k_units.is_multiple_of(K_STEP);
        assert!(!self.segments.is_empty() && self.segments.iter().all(is_whole));
        assert_eq!(self.weights.len(), k_units * NR);
        assert_eq!(self.sums.len(), self.tiles.len() * SIDE * NR);
        assert!(self.tiles.len().is_multiple_of(2));
        // The furthest byte is that of the longest reach, in the last pixel of the furthest tile.
        let reach = self.segments.iter().map(Segment::end).max();
        let last = self.tiles.iter().max();
        let end = |(reach, last)| last + (SIDE - 1) * self.stride + reach;
        assert!(reach.zip(last).map_or(0, end) <= self.inputs.bytes());
    }
}
