//! [`Finished::deliver`] by vectors, whatever their length.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use tract_onnx::prelude::TVec;

use crate::convolution::layout::NumbersMut;
use crate::microkernel::epilogue::Output;
use crate::microkernel::epilogue::{Finish, Finished};

/// A vector of f32.
///
/// # Safety
///
/// To be used where the processor has its instructions. `count` is at most `LANES`; of so many values memory
/// is read and written, and the others are zero.
pub(in crate::microkernel) trait Vector: Copy {
    const LANES: usize;
    unsafe fn load(from: *const f32, count: usize) -> Self;
    unsafe fn store(self, to: *mut f32, count: usize);
    /// Stores the nearest bf16.
    unsafe fn store_bf16(self, to: *mut u16, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    /// `self * scale + shift`.
    unsafe fn scale(self, scale: Self, shift: Self) -> Self;
    /// ReLU; see [`rectify`](crate::microkernel::epilogue::rectify).
    unsafe fn rectify(self) -> Self;
    /// The greater; see [`raise`](crate::microkernel::epilogue::raise).
    unsafe fn raise(self, other: Self) -> Self;
}

/// Does something for so many values, a vector of them at a time: `$at` is the first one's number, and
/// `$lanes` says how many there are. It is a constant but for the last, which lets the compiler leave masks
/// out. No closure: only what stands in a function with these features itself is sure to become their
/// instructions.
macro_rules! each {
    ($vector:ty, $count:expr, |$at:ident, $lanes:ident| $body:expr) => {{
        let (count, mut $at) = ($count, 0);
        while $at + <$vector>::LANES <= count {
            let $lanes = <$vector>::LANES;
            $body;
            $at += $lanes;
        }
        if $at < count {
            let $lanes = count - $at;
            $body;
        }
    }};
}

/// Where values come from: those of a pixel's channels, from the first to the last.
///
/// # Safety
///
/// To be used where the processor has the vector's instructions.
trait Source<V>: Copy {
    /// Hands all of them on.
    unsafe fn pour<S: Sink<V>>(self, sink: S);
}

/// Where values go.
///
/// # Safety
///
/// To be used where the processor has the vector's instructions, and only for channels that are there.
trait Sink<V>: Copy {
    /// Takes `lanes` of them from the channel `at` on.
    unsafe fn put(self, values: V, at: usize, lanes: usize);
}

/// So many values as they are, in whole vectors.
#[derive(Clone, Copy)]
struct Row(*const f32, usize);

impl<V: Vector> Source<V> for Row {
    #[inline(always)]
    unsafe fn pour<S: Sink<V>>(self, sink: S) {
        let Self(row, channels) = self;
        // SAFETY: the caller's promise.
        unsafe {
            each!(V, channels, |at, lanes| {
                sink.put(V::load(row.add(at), V::LANES), at, lanes);
            });
        }
    }
}

/// Sums of some channels, in whole vectors.
struct Columns {
    /// Those of the first pixel; each other one's are `width` further.
    sums: *const f32,
    width: usize,
    /// The first channel, and how many there are: the last ones of the columns may be none.
    first: usize,
    channels: usize,
}

/// Sums of a pixel, biases, perhaps a residual, and perhaps ReLU.
#[derive(Clone, Copy)]
struct Sums<'a, const HAS_RESIDUAL: bool, const RECTIFIED: bool> {
    blocks: &'a [Columns],
    pixel: usize,
    bias: *const f32,
    residual: *const f32,
}

impl<V: Vector, const HAS_RESIDUAL: bool, const RECTIFIED: bool> Source<V>
    for Sums<'_, HAS_RESIDUAL, RECTIFIED>
{
    #[inline(always)]
    unsafe fn pour<S: Sink<V>>(self, sink: S) {
        for block in self.blocks {
            // SAFETY: the caller's promise.
            unsafe {
                let sums = block.sums.add(self.pixel * block.width);
                each!(V, block.channels, |of_block, lanes| {
                    let at = block.first + of_block;
                    let sums = V::load(sums.add(of_block), V::LANES);
                    let mut values = sums.add(V::load(self.bias.add(at), V::LANES));
                    if HAS_RESIDUAL {
                        values = values.add(V::load(self.residual.add(at), lanes));
                    }
                    if RECTIFIED {
                        values = values.rectify();
                    }
                    sink.put(values, at, lanes);
                });
            }
        }
    }
}

impl<V: Vector> Sink<V> for *mut f32 {
    #[inline(always)]
    unsafe fn put(self, values: V, at: usize, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe { values.store(self.add(at), lanes) }
    }
}

impl<V: Vector> Sink<V> for *mut u16 {
    #[inline(always)]
    unsafe fn put(self, values: V, at: usize, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe { values.store_bf16(self.add(at), lanes) }
    }
}

