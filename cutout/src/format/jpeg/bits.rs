//! The bits of a scan.

use super::Fault;

/// Reads the entropy-coded data of a scan, up to its next marker.
///
/// The hot loops need no checks: behind the data are zeros, which are counted, and faults are noted.
/// [`check`](Self::check) tells of both, once an MCU.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in the buffer yet.
    position: usize,
    /// The next bits, the first one at the top. Bits behind the `count` first ones are those of the next byte,
    /// or zeros.
    buffer: u64,
    count: u32,
    /// How many of the last bits in the buffer are no data.
    made_up: u32,
    fault: Option<&'static str>,
}

/// Enough for a Huffman code and the bits of its value, 16 each at most.
const ENOUGH: u32 = 32;

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self {
            bytes,
            position,
            buffer: 0,
            count: 0,
            made_up: 0,
            fault: None,
        }
    }

    /// Makes sure that 32 bits can be read.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.count >= ENOUGH {
            return;
        }
        if let Some(next) = self.bytes.get(self.position..)
            && let Some(next) = next.first_chunk::<8>()
        {
            let word = u64::from_be_bytes(*next);
            if !has_byte_ff(word) {
                self.buffer |= word >> self.count;
                let bytes = (63 - self.count) / 8;
                self.position += bytes as usize;
                self.count += 8 * bytes;
                return;
            }
        }
        self.fill_by_bytes();
    }

    #[cold]
    fn fill_by_bytes(&mut self) {
        while self.count <= 56 {
            if let Some(byte) = self.next_byte() {
                self.buffer |= u64::from(byte) << (56 - self.count);
            } else {
                self.made_up += 8;
            }
            self.count += 8;
        }
    }

    /// The next byte of data; `None` at a marker and at the end of the file.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        if byte != 0xFF {
            self.position += 1;
            return Some(byte);
        }
        // A zero follows 0xFF that is data. More 0xFF may stand before it, as before a marker.
        let more = self.bytes[self.position..].iter();
        let end = self.position + more.take_while(|byte| **byte == 0xFF).count();
        if *self.bytes.get(end)? != 0 {
            return None;
        }
        self.position = end + 1;
        Some(0xFF)
    }

    /// The next `count` bits, 1 to 32, which stay where they are. [`fill`](Self::fill) comes before.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Leaves out the next `count` bits, at most 32.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Reads `count` bits, 1 to 16, filled before.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Reads one bit.
    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.fill();
        self.take(1) == 1
    }

    /// Reads a value of `size` bits, 0 to 16, filled before: a first bit of 0 says that it is negative (ITU-T
    /// T.81, F.2.2.1, EXTEND).
    #[inline]
    pub(super) fn value(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        extend(self.take(size), size)
    }

    /// Takes note that what was read makes no sense.
    #[cold]
    pub(super) fn fail(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }

    /// Whether all that was read is there and makes sense.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.made_up > self.count {
            return Err(Fault::broken("compressed data is missing"));
        }
        self.fault.map_or(Ok(()), |fault| Err(Fault::broken(fault)))
    }

    /// Ends at a marker, and says where that is. At most the last bits of a byte are left, which fill it up.
    pub(super) fn finish(self) -> Result<usize, Fault> {
        self.check()?;
        if self.count - self.made_up >= 8 {
            return Err(Fault::broken("there is more compressed data than pixels"));
        }
        Ok(self.position)
    }
}

/// The value that `size` bits stand for.
#[inline]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let negative = bits >> (size - 1) == 0;
    bits as i32 - if negative { (1 << size) - 1 } else { 0 }
}

/// Whether one of eight bytes is 0xFF.
#[inline]
const fn has_byte_ff(word: u64) -> bool {
    // A byte of the complement is zero exactly when subtracting 1 borrows from its top bit.
    let complement = !word;
    complement.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_whatever_bytes_they_are_in() {
        let bytes: Vec<u8> = (0..100_u8).flat_map(|n| [n, n.wrapping_mul(97)]).collect();
        let mut expected = bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1));
        let stuffed: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| {
                if *byte == 0xFF {
                    vec![0xFF, 0]
                } else {
                    vec![*byte]
                }
            })
            .collect();
        let mut reader = BitReader::new(&stuffed, 0);
        for length in (1..=16).cycle().take(150) {
            reader.fill();
            let bits = reader.take(length);
            for n in (0..length).rev() {
                assert_eq!(bits >> n & 1, u32::from(expected.next().unwrap()));
            }
        }
        assert!(reader.check().is_ok());
    }

    #[test]
    fn a_stuffed_zero_is_no_data_and_a_marker_is_the_end() {
        let mut reader = BitReader::new(&[0xFF, 0x00, 0xAB, 0xFF, 0xD9], 0);
        reader.fill();
        assert_eq!(reader.take(16), 0xFFAB);
        assert_eq!(reader.finish().unwrap(), 3);
    }

    #[test]
    fn too_little_and_too_much_are_seen() {
        let mut reader = BitReader::new(&[0xAB, 0xFF, 0xD9], 0);
        reader.fill();
        reader.skip(9);
        assert!(reader.check().is_err());
        assert!(reader.finish().is_err());
        let mut reader = BitReader::new(&[0xAB, 0xCD, 0xFF, 0xD9], 0);
        reader.fill();
        reader.skip(8);
        assert!(reader.finish().is_err());
    }

    #[test]
    fn values_are_extended_as_the_standard_says() {
        let all: Vec<i32> = (0..8).map(|bits| extend(bits, 3)).collect();
        assert_eq!(all, [-7, -6, -5, -4, 4, 5, 6, 7]);
        assert_eq!((extend(0, 1), extend(1, 1)), (-1, 1));
    }
}
