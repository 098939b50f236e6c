//! The memory of a program's buffers: one piece for all numbers of a kind, which the system can keep in large
//! pages.

use tract_onnx::prelude::TVec;

use crate::convolution::layout::{Layout, Numbers, NumbersMut, SLACK};
use crate::microkernel::Number;
use crate::microkernel::aligned::{Aligned, LINE};

/// Buffers, and where each one is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    all: Vec<Buffer>,
    f32s: usize,
    bf16s: usize,
}

#[derive(Debug, Clone)]
struct Buffer {
    layout: Layout,
    number: Number,
    // Where it begins among all numbers of its kind.
    first: usize,
}

/// The numbers of buffers, zero at first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arena {
    f32s: Aligned<f32>,
    bf16s: Aligned<u16>,
}

/// Some buffers, each of which can be read or written apart from the others.
#[derive(Debug)]
pub(crate) struct Apart<'a> {
    parts: TVec<(usize, NumbersMut<'a>)>,
}

impl Buffers {
    /// Finds places for buffers, one after the other.
    pub(crate) fn new(layouts: &[(Layout, Number)]) -> Self {
        let mut buffers = Self::default();
        for (layout, number) in layouts {
            let end = match number {
                Number::F32 => &mut buffers.f32s,
                Number::Bf16 => &mut buffers.bf16s,
            };
            buffers.all.push(Buffer {
                layout: *layout,
                number: *number,
                first: *end,
            });
            *end += (layout.len() + SLACK).next_multiple_of(LINE / number.bytes());
        }
        buffers
    }

    /// The layout of one.
    pub(crate) fn layout(&self, buffer: usize) -> &Layout {
        &self.all[buffer].layout
    }

    /// The layouts of all.
    pub(crate) fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.all.iter().map(|buffer| &buffer.layout)
    }

    /// Memory for them.
    pub(crate) fn arena(&self) -> Arena {
        let mut arena = Arena::default();
        arena.f32s.grow(self.f32s);
        arena.bf16s.grow(self.bf16s);
        arena
    }
}

impl Arena {
    /// Some buffers, each apart from the others. They are named in ascending order, and each once.
    pub(crate) fn apart<'a>(&'a mut self, buffers: &Buffers, names: &[usize]) -> Apart<'a> {
        let mut f32s = Rest::new(&mut self.f32s);
        let mut bf16s = Rest::new(&mut self.bf16s);
        let mut parts = TVec::new();
        for name in names {
            let buffer = &buffers.all[*name];
            let (first, len) = (buffer.first, buffer.layout.len() + SLACK);
            let numbers = match buffer.number {
                Number::F32 => NumbersMut::F32(f32s.take(first, len)),
                Number::Bf16 => NumbersMut::Bf16(bf16s.take(first, len)),
            };
            parts.push((*name, numbers));
        }
        Apart { parts }
    }
}

/// What is left of numbers from which parts are taken, from the front to the back.
struct Rest<'a, T> {
    numbers: &'a mut [T],
    passed: usize,
}

impl<'a, T> Rest<'a, T> {
    fn new(numbers: &'a mut [T]) -> Self {
        Self { numbers, passed: 0 }
    }

    fn take(&mut self, first: usize, len: usize) -> &'a mut [T] {
        let rest = std::mem::take(&mut self.numbers);
        let (_, rest) = rest.split_at_mut(first - self.passed);
        let (part, rest) = rest.split_at_mut(len);
        (self.numbers, self.passed) = (rest, first + len);
        part
    }
}

impl<'a> Apart<'a> {
    /// One of them, to be written. It is not among them any more.
    pub(crate) fn take(&mut self, buffer: usize) -> NumbersMut<'a> {
        let at = self.parts.iter().position(|(name, _)| *name == buffer);
        self.parts.swap_remove(at.unwrap_or(usize::MAX)).1
    }

    /// One of them, to be read.
    pub(crate) fn get(&self, buffer: usize) -> Numbers<'_> {
        let at = self.parts.iter().position(|(name, _)| *name == buffer);
        self.parts[at.unwrap_or(usize::MAX)].1.shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_apart_and_begin_cache_lines() {
        let layouts = [
            (5, Number::F32),
            (7, Number::Bf16),
            (3, Number::F32),
            (2, Number::F32),
        ]
        .map(|(channels, number)| (Layout::plain(2, 1, 3, channels), number));
        let buffers = Buffers::new(&layouts);
        let mut arena = buffers.arena();
        for (names, value) in [([0, 1, 3], 1.0), ([1, 2, 3], 2.0)] {
            let mut apart = arena.apart(&buffers, &names);
            for name in names {
                let len = buffers.layout(name).len() + SLACK;
                match apart.take(name) {
                    NumbersMut::F32(numbers) => {
                        assert_eq!(numbers.len(), len);
                        assert!(numbers.as_ptr().addr().is_multiple_of(LINE));
                        assert!(
                            numbers
                                .iter()
                                .all(|n| *n == if name == 3 { value - 1.0 } else { 0.0 })
                        );
                        numbers.fill(value);
                    }
                    NumbersMut::Bf16(numbers) => {
                        assert_eq!((name, numbers.len()), (1, len));
                        assert!(numbers.as_ptr().addr().is_multiple_of(LINE));
                    }
                }
            }
        }
        let apart = arena.apart(&buffers, &[0, 2]);
        for (name, value) in [(0, 1.0), (2, 2.0)] {
            let Numbers::F32(numbers) = apart.get(name) else {
                panic!("it is of f32")
            };
            assert!(numbers.iter().all(|number| *number == value));
        }
    }
}
