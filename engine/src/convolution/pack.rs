//! What is prepared before a convolution runs: the blocks of channels (n), the segments and blocks of a window
//! (k), and the weights, packed in the order in which they are read.

use super::{ConvSpec, Layout, PreparedTerm, schedule};
use crate::microkernel::dtype::{unit_of_bf16_pair, unit_of_f32, unit_of_four};
use crate::microkernel::epilogue::ChannelBlock;
use crate::microkernel::gemm::{Schedule, Segment};
use crate::microkernel::{DType, Kernel, UNIT_BYTES, Unit};

/// Divides all channels into as few blocks as the kernel's `nr` allows, and those as equal as its vectors
/// allow: a narrow block loads the same inputs for fewer products. (64 channels are 32 + 32, not 48 + 16.)
pub(super) fn channel_blocks(kernel: Kernel, channels: usize) -> Vec<ChannelBlock> {
    let vectors = channels.div_ceil(kernel.nr_step());
    let count = vectors.div_ceil(kernel.nr() / kernel.nr_step());
    let mut first = 0;
    let block = |number: usize| {
        let wider = usize::from(number < vectors % count);
        let columns = (vectors / count + wider) * kernel.nr_step();
        first += columns;
        ChannelBlock {
            first: first - columns,
            columns,
        }
    };
    (0..count).map(block).collect()
}

/// The segments of a pixel's window: its rows, each with all columns and channels, rounded up to a multiple of
/// `multiple` units. What is read behind the end of a row is multiplied with zero.
pub(super) fn segments(
    spec: &ConvSpec,
    input: &Layout,
    dtype: DType,
    multiple: usize,
) -> Vec<Segment> {
    let k_units = (spec.window[1] * input.channels).div_ceil(dtype.per_unit());
    (0..spec.window[0])
        .map(|row| Segment {
            offset: input.offset(0, row, 0) * dtype.bytes(),
            k_units: k_units.next_multiple_of(multiple),
        })
        .collect()
}