/// Two places.
#[derive(Clone, Copy)]
struct Both<A, B>(A, B);

impl<V: Vector, A: Sink<V>, B: Sink<V>> Sink<V> for Both<A, B> {
    #[inline(always)]
    unsafe fn put(self, values: V, at: usize, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            self.0.put(values, at, lanes);
            self.1.put(values, at, lanes);
        }
    }
}

/// A place for values with a scale and a shift, and with ReLU if they are rectified.
#[derive(Clone, Copy)]
struct Scaled<S, const RECTIFIED: bool> {
    scale: *const f32,
    shift: *const f32,
    sink: S,
}

impl<V: Vector, S: Sink<V>, const RECTIFIED: bool> Sink<V> for Scaled<S, RECTIFIED> {
    #[inline(always)]
    unsafe fn put(self, values: V, at: usize, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::load(self.scale.add(at), lanes);
            let values = values.scale(scale, V::load(self.shift.add(at), lanes));
            let values = if RECTIFIED { values.rectify() } else { values };
            self.sink.put(values, at, lanes);
        }
    }
}

/// A buffer's numbers, from a pixel's channels on.
#[derive(Clone, Copy)]
enum Target {
    F32(*mut f32),
    Bf16(*mut u16),
}

/// A place that values go to, and what is done to them on their way.
struct To<'a> {
    starts: &'a [usize],
    // How far it is from where a pixel's channels begin to the first that is put there.
    offset: usize,
    target: Target,
    len: usize,
    // For each channel.
    scale_and_shift: Option<(*const f32, *const f32)>,
    relu: bool,
}

impl<'a> To<'a> {
    /// All places, for so many channels from `first` on.
    fn all(outputs: &'a mut [Output<'_>], first: usize, channels: usize) -> TVec<Self> {
        let mut all = TVec::new();
        for output in outputs {
            let (target, len) = match &mut output.values {
                NumbersMut::F32(values) => (Target::F32(values.as_mut_ptr()), values.len()),
                NumbersMut::Bf16(values) => (Target::Bf16(values.as_mut_ptr()), values.len()),
            };
            for place in output.places {
                let of_channels = |values: &[f32]| values[first..][..channels].as_ptr();
                let activation = place.activation.as_ref();
                all.push(Self {
                    starts: output.starts,
                    offset: place.offset + first,
                    target,
                    len,
                    scale_and_shift: activation
                        .map(|of| (of_channels(&of.scale), of_channels(&of.shift))),
                    relu: activation.is_some_and(|activation| activation.relu),
                });
            }
        }
        all
    }

    /// Where so many channels of a pixel go.
    #[inline(always)]
    fn at(&self, pixel: usize, channels: usize) -> Target {
        let at = self.starts[pixel] + self.offset;
        assert!(at + channels <= self.len);
        // SAFETY: it is within the buffer.
        unsafe {
            match self.target {
                Target::F32(target) => Target::F32(target.add(at)),
                Target::Bf16(target) => Target::Bf16(target.add(at)),
            }
        }
    }

    /// Puts a pixel's channels there.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions, and the source as many channels.
    #[inline(always)]
    unsafe fn take<V: Vector, S: Source<V>>(&self, source: S, pixel: usize, channels: usize) {
        let target = self.at(pixel, channels);
        // SAFETY: the target has so many channels, and so have scale and shift.
        unsafe {
            match (target, self.scale_and_shift, self.relu) {
                (Target::F32(sink), None, _) => source.pour(sink),
                (Target::Bf16(sink), None, _) => source.pour(sink),
                (Target::F32(sink), Some((scale, shift)), true) => {
                    source.pour(Scaled::<_, true> { scale, shift, sink });
                }
                (Target::Bf16(sink), Some((scale, shift)), true) => {
                    source.pour(Scaled::<_, true> { scale, shift, sink });
                }
                (Target::F32(sink), Some((scale, shift)), false) => {
                    source.pour(Scaled::<_, false> { scale, shift, sink });
                }
                (Target::Bf16(sink), Some((scale, shift)), false) => {
                    source.pour(Scaled::<_, false> { scale, shift, sink });
                }
            }
        }
    }
}

