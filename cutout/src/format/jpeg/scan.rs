//! A scan: blocks of coefficients of one component or of several.
//!
//! Damage is never filled in. Missing or left-over data, codes that are none and restart markers out of order
//! end the image.

use super::Fault;
use super::bits::BitReader;
use super::frame::{Component, Frame, Tables};

/// Decodes the blocks of a scan, one after the other.
pub(super) trait BlockDecoder {
    /// Reads a block: the one at that column and row of the component, which may be behind its last one where
    /// it fills up an MCU. `part` is the component's number in the scan.
    fn block(&mut self, reader: &mut BitReader<'_>, part: usize, column: usize, row: usize);

    /// Forgets what was before, at a restart marker or the scan's end.
    fn restart(&mut self) -> Result<(), Fault>;
}

/// What a scan has, from its header.
pub(super) struct ScanHeader {
    /// Each component's number, and those of its DC and AC table.
    pub(super) parts: Vec<Part>,
    /// The first and the last coefficient, in coding order.
    pub(super) band: (usize, usize),
    /// The bit below those that came in an earlier scan, and the one that comes now; for progressive files.
    pub(super) bits: (u8, u8),
}

pub(super) struct Part {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

impl ScanHeader {
    /// Reads a start-of-scan segment, and checks that the scan is one that was still to come.
    pub(super) fn read(segment: &[u8], frame: &mut Frame, tables: &Tables) -> Result<Self, Fault> {
        let bad = || Fault::broken("a scan's header is impossible");
        let [count, rest @ ..] = segment else {
            return Err(bad());
        };
        let (parts, [first, last, bits]) = rest.split_last_chunk::<3>().ok_or_else(bad)?;
        if !(1..=4).contains(count) || parts.len() != 2 * usize::from(*count) {
            return Err(bad());
        }
        let mut header = Self {
            parts: Vec::new(),
            band: (usize::from(*first), usize::from(*last)),
            bits: (bits >> 4, bits & 15),
        };
        let (parts, _) = parts.as_chunks::<2>();
        for [id, numbers] in parts {
            let component = frame.number(*id).ok_or_else(bad)?;
            if header.parts.iter().any(|part| part.component == component) {
                return Err(bad());
            }
            let (dc, ac) = (usize::from(numbers >> 4), usize::from(numbers & 15));
            if dc > 3 || ac > 3 {
                return Err(bad());
            }
            frame.components[component].latch(tables)?;
            header.parts.push(Part { component, dc, ac });
        }
        let blocks =
            |part: &Part| frame.components[part.component].h * frame.components[part.component].v;
        if header.parts.len() > 1 && header.parts.iter().map(blocks).sum::<usize>() > 10 {
            return Err(bad());
        }
        if frame.progressive {
            header.progress(frame)?;
        } else {
            header.take_whole(frame)?;
        }
        Ok(header)
    }

    /// A sequential scan has all of its components, which haven't come before.
    fn take_whole(&self, frame: &mut Frame) -> Result<(), Fault> {
        if self.band != (0, 63) || self.bits != (0, 0) {
            return Err(Fault::broken("a sequential JPEG has a progressive scan"));
        }
        for part in &self.parts {
            let component = &mut frame.components[part.component];
            if component.missing_bits[0].is_some() {
                return Err(Fault::broken("a component is there twice"));
            }
            component.missing_bits = [Some(0); 64];
        }
        Ok(())
    }

    /// A progressive scan has a band of coefficients, or one more bit of them, after those that came before.
    fn progress(&self, frame: &mut Frame) -> Result<(), Fault> {
        let bad = || Fault::broken("the scans of a progressive JPEG are out of order");
        let ((first, last), (before, now)) = (self.band, self.bits);
        let is_band = if first == 0 {
            last == 0
        } else {
            self.parts.len() == 1
        };
        let is_next = before == 0 || now.checked_add(1) == Some(before);
        if !is_band || last < first || last > 63 || now > 13 || !is_next {
            return Err(bad());
        }
        for part in &self.parts {
            let missing = &mut frame.components[part.component].missing_bits;
            if first > 0 && missing[0].is_none() {
                return Err(bad());
            }
            for bits in &mut missing[first..=last] {
                if bits.unwrap_or(0) != before || (bits.is_some() && before == 0) {
                    return Err(bad());
                }
                *bits = Some(now);
            }
        }
        Ok(())
    }
}

/// Reads all blocks of a scan whose data begins at `position`; says where the marker after them is.
pub(super) fn decode(
    bytes: &[u8],
    position: usize,
    frame: &Frame,
    header: &ScanHeader,
    restart_interval: usize,
    decoder: &mut impl BlockDecoder,
) -> Result<usize, Fault> {
    let mut scan = Scan {
        bytes,
        reader: BitReader::new(bytes, position),
        interval: restart_interval,
        mcus_left: restart_interval,
        restarts: 0,
    };
    let component = |part: &Part| -> &Component { &frame.components[part.component] };
    if let [only] = header.parts.as_slice() {
        let component = component(only);
        for row in 0..component.blocks_high {
            for column in 0..component.blocks_wide {
                scan.begin_mcu(decoder)?;
                decoder.block(&mut scan.reader, 0, column, row);
                scan.reader.check()?;
            }
        }
    } else {
        let (wide, high) = frame.mcus();
        for mcu_row in 0..high {
            for mcu_column in 0..wide {
                scan.begin_mcu(decoder)?;
                for (number, part) in header.parts.iter().enumerate() {
                    let (h, v) = (component(part).h, component(part).v);
                    for row in mcu_row * v..(mcu_row + 1) * v {
                        for column in mcu_column * h..(mcu_column + 1) * h {
                            decoder.block(&mut scan.reader, number, column, row);
                        }
                    }
                }
                scan.reader.check()?;
            }
        }
    }
    decoder.restart()?;
    scan.reader.finish()
}

/// Where a scan is.
struct Scan<'a> {
    bytes: &'a [u8],
    reader: BitReader<'a>,
    interval: usize,
    mcus_left: usize,
    restarts: usize,
}

impl Scan<'_> {
    /// Steps over the restart marker before an MCU, if there has to be one.
    fn begin_mcu(&mut self, decoder: &mut impl BlockDecoder) -> Result<(), Fault> {
        if self.interval == 0 {
            return Ok(());
        }
        if self.mcus_left == 0 {
            let reader = std::mem::replace(&mut self.reader, BitReader::new(self.bytes, 0));
            let position = reader.finish()?;
            let (marker, position) = super::marker_at(self.bytes, position)?;
            if usize::from(marker) != 0xD0 + self.restarts % 8 {
                return Err(Fault::broken("a restart marker is missing or out of order"));
            }
            decoder.restart()?;
            self.restarts += 1;
            self.mcus_left = self.interval;
            self.reader = BitReader::new(self.bytes, position);
        }
        self.mcus_left -= 1;
        Ok(())
    }
}