/// Cuts segments into blocks of `kc` units. The last block may have fewer.
pub(super) fn k_blocks(segments: &[Segment], kc: usize) -> Vec<Vec<Segment>> {
    let mut blocks = Vec::new();
    let (mut block, mut room) = (Vec::new(), kc);
    for segment in segments {
        let mut rest = *segment;
        while rest.k_units > 0 {
            let k_units = rest.k_units.min(room);
            block.push(Segment { k_units, ..rest });
            rest = Segment {
                offset: rest.offset + UNIT_BYTES * k_units,
                k_units: rest.k_units - k_units,
            };
            room -= k_units;
            if room == 0 {
                blocks.push(std::mem::take(&mut block));
                room = kc;
            }
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// The length of a k block in units, rounded up to whole steps of the kernel.
pub(super) fn padded_k(block: &[Segment], kernel: Kernel) -> usize {
    let k_units: usize = block.iter().map(|segment| segment.k_units).sum();
    k_units.next_multiple_of(kernel.k_step())
}

/// Where the packed weights of a term are.
///
/// ```text
///   for each block of channels and k block:
///
///      [k unit 0: a unit for each channel of the block] [k unit 1: ...] ... [zeros up to whole steps]
/// ```
///
/// A microkernel reads this from the first to the last. The blocks follow each other as the loops reach them
/// ([`place`]).
#[derive(Debug, Clone)]
pub(super) struct Packing {
    kernel: Kernel,
    // Where the weights of each block of channels and k block begin.
    offsets: Vec<usize>,
    // The number of k blocks, and the units of each but the last.
    k_blocks: usize,
    kc: usize,
    // As many, for a kernel that has them.
    schedules: Vec<Schedule>,
}

static NO_SCHEDULE: Schedule = Schedule {
    runs: Vec::new(),
    offsets: Vec::new(),
    starts: Vec::new(),
};

impl Packing {
    /// For `blocks` blocks of channels. [`place`] says where they are.
    pub(super) fn new(kernel: Kernel, blocks: usize, k_blocks: &[Vec<Segment>]) -> Self {
        Self {
            kernel,
            offsets: vec![0; blocks * k_blocks.len()],
            k_blocks: k_blocks.len(),
            kc: k_blocks[0].iter().map(|segment| segment.k_units).sum(),
            schedules: Vec::new(),
        }
    }

    /// Where the weights of a block of channels and a k block begin.
    pub(super) fn offset(&self, block: usize, k_block: usize) -> usize {
        self.offsets[block * self.k_blocks + k_block]
    }

    /// The order in which the kernel takes the units of a k block, if it has one: an empty one before there are weights.
    pub(super) fn schedule(&self, block: usize, k_block: usize) -> &Schedule {
        let schedule = self.schedules.get(block * self.k_blocks + k_block);
        schedule.unwrap_or(&NO_SCHEDULE)
    }

    /// Puts packed weights in an order of their own, for a kernel that has one. They take up to as many units as
    /// [`schedule::most_steps`] says, and follow each other as before; what is behind them is zero. Returns how many
    /// they are, and what each channel's sum starts from.
    pub(super) fn arrange(
        &mut self,
        blocks: &[ChannelBlock],
        k_blocks: &[Vec<Segment>],
        packed: &mut [Unit],
    ) -> (usize, Vec<i32>) {
        assert!(self.schedules.is_empty(), "the weights are packed once");
        let units_of = |k_block: &Vec<Segment>| padded_k(k_block, self.kernel);
        let len = k_blocks.iter().map(units_of).sum::<usize>()
            * blocks.iter().map(|block| block.columns).sum::<usize>();
        let units = packed[..len].to_vec();
        packed[..len].fill(0);
        let mut started = vec![0; blocks.iter().map(|block| block.columns).sum()];
        let mut end = 0;
        for (number, block) in blocks.iter().enumerate() {
            for (k_block, segments) in k_blocks.iter().enumerate() {
                let at = number * self.k_blocks + k_block;
                let units = &units[self.offsets[at]..][..units_of(segments) * block.columns];
                let offsets = segments.iter().flat_map(|segment| {
                    (0..segment.k_units).map(|unit| segment.offset + UNIT_BYTES * unit)
                });
                let schedule = schedule::arrange(units, block.columns, offsets, &mut packed[end..]);
                self.offsets[at] = end;
                end += schedule.offsets.len() * block.columns;
                for starts in schedule.starts.chunks(block.columns) {
                    for (started, start) in started[block.first..].iter_mut().zip(starts) {
                        *started = schedule::add(*started, *start);
                    }
                }
                self.schedules.push(schedule);
            }
        }
        (end, started)
    }

    /// Packs weights, `[channels][input channels][rows][columns]`, each times the scale of its channel, or as a
    /// whole number of its channel's steps, into `packed`, which is zero.
    pub(super) fn fill(
        &self,
        spec: &ConvSpec,
        blocks: &[ChannelBlock],
        segments: &[Segment],
        (weights, scale): (&[f32], &[f32]),
        packed: &mut [Unit],
    ) {
        let [rows, columns] = spec.window;
        let of_channel = weights.len() / spec.channels;
        let inputs = of_channel / (rows * columns);
        let dtype = self.kernel.dtype();
        let k_units = segments[0].k_units;
        let width = k_units * dtype.per_unit();
        // One row of the window, in the order of the input's memory, for each channel of a block. Gathered
        // here first, so that the packed weights are then written from the first to the last, a cache line at
        // a time.
        let mut of_block = vec![0.0; self.kernel.nr() * width];
        for (number, block) in blocks.iter().enumerate() {
            let channels = block.columns.min(spec.channels - block.first);
            for row in 0..rows {
                for (channel, to) in of_block.chunks_mut(width).take(channels).enumerate() {
                    let channel = block.first + channel;
                    let weights = &weights[channel * of_channel..][..of_channel];
                    for column in 0..columns {
                        let from = weights[row * columns + column..].iter();
                        let to = to[column * inputs..][..inputs].iter_mut();
                        for (to, from) in to.zip(from.step_by(rows * columns)) {
                            *to = match dtype {
                                DType::Int8 => f32::from(to_steps(*from, scale[channel])),
                                DType::F32 | DType::Bf16 => from * scale[channel],
                            };
                        }
                    }
                }
                for unit in 0..k_units {
                    let of_window = row * k_units + unit;
                    let (k_block, of_k_block) = (of_window / self.kc, of_window % self.kc);
                    let at = self.offset(number, k_block) + of_k_block * block.columns;
                    let packed = packed[at..][..channels].iter_mut();
                    for (packed, of_channel) in packed.zip(of_block.chunks(width)) {
                        *packed = match dtype {
                            DType::F32 => unit_of_f32(of_channel[unit]),
                            DType::Bf16 => {
                                unit_of_bf16_pair([0, 1].map(|half| of_channel[2 * unit + half]))
                            }
                            DType::Int8 => unit_of_four(
                                [0, 1, 2, 3].map(|part| of_channel[4 * unit + part] as i8),
                            ),
                        };
                    }
                }
            }
        }
    }
}

/// How many steps a weight is. It is a whole number of them, up to rounding.
pub(super) fn to_steps(weight: f32, step: f32) -> i8 {
    (weight / step).round() as i8
}

/// Places the packed weights of all terms in the order in which they are read: for each `together` blocks of
/// channels, for each term, for each k block, the blocks one after the other. Returns the number of units.
pub(super) fn place(
    kernel: Kernel,
    blocks: &[ChannelBlock],
    terms: &mut [PreparedTerm],
    together: usize,
) -> usize {
    let (mut end, mut first) = (0, 0);
    for blocks in blocks.chunks(together) {
        for term in &mut *terms {
            for (k_block, segments) in term.k_blocks.iter().enumerate() {
                for (number, block) in blocks.iter().enumerate() {
                    let at = (first + number) * term.k_blocks.len() + k_block;
                    term.packing.offsets[at] = end;
                    end += padded_k(segments, kernel) * block.columns;
                }
            }
        }
        first += blocks.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_equal_as_their_vectors_let_them() {
        let columns = |channels| -> Vec<usize> {
            channel_blocks(Kernel::Avx512, channels)
                .iter()
                .map(|block| block.columns)
                .collect()
        };
        assert_eq!(columns(1), [16]);
        assert_eq!(columns(64), [32, 32]);
        assert_eq!(columns(96), [48, 48]);
        assert_eq!(columns(130), [48, 48, 48]);
        let blocks = channel_blocks(Kernel::Avx2, 40);
        assert_eq!(
            blocks[2],
            ChannelBlock {
                first: 32,
                columns: 8
            }
        );
    }

    #[test]
    fn segments_are_cut_into_blocks_and_nothing_is_lost() {
        let segments = [
            Segment {
                offset: 0,
                k_units: 1000,
            },
            Segment {
                offset: 8000,
                k_units: 20,
            },
        ];
        let blocks = k_blocks(&segments, 384);
        let sizes: Vec<usize> = blocks
            .iter()
            .map(|block| block.iter().map(|segment| segment.k_units).sum())
            .collect();
        assert_eq!(sizes, [384, 384, 1020 - 2 * 384]);
        assert_eq!(blocks[1][0].offset, 4 * 384);
        assert_eq!(blocks[2][1], segments[1]);
    }
}
