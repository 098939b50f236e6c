//! Blocks of progressive scans (ITU-T T.81, annex G): a few coefficients, or one bit of them, at a time.

use super::Fault;
use super::bits::BitReader;
use super::frame::{Frame, Tables, ZIGZAG};
use super::huffman::{BAD_CODE, TOO_LARGE, TOO_MANY_COEFFICIENTS, Table, split};
use super::idct::Block;
use super::scan::{BlockDecoder, ScanHeader};

/// All coefficients of an image, which scan after scan completes.
pub(super) struct Coefficients {
    components: Vec<Blocks>,
}

pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// Blocks in a row, with those that fill up an MCU.
    wide: usize,
}

impl Coefficients {
    pub(super) fn new(frame: &Frame) -> Self {
        let (wide, high) = frame.mcus();
        let components = frame.components.iter().map(|component| Blocks {
            blocks: vec![[0; 64]; wide * component.h * high * component.v],
            wide: wide * component.h,
        });
        Self {
            components: components.collect(),
        }
    }

    /// Checks that no coefficient is larger than there can be.
    pub(super) fn check(&self, frame: &Frame) -> Result<(), Fault> {
        for (component, of) in frame.components.iter().zip(&self.components) {
            let limits = component.limits();
            let is_large = |block: &Block| {
                let mut places = ZIGZAG.iter().zip(limits);
                places.any(|(place, limit)| block[usize::from(*place)].unsigned_abs() > limit)
            };
            if of.blocks.iter().any(is_large) {
                return Err(Fault::broken(TOO_LARGE));
            }
        }
        Ok(())
    }

    pub(super) fn block(&self, component: usize, column: usize, row: usize) -> &Block {
        let of = &self.components[component];
        &of.blocks[row * of.wide + column]
    }
}

/// Decodes the blocks of one scan.
pub(super) struct Progressive<'a> {
    coefficients: &'a mut Coefficients,
    parts: Vec<Part<'a>>,
    first: usize,
    last: usize,
    /// Whether this scan adds a bit to coefficients that have come before.
    refines: bool,
    /// The bit that it brings.
    bit: u8,
    /// How many more blocks have nothing new.
    empty_blocks: u32,
}

struct Part<'a> {
    component: usize,
    /// `None` in a scan that needs no codes.
    table: Option<&'a Table>,
    previous: i32,
}

impl<'a> Progressive<'a> {
    pub(super) fn new(
        header: &ScanHeader,
        tables: &'a Tables,
        coefficients: &'a mut Coefficients,
    ) -> Result<Self, Fault> {
        let (first, last) = header.band;
        let (before, bit) = header.bits;
        let refines = before > 0;
        let parts = header.parts.iter().map(|part| {
            let table = match (first, refines) {
                (0, true) => None,
                (0, false) => tables.dc[part.dc].as_ref(),
                _ => tables.ac[part.ac].as_ref(),
            };
            if table.is_none() && !(first == 0 && refines) {
                return Err(Fault::broken("a Huffman table is missing"));
            }
            Ok(Part {
                component: part.component,
                table,
                previous: 0,
            })
        });
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
            coefficients,
            first,
            last,
            refines,
            bit,
            empty_blocks: 0,
        })
    }

    /// The first bits of a band.
    fn read_band(
        &mut self,
        reader: &mut BitReader<'_>,
        table: &Table,
        block: usize,
        component: usize,
    ) {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return;
        }
        let block = &mut self.coefficients.components[component].blocks[block];
        let mut place = self.first;
        while place <= self.last {
            let (zeros, size) = split(table.symbol(reader));
            if size == 0 && zeros < 15 {
                self.empty_blocks = run(reader, zeros) - 1;
                return;
            }
            place += usize::from(zeros);
            if place > self.last {
                return reader.fail(TOO_MANY_COEFFICIENTS);
            }
            if size > 0 {
                let value = reader.value(size) << self.bit;
                block[usize::from(ZIGZAG[place])] = value as i16;
            }
            place += 1;
        }
    }

    /// One more bit of a band.
    fn refine_band(
        &mut self,
        reader: &mut BitReader<'_>,
        table: &Table,
        block: usize,
        component: usize,
    ) {
        let block = &mut self.coefficients.components[component].blocks[block];
        let one = 1_i16 << self.bit;
        let mut place = self.first;
        while self.empty_blocks == 0 && place <= self.last {
            let (zeros, size) = split(table.symbol(reader));
            let value = match size {
                0 if zeros < 15 => {
                    self.empty_blocks = run(reader, zeros);
                    break;
                }
                0 => 0,
                1 => {
                    if reader.bit() {
                        one
                    } else {
                        -one
                    }
                }
                _ => return reader.fail(BAD_CODE),
            };
            // The new coefficient follows `zeros` coefficients that are still zero. The others get one more bit.
            let mut zeros = zeros;
            while let Some(coefficient) = ZIGZAG[..=self.last].get(place) {
                let coefficient = &mut block[usize::from(*coefficient)];
                if *coefficient != 0 {
                    refine(reader, coefficient, one);
                } else if zeros == 0 {
                    *coefficient = value;
                    break;
                } else {
                    zeros -= 1;
                }
                place += 1;
            }
            if place > self.last {
                return reader.fail(TOO_MANY_COEFFICIENTS);
            }
            place += 1;
        }
        if self.empty_blocks > 0 {
            for place in place..=self.last {
                let coefficient = &mut block[usize::from(ZIGZAG[place])];
                if *coefficient != 0 {
                    refine(reader, coefficient, one);
                }
            }
            self.empty_blocks -= 1;
        }
    }
}

impl BlockDecoder for Progressive<'_> {
    fn block(&mut self, reader: &mut BitReader<'_>, part: usize, column: usize, row: usize) {
        let part = &mut self.parts[part];
        let (component, table) = (part.component, part.table);
        let blocks = &mut self.coefficients.components[component];
        let block = row * blocks.wide + column;
        match table {
            None => {
                if reader.bit() {
                    blocks.blocks[block][0] |= 1 << self.bit;
                }
            }
            Some(table) if self.first == 0 => {
                let size = table.symbol(reader);
                part.previous += reader.value(u32::from(size));
                match i16::try_from(part.previous << self.bit) {
                    Ok(value) => blocks.blocks[block][0] = value,
                    Err(_) => reader.fail(TOO_LARGE),
                }
            }
            Some(table) if self.refines => self.refine_band(reader, table, block, component),
            Some(table) => self.read_band(reader, table, block, component),
        }
    }

    fn restart(&mut self) -> Result<(), Fault> {
        if self.empty_blocks > 0 {
            return Err(Fault::broken("there are more empty blocks than blocks"));
        }
        for part in &mut self.parts {
            part.previous = 0;
        }
        Ok(())
    }
}

/// How many blocks have nothing more, this one included.
fn run(reader: &mut BitReader<'_>, size: u8) -> u32 {
    reader.fill();
    let more = if size == 0 {
        0
    } else {
        reader.take(u32::from(size))
    };
    (1 << size) + more
}

/// Adds a bit to a coefficient, away from zero.
fn refine(reader: &mut BitReader<'_>, coefficient: &mut i16, one: i16) {
    if reader.bit() && *coefficient & one == 0 {
        *coefficient += if *coefficient > 0 { one } else { -one };
    }
}
