//! The memory of a program's buffers: one piece for all numbers of a type, so that the system can back it by
//! huge pages.

use smallvec::SmallVec;

use super::BufferId;
use crate::convolution::layout::{Layout, SLACK};
use crate::microkernel::aligned::{AlignedVec, CACHE_LINE};
use crate::microkernel::dtype::{Stored, TypedSlice, TypedSliceMut};

/// The buffers of a program, and where each is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    all: Vec<Buffer>,
    // How many numbers of each type there are in all.
    f32_len: usize,
    bf16_len: usize,
    u8_len: usize,
}

#[derive(Debug, Clone)]
struct Buffer {
    layout: Layout,
    stored: Stored,
    // Where it begins among all numbers of its type.
    first: usize,
}

/// The numbers of all buffers, at first what stands for zero in each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arena {
    f32s: AlignedVec<f32>,
    bf16s: AlignedVec<u16>,
    u8s: AlignedVec<u8>,
}

/// Some buffers of an arena, each of which can be read or written apart from the others.
#[derive(Debug)]
pub(crate) struct DisjointBuffers<'a> {
    buffers: SmallVec<[(BufferId, TypedSliceMut<'a>); 4]>,
}

impl Buffers {
    /// Places buffers one after the other. Each begins a cache line and has its slack.
    pub(crate) fn new(layouts: &[(Layout, Stored)]) -> Self {
        let mut buffers = Self::default();
        for (layout, stored) in layouts {
            let end = match stored {
                Stored::F32 => &mut buffers.f32_len,
                Stored::Bf16 => &mut buffers.bf16_len,
                Stored::U8 { .. } => &mut buffers.u8_len,
            };
            buffers.all.push(Buffer {
                layout: *layout,
                stored: *stored,
                first: *end,
            });
            *end += (layout.len() + SLACK).next_multiple_of(CACHE_LINE / stored.bytes());
        }
        buffers
    }

    pub(crate) fn layout(&self, buffer: BufferId) -> &Layout {
        &self.all[buffer].layout
    }

    /// What the numbers of a buffer are.
    pub(crate) fn stored(&self, buffer: BufferId) -> Stored {
        self.all[buffer].stored
    }

    pub(crate) fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.all.iter().map(|buffer| &buffer.layout)
    }

    /// Memory for them.
    pub(crate) fn arena(&self) -> Arena {
        let mut arena = Arena::default();
        arena.f32s.grow(self.f32_len);
        arena.bf16s.grow(self.bf16_len);
        arena.u8s.grow(self.u8_len);
        // The borders stay so: no step writes there.
        for buffer in &self.all {
            if let Stored::U8 { zero_point } = buffer.stored {
                arena.u8s[buffer.first..][..buffer.layout.len() + SLACK].fill(zero_point);
            }
        }
        arena
    }
}

impl Arena {
    /// Borrows some buffers apart from each other. `ids` are in ascending order, each once.
    pub(crate) fn disjoint<'a>(
        &'a mut self,
        buffers: &Buffers,
        ids: &[BufferId],
    ) -> DisjointBuffers<'a> {
        let mut f32s = Remainder::new(&mut self.f32s);
        let mut bf16s = Remainder::new(&mut self.bf16s);
        let mut u8s = Remainder::new(&mut self.u8s);
        let mut disjoint = SmallVec::new();
        for id in ids {
            let buffer = &buffers.all[*id];
            let (first, len) = (buffer.first, buffer.layout.len() + SLACK);
            let numbers = match buffer.stored {
                Stored::F32 => TypedSliceMut::F32(f32s.take(first, len)),
                Stored::Bf16 => TypedSliceMut::Bf16(bf16s.take(first, len)),
                Stored::U8 { zero_point } => TypedSliceMut::U8(u8s.take(first, len), zero_point),
            };
            disjoint.push((*id, numbers));
        }
        DisjointBuffers { buffers: disjoint }
    }
}

/// What is left of a slice from which parts are taken, from the front to the back.
struct Remainder<'a, T> {
    numbers: &'a mut [T],
    // How many numbers were before it.
    passed: usize,
}