/// Puts a pixel's channels into one or two places, as [`is_direct`] wants them.
///
/// # Safety
///
/// The processor has the vector's instructions, and the source as many channels.
#[inline(always)]
unsafe fn put_directly<V: Vector, S: Source<V>>(
    source: S,
    places: &[To<'_>],
    pixel: usize,
    channels: usize,
) {
    // SAFETY: each target has so many channels, and so have scale and shift.
    unsafe {
        if let [plain, other] = places
            && let Target::F32(plain) = plain.at(pixel, channels)
            && let Some((scale, shift)) = other.scale_and_shift
        {
            match other.at(pixel, channels) {
                Target::F32(sink) => {
                    source.pour(Both(plain, Scaled::<_, true> { scale, shift, sink }));
                }
                Target::Bf16(sink) => {
                    source.pour(Both(plain, Scaled::<_, true> { scale, shift, sink }));
                }
            }
        } else {
            places[0].take(source, pixel, channels);
        }
    }
}

/// Whether values go to one place, or to two as they do at the end of a residual unit: as they are, and
/// scaled and rectified.
fn is_direct(places: &[To<'_>]) -> bool {
    match places {
        [_] => true,
        [plain, other] => {
            matches!(plain.target, Target::F32(_)) && plain.scale_and_shift.is_none() && other.relu
        }
        _ => false,
    }
}

/// Brings sums to where they belong: directly where that is simple, else into a row of a pixel's channels, and
/// from there to each place. Each loop does one thing, and is over in a few instructions a vector. The row is
/// written and read in whole vectors, the last one as well: what was written in part can't be read at once.
///
/// # Safety
///
/// The processor has the vector's instructions.
#[inline(always)]
pub(in crate::microkernel) unsafe fn deliver<V: Vector>(
    finished: &mut Finished<'_>,
    finish: &mut Finish<'_>,
) {
    let (first, channels, bias) = (finished.first(), finished.channels, finished.bias);
    let row = std::mem::take(&mut finished.row);
    assert!(row.len() == bias.len() && channels <= row.len());
    assert!(row.len().is_multiple_of(V::LANES));
    let pooled = finished.pooled;
    // The sums of the last pixel are the furthest, and of those the last that is pooled.
    let furthest = pooled.others.last().copied().unwrap_or_default();
    let last = finished.pixels.len().checked_sub(1);
    let end = last.map_or(0, |last| pooled.first(last) + furthest + 1);
    let mut blocks: TVec<Columns> = TVec::new();
    for block in finished.blocks {
        let (from, columns) = (block.first - first, block.columns);
        assert!(columns.is_multiple_of(V::LANES) && from + columns <= row.len());
        let sums = &finished.sums[from * finished.spacing..][..end * columns];
        blocks.push(Columns {
            sums: sums.as_ptr(),
            width: columns,
            first: from,
            channels: columns.min(channels - from),
        });
    }
    let places = To::all(&mut finish.outputs, first, channels);
    let is_direct = pooled.others.is_empty() && is_direct(&places);
    let (bias, row) = (bias.as_ptr(), row.as_mut_ptr());
    for (number, pixel) in finished.pixels.clone().enumerate() {
        let of_pixel = pooled.first(number);
        let residual = finish.residual.map(|(residual, starts)| {
            let residual = &residual[starts[pixel] + first..];
            residual[..channels].as_ptr()
        });
        // SAFETY: each block has sums of this pixel and of those that are pooled with it; there are as many
        // biases as columns, and as much room in the row, all in whole vectors; and `channels` values of the
        // residual.
        unsafe {
            if is_direct {
                let blocks = blocks.as_slice();
                macro_rules! put {
                    ($has_residual:literal, $rectified:literal) => {{
                        let source = Sums::<$has_residual, $rectified> {
                            blocks,
                            pixel: of_pixel,
                            bias,
                            residual: residual.unwrap_or(bias),
                        };
                        put_directly::<V, _>(source, &places, pixel, channels);
                    }};
                }
                match (residual.is_some(), finish.relu) {
                    (true, true) => put!(true, true),
                    (true, false) => put!(true, false),
                    (false, true) => put!(false, true),
                    (false, false) => put!(false, false),
                }
                continue;
            }
            for block in &blocks {
                let sums = block.sums.add(of_pixel * block.width);
                each!(V, block.width, |of_block, lanes| {
                    let at = block.first + of_block;
                    let mut values = V::load(sums.add(of_block), lanes);
                    for other in &pooled.others {
                        let other = sums.add(other * block.width + of_block);
                        values = values.raise(V::load(other, lanes));
                    }
                    // The greatest of the sums gives the greatest value: bias and ReLU keep their order.
                    let values = values.add(V::load(bias.add(at), lanes));
                    values.store(row.add(at), lanes);
                });
            }
            if let Some(residual) = residual {
                each!(V, channels, |at, lanes| {
                    let values = V::load(row.add(at), V::LANES);
                    let values = values.add(V::load(residual.add(at), lanes));
                    values.store(row.add(at), V::LANES);
                });
            }
            if finish.relu {
                each!(V, channels, |at, _lanes| {
                    let values = V::load(row.add(at), V::LANES).rectify();
                    values.store(row.add(at), V::LANES);
                });
            }
            for to in &places {
                to.take::<V, _>(Row(row, channels), pixel, channels);
            }
        }
    }
}