impl<'a, T> Remainder<'a, T> {
    fn new(numbers: &'a mut [T]) -> Self {
        Self { numbers, passed: 0 }
    }

    /// Takes `len` numbers from position `first` of the whole slice on.
    fn take(&mut self, first: usize, len: usize) -> &'a mut [T] {
        let rest = std::mem::take(&mut self.numbers);
        let (_, rest) = rest.split_at_mut(first - self.passed);
        let (part, rest) = rest.split_at_mut(len);
        (self.numbers, self.passed) = (rest, first + len);
        part
    }
}

impl<'a> DisjointBuffers<'a> {
    /// Takes one of them, to be written.
    ///
    /// # Panics
    ///
    /// Panics if it is not among them, or was taken before.
    pub(crate) fn take(&mut self, buffer: BufferId) -> TypedSliceMut<'a> {
        let at = self.position(buffer);
        self.buffers.swap_remove(at).1
    }

    /// One of them, to be read.
    ///
    /// # Panics
    ///
    /// Panics if it is not among them, or was taken.
    pub(crate) fn get(&self, buffer: BufferId) -> TypedSlice<'_> {
        self.buffers[self.position(buffer)].1.as_shared()
    }

    #[allow(
        clippy::expect_used,
        reason = "a step without its buffer can't go on, and has no sound result"
    )]
    fn position(&self, buffer: BufferId) -> usize {
        let at = self.buffers.iter().position(|(id, _)| *id == buffer);
        at.expect("a step names all buffers that it uses, and doesn't read what it writes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_apart_and_begin_cache_lines() {
        let layouts = [
            (5, Stored::F32),
            (7, Stored::Bf16),
            (3, Stored::F32),
            (2, Stored::F32),
        ]
        .map(|(channels, stored)| (Layout::plain(2, 1, 3, channels), stored));
        let buffers = Buffers::new(&layouts);
        let mut arena = buffers.arena();
        for (ids, value) in [([0, 1, 3], 1.0), ([1, 2, 3], 2.0)] {
            let mut disjoint = arena.disjoint(&buffers, &ids);
            for id in ids {
                let len = buffers.layout(id).len() + SLACK;
                match disjoint.take(id) {
                    TypedSliceMut::F32(numbers) => {
                        assert_eq!(numbers.len(), len);
                        assert!(numbers.as_ptr().addr().is_multiple_of(CACHE_LINE));
                        assert!(
                            numbers
                                .iter()
                                .all(|n| *n == if id == 3 { value - 1.0 } else { 0.0 })
                        );
                        numbers.fill(value);
                    }
                    TypedSliceMut::Bf16(numbers) => {
                        assert_eq!((id, numbers.len()), (1, len));
                        assert!(numbers.as_ptr().addr().is_multiple_of(CACHE_LINE));
                    }
                    TypedSliceMut::U8(..) => panic!("none is of eight bits"),
                }
            }
        }
        let disjoint = arena.disjoint(&buffers, &[0, 2]);
        for (id, value) in [(0, 1.0), (2, 2.0)] {
            let TypedSlice::F32(numbers) = disjoint.get(id) else {
                panic!("it is of f32")
            };
            assert!(numbers.iter().all(|number| *number == value));
        }
    }

    #[test]
    fn buffers_of_eight_bits_begin_with_what_stands_for_zero() {
        let layouts = [(5, 0), (7, 130), (3, 0)].map(|(channels, zero_point)| {
            let layout = Layout::plain(1, 2, 3, channels);
            (layout, Stored::U8 { zero_point })
        });
        let buffers = Buffers::new(&layouts);
        let mut arena = buffers.arena();
        let mut disjoint = arena.disjoint(&buffers, &[0, 1, 2]);
        for (id, (layout, stored)) in layouts.iter().enumerate() {
            let TypedSliceMut::U8(numbers, zero_point) = disjoint.take(id) else {
                panic!("it is of eight bits")
            };
            assert_eq!(*stored, Stored::U8 { zero_point });
            assert_eq!(numbers.len(), layout.len() + SLACK);
            assert!(numbers.as_ptr().addr().is_multiple_of(CACHE_LINE));
            assert!(numbers.iter().all(|number| *number == zero_point));
        }
    }
}
